/* SPDX-License-Identifier: MIT */
/*
 * Memory that the loader takes from the firmware. All of it is on one list: what is still there
 * when the firmware is left goes into the memory map with its type; when the loader gives up, all
 * of it goes back.
 */
#pragma once

#include "boot/loader.h"

struct pages {
	u64 base;
	u64 bytes;
	enum boot_memory_type type; /* BULKHEAD or LOADER */
};

/*
 * Zeroed memory at or above 1 MiB, below 2^46, aligned to `alignment` (4 KiB or more). *base is its
 * address. -ENOMEM when there is none; says nothing then.
 */
int pages_take(u64 bytes, u64 alignment, enum boot_memory_type type, u64 *base) must_check;

/* One page below 1 MiB, though never page 0. */
int pages_take_low(enum boot_memory_type type, u64 *base) must_check;

/* An array or buffer anywhere, or NULL after having said that memory is short. */
void *pages_buffer(u64 bytes, enum boot_memory_type type) must_check;

void pages_release(u64 base);
void pages_release_all(void);

u32 pages_count(void);
const struct pages *pages_at(u32 index);
