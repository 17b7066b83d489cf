/* SPDX-License-Identifier: MIT */
/* Operands: registers, and memory through segmentation. */
#include <bulkhead/error.h>

#include "operand.h"

int fault_raise(struct emulate_cpu *cpu, u8 vector, u32 error_code)
{
	cpu->fault = (struct emulate_fault){.vector = vector,
					    .has_error_code = !cpu->real_mode,
					    .error_code = cpu->real_mode ? 0 : error_code};
	return -EFAULT;
}

int fault_undefined(struct emulate_cpu *cpu)
{
	cpu->fault = (struct emulate_fault){.vector = VECTOR_UD};
	return -EFAULT;
}

/* SDM vol. 3, sections 5.3 to 5.5. Expand-down segments are what is above their limit. */
static bool segment_allows(const struct cpu_segment *segment, u64 offset, unsigned bytes)
{
	u64 last = offset + bytes - 1;
	u64 top = segment->attributes & ATTRIBUTE_BIG ? 0xffffffff : 0xffff;

	if ((segment->attributes & (ATTRIBUTE_CODE | ATTRIBUTE_DOWN)) == ATTRIBUTE_DOWN)
		return offset > segment->limit && last <= top;
	return last <= segment->limit;
}

static bool segment_type_allows(const struct cpu_segment *segment, bool write)
{
	u16 attributes = segment->attributes;

	if (!(attributes & ATTRIBUTE_PRESENT))
		return false;
	if (attributes & ATTRIBUTE_CODE)
		return !write && attributes & ATTRIBUTE_WRITABLE;
	return !write || attributes & ATTRIBUTE_WRITABLE;
}

/* What is canonical ends where pages do: the last byte has to be looked at in another page only. */
static int linear_64(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, u64 *linear)
{
	u64 at = offset;

	if (segment >= SEGMENT_FS)
		at += segment_at(cpu, segment)->base;
	*linear = at;
	if (likely(address_canonical(cpu, at)) &&
	    ((at & (PAGE_SIZE - 1)) + bytes <= PAGE_SIZE || address_canonical(cpu, at + bytes - 1)))
		return 0;
	return fault_raise(cpu, segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP, 0);
}

static int linear_32(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, bool write,
		     u64 *linear)
{
	const struct cpu_segment *at = segment_at(cpu, segment);

	*linear = (u32)(at->base + offset);
	if ((cpu->real_mode || segment_type_allows(at, write)) && segment_allows(at, offset, bytes))
		return 0;
	return fault_raise(cpu, segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP, 0);
}

/* Vectors wider than 8 bytes have rules of their own. */
static int alignment_check(struct emulate_cpu *cpu, u64 linear, unsigned bytes)
{
	if (!cpu->alignment_check || cpu->cpl != 3 || !(cpu->rflags & RFLAGS_AC) || bytes > 8 ||
	    !(linear & (bytes - 1)))
		return 0;
	return fault_raise(cpu, VECTOR_AC, 0);
}

static int linear_address(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes,
			  bool write, u64 *linear)
{
	int error = cpu->mode == CPU_MODE_64
			    ? linear_64(cpu, segment, offset, bytes, linear)
			    : linear_32(cpu, segment, offset, bytes, write, linear);

	return error ? error : alignment_check(cpu, *linear, bytes);
}

bool operand_misaligned(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes)
{
	u64 linear = offset;

	if (cpu->mode != CPU_MODE_64 || segment >= SEGMENT_FS)
		linear += segment_at(cpu, segment)->base;
	return linear & (bytes - 1);
}

int memory_read(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, bool for_write,
		void *value)
{
	u64 linear;
	int error = linear_address(cpu, segment, offset, bytes, for_write, &linear);

	if (error)
		return error;
	cpu->read_for_write = for_write;
	return cpu->ops->read(cpu, linear, value, bytes);
}

int memory_write(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, const void *value)
{
	u64 linear;
	int error = linear_address(cpu, segment, offset, bytes, true, &linear);

	return error ? error : cpu->ops->write(cpu, linear, value, bytes);
}

int memory_write_check(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes)
{
	u64 linear;
	int error = linear_address(cpu, segment, offset, bytes, true, &linear);

	return error ? error : cpu->ops->write_check(cpu, linear, bytes);
}

u64 effective_address(const struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct memory_operand *memory = &instruction->memory;
	u64 address = memory->displacement;

	if (memory->base == BASE_RIP)
		address += cpu->rip + instruction->length;
	else if (memory->base != BASE_NONE)
		address += cpu->gpr[memory->base];
	if (memory->index != BASE_NONE)
		address += cpu->gpr[memory->index] << memory->shift;
	return address & mask_of(instruction->address_bytes);
}

int operand_read(struct emulate_cpu *cpu, const struct instruction *instruction,
		 const struct operand *operand, bool for_write, u64 *value)
{
	if (operand->kind != OPERAND_MEMORY) {
		*value = value_read(cpu, instruction, operand);
		return 0;
	}
	*value = 0;
	return memory_read(cpu, instruction->memory.segment, effective_address(cpu, instruction),
			   operand->bytes, for_write, value);
}

int operand_write(struct emulate_cpu *cpu, const struct instruction *instruction,
		  const struct operand *operand, u64 value)
{
	if (operand->kind == OPERAND_MEMORY)
		return memory_write(cpu, instruction->memory.segment,
				    effective_address(cpu, instruction), operand->bytes, &value);
	register_write(cpu, operand, value);
	return 0;
}
