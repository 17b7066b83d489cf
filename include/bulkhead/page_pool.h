/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: a buddy system over the machine's real memory map with orders 0 (4 KiB) to 18
 * (1 GiB).
 *
 * Pages belong to one of two zones. Guest pages are not mapped in the hypervisor's own address
 * space. Hypervisor pages are: when that zone runs out it takes a 2 MiB block from the guest zone
 * and has it mapped by the `adopt` callback, so there is one pool and no split to tune. Blocks
 * never merge across zones.
 *
 * Pure: it never touches the pages that it manages, all state is in the page_meta array. Not
 * locked: the caller does that.
 */
#pragma once

#include <bulkhead/types.h>

#define PAGE_ORDER_4K 0
#define PAGE_ORDER_2M 9
#define PAGE_ORDER_1G 18
#define PAGE_ORDERS   19

enum page_zone { PAGE_ZONE_GUEST, PAGE_ZONE_HYPERVISOR, PAGE_ZONES };

#define PAGE_NONE (~0UL) /* no physical address */

/* State of one 4 KiB page. 12 bytes at most for each page that the pool spans. */
struct page_meta {
	u32 next, previous; /* free lists, as indices; PAGE_META_END ends them */
	u8 order;	    /* of the block that this page is the first of */
	u8 state;	    /* enum page_state in the implementation */
	u16 reserved;
};

struct page_pool {
	struct page_meta *meta;
	u64 base;  /* physical address of meta[0]: multiple of 1 GiB */
	u64 pages; /* length of meta */
	u32 free_list[PAGE_ZONES][PAGE_ORDERS];
	u64 free_bytes[PAGE_ZONES];
	u64 total_bytes; /* everything added */
	/* Called before hypervisor pages in [physical, physical + 2 MiB) are handed out for the
	 * first time. 0, or a negative errno when it cannot be mapped; the block then stays with
	 * guests. NULL: the hypervisor zone never grows. It may allocate and free, but the
	 * hypervisor zone is usually empty then and does not grow meanwhile: have tables that it
	 * needs ready. */
	int (*adopt)(struct page_pool *pool, u64 physical);
	void *context;
	bool adopting; /* `adopt` is running */
};

/* How much memory page_pool_init needs for `meta` to span `pages`. */
u64 page_pool_meta_bytes(u64 pages);

/* Makes the pool empty; `adopt` and `context` are to be set after this. */
void page_pool_init(struct page_pool *pool, struct page_meta *meta, u64 base, u64 pages);

/* Give [physical, physical + bytes), multiples of 4 KiB, inside the span and not given before, to
 * `zone`. */
void page_pool_add(struct page_pool *pool, enum page_zone zone, u64 physical, u64 bytes);

/* A block of 4 KiB << order, aligned to its size, below `limit` (physical, ~0 for anywhere);
 * PAGE_NONE when there is none. Guest blocks come from the highest addresses that fit, to keep low
 * memory. */
u64 page_pool_alloc(struct page_pool *pool, enum page_zone zone, unsigned order, u64 limit);

/* Give a block back. Freeing what was not allocated like this (address, order, zone) is detected:
 * -EINVAL, and nothing is changed. */
int page_pool_free(struct page_pool *pool, enum page_zone zone, u64 physical,
		   unsigned order) must_check;

/* The same for any number of pages up to 1 GiB of them, as from a block of the next order of which
 * the rest is let go at once: aligned like that block, and there must have been one. */
u64 page_pool_alloc_pages(struct page_pool *pool, enum page_zone zone, u64 pages, u64 limit);
int page_pool_free_pages(struct page_pool *pool, enum page_zone zone, u64 physical,
			 u64 pages) must_check;
