/* SPDX-License-Identifier: MIT */
/*
 * KVM's clock: records in a guest's memory from which it computes its time out of its TSC (Linux:
 * Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW and MSR_KVM_WALL_CLOCK_NEW). Pure.
 *
 * All vCPUs of a partition are given the same function of the TSC, so that no two of them ever
 * differ, and as a guest's TSC stands still in a pause, so does this clock.
 */
#pragma once

#include <bulkhead/guest_memory.h>
#include <bulkhead/types.h>

#define KVM_CLOCK_STABLE BIT(0) /* of `flags`: the times of different vCPUs can be compared */

/* Time in ns = ns + ((TSC - tsc) << shift) * multiplier / 2^32; a negative shift is to the right.
 */
struct kvm_clock_record {
	u32 version; /* odd while the record changes */
	u32 zero;
	u64 tsc;
	u64 ns;
	u32 multiplier;
	signed char shift;
	u8 flags;
	u8 rest[2];
};

struct kvm_wall_clock_record {
	u32 version;
	u32 seconds, ns; /* since 1970, UTC, when the clock was 0 */
};

/* Of a TSC of `hz`, at least 1 and below 2^62: the multiplier is 2^31 or more. */
void kvm_clock_rate(u64 hz, u32 *multiplier, signed char *shift);

/* The clock began when the guest's TSC was, or would have been, `tsc_at_zero`. Nothing happens
 * where there is no RAM at `gpa` for the whole record. */
void kvm_clock_write(const struct guest_memory *memory, u64 gpa, u64 tsc_at_zero, u64 hz);
void kvm_wall_clock_write(const struct guest_memory *memory, u64 gpa, u64 unix_ns_at_zero);
