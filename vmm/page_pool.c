/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: a buddy system whose free lists run through page_meta by index.
 *
 * Lists are sorted by address, the preferred end first: highest for guests, lowest for the
 * hypervisor. Long lists are dense ones, so the place for a block is usually found by looking at
 * the blocks next to it; only where there is none nearby is the list walked.
 */
#include <bulkhead/error.h>
#include <bulkhead/page_pool.h>
#include <bulkhead/string.h>

#define PAGE_META_END ((u32)~0u)
#define NEARBY	      32

/* Only the first page of a block has a state; a block is free or used in one zone. */
enum page_state {
	PAGE_INSIDE,			    /* of a block, or never given to the pool */
	PAGE_FREE,			    /* + enum page_zone */
	PAGE_USED = PAGE_FREE + PAGE_ZONES, /* + enum page_zone */
};

_Static_assert(sizeof(struct page_meta) <= 12, "one for each page of the machine");

/* Part of a free block that an allocation can have. */
struct place {
	u32 block, target; /* indices; target is within block */
	unsigned order;	   /* of block */
};

static u8 state_of(enum page_state state, enum page_zone zone)
{
	return (u8)((unsigned)state + (unsigned)zone);
}

static bool block_is(const struct page_pool *pool, u64 index, enum page_state state,
		     enum page_zone zone, unsigned order)
{
	return index < pool->pages && pool->meta[index].state == state_of(state, zone) &&
	       pool->meta[index].order == order;
}

static void block_set(struct page_pool *pool, u32 index, enum page_state state, enum page_zone zone,
		      unsigned order)
{
	pool->meta[index].state = state_of(state, zone);
	pool->meta[index].order = (u8)order;
}

static void block_clear(struct page_pool *pool, u32 index)
{
	pool->meta[index].state = PAGE_INSIDE;
}

static bool list_precedes(enum page_zone zone, u32 index, u32 other)
{
	return zone == PAGE_ZONE_GUEST ? index > other : index < other;
}

/* The block of the list that `index` belongs behind; PAGE_META_END when it belongs first. */
static u32 list_before(const struct page_pool *pool, enum page_zone zone, unsigned order, u32 index)
{
	u64 step = zone == PAGE_ZONE_GUEST ? -BIT(order) : BIT(order);
	u32 before = PAGE_META_END, at = pool->free_list[zone][order];

	if (at == PAGE_META_END || list_precedes(zone, index, at))
		return PAGE_META_END;
	for (u64 i = 1; i <= NEARBY; i++) {
		/* Beyond the span these wrap to large numbers, which block_is refuses. */
		if (block_is(pool, index - i * step, PAGE_FREE, zone, order))
			return (u32)(index - i * step);
		if (block_is(pool, index + i * step, PAGE_FREE, zone, order))
			return pool->meta[index + i * step].previous;
	}
	for (; at != PAGE_META_END; at = pool->meta[at].next) {
		if (list_precedes(zone, index, at))
			break;
		before = at;
	}
	return before;
}

static void list_insert(struct page_pool *pool, enum page_zone zone, unsigned order, u32 index)
{
	u32 before = list_before(pool, zone, order, index);
	u32 *link =
		before == PAGE_META_END ? &pool->free_list[zone][order] : &pool->meta[before].next;

	pool->meta[index].previous = before;
	pool->meta[index].next = *link;
	if (*link != PAGE_META_END)
		pool->meta[*link].previous = index;
	*link = index;
	block_set(pool, index, PAGE_FREE, zone, order);
	pool->free_bytes[zone] += PAGE_SIZE << order;
}

static void list_remove(struct page_pool *pool, enum page_zone zone, unsigned order, u32 index)
{
	const struct page_meta *meta = &pool->meta[index];

	if (meta->previous == PAGE_META_END)
		pool->free_list[zone][order] = meta->next;
	else
		pool->meta[meta->previous].next = meta->next;
	if (meta->next != PAGE_META_END)
		pool->meta[meta->next].previous = meta->previous;
	block_clear(pool, index);
	pool->free_bytes[zone] -= PAGE_SIZE << order;
}

/* Make a block free, merged with its free buddies. It may not have a state any more. */
static void block_release(struct page_pool *pool, enum page_zone zone, unsigned order, u32 index)
{
	while (order < PAGE_ORDERS - 1) {
		u32 buddy = index ^ (u32)BIT(order);

		if (!block_is(pool, buddy, PAGE_FREE, zone, order))
			break;
		list_remove(pool, zone, order, buddy);
		index &= ~(u32)BIT(order);
		order++;
	}
	list_insert(pool, zone, order, index);
}

/* The highest or lowest free block of just this order whose first `pages` are below `limit`. */
static u32 list_find(const struct page_pool *pool, enum page_zone zone, unsigned order, u64 pages,
		     u64 limit, bool highest)
{
	bool descending = zone == PAGE_ZONE_GUEST;
	u32 found = PAGE_META_END;

	for (u32 at = pool->free_list[zone][order]; at != PAGE_META_END; at = pool->meta[at].next) {
		bool fits = at + pages <= limit;

		if (fits)
			found = at;
		if (fits ? highest == descending : !descending)
			break;
	}
	return found;
}

/*
 * In free blocks of at least `order`: the highest block of `pages` below `limit`, or the lowest
 * free block that starts with as many below `limit`.
 */
static bool place_find(const struct page_pool *pool, enum page_zone zone, unsigned order, u64 pages,
		       u64 limit, bool highest, struct place *place)
{
	bool found = false;

	for (; order < PAGE_ORDERS; order++) {
		u32 block = list_find(pool, zone, order, pages, limit, highest);
		u64 target = block;

		if (block == PAGE_META_END)
			continue;
		if (highest)
			target = align_down(MIN(block + BIT(order), limit), pages) - pages;
		if (found && (highest ? target < place->target : target > place->target))
			continue;
		*place = (struct place){.block = block, .target = (u32)target, .order = order};
		found = true;
	}
	return found;
}

/* Cut a used block of `order` out of the free one, at the place. */
static void place_take(struct page_pool *pool, enum page_zone zone, unsigned order,
		       struct place place)
{
	list_remove(pool, zone, place.order, place.block);
	while (place.order > order) {
		u32 upper = place.block + (u32)BIT(--place.order);
		bool in_upper = place.target >= upper;

		list_insert(pool, zone, place.order, in_upper ? place.block : upper);
		if (in_upper)
			place.block = upper;
	}
	block_set(pool, place.target, PAGE_USED, zone, order);
}

static u64 block_physical(const struct page_pool *pool, u64 index)
{
	return pool->base + (index << PAGE_SHIFT);
}

static u32 block_adopt(struct page_pool *pool, u32 index, u32 pages)
{
	u32 adopted = 0;

	pool->adopting = true;
	while (adopted < pages && !pool->adopt(pool, block_physical(pool, index + adopted)))
		adopted += (u32)BIT(PAGE_ORDER_2M);
	pool->adopting = false;
	return adopted;
}

/*
 * Move a block with room for `order` from the guest zone to the hypervisor zone. When only part of
 * it could be adopted, that part is mapped and has to stay; guests get the rest back.
 */
static void hypervisor_refill(struct page_pool *pool, unsigned order, u64 limit)
{
	unsigned taken = MAX(order, (unsigned)PAGE_ORDER_2M);
	u32 pages = (u32)BIT(taken), adopted;
	struct place place;

	if (!pool->adopt || pool->adopting ||
	    !place_find(pool, PAGE_ZONE_GUEST, taken, BIT(order), limit, false, &place))
		return;
	place_take(pool, PAGE_ZONE_GUEST, taken, place);
	adopted = block_adopt(pool, place.target, pages);
	block_clear(pool, place.target);
	for (u32 i = 0; i < pages; i += (u32)BIT(PAGE_ORDER_2M))
		block_release(pool, i < adopted ? PAGE_ZONE_HYPERVISOR : PAGE_ZONE_GUEST,
			      PAGE_ORDER_2M, place.target + i);
}

u64 page_pool_meta_bytes(u64 pages)
{
	return pages * sizeof(struct page_meta);
}

void page_pool_init(struct page_pool *pool, struct page_meta *meta, u64 base, u64 pages)
{
	/* Indices have 32 bits: 16 TiB. */
	*pool = (struct page_pool){.meta = meta, .base = base, .pages = MIN(pages, PAGE_META_END)};
	memset(meta, 0, page_pool_meta_bytes(pool->pages));
	memset(pool->free_list, 0xff, sizeof(pool->free_list));
}

void page_pool_add(struct page_pool *pool, enum page_zone zone, u64 physical, u64 bytes)
{
	u64 index = MAX(physical, pool->base) - pool->base;
	u64 end = MAX(physical + bytes, pool->base) - pool->base;

	index = align_up(index, PAGE_SIZE) >> PAGE_SHIFT;
	end = MIN(end >> PAGE_SHIFT, pool->pages);
	while (index < end) {
		unsigned order = PAGE_ORDERS - 1;

		while (!is_aligned(index, BIT(order)) || index + BIT(order) > end)
			order--;
		block_release(pool, zone, order, (u32)index);
		pool->total_bytes += PAGE_SIZE << order;
		index += BIT(order);
	}
}

u64 page_pool_alloc(struct page_pool *pool, enum page_zone zone, unsigned order, u64 limit)
{
	u64 end = MIN((MAX(limit, pool->base) - pool->base) >> PAGE_SHIFT, pool->pages);
	bool highest = zone == PAGE_ZONE_GUEST;
	struct place place;
	bool found;

	if (order >= PAGE_ORDERS || zone >= PAGE_ZONES)
		return PAGE_NONE;
	found = place_find(pool, zone, order, BIT(order), end, highest, &place);
	if (!found && zone == PAGE_ZONE_HYPERVISOR) {
		hypervisor_refill(pool, order, end);
		found = place_find(pool, zone, order, BIT(order), end, highest, &place);
	}
	if (!found)
		return PAGE_NONE;
	place_take(pool, zone, order, place);
	return block_physical(pool, place.target);
}

static unsigned order_of(u64 pages)
{
	unsigned order = 0;

	while (BIT(order) < pages)
		order++;
	return order;
}

/* Keep the first `pages` of a used block: they become used blocks of their own, each as large as
 * can be, from the largest to the smallest. */
static void block_cut(struct page_pool *pool, enum page_zone zone, unsigned order, u32 index,
		      u64 pages)
{
	while (pages != BIT(order)) {
		u32 half = index + (u32)BIT(--order);

		block_set(pool, index, PAGE_USED, zone, order);
		if (pages > BIT(order)) {
			pages -= BIT(order);
			index = half;
			block_set(pool, index, PAGE_USED, zone, order);
		} else {
			block_release(pool, zone, order, half);
		}
	}
}

u64 page_pool_alloc_pages(struct page_pool *pool, enum page_zone zone, u64 pages, u64 limit)
{
	u64 physical;

	if (!pages || pages > BIT(PAGE_ORDERS - 1))
		return PAGE_NONE;
	physical = page_pool_alloc(pool, zone, order_of(pages), limit);
	if (physical != PAGE_NONE)
		block_cut(pool, zone, order_of(pages), (u32)((physical - pool->base) >> PAGE_SHIFT),
			  pages);
	return physical;
}

/* The order of the first of those blocks that `pages` consist of. */
static unsigned first_order(u64 pages)
{
	return 63 - (unsigned)__builtin_clzl(pages);
}

static bool pages_are_used(const struct page_pool *pool, enum page_zone zone, u64 index, u64 pages)
{
	while (pages) {
		unsigned order = first_order(pages);

		if (!block_is(pool, index, PAGE_USED, zone, order))
			return false;
		index += BIT(order);
		pages -= BIT(order);
	}
	return true;
}

int page_pool_free_pages(struct page_pool *pool, enum page_zone zone, u64 physical, u64 pages)
{
	u64 index = (physical - pool->base) >> PAGE_SHIFT;

	if (!pages || pages > BIT(PAGE_ORDERS - 1) || zone >= PAGE_ZONES || physical < pool->base ||
	    !is_aligned(physical, PAGE_SIZE) || !pages_are_used(pool, zone, index, pages))
		return -EINVAL;
	while (pages) {
		unsigned order = first_order(pages);

		block_clear(pool, (u32)index);
		block_release(pool, zone, order, (u32)index);
		index += BIT(order);
		pages -= BIT(order);
	}
	return 0;
}

int page_pool_free(struct page_pool *pool, enum page_zone zone, u64 physical, unsigned order)
{
	return order < PAGE_ORDERS ? page_pool_free_pages(pool, zone, physical, BIT(order))
				   : -EINVAL;
}
