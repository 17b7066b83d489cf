/* SPDX-License-Identifier: MIT */
/* Port accesses of the guest. Those of strings are the emulator's. */
#include "vmx.h"

#include "advance.h"
#include "instructions.h"

#include <bulkhead/emulate.h>
#include <bulkhead/exit.h>
#include <bulkhead/string.h>

/* By itself, as OUT needs nothing any more once the device has it. */
static outlined void port_in(struct vcpu *vcpu, u64 qualification)
{
	unsigned bytes = IO_BYTES(qualification);
	u32 value = exit_port_read(vcpu, IO_PORT(qualification), bytes);
	u64 *rax = &vcpu->gpr[GPR_RAX];

	/* A 32-bit result clears the upper half, smaller ones leave the rest alone. */
	if (likely(bytes == 1))
		*(u8 *)rax = (u8)value;
	else if (bytes == 2)
		*(u16 *)rax = (u16)value;
	else
		*rax = value;
	vmx_advance();
}

#define PREFIX_OPERAND 0x66
#define PREFIX_ADDRESS 0x67
#define PREFIX_REP     0xf3
#define PREFIX_NOTHING 0x3e /* DS, which is the default */

unsigned vmx_io_code(enum cpu_mode mode, u8 *code)
{
	static const u8 segments[SEGMENT_COUNT] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
	u64 qualification = vmread(EXIT_QUALIFICATION), info = vmread(EXIT_INSTRUCTION_INFO);
	u64 told = vmread(EXIT_INSTRUCTION_LENGTH);
	unsigned length = told < INSTRUCTION_BYTES_MAX ? (unsigned)told : INSTRUCTION_BYTES_MAX;
	unsigned bytes = IO_BYTES(qualification), at = length;
	unsigned segment = MIN(IO_SEGMENT(info), SEGMENT_GS);
	bool in = qualification & IO_IN;

	if (!length)
		return 0;
	code[--at] = (u8)((in ? 0x6c : 0x6e) | (bytes > 1));
	if (at && bytes > 1 && bytes != (mode == CPU_MODE_16 ? 2 : 4))
		code[--at] = PREFIX_OPERAND;
	if (at && IO_ADDRESS_BYTES(info) != mode)
		code[--at] = PREFIX_ADDRESS;
	if (at && qualification & IO_REP)
		code[--at] = PREFIX_REP;
	if (at && !in && segment != SEGMENT_DS)
		code[--at] = segments[segment];
	while (at)
		code[--at] = PREFIX_NOTHING;
	return length;
}

bool vmx_io_is(u64 qualification, u16 port, bool in)
{
	return qualification & IO_STRING && !!(qualification & IO_IN) == in &&
	       IO_PORT(qualification) == port;
}

void vmx_exit_io(struct vcpu *vcpu, u64 qualification)
{
	if (qualification & IO_IN) {
		port_in(vcpu, qualification);
	} else {
		exit_port_write(vcpu, IO_PORT(qualification), IO_BYTES(qualification),
				(u32)vcpu->gpr[GPR_RAX]);
		vmx_advance();
	}
}
