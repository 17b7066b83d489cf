/* SPDX-License-Identifier: MIT */
/* Unit tests of the page allocator. No page is ever touched: memory is only pretended. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/error.h>
#include <bulkhead/page_pool.h>

#define GUEST	   PAGE_ZONE_GUEST
#define HYPERVISOR PAGE_ZONE_HYPERVISOR
#define ANYWHERE   (~0ULL)
#define PAGES_2M   512u
#define PAGES_1G   (512u * 512u)

static struct page_pool pool;
static struct page_meta *meta;

static void begin(u64 base, u64 pages)
{
	u64 bytes = page_pool_meta_bytes(pages);

	assert_true(bytes >= pages && bytes <= 12 * pages);
	/* Exactly as much, for ASan, and not zero before. */
	meta = malloc(bytes);
	assert_non_null(meta);
	memset(meta, 0xa5, bytes);
	memset(&pool, 0xa5, sizeof(pool));
	page_pool_init(&pool, meta, base, pages);
}

static void end(void)
{
	free(meta);
	meta = NULL;
}

static u64 alloc(enum page_zone zone, unsigned order)
{
	return page_pool_alloc(&pool, zone, order, ANYWHERE);
}

static void release(enum page_zone zone, u64 physical, unsigned order)
{
	assert_int_equal(page_pool_free(&pool, zone, physical, order), 0);
}

/* Blocks of each order in the free lists, walked forwards, with the links back checked. */
static void count_free(enum page_zone zone, unsigned count[PAGE_ORDERS])
{
	u64 bytes = 0;

	for (unsigned order = 0; order < PAGE_ORDERS; order++) {
		u32 previous = ~0u;

		count[order] = 0;
		for (u32 i = pool.free_list[zone][order]; i != ~0u; i = meta[i].next) {
			assert_true(i + (1ULL << order) <= pool.pages);
			assert_int_equal(i & ((1u << order) - 1), 0);
			assert_int_equal(meta[i].previous, previous);
			assert_int_equal(meta[i].order, order);
			/* Sorted: guests' highest first, the hypervisor's lowest. */
			if (previous != ~0u)
				assert_true(zone == GUEST ? i < previous : i > previous);
			previous = i;
			count[order]++;
			bytes += PAGE_SIZE << order;
		}
	}
	assert_int_equal(bytes, pool.free_bytes[zone]);
}

static void assert_free(enum page_zone zone, unsigned order, unsigned expected)
{
	unsigned count[PAGE_ORDERS];

	count_free(zone, count);
	assert_int_equal(count[order], expected);
}

/* -- adopting -- */

static u64 adopted[64];
static unsigned adopted_count, adopt_fail_at;
static bool adopt_allocates;

static int adopt(struct page_pool *of, u64 physical)
{
	assert_ptr_equal(of, &pool);
	assert_ptr_equal(of->context, &adopted);
	assert_int_equal(physical % (2 * MIB), 0);
	if (adopt_allocates)
		assert_int_equal(alloc(HYPERVISOR, 0), PAGE_NONE);
	if (adopted_count == adopt_fail_at)
		return -ENOMEM;
	for (unsigned i = 0; i < adopted_count; i++)
		assert_int_not_equal(adopted[i], physical);
	adopted[adopted_count++ % ARRAY_SIZE(adopted)] = physical;
	return 0;
}

static void adopt_with(unsigned fail_at)
{
	pool.adopt = adopt;
	pool.context = &adopted;
	adopted_count = 0;
	adopt_fail_at = fail_at;
	adopt_allocates = false;
}

/* -- small cases -- */

static void an_empty_pool_has_nothing(unused void **state)
{
	begin(GIB, 100);
	for (unsigned order = 0; order < 70; order++) {
		assert_int_equal(alloc(GUEST, order), PAGE_NONE);
		assert_int_equal(alloc(HYPERVISOR, order), PAGE_NONE);
		assert_int_equal(page_pool_free(&pool, GUEST, GIB, order), -EINVAL);
	}
	assert_int_equal(alloc(PAGE_ZONES, 0), PAGE_NONE);
	assert_int_equal(pool.total_bytes, 0);
	assert_int_equal(pool.free_bytes[GUEST] + pool.free_bytes[HYPERVISOR], 0);
	end();
}

static void guests_get_high_and_the_hypervisor_low_addresses(unused void **state)
{
	begin(GIB, 64);
	page_pool_add(&pool, GUEST, GIB, 32 * PAGE_SIZE);
	page_pool_add(&pool, HYPERVISOR, GIB + 32 * PAGE_SIZE, 32 * PAGE_SIZE);
	assert_int_equal(pool.total_bytes, 64 * PAGE_SIZE);
	assert_int_equal(alloc(GUEST, 0), GIB + 31 * PAGE_SIZE);
	assert_int_equal(alloc(GUEST, 2), GIB + 24 * PAGE_SIZE);
	assert_int_equal(alloc(GUEST, 0), GIB + 30 * PAGE_SIZE);
	assert_int_equal(alloc(HYPERVISOR, 0), GIB + 32 * PAGE_SIZE);
	assert_int_equal(alloc(HYPERVISOR, 3), GIB + 40 * PAGE_SIZE);
	assert_int_equal(alloc(HYPERVISOR, 0), GIB + 33 * PAGE_SIZE);
	assert_int_equal(pool.free_bytes[GUEST], 26 * PAGE_SIZE);
	assert_int_equal(pool.free_bytes[HYPERVISOR], 22 * PAGE_SIZE);
	end();
}

/* A high page is taken from a large block before a low one that is left over alone. */
static void low_leftovers_stay_for_those_who_need_them(unused void **state)
{
	begin(0, 4 * PAGES_2M);
	page_pool_add(&pool, GUEST, 5 * PAGE_SIZE, PAGE_SIZE);
	page_pool_add(&pool, GUEST, 4 * MIB, 4 * MIB);
	assert_int_equal(alloc(GUEST, 0), 8 * MIB - PAGE_SIZE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, MIB), 5 * PAGE_SIZE);
	end();
}

/* Every range [first, last) of a small span: blocks are aligned, none overlap, all is given out. */
static void odd_ranges_are_added_whole(unused void **state)
{
	for (u64 first = 0; first < 33; first++) {
		for (u64 last = first; last <= 33; last++) {
			u64 given = 0, at;

			begin(3 * GIB, 33);
			page_pool_add(&pool, GUEST, 3 * GIB + first * PAGE_SIZE,
				      (last - first) * PAGE_SIZE);
			assert_int_equal(pool.total_bytes, (last - first) * PAGE_SIZE);
			while ((at = alloc(GUEST, 0)) != PAGE_NONE) {
				u64 page = (at - 3 * GIB) / PAGE_SIZE;

				assert_true(page >= first && page < last && !(given & BIT(page)));
				given |= BIT(page);
			}
			assert_int_equal(__builtin_popcountll(given), last - first);
			assert_int_equal(pool.free_bytes[GUEST], 0);
			end();
		}
	}
}

static void neighbouring_ranges_merge(unused void **state)
{
	begin(0, PAGES_2M);
	page_pool_add(&pool, GUEST, 7 * PAGE_SIZE, 300 * PAGE_SIZE);
	page_pool_add(&pool, GUEST, 0, 7 * PAGE_SIZE);
	page_pool_add(&pool, GUEST, 307 * PAGE_SIZE, 205 * PAGE_SIZE);
	assert_free(GUEST, PAGE_ORDER_2M, 1);
	assert_int_equal(alloc(GUEST, PAGE_ORDER_2M), 0);
	end();
}

static void what_is_outside_the_span_is_left_out(unused void **state)
{
	begin(GIB, 16);
	page_pool_add(&pool, GUEST, GIB - MIB, 2 * MIB);
	assert_int_equal(pool.total_bytes, 16 * PAGE_SIZE);
	page_pool_add(&pool, GUEST, 4 * GIB, MIB);
	page_pool_add(&pool, GUEST, 0, MIB);
	assert_int_equal(pool.total_bytes, 16 * PAGE_SIZE);
	end();
}

static void zones_never_merge(unused void **state)
{
	begin(0, 16);
	page_pool_add(&pool, GUEST, 0, 8 * PAGE_SIZE);
	page_pool_add(&pool, HYPERVISOR, 8 * PAGE_SIZE, 8 * PAGE_SIZE);
	assert_free(GUEST, 3, 1);
	assert_free(HYPERVISOR, 3, 1);
	assert_int_equal(alloc(GUEST, 4), PAGE_NONE);
	end();
}

static void a_gigabyte_is_the_largest_block(unused void **state)
{
	begin(0, 2 * PAGES_1G);
	page_pool_add(&pool, GUEST, 0, 2 * GIB);
	assert_free(GUEST, PAGE_ORDER_1G, 2);
	assert_int_equal(alloc(GUEST, PAGE_ORDER_1G + 1), PAGE_NONE);
	assert_int_equal(alloc(GUEST, PAGE_ORDER_1G), GIB);
	assert_int_equal(alloc(GUEST, PAGE_ORDER_1G), 0);
	assert_int_equal(alloc(GUEST, 0), PAGE_NONE);
	release(GUEST, GIB, PAGE_ORDER_1G);
	release(GUEST, 0, PAGE_ORDER_1G);
	assert_free(GUEST, PAGE_ORDER_1G, 2);
	end();
}

/* All sequences of `left` more allocations of order 0 to 3 from 16 pages, freed in both directions.
 */
static void exhaust(u64 taken, unsigned left)
{
	static const u64 all = 0xffff;
	u64 free_before = pool.free_bytes[GUEST];

	for (unsigned order = 0; left && order < 4; order++) {
		u64 at = alloc(GUEST, order), mask;
		bool possible = false;

		for (u64 i = 0; i < 16; i += 1ULL << order)
			possible |= !(taken & (((1ULL << (1U << order)) - 1) << i));
		assert_int_equal(at != PAGE_NONE, possible);
		if (at == PAGE_NONE)
			continue;
		assert_true(is_aligned(at, PAGE_SIZE << order));
		mask = ((1ULL << (1U << order)) - 1) << at / PAGE_SIZE;
		assert_true((mask & all) == mask && !(mask & taken));
		/* The highest that was free. */
		for (u64 i = at / PAGE_SIZE + (1ULL << order); i < 16; i += 1ULL << order)
			assert_true(taken & (((1ULL << (1U << order)) - 1) << i));
		exhaust(taken | mask, left - 1);
		release(GUEST, at, order);
		assert_int_equal(pool.free_bytes[GUEST], free_before);
	}
}

static void all_short_sequences_are_right(unused void **state)
{
	begin(0, 16);
	page_pool_add(&pool, GUEST, 0, 16 * PAGE_SIZE);
	exhaust(0, 7);
	assert_free(GUEST, 4, 1);
	end();
}

/* -- wrong frees -- */

static void free_fails(enum page_zone zone, u64 physical, unsigned order)
{
	struct page_pool before = pool;
	u64 bytes = page_pool_meta_bytes(pool.pages);
	struct page_meta *copy = malloc(bytes);

	assert_non_null(copy);
	memcpy(copy, meta, bytes);
	assert_int_equal(page_pool_free(&pool, zone, physical, order), -EINVAL);
	assert_memory_equal(copy, meta, bytes);
	assert_memory_equal(&before, &pool, sizeof(pool));
	free(copy);
}

static void wrong_frees_are_detected(unused void **state)
{
	u64 at;

	begin(GIB, PAGES_2M);
	page_pool_add(&pool, GUEST, GIB, MIB);
	page_pool_add(&pool, HYPERVISOR, GIB + MIB, MIB / 2);
	at = alloc(GUEST, 3);
	for (unsigned order = 0; order < 70; order++) {
		if (order != 3)
			free_fails(GUEST, at, order);
		free_fails(HYPERVISOR, at, order);
		free_fails(GUEST, GIB, order); /* free already */
		free_fails(GUEST, at - (PAGE_SIZE << 3), order);
		free_fails(GUEST, at + PAGE_SIZE, order); /* inside */
		free_fails(GUEST, at + 4 * PAGE_SIZE, order);
		free_fails(GUEST, GIB + 3 * MIB / 2, order); /* a hole */
		free_fails(GUEST, GIB + 2 * MIB, order);     /* outside */
		free_fails(GUEST, GIB - PAGE_SIZE, order);
		free_fails(GUEST, 0, order);
		free_fails(GUEST, PAGE_NONE, order);
	}
	free_fails(GUEST, at + 1, 3);
	free_fails(PAGE_ZONES, at, 3);
	release(GUEST, at, 3);
	free_fails(GUEST, at, 3);
	/* Merged away: its parts are no blocks any more. */
	at = alloc(GUEST, 0);
	release(GUEST, at, 0);
	free_fails(GUEST, at, 0);
	at = alloc(HYPERVISOR, 0);
	free_fails(GUEST, at, 0);
	release(HYPERVISOR, at, 0);
	free_fails(HYPERVISOR, at, 0);
	end();
}

/* -- limits -- */

static void blocks_are_entirely_below_the_limit(unused void **state)
{
	for (unsigned order = 0; order < 5; order++) {
		for (u64 limit = 0; limit < 34; limit++) {
			u64 expected, step = 1ULL << order, at;

			begin(GIB, 32);
			page_pool_add(&pool, GUEST, GIB, 16 * PAGE_SIZE);
			page_pool_add(&pool, HYPERVISOR, GIB + 16 * PAGE_SIZE, 16 * PAGE_SIZE);
			expected = MIN(limit, 16) / step * step;
			expected = expected ? GIB + (expected - step) * PAGE_SIZE : PAGE_NONE;
			at = page_pool_alloc(&pool, GUEST, order, GIB + limit * PAGE_SIZE);
			assert_int_equal(at, expected);
			expected = limit >= 16 + step ? GIB + 16 * PAGE_SIZE : PAGE_NONE;
			at = page_pool_alloc(&pool, HYPERVISOR, order,
					     GIB + limit * PAGE_SIZE + PAGE_SIZE - 1);
			assert_int_equal(at, expected);
			end();
		}
	}
}

static void limits_below_the_span_find_nothing(unused void **state)
{
	begin(4 * GIB, 64);
	page_pool_add(&pool, GUEST, 4 * GIB, 64 * PAGE_SIZE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, 4 * GIB), PAGE_NONE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, 0), PAGE_NONE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, 4 * GIB + 1), PAGE_NONE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, 4 * GIB + PAGE_SIZE), 4 * GIB);
	end();
}

/* A PC with 6 GiB: memory up to 3 GiB and from 4 GiB on, a hole for legacy devices below 1 MiB. */
static void a_pc_with_a_hole_below_4g_works(unused void **state)
{
	u64 total = 640 * KIB + 3 * GIB - MIB + 3 * GIB;
	u64 at;

	begin(0, 7 * PAGES_1G);
	page_pool_add(&pool, GUEST, 4 * GIB, 3 * GIB);
	page_pool_add(&pool, GUEST, 0, 640 * KIB);
	page_pool_add(&pool, GUEST, MIB, 3 * GIB - MIB);
	adopt_with(~0u);
	assert_int_equal(pool.total_bytes, total);
	assert_free(GUEST, PAGE_ORDER_1G, 5);
	assert_int_equal(alloc(GUEST, PAGE_ORDER_1G), 6 * GIB);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, 4 * GIB), 3 * GIB - PAGE_SIZE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, PAGE_ORDER_2M, 4 * GIB), 3 * GIB - 4 * MIB);
	assert_int_equal(page_pool_alloc(&pool, GUEST, PAGE_ORDER_1G, 4 * GIB), GIB);
	assert_int_equal(page_pool_alloc(&pool, GUEST, PAGE_ORDER_1G, 4 * GIB), PAGE_NONE);
	assert_int_equal(page_pool_alloc(&pool, GUEST, 0, MIB), 640 * KIB - PAGE_SIZE);
	/* The lowest 2 MiB that are whole. */
	at = alloc(HYPERVISOR, 0);
	assert_int_equal(at, 2 * MIB);
	assert_int_equal(adopted_count, 1);
	assert_int_equal(adopted[0], 2 * MIB);
	assert_int_equal(page_pool_alloc(&pool, HYPERVISOR, 0, 2 * MIB), PAGE_NONE);
	release(GUEST, 6 * GIB, PAGE_ORDER_1G);
	release(GUEST, GIB, PAGE_ORDER_1G);
	release(GUEST, 3 * GIB - PAGE_SIZE, 0);
	release(GUEST, 3 * GIB - 4 * MIB, PAGE_ORDER_2M);
	release(GUEST, 640 * KIB - PAGE_SIZE, 0);
	release(HYPERVISOR, at, 0);
	assert_free(GUEST, PAGE_ORDER_1G, 5);
	assert_int_equal(pool.free_bytes[GUEST] + pool.free_bytes[HYPERVISOR], total);
	assert_int_equal(pool.free_bytes[HYPERVISOR], 2 * MIB);
	end();
}

/* -- refilling the hypervisor zone -- */

static void refilling_takes_2m_from_the_guests(unused void **state)
{
	begin(0, 4 * PAGES_2M);
	page_pool_add(&pool, GUEST, 0, 8 * MIB);
	page_pool_add(&pool, HYPERVISOR, 0, 0);
	adopt_with(~0u);
	for (u64 i = 0; i < 512; i++)
		assert_int_equal(alloc(HYPERVISOR, 0), i * PAGE_SIZE);
	assert_int_equal(adopted_count, 1);
	assert_int_equal(pool.free_bytes[GUEST], 6 * MIB);
	assert_int_equal(pool.free_bytes[HYPERVISOR], 0);
	assert_int_equal(alloc(HYPERVISOR, 3), 2 * MIB);
	assert_int_equal(adopted_count, 2);
	assert_int_equal(adopted[1], 2 * MIB);
	/* What was adopted stays, and is not adopted twice. */
	for (u64 i = 0; i < 512; i++)
		release(HYPERVISOR, i * PAGE_SIZE, 0);
	release(HYPERVISOR, 2 * MIB, 3);
	assert_free(HYPERVISOR, PAGE_ORDER_2M + 1, 1);
	assert_int_equal(alloc(HYPERVISOR, PAGE_ORDER_2M + 1), 0);
	assert_int_equal(adopted_count, 2);
	end();
}

static void refilling_needs_a_whole_2m_block(unused void **state)
{
	begin(0, 2 * PAGES_2M);
	page_pool_add(&pool, GUEST, PAGE_SIZE, 4 * MIB - 2 * PAGE_SIZE);
	adopt_with(~0u);
	assert_int_equal(alloc(HYPERVISOR, 0), PAGE_NONE);
	assert_int_equal(adopted_count, 0);
	page_pool_add(&pool, GUEST, 0, PAGE_SIZE);
	assert_int_equal(alloc(HYPERVISOR, 0), 0);
	end();
}

static void refilling_without_adopt_does_not_happen(unused void **state)
{
	begin(0, PAGES_2M);
	page_pool_add(&pool, GUEST, 0, 2 * MIB);
	assert_int_equal(alloc(HYPERVISOR, 0), PAGE_NONE);
	assert_int_equal(pool.free_bytes[GUEST], 2 * MIB);
	end();
}

static void refilling_obeys_the_limit(unused void **state)
{
	begin(GIB, 3 * PAGES_2M);
	page_pool_add(&pool, GUEST, GIB + 2 * MIB, 4 * MIB);
	adopt_with(~0u);
	assert_int_equal(page_pool_alloc(&pool, HYPERVISOR, 0, GIB + 2 * MIB), PAGE_NONE);
	assert_int_equal(page_pool_alloc(&pool, HYPERVISOR, 9, GIB + 3 * MIB), PAGE_NONE);
	assert_int_equal(adopted_count, 0);
	/* The block may stick out of the limit as long as what is asked for does not. */
	assert_int_equal(page_pool_alloc(&pool, HYPERVISOR, 1, GIB + 3 * MIB), GIB + 2 * MIB);
	assert_int_equal(adopted_count, 1);
	end();
}

static void large_blocks_are_adopted_2m_at_a_time(unused void **state)
{
	begin(0, 16 * PAGES_2M);
	page_pool_add(&pool, GUEST, 2 * MIB, 30 * MIB);
	adopt_with(~0u);
	assert_int_equal(alloc(HYPERVISOR, PAGE_ORDER_2M + 1), 4 * MIB);
	assert_int_equal(adopted_count, 2);
	assert_int_equal(adopted[0], 4 * MIB);
	assert_int_equal(adopted[1], 6 * MIB);
	assert_int_equal(alloc(HYPERVISOR, PAGE_ORDER_2M + 2), 8 * MIB);
	assert_int_equal(adopted_count, 6);
	assert_int_equal(pool.free_bytes[GUEST], 18 * MIB);
	end();
}

static void a_block_that_is_not_adopted_stays_with_guests(unused void **state)
{
	unsigned before[PAGE_ORDERS], after[PAGE_ORDERS];

	begin(0, 16 * PAGES_2M);
	page_pool_add(&pool, GUEST, 0, 32 * MIB);
	count_free(GUEST, before);
	adopt_with(0);
	for (unsigned order = 0; order < 12; order++) {
		assert_int_equal(alloc(HYPERVISOR, order), PAGE_NONE);
		count_free(GUEST, after);
		assert_memory_equal(before, after, sizeof(before));
		assert_int_equal(pool.free_bytes[HYPERVISOR], 0);
	}
	adopt_with(~0u);
	assert_int_equal(alloc(HYPERVISOR, 0), 0);
	end();
}

/* The parts that were adopted are mapped: they may not go back to guests, nor be adopted again. */
static void a_partly_adopted_block_is_divided(unused void **state)
{
	for (unsigned fail_at = 1; fail_at < 4; fail_at++) {
		begin(0, 16 * PAGES_2M);
		page_pool_add(&pool, GUEST, 0, 32 * MIB);
		adopt_with(fail_at);
		assert_int_equal(alloc(HYPERVISOR, PAGE_ORDER_2M + 2), PAGE_NONE);
		assert_int_equal(pool.free_bytes[HYPERVISOR], fail_at * 2 * MIB);
		assert_int_equal(pool.free_bytes[GUEST], 32 * MIB - fail_at * 2 * MIB);
		assert_int_equal(alloc(HYPERVISOR, PAGE_ORDER_2M), 0);
		assert_int_equal(adopted_count, fail_at);
		end();
	}
}

static void adopting_does_not_recurse(unused void **state)
{
	begin(0, 4 * PAGES_2M);
	page_pool_add(&pool, GUEST, 0, 8 * MIB);
	adopt_with(~0u);
	adopt_allocates = true;
	assert_int_equal(alloc(HYPERVISOR, PAGE_ORDER_2M + 1), 0);
	assert_int_equal(adopted_count, 2);
	end();
}

/* -- random use against a shadow -- */

enum shadow { HOLE, FREE_GUEST, FREE_HYPERVISOR, IN_USE };

struct block {
	u64 page;
	unsigned order;
	enum page_zone zone;
};

#define SHADOW_PAGES (24 * PAGES_2M + 77)
#define BLOCKS	     4096

static u8 shadow[SHADOW_PAGES];
static struct block blocks[BLOCKS];
static unsigned block_count;
static u64 random_state;
static u64 shadow_base;

static u64 random_below(u64 limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % limit;
}

static int shadow_adopt(struct page_pool *of, u64 physical)
{
	u64 page = (physical - of->base) / PAGE_SIZE;

	if (random_below(4) == 0)
		return -ENOMEM;
	for (u64 i = 0; i < PAGES_2M; i++) {
		assert_int_equal(shadow[page + i], FREE_GUEST);
		shadow[page + i] = FREE_HYPERVISOR;
	}
	return 0;
}

static void shadow_add(enum page_zone zone, u64 page, u64 pages)
{
	page_pool_add(&pool, zone, shadow_base + page * PAGE_SIZE, pages * PAGE_SIZE);
	memset(shadow + page, zone == GUEST ? FREE_GUEST : FREE_HYPERVISOR, pages);
}

static u8 shadow_free(enum page_zone zone)
{
	return zone == GUEST ? FREE_GUEST : FREE_HYPERVISOR;
}

static bool shadow_is_free(enum page_zone zone, u64 page, unsigned order)
{
	for (u64 i = 0; i < 1ULL << order; i++) {
		if (page + i >= SHADOW_PAGES || shadow[page + i] != shadow_free(zone))
			return false;
	}
	return true;
}

/* Where a block should come from: the highest for guests, the lowest for the hypervisor. */
static u64 shadow_expect(enum page_zone zone, unsigned order, u64 limit_pages)
{
	u64 found = PAGE_NONE;

	for (u64 page = 0; page + (1ULL << order) <= limit_pages; page += 1ULL << order) {
		if (!shadow_is_free(zone, page, order))
			continue;
		found = page;
		if (zone == HYPERVISOR)
			break;
	}
	return found;
}

static void shadow_alloc(void)
{
	enum page_zone zone = random_below(2) ? GUEST : HYPERVISOR;
	unsigned order = (unsigned)random_below(random_below(8) ? 5 : 12);
	u64 limit_pages = random_below(3) ? SHADOW_PAGES : random_below(SHADOW_PAGES);
	u64 limit = limit_pages == SHADOW_PAGES ? ANYWHERE : shadow_base + limit_pages * PAGE_SIZE;
	u64 expected = shadow_expect(zone, order, limit_pages), page;
	u64 at = page_pool_alloc(&pool, zone, order, limit);

	if (expected == PAGE_NONE) /* perhaps after refilling */
		expected = shadow_expect(zone, order, limit_pages);
	if (expected == PAGE_NONE) {
		assert_int_equal(at, PAGE_NONE);
		return;
	}
	page = (at - shadow_base) / PAGE_SIZE;
	assert_int_equal(page, expected);
	memset(shadow + page, IN_USE, 1ULL << order);
	blocks[block_count++] = (struct block){page, order, zone};
}

static void shadow_release(unsigned number)
{
	struct block block = blocks[number];
	u64 at = shadow_base + block.page * PAGE_SIZE;
	enum page_zone other = block.zone == GUEST ? HYPERVISOR : GUEST;

	assert_int_equal(page_pool_free(&pool, other, at, block.order), -EINVAL);
	assert_int_equal(page_pool_free(&pool, block.zone, at, block.order + 1), -EINVAL);
	release(block.zone, at, block.order);
	assert_int_equal(page_pool_free(&pool, block.zone, at, block.order), -EINVAL);
	memset(shadow + block.page, shadow_free(block.zone), 1ULL << block.order);
	blocks[number] = blocks[--block_count];
}

/* The free lists hold exactly what the shadow says is free, with everything merged. */
static void shadow_check(enum page_zone zone)
{
	unsigned count[PAGE_ORDERS], expected[PAGE_ORDERS] = {0};

	for (u64 page = 0; page < SHADOW_PAGES;) {
		unsigned order = 0;

		if (!shadow_is_free(zone, page, 0)) {
			page++;
			continue;
		}
		while (order < PAGE_ORDERS - 1 && is_aligned(page, BIT(order + 1)) &&
		       shadow_is_free(zone, page, order + 1))
			order++;
		expected[order]++;
		page += BIT(order);
	}
	count_free(zone, count);
	assert_memory_equal(count, expected, sizeof(count));
}

static void random_run(u64 seed, u64 base)
{
	random_state = seed;
	shadow_base = base;
	block_count = 0;
	memset(shadow, HOLE, sizeof(shadow));
	begin(base, SHADOW_PAGES);
	pool.adopt = shadow_adopt;
	shadow_add(GUEST, 1, 158);
	shadow_add(HYPERVISOR, 256, 203);
	shadow_add(GUEST, 459, 9 * PAGES_2M + 3);
	shadow_add(GUEST, 12 * PAGES_2M, 12 * PAGES_2M + 77);
	for (unsigned step = 0; step < 6000; step++) {
		/* Tides, so that the pool gets both empty and full. */
		bool rising = step / 1000 % 2 == 0;

		if (block_count && (block_count == BLOCKS || random_below(10) < (rising ? 3 : 7)))
			shadow_release((unsigned)random_below(block_count));
		else
			shadow_alloc();
		if (step % 50 == 0) {
			shadow_check(GUEST);
			shadow_check(HYPERVISOR);
		}
	}
	while (block_count)
		shadow_release((unsigned)random_below(block_count));
	shadow_check(GUEST);
	shadow_check(HYPERVISOR);
	assert_int_equal(pool.free_bytes[GUEST] + pool.free_bytes[HYPERVISOR], pool.total_bytes);
	end();
}

static void random_use_matches_a_shadow(unused void **state)
{
	random_run(0x9e3779b97f4a7c15ULL, 0);
	random_run(0xbf58476d1ce4e5b9ULL, 5 * GIB);
	random_run(0x94d049bb133111ebULL, 1024 * GIB);
}

/* Free blocks far apart, so that their place in the list is not found nearby. */
static void scattered_blocks_stay_sorted(unused void **state)
{
	static u64 pages[64];

	random_state = 0x2545f4914f6cdd1dULL;
	begin(0, 64 * PAGES_2M);
	page_pool_add(&pool, GUEST, 0, 64 * PAGES_2M / 2 * PAGE_SIZE);
	page_pool_add(&pool, HYPERVISOR, 64 * PAGES_2M / 2 * PAGE_SIZE,
		      64 * PAGES_2M / 2 * PAGE_SIZE);
	for (enum page_zone zone = 0; zone < PAGE_ZONES; zone++) {
		u64 total = pool.free_bytes[zone] / PAGE_SIZE;
		u64 lowest = zone == GUEST ? 0 : total * PAGE_SIZE;

		for (u64 i = 0; i < total; i++)
			assert_int_not_equal(alloc(zone, 0), PAGE_NONE);
		for (u64 i = 0; i < ARRAY_SIZE(pages); i++)
			pages[i] = lowest + (i * 256 + 2 * random_below(100)) * PAGE_SIZE;
		for (u64 i = ARRAY_SIZE(pages); i--;) {
			u64 other = random_below(i + 1), page = pages[other];

			pages[other] = pages[i];
			release(zone, page, 0);
			assert_free(zone, 0, (unsigned)(ARRAY_SIZE(pages) - i));
		}
	}
	end();
}

/* All numbers of pages, in a pool that has room for two: what is let go can be had, what is kept
 * cannot, and all of it comes together again. */
static void any_number_of_pages_can_be_had(void **state)
{
	(void)state;
	for (u64 pages = 1; pages <= 64; pages++) {
		u64 first, second, rest = 0;

		begin(0, PAGES_2M);
		page_pool_add(&pool, HYPERVISOR, 0, 128 * PAGE_SIZE);
		first = page_pool_alloc_pages(&pool, HYPERVISOR, pages, ANYWHERE);
		assert_int_equal(first, 0);
		assert_int_equal(pool.free_bytes[HYPERVISOR], (128 - pages) * PAGE_SIZE);
		second = page_pool_alloc_pages(&pool, HYPERVISOR, pages, ANYWHERE);
		assert_true(second != PAGE_NONE && second >= pages * PAGE_SIZE);
		while (alloc(HYPERVISOR, 0) != PAGE_NONE)
			rest++;
		assert_int_equal(rest, 128 - 2 * pages);
		assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, first, pages), 0);
		assert_int_equal(pool.free_bytes[HYPERVISOR], pages * PAGE_SIZE);
		for (u64 page = 0; page < 128; page++) {
			u64 at = page * PAGE_SIZE;

			if (page < pages || at - second < pages * PAGE_SIZE)
				continue;
			release(HYPERVISOR, at, 0);
		}
		assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, second, pages), 0);
		assert_int_equal(alloc(HYPERVISOR, 7), 0);
		end();
	}
}

static void a_wrong_number_of_pages_is_refused(void **state)
{
	u64 eleven;

	(void)state;
	begin(0, PAGES_2M);
	page_pool_add(&pool, HYPERVISOR, 0, 64 * PAGE_SIZE);
	assert_int_equal(page_pool_alloc_pages(&pool, HYPERVISOR, 0, ANYWHERE), PAGE_NONE);
	assert_int_equal(page_pool_alloc_pages(&pool, HYPERVISOR, 65, ANYWHERE), PAGE_NONE);
	assert_int_equal(page_pool_alloc_pages(&pool, HYPERVISOR, ~0UL, ANYWHERE), PAGE_NONE);
	eleven = page_pool_alloc_pages(&pool, HYPERVISOR, 11, ANYWHERE);
	for (u64 pages = 0; pages <= 20; pages++)
		if (pages != 11 && pages != 8 && pages != 10) /* these are whole blocks of it */
			assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, eleven, pages),
					 -EINVAL);
	assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, eleven, ~0UL), -EINVAL);
	assert_int_equal(page_pool_free_pages(&pool, GUEST, eleven, 11), -EINVAL);
	assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, eleven + 1, 11), -EINVAL);
	assert_int_equal(pool.free_bytes[HYPERVISOR], 53 * PAGE_SIZE);
	assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, eleven, 11), 0);
	assert_int_equal(page_pool_free_pages(&pool, HYPERVISOR, eleven, 11), -EINVAL);
	assert_int_equal(alloc(HYPERVISOR, 6), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_pool_has_nothing),
		cmocka_unit_test(guests_get_high_and_the_hypervisor_low_addresses),
		cmocka_unit_test(low_leftovers_stay_for_those_who_need_them),
		cmocka_unit_test(odd_ranges_are_added_whole),
		cmocka_unit_test(neighbouring_ranges_merge),
		cmocka_unit_test(what_is_outside_the_span_is_left_out),
		cmocka_unit_test(zones_never_merge),
		cmocka_unit_test(a_gigabyte_is_the_largest_block),
		cmocka_unit_test(all_short_sequences_are_right),
		cmocka_unit_test(wrong_frees_are_detected),
		cmocka_unit_test(blocks_are_entirely_below_the_limit),
		cmocka_unit_test(limits_below_the_span_find_nothing),
		cmocka_unit_test(a_pc_with_a_hole_below_4g_works),
		cmocka_unit_test(refilling_takes_2m_from_the_guests),
		cmocka_unit_test(refilling_needs_a_whole_2m_block),
		cmocka_unit_test(refilling_without_adopt_does_not_happen),
		cmocka_unit_test(refilling_obeys_the_limit),
		cmocka_unit_test(large_blocks_are_adopted_2m_at_a_time),
		cmocka_unit_test(a_block_that_is_not_adopted_stays_with_guests),
		cmocka_unit_test(a_partly_adopted_block_is_divided),
		cmocka_unit_test(adopting_does_not_recurse),
		cmocka_unit_test(any_number_of_pages_can_be_had),
		cmocka_unit_test(a_wrong_number_of_pages_is_refused),
		cmocka_unit_test(random_use_matches_a_shadow),
		cmocka_unit_test(scattered_blocks_stay_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
