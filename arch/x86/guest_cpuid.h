/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells the guest of a partition: an allow list over what the CPUs of this machine
 * share, cut down to a level if one is wanted. Pure.
 */
#pragma once

#include "cpu_features.h"
#include "host_cpuid.h"

#include <bulkhead/config.h>
#include <bulkhead/cpu_state.h>
#include <bulkhead/types.h>
#include <bulkhead/vlapic.h>

#define GUEST_CPUID_ANSWERS    48
#define GUEST_CPUID_BASIC      0x17U /* leaves 0 to 16h */
#define GUEST_CPUID_EXTENDED   9U    /* 80000000h to 80000008h */
#define GUEST_CPUID_HYPERVISOR 0x11U /* 40000000h to 40000010h */
#define GUEST_CPUID_OWN	       0x40000100U
#define GUEST_CPUID_SIGNATURE  0x0fff3fffU /* of leaf 1, EAX: family, model and stepping */

/* State components (SDM vol. 1, 13.1). */
#define XCR0_LEGACY BITS(1, 0) /* x87, SSE */
#define XCR0_AVX    BIT(2)
#define XCR0_AVX512 BITS(7, 5)

/* What of a leaf depends on ECX, on the vCPU or on the moment. */
enum guest_cpuid_varies {
	GUEST_CPUID_FIXED,
	GUEST_CPUID_FEATURES, /* leaf 1: APIC and OSXSAVE */
	GUEST_CPUID_SUBLEAVES,
	GUEST_CPUID_TOPOLOGY, /* leaf 0bh: subleaves, and APIC id */
	GUEST_CPUID_XSAVE,    /* leaf 0dh: subleaves, and XCR0 */
};

/* Where in `answers` a leaf is. The word, in order of `varies`, tells which kind it is, and of a
 * fixed leaf it is `first` alone. */
union guest_cpuid_place {
	struct {
		u16 first;    /* in bytes; 0, which is all zero, where there is no such leaf */
		u8 subleaves; /* so many are there one after the other, if ECX matters; all others
				 are 0 */
		u8 varies;    /* enum guest_cpuid_varies */
	};
	u32 word;
};

#define GUEST_CPUID_FIXED_END	 ((u32)(GUEST_CPUID_FIXED + 1) << 24)
#define GUEST_CPUID_FEATURES_END ((u32)(GUEST_CPUID_FEATURES + 1) << 24)

/* The first leaves of each quarter of all numbers have a place each: those from 0, 40000000h,
 * 80000000h and c0000000h in turn. Behind them are GUEST_CPUID_OWN's and that of leaves that are
 * not there. */
#define GUEST_CPUID_TABLE  (4 * GUEST_CPUID_BASIC)
#define GUEST_CPUID_PLACES (GUEST_CPUID_TABLE + 2)

/* Built for each partition, and found by index alone, as guests ask often. */
struct guest_cpuid {
	struct cpuid answers[GUEST_CPUID_ANSWERS];
	union guest_cpuid_place places[GUEST_CPUID_PLACES];
	u32 count;
	/* Leaf 0dh, EBX: with neither AVX nor AVX-512 in XCR0, with AVX, with both. */
	u32 xsave_sizes[3];

	/* What follows from them, for whoever virtualises registers. */
	u64 cr4_allowed; /* bits that a guest may set */
	u64 efer_allowed;
	u64 xcr0_allowed; /* 0: no XSAVE */
	u32 xsave_bytes;  /* area for all of xcr0_allowed */
	bool rdtscp, invpcid, rdrand, rdseed, tsc_deadline, x2apic, tsc_adjust;
	bool kvm; /* KVM's leaves are there */
	u32 physical_bits;
	u32 bus_divisor; /* TSC ticks per tick of the undivided APIC timer, as leaf 15h implies */
	u64 tsc_hz;
};

struct guest_cpuid_options {
	enum config_cpu cpu;
	bool kvm;
	bool eoi_exits; /* so a guest is let do without */
	u32 vcpus;
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

/* --- answering --- */

/* What differs from vCPU to vCPU and from moment to moment, read only where it matters. */
struct guest_cpuid_vcpu {
	const struct vlapic *apic;
	u64 (*cr4)(void);
	u64 (*xcr0)(void);
};

/*
 * Which place is a leaf's. Outside all ranges a CPU answers as for the highest basic leaf (SDM vol.
 * 2, CPUID). The hypervisor's range is not the manual's; without a hypervisor it is outside.
 */
inlined u32 guest_cpuid_index(const struct guest_cpuid *policy, u32 leaf)
{
	u32 index = leaf << 2 | leaf >> 30;

	if (likely(index < GUEST_CPUID_TABLE))
		return index;
	if (leaf >> 28 != 4 || !policy->kvm)
		return (GUEST_CPUID_BASIC - 1) << 2;
	return leaf == GUEST_CPUID_OWN ? GUEST_CPUID_TABLE : GUEST_CPUID_TABLE + 1;
}

inlined const struct cpuid *guest_cpuid_answer(const struct guest_cpuid *policy, u32 first)
{
	return (const struct cpuid *)((const u8 *)policy->answers + first);
}

/* AVX-512 comes with AVX only. */
inlined u32 guest_cpuid_xsave_size(const struct guest_cpuid *policy, u64 xcr0)
{
	return policy->xsave_sizes[(xcr0 & XCR0_AVX ? 1 : 0) + (xcr0 & XCR0_AVX512 ? 1 : 0)];
}

inlined void guest_cpuid_give(u64 *restrict gpr, const struct cpuid *answer)
{
	gpr[GPR_RAX] = answer->eax;
	gpr[GPR_RBX] = answer->ebx;
	gpr[GPR_RCX] = answer->ecx;
	gpr[GPR_RDX] = answer->edx;
}

/*
 * Both bits are set in the answer, as nearly always, where there can be any: CR4.OSXSAVE cannot be
 * set where it is not offered (cr4_allowed).
 */
inlined void guest_cpuid_features(const struct guest_cpuid_vcpu *vcpu, const struct cpuid *answer,
				  u64 *restrict gpr)
{
	u64 cr4 = vcpu->cr4();

	guest_cpuid_give(gpr, answer);
	gpr[GPR_RBX] |= vcpu->apic->id << 24;
	if (likely(cr4 & CR4_OSXSAVE && vlapic_enabled(vcpu->apic)))
		return;
	if (!(cr4 & CR4_OSXSAVE))
		gpr[GPR_RCX] &= ~(u64)OSXSAVE;
	if (!vlapic_enabled(vcpu->apic))
		gpr[GPR_RDX] &= ~(u64)APIC;
}

inlined void guest_cpuid_subleaf(const struct guest_cpuid *policy,
				 const struct guest_cpuid_vcpu *vcpu, union guest_cpuid_place place,
				 u64 *restrict gpr)
{
	u32 subleaf = (u32)gpr[GPR_RCX];

	guest_cpuid_give(gpr, subleaf < place.subleaves
				      ? guest_cpuid_answer(policy, place.first) + subleaf
				      : policy->answers);
	if (likely(place.varies == GUEST_CPUID_SUBLEAVES))
		return;
	if (place.varies == GUEST_CPUID_TOPOLOGY) {
		gpr[GPR_RCX] |= subleaf & 0xff;
		gpr[GPR_RDX] = vcpu->apic->id;
	} else if (subleaf == 0) {
		gpr[GPR_RBX] = guest_cpuid_xsave_size(policy, vcpu->xcr0());
	}
}

/* CPUID on these general registers. Compiled into the exit, where it is all that there is to do. */
inlined void guest_cpuid_execute(const struct guest_cpuid *policy,
				 const struct guest_cpuid_vcpu *vcpu, u64 *restrict gpr)
{
	const union guest_cpuid_place place =
		policy->places[guest_cpuid_index(policy, (u32)gpr[GPR_RAX])];

	if (likely(place.word < GUEST_CPUID_FIXED_END))
		guest_cpuid_give(gpr, guest_cpuid_answer(policy, place.word));
	else if (likely(place.word < GUEST_CPUID_FEATURES_END))
		guest_cpuid_features(vcpu, guest_cpuid_answer(policy, place.first), gpr);
	else
		guest_cpuid_subleaf(policy, vcpu, place, gpr);
}
