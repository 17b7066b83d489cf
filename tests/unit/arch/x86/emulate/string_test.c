/* SPDX-License-Identifier: MIT */
/* INS and OUTS, and how many iterations of a REP are done at once. */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/operand.c */
/* links: arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c arch/x86/emulate/stack.c */
/* links: arch/x86/emulate/segment.c arch/x86/emulate/execute.c arch/x86/emulate/vector.c */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/emulate.h>
#include <bulkhead/error.h>

#define PORT 0x1f0u

static u8 memory[0x1000];
static u64 gpr[GPR_COUNT];
static u32 port_value;
static unsigned port_reads, port_writes, port_bytes;
static u64 refused; /* an address that cannot be accessed */

static int access_check(struct emulate_cpu *cpu, u64 linear, unsigned bytes)
{
	if (linear + bytes <= sizeof(memory) && (linear > refused || linear + bytes <= refused))
		return 0;
	cpu->fault = (struct emulate_fault){14, true, 2, linear};
	return -EFAULT;
}

static int memory_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	int error = access_check(cpu, linear, bytes);

	if (!error)
		memcpy(data, memory + linear, bytes);
	return error;
}

static int memory_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	int error = access_check(cpu, linear, bytes);

	if (!error)
		memcpy(memory + linear, data, bytes);
	return error;
}

static int port_read(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 *value)
{
	(void)cpu;
	assert_int_equal(port, PORT);
	port_reads++;
	port_bytes = bytes;
	*value = port_value++;
	return 0;
}

static int port_write(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 value)
{
	(void)cpu;
	assert_int_equal(port, PORT);
	port_writes++;
	port_bytes = bytes;
	port_value = value;
	return 0;
}

static const struct emulate_ops ops = {.read = memory_read,
				       .write = memory_write,
				       .write_check = access_check,
				       .port_read = port_read,
				       .port_write = port_write};

static struct emulate_cpu cpu_make(enum cpu_mode mode)
{
	const struct cpu_segment data = {.attributes = 0xc093, .limit = 0xffffffff};

	memset(memory, 0, sizeof(memory));
	memset(gpr, 0, sizeof(gpr));
	gpr[GPR_RDX] = 0xabcd0000 | PORT;
	port_reads = port_writes = 0;
	port_value = 0x11223344;
	refused = ~0ULL;
	return (struct emulate_cpu){
		.gpr = gpr,
		.rip = 0x100,
		.rflags = 2,
		.mode = mode,
		.es = data,
		.cs = data,
		.ss = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.ops = &ops,
	};
}

#define RUN(cpu, bytes) emulate_instruction(cpu, (const u8 *)(bytes), sizeof(bytes) - 1)

static void single(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	gpr[GPR_RDI] = 0x20;
	gpr[GPR_RSI] = 0x40;
	memcpy(memory + 0x40, "\x01\x02\x03\x04\x05", 5);
	assert_int_equal(RUN(&cpu, "\x6d"), EMULATE_DONE);
	assert_memory_equal(memory + 0x20, "\x44\x33\x22\x11\x00", 5);
	assert_int_equal(gpr[GPR_RDI], 0x24);
	assert_int_equal(RUN(&cpu, "\x66\x6f"), EMULATE_DONE);
	assert_int_equal(port_value, 0x0201);
	assert_int_equal(port_bytes, 2);
	assert_int_equal(gpr[GPR_RSI], 0x42);
	cpu.rflags |= RFLAGS_DF;
	assert_int_equal(RUN(&cpu, "\x48\x6f"), EMULATE_DONE); /* REX.W: 32 bits all the same */
	assert_int_equal(port_value, 0x00050403);
	assert_int_equal(gpr[GPR_RSI], 0x3e);
	assert_int_equal(RUN(&cpu, "\x6c"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RDI], 0x23);
	assert_int_equal(port_reads + port_writes, 4);
	assert_int_equal(cpu.rip, 0x106);
}

static void segments(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32);

	(void)state;
	cpu.es.limit = 0x1f;
	gpr[GPR_RDI] = 0x1d;
	assert_int_equal(RUN(&cpu, "\x6d"), EMULATE_FAULT); /* the limit of ES */
	assert_int_equal(cpu.fault.vector, 13);
	assert_int_equal(port_reads, 0);
	assert_int_equal(RUN(&cpu, "\x26\x6e"), EMULATE_DONE); /* outsb es:[esi] */
	cpu.fs.attributes = 0;
	assert_int_equal(RUN(&cpu, "\x64\x6e"), EMULATE_FAULT);
	assert_int_equal(RUN(&cpu, "\x64\x6c"), EMULATE_DONE); /* INS writes to ES, always */
	assert_int_equal(port_writes, 1);
}

/* A read of a port may have effects: where it goes must be writable before. */
static void fault_before_port(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	refused = 0x2a;
	cpu.batch = 100;
	gpr[GPR_RCX] = 20;
	gpr[GPR_RDI] = 0x20;
	assert_int_equal(RUN(&cpu, "\xf3\x66\x6d"), EMULATE_FAULT);
	assert_int_equal(cpu.fault.address, 0x2a);
	assert_int_equal(port_reads, 5); /* those before it are done */
	assert_int_equal(gpr[GPR_RCX], 15);
	assert_int_equal(gpr[GPR_RDI], 0x2a);
	assert_int_equal(cpu.rip, 0x100);
}

static void batches(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	gpr[GPR_RCX] = 100;
	gpr[GPR_RDI] = 0x100;
	cpu.batch = 64;
	assert_int_equal(RUN(&cpu, "\xf3\x6c"), EMULATE_AGAIN);
	assert_int_equal(gpr[GPR_RCX], 36);
	assert_int_equal(port_reads, 64);
	assert_int_equal(cpu.rip, 0x100);
	assert_int_equal(RUN(&cpu, "\xf3\x6c"), EMULATE_DONE);
	assert_int_equal(port_reads, 100);
	assert_int_equal(memory[0x100 + 99], (u8)(0x44 + 99));
	assert_int_equal(RUN(&cpu, "\xf3\x6c"), EMULATE_DONE); /* none left */
	assert_int_equal(port_reads, 100);
	/* REPE CMPSB stops within a batch; the flags are those of the difference */
	memset(memory, 7, 32);
	memory[21] = 8;
	gpr[GPR_RSI] = 0;
	gpr[GPR_RDI] = 16;
	gpr[GPR_RCX] = 30;
	assert_int_equal(RUN(&cpu, "\xf3\xa6"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RCX], 24);
	assert_true(cpu.rflags & RFLAGS_CF);
	/* interrupted, they are as before */
	cpu.batch = 3;
	cpu.rflags = 2 | RFLAGS_OF;
	gpr[GPR_RSI] = 0;
	gpr[GPR_RDI] = 8;
	gpr[GPR_RCX] = 6;
	assert_int_equal(RUN(&cpu, "\xf3\xa6"), EMULATE_AGAIN);
	assert_int_equal(cpu.rflags, 2 | RFLAGS_OF);
	assert_int_equal(RUN(&cpu, "\xf3\xa6"), EMULATE_DONE);
	assert_int_equal(cpu.rflags, 2 | RFLAGS_ZF | RFLAGS_PF);
}

static unsigned enough_after;

static bool is_enough(const struct emulate_cpu *cpu)
{
	(void)cpu;
	return port_writes >= enough_after;
}

/* What is reached may take long, so it may be asked to leave it at that. */
static void enough(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);
	struct emulate_ops asked = *cpu.ops;

	(void)state;
	asked.is_enough = is_enough;
	cpu.ops = &asked;
	cpu.batch = 64;
	gpr[GPR_RCX] = 8;
	gpr[GPR_RSI] = 0;
	enough_after = 3;
	assert_int_equal(RUN(&cpu, "\xf3\x6e"), EMULATE_AGAIN);
	assert_int_equal(port_writes, 3);
	assert_int_equal(gpr[GPR_RCX], 5);
	assert_int_equal(gpr[GPR_RSI], 3);
	assert_int_equal(cpu.rip, 0x100);
	/* Of each there is one. */
	assert_int_equal(RUN(&cpu, "\xf3\x6e"), EMULATE_AGAIN);
	assert_int_equal(port_writes, 4);
	enough_after = 100;
	assert_int_equal(RUN(&cpu, "\xf3\x6e"), EMULATE_DONE);
	assert_int_equal(port_writes, 8);
}

/* Where nobody has ports, INS is nothing that can be emulated. */
static void no_ports(void **state)
{
	const struct emulate_ops none = {
		.read = memory_read, .write = memory_write, .write_check = access_check};
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	cpu.ops = &none;
	assert_int_equal(RUN(&cpu, "\x6c"), EMULATE_UNKNOWN);
	assert_int_equal(RUN(&cpu, "\x0f\x28\x00"), EMULATE_UNKNOWN); /* nor vectors */
	assert_int_equal(RUN(&cpu, "\x0f\x29\x00"), EMULATE_UNKNOWN);
	assert_int_equal(cpu.rip, 0x100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single),   cmocka_unit_test(segments),
		cmocka_unit_test(batches),  cmocka_unit_test(fault_before_port),
		cmocka_unit_test(no_ports), cmocka_unit_test(enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
