/* SPDX-License-Identifier: MIT */
/* The firmware tables, read back the way a system finds them. Offsets are those of the ACPI
 * specification. */
#include "cmocka_all.h"

#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (2 * MIB)

struct fixture {
	struct guest_memory memory;
	u64 rsdp;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->memory.window = calloc(1, RAM_BYTES);
	assert_non_null(f->memory.window);
	f->memory.low_bytes = RAM_BYTES;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory.window);
	free(f);
	return 0;
}

static void build(struct fixture *f, u32 vcpus)
{
	struct acpi_request request = {.vcpus = vcpus};

	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), 0);
}

static u64 get(const u8 *at, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static u8 sum(const u8 *at, u64 bytes)
{
	u8 total = 0;

	for (u64 i = 0; i < bytes; i++)
		total = (u8)(total + at[i]);
	return total;
}

/* A table whose place, length and checksum are right. */
static const u8 *table_at(const struct fixture *f, u64 gpa, const char *signature)
{
	const u8 *table = f->memory.window + gpa;
	u64 bytes;

	assert_true(gpa >= 0xe0000 && gpa + 36 <= 0xf0000);
	assert_memory_equal(table, signature, 4);
	bytes = get(table + 4, 4);
	assert_true(bytes >= 36 && gpa + bytes <= 0xf0000);
	assert_int_equal(sum(table, bytes), 0);
	return table;
}

static const u8 *xsdt_find(const struct fixture *f, const char *signature)
{
	const u8 *xsdt = table_at(f, get(f->memory.window + f->rsdp + 24, 8), "XSDT");
	u64 entries = (get(xsdt + 4, 4) - 36) / 8;

	for (u64 i = 0; i < entries; i++) {
		u64 gpa = get(xsdt + 36 + 8 * i, 8);

		if (!memcmp(f->memory.window + gpa, signature, 4))
			return table_at(f, gpa, signature);
	}
	fail_msg("no %s in the XSDT", signature);
	return NULL;
}

static void test_rsdp(void **state)
{
	struct fixture *f = *state;
	const u8 *rsdp;

	build(f, 1);
	rsdp = f->memory.window + f->rsdp;
	assert_true(f->rsdp >= 0xe0000 && f->rsdp < 0x100000);
	assert_int_equal(f->rsdp % 16, 0);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(get(rsdp + 20, 4), 36);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
}

static void test_root_tables_agree(void **state)
{
	struct fixture *f = *state;
	const u8 *rsdt, *xsdt;

	build(f, 1);
	rsdt = table_at(f, get(f->memory.window + f->rsdp + 16, 4), "RSDT");
	xsdt = table_at(f, get(f->memory.window + f->rsdp + 24, 8), "XSDT");
	assert_int_equal(rsdt[8], 1);
	assert_int_equal(xsdt[8], 1);
	assert_int_equal(get(rsdt + 4, 4), 36 + 4 * 4);
	assert_int_equal(get(xsdt + 4, 4), 36 + 4 * 8);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(get(rsdt + 36 + 4 * i, 4), get(xsdt + 36 + 8 * i, 8));
}

static void check_io_gas(const u8 *gas, u8 bits, u64 port)
{
	assert_int_equal(gas[0], 1);
	assert_int_equal(gas[1], bits);
	assert_int_equal(gas[2], 0);
	assert_int_equal(get(gas + 4, 8), port);
}

/* ACPI 6.4, table 5-9. */
static void test_fadt_hardware(void **state)
{
	struct fixture *f = *state;
	const u8 *fadt;

	build(f, 1);
	fadt = xsdt_find(f, "FACP");
	assert_int_equal(get(fadt + 4, 4), 276);
	assert_int_equal(fadt[8], 6);
	assert_int_equal(fadt[131], 0);
	assert_int_equal(get(fadt + 46, 2), 9);
	assert_int_equal(get(fadt + 48, 4), 0); /* SMI_CMD: always in ACPI mode */
	assert_int_equal(get(fadt + 52, 4), 0);
	assert_int_equal(get(fadt + 56, 4), 0xb000);
	assert_int_equal(get(fadt + 60, 4), 0);
	assert_int_equal(get(fadt + 64, 4), 0xb004);
	assert_int_equal(get(fadt + 68, 8), 0);
	assert_int_equal(get(fadt + 76, 4), 0xb008);
	assert_int_equal(get(fadt + 80, 4), 0xb00c);
	assert_int_equal(get(fadt + 84, 4), 0); /* no second GPE block */
	assert_int_equal(fadt[88], 4);
	assert_int_equal(fadt[89], 2);
	assert_int_equal(fadt[90], 0);
	assert_int_equal(fadt[91], 4);
	assert_int_equal(fadt[92], 4);
	assert_int_equal(fadt[93], 0);
	check_io_gas(fadt + 148, 32, 0xb000);
	check_io_gas(fadt + 172, 16, 0xb004);
	check_io_gas(fadt + 208, 32, 0xb008);
	check_io_gas(fadt + 220, 32, 0xb00c);
	for (unsigned i = 232; i < 268; i++) /* second GPE block, sleep registers */
		assert_int_equal(fadt[i], 0);
	check_io_gas(fadt + 116, 8, 0xcf9);
	assert_int_equal(fadt[128], 0x06);
}

static void test_fadt_flags(void **state)
{
	struct fixture *f = *state;
	const u8 *fadt;

	build(f, 1);
	fadt = xsdt_find(f, "FACP");
	/* WBINVD, PROC_C1, no fixed sleep button, RTC not in PM1, 32-bit timer, reset register */
	assert_int_equal(get(fadt + 112, 4), 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10);
	/* legacy devices, 8042, no VGA; no lack of MSI or RTC */
	assert_int_equal(get(fadt + 109, 2), 1 << 0 | 1 << 1 | 1 << 2);
	assert_int_equal(fadt[108], 0x32); /* century */
	assert_true(get(fadt + 96, 2) > 100);
	assert_true(get(fadt + 98, 2) > 1000);
}

static void test_facs(void **state)
{
	struct fixture *f = *state;
	const u8 *fadt, *facs;
	u64 gpa;

	build(f, 1);
	fadt = xsdt_find(f, "FACP");
	gpa = get(fadt + 36, 4);
	assert_int_equal(get(fadt + 132, 8), 0);
	assert_true(gpa >= 0xe0000 && gpa + 64 <= 0x100000);
	assert_int_equal(gpa % 64, 0);
	facs = f->memory.window + gpa;
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(get(facs + 4, 4), 64);
	assert_int_equal(facs[32], 2);
	assert_int_equal(get(facs + 16, 4), 0); /* global lock: free */
}

static const u8 *find_bytes(const u8 *in, u64 in_bytes, const void *what, u64 bytes)
{
	for (u64 i = 0; i + bytes <= in_bytes; i++)
		if (!memcmp(in + i, what, bytes))
			return in + i;
	return NULL;
}

static void check_has(const u8 *dsdt, const void *what, u64 bytes)
{
	assert_non_null(find_bytes(dsdt, get(dsdt + 4, 4), what, bytes));
}

/* I/O port descriptor (ACPI 6.4, 6.4.2.5): 16-bit decode, fixed at `port`. */
static void check_has_ports(const u8 *dsdt, u16 port, u8 count)
{
	u8 descriptor[8] = {0x47, 1,	(u8)port, (u8)(port >> 8), (u8)port, (u8)(port >> 8),
			    1,	  count};

	check_has(dsdt, descriptor, sizeof(descriptor));
}

/* EISA identifier (6.1.5) as a DWORD of AML, most significant byte of the number last. */
static void check_has_id(const u8 *dsdt, u8 high, u8 low)
{
	u8 id[5] = {0x0c, 0x41, 0xd0, high, low};

	check_has(dsdt, id, sizeof(id));
}

static void test_dsdt(void **state)
{
	struct fixture *f = *state;
	const u8 *fadt, *dsdt;

	build(f, 1);
	fadt = xsdt_find(f, "FACP");
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
	dsdt = table_at(f, get(fadt + 40, 4), "DSDT");
	assert_int_equal(dsdt[8], 2);
	check_has_id(dsdt, 0x01, 0x00);
	check_has_id(dsdt, 0x0b, 0x00);
	check_has_id(dsdt, 0x03, 0x03);
	check_has_id(dsdt, 0x05, 0x01);
	check_has_id(dsdt, 0x0c, 0x02);
	check_has_ports(dsdt, 0x20, 2);
	check_has_ports(dsdt, 0xa0, 2);
	check_has_ports(dsdt, 0x4d0, 2);
	check_has_ports(dsdt, 0x40, 4);
	check_has_ports(dsdt, 0x61, 1);
	check_has_ports(dsdt, 0x92, 1);
	check_has_ports(dsdt, 0x70, 2);
	check_has_ports(dsdt, 0x60, 1);
	check_has_ports(dsdt, 0x64, 1);
	check_has_ports(dsdt, 0x3f8, 8);
	check_has_ports(dsdt, ACPI_RESET_PORT, 1);
	check_has_ports(dsdt, ACPI_PANIC_PORT, 1);
	check_has(dsdt, "QEMU0001", 9);
	check_has_ports(dsdt, ACPI_PM_BASE, ACPI_PM_BYTES);
	check_has(dsdt, "\x22\x10\x00", 3); /* IRQ 4 (6.4.2.1) */
}

/* PCI Firmware Specification 3.2, 4.1.2; and what it names is taken from the bus in the DSDT. */
static void test_mcfg(void **state)
{
	/* Memory32Fixed (6.4.3.4): read and write, base, length */
	u8 fixed[12] = {0x86, 9, 0, 1};
	struct fixture *f = *state;
	const u8 *mcfg;

	build(f, 1);
	mcfg = xsdt_find(f, "MCFG");
	assert_int_equal(get(mcfg + 4, 4), 60);
	assert_int_equal(get(mcfg + 36, 8), 0);
	assert_int_equal(get(mcfg + 44, 8), PCI_ECAM_BASE);
	assert_int_equal(get(mcfg + 52, 8), 0); /* segment 0, bus 0 alone */
	*(u32 *)(void *)(fixed + 4) = (u32)PCI_ECAM_BASE;
	*(u32 *)(void *)(fixed + 8) = (u32)PCI_ECAM_BYTES;
	check_has(table_at(f, get(xsdt_find(f, "FACP") + 40, 4), "DSDT"), fixed, sizeof(fixed));
}

/* A DWord address space descriptor (6.4.3.5.2): what is behind its flags. */
static void test_dsdt_pci(void **state)
{
	const u32 window[] = {0, 0x80000000, 0xdfffffff, 0, 0x60000000};
	struct fixture *f = *state;
	const u8 *dsdt;

	build(f, 1);
	dsdt = table_at(f, get(xsdt_find(f, "FACP") + 40, 4), "DSDT");
	check_has_id(dsdt, 0x0a, 0x03);
	check_has_id(dsdt, 0x0c, 0x0f);
	check_has_ports(dsdt, 0xcf8, 8);
	check_has(dsdt, window, sizeof(window));
	check_has(dsdt, "_PIC\x01", 5); /* a method with one argument */
}

/* RAM ends where the window begins at the latest. */
static void test_dsdt_pci_with_much_memory(void **state)
{
	const u32 window[] = {0, 0xc0000000, 0xdfffffff, 0, 0x20000000};
	struct acpi_request request = {.vcpus = 1, .low_bytes = 2 * GIB + 2 * MIB};
	struct fixture *f = *state;

	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), 0);
	check_has(table_at(f, get(xsdt_find(f, "FACP") + 40, 4), "DSDT"), window, sizeof(window));
	request.low_bytes = 2 * GIB;
	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), 0);
	assert_null(find_bytes(table_at(f, get(xsdt_find(f, "FACP") + 40, 4), "DSDT"), 0x600,
			       window, sizeof(window)));
}

/* NameOp "_S5_" PackageOp length 4: the first element is SLP_TYP. */
static void test_dsdt_soft_off(void **state)
{
	struct fixture *f = *state;
	const u8 *dsdt, *s5;

	build(f, 1);
	dsdt = table_at(f, get(xsdt_find(f, "FACP") + 40, 4), "DSDT");
	s5 = find_bytes(dsdt, get(dsdt + 4, 4), "\x08_S5_\x12", 6);
	assert_non_null(s5);
	assert_int_equal(s5[7], 4);
	assert_int_equal(s5[8], 0x0a); /* a byte constant */
	assert_int_equal(s5[9], ACPI_S5_TYPE);
}

struct madt_seen {
	u32 local_apics, x2apics, io_apics, overrides, nmis, x2apic_nmis;
};

static void madt_entry_check(const u8 *entry, struct madt_seen *seen)
{
	switch (entry[0]) {
	case 0:
		assert_int_equal(entry[1], 8);
		assert_int_equal(entry[2], seen->local_apics);
		assert_int_equal(entry[3], seen->local_apics++);
		assert_int_equal(get(entry + 4, 4), 1);
		break;
	case 1:
		assert_int_equal(entry[1], 12);
		assert_int_equal(entry[2], 0);
		assert_int_equal(get(entry + 4, 4), 0xfec00000);
		assert_int_equal(get(entry + 8, 4), 0);
		seen->io_apics++;
		break;
	case 2:
		assert_int_equal(entry[1], 10);
		assert_int_equal(entry[2], 0);
		assert_int_equal(entry[3], seen->overrides ? 9 : 0);
		assert_int_equal(get(entry + 4, 4), seen->overrides ? 9 : 2);
		/* table 5-26: active high 01, level 11 */
		assert_int_equal(get(entry + 8, 2), seen->overrides ? 0xd : 0);
		seen->overrides++;
		break;
	case 4:
		assert_int_equal(entry[1], 6);
		assert_int_equal(entry[2], 0xff);
		assert_int_equal(get(entry + 3, 2), 0);
		assert_int_equal(entry[5], 1);
		seen->nmis++;
		break;
	case 9:
		assert_int_equal(entry[1], 16);
		assert_int_equal(get(entry + 4, 4), 255 + seen->x2apics);
		assert_int_equal(get(entry + 8, 4), 1);
		assert_int_equal(get(entry + 12, 4), 255 + seen->x2apics++);
		break;
	case 10:
		assert_int_equal(entry[1], 12);
		assert_int_equal(get(entry + 4, 4), 0xffffffff);
		assert_int_equal(entry[8], 1);
		seen->x2apic_nmis++;
		break;
	default:
		fail_msg("entry of type %u", entry[0]);
	}
}

static struct madt_seen madt_read(const struct fixture *f)
{
	const u8 *madt = xsdt_find(f, "APIC");
	u64 bytes = get(madt + 4, 4);
	struct madt_seen seen = {0};
	u64 at = 44;

	assert_int_equal(get(madt + 36, 4), 0xfee00000);
	assert_int_equal(get(madt + 40, 4), 1);
	for (; at < bytes; at += madt[at + 1])
		madt_entry_check(madt + at, &seen);
	assert_int_equal(at, bytes);
	assert_int_equal(seen.io_apics, 1);
	assert_int_equal(seen.overrides, 2);
	assert_int_equal(seen.nmis, 1);
	return seen;
}

static void test_madt_processors(void **state)
{
	struct fixture *f = *state;
	static const u32 counts[] = {1, 2, 255, 256, 1000};

	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		struct madt_seen seen;

		build(f, counts[i]);
		seen = madt_read(f);
		assert_int_equal(seen.local_apics, MIN(counts[i], 255u));
		assert_int_equal(seen.local_apics + seen.x2apics, counts[i]);
		assert_int_equal(seen.x2apic_nmis, counts[i] > 255);
	}
}

/* Built again over what a guest left there, the tables are the same. */
/* IA-PC HPET 1.0a, table 3. */
static void test_hpet(void **state)
{
	struct fixture *f = *state;
	const u8 *hpet;

	build(f, 1);
	hpet = xsdt_find(f, "HPET");
	assert_int_equal(get(hpet + 4, 4), 56);
	assert_int_equal(hpet[8], 1);
	assert_int_equal(get(hpet + 36, 4), ACPI_HPET_ID);
	assert_int_equal(get(hpet + 40, 4), 0x4000); /* memory, 64 bits */
	assert_int_equal(get(hpet + 44, 8), 0xfed00000);
	assert_int_equal(hpet[52], 0);
	assert_in_range(get(hpet + 53, 2), 1, 0xffff);
	assert_int_equal(hpet[55], 0);
}

static void test_rebuilding(void **state)
{
	struct fixture *f = *state;
	u8 *first = malloc(0x10000);

	assert_non_null(first);
	build(f, 3);
	memcpy(first, f->memory.window + 0xe0000, 0x10000);
	memset(f->memory.window + 0xe0000, 0xa5, 0x10000);
	build(f, 3);
	assert_memory_equal(f->memory.window + 0xe0000, first, 0x10000);
	free(first);
}

static void test_nothing_outside_the_area(void **state)
{
	struct fixture *f = *state;

	build(f, 1000);
	for (u64 i = 0; i < RAM_BYTES; i++)
		if (i < 0xe0000 || i >= 0xf0000)
			assert_int_equal(f->memory.window[i], 0);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct acpi_request request = {.vcpus = 0};

	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), -EINVAL);
	request.vcpus = 100000;
	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), -ENOSPC);
	request.vcpus = 0xffffffff;
	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), -ENOSPC);
	for (u64 i = 0; i < RAM_BYTES; i++)
		if (i < 0xe0000 || i >= 0xf0000)
			assert_int_equal(f->memory.window[i], 0);
	f->memory.low_bytes = GUEST_SMBIOS_BASE - 1;
	request.vcpus = 1;
	assert_int_equal(acpi_build(&request, &f->memory, &f->rsdp), -ENOSPC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rsdp),
		TEST(test_root_tables_agree),
		TEST(test_fadt_hardware),
		TEST(test_fadt_flags),
		TEST(test_facs),
		TEST(test_dsdt),
		TEST(test_dsdt_soft_off),
		TEST(test_madt_processors),
		TEST(test_rebuilding),
		TEST(test_nothing_outside_the_area),
		TEST(test_refusals),
		TEST(test_hpet),
		TEST(test_mcfg),
		TEST(test_dsdt_pci),
		TEST(test_dsdt_pci_with_much_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
