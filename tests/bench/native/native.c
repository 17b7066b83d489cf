/* SPDX-License-Identifier: MIT */
/*
 * Starts the guest of a configuration's first partition on the bare machine, in place of the core:
 * the other half of every comparison. What puts a guest into a partition puts it into the machine's
 * memory here, at the same addresses; only memory map and ACPI tables are the machine's own.
 */
#include "tests/bench/serial.h"
#include "vmm/load/linux_header.h"
#include "vmm/load/load_common.h"

#include <bulkhead/boot.h>
#include <bulkhead/config.h>
#include <bulkhead/port.h>
#include <bulkhead/string.h>

#define LOW_CLEAR_BASE 0x10000UL /* loaders expect cleared memory; what the BIOS uses stays */
#define ANNOUNCE_TICKS 2000000	 /* enough to print one line at the speed of the line */
#define POWER_PORT     0x8900	 /* Bochs: the text "Shutdown" written here ends the run badly */
#define ERROR_ROOM     4

/* Offsets are known in enter.asm. */
struct native_state {
	struct packed {
		u16 limit;
		u64 base;
		u8 padding[6];
	} gdtr;
	u64 cr3, cr4, cr0;
	u64 rdi, rsi, rip, rsp;
	u64 start_tsc;
	u32 data_selector, code_selector;
};

_Static_assert(offsetof(struct native_state, cr3) == 16, "enter.asm");
_Static_assert(offsetof(struct native_state, start_tsc) == 72, "enter.asm");
_Static_assert(offsetof(struct native_state, code_selector) == 84, "enter.asm");

extern const struct core_header core_start; /* linker.ld */

void native_main(const struct boot_info *info);
noreturn void native_enter(const struct native_state *state, u64 tables_offset);

static noreturn void native_fail(const char *what, const char *detail)
{
	serial_print("native: %s: %s\r\n", what, detail);
	serial_drain();
	for (const char *at = "Shutdown"; *at; at++)
		port_write8(POWER_PORT, (u8)*at);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static struct load_file file_find(const struct boot_info *info, const char *name)
{
	const struct boot_file *files = (const void *)info->files;

	if (!*name)
		return (struct load_file){};
	for (u32 i = 0; i < info->file_count; i++)
		if (strcmp((const char *)files[i].name, name) == 0)
			return (struct load_file){(const u8 *)files[i].base, files[i].bytes, NULL};
	native_fail("not in the bundle", name);
}

static const struct config_partition *partition_read(const struct boot_info *info)
{
	static struct config_partition partition;
	static struct config_error errors[ERROR_ROOM];
	struct config config = {
		.partitions = &partition,
		.partition_room = 1,
		.errors = errors,
		.error_room = ERROR_ROOM,
	};

	if (config_parse(&config, (const char *)info->config, info->config_bytes))
		native_fail("bad configuration", errors[0].reason);
	return &partition;
}

/* What is Bulkhead's or the loader's in a memory map is RAM as soon as the guest runs. */
static u32 e820_type(u32 type)
{
	static const u32 types[] = {
		[BOOT_MEMORY_USABLE] = 1, [BOOT_MEMORY_BULKHEAD] = 1, [BOOT_MEMORY_LOADER] = 1,
		[BOOT_MEMORY_ACPI] = 3,	  [BOOT_MEMORY_ACPI_NVS] = 4, [BOOT_MEMORY_BAD] = 5,
	};

	return type < ARRAY_SIZE(types) && types[type] ? types[type] : LINUX_E820_RESERVED;
}

static void e820_replace(struct linux_zero_page *page, const struct boot_info *info)
{
	const struct boot_memory *memory = (const void *)info->memory;
	struct linux_e820 *last = NULL;

	page->e820_entries = 0;
	for (u32 i = 0; i < info->memory_count; i++) {
		u32 type = e820_type(memory[i].type);

		if (last && last->type == type && last->address + last->bytes == memory[i].base) {
			last->bytes += memory[i].bytes;
			continue;
		}
		if (page->e820_entries == LINUX_E820_ROOM)
			native_fail("memory map", "more entries than the zero page has room for");
		last = &page->e820[page->e820_entries++];
		*last = (struct linux_e820){memory[i].base, memory[i].bytes, type};
	}
}

static u64 memory_end(const struct boot_info *info)
{
	const struct boot_memory *memory = (const void *)info->memory;
	u64 end = 0;

	for (u32 i = 0; i < info->memory_count; i++)
		if (e820_type(memory[i].type) == LINUX_E820_RAM && memory[i].base < GUEST_LOW_MAX)
			end = memory[i].base + memory[i].bytes;
	return end;
}

/* The bundle is still there when the guest is put beside it, and has to be whole until then. */
static void overlap_check(const struct boot_info *info, u64 base, u64 bytes)
{
	const struct boot_memory *memory = (const void *)info->memory;

	for (u32 i = 0; i < info->memory_count; i++)
		if (memory[i].type != BOOT_MEMORY_USABLE && memory[i].base < base + bytes &&
		    base < memory[i].base + memory[i].bytes)
			native_fail("the guest was put onto what it is made of",
				    "give the machine more memory");
}

static void guest_load(const struct boot_info *info, const struct config_partition *partition,
		       struct cpu_state *start)
{
	struct guest_memory memory = {.low_bytes = memory_end(info)};
	struct load_request request = {
		.kernel = file_find(info, partition->kernel),
		.initrd = file_find(info, partition->initrd),
		.cmdline = partition->cmdline,
		.rsdp_gpa = info->rsdp,
		.load_address = partition->load_address,
		.entry = (int)partition->entry,
	};
	char reason[LOAD_REASON_BYTES] = "";
	struct linux_zero_page *page;

	memset((void *)LOW_CLEAR_BASE, 0, LOAD_LOW_END - LOW_CLEAR_BASE);
	if (partition->boot == CONFIG_BOOT_RAW) {
		if (load_raw(&request, &memory, start, reason))
			native_fail("cannot start the image", reason);
		overlap_check(info, request.load_address, request.kernel.bytes);
		return;
	}
	if (load_linux(&request, &memory, start, reason))
		native_fail("cannot start the kernel", reason);
	page = (void *)start->gpr[GPR_RSI];
	e820_replace(page, info);
	overlap_check(info, page->header.code32_start, request.kernel.bytes);
	overlap_check(info, page->header.ramdisk_image, page->header.ramdisk_size);
}

static u64 tsc_read(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* The guest's start is announced before it comes, so that printing it costs nothing that is
 * measured. */
void native_main(const struct boot_info *info)
{
	struct cpu_state start;
	struct native_state state;
	const struct config_partition *partition;

	serial_init();
	partition = partition_read(info);
	guest_load(info, partition, &start);
	state = (struct native_state){
		.gdtr = {.limit = (u16)start.gdtr.limit, .base = start.gdtr.base},
		.cr3 = start.cr3,
		.cr4 = start.cr4,
		.cr0 = start.cr0,
		.rdi = start.gpr[GPR_RDI],
		.rsi = start.gpr[GPR_RSI],
		.rip = start.rip,
		.rsp = start.gpr[GPR_RSP],
		.start_tsc = tsc_read() + ANNOUNCE_TICKS,
		.data_selector = start.ds.selector,
		.code_selector = start.cs.selector,
	};
	serial_print("native: starts at %lu\r\n", state.start_tsc);
	serial_drain();
	if (tsc_read() >= state.start_tsc)
		native_fail("too late", "the serial line is slower than expected");
	native_enter(&state, info->core_base - core_start.link_address);
}
