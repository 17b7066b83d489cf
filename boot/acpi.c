/* SPDX-License-Identifier: MIT */
/*
 * RSDP -> XSDT or RSDT -> MADT (ACPI 6.5, sections 5.2.5 to 5.2.8 and 5.2.12). The tables come from
 * firmware of any quality, so nothing in them is trusted.
 */
#include "boot/acpi.h"

#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define RSDP_BYTES_1	20
#define RSDP_BYTES_2	36
#define RSDP_BYTES_MAX	256
#define HEADER_BYTES	36
#define TABLE_BYTES_MAX (1U << 20) /* a MADT of 65000 CPUs fits */
#define MADT_ENTRIES	44

#define APIC_ID_BROADCAST 0xff
#define X2APIC_BROADCAST  0xffffffffU

enum { MADT_LOCAL_APIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LOCAL_X2APIC = 9 };

static u16 acpi_u16(const u8 *at)
{
	return (u16)(at[0] | at[1] << 8);
}

static u32 acpi_u32(const u8 *at)
{
	return (u32)acpi_u16(at) | (u32)acpi_u16(at + 2) << 16;
}

static u64 acpi_u64(const u8 *at)
{
	return acpi_u32(at) | (u64)acpi_u32(at + 4) << 32;
}

static u8 acpi_sum(const u8 *at, u32 bytes)
{
	u8 sum = 0;

	for (u32 i = 0; i < bytes; i++)
		sum = (u8)(sum + at[i]);
	return sum;
}

/* A signature as text that is safe to print. */
static void acpi_name(const u8 *signature, char name[5])
{
	for (u32 i = 0; i < 4; i++)
		name[i] = signature[i] >= ' ' && signature[i] < 0x7f ? (char)signature[i] : '?';
	name[4] = 0;
}

/* The whole of a table, checked, or NULL with `reason` set. Its signature is the caller's to check.
 */
static const u8 *acpi_table(const struct acpi_reader *reader, u64 address, char *reason)
{
	const u8 *table = reader->view(reader, address, HEADER_BYTES);
	char name[5];
	u32 bytes;

	if (!table) {
		format_text(reason, ACPI_REASON_BYTES, "a table at 0x%lx is not in memory",
			    address);
		return NULL;
	}
	acpi_name(table, name);
	bytes = acpi_u32(table + 4);
	if (bytes < HEADER_BYTES || bytes > TABLE_BYTES_MAX ||
	    !reader->view(reader, address, bytes)) {
		format_text(reason, ACPI_REASON_BYTES, "table %s at 0x%lx has a length of %u", name,
			    address, bytes);
		return NULL;
	}
	table = reader->view(reader, address, bytes);
	if (acpi_sum(table, bytes) != 0) {
		format_text(reason, ACPI_REASON_BYTES, "table %s at 0x%lx has a wrong checksum",
			    name, address);
		return NULL;
	}
	return table;
}

/* Where the tables are listed. `xsdt` is 0 for a root pointer of ACPI 1.0. */
static int acpi_rsdp(const struct acpi_reader *reader, u64 address, u64 *xsdt, u64 *rsdt,
		     char *reason)
{
	const u8 *rsdp = reader->view(reader, address, RSDP_BYTES_1);
	u32 bytes;

	*xsdt = 0;
	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8) != 0 || acpi_sum(rsdp, RSDP_BYTES_1) != 0) {
		format_text(reason, ACPI_REASON_BYTES, "there is no valid root pointer at 0x%lx",
			    address);
		return -EINVAL;
	}
	*rsdt = acpi_u32(rsdp + 16);
	if (rsdp[15] < 2)
		return 0;
	rsdp = reader->view(reader, address, RSDP_BYTES_2);
	bytes = rsdp ? acpi_u32(rsdp + 20) : 0;
	if (bytes < RSDP_BYTES_2 || bytes > RSDP_BYTES_MAX)
		return 0;
	rsdp = reader->view(reader, address, bytes);
	if (rsdp && acpi_sum(rsdp, bytes) == 0)
		*xsdt = acpi_u64(rsdp + 24);
	return 0;
}

/* Look for the MADT in an XSDT (entries of 8 bytes) or an RSDT (of 4). */
static int acpi_madt_in(const struct acpi_reader *reader, u64 list, u32 width, const u8 **madt,
			char *reason)
{
	const u8 *table;

	table = acpi_table(reader, list, reason);
	if (!table)
		return -EINVAL;
	if (memcmp(table, width == 8 ? "XSDT" : "RSDT", 4) != 0) {
		format_text(reason, ACPI_REASON_BYTES, "the list of tables at 0x%lx is none", list);
		return -EINVAL;
	}
	for (u32 at = HEADER_BYTES; at + width <= acpi_u32(table + 4); at += width) {
		u64 address = width == 8 ? acpi_u64(table + at) : acpi_u32(table + at);
		const u8 *entry = address ? reader->view(reader, address, HEADER_BYTES) : NULL;

		if (!entry || memcmp(entry, "APIC", 4) != 0)
			continue;
		*madt = acpi_table(reader, address, reason);
		return *madt ? 0 : -EINVAL;
	}
	format_text(reason, ACPI_REASON_BYTES, "there is no MADT");
	return -ENOENT;
}

static int acpi_madt(const struct acpi_reader *reader, u64 rsdp, const u8 **madt, char *reason)
{
	u64 xsdt, rsdt;
	int error = acpi_rsdp(reader, rsdp, &xsdt, &rsdt, reason);

	if (error)
		return error;
	if (!xsdt && !rsdt) {
		format_text(reason, ACPI_REASON_BYTES, "the root pointer leads nowhere");
		return -EINVAL;
	}
	if (xsdt)
		error = acpi_madt_in(reader, xsdt, 8, madt, reason);
	if (rsdt && (!xsdt || error))
		error = acpi_madt_in(reader, rsdt, 4, madt, reason);
	return error;
}

/* Tables that name a CPU both as local APIC and as local x2APIC are common. */
static void acpi_cpu_add(struct acpi_topology *topology, u32 apic_id, u32 flags)
{
	if (!(flags & 1))
		return;
	for (u32 i = 0; i < topology->cpu_count; i++)
		if (topology->cpus[i].apic_id == apic_id)
			return;
	if (topology->cpu_count == topology->cpu_room) {
		topology->dropped++;
		return;
	}
	topology->cpus[topology->cpu_count++] = (struct boot_cpu){.apic_id = apic_id};
}

static void acpi_ioapic_add(struct acpi_topology *topology, u64 address, u32 gsi_base)
{
	for (u32 i = 0; i < topology->ioapic_count; i++)
		if (topology->ioapics[i].address == address)
			return;
	if (topology->ioapic_count == topology->ioapic_room) {
		topology->dropped++;
		return;
	}
	topology->ioapics[topology->ioapic_count++] =
		(struct boot_ioapic){.address = address, .gsi_base = gsi_base};
}

/* Bus 0 is ISA, the only one that there is; its interrupts are 0 to 15. The first of two counts. */
static void acpi_override_add(struct acpi_topology *topology, const u8 *entry)
{
	if (entry[2] != 0 || entry[3] > 15)
		return;
	for (u32 i = 0; i < topology->override_count; i++)
		if (topology->overrides[i].irq == entry[3])
			return;
	if (topology->override_count == topology->override_room) {
		topology->dropped++;
		return;
	}
	topology->overrides[topology->override_count++] = (struct boot_irq_override){
		.irq = entry[3], .gsi = acpi_u32(entry + 4), .flags = acpi_u16(entry + 8)};
}

static void acpi_madt_entry(struct acpi_topology *topology, const u8 *entry)
{
	u8 type = entry[0], bytes = entry[1];

	if (type == MADT_LOCAL_APIC && bytes >= 8 && entry[3] != APIC_ID_BROADCAST)
		acpi_cpu_add(topology, entry[3], acpi_u32(entry + 4));
	else if (type == MADT_LOCAL_X2APIC && bytes >= 16 &&
		 acpi_u32(entry + 4) != X2APIC_BROADCAST)
		acpi_cpu_add(topology, acpi_u32(entry + 4), acpi_u32(entry + 8));
	else if (type == MADT_IOAPIC && bytes >= 12 && acpi_u32(entry + 4) != 0)
		acpi_ioapic_add(topology, acpi_u32(entry + 4), acpi_u32(entry + 8));
	else if (type == MADT_OVERRIDE && bytes >= 10)
		acpi_override_add(topology, entry);
}

static int acpi_madt_walk(struct acpi_topology *topology, const u8 *madt, char *reason)
{
	u32 bytes = acpi_u32(madt + 4);
	u32 at = MADT_ENTRIES;

	while (at + 2 <= bytes) {
		if (madt[at + 1] < 2 || madt[at + 1] > bytes - at) {
			format_text(reason, ACPI_REASON_BYTES,
				    "the MADT has an entry of length %u at offset %u of %u",
				    madt[at + 1], at, bytes);
			return -EINVAL;
		}
		acpi_madt_entry(topology, madt + at);
		at += madt[at + 1];
	}
	if (topology->cpu_count == 0) {
		format_text(reason, ACPI_REASON_BYTES, "the MADT has no enabled CPU");
		return -EINVAL;
	}
	return 0;
}

int acpi_topology_read(const struct acpi_reader *reader, u64 rsdp, struct acpi_topology *topology,
		       char *reason)
{
	const u8 *madt = NULL;
	int error = acpi_madt(reader, rsdp, &madt, reason);

	topology->cpu_count = topology->ioapic_count = topology->override_count = 0;
	topology->dropped = 0;
	if (!error)
		error = acpi_madt_walk(topology, madt, reason);
	if (error)
		topology->cpu_count = topology->ioapic_count = topology->override_count = 0;
	return error;
}
