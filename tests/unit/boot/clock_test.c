/* SPDX-License-Identifier: MIT */
/* Dates whose Unix time is well known. */
#include "cmocka_all.h"

#include "boot/clock.h"

static u64 at(u32 year, u32 month, u32 day, u32 hour, u32 minute, u32 second, s32 zone)
{
	const struct clock_date date = {year, month, day, hour, minute, second, zone};

	return clock_unix_time(&date);
}

static void test_known_dates(void **state)
{
	(void)state;
	assert_int_equal(at(1970, 1, 1, 0, 0, 1, 0), 1);
	assert_int_equal(at(2001, 9, 9, 1, 46, 40, 0), 1000000000);
	assert_int_equal(at(2000, 2, 29, 0, 0, 0, 0), 951782400);
	assert_int_equal(at(2023, 11, 14, 22, 13, 20, 0), 1700000000);
	assert_int_equal(at(2038, 1, 19, 3, 14, 8, 0), 2147483648);
	assert_int_equal(at(2100, 3, 1, 0, 0, 0, 0), 4107542400);
}

/* UTC is local time plus the zone: at 60 minutes east of Greenwich the firmware says -60. */
static void test_zones(void **state)
{
	(void)state;
	assert_int_equal(at(2001, 9, 9, 2, 46, 40, -60), 1000000000);
	assert_int_equal(at(2001, 9, 8, 20, 46, 40, 300), 1000000000);
	assert_int_equal(at(2001, 9, 9, 1, 46, 40, CLOCK_ZONE_UNKNOWN), 1000000000);
}

static void test_nonsense_is_no_time(void **state)
{
	(void)state;
	assert_int_equal(at(0, 0, 0, 0, 0, 0, 0), 0);
	assert_int_equal(at(1969, 12, 31, 23, 59, 59, 0), 0);
	assert_int_equal(at(1970, 1, 1, 0, 0, 0, -60), 0);
	assert_int_equal(at(2023, 2, 29, 0, 0, 0, 0), 0);
	assert_int_equal(at(2100, 2, 29, 0, 0, 0, 0), 0);
	assert_int_equal(at(2023, 13, 1, 0, 0, 0, 0), 0);
	assert_int_equal(at(2023, 4, 31, 0, 0, 0, 0), 0);
	assert_int_equal(at(2023, 4, 30, 24, 0, 0, 0), 0);
	assert_int_equal(at(2023, 4, 30, 0, 60, 0, 0), 0);
	assert_int_equal(at(65535, 1, 1, 0, 0, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_dates),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_nonsense_is_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
