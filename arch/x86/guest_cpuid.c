/* SPDX-License-Identifier: MIT */
/*
 * CPUID for guests. What the table below does not pass or force reads as zero, so that a feature
 * that nobody has thought about is not there. Names and bit numbers: SDM vol. 2, CPUID.
 */
#include "guest_cpuid.h"

#include "cache_descriptors.h"

#include <bulkhead/cpu_level.h>
#include <bulkhead/cpu_state.h>

#define ALL (~0U)

#define HIGHEST_BASIC	 (GUEST_CPUID_BASIC - 1)
#define FIRST_HYPERVISOR 0x40000000U
#define KVM_FEATURES	 0x40000001U
#define HYPERVISOR_RATES 0x40000010U
#define FIRST_EXTENDED	 0x80000000U
#define HIGHEST_EXTENDED (FIRST_EXTENDED + GUEST_CPUID_EXTENDED - 1)

#define CACHES_MAX	8
#define TOPOLOGY_LEVELS 2

/* Leaf 40000001h, EAX and EDX (Linux: Documentation/virt/kvm/x86/cpuid.rst). */
#define KVM_NOP_IO_DELAY F(1) /* port 80h takes no time */
#define KVM_CLOCK	 F(3)
#define KVM_STEAL_TIME	 F(5)
#define KVM_EOI		 F(6)
#define KVM_UNHALT	 F(7) /* KICK_CPU */
#define KVM_TLB_FLUSH	 F(9)
#define KVM_SEND_IPI	 F(11)
#define KVM_POLL_CONTROL F(12)
#define KVM_CLOCK_STABLE F(24)
#define KVM_ALWAYS                                                                                 \
	(KVM_NOP_IO_DELAY | KVM_CLOCK | KVM_STEAL_TIME | KVM_UNHALT | KVM_TLB_FLUSH |              \
	 KVM_SEND_IPI | KVM_POLL_CONTROL | KVM_CLOCK_STABLE)
#define KVM_REALTIME F(0)

#define XSAVE_MAX    8	  /* subleaves 0 and 1, and components 2 to 7 */
#define XSAVE_HEADER 576U /* legacy region and header (SDM vol. 1, 13.4) */

struct rule {
	u32 leaf;
	struct cpuid pass;		/* bits as on the host */
	struct cpuid force;		/* bits that are 1 whatever the host says */
	enum guest_cpuid_varies varies; /* with subleaves: those from 1 on are empty */
};

/*
 * Forced is what Bulkhead itself provides: the APIC with its timer is virtual and never stops, so
 * is TSC_ADJUST; and Bulkhead does not run without an invariant TSC. Not here: what depends on the
 * number of vCPUs, and leaves 4, 0bh, 0dh and those of clocks, made below; and what depends on the
 * moment (guest_cpuid_execute).
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
				.eax = GUEST_CPUID_SIGNATURE,
				.ebx = 0x0000ff00, /* CLFLUSH line size */
				.ecx = SSE3 | PCLMULQDQ | SSSE3 | FMA | CX16 | PCID | SSE4_1 |
				       SSE4_2 | MOVBE | POPCNT | AESNI | XSAVE | AVX | F16C |
				       RDRAND,
				.edx = FPU | VME | DE | PSE | TSC | MSR | PAE | MCE | CX8 | SEP |
				       MTRR | PGE | MCA | CMOV | PAT | PSE36 | CLFSH | MMX | FXSR |
				       SSE | SSE2,
			},
		.force = {.ecx = X2APIC | TSC_DEADLINE, .edx = APIC},
		.varies = GUEST_CPUID_FEATURES,
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
		.varies = GUEST_CPUID_SUBLEAVES,
	},
	{
		.leaf = FIRST_HYPERVISOR,
		.force = {HYPERVISOR_RATES, 0x4b4d564b, 0x564b4d56, 0x4d}, /* "KVMKVMKVM" */
	},
	{.leaf = KVM_FEATURES, .force = {.eax = KVM_ALWAYS}},
	{
		.leaf = GUEST_CPUID_OWN,
		.force = {GUEST_CPUID_OWN, 0x6b6c7542, 0x64616568, 0x20202020}, /* "Bulkhead    " */
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

/* The first is what leaves have that are not there. */
_Static_assert(1 + ARRAY_SIZE(rules) + CACHES_MAX + TOPOLOGY_LEVELS + XSAVE_MAX + 3 <=
		       GUEST_CPUID_ANSWERS,
	       "room for every leaf");

static union guest_cpuid_place *place_of(struct guest_cpuid *policy, u32 leaf)
{
	return &policy->places[leaf == GUEST_CPUID_OWN ? GUEST_CPUID_TABLE
						       : guest_cpuid_index(policy, leaf)];
}

/* The next answer's, as in a place. */
static u16 next_first(const struct guest_cpuid *policy)
{
	return (u16)(policy->count * sizeof(struct cpuid));
}

static void leaf_add(struct guest_cpuid *policy, u32 leaf, struct cpuid answer)
{
	place_of(policy, leaf)->first = next_first(policy);
	policy->answers[policy->count++] = answer;
}

/* One more, behind those that the leaf has. */
static struct cpuid *subleaf_add(struct guest_cpuid *policy, u32 leaf,
				 enum guest_cpuid_varies varies, struct cpuid answer)
{
	union guest_cpuid_place *place = place_of(policy, leaf);

	place->varies = (u8)varies;
	if (!place->subleaves++)
		place->first = next_first(policy);
	policy->answers[policy->count] = answer;
	return &policy->answers[policy->count++];
}

/* Of a leaf that a rule has made. */
static struct cpuid *leaf_answer(struct guest_cpuid *policy, u32 leaf)
{
	return &policy->answers[place_of(policy, leaf)->first / sizeof(struct cpuid)];
}

/* Of a level nothing passes but what it has, and what tells that something is missing. */
static struct cpuid level_pass(enum config_cpu cpu, const struct rule *rule)
{
	struct cpuid pass = rule->pass;

	if (cpu == CONFIG_CPU_HOST)
		return pass;
	switch (rule->leaf) {
	case 1:
		pass.ecx &= cpu_level_mask(cpu, CPU_WORD_1_ECX);
		pass.edx &= cpu_level_mask(cpu, CPU_WORD_1_EDX);
		break;
	case 7:
		pass.ebx &= cpu_level_mask(cpu, CPU_WORD_7_EBX) | MISSING_FPU;
		pass.ecx = pass.edx = 0;
		break;
	case 0x80000001:
		pass.ecx &= cpu_level_mask(cpu, CPU_WORD_80000001_ECX);
		pass.edx &= cpu_level_mask(cpu, CPU_WORD_80000001_EDX);
		break;
	}
	return pass;
}

static void rule_apply(struct guest_cpuid *policy, enum config_cpu cpu,
		       const struct host_cpuid *host, const struct rule *rule)
{
	struct cpuid value = host_cpuid_leaf(host, rule->leaf, 0);
	struct cpuid pass = level_pass(cpu, rule), force = rule->force;

	leaf_add(policy, rule->leaf,
		 (struct cpuid){
			 (value.eax & pass.eax) | force.eax,
			 (value.ebx & pass.ebx) | force.ebx,
			 (value.ecx & pass.ecx) | force.ecx,
			 (value.edx & pass.edx) | force.edx,
		 });
	place_of(policy, rule->leaf)->varies = (u8)rule->varies;
	place_of(policy, rule->leaf)->subleaves = rule->varies == GUEST_CPUID_SUBLEAVES;
}

static void drop_what_backend_lacks(struct guest_cpuid *policy,
				    const struct guest_cpuid_options *options)
{
	struct cpuid *leaf7 = leaf_answer(policy, 7);
	struct cpuid *extended = leaf_answer(policy, 0x80000001);

	if (options->no_rdtscp)
		extended->edx &= ~RDTSCP;
	/* VT-x allows RDPID with the control that allows RDTSCP (SDM vol. 3, 26.3). */
	if (!(extended->edx & RDTSCP))
		leaf7->ecx &= ~RDPID;
	if (options->no_invpcid)
		leaf7->ebx &= ~INVPCID;
}

static u64 xcr0_choose(struct guest_cpuid *policy, const struct host_cpuid *host)
{
	const struct cpuid *leaf1 = leaf_answer(policy, 1);
	u64 states = host_cpuid_leaf(host, 0xd, 0).eax;
	u64 allowed = XCR0_LEGACY;

	if (!(leaf1->ecx & XSAVE) || (states & XCR0_LEGACY) != XCR0_LEGACY)
		return 0;
	if (leaf1->ecx & AVX && states & XCR0_AVX) {
		allowed |= XCR0_AVX;
		if (leaf_answer(policy, 7)->ebx & AVX512F && (states & XCR0_AVX512) == XCR0_AVX512)
			allowed |= XCR0_AVX512;
	}
	return allowed;
}

/* Instructions whose registers cannot be switched on are not there. */
static void drop_what_xcr0_lacks(struct guest_cpuid *policy)
{
	struct cpuid *leaf1 = leaf_answer(policy, 1);
	struct cpuid *leaf7 = leaf_answer(policy, 7);

	if (policy->xcr0_allowed)
		leaf1->ecx |= OSXSAVE;
	else
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

/* Of an XSAVE area in the standard format with the components of `xcr0`. */
static u32 xsave_size(struct guest_cpuid *policy, u64 xcr0)
{
	const struct cpuid *components = leaf_answer(policy, 0xd);
	u32 bytes = XSAVE_HEADER;

	for (u32 i = 2; i < XSAVE_MAX; i++)
		if (xcr0 & BIT(i))
			bytes = MAX(bytes, components[i].ebx + components[i].eax);
	return bytes;
}

/*
 * Leaf 0dh. Without XSAVEC and XSAVES there is no compacted format, so that subleaf 1 has no size
 * and the components have no flags in ECX.
 */
static void xsave_build(struct guest_cpuid *policy, enum config_cpu cpu,
			const struct host_cpuid *host)
{
	u32 flags = cpu == CONFIG_CPU_HOST ? host_cpuid_leaf(host, 0xd, 1).eax & XSAVEOPT : 0;
	u64 allowed = xcr0_choose(policy, host);
	struct cpuid *all;

	policy->xcr0_allowed = allowed;
	if (!allowed)
		return;
	all = subleaf_add(policy, 0xd, GUEST_CPUID_XSAVE, (struct cpuid){.eax = (u32)allowed});
	(void)subleaf_add(policy, 0xd, GUEST_CPUID_XSAVE, (struct cpuid){.eax = flags});
	for (u32 i = 2; i < XSAVE_MAX; i++) {
		struct cpuid value = host_cpuid_leaf(host, 0xd, i);
		bool there = allowed & BIT(i);

		(void)subleaf_add(
			policy, 0xd, GUEST_CPUID_XSAVE,
			(struct cpuid){.eax = there ? value.eax : 0, .ebx = there ? value.ebx : 0});
	}
	policy->xsave_sizes[0] = XSAVE_HEADER;
	policy->xsave_sizes[1] = xsave_size(policy, allowed & ~XCR0_AVX512);
	policy->xsave_sizes[2] = xsave_size(policy, allowed);
	policy->xsave_bytes = policy->xsave_sizes[2];
	all->ecx = policy->xsave_bytes;
}

/* How many low bits of an APIC id tell the vCPUs of a partition apart. */
static u32 topology_bits(u32 vcpus)
{
	u32 bits = 0;

	while (bits < 31 && 1U << bits < vcpus)
		bits++;
	return bits;
}

/*
 * Leaf 4, and as far as possible leaf 2. Every vCPU is a core with its own L1 and L2 cache; further
 * levels are the package's.
 */
static void caches_build(struct guest_cpuid *policy, u32 vcpus, const struct host_cpuid *host)
{
	u32 ids = (1U << topology_bits(vcpus)) - 1, count = 0;
	struct cpuid caches[CACHES_MAX];

	for (u32 i = 0; i < CACHES_MAX; i++) {
		struct cpuid value = host_cpuid_leaf(host, 4, i);
		u32 level = value.eax >> 5 & 7;

		if (!(value.eax & 0x1f))
			break;
		caches[count++] = value;
		value.eax = (value.eax & 0x3ff) | MIN(ids, 0x3fU) << 26;
		if (level >= 3)
			value.eax |= MIN(ids, 0xfffU) << 14;
		value.edx &= 7;
		(void)subleaf_add(policy, 4, GUEST_CPUID_SUBLEAVES, value);
	}
	cache_descriptors_fill(leaf_answer(policy, 2), caches, count);
}

/*
 * Leaf 0bh: one thread a core, one package. Never the host's, which is about other CPUs than the
 * guest's. EBX[23:16] of leaf 1 counts APIC ids that are set aside for the package, present or not:
 * a power of two goes with leaf 4 in every way in which software combines the two (SDM vol. 3,
 * 9.9.5).
 */
static void topology_build(struct guest_cpuid *policy, u32 vcpus)
{
	u32 bits = topology_bits(vcpus);
	const struct cpuid smt = {.ebx = 1, .ecx = 1 << 8};
	const struct cpuid core = {.eax = bits, .ebx = vcpus & 0xffff, .ecx = 2 << 8};
	struct cpuid *features = leaf_answer(policy, 1);

	features->ebx |= MIN(1U << bits, 255U) << 16;
	if (vcpus > 1)
		features->edx |= HTT;
	(void)subleaf_add(policy, 0xb, GUEST_CPUID_TOPOLOGY, smt);
	(void)subleaf_add(policy, 0xb, GUEST_CPUID_TOPOLOGY, core);
}

/*
 * Leaf 15h: TSC rate = ECX * EBX / EAX with ECX, the rate of the crystal and so of the APIC timer,
 * in 32 bits. EBX is 1 up to 4.29 GHz. The same in MHz in leaf 16h, which has 16 bits for each, and
 * in kHz in 40000010h: who finds both rates there has nothing to measure.
 */
static void clocks_build(struct guest_cpuid *policy, u64 tsc_hz)
{
	u32 ratio = (u32)(tsc_hz >> 32) + 1, crystal = (u32)(tsc_hz / ratio);
	u32 mhz = (u32)MIN((tsc_hz + 500000) / 1000000, 0xffffUL);

	policy->tsc_hz = tsc_hz;
	policy->bus_divisor = ratio;
	leaf_add(policy, 0x15, (struct cpuid){.eax = 1, .ebx = ratio, .ecx = crystal});
	leaf_add(policy, 0x16, (struct cpuid){.eax = mhz, .ebx = mhz, .ecx = crystal / 1000000});
	leaf_add(policy, HYPERVISOR_RATES,
		 (struct cpuid){.eax = (u32)(tsc_hz / 1000), .ebx = crystal / 1000});
}

/* 5-level paging is not offered, so there are 48 linear bits at most; 36 physical ones are what PAE
 * has where nothing is said (SDM vol. 3, 4.1.4). */
static void addresses_build(struct guest_cpuid *policy)
{
	struct cpuid *value = leaf_answer(policy, 0x80000008);
	u32 physical = value->eax & 0xff, linear = value->eax >> 8;

	policy->physical_bits = physical ? MIN(physical, 52U) : 36;
	value->eax = MIN(linear, 48U) << 8 | policy->physical_bits;
}

static bool offers(struct guest_cpuid *policy, u32 leaf, struct cpuid bits)
{
	const struct cpuid *value = leaf_answer(policy, leaf);

	return value->ebx & bits.ebx || value->ecx & bits.ecx || value->edx & bits.edx;
}

static u64 cr4_allowed(struct guest_cpuid *policy)
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
	const struct cpuid *leaf1 = leaf_answer(policy, 1);
	const struct cpuid *leaf7 = leaf_answer(policy, 7);
	const struct cpuid *extended = leaf_answer(policy, 0x80000001);

	policy->cr4_allowed = cr4_allowed(policy);
	policy->efer_allowed = efer_allowed(extended->edx);
	policy->rdtscp = extended->edx & RDTSCP;
	policy->tsc_deadline = leaf1->ecx & TSC_DEADLINE;
	policy->x2apic = leaf1->ecx & X2APIC;
	policy->invpcid = leaf7->ebx & INVPCID;
	policy->rdrand = leaf1->ecx & RDRAND;
	policy->rdseed = leaf7->ebx & RDSEED;
	policy->tsc_adjust = leaf7->ebx & TSC_ADJUST;
}

/* The rest of the table: see guest_cpuid_index. */
static void beyond_build(struct guest_cpuid *policy)
{
	const union guest_cpuid_place highest = *place_of(policy, HIGHEST_BASIC);

	for (u32 i = 0; i < GUEST_CPUID_BASIC; i++) {
		if (!policy->kvm)
			*place_of(policy, FIRST_HYPERVISOR + i) = highest;
		if (i >= GUEST_CPUID_EXTENDED)
			*place_of(policy, FIRST_EXTENDED + i) = highest;
		*place_of(policy, 0xc0000000 + i) = highest;
	}
}

void guest_cpuid_build(struct guest_cpuid *policy, const struct guest_cpuid_options *options,
		       const struct host_cpuid *host)
{
	*policy = (struct guest_cpuid){.kvm = options->kvm, .count = 1};
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		rule_apply(policy, options->cpu, host, &rules[i]);
	if (options->kvm)
		leaf_answer(policy, 1)->ecx |= HYPERVISOR;
	if (options->eoi_exits)
		leaf_answer(policy, KVM_FEATURES)->eax |= KVM_EOI;
	drop_what_backend_lacks(policy, options);
	xsave_build(policy, options->cpu, host);
	drop_what_xcr0_lacks(policy);
	caches_build(policy, options->vcpus, host);
	topology_build(policy, options->vcpus);
	clocks_build(policy, options->tsc_hz);
	addresses_build(policy);
	registers_build(policy);
	beyond_build(policy);
}

static const struct cpuid *answer_of(const struct guest_cpuid *policy, u32 leaf)
{
	return guest_cpuid_answer(policy, policy->places[guest_cpuid_index(policy, leaf)].first);
}

bool guest_cpuid_lacks(const struct guest_cpuid *policy, enum config_cpu cpu, char *text,
		       size_t bytes)
{
	const struct cpuid *leaf1 = answer_of(policy, 1);
	const struct cpuid *leaf7 = answer_of(policy, 7);
	const struct cpuid *extended = answer_of(policy, 0x80000001);
	const u32 words[CPU_WORDS] = {
		[CPU_WORD_1_ECX] = leaf1->ecx,		 [CPU_WORD_1_EDX] = leaf1->edx,
		[CPU_WORD_7_EBX] = leaf7->ebx,		 [CPU_WORD_80000001_ECX] = extended->ecx,
		[CPU_WORD_80000001_EDX] = extended->edx,
	};

	return cpu_level_lacks(cpu, words, text, bytes);
}

void guest_cpuid_dedicated(struct guest_cpuid *policy, bool dedicated)
{
	leaf_answer(policy, KVM_FEATURES)->edx = dedicated ? KVM_REALTIME : 0;
}
