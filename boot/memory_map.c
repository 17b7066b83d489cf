/* SPDX-License-Identifier: MIT */
/* The memory map of the hand-over: sorting, merging and deciding who wins where ranges overlap. */
#include "boot/memory_map.h"

#include <bulkhead/error.h>

#define ADDRESS_END BIT(52) /* physical addresses have at most 52 bits (SDM vol. 3, 4.1.4) */

/* The window where a BIOS keeps its tables is in no UEFI memory map. */
#define BIOS_BASE 0xe0000UL
#define BIOS_END  0x100000UL

/* UEFI specification, table 7.6 and section 7.2.3. */
enum {
	EFI_RESERVED,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_SERVICES_CODE,
	EFI_BOOT_SERVICES_DATA,
	EFI_RUNTIME_CODE,
	EFI_RUNTIME_DATA,
	EFI_CONVENTIONAL,
	EFI_UNUSABLE,
	EFI_ACPI_RECLAIM,
	EFI_ACPI_NVS,
	EFI_MMIO,
	EFI_MMIO_PORTS
};
#define EFI_ATTRIBUTE_WB BIT(3)
#define EFI_ATTRIBUTE_NV BIT(15)
#define EFI_ATTRIBUTE_SP BIT(18)

enum boot_memory_type memory_map_type(u32 efi_type, u64 efi_attributes)
{
	u64 special = EFI_ATTRIBUTE_NV | EFI_ATTRIBUTE_SP;

	switch (efi_type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
	case EFI_CONVENTIONAL:
		if (!(efi_attributes & EFI_ATTRIBUTE_WB) || efi_attributes & special)
			return BOOT_MEMORY_RESERVED;
		return BOOT_MEMORY_USABLE;
	case EFI_UNUSABLE:
		return BOOT_MEMORY_BAD;
	case EFI_ACPI_RECLAIM:
		return BOOT_MEMORY_ACPI;
	case EFI_ACPI_NVS:
		return BOOT_MEMORY_ACPI_NVS;
	case EFI_MMIO:
	case EFI_MMIO_PORTS:
		return BOOT_MEMORY_MMIO;
	default:
		return BOOT_MEMORY_RESERVED;
	}
}

static u32 memory_map_rank(u32 type)
{
	static const u8 ranks[] = {
		[BOOT_MEMORY_USABLE] = 1,   [BOOT_MEMORY_ACPI] = 2,	[BOOT_MEMORY_ACPI_NVS] = 3,
		[BOOT_MEMORY_RESERVED] = 4, [BOOT_MEMORY_MMIO] = 5,	[BOOT_MEMORY_BAD] = 6,
		[BOOT_MEMORY_LOADER] = 7,   [BOOT_MEMORY_BULKHEAD] = 8,
	};

	return type < ARRAY_SIZE(ranks) ? ranks[type] : ranks[BOOT_MEMORY_RESERVED];
}

/* In whole pages; begin == end when nothing is left. */
static void memory_map_bounds(const struct boot_memory *range, u64 *begin, u64 *end)
{
	u64 first = MIN(range->base, ADDRESS_END);
	u64 last = range->bytes > ADDRESS_END - first ? ADDRESS_END : first + range->bytes;
	bool usable = range->type == BOOT_MEMORY_USABLE;

	if (first == last) {
		*begin = *end = 0;
		return;
	}
	*begin = usable ? align_up(first, PAGE_SIZE) : align_down(first, PAGE_SIZE);
	*end = usable ? align_down(last, PAGE_SIZE) : align_up(last, PAGE_SIZE);
	if (*begin >= *end)
		*begin = *end = 0;
}

static void memory_map_sort(u64 *points, u32 count)
{
	for (u32 i = 1; i < count; i++) {
		u64 point = points[i];
		u32 at = i;

		for (; at > 0 && points[at - 1] > point; at--)
			points[at] = points[at - 1];
		points[at] = point;
	}
}

static u32 memory_map_points(const struct boot_memory *ranges, u32 count, u64 *points)
{
	u32 used = 0;

	points[used++] = 0;
	points[used++] = PAGE_SIZE;
	for (u32 i = 0; i < count; i++) {
		memory_map_bounds(&ranges[i], &points[used], &points[used + 1]);
		used += 2;
	}
	memory_map_sort(points, used);
	return used;
}

/* The type that wins at `at`, or 0 where nothing is. No range has an end between two points. */
static u32 memory_map_winner(const struct boot_memory *ranges, u32 count, u64 at)
{
	u32 type = 0;

	for (u32 i = 0; i < count; i++) {
		u64 begin, end;

		memory_map_bounds(&ranges[i], &begin, &end);
		if (at < begin || at >= end)
			continue;
		if (type == 0 || memory_map_rank(ranges[i].type) > memory_map_rank(type))
			type = ranges[i].type;
	}
	if (at == 0 && type == BOOT_MEMORY_USABLE)
		return BOOT_MEMORY_RESERVED;
	return type;
}

int memory_map_build(const struct boot_memory *ranges, u32 count, u64 *points,
		     struct boot_memory *map, u32 room)
{
	u32 point_count = memory_map_points(ranges, count, points);
	u32 used = 0;

	for (u32 i = 0; i + 1 < point_count; i++) {
		struct boot_memory *last = used > 0 ? &map[used - 1] : NULL;
		u64 bytes = points[i + 1] - points[i];
		u32 type = bytes > 0 ? memory_map_winner(ranges, count, points[i]) : 0;

		if (type == 0)
			continue;
		if (last && last->type == type && last->base + last->bytes == points[i]) {
			last->bytes += bytes;
			continue;
		}
		if (used == room)
			return -ENOSPC;
		map[used++] = (struct boot_memory){points[i], bytes, type, 0};
	}
	return (int)used;
}

u64 memory_map_usable_bytes(const struct boot_memory *map, u32 count)
{
	u64 bytes = 0;

	for (u32 i = 0; i < count; i++)
		if (map[i].type == BOOT_MEMORY_USABLE)
			bytes += map[i].bytes;
	return bytes;
}

/* Reserved ranges do not count: some machines describe holes far above all memory in that way. */
u64 memory_map_ram_end(const struct boot_memory *map, u32 count)
{
	u64 end = 0;

	for (u32 i = 0; i < count; i++)
		if (map[i].type != BOOT_MEMORY_RESERVED && map[i].type != BOOT_MEMORY_MMIO &&
		    map[i].type != BOOT_MEMORY_BAD)
			end = map[i].base + map[i].bytes;
	return end;
}

bool memory_map_readable(const struct boot_memory *map, u32 count, u64 base, u64 bytes)
{
	u64 end = base + bytes;

	if (bytes == 0 || end < base)
		return false;
	if (base >= BIOS_BASE && end <= BIOS_END)
		return true;
	for (u32 i = 0; i < count && base < end; i++) {
		bool memory = map[i].type != BOOT_MEMORY_MMIO && map[i].type != BOOT_MEMORY_BAD;

		if (memory && base >= map[i].base && base < map[i].base + map[i].bytes)
			base = map[i].base + map[i].bytes;
	}
	return base >= end;
}
