/* SPDX-License-Identifier: MIT */
/*
 * Runs one decoded instruction. Every handler makes its memory accesses, which can fault, before it
 * changes a register or a flag: that is what "nothing was changed" rests on.
 */
#include <bulkhead/error.h>

#include "instruction.h"

#define VECTOR_UD 6
#define VECTOR_SS 12
#define VECTOR_GP 13

#define ATTRIBUTE_WRITABLE (1u << 1) /* data; of code: readable */
#define ATTRIBUTE_DOWN	   (1u << 2) /* data; of code: conforming */
#define ATTRIBUTE_CODE	   (1u << 3)
#define ATTRIBUTE_PRESENT  (1u << 7)
#define ATTRIBUTE_BIG	   (1u << 14)

static int fault_raise(struct emulate_cpu *cpu, u8 vector, bool has_error_code)
{
	cpu->fault = (struct emulate_fault){.vector = vector,
					    .has_error_code = has_error_code && !cpu->real_mode};
	return -EFAULT;
}

/* Registers. */

static u64 gpr_read(const struct emulate_cpu *cpu, u8 reg, unsigned bytes)
{
	return cpu->gpr[reg] & mask_of(bytes);
}

/* 32-bit results clear the upper half, smaller ones keep what is above them. */
static void gpr_write(struct emulate_cpu *cpu, u8 reg, unsigned bytes, u64 value)
{
	u64 mask = mask_of(bytes);

	if (bytes >= 4)
		cpu->gpr[reg] = value & mask;
	else
		cpu->gpr[reg] = (cpu->gpr[reg] & ~mask) | (value & mask);
}

/* Memory. */

static const struct cpu_segment *segment_at(const struct emulate_cpu *cpu, u8 segment)
{
	const struct cpu_segment *const segments[SEGMENT_COUNT] = {
		[SEGMENT_ES] = &cpu->es, [SEGMENT_CS] = &cpu->cs, [SEGMENT_SS] = &cpu->ss,
		[SEGMENT_DS] = &cpu->ds, [SEGMENT_FS] = &cpu->fs, [SEGMENT_GS] = &cpu->gs,
	};

	return segments[segment];
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

static bool is_canonical(const struct emulate_cpu *cpu, u64 linear)
{
	unsigned spare = 64 - (cpu->linear_bits ? cpu->linear_bits : 48);

	return (u64)((s64)(linear << spare) >> spare) == linear;
}

static int linear_64(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, u64 *linear)
{
	u64 base = segment >= SEGMENT_FS ? segment_at(cpu, segment)->base : 0;

	*linear = base + offset;
	if (is_canonical(cpu, *linear) && is_canonical(cpu, *linear + bytes - 1))
		return 0;
	return fault_raise(cpu, segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP, true);
}

static int linear_address(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes,
			  bool write, u64 *linear)
{
	const struct cpu_segment *at;

	if (cpu->mode == CPU_MODE_64)
		return linear_64(cpu, segment, offset, bytes, linear);
	at = segment_at(cpu, segment);
	*linear = (u32)(at->base + offset);
	if ((cpu->real_mode || segment_type_allows(at, write)) && segment_allows(at, offset, bytes))
		return 0;
	return fault_raise(cpu, segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP, true);
}

static int memory_read(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes,
		       bool for_write, u64 *value)
{
	u64 linear;
	int error = linear_address(cpu, segment, offset, bytes, for_write, &linear);

	if (error)
		return error;
	*value = 0;
	cpu->read_for_write = for_write;
	return cpu->ops->read(cpu, linear, value, bytes);
}

static int memory_write(struct emulate_cpu *cpu, u8 segment, u64 offset, unsigned bytes, u64 value)
{
	u64 linear;
	int error = linear_address(cpu, segment, offset, bytes, true, &linear);

	return error ? error : cpu->ops->write(cpu, linear, &value, bytes);
}

static u64 effective_address(const struct emulate_cpu *cpu, const struct instruction *instruction)
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

static int operand_read(struct emulate_cpu *cpu, const struct instruction *instruction,
			const struct operand *operand, bool for_write, u64 *value)
{
	switch (operand->kind) {
	case OPERAND_REGISTER:
		*value = gpr_read(cpu, operand->reg, operand->bytes);
		return 0;
	case OPERAND_HIGH_BYTE:
		*value = (u8)(cpu->gpr[operand->reg] >> 8);
		return 0;
	case OPERAND_IMMEDIATE:
		*value = instruction->immediate & mask_of(operand->bytes);
		return 0;
	case OPERAND_MEMORY:
		return memory_read(cpu, instruction->memory.segment,
				   effective_address(cpu, instruction), operand->bytes, for_write,
				   value);
	default:
		*value = 0;
		return 0;
	}
}

static int operand_write(struct emulate_cpu *cpu, const struct instruction *instruction,
			 const struct operand *operand, u64 value)
{
	switch (operand->kind) {
	case OPERAND_MEMORY:
		return memory_write(cpu, instruction->memory.segment,
				    effective_address(cpu, instruction), operand->bytes, value);
	case OPERAND_HIGH_BYTE:
		cpu->gpr[operand->reg] = (cpu->gpr[operand->reg] & ~0xff00UL) | (value & 0xff) << 8;
		return 0;
	default:
		gpr_write(cpu, operand->reg, operand->bytes, value);
		return 0;
	}
}

/* Operations. */

enum operation_traits {
	READS = 1,    /* the destination's old value counts */
	WRITES = 2,   /* the destination is changed */
	LOCKABLE = 4, /* LOCK is legal with a memory destination */
};

#define MODIFIES (READS | WRITES | LOCKABLE)

struct operation_rule {
	u8 traits;
	compute_fn *compute;
	int (*execute)(struct emulate_cpu *cpu, struct instruction *instruction);
};

static const struct operation_rule rules[OPERATION_COUNT];

static int execute_compute(struct emulate_cpu *cpu, struct instruction *instruction)
{
	const struct operation_rule *rule = &rules[instruction->operation];
	const struct operand *destination = &instruction->destination;
	bool writes = rule->traits & WRITES;
	u64 flags = cpu->rflags, a = 0, b, result;
	int error = operand_read(cpu, instruction, &instruction->source, false, &b);

	if (!error && rule->traits & READS)
		error = operand_read(cpu, instruction, destination, writes, &a);
	if (error)
		return error;
	result = rule->compute(a, b, destination->bytes, &flags);
	if (writes)
		error = operand_write(cpu, instruction, destination, result);
	if (!error)
		cpu->rflags = flags;
	return error;
}

static int execute_movsx(struct emulate_cpu *cpu, struct instruction *instruction)
{
	u64 value;
	int error = operand_read(cpu, instruction, &instruction->source, false, &value);

	if (error)
		return error;
	value = sign_extend(value, instruction->source.bytes);
	return operand_write(cpu, instruction, &instruction->destination, value);
}

/* A bit offset in a register reaches beyond the operand, both ways (SDM vol. 2, BT). */
static int execute_bit(struct emulate_cpu *cpu, struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes;
	s64 offset;

	if (instruction->destination.kind == OPERAND_MEMORY &&
	    instruction->source.kind == OPERAND_REGISTER) {
		offset = (s64)sign_extend(cpu->gpr[instruction->source.reg], bytes);
		instruction->memory.displacement += (u64)(offset >> 3) & ~((u64)bytes - 1);
	}
	return execute_compute(cpu, instruction);
}

/* XCHG and XADD: the old destination goes to the source register, first, as that may be the
 * destination. */
static int execute_exchange(struct emulate_cpu *cpu, struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	const struct operand *source = &instruction->source;
	u64 flags = cpu->rflags, a, b = 0, result;
	int error = operand_read(cpu, instruction, destination, true, &a);

	if (error)
		return error;
	(void)operand_read(cpu, instruction, source, false, &b); /* a register */
	result = rules[instruction->operation].compute(a, b, destination->bytes, &flags);
	if (destination->kind == OPERAND_MEMORY) {
		error = operand_write(cpu, instruction, destination, result);
		if (error)
			return error;
	}
	(void)operand_write(cpu, instruction, source, a);
	if (destination->kind != OPERAND_MEMORY)
		(void)operand_write(cpu, instruction, destination, result);
	cpu->rflags = flags;
	return 0;
}

/*
 * Memory is written back when the comparison fails, too (SDM vol. 2, CMPXCHG). A register is not: a
 * 32-bit one keeps its upper half, as measured on an Intel Xeon.
 */
static int execute_cmpxchg(struct emulate_cpu *cpu, struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	unsigned bytes = destination->bytes;
	u64 flags = cpu->rflags, a, b = 0;
	int error = operand_read(cpu, instruction, destination, true, &a);

	if (error)
		return error;
	(void)operand_read(cpu, instruction, &instruction->source, false, &b); /* a register */
	(void)compute_sub(gpr_read(cpu, GPR_RAX, bytes), a, bytes, &flags);
	if (flags & RFLAGS_ZF || destination->kind == OPERAND_MEMORY)
		error = operand_write(cpu, instruction, destination, flags & RFLAGS_ZF ? b : a);
	if (error)
		return error;
	if (!(flags & RFLAGS_ZF))
		gpr_write(cpu, GPR_RAX, bytes, a);
	cpu->rflags = flags;
	return 0;
}

static unsigned stack_bytes(const struct emulate_cpu *cpu)
{
	if (cpu->mode == CPU_MODE_64)
		return 8;
	return cpu->ss.attributes & ATTRIBUTE_BIG ? 4 : 2;
}

static int execute_push(struct emulate_cpu *cpu, struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes, width = stack_bytes(cpu);
	u64 sp = (cpu->gpr[GPR_RSP] - bytes) & mask_of(width);
	u64 value;
	int error = operand_read(cpu, instruction, &instruction->destination, false, &value);

	if (!error)
		error = memory_write(cpu, SEGMENT_SS, sp, bytes, value);
	if (!error)
		gpr_write(cpu, GPR_RSP, width, sp);
	return error;
}

/* A destination whose base is the stack pointer is addressed with the incremented one (SDM vol. 2,
 * POP). */
static int execute_pop(struct emulate_cpu *cpu, struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes, width = stack_bytes(cpu);
	u64 old = cpu->gpr[GPR_RSP];
	u64 value;
	int error = memory_read(cpu, SEGMENT_SS, old & mask_of(width), bytes, false, &value);

	if (error)
		return error;
	gpr_write(cpu, GPR_RSP, width, old + bytes);
	error = operand_write(cpu, instruction, &instruction->destination, value);
	if (error)
		cpu->gpr[GPR_RSP] = old;
	return error;
}

/* Strings. */

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

static int string_step(struct emulate_cpu *cpu, const struct instruction *instruction, u8 steps)
{
	unsigned bytes = instruction->operand_bytes, width = instruction->address_bytes;
	u64 si = gpr_read(cpu, GPR_RSI, width), di = gpr_read(cpu, GPR_RDI, width);
	u64 advance = cpu->rflags & RFLAGS_DF ? -(u64)bytes : bytes;
	u64 value = gpr_read(cpu, GPR_RAX, bytes), other = 0;
	int error = 0;

	if (steps & LOAD_SI)
		error = memory_read(cpu, instruction->memory.segment, si, bytes, false, &value);
	if (!error && steps & LOAD_DI)
		error = memory_read(cpu, SEGMENT_ES, di, bytes, false, &other);
	if (!error && steps & STORE_DI)
		error = memory_write(cpu, SEGMENT_ES, di, bytes, value);
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

static int execute_string(struct emulate_cpu *cpu, struct instruction *instruction)
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
	error = string_step(cpu, instruction, steps);
	if (error || !instruction->repeat)
		return error;
	count--;
	gpr_write(cpu, GPR_RCX, width, count);
	equal = cpu->rflags & RFLAGS_ZF;
	if (steps & LOAD_DI && equal != (instruction->repeat == 0xf3))
		return 0;
	return count ? 1 : 0;
}

static const struct operation_rule rules[OPERATION_COUNT] = {
	[OPERATION_ADD] = {MODIFIES, compute_add, execute_compute},
	[OPERATION_OR] = {MODIFIES, compute_or, execute_compute},
	[OPERATION_ADC] = {MODIFIES, compute_adc, execute_compute},
	[OPERATION_SBB] = {MODIFIES, compute_sbb, execute_compute},
	[OPERATION_AND] = {MODIFIES, compute_and, execute_compute},
	[OPERATION_SUB] = {MODIFIES, compute_sub, execute_compute},
	[OPERATION_XOR] = {MODIFIES, compute_xor, execute_compute},
	[OPERATION_CMP] = {READS, compute_sub, execute_compute},
	[OPERATION_TEST] = {READS, compute_and, execute_compute},
	[OPERATION_NOT] = {MODIFIES, compute_not, execute_compute},
	[OPERATION_NEG] = {MODIFIES, compute_neg, execute_compute},
	[OPERATION_INC] = {MODIFIES, compute_inc, execute_compute},
	[OPERATION_DEC] = {MODIFIES, compute_dec, execute_compute},
	[OPERATION_MOV] = {WRITES, compute_mov, execute_compute},
	[OPERATION_MOVSX] = {WRITES, NULL, execute_movsx},
	[OPERATION_XCHG] = {MODIFIES, compute_mov, execute_exchange},
	[OPERATION_XADD] = {MODIFIES, compute_add, execute_exchange},
	[OPERATION_CMPXCHG] = {MODIFIES, NULL, execute_cmpxchg},
	[OPERATION_BT] = {READS, compute_bt, execute_bit},
	[OPERATION_BTS] = {MODIFIES, compute_bts, execute_bit},
	[OPERATION_BTR] = {MODIFIES, compute_btr, execute_bit},
	[OPERATION_BTC] = {MODIFIES, compute_btc, execute_bit},
	[OPERATION_PUSH] = {0, NULL, execute_push},
	[OPERATION_POP] = {0, NULL, execute_pop},
	[OPERATION_MOVS] = {0, NULL, execute_string},
	[OPERATION_CMPS] = {0, NULL, execute_string},
	[OPERATION_STOS] = {0, NULL, execute_string},
	[OPERATION_LODS] = {0, NULL, execute_string},
	[OPERATION_SCAS] = {0, NULL, execute_string},
};

int instruction_execute(struct emulate_cpu *cpu, struct instruction *instruction)
{
	const struct operation_rule *rule = &rules[instruction->operation];

	if (instruction->lock &&
	    (!(rule->traits & LOCKABLE) || instruction->destination.kind != OPERAND_MEMORY))
		return fault_raise(cpu, VECTOR_UD, false);
	return rule->execute(cpu, instruction);
}

enum emulate_result emulate_instruction(struct emulate_cpu *cpu, const u8 *code, unsigned bytes)
{
	struct instruction instruction;
	int result;

	if (instruction_decode(&instruction, cpu->mode, code, bytes))
		return EMULATE_UNKNOWN;
	result = instruction_execute(cpu, &instruction);
	if (result < 0)
		return EMULATE_FAULT;
	if (result > 0)
		return EMULATE_AGAIN;
	cpu->rip += instruction.length;
	if (cpu->mode != CPU_MODE_64)
		cpu->rip = (u32)cpu->rip;
	cpu->rflags &= ~RFLAGS_RF;
	return EMULATE_DONE;
}
