/* SPDX-License-Identifier: MIT */
/* How a guest gets its first instruction. Pure: files and guest memory in, first CPU state out. */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/fw_cfg.h>
#include <bulkhead/guest_memory.h>

struct load_file {
	const u8 *data; /* NULL: there is none */
	u64 bytes;
	const char *name; /* as the configuration has it; NULL: the same as empty */
};

/* What a guest is given besides its kernel. */
struct load_module {
	struct load_file file;
	const char *text; /* for the guest; NULL: the same as empty */
};

struct load_request {
	int boot;		 /* enum config_boot */
	struct load_file kernel; /* boot = raw: the image; bios and uefi: the firmware */
	struct load_file initrd;
	const struct load_module *modules; /* multiboot and pvh */
	u32 module_count;		   /* at most CONFIG_MODULES_MAX */
	const char *cmdline;
	u64 rsdp_gpa;	  /* where the ACPI root pointer already is in guest memory, 0 for none */
	u64 load_address; /* raw images */
	int entry;	  /* raw images: enum config_entry */
	/* Called in the middle of long copies, so that others can have the CPU. NULL: nothing. */
	void (*breathe)(void *context);
	void *context;
};

#define LOAD_REASON_BYTES 160

/*
 * Put the guest into `memory` (all zero on entry apart from ACPI tables at 0xe0000 to 0xfffff) and
 * say how its first vCPU starts. On failure returns a negative errno and explains in `reason`,
 * which has LOAD_REASON_BYTES, in words for an operator: what was found, what is needed. What is
 * wrong with a file, and what does not fit, is found before `memory` is written to.
 */
int load_guest(const struct load_request *request, struct guest_memory *memory,
	       struct cpu_state *start, char *reason) must_check;

/* The same for one kind of guest each. */
int load_linux(const struct load_request *request, struct guest_memory *memory,
	       struct cpu_state *start, char *reason) must_check;
int load_raw(const struct load_request *request, struct guest_memory *memory,
	     struct cpu_state *start, char *reason) must_check;
int load_multiboot(const struct load_request *request, struct guest_memory *memory,
		   struct cpu_state *start, char *reason) must_check;
int load_pvh(const struct load_request *request, struct guest_memory *memory,
	     struct cpu_state *start, char *reason) must_check;
/* The firmware is in the memory's ROM already; the ACPI tables, if there are any, are overwritten.
 */
int load_firmware(const struct load_request *request, struct guest_memory *memory,
		  struct cpu_state *start, char *reason) must_check;

/* Whether a file can be a firmware's ROM, together with one of its variables below it, if there is
 * one: 0, or a negative errno with the reason. */
int load_rom_check(const struct load_file *file, const struct load_file *variables,
		   char *reason) must_check;

/* ACPI tables, and from GUEST_SMBIOS_BASE on those of SMBIOS. */
#define GUEST_ACPI_BASE	  0xe0000UL
#define GUEST_SMBIOS_BASE 0xf0000UL
#define GUEST_ACPI_END	  0x100000UL

/* The ACPI tables of a partition: RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET, MCFG, DSDT. */
struct acpi_request {
	u32 vcpus;     /* local APIC ids 0 to vcpus - 1 */
	u64 low_bytes; /* RAM below 4 GiB: BARs may be where it cannot reach */
};

/* Write the tables; *rsdp_gpa says where the root pointer is. -ENOSPC when they do not fit. */
int acpi_build(const struct acpi_request *request, struct guest_memory *memory,
	       u64 *rsdp_gpa) must_check;

/*
 * The same for firmware, which places the tables itself: pointers hold offsets in the tables, and
 * checksums that depend on them are 0. The checksum of a table is its byte 9.
 */
#define ACPI_POINTERS_MAX 24
#define ACPI_LINKED_MAX	  4
#define ACPI_CHECKSUM	  9

struct acpi_links {
	u32 bytes; /* of the tables */
	u32 pointer_count;
	struct acpi_pointer {
		u32 offset;
		u8 bytes;
	} pointers[ACPI_POINTERS_MAX];
	u32 table_count;
	struct acpi_linked {
		u32 offset, bytes;
	} tables[ACPI_LINKED_MAX]; /* those that have pointers */
};

/* The root pointer (5.2.5.3): where its pointers and checksums are. */
#define ACPI_ROOT_BYTES		    36
#define ACPI_ROOT_V1_BYTES	    20
#define ACPI_ROOT_CHECKSUM	    8 /* of the first 20 bytes */
#define ACPI_ROOT_RSDT		    16
#define ACPI_ROOT_XSDT		    24
#define ACPI_ROOT_EXTENDED_CHECKSUM 32

/* `tables` is aligned to 64 bytes and will be so; -ENOSPC when `room` is too small. */
int acpi_build_loose(const struct acpi_request *request, u8 *tables, u64 room, u8 *root,
		     struct acpi_links *links) must_check;

/* SMBIOS (DMTF DSP0134, 2.8): what the partition says of itself. */
struct smbios_request {
	const char *name; /* of the partition: its serial number, and its UUID is made of it */
	u32 vcpus;
	u64 low_bytes, high_bytes; /* as in struct guest_memory */
};

struct smbios_tables {
	u64 bytes;
	u16 count;
	u16 largest; /* bytes of the largest structure */
};

#define SMBIOS_UUID_BYTES   16 /* in the order of 7.2.1 */
#define SMBIOS_ANCHOR_BYTES 31
#define SMBIOS_TABLES_MAX   0xffffUL

void smbios_uuid(const char *name, u8 *uuid);
/* Write the structures to `area`; -ENOSPC when `room` is too small. */
int smbios_tables(const struct smbios_request *request, u8 *area, u64 room,
		  struct smbios_tables *tables) must_check;
/* Write the entry point (SMBIOS_ANCHOR_BYTES) of structures that are at guest address `gpa`. */
void smbios_anchor(const struct smbios_tables *tables, u32 gpa, u8 *anchor);
/* Both into guest memory, from GUEST_SMBIOS_BASE on. -ENOSPC when they do not fit. */
int smbios_build(const struct smbios_request *request, struct guest_memory *memory) must_check;

/*
 * How many bytes at the beginning of a kernel's file are its setup code, by which a BIOS starts it.
 * Or a negative errno and the reason why a BIOS could not.
 */
int load_linux_setup(const struct load_file *kernel, u32 *setup_bytes, char *reason) must_check;

/* What firmware is told. */
struct fw_cfg_request {
	struct acpi_request acpi;
	struct smbios_request smbios;
	/* What it is to start before anything else; without data: nothing. */
	struct load_file kernel, initrd;
	u32 setup_bytes; /* of the kernel's file */
	const char *cmdline;
	u32 boot_menu_ms;	/* how long it waits for who wants its menu; 0: not at all */
	const char *boot_order; /* paths of devices, a line each; NULL: firmware's own order */
};

#define FW_CFG_AREA_BYTES (124 * KIB) /* enough for any partition */

/* Make it, with what it points to in `area`, which is aligned to 64 bytes. -ENOSPC when `room` is
 * too small. */
int fw_cfg_build(const struct fw_cfg_request *request, u8 *area, u64 room,
		 struct fw_cfg *fw_cfg) must_check;

/* Where the board's ACPI hardware is (drivers/virt/vpm.c implements it, the FADT announces it). */
#define ACPI_PM_BASE	 0xb000 /* PM1a_EVT (4 bytes), +4 PM1a_CNT (2), +8 PM_TMR (4), +12 GPE0 (4) */
#define ACPI_PM1_EVENT	 (ACPI_PM_BASE + 0)
#define ACPI_PM1_CONTROL (ACPI_PM_BASE + 4)
#define ACPI_PM_TIMER	 (ACPI_PM_BASE + 8)
#define ACPI_GPE0	 (ACPI_PM_BASE + 12)
#define ACPI_PM_BYTES	 16
#define ACPI_SCI_IRQ	 9
#define ACPI_S5_TYPE	 5 /* SLP_TYP value for soft-off that \_S5 announces */
#define ACPI_RESET_PORT	 0xcf9
#define ACPI_RESET_VALUE 0x06
#define ACPI_HW_TIMER_HZ 3579545

/* drivers/virt/vpanic.c */
#define ACPI_PANIC_PORT 0x505

/* drivers/virt/vhpet.c: bits 31:0 of its capabilities; the least period that makes sense, as host
 * timers of a device are 20 us apart. */
#define ACPI_HPET_BASE	      0xfed00000UL
#define ACPI_HPET_ID	      0x8086a201U
#define ACPI_HPET_LEAST_TICKS 2000

/* Where the board's PCI bus is (drivers/virt/vpci.c; the MCFG and the DSDT announce it). */
#define PCI_ECAM_BASE	 0xe0000000UL /* configuration space of bus 0 */
#define PCI_ECAM_BYTES	 0x100000UL
#define PCI_MEMORY_BASE	 0xc0000000UL /* for BARs: above all RAM that is below 4 GiB */
#define PCI_MEMORY_BYTES 0x20000000UL
/* Where firmware begins to place them if no RAM is there (edk2, OvmfPkg: half of 4 GiB for
 * devices), so what is between belongs to the bus, too. */
#define PCI_MEMORY_LOW_BASE 0x80000000UL
#define PCI_IO_BASE	    0xc000U /* where ports for BARs begin at reset */
#define PCI_GSI_BASE	    16	    /* I/O APIC input of PIRQA; PIRQB to PIRQD follow */
