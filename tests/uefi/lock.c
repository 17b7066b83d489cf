/* SPDX-License-Identifier: MIT */
/*
 * Stands in for firmware that has VT-x switched off: locks IA32_FEATURE_CONTROL without its VMX
 * bits on every CPU, then starts \hv.efi from the volume that it came from itself, and says what
 * that returned.
 */
#include "boot/mp_services.h"

#define MSR_FEATURE_CONTROL 0x3a
#define LOCKED		    1
#define NAME		    L"\\hv.efi"
#define INFO_BYTES	    512

static EFI_SYSTEM_TABLE *system_table;

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static void say(const CHAR16 *text)
{
	system_table->ConOut->OutputString(system_table->ConOut, (CHAR16 *)(uintptr_t)text);
}

static void EFIAPI lock(void *argument unused)
{
	__asm__ volatile("wrmsr" : : "c"(MSR_FEATURE_CONTROL), "a"(LOCKED), "d"(0));
}

static void lock_all(void)
{
	EFI_GUID guid = {
		0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
	struct mp_services *mp = NULL;
	UINTN all = 1, enabled = 1;

	lock(NULL);
	if (EFI_ERROR(system_table->BootServices->LocateProtocol(&guid, NULL, (void **)&mp)) ||
	    EFI_ERROR(mp->count(mp, &all, &enabled)) || enabled < 2)
		return;
	if (EFI_ERROR(mp->run_all(mp, lock, FALSE, NULL, 0, NULL, NULL)))
		say(L"lock: the other CPUs could not be reached\r\n");
}

static EFI_STATUS file_read(EFI_HANDLE device, void **data, UINTN *bytes)
{
	EFI_BOOT_SERVICES *services = system_table->BootServices;
	EFI_GUID volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID, info_guid = EFI_FILE_INFO_ID;
	EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *volume;
	UINT8 info[INFO_BYTES] __attribute__((__aligned__(8)));
	EFI_FILE_HANDLE root, file;
	UINTN info_bytes = sizeof(info);
	EFI_STATUS status = services->HandleProtocol(device, &volume_guid, (void **)&volume);

	if (!EFI_ERROR(status))
		status = volume->OpenVolume(volume, &root);
	if (!EFI_ERROR(status))
		status = root->Open(root, &file, (CHAR16 *)NAME, EFI_FILE_MODE_READ, 0);
	if (!EFI_ERROR(status))
		status = file->GetInfo(file, &info_guid, &info_bytes, info);
	if (EFI_ERROR(status))
		return status;
	*bytes = ((EFI_FILE_INFO *)(void *)info)->FileSize;
	status = services->AllocatePool(EfiLoaderData, *bytes, data);
	return EFI_ERROR(status) ? status : file->Read(file, bytes, *data);
}

static EFI_STATUS start(EFI_HANDLE image)
{
	EFI_BOOT_SERVICES *services = system_table->BootServices;
	EFI_GUID guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *mine, *its;
	EFI_HANDLE started = NULL;
	void *data = NULL;
	UINTN bytes = 0;
	EFI_STATUS status = services->HandleProtocol(image, &guid, (void **)&mine);

	if (!EFI_ERROR(status))
		status = file_read(mine->DeviceHandle, &data, &bytes);
	if (!EFI_ERROR(status))
		status = services->LoadImage(FALSE, image, NULL, data, bytes, &started);
	if (!EFI_ERROR(status))
		status = services->HandleProtocol(started, &guid, (void **)&its);
	if (EFI_ERROR(status)) {
		say(L"lock: hv.efi cannot be loaded\r\n");
		return status;
	}
	its->DeviceHandle = mine->DeviceHandle; /* a boot manager names the volume this way */
	return services->StartImage(started, NULL, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	EFI_STATUS status;

	system_table = system;
	lock_all();
	say(L"lock: VMX is locked off on every CPU\r\n");
	status = start(image);
	say(status == EFI_UNSUPPORTED ? L"lock: hv.efi returned EFI_UNSUPPORTED\r\n"
				      : L"lock: hv.efi returned something else\r\n");
	return status;
}
