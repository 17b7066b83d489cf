/* SPDX-License-Identifier: MIT */
/*
 * MSRs of a guest that are neither in the CPU nor in the virtualisation backend's care: a table of
 * those that exist, everything else gives #GP.
 */
#pragma once

#include <bulkhead/steal_time.h>
#include <bulkhead/types.h>

struct vcpu;

/* Per-vCPU values of the MSRs in the table that a guest can write. */
struct guest_msrs {
	u64 tsc_adjust;
	u64 mtrr_def_type;
	u64 misc_enable;
	u64 mcg_status;
	struct steal_time steal;
};

/* Power-up values. What was counted of stolen time stays counted. */
void guest_msrs_reset(struct guest_msrs *msrs);
/* Negative: the guest gets #GP. */
int guest_msr_read(const struct guest_msrs *msrs, u32 msr, u64 *value) must_check;
int guest_msr_write(struct guest_msrs *msrs, const struct guest_memory *memory, u32 msr,
		    u64 value) must_check;
