/* SPDX-License-Identifier: MIT */
/* The pass over a VMCS, and the shapes that its rules have in common. */
#include "entry_check_internal.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/format.h>

/* IA32_VMX_BASIC: physical addresses in the VMCS have 32 bits only (SDM vol. 3, A.1). */
#define BASIC_32_BIT_ADDRESSES BIT(48)

static void report(struct entry_run *run, u32 field, const char *rule, const char *allowed,
		   va_list arguments)
{
	struct entry_violation violation = {
		.section = run->section,
		.rule = rule,
		.field = field,
		.value = entry_value(run, field),
	};

	format_list(violation.allowed, sizeof(violation.allowed), allowed, arguments);
	run->violations++;
	run->check->report(run->check->context, &violation);
}

void entry_require_allowed(struct entry_run *run, bool holds, u32 field, const char *rule,
			   const char *allowed, ...)
{
	va_list arguments;

	if (holds)
		return;
	va_start(arguments, allowed);
	report(run, field, rule, allowed, arguments);
	va_end(arguments);
}

void entry_require(struct entry_run *run, bool holds, u32 field, const char *rule)
{
	entry_require_allowed(run, holds, field, rule, "%s", "");
}

void entry_require_zero(struct entry_run *run, u32 field, u64 mask, const char *rule)
{
	u64 wrong = entry_value(run, field) & mask;

	entry_require_allowed(run, !wrong, field, rule, "bits 0x%lx as 0", wrong);
}

static u64 sign_extended(u64 address, unsigned bits)
{
	return (u64)((s64)(address << (64 - bits)) >> (64 - bits));
}

void entry_require_canonical(struct entry_run *run, u32 field)
{
	u64 value = entry_value(run, field);

	entry_require_allowed(run, value == sign_extended(value, run->linear_bits), field,
			      "must be a canonical address", "bits 63:%u all equal",
			      run->linear_bits - 1);
}

/* Weaker than canonical: the bit below may differ (SDM vol. 3, 27.3.1.4). */
void entry_require_same_upper(struct entry_run *run, u32 field)
{
	u64 upper = entry_value(run, field) >> run->linear_bits;

	entry_require_allowed(run, !upper || upper == ~0UL >> run->linear_bits, field,
			      "bits above the linear-address width must all be equal",
			      "bits 63:%u all equal", run->linear_bits);
}

void entry_require_address(struct entry_run *run, u32 field, u64 low_mask)
{
	entry_require_allowed(run, !(entry_value(run, field) & low_mask), field,
			      "the address must be aligned", "a multiple of 0x%lx", low_mask + 1);
	entry_require_zero(run, field, ~0UL << run->address_bits,
			   "the address must lie within the physical-address width");
}

void entry_require_fixed(struct entry_run *run, u32 field, u64 fixed0, u64 fixed1, const char *rule)
{
	u64 value = entry_value(run, field);
	u64 low = fixed0 & ~value, high = value & ~fixed1;

	entry_require_allowed(run, !low && !high, field, rule, "bits 0x%lx as 1, bits 0x%lx as 0",
			      low, high);
}

void entry_require_cr3(struct entry_run *run, u32 field)
{
	entry_require_zero(run, field, ~0UL << run->check->caps->physical_bits,
			   "bits beyond the physical-address width must be 0");
}

void entry_require_pat(struct entry_run *run, u32 field)
{
	const u32 types = BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6) | BIT(7);
	u64 value = entry_value(run, field);

	for (unsigned i = 0; i < 8; i++) {
		unsigned type = value >> 8 * i & 0xff;

		entry_require_allowed(run, type < 8 && types & BIT(type), field,
				      "each byte must be a memory type",
				      "0, 1, 4, 5, 6 or 7 instead of 0x%x in byte %u", type, i);
	}
}

void entry_require_s_cet(struct entry_run *run, u32 field)
{
	const u64 suppress = BIT(10), tracker = BIT(11);

	entry_require_canonical(run, field);
	entry_require_zero(run, field, BITS(9, 6), "reserved bits 9:6 must be 0");
	entry_require(run, (entry_value(run, field) & (suppress | tracker)) != (suppress | tracker),
		      field, "bits 10 (SUPPRESS) and 11 (TRACKER) must not both be 1");
}

bool entry_read_memory(const struct entry_run *run, u64 address, void *buffer, size_t bytes)
{
	const struct entry_check *check = run->check;

	return check->read_memory && check->read_memory(check->context, address, buffer, bytes);
}

u32 entry_word_field(enum control_word word)
{
	static const u32 fields[] = {
		[WORD_PIN] = PIN_CONTROLS,	  [WORD_CPU] = PRIMARY_CONTROLS,
		[WORD_CPU2] = SECONDARY_CONTROLS, [WORD_EXIT] = EXIT_CONTROLS,
		[WORD_ENTRY] = ENTRY_CONTROLS,
	};

	return fields[word];
}

const struct vmx_allowed *entry_word_allowed(const struct entry_run *run, enum control_word word)
{
	const struct vmx_capabilities *caps = run->check->caps;
	const struct vmx_allowed *allowed[] = {
		[WORD_PIN] = &caps->pin,   [WORD_CPU] = &caps->cpu,	[WORD_CPU2] = &caps->cpu2,
		[WORD_EXIT] = &caps->exit, [WORD_ENTRY] = &caps->entry,
	};

	return allowed[word];
}

static void read_words(struct entry_run *run)
{
	for (enum control_word word = 0; word < WORD_COUNT; word++) {
		if (word == WORD_CPU2 && !entry_on(run, WORD_CPU, CPU_SECONDARY))
			continue; /* not looked at: as if all were 0 */
		run->words[word] = (u32)entry_value(run, entry_word_field(word)) &
				   entry_word_allowed(run, word)->may;
	}
}

unsigned entry_check_all(const struct entry_check *check)
{
	struct entry_run run = {
		.check = check,
		.address_bits = check->caps->physical_bits,
		.linear_bits = check->linear_bits ? check->linear_bits : 48,
	};

	if (check->basic & BASIC_32_BIT_ADDRESSES)
		run.address_bits = 32;
	read_words(&run);
	entry_check_controls(&run);
	entry_check_event(&run);
	entry_check_host(&run);
	entry_check_guest(&run);
	entry_check_segments(&run);
	entry_check_msr_load(&run);
	return run.violations;
}
