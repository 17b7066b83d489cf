/* SPDX-License-Identifier: MIT */
/* The files that the configuration names, from the volume that the loader came from. */
#include "boot/files.h"

#include "boot/pages.h"

#include <bulkhead/error.h>
#include <bulkhead/string.h>

/* Some firmware fails on reads of many megabytes at once. */
#define READ_BYTES (4 * MIB)

#define FILES_MAX_BYTES (64 * GIB)
/* A kernel or firmware, an initrd or variables, modules, disks. */
#define FILES_PER_PARTITION (2 + CONFIG_MODULES_MAX + CONFIG_DISKS_MAX)

static int files_open_volume(EFI_FILE_HANDLE *root)
{
	EFI_GUID image_guid = LOADED_IMAGE_PROTOCOL, volume_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;
	EFI_BOOT_SERVICES *services = firmware.services;
	EFI_FILE_IO_INTERFACE *volume;
	EFI_LOADED_IMAGE *image;
	void *found;

	if (EFI_ERROR(services->HandleProtocol(firmware.image, &image_guid, &found)))
		goto none;
	image = found;
	if (!image->DeviceHandle ||
	    EFI_ERROR(services->HandleProtocol(image->DeviceHandle, &volume_guid, &found)))
		goto none;
	volume = found;
	if (EFI_ERROR(volume->OpenVolume(volume, root)))
		goto none;
	return 0;
none:
	screen_line(
		"The loader did not come from a volume with a file system that the firmware can "
		"read; start it from a FAT volume");
	return -EIO;
}

static int file_open(EFI_FILE_HANDLE root, const char *path, EFI_FILE_HANDLE *file)
{
	CHAR16 wide[CONFIG_PATH_BYTES];
	EFI_STATUS status;
	u32 used = 0;

	for (; used < CONFIG_PATH_BYTES - 1 && path[used]; used++)
		wide[used] = (u8)path[used];
	wide[used] = 0;
	status = root->Open(root, file, wide, EFI_FILE_MODE_READ, 0);
	if (status == EFI_NOT_FOUND) {
		screen_line("%s: no such file on the boot volume", path);
		return -ENOENT;
	}
	if (EFI_ERROR(status)) {
		screen_line("%s: cannot be opened (firmware status 0x%lx)", path, status);
		return -EIO;
	}
	return 0;
}

static int file_size(const char *path, EFI_FILE_HANDLE file, u64 most, u64 *bytes)
{
	struct {
		EFI_FILE_INFO info;
		CHAR16 name[260];
	} answer;
	EFI_GUID guid = EFI_FILE_INFO_ID;
	UINTN room = sizeof(answer);
	EFI_STATUS status = file->GetInfo(file, &guid, &room, &answer);

	if (EFI_ERROR(status)) {
		screen_line("%s: cannot be examined (firmware status 0x%lx)", path, status);
		return -EIO;
	}
	if (answer.info.Attribute & EFI_FILE_DIRECTORY) {
		screen_line("%s: is a folder, not a file", path);
		return -EINVAL;
	}
	*bytes = answer.info.FileSize;
	if (*bytes > most) {
		screen_line("%s: has %lu KiB, the limit is %lu KiB", path, *bytes / KIB,
			    most / KIB);
		return -E2BIG;
	}
	return 0;
}

static int file_fill(const char *path, EFI_FILE_HANDLE file, u8 *data, u64 bytes)
{
	for (u64 done = 0; done < bytes;) {
		UINTN chunk = MIN(bytes - done, READ_BYTES);
		EFI_STATUS status = file->Read(file, &chunk, data + done);

		if (EFI_ERROR(status) || chunk == 0) {
			screen_line(
				"%s: reading failed after %lu of %lu bytes (firmware status 0x%lx)",
				path, done, bytes, status);
			return -EIO;
		}
		done += chunk;
	}
	return 0;
}

static int file_read_open(const char *path, EFI_FILE_HANDLE handle, u64 most, u64 tail,
			  struct boot_file *file)
{
	int error = file_size(path, handle, most, &file->bytes);

	if (error)
		return error;
	if (pages_take(MAX(file->bytes + tail, 1), PAGE_SIZE, BOOT_MEMORY_BULKHEAD, &file->base)) {
		screen_line("%s: there is no room in memory for %lu KiB", path, file->bytes / KIB);
		return -ENOMEM;
	}
	return file_fill(path, handle, (u8 *)(uintptr_t)file->base, file->bytes);
}

int file_read(const char *path, u64 most, u64 tail, struct boot_file *file)
{
	EFI_FILE_HANDLE root, handle;
	int error = files_open_volume(&root);

	if (error)
		return error;
	error = file_open(root, path, &handle);
	if (!error) {
		error = file_read_open(path, handle, most, tail, file);
		handle->Close(handle);
	}
	root->Close(root);
	return error;
}

/* Room in struct boot_info's memory for the files and their names. */
static int files_begin(struct loader *loader)
{
	u32 room = loader->config.partition_count * FILES_PER_PARTITION;
	void *files = pages_buffer(MAX(room, 1) * (sizeof(struct boot_file) + CONFIG_PATH_BYTES),
				   BOOT_MEMORY_BULKHEAD);

	if (!files)
		return -ENOMEM;
	loader->info->files = (uintptr_t)files;
	return 0;
}

static bool files_have(const struct loader *loader, const char *path)
{
	const struct boot_file *files = (const void *)(uintptr_t)loader->info->files;

	for (u32 i = 0; i < loader->info->file_count; i++)
		if (strcmp((const char *)(uintptr_t)files[i].name, path) == 0)
			return true;
	return false;
}

static void files_show(const char *path, u64 bytes)
{
	if (bytes < MIB)
		screen_line("loaded %s %lu KiB", path, (bytes + KIB - 1) / KIB);
	else
		screen_line("loaded %s %lu.%lu MiB", path, bytes / MIB, bytes % MIB * 10 / MIB);
}

/* A file that cannot be read is on the list too, so that two partitions that name it make one line.
 */
static int files_add(struct loader *loader, const char *path)
{
	u32 room = loader->config.partition_count * FILES_PER_PARTITION;
	struct boot_file *files = (void *)(uintptr_t)loader->info->files;
	struct boot_file *file = &files[loader->info->file_count];
	char *name = (char *)(files + room) + (u64)loader->info->file_count * CONFIG_PATH_BYTES;
	int error;

	if (!path[0] || files_have(loader, path))
		return 0;
	file->name = (uintptr_t)memcpy(name, path, strlen(path) + 1);
	loader->info->file_count++;
	error = file_read(path, FILES_MAX_BYTES, 0, file);
	if (!error)
		files_show(path, file->bytes);
	return error;
}

/* All files that fail are named, not only the first. */
static int files_add_all(struct loader *loader, const struct config_partition *partition)
{
	const struct config_modules *modules = &partition->modules;
	int error = files_add(loader, partition->kernel), next;

	next = files_add(loader, partition->firmware);
	error = error ? error : next;
	next = files_add(loader, partition->variables);
	error = error ? error : next;
	next = files_add(loader, partition->initrd);
	error = error ? error : next;
	for (u32 i = 0; i < modules->count; i++) {
		next = files_add(loader, config_module_file(modules, i));
		error = error ? error : next;
	}
	for (u32 i = 0; i < CONFIG_DISKS_MAX; i++) {
		next = files_add(loader, partition->disks[i].path);
		error = error ? error : next;
	}
	return error;
}

int files_load(struct loader *loader)
{
	int error = files_begin(loader);

	if (error)
		return error;
	for (u32 i = 0; i < loader->config.partition_count; i++) {
		int next = files_add_all(loader, &loader->config.partitions[i]);

		error = error ? error : next;
	}
	return error;
}
