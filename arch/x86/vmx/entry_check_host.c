/* SPDX-License-Identifier: MIT */
/* Checks on the host-state area (SDM vol. 3, 27.2.2 to 27.2.4). */
#include "entry_check_internal.h"

#include <bulkhead/cpu_state.h>

static void check_registers(struct entry_run *run)
{
	const struct vmx_capabilities *caps = run->check->caps;

	run->section = "27.2.2";
	/* NW and CD are not checked, as an exit does not change them. */
	entry_require_fixed(run, HOST_CR0, caps->cr0_fixed0 & ~(CR0_NW | CR0_CD),
			    caps->cr0_fixed1 | CR0_NW | CR0_CD,
			    "bits that VMX operation fixes must have their value");
	entry_require_fixed(run, HOST_CR4, caps->cr4_fixed0, caps->cr4_fixed1,
			    "bits that VMX operation fixes must have their value");
	entry_require(
		run, !(entry_value(run, HOST_CR4) & CR4_CET) || entry_value(run, HOST_CR0) & CR0_WP,
		HOST_CR4, "if CR4.CET is 1, CR0.WP must be 1");
	entry_require_cr3(run, HOST_CR3);
	entry_require_canonical(run, HOST_SYSENTER_ESP);
	entry_require_canonical(run, HOST_SYSENTER_EIP);
}

static void check_efer(struct entry_run *run)
{
	u64 efer = entry_value(run, HOST_EFER);
	bool host_64 = entry_on(run, WORD_EXIT, EXIT_HOST_64);

	entry_require_zero(run, HOST_EFER, ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
			   "reserved bits must be 0");
	entry_require_allowed(run, !(efer & EFER_LMA) == !host_64, HOST_EFER,
			      "LMA must equal the host address-space size control", "bit 10 as %u",
			      host_64);
	entry_require_allowed(run, !(efer & EFER_LME) == !host_64, HOST_EFER,
			      "LME must equal the host address-space size control", "bit 8 as %u",
			      host_64);
}

static void check_cet(struct entry_run *run)
{
	entry_require_s_cet(run, HOST_S_CET);
	entry_require_canonical(run, HOST_SSP_TABLE);
	entry_require_zero(run, HOST_SSP, BITS(1, 0), "bits 1:0 must be 0");
}

static void check_msrs(struct entry_run *run)
{
	if (entry_on(run, WORD_EXIT, EXIT_LOAD_PERF) && run->check->perf_global)
		entry_require_zero(run, HOST_PERF_GLOBAL_CTRL, ~run->check->perf_global,
				   "reserved bits must be 0");
	if (entry_on(run, WORD_EXIT, EXIT_LOAD_PAT))
		entry_require_pat(run, HOST_PAT);
	if (entry_on(run, WORD_EXIT, EXIT_LOAD_EFER))
		check_efer(run);
	if (entry_on(run, WORD_EXIT, EXIT_LOAD_CET))
		check_cet(run);
	if (entry_on(run, WORD_EXIT, EXIT_LOAD_PKRS))
		entry_require_zero(run, HOST_PKRS, BITS(63, 32), "bits 63:32 must be 0");
}

static void check_segments(struct entry_run *run)
{
	static const u32 selectors[] = {HOST_CS_SELECTOR, HOST_SS_SELECTOR, HOST_DS_SELECTOR,
					HOST_ES_SELECTOR, HOST_FS_SELECTOR, HOST_GS_SELECTOR,
					HOST_TR_SELECTOR};
	static const u32 bases[] = {HOST_FS_BASE, HOST_GS_BASE, HOST_GDTR_BASE, HOST_IDTR_BASE,
				    HOST_TR_BASE};

	run->section = "27.2.3";
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++)
		entry_require_zero(run, selectors[i], BITS(2, 0), "RPL and TI must be 0");
	entry_require(run, entry_value(run, HOST_CS_SELECTOR), HOST_CS_SELECTOR, "must not be 0");
	entry_require(run, entry_value(run, HOST_TR_SELECTOR), HOST_TR_SELECTOR, "must not be 0");
	entry_require(run,
		      entry_on(run, WORD_EXIT, EXIT_HOST_64) || entry_value(run, HOST_SS_SELECTOR),
		      HOST_SS_SELECTOR, "must not be 0 if host address-space size is 0");
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		entry_require_canonical(run, bases[i]);
}

static void check_32_bit(struct entry_run *run)
{
	static const u32 cet[] = {HOST_S_CET, HOST_SSP, HOST_SSP_TABLE};

	entry_require(run, !entry_on(run, WORD_ENTRY, ENTRY_IA32E), ENTRY_CONTROLS,
		      "if host address-space size is 0, IA-32e mode guest must be 0");
	entry_require_zero(run, HOST_CR4, CR4_PCIDE,
			   "if host address-space size is 0, PCIDE must be 0");
	entry_require_zero(run, HOST_RIP, BITS(63, 32),
			   "if host address-space size is 0, bits 63:32 must be 0");
	for (size_t i = 0; entry_on(run, WORD_EXIT, EXIT_LOAD_CET) && i < ARRAY_SIZE(cet); i++)
		entry_require_zero(run, cet[i], BITS(63, 32),
				   "if host address-space size is 0, bits 63:32 must be 0");
}

static void check_address_space(struct entry_run *run)
{
	run->section = "27.2.4";
	/* The hypervisor itself always runs in IA-32e mode. */
	entry_require_allowed(run, entry_on(run, WORD_EXIT, EXIT_HOST_64), EXIT_CONTROLS,
			      "host address-space size must be 1 on entry from IA-32e mode",
			      "bits 0x%lx as 1", EXIT_HOST_64);
	if (!entry_on(run, WORD_EXIT, EXIT_HOST_64)) {
		check_32_bit(run);
		return;
	}
	entry_require(run, entry_value(run, HOST_CR4) & CR4_PAE, HOST_CR4,
		      "if host address-space size is 1, PAE must be 1");
	entry_require_canonical(run, HOST_RIP);
	if (entry_on(run, WORD_EXIT, EXIT_LOAD_CET))
		entry_require_canonical(run, HOST_SSP);
}

void entry_check_host(struct entry_run *run)
{
	check_registers(run);
	check_msrs(run);
	check_segments(run);
	check_address_space(run);
}
