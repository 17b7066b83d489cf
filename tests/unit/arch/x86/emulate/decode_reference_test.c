/* SPDX-License-Identifier: MIT */
/*
 * The decoder against another one, Zydis: random and structured bytes, all three modes. What ours
 * knows must have the same length and operands there; what it does not know must be none of the
 * instructions that it promises. BULKHEAD_CASES sets how many byte sequences are tried.
 */
/* links: arch/x86/emulate/decode.c arch/x86/emulate/opcodes.c */
/* libraries: Zydis */
#include "cmocka_all.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/emulate/instruction.h"
#include "tests/unit/arch/x86/emulate/random_code.h"

#define CASES_DEFAULT 2000000

/* Promised if it has a memory operand, implied ones included. */
static const ZydisMnemonic promised[] = {
	ZYDIS_MNEMONIC_ADD,	  ZYDIS_MNEMONIC_OR,	   ZYDIS_MNEMONIC_ADC,
	ZYDIS_MNEMONIC_SBB,	  ZYDIS_MNEMONIC_AND,	   ZYDIS_MNEMONIC_SUB,
	ZYDIS_MNEMONIC_XOR,	  ZYDIS_MNEMONIC_CMP,	   ZYDIS_MNEMONIC_TEST,
	ZYDIS_MNEMONIC_NOT,	  ZYDIS_MNEMONIC_NEG,	   ZYDIS_MNEMONIC_INC,
	ZYDIS_MNEMONIC_DEC,	  ZYDIS_MNEMONIC_MOV,	   ZYDIS_MNEMONIC_MOVZX,
	ZYDIS_MNEMONIC_MOVSX,	  ZYDIS_MNEMONIC_MOVSXD,   ZYDIS_MNEMONIC_XCHG,
	ZYDIS_MNEMONIC_XADD,	  ZYDIS_MNEMONIC_CMPXCHG,  ZYDIS_MNEMONIC_CMPXCHG8B,
	ZYDIS_MNEMONIC_MOVBE,	  ZYDIS_MNEMONIC_MOVNTI,   ZYDIS_MNEMONIC_CMPXCHG16B,
	ZYDIS_MNEMONIC_BT,	  ZYDIS_MNEMONIC_BTS,	   ZYDIS_MNEMONIC_BTR,
	ZYDIS_MNEMONIC_BTC,	  ZYDIS_MNEMONIC_ROL,	   ZYDIS_MNEMONIC_ROR,
	ZYDIS_MNEMONIC_RCL,	  ZYDIS_MNEMONIC_RCR,	   ZYDIS_MNEMONIC_SHL,
	ZYDIS_MNEMONIC_SHR,	  ZYDIS_MNEMONIC_SAR,	   ZYDIS_MNEMONIC_SHLD,
	ZYDIS_MNEMONIC_SHRD,	  ZYDIS_MNEMONIC_PUSH,	   ZYDIS_MNEMONIC_POP,
	ZYDIS_MNEMONIC_LTR,	  ZYDIS_MNEMONIC_CALL,	   ZYDIS_MNEMONIC_JMP,
	ZYDIS_MNEMONIC_RET,	  ZYDIS_MNEMONIC_MOVSB,	   ZYDIS_MNEMONIC_MOVSW,
	ZYDIS_MNEMONIC_MOVSD,	  ZYDIS_MNEMONIC_MOVSQ,	   ZYDIS_MNEMONIC_CMPSB,
	ZYDIS_MNEMONIC_CMPSW,	  ZYDIS_MNEMONIC_CMPSD,	   ZYDIS_MNEMONIC_CMPSQ,
	ZYDIS_MNEMONIC_STOSB,	  ZYDIS_MNEMONIC_STOSW,	   ZYDIS_MNEMONIC_STOSD,
	ZYDIS_MNEMONIC_STOSQ,	  ZYDIS_MNEMONIC_LODSB,	   ZYDIS_MNEMONIC_LODSW,
	ZYDIS_MNEMONIC_LODSD,	  ZYDIS_MNEMONIC_LODSQ,	   ZYDIS_MNEMONIC_SCASB,
	ZYDIS_MNEMONIC_SCASW,	  ZYDIS_MNEMONIC_SCASD,	   ZYDIS_MNEMONIC_SCASQ,
	ZYDIS_MNEMONIC_INSB,	  ZYDIS_MNEMONIC_INSW,	   ZYDIS_MNEMONIC_INSD,
	ZYDIS_MNEMONIC_OUTSB,	  ZYDIS_MNEMONIC_OUTSW,	   ZYDIS_MNEMONIC_OUTSD,
	ZYDIS_MNEMONIC_MOVUPS,	  ZYDIS_MNEMONIC_MOVUPD,   ZYDIS_MNEMONIC_MOVAPS,
	ZYDIS_MNEMONIC_MOVAPD,	  ZYDIS_MNEMONIC_MOVDQA,   ZYDIS_MNEMONIC_MOVDQU,
	ZYDIS_MNEMONIC_LDDQU,	  ZYDIS_MNEMONIC_MOVSS,	   ZYDIS_MNEMONIC_MOVD,
	ZYDIS_MNEMONIC_MOVQ,	  ZYDIS_MNEMONIC_MOVLPS,   ZYDIS_MNEMONIC_MOVLPD,
	ZYDIS_MNEMONIC_MOVHPS,	  ZYDIS_MNEMONIC_MOVHPD,   ZYDIS_MNEMONIC_MOVNTDQ,
	ZYDIS_MNEMONIC_MOVNTDQA,  ZYDIS_MNEMONIC_MOVNTPS,  ZYDIS_MNEMONIC_MOVNTPD,
	ZYDIS_MNEMONIC_VMOVUPS,	  ZYDIS_MNEMONIC_VMOVUPD,  ZYDIS_MNEMONIC_VMOVAPS,
	ZYDIS_MNEMONIC_VMOVAPD,	  ZYDIS_MNEMONIC_VMOVDQA,  ZYDIS_MNEMONIC_VMOVDQU,
	ZYDIS_MNEMONIC_VLDDQU,	  ZYDIS_MNEMONIC_VMOVSS,   ZYDIS_MNEMONIC_VMOVSD,
	ZYDIS_MNEMONIC_VMOVD,	  ZYDIS_MNEMONIC_VMOVQ,	   ZYDIS_MNEMONIC_VMOVLPS,
	ZYDIS_MNEMONIC_VMOVLPD,	  ZYDIS_MNEMONIC_VMOVHPS,  ZYDIS_MNEMONIC_VMOVHPD,
	ZYDIS_MNEMONIC_VMOVNTDQ,  ZYDIS_MNEMONIC_VMOVNTPS, ZYDIS_MNEMONIC_VMOVNTPD,
	ZYDIS_MNEMONIC_VMOVNTDQA, ZYDIS_MNEMONIC_CMOVO,	   ZYDIS_MNEMONIC_CMOVNO,
	ZYDIS_MNEMONIC_CMOVB,	  ZYDIS_MNEMONIC_CMOVNB,   ZYDIS_MNEMONIC_CMOVZ,
	ZYDIS_MNEMONIC_CMOVNZ,	  ZYDIS_MNEMONIC_CMOVBE,   ZYDIS_MNEMONIC_CMOVNBE,
	ZYDIS_MNEMONIC_CMOVS,	  ZYDIS_MNEMONIC_CMOVNS,   ZYDIS_MNEMONIC_CMOVP,
	ZYDIS_MNEMONIC_CMOVNP,	  ZYDIS_MNEMONIC_CMOVL,	   ZYDIS_MNEMONIC_CMOVNL,
	ZYDIS_MNEMONIC_CMOVLE,	  ZYDIS_MNEMONIC_CMOVNLE,  ZYDIS_MNEMONIC_SETO,
	ZYDIS_MNEMONIC_SETNO,	  ZYDIS_MNEMONIC_SETB,	   ZYDIS_MNEMONIC_SETNB,
	ZYDIS_MNEMONIC_SETZ,	  ZYDIS_MNEMONIC_SETNZ,	   ZYDIS_MNEMONIC_SETBE,
	ZYDIS_MNEMONIC_SETNBE,	  ZYDIS_MNEMONIC_SETS,	   ZYDIS_MNEMONIC_SETNS,
	ZYDIS_MNEMONIC_SETP,	  ZYDIS_MNEMONIC_SETNP,	   ZYDIS_MNEMONIC_SETL,
	ZYDIS_MNEMONIC_SETNL,	  ZYDIS_MNEMONIC_SETLE,	   ZYDIS_MNEMONIC_SETNLE,
};

struct theirs {
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static const struct {
	enum cpu_mode mode;
	ZydisMachineMode machine;
	ZydisStackWidth stack;
} modes[] = {
	{CPU_MODE_16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
	{CPU_MODE_32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
	{CPU_MODE_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
};

static bool promises[ZYDIS_MNEMONIC_MAX_VALUE + 1];
static const u8 *code_now;
static enum cpu_mode mode_now;
static u64 known_count, memory_count;

static void differ(const struct theirs *t, const char *what, u64 their_value, u64 our_value)
{
	char text[64] = "";

	for (unsigned i = 0; i < INSTRUCTION_BYTES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %02x", code_now[i]);
	fail_msg("%u-bit code%s (%s): %s is %#lx for Zydis, %#lx for us", 8 * mode_now, text,
		 t ? ZydisMnemonicGetString(t->instruction.mnemonic) : "?", what, their_value,
		 our_value);
}

static void same(const struct theirs *t, const char *what, u64 their_value, u64 our_value)
{
	if (their_value != our_value)
		differ(t, what, their_value, our_value);
}

static bool is_memory(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       operand->mem.type == ZYDIS_MEMOP_TYPE_MEM;
}

static bool is_segment(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetClass(operand->reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static bool has_class(const struct theirs *t, ZydisRegisterClass class)
{
	for (unsigned i = 0; i < t->instruction.operand_count; i++)
		if (t->operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(t->operands[i].reg.value) == class)
			return true;
	return false;
}

/* What we have to know of what Zydis does. */
static bool is_promised(const struct theirs *t)
{
	const ZydisDecodedInstruction *i = &t->instruction;
	bool memory = false;

	if (!promises[i->mnemonic] || i->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	    i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return false;
	if (i->mnemonic == ZYDIS_MNEMONIC_CMPSD && i->opcode_map == ZYDIS_OPCODE_MAP_0F)
		return false; /* that of SSE */
	for (unsigned n = 0; n < i->operand_count; n++)
		memory |= is_memory(&t->operands[n]);
	if (!memory || has_class(t, ZYDIS_REGCLASS_MMX))
		return false;
	/* PUSH and POP of segment registers */
	return !((i->mnemonic == ZYDIS_MNEMONIC_PUSH || i->mnemonic == ZYDIS_MNEMONIC_POP) &&
		 is_segment(&t->operands[0]));
}

static u64 register_number(ZydisRegister reg)
{
	switch (reg) {
	case ZYDIS_REGISTER_NONE:
		return BASE_NONE;
	case ZYDIS_REGISTER_RIP:
	case ZYDIS_REGISTER_EIP:
		return BASE_RIP;
	default:
		return (u64)ZydisRegisterGetId(reg);
	}
}

static void compare_memory(const struct theirs *t, const ZydisDecodedOperand *their,
			   const struct instruction *in, unsigned bytes)
{
	u64 mask = mask_of(in->address_bytes), base = register_number(their->mem.base);
	u64 displacement = their->mem.disp.has_displacement ? (u64)their->mem.disp.value : 0;

	memory_count++;
	/* 66 63: of 16 bits by the manual (SDM vol. 2, MOVSXD), and by the CPU's faults. */
	if (t->instruction.mnemonic != ZYDIS_MNEMONIC_MOVSXD || in->operand_bytes != 2)
		same(t, "memory size", their->size / 8, bytes);
	/* Zydis 4.0 takes R13 where it stands for none, and no displacement (SDM vol. 2, table
	 * 2-5). */
	if (!t->instruction.raw.modrm.mod && register_number(their->mem.base) == GPR_R13) {
		base = BASE_NONE;
		displacement = (u64)t->instruction.raw.disp.value;
	}
	same(t, "base", base, in->memory.base);
	same(t, "index", register_number(their->mem.index), in->memory.index);
	if (in->memory.index != BASE_NONE)
		same(t, "scale", their->mem.scale, 1u << in->memory.shift);
	same(t, "displacement", displacement & mask, in->memory.displacement & mask);
	same(t, "segment", (u64)ZydisRegisterGetId(their->mem.segment), in->memory.segment);
}

static void compare_register(const struct theirs *t, const ZydisDecodedOperand *their,
			     const struct operand *our)
{
	ZydisRegister reg = their->reg.value;

	if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
		same(t, "kind", OPERAND_HIGH_BYTE, our->kind);
		same(t, "register", reg - ZYDIS_REGISTER_AH, our->reg);
		return;
	}
	/* SPL and those behind it are numbered behind AH to BH. */
	same(t, "register",
	     (u64)ZydisRegisterGetId(reg) -
		     (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B ? 4 : 0),
	     our->reg);
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_SEGMENT:
		same(t, "kind", OPERAND_SEGMENT, our->kind);
		break;
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_YMM:
		same(t, "kind", OPERAND_VECTOR, our->kind);
		break;
	default:
		same(t, "kind", OPERAND_REGISTER, our->kind);
		same(t, "register size", their->size / 8, our->bytes);
	}
}

static void compare_operand(const struct theirs *t, const ZydisDecodedOperand *their,
			    const struct instruction *in, const struct operand *our)
{
	if (is_memory(their)) {
		same(t, "kind", OPERAND_MEMORY, our->kind);
		compare_memory(t, their, in, our->bytes);
	} else if (their->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		compare_register(t, their, our);
	} else {
		u64 mask = mask_of(our->bytes);

		if (!their->imm.is_signed && t->instruction.raw.imm[0].size)
			mask &= mask_of(t->instruction.raw.imm[0].size / 8);
		same(t, "kind", OPERAND_IMMEDIATE, our->kind);
		same(t, "immediate", their->imm.value.u & mask, in->immediate & mask);
	}
}

static bool is_string(const struct instruction *in)
{
	return in->operation >= OPERATION_MOVS && in->operation <= OPERATION_OUTS;
}

static void compare_string(const struct theirs *t, const struct instruction *in)
{
	for (unsigned i = 0; i < t->instruction.operand_count; i++) {
		const ZydisDecodedOperand *their = &t->operands[i];

		if (!is_memory(their))
			continue;
		same(t, "element size", their->size / 8, in->operand_bytes);
		if (ZydisRegisterGetId(their->mem.base) == GPR_RSI)
			same(t, "segment", (u64)ZydisRegisterGetId(their->mem.segment),
			     in->memory.segment);
	}
}

/* Explicit operands in order; in VEX forms of three the second is vvvv. */
static void compare_operands(const struct theirs *t, const struct instruction *in)
{
	const struct operand *ours[] = {&in->destination, &in->source, &in->count};
	unsigned at = 0;

	for (unsigned i = 0; i < t->instruction.operand_count_visible; i++) {
		const ZydisDecodedOperand *their = &t->operands[i];

		if (their->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) {
			same(t, "vvvv", (u64)ZydisRegisterGetId(their->reg.value), in->vex_source);
			continue;
		}
		if (their->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT ||
		    in->operation != OPERATION_CMPXCHG_PAIR)
			compare_operand(t, their, in, ours[at++]);
	}
}

static void compare(const struct theirs *t, const struct instruction *in)
{
	known_count++;
	same(t, "length", t->instruction.length, in->length);
	same(t, "address size", t->instruction.address_width / 8, in->address_bytes);
	if (is_string(in))
		compare_string(t, in);
	else
		compare_operands(t, in);
}

static void try_code(const ZydisDecoder *decoder, const u8 *code)
{
	struct theirs t;
	struct instruction in;
	bool ours = !instruction_decode(&in, mode_now, code, INSTRUCTION_BYTES_MAX);
	ZyanStatus status = ZydisDecoderDecodeFull(decoder, code, INSTRUCTION_BYTES_MAX,
						   &t.instruction, t.operands);

	code_now = code;
	if (ZYAN_SUCCESS(status) && ours)
		compare(&t, &in);
	else if (ZYAN_SUCCESS(status) && is_promised(&t))
		differ(&t, "known", 1, 0);
	else if (ours && !(status == ZYDIS_STATUS_ILLEGAL_LOCK && in.lock))
		differ(NULL, "known (status)", status, 1);
}

static u64 cases(void)
{
	const char *text = getenv("BULKHEAD_CASES");

	return text ? strtoull(text, NULL, 0) : CASES_DEFAULT;
}

/* With CET, DS in front of an indirect jump would be no segment. */
static void decoder_open(ZydisDecoder *decoder, ZydisMachineMode machine, ZydisStackWidth stack)
{
	assert_true(ZYAN_SUCCESS(ZydisDecoderInit(decoder, machine, stack)));
	assert_true(
		ZYAN_SUCCESS(ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE)));
}

static void like_zydis(void **state)
{
	ZydisDecoder decoders[ARRAY_SIZE(modes)];
	u8 code[INSTRUCTION_BYTES_MAX + 4];
	u64 count = cases();

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(promised); i++)
		promises[promised[i]] = true;
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		decoder_open(&decoders[i], modes[i].machine, modes[i].stack);
	for (u64 n = 0; n < count; n++) {
		unsigned which = (unsigned)(n % ARRAY_SIZE(modes));

		mode_now = modes[which].mode;
		code_make(code);
		try_code(&decoders[which], code);
	}
	/* The comparison is worth nothing if hardly anything was known. */
	assert_true(known_count > count / 10 && memory_count > count / 20);
	print_message("%lu sequences, %lu known, %lu with memory operands\n", count, known_count,
		      memory_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_zydis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
