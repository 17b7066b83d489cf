/* SPDX-License-Identifier: MIT */
/* Reading and applying the MTRRs. Section numbers are those of SDM vol. 3. */
#include "mtrr.h"

#include "instructions.h"

#define IA32_MTRR_FIX16K 0x258 /* two of them */
#define IA32_MTRR_FIX4K	 0x268 /* eight of them */

#define CAP_COUNT(cap) ((unsigned)(cap)&0xff)
#define CAP_FIXED      BIT(8)
#define DEF_TYPE_FE    BIT(10)
#define DEF_TYPE_E     BIT(11)
#define MASK_VALID     BIT(11)

#define FIXED_END   MIB
#define NO_BOUNDARY (~0UL)

/* The CPU lets no other value be written; should one be there, UC is the type that is never wrong.
 */
static enum memory_type type_of(u64 value)
{
	switch (value & 0xff) {
	case MEMORY_WC:
	case MEMORY_WT:
	case MEMORY_WP:
	case MEMORY_WB:
		return (enum memory_type)(value & 0xff);
	default:
		return MEMORY_UC;
	}
}

/* Each of these MSRs has eight ranges, the lowest address in its lowest byte (12.11.2.2). */
static void read_fixed(struct mtrr *mtrr, u64 (*msr)(void *context, u32 msr), void *context)
{
	static const u32 msrs[] = {
		IA32_MTRR_FIX64K,    IA32_MTRR_FIX16K,	  IA32_MTRR_FIX16K + 1, IA32_MTRR_FIX4K,
		IA32_MTRR_FIX4K + 1, IA32_MTRR_FIX4K + 2, IA32_MTRR_FIX4K + 3,	IA32_MTRR_FIX4K + 4,
		IA32_MTRR_FIX4K + 5, IA32_MTRR_FIX4K + 6, IA32_MTRR_FIX4K + 7,
	};

	_Static_assert(ARRAY_SIZE(msrs) * 8 == MTRR_FIXED_COUNT, "eight ranges each");
	for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
		u64 value = msr(context, msrs[i]);

		for (unsigned byte = 0; byte < 8; byte++)
			mtrr->fixed[8 * i + byte] = (u8)type_of(value >> 8 * byte);
	}
}

static void read_ranges(struct mtrr *mtrr, u64 (*msr)(void *context, u32 msr), void *context,
			unsigned count)
{
	for (u32 i = 0; i < count; i++) {
		u64 base = msr(context, IA32_MTRR_PHYSBASE0 + 2 * i);
		u64 mask = msr(context, IA32_MTRR_PHYSBASE0 + 2 * i + 1);
		struct mtrr_range *range = &mtrr->ranges[mtrr->range_count];

		if (!(mask & MASK_VALID))
			continue;
		range->mask = align_down(mask & mtrr->address_mask, PAGE_SIZE);
		range->base = base & range->mask;
		range->type = type_of(base);
		mtrr->range_count++;
	}
}

void mtrr_read(struct mtrr *mtrr, u64 (*msr)(void *context, u32 msr), void *context,
	       unsigned physical_bits)
{
	u64 cap = msr(context, IA32_MTRRCAP), def_type = msr(context, IA32_MTRR_DEF_TYPE);

	*mtrr = (struct mtrr){
		.enabled = def_type & DEF_TYPE_E,
		.fixed_enabled = cap & CAP_FIXED && def_type & DEF_TYPE_FE,
		.default_type = type_of(def_type),
		.address_mask = BITS(physical_bits - 1, 0),
	};
	if (cap & CAP_FIXED)
		read_fixed(mtrr, msr, context);
	read_ranges(mtrr, msr, context, MIN(CAP_COUNT(cap), (unsigned)MTRR_RANGES_MAX));
}

/* Below 1 MiB: the index of the fixed range, and in *end where it ends. */
static unsigned fixed_index(u64 physical, u64 *end)
{
	if (physical < 0x80000) {
		*end = align_down(physical, 64 * KIB) + 64 * KIB;
		return (unsigned)(physical / (64 * KIB));
	}
	if (physical < 0xc0000) {
		*end = align_down(physical, 16 * KIB) + 16 * KIB;
		return 8 + (unsigned)((physical - 0x80000) / (16 * KIB));
	}
	*end = align_down(physical, 4 * KIB) + 4 * KIB;
	return 24 + (unsigned)((physical - 0xc0000) / (4 * KIB));
}

static bool range_covers(const struct mtrr_range *range, u64 physical)
{
	return (physical & range->mask) == range->base;
}

/* Where ranges overlap (12.11.4.1). What the manual leaves undefined is taken as UC. */
static enum memory_type combine(enum memory_type a, enum memory_type b)
{
	if (a == b)
		return a;
	if ((a == MEMORY_WT && b == MEMORY_WB) || (a == MEMORY_WB && b == MEMORY_WT))
		return MEMORY_WT;
	return MEMORY_UC;
}

enum memory_type mtrr_type(const struct mtrr *mtrr, u64 physical)
{
	enum memory_type type = mtrr->default_type;
	bool covered = false;
	u64 end;

	if (!mtrr->enabled)
		return MEMORY_UC;
	if (mtrr->fixed_enabled && physical < FIXED_END)
		return (enum memory_type)mtrr->fixed[fixed_index(physical, &end)];
	for (unsigned i = 0; i < mtrr->range_count; i++) {
		const struct mtrr_range *range = &mtrr->ranges[i];

		if (!range_covers(range, physical))
			continue;
		type = covered ? combine(type, range->type) : range->type;
		covered = true;
	}
	return type;
}

/*
 * The lowest address above `physical`, which the range does not cover, that it does. The highest
 * bit in which the two differ decides: when the range has a 1 there, going up to it is enough; when
 * it has a 0, one of the bits above that the mask leaves free has to go from 0 to 1. All lower bits
 * become the least.
 */
static u64 range_start_after(const struct mtrr_range *range, u64 physical, u64 address_mask)
{
	u64 wrong = (physical & range->mask) ^ range->base;
	unsigned bit = 63 - (unsigned)__builtin_clzl(wrong);
	u64 above = ~(BITS(bit, 0));
	u64 room;

	if (!(range->base & BIT(bit))) {
		room = above & ~range->mask & ~physical & address_mask;
		if (!room)
			return NO_BOUNDARY;
		bit = (unsigned)__builtin_ctzl(room);
		above = ~(BITS(bit, 0));
		return (physical & above) | BIT(bit) | (range->base & ~above);
	}
	return (physical & above) | (range->base & ~above);
}

/* Where the range next begins or ends above `physical`. */
static u64 range_boundary(const struct mtrr_range *range, u64 physical, u64 address_mask)
{
	if (!range_covers(range, physical))
		return range_start_after(range, physical, address_mask);
	if (!range->mask)
		return NO_BOUNDARY;
	return (physical | (BIT(__builtin_ctzl(range->mask)) - 1)) + 1;
}

/* The next address above `physical` at which the type may be another. */
static u64 boundary(const struct mtrr *mtrr, u64 physical)
{
	u64 next = NO_BOUNDARY;

	if (!mtrr->enabled)
		return NO_BOUNDARY;
	if (mtrr->fixed_enabled && physical < FIXED_END) {
		fixed_index(physical, &next);
		return next;
	}
	for (unsigned i = 0; i < mtrr->range_count; i++) {
		u64 at = range_boundary(&mtrr->ranges[i], physical, mtrr->address_mask);

		next = MIN(next, at);
	}
	return next;
}

u64 mtrr_uniform(const struct mtrr *mtrr, u64 physical, u64 bytes, enum memory_type *type)
{
	u64 end = physical + bytes, at = physical;

	*type = mtrr_type(mtrr, physical);
	do {
		at = boundary(mtrr, at);
	} while (at < end && mtrr_type(mtrr, at) == *type);
	return MIN(at, end) - physical;
}
