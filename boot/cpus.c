/* SPDX-License-Identifier: MIT */
/*
 * CPUs, I/O APICs and interrupt overrides: from ACPI; without it, the CPUs from the firmware's MP
 * services and the interrupts as every PC has had them; as a last resort the CPU that this runs on.
 */
#include "boot/loader.h"

#include "boot/acpi.h"
#include "boot/memory_map.h"
#include "boot/mp_services.h"
#include "boot/pages.h"

#include <bulkhead/error.h>

#define CPU_ROOM      4096
#define IOAPIC_ROOM   256
#define OVERRIDE_ROOM 16 /* ISA has no more interrupts */

#define IOAPIC_DEFAULT 0xfec00000UL

static const struct boot_info *cpus_info;

static const u8 *cpus_view(const struct acpi_reader *reader, u64 address, u64 bytes)
{
	(void)reader;
	if (!memory_map_readable((const void *)(uintptr_t)cpus_info->memory,
				 cpus_info->memory_count, address, bytes))
		return NULL;
	return (const u8 *)(uintptr_t)address;
}

static u64 cpus_rsdp(void)
{
	EFI_GUID new_guid = ACPI_20_TABLE_GUID, old_guid = ACPI_TABLE_GUID;
	void *rsdp = platform_table(&new_guid);

	return (uintptr_t)(rsdp ? rsdp : platform_table(&old_guid));
}

static int cpus_buffers(struct acpi_topology *topology)
{
	u64 bytes = CPU_ROOM * sizeof(struct boot_cpu) + IOAPIC_ROOM * sizeof(struct boot_ioapic) +
		    OVERRIDE_ROOM * sizeof(struct boot_irq_override);

	topology->ioapics = pages_buffer(bytes, BOOT_MEMORY_BULKHEAD);
	if (!topology->ioapics)
		return -ENOMEM;
	topology->overrides = (void *)(topology->ioapics + IOAPIC_ROOM);
	topology->cpus = (void *)(topology->overrides + OVERRIDE_ROOM);
	topology->ioapic_room = IOAPIC_ROOM;
	topology->override_room = OVERRIDE_ROOM;
	topology->cpu_room = CPU_ROOM;
	return 0;
}

/* What a PC without a description of its interrupts is like: the timer is on pin 2. */
static void cpus_pc_interrupts(struct acpi_topology *topology)
{
	topology->ioapics[0] = (struct boot_ioapic){.address = IOAPIC_DEFAULT};
	topology->ioapic_count = 1;
	topology->overrides[0] = (struct boot_irq_override){.irq = 0, .gsi = 2};
	topology->override_count = 1;
}

static void cpus_from_firmware(struct acpi_topology *topology)
{
	struct mp_services *mp = mp_services_find();
	UINTN all = 0, enabled = 0;

	topology->cpu_count = 0;
	if (!mp || EFI_ERROR(mp->count(mp, &all, &enabled)))
		return;
	for (UINTN i = 0; i < all; i++) {
		struct mp_cpu cpu = {0};

		if (EFI_ERROR(mp->cpu(mp, i, &cpu)) || !(cpu.status & MP_CPU_ENABLED) ||
		    !(cpu.status & MP_CPU_HEALTHY))
			continue;
		if (topology->cpu_count == topology->cpu_room)
			topology->dropped++;
		else
			topology->cpus[topology->cpu_count++] =
				(struct boot_cpu){.apic_id = (u32)cpu.apic_id};
	}
}

/* The CPU that this runs on exists, whatever the tables say. */
static void cpus_mark_bsp(struct acpi_topology *topology)
{
	u32 apic_id = machine_apic_id();

	for (u32 i = 0; i < topology->cpu_count; i++) {
		if (topology->cpus[i].apic_id == apic_id) {
			topology->cpus[i].flags = BOOT_CPU_BSP;
			return;
		}
	}
	if (topology->cpu_count > 0)
		screen_line(
			"The firmware does not list the CPU that it started (APIC ID %u); it is "
			"added",
			apic_id);
	if (topology->cpu_count == topology->cpu_room)
		topology->cpu_count--;
	topology->cpus[topology->cpu_count++] = (struct boot_cpu){apic_id, BOOT_CPU_BSP};
}

static void cpus_find(struct acpi_topology *topology, u64 rsdp)
{
	const struct acpi_reader reader = {.view = cpus_view};
	char reason[ACPI_REASON_BYTES];

	if (rsdp && !acpi_topology_read(&reader, rsdp, topology, reason))
		return;
	if (rsdp)
		screen_line("ACPI: %s; asking the firmware for its CPUs instead", reason);
	cpus_from_firmware(topology);
	cpus_pc_interrupts(topology);
}

int cpus_gather(struct loader *loader)
{
	struct boot_info *info = loader->info;
	struct acpi_topology topology = {0};
	int error = cpus_buffers(&topology);

	if (error)
		return error;
	cpus_info = info;
	info->rsdp = cpus_rsdp();
	cpus_find(&topology, info->rsdp);
	cpus_mark_bsp(&topology);
	if (topology.dropped > 0)
		screen_line("%u CPUs and I/O APICs beyond %u and %u are not used", topology.dropped,
			    CPU_ROOM, IOAPIC_ROOM);
	info->cpus = (uintptr_t)topology.cpus;
	info->ioapics = (uintptr_t)topology.ioapics;
	info->irq_overrides = (uintptr_t)topology.overrides;
	info->cpu_count = topology.cpu_count;
	info->ioapic_count = topology.ioapic_count;
	info->irq_override_count = topology.override_count;
	screen_line(
		"%u CPU%s, %lu MiB", info->cpu_count, info->cpu_count == 1 ? "" : "s",
		memory_map_usable_bytes((const void *)(uintptr_t)info->memory, info->memory_count) /
			MIB);
	return 0;
}
