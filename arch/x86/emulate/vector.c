/* SPDX-License-Identifier: MIT */
/* Moves between vector registers and memory (SSE, and AVX with VEX prefixes). */
#include <bulkhead/error.h>
#include <bulkhead/string.h>

#include "operand.h"

#define SSE_BYTES  16
#define HALF_BYTES 8

struct vector {
	u64 words[VECTOR_BYTES / 8];
};

static int vector_read(struct emulate_cpu *cpu, unsigned reg, struct vector *vector)
{
	if (!cpu->ops->vector_read)
		return -ENODEV;
	return cpu->ops->vector_read(cpu, reg, vector);
}

/* SSE leaves what is above its 16 bytes alone, VEX clears it. */
static int vector_write(struct emulate_cpu *cpu, const struct instruction *instruction,
			const struct vector *vector)
{
	if (!cpu->ops->vector_write)
		return -ENODEV;
	return cpu->ops->vector_write(cpu, instruction->destination.reg, vector,
				      instruction->vex ? VECTOR_BYTES : SSE_BYTES);
}

static int memory_at(struct emulate_cpu *cpu, const struct instruction *instruction, unsigned bytes,
		     u64 *address)
{
	*address = effective_address(cpu, instruction);
	if (instruction->aligned &&
	    operand_misaligned(cpu, instruction->memory.segment, *address, bytes))
		return fault_raise(cpu, VECTOR_GP, 0);
	return 0;
}

static int load(struct emulate_cpu *cpu, const struct instruction *instruction, void *data)
{
	u64 address;
	int error = memory_at(cpu, instruction, instruction->source.bytes, &address);

	if (error)
		return error;
	return memory_read(cpu, instruction->memory.segment, address, instruction->source.bytes,
			   false, data);
}

static int store(struct emulate_cpu *cpu, const struct instruction *instruction, const void *data)
{
	u64 address;
	int error = memory_at(cpu, instruction, instruction->destination.bytes, &address);

	if (error)
		return error;
	return memory_write(cpu, instruction->memory.segment, address,
			    instruction->destination.bytes, data);
}

int execute_vector_load(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	struct vector vector = {0};
	int error = load(cpu, instruction, &vector);

	return error ? error : vector_write(cpu, instruction, &vector);
}

int execute_vector_store(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	struct vector vector;
	int error = vector_read(cpu, instruction->source.reg, &vector);

	return error ? error : store(cpu, instruction, &vector);
}

/* One half comes from memory, the other stays (SSE) or comes from a third operand (VEX). */
int execute_vector_half(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	unsigned half = instruction->operation == OPERATION_VECTOR_LOAD_HIGH;
	unsigned other = instruction->vex ? instruction->vex_source : instruction->destination.reg;
	struct vector vector;
	int error = vector_read(cpu, other, &vector);

	if (!error)
		error = load(cpu, instruction, &vector.words[half]);
	if (error)
		return error;
	memset(&vector.words[SSE_BYTES / 8], 0, VECTOR_BYTES - SSE_BYTES);
	return vector_write(cpu, instruction, &vector);
}

int execute_vector_store_high(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	struct vector vector;
	int error = vector_read(cpu, instruction->source.reg, &vector);

	return error ? error : store(cpu, instruction, &vector.words[SSE_BYTES / HALF_BYTES - 1]);
}
