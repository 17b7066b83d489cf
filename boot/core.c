/* SPDX-License-Identifier: MIT */
/* Place the core, which travels inside the loader's own file. */
#include "boot/loader.h"

#include "boot/pages.h"

#include <bulkhead/error.h>
#include <bulkhead/string.h>

#define CORE_ALIGNMENT (2 * MIB)
#define LINK_BASE      0xffffffff80000000UL

extern const u8 core_image[] __attribute__((visibility("hidden")));
extern const u8 core_image_end[] __attribute__((visibility("hidden")));

static bool core_valid(const struct core_header *core)
{
	u64 embedded = (u64)(core_image_end - core_image);
	u64 link_end = core->link_address + core->memory_bytes;

	return embedded >= sizeof(*core) && core->magic == CORE_MAGIC &&
	       core->file_bytes >= sizeof(*core) && core->file_bytes <= embedded &&
	       core->memory_bytes >= core->file_bytes &&
	       is_aligned(core->memory_bytes | core->link_address, PAGE_SIZE) &&
	       core->link_address >= LINK_BASE && core->memory_bytes <= 0 - core->link_address &&
	       core->entry >= core->link_address &&
	       core->entry - core->link_address < core->file_bytes &&
	       (link_end == 0 || link_end > core->link_address);
}

int core_place(struct loader *loader)
{
	const struct core_header *core = (const void *)core_image;
	u64 *base = &loader->info->core_base;

	if (!core_valid(core)) {
		screen_line(
			"The core inside the loader's file is damaged; install bulkhead.efi anew");
		return -EIO;
	}
	if (pages_take(core->memory_bytes, CORE_ALIGNMENT, BOOT_MEMORY_BULKHEAD, base)) {
		screen_line("There is no free memory of %lu KiB for the core",
			    core->memory_bytes / KIB);
		return -ENOMEM;
	}
	memcpy((void *)(uintptr_t)*base, core, core->file_bytes);
	loader->core = core;
	return 0;
}
