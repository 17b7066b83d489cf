/* SPDX-License-Identifier: MIT */
/* 4-level page tables (SDM vol. 3, 4.5) for the moment between the firmware's and the core's. */
#include "boot/page_tables.h"

#include <bulkhead/error.h>

#define ENTRY_PRESENT  BIT(0)
#define ENTRY_WRITABLE BIT(1)
#define ENTRY_LARGE    BIT(7)
#define ENTRY_ADDRESS  BITS(51, 12)
#define TABLE_ENTRIES  512

static u64 *page_tables_take(struct page_tables *tables)
{
	u64 *table = tables->next;

	if (tables->left == 0)
		return NULL;
	tables->left--;
	tables->next += TABLE_ENTRIES;
	return table;
}

void page_tables_begin(struct page_tables *tables, void *pool, u64 pages)
{
	tables->next = pool;
	tables->left = pages;
	tables->root = page_tables_take(tables);
}

/* The largest page that maps linear to physical at all: both have the same offset in it. */
static u64 page_tables_largest(u64 linear, u64 physical, u64 largest)
{
	static const u64 sizes[] = {GIB, 2 * MIB};

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++)
		if (sizes[i] <= largest && is_aligned(linear ^ physical, sizes[i]))
			return sizes[i];
	return PAGE_SIZE;
}

/* The largest page that can begin here and ends within `bytes`. */
static u64 page_tables_page(u64 linear, u64 bytes, u64 largest)
{
	if (largest >= GIB && is_aligned(linear, GIB) && bytes >= GIB)
		return GIB;
	if (largest >= 2 * MIB && is_aligned(linear, 2 * MIB) && bytes >= 2 * MIB)
		return 2 * MIB;
	return PAGE_SIZE;
}

static bool page_tables_maps(u64 entry, u64 size)
{
	return entry & (size == PAGE_SIZE ? ENTRY_PRESENT : ENTRY_LARGE);
}

/* Map one page, or smaller ones where tables are already; *step is the size of what maps `linear`.
 */
static int page_tables_one(struct page_tables *tables, u64 linear, u64 physical, u64 page,
			   u64 *step)
{
	u64 *table = tables->root;

	for (*step = 512 * GIB;; *step /= TABLE_ENTRIES) {
		u64 *entry = &table[linear / *step % TABLE_ENTRIES];

		if (page_tables_maps(*entry, *step))
			return 0;
		if (*step <= page && !(*entry & ENTRY_PRESENT)) {
			*entry = physical | ENTRY_PRESENT | ENTRY_WRITABLE |
				 (*step > PAGE_SIZE ? ENTRY_LARGE : 0);
			return 0;
		}
		if (!(*entry & ENTRY_PRESENT)) {
			u64 *below = page_tables_take(tables);

			if (!below)
				return -ENOMEM;
			*entry = (u64)(uintptr_t)below | ENTRY_PRESENT | ENTRY_WRITABLE;
		}
		table = (u64 *)(uintptr_t)(*entry & ENTRY_ADDRESS);
	}
}

int page_tables_map(struct page_tables *tables, u64 linear, u64 physical, u64 bytes, u64 largest)
{
	largest = page_tables_largest(linear, physical, largest);
	while (bytes > 0) {
		u64 step = 0;
		int error = page_tables_one(tables, linear, physical,
					    page_tables_page(linear, bytes, largest), &step);

		if (error)
			return error;
		step = MIN(step - linear % step, bytes);
		linear += step;
		physical += step;
		bytes -= step;
	}
	return 0;
}

u64 page_tables_bound(u64 linear, u64 physical, u64 bytes, u64 largest)
{
	u64 page = page_tables_largest(linear, physical, largest);
	u64 pdpts = bytes / (512 * GIB) + 2;
	u64 directories = page >= GIB ? 2 : bytes / GIB + 2;
	u64 leaves = page >= 2 * MIB ? 2 : bytes / (2 * MIB) + 2;

	return pdpts + directories + leaves;
}
