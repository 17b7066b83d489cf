/* SPDX-License-Identifier: MIT */
/* Checks on the guest-state area but for segment registers (SDM vol. 3, 27.3.1). */
#include "entry_check_internal.h"

#include <bulkhead/cpu_state.h>

#define DEBUGCTL_BUS_LOCK BIT(2)

/* All that IA32_LBR_CTL has (SDM vol. 3, chapter 19). */
#define LBR_CTL_BITS 0x7f000fULL

enum activity { ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI };

static void check_control_registers(struct entry_run *run)
{
	const struct vmx_capabilities *caps = run->check->caps;
	u64 cr0 = entry_value(run, GUEST_CR0), cr4 = entry_value(run, GUEST_CR4);
	/* NW and CD are not checked, as entry does not change them. */
	u64 unchecked = CR0_NW | CR0_CD;

	if (entry_on(run, WORD_CPU2, CPU2_UNRESTRICTED))
		unchecked |= CR0_PE | CR0_PG;
	entry_require_fixed(run, GUEST_CR0, caps->cr0_fixed0 & ~unchecked,
			    caps->cr0_fixed1 | unchecked,
			    "bits that VMX operation fixes must have their value");
	entry_require(run, !(cr0 & CR0_PG) || cr0 & CR0_PE, GUEST_CR0, "if PG is 1, PE must be 1");
	entry_require_fixed(run, GUEST_CR4, caps->cr4_fixed0, caps->cr4_fixed1,
			    "bits that VMX operation fixes must have their value");
	entry_require(run, !(cr4 & CR4_CET) || cr0 & CR0_WP, GUEST_CR4,
		      "if CR4.CET is 1, CR0.WP must be 1");
	if (entry_on(run, WORD_ENTRY, ENTRY_IA32E)) {
		entry_require(run, cr0 & CR0_PG, GUEST_CR0,
			      "if IA-32e mode guest is 1, PG must be 1");
		entry_require(run, cr4 & CR4_PAE, GUEST_CR4,
			      "if IA-32e mode guest is 1, PAE must be 1");
	} else {
		entry_require(run, !(cr4 & CR4_PCIDE), GUEST_CR4,
			      "if IA-32e mode guest is 0, PCIDE must be 0");
	}
	entry_require_cr3(run, GUEST_CR3);
	entry_require_canonical(run, GUEST_SYSENTER_ESP);
	entry_require_canonical(run, GUEST_SYSENTER_EIP);
}

static void check_debug(struct entry_run *run)
{
	if (!entry_on(run, WORD_ENTRY, ENTRY_LOAD_DEBUG))
		return;
	entry_require_zero(run, GUEST_DEBUGCTL, ~entry_debugctl_bits(run),
			   "reserved bits must be 0");
	entry_require_zero(run, GUEST_DR7, BITS(63, 32), "bits 63:32 must be 0");
}

static void check_efer(struct entry_run *run)
{
	u64 efer = entry_value(run, GUEST_EFER);
	bool ia32e = entry_on(run, WORD_ENTRY, ENTRY_IA32E);
	bool paging = entry_value(run, GUEST_CR0) & CR0_PG;

	entry_require_zero(run, GUEST_EFER, ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
			   "reserved bits must be 0");
	entry_require_allowed(run, !(efer & EFER_LMA) == !ia32e, GUEST_EFER,
			      "LMA must equal the IA-32e mode guest control", "bit 10 as %u",
			      ia32e);
	entry_require(run, !paging || !(efer & EFER_LMA) == !(efer & EFER_LME), GUEST_EFER,
		      "LMA (bit 10) must equal LME (bit 8) if CR0.PG is 1");
}

/* Fields where all there is to check is that some bits are 0, if a VM-entry control loads them. */
static void check_zero_bits(struct entry_run *run)
{
	const struct {
		u64 control;
		u32 field;
		u64 mask;
		const char *rule;
	} rules[] = {
		{ENTRY_LOAD_PERF, GUEST_PERF_GLOBAL_CTRL,
		 run->check->perf_global ? ~run->check->perf_global : 0, "reserved bits must be 0"},
		{ENTRY_LOAD_BNDCFGS, GUEST_BNDCFGS, BITS(11, 2), "reserved bits 11:2 must be 0"},
		{ENTRY_LOAD_RTIT, GUEST_RTIT_CTL, run->check->rtit_ctl ? ~run->check->rtit_ctl : 0,
		 "reserved bits must be 0"},
		{ENTRY_LOAD_UINV, GUEST_UINV, BITS(15, 8), "bits 15:8 must be 0"},
		{ENTRY_LOAD_LBR, GUEST_LBR_CTL, ~LBR_CTL_BITS, "reserved bits must be 0"},
		{ENTRY_LOAD_PKRS, GUEST_PKRS, BITS(63, 32), "bits 63:32 must be 0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (entry_on(run, WORD_ENTRY, rules[i].control))
			entry_require_zero(run, rules[i].field, rules[i].mask, rules[i].rule);
	}
}

static void check_msrs(struct entry_run *run)
{
	if (entry_on(run, WORD_ENTRY, ENTRY_LOAD_PAT))
		entry_require_pat(run, GUEST_PAT);
	if (entry_on(run, WORD_ENTRY, ENTRY_LOAD_EFER))
		check_efer(run);
	check_zero_bits(run);
	if (entry_on(run, WORD_ENTRY, ENTRY_LOAD_BNDCFGS))
		entry_require_canonical(run, GUEST_BNDCFGS);
	if (!entry_on(run, WORD_ENTRY, ENTRY_LOAD_CET))
		return;
	entry_require_s_cet(run, GUEST_S_CET);
	entry_require_canonical(run, GUEST_SSP_TABLE);
}

static void check_descriptor_tables(struct entry_run *run)
{
	run->section = "27.3.1.3";
	entry_require_canonical(run, GUEST_GDTR_BASE);
	entry_require_canonical(run, GUEST_IDTR_BASE);
	entry_require_zero(run, GUEST_GDTR_LIMIT, BITS(31, 16), "bits 31:16 must be 0");
	entry_require_zero(run, GUEST_IDTR_LIMIT, BITS(31, 16), "bits 31:16 must be 0");
}

/* The event to inject is valid and of this type. */
static bool injects(const struct entry_run *run, u64 type)
{
	u64 event = entry_value(run, ENTRY_INTERRUPTION);

	return event & EVENT_VALID && (event & EVENT_TYPE_MASK) == type;
}

static void check_rip_rflags(struct entry_run *run)
{
	bool ia32e = entry_on(run, WORD_ENTRY, ENTRY_IA32E);
	bool real_mode = !(entry_value(run, GUEST_CR0) & CR0_PE);
	u64 rflags = entry_value(run, GUEST_RFLAGS);

	run->section = "27.3.1.4";
	if (ia32e && entry_value(run, GUEST_CS_RIGHTS) & RIGHTS_LONG)
		entry_require_same_upper(run, GUEST_RIP);
	else
		entry_require_zero(run, GUEST_RIP, BITS(63, 32),
				   "bits 63:32 must be 0 outside 64-bit mode");
	entry_require_zero(run, GUEST_RFLAGS, BITS(63, 22) | BIT(15) | BIT(5) | BIT(3),
			   "bits 63:22, 15, 5 and 3 must be 0");
	entry_require_allowed(run, rflags & RFLAGS_FIXED, GUEST_RFLAGS, "bit 1 must be 1", "0x%lx",
			      rflags | RFLAGS_FIXED);
	if (ia32e || real_mode)
		entry_require_zero(run, GUEST_RFLAGS, RFLAGS_VM,
				   "VM (bit 17) must be 0 in IA-32e mode and if CR0.PE is 0");
	if (injects(run, EVENT_EXTERNAL))
		entry_require(run, rflags & RFLAGS_IF, GUEST_RFLAGS,
			      "IF (bit 9) must be 1 to inject an external interrupt");
	if (entry_on(run, WORD_ENTRY, ENTRY_LOAD_CET)) {
		entry_require_zero(run, GUEST_SSP, BITS(1, 0), "bits 1:0 must be 0");
		entry_require_same_upper(run, GUEST_SSP);
	}
}

/* Would the CPU, in this activity state, take the event that entry injects? */
static bool takes(const struct entry_run *run, u64 activity)
{
	u64 event = entry_value(run, ENTRY_INTERRUPTION);
	u64 type = event & EVENT_TYPE_MASK, vector = event & 0xff;
	bool machine_check = type == EVENT_EXCEPTION && vector == 18;

	if (!(event & EVENT_VALID) || activity == ACTIVE)
		return true;
	if (activity == HLT)
		return type == EVENT_EXTERNAL || type == EVENT_NMI || machine_check ||
		       (type == EVENT_EXCEPTION && vector == 1) ||
		       (type == EVENT_OTHER && vector == 0);
	return activity == SHUTDOWN && (type == EVENT_NMI || machine_check);
}

static void check_activity(struct entry_run *run)
{
	u64 activity = entry_value(run, GUEST_ACTIVITY);
	/* HLT, shutdown and wait-for-SIPI (SDM vol. 3, A.6); active is always there. */
	u64 supported = (run->check->caps->misc >> 6 & 7) << 1 | 1;
	u64 blocking = entry_value(run, GUEST_INTERRUPTIBILITY) &
		       (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);

	entry_require_allowed(run, activity <= WAIT_FOR_SIPI && supported & BIT(activity & 3),
			      GUEST_ACTIVITY, "must be a state that the CPU supports",
			      "0 (active)%s%s%s", supported & BIT(HLT) ? ", 1 (HLT)" : "",
			      supported & BIT(SHUTDOWN) ? ", 2 (shutdown)" : "",
			      supported & BIT(WAIT_FOR_SIPI) ? ", 3 (wait-for-SIPI)" : "");
	entry_require(run, activity != HLT || !(entry_value(run, GUEST_SS_RIGHTS) & BITS(6, 5)),
		      GUEST_ACTIVITY, "must not be HLT if DPL of SS is not 0");
	entry_require_allowed(run, activity == ACTIVE || !blocking, GUEST_ACTIVITY,
			      "must be active with blocking by STI or MOV SS", "0 (active)");
	entry_require(run, takes(run, activity), GUEST_ACTIVITY,
		      "must not block the event that entry injects");
}

static void check_interruptibility(struct entry_run *run)
{
	const u64 both = INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS;
	u64 state = entry_value(run, GUEST_INTERRUPTIBILITY);
	u32 field = GUEST_INTERRUPTIBILITY;

	entry_require_zero(run, field, BITS(31, 5), "bits 31:5 must be 0");
	entry_require(run, (state & both) != both, field,
		      "blocking by STI and by MOV SS must not both be 1");
	if (!(entry_value(run, GUEST_RFLAGS) & RFLAGS_IF))
		entry_require_zero(run, field, INTERRUPTIBILITY_STI,
				   "blocking by STI must be 0 if RFLAGS.IF is 0");
	if (injects(run, EVENT_EXTERNAL))
		entry_require_zero(run, field, both,
				   "STI or MOV SS must not block an injected interrupt");
	if (injects(run, EVENT_NMI)) {
		entry_require_zero(run, field, INTERRUPTIBILITY_MOV_SS,
				   "MOV SS must not block an injected NMI");
		/* Up to the CPU, the manual says. */
		entry_require_zero(run, field, INTERRUPTIBILITY_STI,
				   "STI must not block an injected NMI on some CPUs");
	}
	if (injects(run, EVENT_NMI) && entry_on(run, WORD_PIN, PIN_VIRTUAL_NMI))
		entry_require_zero(run, field, INTERRUPTIBILITY_NMI,
				   "with virtual NMIs, blocking by NMI must be 0 to inject an NMI");
	/* The hypervisor never runs in SMM. */
	entry_require_zero(run, field, INTERRUPTIBILITY_SMI,
			   "blocking by SMI must be 0 outside SMM");
	if (!(state & INTERRUPTIBILITY_ENCLAVE))
		return;
	entry_require(run, !(state & INTERRUPTIBILITY_MOV_SS), field,
		      "blocking by MOV SS must be 0 with enclave interruption");
	entry_require(run, run->check->sgx, field, "enclave interruption must be 0 without SGX");
}

/* While something holds off debug exceptions, a pending single step must show here. */
static void check_single_step(struct entry_run *run)
{
	u64 blocking = entry_value(run, GUEST_INTERRUPTIBILITY) &
		       (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
	bool stepping = entry_value(run, GUEST_RFLAGS) & RFLAGS_TF &&
			!(entry_value(run, GUEST_DEBUGCTL) & DEBUGCTL_BTF);
	bool pending = entry_value(run, GUEST_PENDING_DEBUG) & PENDING_DEBUG_BS;

	if (!blocking && entry_value(run, GUEST_ACTIVITY) != HLT)
		return;
	entry_require(run, pending || !stepping, GUEST_PENDING_DEBUG,
		      "BS (bit 14) must be 1 if TF is 1 and BTF is 0");
	entry_require(run, !pending || stepping, GUEST_PENDING_DEBUG,
		      "BS (bit 14) must be 0 if TF is 0 or BTF is 1");
}

static void check_pending_debug(struct entry_run *run)
{
	u64 reserved = BITS(63, 17) | BIT(15) | BIT(13) | BITS(10, 4);
	u64 pending = entry_value(run, GUEST_PENDING_DEBUG);

	if (!(entry_debugctl_bits(run) & DEBUGCTL_BUS_LOCK))
		reserved |= BIT(11);
	entry_require_zero(run, GUEST_PENDING_DEBUG, reserved, "reserved bits must be 0");
	check_single_step(run);
	if (!(pending & PENDING_DEBUG_RTM))
		return;
	entry_require_zero(run, GUEST_PENDING_DEBUG, (BITS(11, 0) | PENDING_DEBUG_BS) & ~reserved,
			   "bits 11:0 and 15:13 must be 0 with RTM (bit 16)");
	entry_require(run, pending & PENDING_DEBUG_BREAKPOINT, GUEST_PENDING_DEBUG,
		      "bit 12 must be 1 with RTM (bit 16)");
	entry_require(run, run->check->rtm, GUEST_PENDING_DEBUG,
		      "RTM (bit 16) must be 0 on a CPU without RTM");
	entry_require(run, !(entry_value(run, GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS),
		      GUEST_PENDING_DEBUG, "RTM (bit 16) must be 0 with blocking by MOV SS");
}

static void check_link_pointer(struct entry_run *run)
{
	const u32 shadow = 1U << 31;
	u64 link = entry_value(run, VMCS_LINK_POINTER);
	bool shadowing = entry_on(run, WORD_CPU2, CPU2_VMCS_SHADOWING);
	u32 revision;

	if (link == ~0ULL)
		return;
	entry_require_address(run, VMCS_LINK_POINTER, 0xfff);
	if (run->check->current_vmcs)
		entry_require_allowed(run, link != run->check->current_vmcs, VMCS_LINK_POINTER,
				      "must not be the current VMCS", "0xffffffffffffffff (none)");
	if (!entry_read_memory(run, link, &revision, sizeof(revision)))
		return;
	entry_require_allowed(run, (revision & ~shadow) == run->check->caps->revision,
			      VMCS_LINK_POINTER, "must lead to a VMCS of this CPU's revision",
			      "revision 0x%x, not 0x%x", run->check->caps->revision,
			      revision & ~shadow);
	entry_require_allowed(run, !(revision & shadow) == !shadowing, VMCS_LINK_POINTER,
			      "must lead to a shadow VMCS exactly if VMCS shadowing is 1",
			      "bit 31 of its first word as %u", shadowing);
}

static void check_non_register(struct entry_run *run)
{
	run->section = "27.3.1.5";
	check_activity(run);
	check_interruptibility(run);
	check_pending_debug(run);
	check_link_pointer(run);
}

/* Only for guests with PAE paging outside IA-32e mode. With EPT they are in the VMCS. */
static void check_pdptes(struct entry_run *run)
{
	bool ept = entry_on(run, WORD_CPU2, CPU2_EPT);
	u64 table = entry_value(run, GUEST_CR3) & BITS(31, 5);
	u64 reserved = BITS(2, 1) | BITS(8, 5) | ~0ULL << run->check->caps->physical_bits;

	if (entry_on(run, WORD_ENTRY, ENTRY_IA32E) || !(entry_value(run, GUEST_CR0) & CR0_PG) ||
	    !(entry_value(run, GUEST_CR4) & CR4_PAE))
		return;
	run->section = "27.3.1.6";
	for (u32 i = 0; i < 4; i++) {
		u32 field = ept ? GUEST_PDPTE0 + 2 * i : GUEST_CR3;
		u64 pdpte;

		if (ept)
			pdpte = entry_value(run, field);
		else if (!entry_read_memory(run, table + i * sizeof(pdpte), &pdpte, sizeof(pdpte)))
			return;
		entry_require_allowed(run, !(pdpte & 1) || !(pdpte & reserved), field,
				      "reserved bits of a present PDPTE must be 0",
				      "0x%lx as PDPTE%u", pdpte & ~reserved, i);
	}
}

void entry_check_guest(struct entry_run *run)
{
	run->section = "27.3.1.1";
	check_control_registers(run);
	check_debug(run);
	check_msrs(run);
	check_descriptor_tables(run);
	check_rip_rflags(run);
	check_non_register(run);
	check_pdptes(run);
}
