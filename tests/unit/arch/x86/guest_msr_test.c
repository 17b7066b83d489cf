/* SPDX-License-Identifier: MIT */
/* The table of guest MSRs: values and bits from SDM vol. 4 and vol. 3 as named below. */
/* links: vmm/steal_time.c */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/error.h>
#include <bulkhead/guest_msr.h>

#define KVM_STEAL_TIME 0x4b564d03

static struct guest_msrs msrs;
static u8 window[1 * MIB] aligned(64);
static const struct guest_memory memory = {.window = window, .low_bytes = sizeof(window)};

static int setup(void **state)
{
	(void)state;
	memset(&msrs, 0xee, sizeof(msrs));
	guest_msrs_reset(&msrs);
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
	assert_int_equal(guest_msr_write(&msrs, &memory, msr, 0), -EINVAL);
}

static void accept(u32 msr, u64 value, u64 then)
{
	assert_int_equal(guest_msr_write(&msrs, &memory, msr, value), 0);
	expect(msr, then);
}

static void refuse(u32 msr, u64 value)
{
	u64 before, after;

	assert_int_equal(guest_msr_read(&msrs, msr, &before), 0);
	assert_int_equal(guest_msr_write(&msrs, &memory, msr, value), -EINVAL);
	assert_int_equal(guest_msr_read(&msrs, msr, &after), 0);
	assert_int_equal(before, after);
}

static void power_up_values(void **state)
{
	(void)state;
	expect(0x17, 0);
	expect(0x3a, 1); /* locked, no VMX */
	expect(0x3b, 0);
	expect(0x8b, 0xffffffff00000000);
	expect(0xfe, 0);
	expect(0x179, 0);
	expect(0x17a, 0);
	expect(0x1a0, 0x1801); /* fast strings; no BTS (11), no PEBS (12) */
	expect(0x2ff, 0x806);  /* on, write-back */
	expect(0x12, 0);
	expect(KVM_STEAL_TIME, 0);
}

static void read_only(void **state)
{
	static const u32 numbers[] = {0x17, 0x3a, 0xfe, 0x179};

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
	refuse(0x2ff, 0x801); /* WC is not in IA32_MTRRCAP */
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

static void tsc_adjust(void **state)
{
	(void)state;
	accept(0x3b, 0xfffffffffffffff0, 0xfffffffffffffff0);
	accept(0x3b, 1, 1);
}

/* KVM's clock does not exist: it may be switched off, never on. */
static void system_time(void **state)
{
	(void)state;
	accept(0x12, 0, 0);
	refuse(0x12, 1);
	refuse(0x12, 0x1000);
}

/* Address in 63:6, reserved 5:1, on 0; the record is 64 bytes of RAM. */
static void steal_time(void **state)
{
	(void)state;
	accept(KVM_STEAL_TIME, 0x1001, 0x1001);
	accept(KVM_STEAL_TIME, 0xfffc1, 0xfffc1);
	accept(KVM_STEAL_TIME, 0x1040, 0x1040);
	accept(KVM_STEAL_TIME, 0, 0);
	for (unsigned bit = 1; bit < 6; bit++) {
		refuse(KVM_STEAL_TIME, BIT(bit));
		refuse(KVM_STEAL_TIME, 0x1001 | BIT(bit));
	}
	refuse(KVM_STEAL_TIME, 0x100001);	    /* behind the RAM */
	refuse(KVM_STEAL_TIME, 0xa0001);	    /* in its hole */
	refuse(KVM_STEAL_TIME, 0xffffffffffffffc1); /* up to the end of everything */
}

static void reset_ends_steal_time(void **state)
{
	(void)state;
	msrs.steal.counted = 4711;
	accept(KVM_STEAL_TIME, 0x1001, 0x1001);
	guest_msrs_reset(&msrs);
	expect(KVM_STEAL_TIME, 0);
	assert_int_equal(msrs.steal.counted, 4711);
}

static void values_are_apart(void **state)
{
	(void)state;
	accept(0x3b, 0x1122334455667788, 0x1122334455667788);
	accept(0x2ff, 0xc05, 0xc05);
	accept(0x1a0, 0x1800, 0x1800);
	accept(0x17a, 5, 5);
	accept(KVM_STEAL_TIME, 0x2001, 0x2001);
	expect(0x3b, 0x1122334455667788);
	expect(0x2ff, 0xc05);
	expect(0x1a0, 0x1800);
	guest_msrs_reset(&msrs);
	power_up_values(state);
}

/* Of the numbers below 2000h, KVM's, and from c0000000h on, those of the table and no more. */
static void nothing_else_exists(void **state)
{
	static const u32 table[] = {0x12, 0x17, 0x3a, 0x3b, 0x8b, 0xfe, 0x179, 0x17a, 0x1a0, 0x2ff};
	u64 value;
	u32 found = 0;

	(void)state;
	for (u32 msr = 0; msr < 0x2000; msr++)
		if (!guest_msr_read(&msrs, msr, &value)) {
			assert_true(found < ARRAY_SIZE(table));
			assert_int_equal(msr, table[found++]);
		} else
			expect_fault(msr);
	assert_int_equal(found, ARRAY_SIZE(table));
	for (u32 msr = 0x4b564d00; msr < 0x4b564e00; msr++)
		if (msr != KVM_STEAL_TIME)
			expect_fault(msr);
	for (u32 msr = 0xc0000000; msr < 0xc0002000; msr++)
		expect_fault(msr);
	expect_fault(0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(power_up_values, setup),
		cmocka_unit_test_setup(read_only, setup),
		cmocka_unit_test_setup(microcode_revision, setup),
		cmocka_unit_test_setup(mtrr_def_type, setup),
		cmocka_unit_test_setup(misc_enable, setup),
		cmocka_unit_test_setup(mcg_status, setup),
		cmocka_unit_test_setup(tsc_adjust, setup),
		cmocka_unit_test_setup(system_time, setup),
		cmocka_unit_test_setup(steal_time, setup),
		cmocka_unit_test_setup(reset_ends_steal_time, setup),
		cmocka_unit_test_setup(values_are_apart, setup),
		cmocka_unit_test_setup(nothing_else_exists, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
