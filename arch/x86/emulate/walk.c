/* SPDX-License-Identifier: MIT */
/* The walker of guest page tables (SDM vol. 3, chapter 4). */
#include <bulkhead/guest_walk.h>

#define ENTRY_ADDRESS BITS(51, 12)

/* PSE-36 gives 4 MiB pages at most 40 bits of physical address. */
#define PSE_PHYSICAL_BITS 40

static unsigned level_shift(const struct guest_paging *paging, unsigned level)
{
	return PAGE_SHIFT + (guest_paging_wide(paging) ? 9 : 10) * (level - 1);
}

static bool is_leaf(const struct guest_paging *paging, unsigned level, u64 entry)
{
	if (level == 1)
		return true;
	if (!(entry & GUEST_ENTRY_LARGE) || level > 3)
		return false;
	return guest_paging_wide(paging) || paging->cr4 & CR4_PSE;
}

/* SDM figure 4-4 and tables 4-4 and 4-8 to 4-20. */
static u64 reserved_bits(const struct guest_paging *paging, unsigned level, u64 entry)
{
	bool large = level > 1 && is_leaf(paging, level, entry);
	unsigned top = MIN(paging->physical_bits, PSE_PHYSICAL_BITS);
	u64 reserved;

	if (!guest_paging_wide(paging))
		return large ? BITS(21, top - 19) : 0;
	reserved = BITS(paging->efer & EFER_LMA ? 51 : 62, paging->physical_bits);
	if (!guest_paging_nx(paging))
		reserved |= GUEST_ENTRY_NX;
	if (level > 3)
		reserved |= GUEST_ENTRY_LARGE;
	if (large)
		reserved |= BITS(level_shift(paging, level) - 1, 13);
	return reserved;
}

static u64 leaf_address(const struct guest_paging *paging, unsigned level, u64 entry, u64 linear)
{
	u64 offset_mask = BIT(level_shift(paging, level)) - 1;
	u64 address = entry & ENTRY_ADDRESS & ~offset_mask;

	if (!guest_paging_wide(paging) && level == 2)
		address |= (entry >> 13 & 0xff) << 32;
	return address | (linear & offset_mask);
}

/* The next entry of the walk; what stays when it is not in RAM is 0. */
static struct guest_walk_entry *entry_read(const struct guest_paging *paging,
					   struct guest_walk *walk, unsigned level, u64 table)
{
	struct guest_walk_entry *entry = &walk->entries[walk->count++];
	unsigned bytes = guest_paging_wide(paging) ? 8 : 4, shift = level_shift(paging, level);
	u64 index = walk->linear >> shift & (PAGE_SIZE / bytes - 1);

	*entry = (struct guest_walk_entry){.level = level, .at = table + index * bytes};
	walk->span = BIT(shift);
	if (!paging->read(paging->context, entry->at, &entry->value, bytes))
		walk->end = GUEST_WALK_NOT_RAM;
	else
		walk->end = entry->value & GUEST_ENTRY_PRESENT ? GUEST_WALK_PAGE
							       : GUEST_WALK_NOT_PRESENT;
	return entry;
}

static void walk_tables(const struct guest_paging *paging, struct guest_walk *walk, unsigned level,
			u64 table)
{
	for (;; level--) {
		struct guest_walk_entry *entry = entry_read(paging, walk, level, table);
		u64 value = entry->value;

		if (walk->end != GUEST_WALK_PAGE)
			return;
		entry->reserved = value & reserved_bits(paging, level, value);
		if (entry->reserved) {
			walk->end = GUEST_WALK_RESERVED;
			return;
		}
		walk->rights &= value | GUEST_ENTRY_NX;
		walk->rights |= value & GUEST_ENTRY_NX;
		if (is_leaf(paging, level, value)) {
			walk->gpa = leaf_address(paging, level, value, walk->linear);
			return;
		}
		table = value & ENTRY_ADDRESS;
	}
}

/* The four PDPTE registers stand for the top level; they hold no rights (SDM 4.4.1). */
static void walk_pae(const struct guest_paging *paging, struct guest_walk *walk)
{
	unsigned index = walk->linear >> 30 & 3;
	struct guest_walk_entry *entry = &walk->entries[0];

	if (paging->pdpte_in_memory) {
		entry_read(paging, walk, 3, paging->cr3 & 0xffffffe0);
	} else {
		*entry = (struct guest_walk_entry){
			.level = 3, .at = GUEST_WALK_REGISTER, .value = paging->pdpte[index]};
		walk->count = 1;
		walk->span = GIB;
		walk->end = entry->value & GUEST_ENTRY_PRESENT ? GUEST_WALK_PAGE
							       : GUEST_WALK_NOT_PRESENT;
	}
	if (walk->end == GUEST_WALK_PAGE)
		walk_tables(paging, walk, 2, entry->value & ENTRY_ADDRESS);
}

static void walk_long(const struct guest_paging *paging, struct guest_walk *walk)
{
	unsigned level = paging->cr4 & CR4_LA57 ? 5 : 4;
	unsigned spare = 64 - (PAGE_SHIFT + 9 * level);

	if ((u64)((s64)(walk->linear << spare) >> spare) != walk->linear) {
		walk->end = GUEST_WALK_NOT_CANONICAL;
		walk->span = BIT(63 - spare);
		return;
	}
	walk_tables(paging, walk, level, paging->cr3 & ENTRY_ADDRESS);
}

void guest_walk(const struct guest_paging *paging, u64 linear, struct guest_walk *walk)
{
	bool long_mode = paging->efer & EFER_LMA;

	walk->linear = long_mode ? linear : (u32)linear;
	walk->gpa = walk->linear;
	walk->count = 0;
	walk->rights = GUEST_ENTRY_WRITE | GUEST_ENTRY_USER;
	walk->end = GUEST_WALK_PAGE;
	walk->span = 0;
	if (!(paging->cr0 & CR0_PG))
		return;
	if (!guest_paging_wide(paging))
		walk_tables(paging, walk, 2, paging->cr3 & 0xfffff000);
	else if (long_mode)
		walk_long(paging, walk);
	else
		walk_pae(paging, walk);
}
