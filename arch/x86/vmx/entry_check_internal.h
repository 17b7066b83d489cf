/* SPDX-License-Identifier: MIT */
/* What the files of the entry check share. */
#pragma once

#include "entry_check.h"

enum control_word { WORD_PIN, WORD_CPU, WORD_CPU2, WORD_EXIT, WORD_ENTRY, WORD_COUNT };

/* One pass over one VMCS. */
struct entry_run {
	const struct entry_check *check;
	const char *section; /* of the rules being checked */
	unsigned violations;
	unsigned address_bits; /* of addresses in VMX controls */
	unsigned linear_bits;
	/*
	 * Controls as they count: bits that the CPU does not know are reported once, as reserved
	 * bits, and have no further consequence. So fields that the CPU lacks are never read.
	 */
	u32 words[WORD_COUNT];
};

static inline bool entry_on(const struct entry_run *run, enum control_word word, u64 bit)
{
	return run->words[word] & bit;
}

static inline u64 entry_value(const struct entry_run *run, u32 field)
{
	return run->check->read(run->check->context, field);
}

static inline u64 entry_debugctl_bits(const struct entry_run *run)
{
	return run->check->debugctl ? run->check->debugctl : ENTRY_DEBUGCTL_DEFAULT;
}

/* The field and limits of a control word. */
u32 entry_word_field(enum control_word word);
const struct vmx_allowed *entry_word_allowed(const struct entry_run *run, enum control_word word);

/* Report a violation of `rule` by `field` unless it `holds`. The second also says what is allowed.
 */
void entry_require(struct entry_run *run, bool holds, u32 field, const char *rule);
void entry_require_allowed(struct entry_run *run, bool holds, u32 field, const char *rule,
			   const char *allowed, ...) printf_like(5, 6);

/* Rules of one shape that many fields have. */
void entry_require_zero(struct entry_run *run, u32 field, u64 mask, const char *rule);
void entry_require_canonical(struct entry_run *run, u32 field);
void entry_require_same_upper(struct entry_run *run, u32 field);
/* Bits of `low_mask` clear, and within the physical-address width. */
void entry_require_address(struct entry_run *run, u32 field, u64 low_mask);
/* As IA32_VMX_CRx_FIXED0 and FIXED1 say. */
void entry_require_fixed(struct entry_run *run, u32 field, u64 fixed0, u64 fixed1,
			 const char *rule);
void entry_require_cr3(struct entry_run *run, u32 field);
void entry_require_pat(struct entry_run *run, u32 field);
void entry_require_s_cet(struct entry_run *run, u32 field);

bool entry_read_memory(const struct entry_run *run, u64 address, void *buffer, size_t bytes);

void entry_check_controls(struct entry_run *run);
void entry_check_event(struct entry_run *run);
void entry_check_host(struct entry_run *run);
void entry_check_guest(struct entry_run *run);
void entry_check_segments(struct entry_run *run);
void entry_check_msr_load(struct entry_run *run);
