/* SPDX-License-Identifier: MIT */
/* Port accesses of the guest. Those of strings are the emulator's. */
#include "vmx.h"

#include "advance.h"
#include "instructions.h"

#include <bulkhead/emulate.h>
#include <bulkhead/exit.h>
#include <bulkhead/string.h>

/* Exit qualification for I/O instructions (SDM vol. 3, table 28-5). */
#define IO_BYTES(q) (((unsigned)(q)&7) + 1)
#define IO_IN	    BIT(3)
#define IO_STRING   BIT(4)
#define IO_REP	    BIT(5)
#define IO_PORT(q)  ((u32)(q) >> 16)

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

/* Instruction information for INS and OUTS (SDM vol. 3, table 28-9). */
#define INFO_ADDRESS_BYTES(i) (2U << MIN((i) >> 7 & 7, 2UL))
#define INFO_SEGMENT(i)	      MIN((unsigned)((i) >> 15 & 7), SEGMENT_GS)

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
	bool in = qualification & IO_IN;

	if (!length)
		return 0;
	code[--at] = (u8)((in ? 0x6c : 0x6e) | (bytes > 1));
	if (at && bytes > 1 && bytes != (mode == CPU_MODE_16 ? 2 : 4))
		code[--at] = PREFIX_OPERAND;
	if (at && INFO_ADDRESS_BYTES(info) != mode)
		code[--at] = PREFIX_ADDRESS;
	if (at && qualification & IO_REP)
		code[--at] = PREFIX_REP;
	if (at && !in && INFO_SEGMENT(info) != SEGMENT_DS)
		code[--at] = segments[INFO_SEGMENT(info)];
	while (at)
		code[--at] = PREFIX_NOTHING;
	return length;
}

/* 64-bit addresses in a flat segment that go up, one to an element's size, and no trap after it. */
static bool is_plain(const struct emulate_cpu *cpu, u64 qualification)
{
	u64 info = vmread(EXIT_INSTRUCTION_INFO);
	bool flat = qualification & IO_IN || INFO_SEGMENT(info) < SEGMENT_FS;

	return cpu->mode == CPU_MODE_64 && qualification & IO_REP &&
	       INFO_ADDRESS_BYTES(info) == 8 && flat &&
	       !(cpu->rflags & (RFLAGS_DF | RFLAGS_TF | RFLAGS_RF));
}

static void element_move(struct vcpu *vcpu, u64 qualification, u8 *at)
{
	u32 port = IO_PORT(qualification);
	unsigned bytes = IO_BYTES(qualification);
	u32 value = 0;

	if (qualification & IO_IN) {
		value = exit_port_read(vcpu, port, bytes);
		memcpy(at, &value, bytes);
	} else {
		memcpy(&value, at, bytes);
		exit_port_write(vcpu, port, bytes, value);
	}
}

bool vmx_io_repeat(struct vcpu *vcpu, const struct emulate_cpu *cpu, struct guest_access *access,
		   unsigned most)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	bool in = qualification & IO_IN;
	u64 *index = &vcpu->gpr[in ? GPR_RDI : GPR_RSI];
	u64 bytes = IO_BYTES(qualification), count = MIN(vcpu->gpr[GPR_RCX], (u64)most);
	u8 *at;

	count = MIN(count, (PAGE_SIZE - (*index & (PAGE_SIZE - 1))) / bytes);
	if (!count || *index & (bytes - 1) || !is_plain(cpu, qualification))
		return false;
	at = guest_access_at(access, *index, count * bytes, in);
	if (!at)
		return false;
	for (u64 i = 0; i < count; i++)
		element_move(vcpu, qualification, at + i * bytes);
	*index += count * bytes;
	vcpu->gpr[GPR_RCX] -= count;
	if (!vcpu->gpr[GPR_RCX])
		vmx_advance();
	return true;
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
