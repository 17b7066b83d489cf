/* SPDX-License-Identifier: MIT */
/* What the values of VMCS fields say: bits by the manual's names, events, exit reasons. */
#include "capture.h"
#include "entry_check.h"

#include <bulkhead/cpu_text.h>
#include <bulkhead/format.h>

/* SDM vol. 3, table 25-5. */
static const struct bit_name pin_names[] = {
	{0, "external-interrupt-exiting"}, {3, "NMI-exiting"},	     {5, "virtual-NMIs"},
	{6, "preemption-timer"},	   {7, "posted-interrupts"},
};

/* Table 25-6. */
static const struct bit_name primary_names[] = {
	{2, "interrupt-window"}, {3, "TSC-offsetting"}, {7, "HLT"},	     {9, "INVLPG"},
	{10, "MWAIT"},		 {11, "RDPMC"},		{12, "RDTSC"},	     {15, "CR3-load"},
	{16, "CR3-store"},	 {17, "tertiary"},	{19, "CR8-load"},    {20, "CR8-store"},
	{21, "TPR-shadow"},	 {22, "NMI-window"},	{23, "MOV-DR"},	     {24, "I/O"},
	{25, "I/O-bitmaps"},	 {27, "monitor-trap"},	{28, "MSR-bitmaps"}, {29, "MONITOR"},
	{30, "PAUSE"},		 {31, "secondary"},
};

/* Table 25-7. */
static const struct bit_name secondary_names[] = {
	{0, "APIC-accesses"},
	{1, "EPT"},
	{2, "descriptor-table"},
	{3, "RDTSCP"},
	{4, "x2APIC"},
	{5, "VPID"},
	{6, "WBINVD"},
	{7, "unrestricted-guest"},
	{8, "APIC-register"},
	{9, "virtual-interrupt-delivery"},
	{10, "PAUSE-loop"},
	{11, "RDRAND"},
	{12, "INVPCID"},
	{13, "VM-functions"},
	{14, "VMCS-shadowing"},
	{15, "ENCLS"},
	{16, "RDSEED"},
	{17, "PML"},
	{18, "EPT-violation-#VE"},
	{19, "conceal-from-PT"},
	{20, "XSAVES"},
	{22, "mode-based-execute"},
	{23, "sub-page-write"},
	{24, "PT-guest-physical"},
	{25, "TSC-scaling"},
	{26, "user-wait-and-pause"},
	{27, "PCONFIG"},
	{28, "ENCLV"},
	{30, "VMM-bus-lock-detection"},
	{31, "instruction-timeout"},
};

/* Table 25-13. */
static const struct bit_name exit_names[] = {
	{2, "save-debug"},
	{9, "64-bit-host"},
	{12, "load-PERF_GLOBAL_CTRL"},
	{15, "acknowledge"},
	{18, "save-PAT"},
	{19, "load-PAT"},
	{20, "save-EFER"},
	{21, "load-EFER"},
	{22, "save-preemption-timer"},
	{23, "clear-BNDCFGS"},
	{24, "conceal-from-PT"},
	{25, "clear-RTIT_CTL"},
	{26, "clear-LBR_CTL"},
	{27, "clear-UINV"},
	{28, "load-CET"},
	{29, "load-PKRS"},
	{30, "save-PERF_GLOBAL_CTRL"},
	{31, "secondary"},
};

/* Table 25-15. */
static const struct bit_name entry_names[] = {
	{2, "load-debug"},
	{9, "IA-32e-guest"},
	{10, "entry-to-SMM"},
	{11, "deactivate-dual"},
	{13, "load-PERF_GLOBAL_CTRL"},
	{14, "load-PAT"},
	{15, "load-EFER"},
	{16, "load-BNDCFGS"},
	{17, "conceal-from-PT"},
	{18, "load-RTIT_CTL"},
	{19, "load-UINV"},
	{20, "load-CET"},
	{21, "load-LBR_CTL"},
	{22, "load-PKRS"},
};

/* SDM vol. 3, table 6-1. */
static const struct bit_name exception_names[] = {
	{0, "#DE"},  {1, "#DB"},  {2, "NMI"},  {3, "#BP"},  {4, "#OF"},	 {5, "#BR"},  {6, "#UD"},
	{7, "#NM"},  {8, "#DF"},  {10, "#TS"}, {11, "#NP"}, {12, "#SS"}, {13, "#GP"}, {14, "#PF"},
	{16, "#MF"}, {17, "#AC"}, {18, "#MC"}, {19, "#XM"}, {20, "#VE"}, {21, "#CP"},
};

/* Table 25-3. */
static const struct bit_name interruptibility_names[] = {
	{0, "blocked-by-STI"}, {1, "blocked-by-MOV-SS"}, {2, "blocked-by-SMI"},
	{3, "blocked-by-NMI"}, {4, "enclave"},
};

/* Table 25-4. */
static const struct bit_name pending_debug_names[] = {
	{0, "B0"},  {1, "B1"},	 {2, "B2"}, {3, "B3"}, {11, "BLD"}, {12, "enabled-breakpoint"},
	{14, "BS"}, {16, "RTM"},
};

static const struct {
	u32 encoding;
	const struct bit_name *names;
	size_t count;
	u32 always; /* 1 on every CPU and without a meaning (A.2): not worth a word */
} by_bits[] = {
	{PIN_CONTROLS, pin_names, ARRAY_SIZE(pin_names), 0x16},
	{PRIMARY_CONTROLS, primary_names, ARRAY_SIZE(primary_names), 0x04006172},
	{SECONDARY_CONTROLS, secondary_names, ARRAY_SIZE(secondary_names), 0},
	{EXIT_CONTROLS, exit_names, ARRAY_SIZE(exit_names), 0x36dfb},
	{ENTRY_CONTROLS, entry_names, ARRAY_SIZE(entry_names), 0x11fb},
	{EXCEPTION_BITMAP, exception_names, ARRAY_SIZE(exception_names), 0},
	{GUEST_INTERRUPTIBILITY, interruptibility_names, ARRAY_SIZE(interruptibility_names), 0},
	{GUEST_PENDING_DEBUG, pending_debug_names, ARRAY_SIZE(pending_debug_names), 0},
};

static bool bits_known(u32 encoding, u64 value, char *buffer, size_t bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(by_bits); i++) {
		if (by_bits[i].encoding != encoding)
			continue;
		bits_text(buffer, bytes, value & ~(u64)by_bits[i].always, by_bits[i].names,
			  by_bits[i].count);
		return true;
	}
	return false;
}

/* Tables 25-17, 25-18 and 25-19: the same layout in all three. */
static void event_text(u64 value, char *buffer, size_t bytes)
{
	static const char *const types[] = {
		"external interrupt",
		"type 1",
		"NMI",
		"exception",
		"software interrupt",
		"privileged software exception",
		"software exception",
		"other event",
	};

	if (!(value & EVENT_VALID)) {
		format_text(buffer, bytes, "none");
		return;
	}
	format_text(buffer, bytes, "%s, vector %u%s", types[value >> 8 & 7],
		    (unsigned)(value & 0xff), value & EVENT_ERROR_CODE ? ", error code" : "");
}

/* SDM vol. 3, 25.4.2. */
static const char *activity_name(u64 value)
{
	static const char *const names[] = {"active", "HLT", "shutdown", "wait for SIPI"};

	return value < ARRAY_SIZE(names) ? names[value] : "";
}

static void ept_pointer_text(u64 value, char *buffer, size_t bytes)
{
	format_text(buffer, bytes, "root 0x%lx, %lu levels, memory type %lu%s",
		    value & ~(PAGE_SIZE - 1), (value >> 3 & 7) + 1, value & 7,
		    value & BIT(6) ? ", accessed and dirty flags" : "");
}

static void exit_reason_text(u64 value, char *buffer, size_t bytes)
{
	format_text(buffer, bytes, "%s%s", vmx_exit_reason_name((u32)value),
		    value & BIT(31) ? ", VM entry failed" : "");
}

static void register_text(u32 encoding, u64 value, char *buffer, size_t bytes)
{
	switch (encoding) {
	case GUEST_CR0:
	case HOST_CR0:
	case CR0_MASK:
	case CR0_SHADOW:
		cpu_cr0_text(buffer, bytes, value);
		break;
	case GUEST_CR4:
	case HOST_CR4:
	case CR4_SHADOW:
	case CR4_MASK:
		cpu_cr4_text(buffer, bytes, value);
		break;
	case GUEST_EFER:
	case HOST_EFER:
		cpu_efer_text(buffer, bytes, value);
		break;
	case GUEST_RFLAGS:
		cpu_rflags_text(buffer, bytes, value);
		break;
	default:
		break;
	}
}

static bool is_rights(u32 encoding)
{
	return encoding >= GUEST_ES_RIGHTS && encoding <= GUEST_TR_RIGHTS;
}

void vmcs_field_text(u32 encoding, u64 value, char *buffer, size_t bytes)
{
	format_text(buffer, bytes, "%s", "");
	if (bits_known(encoding, value, buffer, bytes))
		return;
	if (is_rights(encoding)) {
		cpu_segment_text(buffer, bytes, value & RIGHTS_UNUSABLE ? 0 : (u16)value);
		return;
	}
	switch (encoding) {
	case EXIT_REASON:
		exit_reason_text(value, buffer, bytes);
		break;
	case ENTRY_INTERRUPTION:
	case EXIT_INTERRUPTION:
	case VECTORING_INFO:
		event_text(value, buffer, bytes);
		break;
	case GUEST_ACTIVITY:
		format_text(buffer, bytes, "%s", activity_name(value));
		break;
	case EPT_POINTER:
		ept_pointer_text(value, buffer, bytes);
		break;
	case INSTRUCTION_ERROR:
		if (value)
			format_text(buffer, bytes, "%s", vmx_instruction_error_text((u32)value));
		break;
	case GUEST_INTERRUPT_STATUS:
		format_text(buffer, bytes, "requesting 0x%lx, servicing 0x%lx", value & 0xff,
			    value >> 8 & 0xff);
		break;
	default:
		register_text(encoding, value, buffer, bytes);
	}
}
