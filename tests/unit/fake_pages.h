/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's pages (include/bulkhead/memory.h) from the heap: zeroed, aligned, counted, and
 * of which there may be no more. What is given back was taken, and is as large as it was.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include <bulkhead/memory.h>

#define FAKE_PAGES_MAX 4096
#define FAKE_UNLIMITED 1000000U

struct fake_pages {
	void *data;
	enum memory_use use;
	u64 bytes;
};

static struct fake_pages fake_pages[FAKE_PAGES_MAX]; /* that are taken now */
static unsigned fake_pages_out, fake_pages_left = FAKE_UNLIMITED;
static unsigned fake_pages_taken, fake_pages_freed; /* until a test sets them to 0 */

unsigned memory_order(u64 bytes)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < bytes)
		order++;
	return order;
}

/* Nothing lies behind it that may be touched. */
void *memory_take(enum memory_use use, u64 bytes)
{
	u64 alignment = bytes > HEAP_BYTES_MAX ? PAGE_SIZE : HEAP_UNIT;
	void *data;

	if (!fake_pages_left)
		return NULL;
	fake_pages_left--;
	if (fake_pages_out == FAKE_PAGES_MAX || posix_memalign(&data, alignment, bytes))
		abort();
	fake_pages[fake_pages_out++] = (struct fake_pages){data, use, bytes};
	fake_pages_taken++;
	return memset(data, 0, bytes);
}

void memory_give(enum memory_use use, void *memory, u64 bytes)
{
	unsigned i = 0;

	if (!memory)
		return;
	while (i < fake_pages_out && fake_pages[i].data != memory)
		i++;
	if (i == fake_pages_out || fake_pages[i].bytes != bytes || fake_pages[i].use != use)
		abort();
	fake_pages[i] = fake_pages[--fake_pages_out];
	fake_pages_freed++;
	free(memory);
}
