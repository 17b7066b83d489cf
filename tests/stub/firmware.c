/* SPDX-License-Identifier: MIT */
/* CPUs and I/O APICs from the BIOS' ACPI tables (ACPI specification, chapter 5), time from CMOS. */
#include "tests/stub/stub.h"

struct packed acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 bytes; /* this and what follows: from revision 2 on */
	u64 xsdt;
};

struct packed acpi_header {
	u32 signature;
	u32 bytes;
	u8 rest[28];
};

struct packed acpi_madt {
	struct acpi_header header;
	u32 local_apic;
	u32 flags;
	u8 records[];
};

#define SIGNATURE_MADT 0x43495041u	     /* "APIC" */
#define RSDP_SIGNATURE 0x2052545020445352ULL /* "RSD PTR " */

enum madt_type {
	MADT_LOCAL_APIC = 0,
	MADT_IOAPIC = 1,
	MADT_IRQ_OVERRIDE = 2,
	MADT_LOCAL_X2APIC = 9,
};

union packed madt_record {
	struct packed {
		u8 type, bytes;
	} head;
	struct packed {
		u8 type, bytes, processor, apic_id;
		u32 flags;
	} local;
	struct packed {
		u8 type, bytes, id, reserved;
		u32 address, gsi_base;
	} ioapic;
	struct packed {
		u8 type, bytes, bus, irq;
		u32 gsi;
		u16 flags;
	} irq_override;
	struct packed {
		u8 type, bytes;
		u16 reserved;
		u32 apic_id, flags;
	} local_x2;
};

static u32 bsp_apic_id(void)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx >> 24;
}

static void cpu_add(struct hand_over *out, u32 apic_id, u32 enabled)
{
	struct boot_info *info = &out->info;

	if (!(enabled & 1))
		return;
	if (info->cpu_count == CPU_ROOM)
		stub_fail("more CPUs than there is room for", "room", CPU_ROOM);
	out->cpus[info->cpu_count++] = (struct boot_cpu){
		.apic_id = apic_id,
		.flags = apic_id == bsp_apic_id() ? BOOT_CPU_BSP : 0,
	};
}

static void ioapic_add(struct hand_over *out, const union madt_record *record)
{
	if (out->info.ioapic_count == IOAPIC_ROOM)
		stub_fail("more I/O APICs than there is room for", "room", IOAPIC_ROOM);
	out->ioapics[out->info.ioapic_count++] = (struct boot_ioapic){
		.address = record->ioapic.address,
		.gsi_base = record->ioapic.gsi_base,
	};
}

static void irq_override_add(struct hand_over *out, const union madt_record *record)
{
	if (out->info.irq_override_count == OVERRIDE_ROOM)
		stub_fail("more interrupt overrides than there is room for", "room", OVERRIDE_ROOM);
	out->irq_overrides[out->info.irq_override_count++] = (struct boot_irq_override){
		.irq = record->irq_override.irq,
		.gsi = record->irq_override.gsi,
		.flags = record->irq_override.flags,
	};
}

static void madt_read(struct hand_over *out, const struct acpi_madt *madt)
{
	const u8 *at = madt->records;
	const u8 *end = (const u8 *)madt + madt->header.bytes;

	while (at + sizeof(((union madt_record *)0)->head) <= end) {
		const union madt_record *record = (const void *)at;

		if (record->head.bytes < 2)
			stub_fail("a MADT record is too short", "bytes", record->head.bytes);
		if (record->head.type == MADT_LOCAL_APIC)
			cpu_add(out, record->local.apic_id, record->local.flags);
		else if (record->head.type == MADT_LOCAL_X2APIC)
			cpu_add(out, record->local_x2.apic_id, record->local_x2.flags);
		else if (record->head.type == MADT_IOAPIC)
			ioapic_add(out, record);
		else if (record->head.type == MADT_IRQ_OVERRIDE)
			irq_override_add(out, record);
		at += record->head.bytes;
	}
}

static bool checksum_good(const void *data, u32 bytes)
{
	const u8 *at = data;
	u8 sum = 0;

	while (bytes--)
		sum = (u8)(sum + *at++);
	return sum == 0;
}

/* "On 16-byte boundaries in the BIOS read-only memory" (5.2.5.1). */
static const struct acpi_rsdp *rsdp_find(void)
{
	for (u64 at = 0xe0000; at < 0x100000; at += 16)
		if (*(const u64 *)at == RSDP_SIGNATURE && checksum_good((const void *)at, 20))
			return (const void *)at;
	return NULL;
}

static const struct acpi_madt *madt_find(const struct acpi_rsdp *rsdp)
{
	bool wide = rsdp->revision >= 2 && rsdp->xsdt;
	const struct acpi_header *root = (const void *)(wide ? rsdp->xsdt : (u64)rsdp->rsdt);
	const u8 *end = (const u8 *)root + root->bytes;

	for (const u8 *at = (const u8 *)(root + 1); at < end; at += wide ? 8 : 4) {
		const struct acpi_header *table =
			wide ? *(const struct acpi_header *const *)(const void *)at
			     : (const void *)(u64) * (const u32 *)(const void *)at;

		if (table->signature == SIGNATURE_MADT)
			return (const void *)table;
	}
	return NULL;
}

/* Without a MADT there is the CPU that runs this, and nothing is known of others. */
void firmware_tables(struct hand_over *out)
{
	const struct acpi_rsdp *rsdp = rsdp_find();
	const struct acpi_madt *madt = rsdp ? madt_find(rsdp) : NULL;

	out->info.rsdp = (u64)rsdp;
	if (madt)
		madt_read(out, madt);
	if (out->info.cpu_count == 0)
		cpu_add(out, bsp_apic_id(), 1);
}

static u8 cmos_read(u8 index)
{
	port_write8(0x70, index);
	return port_read8(0x71);
}

static u32 clock_field(u8 index, bool binary)
{
	u8 value = cmos_read(index);

	return binary ? value : (value >> 4) * 10u + (value & 15u);
}

/* Days since 1970-01-01 in the Gregorian calendar, for years from 2000 to 2099. */
static u64 days_since_epoch(u32 year, u32 month, u32 day)
{
	static const u16 before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	u64 days = (year - 1970) * 365ULL + (year - 1969) / 4;

	days += before_month[(month - 1) % 12] + day - 1;
	return days + (year % 4 == 0 && month > 2);
}

/* The MC146818's registers; the emulators keep it in UTC and in 24-hour mode. */
u64 firmware_time_s(void)
{
	bool binary = cmos_read(0x0b) & 4;
	u64 days, seconds;
	u32 before;

	do {
		while (cmos_read(0x0a) & 0x80)
			;
		before = clock_field(0, binary);
		seconds = clock_field(4, binary) * 3600 + clock_field(2, binary) * 60 + before;
		days = days_since_epoch(2000 + clock_field(9, binary), clock_field(8, binary),
					clock_field(7, binary));
	} while (clock_field(0, binary) != before);
	return days * 86400 + seconds;
}
