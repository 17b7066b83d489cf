/* SPDX-License-Identifier: MIT */
/* Loads of segment registers and of the task register: what each mode makes of a selector, and
 * every exception. */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/operand.c */
/* links: arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c arch/x86/emulate/stack.c */
/* links: arch/x86/emulate/string.c arch/x86/emulate/execute.c arch/x86/emulate/vector.c */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/emulate.h>
#include <bulkhead/error.h>

#define GDT	0x1000u
#define LDT	0x2000u
#define OPERAND 0x3000u

static u8 memory[0x4000];
static u64 gpr[GPR_COUNT];
static bool implicit_seen, refuse_descriptors;

/* `rights`: type, S, DPL, P; base 0x12345678, a limit of 0xabcde pages, 32 bits. */
static u64 descriptor(u64 rights)
{
	return 0xbcde | 0x345678ULL << 16 | rights << 40 | 0xcaULL << 48 | 0x12ULL << 56;
}

static int memory_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	assert_true(linear + bytes <= sizeof(memory));
	assert_int_equal(cpu->implicit_access, linear < OPERAND);
	implicit_seen |= cpu->implicit_access;
	if (linear < OPERAND && refuse_descriptors) {
		cpu->fault = (struct emulate_fault){14, true, 0, linear};
		return -EFAULT;
	}
	memcpy(data, memory + linear, bytes);
	return 0;
}

static int memory_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	assert_true(cpu->implicit_access && linear + bytes <= OPERAND);
	memcpy(memory + linear, data, bytes);
	return 0;
}

static const struct emulate_ops ops = {.read = memory_read, .write = memory_write};

static struct emulate_cpu cpu_make(enum cpu_mode mode, unsigned cpl)
{
	const struct cpu_segment flat = {.attributes = 0xc0f3, .limit = 0xffffffff};

	memset(memory, 0, sizeof(memory));
	memset(gpr, 0, sizeof(gpr));
	implicit_seen = refuse_descriptors = false;
	return (struct emulate_cpu){
		.gpr = gpr,
		.mode = mode,
		.cpl = cpl,
		.es = flat,
		.cs = flat,
		.ss = flat,
		.ds = flat,
		.fs = flat,
		.gs = flat,
		.gdt = {.base = GDT, .limit = 0x1f},
		.ldt = {.base = LDT, .limit = 0x0f, .attributes = 0x82},
		.ops = &ops,
	};
}

static void table_set(u64 at, u64 value)
{
	memcpy(memory + at, &value, 8);
}

/* MOV segment, CS:[OPERAND] in 32- or 64-bit code. */
static enum emulate_result load(struct emulate_cpu *cpu, unsigned which, u16 selector)
{
	u8 code[] = {0x2e, 0x8e, (u8)(0x03 | which << 3)};

	memcpy(memory + OPERAND, &selector, 2);
	gpr[GPR_RBX] = OPERAND;
	return emulate_instruction(cpu, code, sizeof(code));
}

static void loads(struct emulate_cpu *cpu, unsigned which, u16 selector)
{
	cpu->segments_written = 0;
	assert_int_equal(load(cpu, which, selector), EMULATE_DONE);
	assert_int_equal(cpu->segments_written, 1u << which);
	assert_int_equal(cpu->segments[which].selector, selector);
}

static void faults(struct emulate_cpu *cpu, unsigned which, u16 selector, unsigned vector,
		   unsigned code)
{
	struct cpu_segment before = cpu->segments[which];

	cpu->segments_written = 0;
	assert_int_equal(load(cpu, which, selector), EMULATE_FAULT);
	assert_int_equal(cpu->fault.vector, vector);
	assert_true(cpu->fault.has_error_code);
	assert_int_equal(cpu->fault.error_code, code);
	assert_int_equal(cpu->segments_written, 0);
	assert_memory_equal(&before, &cpu->segments[which], sizeof(before));
	assert_false(cpu->implicit_access);
}

static void real_and_virtual_mode(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_16, 0);
	u16 selector = 0x1234;

	(void)state;
	memcpy(memory + OPERAND, &selector, 2);
	gpr[GPR_RBX] = OPERAND;
	cpu.real_mode = true;
	cpu.es.limit = 0xfffff;
	assert_int_equal(emulate_instruction(&cpu, (const u8 *)"\x8e\x07", 2), EMULATE_DONE);
	assert_int_equal(cpu.es.base, 0x12340);
	assert_int_equal(cpu.es.limit, 0xfffff); /* "unreal" limits stay */
	assert_int_equal(cpu.es.attributes, 0xc0f3);
	cpu.real_mode = false;
	cpu.cpl = 3;
	cpu.rflags = RFLAGS_VM;
	assert_int_equal(emulate_instruction(&cpu, (const u8 *)"\x8e\x07", 2), EMULATE_DONE);
	assert_int_equal(cpu.es.limit, 0xffff);
	assert_int_equal(cpu.es.attributes, 0xf3);
	assert_false(implicit_seen);
}

static void descriptors(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32, 3);

	(void)state;
	table_set(GDT + 0x10, descriptor(0xf2));
	loads(&cpu, SEGMENT_ES, 0x13);
	assert_true(implicit_seen);
	assert_int_equal(cpu.es.base, 0x12345678);
	assert_int_equal(cpu.es.limit, 0xabcdefff);
	assert_int_equal(cpu.es.attributes, 0xc0f3);
	assert_int_equal(memory[GDT + 0x15], 0xf3); /* accessed now */
	table_set(LDT + 8, descriptor(0xf2) & ~BIT(55));
	loads(&cpu, SEGMENT_GS, 0x0f);
	assert_int_equal(cpu.gs.limit, 0xabcde);
	assert_int_equal(memory[LDT + 13], 0xf3);
	/* code that can be read; conforming code whatever its privilege */
	table_set(GDT + 0x10, descriptor(0xfa));
	loads(&cpu, SEGMENT_DS, 0x13);
	cpu = cpu_make(CPU_MODE_32, 3);
	table_set(GDT + 0x10, descriptor(0x9e));
	loads(&cpu, SEGMENT_DS, 0x13);
	/* a stack */
	table_set(GDT + 0x10, descriptor(0xf2));
	loads(&cpu, SEGMENT_SS, 0x13);
}

static void refused(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32, 3);

	(void)state;
	faults(&cpu, SEGMENT_ES, 0x23, 13, 0x20); /* beyond the table */
	faults(&cpu, SEGMENT_ES, 0x17, 13, 0x14);
	cpu.ldt.attributes = 0;
	faults(&cpu, SEGMENT_ES, 0x07, 13, 0x04); /* no local table */
	table_set(GDT + 0x10, descriptor(0xe2));
	faults(&cpu, SEGMENT_ES, 0x13, 13, 0x10); /* a system segment */
	table_set(GDT + 0x10, descriptor(0xf8));
	faults(&cpu, SEGMENT_ES, 0x13, 13, 0x10); /* code that cannot be read */
	table_set(GDT + 0x10, descriptor(0x92));
	faults(&cpu, SEGMENT_ES, 0x13, 13, 0x10); /* privilege */
	table_set(GDT + 0x10, descriptor(0x72));
	faults(&cpu, SEGMENT_ES, 0x13, 11, 0x10); /* not present */
	faults(&cpu, SEGMENT_SS, 0x13, 12, 0x10);
	table_set(GDT + 0x10, descriptor(0xf0));
	loads(&cpu, SEGMENT_ES, 0x13);
	faults(&cpu, SEGMENT_SS, 0x13, 13, 0x10); /* read-only */
	table_set(GDT + 0x10, descriptor(0xf2));
	faults(&cpu, SEGMENT_SS, 0x12, 13, 0x10); /* RPL is not CPL */
	table_set(GDT + 0x10, descriptor(0xd2));
	faults(&cpu, SEGMENT_SS, 0x13, 13, 0x10); /* nor is DPL */
	refuse_descriptors = true;
	faults(&cpu, SEGMENT_ES, 0x13, 14, 0);
	assert_int_equal(memory[GDT + 0x15], 0xd2);
}

static void null_selectors(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32, 0);

	(void)state;
	loads(&cpu, SEGMENT_DS, 3);
	assert_int_equal(cpu.ds.attributes, 0);
	cpu = cpu_make(CPU_MODE_32, 0);
	faults(&cpu, SEGMENT_SS, 0, 13, 0);
	cpu = cpu_make(CPU_MODE_64, 0);
	loads(&cpu, SEGMENT_SS, 0);
	assert_int_equal(cpu.ss.attributes, 0);
	cpu = cpu_make(CPU_MODE_64, 2);
	loads(&cpu, SEGMENT_SS, 2);
	assert_int_equal(cpu.ss.attributes, 2 << 5);
	faults(&cpu, SEGMENT_SS, 1, 13, 0);
	cpu = cpu_make(CPU_MODE_64, 3);
	faults(&cpu, SEGMENT_SS, 3, 13, 0);
	assert_false(implicit_seen);
}

/* LTR AX */
static enum emulate_result task(struct emulate_cpu *cpu, u16 selector)
{
	gpr[GPR_RAX] = selector | 0x770000;
	cpu->segments_written = 0;
	return emulate_instruction(cpu, (const u8 *)"\x0f\x00\xd8", 3);
}

static void task_faults(struct emulate_cpu *cpu, u16 selector, unsigned vector, unsigned code)
{
	assert_int_equal(task(cpu, selector), EMULATE_FAULT);
	assert_int_equal(cpu->fault.vector, vector);
	assert_int_equal(cpu->fault.error_code, code);
	assert_int_equal(cpu->segments_written, 0);
	assert_false(cpu->implicit_access);
}

static void task_register(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32, 0);

	(void)state;
	table_set(GDT + 0x10, descriptor(0x89) & ~BIT(55));
	assert_int_equal(task(&cpu, 0x10), EMULATE_DONE);
	assert_int_equal(cpu.segments_written, 1u << TASK_REGISTER);
	assert_int_equal(cpu.task.selector, 0x10);
	assert_int_equal(cpu.task.base, 0x12345678);
	assert_int_equal(cpu.task.limit, 0xabcde);
	assert_int_equal(cpu.task.attributes, 0x408b);
	assert_int_equal(memory[GDT + 0x15], 0x8b); /* busy now */
	task_faults(&cpu, 0x10, 13, 0x10);	    /* so it is not free */
	table_set(GDT + 0x10, descriptor(0x81));    /* of a 286 */
	assert_int_equal(task(&cpu, 0x10), EMULATE_DONE);
	assert_int_equal(cpu.task.attributes & 0xff, 0x83);
	task_faults(&cpu, 0, 13, 0);
	task_faults(&cpu, 0x14, 13, 0x14); /* not in the GDT */
	task_faults(&cpu, 0x20, 13, 0x20); /* beyond it */
	table_set(GDT + 0x10, descriptor(0x82));
	task_faults(&cpu, 0x10, 13, 0x10); /* an LDT */
	table_set(GDT + 0x10, descriptor(0x99));
	task_faults(&cpu, 0x10, 13, 0x10); /* code */
	table_set(GDT + 0x10, descriptor(0x09));
	task_faults(&cpu, 0x10, 11, 0x10); /* not present */
	cpu.cpl = 1;
	task_faults(&cpu, 0x10, 13, 0);
	cpu.real_mode = true;
	task_faults(&cpu, 0x10, 6, 0);
	cpu.real_mode = false;
	cpu.rflags = RFLAGS_VM;
	task_faults(&cpu, 0x10, 6, 0);
}

/* 16 bytes each, in compatibility mode too. */
static void wide_task_register(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64, 0);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		table_set(GDT + 0x10, descriptor(0x89));
		table_set(GDT + 0x18, 0xffff8000);
		assert_int_equal(task(&cpu, 0x10), EMULATE_DONE);
		assert_int_equal(cpu.task.base, 0xffff800012345678);
		assert_int_equal(cpu.task.attributes, 0xc08b);
		cpu = cpu_make(CPU_MODE_32, 0);
		cpu.long_mode = true;
	}
	table_set(GDT + 0x10, descriptor(0x89));
	table_set(GDT + 0x18, 0x00008000);
	task_faults(&cpu, 0x10, 13, 0x10); /* no address */
	table_set(GDT + 0x18, 0x010000000000);
	task_faults(&cpu, 0x10, 13, 0x10); /* two descriptors */
	table_set(GDT + 0x18, descriptor(0x89));
	task_faults(&cpu, 0x18, 13, 0x18); /* its end is beyond the table */
	table_set(GDT + 0x10, descriptor(0x81));
	table_set(GDT + 0x18, 0);
	task_faults(&cpu, 0x10, 13, 0x10); /* of a 286 */
}

static void segment_fill(struct emulate_cpu *cpu, unsigned which)
{
	check_expected(which);
	cpu->segments[which].selector = 0x2b;
	if (which == TABLE_GDT)
		cpu->gdt = (struct cpu_segment){.base = GDT, .limit = 0x1f};
}

/* What is not needed is not asked for. */
static void segments_missing(void **state)
{
	const struct emulate_ops lazy = {
		.read = memory_read, .write = memory_write, .segment_fill = segment_fill};
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64, 3);

	(void)state;
	cpu.ops = &lazy;
	cpu.segments_missing = ~0u;
	gpr[GPR_RBX] = OPERAND;
	assert_int_equal(emulate_instruction(&cpu, (const u8 *)"\x8b\x03", 2), EMULATE_DONE);
	expect_value(segment_fill, which, SEGMENT_GS); /* mov eax, gs */
	assert_int_equal(emulate_instruction(&cpu, (const u8 *)"\x8c\xe8", 2), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RAX], 0x2b);
	assert_int_equal(emulate_instruction(&cpu, (const u8 *)"\x8c\xe8", 2), EMULATE_DONE);
	table_set(GDT + 0x10, descriptor(0xf3));
	expect_value(segment_fill, which, TABLE_GDT);
	loads(&cpu, SEGMENT_ES, 0x13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_and_virtual_mode),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(refused),
		cmocka_unit_test(null_selectors),
		cmocka_unit_test(task_register),
		cmocka_unit_test(wide_task_register),
		cmocka_unit_test(segments_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
