/* SPDX-License-Identifier: MIT */
/* Instructions that use the stack, and jumps through memory. */
#include "operand.h"

static unsigned stack_bytes(struct emulate_cpu *cpu)
{
	if (cpu->mode == CPU_MODE_64)
		return 8;
	return segment_at(cpu, SEGMENT_SS)->attributes & ATTRIBUTE_BIG ? 4 : 2;
}

static int push(struct emulate_cpu *cpu, u64 value, unsigned bytes)
{
	unsigned width = stack_bytes(cpu);
	u64 sp = (cpu->gpr[GPR_RSP] - bytes) & mask_of(width);
	int error = memory_write(cpu, SEGMENT_SS, sp, bytes, &value);

	if (!error)
		gpr_write(cpu, GPR_RSP, width, sp);
	return error;
}

/* What is on top; the stack pointer is the caller's. */
static int stack_read(struct emulate_cpu *cpu, unsigned bytes, u64 *value)
{
	*value = 0;
	return memory_read(cpu, SEGMENT_SS, gpr_read(cpu, GPR_RSP, stack_bytes(cpu)), bytes, false,
			   value);
}

int execute_push(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	u64 value;
	int error = operand_read(cpu, instruction, &instruction->destination, false, &value);

	return error ? error : push(cpu, value, instruction->operand_bytes);
}

/* A destination whose base is the stack pointer is addressed with the incremented one, and one that
 * is the stack pointer wins over it (SDM vol. 2, POP). */
int execute_pop(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes;
	u64 old = cpu->gpr[GPR_RSP];
	u64 value;
	int error = stack_read(cpu, bytes, &value);

	if (error)
		return error;
	gpr_write(cpu, GPR_RSP, stack_bytes(cpu), old + bytes);
	error = operand_write(cpu, instruction, &instruction->destination, value);
	if (error)
		cpu->gpr[GPR_RSP] = old;
	return error;
}

/* Where a jump goes: cut to the operand size, and within the code segment. */
static int target_check(struct emulate_cpu *cpu, const struct instruction *instruction, u64 *target)
{
	*target &= mask_of(instruction->operand_bytes);
	if (cpu->mode == CPU_MODE_64 ? address_canonical(cpu, *target)
				     : *target <= segment_at(cpu, SEGMENT_CS)->limit)
		return 0;
	return fault_raise(cpu, VECTOR_GP, 0);
}

int execute_jmp(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	u64 target;
	int error = operand_read(cpu, instruction, &instruction->destination, false, &target);

	if (!error)
		error = target_check(cpu, instruction, &target);
	if (!error)
		cpu->next = target;
	return error;
}

/* The return address is on the stack before the target is found wanting, as measured on an Intel
 * Xeon; the stack pointer is not moved then. */
int execute_call(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	u64 target, old = cpu->gpr[GPR_RSP];
	int error = operand_read(cpu, instruction, &instruction->destination, false, &target);

	if (instruction->operation == OPERATION_CALL_RELATIVE)
		target += cpu->next;
	if (!error)
		error = push(cpu, cpu->next, instruction->operand_bytes);
	if (error)
		return error;
	error = target_check(cpu, instruction, &target);
	if (error)
		cpu->gpr[GPR_RSP] = old;
	else
		cpu->next = target;
	return error;
}

int execute_ret(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes;
	u64 target;
	int error = stack_read(cpu, bytes, &target);

	if (!error)
		error = target_check(cpu, instruction, &target);
	if (error)
		return error;
	gpr_write(cpu, GPR_RSP, stack_bytes(cpu),
		  cpu->gpr[GPR_RSP] + bytes + instruction->immediate);
	cpu->next = target;
	return 0;
}
