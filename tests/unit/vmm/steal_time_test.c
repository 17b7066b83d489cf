/* SPDX-License-Identifier: MIT */
/* The record of stolen time, as a guest reads it. Layout: Linux,
 * Documentation/virt/kvm/x86/msr.rst. */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/error.h>
#include <bulkhead/steal_time.h>

#define HZ	 2500000000UL
#define RECORD	 0x2040UL
#define LOW_END	 0x100000UL
#define HIGH_END 0x2000UL

static u8 low[LOW_END] aligned(64);
static struct guest_memory memory;
static struct steal_time steal;

static int setup(void **state)
{
	(void)state;
	memset(low, 0, sizeof(low));
	memory = (struct guest_memory){.window = low, .low_bytes = LOW_END, .high_bytes = HIGH_END};
	steal = (struct steal_time){0};
	return 0;
}

/* As whoever runs the vCPU does. */
static void update(u64 waited)
{
	u64 ticks = steal_time_take(&steal, waited);

	if (ticks)
		steal_time_add(&steal, &memory, ticks, HZ);
}

static u64 field(u64 offset, unsigned bytes)
{
	u64 value = 0;

	memcpy(&value, low + RECORD + offset, bytes);
	return value;
}

static void switch_on(void)
{
	assert_int_equal(steal_time_write(&steal, &memory, RECORD | 1), 0);
}

/* steal at 0, version at 8, flags at 12, preempted at 16; nothing else of the memory changes. */
static void expect_record(u64 ns, u32 version)
{
	assert_int_equal(field(0, 8), ns);
	assert_int_equal(field(8, 4), version);
	assert_int_equal(field(12, 4), 0);
	assert_int_equal(field(16, 1), 0);
	for (u64 i = 0; i < LOW_END; i++)
		if (i < RECORD || i >= RECORD + 17)
			assert_int_equal(low[i], 0);
}

static void off_writes_nothing(void **state)
{
	(void)state;
	update(1000000);
	expect_record(0, 0);
	assert_int_equal(steal_time_write(&steal, &memory, RECORD), 0);
	update(2000000);
	expect_record(0, 0);
}

static void waits_add_up(void **state)
{
	(void)state;
	switch_on();
	expect_record(0, 0);
	update(2500);
	expect_record(1000, 2);
	update(2500); /* has not waited since */
	expect_record(1000, 2);
	update(2500 + HZ * 3600);
	expect_record(3600000001000, 4);
}

static void earlier_waits_do_not_count(void **state)
{
	(void)state;
	update(7 * HZ);
	switch_on();
	update(7 * HZ);
	expect_record(0, 0);
	update(8 * HZ);
	expect_record(1000000000, 2);
}

/* Linux takes its CPUs off and on again and expects a clock that does not go back. */
static void off_and_on_goes_on(void **state)
{
	(void)state;
	switch_on();
	update(HZ);
	assert_int_equal(steal_time_write(&steal, &memory, 0), 0);
	update(5 * HZ);
	expect_record(1000000000, 2);
	switch_on();
	update(6 * HZ);
	expect_record(2000000000, 4);
}

static void version_is_even_afterwards(void **state)
{
	(void)state;
	switch_on();
	low[RECORD + 8] = 5; /* as the guest should not leave it */
	update(HZ);
	assert_int_equal(field(8, 4), 6);
	memset(low + RECORD + 8, 0xff, 4);
	update(2 * HZ);
	assert_int_equal(field(8, 4), 0);
	memset(low + RECORD, 0xff, 8);
	update(3 * HZ);
	assert_int_equal(field(0, 8), 999999999); /* wraps: it is the guest's own number */
}

static void leftovers_are_cleared(void **state)
{
	(void)state;
	switch_on();
	memset(low + RECORD + 12, 0xff, 4);
	update(HZ);
	expect_record(1000000000, 2);
}

/* preempted: 1 while it does not run; 2 is added by who wants its translations forgotten. */
static void tells_when_it_does_not_run(void **state)
{
	(void)state;
	steal_time_preempt(&steal, &memory);
	assert_false(steal.away); /* nobody wants to know */
	expect_record(0, 0);
	switch_on();
	steal_time_preempt(&steal, &memory);
	assert_true(steal.away);
	assert_int_equal(field(16, 8), 1);
	assert_false(steal_time_return(&steal, &memory));
	assert_false(steal.away);
	expect_record(0, 0);
	steal_time_preempt(&steal, &memory);
	low[RECORD + 16] |= 2;
	assert_true(steal_time_return(&steal, &memory));
	expect_record(0, 0);
	steal_time_preempt(&steal, &memory);
	memory.low_bytes = 0x1000;
	assert_false(steal_time_return(&steal, &memory));
	assert_false(steal.away);
}

static void accept(u64 value)
{
	assert_int_equal(steal_time_write(&steal, &memory, value), 0);
	assert_int_equal(steal.control, value);
}

static void refuse(u64 value)
{
	u64 before = steal.control;

	assert_int_equal(steal_time_write(&steal, &memory, value), -EINVAL);
	assert_int_equal(steal.control, before);
}

static void addresses(void **state)
{
	(void)state;
	accept(1); /* address 0 */
	accept((LOW_END - 64) | 1);
	accept((GUEST_HOLE_BASE - 64) | 1);
	accept(GUEST_HOLE_END | 1);
	accept(GUEST_HIGH_BASE | 1);
	accept((GUEST_HIGH_BASE + HIGH_END - 64) | 1);
	refuse(LOW_END | 1);
	refuse(GUEST_HOLE_BASE | 1);
	refuse((GUEST_HOLE_END - 64) | 1);
	refuse((GUEST_HIGH_BASE - 64) | 1);
	refuse((GUEST_HIGH_BASE + HIGH_END) | 1);
	refuse(BIT(63) | 1);
	refuse(~63UL | 1);
	accept(~63UL); /* off: the address means nothing */
	memory.low_bytes = LOW_END - 32;
	refuse((LOW_END - 64) | 1); /* half of it is RAM */
	for (unsigned bit = 1; bit < 6; bit++) {
		refuse(RECORD | 1 | BIT(bit));
		refuse(BIT(bit));
	}
}

/* The guest's RAM is never smaller later on; if it were, nothing outside it is touched. */
static void record_out_of_sight(void **state)
{
	(void)state;
	switch_on();
	memory.low_bytes = 0x1000;
	update(HZ);
	expect_record(0, 0);
}

static void high_memory(void **state)
{
	struct steal_time_record record = {0};

	(void)state;
	memory.window = (u8 *)&record - GUEST_HIGH_BASE - 0x40;
	accept(GUEST_HIGH_BASE | 0x41);
	update(HZ);
	assert_int_equal(record.steal_ns, 1000000000);
	assert_int_equal(record.version, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(off_writes_nothing, setup),
		cmocka_unit_test_setup(waits_add_up, setup),
		cmocka_unit_test_setup(earlier_waits_do_not_count, setup),
		cmocka_unit_test_setup(off_and_on_goes_on, setup),
		cmocka_unit_test_setup(version_is_even_afterwards, setup),
		cmocka_unit_test_setup(leftovers_are_cleared, setup),
		cmocka_unit_test_setup(tells_when_it_does_not_run, setup),
		cmocka_unit_test_setup(addresses, setup),
		cmocka_unit_test_setup(record_out_of_sight, setup),
		cmocka_unit_test_setup(high_memory, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
