/* SPDX-License-Identifier: MIT */
/* From capability MSRs to controls, with values like those of three generations of CPUs. */
/* links: vmm/format.c */
#include "cmocka_all.h"

#include "arch/x86/vmx/capabilities.h"
#include "arch/x86/vmx/fields.h"

#include <bulkhead/error.h>
#include <string.h>

/* IA32_VMX_BASIC (0x480) to IA32_VMX_TRUE_ENTRY_CTLS (0x490). */
struct cpu_msrs {
	u64 msr[0x11];
	u32 forbidden; /* one that does not exist: reading it would fault */
};

#define MSR(number) [(number)-0x480]

/* With APIC virtualisation whole, posted interrupts, VM functions and 1 GiB EPT pages. */
static const struct cpu_msrs haswell = {
	.msr =
		{
			MSR(0x480) = 0x00da040000000012,
			MSR(0x481) = 0x000000ff00000016,
			MSR(0x482) = 0xfff9fffe0401e172,
			MSR(0x483) = 0x007fffff00036dff,
			MSR(0x484) = 0x0000ffff000011ff,
			MSR(0x485) = 0x00000000300481e5,
			MSR(0x486) = 0x0000000080000021,
			MSR(0x487) = 0x00000000ffffffff,
			MSR(0x488) = 0x0000000000002000,
			MSR(0x489) = 0x00000000001767ff,
			MSR(0x48b) = 0x00007fff00000000,
			MSR(0x48c) = 0x00000f0106334141,
			MSR(0x48d) = 0x000000ff00000016,
			MSR(0x48e) = 0xfff9fffe04006172,
			MSR(0x48f) = 0x007fffff00036dfb,
			MSR(0x490) = 0x0000ffff000011fb,
		},
};

/* TPR shadow and APIC-access page, nothing more of the APIC. */
static const struct cpu_msrs sandy_bridge = {
	.msr =
		{
			MSR(0x480) = 0x00da040000000010,
			MSR(0x481) = 0x0000007f00000016,
			MSR(0x482) = 0xfff9fffe0401e172,
			MSR(0x483) = 0x007fffff00036dff,
			MSR(0x484) = 0x0000ffff000011ff,
			MSR(0x485) = 0x00000000000401e5,
			MSR(0x486) = 0x0000000080000021,
			MSR(0x487) = 0x00000000ffffffff,
			MSR(0x488) = 0x0000000000002000,
			MSR(0x489) = 0x00000000000627ff,
			MSR(0x48b) = 0x000004ff00000000,
			MSR(0x48c) = 0x00000f0106114141,
			MSR(0x48d) = 0x0000007f00000016,
			MSR(0x48e) = 0xfff9fffe04006172,
			MSR(0x48f) = 0x007fffff00036dfb,
			MSR(0x490) = 0x0000ffff000011fb,
		},
};

static const struct cpu_msrs arrandale = {
	.msr =
		{
			MSR(0x480) = 0x00da04000000000f,
			MSR(0x481) = 0x0000007f00000016,
			MSR(0x482) = 0xfff9fffe0401e172,
			MSR(0x483) = 0x007fffff00036dff,
			MSR(0x484) = 0x0000ffff000011ff,
			MSR(0x485) = 0x00000000000401e5,
			MSR(0x486) = 0x0000000080000021,
			MSR(0x487) = 0x00000000ffffffff,
			MSR(0x488) = 0x0000000000002000,
			MSR(0x489) = 0x00000000000267ff,
			MSR(0x48b) = 0x000000ff00000000,
			MSR(0x48c) = 0x00000f0106114141,
			MSR(0x48d) = 0x0000007f00000016,
			MSR(0x48e) = 0xfff9fffe04006172,
			MSR(0x48f) = 0x007fffff00036dfb,
			MSR(0x490) = 0x0000ffff000011fb,
		},
};

static u64 read_msr(void *context, u32 msr)
{
	const struct cpu_msrs *cpu = context;

	assert_in_range(msr, 0x480, 0x490);
	assert_int_not_equal(msr, cpu->forbidden);
	return cpu->msr[msr - 0x480];
}

static struct vmx_capabilities read_cpu(const struct cpu_msrs *cpu)
{
	struct cpu_msrs copy = *cpu;
	struct vmx_capabilities caps;

	vmx_capabilities_read(&caps, read_msr, &copy, 39);
	return caps;
}

static void test_read(void **state unused)
{
	struct vmx_capabilities caps = read_cpu(&haswell);

	assert_int_equal(caps.revision, 0x12);
	assert_int_equal(caps.region_bytes, 1024);
	assert_int_equal(caps.preemption_shift, 5);
	assert_int_equal(caps.physical_bits, 39);
	assert_int_equal(caps.cr0_fixed0, 0x80000021);
	assert_int_equal(caps.cr0_fixed1, 0xffffffff);
	assert_int_equal(caps.cr4_fixed0, 0x2000);
	assert_int_equal(caps.cr4_fixed1, 0x1767ff);
	assert_int_equal(caps.cpu2.may, 0x7fff);
	assert_int_equal(caps.ept_vpid, 0xf0106334141);
	/* The TRUE MSRs free CR3 and debug-control bits that the others fix to 1. */
	assert_int_equal(caps.cpu.must, 0x04006172);
	assert_int_equal(caps.exit.must, 0x36dfb);
	assert_int_equal(caps.entry.must, 0x11fb);
}

/* Without bit 55 of IA32_VMX_BASIC there are no TRUE MSRs. */
static void test_read_without_true(void **state unused)
{
	struct cpu_msrs cpu = arrandale;
	struct vmx_capabilities caps;

	cpu.msr[0] &= ~BIT(55);
	memset(&cpu.msr[0xd], 0xff, 4 * sizeof(u64));
	caps = read_cpu(&cpu);
	assert_int_equal(caps.pin.must, 0x16);
	assert_int_equal(caps.cpu.must, 0x0401e172);
	assert_int_equal(caps.exit.must, 0x36dff);
	assert_int_equal(caps.entry.must, 0x11ff);
}

/* MSRs that exist only with a feature are not read without it. */
static void test_read_absent(void **state unused)
{
	struct cpu_msrs cpu = arrandale;

	cpu.msr[0xb] &= ~((CPU2_EPT | CPU2_VPID) << 32);
	cpu.forbidden = IA32_VMX_EPT_VPID_CAP;
	assert_int_equal(read_cpu(&cpu).ept_vpid, 0);
	cpu.msr[0xe] &= ~(CPU_SECONDARY << 32);
	cpu.forbidden = IA32_VMX_PROCBASED_CTLS2;
	assert_int_equal(read_cpu(&cpu).cpu2.may, 0);
}

#define PIN_USED   (0x16 | 0x1 | 0x8 | 0x20 | 0x40)
#define CPU_USED   (0x04006172 | 0x8 | 0x80 | 0x400 | 0x800 | 0x200000 | 0x02000000 | 0xb0000000)
#define EXIT_USED  (0x36dfb | 0x4 | 0x200 | 0x8000 | 0x40000 | 0x80000 | 0x100000 | 0x200000)
#define ENTRY_USED (0x11fb | 0x4 | 0x4000 | 0x8000)

static void check_common(const struct vmx_controls *controls)
{
	assert_int_equal(controls->pin, PIN_USED);
	assert_int_equal(controls->cpu, CPU_USED);
	assert_int_equal(controls->exit, EXIT_USED);
	assert_int_equal(controls->entry, ENTRY_USED);
}

static void test_choose(void **state unused)
{
	struct vmx_capabilities caps = read_cpu(&haswell);
	struct vmx_controls controls;
	char missing[160];

	assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), 0);
	check_common(&controls);
	assert_true(controls.apic_registers);
	assert_true(controls.x2apic);
	/* EPT, RDTSCP, VPID, WBINVD, unrestricted, INVPCID; APIC registers, interrupt delivery. */
	assert_int_equal(controls.cpu2 & ~(CPU2_APIC_ACCESSES | CPU2_X2APIC), 0x13ea);

	caps = read_cpu(&sandy_bridge);
	assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), 0);
	check_common(&controls);
	assert_false(controls.apic_registers);
	assert_false(controls.x2apic);
	assert_int_equal(controls.cpu2, 0xea);

	caps = read_cpu(&arrandale);
	assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), 0);
	check_common(&controls);
	assert_false(controls.apic_registers);
	assert_int_equal(controls.cpu2, 0xea);
}

static void test_hide(void **state unused)
{
	struct vmx_capabilities caps = read_cpu(&haswell);
	struct vmx_controls controls;
	char missing[160];

	assert_int_equal(
		vmx_controls_choose(&caps, VMX_HIDE_APIC_VIRTUALISATION, &controls, missing), 0);
	check_common(&controls);
	assert_false(controls.apic_registers);
	assert_false(controls.x2apic);
	assert_int_equal(controls.cpu2, 0x10ea);
}

/* APIC virtualisation in part is none, but x2APIC mode is optional. */
static void test_partial_apic(void **state unused)
{
	static const u64 parts[] = {CPU2_APIC_ACCESSES, CPU2_APIC_REGISTER, CPU2_VIRTUAL_INTERRUPT};
	struct vmx_controls controls;
	char missing[160];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct vmx_capabilities caps = read_cpu(&haswell);

		caps.cpu2.may &= ~(u32)parts[i];
		assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), 0);
		assert_false(controls.apic_registers);
		assert_int_equal(controls.cpu2, 0x10ea);
	}
	struct vmx_capabilities caps = read_cpu(&haswell);

	caps.cpu2.may &= ~(u32)CPU2_X2APIC;
	assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), 0);
	assert_true(controls.apic_registers);
	assert_false(controls.x2apic);
}

/* By MSR and bit (SDM vol. 3, 25.6 to 25.8): what Bulkhead cannot run without. */
static const struct required {
	u32 msr;
	unsigned bit;
	const char *words;
} required[] = {
	{0x48d, 32 + 0, "external-interrupt exiting"},
	{0x48d, 32 + 3, "NMI exiting"},
	{0x48d, 32 + 5, "virtual NMIs"},
	{0x48d, 32 + 6, "VMX-preemption timer"},
	{0x48e, 32 + 3, "TSC offsetting"},
	{0x48e, 32 + 7, "HLT exiting"},
	{0x48e, 32 + 10, "MWAIT exiting"},
	{0x48e, 32 + 11, "RDPMC exiting"},
	{0x48e, 32 + 21, "TPR shadow"},
	{0x48e, 32 + 25, "I/O bitmaps"},
	{0x48e, 32 + 28, "MSR bitmaps"},
	{0x48e, 32 + 29, "MONITOR exiting"},
	{0x48e, 32 + 31, "secondary controls"},
	{0x48b, 32 + 1, "EPT"},
	{0x48b, 32 + 5, "VPID"},
	{0x48b, 32 + 7, "unrestricted guest"},
	{0x48f, 32 + 2, "save debug controls"},
	{0x48f, 32 + 9, "64-bit host"},
	{0x48f, 32 + 15, "acknowledge interrupt on exit"},
	{0x48f, 32 + 18, "save IA32_PAT"},
	{0x48f, 32 + 19, "load IA32_PAT at exit"},
	{0x48f, 32 + 20, "save IA32_EFER"},
	{0x48f, 32 + 21, "load IA32_EFER at exit"},
	{0x490, 32 + 2, "load debug controls"},
	{0x490, 32 + 14, "load IA32_PAT at entry"},
	{0x490, 32 + 15, "load IA32_EFER at entry"},
	{0x48c, 6, "4-level EPT"},
	{0x48c, 14, "write-back EPT structures"},
	{0x48c, 20, "INVEPT"},
	{0x48c, 32, "INVVPID"},
};

static void test_missing(void **state unused)
{
	struct vmx_controls controls;
	char missing[160], expected[160];

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		struct cpu_msrs cpu = haswell;
		struct vmx_capabilities caps;

		cpu.msr[required[i].msr - 0x480] &= ~BIT(required[i].bit);
		caps = read_cpu(&cpu);
		assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), -ENODEV);
		strcpy(expected, "the CPU's VT-x lacks ");
		strcat(expected, required[i].words);
		assert_string_equal(missing, expected);
	}
}

static void test_optional(void **state unused)
{
	static const u64 optional[] = {CPU2_RDTSCP, CPU2_WBINVD, CPU2_INVPCID};
	struct vmx_controls controls;
	char missing[160];

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		struct vmx_capabilities caps = read_cpu(&haswell);

		caps.cpu2.may &= ~(u32)optional[i];
		assert_int_equal(vmx_controls_choose(&caps, 0, &controls, missing), 0);
		assert_int_equal(controls.cpu2 & optional[i], 0);
	}
}

static void test_merge(void **state unused)
{
	struct vmx_capabilities all = read_cpu(&haswell), one = read_cpu(&sandy_bridge);
	struct vmx_controls controls;
	char missing[160];

	one.pin.must |= 0x100;
	one.cr0_fixed0 |= 0x10000;
	one.cr0_fixed1 &= ~BIT(18);
	vmx_capabilities_merge(&all, &one);
	assert_int_equal(all.pin.must, 0x116);
	assert_int_equal(all.pin.may, 0x7f);
	assert_int_equal(all.cpu2.may, 0x4ff);
	assert_int_equal(all.exit.may, 0x7fffff);
	assert_int_equal(all.entry.must, 0x11fb);
	assert_int_equal(all.ept_vpid, 0xf0106114141);
	assert_int_equal(all.cr0_fixed0, 0x80010021);
	assert_int_equal(all.cr0_fixed1, 0xfffbffff);
	assert_int_equal(all.cr4_fixed1, 0x627ff & 0x1767ff);
	assert_int_equal(vmx_controls_choose(&all, 0, &controls, missing), 0);
	assert_false(controls.apic_registers);
	assert_int_equal(controls.cpu2, 0xea);
}

static void test_preemption_timer(void **state)
{
	(void)state;
	assert_true(vmx_preemption_timer_errs(0x20652));
	assert_true(vmx_preemption_timer_errs(0x20655));
	assert_true(vmx_preemption_timer_errs(0x306a8 | 0xf000c000)); /* reserved bits */
	assert_false(vmx_preemption_timer_errs(0x306a9));
	assert_false(vmx_preemption_timer_errs(0x306c3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	    cmocka_unit_test(test_read_without_true),
		cmocka_unit_test(test_read_absent), cmocka_unit_test(test_choose),
		cmocka_unit_test(test_hide),	    cmocka_unit_test(test_partial_apic),
		cmocka_unit_test(test_missing),	    cmocka_unit_test(test_optional),
		cmocka_unit_test(test_merge),	    cmocka_unit_test(test_preemption_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
