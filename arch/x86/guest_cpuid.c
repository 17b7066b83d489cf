/* SPDX-License-Identifier: MIT */
/*
 * CPUID for guests. What the table below does not pass or force reads as zero, so that a feature
 * that nobody has thought about is not there. Names and bit numbers: SDM vol. 2, CPUID.
 */
#include "guest_cpuid.h"

#include <bulkhead/cpu_state.h>

#define F(bit) (1U << (bit))
#define ALL    (~0U)

#define HIGHEST_BASIC	 0x15U /* nothing above it is offered */
#define FIRST_HYPERVISOR 0x40000000U
#define KVM_FEATURES	 0x40000001U
#define OWN_HYPERVISOR	 0x40000100U
#define LAST_HYPERVISOR	 0x4fffffffU
#define FIRST_EXTENDED	 0x80000000U
#define HIGHEST_EXTENDED 0x80000008U

#define CACHES_MAX 8

/* Leaf 1, ECX. */
#define SSE3	     F(0)
#define PCLMULQDQ    F(1)
#define SSSE3	     F(9)
#define FMA	     F(12)
#define CX16	     F(13)
#define PCID	     F(17)
#define SSE4_1	     F(19)
#define SSE4_2	     F(20)
#define X2APIC	     F(21)
#define MOVBE	     F(22)
#define POPCNT	     F(23)
#define TSC_DEADLINE F(24)
#define AESNI	     F(25)
#define XSAVE	     F(26)
#define OSXSAVE	     F(27)
#define AVX	     F(28)
#define F16C	     F(29)
#define RDRAND	     F(30)
#define HYPERVISOR   F(31)

/* Leaf 1, EDX. */
#define FPU   F(0)
#define VME   F(1)
#define DE    F(2)
#define PSE   F(3)
#define TSC   F(4)
#define MSR   F(5)
#define PAE   F(6)
#define MCE   F(7)
#define CX8   F(8)
#define APIC  F(9)
#define SEP   F(11)
#define MTRR  F(12)
#define PGE   F(13)
#define MCA   F(14)
#define CMOV  F(15)
#define PAT   F(16)
#define PSE36 F(17)
#define CLFSH F(19)
#define MMX   F(23)
#define FXSR  F(24)
#define SSE   F(25)
#define SSE2  F(26)
#define HTT   F(28)

/* Leaf 6, EAX. */
#define ARAT F(2)

/* Leaf 7, EBX. The two FPU bits tell of behaviour that is missing, not of a feature: hiding them
 * would promise what the CPU does not do. */
#define FSGSBASE	F(0)
#define TSC_ADJUST	F(1)
#define BMI1		F(3)
#define AVX2		F(5)
#define FDP_EXCPTN_ONLY F(6)
#define SMEP		F(7)
#define BMI2		F(8)
#define ERMS		F(9)
#define INVPCID		F(10)
#define ZERO_FCS_FDS	F(13)
#define RDSEED		F(18)
#define ADX		F(19)
#define SMAP		F(20)
#define CLFLUSHOPT	F(23)
#define CLWB		F(24)
#define SHA		F(29)
#define AVX512F		F(16)
#define AVX512DQ	F(17)
#define AVX512_IFMA	F(21)
#define AVX512_XEON_PHI (F(26) | F(27)) /* PF, ER */
#define AVX512CD	F(28)
#define AVX512_BW_VL	(F(30) | F(31))
#define AVX512_EBX	(AVX512F | AVX512DQ | AVX512_IFMA | AVX512_XEON_PHI | AVX512CD | AVX512_BW_VL)

/* Leaf 7, ECX: VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ. */
#define UMIP	   F(2)
#define GFNI	   F(8)
#define VAES	   F(9)
#define VPCLMUL	   F(10)
#define RDPID	   F(22)
#define AVX512_ECX (F(1) | F(6) | F(11) | F(12) | F(14))

/* Leaf 7, EDX: 4VNNIW, 4FMAPS, VP2INTERSECT, FP16. */
#define FSRM	   F(4)
#define AVX512_EDX (F(2) | F(3) | F(8) | F(23))

/* Leaf 0dh, subleaf 1, EAX. */
#define XSAVEOPT F(0)

/* Leaf 80000001h, ECX and EDX. */
#define LAHF	  F(0)
#define LZCNT	  F(5)
#define PREFETCHW F(8)
#define SYSCALL	  F(11)
#define NX	  F(20)
#define PAGE_1GB  F(26)
#define RDTSCP	  F(27)
#define LM	  F(29)

/* Leaf 80000007h, EDX. */
#define INVARIANT_TSC F(8)

/*
 * Leaf 40000001h, EAX (Linux: Documentation/virt/kvm/x86/cpuid.rst). No other bit: there are no
 * hypercalls, and guests have better clocks than KVM's. Systems that look for a KVM find this one
 * and use its record of stolen time; Linux also dares to use the x2APIC without interrupt remapping
 * only where it sees a hypervisor that it knows.
 */
#define KVM_STEAL_TIME F(5)

/* State components (SDM vol. 1, 13.1). */
#define XCR0_LEGACY  BITS(1, 0) /* x87, SSE */
#define XCR0_AVX     BIT(2)
#define XCR0_AVX512  BITS(7, 5)
#define XSAVE_HEADER 576U /* legacy region and header (SDM vol. 1, 13.4) */
#define XSAVE_MAX    8	  /* components 2 to 7 and subleaves 0 and 1 */

struct guest_cpuid guest_cpuid_policy;

struct rule {
	u32 leaf;
	struct cpuid pass;  /* bits as on the host */
	struct cpuid force; /* bits that are 1 whatever the host says */
};

/*
 * Forced is what Bulkhead itself provides: the APIC with its timer is virtual and never stops, so
 * is TSC_ADJUST; and Bulkhead does not run without an invariant TSC. Not here: what
 * guest_cpuid_query computes, and leaves 4, 0dh and 15h, made below.
 */
static const struct rule rules[] = {
	{
		.leaf = 0,
		.pass = {.ebx = ALL, .ecx = ALL, .edx = ALL},
		.force = {.eax = HIGHEST_BASIC},
	},
	{
		.leaf = 1,
		.pass =
			{
				.eax = 0x0fff3fff,
				.ebx = 0x0000ff00, /* CLFLUSH line size */
				.ecx = SSE3 | PCLMULQDQ | SSSE3 | FMA | CX16 | PCID | SSE4_1 |
				       SSE4_2 | MOVBE | POPCNT | AESNI | XSAVE | AVX | F16C |
				       RDRAND,
				.edx = FPU | VME | DE | PSE | TSC | MSR | PAE | MCE | CX8 | SEP |
				       MTRR | PGE | MCA | CMOV | PAT | PSE36 | CLFSH | MMX | FXSR |
				       SSE | SSE2,
			},
		.force = {.ecx = X2APIC | TSC_DEADLINE | HYPERVISOR, .edx = APIC},
	},
	{.leaf = 2, .pass = {ALL, ALL, ALL, ALL}},
	{.leaf = 6, .force = {.eax = ARAT}},
	{
		.leaf = 7,
		.pass =
			{
				.ebx = FSGSBASE | BMI1 | AVX2 | FDP_EXCPTN_ONLY | SMEP | BMI2 |
				       ERMS | INVPCID | ZERO_FCS_FDS | RDSEED | ADX | SMAP |
				       CLFLUSHOPT | CLWB | SHA | AVX512_EBX,
				.ecx = UMIP | GFNI | VAES | VPCLMUL | RDPID | AVX512_ECX,
				.edx = FSRM | AVX512_EDX,
			},
		.force = {.ebx = TSC_ADJUST},
	},
	{
		.leaf = FIRST_HYPERVISOR,
		.force = {KVM_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d}, /* "KVMKVMKVM" */
	},
	{.leaf = KVM_FEATURES, .force = {.eax = KVM_STEAL_TIME}},
	{
		.leaf = OWN_HYPERVISOR,
		.force = {OWN_HYPERVISOR, 0x6b6c7542, 0x64616568, 0x20202020}, /* "Bulkhead    " */
	},
	{.leaf = FIRST_EXTENDED, .force = {.eax = HIGHEST_EXTENDED}},
	{
		.leaf = 0x80000001,
		.pass = {.ecx = LAHF | LZCNT | PREFETCHW,
			 .edx = SYSCALL | NX | PAGE_1GB | RDTSCP | LM},
	},
	{.leaf = 0x80000002, .pass = {ALL, ALL, ALL, ALL}},
	{.leaf = 0x80000003, .pass = {ALL, ALL, ALL, ALL}},
	{.leaf = 0x80000004, .pass = {ALL, ALL, ALL, ALL}},
	{.leaf = 0x80000006, .pass = {.ecx = 0xfffff0ff}},
	{.leaf = 0x80000007, .force = {.edx = INVARIANT_TSC}},
	{.leaf = 0x80000008, .pass = {.eax = 0x0000ffff}},
};

_Static_assert(ARRAY_SIZE(rules) + CACHES_MAX + XSAVE_MAX + 1 <= GUEST_CPUID_LEAVES_MAX,
	       "room for every leaf");

/* The host's CPUID, but zero where the CPU would answer for another leaf. */
struct host {
	struct cpuid (*read)(void *context, u32 leaf, u32 subleaf);
	void *context;
	u32 highest_basic, highest_extended;
};

static struct cpuid host_leaf(const struct host *host, u32 leaf, u32 subleaf)
{
	u32 highest = leaf < FIRST_EXTENDED ? host->highest_basic : host->highest_extended;

	if (leaf > highest)
		return (struct cpuid){0};
	return host->read(host->context, leaf, subleaf);
}

static void leaf_add(struct guest_cpuid *policy, u32 leaf, u32 subleaf, struct cpuid value)
{
	policy->leaves[policy->count++] = (struct guest_cpuid_leaf){leaf, subleaf, value};
}

static const struct guest_cpuid_leaf *leaf_find(const struct guest_cpuid *policy, u32 leaf,
						u32 subleaf)
{
	for (u32 i = 0; i < policy->count; i++)
		if (policy->leaves[i].leaf == leaf && policy->leaves[i].subleaf == subleaf)
			return &policy->leaves[i];
	return NULL;
}

/* Of a leaf that a rule has made. */
static struct cpuid *leaf_value(struct guest_cpuid *policy, u32 leaf)
{
	u32 i = 0;

	while (policy->leaves[i].leaf != leaf)
		i++;
	return &policy->leaves[i].value;
}

static void rule_apply(struct guest_cpuid *policy, const struct host *host, const struct rule *rule)
{
	const struct cpuid *pass = &rule->pass, *force = &rule->force;
	struct cpuid value = host_leaf(host, rule->leaf, 0);

	leaf_add(policy, rule->leaf, 0,
		 (struct cpuid){
			 (value.eax & pass->eax) | force->eax,
			 (value.ebx & pass->ebx) | force->ebx,
			 (value.ecx & pass->ecx) | force->ecx,
			 (value.edx & pass->edx) | force->edx,
		 });
}

static void drop_what_backend_lacks(struct guest_cpuid *policy,
				    const struct guest_cpuid_options *options)
{
	struct cpuid *leaf7 = leaf_value(policy, 7);
	struct cpuid *extended = leaf_value(policy, 0x80000001);

	if (options->no_rdtscp)
		extended->edx &= ~RDTSCP;
	/* VT-x allows RDPID with the control that allows RDTSCP (SDM vol. 3, 26.3). */
	if (!(extended->edx & RDTSCP))
		leaf7->ecx &= ~RDPID;
	if (options->no_invpcid)
		leaf7->ebx &= ~INVPCID;
}

static u64 xcr0_choose(struct guest_cpuid *policy, const struct host *host)
{
	const struct cpuid *leaf1 = leaf_value(policy, 1);
	u64 states = host_leaf(host, 0xd, 0).eax;
	u64 allowed = XCR0_LEGACY;

	if (!(leaf1->ecx & XSAVE) || (states & XCR0_LEGACY) != XCR0_LEGACY)
		return 0;
	if (leaf1->ecx & AVX && states & XCR0_AVX) {
		allowed |= XCR0_AVX;
		if (leaf_value(policy, 7)->ebx & AVX512F && (states & XCR0_AVX512) == XCR0_AVX512)
			allowed |= XCR0_AVX512;
	}
	return allowed;
}

/* Instructions whose registers cannot be switched on are not there. */
static void drop_what_xcr0_lacks(struct guest_cpuid *policy)
{
	struct cpuid *leaf1 = leaf_value(policy, 1);
	struct cpuid *leaf7 = leaf_value(policy, 7);

	if (!policy->xcr0_allowed)
		leaf1->ecx &= ~XSAVE;
	if (!(policy->xcr0_allowed & XCR0_AVX)) {
		leaf1->ecx &= ~(AVX | FMA | F16C);
		leaf7->ebx &= ~AVX2;
		leaf7->ecx &= ~(VAES | VPCLMUL);
	}
	if (!(policy->xcr0_allowed & XCR0_AVX512)) {
		leaf7->ebx &= ~AVX512_EBX;
		leaf7->ecx &= ~AVX512_ECX;
		leaf7->edx &= ~AVX512_EDX;
	}
}

/* Bytes of an XSAVE area in the standard format with the components of `xcr0` (SDM vol. 1, 13.4.3).
 */
static u32 xsave_area_bytes(const struct guest_cpuid *policy, u64 xcr0)
{
	u32 bytes = XSAVE_HEADER;

	for (u32 i = 0; i < policy->count; i++) {
		const struct guest_cpuid_leaf *leaf = &policy->leaves[i];

		if (leaf->leaf == 0xd && leaf->subleaf >= 2 && xcr0 & BIT(leaf->subleaf))
			bytes = MAX(bytes, leaf->value.ebx + leaf->value.eax);
	}
	return bytes;
}

/*
 * Leaf 0dh. Without XSAVEC and XSAVES there is no compacted format, so that subleaf 1 has no size
 * and the components have no flags in ECX.
 */
static void xsave_build(struct guest_cpuid *policy, const struct host *host)
{
	u64 allowed = xcr0_choose(policy, host);
	struct cpuid value;

	policy->xcr0_allowed = allowed;
	if (!allowed)
		return;
	for (u32 i = 2; i < XSAVE_MAX; i++) {
		if (!(allowed & BIT(i)))
			continue;
		value = host_leaf(host, 0xd, i);
		leaf_add(policy, 0xd, i, (struct cpuid){.eax = value.eax, .ebx = value.ebx});
	}
	policy->xsave_bytes = xsave_area_bytes(policy, allowed);
	leaf_add(policy, 0xd, 0, (struct cpuid){.eax = (u32)allowed, .ecx = policy->xsave_bytes});
	leaf_add(policy, 0xd, 1, (struct cpuid){.eax = host_leaf(host, 0xd, 1).eax & XSAVEOPT});
}

/* Leaf 4 without the counts of sharers and cores, which depend on the partition. */
static void caches_build(struct guest_cpuid *policy, const struct host *host)
{
	for (u32 i = 0; i < CACHES_MAX; i++) {
		struct cpuid value = host_leaf(host, 4, i);

		if (!(value.eax & 0x1f))
			return;
		value.eax &= 0x3ff;
		value.edx &= 7;
		leaf_add(policy, 4, i, value);
	}
}

/*
 * Leaf 15h: TSC rate = ECX * EBX / EAX with ECX, the rate of the crystal and so of the APIC timer,
 * in 32 bits. EBX is 1 up to 4.29 GHz.
 */
static void clock_build(struct guest_cpuid *policy, u64 tsc_hz)
{
	u32 ratio = (u32)(tsc_hz >> 32) + 1;

	policy->bus_divisor = ratio;
	leaf_add(policy, 0x15, 0,
		 (struct cpuid){.eax = 1, .ebx = ratio, .ecx = (u32)(tsc_hz / ratio)});
}

/* 5-level paging is not offered, so there are 48 linear bits at most; 36 physical ones are what PAE
 * has where nothing is said (SDM vol. 3, 4.1.4). */
static void addresses_build(struct guest_cpuid *policy)
{
	struct cpuid *value = leaf_value(policy, 0x80000008);
	u32 physical = value->eax & 0xff, linear = value->eax >> 8;

	policy->physical_bits = physical ? MIN(physical, 52U) : 36;
	value->eax = MIN(linear, 48U) << 8 | policy->physical_bits;
}

static bool offers(const struct guest_cpuid *policy, u32 leaf, struct cpuid bits)
{
	const struct cpuid *value = &leaf_find(policy, leaf, 0)->value;

	return value->ebx & bits.ebx || value->ecx & bits.ecx || value->edx & bits.edx;
}

static u64 cr4_allowed(const struct guest_cpuid *policy)
{
	static const struct {
		u32 leaf;
		struct cpuid feature;
		u64 cr4;
	} bits[] = {
		{1, {.edx = VME}, CR4_VME | CR4_PVI},
		{1, {.edx = TSC}, CR4_TSD},
		{1, {.edx = DE}, CR4_DE},
		{1, {.edx = PSE}, CR4_PSE},
		{1, {.edx = PAE}, CR4_PAE},
		{1, {.edx = MCE}, CR4_MCE},
		{1, {.edx = PGE}, CR4_PGE},
		{1, {.edx = FXSR}, CR4_OSFXSR},
		{1, {.edx = SSE}, CR4_OSXMMEXCPT},
		{1, {.ecx = PCID}, CR4_PCIDE},
		{1, {.ecx = XSAVE}, CR4_OSXSAVE},
		{7, {.ebx = FSGSBASE}, CR4_FSGSBASE},
		{7, {.ebx = SMEP}, CR4_SMEP},
		{7, {.ebx = SMAP}, CR4_SMAP},
		{7, {.ecx = UMIP}, CR4_UMIP},
	};
	u64 allowed = CR4_PCE; /* belongs to RDPMC, which every CPU has, not to a feature */

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (offers(policy, bits[i].leaf, bits[i].feature))
			allowed |= bits[i].cr4;
	return allowed;
}

static u64 efer_allowed(u32 features)
{
	return (features & SYSCALL ? EFER_SCE : 0) | (features & LM ? EFER_LME | EFER_LMA : 0) |
	       (features & NX ? EFER_NXE : 0);
}

static void registers_build(struct guest_cpuid *policy)
{
	const struct cpuid *leaf1 = leaf_value(policy, 1);
	const struct cpuid *leaf7 = leaf_value(policy, 7);
	const struct cpuid *extended = leaf_value(policy, 0x80000001);

	policy->cr4_allowed = cr4_allowed(policy);
	policy->efer_allowed = efer_allowed(extended->edx);
	policy->rdtscp = extended->edx & RDTSCP;
	policy->tsc_deadline = leaf1->ecx & TSC_DEADLINE;
	policy->x2apic = leaf1->ecx & X2APIC;
	policy->invpcid = leaf7->ebx & INVPCID;
	policy->tsc_adjust = leaf7->ebx & TSC_ADJUST;
}

void guest_cpuid_build(struct guest_cpuid *policy, const struct guest_cpuid_options *options,
		       struct cpuid (*host)(void *context, u32 leaf, u32 subleaf), void *context)
{
	struct host machine = {
		.read = host,
		.context = context,
		.highest_basic = host(context, 0, 0).eax,
		.highest_extended = host(context, FIRST_EXTENDED, 0).eax,
	};

	*policy = (struct guest_cpuid){
		.highest_basic = HIGHEST_BASIC,
		.highest_extended = HIGHEST_EXTENDED,
	};
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rule_apply(policy, &machine, &rules[i]);
	drop_what_backend_lacks(policy, options);
	xsave_build(policy, &machine);
	drop_what_xcr0_lacks(policy);
	caches_build(policy, &machine);
	clock_build(policy, options->tsc_hz);
	addresses_build(policy);
	registers_build(policy);
}

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

	if (!(value->eax & 0x1f))
		return; /* no such cache */
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

/* A leaf above the maximum answers as the highest basic one (SDM vol. 2, CPUID); the hypervisor's
 * range is not the manual's. */
static u32 leaf_answering(const struct guest_cpuid *policy, u32 leaf)
{
	if (leaf >= FIRST_HYPERVISOR && leaf <= LAST_HYPERVISOR)
		return leaf;
	if (leaf > policy->highest_extended ||
	    (leaf > policy->highest_basic && leaf < FIRST_EXTENDED))
		return policy->highest_basic;
	return leaf;
}

static bool leaf_has_subleaves(u32 leaf)
{
	return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

struct cpuid guest_cpuid_query(const struct guest_cpuid *policy,
			       const struct guest_cpuid_vcpu *vcpu, u32 leaf, u32 subleaf)
{
	const struct guest_cpuid_leaf *found;
	struct cpuid value = {0};

	leaf = leaf_answering(policy, leaf);
	if (!leaf_has_subleaves(leaf))
		subleaf = 0;
	found = leaf_find(policy, leaf, subleaf);
	if (found)
		value = found->value;
	if (leaf == 1)
		features_complete(policy, vcpu, &value);
	else if (leaf == 4)
		cache_complete(vcpu, &value);
	else if (leaf == 0xb)
		value = topology(vcpu, subleaf);
	else if (leaf == 0xd && subleaf == 0 && policy->xcr0_allowed)
		value.ebx = xsave_area_bytes(policy, vcpu->xcr0);
	return value;
}
