/* SPDX-License-Identifier: MIT */
/*
 * Which CPUs and I/O APICs the ACPI tables name. Pure: the tables are reached through an accessor,
 * and every length and checksum is checked before it is believed.
 */
#pragma once

#include <bulkhead/boot.h>

struct acpi_reader {
	/* `bytes` bytes at a physical address, or NULL where they cannot be read. */
	const u8 *(*view)(const struct acpi_reader *reader, u64 address, u64 bytes);
};

/* The caller gives the arrays and their room. What does not fit is counted in `dropped`. */
struct acpi_topology {
	struct boot_cpu *cpus;
	struct boot_ioapic *ioapics;
	struct boot_irq_override *overrides;
	u32 cpu_room, cpu_count;
	u32 ioapic_room, ioapic_count;
	u32 override_room, override_count;
	u32 dropped;
};

#define ACPI_REASON_BYTES 128

/*
 * Read the MADT that `rsdp` leads to. Returns 0; -ENOENT when there is no MADT; -EINVAL when a
 * table on the way is damaged. `reason` (ACPI_REASON_BYTES) says what was wrong in both of these.
 * No CPU is marked as BSP. On failure the counts are 0.
 */
int acpi_topology_read(const struct acpi_reader *reader, u64 rsdp, struct acpi_topology *topology,
		       char *reason) must_check;
