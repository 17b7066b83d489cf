/* SPDX-License-Identifier: MIT */
/*
 * The hand-over from a loader to the core. The loader (boot/, or the test-only legacy stub in
 * tests/stub) checks the machine, loads the core and the files that the configuration names, leaves
 * the firmware, and enters the core with
 *
 *   - long mode, paging on, interrupts off, on the CPU that the firmware booted on;
 *   - page tables of the loader's own that map physical memory 0 up to at least 4 GiB, and
 *     everything that struct boot_info points to, one to one, and the core's image at its link
 * address (core_header.link_address) to where it was placed; all of it may be writable and
 * executable, as the core replaces these tables first of all;
 *   - RDI = physical (= linear) address of struct boot_info; RSP = a stack of at least 8 KiB, below
 * a multiple of 16 less 8 as at a function's entry.
 *
 * All addresses in here are physical. All memory that this structure reaches is marked
 * BOOT_MEMORY_BULKHEAD in the memory map, and stays as it is for good.
 */
#pragma once

#include <bulkhead/types.h>

#define CORE_MAGIC 0x4544414548505542UL /* "BUPHEADE" read as little-endian bytes */

/*
 * The first bytes of the core's flat image. The loader copies file_bytes to a place aligned to
 * 2 MiB, anywhere below 2^46, and clears the rest up to memory_bytes.
 */
struct core_header {
	u64 magic;
	u64 link_address; /* of this header; in the top 2 GiB of the address space */
	u64 file_bytes;
	u64 memory_bytes; /* multiple of 4 KiB */
	u64 entry;	  /* link address of the first instruction */
};

#define BOOT_MAGIC   0x4f464e4948424c42UL
#define BOOT_VERSION 1

enum boot_memory_type {
	BOOT_MEMORY_USABLE = 1,
	BOOT_MEMORY_RESERVED, /* do not touch: firmware, runtime services, holes in use */
	BOOT_MEMORY_ACPI,     /* ACPI tables; the core keeps them */
	BOOT_MEMORY_ACPI_NVS,
	BOOT_MEMORY_MMIO,
	BOOT_MEMORY_BAD,
	BOOT_MEMORY_BULKHEAD, /* the core, boot_info, the files: kept for good */
	BOOT_MEMORY_LOADER,   /* the loader's page tables and stack: free once the core runs on its
				 own */
};

struct boot_memory {
	u64 base;  /* multiple of 4 KiB; entries are sorted by it and do not overlap */
	u64 bytes; /* multiple of 4 KiB */
	u32 type;  /* enum boot_memory_type */
	u32 reserved;
};

#define BOOT_CPU_BSP 1 /* the CPU that enters the core; exactly one has it */

struct boot_cpu {
	u32 apic_id;
	u32 flags;
};

struct boot_ioapic {
	u64 address;
	u32 gsi_base;
	u32 reserved;
};

/* An ISA interrupt that does not arrive at the I/O APIC pin of the same number (MADT type 2). */
struct boot_irq_override {
	u32 irq;
	u32 gsi;
	u32 flags; /* MADT "MPS INTI flags" */
	u32 reserved;
};

/* A file of the boot volume. Its name is as in the configuration, e.g. "\bulkhead\vmlinuz". */
struct boot_file {
	u64 name;  /* address of NUL-terminated text */
	u64 base;  /* multiple of 4 KiB */
	u64 bytes; /* exact size; memory up to the next multiple of 4 KiB is zero */
};

enum boot_pixel_format { BOOT_PIXEL_BGRX = 1, BOOT_PIXEL_RGBX };

struct boot_framebuffer {
	u64 base; /* 0: there is none */
	u32 width, height;
	u32 stride_pixels;
	u32 format; /* enum boot_pixel_format */
};

struct boot_info {
	u64 magic; /* BOOT_MAGIC */
	u32 version;
	u32 bytes; /* sizeof(struct boot_info) */

	u64 core_base; /* where the core's image was placed, core_header.memory_bytes long */

	u64 memory; /* array of struct boot_memory */
	u64 cpus;   /* array of struct boot_cpu, enabled CPUs only */
	u64 ioapics;
	u64 irq_overrides;
	u64 files;
	u32 memory_count;
	u32 cpu_count;
	u32 ioapic_count;
	u32 irq_override_count;
	u32 file_count;
	u32 reserved;

	u64 config; /* text of bulkhead.conf, config_bytes long, followed by a NUL */
	u64 config_bytes;
	u64 config_name; /* its path, NUL-terminated, for messages */

	u64 rsdp;	     /* ACPI root pointer, or 0 when the firmware has none */
	u64 trampoline_page; /* one page below 1 MiB for starting the other CPUs; type BULKHEAD */
	u64 unix_time_s;     /* wall clock (UTC) when firmware was left, or 0 when not known */

	struct boot_framebuffer framebuffer;
	char firmware[64]; /* who made it, for `version`: "EDK II 1.0", "SeaBIOS"; may be empty */
};
