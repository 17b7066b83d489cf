/* SPDX-License-Identifier: MIT */
/* The loader's memory: the firmware's page allocator and the list of what came from it. */
#include "boot/pages.h"

#include <bulkhead/error.h>
#include <bulkhead/string.h>

#define PAGES_ROOM  512
#define LOW_END	    0xa0000UL
#define ADDRESS_END BIT(46) /* where the core wants to be below */

static struct pages pages_list[PAGES_ROOM];
static u32 pages_used;

static u64 pages_of(u64 bytes)
{
	return align_up(bytes, PAGE_SIZE) / PAGE_SIZE;
}

static int pages_allocate(EFI_ALLOCATE_TYPE how, u64 count, u64 *base)
{
	EFI_PHYSICAL_ADDRESS address = *base;

	if (EFI_ERROR(firmware.services->AllocatePages(how, EfiLoaderData, count, &address)))
		return -ENOMEM;
	*base = address;
	return 0;
}

static void pages_free(u64 base, u64 count)
{
	/* It came from AllocatePages: there is nothing to be done when it does not go back. */
	(void)firmware.services->FreePages(base, count);
}

/*
 * AllocatePages knows no alignment. Find room for more than is needed, give it back, and ask for
 * the aligned part of it.
 */
static int pages_allocate_aligned(u64 count, u64 alignment, u64 last, u64 *base)
{
	u64 slack = alignment / PAGE_SIZE - 1;

	*base = last;
	if (pages_allocate(AllocateMaxAddress, count + slack, base))
		return -ENOMEM;
	if (slack == 0)
		return 0;
	pages_free(*base, count + slack);
	*base = align_up(*base, alignment);
	return pages_allocate(AllocateAddress, count, base);
}

static int pages_add(u64 base, u64 bytes, enum boot_memory_type type)
{
	if (pages_used == PAGES_ROOM)
		return -ENOMEM;
	memset((void *)(uintptr_t)base, 0, bytes);
	pages_list[pages_used++] = (struct pages){base, bytes, type};
	return 0;
}

/* At or above 1 MiB: firmware that fills memory from below is asked twice, while holding what it
 * gave. */
static int pages_allocate_high(u64 count, u64 alignment, u64 last, u64 *base)
{
	int error = pages_allocate_aligned(count, alignment, last, base);
	u64 low = *base;

	if (error || *base >= MIB)
		return error;
	error = pages_allocate_aligned(count, alignment, last, base);
	pages_free(low, count);
	if (!error && *base < MIB) {
		pages_free(*base, count);
		error = -ENOMEM;
	}
	return error;
}

/* Below 4 GiB first: not all firmware reads files to above it. */
int pages_take(u64 bytes, u64 alignment, enum boot_memory_type type, u64 *base)
{
	u64 count = pages_of(bytes);
	int error;

	if (bytes == 0 || bytes >= ADDRESS_END)
		return -ENOMEM;
	if (pages_allocate_high(count, alignment, 4 * GIB - 1, base) &&
	    pages_allocate_high(count, alignment, ADDRESS_END - 1, base))
		return -ENOMEM;
	error = pages_add(*base, count * PAGE_SIZE, type);
	if (error)
		pages_free(*base, count);
	return error;
}

int pages_take_low(enum boot_memory_type type, u64 *base)
{
	for (u64 at = LOW_END - PAGE_SIZE; at > 0; at -= PAGE_SIZE) {
		*base = at;
		if (!pages_allocate(AllocateAddress, 1, base))
			return pages_add(*base, PAGE_SIZE, type);
	}
	return -ENOMEM;
}

void *pages_buffer(u64 bytes, enum boot_memory_type type)
{
	u64 base;

	if (pages_take(bytes, PAGE_SIZE, type, &base)) {
		screen_line("Out of memory: %lu KiB are not free", bytes / KIB + 1);
		return NULL;
	}
	return (void *)(uintptr_t)base;
}

static void pages_drop(u32 index)
{
	pages_free(pages_list[index].base, pages_list[index].bytes / PAGE_SIZE);
	pages_list[index] = pages_list[--pages_used];
}

void pages_release(u64 base)
{
	for (u32 i = 0; i < pages_used; i++) {
		if (pages_list[i].base == base) {
			pages_drop(i);
			return;
		}
	}
}

void pages_release_all(void)
{
	while (pages_used > 0)
		pages_drop(pages_used - 1);
}

u32 pages_count(void)
{
	return pages_used;
}

const struct pages *pages_at(u32 index)
{
	return &pages_list[index];
}
