/* SPDX-License-Identifier: MIT */
/* links: vmm/page_table_formats.c */
/* Unit tests of the page-table engine and its formats, with tables from a small bounded memory. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/error.h>
#include <bulkhead/page_table.h>

#define TABLES	      8192
#define TABLES_AT     0x700000000ULL /* pretended physical address of the first table */
#define PHYSICAL_BITS 39
#define NEVER	      (~0u)

#define R  PAGE_READ
#define RW (PAGE_READ | PAGE_WRITE)
#define RX (PAGE_READ | PAGE_EXECUTE)

struct test_memory {
	struct page_table_memory memory;
	u64 (*pages)[512];
	bool used[TABLES];
	unsigned live, allocations, fail_at;
	bool fresh;	     /* nothing but an allocation happened yet */
	void (*watch)(void); /* looks at the tree amid changes */
};

static struct test_memory test;

static unsigned page_number(void *page)
{
	size_t number = (size_t)((u64(*)[512])page - test.pages);

	assert_true(number < TABLES);
	assert_ptr_equal(page, test.pages[number]);
	return (unsigned)number;
}

static void *tables_alloc(unused struct page_table_memory *memory)
{
	if (test.watch)
		test.watch();
	test.fresh = true;
	if (test.allocations++ >= test.fail_at)
		return NULL;
	for (unsigned i = 0; i < TABLES; i++) {
		unsigned number = (test.allocations + i) % TABLES;

		if (test.used[number])
			continue;
		test.used[number] = true;
		test.live++;
		return memset(test.pages[number], 0, PAGE_SIZE);
	}
	return NULL;
}

static void tables_free(unused struct page_table_memory *memory, void *page)
{
	unsigned number = page_number(page);

	assert_true(test.used[number]);
	test.used[number] = false;
	if (test.watch)
		test.watch();
	test.live--;
	/* Whoever still walks it sees present, wrong entries. */
	memset(page, 0xff, PAGE_SIZE);
}

static u64 tables_to_physical(unused struct page_table_memory *memory, void *page)
{
	return TABLES_AT + page_number(page) * PAGE_SIZE;
}

static void *tables_to_linear(unused struct page_table_memory *memory, u64 physical)
{
	u64 number = (physical - TABLES_AT) / PAGE_SIZE;

	assert_true(is_aligned(physical, PAGE_SIZE) && number < TABLES);
	assert_true(test.used[number]);
	return test.pages[number];
}

static int setup(unused void **state)
{
	u64(*pages)[512] = test.pages ? test.pages : aligned_alloc(PAGE_SIZE, TABLES * PAGE_SIZE);

	test = (struct test_memory){
		.memory = {tables_alloc, tables_free, tables_to_physical, tables_to_linear},
		.pages = pages,
		.fail_at = NEVER,
	};
	return pages ? 0 : -1;
}

/* Formats under test: the second word says what leaves there are. */
enum kind { HOST_1G, HOST_2M, EPT_1G, EPT_2M, EPT_4K, HOST_4K, KINDS };

static bool kind_is_host(enum kind kind)
{
	return kind == HOST_1G || kind == HOST_2M || kind == HOST_4K;
}

static struct page_table_format format_make(enum kind kind)
{
	struct page_table_format format;

	if (kind_is_host(kind))
		page_table_format_host(&format, PHYSICAL_BITS, kind == HOST_1G, true);
	else
		page_table_format_ept(&format, PHYSICAL_BITS, kind == EPT_1G, kind != EPT_4K);
	if (kind == HOST_4K)
		format.leaf_sizes = PAGE_SIZES_4K;
	return format;
}

static struct page_table_format format;
static struct page_table table;

static void begin(enum kind kind)
{
	format = format_make(kind);
	assert_int_equal(page_table_init(&table, &format, &test.memory), 0);
}

static void end(void)
{
	page_table_destroy(&table);
	assert_int_equal(test.live, 0);
}

static bool map(u64 address, u64 physical, u64 bytes, u32 access, enum memory_type type)
{
	bool changed;

	assert_int_equal(page_table_map(&table, address, physical, bytes, access, type, &changed),
			 0);
	return changed;
}

static bool unmap(u64 address, u64 bytes)
{
	bool changed;

	assert_int_equal(page_table_unmap(&table, address, bytes, &changed), 0);
	return changed;
}

static u64 entry_at(u64 address)
{
	struct page_table_walk walk;

	assert_int_equal(page_table_lookup(&table, address, &walk), 0);
	return walk.entry;
}

static void assert_leaf(u64 address, u64 physical, unsigned level, u32 access)
{
	struct page_table_walk walk;

	assert_int_equal(page_table_lookup(&table, address, &walk), 0);
	assert_int_equal(walk.physical, physical);
	assert_int_equal(walk.level, level);
	assert_int_equal(walk.access, access);
}

static void assert_unmapped(u64 address)
{
	struct page_table_walk walk;

	assert_int_equal(page_table_lookup(&table, address, &walk), -ENOENT);
}

/*
 * A walker of its own, from the manual's layouts: what does the CPU see at this address? Rights are
 * PAGE_*, the type is that of the PAT or of EPT. Anything reserved or contradictory fails the test.
 */
struct seen {
	u64 physical;
	u32 access;
	u32 type;
};

static bool walk_host(u64 address, struct seen *seen)
{
	static const u8 pat[8] = {6, 4, 0, 0, 6, 5, 0, 1};
	const u64 *entries = table.root;

	for (unsigned shift = 39;; shift -= 9) {
		u64 entry = entries[(address >> shift) & 511];
		u64 offset = (1ULL << shift) - 1;
		bool large = shift > 12 && entry & 0x80;

		if (!(entry & 1))
			return false;
		assert_int_equal(entry & 0x000fff8000000000ULL, 0); /* above 39 bits */
		if (shift > 12 && !large) {
			assert_int_equal(entry & 0x8000000000000fffULL, 7);
			entries = tables_to_linear(NULL, entry & 0x7ffffff000ULL);
			continue;
		}
		assert_true(shift < 39);
		if (large)
			assert_int_equal(entry & offset & 0x7fffffe000ULL, 0);
		seen->physical = (entry & 0x7ffffff000ULL & ~offset) | (address & offset);
		seen->access = R | (entry & 2 ? PAGE_WRITE : 0) | (entry & 4 ? PAGE_USER : 0) |
			       (entry & 0x100 ? PAGE_GLOBAL : 0) | (entry >> 63 ? 0 : PAGE_EXECUTE);
		seen->type = pat[((entry >> 3) & 3) | ((entry >> (large ? 12 : 7)) & 1) << 2];
		return true;
	}
}

static bool walk_ept(u64 address, struct seen *seen)
{
	const u64 *entries = table.root;

	for (unsigned shift = 39;; shift -= 9) {
		u64 entry = entries[(address >> shift) & 511];
		u64 offset = (1ULL << shift) - 1;
		bool large = shift > 12 && entry & 0x80;

		if (!(entry & 7)) {
			assert_int_equal(entry, 0);
			return false;
		}
		assert_true(entry & 1);
		assert_int_equal(entry & 0xffffff8000000f40ULL, 0);
		if (shift > 12 && !large) {
			assert_int_equal(entry & 0xfff, 7);
			entries = tables_to_linear(NULL, entry & 0x7ffffff000ULL);
			continue;
		}
		assert_true(shift < 39);
		assert_int_equal(entry & offset & 0x7ffffff000ULL, 0);
		seen->physical = (entry & 0x7ffffff000ULL) | (address & offset);
		seen->access = entry & 7;
		seen->type = (entry >> 3) & 7;
		return true;
	}
}

static bool walk_raw(u64 address, struct seen *seen)
{
	return format.canonical ? walk_host(address, seen) : walk_ept(address, seen);
}

/* -- entries, bit by bit -- */

static void ept_entries_match_the_manual(unused void **state)
{
	static const struct {
		u32 access;
		enum memory_type type;
		u64 bits;
	} cases[] = {
		{R, MEMORY_WB, 0x31},
		{RW, MEMORY_WB, 0x33},
		{RX, MEMORY_WB, 0x35},
		{RW | PAGE_EXECUTE, MEMORY_WB, 0x37},
		{RW, MEMORY_UC, 0x03},
		{RW, MEMORY_WC, 0x0b},
		{RW, MEMORY_WT, 0x23},
		{R, MEMORY_WP, 0x29},
		{PAGE_WRITE, MEMORY_WB, 0x33},
		{PAGE_EXECUTE, MEMORY_WB, 0x35},
		{RW | PAGE_USER, MEMORY_WB, 0x33},
		{RW | PAGE_GLOBAL, MEMORY_WB, 0x33},
		{RW | PAGE_FIXED_TYPE, MEMORY_WB, 0x73},
	};

	begin(EPT_1G);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		map(0x1000, 0x123456000, PAGE_SIZE, cases[i].access, cases[i].type);
		assert_int_equal(entry_at(0x1000), 0x123456000 | cases[i].bits);
		map(2 * MIB, 0x123400000, 2 * MIB, cases[i].access, cases[i].type);
		assert_int_equal(entry_at(2 * MIB), 0x123400000 | 0x80 | cases[i].bits);
		map(GIB, 0x140000000, GIB, cases[i].access, cases[i].type);
		assert_int_equal(entry_at(GIB), 0x140000000 | 0x80 | cases[i].bits);
	}
	assert_int_equal(table.root[0] & ~BITS(PHYSICAL_BITS - 1, 12), 0x7);
	end();
}

static void host_entries_match_the_manual(unused void **state)
{
	static const struct {
		u32 access;
		enum memory_type type;
		u64 small, large;
	} cases[] = {
		{R, MEMORY_WB, 0x8000000000000001, 0x8000000000000081},
		{RW, MEMORY_WB, 0x8000000000000003, 0x8000000000000083},
		{RX, MEMORY_WB, 0x001, 0x0081},
		{RX | PAGE_USER, MEMORY_WB, 0x005, 0x0085},
		{RX | PAGE_GLOBAL, MEMORY_WB, 0x101, 0x0181},
		{RX | PAGE_WRITE, MEMORY_WT, 0x00b, 0x008b},
		{RX | PAGE_WRITE, MEMORY_UC, 0x01b, 0x009b},
		{RX | PAGE_WRITE, MEMORY_WP, 0x08b, 0x108b},
		{RX | PAGE_WRITE, MEMORY_WC, 0x09b, 0x109b},
		{PAGE_WRITE, MEMORY_WB, 0x8000000000000003, 0x8000000000000083},
	};

	begin(HOST_1G);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		map(0x1000, 0x123456000, PAGE_SIZE, cases[i].access, cases[i].type);
		assert_int_equal(entry_at(0x1000), 0x123456000 | cases[i].small);
		map(2 * MIB, 0x123400000, 2 * MIB, cases[i].access, cases[i].type);
		assert_int_equal(entry_at(2 * MIB), 0x123400000 | cases[i].large);
		map(GIB, 0x140000000, GIB, cases[i].access, cases[i].type);
		assert_int_equal(entry_at(GIB), 0x140000000 | cases[i].large);
	}
	assert_int_equal(table.root[0] & ~BITS(PHYSICAL_BITS - 1, 12), 0x7);
	end();
}

static void host_without_no_execute_leaves_bit_63_clear(unused void **state)
{
	page_table_format_host(&format, PHYSICAL_BITS, true, false);
	assert_int_equal(page_table_init(&table, &format, &test.memory), 0);
	map(0, 0x5000, PAGE_SIZE, RW, MEMORY_WB);
	assert_int_equal(entry_at(0), 0x5003);
	assert_leaf(0, 0x5000, 1, RW | PAGE_EXECUTE);
	end();
}

/* -- mapping -- */

static void largest_leaves_are_used(unused void **state)
{
	u64 start = GIB - 2 * MIB - PAGE_SIZE, bytes = GIB + 4 * MIB + 2 * PAGE_SIZE;

	begin(EPT_1G);
	assert_false(map(start, 16 * GIB + start, bytes, RW, MEMORY_WB));
	assert_unmapped(start - 1);
	assert_leaf(start, 16 * GIB + start, 1, RW);
	assert_leaf(GIB - 2 * MIB, 17 * GIB - 2 * MIB, 2, RW);
	assert_leaf(GIB + 12345, 17 * GIB + 12345, 3, RW);
	assert_leaf(2 * GIB + MIB, 18 * GIB + MIB, 2, RW);
	assert_leaf(2 * GIB + 2 * MIB, 18 * GIB + 2 * MIB, 1, RW);
	assert_unmapped(2 * GIB + 2 * MIB + PAGE_SIZE);
	/* root, level 3, level 2 and 1 on either side */
	assert_int_equal(page_table_count(&table), 6);
	end();
}

static void leaf_sizes_follow_format_and_physical_alignment(unused void **state)
{
	static const struct {
		enum kind kind;
		u64 physical;
		unsigned level;
	} cases[] = {
		{HOST_1G, 4 * GIB, 3},
		{HOST_2M, 4 * GIB, 2},
		{HOST_4K, 4 * GIB, 1},
		{EPT_1G, 4 * GIB, 3},
		{EPT_2M, 4 * GIB, 2},
		{EPT_4K, 4 * GIB, 1},
		{HOST_1G, 4 * GIB + 2 * MIB, 2},
		{EPT_1G, 4 * GIB + 2 * MIB, 2},
		{HOST_1G, 4 * GIB + PAGE_SIZE, 1},
		{EPT_2M, 4 * GIB + PAGE_SIZE, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(cases[i].kind);
		map(GIB, cases[i].physical, GIB, RW, MEMORY_WB);
		assert_leaf(GIB, cases[i].physical, cases[i].level, RW);
		assert_leaf(2 * GIB - 1, cases[i].physical + GIB - 1, cases[i].level, RW);
		end();
	}
}

static void gigabyte_leaves_need_2m_leaves(unused void **state)
{
	page_table_format_ept(&format, PHYSICAL_BITS, true, false);
	assert_int_equal(format.leaf_sizes, PAGE_SIZES_4K);
	format.leaf_sizes |= PAGE_SIZES_1G;
	assert_int_equal(page_table_init(&table, &format, &test.memory), -EINVAL);
	assert_int_equal(test.live, 0);
}

static void split_check(enum kind kind, enum memory_type type)
{
	u64 hole = GIB + 5 * 2 * MIB + 7 * PAGE_SIZE;
	u32 whole = kind_is_host(kind) ? RW | PAGE_USER | PAGE_GLOBAL : RW;
	struct seen seen;

	begin(kind);
	map(GIB, 4 * GIB, GIB, whole, type);
	assert_int_equal(page_table_count(&table), 2);
	assert_true(unmap(hole, PAGE_SIZE));
	assert_int_equal(page_table_count(&table), 4);
	for (u64 address = GIB; address < 2 * GIB; address += PAGE_SIZE) {
		assert_int_equal(walk_raw(address, &seen), address != hole);
		if (address == hole)
			continue;
		assert_int_equal(seen.physical, address + 3 * GIB);
		assert_int_equal(seen.access, whole);
		assert_int_equal(seen.type, type);
	}
	assert_leaf(GIB, 4 * GIB, 2, whole);
	assert_leaf(hole + PAGE_SIZE, hole + PAGE_SIZE + 3 * GIB, 1, whole);

	assert_false(map(hole, 0x9000, PAGE_SIZE, RX, MEMORY_WB));
	assert_leaf(hole, 0x9000, 1, RX);
	assert_leaf(hole - 1, hole - 1 + 3 * GIB, 1, whole);
	assert_leaf(hole + PAGE_SIZE, hole + PAGE_SIZE + 3 * GIB, 1, whole);
	assert_true(map(hole, 0x9000, PAGE_SIZE, R, MEMORY_WB));
	assert_false(map(hole, 0x9000, PAGE_SIZE, R, MEMORY_WB));

	/* A leaf over the tables frees them. */
	assert_true(map(GIB, 4 * GIB, GIB, R, MEMORY_WB));
	assert_int_equal(page_table_count(&table), 2);
	assert_leaf(hole, hole + 3 * GIB, 3, R);
	end();
}

static void splitting_keeps_the_neighbours(unused void **state)
{
	static const enum memory_type types[] = {MEMORY_UC, MEMORY_WC, MEMORY_WT, MEMORY_WP,
						 MEMORY_WB};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		split_check(HOST_1G, types[i]);
		split_check(EPT_1G, types[i]);
	}
}

static void unmapping_frees_empty_tables(unused void **state)
{
	begin(EPT_1G);
	map(PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, RW, MEMORY_WB);
	map(511 * PAGE_SIZE, 0, PAGE_SIZE, RW, MEMORY_WB);
	assert_int_equal(page_table_count(&table), 4);
	assert_true(unmap(0, 2 * PAGE_SIZE));
	assert_int_equal(page_table_count(&table), 4);
	assert_true(unmap(511 * PAGE_SIZE, PAGE_SIZE));
	/* What the root links stays. */
	assert_int_equal(page_table_count(&table), 2);
	assert_false(unmap(0, 2 * GIB));
	map(0, 0, 3 * GIB + PAGE_SIZE, RW, MEMORY_WB);
	assert_true(unmap(0, BIT(48)));
	assert_int_equal(page_table_count(&table), 2);
	assert_false(unmap(0, BIT(48)));
	end();
}

static void hide(u64 address, u64 bytes)
{
	bool changed;

	assert_int_equal(page_table_hide(&table, address, bytes, &changed), 0);
	assert_true(changed);
	assert_int_equal(page_table_hide(&table, address, bytes, &changed), 0);
	assert_false(changed);
}

/* Hidden and mapped again: no table comes or goes, so that a CPU may walk them all the time. */
static void hide_check(enum kind kind, u64 address, u64 bytes)
{
	unsigned live;

	begin(kind);
	map(address + bytes, GIB + address + bytes, PAGE_SIZE, RX, MEMORY_WB);
	map(address, GIB + address, bytes, RX, MEMORY_WB);
	live = test.live;
	test.allocations = 0;
	test.fail_at = 0;
	for (unsigned i = 0; i < 2; i++) {
		hide(address, bytes);
		assert_int_equal(test.live, live);
		assert_unmapped(address);
		assert_unmapped(address + bytes - 1);
		assert_leaf(address + bytes, GIB + address + bytes, 1, RX);
		assert_false(map(address, GIB + address, bytes, RX, MEMORY_WB));
		assert_int_equal(test.live, live);
		assert_int_equal(page_table_count(&table), live);
	}
	test.fail_at = NEVER;
	end();
}

static void hiding_keeps_every_table(unused void **state)
{
	const enum kind kinds[] = {EPT_1G, EPT_2M, EPT_4K};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		hide_check(kinds[i], 4 * GIB - 4 * MIB, 2 * MIB);
		hide_check(kinds[i], 4 * GIB - 4 * MIB, 528 * KIB);
		hide_check(kinds[i], 4 * GIB - 7 * MIB, 5 * MIB + 12 * KIB);
		hide_check(kinds[i], 4 * GIB - 64 * KIB, 60 * KIB);
	}
}

static void nothing_happens_for_zero_bytes(unused void **state)
{
	begin(HOST_1G);
	assert_false(map(GIB, GIB, 0, RW, MEMORY_WB));
	assert_false(unmap(GIB, 0));
	assert_int_equal(page_table_count(&table), 1);
	end();
}

static void both_ends_of_the_address_space_work(unused void **state)
{
	begin(HOST_1G);
	map(0xffffffffc0000000, 0, GIB, RW, MEMORY_WB);
	assert_leaf(0xffffffffffffffff, GIB - 1, 3, RW);
	map(0xffff800000000000, GIB, PAGE_SIZE, RW, MEMORY_WB);
	map(0x00007ffffffff000, GIB, PAGE_SIZE, RW, MEMORY_WB);
	assert_leaf(0xffff800000000000, GIB, 1, RW);
	assert_leaf(0x00007fffffffffff, GIB + 4095, 1, RW);
	assert_unmapped(0x0000800000000000);
	assert_unmapped(0x0000ffffffffffff);
	assert_true(unmap(0xffff800000000000, BIT(47)));
	assert_unmapped(0xffffffffffffffff);
	end();
	begin(EPT_1G);
	map(BIT(48) - PAGE_SIZE, GIB, PAGE_SIZE, RW, MEMORY_WB);
	assert_leaf(BIT(48) - 1, GIB + 4095, 1, RW);
	assert_unmapped(~0ULL);
	assert_unmapped(BIT(49) - 1);
	end();
}

static void map_fails(u64 address, u64 physical, u64 bytes, u32 access, unsigned type)
{
	bool changed = true;

	assert_int_equal(page_table_map(&table, address, physical, bytes, access,
					(enum memory_type)type, &changed),
			 -EINVAL);
	assert_false(changed);
	assert_int_equal(page_table_count(&table), 1);
}

static void wrong_arguments_are_refused(unused void **state)
{
	bool changed;

	begin(HOST_1G);
	map_fails(1, 0, PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0, 0x800, PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0, 0, PAGE_SIZE + 1, RW, MEMORY_WB);
	map_fails(0, 0, PAGE_SIZE, 0, MEMORY_WB);
	map_fails(0, 0, PAGE_SIZE, PAGE_USER | PAGE_GLOBAL, MEMORY_WB);
	for (unsigned type = 0; type < 16; type++) {
		if (type != 0 && type != 1 && type != 4 && type != 5 && type != 6)
			map_fails(0, 0, PAGE_SIZE, RW, type);
	}
	map_fails(0, BIT(PHYSICAL_BITS), PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0, BIT(PHYSICAL_BITS) - PAGE_SIZE, 2 * PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0, 0 - PAGE_SIZE, 2 * PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0x00007ffffffff000, 0, 2 * PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0x0000800000000000, 0, PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0xfffffffffffff000, 0, 2 * PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0x00007ffffffff000, 0, 0xffff000000002000, RW, MEMORY_WB);
	assert_int_equal(page_table_unmap(&table, 0x800, PAGE_SIZE, &changed), -EINVAL);
	assert_int_equal(page_table_unmap(&table, 0, PAGE_SIZE / 2, &changed), -EINVAL);
	assert_int_equal(page_table_unmap(&table, 0x00007ffffffff000, 0xffff000000002000, &changed),
			 -EINVAL);
	assert_int_equal(page_table_reserve_slot(&table, 512), -EINVAL);
	end();
	begin(EPT_1G);
	map_fails(BIT(48), 0, PAGE_SIZE, RW, MEMORY_WB);
	map_fails(BIT(48) - PAGE_SIZE, 0, 2 * PAGE_SIZE, RW, MEMORY_WB);
	map_fails(0xfffffffffffff000, 0, PAGE_SIZE, RW, MEMORY_WB);
	end();
}

/* -- sharing -- */

static void shared_slots_belong_to_their_origin(unused void **state)
{
	const u64 shared = 0xffff800000000000, above = shared + BIT(39);
	struct page_table origin;
	bool changed;

	begin(HOST_1G);
	origin = table;
	assert_int_equal(page_table_reserve_slot(&origin, 256), 0);
	assert_int_equal(page_table_reserve_slot(&origin, 256), 0);
	assert_int_equal(page_table_count(&origin), 2);
	assert_int_equal(page_table_init(&table, &format, &test.memory), 0);
	/* What the slot had before is freed. */
	map(shared, 0, PAGE_SIZE, RW, MEMORY_WB);
	assert_int_equal(test.live, 6);
	page_table_share(&table, &origin, 256);
	assert_int_equal(test.live, 3);
	page_table_share(&table, &origin, 256);
	/* Not there in the origin: stays the tree's own. */
	page_table_share(&table, &origin, 3);
	map(3 * BIT(39), GIB, PAGE_SIZE, RW, MEMORY_WB);
	assert_int_equal(page_table_count(&table), 4);

	/* What the origin maps later is seen through the sharer. */
	assert_int_equal(page_table_map(&origin, shared, GIB, GIB, R, MEMORY_WB, &changed), 0);
	assert_leaf(shared + 5, GIB + 5, 3, R);
	assert_int_equal(page_table_map(&table, shared, 0, PAGE_SIZE, RW, MEMORY_WB, &changed),
			 -EINVAL);
	assert_int_equal(page_table_unmap(&table, shared, GIB, &changed), -EINVAL);
	assert_int_equal(page_table_unmap(&table, shared, BIT(47), &changed), -EINVAL);
	assert_int_equal(page_table_map(&table, above - PAGE_SIZE, 0, 2 * PAGE_SIZE, RW, MEMORY_WB,
					&changed),
			 -EINVAL);
	assert_unmapped(above);
	assert_leaf(shared, GIB, 3, R);
	map(above, 0, PAGE_SIZE, RW, MEMORY_WB);

	/* An origin that is emptied keeps the table that the sharer points to. */
	assert_int_equal(page_table_unmap(&origin, shared, BIT(47), &changed), 0);
	assert_unmapped(shared);
	assert_int_equal(page_table_map(&origin, shared, GIB, PAGE_SIZE, RW, MEMORY_WB, &changed),
			 0);
	assert_leaf(shared, GIB, 1, RW);

	page_table_destroy(&table);
	assert_int_equal(test.live, page_table_count(&origin));
	assert_int_equal(test.live, 4);
	table = origin;
	assert_leaf(shared, GIB, 1, RW);
	end();
}

/* -- running out of tables -- */

struct step {
	bool map;
	u64 address, physical, bytes;
	u32 access;
};

#define EDGE (512 * GIB) /* between two top entries */

static const struct step scenario[] = {
	{true, EDGE - GIB, 4 * GIB, 3 * GIB, RW},
	{false, EDGE - PAGE_SIZE, 0, 2 * PAGE_SIZE, 0},
	{true, EDGE - 3 * PAGE_SIZE, 0x5000, 6 * PAGE_SIZE, RX},
	{true, EDGE + GIB - 2 * MIB - PAGE_SIZE, 8 * GIB, 4 * MIB + 3 * PAGE_SIZE, R},
	{false, EDGE + 3 * PAGE_SIZE, 0, GIB + 8 * MIB, 0},
	{true, EDGE - GIB, 4 * GIB, 2 * GIB, RX},
};

static bool scenario_expects(size_t steps, u64 address, struct seen *seen)
{
	while (steps--) {
		const struct step *step = &scenario[steps];

		if (address - step->address >= step->bytes)
			continue;
		seen->physical = step->physical + (address - step->address);
		seen->access = step->access;
		return step->map;
	}
	return false;
}

static bool seen_as(u64 address, size_t steps)
{
	struct seen actual = {0}, expected = {0};
	bool present = walk_raw(address, &actual);

	return present == scenario_expects(steps, address, &expected) &&
	       (!present ||
		(actual.physical == expected.physical && actual.access == expected.access));
}

/* Every page is as after `done` steps or, inside the range of the next step, as after that. */
static void scenario_check(size_t done, bool next_may_show)
{
	u64 stride = 1;

	for (u64 address = EDGE - GIB - 4 * MIB; address < EDGE + 2 * GIB + 4 * MIB;
	     address += stride * PAGE_SIZE) {
		u64 within = address & (2 * MIB - 1);

		/* Eight pages on either side of multiples of 2 MiB, and what is between as one. */
		stride = within == 8 * PAGE_SIZE ? 512 - 16 : 1;
		if (!seen_as(address, done))
			assert_true(next_may_show && seen_as(address, done + 1));
	}
}

static size_t steps_done;

static void scenario_watch(void)
{
	scenario_check(steps_done, true);
}

static int step_run(const struct step *step, bool *changed)
{
	if (step->map)
		return page_table_map(&table, step->address, step->physical, step->bytes,
				      step->access, MEMORY_WB, changed);
	return page_table_unmap(&table, step->address, step->bytes, changed);
}

/* True when no allocation failed. */
static bool scenario_run(enum kind kind, unsigned fail_at)
{
	bool changed;
	int error = 0;

	format = format_make(kind);
	test.allocations = 0;
	test.fail_at = fail_at;
	error = page_table_init(&table, &format, &test.memory);
	if (error) {
		assert_int_equal(error, -ENOMEM);
		assert_int_equal(test.live, 0);
		return false;
	}
	for (steps_done = 0; steps_done < ARRAY_SIZE(scenario); steps_done++) {
		error = step_run(&scenario[steps_done], &changed);
		if (error)
			break;
		scenario_check(steps_done + 1, false);
	}
	assert_true(!error || error == -ENOMEM);
	assert_int_equal(page_table_count(&table), test.live);
	if (error) {
		scenario_check(steps_done, true);
		/* The same again with memory completes it. */
		test.fail_at = NEVER;
		assert_int_equal(step_run(&scenario[steps_done], &changed), 0);
		scenario_check(steps_done + 1, false);
	}
	end();
	return !error;
}

static void every_failing_allocation_is_survived(unused void **state)
{
	static const enum kind kinds[] = {HOST_1G, EPT_1G, EPT_2M};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned n = 0;

		while (!scenario_run(kinds[i], n))
			n++;
		assert_true(n > 10);
	}
}

static u64 (*real_leaf)(const struct page_table_format *format, unsigned level, u32 access,
			enum memory_type type);

/* The first entry that is made for a new table: was that linked too early? */
static u64 watched_leaf(const struct page_table_format *of, unsigned level, u32 access,
			enum memory_type type)
{
	if (test.watch && test.fresh)
		test.watch();
	test.fresh = false;
	return real_leaf(of, level, access, type);
}

/*
 * Looked at whenever tables come, are filled or go, the tree has no page that is neither old nor
 * new, and no link to a freed table.
 */
static void a_live_tree_never_shows_anything_else(unused void **state)
{
	for (enum kind kind = 0; kind < EPT_4K; kind++) {
		begin(kind);
		real_leaf = format.leaf;
		format.leaf = watched_leaf;
		for (steps_done = 0; steps_done < ARRAY_SIZE(scenario); steps_done++) {
			bool changed;

			test.watch = scenario_watch;
			assert_int_equal(step_run(&scenario[steps_done], &changed), 0);
			test.watch = NULL;
		}
		end();
	}
}

/* A leaf whose split did not come to pass was not changed, and the call says so. */
static void a_dropped_split_is_no_change(unused void **state)
{
	bool changed = true;

	begin(EPT_1G);
	map(GIB, 4 * GIB, GIB, RW, MEMORY_WB);
	test.allocations = 0;
	test.fail_at = 2;
	assert_int_equal(page_table_unmap(&table, GIB + 2 * MIB - PAGE_SIZE,
					  2 * MIB + 2 * PAGE_SIZE, &changed),
			 -ENOMEM);
	assert_false(changed);
	assert_leaf(GIB + 2 * MIB, 4 * GIB + 2 * MIB, 3, RW);
	assert_int_equal(test.live, 2);
	end();
}

static void reserving_without_memory_fails(unused void **state)
{
	begin(HOST_1G);
	test.fail_at = 0;
	assert_int_equal(page_table_reserve_slot(&table, 7), -ENOMEM);
	assert_int_equal(table.root[7], 0);
	end();
}

/* -- random operations against a flat model -- */

#define WINDOW_PAGES (2 * GIB / PAGE_SIZE + 3 * 512)
#define WINDOW	     (EDGE - GIB - 2 * MIB)

struct model_page {
	u64 physical; /* 0 for none */
	u32 access;
	u32 type;
};

static struct model_page *model;
static u64 random_state;

static u64 random_below(u64 limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % limit;
}

static bool model_matches(u64 page, struct model_page expected)
{
	struct seen seen;

	if (!walk_raw(WINDOW + page * PAGE_SIZE, &seen))
		return !expected.physical;
	return seen.physical == expected.physical && seen.access == expected.access &&
	       seen.type == expected.type;
}

/* What the engine's own lookup says, and that of all pages of a leaf at once. */
static void model_check(void)
{
	for (u64 page = 0; page < WINDOW_PAGES;) {
		u64 address = WINDOW + page * PAGE_SIZE, stop;
		struct page_table_walk walk;

		assert_true(model_matches(page, model[page]));
		if (page_table_lookup(&table, address, &walk)) {
			assert_int_equal(model[page++].physical, 0);
			continue;
		}
		assert_true(format.leaf_sizes & BIT(3 + 9 * walk.level));
		stop = (address | (BIT(3 + 9 * walk.level) - 1)) + 1;
		for (u64 i = 0; address < stop; i++, page++, address += PAGE_SIZE) {
			assert_true(page < WINDOW_PAGES);
			assert_int_equal(model[page].physical, walk.physical + i * PAGE_SIZE);
			assert_int_equal(model[page].access, walk.access);
			assert_int_equal(model[page].type, format.type(walk.entry, walk.level));
		}
	}
}

struct operation {
	u64 first, pages, physical;
	u32 access;
	enum memory_type type;
	bool map;
};

static struct operation operation_make(void)
{
	static const enum memory_type types[] = {MEMORY_WB, MEMORY_WB, MEMORY_UC,
						 MEMORY_WC, MEMORY_WT, MEMORY_WP};
	static const u64 lengths[] = {4, 4, 600, 600, 2048, 2048};
	struct operation operation = {
		.pages = 1 + random_below(lengths[random_below(ARRAY_SIZE(lengths))]),
		.access = PAGE_READ | (u32)random_below(32),
		.type = types[random_below(ARRAY_SIZE(types))],
		.map = random_below(3) > 0,
	};
	u64 unit = random_below(3) ? 1 : 512;

	if (random_below(40) == 0)
		operation.pages = 1 + random_below(WINDOW_PAGES);
	operation.pages = align_up(operation.pages, unit);
	operation.pages = MIN(operation.pages, WINDOW_PAGES);
	operation.first = align_down(random_below(WINDOW_PAGES - operation.pages + 1), unit);
	if (random_below(40) == 0) {
		operation.pages = GIB / PAGE_SIZE;
		operation.first = 512 + random_below(2) * operation.pages;
	}
	/* Often aligned like the address, so that large leaves happen. */
	operation.physical = 8 * GIB + WINDOW + operation.first * PAGE_SIZE - EDGE;
	if (random_below(3) == 0)
		operation.physical += random_below(3 * 512) * PAGE_SIZE;
	return operation;
}

/* What page `i` of the operation is to be. */
static struct model_page operation_page(const struct operation *operation, u64 i)
{
	u32 visible = format.canonical ? 31 : 7;

	if (!operation->map)
		return (struct model_page){0};
	return (struct model_page){
		.physical = operation->physical + i * PAGE_SIZE,
		.access = operation->access & visible,
		.type = operation->type,
	};
}

static int operation_run(const struct operation *operation, bool *changed)
{
	u64 address = WINDOW + operation->first * PAGE_SIZE;
	u64 bytes = operation->pages * PAGE_SIZE;

	if (!operation->map)
		return page_table_unmap(&table, address, bytes, changed);
	return page_table_map(&table, address, operation->physical, bytes, operation->access,
			      operation->type, changed);
}

/* Take over what happened into the model. On failure every page is old or new. */
static void operation_settle(const struct operation *operation, int error, bool changed)
{
	bool altered = false, any_present = false;

	for (u64 i = 0; i < operation->pages; i++) {
		struct model_page *old = &model[operation->first + i];
		struct model_page new = operation_page(operation, i);
		bool same = old->physical == new.physical && old->access == new.access &&
			    old->type == new.type;

		any_present |= old->physical != 0;
		if (error && model_matches(operation->first + i, *old))
			continue;
		altered |= old->physical && !same;
		if (error)
			assert_true(model_matches(operation->first + i, new));
		*old = new;
	}
	assert_true(changed || !altered);
	assert_true(!changed || any_present);
}

static void random_run(enum kind kind, unsigned steps)
{
	random_state = 0x9e3779b97f4a7c15ULL + kind;
	model = calloc(WINDOW_PAGES, sizeof(*model));
	assert_non_null(model);
	begin(kind);
	for (unsigned step = 1; step <= steps; step++) {
		struct operation operation = operation_make();
		bool changed;
		int error;

		test.allocations = 0;
		test.fail_at = random_below(8) ? NEVER : (unsigned)random_below(6);
		error = operation_run(&operation, &changed);
		assert_true(!error || (error == -ENOMEM && test.fail_at != NEVER));
		operation_settle(&operation, error, changed);
		if (error || step % 16 == 0)
			assert_int_equal(page_table_count(&table), test.live);
		for (unsigned i = 0; i < 40; i++) {
			u64 near = operation.first + operation.pages * (i & 1) + i / 2 - 10;
			u64 page = i < 30 ? near : random_below(WINDOW_PAGES);

			if (page < WINDOW_PAGES)
				assert_true(model_matches(page, model[page]));
		}
		if (step % 250 == 0)
			model_check();
	}
	test.fail_at = NEVER;
	unmap(WINDOW, WINDOW_PAGES * PAGE_SIZE);
	assert_int_equal(page_table_count(&table), 3);
	end();
	free(model);
}

static void random_operations_match_a_flat_model(unused void **state)
{
	for (enum kind kind = 0; kind < KINDS; kind++)
		random_run(kind, 1250);
}

/* --- looking at a tree --- */

static void a_trace_shows_every_level(unused void **state)
{
	struct page_table_step steps[4];
	struct page_table_walk walk;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		begin(kind);
		map(0x40201000, 0x5000, 0x1000, RW, MEMORY_WB);
		assert_int_equal(page_table_trace(&table, 0x40201abc, steps), 4);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(steps[i].level, 4 - i);
			assert_true(steps[i].present);
			assert_int_equal(steps[i].leaf, i == 3);
		}
		assert_int_equal(steps[0].at, TABLES_AT + page_number(table.root) * PAGE_SIZE);
		assert_int_equal(steps[0].entry, table.root[0]);
		/* Each entry is in the table that the one above names. */
		for (unsigned i = 1; i < 4; i++)
			assert_int_equal(steps[i].at & ~0xfffUL,
					 steps[i - 1].entry & format.physical_mask);
		assert_int_equal(steps[1].at & 0xfff, 8);
		assert_int_equal(steps[2].at & 0xfff, 8);
		assert_int_equal(steps[3].at & 0xfff, 8);
		assert_int_equal(page_table_lookup(&table, 0x40201abc, &walk), 0);
		assert_int_equal(walk.entry, steps[3].entry);
		/* Beside it the last table has nothing, elsewhere the second one. */
		assert_int_equal(page_table_trace(&table, 0x40202000, steps), 4);
		assert_false(steps[3].present || steps[3].leaf);
		assert_int_equal(page_table_trace(&table, 0, steps), 2);
		assert_int_equal(page_table_trace(&table, 0x1000000000000, steps), 0);
		end();
	}
}

/* All leaves in one line: "address>physical+bytes ". */
static const char *leaves(u64 from)
{
	static char text[1024];
	struct page_table_leaf leaf = {.address = from};
	size_t length = 0;

	text[0] = 0;
	while (page_table_next(&table, &leaf) == 0)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%lx>%lx+%lx ",
					   leaf.address, leaf.physical, leaf.bytes);
	return text;
}

static void leaves_come_in_order(unused void **state)
{
	begin(EPT_1G);
	assert_string_equal(leaves(0), "");
	map(0x7ffffffff000, 0x3000, 0x1000, R, MEMORY_UC);
	map(0x40000000, 0x80000000, GIB, RW, MEMORY_WB);
	map(0x200000, 0x600000, 2 * MIB, RX, MEMORY_WT);
	map(0x1ff000, 0x9000, 0x1000, RW, MEMORY_WB);
	assert_string_equal(leaves(0), "1ff000>9000+1000 200000>600000+200000 "
				       "40000000>80000000+40000000 7ffffffff000>3000+1000 ");
	/* From amid a leaf on, and from behind it. */
	assert_string_equal(leaves(0x3ff000), "200000>600000+200000 40000000>80000000+40000000 "
					      "7ffffffff000>3000+1000 ");
	assert_string_equal(leaves(0x400000), "40000000>80000000+40000000 7ffffffff000>3000+1000 ");
	assert_string_equal(leaves(0x7ffffffff000), "7ffffffff000>3000+1000 ");
	assert_string_equal(leaves(0x1000000000000), "");
	end();
}

static void leaves_say_what_they_allow(unused void **state)
{
	struct page_table_leaf leaf = {0};

	begin(EPT_2M);
	map(0x200000, 0x600000, 2 * MIB, RX, MEMORY_WT);
	assert_int_equal(page_table_next(&table, &leaf), 0);
	assert_int_equal(leaf.access, RX);
	assert_int_equal(leaf.type, MEMORY_WT);
	assert_int_equal(page_table_next(&table, &leaf), -ENOENT);
	end();
}

static void leaves_of_both_halves(unused void **state)
{
	struct page_table_leaf leaf = {.address = 0xfffffffffffff000, .bytes = 0x1000};

	begin(HOST_2M);
	map(0x7ffffffff000, 0x1000, 0x1000, R, MEMORY_WB);
	map(0xffff800000000000, 0x2000, 0x1000, R, MEMORY_WB);
	map(0xfffffffffffff000, 0x3000, 0x1000, R, MEMORY_WB);
	assert_string_equal(leaves(0), "7ffffffff000>1000+1000 ffff800000000000>2000+1000 "
				       "fffffffffffff000>3000+1000 ");
	assert_int_equal(page_table_next(&table, &leaf), -ENOENT); /* the last one there can be */
	assert_string_equal(leaves(0x800000000000), "");	   /* no address */
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ept_entries_match_the_manual, setup),
		cmocka_unit_test_setup(host_entries_match_the_manual, setup),
		cmocka_unit_test_setup(host_without_no_execute_leaves_bit_63_clear, setup),
		cmocka_unit_test_setup(largest_leaves_are_used, setup),
		cmocka_unit_test_setup(leaf_sizes_follow_format_and_physical_alignment, setup),
		cmocka_unit_test_setup(gigabyte_leaves_need_2m_leaves, setup),
		cmocka_unit_test_setup(splitting_keeps_the_neighbours, setup),
		cmocka_unit_test_setup(unmapping_frees_empty_tables, setup),
		cmocka_unit_test_setup(hiding_keeps_every_table, setup),
		cmocka_unit_test_setup(nothing_happens_for_zero_bytes, setup),
		cmocka_unit_test_setup(both_ends_of_the_address_space_work, setup),
		cmocka_unit_test_setup(wrong_arguments_are_refused, setup),
		cmocka_unit_test_setup(shared_slots_belong_to_their_origin, setup),
		cmocka_unit_test_setup(every_failing_allocation_is_survived, setup),
		cmocka_unit_test_setup(a_live_tree_never_shows_anything_else, setup),
		cmocka_unit_test_setup(a_dropped_split_is_no_change, setup),
		cmocka_unit_test_setup(reserving_without_memory_fails, setup),
		cmocka_unit_test_setup(a_trace_shows_every_level, setup),
		cmocka_unit_test_setup(leaves_come_in_order, setup),
		cmocka_unit_test_setup(leaves_say_what_they_allow, setup),
		cmocka_unit_test_setup(leaves_of_both_halves, setup),
		cmocka_unit_test_setup(random_operations_match_a_flat_model, setup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(test.pages);
	return failed;
}
