/* SPDX-License-Identifier: MIT */
/* The tables of 4 levels that the loader has made for a payload, where addresses are physical ones.
 */
#pragma once

#include "guest.h"

#define ENTRY_FLAGS 0x60UL /* accessed, dirty */
#define ENTRY_LARGE BIT(7)
#define ENTRY_BASE  0xffffffffff000UL

/* The entry that maps `address`. */
static inline volatile u64 *entry_of(u64 address)
{
	u64 table;

	__asm__ volatile("mov %%cr3, %0" : "=r"(table));
	for (unsigned shift = 39;; shift -= 9) {
		volatile u64 *entry =
			(volatile u64 *)(table & ENTRY_BASE) + (address >> shift & 511);

		if (shift == 12 || *entry & ENTRY_LARGE)
			return entry;
		table = *entry;
	}
}

/* After a change of it. */
static inline void entry_forget(u64 address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}
