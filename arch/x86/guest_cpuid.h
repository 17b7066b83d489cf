/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells guests: an allow list over what the CPUs of this machine share. Pure: CPUID
 * of the host comes from a callback.
 */
#pragma once

#include "instructions.h"

#include <bulkhead/types.h>

#define GUEST_CPUID_LEAVES_MAX 64

struct guest_cpuid_leaf {
	u32 leaf, subleaf;
	struct cpuid value;
};

/* The answers that are the same for every vCPU, built once. */
struct guest_cpuid {
	struct guest_cpuid_leaf leaves[GUEST_CPUID_LEAVES_MAX];
	u32 count;
	u32 highest_basic, highest_extended;

	/* What follows from them, for whoever virtualises registers. */
	u64 cr4_allowed; /* bits that a guest may set */
	u64 efer_allowed;
	u64 xcr0_allowed; /* 0: no XSAVE */
	u32 xsave_bytes;  /* area for all of xcr0_allowed */
	bool rdtscp, tsc_deadline, x2apic, invpcid, tsc_adjust;
	u32 physical_bits;
	u32 bus_divisor; /* TSC ticks per tick of the undivided APIC timer, as leaf 15h implies */
};

struct guest_cpuid_options {
	u64 tsc_hz;
	/* Features that the virtualisation backend cannot give even if the CPU has them. */
	bool no_rdtscp, no_invpcid;
};

void guest_cpuid_build(struct guest_cpuid *policy, const struct guest_cpuid_options *options,
		       struct cpuid (*host)(void *context, u32 leaf, u32 subleaf), void *context);

/* What differs from vCPU to vCPU and from moment to moment. */
struct guest_cpuid_vcpu {
	u32 apic_id;
	u32 vcpus;
	u64 cr4;
	u64 xcr0;
	bool apic_off; /* IA32_APIC_BASE.EN is 0 */
};

struct cpuid guest_cpuid_query(const struct guest_cpuid *policy,
			       const struct guest_cpuid_vcpu *vcpu, u32 leaf, u32 subleaf);

extern struct guest_cpuid guest_cpuid_policy; /* this machine's */
