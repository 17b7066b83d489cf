/* SPDX-License-Identifier: MIT */
/* The memory map of the hand-over, made from the firmware's. Pure. */
#pragma once

#include <bulkhead/boot.h>

/* What a firmware descriptor's type and attributes mean to the core. */
enum boot_memory_type memory_map_type(u32 efi_type, u64 efi_attributes);

/*
 * Make a map of sorted, merged entries without overlaps out of `count` ranges in any order. Where
 * ranges overlap the type that forbids more wins, and what the loader itself took (BULKHEAD,
 * LOADER) wins over all: it holds what the core is about to read. Usable memory is cut to whole
 * pages, everything else grown to them. Page 0 is never usable. `points` is scratch of 2 * count +
 * 2 words. Returns the number of entries, or -ENOSPC; 2 * count + 3 is always room enough.
 */
int memory_map_build(const struct boot_memory *ranges, u32 count, u64 *points,
		     struct boot_memory *map, u32 room) must_check;

u64 memory_map_usable_bytes(const struct boot_memory *map, u32 count);

/* End of the highest memory that is RAM for sure. */
u64 memory_map_ram_end(const struct boot_memory *map, u32 count);

/* Whether firmware tables may be read at all of [base, base + bytes): it is memory, not a device.
 */
bool memory_map_readable(const struct boot_memory *map, u32 count, u64 base, u64 bytes);
