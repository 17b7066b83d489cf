/* SPDX-License-Identifier: MIT */
/* What a guest makes its devices say: it comes to the log, but no flood of it. */
#include "cmocka_all.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>

#include "vmm/partition_report.h"

#define SECOND 1000000UL

static u64 now_us;
static unsigned lines;
static char logged[2][256]; /* the last one, and the one before */
static struct config_partition config = {.name = "web"}, other_config = {.name = "db"};
static struct partition partition, other;

u64 arch_time_us(void)
{
	return now_us;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	assert_int_equal(level, LOG_DEBUG);
	memcpy(logged[1], logged[0], sizeof(logged[0]));
	va_start(arguments, format);
	vsnprintf(logged[0], sizeof(logged[0]), format, arguments);
	va_end(arguments);
	lines++;
}

static int setup(void **state)
{
	(void)state;
	now_us = 0; /* the machine has just started */
	lines = 0;
	memset(logged, 0, sizeof(logged));
	partition = (struct partition){.config = &config};
	other = (struct partition){.config = &other_config};
	return 0;
}

static void flood(struct partition *from, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		partition_report(from, "flood");
}

static void test_line(void **state)
{
	(void)state;
	partition_report(&partition, "100% odd");
	assert_string_equal(logged[0], "web: 100% odd");
	assert_int_equal(lines, 1);
}

static void test_burst(void **state)
{
	(void)state;
	flood(&partition, 1000);
	assert_int_equal(lines, 256);
	assert_string_equal(logged[0], "web: flood");
	partition_report(&other, "me too"); /* each has its own */
	assert_string_equal(logged[0], "db: me too");
	assert_int_equal(lines, 257);
}

/* The line that says what is missing is one of those that there may be. */
static void test_says_what_is_missing(void **state)
{
	(void)state;
	flood(&partition, 256 + 10);
	now_us += SECOND / 16;
	flood(&partition, 1);
	assert_int_equal(lines, 256);
	now_us += SECOND / 16;
	partition_report(&partition, "after it");
	assert_int_equal(lines, 258);
	assert_string_equal(logged[1], "web: (too many lines of its devices: left out 11)");
	assert_string_equal(logged[0], "web: after it");
	now_us += SECOND / 16;
	partition_report(&partition, "again");
	assert_int_equal(lines, 259);
	assert_string_equal(logged[0], "web: again");
}

static void test_rate(void **state)
{
	(void)state;
	flood(&partition, 1000);
	lines = 0;
	for (unsigned i = 0; i < 60000; i++) {
		now_us += SECOND / 1000;
		flood(&partition, 1);
	}
	assert_int_equal(lines, 60 * 16);
	now_us += 3600 * SECOND; /* a long rest is worth one burst */
	lines = 0;
	flood(&partition, 1000);
	assert_int_equal(lines, 256);
}

/* Who says a line now and then is never told that it was too much. */
static void test_seldom(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		now_us += SECOND / 16;
		partition_report(&partition, "now and then");
	}
	assert_int_equal(lines, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line, setup),
		cmocka_unit_test_setup(test_burst, setup),
		cmocka_unit_test_setup(test_says_what_is_missing, setup),
		cmocka_unit_test_setup(test_rate, setup),
		cmocka_unit_test_setup(test_seldom, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
