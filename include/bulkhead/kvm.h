/* SPDX-License-Identifier: MIT */
/*
 * The dialect of KVM that stock systems speak: MSRs and hypercalls of a vCPU (Linux:
 * Documentation/virt/kvm/x86/msr.rst and hypercalls.rst). The architecture asks for a partition
 * with `hypervisor_leaves = kvm`, on the vCPU's CPU while it is not in guest mode; for any other
 * there is none of it. What the guest is promised in CPUID is in arch/x86/guest_cpuid.c.
 */
#pragma once

#include <bulkhead/steal_time.h>
#include <bulkhead/types.h>

struct vcpu;

/* The vCPU's, owned as it is. All addresses are the guest's, and were RAM when it wrote them. */
struct kvm_state {
	bool offered; /* the guest finds all this; otherwise nothing of it */
	/* Hypercalls below this number do not exist, and all that is left to say is so. 0 if not
	 * even the instruction does. */
	u32 calls_from;
	struct steal_time steal;
	u64 clock;	/* address of its record, KVM_ON */
	u64 wall_clock; /* where the time of day was written last */
	u64 poll;	/* it would like to be polled for: nobody does here */
	u64 eoi;	/* address of a word, KVM_ON */
	/* Bit 0 of that word was set: the guest ends the interrupt in service by clearing it. */
	bool eoi_offered;
	bool kicked; /* atomic; by any CPU: it is not to halt, or not any longer */
};

#define KVM_ON BIT(0)

#define KVM_MSR_FIRST 0x4b564d00U
#define KVM_MSR_LAST  0x4b564dffU
/* KVM's first clock, of which only the end is known here. */
#define KVM_MSR_OLD_CLOCK 0x12U

/* Of those from FIRST to LAST, and OLD_CLOCK. Negative: the guest gets #GP. */
int kvm_msr_read(const struct vcpu *vcpu, u32 msr, u64 *value) must_check;
int kvm_msr_write(struct vcpu *vcpu, u32 msr, u64 value) must_check;

struct kvm_call {
	u64 number;
	u64 arguments[4];
	bool wide;	 /* from 64-bit code: registers have 64 bits */
	bool privileged; /* from CPL 0 */
};

#define KVM_CALL_KICK	  5
#define KVM_CALL_SEND_IPI 10

/* What the guest finds as the result. */
u64 kvm_hypercall(struct vcpu *vcpu, const struct kvm_call *call);

#define KVM_RESULT_PERM	 1 /* results of errors, negative */
#define KVM_RESULT_INVAL 22
#define KVM_RESULT_NOSYS 1000

/* The same, of a call that does not exist. */
static inline u64 kvm_call_unknown(bool privileged)
{
	return (u64)(privileged ? -KVM_RESULT_NOSYS : -KVM_RESULT_PERM);
}

/* Power-up: all of it off. What was counted of stolen time stays counted. */
void kvm_reset(struct vcpu *vcpu);

/* The vCPU's TSC jumped. */
void kvm_tsc_moved(struct vcpu *vcpu);

/* Before the vCPU runs, and when it has done so for now. */
void kvm_before_run(struct vcpu *vcpu);
void kvm_after_run(struct vcpu *vcpu);

/* Where every EOI exits: let the guest end the interrupt in service without that, or not any
 * longer. */
void kvm_eoi_offer(struct vcpu *vcpu, bool offer);
/* Carry out an EOI that it has signalled so: see vcpu_take_eoi. */
void kvm_eoi_take(struct vcpu *vcpu);

/* Any CPU: wake it from a halt, also from one that it is about to begin. */
void kvm_kick(struct vcpu *vcpu);
