/* SPDX-License-Identifier: MIT */
/* A VM entry that the CPU has refused: the checks of the manual, made anew in software, say why. */
#include "vmx.h"

#include "../instructions.h"
#include "entry_check.h"
#include "instructions.h"

#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

static u64 check_read(void *context unused, u32 field)
{
	return vmread(field);
}

/* Of all memory that a VMCS points to the checks need only the virtual-APIC page. */
static bool check_read_memory(void *context, u64 address, void *buffer, size_t bytes)
{
	const struct vcpu *vcpu = context;
	u64 page = memory_physical(vcpu->apic.page);

	if (address < page || address + bytes > page + PAGE_SIZE)
		return false;
	memcpy(buffer, vcpu->apic.page + (address - page), bytes);
	return true;
}

static void check_report(void *context, const struct entry_violation *violation)
{
	char text[256];

	(void)context;
	entry_violation_text(violation, text, sizeof(text));
	log_error("  %s", text);
}

void vmx_entry_failed(struct vcpu *vcpu, u64 instruction_error)
{
	const struct entry_check check = {
		.read = check_read,
		.read_memory = check_read_memory,
		.context = vcpu,
		.report = check_report,
		.caps = &vmx_machine.caps,
		.basic = msr_read(IA32_VMX_BASIC),
		.linear_bits = 48,
		.rtm = cpuid(7, 0).ebx & BIT(11),
	};
	u32 reason = (u32)vmread(EXIT_REASON) & 0xffff;

	log_error("%s: VM entry failed: %s", vcpu->partition->config->name,
		  instruction_error ? vmx_instruction_error_text((u32)instruction_error)
				    : vmx_exit_reason_name(reason));
	if (!entry_check_all(&check))
		log_error("  no check that can be made in software explains it");
	vcpu_stop(vcpu, VCPU_STOP_ENTRY_FAILED, "VM entry failed, see the log");
}
