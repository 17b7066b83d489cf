/* SPDX-License-Identifier: MIT */
/* The end of an instruction that an exit handler has carried out. */
#pragma once

#include "fields.h"
#include "instructions.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/types.h>

/* Outside 64-bit code registers have 32 bits. */
static inline bool vmx_code_is_wide(void)
{
	return vmread(GUEST_CS_RIGHTS) & RIGHTS_LONG && vmread(GUEST_EFER) & EFER_LMA;
}

/* The one instruction after STI or MOV SS is the one that is completed now. */
inlined void vmx_shadow_end(void)
{
	u64 interruptibility = vmread_sure(GUEST_INTERRUPTIBILITY);

	if (unlikely(interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)))
		vmwrite_sure(GUEST_INTERRUPTIBILITY,
			     interruptibility &
				     ~(u64)(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
}

/* What else the end of an instruction changes. Returns the guest's flags. */
inlined u64 vmx_instruction_completed(void)
{
	u64 flags;

	vmx_shadow_end();
	flags = vmread_sure(GUEST_RFLAGS);
	/* Single-stepping traps after it too (SDM vol. 3, 27.3.1.5), but not that of branches. */
	if (unlikely(flags & RFLAGS_TF) && !(vmread(GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		vmwrite(GUEST_PENDING_DEBUG, vmread(GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
	return flags;
}

/*
 * Whether the next entry comes with a trap of single-stepping, with these flags of the guest. It
 * comes before interrupts, and NMIs; but an entry that injects one of them loses it (SDM vol.
 * 3, 27.7.3).
 */
inlined bool vmx_trap_is_pending(u64 flags)
{
	return unlikely(flags & RFLAGS_TF) &&
	       vmread(GUEST_PENDING_DEBUG) & (PENDING_DEBUG_BS | PENDING_DEBUG_BREAKPOINT);
}

#define INSTRUCTION_LENGTH_END 16

/* RIP past the instruction that exited. Only where it passes 4 GiB it matters how wide it is.
 * Returns the guest's flags. */
inlined u64 vmx_advance(void)
{
	u64 rip = GUEST_RIP, next;

	/* A compiler that knows the number would load it twice. */
	__asm__("" : "+r"(rip));
	next = vmread_sure(rip) + vmread_sure(EXIT_INSTRUCTION_LENGTH);
	if (unlikely((u32)next < INSTRUCTION_LENGTH_END) && !vmx_code_is_wide())
		next = (u32)next;
	vmwrite_sure(rip, next);
	return vmx_instruction_completed();
}
