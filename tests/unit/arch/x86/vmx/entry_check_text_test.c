/* SPDX-License-Identifier: MIT */
/* The words for violations, VM-instruction errors and exit reasons. */
/* links: arch/x86/vmx/fields.c vmm/format.c */
#include "cmocka_all.h"

#include "arch/x86/vmx/entry_check.h"

#include <string.h>

static void test_violation(void **state unused)
{
	struct entry_violation violation = {
		.section = "27.3.1.4",
		.rule = "bit 1 must be 1",
		.field = 0x6820,
		.allowed = "0x2",
	};
	const char *expected =
		"guest RFLAGS = 0x0: bit 1 must be 1 (SDM vol. 3, 27.3.1.4); allowed: 0x2";
	char text[160];

	assert_int_equal(entry_violation_text(&violation, text, sizeof(text)), strlen(expected));
	assert_string_equal(text, expected);
	violation.allowed[0] = 0;
	violation.field = 0x7ffe;
	violation.value = 0xfedcba9876543210;
	entry_violation_text(&violation, text, sizeof(text));
	assert_string_equal(text, "field 0x7ffe = 0xfedcba9876543210: bit 1 must be 1 (SDM vol. "
				  "3, 27.3.1.4)");
	assert_true(entry_violation_text(&violation, text, 20) > 20);
	assert_int_equal(strlen(text), 19);
}

static void test_instruction_errors(void **state unused)
{
	const u32 unlisted[] = {0, 14, 21, 27, 29, 1000, ~0U};

	assert_non_null(strstr(vmx_instruction_error_text(4), "VMLAUNCH"));
	assert_non_null(strstr(vmx_instruction_error_text(5), "VMRESUME"));
	assert_non_null(strstr(vmx_instruction_error_text(7), "control field"));
	assert_non_null(strstr(vmx_instruction_error_text(8), "host-state"));
	assert_non_null(strstr(vmx_instruction_error_text(12), "VMREAD or VMWRITE"));
	assert_non_null(strstr(vmx_instruction_error_text(13), "read-only"));
	assert_non_null(strstr(vmx_instruction_error_text(26), "MOV SS"));
	assert_non_null(strstr(vmx_instruction_error_text(28), "INVEPT"));
	for (size_t i = 0; i < ARRAY_SIZE(unlisted); i++)
		assert_non_null(strstr(vmx_instruction_error_text(unlisted[i]), "not list"));
}

static void test_exit_reasons(void **state unused)
{
	assert_string_equal(vmx_exit_reason_name(0), "exception or NMI");
	assert_string_equal(vmx_exit_reason_name(12), "HLT");
	assert_string_equal(vmx_exit_reason_name(48), "EPT violation");
	assert_string_equal(vmx_exit_reason_name(52), "VMX-preemption timer");
	assert_string_equal(vmx_exit_reason_name(63), "XSAVES");
	/* Bit 31 marks a failed entry. */
	assert_string_equal(vmx_exit_reason_name(0x80000021), "entry failure: invalid guest state");
	assert_string_equal(vmx_exit_reason_name(0x80000022), "entry failure: MSR loading");
	assert_string_equal(vmx_exit_reason_name(35), "unknown");
	assert_string_equal(vmx_exit_reason_name(0xffff), "unknown");
	for (u32 reason = 0; reason < EXIT_REASONS; reason++)
		assert_non_null(vmx_exit_reason_name(reason));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_violation),
		cmocka_unit_test(test_instruction_errors),
		cmocka_unit_test(test_exit_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
