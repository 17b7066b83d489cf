/* SPDX-License-Identifier: MIT */
/* Words for what VM entry and exit report as numbers. */
#include "entry_check.h"

#include <bulkhead/format.h>

/* SDM vol. 3, 31.4. */
static const char *const instruction_errors[] = {
	[1] = "VMCALL in VMX root operation",
	[2] = "VMCLEAR with an invalid physical address",
	[3] = "VMCLEAR of the VMXON region",
	[4] = "VMLAUNCH of a VMCS that is not clear",
	[5] = "VMRESUME of a VMCS that was not launched",
	[6] = "VMRESUME after VMXOFF and VMXON",
	[7] = "VM entry with an invalid control field",
	[8] = "VM entry with an invalid host-state field",
	[9] = "VMPTRLD with an invalid physical address",
	[10] = "VMPTRLD of the VMXON region",
	[11] = "VMPTRLD of a VMCS with another revision identifier",
	[12] = "VMREAD or VMWRITE of a field that the CPU lacks",
	[13] = "VMWRITE to a read-only field",
	[15] = "VMXON in VMX root operation",
	[16] = "VM entry with an invalid executive-VMCS pointer",
	[17] = "VM entry with an executive VMCS that was not launched",
	[18] = "VM entry with an executive-VMCS pointer other than the VMXON pointer",
	[19] = "VMCALL, to activate dual-monitor treatment, with a VMCS that is not clear",
	[20] = "VMCALL with an invalid VM-exit control field",
	[22] = "VMCALL with another MSEG revision identifier",
	[23] = "VMXOFF under dual-monitor treatment",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry with an invalid VM-execution control field in the executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "INVEPT or INVVPID with an invalid operand",
};

/* SDM vol. 3, appendix C. */
static const char *const exit_reasons[] = {
	[EXIT_EXCEPTION_NMI] = "exception or NMI",
	[EXIT_EXTERNAL_INTERRUPT] = "external interrupt",
	[EXIT_TRIPLE_FAULT] = "triple fault",
	[EXIT_INIT] = "INIT",
	[EXIT_SIPI] = "start-up IPI",
	[5] = "I/O SMI",
	[6] = "other SMI",
	[EXIT_INTERRUPT_WINDOW] = "interrupt window",
	[EXIT_NMI_WINDOW] = "NMI window",
	[EXIT_TASK_SWITCH] = "task switch",
	[EXIT_CPUID] = "CPUID",
	[EXIT_GETSEC] = "GETSEC",
	[EXIT_HLT] = "HLT",
	[EXIT_INVD] = "INVD",
	[EXIT_INVLPG] = "INVLPG",
	[EXIT_RDPMC] = "RDPMC",
	[EXIT_RDTSC] = "RDTSC",
	[17] = "RSM",
	[EXIT_VMCALL] = "VMCALL",
	[EXIT_VMCLEAR] = "VMCLEAR",
	[EXIT_VMLAUNCH] = "VMLAUNCH",
	[EXIT_VMPTRLD] = "VMPTRLD",
	[EXIT_VMPTRST] = "VMPTRST",
	[EXIT_VMREAD] = "VMREAD",
	[EXIT_VMRESUME] = "VMRESUME",
	[EXIT_VMWRITE] = "VMWRITE",
	[EXIT_VMXOFF] = "VMXOFF",
	[EXIT_VMXON] = "VMXON",
	[EXIT_CR_ACCESS] = "control-register access",
	[EXIT_DR_ACCESS] = "debug-register access",
	[EXIT_IO] = "I/O instruction",
	[EXIT_RDMSR] = "RDMSR",
	[EXIT_WRMSR] = "WRMSR",
	[EXIT_ENTRY_GUEST_STATE] = "entry failure: invalid guest state",
	[EXIT_ENTRY_MSR_LOAD] = "entry failure: MSR loading",
	[EXIT_MWAIT] = "MWAIT",
	[37] = "monitor trap flag",
	[EXIT_MONITOR] = "MONITOR",
	[EXIT_PAUSE] = "PAUSE",
	[EXIT_ENTRY_MACHINE_CHECK] = "entry failure: machine check",
	[EXIT_TPR_BELOW_THRESHOLD] = "TPR below threshold",
	[EXIT_APIC_ACCESS] = "APIC access",
	[EXIT_VIRTUAL_EOI] = "virtualized EOI",
	[EXIT_DESCRIPTOR_TABLE] = "access to GDTR or IDTR",
	[EXIT_LDTR_TR] = "access to LDTR or TR",
	[EXIT_EPT_VIOLATION] = "EPT violation",
	[EXIT_EPT_MISCONFIGURATION] = "EPT misconfiguration",
	[EXIT_INVEPT] = "INVEPT",
	[EXIT_RDTSCP] = "RDTSCP",
	[EXIT_PREEMPTION_TIMER] = "VMX-preemption timer",
	[EXIT_INVVPID] = "INVVPID",
	[EXIT_WBINVD] = "WBINVD or WBNOINVD",
	[EXIT_XSETBV] = "XSETBV",
	[EXIT_APIC_WRITE] = "APIC write",
	[EXIT_RDRAND] = "RDRAND",
	[EXIT_INVPCID] = "INVPCID",
	[EXIT_VMFUNC] = "VMFUNC",
	[EXIT_ENCLS] = "ENCLS",
	[EXIT_RDSEED] = "RDSEED",
	[62] = "page-modification log full",
	[EXIT_XSAVES] = "XSAVES",
	[EXIT_XRSTORS] = "XRSTORS",
	[65] = "PCONFIG",
	[66] = "sub-page-permission event",
	[67] = "UMWAIT",
	[68] = "TPAUSE",
	[69] = "LOADIWKEY",
	[70] = "ENCLV",
	[72] = "ENQCMD PASID translation",
	[73] = "ENQCMDS PASID translation",
	[74] = "bus lock",
	[75] = "instruction timeout",
	[76] = "SEAMCALL",
	[77] = "TDCALL",
	[78] = "RDMSRLIST",
	[79] = "WRMSRLIST",
};

static const char *lookup(const char *const *names, size_t count, u32 number, const char *otherwise)
{
	return number < count && names[number] ? names[number] : otherwise;
}

const char *vmx_instruction_error_text(u32 error)
{
	return lookup(instruction_errors, ARRAY_SIZE(instruction_errors), error,
		      "an error that the manual does not list");
}

const char *vmx_exit_reason_name(u32 reason)
{
	return lookup(exit_reasons, ARRAY_SIZE(exit_reasons), reason & 0xffff, "unknown");
}

size_t entry_violation_text(const struct entry_violation *violation, char *buffer, size_t bytes)
{
	const char *name = vmcs_field_name(violation->field);
	char number[16];

	if (!name) {
		format_text(number, sizeof(number), "field 0x%x", violation->field);
		name = number;
	}
	return format_text(buffer, bytes, "%s = 0x%lx: %s (SDM vol. 3, %s)%s%s", name,
			   violation->value, violation->rule, violation->section,
			   violation->allowed[0] ? "; allowed: " : "", violation->allowed);
}
