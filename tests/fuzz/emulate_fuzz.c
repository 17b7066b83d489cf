/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/operand.c */
/* links: arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c arch/x86/emulate/stack.c */
/* links: arch/x86/emulate/string.c arch/x86/emulate/segment.c arch/x86/emulate/vector.c */
/* links: arch/x86/emulate/execute.c arch/x86/emulate/translate.c arch/x86/emulate/walk.c */
/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a guest's instruction, on any registers and segments, with memory that refuses at
 * will; and any bytes as its page tables. What the contract promises about results must hold.
 */
#include "arch/x86/emulate/instruction.h"

#include <bulkhead/error.h>
#include <stdlib.h>
#include <string.h>

#define ACCESSES_MAX 3 /* PUSH and POP of memory, CMPS, MOVS: 2; nothing has more than 3 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The fuzzer's bytes, cut from the front; zeros when they are gone. */
struct input {
	const u8 *data;
	size_t bytes;
	unsigned accesses, written;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void take(struct input *input, void *to, size_t bytes)
{
	size_t have = MIN(bytes, input->bytes);

	memset(to, 0, bytes);
	if (have)
		memcpy(to, input->data, have);
	input->data += have;
	input->bytes -= have;
}

static u64 take_number(struct input *input)
{
	u64 value;

	take(input, &value, sizeof(value));
	return value;
}

static int refuse(struct emulate_cpu *cpu, u64 linear, bool maybe)
{
	u8 refuses;

	take(cpu->context, &refuses, 1);
	if (!maybe || refuses % 8 != 7)
		return 0;
	cpu->fault = (struct emulate_fault){14, true, 0, linear};
	return -EFAULT;
}

static int access_check(struct emulate_cpu *cpu, u64 linear, unsigned bytes)
{
	struct input *input = cpu->context;

	require(bytes && bytes <= VECTOR_BYTES && !(bytes & (bytes - 1)));
	require(++input->accesses <= ACCESSES_MAX * MAX(cpu->batch, 1U));
	if (cpu->mode == CPU_MODE_64)
		require(cpu->implicit_access || (u64)((s64)(linear << 7) >> 7) == linear);
	else
		require(linear <= 0xffffffff);
	return refuse(cpu, linear, true);
}

static int fuzz_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	if (access_check(cpu, linear, bytes))
		return -EFAULT;
	take(cpu->context, data, bytes);
	return 0;
}

static void look_at(const void *data, unsigned bytes)
{
	volatile u8 sink;

	for (unsigned i = 0; i < bytes; i++)
		sink = ((const u8 *)data)[i];
	(void)sink;
}

static int fuzz_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	if (access_check(cpu, linear, bytes))
		return -EFAULT;
	look_at(data, bytes);
	((struct input *)cpu->context)->written += !cpu->implicit_access;
	return 0;
}

static int fuzz_port_read(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 *value)
{
	require(port == (u16)cpu->gpr[GPR_RDX] && (bytes == 1 || bytes == 2 || bytes == 4));
	take(cpu->context, value, sizeof(*value));
	return refuse(cpu, 0, true);
}

static int fuzz_port_write(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 value)
{
	require(port == (u16)cpu->gpr[GPR_RDX] && (bytes == 4 || !(value >> (8 * bytes))));
	return refuse(cpu, 0, true);
}

static int fuzz_vector_read(struct emulate_cpu *cpu, unsigned reg, void *data)
{
	require(reg < (cpu->mode == CPU_MODE_64 ? 16 : 8));
	take(cpu->context, data, VECTOR_BYTES);
	return 0;
}

static int fuzz_vector_write(struct emulate_cpu *cpu, unsigned reg, const void *data,
			     unsigned bytes)
{
	require(reg < (cpu->mode == CPU_MODE_64 ? 16 : 8) && (bytes == 16 || bytes == 32));
	look_at(data, bytes);
	return refuse(cpu, 0, true) ? -ENODEV : 0;
}

static void fuzz_segment_fill(struct emulate_cpu *cpu, unsigned which)
{
	require(which < SEGMENT_AND_TABLE_COUNT);
	take(cpu->context, &cpu->segments[which], sizeof(cpu->segments[which]));
}

static const struct emulate_ops ops = {
	.read = fuzz_read,
	.write = fuzz_write,
	.write_check = access_check,
	.port_read = fuzz_port_read,
	.port_write = fuzz_port_write,
	.vector_read = fuzz_vector_read,
	.vector_write = fuzz_vector_write,
	.segment_fill = fuzz_segment_fill,
};

static enum operation operation_of(const struct emulate_cpu *cpu, const u8 *code, unsigned bytes)
{
	struct instruction instruction;

	if (instruction_decode(&instruction, cpu->mode, code, bytes))
		return OPERATION_UNKNOWN;
	return instruction.operation;
}

static bool same_gpr(const struct emulate_cpu *cpu, const u64 *before)
{
	return !memcmp(cpu->gpr, before, GPR_COUNT * sizeof(u64));
}

/* What REP did before it was interrupted stays, and a CALL that faults has used the stack. */
static void check_result(const struct emulate_cpu *cpu, const struct emulate_cpu *before,
			 const u64 *gpr_before, enum emulate_result result,
			 enum operation operation)
{
	bool string = operation >= OPERATION_MOVS && operation <= OPERATION_OUTS;
	bool call = operation == OPERATION_CALL || operation == OPERATION_CALL_RELATIVE;
	bool jump = call || operation == OPERATION_JMP || operation == OPERATION_RET;
	bool same = cpu->rip == before->rip && cpu->rflags == before->rflags;
	const struct input *input = cpu->context;
	u32 faults = BIT(6) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17);
	u64 moved = cpu->rip - before->rip;

	switch (result) {
	case EMULATE_UNKNOWN:
		require(same && same_gpr(cpu, gpr_before) && !input->written);
		require(!input->accesses || operation != OPERATION_UNKNOWN);
		break;
	case EMULATE_FAULT:
		require(same && (string || same_gpr(cpu, gpr_before)));
		require(string || call || !input->written);
		require(faults & 1u << cpu->fault.vector && !cpu->segments_written);
		break;
	case EMULATE_AGAIN:
		require(same && string && input->accesses);
		require(cpu->gpr[GPR_RCX] != gpr_before[GPR_RCX]);
		break;
	case EMULATE_DONE:
		if (cpu->mode != CPU_MODE_64)
			moved = (u32)moved;
		require(jump || (moved >= 1 && moved <= INSTRUCTION_BYTES_MAX));
		break;
	}
}

static void fuzz_instruction(struct input *input)
{
	static const enum cpu_mode modes[4] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64, CPU_MODE_64};
	static u64 cache[EMULATE_CACHE_BYTES / 8];
	struct emulate_cpu cpu = {.ops = &ops, .context = input, .cache = cache}, before;
	u64 gpr[GPR_COUNT], gpr_before[GPR_COUNT];
	u64 choice = take_number(input);
	unsigned code_bytes = choice >> 8 & 0xf;
	enum emulate_result result;
	u8 *code = malloc(code_bytes ? code_bytes : 1);

	if (!code)
		return;
	take(input, code, code_bytes);
	take(input, gpr, sizeof(gpr));
	cpu.gpr = gpr;
	cpu.mode = modes[choice & 3];
	cpu.real_mode = cpu.mode == CPU_MODE_16 && choice & 4;
	cpu.linear_bits = choice & 8 ? 57 : 48;
	cpu.cpl = choice >> 16 & 3;
	cpu.alignment_check = choice >> 18 & 1;
	cpu.batch = choice >> 19 & 7;
	cpu.segments_missing = choice >> 24 & 0xff;
	cpu.rflags = take_number(input);
	cpu.rip = take_number(input);
	if (cpu.mode != CPU_MODE_64)
		cpu.rip = (u32)cpu.rip;
	take(input, &cpu.ds, sizeof(cpu.ds));
	take(input, &cpu.ss, sizeof(cpu.ss));
	take(input, &cpu.es, sizeof(cpu.es));
	cpu.cs = cpu.fs = cpu.gs = cpu.ds;
	memcpy(gpr_before, gpr, sizeof(gpr));
	before = cpu;
	result = emulate_instruction(&cpu, code, code_bytes);
	check_result(&cpu, &before, gpr_before, result, operation_of(&cpu, code, code_bytes));
	free(code);
}

static bool fuzz_table_read(void *context, u64 gpa, void *data, unsigned bytes)
{
	struct input *input = context;

	require(gpa < BIT(52) && is_aligned(gpa, bytes) && (bytes == 4 || bytes == 8));
	require(++input->accesses <= 5 * 8);
	take(input, data, bytes);
	return !(gpa >> 51);
}

static bool fuzz_table_update(void *context, u64 gpa, u64 old, u64 new, unsigned bytes)
{
	u8 fails;

	require(gpa < BIT(52) && is_aligned(gpa, bytes) && (bytes == 4 || bytes == 8));
	require(old != new && !((old ^ new) & ~(GUEST_ENTRY_ACCESSED | GUEST_ENTRY_DIRTY)));
	take(context, &fails, 1);
	return !(fails & 1);
}

static void fuzz_paging(struct input *input)
{
	struct guest_paging paging = {.read = fuzz_table_read, .context = input};
	struct emulate_fault fault;
	u64 linear, gpa, choice = take_number(input);

	paging.cr0 = take_number(input);
	paging.cr3 = take_number(input) & BITS(51, 0);
	paging.cr4 = take_number(input);
	paging.efer = take_number(input);
	paging.rflags = take_number(input);
	paging.physical_bits = 32 + (unsigned)(choice % 21);
	paging.pkru = (u32)take_number(input);
	if (choice >> 16 & 1)
		paging.update = fuzz_table_update;
	take(input, paging.pdpte, sizeof(paging.pdpte));
	if (!(paging.cr4 & CR4_PAE) || !(paging.cr0 & CR0_PG))
		paging.efer &= ~EFER_LMA;
	linear = take_number(input);
	input->accesses = 0;
	if (emulate_translate(&paging, linear, choice >> 8 & 15, &gpa, &fault)) {
		require(fault.vector == 14 || (fault.vector == 13 && paging.efer & EFER_LMA));
		require(fault.has_error_code && fault.error_code < 64);
		return;
	}
	require((gpa & (PAGE_SIZE - 1)) == (linear & (PAGE_SIZE - 1)));
	require(!(gpa >> paging.physical_bits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {.data = data, .bytes = bytes};
	u8 which;

	take(&input, &which, 1);
	if (which & 1)
		fuzz_paging(&input);
	else
		fuzz_instruction(&input);
	return 0;
}
