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
	unsigned order;
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

void *memory_alloc(unsigned order)
{
	void *data;

	if (!fake_pages_left)
		return NULL;
	fake_pages_left--;
	if (fake_pages_out == FAKE_PAGES_MAX)
		abort();
	data = memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE << order), 0, PAGE_SIZE << order);
	fake_pages[fake_pages_out++] = (struct fake_pages){data, order};
	fake_pages_taken++;
	return data;
}

void memory_free(void *pages, unsigned order)
{
	unsigned i = 0;

	if (!pages)
		return;
	while (i < fake_pages_out && fake_pages[i].data != pages)
		i++;
	if (i == fake_pages_out || fake_pages[i].order != order)
		abort();
	fake_pages[i] = fake_pages[--fake_pages_out];
	fake_pages_freed++;
	free(pages);
}
