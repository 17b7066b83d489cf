/* SPDX-License-Identifier: MIT */
/* A partition's RAM and its mappings. */
#include "partition_memory.h"

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/virt.h>

#define GUEST_ACCESS (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)
#define ROM_ACCESS   (PAGE_READ | PAGE_EXECUTE)
#define HOST_ACCESS  (PAGE_READ | PAGE_WRITE)

static int add_block(struct partition *partition, u64 gpa, unsigned order)
{
	u64 physical = memory_guest_alloc(order);

	if (physical == PAGE_NONE)
		return -ENOMEM;
	partition->ram[partition->ram_count++] = (struct ram_block){gpa, physical, order};
	return 0;
}

/* RAM for [gpa, gpa + bytes), multiples of 2 MiB, in the largest blocks that alignment and memory
 * allow. */
static int take_ram(struct partition *partition, u64 gpa, u64 bytes)
{
	unsigned most = PAGE_ORDER_1G; /* there may be blocks of this order */

	while (bytes) {
		unsigned order = most;

		while (!is_aligned(gpa, PAGE_SIZE << order) || PAGE_SIZE << order > bytes)
			order--;
		if (!add_block(partition, gpa, order)) {
			gpa += PAGE_SIZE << order;
			bytes -= PAGE_SIZE << order;
		} else if (order > PAGE_ORDER_2M) {
			most = order - 1;
		} else {
			return -ENOMEM;
		}
	}
	return 0;
}

/* What of [first, end) is in this block. */
static int map_rom_part(struct partition *partition, const struct ram_block *block, u64 first,
			u64 end)
{
	bool changed;

	first = MAX(first, block->gpa);
	end = MIN(end, block->gpa + (PAGE_SIZE << block->order));
	if (first >= end)
		return 0;
	return page_table_map(&partition->second_level, first,
			      block->physical + (first - block->gpa), end - first, ROM_ACCESS,
			      MEMORY_WB, &changed);
}

static u64 flash_end(const struct guest_memory *memory)
{
	return guest_rom_base(memory) + memory->flash_bytes;
}

/* Of the block that the ROM begins in only its end is seen. The flash is mapped by itself, so that
 * it can be hidden by itself. */
static int map_rom(struct partition *partition, const struct ram_block *block)
{
	const struct guest_memory *memory = &partition->memory;
	int error = map_rom_part(partition, block, flash_end(memory), GUEST_ROM_END);

	return error ? error
		     : map_rom_part(partition, block, guest_rom_base(memory), flash_end(memory));
}

static void flash_fail(const struct partition *partition, const char *what, int error)
{
	if (error) /* neither takes memory: see map_rom */
		panic("%s: its flash cannot be %s: error %d", partition->config->name, what, error);
}

void partition_flash_show(struct partition *partition)
{
	struct guest_memory *memory = &partition->memory;

	if (!memory->flash_hidden)
		return;
	for (u32 i = partition->rom_first;
	     i < partition->ram_count && partition->ram[i].gpa < flash_end(memory); i++)
		flash_fail(partition, "shown",
			   map_rom_part(partition, &partition->ram[i], guest_rom_base(memory),
					flash_end(memory)));
	__atomic_store_n(&memory->flash_hidden, false, __ATOMIC_RELEASE);
}

void partition_flash_hide(struct partition *partition)
{
	struct guest_memory *memory = &partition->memory;
	bool changed;

	__atomic_store_n(&memory->flash_hidden, true, __ATOMIC_RELEASE);
	flash_fail(partition, "hidden",
		   page_table_hide(&partition->second_level, guest_rom_base(memory),
				   memory->flash_bytes, &changed));
}

/* The guest sees no RAM in the legacy video window: accesses there go to the board. */
static int map_for_guest(struct partition *partition, const struct ram_block *block)
{
	u64 bytes = PAGE_SIZE << block->order;
	bool changed;
	int error;

	if (block->gpa >= GUEST_LOW_MAX && block->gpa < GUEST_ROM_END)
		return map_rom(partition, block);
	error = page_table_map(&partition->second_level, block->gpa, block->physical, bytes,
			       GUEST_ACCESS, MEMORY_WB, &changed);

	if (!error && block->gpa == 0)
		error = page_table_unmap(&partition->second_level, GUEST_HOLE_BASE,
					 GUEST_HOLE_END - GUEST_HOLE_BASE, &changed);
	return error;
}

int partition_memory_map(struct partition *partition, const struct ram_block *block)
{
	bool changed;
	int error = map_for_guest(partition, block);

	return error ? error
		     : page_table_map(&partition->space.table, MEMORY_GUEST + block->gpa,
				      block->physical, PAGE_SIZE << block->order, HOST_ACCESS,
				      MEMORY_WB, &changed);
}

/* What is cleared by pieces is mapped by pieces. */
static int map_block(struct partition *partition, const struct ram_block *block)
{
	unsigned order = partition->touched ? PAGE_ORDER_2M : block->order;
	struct ram_block piece = {block->gpa, block->physical, order};
	u64 bytes = PAGE_SIZE << order, end = block->gpa + (PAGE_SIZE << block->order);
	int error = 0;

	for (; piece.gpa < end && !error; piece.gpa += bytes, piece.physical += bytes)
		error = partition_memory_map(partition, &piece);
	return error;
}

static int map_ram(struct partition *partition)
{
	int error = 0;

	for (u32 i = 0; i < partition->ram_count && !error; i++)
		error = map_block(partition, &partition->ram[i]);
	return error;
}

/* `at` is where the next file goes; it moves on. Nothing if there is no name. */
static int map_file(struct partition *partition, const char *name, u64 *at, struct load_file *file,
		    char *reason)
{
	const struct boot_file *found;
	bool changed;
	int error;

	if (!*name)
		return 0;
	found = boot_file_find(name);
	if (!found) {
		format_text(reason, LOAD_REASON_BYTES, "the loader did not bring %s", name);
		return -ENOENT;
	}
	error = page_table_map(&partition->space.table, *at, found->base,
			       align_up(found->bytes, PAGE_SIZE), PAGE_READ, MEMORY_WB, &changed);
	if (error)
		return error;
	file->data = (const u8 *)*at;
	file->bytes = found->bytes;
	file->name = name;
	*at += align_up(found->bytes, PAGE_SIZE);
	return 0;
}

static int make_disks(struct partition *partition, u64 *at, char *reason)
{
	for (u32 i = 0; i < CONFIG_DISKS_MAX; i++) {
		const struct config_disk *config = &partition->config->disks[i];
		struct disk *disk = &partition->disks[partition->disk_count];
		u64 written = MEMORY_DISKS + partition->disk_count * DISK_BYTES_MAX;
		struct load_file image = {0};
		int error = map_file(partition, config->path, at, &image, reason);

		if (error)
			return error;
		if (!config->path[0])
			continue;
		error = disk_create(disk, partition->config->name, config->path, config->readonly,
				    &image, &partition->space.table, (u8 *)written, reason);
		if (error)
			return error;
		partition->disk_count++;
	}
	return 0;
}

static int map_files(struct partition *partition, char *reason)
{
	const struct config_partition *config = partition->config;
	const char *first = config->firmware[0] ? config->firmware : config->kernel;
	u64 at = MEMORY_FILES;
	int error = map_file(partition, first, &at, &partition->kernel, reason);

	if (!error && config->firmware[0])
		error = map_file(partition, config->kernel, &at, &partition->handed, reason);
	error = error ? error
		      : map_file(partition, config->variables, &at, &partition->variables, reason);
	error = error ? error
		      : map_file(partition, config->initrd, &at, &partition->initrd, reason);
	for (u32 i = 0; i < config->modules.count && !error; i++) {
		struct load_module *module = &partition->modules[i];

		module->text = config_module_text(&config->modules, i);
		error = map_file(partition, config_module_file(&config->modules, i), &at,
				 &module->file, reason);
	}
	return error ? error : make_disks(partition, &at, reason);
}

/* How much the ROM takes: what is of no use in its first block stays unmapped. */
static u64 rom_room(const struct partition *partition)
{
	return align_up(partition->memory.rom_bytes, 2 * MIB);
}

static int take_all_ram(struct partition *partition, char *reason)
{
	struct guest_memory *memory = &partition->memory;
	u64 bytes = partition->config->memory_bytes, rom = rom_room(partition);
	struct memory_usage usage;
	int error;

	memory->window = (u8 *)MEMORY_GUEST;
	memory->low_bytes = MIN(bytes, GUEST_LOW_MAX);
	memory->high_bytes = bytes - memory->low_bytes;
	partition->ram_room = (u32)((bytes + rom) / (2 * MIB));
	partition->ram = memory_take(MEMORY_OTHER, partition->ram_room * sizeof(struct ram_block));
	if (!partition->ram)
		return -ENOMEM;
	memory_usage(&usage);
	error = take_ram(partition, 0, memory->low_bytes);
	partition->rom_first = partition->ram_count;
	error = error ? error : take_ram(partition, GUEST_ROM_END - rom, rom);
	error = error ? error : take_ram(partition, GUEST_HIGH_BASE, memory->high_bytes);
	if (error)
		format_text(reason, LOAD_REASON_BYTES, "it needs %lu MiB, %lu MiB are free",
			    (bytes + rom) / MIB, usage.free_bytes / MIB);
	return error;
}

/* The files' sizes are the ROM's. What a UEFI firmware is in is a flash, or, if its variables have
 * a file of their own, what these are in. */
static int size_rom(struct partition *partition, char *reason)
{
	struct guest_memory *memory = &partition->memory;
	u64 variables = partition->variables.bytes, previous;
	int error;

	if (!partition->config->firmware[0])
		return 0;
	previous = address_space_enter(&partition->space);
	error = load_rom_check(&partition->kernel, &partition->variables, reason);
	address_space_leave(previous);
	if (error)
		return error;
	memory->rom_bytes = partition->kernel.bytes + variables;
	if (partition->config->boot == CONFIG_BOOT_UEFI)
		memory->flash_bytes = variables ? variables : memory->rom_bytes;
	return 0;
}

/* Where what firmware is told is put together. */
static int make_firmware(struct partition *partition)
{
	if (!partition->memory.rom_bytes)
		return 0;
	partition->firmware = memory_take(MEMORY_DEVICES, sizeof(*partition->firmware));
	return partition->firmware ? 0 : -ENOMEM;
}

/* Once: it is the partition's own, and stays as it is as long as that exists. */
static void fill_rom(struct partition *partition)
{
	const struct guest_memory *memory = &partition->memory;
	const struct load_file *code = &partition->kernel, *variables = &partition->variables;
	u64 previous;

	if (!memory->rom_bytes)
		return;
	previous = address_space_enter(&partition->space);
	memset(memory->window + GUEST_ROM_END - rom_room(partition), 0,
	       rom_room(partition) - memory->rom_bytes);
	if (variables->bytes)
		memcpy(memory->window + guest_rom_base(memory), variables->data, variables->bytes);
	memcpy(memory->window + GUEST_ROM_END - code->bytes, code->data, code->bytes);
	address_space_leave(previous);
}

int partition_memory_create(struct partition *partition, char *reason)
{
	int error = address_space_create(&partition->space);

	if (error)
		return error;
	error = page_table_init(&partition->second_level, virt->guest_format(), &memory_tables);
	error = error ? error : map_files(partition, reason);
	error = error ? error : size_rom(partition, reason);
	error = error ? error : take_all_ram(partition, reason);
	error = error ? error : partition_touch_create(partition);
	error = error ? error : map_ram(partition);
	error = error ? error : make_firmware(partition);
	if (!error)
		fill_rom(partition);
	return error;
}

void partition_memory_destroy(struct partition *partition)
{
	for (u32 i = 0; i < partition->disk_count; i++)
		disk_destroy(&partition->disks[i]);
	for (u32 i = 0; i < partition->ram_count; i++)
		memory_guest_free(partition->ram[i].physical, partition->ram[i].order);
	memory_give(MEMORY_DEVICES, partition->firmware, sizeof(*partition->firmware));
	memory_give(MEMORY_OTHER, partition->ram, partition->ram_room * sizeof(struct ram_block));
	partition_touch_destroy(partition);
	if (partition->second_level.root)
		page_table_destroy(&partition->second_level);
	if (partition->space.table.root)
		address_space_destroy(&partition->space);
}
