/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/operand.c */
/* links: arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c arch/x86/emulate/stack.c */
/* links: arch/x86/emulate/string.c arch/x86/emulate/segment.c arch/x86/emulate/vector.c */
/* links: arch/x86/emulate/execute.c arch/x86/emulate/translate.c arch/x86/emulate/walk.c */
/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a guest's instruction, on any registers and segments, with memory that refuses at
 * will; and any bytes as its page tables. What the contract promises about results must hold.
 */
#include <bulkhead/emulate.h>
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

static int access_check(struct emulate_cpu *cpu, u64 linear, unsigned bytes)
{
	struct input *input = cpu->context;
	u8 refuses;

	require(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
	require(++input->accesses <= ACCESSES_MAX);
	if (cpu->mode == CPU_MODE_64)
		require((u64)((s64)(linear << 7) >> 7) == linear);
	else
		require(linear <= 0xffffffff);
	take(input, &refuses, 1);
	if (refuses % 8 != 7)
		return 0;
	cpu->fault = (struct emulate_fault){14, true, 0, linear};
	return -EFAULT;
}

static int fuzz_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	if (access_check(cpu, linear, bytes))
		return -EFAULT;
	take(cpu->context, data, bytes);
	return 0;
}

static int fuzz_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	volatile u8 sink;

	if (access_check(cpu, linear, bytes))
		return -EFAULT;
	for (unsigned i = 0; i < bytes; i++)
		sink = ((const u8 *)data)[i];
	(void)sink;
	((struct input *)cpu->context)->written++;
	return 0;
}

static const struct emulate_memory_ops ops = {fuzz_read, fuzz_write};

static void check_result(const struct emulate_cpu *cpu, const struct emulate_cpu *before,
			 const u64 *gpr_before, enum emulate_result result)
{
	bool same = cpu->rip == before->rip && cpu->rflags == before->rflags &&
		    !memcmp(cpu->gpr, gpr_before, GPR_COUNT * sizeof(u64));
	const struct input *input = cpu->context;
	u8 vector = cpu->fault.vector;
	u64 moved = cpu->rip - before->rip;

	switch (result) {
	case EMULATE_UNKNOWN:
		require(same && !input->accesses);
		break;
	case EMULATE_FAULT:
		require(same && !input->written);
		require(vector == 6 || vector == 12 || vector == 13 || vector == 14);
		break;
	case EMULATE_AGAIN:
		require(cpu->rip == before->rip && input->accesses);
		require(cpu->gpr[GPR_RCX] != gpr_before[GPR_RCX]);
		break;
	case EMULATE_DONE:
		if (cpu->mode != CPU_MODE_64)
			moved = (u32)moved;
		require(moved >= 1 && moved <= INSTRUCTION_BYTES_MAX);
		break;
	}
}

static void fuzz_instruction(struct input *input)
{
	static const enum cpu_mode modes[4] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64, CPU_MODE_64};
	struct emulate_cpu cpu = {.ops = &ops, .context = input}, before;
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
	check_result(&cpu, &before, gpr_before, result);
	free(code);
}

static bool fuzz_table_read(void *context, u64 gpa, void *data, unsigned bytes)
{
	struct input *input = context;

	require(gpa < BIT(52) && is_aligned(gpa, bytes) && (bytes == 4 || bytes == 8));
	require(++input->accesses <= 5);
	take(input, data, bytes);
	return !(gpa >> 51);
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
	take(input, paging.pdpte, sizeof(paging.pdpte));
	if (!(paging.cr4 & CR4_PAE) || !(paging.cr0 & CR0_PG))
		paging.efer &= ~EFER_LMA;
	linear = take_number(input);
	input->accesses = 0;
	if (emulate_translate(&paging, linear, choice >> 8 & 7, &gpa, &fault)) {
		require(fault.vector == 14 || (fault.vector == 13 && paging.efer & EFER_LMA));
		require(fault.has_error_code && fault.error_code < 32);
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
