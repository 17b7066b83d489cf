/* SPDX-License-Identifier: MIT */
/* KVM's clock, computed as a guest does (Linux: arch/x86/include/asm/pvclock.h says how). */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/kvm_clock.h>

#define RECORD 0x1004UL /* a multiple of 4 and of no more */

static u8 window[0x3000] aligned(64);
static struct guest_memory memory;

static int setup(void **state)
{
	(void)state;
	memset(window, 0, sizeof(window));
	memory = (struct guest_memory){.window = window, .low_bytes = sizeof(window)};
	return 0;
}

static u64 field(u64 offset, unsigned bytes)
{
	u64 value = 0;

	memcpy(&value, window + RECORD + offset, bytes);
	return value;
}

/* version 0, TSC 8, ns 16, multiplier 24, shift 28, flags 29 */
static u64 guest_time(u64 tsc)
{
	int shift = (int)(field(28, 1) ^ 0x80) - 0x80; /* signed */
	u64 delta = tsc - field(8, 8);

	delta = shift < 0 ? delta >> -shift : delta << shift;
	return field(16, 8) + (u64)((unsigned __int128)delta * (u32)field(24, 4) >> 32);
}

static const u64 rates[] = {1,		3,	    999999,	10000000,   500000000,
			    999999999,	1000000000, 1000000001, 1999999999, 2000000000,
			    2000000001, 2400000000, 3999999999, 4000000000, 4000000001,
			    4294967296, 5123456789, 8000000000, 8000000001, 100000000000};

static void multiplier_uses_all_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		u32 multiplier = 0;
		signed char shift;

		kvm_clock_rate(rates[i], &multiplier, &shift);
		assert_true(multiplier >> 31);
	}
}

/* An hour and ten years of each rate: off by a billionth at most. */
static void time_passes(void **state)
{
	static const u64 seconds[] = {1, 3600, 315360000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		kvm_clock_write(&memory, RECORD, 0, rates[i]);
		assert_int_equal(guest_time(0), 0);
		for (size_t s = 0; s < ARRAY_SIZE(seconds); s++) {
			u64 ns = seconds[s] * 1000000000, got;

			if (seconds[s] > 1 && rates[i] > 8000000001)
				continue; /* its ticks do not fit */
			got = guest_time(rates[i] * seconds[s]);
			assert_true(got <= ns && ns - got <= seconds[s] + 1);
		}
	}
}

/* A TSC that was written to, forwards or backwards, does not move the clock. */
static void begins_anywhere(void **state)
{
	(void)state;
	kvm_clock_write(&memory, RECORD, 0xffffffffffff0000, 2000000000);
	assert_int_equal(guest_time(0xffffffffffff0000), 0);
	assert_in_range(guest_time(2000000000 - 0x10000), 999999999, 1000000000);
	kvm_clock_write(&memory, RECORD, 12345678, 2000000000);
	assert_int_equal(guest_time(12345678), 0);
}

static void record_is_all_that_changes(void **state)
{
	(void)state;
	memset(window + RECORD, 0xff, 32);
	kvm_clock_write(&memory, RECORD, 0x1122334455667788, 1500000000);
	assert_int_equal(field(0, 4), 0); /* was odd: the next even one */
	assert_int_equal(field(4, 4), 0);
	assert_int_equal(field(8, 8), 0x1122334455667788);
	assert_int_equal(field(16, 8), 0);
	assert_int_equal(field(29, 1), 1); /* times of vCPUs can be compared */
	assert_int_equal(field(30, 2), 0);
	for (u64 i = 0; i < sizeof(window); i++)
		if (i < RECORD || i >= RECORD + 32)
			assert_int_equal(window[i], 0);
	kvm_clock_write(&memory, RECORD, 0, 1500000000);
	assert_int_equal(field(0, 4), 2);
}

static void wall_clock(void **state)
{
	(void)state;
	kvm_wall_clock_write(&memory, RECORD, 1700000000123456789);
	assert_int_equal(field(0, 4), 2);
	assert_int_equal(field(4, 4), 1700000000);
	assert_int_equal(field(8, 4), 123456789);
	assert_int_equal(field(12, 8), 0);
}

/* A guest's RAM never shrinks; if it did, nothing outside would be touched. */
static void no_memory_no_record(void **state)
{
	(void)state;
	memory.low_bytes = RECORD + 31;
	kvm_clock_write(&memory, RECORD, 1, 1500000000);
	memory.low_bytes = RECORD + 11;
	kvm_wall_clock_write(&memory, RECORD, 1700000000123456789);
	for (u64 i = 0; i < sizeof(window); i++)
		assert_int_equal(window[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(multiplier_uses_all_bits, setup),
		cmocka_unit_test_setup(time_passes, setup),
		cmocka_unit_test_setup(begins_anywhere, setup),
		cmocka_unit_test_setup(record_is_all_that_changes, setup),
		cmocka_unit_test_setup(wall_clock, setup),
		cmocka_unit_test_setup(no_memory_no_record, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
