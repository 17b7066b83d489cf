/* SPDX-License-Identifier: MIT */
/* Instructions so plain that a second time they need not be emulated. */
#include <bulkhead/emulate.h>

#include "instruction.h"

/* RSP is not among the registers while it is in the CPU's own structures. */
static bool address_plain(const struct memory_operand *memory)
{
	return memory->segment < SEGMENT_FS && memory->base != GPR_RSP;
}

static bool load_describe(const struct instruction *instruction, struct emulate_move *move)
{
	if (instruction->destination.kind != OPERAND_REGISTER)
		return false;
	move->bytes = instruction->source.bytes;
	move->reg = instruction->destination.reg;
	move->reg_bytes = instruction->destination.bytes;
	return move->reg != GPR_RSP;
}

static bool store_describe(const struct instruction *instruction, struct emulate_move *move)
{
	const struct operand *source = &instruction->source;

	move->store = true;
	move->bytes = instruction->destination.bytes;
	move->reg = source->reg;
	if (source->kind == OPERAND_IMMEDIATE) {
		move->constant = true;
		move->immediate = instruction->immediate & mask_of(move->bytes);
		return true;
	}
	return source->kind == OPERAND_REGISTER && move->reg != GPR_RSP;
}

bool emulate_move_describe(const u8 *code, struct emulate_move *move)
{
	struct instruction instruction;
	const struct memory_operand *memory = &instruction.memory;

	*move = (struct emulate_move){0};
	if (instruction_decode(&instruction, CPU_MODE_64, code, INSTRUCTION_BYTES_MAX) ||
	    instruction.operation != OPERATION_MOV || instruction.lock || !address_plain(memory))
		return false;
	move->length = instruction.length;
	move->base = memory->base;
	move->index = memory->index;
	move->shift = memory->shift;
	move->displacement = memory->displacement;
	move->address_mask = mask_of(instruction.address_bytes);
	if (instruction.source.kind == OPERAND_MEMORY)
		return load_describe(&instruction, move);
	return instruction.destination.kind == OPERAND_MEMORY && store_describe(&instruction, move);
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
