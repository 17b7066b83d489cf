/* SPDX-License-Identifier: MIT */
/* Keeping a VMCS and showing it: which fields, in which order, and what their values say. */
/* links: arch/x86/vmx/field_text.c arch/x86/vmx/entry_check_text.c arch/x86/vmx/fields.c */
/* links: arch/x86/cpu_text.c vmm/format.c */
#include "cmocka_all.h"
#include "fake_instructions.h"
#include "fake_pages.h"

#include <arch/x86/vmx/capture.h>
#include <arch/x86/vmx/entry_check.h>
#include <arch/x86/vmx/vmx.h>

/* --- a CPU without some fields --- */

static u32 missing[4];
static bool failed_before; /* a field that is not there was read */

static bool is_missing(u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		if (missing[i] && missing[i] == encoding)
			return true;
	return false;
}

/* Reading what is not there leaves error 12 (SDM vol. 3, table 31-1), as hardware does. */
static bool fake_read(u32 encoding, u64 *value)
{
	if (is_missing(encoding)) {
		failed_before = true;
		return false;
	}
	*value = encoding == INSTRUCTION_ERROR ? (failed_before ? 12 : 7) : 0x100000UL + encoding;
	return true;
}

struct seen {
	unsigned count, groups[4];
	u32 last;
	u64 error;
};

static void look(void *context, const struct virt_field *field)
{
	static const char *const groups[] = {"control", "exit", "guest", "host"};
	struct seen *seen = context;

	assert_true(!seen->count || field->encoding > seen->last);
	assert_false(is_missing(field->encoding));
	assert_string_equal(field->name, vmcs_field_name(field->encoding));
	assert_string_equal(field->group, groups[field->encoding >> 10 & 3]);
	if (field->encoding == INSTRUCTION_ERROR)
		seen->error = field->value;
	else
		assert_int_equal(field->value, 0x100000UL + field->encoding);
	seen->groups[field->encoding >> 10 & 3]++;
	seen->last = field->encoding;
	seen->count++;
}

static void everything_is_kept(void **state)
{
	struct vmx_capture *capture = calloc(1, sizeof(*capture));
	struct seen seen = {0};

	(void)state;
	memset(missing, 0, sizeof(missing));
	failed_before = false;
	vmx_capture_fill(capture, fake_read);
	vmx_capture_show(capture, look, &seen);
	assert_int_equal(seen.count, VMCS_FIELD_COUNT);
	for (unsigned i = 0; i < 4; i++)
		assert_true(seen.groups[i] > 8);
	free(capture);
}

static void missing_fields_are_left_out(void **state)
{
	struct vmx_capture *capture = calloc(1, sizeof(*capture));
	struct seen seen = {0};

	(void)state;
	missing[0] = POSTED_INTERRUPT_VECTOR; /* comes before the error */
	missing[1] = TSC_MULTIPLIER;
	missing[2] = HOST_SSP_TABLE;
	failed_before = false;
	vmx_capture_fill(capture, fake_read);
	assert_true(failed_before);
	vmx_capture_show(capture, look, &seen);
	assert_int_equal(seen.count, VMCS_FIELD_COUNT - 3);
	assert_int_equal(seen.error, 7);
	/* What was there the last time is not shown when it is no longer. */
	missing[3] = GUEST_RIP;
	failed_before = false;
	vmx_capture_fill(capture, fake_read);
	seen = (struct seen){0};
	vmx_capture_show(capture, look, &seen);
	assert_int_equal(seen.count, VMCS_FIELD_COUNT - 4);
	memset(missing, 0, sizeof(missing));
	free(capture);
}

static void without_memory_there_is_nothing(void **state)
{
	struct vmx_vcpu vmx = {0};
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	struct seen seen = {0};

	(void)state;
	vcpu->virt = &vmx;
	vmx_fields(vcpu, look, &seen); /* nothing was kept yet */
	assert_int_equal(seen.count, 0);
	fake_pages_left = 0;
	vmx_capture(vcpu); /* would be #UD here if it read anything */
	fake_pages_left = FAKE_UNLIMITED;
	vmx_fields(vcpu, look, &seen);
	assert_int_equal(seen.count, 0);
	vmx_capture_destroy(vcpu);
	free(vcpu);
}

/* --- values in words --- */

static void says(u32 encoding, u64 value, const char *expected)
{
	char text[512];

	memset(text, '#', sizeof(text));
	vmcs_field_text(encoding, value, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void controls_by_name(void **state)
{
	(void)state;
	says(PIN_CONTROLS, 0x29, "external-interrupt-exiting NMI-exiting virtual-NMIs");
	/* What is always 1 is left out, what is unknown is not. As Bochs' Haswell has them: */
	says(PIN_CONTROLS, 0x16, "");
	says(PIN_CONTROLS, 0x100, "bit 8");
	says(PRIMARY_CONTROLS, 0x0401e172, "CR3-load CR3-store");
	says(EXIT_CONTROLS, 0x36dff, "save-debug");
	says(ENTRY_CONTROLS, 0x11ff, "load-debug");
	says(PRIMARY_CONTROLS, 1u << 31 | 1 << 7, "HLT secondary");
	says(SECONDARY_CONTROLS, 0xa2, "EPT VPID unrestricted-guest");
	says(EXIT_CONTROLS, 1 << 9 | 1 << 15, "64-bit-host acknowledge");
	says(ENTRY_CONTROLS, 1 << 9 | 1 << 15, "IA-32e-guest load-EFER");
	says(EXCEPTION_BITMAP, 1 << 1 | 1 << 17 | 1 << 18, "#DB #AC #MC");
	says(GUEST_INTERRUPTIBILITY, 9, "blocked-by-STI blocked-by-NMI");
}

/* As long as it can be: nothing is lost, even of all bits. */
static void all_bits(void **state)
{
	static const u32 words[] = {PIN_CONTROLS,  PRIMARY_CONTROLS, SECONDARY_CONTROLS,
				    EXIT_CONTROLS, ENTRY_CONTROLS,   EXCEPTION_BITMAP};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		vmcs_field_text(words[i], ~0u, text, sizeof(text));
		assert_null(strstr(text, "..."));
	}
}

static void events(void **state)
{
	(void)state;
	says(ENTRY_INTERRUPTION, 0x30e, "none");
	says(ENTRY_INTERRUPTION, 0x80000b0e, "exception, vector 14, error code");
	says(EXIT_INTERRUPTION, 0x80000202, "NMI, vector 2");
	says(VECTORING_INFO, 0x800000ef, "external interrupt, vector 239");
}

static void the_rest(void **state)
{
	(void)state;
	says(EXIT_REASON, 12, "HLT");
	says(EXIT_REASON, 0x80000021, "entry failure: invalid guest state, VM entry failed");
	says(EPT_POINTER, 0x123401e, "root 0x1234000, 4 levels, memory type 6");
	says(EPT_POINTER, 0x123405e,
	     "root 0x1234000, 4 levels, memory type 6, accessed and dirty flags");
	says(GUEST_CS_RIGHTS, 0xa09b, "code, readable, 64-bit, DPL 0");
	says(GUEST_LDTR_RIGHTS, 0x10000, "unusable");
	says(GUEST_CR0, 0x80000031, "PE ET NE PG");
	says(GUEST_RFLAGS, 0x202, "IF");
	says(GUEST_ACTIVITY, 1, "HLT");
	says(GUEST_ACTIVITY, 77, "");
	says(INSTRUCTION_ERROR, 0, "");
	says(INSTRUCTION_ERROR, 12, vmx_instruction_error_text(12));
	says(GUEST_INTERRUPT_STATUS, 0x30ef, "requesting 0xef, servicing 0x30");
	says(GUEST_RIP, 0xfff0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_kept),
		cmocka_unit_test(missing_fields_are_left_out),
		cmocka_unit_test(without_memory_there_is_nothing),
		cmocka_unit_test(controls_by_name),
		cmocka_unit_test(all_bits),
		cmocka_unit_test(events),
		cmocka_unit_test(the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
