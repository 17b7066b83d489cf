/* SPDX-License-Identifier: MIT */
/*
 * Instructions that the hypervisor carries out in the guest's place: accesses to device memory
 * (EPT violations outside RAM, APIC accesses that hardware does not answer), and string port
 * accesses.
 */
#include "vmx.h"

#include "../arch_cpu.h"
#include "advance.h"
#include "guest_access.h"
#include "instructions.h"

#include <bulkhead/format.h>
#include <bulkhead/partition.h>

#define VECTOR_PF 14

/* How many iterations of a REP are done in one exit, so that a long one lets interrupts in. */
#define BATCH 64

static void fault_inject(struct vcpu *vcpu, const struct emulate_fault *fault)
{
	if (fault->vector == VECTOR_PF) {
		vcpu->cr2 = fault->address;
		cr2_set(fault->address);
	}
	if (fault->has_error_code)
		vmx_inject_fault(vcpu, fault->vector, fault->error_code);
	else
		vmx_inject_exception(vcpu, fault->vector);
}

static void unknown_instruction(struct vcpu *vcpu, const u8 *code, unsigned bytes, u64 rip)
{
	char text[64] = "";

	for (unsigned i = 0; i < bytes; i++)
		format_append(text, sizeof(text), " %02x", code[i]);
	vcpu_stop(vcpu, VCPU_STOP_EMULATION,
		  "cannot emulate the instruction at rip 0x%lx, address 0x%lx:%s", rip,
		  vmread(GUEST_PHYSICAL_ADDRESS), text);
}

static void completed(const struct emulate_cpu *cpu)
{
	vmwrite(GUEST_RIP, cpu->rip);
	vmx_instruction_completed();
	if (likely(!cpu->segments_written))
		return;
	guest_access_segments_write(cpu);
	/* The next instruction loads the stack pointer that goes with the new stack. */
	if (cpu->segments_written & 1u << SEGMENT_SS)
		vmwrite(GUEST_INTERRUPTIBILITY,
			vmread(GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_MOV_SS);
}

struct emulation {
	struct emulate_cpu cpu;
	struct guest_access access;
	u8 code[INSTRUCTION_BYTES_MAX];
	unsigned bytes; /* of them known */
};

static void emulation_begin(struct vcpu *vcpu, struct emulation *emulation)
{
	guest_access_begin(vcpu, &emulation->cpu, &emulation->access);
	emulation->cpu.batch = BATCH;
}

static enum emulate_result emulation_run(struct vcpu *vcpu, struct emulation *emulation)
{
	struct emulate_cpu *cpu = &emulation->cpu;
	u64 rsp = vcpu->gpr[GPR_RSP], rflags = cpu->rflags;
	enum emulate_result result = emulate_instruction(cpu, emulation->code, emulation->bytes);

	switch (result) {
	case EMULATE_DONE:
		completed(cpu);
		fallthrough;
	case EMULATE_AGAIN:
		if (cpu->rflags != rflags)
			vmwrite(GUEST_RFLAGS, cpu->rflags);
		if (vcpu->gpr[GPR_RSP] != rsp)
			vmwrite(GUEST_RSP, vcpu->gpr[GPR_RSP]);
		break;
	case EMULATE_FAULT:
		fault_inject(vcpu, &cpu->fault);
		break;
	case EMULATE_UNKNOWN:
		if (!guest_access_mark_rom(vcpu))
			unknown_instruction(vcpu, emulation->code, emulation->bytes, cpu->rip);
		break;
	}
	return result;
}

void vmx_emulate(struct vcpu *vcpu)
{
	struct emulation emulation;
	u64 rip;

	emulation_begin(vcpu, &emulation);
	rip = emulation.cpu.rip;
	emulation.bytes = guest_access_fetch(&emulation.cpu, &emulation.access, emulation.code);
	if (emulation_run(vcpu, &emulation) == EMULATE_DONE &&
	    emulation.bytes == INSTRUCTION_BYTES_MAX)
		guest_move_keep(&emulation.cpu, &emulation.access, rip, emulation.code);
}

static seldom void emulate_string(struct vcpu *vcpu, u64 qualification)
{
	struct emulation emulation;

	emulation_begin(vcpu, &emulation);
	if (guest_string_keep(&emulation.access, qualification) &&
	    guest_string_again(vcpu, qualification, BATCH))
		return;
	emulation.bytes = vmx_io_code(emulation.cpu.mode, emulation.code);
	(void)emulation_run(vcpu, &emulation);
}

void vmx_emulate_string(struct vcpu *vcpu, u64 qualification)
{
	if (!guest_string_again(vcpu, qualification, BATCH))
		emulate_string(vcpu, qualification);
}
