/* SPDX-License-Identifier: MIT */
/* Checks on the VMX controls (SDM vol. 3, 27.2.1), and on the MSRs that entry loads (27.4). */
#include "entry_check_internal.h"

#define EXECUTION_SECTION "27.2.1.1"
#define EXIT_SECTION	  "27.2.1.2"
#define ENTRY_SECTION	  "27.2.1.3"

#define VTPR 0x80 /* its place in the virtual-APIC page (SDM vol. 3, 30.1.1) */

#define EPT_CAP_UC	     BIT(8)
#define EPT_CAP_WALK_5	     BIT(7)
#define EPT_CAP_SHADOW_STACK BIT(23)

#define VM_FUNCTION_EPTP_SWITCHING BIT(0)

/* If a bit of one control word has this value, a bit of another (or the same) must have that one.
 */
struct implication {
	const char *section;
	enum control_word if_word;
	u64 if_bit;
	bool if_on;
	enum control_word then_word;
	u64 then_bit;
	bool then_on;
	const char *rule;
};

static const struct implication implications[] = {
	{EXECUTION_SECTION, WORD_PIN, PIN_NMI, false, WORD_PIN, PIN_VIRTUAL_NMI, false,
	 "if NMI exiting is 0, virtual NMIs must be 0"},
	{EXECUTION_SECTION, WORD_PIN, PIN_VIRTUAL_NMI, false, WORD_CPU, CPU_NMI_WINDOW, false,
	 "if virtual NMIs is 0, NMI-window exiting must be 0"},
	{EXECUTION_SECTION, WORD_CPU, CPU_TPR_SHADOW, false, WORD_CPU2, CPU2_X2APIC, false,
	 "if use TPR shadow is 0, virtualize x2APIC mode must be 0"},
	{EXECUTION_SECTION, WORD_CPU, CPU_TPR_SHADOW, false, WORD_CPU2, CPU2_APIC_REGISTER, false,
	 "if use TPR shadow is 0, APIC-register virtualization must be 0"},
	{EXECUTION_SECTION, WORD_CPU, CPU_TPR_SHADOW, false, WORD_CPU2, CPU2_VIRTUAL_INTERRUPT,
	 false, "if use TPR shadow is 0, virtual-interrupt delivery must be 0"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_X2APIC, true, WORD_CPU2, CPU2_APIC_ACCESSES, false,
	 "if virtualize x2APIC mode is 1, virtualize APIC accesses must be 0"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_VIRTUAL_INTERRUPT, true, WORD_PIN,
	 PIN_EXTERNAL_INTERRUPT, true,
	 "if virtual-interrupt delivery is 1, external-interrupt exiting must be 1"},
	{EXECUTION_SECTION, WORD_PIN, PIN_POSTED_INTERRUPTS, true, WORD_CPU2,
	 CPU2_VIRTUAL_INTERRUPT, true,
	 "if process posted interrupts is 1, virtual-interrupt delivery must be 1"},
	{EXECUTION_SECTION, WORD_PIN, PIN_POSTED_INTERRUPTS, true, WORD_EXIT, EXIT_ACKNOWLEDGE,
	 true, "if process posted interrupts is 1, acknowledge interrupt on exit must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_PML, true, WORD_CPU2, CPU2_EPT, true,
	 "if enable PML is 1, enable EPT must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_UNRESTRICTED, true, WORD_CPU2, CPU2_EPT, true,
	 "if unrestricted guest is 1, enable EPT must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_MODE_BASED_EXECUTE, true, WORD_CPU2, CPU2_EPT, true,
	 "if mode-based execute control for EPT is 1, enable EPT must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_SUB_PAGE_WRITE, true, WORD_CPU2, CPU2_EPT, true,
	 "if sub-page write permissions for EPT is 1, enable EPT must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_PT_GUEST_PHYSICAL, true, WORD_CPU2, CPU2_EPT, true,
	 "if Intel PT uses guest physical addresses is 1, enable EPT must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_PT_GUEST_PHYSICAL, true, WORD_ENTRY, ENTRY_LOAD_RTIT,
	 true, "if Intel PT uses guest physical addresses is 1, load IA32_RTIT_CTL must be 1"},
	{EXECUTION_SECTION, WORD_CPU2, CPU2_PT_GUEST_PHYSICAL, true, WORD_EXIT, EXIT_CLEAR_RTIT,
	 true, "if Intel PT uses guest physical addresses is 1, clear IA32_RTIT_CTL must be 1"},
	{EXIT_SECTION, WORD_PIN, PIN_PREEMPTION_TIMER, false, WORD_EXIT, EXIT_SAVE_PREEMPTION,
	 false, "if activate VMX-preemption timer is 0, save VMX-preemption timer value must be 0"},
};

/* Addresses that a control brings into use. */
static const struct address {
	enum control_word word;
	u64 bit;
	u32 field;
	u64 low_mask;
} addresses[] = {
	{WORD_CPU, CPU_IO_BITMAPS, IO_BITMAP_A, 0xfff},
	{WORD_CPU, CPU_IO_BITMAPS, IO_BITMAP_B, 0xfff},
	{WORD_CPU, CPU_MSR_BITMAPS, MSR_BITMAP, 0xfff},
	{WORD_CPU, CPU_TPR_SHADOW, VIRTUAL_APIC_ADDRESS, 0xfff},
	{WORD_CPU2, CPU2_APIC_ACCESSES, APIC_ACCESS_ADDRESS, 0xfff},
	{WORD_PIN, PIN_POSTED_INTERRUPTS, POSTED_INTERRUPT_DESCRIPTOR, 0x3f},
	{WORD_CPU2, CPU2_PML, PML_ADDRESS, 0xfff},
	{WORD_CPU2, CPU2_VMCS_SHADOWING, VMREAD_BITMAP, 0xfff},
	{WORD_CPU2, CPU2_VMCS_SHADOWING, VMWRITE_BITMAP, 0xfff},
	{WORD_CPU2, CPU2_EPT_VE, VE_INFORMATION, 0xfff},
	{WORD_CPU2, CPU2_SUB_PAGE_WRITE, SPP_TABLE, 0xfff},
};

static const struct msr_area {
	const char *section;
	u32 count, address;
} msr_areas[] = {
	{EXIT_SECTION, EXIT_MSR_STORE_COUNT, EXIT_MSR_STORE_ADDRESS},
	{EXIT_SECTION, EXIT_MSR_LOAD_COUNT, EXIT_MSR_LOAD_ADDRESS},
	{ENTRY_SECTION, ENTRY_MSR_LOAD_COUNT, ENTRY_MSR_LOAD_ADDRESS},
};

static void check_reserved(struct entry_run *run)
{
	static const char *const sections[] = {
		[WORD_PIN] = EXECUTION_SECTION,	 [WORD_CPU] = EXECUTION_SECTION,
		[WORD_CPU2] = EXECUTION_SECTION, [WORD_EXIT] = EXIT_SECTION,
		[WORD_ENTRY] = ENTRY_SECTION,
	};

	for (enum control_word word = 0; word < WORD_COUNT; word++) {
		const struct vmx_allowed *allowed = entry_word_allowed(run, word);

		if (word == WORD_CPU2 && !entry_on(run, WORD_CPU, CPU_SECONDARY))
			continue;
		run->section = sections[word];
		entry_require_fixed(run, entry_word_field(word), allowed->must, allowed->may,
				    "bits that this CPU fixes must have their value");
	}
}

static void check_implications(struct entry_run *run)
{
	for (size_t i = 0; i < ARRAY_SIZE(implications); i++) {
		const struct implication *rule = &implications[i];

		if (entry_on(run, rule->if_word, rule->if_bit) != rule->if_on)
			continue;
		run->section = rule->section;
		entry_require_allowed(
			run, entry_on(run, rule->then_word, rule->then_bit) == rule->then_on,
			entry_word_field(rule->then_word), rule->rule, "bits 0x%lx as %u",
			(u64)rule->then_bit, rule->then_on);
	}
}

static void check_addresses(struct entry_run *run)
{
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		if (entry_on(run, addresses[i].word, addresses[i].bit))
			entry_require_address(run, addresses[i].field, addresses[i].low_mask);
	}
}

static void check_tpr(struct entry_run *run)
{
	u64 threshold;
	u8 vtpr;

	if (!entry_on(run, WORD_CPU, CPU_TPR_SHADOW) ||
	    entry_on(run, WORD_CPU2, CPU2_VIRTUAL_INTERRUPT))
		return;
	entry_require_zero(run, TPR_THRESHOLD, BITS(31, 4), "bits 31:4 must be 0");
	if (entry_on(run, WORD_CPU2, CPU2_APIC_ACCESSES) ||
	    !entry_read_memory(run, entry_value(run, VIRTUAL_APIC_ADDRESS) + VTPR, &vtpr, 1))
		return;
	threshold = entry_value(run, TPR_THRESHOLD) & 0xf;
	entry_require_allowed(run, threshold <= vtpr >> 4, TPR_THRESHOLD,
			      "bits 3:0 must not be greater than bits 7:4 of VTPR",
			      "0 to %u, as VTPR is 0x%x", vtpr >> 4, vtpr);
}

static void check_eptp(struct entry_run *run)
{
	const u64 caps = run->check->caps->ept_vpid;
	u64 eptp, type, walk;

	if (!entry_on(run, WORD_CPU2, CPU2_EPT))
		return;
	eptp = entry_value(run, EPT_POINTER);
	type = eptp & 7;
	walk = eptp >> 3 & 7;
	entry_require_allowed(
		run, (type == 0 && caps & EPT_CAP_UC) || (type == 6 && caps & EPT_CAP_WB),
		EPT_POINTER, "bits 2:0 must be a memory type that the CPU supports", "%s%s",
		caps & EPT_CAP_UC ? "0 (UC) " : "", caps & EPT_CAP_WB ? "6 (WB)" : "");
	entry_require_allowed(
		run, (walk == 3 && caps & EPT_CAP_WALK_4) || (walk == 4 && caps & EPT_CAP_WALK_5),
		EPT_POINTER, "bits 5:3 must be a page-walk length less 1 that the CPU supports",
		"%s%s", caps & EPT_CAP_WALK_4 ? "3 " : "", caps & EPT_CAP_WALK_5 ? "4" : "");
	if (!(caps & EPT_CAP_ACCESSED_DIRTY))
		entry_require_zero(run, EPT_POINTER, BIT(6),
				   "bit 6 must be 0: no accessed and dirty flags on this CPU");
	if (!(caps & EPT_CAP_SHADOW_STACK))
		entry_require_zero(run, EPT_POINTER, BIT(7),
				   "bit 7 must be 0: no supervisor shadow stacks on this CPU");
	entry_require_zero(run, EPT_POINTER, BITS(11, 8) | ~0UL << run->check->caps->physical_bits,
			   "reserved bits must be 0");
}

static void check_vm_functions(struct entry_run *run)
{
	u64 supported = run->check->vm_functions;

	if (!entry_on(run, WORD_CPU2, CPU2_VM_FUNCTIONS))
		return;
	entry_require_zero(run, VM_FUNCTION_CONTROLS, ~supported, "reserved bits must be 0");
	if (!(entry_value(run, VM_FUNCTION_CONTROLS) & supported & VM_FUNCTION_EPTP_SWITCHING))
		return;
	entry_require(run, entry_on(run, WORD_CPU2, CPU2_EPT), SECONDARY_CONTROLS,
		      "if EPTP switching is 1, enable EPT must be 1");
	entry_require_address(run, EPTP_LIST, 0xfff);
}

static void check_execution(struct entry_run *run)
{
	u64 most = run->check->caps->misc >> 16 & 0x1ff; /* SDM vol. 3, A.6 */

	run->section = EXECUTION_SECTION;
	entry_require_allowed(run, entry_value(run, CR3_TARGET_COUNT) <= most, CR3_TARGET_COUNT,
			      "more CR3 targets than the CPU has", "0 to %lu", most);
	check_addresses(run);
	check_tpr(run);
	if (entry_on(run, WORD_PIN, PIN_POSTED_INTERRUPTS))
		entry_require_zero(run, POSTED_INTERRUPT_VECTOR, BITS(15, 8),
				   "bits 15:8 must be 0");
	if (entry_on(run, WORD_CPU2, CPU2_VPID))
		entry_require_allowed(run, entry_value(run, VPID), VPID, "must not be 0",
				      "0x1 to 0xffff");
	check_eptp(run);
	check_vm_functions(run);
	if (entry_on(run, WORD_CPU2, CPU2_TSC_SCALING))
		entry_require(run, entry_value(run, TSC_MULTIPLIER), TSC_MULTIPLIER,
			      "must not be 0 if use TSC scaling is 1");
}

static void check_msr_area(struct entry_run *run, const struct msr_area *area)
{
	u64 bytes = entry_value(run, area->count) * 16, last;

	if (!bytes)
		return;
	run->section = area->section;
	entry_require_address(run, area->address, 0xf);
	last = entry_value(run, area->address) + bytes - 1;
	/* Said already if the area begins beyond the width. */
	if (entry_value(run, area->address) >> run->address_bits)
		return;
	entry_require_allowed(run, !(last >> run->address_bits), area->address,
			      "the end of the area must lie within the physical-address width",
			      "at most 0x%lx for %lu entries", BIT(run->address_bits) - bytes,
			      bytes / 16);
}

void entry_check_controls(struct entry_run *run)
{
	check_reserved(run);
	check_implications(run);
	check_execution(run);
	for (size_t i = 0; i < ARRAY_SIZE(msr_areas); i++)
		check_msr_area(run, &msr_areas[i]);
	/* The hypervisor never runs in SMM. What else the manual asks of an entry to SMM is moot
	 * then. */
	run->section = ENTRY_SECTION;
	entry_require_allowed(run, !entry_on(run, WORD_ENTRY, ENTRY_TO_SMM), ENTRY_CONTROLS,
			      "entry to SMM must be 0 outside SMM", "bits 0x%lx as 0",
			      ENTRY_TO_SMM);
	entry_require_allowed(run, !entry_on(run, WORD_ENTRY, ENTRY_DEACTIVATE_DUAL),
			      ENTRY_CONTROLS,
			      "deactivate dual-monitor treatment must be 0 outside SMM",
			      "bits 0x%lx as 0", ENTRY_DEACTIVATE_DUAL);
}

/* Why entry may not load this MSR, as far as it shows without trying; NULL: nothing is wrong. */
static const char *msr_forbidden(u32 msr, u32 reserved)
{
	if (reserved)
		return "bits 63:32 of an entry of the area must be 0";
	if (msr == 0xc0000100 || msr == 0xc0000101)
		return "the area must not have IA32_FS_BASE or IA32_GS_BASE";
	if (msr >> 8 == 0x8)
		return "the area must not have x2APIC registers";
	if (msr == 0x9b)
		return "the area must not have IA32_SMM_MONITOR_CTL outside SMM";
	if (msr == 0x79 || msr == 0x8b)
		return "the area must not have MSRs that concern microcode";
	return NULL;
}

void entry_check_msr_load(struct entry_run *run)
{
	/* More than this the CPU does not promise to load (SDM vol. 3, A.6). */
	u64 most = 512 * ((run->check->caps->misc >> 25 & 7) + 1);
	u64 count = MIN(entry_value(run, ENTRY_MSR_LOAD_COUNT), most);
	u64 address = entry_value(run, ENTRY_MSR_LOAD_ADDRESS);
	struct {
		u32 msr, reserved;
		u64 value;
	} entry;

	run->section = "27.4";
	for (u64 i = 0; i < count; i++) {
		const char *rule;

		if (!entry_read_memory(run, address + i * sizeof(entry), &entry, sizeof(entry)))
			return;
		rule = msr_forbidden(entry.msr, entry.reserved);
		entry_require_allowed(run, !rule, ENTRY_MSR_LOAD_ADDRESS, rule,
				      "not MSR 0x%x, upper half 0x%x, as in entry %lu", entry.msr,
				      entry.reserved, i + 1);
	}
}
