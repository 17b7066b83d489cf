/* SPDX-License-Identifier: MIT */
/* VMCS field encodings and names against SDM vol. 3, appendix B. */
#include "cmocka_all.h"

#include "arch/x86/vmx/fields.h"

static void test_names(void **state unused)
{
	assert_string_equal(vmcs_field_name(0x681e), "guest RIP");
	assert_string_equal(vmcs_field_name(0x0000), "virtual-processor identifier");
	assert_string_equal(vmcs_field_name(0x4012), "VM-entry controls");
	assert_string_equal(vmcs_field_name(0x6c16), "host RIP");
	assert_string_equal(vmcs_field_name(0x2800), "VMCS link pointer");
	assert_string_equal(vmcs_field_name(0x6c1c), "host IA32_INTERRUPT_SSP_TABLE_ADDR");
	assert_null(vmcs_field_name(0x6c1e));
	assert_null(vmcs_field_name(0x2801));
	assert_null(vmcs_field_name(~0U));
}

static const u32 encodings[] = {
#define F(name, encoding, text) encoding,
	VMCS_FIELDS(F)
#undef F
};

/* Bits 31:15 and 12 are reserved, bit 0 is for the upper half of 64-bit fields (25.11.2). */
static void test_encodings(void **state unused)
{
	for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
		assert_int_equal(encodings[i] & ~0x6ffeU, 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(encodings[i], encodings[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_encodings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
