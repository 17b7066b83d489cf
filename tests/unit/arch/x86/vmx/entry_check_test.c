/* SPDX-License-Identifier: MIT */
/* The entry check as a whole: its callbacks, its count, and what it leaves alone. */
/* links: arch/x86/vmx/entry_check_event.c arch/x86/vmx/entry_check_guest.c */
/* links: arch/x86/vmx/entry_check_controls.c arch/x86/vmx/entry_check_segments.c */
/* links: arch/x86/vmx/entry_check_host.c arch/x86/vmx/entry_check_text.c */
/* links: arch/x86/vmx/fields.c vmm/format.c */
#include "fake_vmcs.h"

static void test_well_formed(void **state unused)
{
	for (enum start start = LONG_MODE; start <= VIRTUAL_8086; start++) {
		fake_start(start);
		assert_int_equal(fake_run(), 0);
		assert_int_equal(fake.reports, 0);
	}
}

static void test_count(void **state unused)
{
	fake_start(LONG_MODE);
	fake.fields[GUEST_RFLAGS] = 0;
	fake.fields[HOST_TR_SELECTOR] = 0;
	fake.fields[VPID] = 0;
	assert_int_equal(fake_run(), 3);
	/* Controls, host state, guest state: the CPU's order. */
	assert_int_equal(fake.violations[0].field, VPID);
	assert_int_equal(fake.violations[1].field, HOST_TR_SELECTOR);
	assert_int_equal(fake.violations[2].field, GUEST_RFLAGS);
	assert_string_equal(fake.violations[0].allowed, "0x1 to 0xffff");
	assert_string_equal(fake.violations[2].allowed, "0x2");
}

/* Nothing is said about what memory holds when it cannot be read. */
static void test_no_memory(void **state unused)
{
	fake_start(LONG_MODE);
	fake.fields[VMCS_LINK_POINTER] = PAGE_LINK;
	memset(fake.memory, 0, sizeof(fake.memory));
	memset(fake.memory + MSR_AREA + 4, 0xff, 4);
	fake_prepare();
	assert_int_equal(entry_check_all(&fake.check), 3);
	fake.check.read_memory = NULL;
	assert_int_equal(entry_check_all(&fake.check), 0);
	fake.check.read_memory = fake_read_memory;
	fake.fields[VMCS_LINK_POINTER] = 0x7ffffff000;
	fake.fields[ENTRY_MSR_LOAD_ADDRESS] = 0x7ffffff000;
	assert_int_equal(entry_check_all(&fake.check), 0);
}

/* Fields that exist only with a feature (SDM vol. 3, appendix B). */
static const u32 optional_fields[] = {
	VPID,
	POSTED_INTERRUPT_VECTOR,
	PML_ADDRESS,
	POSTED_INTERRUPT_DESCRIPTOR,
	TSC_MULTIPLIER,
	VM_FUNCTION_CONTROLS,
	EPTP_LIST,
	VMREAD_BITMAP,
	VMWRITE_BITMAP,
	VE_INFORMATION,
	SPP_TABLE,
	EPT_POINTER,
	GUEST_PDPTE0,
	GUEST_PDPTE1,
	GUEST_PDPTE2,
	GUEST_PDPTE3,
	GUEST_BNDCFGS,
	GUEST_RTIT_CTL,
	GUEST_LBR_CTL,
	GUEST_PKRS,
	GUEST_UINV,
	GUEST_S_CET,
	GUEST_SSP,
	GUEST_SSP_TABLE,
	HOST_S_CET,
	HOST_SSP,
	HOST_SSP_TABLE,
	HOST_PKRS,
	HOST_PAT,
	HOST_EFER,
	GUEST_PAT,
	GUEST_EFER,
	MSR_BITMAP,
	SECONDARY_CONTROLS,
	TPR_THRESHOLD,
	VIRTUAL_APIC_ADDRESS,
	GUEST_PERF_GLOBAL_CTRL,
	HOST_PERF_GLOBAL_CTRL,
	APIC_ACCESS_ADDRESS,
};

/* The first CPUs with VT-x; the controls name every feature all the same. */
static void test_old_cpu(void **state unused)
{
	fake_start(PAE);
	for (size_t i = 0; i < ARRAY_SIZE(optional_fields); i++)
		fake.absent[optional_fields[i]] = true;
	fake.facts[FACT_VM_FUNCTIONS - FACT_MISC] = 0;
	fake_prepare();
	fake.caps.pin.may = 0x1f;
	fake.caps.cpu.may = 0x6ddffff2U & ~(u32)CPU_MSR_BITMAPS & ~(u32)CPU_TPR_SHADOW;
	fake.caps.cpu2.may = 0;
	fake.caps.exit.may = 0x36fff;
	fake.caps.entry.may = 0x13ff;
	fake.caps.ept_vpid = 0;
	fake.fields[PIN_CONTROLS] = 0x1f;
	fake.fields[PRIMARY_CONTROLS] = ~0U;
	fake.fields[EXIT_CONTROLS] = ~0U;
	fake.fields[ENTRY_CONTROLS] = ~0U & ~(u32)(ENTRY_IA32E | ENTRY_TO_SMM);
	/* The reserved bits of three words, and virtual NMIs missing for NMI-window exiting. */
	assert_true(entry_check_all(&fake.check) >= 3);
	assert_int_equal(fake.violations[0].field, PRIMARY_CONTROLS);
	assert_int_equal(fake.violations[1].field, EXIT_CONTROLS);
	assert_int_equal(fake.violations[2].field, ENTRY_CONTROLS);
}

/* Whatever a VMCS holds, the check comes to an end and text fits its place. */
static void test_garbage(void **state unused)
{
	u64 seed = 0x9e3779b97f4a7c15;
	unsigned violations;

	for (unsigned round = 0; round < 2000; round++) {
		fake_start((enum start)(round % 5));
		for (u32 field = 0; field < ARRAY_SIZE(fake.fields); field += 2) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			if (seed >> 60 == 0)
				fake.fields[field] = fake_truncate(field, seed);
		}
		violations = fake_run();
		assert_int_equal(violations, fake.reports);
		for (unsigned v = 0; v < MIN(fake.reports, 32U); v++)
			assert_in_range(strlen(fake.violations[v].allowed), 0, 94);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_formed), cmocka_unit_test(test_count),
		cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_old_cpu),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
