/* SPDX-License-Identifier: MIT */
/* Port accesses of the guest, single and string. */
#include "vmx.h"

#include "guest_linear.h"
#include "instructions.h"

#include <bulkhead/exit.h>

/* Exit qualification for I/O instructions (SDM vol. 3, table 28-5). */
#define IO_BYTES(q) (((unsigned)(q)&7) + 1)
#define IO_IN	    BIT(3)
#define IO_STRING   BIT(4)
#define IO_REP	    BIT(5)
#define IO_PORT(q)  ((u16)((q) >> 16))

/* Instruction information for INS and OUTS (SDM vol. 3, table 28-9). */
#define INFO_ADDRESS_SIZE(i) ((i) >> 7 & 7)
#define INFO_SEGMENT(i)	     ((i) >> 15 & 7)

static void read_port(struct vcpu *vcpu, u16 port, unsigned bytes)
{
	u64 mask = bytes == 4 ? 0xffffffff : BIT(8 * bytes) - 1;
	u64 value = exit_port_read(vcpu, port, bytes) & mask;
	u64 *rax = &vcpu->gpr[GPR_RAX];

	/* A 32-bit result clears the upper half, smaller ones leave the rest alone. */
	*rax = bytes == 4 ? value : (*rax & ~mask) | value;
}

static u64 address_mask(unsigned size_code)
{
	static const u64 masks[] = {0xffff, 0xffffffff, ~0UL};

	return masks[MIN(size_code, 2U)];
}

/* Move the low bits of a register on by `step`, as far as the address size reaches. */
static void step_register(u64 *reg, u64 mask, s64 step)
{
	u64 moved = (*reg + (u64)step) & mask;

	/* 32-bit results clear the upper half in 64-bit mode, where alone it can be set. */
	*reg = mask == 0xffff ? (*reg & ~mask) | moved : moved;
}

/*
 * One element of a string access. The string's memory is read or written through the guest's own
 * paging; a fault there is the guest's. Returns false when an exception was injected.
 */
static bool string_element(struct vcpu *vcpu, u64 qualification, u64 info, u64 mask)
{
	unsigned bytes = IO_BYTES(qualification);
	bool in = qualification & IO_IN;
	u64 *index = &vcpu->gpr[in ? GPR_RDI : GPR_RSI];
	s64 step = vmread(GUEST_RFLAGS) & RFLAGS_DF ? -(s64)bytes : (s64)bytes;
	unsigned segment = in ? GUEST_SEGMENT_ES : (unsigned)INFO_SEGMENT(info);
	u32 value = 0;

	if (in) {
		/* The destination is checked before the port is read: a read may have effects. */
		if (!guest_linear_check(vcpu, segment, *index & mask, bytes, true))
			return false;
		value = exit_port_read(vcpu, IO_PORT(qualification), bytes);
		if (!guest_linear_write(vcpu, segment, *index & mask, &value, bytes))
			return false;
	} else {
		if (!guest_linear_read(vcpu, segment, *index & mask, &value, bytes))
			return false;
		exit_port_write(vcpu, IO_PORT(qualification), bytes, value);
	}
	step_register(index, mask, step);
	return true;
}

/* How many elements are done in one exit, so that a long REP lets interrupts in. */
#define STRING_BATCH 64

static void string_access(struct vcpu *vcpu, u64 qualification)
{
	u64 info = vmread(EXIT_INSTRUCTION_INFO);
	u64 mask = address_mask((unsigned)INFO_ADDRESS_SIZE(info));
	u64 *count = &vcpu->gpr[GPR_RCX];

	if (!(qualification & IO_REP)) {
		if (string_element(vcpu, qualification, info, mask))
			vmx_advance();
		return;
	}
	for (unsigned i = 0; *count & mask; i++) {
		if (i == STRING_BATCH)
			return; /* RIP stays: the instruction goes on after a look at interrupts */
		if (!string_element(vcpu, qualification, info, mask))
			return;
		step_register(count, mask, -1);
	}
	vmx_advance();
}

void vmx_exit_io(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	u16 port = IO_PORT(qualification);
	unsigned bytes = IO_BYTES(qualification);

	if (qualification & IO_STRING) {
		string_access(vcpu, qualification);
		return;
	}
	if (qualification & IO_IN)
		read_port(vcpu, port, bytes);
	else
		exit_port_write(vcpu, port, bytes, (u32)vcpu->gpr[GPR_RAX]);
	vmx_advance();
}
