/* SPDX-License-Identifier: MIT */
/*
 * The test-only loader: a boot sector that a legacy BIOS starts, and which hands a bundle of files
 * that the emulator has put into memory (tools/mkbundle.py) to the core just as the UEFI loader
 * does.
 */
#pragma once

#include <bulkhead/boot.h>

/* Where the emulator puts the bundle; tools/machine.py knows the same number. */
#define BUNDLE_ADDRESS 0x4000000UL
/* How far behind that it may really begin, and in which steps: see bundle_find. */
#define BUNDLE_PADDING_MAX (8 * MIB)
#define BUNDLE_BLOCK	   (128 * KIB)
#define BUNDLE_MAGIC	   0x454c444e55424842UL /* "BHBUNDLE" */

enum bundle_kind { BUNDLE_CORE = 1, BUNDLE_CONFIG, BUNDLE_FILE };

/* Offsets are from the header; data is page-aligned and zero up to the next page, with one zero
 * byte at least. The core comes last, as its place is given back once it is copied. */
struct bundle_entry {
	u32 kind;
	u32 name_offset;
	u64 offset;
	u64 bytes;
};

struct bundle {
	u64 magic;
	u64 bytes; /* all of it, multiple of 4 KiB */
	u32 entry_count;
	u32 reserved;
	struct bundle_entry entries[];
};

/* As INT 15h AX=E820h gives it. */
struct packed e820_entry {
	u64 base;
	u64 bytes;
	u32 type;
	u32 attributes; /* bit 0 clear: ignore this entry */
};

#define MEMORY_ROOM   128
#define CPU_ROOM      256
#define IOAPIC_ROOM   16
#define OVERRIDE_ROOM 32
#define FILE_ROOM     128

/* boot_info and all its arrays, in one piece. */
struct hand_over {
	struct boot_info info;
	struct boot_memory memory[MEMORY_ROOM];
	struct boot_cpu cpus[CPU_ROOM];
	struct boot_ioapic ioapics[IOAPIC_ROOM];
	struct boot_irq_override irq_overrides[OVERRIDE_ROOM];
	struct boot_file files[FILE_ROOM];
};

/* Say on COM1 what is wrong and stop the machine. */
noreturn void stub_fail(const char *what, const char *value_name, u64 value);

/* memory.c: the memory map as a sorted array without overlaps. */
void memory_from_e820(struct hand_over *out, const struct e820_entry *entries, u32 count);
void memory_set(struct hand_over *out, u64 base, u64 bytes, u32 type);
bool memory_is(const struct hand_over *out, u64 base, u64 bytes, u32 type);
u64 memory_end(const struct hand_over *out);

/* firmware.c: what the BIOS and the CMOS clock tell. */
void firmware_tables(struct hand_over *out);
u64 firmware_time_s(void);

static inline void port_write8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 port_read8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
