/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told of the time that it wanted to run in and could not: a record in its memory
 * in KVM's format, which stock systems read (Linux: Documentation/virt/kvm/x86/msr.rst,
 * MSR_KVM_STEAL_TIME). Where it is, the guest says in an MSR of its vCPU. Pure. For the CPU that
 * the vCPU belongs to, while it is not in guest mode.
 */
#pragma once

#include <bulkhead/guest_memory.h>
#include <bulkhead/types.h>

#define STEAL_TIME_ON	    BIT(0)
#define STEAL_TIME_RESERVED BITS(5, 1)

/* KVM_VCPU_PREEMPTED and KVM_VCPU_FLUSH_TLB: who finds the first need not wait for the vCPU, and
 * who adds the second need not interrupt it to have its translations forgotten. */
#define STEAL_TIME_PREEMPTED BIT(0)
#define STEAL_TIME_FLUSH     BIT(1)

/* All zero: off. */
struct steal_time {
	u64 control; /* the MSR: 63:6 address of the record, STEAL_TIME_ON */
	u64 counted; /* TSC ticks up to which the record counts, or would */
	bool away;   /* the record says that the vCPU does not run */
};

/* In the guest's memory. */
struct steal_time_record {
	u64 steal_ns;
	u32 version;  /* odd while the record changes */
	u32 flags;    /* 0 */
	u8 preempted; /* STEAL_TIME_PREEMPTED, and what another vCPU adds to it; 0 while it runs */
	u8 rest[47];
};

/* The guest writes the MSR. -EINVAL: it gets #GP, as a reserved bit is set, or the record would not
 * be in RAM as a whole. */
int steal_time_write(struct steal_time *steal, const struct guest_memory *memory,
		     u64 value) must_check;

/* Before the vCPU runs again: it has waited `waited` TSC ticks for a CPU since it was created. How
 * many of them the guest is to be told with steal_time_add; what was before it switched the record
 * on does not count. */
static inline u64 steal_time_take(struct steal_time *steal, u64 waited)
{
	u64 more = waited - steal->counted;

	steal->counted = waited;
	return steal->control & STEAL_TIME_ON ? more : 0;
}

/* With the partition's memory in sight, as the next two. */
void steal_time_add(const struct steal_time *steal, const struct guest_memory *memory, u64 ticks,
		    u64 tsc_hz);

/* The vCPU will not run for now. */
void steal_time_preempt(struct steal_time *steal, const struct guest_memory *memory);
/* Before it runs again, if it is `away`: whether its translations must be forgotten first. */
bool steal_time_return(struct steal_time *steal, const struct guest_memory *memory) must_check;
