/* SPDX-License-Identifier: MIT */
/* What of CPUID's answers depends on the vCPU that asks, and on when it does (SDM vol. 2, CPUID).
 */
#include "guest_cpuid.h"

#include "cpu_features.h"

#include <bulkhead/cpu_state.h>

#define XSAVE_HEADER 576U /* legacy region and header (SDM vol. 1, 13.4) */

/* How many low bits of an APIC id tell the vCPUs of a partition apart. */
static u32 topology_bits(const struct guest_cpuid_vcpu *vcpu)
{
	u32 bits = 0;

	while (bits < 31 && 1U << bits < vcpu->vcpus)
		bits++;
	return bits;
}

/*
 * EBX[23:16] counts APIC ids that are set aside for the package, present or not: a power of two
 * goes with leaf 4 in every way in which software combines the two (SDM vol. 3, 9.9.5).
 */
static void features_complete(const struct guest_cpuid *policy, const struct guest_cpuid_vcpu *vcpu,
			      struct cpuid *value)
{
	if (vcpu->apic_off)
		value->edx &= ~APIC;
	value->ebx |= vcpu->apic_id << 24 | MIN(1U << topology_bits(vcpu), 255U) << 16;
	if (policy->xcr0_allowed && vcpu->cr4 & CR4_OSXSAVE)
		value->ecx |= OSXSAVE;
	if (vcpu->vcpus > 1)
		value->edx |= HTT;
}

/* Every vCPU is a core with its own L1 and L2 cache; further levels are the package's. */
static void cache_complete(const struct guest_cpuid_vcpu *vcpu, struct cpuid *value)
{
	u32 ids = (1U << topology_bits(vcpu)) - 1;
	u32 level = value->eax >> 5 & 7;

	value->eax |= MIN(ids, 0x3fU) << 26;
	if (level >= 3)
		value->eax |= MIN(ids, 0xfffU) << 14;
}

/* Leaf 0bh: one thread a core, one package. Never the host's, which is about other CPUs than the
 * guest's. */
static struct cpuid topology(const struct guest_cpuid_vcpu *vcpu, u32 subleaf)
{
	struct cpuid value = {.ecx = subleaf & 0xff, .edx = vcpu->apic_id};

	if (subleaf == 0) {
		value.ebx = 1;
		value.ecx |= 1 << 8; /* SMT */
	} else if (subleaf == 1) {
		value.eax = topology_bits(vcpu);
		value.ebx = MAX(vcpu->vcpus, 1U) & 0xffff;
		value.ecx |= 2 << 8; /* core */
	}
	return value;
}

u32 guest_cpuid_xsave_bytes(const struct guest_cpuid *policy, u64 xcr0)
{
	const struct guest_cpuid_place *place = &policy->basic[0xd];
	u32 bytes = XSAVE_HEADER;

	for (u32 i = 2; i < place->subleaves; i++) {
		const struct cpuid *component = &policy->leaves[place->first + i].value;

		if (xcr0 & BIT(i))
			bytes = MAX(bytes, component->ebx + component->eax);
	}
	return bytes;
}

struct cpuid guest_cpuid_complete(const struct guest_cpuid *policy,
				  const struct guest_cpuid_leaf *leaf,
				  const struct guest_cpuid_vcpu *vcpu, u32 subleaf)
{
	struct cpuid value = leaf->value;

	switch (leaf->varies) {
	case GUEST_CPUID_FEATURES:
		features_complete(policy, vcpu, &value);
		break;
	case GUEST_CPUID_CACHE:
		cache_complete(vcpu, &value);
		break;
	case GUEST_CPUID_TOPOLOGY:
		return topology(vcpu, subleaf);
	case GUEST_CPUID_XSAVE:
		value.ebx = guest_cpuid_xsave_bytes(policy, vcpu->xcr0);
		break;
	case GUEST_CPUID_FIXED:
		break;
	}
	return value;
}
