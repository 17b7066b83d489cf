/* SPDX-License-Identifier: MIT */
/* Plain instructions with an operand in memory: which they are, and that they do what the emulator
 * does. */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/execute.c */
/* links: arch/x86/emulate/operand.c arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c */
/* links: arch/x86/emulate/stack.c arch/x86/emulate/string.c arch/x86/emulate/segment.c */
/* links: arch/x86/emulate/vector.c */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/emulate.h>

#define RANDOM_CASES 2000000
#define FLAGS                                                                                      \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF) /* they compute */

/* The accesses that the emulator made, to one place. */
static struct {
	unsigned reads, writes;
	u64 linear, value;
	unsigned bytes;
} made;

static u64 in_memory;

static int fake_read(struct emulate_cpu *cpu unused, u64 linear, void *data, unsigned bytes)
{
	made.reads++;
	made.linear = linear;
	made.bytes = bytes;
	memcpy(data, &in_memory, bytes);
	return 0;
}

static int fake_write(struct emulate_cpu *cpu unused, u64 linear, const void *data, unsigned bytes)
{
	assert_true(!made.reads || linear == made.linear);
	made.writes++;
	made.linear = linear;
	made.bytes = bytes;
	made.value = 0;
	memcpy(&made.value, data, bytes);
	return 0;
}

static const struct emulate_ops ops = {.read = fake_read, .write = fake_write};

static u64 random_wide(void)
{
	return (u64)rand() << 42 ^ (u64)rand() << 21 ^ (u64)rand();
}

static u64 cut(u64 value, unsigned bytes)
{
	return bytes == 8 ? value : value & (BIT(8 * bytes) - 1);
}

/* It has no part in them, and is not known where they are carried out. */
static void same_registers(const u64 *a, const u64 *b)
{
	for (unsigned i = 0; i < GPR_COUNT; i++)
		if (i != GPR_RSP)
			assert_int_equal(a[i], b[i]);
}

/* `code` is one by its description; the emulator does the same. */
static void compare(const u8 *code, const struct emulate_move *move)
{
	u64 gpr[GPR_COUNT], mine[GPR_COUNT], rip = random_wide() >> 17, written = 0;
	u64 rflags = 2 | (random_wide() & FLAGS);
	struct emulate_cpu cpu = {
		.gpr = gpr, .rip = rip, .rflags = rflags, .mode = CPU_MODE_64, .ops = &ops};

	for (unsigned i = 0; i < GPR_COUNT; i++)
		mine[i] = gpr[i] = random_wide() >> 20;
	in_memory = random_wide();
	memset(&made, 0, sizeof(made));
	if (emulate_instruction(&cpu, code, INSTRUCTION_BYTES_MAX) == EMULATE_FAULT)
		return; /* not canonical */
	assert_int_equal(made.reads, move->reads);
	assert_int_equal(made.writes, move->writes);
	assert_int_equal(made.bytes, move->bytes);
	assert_int_equal(made.linear, emulate_move_address(move, mine, rip));
	assert_int_equal(cpu.rip, rip + move->length);
	if (move->compute)
		written = emulate_move_compute(move, mine, in_memory, &rflags);
	else if (move->writes)
		written = move->constant ? move->immediate : mine[move->reg];
	else
		emulate_move_load(move, mine, in_memory);
	if (move->writes)
		assert_int_equal(made.value, cut(written, move->bytes));
	assert_int_equal(cpu.rflags, rflags);
	same_registers(gpr, mine);
}

/* What random bytes are, with one of these near the beginning more often than not. */
static void random_code(u8 *code)
{
	static const u8 opcodes[] = {0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0xa0, 0xa1, 0xa2, 0xa3,
				     0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x11, 0x13, 0x19,
				     0x21, 0x23, 0x29, 0x31, 0x39, 0x3b, 0x80, 0x81, 0x83, 0x84,
				     0x85, 0x86, 0x87, 0xf6, 0xf7, 0xfe, 0xff, 0xc0, 0xc1, 0xd3};

	for (unsigned i = 0; i < INSTRUCTION_BYTES_MAX; i++)
		code[i] = (u8)rand();
	if (rand() % 4)
		code[0] = (u8)(0x40 | rand() % 16);
	if (rand() % 4)
		code[1] = opcodes[(unsigned)rand() % ARRAY_SIZE(opcodes)];
}

static void as_the_emulator_does(void **state)
{
	u8 code[INSTRUCTION_BYTES_MAX];
	struct emulate_move move;
	unsigned found = 0, computing = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < RANDOM_CASES; i++) {
		random_code(code);
		if (!emulate_move_describe(code, &move))
			continue;
		compare(code, &move);
		found++;
		computing += move.compute != NULL;
	}
	assert_true(found > RANDOM_CASES / 10);
	assert_true(computing > found / 4);
}

static void which_are_plain(void **state)
{
	static const struct {
		u8 code[INSTRUCTION_BYTES_MAX];
		bool plain;
	} cases[] = {
		{{0x8b, 0x08}, true},	     /* mov ecx, [rax] */
		{{0x48, 0x8b, 0x08}, true},  /* mov rcx, [rax] */
		{{0x89, 0x48, 0x10}, true},  /* mov [rax + 16], ecx */
		{{0xc7, 0x00, 1}, true},     /* mov dword [rax], 1 */
		{{0x0f, 0xb6, 0x08}, true},  /* movzx ecx, byte [rax] */
		{{0x88, 0x20}, false},	     /* mov [rax], ah */
		{{0x8b, 0xc8}, false},	     /* mov ecx, eax */
		{{0x64, 0x8b, 0x08}, false}, /* mov ecx, fs:[rax] */
		{{0x8b, 0x0c, 0x24}, false}, /* mov ecx, [rsp] */
		{{0x8b, 0x20}, false},	     /* mov esp, [rax] */
		{{0x89, 0x20}, false},	     /* mov [rax], esp */
		{{0xf0, 0x89, 0x08}, false}, /* lock mov [rax], ecx: #UD */
		{{0x09, 0x08}, true},	     /* or [rax], ecx */
		{{0x0b, 0x08}, true},	     /* or ecx, [rax] */
		{{0x83, 0x08, 1}, true},     /* or dword [rax], 1 */
		{{0x83, 0x38, 1}, true},     /* cmp dword [rax], 1 */
		{{0xf7, 0x00, 1}, true},     /* test dword [rax], 1 */
		{{0xf7, 0x10}, true},	     /* not dword [rax] */
		{{0xff, 0x00}, true},	     /* inc dword [rax] */
		{{0x87, 0x08}, true},	     /* xchg [rax], ecx */
		{{0x0f, 0xc1, 0x08}, true},  /* xadd [rax], ecx */
		{{0xf0, 0x09, 0x08}, true},  /* lock or [rax], ecx */
		{{0xf0, 0x0b, 0x08}, false}, /* lock or ecx, [rax]: #UD */
		{{0xf0, 0x39, 0x08}, false}, /* lock cmp [rax], ecx: #UD */
		{{0x08, 0x20}, false},	     /* or [rax], ah */
		{{0x09, 0x20}, false},	     /* or [rax], esp */
		{{0x09, 0xc8}, false},	     /* or eax, ecx */
		{{0xff, 0x30}, false},	     /* push [rax] */
		{{0x0f, 0xb1, 0x08}, false}, /* cmpxchg [rax], ecx */
		{{0x0f, 0xbe, 0x08}, false}, /* movsx ecx, byte [rax] */
		{{0x8e, 0x18}, false},	     /* mov ds, [rax] */
		{{0x0f, 0x0b}, false},	     /* ud2 */
	};
	struct emulate_move move;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(emulate_move_describe(cases[i].code, &move), cases[i].plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_are_plain),
		cmocka_unit_test(as_the_emulator_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
