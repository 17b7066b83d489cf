/* SPDX-License-Identifier: MIT */
/*
 * The memory types that firmware gave to the machine's physical addresses by the memory type range
 * registers (SDM vol. 3, section 12.11). Pure: MSRs come from a callback.
 */
#pragma once

#include <bulkhead/page_table.h>
#include <bulkhead/types.h>

/* Variable ranges have MSR pairs from 200h on; the fixed ranges' begin at 250h. */
#define MTRR_RANGES_MAX	 40
#define MTRR_FIXED_COUNT (8 + 16 + 64) /* of 64, 16 and 4 KiB: the first MiB */

/* Covers the addresses with (address & mask) == base: with gaps in `mask` that is several pieces.
 */
struct mtrr_range {
	u64 base;
	u64 mask;
	enum memory_type type;
};

struct mtrr {
	bool enabled; /* IA32_MTRR_DEF_TYPE.E; false: all memory is UC */
	bool fixed_enabled;
	enum memory_type default_type;
	u64 address_mask; /* the physical-address width */
	unsigned range_count;
	struct mtrr_range ranges[MTRR_RANGES_MAX]; /* valid ones only */
	u8 fixed[MTRR_FIXED_COUNT];		   /* enum memory_type, by address */
};

/* The CPU must have MTRRs: CPUID.1:EDX[12]. */
void mtrr_read(struct mtrr *mtrr, u64 (*msr)(void *context, u32 msr), void *context,
	       unsigned physical_bits);

enum memory_type mtrr_type(const struct mtrr *mtrr, u64 physical);

/* How many of the `bytes` (at least 1) from `physical` on share the type of the first, which goes
 * to *type. */
u64 mtrr_uniform(const struct mtrr *mtrr, u64 physical, u64 bytes, enum memory_type *type);
