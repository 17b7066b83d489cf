/* SPDX-License-Identifier: MIT */
/* Guest paging: linear to guest-physical addresses (SDM vol. 3, chapter 4). */
#include <bulkhead/emulate.h>
#include <bulkhead/error.h>

#define VECTOR_GP 13
#define VECTOR_PF 14

#define ENTRY_PRESENT BIT(0)
#define ENTRY_WRITE   BIT(1)
#define ENTRY_USER    BIT(2)
#define ENTRY_LARGE   BIT(7)
#define ENTRY_NX      BIT(63)
#define ENTRY_ADDRESS BITS(51, 12)

#define ERROR_PRESENT  BIT(0)
#define ERROR_WRITE    BIT(1)
#define ERROR_USER     BIT(2)
#define ERROR_RESERVED BIT(3)
#define ERROR_FETCH    BIT(4)

/* PSE-36 gives 4 MiB pages at most 40 bits of physical address. */
#define PSE_PHYSICAL_BITS 40

struct walk {
	const struct emulate_paging *paging;
	u64 linear;
	u32 access;
	bool wide;  /* 8-byte entries: PAE, 4-level, 5-level */
	bool nx;    /* entries have a no-execute bit */
	u64 rights; /* ENTRY_WRITE, ENTRY_USER: of all entries; ENTRY_NX: of any */
};

static int fault_set(struct emulate_fault *fault, u8 vector, u32 error_code, u64 address)
{
	*fault = (struct emulate_fault){.vector = vector,
					.has_error_code = true,
					.error_code = error_code,
					.address = address};
	return -EFAULT;
}

/* SDM 4.7. The fetch bit exists only where fetches are told apart from reads. */
static int page_fault(const struct walk *walk, u64 error, struct emulate_fault *fault)
{
	if (walk->access & EMULATE_ACCESS_WRITE)
		error |= ERROR_WRITE;
	if (walk->access & EMULATE_ACCESS_USER)
		error |= ERROR_USER;
	if (walk->access & EMULATE_ACCESS_FETCH && (walk->nx || walk->paging->cr4 & CR4_SMEP))
		error |= ERROR_FETCH;
	return fault_set(fault, VECTOR_PF, (u32)error, walk->linear);
}

static unsigned level_shift(const struct walk *walk, unsigned level)
{
	return PAGE_SHIFT + (walk->wide ? 9 : 10) * (level - 1);
}

static bool is_leaf(const struct walk *walk, unsigned level, u64 entry)
{
	if (level == 1)
		return true;
	if (!(entry & ENTRY_LARGE) || level > 3)
		return false;
	return walk->wide || walk->paging->cr4 & CR4_PSE;
}

/* SDM figure 4-4 and tables 4-4 and 4-8 to 4-20. */
static u64 reserved_bits(const struct walk *walk, unsigned level, u64 entry)
{
	const struct emulate_paging *paging = walk->paging;
	bool large = level > 1 && is_leaf(walk, level, entry);
	unsigned top = MIN(paging->physical_bits, PSE_PHYSICAL_BITS);
	u64 reserved;

	if (!walk->wide)
		return large ? BITS(21, top - 19) : 0;
	reserved = BITS(paging->efer & EFER_LMA ? 51 : 62, paging->physical_bits);
	if (!walk->nx)
		reserved |= ENTRY_NX;
	if (level > 3)
		reserved |= ENTRY_LARGE;
	if (large)
		reserved |= BITS(level_shift(walk, level) - 1, 13);
	return reserved;
}

static u64 leaf_address(const struct walk *walk, unsigned level, u64 entry)
{
	u64 offset_mask = BIT(level_shift(walk, level)) - 1;
	u64 address = entry & ENTRY_ADDRESS & ~offset_mask;

	if (!walk->wide && level == 2)
		address |= (entry >> 13 & 0xff) << 32;
	return address | (walk->linear & offset_mask);
}

/* SDM 4.6. */
static bool user_allowed(const struct walk *walk)
{
	u64 rights = walk->rights;

	if (!(rights & ENTRY_USER))
		return false;
	if (walk->access & EMULATE_ACCESS_WRITE)
		return rights & ENTRY_WRITE;
	return !(walk->access & EMULATE_ACCESS_FETCH && rights & ENTRY_NX);
}

static bool supervisor_allowed(const struct walk *walk)
{
	const struct emulate_paging *paging = walk->paging;
	u64 rights = walk->rights;
	bool user_page = rights & ENTRY_USER;

	if (walk->access & EMULATE_ACCESS_FETCH)
		return !(rights & ENTRY_NX) && !(user_page && paging->cr4 & CR4_SMEP);
	if (user_page && paging->cr4 & CR4_SMAP && !(paging->rflags & RFLAGS_AC))
		return false;
	return !(walk->access & EMULATE_ACCESS_WRITE) || rights & ENTRY_WRITE ||
	       !(paging->cr0 & CR0_WP);
}

static bool allowed(const struct walk *walk)
{
	return walk->access & EMULATE_ACCESS_USER ? user_allowed(walk) : supervisor_allowed(walk);
}

/* A table that is not in RAM has no entries that are present. */
static u64 entry_read(const struct walk *walk, unsigned level, u64 table)
{
	unsigned bytes = walk->wide ? 8 : 4;
	u64 index = walk->linear >> level_shift(walk, level) & (PAGE_SIZE / bytes - 1);
	u64 entry = 0;

	if (!walk->paging->read(walk->paging->context, table + index * bytes, &entry, bytes))
		return 0;
	return entry;
}

static int walk_tables(struct walk *walk, unsigned level, u64 table, u64 *gpa,
		       struct emulate_fault *fault)
{
	for (;; level--) {
		u64 entry = entry_read(walk, level, table);

		if (!(entry & ENTRY_PRESENT))
			return page_fault(walk, 0, fault);
		if (entry & reserved_bits(walk, level, entry))
			return page_fault(walk, ERROR_PRESENT | ERROR_RESERVED, fault);
		walk->rights &= entry | ENTRY_NX;
		walk->rights |= entry & ENTRY_NX;
		if (is_leaf(walk, level, entry)) {
			*gpa = leaf_address(walk, level, entry);
			break;
		}
		table = entry & ENTRY_ADDRESS;
	}
	return allowed(walk) ? 0 : page_fault(walk, ERROR_PRESENT, fault);
}

/* The four PDPTE registers stand for the top level; they hold no rights (SDM 4.4.1). */
static int walk_pae(struct walk *walk, u64 *gpa, struct emulate_fault *fault)
{
	u64 pdpte = walk->paging->pdpte[walk->linear >> 30 & 3];

	if (!(pdpte & ENTRY_PRESENT))
		return page_fault(walk, 0, fault);
	return walk_tables(walk, 2, pdpte & ENTRY_ADDRESS, gpa, fault);
}

static int walk_long(struct walk *walk, u64 *gpa, struct emulate_fault *fault)
{
	const struct emulate_paging *paging = walk->paging;
	unsigned level = paging->cr4 & CR4_LA57 ? 5 : 4;
	unsigned spare = 64 - (PAGE_SHIFT + 9 * level);

	if ((u64)((s64)(walk->linear << spare) >> spare) != walk->linear)
		return fault_set(fault, VECTOR_GP, 0, 0);
	return walk_tables(walk, level, paging->cr3 & ENTRY_ADDRESS, gpa, fault);
}

int emulate_translate(const struct emulate_paging *paging, u64 linear, u32 access, u64 *gpa,
		      struct emulate_fault *fault)
{
	struct walk walk = {.paging = paging,
			    .linear = linear,
			    .access = access,
			    .rights = ENTRY_WRITE | ENTRY_USER};

	if (!(paging->efer & EFER_LMA))
		walk.linear = (u32)linear;
	if (!(paging->cr0 & CR0_PG)) {
		*gpa = walk.linear;
		return 0;
	}
	walk.wide = paging->cr4 & CR4_PAE;
	walk.nx = walk.wide && paging->efer & EFER_NXE;
	if (!walk.wide)
		return walk_tables(&walk, 2, paging->cr3 & 0xfffff000, gpa, fault);
	return paging->efer & EFER_LMA ? walk_long(&walk, gpa, fault) : walk_pae(&walk, gpa, fault);
}
