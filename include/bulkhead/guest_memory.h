/* SPDX-License-Identifier: MIT */
/*
 * A partition's RAM as the hypervisor reaches it: one window of linear addresses in which
 * guest-physical address `gpa` is at window + gpa, holes included. Mapped only in that partition's
 * own host address space. In unit tests the window is ordinary memory.
 *
 * RAM is [0, low_bytes) and, when there is more, [4 GiB, 4 GiB + high_bytes). A range marked as a
 * hole (the VGA window) is not RAM.
 */
#pragma once

#include <bulkhead/string.h>
#include <bulkhead/types.h>

#define GUEST_HIGH_BASE (4 * GIB)
#define GUEST_LOW_MAX	(3 * GIB) /* RAM below 4 GiB ends here at the latest: MMIO follows */
#define GUEST_HOLE_BASE 0xa0000UL /* legacy VGA window: no RAM */
#define GUEST_HOLE_END	0xc0000UL

struct guest_memory {
	u8 *window;
	u64 low_bytes;
	u64 high_bytes;
};

/* Where [gpa, gpa + bytes) is, or NULL when any of it is not RAM. */
static inline void *guest_memory_at(const struct guest_memory *memory, u64 gpa, u64 bytes)
{
	u64 end = gpa + bytes;

	if (end < gpa)
		return NULL;
	if (end <= memory->low_bytes) {
		if (gpa < GUEST_HOLE_END && end > GUEST_HOLE_BASE)
			return NULL;
		return memory->window + gpa;
	}
	if (gpa >= GUEST_HIGH_BASE && end <= GUEST_HIGH_BASE + memory->high_bytes)
		return memory->window + gpa;
	return NULL;
}
