/* SPDX-License-Identifier: MIT */
/* links: vmm/format.c vmm/string.c */
/*
 * Each refusal's exact words, and that capturing reads no MSR that the CPU does not have. The
 * values of whole CPUs are those that Bochs' models of them report.
 */
#include "cmocka_all.h"

#include <string.h>

#include "boot/check.h"

#include <bulkhead/error.h>

#define WESTMERE "use an Intel CPU of the Westmere generation (2010) or later"

/* What the fake CPU of a test has. An MSR that is not listed raises #GP: the test fails. */
struct fake_msr {
	u32 index;
	u64 value;
};

static struct {
	u32 leaf1_ecx, leaf1_edx;
	u32 last, leaf7_ebx, extended_last, ext1_ecx, ext1_edx, ext7_edx;
	u64 cr4;
	u32 apic_id;
	struct fake_msr msrs[8];
} fake;

static void fake_cpuid(u32 leaf, u32 registers[4])
{
	memset(registers, 0, 4 * sizeof(*registers));
	if (leaf >= 0x80000000 && leaf > fake.extended_last)
		fail_msg("CPUID leaf %x is above the last one", leaf);
	if (leaf < 0x80000000 && leaf > fake.last)
		fail_msg("CPUID leaf %x is above the last one", leaf);
	if (leaf == 0) {
		registers[0] = fake.last;
	} else if (leaf == 7) {
		registers[1] = fake.leaf7_ebx;
	} else if (leaf == 1) {
		registers[2] = fake.leaf1_ecx;
		registers[3] = fake.leaf1_edx;
	} else if (leaf == 0x80000000) {
		registers[0] = fake.extended_last;
	} else if (leaf == 0x80000001) {
		registers[2] = fake.ext1_ecx;
		registers[3] = fake.ext1_edx;
	} else if (leaf == 0x80000007) {
		registers[3] = fake.ext7_edx;
	}
}

static struct fake_msr *fake_find(u32 msr)
{
	for (size_t i = 0; i < ARRAY_SIZE(fake.msrs); i++)
		if (fake.msrs[i].index == msr)
			return &fake.msrs[i];
	return NULL;
}

static u64 fake_read_msr(u32 msr)
{
	if (!fake_find(msr))
		fail_msg("MSR %x raises #GP", msr);
	return fake_find(msr)->value;
}

static u64 fake_read_cr4(void)
{
	return fake.cr4;
}

static u32 fake_read_apic_id(void)
{
	return fake.apic_id;
}

static const struct check_reader reader = {fake_cpuid, fake_read_msr, fake_read_cr4,
					   fake_read_apic_id};

/* A CPU with everything: all controls may be 1. */
static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.last = 7;
	fake.leaf7_ebx = 0x128;
	fake.leaf1_ecx = 1U << 5;
	fake.leaf1_edx = 1U << 4 | 1U << 9;
	fake.extended_last = 0x80000008;
	fake.ext1_edx = 1U << 20 | 1U << 29;
	fake.ext7_edx = 1U << 8;
	fake.cr4 = 0x668;
	fake.msrs[0] = (struct fake_msr){0x3a, 5};
	fake.msrs[1] = (struct fake_msr){0x481, 0xffffffff00000000};
	fake.msrs[2] = (struct fake_msr){0x482, 0xffffffff00000000};
	fake.msrs[3] = (struct fake_msr){0x483, 0xffffffff00000000};
	fake.msrs[4] = (struct fake_msr){0x484, 0xffffffff00000000};
	fake.msrs[5] = (struct fake_msr){0x48b, 0xffffffff00000000};
	fake.msrs[6] = (struct fake_msr){0x48c, 0x00000f01ffffffff};
	return 0;
}

static char lines[64][CHECK_LINE_BYTES];
static u32 line_count;

static void remember(const char *line)
{
	assert_true(line_count < ARRAY_SIZE(lines));
	assert_true(strlen(line) < CHECK_LINE_BYTES - 1);
	strcpy(lines[line_count++], line);
}

static int check_fake(void)
{
	struct check_cpu cpu;

	line_count = 0;
	check_capture(&cpu, &reader);
	return check_cpus(&cpu, 1, remember);
}

static void expect_only(const char *line)
{
	assert_int_equal(check_fake(), -ENODEV);
	assert_string_equal(lines[0], line);
	assert_int_equal(line_count, 1);
}

static void test_complete_cpu_passes(void **state)
{
	(void)state;
	assert_int_equal(check_fake(), 0);
	assert_int_equal(line_count, 0);
}

static void test_lock(void **state)
{
	(void)state;
	fake.msrs[0].value = 1;
	expect_only("VMX is locked off by firmware: IA32_FEATURE_CONTROL = 0x1; enable VT-x (Intel "
		    "Virtualization Technology) in the firmware's setup menu");
	/* Inside SMX only is of no use either. */
	fake.msrs[0].value = 3;
	expect_only("VMX is locked off by firmware: IA32_FEATURE_CONTROL = 0x3; enable VT-x (Intel "
		    "Virtualization Technology) in the firmware's setup menu");
}

static void test_not_locked_passes(void **state)
{
	static const u64 values[] = {0, 4, 5, 7, 2, 0xff07};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		fake.msrs[0].value = values[i];
		assert_int_equal(check_fake(), 0);
	}
}

/* Bit 2 of CPUID.80000001H:ECX; such a CPU has none of the MSRs. */
static void test_amd(void **state)
{
	(void)state;
	memset(fake.msrs, 0, sizeof(fake.msrs));
	fake.leaf1_ecx = 0x7ed8320b & ~(1U << 5);
	fake.ext1_ecx = 0x35c233ff;
	expect_only("This CPU has AMD's SVM, not Intel VT-x: CPUID.80000001H:ECX = 0x35c233ff; "
		    "Bulkhead needs an Intel CPU with VT-x");
}

static void test_no_vmx(void **state)
{
	(void)state;
	memset(fake.msrs, 0, sizeof(fake.msrs));
	fake.leaf1_ecx = 0x9;
	expect_only(
		"No VT-x (VMX): CPUID.1:ECX = 0x9, bit 5 is 0; use an Intel CPU with VT-x, or, if "
		"this one has it, enable VT-x (Intel Virtualization Technology) in the "
		"firmware's setup menu");
	fake.leaf1_ecx = 0x80000009;
	expect_only(
		"No VT-x (VMX): CPUID.1:ECX = 0x80000009, bit 5 is 0; enable nested virtualization "
		"(VT-x for guests) in the hypervisor that this virtual machine runs under");
}

static void test_la57(void **state)
{
	(void)state;
	fake.cr4 = 0x1668;
	expect_only("The firmware left 5-level paging on (CR4.LA57): CR4 = 0x1668; disable 5-level "
		    "paging (LA57) in the firmware's setup menu");
}

static void test_cpuid_bits(void **state)
{
	(void)state;
	fake.leaf1_edx = 1U << 4;
	expect_only("No local APIC: CPUID.1:EDX = 0x10, bit 9 is 0; enable the local APIC in the "
		    "firmware's setup menu");
	fake.leaf1_edx = 1U << 9;
	expect_only("No time-stamp counter (TSC): CPUID.1:EDX = 0x200, bit 4 is 0; " WESTMERE);
	setup(NULL);
	fake.ext1_edx = 1U << 29;
	expect_only("No execute-disable (NX): CPUID.80000001H:EDX = 0x20000000, bit 20 is 0; "
		    "enable the "
		    "Execute Disable Bit (XD, NX) in the firmware's setup menu");
	setup(NULL);
	fake.ext7_edx = 0;
	expect_only("TSC is not invariant: CPUID.80000007H:EDX = 0x0, bit 8 is 0; " WESTMERE);
	setup(NULL);
	fake.extended_last = 0x80000001;
	expect_only("TSC is not invariant: CPUID.80000007H:EDX = 0x0, bit 8 is 0; " WESTMERE);
}

/* Hypervisors hide it to be able to migrate. */
static void test_invariant_tsc_is_not_asked_of_a_virtual_machine(void **state)
{
	(void)state;
	fake.ext7_edx = 0;
	fake.leaf1_ecx |= 1U << 31;
	assert_int_equal(check_fake(), 0);
}

/* One bit of one MSR cleared, and the line that follows from it, up to the advice. */
struct bit_case {
	u32 msr;
	u32 bit;
	const char *line;
};

static const struct bit_case bit_cases[] = {
	{0x481, 32,
	 "No external-interrupt exiting: IA32_VMX_PINBASED_CTLS = 0xfffffffe00000000, bit 32 is 0"},
	{0x481, 35, "No NMI exiting: IA32_VMX_PINBASED_CTLS = 0xfffffff700000000, bit 35 is 0"},
	{0x481, 37, "No virtual NMIs: IA32_VMX_PINBASED_CTLS = 0xffffffdf00000000, bit 37 is 0"},
	{0x481, 38,
	 "No VMX preemption timer: IA32_VMX_PINBASED_CTLS = 0xffffffbf00000000, bit 38 is 0"},
	{0x482, 34,
	 "No interrupt-window exiting: IA32_VMX_PROCBASED_CTLS = 0xfffffffb00000000, bit 34 is 0"},
	{0x482, 35, "No TSC offsetting: IA32_VMX_PROCBASED_CTLS = 0xfffffff700000000, bit 35 is 0"},
	{0x482, 39, "No HLT exiting: IA32_VMX_PROCBASED_CTLS = 0xffffff7f00000000, bit 39 is 0"},
	{0x482, 53, "No TPR shadow: IA32_VMX_PROCBASED_CTLS = 0xffdfffff00000000, bit 53 is 0"},
	{0x482, 54,
	 "No NMI-window exiting: IA32_VMX_PROCBASED_CTLS = 0xffbfffff00000000, bit 54 is 0"},
	{0x482, 57, "No I/O bitmaps: IA32_VMX_PROCBASED_CTLS = 0xfdffffff00000000, bit 57 is 0"},
	{0x482, 60, "No MSR bitmaps: IA32_VMX_PROCBASED_CTLS = 0xefffffff00000000, bit 60 is 0"},
	{0x482, 63,
	 "No secondary processor-based controls: IA32_VMX_PROCBASED_CTLS = 0x7fffffff00000000, bit "
	 "63 is 0"},
	{0x48b, 33,
	 "No extended page tables (EPT): IA32_VMX_PROCBASED_CTLS2 = 0xfffffffd00000000, bit 33 is "
	 "0"},
	{0x48b, 37,
	 "No virtual-processor identifiers (VPID): IA32_VMX_PROCBASED_CTLS2 = 0xffffffdf00000000, "
	 "bit 37 is 0"},
	{0x48b, 39,
	 "No unrestricted guest: IA32_VMX_PROCBASED_CTLS2 = 0xffffff7f00000000, bit 39 is 0"},
	{0x48c, 6, "No EPT of 4 levels: IA32_VMX_EPT_VPID_CAP = 0xf01ffffffbf, bit 6 is 0"},
	{0x48c, 14,
	 "No write-back EPT structures: IA32_VMX_EPT_VPID_CAP = 0xf01ffffbfff, bit 14 is 0"},
	{0x48c, 16, "No 2 MiB EPT pages: IA32_VMX_EPT_VPID_CAP = 0xf01fffeffff, bit 16 is 0"},
	{0x48c, 20, "No INVEPT: IA32_VMX_EPT_VPID_CAP = 0xf01ffefffff, bit 20 is 0"},
	{0x48c, 32, "No INVVPID: IA32_VMX_EPT_VPID_CAP = 0xf00ffffffff, bit 32 is 0"},
	{0x483, 41,
	 "No VM exits to 64-bit mode: IA32_VMX_EXIT_CTLS = 0xfffffdff00000000, bit 41 is 0"},
	{0x483, 47,
	 "No acknowledge-interrupt on VM exit: IA32_VMX_EXIT_CTLS = 0xffff7fff00000000, bit 47 is "
	 "0"},
	{0x483, 50,
	 "VM exits cannot save IA32_PAT: IA32_VMX_EXIT_CTLS = 0xfffbffff00000000, bit 50 is 0"},
	{0x483, 51,
	 "VM exits cannot load IA32_PAT: IA32_VMX_EXIT_CTLS = 0xfff7ffff00000000, bit 51 is 0"},
	{0x483, 52,
	 "VM exits cannot save IA32_EFER: IA32_VMX_EXIT_CTLS = 0xffefffff00000000, bit 52 is 0"},
	{0x483, 53,
	 "VM exits cannot load IA32_EFER: IA32_VMX_EXIT_CTLS = 0xffdfffff00000000, bit 53 is 0"},
	{0x484, 41,
	 "No VM entries to IA-32e mode: IA32_VMX_ENTRY_CTLS = 0xfffffdff00000000, bit 41 is 0"},
	{0x484, 46,
	 "VM entries cannot load IA32_PAT: IA32_VMX_ENTRY_CTLS = 0xffffbfff00000000, bit 46 is 0"},
	{0x484, 47,
	 "VM entries cannot load IA32_EFER: IA32_VMX_ENTRY_CTLS = 0xffff7fff00000000, bit 47 is 0"},
};

static void test_vmx_bits(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bit_cases); i++) {
		char line[CHECK_LINE_BYTES];

		setup(state);
		fake_find(bit_cases[i].msr)->value &= ~BIT(bit_cases[i].bit);
		strcpy(line, bit_cases[i].line);
		strcat(line, "; " WESTMERE);
		expect_only(line);
	}
}

static void test_other_vmx_bits_do_not_matter(void **state)
{
	for (u32 i = 1; i <= 6; i++) {
		for (u32 bit = 0; bit < 64; bit++) {
			bool needed = false;

			setup(state);
			for (size_t k = 0; k < ARRAY_SIZE(bit_cases); k++)
				needed |= bit_cases[k].msr == fake.msrs[i].index &&
					  bit_cases[k].bit == bit;
			fake.msrs[i].value &= ~BIT(bit);
			assert_int_equal(check_fake(), needed ? -ENODEV : 0);
		}
	}
}

static void test_invalidation_types(void **state)
{
	(void)state;
	fake_find(0x48c)->value = 0x00000f01f9ffffff;
	expect_only("INVEPT has neither the single-context nor the all-context type (bits 25, 26): "
		    "IA32_VMX_EPT_VPID_CAP = 0xf01f9ffffff; " WESTMERE);
	fake_find(0x48c)->value = 0x00000901ffffffff;
	expect_only(
		"INVVPID has neither the single-context nor the all-context type (bits 41, 42): "
		"IA32_VMX_EPT_VPID_CAP = 0x901ffffffff; " WESTMERE);
}

/* Without secondary controls there is no MSR 0x48b, without EPT and VPID no 0x48c. */
static void test_capture_reads_only_what_is_there(void **state)
{
	(void)state;
	fake_find(0x482)->value &= ~BIT(63);
	fake_find(0x48b)->index = 0;
	fake_find(0x48c)->index = 0;
	assert_int_equal(check_fake(), -ENODEV);
	setup(state);
	fake_find(0x48b)->value &= ~(BIT(33) | BIT(37));
	fake_find(0x48c)->index = 0;
	assert_int_equal(check_fake(), -ENODEV);
	assert_int_equal(line_count, 2);
}

/* Core 2 "Penryn": VT-x of the first kind. */
static void test_penryn(void **state)
{
	static const char *const begins[] = {"TSC is not invariant",
					     "No VMX preemption timer",
					     "No extended page tables",
					     "No virtual-processor identifiers",
					     "No unrestricted guest",
					     "VM exits cannot save IA32_PAT",
					     "VM exits cannot load IA32_PAT",
					     "VM exits cannot save IA32_EFER",
					     "VM exits cannot load IA32_EFER",
					     "VM entries cannot load IA32_PAT",
					     "VM entries cannot load IA32_EFER"};

	(void)state;
	fake.ext7_edx = 0;
	fake.msrs[0].value = 0;
	fake_find(0x481)->value = 0x3f00000016;
	fake_find(0x482)->value = 0xf7f9fffe0401e172;
	fake_find(0x483)->value = 0x3ffff00036dff;
	fake_find(0x484)->value = 0x3fff000011ff;
	fake_find(0x48b)->value = 0x4100000000;
	fake_find(0x48c)->index = 0;
	assert_int_equal(check_fake(), -ENODEV);
	assert_int_equal(line_count, ARRAY_SIZE(begins));
	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		assert_memory_equal(lines[i], begins[i], strlen(begins[i]));
}

static void test_one_cpu_of_several(void **state)
{
	struct check_cpu cpus[4];

	(void)state;
	for (u32 i = 0; i < 4; i++) {
		fake.apic_id = 2 * i;
		fake.msrs[0].value = i >= 2 ? 1 : 0;
		check_capture(&cpus[i], &reader);
	}
	line_count = 0;
	assert_int_equal(check_cpus(cpus, 4, remember), -ENODEV);
	assert_int_equal(line_count, 1);
	assert_string_equal(
		lines[0], "VMX is locked off by firmware: IA32_FEATURE_CONTROL = 0x1; enable VT-x "
			  "(Intel Virtualization Technology) in the firmware's setup menu (2 of 4 "
			  "CPUs, the first has APIC ID 4)");
	line_count = 0;
	assert_int_equal(check_cpus(cpus, 2, remember), 0);
}

static void test_what_all_cpus_have(void **state)
{
	struct check_cpu cpus[3];

	(void)state;
	fake.leaf1_ecx = 0xf0f0fff0;
	check_capture(&cpus[0], &reader);
	fake.leaf1_ecx = 0x0ff0ff20;
	fake.ext1_ecx = 0x21;
	check_capture(&cpus[1], &reader);
	assert_int_equal(check_shared(cpus, 1, CHECK_VALUE_CPUID_1_ECX), 0xf0f0fff0);
	assert_int_equal(check_shared(cpus, 2, CHECK_VALUE_CPUID_1_ECX), 0x00f0ff20);
	assert_int_equal(check_shared(cpus, 2, CHECK_VALUE_CPUID_1_EDX), 0x210);
	assert_int_equal(check_shared(cpus, 2, CHECK_VALUE_CPUID_7_EBX), 0x128);
	assert_int_equal(check_shared(&cpus[1], 1, CHECK_VALUE_CPUID_80000001_ECX), 0x21);
	assert_int_equal(check_shared(cpus, 2, CHECK_VALUE_CPUID_80000001_ECX), 0);
	fake.last = 6; /* such a CPU answers for another leaf there */
	check_capture(&cpus[2], &reader);
	assert_int_equal(check_shared(cpus, 3, CHECK_VALUE_CPUID_7_EBX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_complete_cpu_passes, setup),
		cmocka_unit_test_setup(test_lock, setup),
		cmocka_unit_test_setup(test_what_all_cpus_have, setup),
		cmocka_unit_test_setup(test_not_locked_passes, setup),
		cmocka_unit_test_setup(test_amd, setup),
		cmocka_unit_test_setup(test_no_vmx, setup),
		cmocka_unit_test_setup(test_la57, setup),
		cmocka_unit_test_setup(test_cpuid_bits, setup),
		cmocka_unit_test_setup(test_invariant_tsc_is_not_asked_of_a_virtual_machine, setup),
		cmocka_unit_test_setup(test_vmx_bits, setup),
		cmocka_unit_test_setup(test_other_vmx_bits_do_not_matter, setup),
		cmocka_unit_test_setup(test_invalidation_types, setup),
		cmocka_unit_test_setup(test_capture_reads_only_what_is_there, setup),
		cmocka_unit_test_setup(test_penryn, setup),
		cmocka_unit_test_setup(test_one_cpu_of_several, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
