/* SPDX-License-Identifier: MIT */
/*
 * Runs one decoded instruction. Every handler makes its memory accesses, which can fault, before it
 * changes a register or a flag: that is what "nothing was changed" rests on.
 */
#include <bulkhead/error.h>
#include <bulkhead/string.h>

#include "operand.h"

/* Operations. */

enum operation_traits {
	READS = 1,    /* the destination's old value counts */
	WRITES = 2,   /* the destination is changed */
	LOCKABLE = 4, /* LOCK is legal with a memory destination */
};

#define SHIFTS	 (READS | WRITES)
#define MODIFIES (SHIFTS | LOCKABLE)

struct operation_rule {
	u8 traits;
	compute_fn *compute;
	execute_fn *execute;
};

static const struct operation_rule rules[OPERATION_COUNT];

static int execute_compute(struct emulate_cpu *cpu, const struct instruction *instruction)
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

static int execute_movsx(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	u64 value;
	int error = operand_read(cpu, instruction, &instruction->source, false, &value);

	if (error)
		return error;
	value = sign_extend(value, instruction->source.bytes);
	return operand_write(cpu, instruction, &instruction->destination, value);
}

/* A bit offset in a register reaches beyond the operand, both ways (SDM vol. 2, BT). */
static int execute_bit(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	unsigned bytes = instruction->operand_bytes;
	struct instruction moved;
	s64 offset;

	if (instruction->destination.kind != OPERAND_MEMORY ||
	    instruction->source.kind != OPERAND_REGISTER)
		return execute_compute(cpu, instruction);
	offset = (s64)sign_extend(cpu->gpr[instruction->source.reg], bytes);
	moved = *instruction;
	moved.memory.displacement += (u64)(offset >> 3) & ~((u64)bytes - 1);
	return execute_compute(cpu, &moved);
}

/* XCHG and XADD: the old destination goes to the source register, first, as that may be the
 * destination. */
static int execute_exchange(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	const struct operand *source = &instruction->source;
	u64 flags = cpu->rflags, a, b, result;
	int error = operand_read(cpu, instruction, destination, true, &a);

	if (error)
		return error;
	b = value_read(cpu, instruction, source);
	result = rules[instruction->operation].compute(a, b, destination->bytes, &flags);
	if (destination->kind == OPERAND_MEMORY) {
		error = operand_write(cpu, instruction, destination, result);
		if (error)
			return error;
	}
	register_write(cpu, source, a);
	if (destination->kind != OPERAND_MEMORY)
		register_write(cpu, destination, result);
	cpu->rflags = flags;
	return 0;
}

/*
 * Memory is written back when the comparison fails, too (SDM vol. 2, CMPXCHG). A register is not: a
 * 32-bit one keeps its upper half, as measured on an Intel Xeon.
 */
static int execute_cmpxchg(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	unsigned bytes = destination->bytes;
	u64 flags = cpu->rflags, a, b;
	int error = operand_read(cpu, instruction, destination, true, &a);

	if (error)
		return error;
	b = value_read(cpu, instruction, &instruction->source);
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

/* EDX:EAX is compared, ECX:EBX stored, in halves of 4 or 8 bytes. */
static int execute_cmpxchg_pair(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	unsigned bytes = instruction->destination.bytes;
	size_t half = bytes / 2;
	u64 address = effective_address(cpu, instruction), low = 0, high = 0;
	u8 segment = instruction->memory.segment;
	u8 memory[16];
	bool equal;
	int error;

	if (bytes == 16 && operand_misaligned(cpu, segment, address, bytes))
		return fault_raise(cpu, VECTOR_GP, 0);
	error = memory_read(cpu, segment, address, bytes, true, memory);
	if (error)
		return error;
	memcpy(&low, memory, half);
	memcpy(&high, memory + half, half);
	equal = low == gpr_read(cpu, GPR_RAX, bytes / 2) &&
		high == gpr_read(cpu, GPR_RDX, bytes / 2);
	if (equal) {
		memcpy(memory, &cpu->gpr[GPR_RBX], half);
		memcpy(memory + half, &cpu->gpr[GPR_RCX], half);
	}
	error = memory_write(cpu, segment, address, bytes, memory);
	if (error)
		return error;
	cpu->rflags = (cpu->rflags & ~RFLAGS_ZF) | (equal ? RFLAGS_ZF : 0);
	if (!equal) {
		cpu->gpr[GPR_RAX] = low;
		cpu->gpr[GPR_RDX] = high;
	}
	return 0;
}

static int execute_double_shift(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	compute_double_fn *compute =
		instruction->operation == OPERATION_SHLD ? compute_shld : compute_shrd;
	u64 flags = cpu->rflags, a, fill, count;
	int error = operand_read(cpu, instruction, destination, true, &a);

	if (error)
		return error;
	fill = value_read(cpu, instruction, &instruction->source);
	count = value_read(cpu, instruction, &instruction->count);
	a = compute(a, fill, (unsigned)count, destination->bytes, &flags);
	error = operand_write(cpu, instruction, destination, a);
	if (!error)
		cpu->rflags = flags;
	return error;
}

/* SDM vol. 1, appendix B: four conditions and three that join them, odd numbers negated. */
static bool condition_holds(u64 flags, u8 condition)
{
	bool sign = flags & RFLAGS_SF, less = sign != !!(flags & RFLAGS_OF);
	const bool holds[8] = {
		flags & RFLAGS_OF,
		flags & RFLAGS_CF,
		flags & RFLAGS_ZF,
		flags & (RFLAGS_CF | RFLAGS_ZF),
		sign,
		flags & RFLAGS_PF,
		less,
		less || flags & RFLAGS_ZF,
	};

	return holds[condition >> 1] != (condition & 1);
}

static int execute_setcc(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	return operand_write(cpu, instruction, &instruction->destination,
			     condition_holds(cpu->rflags, instruction->condition));
}

/* The source is read and the upper half cleared whatever the condition. */
static int execute_cmovcc(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	u64 value;
	int error = operand_read(cpu, instruction, &instruction->source, false, &value);

	if (error)
		return error;
	if (!condition_holds(cpu->rflags, instruction->condition))
		value = gpr_read(cpu, destination->reg, destination->bytes);
	gpr_write(cpu, destination->reg, destination->bytes, value);
	return 0;
}

/* Most of what touches devices is this: one operand in memory, the other one not. */
static int execute_mov(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct operand *destination = &instruction->destination;
	const struct operand *source = &instruction->source;
	u64 value;
	int error;

	if (destination->kind == OPERAND_MEMORY)
		return operand_write(cpu, instruction, destination,
				     value_read(cpu, instruction, source));
	error = operand_read(cpu, instruction, source, false, &value);
	if (!error)
		register_write(cpu, destination, value);
	return error;
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
	[OPERATION_MOV] = {WRITES, NULL, execute_mov},
	[OPERATION_MOVBE] = {WRITES, compute_movbe, execute_compute},
	[OPERATION_MOVSX] = {WRITES, NULL, execute_movsx},
	[OPERATION_XCHG] = {MODIFIES, compute_mov, execute_exchange},
	[OPERATION_XADD] = {MODIFIES, compute_add, execute_exchange},
	[OPERATION_CMPXCHG] = {MODIFIES, NULL, execute_cmpxchg},
	[OPERATION_CMPXCHG_PAIR] = {MODIFIES, NULL, execute_cmpxchg_pair},
	[OPERATION_BT] = {READS, compute_bt, execute_bit},
	[OPERATION_BTS] = {MODIFIES, compute_bts, execute_bit},
	[OPERATION_BTR] = {MODIFIES, compute_btr, execute_bit},
	[OPERATION_BTC] = {MODIFIES, compute_btc, execute_bit},
	[OPERATION_ROL] = {SHIFTS, compute_rol, execute_compute},
	[OPERATION_ROR] = {SHIFTS, compute_ror, execute_compute},
	[OPERATION_RCL] = {SHIFTS, compute_rcl, execute_compute},
	[OPERATION_RCR] = {SHIFTS, compute_rcr, execute_compute},
	[OPERATION_SHL] = {SHIFTS, compute_shl, execute_compute},
	[OPERATION_SHR] = {SHIFTS, compute_shr, execute_compute},
	[OPERATION_SHL_ALIAS] = {SHIFTS, compute_shl, execute_compute},
	[OPERATION_SAR] = {SHIFTS, compute_sar, execute_compute},
	[OPERATION_SHLD] = {0, NULL, execute_double_shift},
	[OPERATION_SHRD] = {0, NULL, execute_double_shift},
	[OPERATION_SETCC] = {0, NULL, execute_setcc},
	[OPERATION_CMOVCC] = {0, NULL, execute_cmovcc},
	[OPERATION_PUSH] = {0, NULL, execute_push},
	[OPERATION_POP] = {0, NULL, execute_pop},
	[OPERATION_CALL] = {0, NULL, execute_call},
	[OPERATION_CALL_RELATIVE] = {0, NULL, execute_call},
	[OPERATION_JMP] = {0, NULL, execute_jmp},
	[OPERATION_RET] = {0, NULL, execute_ret},
	[OPERATION_LOAD_SEGMENT] = {0, NULL, execute_load_segment},
	[OPERATION_STORE_SEGMENT] = {0, NULL, execute_mov},
	[OPERATION_LOAD_TASK] = {0, NULL, execute_load_task},
	[OPERATION_MOVS] = {0, NULL, execute_string},
	[OPERATION_CMPS] = {0, NULL, execute_string},
	[OPERATION_STOS] = {0, NULL, execute_string},
	[OPERATION_LODS] = {0, NULL, execute_string},
	[OPERATION_SCAS] = {0, NULL, execute_string},
	[OPERATION_INS] = {0, NULL, execute_string},
	[OPERATION_OUTS] = {0, NULL, execute_string},
	[OPERATION_VECTOR_LOAD] = {0, NULL, execute_vector_load},
	[OPERATION_VECTOR_STORE] = {0, NULL, execute_vector_store},
	[OPERATION_VECTOR_LOAD_LOW] = {0, NULL, execute_vector_half},
	[OPERATION_VECTOR_LOAD_HIGH] = {0, NULL, execute_vector_half},
	[OPERATION_VECTOR_STORE_HIGH] = {0, NULL, execute_vector_store_high},
};

bool operation_computation(u8 operation, struct computation *computation)
{
	const struct operation_rule *rule = &rules[operation];

	*computation = (struct computation){
		.compute = rule->compute,
		.reads = rule->traits & READS,
		.writes = rule->traits & WRITES,
		.exchanges = rule->execute == execute_exchange,
		.lockable = rule->traits & LOCKABLE,
	};
	return rule->execute == execute_compute || rule->execute == execute_exchange;
}

int instruction_execute(struct emulate_cpu *cpu, const struct instruction *instruction)
{
	const struct operation_rule *rule = &rules[instruction->operation];

	if (instruction->lock &&
	    (!(rule->traits & LOCKABLE) || instruction->destination.kind != OPERAND_MEMORY))
		return fault_undefined(cpu);
	return rule->execute(cpu, instruction);
}

/* Interrupted between iterations, CMPS and SCAS leave the flags as they were before the first (SDM
 * vol. 2, REP). */
static enum emulate_result interrupted(struct emulate_cpu *cpu, int result, u64 rflags)
{
	cpu->rflags = rflags;
	if (result > 0)
		return EMULATE_AGAIN;
	return result == -EFAULT ? EMULATE_FAULT : EMULATE_UNKNOWN;
}

/* The same bytes in the same mode are always the same instruction, wherever they are found. */
struct decoded {
	u64 code[2]; /* the first and the last 8 of 15 bytes */
	u64 mode;    /* 0: nothing is here */
	struct instruction instruction;
};

#define CACHE_ENTRIES 8

_Static_assert(CACHE_ENTRIES * sizeof(struct decoded) <= EMULATE_CACHE_BYTES, "too many entries");

static unsigned cache_index(const u64 *code)
{
	u32 mixed = (u32)code[0] ^ (u32)(code[0] >> 23);

	return (mixed ^ mixed >> 13) % CACHE_ENTRIES;
}

/* The instruction, from the cache or into it; `spare` is for what is not kept. NULL: unknown. */
static const struct instruction *decode_cached(struct emulate_cpu *cpu, const u8 *code,
					       unsigned bytes, struct instruction *spare)
{
	struct decoded *entry;
	u64 key[2];

	if (!cpu->cache || bytes != INSTRUCTION_BYTES_MAX)
		return instruction_decode(spare, cpu->mode, code, bytes) ? NULL : spare;
	memcpy(&key[0], code, 8);
	memcpy(&key[1], code + INSTRUCTION_BYTES_MAX - 8, 8);
	entry = (struct decoded *)cpu->cache + cache_index(key);
	if (entry->code[0] == key[0] && entry->code[1] == key[1] && entry->mode == cpu->mode)
		return &entry->instruction;
	entry->mode = 0;
	if (instruction_decode(&entry->instruction, cpu->mode, code, bytes))
		return NULL;
	entry->code[0] = key[0];
	entry->code[1] = key[1];
	entry->mode = cpu->mode;
	return &entry->instruction;
}

static bool is_enough(const struct emulate_cpu *cpu)
{
	return cpu->ops->is_enough && cpu->ops->is_enough(cpu);
}

enum emulate_result emulate_instruction(struct emulate_cpu *cpu, const u8 *code, unsigned bytes)
{
	struct instruction spare;
	const struct instruction *instruction = decode_cached(cpu, code, bytes, &spare);
	unsigned left = cpu->batch;
	u64 rflags = cpu->rflags;
	int result;

	if (!instruction)
		return EMULATE_UNKNOWN;
	cpu->next = cpu->rip + instruction->length;
	if (cpu->mode != CPU_MODE_64)
		cpu->next = (u32)cpu->next;
	do
		result = instruction_execute(cpu, instruction);
	while (result > 0 && left-- > 1 && !is_enough(cpu));
	if (result)
		return interrupted(cpu, result, rflags);
	cpu->rip = cpu->next;
	cpu->rflags &= ~RFLAGS_RF;
	return EMULATE_DONE;
}
