/* SPDX-License-Identifier: MIT */
/*
 * What this CPU's VMX can do, and the controls that Bulkhead uses. Pure: MSRs come from a callback,
 * so it is unit tested with the values of many CPUs.
 */
#pragma once

#include <bulkhead/types.h>

#define IA32_VMX_PINBASED_CTLS	     0x481
#define IA32_VMX_PROCBASED_CTLS	     0x482
#define IA32_VMX_EXIT_CTLS	     0x483
#define IA32_VMX_ENTRY_CTLS	     0x484
#define IA32_VMX_MISC		     0x485
#define IA32_VMX_CR0_FIXED0	     0x486
#define IA32_VMX_CR0_FIXED1	     0x487
#define IA32_VMX_CR4_FIXED0	     0x488
#define IA32_VMX_CR4_FIXED1	     0x489
#define IA32_VMX_PROCBASED_CTLS2     0x48b
#define IA32_VMX_EPT_VPID_CAP	     0x48c
#define IA32_VMX_TRUE_PINBASED_CTLS  0x48d
#define IA32_VMX_TRUE_PROCBASED_CTLS 0x48e
#define IA32_VMX_TRUE_EXIT_CTLS	     0x48f
#define IA32_VMX_TRUE_ENTRY_CTLS     0x490

/* One control word: bits that must be 1 and bits that may be 1 (SDM vol. 3, A.3.1). */
struct vmx_allowed {
	u32 must;
	u32 may;
};

#define EPT_CAP_EXECUTE_ONLY   BIT(0)
#define EPT_CAP_WALK_4	       BIT(6)
#define EPT_CAP_WB	       BIT(14)
#define EPT_CAP_2M	       BIT(16)
#define EPT_CAP_1G	       BIT(17)
#define EPT_CAP_INVEPT	       BIT(20)
#define EPT_CAP_ACCESSED_DIRTY BIT(21)
#define EPT_CAP_INVEPT_SINGLE  BIT(25)
#define EPT_CAP_INVEPT_ALL     BIT(26)
#define EPT_CAP_INVVPID	       BIT(32)
#define EPT_CAP_INVVPID_SINGLE BIT(41)
#define EPT_CAP_INVVPID_ALL    BIT(42)

struct vmx_capabilities {
	u32 revision;
	u32 region_bytes;
	u64 misc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 ept_vpid;
	unsigned preemption_shift; /* the timer counts TSC >> shift */
	unsigned physical_bits;
	struct vmx_allowed pin, cpu, cpu2, exit, entry;
};

struct vmx_controls {
	u32 pin, cpu, cpu2, exit, entry;
	bool apic_registers; /* APIC-register virtualisation and virtual-interrupt delivery are on
			      */
	bool x2apic;	     /* and work in x2APIC mode */
};

void vmx_capabilities_read(struct vmx_capabilities *caps, u64 (*msr)(void *context, u32 msr),
			   void *context, unsigned physical_bits);

/*
 * The controls to use. Returns 0, or -ENODEV with the first missing required feature in words in
 * `missing` (160 bytes). `hide` names optional features to do without (bits of VMX_HIDE_*), for
 * tests of the software paths.
 */
#define VMX_HIDE_APIC_VIRTUALISATION 1u
int vmx_controls_choose(const struct vmx_capabilities *caps, u32 hide,
			struct vmx_controls *controls, char *missing) must_check;

/* Fewest features on any CPU: what all CPUs share. */
void vmx_capabilities_merge(struct vmx_capabilities *all, const struct vmx_capabilities *one);

/* Whether CPUs with this signature, EAX of CPUID leaf 1, have a VMX-preemption timer that does not
 * count as it should, by Intel's specification updates. */
bool vmx_preemption_timer_errs(u32 signature);
