/* SPDX-License-Identifier: MIT */
/* From the capability MSRs to the controls in use (SDM vol. 3, appendix A). */
#include "capabilities.h"

#include "../instructions.h"
#include "fields.h"

#include <bulkhead/error.h>
#include <bulkhead/format.h>

#define BASIC_TRUE_CONTROLS BIT(55)

/* What Bulkhead cannot do without, and what it uses where it is. */
struct feature {
	u32 bit;
	bool required;
	const char *name;
};

static const struct feature pin_features[] = {
	{PIN_EXTERNAL_INTERRUPT, true, "external-interrupt exiting"},
	{PIN_NMI, true, "NMI exiting"},
	{PIN_VIRTUAL_NMI, true, "virtual NMIs"},
	{PIN_PREEMPTION_TIMER, true, "VMX-preemption timer"},
};

static const struct feature cpu_features[] = {
	{CPU_TSC_OFFSETTING, true, "TSC offsetting"}, {CPU_HLT, true, "HLT exiting"},
	{CPU_MWAIT, true, "MWAIT exiting"},	      {CPU_RDPMC, true, "RDPMC exiting"},
	{CPU_TPR_SHADOW, true, "TPR shadow"},	      {CPU_IO_BITMAPS, true, "I/O bitmaps"},
	{CPU_MSR_BITMAPS, true, "MSR bitmaps"},	      {CPU_MONITOR, true, "MONITOR exiting"},
	{CPU_SECONDARY, true, "secondary controls"},
};

static const struct feature cpu2_features[] = {
	{CPU2_EPT, true, "EPT"},
	{CPU2_UNRESTRICTED, true, "unrestricted guest"},
	{CPU2_VPID, true, "VPID"},
	{CPU2_WBINVD, false, "WBINVD exiting"},
	{CPU2_RDTSCP, false, "RDTSCP"},
	{CPU2_INVPCID, false, "INVPCID"},
	{CPU2_ENCLS, false, "ENCLS exiting"},
};

static const struct feature exit_features[] = {
	{EXIT_SAVE_DEBUG, true, "save debug controls"},
	{EXIT_HOST_64, true, "64-bit host"},
	{EXIT_ACKNOWLEDGE, true, "acknowledge interrupt on exit"},
	{EXIT_SAVE_PAT, true, "save IA32_PAT"},
	{EXIT_LOAD_PAT, true, "load IA32_PAT at exit"},
	{EXIT_SAVE_EFER, true, "save IA32_EFER"},
	{EXIT_LOAD_EFER, true, "load IA32_EFER at exit"},
};

static const struct feature entry_features[] = {
	{ENTRY_LOAD_DEBUG, true, "load debug controls"},
	{ENTRY_LOAD_PAT, true, "load IA32_PAT at entry"},
	{ENTRY_LOAD_EFER, true, "load IA32_EFER at entry"},
};

static struct vmx_allowed allowed(u64 msr)
{
	return (struct vmx_allowed){.must = (u32)msr, .may = (u32)(msr >> 32)};
}

void vmx_capabilities_read(struct vmx_capabilities *caps, u64 (*msr)(void *context, u32 msr),
			   void *context, unsigned physical_bits)
{
	u64 basic = msr(context, IA32_VMX_BASIC);
	bool exact = basic & BASIC_TRUE_CONTROLS;
	bool secondary;

	*caps = (struct vmx_capabilities){.physical_bits = physical_bits};
	caps->revision = basic & BITS(30, 0);
	caps->region_bytes = basic >> 32 & 0x1fff;
	caps->misc = msr(context, IA32_VMX_MISC);
	caps->preemption_shift = caps->misc & 0x1f;
	caps->cr0_fixed0 = msr(context, IA32_VMX_CR0_FIXED0);
	caps->cr0_fixed1 = msr(context, IA32_VMX_CR0_FIXED1);
	caps->cr4_fixed0 = msr(context, IA32_VMX_CR4_FIXED0);
	caps->cr4_fixed1 = msr(context, IA32_VMX_CR4_FIXED1);
	caps->pin =
		allowed(msr(context, exact ? IA32_VMX_TRUE_PINBASED_CTLS : IA32_VMX_PINBASED_CTLS));
	caps->cpu = allowed(
		msr(context, exact ? IA32_VMX_TRUE_PROCBASED_CTLS : IA32_VMX_PROCBASED_CTLS));
	caps->exit = allowed(msr(context, exact ? IA32_VMX_TRUE_EXIT_CTLS : IA32_VMX_EXIT_CTLS));
	caps->entry = allowed(msr(context, exact ? IA32_VMX_TRUE_ENTRY_CTLS : IA32_VMX_ENTRY_CTLS));
	secondary = caps->cpu.may & CPU_SECONDARY;
	if (secondary)
		caps->cpu2 = allowed(msr(context, IA32_VMX_PROCBASED_CTLS2));
	/* This MSR exists only with EPT or VPID (SDM vol. 3, A.10). */
	if (caps->cpu2.may & (CPU2_EPT | CPU2_VPID))
		caps->ept_vpid = msr(context, IA32_VMX_EPT_VPID_CAP);
}

static struct vmx_allowed both(struct vmx_allowed a, struct vmx_allowed b)
{
	return (struct vmx_allowed){.must = a.must | b.must, .may = a.may & b.may};
}

void vmx_capabilities_merge(struct vmx_capabilities *all, const struct vmx_capabilities *one)
{
	all->pin = both(all->pin, one->pin);
	all->cpu = both(all->cpu, one->cpu);
	all->cpu2 = both(all->cpu2, one->cpu2);
	all->exit = both(all->exit, one->exit);
	all->entry = both(all->entry, one->entry);
	all->ept_vpid &= one->ept_vpid;
	all->cr0_fixed0 |= one->cr0_fixed0;
	all->cr0_fixed1 &= one->cr0_fixed1;
	all->cr4_fixed0 |= one->cr4_fixed0;
	all->cr4_fixed1 &= one->cr4_fixed1;
}

static int choose(const struct vmx_allowed *can, const struct feature *features, size_t count,
		  u32 *controls, char *missing)
{
	u32 wanted = can->must;

	for (size_t i = 0; i < count; i++) {
		if (can->may & features[i].bit) {
			wanted |= features[i].bit;
		} else if (features[i].required) {
			format_text(missing, 160, "the CPU's VT-x lacks %s", features[i].name);
			return -ENODEV;
		}
	}
	*controls = wanted;
	return 0;
}

static int check_ept(const struct vmx_capabilities *caps, char *missing)
{
	const struct {
		u64 bit;
		const char *name;
	} needed[] = {
		{EPT_CAP_WALK_4, "4-level EPT"},
		{EPT_CAP_WB, "write-back EPT structures"},
		{EPT_CAP_INVEPT, "INVEPT"},
		{EPT_CAP_INVVPID, "INVVPID"},
		{EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL, "INVEPT of a context"},
		{EPT_CAP_INVVPID_SINGLE | EPT_CAP_INVVPID_ALL, "INVVPID of a context"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (caps->ept_vpid & needed[i].bit)
			continue;
		format_text(missing, 160, "the CPU's VT-x lacks %s", needed[i].name);
		return -ENODEV;
	}
	return 0;
}

/*
 * APIC virtualisation is used whole or not at all: registers, interrupt delivery and the access
 * page go together, and the software path is complete without any of them.
 */
static void choose_apic(const struct vmx_capabilities *caps, u32 hide,
			struct vmx_controls *controls)
{
	u32 needed = CPU2_APIC_ACCESSES | CPU2_APIC_REGISTER | CPU2_VIRTUAL_INTERRUPT;

	if (hide & VMX_HIDE_APIC_VIRTUALISATION || (caps->cpu2.may & needed) != needed)
		return;
	controls->apic_registers = true;
	controls->x2apic = caps->cpu2.may & CPU2_X2APIC;
	controls->cpu2 |= CPU2_APIC_REGISTER | CPU2_VIRTUAL_INTERRUPT;
}

#define CHOOSE(word)                                                                               \
	choose(&caps->word, word##_features, ARRAY_SIZE(word##_features), &controls->word, missing)

int vmx_controls_choose(const struct vmx_capabilities *caps, u32 hide,
			struct vmx_controls *controls, char *missing)
{
	int error;

	*controls = (struct vmx_controls){0};
	error = CHOOSE(pin);
	error = error ? error : CHOOSE(cpu);
	error = error ? error : CHOOSE(cpu2);
	error = error ? error : CHOOSE(exit);
	error = error ? error : CHOOSE(entry);
	error = error ? error : check_ept(caps, missing);
	if (error)
		return error;
	choose_apic(caps, hide, controls);
	return 0;
}

#define SIGNATURE_RESERVED (BITS(15, 14) | BITS(31, 28))

bool vmx_preemption_timer_errs(u32 signature)
{
	/* Of those that have an unrestricted guest: Clarkdale and Arrandale, C2 and K0; an early
	 * Ivy Bridge. */
	static const u32 known[] = {0x20652, 0x20655, 0x306a8};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if ((signature & ~(u32)SIGNATURE_RESERVED) == known[i])
			return true;
	return false;
}
