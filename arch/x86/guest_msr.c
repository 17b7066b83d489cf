/* SPDX-License-Identifier: MIT */
/*
 * The MSRs of a guest that are values and nothing else. Numbers and bits: SDM vol. 4; those of KVM:
 * Documentation/virt/kvm/x86/msr.rst of Linux.
 */
#include <bulkhead/guest_msr.h>

#include "instructions.h"

#include <bulkhead/error.h>

#define FEATURE_CONTROL_LOCKED BIT(0) /* and VMX off both inside and outside SMX */

/* A revision of the microcode that no check for a minimum calls too old. */
#define MICROCODE_NEWEST (0xffffffffUL << 32)

#define MTRR_TYPE_UC  0
#define MTRR_TYPE_WT  4
#define MTRR_TYPE_WP  5
#define MTRR_TYPE_WB  6
#define MTRR_TYPE     BITS(7, 0)
#define MTRR_FIXED_ON BIT(10)
#define MTRR_ON	      BIT(11)

#define MISC_FAST_STRINGS BIT(0)
#define MISC_PERFMON	  BIT(7)
#define MISC_BTS_ABSENT	  BIT(11)
#define MISC_PEBS_ABSENT  BIT(12)
#define MISC_ENABLE_RESET (MISC_FAST_STRINGS | MISC_BTS_ABSENT | MISC_PEBS_ABSENT)
#define MISC_ENABLE_FIXED (MISC_PERFMON | MISC_BTS_ABSENT | MISC_PEBS_ABSENT)

#define MCG_STATUS_DEFINED BITS(2, 0) /* RIPV, EIPV, MCIP; no local machine checks */

#define KVM_SYSTEM_TIME 0x12
#define KVM_STEAL_TIME	0x4b564d03

struct guest_msr {
	u32 msr;
	bool stored;					  /* its value is in struct guest_msrs */
	u16 offset;					  /* where in there */
	u64 constant;					  /* its value otherwise */
	int (*write)(struct guest_msrs *msrs, u64 value); /* NULL: read-only */
};

static int signature_write(struct guest_msrs *msrs, u64 value)
{
	(void)msrs;
	/* Software clears it and executes CPUID, which puts the revision there (SDM vol.
	 * 3, 10.11.7.1). */
	return value ? -EINVAL : 0;
}

static int tsc_adjust_write(struct guest_msrs *msrs, u64 value)
{
	msrs->tsc_adjust = value;
	return 0;
}

static int mtrr_def_type_write(struct guest_msrs *msrs, u64 value)
{
	if (value & ~(MTRR_TYPE | MTRR_FIXED_ON | MTRR_ON))
		return -EINVAL;
	switch (value & MTRR_TYPE) {
	case MTRR_TYPE_UC:
	case MTRR_TYPE_WT:
	case MTRR_TYPE_WP:
	case MTRR_TYPE_WB:
		msrs->mtrr_def_type = value;
		return 0;
	default: /* WC too: IA32_MTRRCAP does not offer it */
		return -EINVAL;
	}
}

/* Limiting CPUID and hiding XD would change what CPUID says, which is fixed; what else could be
 * switched here belongs to features that are not offered. */
static int misc_enable_write(struct guest_msrs *msrs, u64 value)
{
	if (value & ~(MISC_FAST_STRINGS | MISC_ENABLE_FIXED))
		return -EINVAL;
	msrs->misc_enable = (value & MISC_FAST_STRINGS) | (MISC_ENABLE_RESET & MISC_ENABLE_FIXED);
	return 0;
}

static int mcg_status_write(struct guest_msrs *msrs, u64 value)
{
	if (value & ~MCG_STATUS_DEFINED)
		return -EINVAL;
	msrs->mcg_status = value;
	return 0;
}

/* There is no such clock, so it is off and stays off. But Linux 5.13 to 6.7 switches it off when it
 * goes down, without a look at whether there is one, and complains at length of a fault. */
static int system_time_write(struct guest_msrs *msrs, u64 value)
{
	(void)msrs;
	return value ? -EINVAL : 0;
}

#define STORED(field) .stored = true, .offset = offsetof(struct guest_msrs, field)

static const struct guest_msr table[] = {
	{KVM_SYSTEM_TIME, .constant = 0, .write = system_time_write},
	{IA32_PLATFORM_ID, .constant = 0},
	{IA32_FEATURE_CONTROL, .constant = FEATURE_CONTROL_LOCKED},
	{IA32_TSC_ADJUST, STORED(tsc_adjust), .write = tsc_adjust_write},
	{IA32_BIOS_SIGN_ID, .constant = MICROCODE_NEWEST, .write = signature_write},
	{IA32_MTRRCAP, .constant = 0}, /* neither fixed nor variable ranges, no WC, no SMRR */
	{IA32_MCG_CAP, .constant = 0}, /* no banks */
	{IA32_MCG_STATUS, STORED(mcg_status), .write = mcg_status_write},
	{IA32_MISC_ENABLE, STORED(misc_enable), .write = misc_enable_write},
	{IA32_MTRR_DEF_TYPE, STORED(mtrr_def_type), .write = mtrr_def_type_write},
	{KVM_STEAL_TIME, STORED(steal.control)}, /* guest_msr_write writes it */
};

static const struct guest_msr *msr_find(u32 msr)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].msr == msr)
			return &table[i];
	return NULL;
}

/* MTRRs are on and make everything write-back, as firmware leaves them: with MTRRs off all memory
 * is uncached (SDM vol. 3, 12.11.2.1), and Linux then does without the PAT as well. */
void guest_msrs_reset(struct guest_msrs *msrs)
{
	*msrs = (struct guest_msrs){
		.mtrr_def_type = MTRR_ON | MTRR_TYPE_WB,
		.misc_enable = MISC_ENABLE_RESET,
		.steal.counted = msrs->steal.counted,
	};
}

int guest_msr_read(const struct guest_msrs *msrs, u32 msr, u64 *value)
{
	const struct guest_msr *found = msr_find(msr);

	if (!found)
		return -EINVAL;
	*value = found->stored ? *(const u64 *)(const void *)((const u8 *)msrs + found->offset)
			       : found->constant;
	return 0;
}

int guest_msr_write(struct guest_msrs *msrs, const struct guest_memory *memory, u32 msr, u64 value)
{
	const struct guest_msr *found = msr_find(msr);

	if (msr == KVM_STEAL_TIME)
		return steal_time_write(&msrs->steal, memory, value);
	return found && found->write ? found->write(msrs, value) : -EINVAL;
}
