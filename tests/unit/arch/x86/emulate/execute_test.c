/* SPDX-License-Identifier: MIT */
/* What execute_native_test.c cannot run in user mode: real mode, ports, loads of segments, memory
 * that refuses; and what CPUs may do differently. */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/operand.c */
/* links: arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c arch/x86/emulate/stack.c */
/* links: arch/x86/emulate/string.c arch/x86/emulate/segment.c arch/x86/emulate/vector.c */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/emulate.h>

#define DATA_BYTES 0x10000u

static u8 copy[DATA_BYTES];

/* Memory is `copy` at linear 0, whose writes can be refused. */

static u64 refuse_from = ~0ULL, gpr[GPR_COUNT];
static unsigned reads, writes;
static bool saw_read_for_write;

static int refuse(struct emulate_cpu *cpu, u64 linear)
{
	cpu->fault = (struct emulate_fault){14, true, 2, linear};
	return -14;
}

static int flat_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	reads++;
	saw_read_for_write = cpu->read_for_write;
	if (linear + bytes > DATA_BYTES)
		return refuse(cpu, linear);
	memcpy(data, copy + linear, bytes);
	return 0;
}

static int flat_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	writes++;
	if (linear + bytes > DATA_BYTES || linear + bytes > refuse_from)
		return refuse(cpu, linear);
	memcpy(copy + linear, data, bytes);
	return 0;
}

static const struct emulate_ops flat_ops = {.read = flat_read, .write = flat_write};

static struct emulate_cpu cpu_make(enum cpu_mode mode)
{
	const struct cpu_segment data = {.attributes = mode == CPU_MODE_16 ? SEGMENT_DATA16
									   : SEGMENT_DATA32,
					 .limit = mode == CPU_MODE_16 ? 0xffff : 0xffffffff};
	struct cpu_segment code = data;

	code.attributes = mode == CPU_MODE_16	? SEGMENT_CODE16
			  : mode == CPU_MODE_32 ? SEGMENT_CODE32
						: SEGMENT_CODE64;
	memset(gpr, 0, sizeof(gpr));
	memset(copy, 0, sizeof(copy));
	refuse_from = ~0ULL;
	reads = writes = 0;
	return (struct emulate_cpu){.gpr = gpr,
				    .rip = 0x100,
				    .rflags = 2,
				    .mode = mode,
				    .es = data,
				    .cs = code,
				    .ss = data,
				    .ds = data,
				    .fs = data,
				    .gs = data,
				    .ops = &flat_ops};
}

#define RUN(cpu, bytes) emulate_instruction(cpu, (const u8 *)(bytes), sizeof(bytes) - 1)

static void addresses_16(void **state)
{
	/* mov byte [..], 7 with every ModRM of 16-bit addressing; registers as below */
	static const struct {
		u8 modrm;
		u16 offset;
		bool stack;
	} table[] = {
		{0x00, 0x1030, 0}, {0x01, 0x1040, 0}, {0x02, 0x2030, 1}, {0x03, 0x2040, 1},
		{0x04, 0x0030, 0}, {0x05, 0x0040, 0}, {0x06, 0x0480, 0}, {0x07, 0x1000, 0},
		{0x40, 0x0fb0, 0}, {0x46, 0x1f80, 1}, {0x47, 0x0f80, 0}, {0x80, 0x14b0, 0},
		{0x86, 0x2480, 1}, {0x83, 0x24c0, 1}, {0x84, 0x04b0, 0},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct emulate_cpu cpu = cpu_make(CPU_MODE_16);
		u8 code[6] = {0xc6, table[i].modrm, 0x80, 0x04};
		unsigned more = table[i].modrm == 6 || table[i].modrm >= 0x80 ? 2
				: table[i].modrm >= 0x40		      ? 1
									      : 0;

		code[2 + more] = 7;
		gpr[GPR_RBX] = 0xabcd1000;
		gpr[GPR_RBP] = 0xabcd2000;
		gpr[GPR_RSI] = 0xffff0030;
		gpr[GPR_RDI] = 0xffff0040;
		cpu.ss.base = 0x4000;
		assert_int_equal(emulate_instruction(&cpu, code, 3 + more), EMULATE_DONE);
		assert_int_equal(cpu.rip, 0x103 + more);
		assert_int_equal(copy[table[i].offset + (table[i].stack ? 0x4000 : 0)], 7);
	}
}

static void modes_16_and_32(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_16);

	(void)state;
	/* mov [es:di], eax with operand and address prefixes: 66 67 26 89 07 = mov [es:edi], eax */
	gpr[GPR_RAX] = 0x1122334455667788;
	gpr[GPR_RDI] = 0x10;
	cpu.es.base = 0x2000;
	assert_int_equal(RUN(&cpu, "\x66\x67\x26\x89\x07"), EMULATE_DONE);
	assert_int_equal(*(u64 *)(void *)(copy + 0x2010), 0x55667788);
	/* mov ax, [0x2010] keeps the rest of eax; wrap of BX + disp at 64 KiB */
	assert_int_equal(RUN(&cpu, "\xa1\x10\x20"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RAX], 0x1122334455667788);
	gpr[GPR_RBX] = 0xfff0;
	copy[0x10] = 0x99;
	assert_int_equal(RUN(&cpu, "\x8a\x47\x20"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RAX] & 0xff, 0x99);
	/* 48 is DEC, not REX; 63 is ARPL */
	cpu = cpu_make(CPU_MODE_32);
	assert_int_equal(RUN(&cpu, "\x48\x89\x03"), EMULATE_UNKNOWN);
	assert_int_equal(RUN(&cpu, "\x63\x03\x03"), EMULATE_UNKNOWN);
	/* 32-bit code: mod 0 rm 5 is absolute; 67 makes 16-bit addresses; 82 is 80 */
	assert_int_equal(RUN(&cpu, "\x80\x05\x00\x01\x00\x00\x05"), EMULATE_DONE);
	assert_int_equal(copy[0x100], 5);
	assert_int_equal(RUN(&cpu, "\x82\x2d\x00\x01\x00\x00\x01"), EMULATE_DONE);
	assert_int_equal(copy[0x100], 4);
	gpr[GPR_RBX] = 0x12340100;
	assert_int_equal(RUN(&cpu, "\x67\xfe\x07"), EMULATE_DONE);
	assert_int_equal(copy[0x100], 5);
	/* linear addresses wrap at 4 GiB */
	cpu.fs.base = 0xfffff000;
	gpr[GPR_RBX] = 0x1100;
	assert_int_equal(RUN(&cpu, "\x64\xfe\x03"), EMULATE_DONE);
	assert_int_equal(copy[0x100], 6);
	/* rep stosw with 16-bit addresses: only CX and DI count and change */
	gpr[GPR_RCX] = 0xaaaa0003;
	gpr[GPR_RDI] = 0xbbbbfffc;
	gpr[GPR_RAX] = 0x1234;
	assert_int_equal(RUN(&cpu, "\x67\xf3\x66\xab"), EMULATE_AGAIN);
	assert_int_equal(RUN(&cpu, "\x67\xf3\x66\xab"), EMULATE_AGAIN);
	assert_int_equal(gpr[GPR_RDI], 0xbbbb0000);
	assert_int_equal(RUN(&cpu, "\x67\xf3\x66\xab"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RDI], 0xbbbb0002);
	assert_int_equal(gpr[GPR_RCX], 0xaaaa0000);
	assert_memory_equal(copy + 0xfffc, "\x34\x12\x34\x12", 4);
	assert_memory_equal(copy, "\x34\x12", 2);
	/* 64-bit addresses in 64-bit code only */
	cpu = cpu_make(CPU_MODE_64);
	assert_int_equal(RUN(&cpu, "\x82\x03\x01"), EMULATE_UNKNOWN);
	cpu.fs.base = 0x1000;
	cpu.ds.base = 0x5000;
	gpr[GPR_RBX] = 0x10;
	assert_int_equal(RUN(&cpu, "\x64\xc6\x03\x07"), EMULATE_DONE);
	assert_int_equal(RUN(&cpu, "\x3e\xc6\x03\x08"), EMULATE_DONE);
	assert_int_equal(copy[0x1010], 7);
	assert_int_equal(copy[0x0010], 8);
}

/* With 32-bit addresses in 64-bit code upper halves go even so, as measured on an Intel Xeon. */
static void repeated_zero_times(void **state)
{
	static const struct {
		const char *code;
		bool si, di; /* cleared */
	} table[] = {{"\x67\xf3\xa4", true, true},
		     {"\x67\xf3\xab", false, true},
		     {"\x67\xf3\xac", false, false},
		     {"\x67\xf2\xa6", false, false},
		     {"\x67\xf3\xae", false, false}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

		gpr[GPR_RCX] = BIT(32);
		gpr[GPR_RSI] = BIT(33) + 6;
		gpr[GPR_RDI] = BIT(34) + 7;
		assert_int_equal(emulate_instruction(&cpu, (const u8 *)table[i].code, 3),
				 EMULATE_DONE);
		assert_int_equal(gpr[GPR_RCX], 0);
		assert_int_equal(gpr[GPR_RSI], (table[i].si ? 0 : BIT(33)) + 6);
		assert_int_equal(gpr[GPR_RDI], (table[i].di ? 0 : BIT(34)) + 7);
		assert_int_equal(reads + writes, 0);
		assert_int_equal(cpu.rip, 0x103);
		gpr[GPR_RCX] = BIT(32);
		assert_int_equal(emulate_instruction(&cpu, (const u8 *)table[i].code + 1, 2) ==
					 EMULATE_UNKNOWN,
				 false); /* RCX is not 0: a step is made, or faults */
		assert_true(reads + writes > 0);
	}
}

static void stacks(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_16);

	(void)state;
	memcpy(copy + 0x10, "\x11\x22\x33\x44", 4);
	gpr[GPR_RSP] = 0xabcd0002;
	gpr[GPR_RBX] = 0x10;
	cpu.ss.base = 0x1000;
	assert_int_equal(RUN(&cpu, "\xff\x37"), EMULATE_DONE); /* push word [bx] */
	assert_int_equal(gpr[GPR_RSP], 0xabcd0000);
	assert_memory_equal(copy + 0x1000, "\x11\x22\x00", 3);
	/* SP wraps within a big push: 16-bit stack pointer */
	assert_int_equal(RUN(&cpu, "\x66\xff\x37"),
			 EMULATE_FAULT); /* fffc is beyond `copy` at 1000 */
	assert_int_equal(cpu.fault.vector, 14);
	assert_int_equal(gpr[GPR_RSP], 0xabcd0000);
	cpu.ss.base = 0;
	assert_int_equal(RUN(&cpu, "\x66\xff\x37"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RSP], 0xabcdfffc);
	assert_memory_equal(copy + 0xfffc, "\x11\x22\x33\x44", 4);
	/* 32-bit: pop dword [esp + 4] is addressed after the increment */
	cpu = cpu_make(CPU_MODE_32);
	gpr[GPR_RSP] = 0x100;
	memcpy(copy + 0x100, "\x78\x56\x34\x12", 4);
	assert_int_equal(RUN(&cpu, "\x8f\x44\x24\x04"), EMULATE_DONE);
	assert_int_equal(gpr[GPR_RSP], 0x104);
	assert_memory_equal(copy + 0x108, "\x78\x56\x34\x12", 4);
	/* a pop that cannot be stored leaves the stack pointer */
	refuse_from = 0x200;
	gpr[GPR_RBX] = 0x1fd;
	assert_int_equal(RUN(&cpu, "\x8f\x03"), EMULATE_FAULT);
	assert_int_equal(gpr[GPR_RSP], 0x104);
	assert_int_equal(cpu.rip, 0x104);
}

static void expect_fault(struct emulate_cpu *cpu, const char *code, unsigned bytes, unsigned vector)
{
	u64 before[GPR_COUNT], rip = cpu->rip, rflags = cpu->rflags;

	memcpy(before, gpr, sizeof(before));
	reads = writes = 0;
	assert_int_equal(emulate_instruction(cpu, (const u8 *)code, bytes), EMULATE_FAULT);
	assert_int_equal(cpu->fault.vector, vector);
	assert_int_equal(cpu->fault.error_code, 0);
	assert_int_equal(reads + writes, 0);
	assert_memory_equal(before, gpr, sizeof(before));
	assert_true(cpu->rip == rip && cpu->rflags == rflags);
}

#define FAULTS(cpu, bytes, vector) expect_fault(cpu, bytes, sizeof(bytes) - 1, vector)

static void segment_faults(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32);

	(void)state;
	cpu.ds.limit = cpu.ss.limit = 0xfff;
	gpr[GPR_RBX] = 0xffc;
	assert_int_equal(RUN(&cpu, "\x89\x03"), EMULATE_DONE);
	gpr[GPR_RBX] = gpr[GPR_RBP] = 0xffd;
	FAULTS(&cpu, "\x89\x03", 13);
	assert_true(cpu.fault.has_error_code);
	assert_int_equal(RUN(&cpu, "\x88\x03"), EMULATE_DONE);
	FAULTS(&cpu, "\x8b\x45\x00", 12);
	FAULTS(&cpu, "\x3e\x8b\x45\x00", 13); /* DS override */
	FAULTS(&cpu, "\x36\x8b\x03", 12);     /* SS override */
	gpr[GPR_RSP] = 0x2000;
	FAULTS(&cpu, "\xff\x33", 13); /* the operand comes before the stack */
	gpr[GPR_RBX] = 0;
	reads = 0;
	assert_int_equal(RUN(&cpu, "\xff\x33"), EMULATE_FAULT);
	assert_int_equal(cpu.fault.vector, 12);
	assert_int_equal(gpr[GPR_RSP], 0x2000);
	cpu.ds.attributes = 0; /* a null selector */
	FAULTS(&cpu, "\x8a\x03", 13);
}

static void segment_types(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_32);

	(void)state;
	gpr[GPR_RBX] = 0x10;
	cpu.ds.attributes = 0xc091; /* read-only */
	assert_int_equal(RUN(&cpu, "\x8a\x03"), EMULATE_DONE);
	FAULTS(&cpu, "\x88\x03", 13);
	FAULTS(&cpu, "\x00\x03", 13);
	assert_int_equal(RUN(&cpu, "\x38\x03"), EMULATE_DONE);
	assert_int_equal(RUN(&cpu, "\x2e\x8a\x03"), EMULATE_DONE); /* readable code */
	FAULTS(&cpu, "\x2e\x88\x03", 13);
	cpu.cs.attributes = 0xc099; /* execute-only */
	FAULTS(&cpu, "\x2e\x8a\x03", 13);
	cpu.cs.attributes = 0xc09f; /* conforming: not expand-down */
	assert_int_equal(RUN(&cpu, "\x2e\x8a\x03"), EMULATE_DONE);
	/* expand-down */
	cpu.ds.attributes = 0xc097;
	cpu.ds.limit = 0xfff;
	gpr[GPR_RBX] = 0xfff;
	FAULTS(&cpu, "\x8b\x03", 13);
	gpr[GPR_RBX] = 0x1000;
	assert_int_equal(RUN(&cpu, "\x8b\x03"), EMULATE_DONE);
	gpr[GPR_RBX] = 0xfffffffd;
	FAULTS(&cpu, "\x8b\x03", 13);
	cpu.ds.attributes = 0x0097; /* up to 64 KiB only */
	gpr[GPR_RBX] = 0xfffc;
	assert_int_equal(RUN(&cpu, "\x8b\x03"), EMULATE_DONE);
	gpr[GPR_RBX] = 0xfffd;
	FAULTS(&cpu, "\x8b\x03", 13);
}

static void real_mode(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_16);

	(void)state;
	cpu.real_mode = true;
	cpu.cs.base = 0x1000;
	gpr[GPR_RBX] = 0x10;
	gpr[GPR_RAX] = 0x55;
	assert_int_equal(RUN(&cpu, "\x2e\x88\x07"), EMULATE_DONE); /* mov [cs:bx], al */
	assert_int_equal(copy[0x1010], 0x55);
	gpr[GPR_RBX] = 0xffff;
	FAULTS(&cpu, "\x89\x07", 13);
	assert_false(cpu.fault.has_error_code);
	gpr[GPR_RBP] = 0xffff;
	FAULTS(&cpu, "\x89\x46\x00", 12);
	gpr[GPR_RBX] = 0x10000; /* a 32-bit address beyond the limit */
	FAULTS(&cpu, "\x67\x88\x03", 13);
}

static void canonical(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	gpr[GPR_RBX] = gpr[GPR_RBP] = 0x0000800000000000;
	gpr[GPR_R13] = gpr[GPR_RBX];
	FAULTS(&cpu, "\x88\x03", 13);
	FAULTS(&cpu, "\x88\x45\x00", 12);
	FAULTS(&cpu, "\x41\x88\x45\x00", 13); /* r13 is no stack register */
	FAULTS(&cpu, "\x65\x88\x45\x00", 13);
	FAULTS(&cpu, "\x3e\x88\x45\x00", 12); /* an override without meaning */
	gpr[GPR_RBX] = 0x00007ffffffffff9;
	FAULTS(&cpu, "\x48\x89\x03", 13);
	gpr[GPR_RBX] = 0xffff7fffffffffff;
	FAULTS(&cpu, "\x88\x03", 13);
	gpr[GPR_RSP] = 0x0000800000000000;
	gpr[GPR_RBX] = 0;
	FAULTS(&cpu, "\x8f\x03", 12);
	cpu.linear_bits = 57;
	assert_int_equal(RUN(&cpu, "\x8f\x03"), EMULATE_FAULT);
	assert_int_equal(cpu.fault.vector, 14); /* got as far as memory */
	gpr[GPR_RBX] = 0x0100000000000000;
	FAULTS(&cpu, "\x88\x03", 13);
}

static void lock_prefix(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	FAULTS(&cpu, "\xf0\x88\x03", 6);
	assert_false(cpu.fault.has_error_code);
	FAULTS(&cpu, "\xf0\x38\x03", 6);
	FAULTS(&cpu, "\xf0\x02\x03", 6);     /* the memory is the source */
	FAULTS(&cpu, "\xf0\x00\xc3", 6);     /* no memory at all */
	FAULTS(&cpu, "\xf0\x0f\xa3\x03", 6); /* BT */
	FAULTS(&cpu, "\xf0\xff\x33", 6);
	FAULTS(&cpu, "\xf0\xaa", 6);
	assert_int_equal(RUN(&cpu, "\xf0\x00\x03"), EMULATE_DONE);
	assert_int_equal(RUN(&cpu, "\xf0\x0f\xab\x03"), EMULATE_DONE);
}

static void refused_writes(void **state)
{
	static const struct {
		const char *code;
		unsigned bytes;
		bool reads;
	} table[] = {
		{"\x00\x03", 2, true},	       {"\x0f\xc1\x03", 3, true}, {"\x87\x03", 2, true},
		{"\x0f\xb1\x03", 3, true},     {"\xf7\x1b", 2, true},	  {"\x0f\xab\x03", 3, true},
		{"\x89\x03", 2, false},	       {"\xa5", 1, false},	  {"\xf3\xab", 2, false},
		{"\x0f\xba\x2b\x01", 4, true},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct emulate_cpu cpu = cpu_make(CPU_MODE_64);
		u64 before[GPR_COUNT];

		gpr[GPR_RAX] = 0x10;
		gpr[GPR_RBX] = gpr[GPR_RDI] = 0x300;
		gpr[GPR_RCX] = 5;
		memset(copy + 0x300, 0x77, 16);
		refuse_from = 0x300;
		memcpy(before, gpr, sizeof(before));
		saw_read_for_write = false;
		assert_int_equal(
			emulate_instruction(&cpu, (const u8 *)table[i].code, table[i].bytes),
			EMULATE_FAULT);
		assert_int_equal(cpu.fault.vector, 14);
		assert_int_equal(cpu.fault.address, 0x300);
		assert_int_equal(saw_read_for_write, table[i].reads);
		assert_memory_equal(before, gpr, sizeof(before));
		assert_true(cpu.rip == 0x100 && cpu.rflags == 2);
	}
}

static void reads_without_writes(void **state)
{
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

	(void)state;
	refuse_from = 0;
	saw_read_for_write = true;
	assert_int_equal(RUN(&cpu, "\x38\x03"), EMULATE_DONE);
	assert_false(saw_read_for_write);
	assert_int_equal(RUN(&cpu, "\x0f\xba\x23\x01"), EMULATE_DONE);
	assert_int_equal(RUN(&cpu, "\x85\x03"), EMULATE_DONE);
	assert_int_equal(RUN(&cpu, "\x02\x03"), EMULATE_DONE);
	assert_int_equal(RUN(&cpu, "\x48\x63\x03"), EMULATE_DONE);
	assert_int_equal(reads, 5);
	assert_int_equal(writes, 0);
}

static void unknown(void **state)
{
	static const struct {
		const char *code;
		unsigned bytes;
	} table[] = {
		{"\x0f\x05", 2},
		{"\xc6\x0b\x01", 3},
		{"\xf7\x23", 2},
		{"\xff\x1b", 2}, /* a far call */
		{"\x8f\x0b", 2},
		{"\xcc", 1},
		{"\x0f\xba\x03\x01", 4},
		{"\x8d\x03", 2},
		{"\x89", 1},
		{"\xc7\x03\x01\x02\x03", 5},
		{"\x66", 1},
		{"", 0},
		{"\x0f\xc7\x03", 3},
	};
	static const u8 long_one[] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
				      0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x89, 0x03};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

		assert_int_equal(
			emulate_instruction(&cpu, (const u8 *)table[i].code, table[i].bytes),
			EMULATE_UNKNOWN);
		assert_int_equal(reads + writes, 0);
		assert_int_equal(cpu.rip, 0x100);
	}
	for (unsigned i = 0; i < 2; i++) { /* 16 bytes are too many, 15 are not */
		struct emulate_cpu cpu = cpu_make(CPU_MODE_64);

		assert_int_equal(emulate_instruction(&cpu, long_one + i, 16 - i),
				 i ? EMULATE_DONE : EMULATE_UNKNOWN);
	}
}

/* What was decoded is found by its bytes and the mode, and by nothing else. */
static void cached(void **state)
{
	static u64 cache[EMULATE_CACHE_BYTES / 8];
	struct emulate_cpu cpu = cpu_make(CPU_MODE_64);
	u8 code[INSTRUCTION_BYTES_MAX] = {0x89, 0x43, 0x10}; /* mov [rbx + 16], eax */

	(void)state;
	memset(cache, 0, sizeof(cache));
	cpu.cache = cache;
	gpr[GPR_RBX] = 0x100;
	gpr[GPR_RAX] = 0x12345678;
	for (unsigned i = 1; i < 200; i++) {
		cpu.mode = i % 3 ? CPU_MODE_64 : CPU_MODE_16;
		code[2] = (u8)(i % 100);
		code[14] = i % 7 ? 0 : 0x55; /* bytes behind it do not matter */
		gpr[GPR_RAX] = i;
		gpr[GPR_RBP] = 0x700; /* 43 is [bp + di] in 16-bit code */
		gpr[GPR_RDI] = 0x100;
		cpu.rip = 0x100;
		assert_int_equal(emulate_instruction(&cpu, code, sizeof(code)), EMULATE_DONE);
		assert_int_equal(cpu.rip, 0x103);
		assert_int_equal(copy[(i % 3 ? 0x100 : 0x800) + i % 100], i);
	}
	code[0] = 0x0f; /* 0f 43: CMOVAE, now of another length */
	cpu.mode = CPU_MODE_64;
	code[2] = 0x83;
	assert_int_equal(emulate_instruction(&cpu, code, sizeof(code)), EMULATE_DONE);
	assert_int_equal(cpu.rip, 0x10a);
	code[1] = 0x05;
	for (unsigned i = 0; i < 3; i++) /* what is unknown stays so */
		assert_int_equal(emulate_instruction(&cpu, code, sizeof(code)), EMULATE_UNKNOWN);
	assert_int_equal(emulate_instruction(&cpu, code, 1), EMULATE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_16),
		cmocka_unit_test(modes_16_and_32),
		cmocka_unit_test(repeated_zero_times),
		cmocka_unit_test(stacks),
		cmocka_unit_test(segment_faults),
		cmocka_unit_test(segment_types),
		cmocka_unit_test(real_mode),
		cmocka_unit_test(canonical),
		cmocka_unit_test(lock_prefix),
		cmocka_unit_test(refused_writes),
		cmocka_unit_test(reads_without_writes),
		cmocka_unit_test(unknown),
		cmocka_unit_test(cached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
