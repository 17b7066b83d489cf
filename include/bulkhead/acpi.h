/* SPDX-License-Identifier: MIT */
/*
 * The machine's own ACPI tables, as far as the hypervisor needs them: how to reset the machine, how
 * to switch it off, and where its power management timer is.
 */
#pragma once

#include <bulkhead/types.h>

/* Access to the tables, so that reading them is pure. */
struct acpi_reader {
	/* `bytes` bytes at a physical address, or NULL where they cannot be read. Stays valid. */
	const u8 *(*view)(const struct acpi_reader *reader, u64 address, u64 bytes);
};

enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_PORT = 1, ACPI_SPACE_PCI = 2 };

/* A register of one byte (ACPI 6.5, 5.2.3.2). */
struct acpi_register {
	bool present;
	u8 space;    /* enum acpi_space */
	u64 address; /* checked against the limits of the space */
};

/* The fixed hardware (ACPI 6.5, 4.8). A port of 0 is a register that the machine lacks. */
struct acpi_fixed {
	u16 pm1_status[2]; /* PM1a and PM1b; 16 bits each */
	u16 pm1_control[2];
	u16 smi_command;
	u8 acpi_enable; /* what to write there to leave legacy mode */
	u16 timer;	/* counts at 3.579545 MHz */
	bool timer_32;	/* it has 32 bits rather than 24 */
	struct acpi_register reset;
	u8 reset_value;
	struct acpi_register sleep_control; /* only of hardware-reduced machines, instead of PM1 */
	bool sleep_known;		    /* \_S5 was found */
	u8 sleep_type[2];		    /* SLP_TYP of S5 for PM1a and PM1b; 0 to 7 */
};

#define ACPI_REASON_BYTES 128

/*
 * Read what `rsdp` leads to. Returns 0; -ENOENT when there is no FADT; -EINVAL when a table on the
 * way to it is damaged; `reason` (ACPI_REASON_BYTES) says what was wrong in both of these. A
 * damaged DSDT or SSDT is no failure: sleep_known is false then, and `reason` says why, too.
 */
int acpi_fixed_read(const struct acpi_reader *reader, u64 rsdp, struct acpi_fixed *fixed,
		    char *reason) must_check;

/* Find _S5_ in `bytes` bytes of AML: its two sleep types. -ENOENT when it is not there. */
int acpi_sleep_type_find(const u8 *aml, u64 bytes, u8 type[2]) must_check;

/*
 * Find all of the above on this machine, and say on the log what is missing. Once, on the boot CPU,
 * when memory_map_io works. `rsdp` is 0 when firmware has none: -ENODEV. Otherwise as
 * acpi_fixed_read. The two functions below do what they can in any case.
 */
int acpi_init(u64 rsdp) must_check;

/* What acpi_init found; all zero before and on failure. */
const struct acpi_fixed *acpi_fixed(void);

/* Reset the machine through the FADT's register. Returns when there is none or it did not work. */
void acpi_reset(void);

/* Switch the machine off by the ACPI registers or those of a chipset that we know. Returns when
 * that did not work. */
void acpi_power_off(void);
