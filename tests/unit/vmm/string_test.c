/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings. The subject has the C library's names, and the test links both: it is the
 * program's own definition that a program gets, which the first test makes sure of. Calls go
 * through volatile pointers, as the compiler would otherwise answer them itself.
 */
#include "cmocka_all.h"

#include <bulkhead/string.h>

static void *(*volatile copy)(void *restrict, const void *restrict, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;
static size_t (*volatile length)(const char *) = strlen;
static size_t (*volatile length_limited)(const char *, size_t) = strnlen;
static int (*volatile text_compare)(const char *, const char *) = strcmp;
static int (*volatile text_compare_limited)(const char *, const char *, size_t) = strncmp;
static char *(*volatile find)(const char *, int) = strchr;

extern const char __executable_start[], etext[];

static void fill(u8 *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (u8)(i * 7 + 1);
}

static void expect_ours(uintptr_t function)
{
	assert_in_range(function, (uintptr_t)__executable_start, (uintptr_t)etext);
}

static void subject_is_ours(void **state)
{
	(void)state;
	expect_ours((uintptr_t)copy);
	expect_ours((uintptr_t)move);
	expect_ours((uintptr_t)set);
	expect_ours((uintptr_t)compare);
	expect_ours((uintptr_t)length);
	expect_ours((uintptr_t)length_limited);
	expect_ours((uintptr_t)text_compare);
	expect_ours((uintptr_t)text_compare_limited);
	expect_ours((uintptr_t)find);
}

static void memcpy_copies_exactly(void **state)
{
	u8 from[64], to[64];

	(void)state;
	fill(from, sizeof(from));
	for (size_t count = 0; count <= 40; count++) {
		for (size_t i = 0; i < sizeof(to); i++)
			to[i] = 0xee;
		assert_ptr_equal(copy(to + 3, from + 5, count), to + 3);
		for (size_t i = 0; i < sizeof(to); i++)
			assert_int_equal(to[i], i >= 3 && i < 3 + count ? from[i + 2] : 0xee);
	}
}

/* Every distance, both ways, that lets source and destination overlap. */
static void memmove_overlaps(void **state)
{
	u8 bytes[96], before[96];

	(void)state;
	for (size_t count = 0; count <= 30; count++) {
		for (size_t to = 0; to <= 64; to++) {
			fill(bytes, sizeof(bytes));
			fill(before, sizeof(before));
			assert_ptr_equal(move(bytes + to, bytes + 32, count), bytes + to);
			for (size_t i = 0; i < sizeof(bytes); i++)
				assert_int_equal(bytes[i], i >= to && i < to + count
								   ? before[i - to + 32]
								   : before[i]);
		}
	}
}

static void memset_fills_with_the_low_byte(void **state)
{
	u8 bytes[16] = {0};

	(void)state;
	assert_ptr_equal(set(bytes + 1, 0x1a5, 14), bytes + 1);
	assert_int_equal(bytes[0], 0);
	for (size_t i = 1; i < 15; i++)
		assert_int_equal(bytes[i], 0xa5);
	assert_int_equal(bytes[15], 0);
	set(bytes, 0xff, 0);
	assert_int_equal(bytes[0], 0);
}

static void memcmp_orders_unsigned_bytes(void **state)
{
	(void)state;
	assert_int_equal(compare("abc", "abc", 3), 0);
	assert_int_equal(compare("abc", "abd", 2), 0);
	assert_true(compare("abc", "abd", 3) < 0);
	assert_true(compare("\x80", "\x7f", 1) > 0);
	assert_true(compare("a\0b", "a\0c", 3) < 0); /* goes on behind a NUL */
	assert_int_equal(compare("x", "y", 0), 0);
}

static void lengths(void **state)
{
	static const char unterminated[3] = {'a', 'b', 'c'};

	(void)state;
	assert_int_equal(length(""), 0);
	assert_int_equal(length("partition"), 9);
	assert_int_equal(length("ab\0cd"), 2);
	assert_int_equal(length_limited("partition", 4), 4);
	assert_int_equal(length_limited("ab", 4), 2);
	assert_int_equal(length_limited("ab", 0), 0);
	assert_int_equal(length_limited(unterminated, 3), 3);
}

static void text_comparisons(void **state)
{
	(void)state;
	assert_int_equal(text_compare("", ""), 0);
	assert_int_equal(text_compare("web", "web"), 0);
	assert_true(text_compare("web", "web2") < 0);
	assert_true(text_compare("web2", "web") > 0);
	assert_true(text_compare("\xff", "a") > 0);
	assert_int_equal(text_compare_limited("web1", "web2", 3), 0);
	assert_true(text_compare_limited("web1", "web2", 4) < 0);
	assert_int_equal(text_compare_limited("web", "web", 100), 0);
	assert_true(text_compare_limited("we", "web", 100) < 0);
	assert_true(text_compare_limited("\xff", "a", 1) > 0);
	assert_int_equal(text_compare_limited("a", "b", 0), 0);
	assert_int_equal(text_compare_limited("a\0b", "a\0c", 3), 0); /* stops at a NUL */
}

static void strchr_finds_the_first(void **state)
{
	static const char text[] = "key = value = \xe9";

	(void)state;
	assert_ptr_equal(find(text, 'k'), text);
	assert_ptr_equal(find(text, '='), text + 4);
	assert_ptr_equal(find(text, 0xe9), text + 14);
	assert_ptr_equal(find(text, 0), text + 15);
	assert_null(find(text, '#'));
	assert_null(find("", 'a'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subject_is_ours),
		cmocka_unit_test(memcpy_copies_exactly),
		cmocka_unit_test(memmove_overlaps),
		cmocka_unit_test(memset_fills_with_the_low_byte),
		cmocka_unit_test(memcmp_orders_unsigned_bytes),
		cmocka_unit_test(lengths),
		cmocka_unit_test(text_comparisons),
		cmocka_unit_test(strchr_finds_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
