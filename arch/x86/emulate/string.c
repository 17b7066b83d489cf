/* SPDX-License-Identifier: MIT */
/* String instructions, one iteration at a time. */
#include <bulkhead/error.h>

#include "operand.h"

enum string_steps {
	LOAD_SI = 1, /* the first value comes from [rSI], else from the accumulator */
	LOAD_DI = 2, /* it is compared with what is at [rDI] */
	STORE_DI = 4,
	STORE_ACC = 8,
};

static const u8 string_steps[OPERATION_COUNT] = {
	[OPERATION_MOVS] = LOAD_SI | STORE_DI,
	[OPERATION_CMPS] = LOAD_SI | LOAD_DI,
	[OPERATION_STOS] = STORE_DI,
	[OPERATION_LODS] = LOAD_SI | STORE_ACC,
	[OPERATION_SCAS] = LOAD_DI,
};

static int string_move(struct emulate_cpu *cpu, const struct instruction *instruction, u8 steps)
{
	unsigned bytes = instruction->operand_bytes, width = instruction->address_bytes;
	u64 si = gpr_read(cpu, GPR_RSI, width), di = gpr_read(cpu, GPR_RDI, width);
	u64 advance = cpu->rflags & RFLAGS_DF ? -(u64)bytes : bytes;
	u64 value = gpr_read(cpu, GPR_RAX, bytes), other = 0;
	int error = 0;

	/* CMPS reads its second operand first, as measured on an Intel Xeon. */
	if (steps & LOAD_DI)
		error = memory_read(cpu, SEGMENT_ES, di, bytes, false, &other);
	if (!error && steps & LOAD_SI)
		error = memory_read(cpu, instruction->memory.segment, si, bytes, false, &value);
	if (!error && steps & STORE_DI)
		error = memory_write(cpu, SEGMENT_ES, di, bytes, &value);
	if (error)
		return error;
	if (steps & LOAD_DI)
		(void)compute_sub(value, other, bytes, &cpu->rflags);
	if (steps & STORE_ACC)
		gpr_write(cpu, GPR_RAX, bytes, value);
	if (steps & LOAD_SI)
		gpr_write(cpu, GPR_RSI, width, si + advance);
	if (steps & (LOAD_DI | STORE_DI))
		gpr_write(cpu, GPR_RDI, width, di + advance);
	return 0;
}

/* The destination is checked before the port is read: a read may have effects. */
static int port_input(struct emulate_cpu *cpu, u64 di, unsigned bytes)
{
	u32 value = 0;
	int error = memory_write_check(cpu, SEGMENT_ES, di, bytes);

	if (!error)
		error = cpu->ops->port_read(cpu, (u16)cpu->gpr[GPR_RDX], bytes, &value);
	return error ? error : memory_write(cpu, SEGMENT_ES, di, bytes, &value);
}

static int port_output(struct emulate_cpu *cpu, u8 segment, u64 si, unsigned bytes)
{
	u32 value = 0;
	int error = memory_read(cpu, segment, si, bytes, false, &value);

	return error ? error : cpu->ops->port_write(cpu, (u16)cpu->gpr[GPR_RDX], bytes, value);
}

static int string_port(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes, width = instruction->address_bytes;
	bool input = instruction->operation == OPERATION_INS;
	u8 reg = input ? GPR_RDI : GPR_RSI;
	u64 index = gpr_read(cpu, reg, width);
	int error;

	if (!cpu->ops->port_read || !cpu->ops->port_write)
		return -ENODEV;
	error = input ? port_input(cpu, index, bytes)
		      : port_output(cpu, instruction->memory.segment, index, bytes);
	if (!error)
		gpr_write(cpu, reg, width, index + (cpu->rflags & RFLAGS_DF ? -(u64)bytes : bytes));
	return error;
}

/*
 * Repeated zero times with 32-bit addresses in 64-bit code: the manual is silent. Measured on
 * an Intel Xeon: the count is written all the same, and so are the pointers of MOVS and STOS, which
 * clears their upper halves.
 */
static void string_skip(struct emulate_cpu *cpu, u8 steps, unsigned width)
{
	gpr_write(cpu, GPR_RCX, width, 0);
	if (!(steps & STORE_DI))
		return;
	gpr_write(cpu, GPR_RDI, width, cpu->gpr[GPR_RDI]);
	if (steps & LOAD_SI)
		gpr_write(cpu, GPR_RSI, width, cpu->gpr[GPR_RSI]);
}

static bool is_port(const struct instruction *instruction)
{
	return instruction->operation == OPERATION_INS || instruction->operation == OPERATION_OUTS;
}

int execute_string(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	u8 steps = string_steps[instruction->operation];
	unsigned width = instruction->address_bytes;
	u64 count = gpr_read(cpu, GPR_RCX, width);
	bool equal;
	int error;

	if (instruction->repeat && !count) {
		string_skip(cpu, steps, width);
		return 0;
	}
	error = is_port(instruction) ? string_port(cpu, instruction)
				     : string_move(cpu, instruction, steps);
	if (error || !instruction->repeat)
		return error;
	count--;
	gpr_write(cpu, GPR_RCX, width, count);
	equal = cpu->rflags & RFLAGS_ZF;
	if (steps & LOAD_DI && equal != (instruction->repeat == 0xf3))
		return 0;
	return count ? 1 : 0;
}
