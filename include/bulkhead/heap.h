/* SPDX-License-Identifier: MIT */
/*
 * Small objects, several to a page. Pure: pages come from its owner. Not locked: the owner does
 * that.
 */
#pragma once

#include <bulkhead/types.h>

#define HEAP_UNIT      64 /* what sizes are rounded up to, and the alignment of objects */
#define HEAP_BYTES_MAX (PAGE_SIZE - HEAP_UNIT) /* of an object */

struct heap_page;

struct heap {
	struct heap_page *first;		/* all pages, the oldest first */
	void *(*page_alloc)(struct heap *heap); /* 4 KiB, aligned; NULL when memory is short */
	void (*page_free)(struct heap *heap, void *page);
};

/* From 1 to HEAP_BYTES_MAX bytes, not cleared; NULL when memory is short. */
void *heap_alloc(struct heap *heap, u64 bytes);

/* Give an object back. One that was not allocated, as far as that can be seen, is refused: -EINVAL,
 * and nothing is changed. A page without objects goes back to the owner. */
int heap_free(struct heap *heap, void *object, u64 bytes) must_check;
