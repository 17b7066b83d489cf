/* SPDX-License-Identifier: MIT */
/*
 * The guest's page tables: from linear to guest-physical address, in the mode that cr0, cr4 and
 * efer say (none, 32-bit, PAE, 4-level, 5-level), entry by entry. Pure: memory comes through a
 * callback. Rights are collected, not judged: emulate_translate does that for an access.
 */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/types.h>

/* Bits of an entry (SDM vol. 3, tables 4-4 to 4-20). */
#define GUEST_ENTRY_PRESENT  BIT(0)
#define GUEST_ENTRY_WRITE    BIT(1)
#define GUEST_ENTRY_USER     BIT(2)
#define GUEST_ENTRY_PWT	     BIT(3)
#define GUEST_ENTRY_PCD	     BIT(4)
#define GUEST_ENTRY_ACCESSED BIT(5)
#define GUEST_ENTRY_DIRTY    BIT(6)
#define GUEST_ENTRY_LARGE    BIT(7)
#define GUEST_ENTRY_GLOBAL   BIT(8)
#define GUEST_ENTRY_KEY(e)   ((unsigned)((e) >> 59) & 15) /* of a page, with CR4.PKE */
#define GUEST_ENTRY_NX	     BIT(63)

struct guest_paging {
	u64 cr0, cr3, cr4, efer;
	u64 rflags;		/* AC counts for SMAP, in emulate_translate */
	u64 pdpte[4];		/* PAE mode: the registers that the CPU loaded with CR3 */
	bool pdpte_in_memory;	/* they are not known: take what is in memory */
	unsigned physical_bits; /* reserved bits begin here */
	u32 pkru;		/* with CR4.PKE: rights by protection key, in emulate_translate */
	/* Read guest-physical memory (page-table entries). false: it is not RAM. */
	bool (*read)(void *context, u64 gpa, void *data, unsigned bytes);
	/* Replace an entry of 4 or 8 bytes that was read, in one go. false: it has changed since.
	 * For emulate_translate, which sets accessed and dirty bits; NULL: they are left alone. */
	bool (*update)(void *context, u64 gpa, u64 old, u64 new, unsigned bytes);
	void *context;
};

enum guest_walk_end {
	GUEST_WALK_PAGE,	  /* mapped */
	GUEST_WALK_NOT_CANONICAL, /* no table was looked at */
	GUEST_WALK_NOT_RAM,	  /* the last entry has no value: its table is not in RAM */
	GUEST_WALK_NOT_PRESENT,	  /* the last entry says so */
	GUEST_WALK_RESERVED,	  /* the last entry has reserved bits set */
};

#define GUEST_WALK_REGISTER ~0UL /* `at` of an entry that is in a register: PDPTEs */

struct guest_walk_entry {
	unsigned level; /* 5 for PML5E, 4 PML4E, 3 PDPTE, 2 PDE, 1 PTE */
	u64 at;		/* guest-physical */
	u64 value;
	u64 reserved; /* those bits of the value that must be 0 */
};

struct guest_walk {
	enum guest_walk_end end;
	u64 linear; /* without the upper half, outside of long mode */
	u64 gpa;    /* of a page: where `linear` is */
	u64 span;   /* size of the page; of what is not mapped: of the piece that this holds for,
		     * aligned to itself. 0: the whole address space. */
	u64 rights; /* of a page: GUEST_ENTRY_WRITE and _USER if all entries allow, _NX if any */
	unsigned count;
	struct guest_walk_entry entries[5]; /* from the top; `count` of them */
};

void guest_walk(const struct guest_paging *paging, u64 linear, struct guest_walk *walk);

static inline bool guest_paging_wide(const struct guest_paging *paging)
{
	return paging->cr4 & CR4_PAE;
}

/* Whether entries have a no-execute bit. */
static inline bool guest_paging_nx(const struct guest_paging *paging)
{
	return guest_paging_wide(paging) && paging->efer & EFER_NXE;
}
