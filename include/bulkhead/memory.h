/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory and the hypervisor's own address space.
 *
 * Hypervisor pages are reached through the direct map: linear = physical + MEMORY_DIRECT. Guest
 * pages are not in it; a partition's RAM is mapped only in that partition's own space (struct
 * address_space).
 */
#pragma once

#include <bulkhead/heap.h>
#include <bulkhead/page_pool.h>
#include <bulkhead/page_table.h>

/* The hypervisor's linear addresses, by top-level slot of 512 GiB. */
#define MEMORY_DIRECT 0xffff800000000000UL /* slot 256: hypervisor pages */
#define MEMORY_IO     0xffff808000000000UL /* slot 257: device registers, firmware tables */
#define MEMORY_STACKS 0xffff810000000000UL /* slot 258: stacks, a guard page below each */
#define MEMORY_GUEST  0xffff820000000000UL /* slots 260 to 263: the partition's RAM */
#define MEMORY_FILES  0xffff840000000000UL /* slot 264: the partition's files, read-only */
#define MEMORY_DISKS  0xffff848000000000UL /* slot 265: what the partition wrote to its disks */
#define MEMORY_CLEAR  0xffff850000000000UL /* slot 266: RAM on its way to the partition */
#define MEMORY_IMAGE  0xffffffff80000000UL /* slot 511: the core */

/* What the hypervisor's memory is for: it is only counted. */
enum memory_use {
	MEMORY_OTHER,
	MEMORY_TABLES,	/* page tables: its own, guests', and those it reaches guests by */
	MEMORY_DEVICES, /* of guests: boards, local APICs, what belongs to them */
	MEMORY_USES
};

/*
 * Zeroed memory of the hypervisor, 1 GiB at most; NULL when memory is short. Any CPU. Up to
 * HEAP_BYTES_MAX it shares pages with others of its use and is aligned to HEAP_UNIT; beyond that,
 * as for PAGE_SIZE, it is whole pages of its own, as many as it takes, one behind the other in
 * physical memory as well. It goes back with the use and the size that it was taken with.
 */
void *memory_take(enum memory_use use, u64 bytes) must_check;
void memory_give(enum memory_use use, void *memory, u64 bytes); /* NULL: nothing */

u64 memory_physical(const void *page); /* of a direct-map address */
void *memory_linear(u64 physical);     /* of a hypervisor page */

/* Boot information has physical addresses; this is where the core finds what is there. */
const void *memory_boot(u64 physical);

/* Guest RAM, 4 KiB << order of it and aligned like that, not zeroed, not mapped: physical address
 * or PAGE_NONE. */
u64 memory_guest_alloc(unsigned order);
void memory_guest_free(u64 physical, unsigned order);
/* The smallest order that holds `bytes`. */
unsigned memory_order(u64 bytes);

struct memory_usage {
	u64 total_bytes;	     /* RAM that Bulkhead manages */
	u64 free_bytes;		     /* can still be given to guests */
	u64 hypervisor_bytes;	     /* held by the hypervisor: image, files, tables, allocations */
	u64 spare_bytes;	     /* of these: taken in blocks, and not in use yet */
	u64 used_bytes[MEMORY_USES]; /* of these: in use, by what for. The rest of them came with
				      * the loader, or was put by before there were pages */
};
void memory_usage(struct memory_usage *usage);

/* Map device registers or firmware tables for good: never unmapped. NULL when memory is short. */
void *memory_map_io(u64 physical, u64 bytes, u32 access, enum memory_type type);

/* A stack of MEMORY_STACK_PAGES pages with an unmapped page below it. Returns its top, or 0. Stacks
 * stay mapped when freed, for reuse: no CPU has to forget them. */
#define MEMORY_STACK_PAGES  3
#define MEMORY_STACK_STRIDE (16 * KIB) /* their tops are multiples of it */
u64 memory_stack_alloc(void);
void memory_stack_free(u64 top);

/*
 * One partition's view: the hypervisor plus its own RAM and files. Not all of it need be mapped
 * from the start: where `touch` is set, an access of the hypervisor's from MEMORY_GUEST to
 * MEMORY_FILES that finds nothing calls it with that address, whatever thread makes the access,
 * with interrupts off and whatever locks are held. It maps what is missing and returns true, and
 * the access is made again; or false, and it is a bug.
 */
struct address_space {
	struct page_table table;
	u64 root; /* physical, for CR3 */
	bool (*touch)(struct address_space *space, u64 address);
	struct address_space *next; /* of those with `touch` */
};

int address_space_create(struct address_space *space) must_check;
/* Let `touch` see to what is missing, for good; before anybody is in the space. -ENOMEM: nothing
 * is changed that address_space_destroy would not give back. */
int address_space_touchable(struct address_space *space,
			    bool (*touch)(struct address_space *space, u64 address)) must_check;
/* Clear 2 MiB of memory, aligned like that, that nobody else has in sight. Of one with `touch`, in
 * that space, with interrupts off. Takes no memory and no lock. */
void address_space_clear(struct address_space *space, u64 physical);
void address_space_destroy(struct address_space *space);
/* Run this CPU in `space`, NULL for the hypervisor's own; returns what to give to go back. */
u64 address_space_enter(const struct address_space *space);
void address_space_leave(u64 previous);

/* This CPU forgets where one page was: needed before a page is used of which the mapping was
 * replaced, unless the space was entered since then. */
void memory_forget(const void *at);

extern struct page_table_memory memory_tables; /* where all page tables come from */
