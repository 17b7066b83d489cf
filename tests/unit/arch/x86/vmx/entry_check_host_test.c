/* SPDX-License-Identifier: MIT */
/* Rules on the host-state area: SDM vol. 3, 27.2.2 to 27.2.4. */
/* links: arch/x86/vmx/entry_check.c arch/x86/vmx/entry_check_event.c */
/* links: arch/x86/vmx/entry_check_controls.c arch/x86/vmx/entry_check_guest.c */
/* links: arch/x86/vmx/entry_check_segments.c arch/x86/vmx/entry_check_text.c */
/* links: arch/x86/vmx/fields.c vmm/format.c */
#include "fake_vmcs.h"

#define REGISTER(field, rule, ...) ROW(LONG_MODE, "27.2.2", field, rule, __VA_ARGS__)
#define SEGMENT(field, rule, ...)  ROW(LONG_MODE, "27.2.3", field, rule, __VA_ARGS__)
#define SPACE(field, rule, ...)	   ROW(LONG_MODE, "27.2.4", field, rule, __VA_ARGS__)

#define NOT_CANONICAL 0x0000800000000000

/* Everything that a 32-bit host needs, but for the rule that entry comes from IA-32e mode. */
#define HOST_32                                                                                    \
	FLIP(EXIT_CONTROLS, EXIT_HOST_64 | EXIT_LOAD_EFER | EXIT_LOAD_CET),                        \
		FLIP(HOST_CR4, CR4_PCIDE), PUT(HOST_RIP, 0x100000), PUT(HOST_SS_SELECTOR, 0x18)

static const struct row register_rows[] = {
	REGISTER(HOST_CR0, "VMX operation", FLIP(HOST_CR0, CR0_PE)),
	REGISTER(HOST_CR0, "VMX operation", FLIP(HOST_CR0, CR0_NE)),
	REGISTER(HOST_CR0, "VMX operation", FLIP(HOST_CR0, CR0_PG)),
	REGISTER(HOST_CR0, "VMX operation", FLIP(HOST_CR0, BIT(32))),
	REGISTER(HOST_CR4, "VMX operation", FLIP(HOST_CR4, CR4_VMXE)),
	REGISTER(HOST_CR4, "VMX operation", FLIP(HOST_CR4, BIT(15))),
	REGISTER(HOST_CR4, "CR0.WP", FLIP(HOST_CR0, CR0_WP)),
	REGISTER(HOST_CR3, "physical-address", FLIP(HOST_CR3, BIT(39))),
	REGISTER(HOST_CR3, "physical-address", FLIP(HOST_CR3, BIT(63))),
	REGISTER(HOST_SYSENTER_ESP, "canonical", PUT(HOST_SYSENTER_ESP, NOT_CANONICAL)),
	REGISTER(HOST_SYSENTER_EIP, "canonical", PUT(HOST_SYSENTER_EIP, NOT_CANONICAL)),
	REGISTER(HOST_PERF_GLOBAL_CTRL, "reserved", FLIP(HOST_PERF_GLOBAL_CTRL, BIT(4))),
	REGISTER(HOST_PAT, "memory type", PUT(HOST_PAT, 0x0107050600070402)),
	REGISTER(HOST_PAT, "memory type", PUT(HOST_PAT, 0x0307050600070406)),
	REGISTER(HOST_PAT, "memory type", PUT(HOST_PAT, 0x0107050600078406)),
	REGISTER(HOST_EFER, "reserved", FLIP(HOST_EFER, BIT(1))),
	REGISTER(HOST_EFER, "reserved", FLIP(HOST_EFER, BIT(12))),
	REGISTER(HOST_EFER, "LMA must", FLIP(HOST_EFER, EFER_LMA)),
	REGISTER(HOST_EFER, "LME must", FLIP(HOST_EFER, EFER_LME)),
	REGISTER(HOST_S_CET, "canonical", PUT(HOST_S_CET, NOT_CANONICAL)),
	REGISTER(HOST_S_CET, "9:6", PUT(HOST_S_CET, BIT(6))),
	REGISTER(HOST_S_CET, "SUPPRESS", PUT(HOST_S_CET, 0xc04)),
	REGISTER(HOST_SSP_TABLE, "canonical", PUT(HOST_SSP_TABLE, NOT_CANONICAL)),
	REGISTER(HOST_SSP, "1:0", PUT(HOST_SSP, 2)),
	REGISTER(HOST_PKRS, "63:32", PUT(HOST_PKRS, BIT(32))),
};

static const struct row segment_rows[] = {
	SEGMENT(HOST_ES_SELECTOR, "RPL and TI", PUT(HOST_ES_SELECTOR, 0x11)),
	SEGMENT(HOST_CS_SELECTOR, "RPL and TI", PUT(HOST_CS_SELECTOR, 0x0b)),
	SEGMENT(HOST_SS_SELECTOR, "RPL and TI", PUT(HOST_SS_SELECTOR, 0x03)),
	SEGMENT(HOST_DS_SELECTOR, "RPL and TI", PUT(HOST_DS_SELECTOR, 0x12)),
	SEGMENT(HOST_FS_SELECTOR, "RPL and TI", PUT(HOST_FS_SELECTOR, 0x14)),
	SEGMENT(HOST_GS_SELECTOR, "RPL and TI", PUT(HOST_GS_SELECTOR, 0x14)),
	SEGMENT(HOST_TR_SELECTOR, "RPL and TI", PUT(HOST_TR_SELECTOR, 0x14)),
	SEGMENT(HOST_CS_SELECTOR, "not be 0", PUT(HOST_CS_SELECTOR, 0)),
	SEGMENT(HOST_TR_SELECTOR, "not be 0", PUT(HOST_TR_SELECTOR, 0)),
	ROWS(2, LONG_MODE, "27.2.3", HOST_SS_SELECTOR, "not be 0",
	     FLIP(ENTRY_CONTROLS, ENTRY_LOAD_EFER), HOST_32, PUT(HOST_SS_SELECTOR, 0),
	     FLIP(ENTRY_CONTROLS, ENTRY_IA32E), PUT(GUEST_CR4, CR4_VMXE), PUT(GUEST_RIP, 0)),
	SEGMENT(HOST_FS_BASE, "canonical", PUT(HOST_FS_BASE, NOT_CANONICAL)),
	SEGMENT(HOST_GS_BASE, "canonical", PUT(HOST_GS_BASE, NOT_CANONICAL)),
	SEGMENT(HOST_TR_BASE, "canonical", PUT(HOST_TR_BASE, 0xffff7fffffffffff)),
	SEGMENT(HOST_GDTR_BASE, "canonical", PUT(HOST_GDTR_BASE, BIT(63))),
	SEGMENT(HOST_IDTR_BASE, "canonical", PUT(HOST_IDTR_BASE, BIT(48))),
};

static const struct row space_rows[] = {
	ROW(PROTECTED_32, "27.2.4", EXIT_CONTROLS, "from IA-32e", HOST_32),
	ROWS(2, LONG_MODE, "27.2.4", ENTRY_CONTROLS, "IA-32e mode guest", HOST_32),
	ROWS(2, PROTECTED_32, "27.2.4", HOST_CR4, "PCIDE", HOST_32, FLIP(HOST_CR4, CR4_PCIDE)),
	ROWS(2, PROTECTED_32, "27.2.4", HOST_RIP, "63:32", HOST_32, PUT(HOST_RIP, BIT(32))),
	ROWS(2, PROTECTED_32, "27.2.4", HOST_SSP, "63:32", HOST_32,
	     FLIP(EXIT_CONTROLS, EXIT_LOAD_CET)),
	SPACE(HOST_CR4, "PAE", FLIP(HOST_CR4, CR4_PAE)),
	SPACE(HOST_RIP, "canonical", PUT(HOST_RIP, NOT_CANONICAL)),
	SPACE(HOST_SSP, "canonical", PUT(HOST_SSP, NOT_CANONICAL)),
};

static const struct row legal_rows[] = {
	LEGAL(LONG_MODE, FLIP(HOST_CR0, CR0_NW | CR0_CD)),
	LEGAL(LONG_MODE, PUT(HOST_PAT, 0x0706050401000000)),
	LEGAL(LONG_MODE, PUT(HOST_SS_SELECTOR, 0)),
	LEGAL(LONG_MODE, FLIP(EXIT_CONTROLS, EXIT_LOAD_EFER), PUT(HOST_EFER, ~0ULL)),
	LEGAL(LONG_MODE, FLIP(EXIT_CONTROLS, EXIT_LOAD_PAT), PUT(HOST_PAT, ~0ULL)),
	LEGAL(LONG_MODE, FLIP(EXIT_CONTROLS, EXIT_LOAD_CET | EXIT_LOAD_PKRS), PUT(HOST_SSP, 3),
	      PUT(HOST_PKRS, ~0ULL)),
	/* Five-level paging: 57 bits. */
	LEGAL(LONG_MODE, PUT(FACT_LINEAR_BITS, 57), PUT(HOST_RIP, NOT_CANONICAL),
	      PUT(HOST_GS_BASE, 0xff00000000000000)),
};

static void test_registers(void **state unused)
{
	assert_int_equal(fake_run_rows(register_rows, ARRAY_SIZE(register_rows)), 0);
}

static void test_segments(void **state unused)
{
	assert_int_equal(fake_run_rows(segment_rows, ARRAY_SIZE(segment_rows)), 0);
}

static void test_address_space(void **state unused)
{
	assert_int_equal(fake_run_rows(space_rows, ARRAY_SIZE(space_rows)), 0);
}

static void test_legal(void **state unused)
{
	assert_int_equal(fake_run_rows(legal_rows, ARRAY_SIZE(legal_rows)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_address_space),
		cmocka_unit_test(test_legal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
