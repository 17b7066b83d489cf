/* SPDX-License-Identifier: MIT */
/*
 * The levels, against the psABI's own list ("Micro-Architecture Levels", table 3.1), and what
 * guests see of them on made-up hosts.
 */
/* links: arch/x86/guest_cpuid.c arch/x86/host_cpuid.c arch/x86/cache_descriptors.c */
/* links: vmm/format.c vmm/string.c */
#include "cmocka_all.h"
#include "fake_cpuid.h"

#include <string.h>

#include <bulkhead/cpu_level.h>

/* EDX 26-23, 19, 17-11, 9-0 less APIC, which is Bulkhead's own, in every level; ECX 0, 9, 13, 19,
 * 20, 23 from 2 on, and 12, 22, 26, 28, 29 in 3. */
static const u32 leaf1_edx = 0x078bf9ff, leaf1_ecx[] = {0, 0, 0x00982201, 0x34d83201};

static void masks(void **state)
{
	(void)state;
	for (enum config_cpu cpu = CONFIG_CPU_V1; cpu <= CONFIG_CPU_V3; cpu++) {
		assert_int_equal(cpu_level_mask(cpu, CPU_WORD_1_EDX), leaf1_edx);
		assert_int_equal(cpu_level_mask(cpu, CPU_WORD_1_ECX), leaf1_ecx[cpu]);
		assert_int_equal(cpu_level_mask(cpu, CPU_WORD_7_EBX),
				 cpu == CONFIG_CPU_V3 ? 0x128 : 0); /* 3, 5, 8 */
		assert_int_equal(cpu_level_mask(cpu, CPU_WORD_80000001_EDX), 0x20100800);
		assert_int_equal(cpu_level_mask(cpu, CPU_WORD_80000001_ECX),
				 cpu == CONFIG_CPU_V1	? 0
				 : cpu == CONFIG_CPU_V2 ? 1
							: 0x21);
	}
}

static void nothing_lacks(void **state)
{
	const u32 none[CPU_WORDS] = {0}, all[CPU_WORDS] = {~0U, ~0U, ~0U, ~0U, ~0U};
	char text[200] = "x";

	(void)state;
	assert_false(cpu_level_lacks(CONFIG_CPU_HOST, none, text, sizeof(text)));
	assert_string_equal(text, "");
	for (enum config_cpu cpu = CONFIG_CPU_V1; cpu <= CONFIG_CPU_V3; cpu++) {
		assert_false(cpu_level_lacks(cpu, all, text, sizeof(text)));
		assert_true(cpu_level_lacks(cpu, none, text, sizeof(text)));
	}
}

static void lacks_by_name(void **state)
{
	u32 words[CPU_WORDS] = {~0U, ~0U, ~0U, ~0U, ~0U};
	char text[200], small[8];

	(void)state;
	words[CPU_WORD_7_EBX] = ~0x120U;
	words[CPU_WORD_80000001_ECX] = ~0x20U;
	assert_false(cpu_level_lacks(CONFIG_CPU_V2, words, text, sizeof(text)));
	assert_true(cpu_level_lacks(CONFIG_CPU_V3, words, text, sizeof(text)));
	assert_string_equal(text, "AVX2, BMI2, LZCNT");
	assert_true(cpu_level_lacks(CONFIG_CPU_V3, words, small, sizeof(small)));
	assert_string_equal(small, "AVX2, B");
	words[CPU_WORD_1_ECX] = ~0x2000U;
	words[CPU_WORD_80000001_EDX] = ~(1U << 20);
	assert_true(cpu_level_lacks(CONFIG_CPU_V2, words, text, sizeof(text)));
	assert_string_equal(text, "NX, CMPXCHG16B");
	assert_true(cpu_level_lacks(CONFIG_CPU_V1, words, text, sizeof(text)));
	assert_string_equal(text, "NX");
}

/* A CPU that has everything, and one of Arrandale's kind: no XSAVE, no AVX, no BMI, no MOVBE. */
static struct cpuid everything(void *context, u32 leaf, u32 subleaf)
{
	bool old = context;

	if (leaf == 0xd && subleaf >= 2)
		return (struct cpuid){64, 576 + 64 * (subleaf - 2), 0, 0};
	if (leaf == 0x80000008)
		return (struct cpuid){0x3027, ~0U, ~0U, ~0U};
	if (old && leaf == 0)
		return (struct cpuid){0xb, ~0U, ~0U, ~0U};
	if (old && leaf == 1)
		return (struct cpuid){0x20655, 0x800, 0x0298e3ff, ~0U};
	if (old && leaf == 7)
		return (struct cpuid){0};
	if (old && leaf == 0x80000001)
		return (struct cpuid){0, 0, 1, 0x28100800};
	return (struct cpuid){~0U, ~0U, ~0U, ~0U};
}

static struct guest_cpuid build(enum config_cpu cpu, bool old)
{
	struct guest_cpuid policy;
	struct host_cpuid host;

	fake_power_up();
	host_cpuid_read(&host, everything, old ? &host : NULL);
	guest_cpuid_build(
		&policy,
		&(struct guest_cpuid_options){.cpu = cpu, .vcpus = 1, .tsc_hz = 2400000000}, &host);
	return policy;
}

static void expect(const struct guest_cpuid *policy, u32 leaf, u32 subleaf, struct cpuid want)
{
	struct cpuid got = fake_cpuid(policy, leaf, subleaf);

	if (memcmp(&got, &want, sizeof(got)))
		fail_msg("leaf 0x%x.%u: %08x %08x %08x %08x, expected %08x %08x %08x %08x", leaf,
			 subleaf, got.eax, got.ebx, got.ecx, got.edx, want.eax, want.ebx, want.ecx,
			 want.edx);
}

/* With Bulkhead's own: x2APIC, TSC-deadline, APIC, TSC_ADJUST; and two bits about the FPU that tell
 * what the host has not. */
static void guest_sees_level(const struct guest_cpuid *policy, enum config_cpu cpu, u32 eax,
			     u32 clflush, u32 fpu)
{
	expect(policy, 1, 0,
	       (struct cpuid){eax, clflush | 1 << 16, leaf1_ecx[cpu] | 1 << 21 | 1 << 24,
			      leaf1_edx | 1 << 9});
	expect(policy, 7, 0, (struct cpuid){0, (cpu == CONFIG_CPU_V3 ? 0x128 : 0) | 2 | fpu, 0, 0});
	expect(policy, 7, 1, (struct cpuid){0});
	expect(policy, 0x80000001, 0,
	       (struct cpuid){0, 0,
			      cpu == CONFIG_CPU_V1   ? 0
			      : cpu == CONFIG_CPU_V2 ? 1
						     : 0x21,
			      0x20100800});
}

static void levels_on_a_new_cpu(void **state)
{
	(void)state;
	for (enum config_cpu cpu = CONFIG_CPU_V1; cpu <= CONFIG_CPU_V3; cpu++) {
		struct guest_cpuid policy = build(cpu, false);
		char text[80];

		guest_sees_level(&policy, cpu, 0x0fff3fff, 0xff00, 0x2040);
		assert_false(guest_cpuid_lacks(&policy, cpu, text, sizeof(text)));
		assert_false(policy.rdtscp || policy.invpcid || policy.rdrand || policy.rdseed);
		assert_true(policy.x2apic && policy.tsc_deadline && policy.tsc_adjust);
		assert_int_equal(policy.efer_allowed, 0xd01);
		/* Bits 0 to 10, and OSXSAVE in level 3: no SMEP, SMAP, UMIP, FSGSBASE, PCIDE. */
		assert_int_equal(policy.cr4_allowed, cpu == CONFIG_CPU_V3 ? 0x407ff : 0x7ff);
		assert_int_equal(policy.xcr0_allowed, cpu == CONFIG_CPU_V3 ? 7 : 0);
		assert_int_equal(policy.xsave_bytes, cpu == CONFIG_CPU_V3 ? 640 : 0);
		expect(&policy, 0xd, 1, (struct cpuid){0}); /* not even XSAVEOPT */
		expect(&policy, 0xd, 2,
		       cpu == CONFIG_CPU_V3 ? (struct cpuid){64, 576, 0, 0} : (struct cpuid){0});
		expect(&policy, 0xd, 5, (struct cpuid){0});
	}
}

/* The same as there, which is the point of levels; and the third is not to be had. */
static void levels_on_an_old_cpu(void **state)
{
	struct guest_cpuid policy = build(CONFIG_CPU_V3, true);
	char text[80];

	(void)state;
	assert_true(guest_cpuid_lacks(&policy, CONFIG_CPU_V3, text, sizeof(text)));
	assert_string_equal(text, "XSAVE, AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE");
	assert_false(guest_cpuid_lacks(&policy, CONFIG_CPU_HOST, text, sizeof(text)));
	for (enum config_cpu cpu = CONFIG_CPU_V1; cpu <= CONFIG_CPU_V2; cpu++) {
		policy = build(cpu, true);
		guest_sees_level(&policy, cpu, 0x20655, 0x800, 0);
		assert_false(guest_cpuid_lacks(&policy, cpu, text, sizeof(text)));
	}
}

/* AVX without the means to switch its registers on is no AVX. */
static struct cpuid no_avx_state(void *context, u32 leaf, u32 subleaf)
{
	return leaf == 0xd && !subleaf ? (struct cpuid){3, 0, 0, 0}
				       : everything(context, leaf, subleaf);
}

static void level_needs_state(void **state)
{
	struct guest_cpuid policy;
	struct host_cpuid host;
	char text[80];

	(void)state;
	host_cpuid_read(&host, no_avx_state, NULL);
	guest_cpuid_build(
		&policy,
		&(struct guest_cpuid_options){.cpu = CONFIG_CPU_V3, .vcpus = 1, .tsc_hz = 1},
		&host);
	assert_true(guest_cpuid_lacks(&policy, CONFIG_CPU_V3, text, sizeof(text)));
	assert_string_equal(text, "AVX, AVX2, F16C, FMA");
}

/* A PC whose CPU has never heard of hypervisors. */
static void no_hypervisor(void **state)
{
	struct guest_cpuid policy = build(CONFIG_CPU_HOST, false);
	static const u32 leaves[] = {0x40000000, 0x40000001, 0x40000010, 0x40000100, 0x4fffffff};

	(void)state;
	assert_false(fake_cpuid(&policy, 1, 0).ecx & 1U << 31);
	assert_false(policy.kvm);
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		expect(&policy, leaves[i], 0, (struct cpuid){2400, 2400, 2400, 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks),
		cmocka_unit_test(nothing_lacks),
		cmocka_unit_test(lacks_by_name),
		cmocka_unit_test(levels_on_a_new_cpu),
		cmocka_unit_test(levels_on_an_old_cpu),
		cmocka_unit_test(level_needs_state),
		cmocka_unit_test(no_hypervisor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
