/* SPDX-License-Identifier: MIT */
/* Instructions so plain that a second time they need not be decoded. */
#include <bulkhead/emulate.h>

#include "instruction.h"

/* RSP is not among the registers while it is in the CPU's own structures. */
static bool address_plain(const struct memory_operand *memory)
{
	return memory->segment < SEGMENT_FS && memory->base != GPR_RSP;
}

/* The operand that is not in memory. */
static bool other_describe(const struct instruction *instruction, const struct operand *other,
			   struct emulate_move *move)
{
	move->reg = other->reg;
	move->reg_bytes = other->bytes;
	move->constant = other->kind != OPERAND_REGISTER;
	move->immediate = instruction->immediate & mask_of(move->bytes);
	if (other->kind == OPERAND_NONE) /* of NOT and its like */
		move->reg_bytes = move->bytes;
	else if (other->kind != OPERAND_IMMEDIATE)
		return other->kind == OPERAND_REGISTER && move->reg != GPR_RSP;
	return true;
}

static bool operation_describe(const struct instruction *instruction, struct emulate_move *move)
{
	struct computation computation = {.writes = true}; /* MOV */

	if (instruction->operation != OPERATION_MOV &&
	    !operation_computation(instruction->operation, &computation))
		return false;
	move->compute = computation.compute;
	move->to_register = instruction->destination.kind != OPERAND_MEMORY;
	move->reads = move->to_register || computation.reads;
	move->writes = !move->to_register && computation.writes;
	move->sets_register = move->to_register ? computation.writes : computation.exchanges;
	if (move->to_register) /* both operands of XCHG and XADD are destinations */
		return !instruction->lock && !computation.exchanges;
	return !instruction->lock || computation.lockable;
}

static bool operands_describe(const struct instruction *instruction, struct emulate_move *move)
{
	const struct operand *destination = &instruction->destination;
	const struct operand *source = &instruction->source;

	if (destination->kind == OPERAND_MEMORY) {
		move->bytes = destination->bytes;
		return other_describe(instruction, source, move);
	}
	move->bytes = source->bytes;
	return source->kind == OPERAND_MEMORY && destination->kind == OPERAND_REGISTER &&
	       other_describe(instruction, destination, move);
}

bool emulate_move_describe(const u8 *code, struct emulate_move *move)
{
	struct instruction instruction;
	const struct memory_operand *memory = &instruction.memory;

	*move = (struct emulate_move){0};
	if (instruction_decode(&instruction, CPU_MODE_64, code, INSTRUCTION_BYTES_MAX) ||
	    !operation_describe(&instruction, move) || !operands_describe(&instruction, move) ||
	    !address_plain(memory))
		return false;
	move->length = instruction.length;
	move->base = memory->base;
	move->index = memory->index;
	move->shift = memory->shift;
	move->displacement = memory->displacement;
	move->address_mask = mask_of(instruction.address_bytes);
	return true;
}

u64 emulate_move_address(const struct emulate_move *move, const u64 *gpr, u64 rip)
{
	u64 address = move->displacement;

	if (move->base == BASE_RIP)
		address += rip + move->length;
	else if (move->base != BASE_NONE)
		address += gpr[move->base];
	if (move->index != BASE_NONE)
		address += gpr[move->index] << move->shift;
	return address & move->address_mask;
}

u64 emulate_move_compute(const struct emulate_move *move, u64 *gpr, u64 memory, u64 *flags)
{
	u64 other = (move->constant ? move->immediate : gpr[move->reg]) & mask_of(move->reg_bytes);
	u64 result;

	memory = emulate_move_cut(move, memory);
	if (move->to_register)
		result = memory =
			move->compute(other, memory, move->bytes, flags) & mask_of(move->bytes);
	else
		result = move->compute(memory, other, move->bytes, flags);
	if (move->sets_register)
		emulate_move_set(move, gpr, memory);
	return result;
}
