/* SPDX-License-Identifier: MIT */
/* The hand-over's page tables, walked as SDM vol. 3, 4.5.4 says a CPU does. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "boot/page_tables.h"

#include <bulkhead/error.h>

#define POOL 64

static struct page_tables tables;
static void *pool;

static int setup(void **state)
{
	(void)state;
	pool = aligned_alloc(4096, POOL * 4096);
	memset(pool, 0, POOL * 4096);
	page_tables_begin(&tables, pool, POOL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(pool);
	return 0;
}

/* The physical address, with the size of the page in *size; ~0 when nothing is mapped. */
static u64 walk(u64 linear, u64 *size)
{
	const u64 *table = tables.root;

	for (u32 shift = 39;; shift -= 9) {
		u64 entry = table[linear >> shift & 511];

		*size = 1ULL << shift;
		if (!(entry & 1))
			return ~0ULL;
		assert_int_equal(entry & 3, 3);
		assert_int_equal(entry >> 52, 0);
		assert_false(shift == 39 && entry & 0x80);
		if (shift == 12 || entry & 0x80) {
			u64 frame = entry & 0x000ffffffffff000;

			assert_int_equal(frame & (*size - 1), 0);
			return frame | (linear & (*size - 1));
		}
		table = (const u64 *)(entry & 0x000ffffffffff000);
	}
}

static void expect(u64 linear, u64 physical, u64 page)
{
	u64 size;

	assert_int_equal(walk(linear, &size), physical);
	if (physical != ~0ULL)
		assert_int_equal(size, page);
}

static void test_identity_2m(void **state)
{
	(void)state;
	assert_int_equal(page_tables_map(&tables, 0, 0, 4 * GIB, 2 * MIB), 0);
	expect(0, 0, 2 * MIB);
	expect(0x12345678, 0x12345678, 2 * MIB);
	expect(4 * GIB - 1, 4 * GIB - 1, 2 * MIB);
	expect(4 * GIB, ~0ULL, 0);
	assert_int_equal(tables.left, POOL - 6); /* 1 PML4, 1 PDPT, 4 directories */
}

static void test_identity_1g(void **state)
{
	(void)state;
	assert_int_equal(page_tables_map(&tables, 4 * GIB, 4 * GIB, 1024 * GIB, GIB), 0);
	expect(4 * GIB - 1, ~0ULL, 0);
	expect(4 * GIB, 4 * GIB, GIB);
	expect(1027 * GIB + 5, 1027 * GIB + 5, GIB);
	expect(1028 * GIB, ~0ULL, 0);
	assert_int_equal(tables.left, POOL - 4);
}

static void test_core_at_its_link_address(void **state)
{
	const u64 link = 0xffffffff80000000, base = 0x7fe00000;

	(void)state;
	assert_int_equal(page_tables_map(&tables, link, base, 2 * MIB + 0x5000, 2 * MIB), 0);
	expect(link, base, 2 * MIB);
	expect(link + 2 * MIB - 1, base + 2 * MIB - 1, 2 * MIB);
	expect(link + 2 * MIB + 0x4fff, base + 2 * MIB + 0x4fff, 4096);
	expect(link + 2 * MIB + 0x5000, ~0ULL, 0);
	expect(link - 1, ~0ULL, 0);
}

/* To the very end of the address space, at an offset that only small pages can have. */
static void test_small_pages(void **state)
{
	(void)state;
	assert_int_equal(page_tables_map(&tables, 0xffffffffffe01000, 0x200000, 0x1ff000, GIB), 0);
	expect(0xffffffffffe01000, 0x200000, 4096);
	expect(0xffffffffffffffff, 0x3fefff, 4096);
	expect(0xffffffffffe00fff, ~0ULL, 0);
}

static void test_what_is_mapped_stays(void **state)
{
	(void)state;
	assert_int_equal(page_tables_map(&tables, 0, 0, GIB, GIB), 0);
	assert_int_equal(page_tables_map(&tables, GIB - 2 * MIB, 0x40000000, 4 * MIB, 2 * MIB), 0);
	expect(GIB - 1, GIB - 1, GIB);
	expect(GIB, 0x40200000, 2 * MIB);
	assert_int_equal(page_tables_map(&tables, GIB, 8 * GIB, GIB, GIB), 0);
	expect(GIB, 0x40200000, 2 * MIB);
	expect(GIB + 2 * MIB, 8 * GIB + 2 * MIB, 2 * MIB);
	expect(2 * GIB - 1, 9 * GIB - 1, 2 * MIB);
}

static void test_empty_pool(void **state)
{
	(void)state;
	page_tables_begin(&tables, pool, 3);
	assert_int_equal(page_tables_map(&tables, 0, 0, GIB, 2 * MIB), 0);
	assert_int_equal(page_tables_map(&tables, GIB, GIB, GIB, 2 * MIB), -ENOMEM);
	expect(GIB - 1, GIB - 1, 2 * MIB);
}

static void test_bound(void **state)
{
	static const struct {
		u64 linear, physical, bytes, largest;
	} cases[] = {
		{0, 0, 4 * GIB, 2 * MIB},
		{4 * GIB, 4 * GIB, 600 * GIB, GIB},
		{511 * GIB, 511 * GIB, 3 * GIB, 2 * MIB},
		{0xffffffff80000000, 0x200000, 7 * MIB + 4096, 2 * MIB},
		{0xffffffff80001000, 0x200000, 7 * MIB + 4096, 2 * MIB},
		{512 * GIB - 4096, 512 * GIB - 4096, 8192, GIB},
		{512 * GIB - GIB - 4096, GIB - 4096, 2 * GIB + 8192, GIB},
		{0, 0, 0, GIB},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 before, bound = page_tables_bound(cases[i].linear, cases[i].physical,
						      cases[i].bytes, cases[i].largest);

		before = tables.left;
		assert_int_equal(page_tables_map(&tables, cases[i].linear, cases[i].physical,
						 cases[i].bytes, cases[i].largest),
				 0);
		assert_true(before - tables.left <= bound);
		assert_true(bound < 20);
		teardown(state);
		setup(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity_2m, setup, teardown),
		cmocka_unit_test_setup_teardown(test_identity_1g, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_at_its_link_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_mapped_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
