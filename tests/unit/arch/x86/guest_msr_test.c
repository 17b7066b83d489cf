/* SPDX-License-Identifier: MIT */
/* The table of guest MSRs: values and bits from SDM vol. 4 and vol. 3 as named below. */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/error.h>
#include <bulkhead/guest_msr.h>

#define TSC_HZ	      2400000000
#define PHYSICAL_BITS 39

static struct guest_msrs msrs;

static int setup(void **state)
{
	(void)state;
	memset(&msrs, 0xee, sizeof(msrs));
	guest_msrs_reset(&msrs, TSC_HZ, PHYSICAL_BITS);
	return 0;
}

static void expect(u32 msr, u64 want)
{
	u64 value = 0x5555555555555555;

	assert_int_equal(guest_msr_read(&msrs, msr, &value), 0);
	assert_int_equal(value, want);
}

static void expect_fault(u32 msr)
{
	u64 value = 0x5555555555555555;

	assert_int_equal(guest_msr_read(&msrs, msr, &value), -EINVAL);
	assert_int_equal(guest_msr_write(&msrs, msr, 0), -EINVAL);
}

static void accept(u32 msr, u64 value, u64 then)
{
	assert_int_equal(guest_msr_write(&msrs, msr, value), 0);
	expect(msr, then);
}

static void refuse(u32 msr, u64 value)
{
	u64 before, after;

	assert_int_equal(guest_msr_read(&msrs, msr, &before), 0);
	assert_int_equal(guest_msr_write(&msrs, msr, value), -EINVAL);
	assert_int_equal(guest_msr_read(&msrs, msr, &after), 0);
	assert_int_equal(before, after);
}

static void power_up_values(void **state)
{
	(void)state;
	expect(0x17, 0);
	expect(0x3a, 1); /* locked, no VMX */
	expect(0x8b, 0xffffffff00000000);
	expect(0xce, 24UL << 8 | 24UL << 40);
	expect(0xfe, 0x508); /* eight ranges, fixed ones (8), WC (10) */
	expect(0x200, 0);
	expect(0x20f, 0);
	expect(0x268, 0);
	expect(0x179, 0);
	expect(0x17a, 0);
	expect(0x1a0, 0x1801); /* fast strings; no BTS (11), no PEBS (12) */
	expect(0x2ff, 0);
}

static void after_firmware(void **state)
{
	(void)state;
	guest_msrs_after_firmware(&msrs);
	expect(0x2ff, 0x806); /* on, write-back */
	expect(0x1a0, 0x1801);
	expect(0x200, 0);
}

static void read_only(void **state)
{
	static const u32 numbers[] = {0x17, 0x3a, 0xce, 0xfe, 0x179};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		refuse(numbers[i], 0);
		refuse(numbers[i], 1);
		refuse(numbers[i], 5);
	}
}

/* Vol. 3, 10.11.7.1: write 0, CPUID, read. */
static void microcode_revision(void **state)
{
	(void)state;
	accept(0x8b, 0, 0xffffffff00000000);
	refuse(0x8b, 1);
	refuse(0x8b, 0x100000000);
}

/* Vol. 3, 12.11.2.1: type in 7:0, FE 10, E 11; the rest and types 2, 3 and above 6 are reserved. */
static void mtrr_def_type(void **state)
{
	(void)state;
	accept(0x2ff, 0, 0);
	accept(0x2ff, 0x806, 0x806);
	accept(0x2ff, 0xc00, 0xc00);
	accept(0x2ff, 0x804, 0x804);
	accept(0x2ff, 0x805, 0x805);
	accept(0x2ff, 0x801, 0x801);
	refuse(0x2ff, 0x802);
	refuse(0x2ff, 0x803);
	for (u64 type = 7; type < 256; type++)
		refuse(0x2ff, type);
	for (unsigned bit = 8; bit < 64; bit++)
		if (bit != 10 && bit != 11)
			refuse(0x2ff, 0x806 | BIT(bit));
}

static void misc_enable(void **state)
{
	(void)state;
	accept(0x1a0, 0x1801, 0x1801);
	accept(0x1a0, 0x1800, 0x1800);
	accept(0x1a0, 0, 0x1800);      /* BTS and PEBS unavailable are read-only */
	accept(0x1a0, 0x1881, 0x1801); /* so is performance monitoring (7) */
	for (unsigned bit = 1; bit < 64; bit++)
		if (bit != 7 && bit != 11 && bit != 12)
			refuse(0x1a0, 0x1801 | BIT(bit));
}

static void mcg_status(void **state)
{
	(void)state;
	accept(0x17a, 7, 7);
	accept(0x17a, 4, 4);
	accept(0x17a, 0, 0);
	for (unsigned bit = 3; bit < 64; bit++)
		refuse(0x17a, BIT(bit));
}

/* Vol. 3, 12.11.2.3: type in 7:0 of a base, valid 11 of a mask, addresses up to MAXPHYADDR. */
static void mtrr_variable(void **state)
{
	(void)state;
	for (u32 msr = 0x200; msr < 0x210; msr += 2) {
		accept(msr, 0x7ffffff006, 0x7ffffff006);
		accept(msr, 0, 0);
		accept(msr, 0x80000001, 0x80000001); /* WC */
		refuse(msr, 2);
		refuse(msr, 7);
		for (unsigned bit = 8; bit < 64; bit++)
			if (bit < 12 || bit >= PHYSICAL_BITS)
				refuse(msr, BIT(bit));
		accept(msr + 1, 0x7ffffff800, 0x7ffffff800);
		accept(msr + 1, 0, 0);
		for (unsigned bit = 0; bit < 64; bit++)
			if (bit < 11 || bit >= PHYSICAL_BITS)
				refuse(msr + 1, BIT(bit));
	}
	expect_fault(0x210); /* there are eight */
}

/* Eight types in each. */
static void mtrr_fixed(void **state)
{
	static const u32 numbers[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
				      0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		expect(numbers[i], 0);
		accept(numbers[i], 0x0605040100060504 + i % 2, 0x0605040100060504 + i % 2);
		for (unsigned shift = 0; shift < 64; shift += 8) {
			refuse(numbers[i], 2UL << shift);
			refuse(numbers[i], 7UL << shift);
			refuse(numbers[i], 0x80UL << shift);
		}
	}
}

/* In units of 100 MHz, in eight bits. */
static void platform_info(void **state)
{
	static const u64 rates[][2] = {{2400000000, 24}, {2449000000, 24},   {2450000000, 25},
				       {10000000, 0},	 {25500000000, 255}, {99000000000, 255}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		guest_msrs_reset(&msrs, rates[i][0], PHYSICAL_BITS);
		expect(0xce, rates[i][1] << 8 | rates[i][1] << 40);
	}
}

static void values_are_apart(void **state)
{
	(void)state;
	for (u32 msr = 0x200; msr < 0x210; msr++)
		accept(msr, (msr + 1UL) << 12, (msr + 1UL) << 12);
	for (u32 i = 0; i < 8; i++)
		accept(0x268 + i, 6UL << 8 * i, 6UL << 8 * i);
	accept(0x2ff, 0xc05, 0xc05);
	accept(0x1a0, 0x1800, 0x1800);
	accept(0x17a, 5, 5);
	for (u32 msr = 0x200; msr < 0x210; msr++)
		expect(msr, (msr + 1UL) << 12);
	for (u32 i = 0; i < 8; i++)
		expect(0x268 + i, 6UL << 8 * i);
	expect(0x2ff, 0xc05);
	expect(0x1a0, 0x1800);
	guest_msrs_reset(&msrs, TSC_HZ, PHYSICAL_BITS);
	power_up_values(state);
}

/* Of the numbers below 2000h, KVM's, and from c0000000h on, those of the table and no more. */
static void nothing_else_exists(void **state)
{
	static const u32 table[][2] = {{0x17, 0x17},   {0x3a, 0x3a},   {0x8b, 0x8b},
				       {0xce, 0xce},   {0xfe, 0xfe},   {0x179, 0x17a},
				       {0x1a0, 0x1a0}, {0x200, 0x20f}, {0x250, 0x250},
				       {0x258, 0x259}, {0x268, 0x26f}, {0x2ff, 0x2ff}};
	u64 value;

	(void)state;
	for (u32 msr = 0; msr < 0x2000; msr++) {
		bool there = false;

		for (size_t i = 0; i < ARRAY_SIZE(table); i++)
			there |= msr >= table[i][0] && msr <= table[i][1];
		if (there)
			assert_int_equal(guest_msr_read(&msrs, msr, &value), 0);
		else
			expect_fault(msr);
	}
	for (u32 msr = 0x4b564d00; msr < 0x4b564e00; msr++)
		expect_fault(msr);
	for (u32 msr = 0xc0000000; msr < 0xc0002000; msr++)
		expect_fault(msr);
	expect_fault(0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(power_up_values, setup),
		cmocka_unit_test_setup(after_firmware, setup),
		cmocka_unit_test_setup(read_only, setup),
		cmocka_unit_test_setup(microcode_revision, setup),
		cmocka_unit_test_setup(mtrr_def_type, setup),
		cmocka_unit_test_setup(misc_enable, setup),
		cmocka_unit_test_setup(mcg_status, setup),
		cmocka_unit_test_setup(mtrr_variable, setup),
		cmocka_unit_test_setup(mtrr_fixed, setup),
		cmocka_unit_test_setup(platform_info, setup),
		cmocka_unit_test_setup(values_are_apart, setup),
		cmocka_unit_test_setup(nothing_else_exists, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
