/* SPDX-License-Identifier: MIT */
/*
 * The page tables of a guest in 64 KiB of memory, for what walks them: CR3 is 1000h, and a page of
 * four levels has its entries at PML4E to PTE.
 */
#pragma once

#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/guest_walk.h>

/* Bits of an entry, as the manual numbers them. */
#define P   BIT(0)
#define W   BIT(1)
#define U   BIT(2)
#define PS  BIT(7)
#define NX  BIT(63)
#define PWU (P | W | U)

/* Indexes 0x102, 0x8d, 0x2b, 0x78. */
#define LONG_LINEAR 0xffff812345678abcULL
#define PML4E	    (0x1000 + 0x102 * 8)
#define PDPTE	    (0x2000 + 0x8d * 8)
#define PDE	    (0x3000 + 0x2b * 8)
#define PTE	    (0x4000 + 0x78 * 8)

static u8 memory[0x10000];
static struct guest_paging paging;

static bool memory_read(void *context, u64 address, void *data, unsigned bytes)
{
	assert_ptr_equal(context, memory);
	if (address > sizeof(memory) - bytes)
		return false;
	memcpy(data, memory + address, bytes);
	return true;
}

static void entry(u64 address, u64 value)
{
	memcpy(memory + address, &value, 8);
}

static void entry32(u64 address, u32 value)
{
	memcpy(memory + address, &value, 4);
}

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	paging = (struct guest_paging){
		.cr0 = CR0_PE | CR0_PG | CR0_WP,
		.cr3 = 0x1000,
		.physical_bits = 40,
		.read = memory_read,
		.context = memory,
	};
	return 0;
}

static int setup_long(void **state)
{
	setup(state);
	paging.cr4 = CR4_PAE;
	paging.efer = EFER_LME | EFER_LMA | EFER_NXE;
	return 0;
}
