/* SPDX-License-Identifier: MIT */
/*
 * A partition's RAM as the hypervisor reaches it: one window of linear addresses in which
 * guest-physical address `gpa` is at window + gpa, holes included. Mapped only in that partition's
 * own host address space. In unit tests the window is ordinary memory.
 *
 * RAM is [0, low_bytes) and, when there is more, [4 GiB, 4 GiB + high_bytes). A range marked as a
 * hole (the VGA window) is not RAM. A partition with firmware has that in a ROM which ends at 4
 * GiB: memory of its own as well, but the guest can only read it. The first bytes of it may be a
 * flash chip's, which is a device while it shows something else than what is in it.
 */
#pragma once

#include <bulkhead/string.h>
#include <bulkhead/types.h>

#define GUEST_HIGH_BASE (4 * GIB)
#define GUEST_LOW_MAX	(3 * GIB) /* RAM below 4 GiB ends here at the latest: MMIO follows */
#define GUEST_HOLE_BASE 0xa0000UL /* legacy VGA window: no RAM */
#define GUEST_HOLE_END	0xc0000UL
#define GUEST_ROM_END	(4 * GIB)
#define GUEST_ROM_MAX	(16 * MIB) /* the APICs are below */

struct guest_memory {
	u8 *window;
	u64 low_bytes;
	u64 high_bytes;
	u64 rom_bytes;	   /* multiple of 4 KiB; 0: there is no ROM */
	u64 flash_bytes;   /* of these, likewise */
	bool flash_hidden; /* changed by its board under the device lock, read without; atomic */
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

static inline u64 guest_rom_base(const struct guest_memory *memory)
{
	return GUEST_ROM_END - memory->rom_bytes;
}

static inline bool guest_flash_hides(const struct guest_memory *memory, u64 gpa)
{
	return gpa - guest_rom_base(memory) < memory->flash_bytes &&
	       __atomic_load_n(&memory->flash_hidden, __ATOMIC_ACQUIRE);
}

/* The same for what the guest reads and executes: RAM or ROM. */
static inline const void *guest_memory_read_at(const struct guest_memory *memory, u64 gpa,
					       u64 bytes)
{
	if (gpa < guest_rom_base(memory) || gpa >= GUEST_ROM_END)
		return guest_memory_at(memory, gpa, bytes);
	if (bytes > GUEST_ROM_END - gpa || guest_flash_hides(memory, gpa))
		return NULL;
	return memory->window + gpa;
}
