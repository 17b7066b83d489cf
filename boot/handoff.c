/* SPDX-License-Identifier: MIT */
/* The hand-over: page tables, stack, trampoline page, the end of the firmware, the core's entry. */
#include "boot/loader.h"

#include "boot/memory.h"
#include "boot/memory_map.h"
#include "boot/page_tables.h"
#include "boot/pages.h"

#include <bulkhead/error.h>

#define STACK_BYTES    (32 * KIB)
#define LEAVE_TRIES    8
#define CPUID_1G_PAGES BIT(26)
#define MAPPINGS       5

struct mapping {
	u64 linear, physical, bytes, largest;
};

noreturn void handoff_enter(u64 page_root, u64 stack_top, struct boot_info *info, u64 entry);

static u64 handoff_largest_page(void)
{
	u32 eax = 0x80000001, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return edx & CPUID_1G_PAGES ? GIB : 2 * MIB;
}

/* One to one, from a multiple of `page` to one. */
static struct mapping handoff_identity(u64 base, u64 end, u64 page)
{
	u64 first = align_down(base, page);

	return (struct mapping){first, first, align_up(end, page) - first, page};
}

/*
 * The first 4 GiB get 2 MiB pages even where there are larger ones: a page across ranges of
 * different memory types is asking for trouble (SDM vol. 3, 12.11.9), and that is where the devices
 * are.
 */
static void handoff_mappings(const struct loader *loader, struct mapping *mappings)
{
	const struct boot_info *info = loader->info;
	const struct boot_framebuffer *screen = &info->framebuffer;
	u64 ram_end = memory_map_ram_end((const void *)(uintptr_t)info->memory, info->memory_count);
	u64 screen_bytes = 4UL * screen->stride_pixels * screen->height;

	mappings[0] = handoff_identity(0, 4 * GIB, 2 * MIB);
	mappings[1] = handoff_identity(4 * GIB, MAX(ram_end, 4 * GIB), handoff_largest_page());
	mappings[2] = handoff_identity(screen->base, screen->base + screen_bytes, 2 * MIB);
	mappings[3] = handoff_identity(info->rsdp, info->rsdp + PAGE_SIZE, 2 * MIB);
	mappings[4] = (struct mapping){loader->core->link_address, info->core_base,
				       loader->core->memory_bytes, 2 * MIB};
}

static int handoff_page_tables(struct loader *loader)
{
	struct mapping mappings[MAPPINGS];
	struct page_tables tables;
	u64 pages = 1;
	void *pool;

	handoff_mappings(loader, mappings);
	for (u32 i = 0; i < MAPPINGS; i++)
		pages += page_tables_bound(mappings[i].linear, mappings[i].physical,
					   mappings[i].bytes, mappings[i].largest);
	pool = pages_buffer(pages * PAGE_SIZE, BOOT_MEMORY_LOADER);
	if (!pool)
		return -ENOMEM;
	page_tables_begin(&tables, pool, pages);
	for (u32 i = 0; i < MAPPINGS; i++)
		if (page_tables_map(&tables, mappings[i].linear, mappings[i].physical,
				    mappings[i].bytes, mappings[i].largest))
			return -ENOMEM;
	loader->page_root = (uintptr_t)tables.root;
	return 0;
}

int handoff_prepare(struct loader *loader)
{
	struct boot_info *info = loader->info;
	u8 *stack = pages_buffer(STACK_BYTES, BOOT_MEMORY_LOADER);

	if (!stack)
		return -ENOMEM;
	loader->stack_top = (uintptr_t)stack + STACK_BYTES;
	if (pages_take_low(BOOT_MEMORY_BULKHEAD, &info->trampoline_page)) {
		screen_line("There is no free page below 640 KiB, which starting other CPUs takes");
		return -ENOMEM;
	}
	info->magic = BOOT_MAGIC;
	info->version = BOOT_VERSION;
	info->bytes = sizeof(*info);
	/* No longer needed, and the core need not hear of them. */
	pages_release((uintptr_t)loader->config.partitions);
	pages_release((uintptr_t)loader->config.groups);
	pages_release((uintptr_t)loader->config.errors);
	return handoff_page_tables(loader);
}

/*
 * The map's key goes stale when the firmware allocates anything in between, as its timer events
 * may: then take the map anew. A firmware that still refuses may have shut down part of itself and
 * need not show the message (UEFI specification, ExitBootServices), though most does.
 */
int handoff_leave(struct loader *loader)
{
	EFI_STATUS status = EFI_INVALID_PARAMETER;
	UINTN key;

	for (u32 i = 0; i < LEAVE_TRIES && EFI_ERROR(status); i++) {
		if (memory_read(loader->info, &key))
			break;
		status = firmware.services->ExitBootServices(firmware.image, key);
	}
	if (EFI_ERROR(status)) {
		screen_line(
			"The firmware cannot be left: it refuses ExitBootServices (status 0x%lx)",
			status);
		return -EIO;
	}
	handoff_enter(loader->page_root, loader->stack_top, loader->info, loader->core->entry);
}
