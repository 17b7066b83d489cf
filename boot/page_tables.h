/* SPDX-License-Identifier: MIT */
/*
 * The page tables of the hand-over: 4 levels, everything writable and executable, made to live
 * until the core has its own. Tables come from a pool that the caller gives, so that running out is
 * known before the firmware is left. Pure: addresses of tables are what the pool's pointers say.
 */
#pragma once

#include <bulkhead/types.h>

struct page_tables {
	u64 *root;
	u64 *next; /* zeroed pages that are not used yet */
	u64 left;
};

/* `pool` is `pages` zeroed pages, at least one. */
void page_tables_begin(struct page_tables *tables, void *pool, u64 pages);

/*
 * Map linear -> physical with the largest pages that alignment and `largest` (4 KiB, 2 MiB, 1 GiB)
 * allow. All three are multiples of 4 KiB. What is mapped already stays as it is. -ENOMEM when the
 * pool is empty.
 */
int page_tables_map(struct page_tables *tables, u64 linear, u64 physical, u64 bytes,
		    u64 largest) must_check;

/* The most tables that one page_tables_map() with these arguments can take. */
u64 page_tables_bound(u64 linear, u64 physical, u64 bytes, u64 largest);
