/* SPDX-License-Identifier: MIT */
/*
 * What a partition's firmware is told: memory, ACPI tables with the script that places them (the
 * commands of QEMU's hw/acpi/bios-linker-loader.c), SMBIOS, where the console is.
 */
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/load.h>
#include <bulkhead/string.h>

#include "linux_rom.h"

#define ACPI_FILE  "etc/acpi/tables"
#define ROOT_FILE  "etc/acpi/rsdp"
#define ALIGNMENT  64 /* as the FACS wants it */
#define KERNEL_ROM "genroms/linux.bin"
#define COM1_PORT  0x3f8
#define E820_RAM   1
#define TABLES_MAX (64 * KIB)

struct e820_range {
	u64 start, bytes;
	u32 type;
} packed;

enum { COMMAND_ALLOCATE = 1, COMMAND_POINTER, COMMAND_CHECKSUM };
enum { ZONE_HIGH = 1, ZONE_F_SEGMENT = 2 };

/* One step of the script; little-endian. */
struct command {
	u32 command;
	union {
		struct {
			char file[FW_CFG_NAME_BYTES];
			u32 alignment;
			u8 zone;
		} packed allocate;
		struct {
			char in[FW_CFG_NAME_BYTES], to[FW_CFG_NAME_BYTES];
			u32 offset;
			u8 bytes;
		} packed pointer;
		struct {
			char file[FW_CFG_NAME_BYTES];
			u32 offset, start, bytes;
		} packed checksum;
		u8 all[124];
	};
} packed;

_Static_assert(sizeof(struct command) == 128, "command of the loader");

/* Where the files' contents go. Once it is full, all that follows fails too. */
struct store {
	u8 *base;
	u64 room, used;
	bool full;
	struct fw_cfg *fw_cfg;
};

static u8 *store_take(struct store *store, u64 bytes)
{
	u64 start = align_up(store->used, ALIGNMENT);

	if (store->full || start > store->room || bytes > store->room - start) {
		store->full = true;
		return NULL;
	}
	store->used = start + bytes;
	memset(store->base + start, 0, bytes);
	return store->base + start;
}

static void file_add(struct store *store, const char *name, const u8 *data, u64 bytes)
{
	struct fw_cfg *fw_cfg = store->fw_cfg;

	if (fw_cfg->file_count == FW_CFG_FILES_MAX)
		store->full = true;
	if (!store->full)
		fw_cfg->files[fw_cfg->file_count++] = (struct fw_cfg_file){name, data, (u32)bytes};
}

static void file_copy(struct store *store, const char *name, const void *data, u64 bytes)
{
	u8 *copy = store_take(store, bytes);

	if (copy)
		memcpy(copy, data, bytes);
	file_add(store, name, copy, bytes);
}

static void memory_add(struct store *store, const struct smbios_request *smbios)
{
	const struct e820_range ranges[2] = {
		{0, smbios->low_bytes, E820_RAM},
		{GUEST_HIGH_BASE, smbios->high_bytes, E820_RAM},
	};

	file_copy(store, "etc/e820", ranges,
		  smbios->high_bytes ? sizeof(ranges) : sizeof(ranges[0]));
}

static void command_allocate(struct command *command, const char *file, u8 zone)
{
	command->command = COMMAND_ALLOCATE;
	memcpy(command->allocate.file, file, strlen(file));
	command->allocate.alignment = ALIGNMENT;
	command->allocate.zone = zone;
}

static void command_pointer(struct command *command, const char *in, u32 offset, u8 bytes)
{
	command->command = COMMAND_POINTER;
	memcpy(command->pointer.in, in, strlen(in));
	memcpy(command->pointer.to, ACPI_FILE, strlen(ACPI_FILE));
	command->pointer.offset = offset;
	command->pointer.bytes = bytes;
}

static void command_checksum(struct command *command, const char *file, u32 offset, u32 start,
			     u32 bytes)
{
	command->command = COMMAND_CHECKSUM;
	memcpy(command->checksum.file, file, strlen(file));
	command->checksum.offset = offset;
	command->checksum.start = start;
	command->checksum.bytes = bytes;
}

/* First places for all files, then pointers, then checksums over them. */
static void script_add(struct store *store, const struct acpi_links *links)
{
	u32 count = 2 + links->pointer_count + 2 + links->table_count + 2;
	struct command *script = (struct command *)store_take(store, count * sizeof(*script));
	struct command *next = script;

	file_add(store, "etc/table-loader", (const u8 *)script, count * sizeof(*script));
	if (!script)
		return;
	command_allocate(next++, ROOT_FILE, ZONE_F_SEGMENT);
	command_allocate(next++, ACPI_FILE, ZONE_HIGH);
	for (u32 i = 0; i < links->pointer_count; i++)
		command_pointer(next++, ACPI_FILE, links->pointers[i].offset,
				links->pointers[i].bytes);
	command_pointer(next++, ROOT_FILE, ACPI_ROOT_RSDT, 4);
	command_pointer(next++, ROOT_FILE, ACPI_ROOT_XSDT, 8);
	for (u32 i = 0; i < links->table_count; i++) {
		const struct acpi_linked *table = &links->tables[i];

		command_checksum(next++, ACPI_FILE, table->offset + ACPI_CHECKSUM, table->offset,
				 table->bytes);
	}
	command_checksum(next++, ROOT_FILE, ACPI_ROOT_CHECKSUM, 0, ACPI_ROOT_V1_BYTES);
	command_checksum(next, ROOT_FILE, ACPI_ROOT_EXTENDED_CHECKSUM, 0, ACPI_ROOT_BYTES);
}

static int acpi_add(struct store *store, const struct acpi_request *request)
{
	u8 *root = store_take(store, ACPI_ROOT_BYTES);
	u64 start = align_up(store->used, ALIGNMENT);
	struct acpi_links links;
	int error;

	if (!root || start > store->room)
		return -ENOSPC;
	error = acpi_build_loose(request, store->base + start, MIN(store->room - start, TABLES_MAX),
				 root, &links);
	if (error)
		return error;
	store->used = start + links.bytes;
	file_add(store, ROOT_FILE, root, ACPI_ROOT_BYTES);
	file_add(store, ACPI_FILE, store->base + start, links.bytes);
	script_add(store, &links);
	return 0;
}

static int smbios_add(struct store *store, const struct smbios_request *request)
{
	u8 *anchor = store_take(store, SMBIOS_ANCHOR_BYTES);
	u64 start = align_up(store->used, ALIGNMENT);
	struct smbios_tables tables;
	int error;

	if (!anchor || start > store->room)
		return -ENOSPC;
	error = smbios_tables(request, store->base + start, store->room - start, &tables);
	if (error)
		return error;
	store->used = start + tables.bytes;
	smbios_anchor(&tables, 0, anchor);
	file_add(store, "etc/smbios/smbios-anchor", anchor, SMBIOS_ANCHOR_BYTES);
	file_add(store, "etc/smbios/smbios-tables", store->base + start, tables.bytes);
	return 0;
}

/* Its last byte makes the sum of all 0. */
static void rom_add(struct store *store)
{
	u8 *rom = store_take(store, sizeof(linux_rom));

	file_add(store, KERNEL_ROM, rom, sizeof(linux_rom));
	if (!rom)
		return;
	memcpy(rom, linux_rom, sizeof(linux_rom));
	for (u32 i = 0; i < sizeof(linux_rom); i++)
		rom[sizeof(linux_rom) - 1] = (u8)(rom[sizeof(linux_rom) - 1] - linux_rom[i]);
}

/* UEFI firmware takes the kernel by itself; for a BIOS there is a ROM, which comes first. */
static void kernel_add(struct store *store, const struct fw_cfg_request *request)
{
	const struct load_file *kernel = &request->kernel, *initrd = &request->initrd;
	const char *cmdline = request->cmdline ? request->cmdline : "";
	struct fw_cfg *fw_cfg = store->fw_cfg;

	fw_cfg->setup = (struct fw_cfg_item){kernel->data, request->setup_bytes};
	fw_cfg->kernel = (struct fw_cfg_item){kernel->data + request->setup_bytes,
					      (u32)kernel->bytes - request->setup_bytes};
	if (initrd->data)
		fw_cfg->initrd = (struct fw_cfg_item){initrd->data, (u32)initrd->bytes};
	fw_cfg->cmdline = (struct fw_cfg_item){(const u8 *)cmdline, (u32)strlen(cmdline) + 1};
	rom_add(store);
}

/* A line for each device, the first one first. */
static void order_add(struct store *store, const struct fw_cfg_request *request)
{
	static const char rom[] = "/rom@" KERNEL_ROM "\n";
	const char *first = request->kernel.data ? rom : "";
	const char *rest = request->boot_order ? request->boot_order : "";
	u64 bytes = strlen(first) + strlen(rest) + 1;
	u8 *order;

	if (bytes == 1)
		return;
	order = store_take(store, bytes);
	file_add(store, "bootorder", order, bytes);
	if (order)
		format_text((char *)order, bytes, "%s%s", first, rest);
}

int fw_cfg_build(const struct fw_cfg_request *request, u8 *area, u64 room, struct fw_cfg *fw_cfg)
{
	const struct smbios_request *smbios = &request->smbios;
	struct store store = {.base = area, .room = room, .fw_cfg = fw_cfg};
	const u16 serial = COM1_PORT, menu_ms = (u16)request->boot_menu_ms;
	int error;

	*fw_cfg = (struct fw_cfg){
		.ram_bytes = smbios->low_bytes + smbios->high_bytes,
		.vcpus = (u16)request->acpi.vcpus,
		.boot_menu = request->boot_menu_ms > 0,
	};
	smbios_uuid(smbios->name, fw_cfg->uuid);
	memory_add(&store, smbios);
	file_copy(&store, "etc/sercon-port", &serial, sizeof(serial));
	if (fw_cfg->boot_menu)
		file_copy(&store, "etc/boot-menu-wait", &menu_ms, sizeof(menu_ms));
	if (request->kernel.data)
		kernel_add(&store, request);
	order_add(&store, request);
	error = acpi_add(&store, &request->acpi);
	error = error ? error : smbios_add(&store, smbios);
	return !error && store.full ? -ENOSPC : error;
}
