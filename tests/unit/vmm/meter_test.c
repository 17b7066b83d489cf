/* SPDX-License-Identifier: MIT */
/* Meters of exits: what is recorded, and what percentiles say of it. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/meter.h>

static struct exit_meter meter;

static int setup(void **state)
{
	(void)state;
	memset(&meter, 0, sizeof(meter));
	return 0;
}

/* Small numbers that repeat from run to run. */
static u32 random_next(void)
{
	static u32 seed = 1;

	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void nothing_is_zero(void **state)
{
	(void)state;
	assert_int_equal(exit_meter_percentile(&meter, 0), 0);
	assert_int_equal(exit_meter_percentile(&meter, 500), 0);
	assert_int_equal(exit_meter_percentile(&meter, 1000), 0);
}

static void one_exit_is_all_of_it(void **state)
{
	static const u64 latencies[] = {0, 1, 15, 16, 63, 64, 100, 1234, 99999, 1 << 25, 1UL << 31};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(latencies); i++) {
		memset(&meter, 0, sizeof(meter));
		exit_meter_add(&meter, latencies[i]);
		assert_int_equal(exit_meter_count(&meter), 1);
		assert_int_equal(meter.ticks, latencies[i]);
		assert_int_equal(meter.least, latencies[i]);
		assert_int_equal(meter.most, latencies[i]);
		for (u32 permille = 0; permille <= 1000; permille += 100)
			assert_int_equal(exit_meter_percentile(&meter, permille), latencies[i]);
	}
}

static void extremes(void **state)
{
	(void)state;
	exit_meter_add(&meter, 500);
	exit_meter_add(&meter, 300);
	exit_meter_add(&meter, 400);
	assert_int_equal(meter.least, 300);
	assert_int_equal(meter.most, 500);
	exit_meter_add(&meter, 0);
	exit_meter_add(&meter, 700);
	assert_int_equal(meter.least, 0);
	assert_int_equal(meter.most, 700);
	assert_int_equal(exit_meter_count(&meter), 5);
	assert_int_equal(meter.ticks, 1900);
}

/* All from a certain length on is in the last bucket, of which only the longest is known. */
static void long_ones(void **state)
{
	(void)state;
	exit_meter_add(&meter, METER_LONG);
	exit_meter_add(&meter, 1UL << 40);
	exit_meter_add(&meter, METER_LONG);
	assert_int_equal(meter.ticks, (1UL << 40) + 2 * METER_LONG);
	assert_int_equal(meter.least, METER_LONG);
	assert_int_equal(meter.most, 1UL << 40);
	assert_int_equal(meter.buckets[METER_BUCKETS - 1], 3);
	assert_int_equal(exit_meter_percentile(&meter, 500), 1UL << 40);
	exit_meter_add(&meter, METER_LONG - 1);
	assert_int_equal(meter.least, METER_LONG - 1);
	assert_int_equal(exit_meter_count(&meter), 4);
}

/* Later latencies are in later buckets, none is left out, and an octave has four. */
static void buckets_grow(void **state)
{
	u32 before = 0;

	(void)state;
	assert_int_equal(exit_meter_bucket(0), 0);
	assert_int_equal(exit_meter_bucket(15), 0);
	assert_int_equal(exit_meter_bucket(16), 1);
	for (u32 ticks = 0; ticks < 1 << 20; ticks++) {
		u32 bucket = exit_meter_bucket(ticks);

		assert_true(bucket == before || bucket == before + 1);
		before = bucket;
	}
	for (u32 octave = 6; octave < 19; octave++)
		assert_int_equal(exit_meter_bucket(2U << octave),
				 exit_meter_bucket(1U << octave) + 4);
	assert_int_equal(exit_meter_bucket(METER_LONG - 1), METER_BUCKETS - 1);
}

static int compare(const void *a, const void *b)
{
	u32 left = *(const u32 *)a, right = *(const u32 *)b;

	return left < right ? -1 : left > right;
}

/* Against the exact answer: never below it, and above it by a bucket's width at most. */
static void percentiles_are_near(void **state)
{
	static u32 latencies[5000];
	static const u32 permilles[] = {1, 10, 250, 500, 900, 990, 999, 1000};

	(void)state;
	for (u32 round = 0; round < 20; round++) {
		memset(&meter, 0, sizeof(meter));
		for (size_t i = 0; i < ARRAY_SIZE(latencies); i++) {
			latencies[i] = random_next() % METER_LONG >> random_next() % 16;
			exit_meter_add(&meter, latencies[i]);
		}
		qsort(latencies, ARRAY_SIZE(latencies), sizeof(latencies[0]), compare);
		for (size_t i = 0; i < ARRAY_SIZE(permilles); i++) {
			size_t rank = (ARRAY_SIZE(latencies) * permilles[i] + 999) / 1000;
			u64 exact = latencies[rank - 1];
			u64 got = exit_meter_percentile(&meter, permilles[i]);

			assert_true(got >= exact);
			assert_true(got <= MAX(exact + exact / 4, exact + 15));
			assert_true(got <= meter.most);
		}
		assert_int_equal(exit_meter_percentile(&meter, 1000), meter.most);
	}
}

static void too_much_is_all(void **state)
{
	(void)state;
	exit_meter_add(&meter, 100);
	exit_meter_add(&meter, 9000);
	assert_int_equal(exit_meter_percentile(&meter, 1000), 9000);
	assert_int_equal(exit_meter_percentile(&meter, UINT32_MAX), 9000);
}

/* An exit that took no time at all is one, and the shortest. */
static void nothing_is_something(void **state)
{
	(void)state;
	exit_meter_add(&meter, 0);
	exit_meter_add(&meter, 5);
	exit_meter_add(&meter, 3);
	assert_int_equal(meter.least, 0);
	assert_int_equal(meter.most, 5);
	assert_int_equal(exit_meter_count(&meter), 3);
}

/* Nothing, and something. */
static void merged(void **state)
{
	static const struct exit_meter nothing;
	struct exit_meter other = nothing;
	u32 quick = exit_meter_bucket(100), slow = exit_meter_bucket(5000);

	(void)state;
	exit_meter_merge(&meter, &nothing);
	assert_memory_equal(&meter, &nothing, sizeof(meter));
	exit_meter_add(&other, 100);
	exit_meter_merge(&meter, &other);
	assert_memory_equal(&meter, &other, sizeof(meter));
	exit_meter_merge(&meter, &nothing);
	assert_memory_equal(&meter, &other, sizeof(meter));
	exit_meter_add(&meter, 5000);
	exit_meter_merge(&other, &meter);
	assert_int_equal(exit_meter_count(&other), 3);
	assert_int_equal(other.ticks, 5200);
	assert_int_equal(other.least, 100);
	assert_int_equal(other.most, 5000);
	assert_int_equal(other.buckets[quick], 2);
	assert_int_equal(other.buckets[slow], 1);
	exit_meter_add(&other, 3000);
	assert_int_equal(exit_meter_count(&other), 4);
	assert_int_equal(other.most, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_zero, setup),
		cmocka_unit_test_setup(one_exit_is_all_of_it, setup),
		cmocka_unit_test_setup(extremes, setup),
		cmocka_unit_test_setup(long_ones, setup),
		cmocka_unit_test_setup(buckets_grow, setup),
		cmocka_unit_test_setup(percentiles_are_near, setup),
		cmocka_unit_test_setup(too_much_is_all, setup),
		cmocka_unit_test_setup(nothing_is_something, setup),
		cmocka_unit_test_setup(merged, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
