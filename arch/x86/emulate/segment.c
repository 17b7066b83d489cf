/* SPDX-License-Identifier: MIT */
/* Loads of segment registers: MOV with a selector in memory, and LTR, which writes into the GDT
 * wherever that is (SDM vol. 2, MOV, LTR; vol. 3, chapters 5 and 8). */
#include "operand.h"

#define SELECTOR_RPL(s)	  ((s)&3U)
#define SELECTOR_LOCAL	  4U
#define SELECTOR_INDEX	  0xfff8U
#define SELECTOR_ERROR(s) ((s)&0xfffcU)

#define DESCRIPTOR_BYTES    8U
#define DESCRIPTOR_RIGHTS   5 /* the byte with type, S, DPL, P */
#define DESCRIPTOR_ACCESSED 1u
#define DESCRIPTOR_SYSTEM   0x1fu /* with S, the type of a system segment */
#define TASK_16		    1u
#define TASK_32		    9u
#define TASK_BUSY	    2u

/* Of the byte above, as in struct cpu_segment. */
#define DATA_WRITABLE (ATTRIBUTE_NOT_SYSTEM | ATTRIBUTE_WRITABLE)

static void segment_load(struct emulate_cpu *cpu, u8 which, const struct cpu_segment *segment)
{
	cpu->segments[which] = *segment;
	cpu->segments_missing &= ~(1u << which);
	cpu->segments_written |= 1u << which;
}

/* Real mode changes selector and base only (SDM vol. 3, 21.1.4), virtual-8086 mode all. */
static int load_real(struct emulate_cpu *cpu, u8 which, u16 selector)
{
	struct cpu_segment segment = *segment_at(cpu, which);

	if (!cpu->real_mode) {
		segment.limit = 0xffff;
		segment.attributes = 0xf3;
	}
	segment.selector = selector;
	segment.base = (u64)selector << 4;
	segment_load(cpu, which, &segment);
	return 0;
}

/* The stack's CPL is kept in the DPL of what is otherwise unusable. */
static int load_null(struct emulate_cpu *cpu, u8 which, u16 selector)
{
	struct cpu_segment segment = {.selector = selector};

	if (which == SEGMENT_SS) {
		if (cpu->mode != CPU_MODE_64 || cpu->cpl == 3 || SELECTOR_RPL(selector) != cpu->cpl)
			return fault_raise(cpu, VECTOR_GP, 0);
		segment.attributes = (u16)(cpu->cpl << 5);
	}
	segment_load(cpu, which, &segment);
	return 0;
}

static struct cpu_segment segment_make(u16 selector, u64 descriptor)
{
	u32 limit = (u32)((descriptor & 0xffff) | (descriptor >> 32 & 0xf0000));
	u16 attributes = descriptor >> 40 & 0xf0ff;

	return (struct cpu_segment){
		.selector = selector,
		.attributes = attributes,
		.limit = attributes & ATTRIBUTE_PAGES ? limit << 12 | 0xfff : limit,
		.base = (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000),
	};
}

static bool stack_usable(const struct emulate_cpu *cpu, const struct cpu_segment *segment)
{
	u16 attributes = segment->attributes;

	return (attributes & (DATA_WRITABLE | ATTRIBUTE_CODE)) == DATA_WRITABLE &&
	       ATTRIBUTE_DPL(attributes) == cpu->cpl && SELECTOR_RPL(segment->selector) == cpu->cpl;
}

static bool data_usable(const struct emulate_cpu *cpu, const struct cpu_segment *segment)
{
	u16 attributes = segment->attributes;
	u16 conforming = ATTRIBUTE_CODE | ATTRIBUTE_DOWN;

	if (!(attributes & ATTRIBUTE_NOT_SYSTEM) ||
	    (attributes & (ATTRIBUTE_CODE | ATTRIBUTE_WRITABLE)) == ATTRIBUTE_CODE)
		return false;
	return (attributes & conforming) == conforming ||
	       (ATTRIBUTE_DPL(attributes) >= cpu->cpl &&
		ATTRIBUTE_DPL(attributes) >= SELECTOR_RPL(segment->selector));
}

static int segment_check(struct emulate_cpu *cpu, u8 which, const struct cpu_segment *segment)
{
	u32 code = SELECTOR_ERROR(segment->selector);
	bool stack = which == SEGMENT_SS;

	if (!(stack ? stack_usable(cpu, segment) : data_usable(cpu, segment)))
		return fault_raise(cpu, VECTOR_GP, code);
	if (!(segment->attributes & ATTRIBUTE_PRESENT))
		return fault_raise(cpu, stack ? VECTOR_SS : VECTOR_NP, code);
	return 0;
}

static int descriptor_find(struct emulate_cpu *cpu, u16 selector, unsigned bytes, u64 *at)
{
	bool local = selector & SELECTOR_LOCAL;
	const struct cpu_segment *table = segment_at(cpu, local ? TABLE_LDT : TABLE_GDT);
	u32 index = selector & SELECTOR_INDEX;

	if ((local && !(table->attributes & ATTRIBUTE_PRESENT)) || index + bytes - 1 > table->limit)
		return fault_raise(cpu, VECTOR_GP, SELECTOR_ERROR(selector));
	*at = table->base + index;
	if (cpu->mode != CPU_MODE_64)
		*at = (u32)*at;
	return 0;
}

static int descriptor_load(struct emulate_cpu *cpu, u8 which, u16 selector, u64 at)
{
	struct cpu_segment segment;
	u64 descriptor;
	u8 rights;
	int error = cpu->ops->read(cpu, at, &descriptor, DESCRIPTOR_BYTES);

	if (error)
		return error;
	segment = segment_make(selector, descriptor);
	error = segment_check(cpu, which, &segment);
	if (!error && !(segment.attributes & DESCRIPTOR_ACCESSED)) {
		segment.attributes |= DESCRIPTOR_ACCESSED;
		rights = (u8)segment.attributes;
		error = cpu->ops->write(cpu, at + DESCRIPTOR_RIGHTS, &rights, 1);
	}
	if (!error)
		segment_load(cpu, which, &segment);
	return error;
}

static int load_protected(struct emulate_cpu *cpu, u8 which, u16 selector)
{
	u64 at = 0;
	int error = descriptor_find(cpu, selector, DESCRIPTOR_BYTES, &at);

	if (error)
		return error;
	cpu->read_for_write = false;
	cpu->implicit_access = true;
	error = descriptor_load(cpu, which, selector, at);
	cpu->implicit_access = false;
	return error;
}

int execute_load_segment(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	u8 which = instruction->destination.reg;
	u64 value;
	int error = operand_read(cpu, instruction, &instruction->source, false, &value);

	if (error)
		return error;
	if (cpu->real_mode || cpu->rflags & RFLAGS_VM)
		return load_real(cpu, which, (u16)value);
	if (!SELECTOR_ERROR(value))
		return load_null(cpu, which, (u16)value);
	return load_protected(cpu, which, (u16)value);
}

/* In long mode it has 16 bytes: the upper half of the base, and a type that is 0. */
static int task_check(struct emulate_cpu *cpu, const struct cpu_segment *segment, u64 upper,
		      bool wide)
{
	u32 type = segment->attributes & DESCRIPTOR_SYSTEM;
	u32 code = SELECTOR_ERROR(segment->selector);

	if (type != TASK_32 && (wide || type != TASK_16))
		return fault_raise(cpu, VECTOR_GP, code);
	if (!(segment->attributes & ATTRIBUTE_PRESENT))
		return fault_raise(cpu, VECTOR_NP, code);
	if (wide && (upper >> 40 & DESCRIPTOR_SYSTEM || !address_canonical(cpu, segment->base)))
		return fault_raise(cpu, VECTOR_GP, code);
	return 0;
}

static int task_load(struct emulate_cpu *cpu, u16 selector, u64 at, bool wide)
{
	u64 descriptor[2] = {0};
	struct cpu_segment segment;
	u8 rights;
	int error = cpu->ops->read(cpu, at, descriptor, wide ? 16 : DESCRIPTOR_BYTES);

	if (error)
		return error;
	segment = segment_make(selector, descriptor[0]);
	segment.base |= descriptor[1] << 32;
	error = task_check(cpu, &segment, descriptor[1], wide);
	if (error)
		return error;
	segment.attributes |= TASK_BUSY;
	rights = (u8)segment.attributes;
	error = cpu->ops->write(cpu, at + DESCRIPTOR_RIGHTS, &rights, 1);
	if (!error)
		segment_load(cpu, TASK_REGISTER, &segment);
	return error;
}

int execute_load_task(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	bool wide = cpu->mode == CPU_MODE_64 || cpu->long_mode;
	u64 selector, at = 0;
	int error;

	if (cpu->real_mode || cpu->rflags & RFLAGS_VM)
		return fault_undefined(cpu);
	if (cpu->cpl)
		return fault_raise(cpu, VECTOR_GP, 0);
	error = operand_read(cpu, instruction, &instruction->destination, false, &selector);
	if (error)
		return error;
	if (!SELECTOR_ERROR(selector) || selector & SELECTOR_LOCAL)
		return fault_raise(cpu, VECTOR_GP, SELECTOR_ERROR((u32)selector));
	error = descriptor_find(cpu, (u16)selector, wide ? 16 : DESCRIPTOR_BYTES, &at);
	if (error)
		return error;
	cpu->read_for_write = false;
	cpu->implicit_access = true;
	error = task_load(cpu, (u16)selector, at, wide);
	cpu->implicit_access = false;
	return error;
}
