/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells the guest of a partition: an allow list over what the CPUs of this machine
 * share, cut down to a level if one is wanted. Pure.
 */
#pragma once

#include "host_cpuid.h"

#include <bulkhead/config.h>
#include <bulkhead/types.h>

#define GUEST_CPUID_LEAVES     48
#define GUEST_CPUID_BASIC      0x17U /* leaves 0 to 16h */
#define GUEST_CPUID_EXTENDED   9U    /* 80000000h to 80000008h */
#define GUEST_CPUID_HYPERVISOR 0x11U /* 40000000h to 40000010h */
#define GUEST_CPUID_OWN	       0x40000100U
#define GUEST_CPUID_SIGNATURE  0x0fff3fffU /* of leaf 1, EAX: family, model and stepping */

/* What of a leaf depends on the vCPU or the moment. */
enum guest_cpuid_varies {
	GUEST_CPUID_FIXED,
	GUEST_CPUID_FEATURES,
	GUEST_CPUID_CACHE,
	GUEST_CPUID_TOPOLOGY,
	GUEST_CPUID_XSAVE,
};

struct guest_cpuid_leaf {
	struct cpuid value;
	enum guest_cpuid_varies varies;
};

/* Where in `leaves` a leaf is. */
struct guest_cpuid_place {
	u8 first;     /* 0, which is all zero, where there is no such leaf */
	u8 subleaves; /* so many are there one after the other; 0: ECX does not matter */
};

/* Built for each partition, and found by index alone, as guests ask often. */
struct guest_cpuid {
	struct guest_cpuid_place basic[GUEST_CPUID_BASIC];
	struct guest_cpuid_place extended[GUEST_CPUID_EXTENDED];
	struct guest_cpuid_place hypervisor[GUEST_CPUID_HYPERVISOR], own;
	struct guest_cpuid_leaf leaves[GUEST_CPUID_LEAVES];
	u32 count;

	/* What follows from them, for whoever virtualises registers. */
	u64 cr4_allowed; /* bits that a guest may set */
	u64 efer_allowed;
	u64 xcr0_allowed; /* 0: no XSAVE */
	u32 xsave_bytes;  /* area for all of xcr0_allowed */
	bool rdtscp, invpcid, rdrand, rdseed, tsc_deadline, x2apic, tsc_adjust;
	bool kvm; /* KVM's leaves, MSRs and hypercalls are there */
	u32 physical_bits;
	u32 bus_divisor; /* TSC ticks per tick of the undivided APIC timer, as leaf 15h implies */
	u64 tsc_hz;
};

struct guest_cpuid_options {
	enum config_cpu cpu;
	bool kvm;
	bool eoi_exits; /* so a guest is let do without */
	u64 tsc_hz;
	/* Features that the virtualisation backend cannot give even if the CPU has them. */
	bool no_rdtscp, no_invpcid;
};

void guest_cpuid_build(struct guest_cpuid *policy, const struct guest_cpuid_options *options,
		       const struct host_cpuid *host);

/* Tell whether each vCPU has a CPU of its own, so that none ever waits for one. */
void guest_cpuid_dedicated(struct guest_cpuid *policy, bool dedicated);

/* Whether the CPU of the policy lacks something of the level; then what, in words. */
bool guest_cpuid_lacks(const struct guest_cpuid *policy, enum config_cpu cpu, char *text,
		       size_t bytes);

/* --- answering: guest_cpuid_query.c --- */

/* What differs from vCPU to vCPU and from moment to moment. */
struct guest_cpuid_vcpu {
	u32 apic_id;
	u32 vcpus;
	u64 cr4;
	u64 xcr0;
	bool apic_off; /* IA32_APIC_BASE.EN is 0 */
};

/* Outside all ranges a CPU answers as for the highest basic leaf (SDM vol. 2, CPUID). The
 * hypervisor's range is not the manual's; without a hypervisor it is outside. */
static inline const struct guest_cpuid_place *guest_cpuid_place(const struct guest_cpuid *policy,
								u32 leaf)
{
	if (leaf < GUEST_CPUID_BASIC)
		return &policy->basic[leaf];
	if (leaf - 0x80000000 < GUEST_CPUID_EXTENDED)
		return &policy->extended[leaf - 0x80000000];
	if (leaf >> 28 == 4 && policy->kvm) {
		static const struct guest_cpuid_place none;

		if (leaf - 0x40000000 < GUEST_CPUID_HYPERVISOR)
			return &policy->hypervisor[leaf - 0x40000000];
		return leaf == GUEST_CPUID_OWN ? &policy->own : &none;
	}
	return &policy->basic[GUEST_CPUID_BASIC - 1];
}

static inline const struct guest_cpuid_leaf *guest_cpuid_find(const struct guest_cpuid *policy,
							      u32 leaf, u32 subleaf)
{
	const struct guest_cpuid_place *place = guest_cpuid_place(policy, leaf);

	if (!place->subleaves)
		return &policy->leaves[place->first];
	return &policy->leaves[subleaf < place->subleaves ? place->first + subleaf : 0];
}

/* The answer of a leaf that is not GUEST_CPUID_FIXED. */
struct cpuid guest_cpuid_complete(const struct guest_cpuid *policy,
				  const struct guest_cpuid_leaf *leaf,
				  const struct guest_cpuid_vcpu *vcpu, u32 subleaf);

static inline struct cpuid guest_cpuid_query(const struct guest_cpuid *policy,
					     const struct guest_cpuid_vcpu *vcpu, u32 leaf,
					     u32 subleaf)
{
	const struct guest_cpuid_leaf *found = guest_cpuid_find(policy, leaf, subleaf);

	return found->varies ? guest_cpuid_complete(policy, found, vcpu, subleaf) : found->value;
}

/* Bytes of an XSAVE area in the standard format with the components of `xcr0`. */
u32 guest_cpuid_xsave_bytes(const struct guest_cpuid *policy, u64 xcr0);
