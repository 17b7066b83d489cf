/* SPDX-License-Identifier: MIT */
/*
 * Why a VM entry failed: the checks of SDM vol. 3, chapter 27 ("VM entries"), done again in
 * software on the VMCS as it is, each violated one reported with field, value and what would be
 * allowed. Pure: the VMCS comes through a callback. The CPU stops at the first class of checks that
 * fails (controls, host state, guest state, MSR loading); this goes through all of them.
 */
#pragma once

#include "capabilities.h"
#include "fields.h"

#include <bulkhead/types.h>

struct entry_violation {
	const char *section; /* of SDM vol. 3, such as "27.2.1.1" */
	const char *rule;    /* in words */
	u32 field;	     /* encoding of the field that breaks it */
	u64 value;	     /* of that field */
	char allowed[96];    /* what would do; "" when the rule says it all */
};

/* Bits of IA32_DEBUGCTL that are defined on CPUs without bus-lock detection (SDM vol. 3, 18.4.1).
 */
#define ENTRY_DEBUGCTL_DEFAULT 0xffc3UL

struct entry_check {
	void *context; /* of the three callbacks */
	/* Read a field of the VMCS. Only fields are asked for that a CPU with `caps` has. */
	u64 (*read)(void *context, u32 field);
	/*
	 * Read physical memory; false: cannot. NULL leaves out the rules on memory: VTPR, PDPTEs of
	 * a guest without EPT, the VMCS that the link pointer names, the entries of the MSR-load
	 * area.
	 */
	bool (*read_memory)(void *context, u64 address, void *buffer, size_t bytes);
	void (*report)(void *context, const struct entry_violation *violation);

	const struct vmx_capabilities *caps;
	u64 basic;	      /* IA32_VMX_BASIC */
	u64 current_vmcs;     /* its physical address; 0: unknown */
	unsigned linear_bits; /* linear-address width, 0: 48 */
	u64 vm_functions;     /* IA32_VMX_VMFUNC, 0 where there is none */
	bool rtm, sgx;	      /* the CPU has these */
	/* Bits defined in these MSRs; 0: ENTRY_DEBUGCTL_DEFAULT, and no check of the two others. */
	u64 debugctl, perf_global, rtit_ctl;
};

/* Returns the number of violations, each of which went to `report`. */
unsigned entry_check_all(const struct entry_check *check);

/* One line on a violation. Returns the length of the whole text, like format_text. */
size_t entry_violation_text(const struct entry_violation *violation, char *buffer, size_t bytes);

/* Words for a VM-instruction error (SDM vol. 3, 31.4) and for an exit reason, whose upper half does
 * not matter (SDM vol. 3, appendix C). Never NULL. */
const char *vmx_instruction_error_text(u32 error);
const char *vmx_exit_reason_name(u32 reason);
