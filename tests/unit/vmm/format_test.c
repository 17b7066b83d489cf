/* SPDX-License-Identifier: MIT */
/* Text formatting, against values written down here and, over a grid of formats, against the C
 * library. */
#include "cmocka_all.h"

#include <bulkhead/format.h>
#include <stdio.h>
#include <string.h>

#define expect(text, ...)                                                                          \
	do {                                                                                       \
		char got_[128];                                                                    \
		assert_int_equal(format_text(got_, sizeof(got_), __VA_ARGS__), strlen(text));      \
		assert_string_equal(got_, text);                                                   \
	} while (0)

static void decimal(void **state)
{
	(void)state;
	expect("0", "%d", 0);
	expect("-2147483648", "%d", INT_MIN);
	expect("2147483647", "%i", INT_MAX);
	expect("4294967295", "%u", UINT_MAX);
	expect("-9223372036854775808", "%lld", LLONG_MIN);
	expect("18446744073709551615", "%llu", ULLONG_MAX);
	expect("-1 18446744073709551615", "%ld %lu", -1L, ~0UL);
	expect("-1 18446744073709551615", "%zd %zu", (ssize_t)-1, SIZE_MAX);
}

static void short_lengths_cut_the_value(void **state)
{
	volatile int value = 0x12380;

	(void)state;
	expect("-128 128", "%hhd %hhu", (signed char)value, (unsigned char)value);
	expect("80 2380", "%hhx %hx", (unsigned char)value, (unsigned short)value);
	expect("9088", "%hd", (short)value);
}

static void hexadecimal(void **state)
{
	(void)state;
	expect("deadbeef DEADBEEF", "%x %X", 0xdeadbeefu, 0xdeadbeefu);
	expect("ffffffff80000000", "%lx", 0xffffffff80000000ul);
	expect("0x1000", "%p", (void *)0x1000);
	expect("0x0", "%p", NULL);
}

static void text_and_characters(void **state)
{
	static const char unterminated[3] = {'a', 'b', 'c'};
	const char *volatile none = NULL;

	(void)state;
	expect("", "%s", "");
	expect("web is up", "%s is %s", "web", "up");
	expect("we", "%.2s", "web");
	expect("abc", "%.*s", 3, unterminated);
	expect("web", "%.*s", -1, "web");
	expect("", "%.s", "web");
	expect("(null)", "%s", none);
	expect("a|  b|c  |", "%c|%3c|%-3c|", 'a', 'b', 'c');
	expect("100%", "%d%%", 100);
}

static void widths(void **state)
{
	(void)state;
	expect("   42|42   |00042", "%5d|%-5d|%05d", 42, 42, 42);
	expect("  -42|-42  |-0042", "%5d|%-5d|%05d", -42, -42, -42);
	expect("123456", "%3d", 123456);
	expect("  web|web  | we", "%5s|%-5s|%3.2s", "web", "web", "web");
	expect("  7|7  |", "%*d|%*d|", 3, 7, -3, 7);
	expect("0000000000001000", "%016llx", 0x1000ull);
	expect("   0x10|0x10   |", "%7p|%-7p|", (void *)0x10, (void *)0x10);
}

/* Whatever the flags and the width: the C library agrees. */
static void agrees_with_the_c_library(void **state)
{
	static const char *const flags[] = {"", "-", "0", "-0", "0-"};
	static const char *const widths[] = {"", "1", "2", "7", "12", "24"};
	static const char *const types[] = {"hhd", "hd", "d",	"ld", "lld", "zd", "hhu", "hu", "u",
					    "lu",  "zu", "llu", "x",  "lx",  "lX", "hhx", "zX"};
	static const u64 values[] = {0,
				     1,
				     9,
				     10,
				     127,
				     128,
				     65535,
				     0x7fffffff,
				     0x80000000,
				     0xffffffff,
				     ~0ull,
				     1ull << 63,
				     0x123456789abcdef0,
				     (u64)-128};
	char format[32], got[64], want[64];

	(void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	for (size_t i = 0; i < ARRAY_SIZE(flags) * ARRAY_SIZE(widths) * ARRAY_SIZE(types); i++) {
		snprintf(format, sizeof(format), "<%%%s%s%s>", flags[i % ARRAY_SIZE(flags)],
			 widths[i / ARRAY_SIZE(flags) % ARRAY_SIZE(widths)],
			 types[i / ARRAY_SIZE(flags) / ARRAY_SIZE(widths)]);
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			int length = snprintf(want, sizeof(want), format, values[v]);

			assert_int_equal(format_text(got, sizeof(got), format, values[v]), length);
			assert_string_equal(got, want);
		}
	}
#pragma GCC diagnostic pop
}

static void long_text_is_cut_and_counted(void **state)
{
	char buffer[8] = "zzzzzzz";

	(void)state;
	assert_int_equal(format_text(buffer, 4, "%s", "partition"), 9);
	assert_memory_equal(buffer, "par\0zzz", 8);
	assert_int_equal(format_text(buffer, 4, "%d", 123), 3);
	assert_string_equal(buffer, "123");
	assert_int_equal(format_text(buffer, 4, "%d", 1234), 4);
	assert_string_equal(buffer, "123");
	assert_int_equal(format_text(buffer, 1, "%d", 77), 2);
	assert_string_equal(buffer, "");
	assert_int_equal(format_text(NULL, 0, "%d", 77), 2);
}

/* The types of what follows are unknown: no argument is touched any more. */
static void unknown_conversion_is_shown_as_it_is(void **state)
{
	const char *volatile format = "a %d b %q c %s";
	char got[32];

	(void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	assert_int_equal(format_text(got, sizeof(got), format, 1, 2), 13);
	assert_string_equal(got, "a 1 b %q c %s");
	format = "50%";
	assert_int_equal(format_text(got, sizeof(got), format, 0), 3);
	assert_string_equal(got, "50%");
#pragma GCC diagnostic pop
}

static void append(void **state)
{
	char buffer[10] = "";
	char full[4] = {'a', 'b', 'c', 'd'};

	(void)state;
	assert_int_equal(format_append(buffer, sizeof(buffer), "%s", "vcpu"), 4);
	assert_int_equal(format_append(buffer, sizeof(buffer), " %d", 10), 7);
	assert_string_equal(buffer, "vcpu 10");
	assert_int_equal(format_append(buffer, sizeof(buffer), "%s", "abcdef"), 9);
	assert_string_equal(buffer, "vcpu 10ab");
	assert_int_equal(format_append(buffer, sizeof(buffer), "%s", "x"), 9);
	assert_string_equal(buffer, "vcpu 10ab");
	assert_int_equal(format_append(full, sizeof(full), "x"), 3);
	assert_string_equal(full, "abc");
	assert_int_equal(format_append(NULL, 0, "x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimal),
		cmocka_unit_test(short_lengths_cut_the_value),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(text_and_characters),
		cmocka_unit_test(widths),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(long_text_is_cut_and_counted),
		cmocka_unit_test(unknown_conversion_is_shown_as_it_is),
		cmocka_unit_test(append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
