/* SPDX-License-Identifier: MIT */
/* The moments of a board: which comes first, and what becomes of those that are due. */
#include "cmocka_all.h"

#include <drivers/virt/device_timers.h>

#define COUNT 4

static struct device_timers timers;
static struct device_timer timer[COUNT];
static unsigned fired[16], fires;
static u64 again; /* the first one is armed for that when it fires */

static void fire(void *context)
{
	struct device_timer *which = context;

	assert_int_equal(which->deadline, DEVICE_TIMER_OFF);
	assert_in_range(fires, 0, ARRAY_SIZE(fired) - 1);
	fired[fires++] = (unsigned)(which - timer);
	if (which == timer && again)
		(void)!device_timers_set(&timers, which, again);
}

static int setup(void **state)
{
	(void)state;
	timers = (struct device_timers){0};
	for (unsigned i = 0; i < COUNT; i++)
		timer[i] = (struct device_timer){
			.deadline = DEVICE_TIMER_OFF, .fire = fire, .context = &timer[i]};
	fires = 0;
	again = 0;
	return 0;
}

static void nothing_is_armed(void **state)
{
	(void)state;
	assert_int_equal(device_timers_next(&timers), DEVICE_TIMER_OFF);
	device_timers_run(&timers, ~0UL);
	assert_int_equal(fires, 0);
}

/* Whoever waits for the first one is told when it may be another one, and only then. */
static void tells_of_the_first(void **state)
{
	(void)state;
	assert_true(device_timers_set(&timers, &timer[0], 50));
	assert_false(device_timers_set(&timers, &timer[1], 60));
	assert_false(device_timers_set(&timers, &timer[2], 50));
	assert_true(device_timers_set(&timers, &timer[3], 40));
	assert_int_equal(device_timers_next(&timers), 40);
	assert_true(device_timers_set(&timers, &timer[3], 45));
	assert_int_equal(device_timers_next(&timers), 45);
	assert_true(device_timers_set(&timers, &timer[3], DEVICE_TIMER_OFF));
	assert_int_equal(device_timers_next(&timers), 50);
	assert_false(device_timers_set(&timers, &timer[1], DEVICE_TIMER_OFF));
	assert_false(device_timers_set(&timers, &timer[1], DEVICE_TIMER_OFF));
}

static void in_their_order(void **state)
{
	static const unsigned wanted[] = {3, 0, 2};

	(void)state;
	(void)!device_timers_set(&timers, &timer[0], 50);
	(void)!device_timers_set(&timers, &timer[1], 61);
	(void)!device_timers_set(&timers, &timer[2], 50);
	(void)!device_timers_set(&timers, &timer[3], 40);
	device_timers_run(&timers, 39);
	assert_int_equal(fires, 0);
	device_timers_run(&timers, 60);
	assert_int_equal(fires, ARRAY_SIZE(wanted));
	assert_memory_equal(fired, wanted, sizeof(wanted));
	assert_int_equal(device_timers_next(&timers), 61);
	device_timers_run(&timers, 61);
	assert_int_equal(fired[3], 1);
	assert_int_equal(device_timers_next(&timers), DEVICE_TIMER_OFF);
}

/* It waits for its turn again. */
static void armed_while_it_fires(void **state)
{
	(void)state;
	again = 70;
	(void)!device_timers_set(&timers, &timer[0], 50);
	(void)!device_timers_set(&timers, &timer[1], 60);
	device_timers_run(&timers, 69);
	assert_int_equal(fires, 2);
	assert_int_equal(device_timers_next(&timers), 70);
	again = 0;
	device_timers_run(&timers, 70);
	assert_int_equal(fires, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_armed, setup),
		cmocka_unit_test_setup(tells_of_the_first, setup),
		cmocka_unit_test_setup(in_their_order, setup),
		cmocka_unit_test_setup(armed_while_it_fires, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
