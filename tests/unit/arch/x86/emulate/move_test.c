/* SPDX-License-Identifier: MIT */
/* Plain MOVs: which they are, and that they do what the emulator does. */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c arch/x86/emulate/execute.c */
/* links: arch/x86/emulate/operand.c arch/x86/emulate/arithmetic.c arch/x86/emulate/shift.c */
/* links: arch/x86/emulate/stack.c arch/x86/emulate/string.c arch/x86/emulate/segment.c */
/* links: arch/x86/emulate/vector.c */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/emulate.h>

#define RANDOM_CASES 2000000

/* An access that the emulator made. */
static struct {
	unsigned count;
	bool store;
	u64 linear, value;
	unsigned bytes;
} made;

static u64 in_memory;

static int fake_read(struct emulate_cpu *cpu unused, u64 linear, void *data, unsigned bytes)
{
	made.count++;
	made.linear = linear;
	made.bytes = bytes;
	memcpy(data, &in_memory, bytes);
	return 0;
}

static int fake_write(struct emulate_cpu *cpu unused, u64 linear, const void *data, unsigned bytes)
{
	made.count++;
	made.store = true;
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
	u64 gpr[GPR_COUNT], mine[GPR_COUNT], rip = random_wide() >> 17;
	struct emulate_cpu cpu = {
		.gpr = gpr, .rip = rip, .rflags = 2, .mode = CPU_MODE_64, .ops = &ops};

	for (unsigned i = 0; i < GPR_COUNT; i++)
		mine[i] = gpr[i] = random_wide() >> 20;
	in_memory = random_wide();
	memset(&made, 0, sizeof(made));
	if (emulate_instruction(&cpu, code, INSTRUCTION_BYTES_MAX) == EMULATE_FAULT)
		return; /* not canonical */
	assert_int_equal(made.count, 1);
	assert_int_equal(made.store, move->store);
	assert_int_equal(made.bytes, move->bytes);
	assert_int_equal(made.linear, emulate_move_address(move, mine, rip));
	assert_int_equal(cpu.rip, rip + move->length);
	assert_int_equal(cpu.rflags, 2);
	if (!move->store)
		emulate_move_load(move, mine, in_memory);
	else
		assert_int_equal(made.value, cut(move->constant ? move->immediate : mine[move->reg],
						 move->bytes));
	same_registers(gpr, mine);
}

/* What random bytes are, with a MOV somewhere near the beginning more often than not. */
static void random_code(u8 *code)
{
	static const u8 opcodes[] = {0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0xa0, 0xa1, 0xa2, 0xa3};

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
	unsigned found = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < RANDOM_CASES; i++) {
		random_code(code);
		if (!emulate_move_describe(code, &move))
			continue;
		compare(code, &move);
		found++;
	}
	assert_true(found > RANDOM_CASES / 10);
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
		{{0x09, 0x08}, false},	     /* or [rax], ecx */
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
