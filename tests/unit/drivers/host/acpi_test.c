/* SPDX-License-Identifier: MIT */
/* links: drivers/host/acpi_tables.c vmm/format.c */
/* The machine's ACPI tables, good and bad, built byte by byte after ACPI 6.5, 5.2.5 to 5.2.11
 * and 20.2. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/acpi.h>

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>

#define BASE  0x7f000000ULL
#define BYTES 0x2000U
#define RSDP  (BASE + 0x10)
#define RSDT  (BASE + 0x100)
#define XSDT  (BASE + 0x200)
#define FADT  (BASE + 0x400)
#define DSDT  (BASE + 0x800)
#define SSDT  (BASE + 0xc00)

#define FADT_BYTES_6 276

static u8 memory[BYTES];

/* Copies of their own, so that the sanitizer sees reads beyond what was asked for. */
static void *views[64];
static u32 view_count;

static const u8 *view(const struct acpi_reader *reader, u64 address, u64 bytes)
{
	void *copy;

	(void)reader;
	assert_true(bytes <= 8 * MIB); /* a length that no table has is not followed */
	if (address < BASE || bytes > BYTES || address - BASE > BYTES - bytes)
		return NULL;
	copy = malloc(bytes);
	memcpy(copy, memory + (address - BASE), bytes);
	assert_true(view_count < ARRAY_SIZE(views));
	views[view_count++] = copy;
	return copy;
}

static const struct acpi_reader reader = {.view = view};

/* What the driver half of the subject asks of others. */
static u64 mapped_address;
static u32 mapped_type;

void *memory_map_io(u64 physical, u64 bytes, u32 access, enum memory_type type)
{
	static u8 device[8];

	if (type == MEMORY_WB) {
		assert_int_equal(access, PAGE_READ);
		return (void *)(uintptr_t)view(NULL, physical, bytes);
	}
	mapped_address = physical;
	mapped_type = type;
	return device;
}

static u32 warnings;

void log_write(enum log_level level, const char *format, ...)
{
	(void)format;
	warnings += level == LOG_WARN;
}

u64 arch_time_us(void)
{
	return 0;
}

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

static void aml_table(u64 address, const char *signature, const void *aml, u32 bytes)
{
	memcpy(at(address + 36), aml, bytes);
	table(address, signature, 36 + bytes);
}

static void fadt_seal(u32 bytes)
{
	table(FADT, "FACP", bytes);
}

/* An address structure: space, 8 or more bits, no offset, address. */
static void put_gas(u64 address, u8 space, u8 bits, u64 value)
{
	put(address, space, 1);
	put(address + 1, bits, 1);
	put(address + 2, 0, 2);
	put(address + 4, value, 8);
}

/* Name (_S5_, Package (4) { 5, 5, 0, 0 }) as compilers write it. */
static const u8 s5[] = {0x08, '_',  'S',  '5',	'_',  0x12, 0x08,
			0x04, 0x0a, 0x05, 0x0a, 0x05, 0x00, 0x00};

/* A machine of ACPI 2 and later: everything is where it should be. */
static int machine(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memcpy(at(RSDP), "RSD PTR ", 8);
	put(RSDP + 15, 2, 1);
	put(RSDP + 16, RSDT, 4);
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, XSDT, 8);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);

	put(RSDT + 36, FADT, 4);
	table(RSDT, "RSDT", 40);
	put(XSDT + 36, SSDT, 8);
	put(XSDT + 44, FADT, 8);
	table(XSDT, "XSDT", 52);

	put(FADT + 40, DSDT, 4);
	put(FADT + 48, 0xb2, 4);	      /* SMI_CMD */
	put(FADT + 52, 0xa1, 1);	      /* ACPI_ENABLE */
	put(FADT + 56, 0x600, 4);	      /* PM1a_EVT_BLK */
	put(FADT + 60, 0x700, 4);	      /* PM1b_EVT_BLK */
	put(FADT + 64, 0x604, 4);	      /* PM1a_CNT_BLK */
	put(FADT + 68, 0x704, 4);	      /* PM1b_CNT_BLK */
	put(FADT + 76, 0x608, 4);	      /* PM_TMR_BLK */
	put(FADT + 112, 1 << 10 | 1 << 8, 4); /* RESET_REG_SUP, TMR_VAL_EXT */
	put_gas(FADT + 116, 1, 8, 0xcf9);
	put(FADT + 128, 0x0e, 1);
	put(FADT + 140, DSDT, 8);
	fadt_seal(FADT_BYTES_6);
	aml_table(DSDT, "DSDT", s5, sizeof(s5));
	aml_table(SSDT, "SSDT", "\x10", 1);
	return 0;
}

static int release(void **state)
{
	(void)state;
	while (view_count)
		free(views[--view_count]);
	return 0;
}

static struct acpi_fixed fixed;
static char reason[ACPI_REASON_BYTES];

static int read_all(void)
{
	reason[0] = 0;
	return acpi_fixed_read(&reader, RSDP, &fixed, reason);
}

static void test_all_fields(void **state)
{
	(void)state;
	assert_int_equal(read_all(), 0);
	assert_int_equal(fixed.pm1_status[0], 0x600);
	assert_int_equal(fixed.pm1_status[1], 0x700);
	assert_int_equal(fixed.pm1_control[0], 0x604);
	assert_int_equal(fixed.pm1_control[1], 0x704);
	assert_int_equal(fixed.smi_command, 0xb2);
	assert_int_equal(fixed.acpi_enable, 0xa1);
	assert_int_equal(fixed.timer, 0x608);
	assert_true(fixed.timer_32);
	assert_true(fixed.reset.present);
	assert_int_equal(fixed.reset.space, ACPI_SPACE_PORT);
	assert_int_equal(fixed.reset.address, 0xcf9);
	assert_int_equal(fixed.reset_value, 0x0e);
	assert_false(fixed.sleep_control.present);
	assert_true(fixed.sleep_known);
	assert_int_equal(fixed.sleep_type[0], 5);
	assert_int_equal(fixed.sleep_type[1], 5);
}

/* Revision 1 has an RSDT only, and a FADT of 116 bytes that ends before the reset register. */
static void test_acpi_1(void **state)
{
	(void)state;
	put(RSDP + 15, 0, 1);
	seal(RSDP, 20, 8);
	put(XSDT, 0, 4);
	put(FADT + 112, 0, 4);
	fadt_seal(116);
	assert_int_equal(read_all(), 0);
	assert_int_equal(fixed.pm1_control[0], 0x604);
	assert_false(fixed.timer_32);
	assert_false(fixed.reset.present);
	assert_true(fixed.sleep_known);
	/* A table that promises what it is too short to hold. */
	put(FADT + 112, 1 << 10, 4);
	for (u32 bytes = 116; bytes < 129; bytes++) {
		fadt_seal(bytes);
		assert_int_equal(read_all(), 0);
		assert_false(fixed.reset.present);
		release(NULL);
	}
	fadt_seal(129);
	assert_int_equal(read_all(), 0);
	assert_true(fixed.reset.present);
	assert_int_equal(fixed.reset_value, 0x0e);
}

static void test_damaged_xsdt_leaves_rsdt(void **state)
{
	(void)state;
	*at(XSDT + 40) ^= 1;
	assert_int_equal(read_all(), 0);
	assert_int_equal(fixed.pm1_control[0], 0x604);
	machine(NULL);
	*at(RSDP + 33) ^= 1; /* only the checksum over all 36 bytes covers it */
	put(XSDT, 0, 4);
	assert_int_equal(read_all(), 0);
	machine(NULL);
	put(XSDT + 4, 0xffffffff, 4);
	assert_int_equal(read_all(), 0);
	machine(NULL);
	put(XSDT + 4, 35, 4);
	assert_int_equal(read_all(), 0);
}

static void test_damaged_tables(void **state)
{
	static const struct {
		u64 address;
		u64 value;
		u32 bytes;
		int error;
		const char *says;
	} cases[] = {
		{RSDP, 0, 1, -EINVAL, "there is no valid root pointer at 0x7f000010"},
		{RSDP + 8, 0x55, 1, -EINVAL, "there is no valid root pointer at 0x7f000010"},
		{FADT + 4, 35, 4, -EINVAL, "table FACP at 0x7f000400 has a length of 35"},
		{FADT + 4, 0x1c01, 4, -EINVAL, "table FACP at 0x7f000400 has a length of 7169"},
		{FADT + 4, ~0u, 4, -EINVAL, "table FACP at 0x7f000400 has a length of 4294967295"},
		{FADT + 64, 0x605, 4, -EINVAL, "table FACP at 0x7f000400 has a wrong checksum"},
		{FADT, 'X', 1, -ENOENT, "there is no table FACP"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		machine(NULL);
		put(cases[i].address, cases[i].value, cases[i].bytes);
		assert_int_equal(read_all(), cases[i].error);
		assert_string_equal(reason, cases[i].says);
		assert_false(fixed.sleep_known);
		assert_int_equal(fixed.pm1_control[0], 0);
		release(NULL);
	}
	machine(NULL);
	fadt_seal(115);
	assert_int_equal(read_all(), -EINVAL);
	assert_string_equal(reason, "table FACP has 115 bytes, too few");
}

static void test_lists_damaged(void **state)
{
	(void)state;
	*at(XSDT + 40) ^= 1;
	*at(RSDT + 36) ^= 1;
	assert_int_equal(read_all(), -EINVAL);
	assert_string_equal(reason, "table RSDT at 0x7f000100 has a wrong checksum");
	machine(NULL);
	put(RSDP + 16, 0, 4); /* no RSDT, and an XSDT that points to nothing */
	put(RSDP + 24, 0x100, 8);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);
	assert_int_equal(read_all(), -EINVAL);
	assert_string_equal(reason, "there is no table RSDT at 0x0");
}

static void test_extended_blocks(void **state)
{
	(void)state;
	put(FADT + 64, 0, 4);
	put(FADT + 68, 0, 4);
	put(FADT + 76, 0, 4);
	put_gas(FADT + 172, 1, 16, 0x1804);
	put_gas(FADT + 184, 0, 16, 0xfed00004); /* in memory: not supported */
	put_gas(FADT + 208, 1, 32, 0x10000);	/* no port */
	fadt_seal(FADT_BYTES_6);
	assert_int_equal(read_all(), 0);
	assert_int_equal(fixed.pm1_control[0], 0x1804);
	assert_int_equal(fixed.pm1_control[1], 0);
	assert_int_equal(fixed.timer, 0);
}

static void test_reset_register(void **state)
{
	static const struct {
		u8 space, bits;
		u64 address;
		bool present;
	} cases[] = {
		{1, 8, 0x64, true},	     {1, 8, 0, false},	       {1, 8, 0x10000, false},
		{1, 16, 0x64, false},	     {0, 8, 0xfed01000, true}, {0, 8, 0, false},
		{2, 8, 0x1f00000044, true},  /* 1fh.0, 44h */
		{2, 8, 0x2000000044, false}, /* device 20h */
		{2, 8, 0x1f00080044, false}, /* function 8 */
		{2, 8, 0x1f00000100, false}, /* offset 100h */
		{4, 8, 0x64, false},	     /* SMBus */
		{0x7f, 8, 0x64, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		machine(NULL);
		put_gas(FADT + 116, cases[i].space, cases[i].bits, cases[i].address);
		fadt_seal(FADT_BYTES_6);
		assert_int_equal(read_all(), 0);
		assert_int_equal(fixed.reset.present, cases[i].present);
		release(NULL);
	}
	machine(NULL);
	put(FADT + 112, 0, 4);
	fadt_seal(FADT_BYTES_6);
	assert_int_equal(read_all(), 0);
	assert_false(fixed.reset.present);
}

static void test_hardware_reduced(void **state)
{
	(void)state;
	put(FADT + 112, 1 << 20, 4);
	put_gas(FADT + 244, 0, 8, 0xfed40000);
	fadt_seal(FADT_BYTES_6);
	assert_int_equal(read_all(), 0);
	assert_int_equal(fixed.pm1_control[0], 0);
	assert_int_equal(fixed.timer, 0);
	assert_true(fixed.sleep_control.present);
	assert_int_equal(fixed.sleep_control.address, 0xfed40000);
	assert_true(fixed.sleep_known);
}

/* \_S5 in an SSDT; and a damaged DSDT does not cost the rest. */
static void test_sleep_type_elsewhere(void **state)
{
	(void)state;
	*at(DSDT + 40) ^= 1;
	assert_int_equal(read_all(), 0);
	assert_false(fixed.sleep_known);
	assert_int_equal(fixed.pm1_control[0], 0x604);
	assert_string_equal(reason, "table DSDT at 0x7f000800 has a wrong checksum");
	aml_table(SSDT, "SSDT", s5, sizeof(s5));
	assert_int_equal(read_all(), 0);
	assert_true(fixed.sleep_known);
	assert_int_equal(fixed.sleep_type[0], 5);

	machine(NULL);
	aml_table(DSDT, "DSDT", "\x10\x20\x30", 3);
	assert_int_equal(read_all(), 0);
	assert_false(fixed.sleep_known);
	assert_string_equal(reason, "neither the DSDT nor an SSDT defines \\_S5");
	put(FADT + 40, 0, 4);
	put(FADT + 140, 0, 8);
	fadt_seal(FADT_BYTES_6);
	assert_int_equal(read_all(), 0);
	assert_false(fixed.sleep_known);
}

/* The 64-bit field counts, unless it leads nowhere. */
static void test_two_dsdts(void **state)
{
	(void)state;
	put(FADT + 40, SSDT, 4);
	fadt_seal(FADT_BYTES_6);
	assert_int_equal(read_all(), 0);
	assert_true(fixed.sleep_known);
	machine(NULL);
	put(FADT + 140, 0x123456789abcULL, 8);
	fadt_seal(FADT_BYTES_6);
	assert_int_equal(read_all(), 0);
	assert_true(fixed.sleep_known);
}

#define NAME "\x08_S5_"

static void test_sleep_packages(void **state)
{
	static const struct {
		const char *aml;
		u32 bytes;
		int a, b; /* -1: none */
	} cases[] = {
#define AML(text, a, b) {text, sizeof(text) - 1, a, b}
		AML(NAME "\x12\x06\x04\x00\x00\x00\x00", 0, 0),
		AML(NAME "\x12\x06\x04\x01\x00\x00\x00", 1, 0),
		AML(NAME "\x12\x08\x04\x0a\x07\x0a\x06\x00\x00", 7, 6),
		AML("\x08\\_S5_\x12\x06\x02\x0a\x03\x0a\x04", 3, 4),
		AML(NAME "\x12\x08\x02\x0b\x05\x00\x0b\x06\x00", 5, 6),
		AML(NAME "\x12\x0c\x02\x0c\x05\x00\x00\x00\x0c\x06\x00\x00\x00", 5, 6),
		AML(NAME "\x12\x0c\x02\x0e\x02\x00\x00\x00\x00\x00\x00\x00\x01", 2, 1),
		AML(NAME "\x12\x07\x01\x0c\x03\x04\x00\x00", 3, 4), /* one for both */
		AML(NAME "\x12\x40\x00\x02\x01\x01", -1, -1),	    /* a length below its own */
		AML(NAME "\x12\x47\x00\x02\x0a\x05\x0a\x05", 5, 5), /* lengths of 2, 3, 4 bytes */
		AML(NAME "\x12\x88\x00\x00\x02\x0a\x05\x0a\x05", 5, 5),
		AML(NAME "\x12\xc9\x00\x00\x00\x02\x0a\x05\x0a\x05", 5, 5),
		AML(NAME "\x12\xc9\x00\x00\x10\x02\x0a\x05\x0a\x05", -1, -1), /* 256 MiB */
		AML(NAME "\x12\x05\x02\x0a\x05\x0a\x05", -1, -1), /* ends within the second */
		AML(NAME "\x12\x04\x02\x0a\x05\x0a\x05", -1, -1), /* ends before it */
		AML(NAME "\x12\x06\x02\x0a\x05\x0a", -1, -1),	  /* longer than the table */
		AML(NAME "\x12\x06\x02\x0a\x08\x0a\x05", -1, -1), /* no 3 bits */
		AML(NAME "\x12\x06\x02\x0a\x05\x0a\x08", -1, -1),
		AML(NAME "\x12\x04\x02\xff\xff", -1, -1),	  /* Ones */
		AML(NAME "\x12\x02\x00\x0a\x05", -1, -1),	  /* empty */
		AML(NAME "\x12\x05\x02_S4_", -1, -1),		  /* names, not constants */
		AML(NAME "\x11\x06\x02\x0a\x05\x0a\x05", -1, -1), /* a buffer */
		AML(NAME "\x12", -1, -1),
		AML(NAME "\x12\xc0", -1, -1),
		AML(NAME, -1, -1),
		AML("_S5_\x12\x06\x02\x0a\x05\x0a\x05", -1, -1),
		AML("\x08X_S5_\x12\x06\x02\x0a\x05\x0a\x05", -1, -1),
		AML("\\_S5_\x12\x06\x02\x0a\x05\x0a\x05", -1, -1),
		AML("", -1, -1),
		AML("_S5", -1, -1),
		/* A mention, a bad definition, and then a good one. */
		AML("\x70_S5_\x60" NAME "\x12\x04\x02\xff\xff" NAME "\x12\x06\x02\x0a\x01\x0a\x02",
		    1, 2),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u8 type[2] = {0xaa, 0xaa};
		u8 *aml = malloc(cases[i].bytes + !cases[i].bytes);
		int error;

		memcpy(aml, cases[i].aml, cases[i].bytes);
		error = acpi_sleep_type_find(aml, cases[i].bytes, type);
		free(aml);
		if (error != (cases[i].a < 0 ? -ENOENT : 0))
			fail_msg("case %zu: %d", i, error);
		if (!error && (type[0] != cases[i].a || type[1] != cases[i].b))
			fail_msg("case %zu: %d %d", i, type[0], type[1]);
	}
}

/* Registers in memory are mapped, uncached, before they are needed. */
static void test_init(void **state)
{
	(void)state;
	put_gas(FADT + 116, 0, 8, 0xfed01000);
	fadt_seal(FADT_BYTES_6);
	warnings = 0;
	assert_int_equal(acpi_init(RSDP), 0);
	assert_int_equal(warnings, 0);
	assert_int_equal(mapped_address, 0xfed01000);
	assert_int_equal(mapped_type, MEMORY_UC);
	assert_int_equal(acpi_fixed()->pm1_control[0], 0x604);
	assert_true(acpi_fixed()->reset.present);
}

static void test_init_fails(void **state)
{
	(void)state;
	assert_int_equal(acpi_init(0), -ENODEV);
	warnings = 0;
	assert_int_equal(acpi_init(~0ULL - 10), -EINVAL);
	assert_int_equal(warnings, 1);
	assert_false(acpi_fixed()->reset.present);
	acpi_reset(); /* touches nothing */
	*at(DSDT + 40) ^= 1;
	assert_int_equal(acpi_init(RSDP), 0);
	assert_int_equal(warnings, 2);
	assert_false(acpi_fixed()->sleep_known);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine, release)
	const struct CMUnitTest tests[] = {
		TEST(test_all_fields),
		TEST(test_acpi_1),
		TEST(test_damaged_xsdt_leaves_rsdt),
		TEST(test_damaged_tables),
		TEST(test_lists_damaged),
		TEST(test_extended_blocks),
		TEST(test_reset_register),
		TEST(test_hardware_reduced),
		TEST(test_sleep_type_elsewhere),
		TEST(test_two_dsdts),
		TEST(test_sleep_packages),
		TEST(test_init),
		TEST(test_init_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
