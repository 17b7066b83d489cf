/* SPDX-License-Identifier: MIT */
/* The memory map: buffers for it, the firmware's into ours, and whether the partitions fit. */
#include "boot/memory.h"

#include "boot/memory_map.h"
#include "boot/pages.h"

#include <bulkhead/error.h>

/* What still may be allocated between here and the end of the firmware splits few ranges. */
#define MEMORY_SLACK 128

static struct {
	u8 *descriptors;
	UINTN descriptor_bytes;
	struct boot_memory *ranges;
	u64 *points;
	u32 range_room, map_room;
} memory;

static int memory_buffers(struct boot_info *info)
{
	UINTN bytes = 0, key, each = 0;
	UINT32 version;
	u64 count;

	firmware.services->GetMemoryMap(&bytes, NULL, &key, &each, &version);
	if (each < sizeof(EFI_MEMORY_DESCRIPTOR)) {
		screen_line("The firmware does not tell its memory map");
		return -EIO;
	}
	count = bytes / each + MEMORY_SLACK;
	memory.descriptor_bytes = count * each;
	memory.range_room = (u32)(count + pages_count() + MEMORY_SLACK);
	memory.map_room = 2 * memory.range_room + 3;
	memory.descriptors = pages_buffer(memory.descriptor_bytes, BOOT_MEMORY_LOADER);
	memory.ranges =
		pages_buffer(memory.range_room * sizeof(*memory.ranges), BOOT_MEMORY_LOADER);
	memory.points = pages_buffer((2 * memory.range_room + 2) * sizeof(*memory.points),
				     BOOT_MEMORY_LOADER);
	info->memory = (uintptr_t)pages_buffer(memory.map_room * sizeof(struct boot_memory),
					       BOOT_MEMORY_BULKHEAD);
	if (!memory.descriptors || !memory.ranges || !memory.points || !info->memory)
		return -ENOMEM;
	return 0;
}

/* Descriptors are `each` bytes apart, which may be more than the structure that we know. */
static u32 memory_ranges(UINTN bytes, UINTN each)
{
	u32 used = 0;

	for (UINTN at = 0; at + each <= bytes && used < memory.range_room; at += each) {
		const EFI_MEMORY_DESCRIPTOR *descriptor = (const void *)(memory.descriptors + at);
		u64 pages = MIN(descriptor->NumberOfPages, BIT(52));

		memory.ranges[used++] = (struct boot_memory){
			.base = descriptor->PhysicalStart,
			.bytes = pages * PAGE_SIZE,
			.type = memory_map_type(descriptor->Type, descriptor->Attribute),
		};
	}
	for (u32 i = 0; i < pages_count() && used < memory.range_room; i++) {
		const struct pages *pages = pages_at(i);

		memory.ranges[used++] =
			(struct boot_memory){pages->base, pages->bytes, pages->type, 0};
	}
	return used;
}

int memory_read(struct boot_info *info, UINTN *key)
{
	UINTN bytes = memory.descriptor_bytes, each = 0;
	UINT32 version;
	int count;

	if (EFI_ERROR(firmware.services->GetMemoryMap(&bytes, (void *)memory.descriptors, key,
						      &each, &version)))
		return -EIO;
	count = memory_map_build(memory.ranges, memory_ranges(bytes, each), memory.points,
				 (struct boot_memory *)(uintptr_t)info->memory, memory.map_room);
	if (count < 0)
		return count;
	info->memory_count = (u32)count;
	return 0;
}

int memory_gather(struct loader *loader)
{
	struct boot_info *info = loader->info;
	int error = memory_buffers(info);
	UINTN key;

	if (error)
		return error;
	error = memory_read(info, &key);
	if (error) {
		screen_line("The firmware's memory map cannot be read");
		return error;
	}
	return config_fit(loader, memory_map_usable_bytes((const void *)(uintptr_t)info->memory,
							  info->memory_count));
}
