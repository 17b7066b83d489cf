/* links: arch/x86/emulate/opcodes.c */
/* SPDX-License-Identifier: MIT */
/* The instruction decoder: lengths of known encodings, operands, and that it never reads too far.
 */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86/emulate/instruction.h"

/* Encodings made by an assembler. */
static const struct {
	enum cpu_mode mode;
	const char *code;
	unsigned length;
} known[] = {
	/* clang-format off */
	{CPU_MODE_64, "\x00\x08", 2}, /* add BYTE PTR [rax],cl */
	{CPU_MODE_64, "\x81\x43\x08\x78\x56\x34\x12", 7}, /* add DWORD PTR [rbx+0x8],0x12345678 */
	{CPU_MODE_64, "\x66\x81\x43\x08\x34\x12", 6}, /* add WORD PTR [rbx+0x8],0x1234 */
	{CPU_MODE_64, "\x4b\x83\x84\xd1\x00\x10\x00\x00\xff", 9}, /* add QWORD PTR [r9+r10*8+0x1000],0xffffffffffffffff */
	{CPU_MODE_64, "\x80\x0d\x00\x01\x00\x00\x05", 7}, /* or BYTE PTR [rip+0x100],0x5 */
	{CPU_MODE_64, "\x13\x44\x24\x08", 4}, /* adc eax,DWORD PTR [rsp+0x8] */
	{CPU_MODE_64, "\x4d\x19\x3c\x24", 4}, /* sbb QWORD PTR [r12],r15 */
	{CPU_MODE_64, "\x45\x20\x45\x00", 4}, /* and BYTE PTR [r13+0x0],r8b */
	{CPU_MODE_64, "\x48\x2b\x3c\x85\x10\x00\x00\x00", 8}, /* sub rdi,QWORD PTR [rax*4+0x10] */
	{CPU_MODE_64, "\x65\x66\x83\x34\x25\x28\x00\x00\x00\x03", 10}, /* xor WORD PTR gs:0x28,0x3 */
	{CPU_MODE_64, "\x67\x81\x3c\x58\xff\xff\xff\x7f", 8}, /* cmp DWORD PTR [eax+ebx*2],0x7fffffff */
	{CPU_MODE_64, "\xf0\x83\x02\x01", 4}, /* lock add DWORD PTR [rdx],0x1 */
	{CPU_MODE_64, "\xf6\x06\x80", 3}, /* test BYTE PTR [rsi],0x80 */
	{CPU_MODE_64, "\x4a\xf7\x04\x0e\x44\x33\x22\x11", 8}, /* test QWORD PTR [rsi+r9*1],0x11223344 */
	{CPU_MODE_64, "\x66\xf7\x06\x22\x11", 5}, /* test WORD PTR [rsi],0x1122 */
	{CPU_MODE_64, "\x48\xf7\x55\x00", 4}, /* not QWORD PTR [rbp+0x0] */
	{CPU_MODE_64, "\x42\xf6\x5c\x65\x80", 5}, /* neg BYTE PTR [rbp+r12*2-0x80] */
	{CPU_MODE_64, "\x66\xf0\xff\x01", 4}, /* lock inc WORD PTR [rcx] */
	{CPU_MODE_64, "\xff\x49\x7f", 3}, /* dec DWORD PTR [rcx+0x7f] */
	{CPU_MODE_64, "\x88\x20", 2}, /* mov BYTE PTR [rax],ah */
	{CPU_MODE_64, "\x40\x88\x20", 3}, /* mov BYTE PTR [rax],spl */
	{CPU_MODE_64, "\xa0\x88\x77\x66\x55\x44\x33\x22\x11", 9}, /* movabs al,ds:0x1122334455667788 */
	{CPU_MODE_64, "\x48\xa3\x88\x77\x66\x55\x44\x33\x22\x11", 10}, /* movabs ds:0x1122334455667788,rax */
	{CPU_MODE_64, "\x48\x8b\x07", 3}, /* mov rax,QWORD PTR [rdi] */
	{CPU_MODE_64, "\xc7\x07\x44\x33\x22\x11", 6}, /* mov DWORD PTR [rdi],0x11223344 */
	{CPU_MODE_64, "\x48\xc7\x04\x37\xfe\xff\xff\xff", 8}, /* mov QWORD PTR [rdi+rsi*1],0xfffffffffffffffe */
	{CPU_MODE_64, "\x66\xc7\x07\x22\x11", 5}, /* mov WORD PTR [rdi],0x1122 */
	{CPU_MODE_64, "\xc6\x87\x78\x56\x34\x12\x01", 7}, /* mov BYTE PTR [rdi+0x12345678],0x1 */
	{CPU_MODE_64, "\x0f\xb6\x03", 3}, /* movzx eax,BYTE PTR [rbx] */
	{CPU_MODE_64, "\x4e\x0f\xb7\x04\x1b", 5}, /* movzx r8,WORD PTR [rbx+r11*1] */
	{CPU_MODE_64, "\x66\x0f\xbe\x0b", 4}, /* movsx cx,BYTE PTR [rbx] */
	{CPU_MODE_64, "\x48\x0f\xbf\x0b", 4}, /* movsx rcx,WORD PTR [rbx] */
	{CPU_MODE_64, "\x48\x63\x0b", 3}, /* movsxd rcx,DWORD PTR [rbx] */
	{CPU_MODE_64, "\xf3\xa4", 2}, /* rep movs BYTE PTR es:[rdi],BYTE PTR ds:[rsi] */
	{CPU_MODE_64, "\xf3\x48\xa5", 3}, /* rep movs QWORD PTR es:[rdi],QWORD PTR ds:[rsi] */
	{CPU_MODE_64, "\x66\xa5", 2}, /* movs WORD PTR es:[rdi],WORD PTR ds:[rsi] */
	{CPU_MODE_64, "\xf3\xa6", 2}, /* repz cmps BYTE PTR ds:[rsi],BYTE PTR es:[rdi] */
	{CPU_MODE_64, "\xf2\xaf", 2}, /* repnz scas eax,DWORD PTR es:[rdi] */
	{CPU_MODE_64, "\x66\xf3\xab", 3}, /* rep stos WORD PTR es:[rdi],ax */
	{CPU_MODE_64, "\x48\xad", 2}, /* lods rax,QWORD PTR ds:[rsi] */
	{CPU_MODE_64, "\x67\xf3\xab", 3}, /* rep stos DWORD PTR es:[edi],eax */
	{CPU_MODE_64, "\x86\x18", 2}, /* xchg BYTE PTR [rax],bl */
	{CPU_MODE_64, "\x4a\x87\x14\x00", 4}, /* xchg QWORD PTR [rax+r8*1],rdx */
	{CPU_MODE_64, "\xf0\x0f\xc1\x2e", 4}, /* lock xadd DWORD PTR [rsi],ebp */
	{CPU_MODE_64, "\xf0\x4c\x0f\xb1\x66\x40", 6}, /* lock cmpxchg QWORD PTR [rsi+0x40],r12 */
	{CPU_MODE_64, "\x0f\xb0\x0e", 3}, /* cmpxchg BYTE PTR [rsi],cl */
	{CPU_MODE_64, "\x0f\xa3\x08", 3}, /* bt DWORD PTR [rax],ecx */
	{CPU_MODE_64, "\xf0\x4c\x0f\xab\x08", 5}, /* lock bts QWORD PTR [rax],r9 */
	{CPU_MODE_64, "\x66\x0f\xba\x30\x03", 5}, /* btr WORD PTR [rax],0x3 */
	{CPU_MODE_64, "\xf0\x0f\xba\x3d\xfc\xff\xff\xff\x1f", 9}, /* lock btc DWORD PTR [rip+0xfffffffffffffffc],0x1f */
	{CPU_MODE_64, "\xff\x70\x08", 3}, /* push QWORD PTR [rax+0x8] */
	{CPU_MODE_64, "\x66\xff\x30", 3}, /* push WORD PTR [rax] */
	{CPU_MODE_64, "\x8f\x44\x24\x08", 4}, /* pop QWORD PTR [rsp+0x8] */
	{CPU_MODE_64, "\x64\x89\x18", 3}, /* mov DWORD PTR fs:[rax],ebx */
	{CPU_MODE_32, "\x00\x08", 2}, /* add BYTE PTR [eax],cl */
	{CPU_MODE_32, "\x81\x43\x08\x78\x56\x34\x12", 7}, /* add DWORD PTR [ebx+0x8],0x12345678 */
	{CPU_MODE_32, "\xa0\x44\x33\x22\x11", 5}, /* mov al,ds:0x11223344 */
	{CPU_MODE_32, "\x66\xa3\x44\x33\x22\x11", 6}, /* mov ds:0x11223344,ax */
	{CPU_MODE_32, "\xc7\x05\x44\x33\x22\x11\x88\x77\x66\x55", 10}, /* mov DWORD PTR ds:0x11223344,0x55667788 */
	{CPU_MODE_32, "\x26\x66\xc7\x04\x8f\x66\x55", 7}, /* mov WORD PTR es:[edi+ecx*4],0x5566 */
	{CPU_MODE_32, "\x67\x88\x20", 3}, /* mov BYTE PTR [bx+si],ah */
	{CPU_MODE_32, "\x67\xc6\x46\x04\x01", 5}, /* mov BYTE PTR [bp+0x4],0x1 */
	{CPU_MODE_32, "\x67\x8b\x8d\x34\x12", 5}, /* mov ecx,DWORD PTR [di+0x1234] */
	{CPU_MODE_32, "\x0f\xb7\x45\xfc", 4}, /* movzx eax,WORD PTR [ebp-0x4] */
	{CPU_MODE_32, "\xff\x30", 2}, /* push DWORD PTR [eax] */
	{CPU_MODE_32, "\x66\xff\x30", 3}, /* push WORD PTR [eax] */
	{CPU_MODE_32, "\x8f\x04\x24", 3}, /* pop DWORD PTR [esp] */
	{CPU_MODE_32, "\xf3\xa5", 2}, /* rep movs DWORD PTR es:[edi],DWORD PTR ds:[esi] */
	{CPU_MODE_32, "\x86\x39", 2}, /* xchg BYTE PTR [ecx],bh */
	{CPU_MODE_32, "\xf0\x0f\xb1\x1a", 4}, /* lock cmpxchg DWORD PTR [edx],ebx */
	{CPU_MODE_32, "\x36\x66\x0f\xba\x66\x08\x0f", 7}, /* bt WORD PTR ss:[esi+0x8],0xf */
	{CPU_MODE_32, "\xff\x00", 2}, /* inc DWORD PTR [eax] */
	{CPU_MODE_16, "\x00\x08", 2}, /* add BYTE PTR [bx+si],cl */
	{CPU_MODE_16, "\xa0\x22\x11", 3}, /* mov al,ds:0x1122 */
	{CPU_MODE_16, "\x66\xa3\x22\x11", 4}, /* mov ds:0x1122,eax */
	{CPU_MODE_16, "\xc7\x06\x22\x11\x44\x33", 6}, /* mov WORD PTR ds:0x1122,0x3344 */
	{CPU_MODE_16, "\x66\xc7\x43\x10\x66\x55\x44\x33", 8}, /* mov DWORD PTR [bp+di+0x10],0x33445566 */
	{CPU_MODE_16, "\x67\xc6\x84\x43\x00\x01\x00\x00\x07", 9}, /* mov BYTE PTR [ebx+eax*2+0x100],0x7 */
	{CPU_MODE_16, "\x67\x66\x8b\x0e", 4}, /* mov ecx,DWORD PTR [esi] */
	{CPU_MODE_16, "\xf3\xab", 2}, /* rep stos WORD PTR es:[di],ax */
	{CPU_MODE_16, "\x66\xf3\xab", 3}, /* rep stos DWORD PTR es:[di],eax */
	{CPU_MODE_16, "\x26\x81\x3d\x20\x07", 5}, /* cmp WORD PTR es:[di],0x720 */
	{CPU_MODE_16, "\x66\xff\x76\x00", 4}, /* push DWORD PTR [bp+0x0] */
	{CPU_MODE_16, "\x80\x64\x7f\xf0", 4}, /* and BYTE PTR [si+0x7f],0xf0 */
	{CPU_MODE_16, "\x66\x0f\xbe\x07", 4}, /* movsx eax,BYTE PTR [bx] */
	{CPU_MODE_16, "\x66\xf7\x07\x04\x03\x02\x01", 7}, /* test DWORD PTR [bx],0x1020304 */
	/* clang-format on */
};

static int decode(struct instruction *instruction, enum cpu_mode mode, const void *code,
		  unsigned bytes)
{
	/* an exact copy, so that reading past it is caught */
	u8 *exact = malloc(bytes ? bytes : 1);
	int error;

	memcpy(exact, code, bytes);
	error = instruction_decode(instruction, mode, exact, bytes);
	free(exact);
	return error;
}

static void lengths(void **state)
{
	struct instruction instruction;
	u8 code[INSTRUCTION_BYTES_MAX];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		unsigned length = known[i].length;

		memset(code, 0xcc, sizeof(code));
		memcpy(code, known[i].code, length);
		if (decode(&instruction, known[i].mode, code, sizeof(code)))
			fail_msg("entry %u is not decoded", i);
		if (instruction.length != length)
			fail_msg("entry %u: length %u, not %u", i, instruction.length, length);
		assert_int_equal(decode(&instruction, known[i].mode, code, length), 0);
		assert_int_equal(instruction.length, length);
		for (unsigned short_of = 0; short_of < length; short_of++)
			assert_int_not_equal(decode(&instruction, known[i].mode, code, short_of),
					     0);
	}
}

static struct instruction decoded(enum cpu_mode mode, const char *code, unsigned bytes)
{
	struct instruction instruction;

	assert_int_equal(decode(&instruction, mode, code, bytes), 0);
	assert_int_equal(instruction.length, bytes);
	return instruction;
}

#define DECODED(mode, code) decoded(mode, code, sizeof(code) - 1)

static void assert_operand(struct operand operand, unsigned kind, unsigned reg, unsigned bytes)
{
	assert_int_equal(operand.kind, kind);
	assert_int_equal(operand.reg, reg);
	assert_int_equal(operand.bytes, bytes);
}

static void assert_memory(struct memory_operand memory, unsigned base, unsigned index,
			  unsigned shift, u64 displacement, unsigned segment)
{
	assert_int_equal(memory.base, base);
	assert_int_equal(memory.index, index);
	assert_int_equal(memory.shift, shift);
	assert_int_equal(memory.displacement, displacement);
	assert_int_equal(memory.segment, segment);
}

static void memory_operands(void **state)
{
	struct instruction in;

	(void)state;
	in = DECODED(CPU_MODE_64, "\x4b\x83\x84\xd1\x00\x10\x00\x00\xff");
	assert_int_equal(in.operation, OPERATION_ADD);
	assert_operand(in.destination, OPERAND_MEMORY, 0, 8);
	assert_operand(in.source, OPERAND_IMMEDIATE, 0, 8);
	assert_true(in.immediate == ~0ULL);
	assert_memory(in.memory, GPR_R9, GPR_R10, 3, 0x1000, SEGMENT_DS);
	in = DECODED(CPU_MODE_64, "\x8b\x05\xfc\xff\xff\xff");
	assert_memory(in.memory, BASE_RIP, BASE_NONE, 0, (u64)-4, SEGMENT_DS);
	in = DECODED(CPU_MODE_64, "\x41\x8b\x05\x00\x00\x00\x00"); /* REX.B changes nothing */
	assert_memory(in.memory, BASE_RIP, BASE_NONE, 0, 0, SEGMENT_DS);
	in = DECODED(CPU_MODE_32, "\x8b\x05\xfc\xff\xff\xff");
	assert_memory(in.memory, BASE_NONE, BASE_NONE, 0, (u64)-4, SEGMENT_DS);
	in = DECODED(CPU_MODE_64, "\x8b\x04\x25\x00\x00\x00\x80");
	assert_memory(in.memory, BASE_NONE, BASE_NONE, 0, 0xffffffff80000000, SEGMENT_DS);
	in = DECODED(CPU_MODE_64, "\x42\x8b\x04\x24"); /* r12 can be an index, rsp cannot */
	assert_memory(in.memory, GPR_RSP, GPR_R12, 0, 0, SEGMENT_SS);
	in = DECODED(CPU_MODE_64, "\x43\x8b\x44\x65\x7f");
	assert_memory(in.memory, GPR_R13, GPR_R12, 1, 0x7f, SEGMENT_DS);
	in = DECODED(CPU_MODE_64, "\x8b\x44\x2d\x00"); /* rbp as base and as index */
	assert_memory(in.memory, GPR_RBP, GPR_RBP, 0, 0, SEGMENT_SS);
	in = DECODED(CPU_MODE_64, "\x8b\x04\x6d\x10\x00\x00\x00");
	assert_memory(in.memory, BASE_NONE, GPR_RBP, 1, 0x10, SEGMENT_DS);
	in = DECODED(CPU_MODE_16, "\x8b\x42\x80");
	assert_memory(in.memory, GPR_RBP, GPR_RSI, 0, (u64)-128, SEGMENT_SS);
	in = DECODED(CPU_MODE_16, "\x8b\x06\x34\xf2");
	assert_memory(in.memory, BASE_NONE, BASE_NONE, 0, 0xf234, SEGMENT_DS);
	assert_int_equal(in.address_bytes, 2);
	in = DECODED(CPU_MODE_64, "\x67\xa1\x44\x33\x22\x91");
	assert_memory(in.memory, BASE_NONE, BASE_NONE, 0, 0x91223344, SEGMENT_DS);
	assert_operand(in.destination, OPERAND_REGISTER, GPR_RAX, 4);
	assert_operand(in.source, OPERAND_MEMORY, 0, 4);
}

static void registers(void **state)
{
	struct instruction in;

	(void)state;
	in = DECODED(CPU_MODE_64, "\x88\x20");
	assert_operand(in.source, OPERAND_HIGH_BYTE, GPR_RAX, 1);
	in = DECODED(CPU_MODE_64, "\x40\x88\x20");
	assert_operand(in.source, OPERAND_REGISTER, GPR_RSP, 1);
	in = DECODED(CPU_MODE_64, "\x45\x88\x38");
	assert_operand(in.source, OPERAND_REGISTER, GPR_R15, 1);
	in = DECODED(CPU_MODE_64, "\x88\xf7");
	assert_operand(in.destination, OPERAND_HIGH_BYTE, GPR_RBX, 1);
	assert_operand(in.source, OPERAND_HIGH_BYTE, GPR_RDX, 1);
	in = DECODED(CPU_MODE_64, "\x0f\xb6\x28"); /* the destination is no byte */
	assert_operand(in.destination, OPERAND_REGISTER, GPR_RBP, 4);
	assert_operand(in.source, OPERAND_MEMORY, 0, 1);
	in = DECODED(CPU_MODE_64, "\x0f\xbe\xec"); /* the source is AH */
	assert_operand(in.source, OPERAND_HIGH_BYTE, GPR_RAX, 1);
}

static void widths(void **state)
{
	struct instruction in;

	(void)state;
	in = DECODED(CPU_MODE_64, "\x66\x48\x89\x03"); /* REX.W wins */
	assert_int_equal(in.operand_bytes, 8);
	in = DECODED(CPU_MODE_64, "\x48\x66\x89\x03"); /* a REX before a prefix does not count */
	assert_int_equal(in.operand_bytes, 2);
	in = DECODED(CPU_MODE_64, "\x66\x63\x03"); /* MOVSXD r16, r/m16 */
	assert_operand(in.source, OPERAND_MEMORY, 0, 2);
	in = DECODED(CPU_MODE_64, "\x63\x03");
	assert_operand(in.source, OPERAND_MEMORY, 0, 4);
	in = DECODED(CPU_MODE_64, "\x48\x63\x03");
	assert_operand(in.source, OPERAND_MEMORY, 0, 4);
	assert_operand(in.destination, OPERAND_REGISTER, GPR_RAX, 8);
	in = DECODED(CPU_MODE_64, "\xff\x30");
	assert_int_equal(in.operand_bytes, 8);
	in = DECODED(CPU_MODE_64, "\x66\xff\x30");
	assert_int_equal(in.operand_bytes, 2);
	in = DECODED(CPU_MODE_32, "\xff\x30");
	assert_int_equal(in.operand_bytes, 4);
	in = DECODED(CPU_MODE_16, "\x66\x67\x89\x03");
	assert_int_equal(in.operand_bytes, 4);
	assert_int_equal(in.address_bytes, 4);
	in = DECODED(CPU_MODE_32, "\x67\x89\x07");
	assert_int_equal(in.address_bytes, 2);
	in = DECODED(CPU_MODE_64, "\x67\x89\x07");
	assert_int_equal(in.address_bytes, 4);
}

static void prefixes(void **state)
{
	struct instruction in;

	(void)state;
	in = DECODED(CPU_MODE_64, "\xf2\xf3\xa4");
	assert_int_equal(in.repeat, 0xf3);
	in = DECODED(CPU_MODE_64, "\xf3\xf2\xa6");
	assert_int_equal(in.repeat, 0xf2);
	in = DECODED(CPU_MODE_64, "\xf0\x01\x03");
	assert_true(in.lock);
	in = DECODED(CPU_MODE_64, "\x64\x3e\xa4"); /* the second has no meaning */
	assert_int_equal(in.memory.segment, SEGMENT_FS);
	in = DECODED(CPU_MODE_32, "\x64\x2e\xa4"); /* the last one counts */
	assert_int_equal(in.memory.segment, SEGMENT_CS);
	in = DECODED(CPU_MODE_32, "\x26\x8b\x45\x00");
	assert_int_equal(in.memory.segment, SEGMENT_ES);
}

static void random_bytes(void **state)
{
	static const enum cpu_mode modes[] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64};
	static const u8 likely_bytes[] = {0x66, 0x67, 0xf0, 0xf3, 0x48, 0x0f,
					  0x81, 0xc7, 0x89, 0x04, 0x25, 0x84};
	u64 seed = 2463534242;
	u8 code[INSTRUCTION_BYTES_MAX + 1];
	struct instruction in, again;
	unsigned known_ones = 0;

	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		enum cpu_mode mode = modes[round % 3];
		unsigned bytes;

		for (unsigned i = 0; i < sizeof(code); i++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			code[i] = seed >> 62
					  ? (u8)(seed >> 40)
					  : likely_bytes[(seed >> 40) % ARRAY_SIZE(likely_bytes)];
		}
		bytes = (unsigned)(seed >> 33) % (sizeof(code) + 1);
		if (decode(&in, mode, code, bytes))
			continue;
		known_ones++;
		assert_in_range(in.length, 1, MIN(bytes, INSTRUCTION_BYTES_MAX));
		assert_int_equal(decode(&again, mode, code, in.length), 0);
		assert_int_equal(in.operation, again.operation);
		assert_int_equal(in.length, again.length);
		assert_int_equal(in.immediate, again.immediate);
		assert_int_equal(in.memory.displacement, again.memory.displacement);
		assert_int_not_equal(decode(&again, mode, code, in.length - 1), 0);
	}
	assert_true(known_ones > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),   cmocka_unit_test(memory_operands),
		cmocka_unit_test(registers), cmocka_unit_test(widths),
		cmocka_unit_test(prefixes),  cmocka_unit_test(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
