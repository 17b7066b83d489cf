/* SPDX-License-Identifier: MIT */
/* The MSRs of a guest that are values and nothing else. Numbers and bits: SDM vol. 4. */
#include <bulkhead/guest_msr.h>

#include "instructions.h"

#include <bulkhead/error.h>

#define FEATURE_CONTROL_LOCKED BIT(0) /* and VMX off both inside and outside SMX */

/* A revision of the microcode that no check for a minimum calls too old. */
#define MICROCODE_NEWEST (0xffffffffUL << 32)

/* Ratios to the bus clock: the highest one without turbo in 15:8, the lowest one in 47:40. Nothing
 * of all that can be programmed is offered. */
#define PLATFORM_BUS_HZ	   100000000UL
#define PLATFORM_RATIO(n)  ((n) << 8 | (n) << 40)
#define PLATFORM_RATIO_MAX 0xffUL

#define MTRR_TYPE_UC  0
#define MTRR_TYPE_WC  1
#define MTRR_TYPE_WT  4
#define MTRR_TYPE_WP  5
#define MTRR_TYPE_WB  6
#define MTRR_TYPE     BITS(7, 0)
#define MTRR_FIXED_ON BIT(10)
#define MTRR_ON	      BIT(11)
#define MTRR_VALID    BIT(11)				    /* of a mask */
#define MTRR_CAP      (GUEST_MTRR_PAIRS | BIT(8) | BIT(10)) /* fixed ranges, WC; no SMRR */

#define MISC_FAST_STRINGS BIT(0)
#define MISC_PERFMON	  BIT(7)
#define MISC_BTS_ABSENT	  BIT(11)
#define MISC_PEBS_ABSENT  BIT(12)
#define MISC_ENABLE_RESET (MISC_FAST_STRINGS | MISC_BTS_ABSENT | MISC_PEBS_ABSENT)
#define MISC_ENABLE_FIXED (MISC_PERFMON | MISC_BTS_ABSENT | MISC_PEBS_ABSENT)

#define MCG_STATUS_DEFINED BITS(2, 0) /* RIPV, EIPV, MCIP; no local machine checks */

struct guest_msr {
	u32 first;
	bool stored;  /* their values are in struct guest_msrs */
	u16 offset;   /* where in there */
	u64 constant; /* the value otherwise */
	/* Whether the value may be written, which it is as the function leaves it. NULL: read-only.
	 */
	bool (*legal)(const struct guest_msrs *msrs, u32 msr, u64 *value);
};

static bool signature_legal(const struct guest_msrs *msrs unused, u32 msr unused, u64 *value)
{
	/* Software clears it and executes CPUID, which puts the revision there (SDM vol.
	 * 3, 10.11.7.1). */
	return !*value;
}

static bool mtrr_type_legal(u64 type)
{
	switch (type) {
	case MTRR_TYPE_UC:
	case MTRR_TYPE_WC:
	case MTRR_TYPE_WT:
	case MTRR_TYPE_WP:
	case MTRR_TYPE_WB:
		return true;
	default:
		return false;
	}
}

static bool mtrr_def_type_legal(const struct guest_msrs *msrs unused, u32 msr unused, u64 *value)
{
	return !(*value & ~(MTRR_TYPE | MTRR_FIXED_ON | MTRR_ON)) &&
	       mtrr_type_legal(*value & MTRR_TYPE);
}

/* Bases have even numbers, masks odd ones. */
static bool mtrr_variable_legal(const struct guest_msrs *msrs, u32 msr, u64 *value)
{
	u64 address = BITS(msrs->physical_bits - 1, PAGE_SHIFT);

	if (msr & 1)
		return !(*value & ~(address | MTRR_VALID));
	return !(*value & ~(address | MTRR_TYPE)) && mtrr_type_legal(*value & MTRR_TYPE);
}

static bool mtrr_fixed_legal(const struct guest_msrs *msrs unused, u32 msr unused, u64 *value)
{
	for (unsigned shift = 0; shift < 64; shift += 8)
		if (!mtrr_type_legal(*value >> shift & MTRR_TYPE))
			return false;
	return true;
}

/* Limiting CPUID and hiding XD would change what CPUID says, which is fixed; what else could be
 * switched here belongs to features that are not offered. */
static bool misc_enable_legal(const struct guest_msrs *msrs unused, u32 msr unused, u64 *value)
{
	if (*value & ~(MISC_FAST_STRINGS | MISC_ENABLE_FIXED))
		return false;
	*value = (*value & MISC_FAST_STRINGS) | (MISC_ENABLE_RESET & MISC_ENABLE_FIXED);
	return true;
}

static bool mcg_status_legal(const struct guest_msrs *msrs unused, u32 msr unused, u64 *value)
{
	return !(*value & ~MCG_STATUS_DEFINED);
}

#define STORED(field) .stored = true, .offset = offsetof(struct guest_msrs, field)
#define FIXED(first)  STORED(mtrr_fixed[first]), .legal = mtrr_fixed_legal

enum {
	NONE,
	PLATFORM_ID,
	FEATURE_CONTROL,
	BIOS_SIGN_ID,
	PLATFORM_INFO,
	MTRR_CAPS,
	MCG_CAP,
	MCG_STATUS,
	MISC_ENABLE,
	MTRR_VARIABLE,
	MTRR_FIX64K,
	MTRR_FIX16K,
	MTRR_FIX4K,
	MTRR_DEF_TYPE,
};

static const struct guest_msr table[] = {
	[PLATFORM_ID] = {IA32_PLATFORM_ID, .constant = 0},
	[FEATURE_CONTROL] = {IA32_FEATURE_CONTROL, .constant = FEATURE_CONTROL_LOCKED},
	[BIOS_SIGN_ID] = {IA32_BIOS_SIGN_ID, .constant = MICROCODE_NEWEST,
			  .legal = signature_legal},
	[PLATFORM_INFO] = {MSR_PLATFORM_INFO, STORED(platform_info)},
	[MTRR_CAPS] = {IA32_MTRRCAP, .constant = MTRR_CAP},
	[MCG_CAP] = {IA32_MCG_CAP, .constant = 0}, /* no banks */
	[MCG_STATUS] = {IA32_MCG_STATUS, STORED(mcg_status), .legal = mcg_status_legal},
	[MISC_ENABLE] = {IA32_MISC_ENABLE, STORED(misc_enable), .legal = misc_enable_legal},
	[MTRR_VARIABLE] = {IA32_MTRR_PHYSBASE0, STORED(mtrr_variable),
			   .legal = mtrr_variable_legal},
	[MTRR_FIX64K] = {IA32_MTRR_FIX64K, FIXED(0)},
	[MTRR_FIX16K] = {IA32_MTRR_FIX16K, FIXED(1)},
	[MTRR_FIX4K] = {IA32_MTRR_FIX4K, FIXED(3)},
	[MTRR_DEF_TYPE] = {IA32_MTRR_DEF_TYPE, STORED(mtrr_def_type), .legal = mtrr_def_type_legal},
};

/* Guests try out many that do not exist: each is found, or not, in one step. */
#define PLACES (IA32_MTRR_DEF_TYPE + 1)
static const u8 places[PLACES] = {
	[IA32_PLATFORM_ID] = PLATFORM_ID,
	[IA32_FEATURE_CONTROL] = FEATURE_CONTROL,
	[IA32_BIOS_SIGN_ID] = BIOS_SIGN_ID,
	[MSR_PLATFORM_INFO] = PLATFORM_INFO,
	[IA32_MTRRCAP] = MTRR_CAPS,
	[IA32_MCG_CAP] = MCG_CAP,
	[IA32_MCG_STATUS] = MCG_STATUS,
	[IA32_MISC_ENABLE] = MISC_ENABLE,
	[IA32_MTRR_PHYSBASE0... IA32_MTRR_PHYSBASE0 + 2 * GUEST_MTRR_PAIRS - 1] = MTRR_VARIABLE,
	[IA32_MTRR_FIX64K] = MTRR_FIX64K,
	[IA32_MTRR_FIX16K... IA32_MTRR_FIX16K + 1] = MTRR_FIX16K,
	[IA32_MTRR_FIX4K... IA32_MTRR_FIX4K + 7] = MTRR_FIX4K,
	[IA32_MTRR_DEF_TYPE] = MTRR_DEF_TYPE,
};

static const struct guest_msr *msr_find(u32 msr)
{
	u8 place = msr < PLACES ? places[msr] : NONE;

	return place == NONE ? NULL : &table[place];
}

static size_t offset_of(const struct guest_msr *found, u32 msr)
{
	return found->offset + (msr - found->first) * sizeof(u64);
}

/*
 * What a guest writes to MTRRs is kept and has no effect: its RAM is RAM, and its devices are none
 * of the bus.
 */
void guest_msrs_reset(struct guest_msrs *msrs, u64 tsc_hz, u32 physical_bits)
{
	u64 ratio = MIN((tsc_hz + PLATFORM_BUS_HZ / 2) / PLATFORM_BUS_HZ, PLATFORM_RATIO_MAX);

	*msrs = (struct guest_msrs){
		.misc_enable = MISC_ENABLE_RESET,
		.platform_info = PLATFORM_RATIO(ratio),
		.physical_bits = physical_bits,
	};
}

/* With MTRRs off all memory is uncached (SDM vol. 3, 12.11.2.1), and Linux then does without the
 * PAT as well. */
void guest_msrs_after_firmware(struct guest_msrs *msrs)
{
	msrs->mtrr_def_type = MTRR_ON | MTRR_TYPE_WB;
}

int guest_msr_read(const struct guest_msrs *msrs, u32 msr, u64 *value)
{
	const struct guest_msr *found = msr_find(msr);

	if (!found)
		return -EINVAL;
	*value = found->stored
			 ? *(const u64 *)(const void *)((const u8 *)msrs + offset_of(found, msr))
			 : found->constant;
	return 0;
}

int guest_msr_write(struct guest_msrs *msrs, u32 msr, u64 value)
{
	const struct guest_msr *found = msr_find(msr);

	if (!found || !found->legal || !found->legal(msrs, msr, &value))
		return -EINVAL;
	if (found->stored)
		*(u64 *)(void *)((u8 *)msrs + offset_of(found, msr)) = value;
	return 0;
}
