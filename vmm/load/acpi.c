/* SPDX-License-Identifier: MIT */
/*
 * A partition's firmware tables. Section numbers are those of the ACPI specification 6.4. The RSDT
 * is there for readers that know no XSDT.
 */
#include <bulkhead/error.h>
#include <bulkhead/load.h>

#include "acpi_tables.h"
#include "guest_dsdt.h"

#define ACPI_ROOM (GUEST_SMBIOS_BASE - GUEST_ACPI_BASE)

#define LOCAL_APIC_GPA 0xfee00000U
#define IO_APIC_GPA    0xfec00000U
#define IO_APIC_ID     0
#define LAPIC_ID_END   255 /* ids from here on take an x2APIC entry (5.2.12.12) */
#define PIT_GSI	       2

/* The area of the tables and how much of it is used. Once it is full, all that follows fails too.
 */
struct table_area {
	u8 *base;
	u64 gpa; /* of it */
	u64 room, used;
	bool full;
	struct acpi_links *links; /* NULL: the tables stay where they are */
};

static void *area_take(struct table_area *area, u64 bytes, u64 alignment)
{
	u64 start = align_up(area->used, alignment);

	if (area->full || start + bytes > area->room) {
		area->full = true;
		return NULL;
	}
	area->used = start + bytes;
	return area->base + start;
}

static u32 area_gpa(const struct table_area *area, const void *table)
{
	return (u32)(area->gpa + (u64)((const u8 *)table - area->base));
}

/* Let the field of `bytes` bytes at `offset` of `table` point to `target`. */
static void area_point(struct table_area *area, void *table, u64 offset, u8 bytes,
		       const void *target)
{
	u64 gpa = area_gpa(area, target);
	struct acpi_links *links = area->links;
	u8 *field = (u8 *)table + offset;

	memcpy(field, &gpa, bytes);
	if (!links)
		return;
	if (links->pointer_count == ACPI_POINTERS_MAX)
		area->full = true;
	else
		links->pointers[links->pointer_count++] =
			(struct acpi_pointer){(u32)(field - area->base), bytes};
}

static u8 checksum(const void *data, u64 bytes)
{
	const u8 *byte = data;
	u8 sum = 0;

	while (bytes--)
		sum = (u8)(sum + *byte++);
	return (u8)-sum;
}

static void table_seal(struct table_header *header, const char *signature, u8 revision, u64 bytes)
{
	memcpy(header->signature, signature, sizeof(header->signature));
	header->bytes = (u32)bytes;
	header->revision = revision;
	memcpy(header->oem, "BULKHD", sizeof(header->oem));
	memcpy(header->oem_table, "BULKHEAD", sizeof(header->oem_table));
	header->oem_revision = 1;
	memcpy(header->creator, "BULK", sizeof(header->creator));
	header->creator_revision = 1;
	header->checksum = 0;
	header->checksum = checksum(header, bytes);
}

/* The same of a table with pointers: who moves it makes the checksum, too, and it is 0 until then.
 */
static void table_seal_linked(struct table_area *area, struct table_header *header,
			      const char *signature, u8 revision, u64 bytes)
{
	struct acpi_links *links = area->links;

	table_seal(header, signature, revision, bytes);
	if (!links)
		return;
	header->checksum = 0;
	if (links->table_count == ACPI_LINKED_MAX)
		area->full = true;
	else
		links->tables[links->table_count++] =
			(struct acpi_linked){(u32)((u8 *)header - area->base), (u32)bytes};
}

static void *madt_add(struct table_area *area, enum madt_type type, u8 bytes)
{
	struct madt_entry *entry = area_take(area, bytes, 1);

	if (entry)
		*entry = (struct madt_entry){(u8)type, bytes};
	return entry;
}

static void madt_add_processor(struct table_area *area, u32 id)
{
	struct madt_local_apic *local;
	struct madt_x2apic *x2apic;

	if (id < LAPIC_ID_END) {
		local = madt_add(area, MADT_LOCAL_APIC, sizeof(*local));
		if (!local)
			return;
		local->uid = (u8)id;
		local->id = (u8)id;
		local->flags = MADT_ENABLED;
		return;
	}
	x2apic = madt_add(area, MADT_X2APIC, sizeof(*x2apic));
	if (!x2apic)
		return;
	x2apic->uid = id;
	x2apic->id = id;
	x2apic->flags = MADT_ENABLED;
}

static void madt_add_override(struct table_area *area, u8 irq, u32 gsi, u16 flags)
{
	struct madt_override *override = madt_add(area, MADT_OVERRIDE, sizeof(*override));

	if (!override)
		return;
	override->irq = irq;
	override->gsi = gsi;
	override->flags = flags;
}

static void madt_add_io_apic(struct table_area *area)
{
	struct madt_io_apic *io_apic = madt_add(area, MADT_IO_APIC, sizeof(*io_apic));

	if (!io_apic)
		return;
	io_apic->id = IO_APIC_ID;
	io_apic->address = IO_APIC_GPA;
}

/* NMI arrives at LINT1 of every processor, with the polarity that the bus gives it. */
static void madt_add_nmis(struct table_area *area, u32 vcpus)
{
	struct madt_local_nmi *nmi = madt_add(area, MADT_LOCAL_NMI, sizeof(*nmi));
	struct madt_x2apic_nmi *x2apic_nmi;

	if (nmi) {
		nmi->uid = MADT_ALL_PROCESSORS;
		nmi->lint = 1;
	}
	if (vcpus <= LAPIC_ID_END)
		return;
	x2apic_nmi = madt_add(area, MADT_X2APIC_NMI, sizeof(*x2apic_nmi));
	if (x2apic_nmi) {
		x2apic_nmi->uid = MADT_ALL_X2APICS;
		x2apic_nmi->lint = 1;
	}
}

static struct madt *madt_write(struct table_area *area, u32 vcpus)
{
	struct madt *madt = area_take(area, sizeof(*madt), 16);

	for (u32 id = 0; id < vcpus && !area->full; id++)
		madt_add_processor(area, id);
	madt_add_io_apic(area);
	madt_add_override(area, 0, PIT_GSI, 0);
	madt_add_override(area, ACPI_SCI_IRQ, ACPI_SCI_IRQ, MADT_LEVEL_ACTIVE_HIGH);
	madt_add_nmis(area, vcpus);
	if (area->full)
		return NULL;
	madt->local_apic = LOCAL_APIC_GPA;
	madt->flags = MADT_PCAT_COMPAT;
	table_seal(&madt->header, "APIC", 5, (u64)(area->base + area->used - (u8 *)madt));
	return madt;
}

static struct mcfg *mcfg_write(struct table_area *area)
{
	struct mcfg *mcfg = area_take(area, sizeof(*mcfg), 16);

	if (!mcfg)
		return NULL;
	mcfg->base = PCI_ECAM_BASE;
	mcfg->last_bus = PCI_ECAM_BYTES / MIB - 1;
	table_seal(&mcfg->header, "MCFG", 1, sizeof(*mcfg));
	return mcfg;
}

static struct hpet *hpet_write(struct table_area *area)
{
	struct hpet *hpet = area_take(area, sizeof(*hpet), 16);

	if (!hpet)
		return NULL;
	hpet->id = ACPI_HPET_ID;
	hpet->base = (struct gas){GAS_MEMORY, 64, 0, GAS_ANY, ACPI_HPET_BASE};
	hpet->least_ticks = ACPI_HPET_LEAST_TICKS;
	table_seal(&hpet->header, "HPET", 1, sizeof(*hpet));
	return hpet;
}

static struct facs *facs_write(struct table_area *area)
{
	struct facs *facs = area_take(area, sizeof(*facs), FACS_ALIGNMENT);

	if (!facs)
		return NULL;
	memcpy(facs->signature, "FACS", sizeof(facs->signature));
	facs->bytes = sizeof(*facs);
	facs->version = FACS_VERSION;
	return facs;
}

/* What of a DWord address space descriptor (6.4.3.5.2) is behind its granularity. */
struct pci_window {
	u32 first, last, translation, bytes;
} packed;

/* With little RAM the bus has more memory: see PCI_MEMORY_LOW_BASE. */
static void dsdt_widen(u8 *dsdt)
{
	const u32 last = (u32)(PCI_MEMORY_BASE + PCI_MEMORY_BYTES - 1);
	const struct pci_window window = {(u32)PCI_MEMORY_BASE, last, 0, (u32)PCI_MEMORY_BYTES};
	const struct pci_window wide = {(u32)PCI_MEMORY_LOW_BASE, last, 0,
					last - (u32)PCI_MEMORY_LOW_BASE + 1};

	for (u64 i = 0; i + sizeof(window) <= sizeof(guest_dsdt); i++) {
		if (((const struct pci_window *)(dsdt + i))->first != window.first ||
		    memcmp(dsdt + i, &window, sizeof(window)) != 0)
			continue;
		dsdt[ACPI_CHECKSUM] -= checksum(dsdt + i, sizeof(wide));
		memcpy(dsdt + i, &wide, sizeof(wide));
		dsdt[ACPI_CHECKSUM] += checksum(dsdt + i, sizeof(wide));
	}
}

static u8 *dsdt_write(struct table_area *area, u64 low_bytes)
{
	u8 *dsdt = area_take(area, sizeof(guest_dsdt), 16);

	if (!dsdt)
		return NULL;
	memcpy(dsdt, guest_dsdt, sizeof(guest_dsdt));
	if (low_bytes <= PCI_MEMORY_LOW_BASE)
		dsdt_widen(dsdt);
	return dsdt;
}

/* The old 32-bit fields and the extended ones say the same: readers differ in which they believe.
 */
static void fadt_set_blocks(struct fadt *fadt)
{
	fadt->pm1a_evt_blk = ACPI_PM1_EVENT;
	fadt->pm1_evt_len = 4;
	fadt->x_pm1a_evt_blk = (struct gas){GAS_SYSTEM_IO, 32, 0, GAS_WORD, ACPI_PM1_EVENT};
	fadt->pm1a_cnt_blk = ACPI_PM1_CONTROL;
	fadt->pm1_cnt_len = 2;
	fadt->x_pm1a_cnt_blk = (struct gas){GAS_SYSTEM_IO, 16, 0, GAS_WORD, ACPI_PM1_CONTROL};
	fadt->pm_tmr_blk = ACPI_PM_TIMER;
	fadt->pm_tmr_len = 4;
	fadt->x_pm_tmr_blk = (struct gas){GAS_SYSTEM_IO, 32, 0, GAS_DWORD, ACPI_PM_TIMER};
	fadt->gpe0_blk = ACPI_GPE0;
	fadt->gpe0_blk_len = 4;
	fadt->x_gpe0_blk = (struct gas){GAS_SYSTEM_IO, 32, 0, GAS_WORD, ACPI_GPE0};
	fadt->reset_reg = (struct gas){GAS_SYSTEM_IO, 8, 0, GAS_BYTE, ACPI_RESET_PORT};
	fadt->reset_value = ACPI_RESET_VALUE;
}

/* No SMI command: the board is in ACPI mode from the start, SCI_EN reads 1 (5.2.9, SMI_CMD). */
static struct fadt *fadt_write(struct table_area *area, const u8 *dsdt, const struct facs *facs)
{
	struct fadt *fadt = area_take(area, sizeof(*fadt), 16);

	if (!fadt)
		return NULL;
	/* X_FIRMWARE_CTRL is for what lies above 4 GiB. */
	area_point(area, fadt, offsetof(struct fadt, firmware_ctrl), 4, facs);
	area_point(area, fadt, offsetof(struct fadt, dsdt), 4, dsdt);
	area_point(area, fadt, offsetof(struct fadt, x_dsdt), 8, dsdt);
	fadt->sci_int = ACPI_SCI_IRQ;
	fadt_set_blocks(fadt);
	fadt->p_lvl2_lat = FADT_NO_C2;
	fadt->p_lvl3_lat = FADT_NO_C3;
	fadt->century = CMOS_CENTURY;
	fadt->iapc_boot_arch = FADT_LEGACY_DEVICES | FADT_8042 | FADT_NO_VGA;
	fadt->flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
		      FADT_TMR_VAL_EXT | FADT_RESET_REG;
	fadt->minor = FADT_MINOR;
	memcpy(fadt->hypervisor, "BULKHEAD", sizeof(fadt->hypervisor));
	table_seal_linked(area, &fadt->header, "FACP", FADT_MAJOR, sizeof(*fadt));
	return fadt;
}

static void rsdp_write(struct rsdp *rsdp, u32 rsdt, u32 xsdt)
{
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem, "BULKHD", sizeof(rsdp->oem));
	rsdp->revision = 2;
	rsdp->rsdt = rsdt;
	rsdp->bytes = sizeof(*rsdp);
	rsdp->xsdt = xsdt;
	rsdp->checksum = checksum(rsdp, ACPI_ROOT_V1_BYTES);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

/* Everything but the root pointer: its two targets. */
static int tables_write(struct table_area *area, const struct acpi_request *request,
			struct rsdt **rsdt_made, struct xsdt **xsdt_made)
{
	struct rsdt *rsdt = area_take(area, sizeof(*rsdt), 16);
	struct xsdt *xsdt = area_take(area, sizeof(*xsdt), 16);
	struct facs *facs = facs_write(area);
	const void *tables[ROOT_TABLES] = {
		fadt_write(area, dsdt_write(area, request->low_bytes), facs),
		madt_write(area, request->vcpus),
		hpet_write(area),
		mcfg_write(area),
	};

	if (area->full)
		return -ENOSPC;
	for (u32 i = 0; i < ROOT_TABLES; i++) {
		area_point(area, rsdt, offsetof(struct rsdt, tables[i]), 4, tables[i]);
		area_point(area, xsdt, offsetof(struct xsdt, tables[i]), 8, tables[i]);
	}
	table_seal_linked(area, &rsdt->header, "RSDT", 1, sizeof(*rsdt));
	table_seal_linked(area, &xsdt->header, "XSDT", 1, sizeof(*xsdt));
	*rsdt_made = rsdt;
	*xsdt_made = xsdt;
	return area->full ? -ENOSPC : 0;
}

int acpi_build(const struct acpi_request *request, struct guest_memory *memory, u64 *rsdp_gpa)
{
	struct table_area area = {
		.base = guest_memory_at(memory, GUEST_ACPI_BASE, ACPI_ROOM),
		.gpa = GUEST_ACPI_BASE,
		.room = ACPI_ROOM,
	};
	struct rsdp *rsdp;
	struct rsdt *rsdt;
	struct xsdt *xsdt;
	int error;

	if (!request->vcpus)
		return -EINVAL;
	if (!area.base)
		return -ENOSPC;
	/* A reset builds the tables anew, over whatever the guest left. */
	memset(area.base, 0, ACPI_ROOM);
	rsdp = area_take(&area, sizeof(*rsdp), 16);
	error = tables_write(&area, request, &rsdt, &xsdt);
	if (error)
		return error;
	rsdp_write(rsdp, area_gpa(&area, rsdt), area_gpa(&area, xsdt));
	*rsdp_gpa = area_gpa(&area, rsdp);
	return 0;
}

int acpi_build_loose(const struct acpi_request *request, u8 *tables, u64 room, u8 *root,
		     struct acpi_links *links)
{
	struct table_area area = {.base = tables, .room = room, .links = links};
	struct rsdp *rsdp = (struct rsdp *)root;
	struct rsdt *rsdt;
	struct xsdt *xsdt;
	int error;

	if (!request->vcpus)
		return -EINVAL;
	memset(tables, 0, room);
	memset(root, 0, ACPI_ROOT_BYTES);
	*links = (struct acpi_links){0};
	error = tables_write(&area, request, &rsdt, &xsdt);
	if (error)
		return error;
	rsdp_write(rsdp, area_gpa(&area, rsdt), area_gpa(&area, xsdt));
	rsdp->checksum = 0;
	rsdp->extended_checksum = 0;
	links->bytes = (u32)area.used;
	return 0;
}
