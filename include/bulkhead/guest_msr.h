/* SPDX-License-Identifier: MIT */
/*
 * MSRs of a guest that are neither in the CPU nor in the virtualisation backend's care, nor KVM's:
 * a table of those that exist, everything else gives #GP.
 */
#pragma once

#include <bulkhead/types.h>

#define GUEST_MTRR_PAIRS 8
#define GUEST_MTRR_FIXED 11

/* Per-vCPU values of the MSRs in the table. */
struct guest_msrs {
	u64 mtrr_def_type;
	u64 mtrr_variable[2 * GUEST_MTRR_PAIRS]; /* base, mask and so on */
	u64 mtrr_fixed[GUEST_MTRR_FIXED];
	u64 misc_enable;
	u64 mcg_status;
	u64 platform_info;
	u64 tsc_adjust; /* the backend's, which also moves the TSC */
	u32 physical_bits;
};

/* Power-up values, of a CPU whose TSC runs at `tsc_hz` and whose physical addresses have so many
 * bits. */
void guest_msrs_reset(struct guest_msrs *msrs, u64 tsc_hz, u32 physical_bits);
/* What firmware does next: MTRRs are on, and all memory is write-back. */
void guest_msrs_after_firmware(struct guest_msrs *msrs);
/* Negative: the guest gets #GP. */
int guest_msr_read(const struct guest_msrs *msrs, u32 msr, u64 *value) must_check;
int guest_msr_write(struct guest_msrs *msrs, u32 msr, u64 value) must_check;
