/* SPDX-License-Identifier: MIT */
/* Rules on the guest's segment registers: SDM vol. 3, 27.3.1.2. */
/* links: arch/x86/vmx/entry_check.c arch/x86/vmx/entry_check_event.c */
/* links: arch/x86/vmx/entry_check_controls.c arch/x86/vmx/entry_check_guest.c */
/* links: arch/x86/vmx/entry_check_host.c arch/x86/vmx/entry_check_text.c */
/* links: arch/x86/vmx/fields.c vmm/format.c */
#include "fake_vmcs.h"

#define SECTION		       "27.3.1.2"
#define LONG(field, rule, ...) ROW(LONG_MODE, SECTION, field, rule, __VA_ARGS__)
#define V86(field, rule, ...)  ROW(VIRTUAL_8086, SECTION, field, rule, __VA_ARGS__)
#define PROT(field, rule, ...) ROW(PROTECTED_32, SECTION, field, rule, __VA_ARGS__)
#define NO_UNRESTRICTED	       FLIP(SECONDARY_CONTROLS, CPU2_UNRESTRICTED)
#define NOT_CANONICAL	       0x0000800000000000
/* Code of privilege level 3. */
#define USER                                                                                       \
	PUT(GUEST_CS_SELECTOR, 0x33), PUT(GUEST_CS_RIGHTS, 0xa0fb), PUT(GUEST_SS_SELECTOR, 0x2b),  \
		PUT(GUEST_SS_RIGHTS, 0xc0f3), PUT(GUEST_DS_SELECTOR, 0x2b),                        \
		PUT(GUEST_DS_RIGHTS, 0xc0f3)

static const struct row address_rows[] = {
	LONG(GUEST_TR_SELECTOR, "TI", PUT(GUEST_TR_SELECTOR, 0x44)),
	LONG(GUEST_LDTR_SELECTOR, "TI", PUT(GUEST_LDTR_SELECTOR, 0x34)),
	LONG(GUEST_SS_SELECTOR, "equal that of CS", NO_UNRESTRICTED, PUT(GUEST_CS_SELECTOR, 0x13)),
	LONG(GUEST_TR_BASE, "canonical", PUT(GUEST_TR_BASE, NOT_CANONICAL)),
	LONG(GUEST_FS_BASE, "canonical", PUT(GUEST_FS_BASE, NOT_CANONICAL)),
	LONG(GUEST_GS_BASE, "canonical", PUT(GUEST_GS_BASE, NOT_CANONICAL)),
	LONG(GUEST_LDTR_BASE, "canonical", PUT(GUEST_LDTR_BASE, NOT_CANONICAL)),
	LONG(GUEST_CS_BASE, "63:32", PUT(GUEST_CS_BASE, BIT(32))),
	LONG(GUEST_SS_BASE, "63:32", PUT(GUEST_SS_BASE, ~0ULL)),
	LONG(GUEST_DS_BASE, "63:32", PUT(GUEST_DS_BASE, BIT(63))),
	LONG(GUEST_ES_BASE, "63:32", PUT(GUEST_ES_RIGHTS, 0x93), PUT(GUEST_ES_BASE, BIT(40))),
};

static const struct row virtual_8086_rows[] = {
	V86(GUEST_ES_BASE, "times 16", PUT(GUEST_ES_BASE, 0x10)),
	V86(GUEST_CS_BASE, "times 16", PUT(GUEST_CS_BASE, 0x10000)),
	V86(GUEST_SS_BASE, "times 16", PUT(GUEST_SS_SELECTOR, 0x2003)),
	V86(GUEST_DS_BASE, "times 16", PUT(GUEST_DS_SELECTOR, 1)),
	V86(GUEST_FS_BASE, "times 16", PUT(GUEST_FS_SELECTOR, 1)),
	V86(GUEST_GS_BASE, "times 16", PUT(GUEST_GS_BASE, 1)),
	V86(GUEST_ES_LIMIT, "one value", PUT(GUEST_ES_LIMIT, 0xfffff)),
	V86(GUEST_CS_LIMIT, "one value", PUT(GUEST_CS_LIMIT, 0xfffe)),
	V86(GUEST_SS_LIMIT, "one value", PUT(GUEST_SS_LIMIT, 0)),
	V86(GUEST_DS_LIMIT, "one value", PUT(GUEST_DS_LIMIT, ~0ULL)),
	V86(GUEST_FS_LIMIT, "one value", PUT(GUEST_FS_LIMIT, 0x1ffff)),
	V86(GUEST_GS_LIMIT, "one value", PUT(GUEST_GS_LIMIT, 0x7fff)),
	V86(GUEST_ES_RIGHTS, "one value", PUT(GUEST_ES_RIGHTS, 0x93)),
	V86(GUEST_CS_RIGHTS, "one value", PUT(GUEST_CS_RIGHTS, 0xfb)),
	V86(GUEST_SS_RIGHTS, "one value", PUT(GUEST_SS_RIGHTS, 0x40f3)),
	V86(GUEST_DS_RIGHTS, "one value", PUT(GUEST_DS_RIGHTS, 0x100f3)),
	V86(GUEST_FS_RIGHTS, "one value", PUT(GUEST_FS_RIGHTS, 0x10f3)),
	V86(GUEST_GS_RIGHTS, "one value", PUT(GUEST_GS_RIGHTS, RIGHTS_UNUSABLE)),
};

static const struct row code_rows[] = {
	LONG(GUEST_CS_RIGHTS, "accessed code", PUT(GUEST_CS_RIGHTS, 0xa09a)),
	LONG(GUEST_CS_RIGHTS, "accessed code", PUT(GUEST_CS_RIGHTS, 0xa097)),
	PROT(GUEST_CS_RIGHTS, "accessed code", NO_UNRESTRICTED, PUT(GUEST_CS_RIGHTS, 0xc093)),
	LONG(GUEST_CS_RIGHTS, "S (bit 4)", PUT(GUEST_CS_RIGHTS, 0xa08b)),
	PROT(GUEST_CS_RIGHTS, "data type", PUT(GUEST_CS_RIGHTS, 0xc0f3)),
	LONG(GUEST_CS_RIGHTS, "non-conforming", PUT(GUEST_CS_RIGHTS, 0xa0fb)),
	LONG(GUEST_CS_RIGHTS, "non-conforming", PUT(GUEST_CS_RIGHTS, 0xa0f9)),
	LONG(GUEST_CS_RIGHTS, "non-conforming", USER, PUT(GUEST_CS_RIGHTS, 0xa09b)),
	LONG(GUEST_CS_RIGHTS, "of conforming", PUT(GUEST_CS_RIGHTS, 0xa0bf)),
	LONG(GUEST_CS_RIGHTS, "of conforming", PUT(GUEST_CS_RIGHTS, 0xa0fd)),
	LONG(GUEST_CS_RIGHTS, "P (bit 7)", PUT(GUEST_CS_RIGHTS, 0xa01b)),
	LONG(GUEST_CS_RIGHTS, "11:8", PUT(GUEST_CS_RIGHTS, 0xa19b)),
	LONG(GUEST_CS_RIGHTS, "D/B", PUT(GUEST_CS_RIGHTS, 0xe09b)),
	LONG(GUEST_CS_RIGHTS, "must be 0 if any", PUT(GUEST_CS_LIMIT, 0xfffff7ff)),
	LONG(GUEST_CS_RIGHTS, "must be 1 if any", PUT(GUEST_CS_RIGHTS, 0x209b)),
	LONG(GUEST_CS_RIGHTS, "31:17", PUT(GUEST_CS_RIGHTS, 0x2a09b)),
};

static const struct row stack_rows[] = {
	LONG(GUEST_SS_RIGHTS, "writable", PUT(GUEST_SS_RIGHTS, 0xc092)),
	LONG(GUEST_SS_RIGHTS, "writable", PUT(GUEST_SS_RIGHTS, 0xc091)),
	LONG(GUEST_SS_RIGHTS, "writable", PUT(GUEST_SS_RIGHTS, 0xc09b)),
	LONG(GUEST_SS_RIGHTS, "S (bit 4)", PUT(GUEST_SS_RIGHTS, 0xc083)),
	LONG(GUEST_SS_RIGHTS, "RPL of the selector", NO_UNRESTRICTED, PUT(GUEST_CS_SELECTOR, 0x11),
	     PUT(GUEST_SS_SELECTOR, 0x19)),
	PROT(GUEST_SS_RIGHTS, "data type in CS", PUT(GUEST_CS_RIGHTS, 0xc093),
	     PUT(GUEST_SS_RIGHTS, 0xc0b3)),
	/* CS: conforming, so that only the rule on SS is broken. */
	ROW(REAL_MODE, SECTION, GUEST_SS_RIGHTS, "CR0.PE 0", PUT(GUEST_CS_RIGHTS, 0x9f),
	    PUT(GUEST_SS_RIGHTS, 0xf3)),
	LONG(GUEST_SS_RIGHTS, "P (bit 7)", PUT(GUEST_SS_RIGHTS, 0xc013)),
	LONG(GUEST_SS_RIGHTS, "11:8", PUT(GUEST_SS_RIGHTS, 0xc893)),
	LONG(GUEST_SS_RIGHTS, "must be 0 if any", PUT(GUEST_SS_LIMIT, 0)),
	LONG(GUEST_SS_RIGHTS, "must be 1 if any", PUT(GUEST_SS_RIGHTS, 0x4093)),
	LONG(GUEST_SS_RIGHTS, "31:17", PUT(GUEST_SS_RIGHTS, 0x8000c093)),
};

static const struct row data_rows[] = {
	LONG(GUEST_DS_RIGHTS, "be accessed", PUT(GUEST_DS_RIGHTS, 0xc092)),
	LONG(GUEST_ES_RIGHTS, "be accessed", PUT(GUEST_ES_RIGHTS, 0x90)),
	LONG(GUEST_FS_RIGHTS, "be accessed", PUT(GUEST_FS_RIGHTS, 0x96)),
	LONG(GUEST_GS_RIGHTS, "be accessed", PUT(GUEST_GS_RIGHTS, 0x9a)),
	LONG(GUEST_DS_RIGHTS, "readable", PUT(GUEST_DS_RIGHTS, 0xc099)),
	LONG(GUEST_GS_RIGHTS, "readable", PUT(GUEST_GS_RIGHTS, 0x9d)),
	LONG(GUEST_DS_RIGHTS, "S (bit 4)", PUT(GUEST_DS_RIGHTS, 0xc083)),
	LONG(GUEST_FS_RIGHTS, "S (bit 4)", PUT(GUEST_FS_RIGHTS, 0x83)),
	LONG(GUEST_DS_RIGHTS, "less than RPL", NO_UNRESTRICTED, PUT(GUEST_DS_SELECTOR, 0x1b)),
	LONG(GUEST_ES_RIGHTS, "less than RPL", NO_UNRESTRICTED, PUT(GUEST_ES_SELECTOR, 2),
	     PUT(GUEST_ES_RIGHTS, 0xb3)),
	LONG(GUEST_GS_RIGHTS, "less than RPL", NO_UNRESTRICTED, PUT(GUEST_GS_SELECTOR, 3),
	     PUT(GUEST_GS_RIGHTS, 0xdb)),
	LONG(GUEST_DS_RIGHTS, "P (bit 7)", PUT(GUEST_DS_RIGHTS, 0xc013)),
	LONG(GUEST_GS_RIGHTS, "11:8", PUT(GUEST_GS_RIGHTS, 0x493)),
	LONG(GUEST_ES_RIGHTS, "must be 0 if any", PUT(GUEST_ES_RIGHTS, 0x8093)),
	LONG(GUEST_FS_RIGHTS, "must be 1 if any", PUT(GUEST_FS_RIGHTS, 0x93),
	     PUT(GUEST_FS_LIMIT, 0x100000)),
	LONG(GUEST_DS_RIGHTS, "31:17", PUT(GUEST_DS_RIGHTS, 0x2c093)),
};

static const struct row system_rows[] = {
	LONG(GUEST_TR_RIGHTS, "busy TSS", PUT(GUEST_TR_RIGHTS, 0x89)),
	LONG(GUEST_TR_RIGHTS, "busy TSS", PUT(GUEST_TR_RIGHTS, 0x83)),
	PROT(GUEST_TR_RIGHTS, "busy TSS", PUT(GUEST_TR_RIGHTS, 0x81)),
	LONG(GUEST_TR_RIGHTS, "S (bit 4)", PUT(GUEST_TR_RIGHTS, 0x9b)),
	LONG(GUEST_TR_RIGHTS, "P (bit 7)", PUT(GUEST_TR_RIGHTS, 0x0b)),
	LONG(GUEST_TR_RIGHTS, "11:8", PUT(GUEST_TR_RIGHTS, 0x18b)),
	LONG(GUEST_TR_RIGHTS, "must be 0 if any", PUT(GUEST_TR_RIGHTS, 0x808b)),
	LONG(GUEST_TR_RIGHTS, "must be 1 if any", PUT(GUEST_TR_LIMIT, 0x100067)),
	LONG(GUEST_TR_RIGHTS, "unusable", PUT(GUEST_TR_RIGHTS, 0x1008b)),
	LONG(GUEST_TR_RIGHTS, "31:17", PUT(GUEST_TR_RIGHTS, 0x4000008b)),
	LONG(GUEST_LDTR_RIGHTS, "LDT", PUT(GUEST_LDTR_RIGHTS, 0x83)),
	LONG(GUEST_LDTR_RIGHTS, "S (bit 4)", PUT(GUEST_LDTR_RIGHTS, 0x92)),
	LONG(GUEST_LDTR_RIGHTS, "P (bit 7)", PUT(GUEST_LDTR_RIGHTS, 0x02)),
	LONG(GUEST_LDTR_RIGHTS, "11:8", PUT(GUEST_LDTR_RIGHTS, 0x282)),
	LONG(GUEST_LDTR_RIGHTS, "must be 0 if any", PUT(GUEST_LDTR_RIGHTS, 0x8082)),
	LONG(GUEST_LDTR_RIGHTS, "must be 1 if any", PUT(GUEST_LDTR_LIMIT, 0xfff00000)),
	LONG(GUEST_LDTR_RIGHTS, "31:17", PUT(GUEST_LDTR_RIGHTS, 0x20082)),
};

static const struct row legal_rows[] = {
	LEGAL(LONG_MODE, USER),
	LEGAL(LONG_MODE, USER, NO_UNRESTRICTED),
	LEGAL(LONG_MODE, USER, PUT(GUEST_CS_RIGHTS, 0xa09d)),
	LEGAL(LONG_MODE, PUT(GUEST_CS_RIGHTS, 0xc09b), PUT(GUEST_RIP, 0x1000)), /* compatibility */
	LEGAL(PROTECTED_32, NO_UNRESTRICTED),
	LEGAL(PROTECTED_32, PUT(GUEST_TR_RIGHTS, 0x83)),
	LEGAL(PROTECTED_32, PUT(GUEST_CS_RIGHTS, 0xe09b)), /* L means nothing here */
	LEGAL(PROTECTED_32, PUT(GUEST_SS_RIGHTS, 0xc097), PUT(GUEST_DS_RIGHTS, 0xc09b)),
	/* Entering protected mode before the far jump: CS keeps its data type. */
	LEGAL(REAL_MODE, FLIP(GUEST_CR0, CR0_PE)),
	LEGAL(REAL_MODE, PUT(GUEST_CS_RIGHTS, 0x9b), PUT(GUEST_SS_SELECTOR, 0x1003)),
	/* Nothing but the base of FS and GS and DPL of SS counts in unusable registers. */
	LEGAL(LONG_MODE, PUT(GUEST_LDTR_RIGHTS, 0xffffff1f | RIGHTS_UNUSABLE),
	      PUT(GUEST_LDTR_SELECTOR, 4), PUT(GUEST_LDTR_BASE, NOT_CANONICAL)),
	LEGAL(LONG_MODE, PUT(GUEST_DS_RIGHTS, 0xffffff0f), PUT(GUEST_DS_BASE, ~0ULL)),
	LEGAL(LONG_MODE, PUT(GUEST_SS_RIGHTS, 0xffffff00 | RIGHTS_UNUSABLE),
	      PUT(GUEST_SS_BASE, ~0ULL), PUT(GUEST_SS_SELECTOR, 0)),
	LEGAL(LONG_MODE, NO_UNRESTRICTED, PUT(GUEST_DS_SELECTOR, 0x1b),
	      PUT(GUEST_DS_RIGHTS, 0xc09f)), /* conforming code: any RPL */
	LEGAL(LONG_MODE, PUT(GUEST_DS_LIMIT, 0xfffff), PUT(GUEST_DS_RIGHTS, 0x4093)),
	LEGAL(LONG_MODE, PUT(GUEST_DS_LIMIT, 0xfffff), PUT(GUEST_DS_RIGHTS, 0xf093)),
	LEGAL(VIRTUAL_8086, NO_UNRESTRICTED),
};

#define TEST(name)                                                                                 \
	static void test_##name(void **state unused)                                               \
	{                                                                                          \
		assert_int_equal(fake_run_rows(name##_rows, ARRAY_SIZE(name##_rows)), 0);          \
	}
TEST(address)
TEST(virtual_8086)
TEST(code)
TEST(stack)
TEST(data)
TEST(system)
TEST(legal)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address), cmocka_unit_test(test_virtual_8086),
		cmocka_unit_test(test_code),	cmocka_unit_test(test_stack),
		cmocka_unit_test(test_data),	cmocka_unit_test(test_system),
		cmocka_unit_test(test_legal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
