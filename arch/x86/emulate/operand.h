/* SPDX-License-Identifier: MIT */
/* Registers and memory as instructions reach them, for the files that carry instructions out. */
#pragma once

#include "instruction.h"

#define VECTOR_UD 6
#define VECTOR_NP 11
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_AC 17

/* Of struct cpu_segment. */
#define ATTRIBUTE_WRITABLE   (1u << 1) /* data; of code: readable */
#define ATTRIBUTE_DOWN	     (1u << 2) /* data; of code: conforming */
#define ATTRIBUTE_CODE	     (1u << 3)
#define ATTRIBUTE_NOT_SYSTEM (1u << 4)
#define ATTRIBUTE_DPL(a)     ((unsigned)(a) >> 5 & 3)
#define ATTRIBUTE_PRESENT    (1u << 7)
#define ATTRIBUTE_BIG	     (1u << 14)
#define ATTRIBUTE_PAGES	     (1u << 15)

/* -EFAULT, with cpu->fault filled; no error code in real mode. */
int fault_raise(struct emulate_cpu *cpu, u8 vector, u32 error_code);
int fault_undefined(struct emulate_cpu *cpu);

static inline u64 gpr_read(const struct emulate_cpu *cpu, u8 reg, unsigned bytes)
{
	return cpu->gpr[reg] & mask_of(bytes);
}

/* 32-bit results clear the upper half, smaller ones keep what is above them. */
static inline void gpr_write(struct emulate_cpu *cpu, u8 reg, unsigned bytes, u64 value)
{
	u64 mask = mask_of(bytes);

	if (bytes >= 4)
		cpu->gpr[reg] = value & mask;
	else
		cpu->gpr[reg] = (cpu->gpr[reg] & ~mask) | (value & mask);
}

static inline const struct cpu_segment *segment_at(struct emulate_cpu *cpu, unsigned which)
{
	if (cpu->segments_missing & 1u << which) {
		cpu->segments_missing &= ~(1u << which);
		cpu->ops->segment_fill(cpu, which);
	}
	return &cpu->segments[which];
}

static inline bool address_canonical(const struct emulate_cpu *cpu, u64 linear)
{
	unsigned spare = 64 - (cpu->linear_bits ? cpu->linear_bits : 48);

	return (u64)((s64)(linear << spare) >> spare) == linear;
}

u64 effective_address(const struct emulate_cpu *cpu, const struct instruction *instruction);

/* Whether the linear address is no multiple of `bytes`, for what demands that. */
bool operand_misaligned(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes);

/* Through segmentation, with its checks, and the alignment check. For what is at most 8 bytes, the
 * rest of *value is 0. */
int memory_read(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, bool for_write,
		void *value) must_check;
int memory_write(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes,
		 const void *value) must_check;
int memory_write_check(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes) must_check;

/* Operands that are not in memory: general registers (none other is written), immediates,
 * selectors. */
static inline u64 value_read(struct emulate_cpu *cpu, const struct instruction *instruction,
			     const struct operand *operand)
{
	switch (operand->kind) {
	case OPERAND_REGISTER:
		return gpr_read(cpu, operand->reg, operand->bytes);
	case OPERAND_HIGH_BYTE:
		return (u8)(cpu->gpr[operand->reg] >> 8);
	case OPERAND_IMMEDIATE:
		return instruction->immediate & mask_of(operand->bytes);
	case OPERAND_SEGMENT:
		return segment_at(cpu, operand->reg)->selector;
	default:
		return 0;
	}
}

static inline void register_write(struct emulate_cpu *cpu, const struct operand *operand, u64 value)
{
	u64 *reg = &cpu->gpr[operand->reg];

	if (operand->kind == OPERAND_HIGH_BYTE)
		*reg = (*reg & ~0xff00UL) | (value & 0xff) << 8;
	else
		gpr_write(cpu, operand->reg, operand->bytes, value);
}

/* Those and operands in memory, of at most 8 bytes. */
int operand_read(struct emulate_cpu *cpu, const struct instruction *instruction,
		 const struct operand *operand, bool for_write, u64 *value) must_check;
int operand_write(struct emulate_cpu *cpu, const struct instruction *instruction,
		  const struct operand *operand, u64 value) must_check;

/* Operations that have files of their own: see instruction_execute. */
typedef int execute_fn(struct emulate_cpu *cpu, const struct instruction *instruction);

execute_fn execute_push, execute_pop, execute_call, execute_jmp, execute_ret;
execute_fn execute_string;
execute_fn execute_load_segment, execute_load_task;
execute_fn execute_vector_load, execute_vector_store, execute_vector_half,
	execute_vector_store_high;
