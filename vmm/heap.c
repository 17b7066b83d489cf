/* SPDX-License-Identifier: MIT */
/*
 * Small objects. A page begins with its head, which says by a bit each which units are taken, its
 * own among them. An object goes where it fits first, in the oldest page: so the newest are those
 * that get empty.
 */
#include <bulkhead/error.h>
#include <bulkhead/heap.h>

struct heap_page {
	struct heap_page *next;
	u64 taken; /* a bit for each unit */
};

#define HEAD 1UL /* the head's unit */

_Static_assert(sizeof(struct heap_page) <= HEAP_UNIT, "the head has one unit");
_Static_assert(PAGE_SIZE / HEAP_UNIT == 64, "a bit for each unit");

/* That an object at `unit` takes, or would take; it ends in the page. */
static u64 units_at(unsigned unit, u64 bytes)
{
	u64 units = align_up(bytes, HEAP_UNIT) / HEAP_UNIT;

	return (~0UL >> (64 - units)) << unit;
}

/* The bits of `free` with which `units` of them in a row begin. */
static u64 rows_find(u64 free, u64 units)
{
	for (u64 found = 1; found < units;) {
		u64 more = MIN(found, units - found);

		free &= free >> more;
		found += more;
	}
	return free;
}

static void *page_take(struct heap_page *page, u64 bytes)
{
	u64 fits = rows_find(~page->taken, align_up(bytes, HEAP_UNIT) / HEAP_UNIT);
	unsigned unit;

	if (!fits)
		return NULL;
	unit = (unsigned)__builtin_ctzl(fits);
	page->taken |= units_at(unit, bytes);
	return (u8 *)page + (u64)unit * HEAP_UNIT;
}

void *heap_alloc(struct heap *heap, u64 bytes)
{
	struct heap_page **link, *page;

	if (!bytes || bytes > HEAP_BYTES_MAX)
		return NULL;
	for (link = &heap->first; *link; link = &(*link)->next) {
		void *object = page_take(*link, bytes);

		if (object)
			return object;
	}
	page = heap->page_alloc(heap);
	if (!page)
		return NULL;
	*page = (struct heap_page){.taken = HEAD};
	*link = page;
	return page_take(page, bytes);
}

/* What leads to the page, or to NULL when it is none of the heap's. */
static struct heap_page **link_find(struct heap *heap, const void *page)
{
	struct heap_page **link = &heap->first;

	while (*link && *link != page)
		link = &(*link)->next;
	return link;
}

int heap_free(struct heap *heap, void *object, u64 bytes)
{
	u64 offset = (u64)object % PAGE_SIZE;
	struct heap_page **link = link_find(heap, (u8 *)object - offset), *page = *link;
	u64 units;

	if (!page || !offset || offset % HEAP_UNIT || !bytes || bytes > PAGE_SIZE - offset)
		return -EINVAL;
	units = units_at((unsigned)(offset / HEAP_UNIT), bytes);
	if ((page->taken & units) != units)
		return -EINVAL;
	page->taken &= ~units;
	if (page->taken == HEAD) {
		*link = page->next;
		heap->page_free(heap, page);
	}
	return 0;
}
