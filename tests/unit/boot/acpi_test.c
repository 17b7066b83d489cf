/* SPDX-License-Identifier: MIT */
/* links: vmm/format.c vmm/string.c */
/* ACPI tables good and bad, built byte by byte after ACPI 6.5, 5.2.5 to 5.2.12. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "boot/acpi.h"

#include <bulkhead/error.h>

#define BASE  0x7f000000ULL
#define BYTES 0x2000U
#define RSDP  (BASE + 0x10)
#define RSDT  (BASE + 0x100)
#define XSDT  (BASE + 0x200)
#define MADT  (BASE + 0x800)
#define FADT  (BASE + 0x400)

static u8 memory[BYTES];
static u32 madt_bytes;

/* Copies of their own, so that the sanitizer sees reads beyond what was asked for. */
static void *views[64];
static u32 view_count;

static const u8 *view(const struct acpi_reader *reader, u64 address, u64 bytes)
{
	void *copy;

	(void)reader;
	if (address < BASE || bytes > BYTES || address - BASE > BYTES - bytes)
		return NULL;
	copy = malloc(bytes);
	memcpy(copy, memory + (address - BASE), bytes);
	assert_true(view_count < ARRAY_SIZE(views));
	views[view_count++] = copy;
	return copy;
}

static const struct acpi_reader reader = {.view = view};

static u8 *at(u64 address)
{
	return memory + (address - BASE);
}

static void put(u64 address, u64 value, u32 bytes)
{
	memcpy(at(address), &value, bytes);
}

static void seal(u64 address, u32 bytes, u32 checksum_at)
{
	u8 sum = 0;

	*at(address + checksum_at) = 0;
	for (u32 i = 0; i < bytes; i++)
		sum = (u8)(sum + *at(address + i));
	*at(address + checksum_at) = (u8)-sum;
}

static void table(u64 address, const char *signature, u32 bytes)
{
	memcpy(at(address), signature, 4);
	put(address + 4, bytes, 4);
	seal(address, bytes, 9);
}

static void rsdp(u8 revision)
{
	memcpy(at(RSDP), "RSD PTR ", 8);
	*at(RSDP + 15) = revision;
	put(RSDP + 16, RSDT, 4);
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, XSDT, 8);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);
}

static void madt_seal(void)
{
	table(MADT, "APIC", madt_bytes);
}

static void madt_add(const u8 *entry, u32 bytes)
{
	memcpy(at(MADT + madt_bytes), entry, bytes);
	madt_bytes += bytes;
	madt_seal();
}
#define ADD(...)                                                                                   \
	do {                                                                                       \
		const u8 entry_[] = {__VA_ARGS__};                                                 \
		madt_add(entry_, sizeof(entry_));                                                  \
	} while (0)

static struct boot_cpu cpus[8];
static struct boot_ioapic ioapics[2];
static struct boot_irq_override overrides[4];
static struct acpi_topology topology;
static char reason[ACPI_REASON_BYTES];

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	madt_bytes = 44;
	rsdp(2);
	put(XSDT + 36, FADT, 8);
	put(XSDT + 44, MADT, 8);
	table(XSDT, "XSDT", 52);
	put(RSDT + 36, FADT, 4);
	put(RSDT + 40, MADT, 4);
	table(RSDT, "RSDT", 44);
	table(FADT, "FACP", 116);
	ADD(0, 8, 0, 0, 1, 0, 0, 0);
	ADD(0, 8, 1, 2, 1, 0, 0, 0);
	topology = (struct acpi_topology){.cpus = cpus,
					  .ioapics = ioapics,
					  .overrides = overrides,
					  .cpu_room = ARRAY_SIZE(cpus),
					  .ioapic_room = ARRAY_SIZE(ioapics),
					  .override_room = ARRAY_SIZE(overrides)};
	reason[0] = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (view_count > 0)
		free(views[--view_count]);
	return 0;
}

static int read_tables(void)
{
	int error = acpi_topology_read(&reader, RSDP, &topology, reason);

	teardown(NULL);
	if (error) {
		assert_int_equal(topology.cpu_count, 0);
		assert_int_equal(topology.ioapic_count, 0);
		assert_int_equal(topology.override_count, 0);
	}
	return error;
}

static void expect_invalid(const char *words)
{
	assert_int_equal(read_tables(), -EINVAL);
	assert_string_equal(reason, words);
}

static void test_cpus_of_both_kinds(void **state)
{
	(void)state;
	ADD(0, 8, 2, 4, 0, 0, 0, 0);	/* not enabled */
	ADD(0, 8, 3, 6, 2, 0, 0, 0);	/* may come online later */
	ADD(0, 8, 4, 0xff, 1, 0, 0, 0); /* for an ID that does not fit */
	ADD(9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0);
	ADD(9, 16, 0, 0, 0x2d, 1, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0);
	ADD(9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0); /* listed twice */
	ADD(9, 16, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1, 0, 0, 0);
	assert_int_equal(read_tables(), 0);
	assert_int_equal(topology.cpu_count, 3);
	assert_int_equal(cpus[0].apic_id, 0);
	assert_int_equal(cpus[1].apic_id, 2);
	assert_int_equal(cpus[2].apic_id, 0x12c);
	assert_int_equal(cpus[0].flags | cpus[1].flags | cpus[2].flags, 0);
	assert_int_equal(topology.dropped, 0);
}

static void test_interrupts(void **state)
{
	(void)state;
	ADD(1, 12, 8, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
	ADD(1, 12, 9, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0);
	ADD(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);
	ADD(2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0);
	ADD(2, 10, 1, 3, 3, 0, 0, 0, 0, 0);  /* not of the ISA bus */
	ADD(2, 10, 0, 16, 3, 0, 0, 0, 0, 0); /* no ISA interrupt */
	ADD(2, 10, 0, 9, 20, 0, 0, 0, 0, 0); /* the second for 9 */
	ADD(4, 6, 0xff, 0, 0, 1);	     /* local APIC NMI: skipped */
	assert_int_equal(read_tables(), 0);
	assert_int_equal(topology.ioapic_count, 2);
	assert_int_equal(ioapics[0].address, 0xfec00000);
	assert_int_equal(ioapics[0].gsi_base, 0);
	assert_int_equal(ioapics[1].address, 0xfec01000);
	assert_int_equal(ioapics[1].gsi_base, 24);
	assert_int_equal(topology.override_count, 2);
	assert_int_equal(overrides[0].irq, 0);
	assert_int_equal(overrides[0].gsi, 2);
	assert_int_equal(overrides[0].flags, 0);
	assert_int_equal(overrides[1].irq, 9);
	assert_int_equal(overrides[1].gsi, 9);
	assert_int_equal(overrides[1].flags, 0x0d);
}

static void test_rsdt_of_acpi_1(void **state)
{
	(void)state;
	rsdp(0);
	memset(at(RSDP + 20), 0xee, 16);
	memset(at(XSDT), 0, 64);
	assert_int_equal(read_tables(), 0);
	assert_int_equal(topology.cpu_count, 2);
}

/* Firmware whose XSDT is damaged mostly has an RSDT that is not. */
static void test_rsdt_when_the_xsdt_is_bad(void **state)
{
	(void)state;
	*at(XSDT + 40) ^= 1;
	assert_int_equal(read_tables(), 0);
	setup(state);
	*at(RSDP + 32) ^= 1; /* extended checksum */
	memset(at(XSDT), 0, 64);
	assert_int_equal(read_tables(), 0);
	assert_int_equal(topology.cpu_count, 2);
}

static void test_xsdt_without_rsdt(void **state)
{
	(void)state;
	put(RSDP + 16, 0, 4);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);
	memset(at(RSDT), 0, 64);
	assert_int_equal(read_tables(), 0);
	put(XSDT + 44, FADT, 8);
	table(XSDT, "XSDT", 52);
	assert_int_equal(read_tables(), -ENOENT);
	assert_string_equal(reason, "there is no MADT");
}

static void test_bad_root(void **state)
{
	(void)state;
	*at(RSDP) = 'X';
	expect_invalid("there is no valid root pointer at 0x7f000010");
	setup(state);
	*at(RSDP + 8) ^= 1;
	expect_invalid("there is no valid root pointer at 0x7f000010");
	assert_int_equal(acpi_topology_read(&reader, 0x1000, &topology, reason), -EINVAL);
	setup(state);
	put(RSDP + 16, 0, 4);
	put(RSDP + 24, 0, 8);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);
	expect_invalid("the root pointer leads nowhere");
}

static void test_bad_madt(void **state)
{
	(void)state;
	*at(MADT + 9) ^= 1;
	expect_invalid("table APIC at 0x7f000800 has a wrong checksum");
	setup(state);
	put(MADT + 4, 35, 4);
	expect_invalid("table APIC at 0x7f000800 has a length of 35");
	put(MADT + 4, 0xffffffff, 4);
	expect_invalid("table APIC at 0x7f000800 has a length of 4294967295");
	put(MADT + 4, BYTES - 0x800 + 1, 4);
	expect_invalid("table APIC at 0x7f000800 has a length of 6145");
}

static void test_bad_entries(void **state)
{
	(void)state;
	ADD(0, 0, 1, 2);
	expect_invalid("the MADT has an entry of length 0 at offset 60 of 64");
	setup(state);
	ADD(0, 1, 1, 2);
	expect_invalid("the MADT has an entry of length 1 at offset 60 of 64");
	setup(state);
	ADD(0, 8, 1, 2);
	expect_invalid("the MADT has an entry of length 8 at offset 60 of 64");
	setup(state);
	ADD(0, 4, 1, 9); /* whole, though too short to be what it says */
	ADD(1, 4, 1, 9);
	ADD(2, 4, 0, 9);
	ADD(9, 4, 0, 9);
	ADD(0); /* half a header at the end */
	assert_int_equal(read_tables(), 0);
	assert_int_equal(topology.cpu_count, 2);
	assert_int_equal(topology.ioapic_count, 0);
}

static void test_madt_shorter_than_its_head(void **state)
{
	(void)state;
	table(MADT, "APIC", 40);
	expect_invalid("the MADT has no enabled CPU");
}

static void test_unreadable_tables(void **state)
{
	(void)state;
	put(XSDT + 36, 0xdeadbeefdeadbeef, 8);
	table(XSDT, "XSDT", 52);
	assert_int_equal(read_tables(), 0);
	put(RSDP + 24, 0xfee00000, 8);
	put(RSDP + 16, 0xfed00000, 4);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);
	expect_invalid("a table at 0xfed00000 is not in memory");
}

static void test_room(void **state)
{
	(void)state;
	for (u8 i = 0; i < 8; i++)
		ADD(0, 8, i, (u8)(100 + i), 1, 0, 0, 0);
	for (u8 i = 0; i < 3; i++)
		ADD(1, 12, i, 0, 0, (u8)(i << 4), 0xc0, 0xfe, (u8)(24 * i), 0, 0, 0);
	assert_int_equal(read_tables(), 0);
	assert_int_equal(topology.cpu_count, 8);
	assert_int_equal(topology.ioapic_count, 2);
	assert_int_equal(topology.dropped, 3);
}

/* Any one byte of any table changed: never a read outside, and never a CPU that is not there. */
static void test_every_byte_damaged(void **state)
{
	for (u32 i = 0; i < 0x900; i++) {
		setup(state);
		ADD(9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0);
		memory[i] ^= (u8)(1 + i % 255);
		if (read_tables() == 0)
			assert_int_equal(topology.cpu_count, 3);
	}
}

/* The same with the checksum of the MADT put right, as a malicious table would have it. */
static void test_every_madt_byte_damaged(void **state)
{
	for (u32 i = 0; i < 60; i++) {
		for (u32 value = 0; value < 256; value++) {
			setup(state);
			ADD(9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0);
			*at(MADT + i) = (u8)value;
			seal(MADT, 76, 9);
			if (read_tables() == 0)
				assert_true(topology.cpu_count >= 1);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cpus_of_both_kinds),
		TEST(test_interrupts),
		TEST(test_rsdt_of_acpi_1),
		TEST(test_rsdt_when_the_xsdt_is_bad),
		TEST(test_xsdt_without_rsdt),
		TEST(test_bad_root),
		TEST(test_bad_madt),
		TEST(test_bad_entries),
		TEST(test_madt_shorter_than_its_head),
		TEST(test_unreadable_tables),
		TEST(test_room),
		TEST(test_every_byte_damaged),
		TEST(test_every_madt_byte_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
