/* SPDX-License-Identifier: MIT */
/* The instruction decoder (SDM vol. 2, chapter 2 and appendix A): bytes to struct instruction. */
#include <bulkhead/error.h>

#include "instruction.h"

/* Where the operands of an opcode are: destination first. */
enum form {
	FORM_NONE, /* implied, as with string instructions */
	FORM_RM_REG,
	FORM_REG_RM,
	FORM_RM,
	FORM_RM_IMM,  /* immediate of operand size, at most 32 bits */
	FORM_RM_IMM8, /* one byte, sign-extended */
	FORM_ACC_IMM,
	FORM_ACC_OFFSET, /* an address in place of the immediate */
	FORM_OFFSET_ACC,
};

enum opcode_flags {
	OPCODE_BYTE = 1,	/* operands are bytes */
	OPCODE_SOURCE_BYTE = 2, /* the source is, whatever the destination */
	OPCODE_SOURCE_WORD = 4,
	OPCODE_SOURCE_DWORD = 8, /* 32 bits, or 16 for a 16-bit destination */
	OPCODE_DEFAULT_64 =
		16, /* 64-bit operands without REX.W in 64-bit mode; 32-bit ones do not exist */
	OPCODE_ONLY_64 = 32,
	OPCODE_NOT_64 = 64,
	OPCODE_GROUP = 128, /* `operation` is an enum group, by the reg field of ModRM */
};

struct opcode {
	u8 operation;
	u8 form;
	u8 flags;
};

enum group {
	GROUP_ALU,
	GROUP_POP,
	GROUP_MOV,
	GROUP_UNARY,
	GROUP_UNARY_BYTE,
	GROUP_FE,
	GROUP_FF,
	GROUP_BIT
};

/* Both widths of an operation: the even opcode is the byte form. */
#define PAIR(number, operation, form)                                                              \
	[number] = {operation, form, OPCODE_BYTE}, [(number) + 1] = {operation, form, 0}

#define ALU(number, operation)                                                                     \
	PAIR(number, operation, FORM_RM_REG), PAIR((number) + 2, operation, FORM_REG_RM),          \
		PAIR((number) + 4, operation, FORM_ACC_IMM)

static const struct opcode one_byte[256] = {
	ALU(0x00, OPERATION_ADD),
	ALU(0x08, OPERATION_OR),
	ALU(0x10, OPERATION_ADC),
	ALU(0x18, OPERATION_SBB),
	ALU(0x20, OPERATION_AND),
	ALU(0x28, OPERATION_SUB),
	ALU(0x30, OPERATION_XOR),
	ALU(0x38, OPERATION_CMP),
	[0x63] = {OPERATION_MOVSX, FORM_REG_RM, OPCODE_SOURCE_DWORD | OPCODE_ONLY_64},
	[0x80] = {GROUP_ALU, FORM_RM_IMM, OPCODE_GROUP | OPCODE_BYTE},
	[0x81] = {GROUP_ALU, FORM_RM_IMM, OPCODE_GROUP},
	[0x82] = {GROUP_ALU, FORM_RM_IMM, OPCODE_GROUP | OPCODE_BYTE | OPCODE_NOT_64},
	[0x83] = {GROUP_ALU, FORM_RM_IMM8, OPCODE_GROUP},
	PAIR(0x84, OPERATION_TEST, FORM_RM_REG),
	PAIR(0x86, OPERATION_XCHG, FORM_RM_REG),
	PAIR(0x88, OPERATION_MOV, FORM_RM_REG),
	PAIR(0x8a, OPERATION_MOV, FORM_REG_RM),
	[0x8f] = {GROUP_POP, FORM_RM, OPCODE_GROUP | OPCODE_DEFAULT_64},
	PAIR(0xa0, OPERATION_MOV, FORM_ACC_OFFSET),
	PAIR(0xa2, OPERATION_MOV, FORM_OFFSET_ACC),
	PAIR(0xa4, OPERATION_MOVS, FORM_NONE),
	PAIR(0xa6, OPERATION_CMPS, FORM_NONE),
	PAIR(0xa8, OPERATION_TEST, FORM_ACC_IMM),
	PAIR(0xaa, OPERATION_STOS, FORM_NONE),
	PAIR(0xac, OPERATION_LODS, FORM_NONE),
	PAIR(0xae, OPERATION_SCAS, FORM_NONE),
	[0xc6] = {GROUP_MOV, FORM_RM_IMM, OPCODE_GROUP | OPCODE_BYTE},
	[0xc7] = {GROUP_MOV, FORM_RM_IMM, OPCODE_GROUP},
	[0xf6] = {GROUP_UNARY, FORM_RM, OPCODE_GROUP | OPCODE_BYTE},
	[0xf7] = {GROUP_UNARY, FORM_RM, OPCODE_GROUP},
	[0xfe] = {GROUP_FE, FORM_RM, OPCODE_GROUP | OPCODE_BYTE},
	[0xff] = {GROUP_FF, FORM_RM, OPCODE_GROUP},
};

/* Those after 0F. */
static const struct opcode two_byte[256] = {
	[0xa3] = {OPERATION_BT, FORM_RM_REG, 0},
	[0xab] = {OPERATION_BTS, FORM_RM_REG, 0},
	[0xb3] = {OPERATION_BTR, FORM_RM_REG, 0},
	[0xbb] = {OPERATION_BTC, FORM_RM_REG, 0},
	[0xba] = {GROUP_BIT, FORM_RM_IMM8, OPCODE_GROUP},
	PAIR(0xb0, OPERATION_CMPXCHG, FORM_RM_REG),
	PAIR(0xc0, OPERATION_XADD, FORM_RM_REG),
	[0xb6] = {OPERATION_MOV, FORM_REG_RM, OPCODE_SOURCE_BYTE},
	[0xb7] = {OPERATION_MOV, FORM_REG_RM, OPCODE_SOURCE_WORD},
	[0xbe] = {OPERATION_MOVSX, FORM_REG_RM, OPCODE_SOURCE_BYTE},
	[0xbf] = {OPERATION_MOVSX, FORM_REG_RM, OPCODE_SOURCE_WORD},
};

/* Members of a group; a form or flags here replace or add to the opcode's own. */
static const struct opcode groups[][8] = {
	[GROUP_ALU] = {{OPERATION_ADD, 0, 0},
		       {OPERATION_OR, 0, 0},
		       {OPERATION_ADC, 0, 0},
		       {OPERATION_SBB, 0, 0},
		       {OPERATION_AND, 0, 0},
		       {OPERATION_SUB, 0, 0},
		       {OPERATION_XOR, 0, 0},
		       {OPERATION_CMP, 0, 0}},
	[GROUP_POP] = {{OPERATION_POP, 0, 0}},
	[GROUP_MOV] = {{OPERATION_MOV, 0, 0}},
	[GROUP_UNARY] = {{OPERATION_TEST, FORM_RM_IMM, 0},
			 {OPERATION_TEST, FORM_RM_IMM, 0}, /* an alias that works, if unlisted */
			 {OPERATION_NOT, 0, 0},
			 {OPERATION_NEG, 0, 0}},
	[GROUP_FE] = {{OPERATION_INC, 0, 0}, {OPERATION_DEC, 0, 0}},
	[GROUP_FF] = {{OPERATION_INC, 0, 0},
		      {OPERATION_DEC, 0, 0},
		      [6] = {OPERATION_PUSH, 0, OPCODE_DEFAULT_64}},
	[GROUP_BIT] = {[4] = {OPERATION_BT, 0, 0},
		       [5] = {OPERATION_BTS, 0, 0},
		       [6] = {OPERATION_BTR, 0, 0},
		       [7] = {OPERATION_BTC, 0, 0}},
};

enum prefix {
	PREFIX_NONE,
	PREFIX_SEGMENT, /* SEGMENT_ES with PREFIX_SEGMENT + 0, and so on */
	PREFIX_OPERAND = PREFIX_SEGMENT + SEGMENT_COUNT,
	PREFIX_ADDRESS,
	PREFIX_LOCK,
	PREFIX_REPEAT,
	PREFIX_REX,
};

static const u8 prefixes[256] = {
	[0x26] = PREFIX_SEGMENT + SEGMENT_ES,
	[0x2e] = PREFIX_SEGMENT + SEGMENT_CS,
	[0x36] = PREFIX_SEGMENT + SEGMENT_SS,
	[0x3e] = PREFIX_SEGMENT + SEGMENT_DS,
	[0x64] = PREFIX_SEGMENT + SEGMENT_FS,
	[0x65] = PREFIX_SEGMENT + SEGMENT_GS,
	[0x66] = PREFIX_OPERAND,
	[0x67] = PREFIX_ADDRESS,
	[0xf0] = PREFIX_LOCK,
	[0xf2] = PREFIX_REPEAT,
	[0xf3] = PREFIX_REPEAT,
	[0x40 ... 0x4f] = PREFIX_REX,
};

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

#define SEGMENT_DEFAULT SEGMENT_COUNT

struct decoder {
	struct instruction *instruction;
	const u8 *code;
	unsigned bytes;
	unsigned at;
	enum cpu_mode mode;
	bool short_of_bytes;
	bool operand_override, address_override;
	u8 segment; /* SEGMENT_DEFAULT without an override that counts */
	u8 rex;
	u8 modrm;
};

static u8 next_byte(struct decoder *decoder)
{
	if (decoder->at >= decoder->bytes) {
		decoder->short_of_bytes = true;
		return 0;
	}
	return decoder->code[decoder->at++];
}

static u64 next_unsigned(struct decoder *decoder, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)next_byte(decoder) << (8 * i);
	return value;
}

static u64 next_signed(struct decoder *decoder, unsigned bytes)
{
	unsigned unused_bits = 64 - 8 * bytes;

	return (u64)((s64)(next_unsigned(decoder, bytes) << unused_bits) >> unused_bits);
}

static void prefix_take(struct decoder *decoder, u8 byte)
{
	u8 prefix = prefixes[byte];
	u8 segment = (u8)(prefix - PREFIX_SEGMENT);

	/* A REX prefix counts only right before the opcode. */
	decoder->rex = prefix == PREFIX_REX ? byte : 0;
	if (prefix == PREFIX_OPERAND)
		decoder->operand_override = true;
	else if (prefix == PREFIX_ADDRESS)
		decoder->address_override = true;
	else if (prefix == PREFIX_LOCK)
		decoder->instruction->lock = true;
	else if (prefix == PREFIX_REPEAT)
		decoder->instruction->repeat = byte;
	else if (segment < SEGMENT_COUNT && (decoder->mode != CPU_MODE_64 || segment >= SEGMENT_FS))
		decoder->segment = segment;
}

static u8 prefixes_decode(struct decoder *decoder)
{
	for (;;) {
		u8 byte = next_byte(decoder);
		bool rex = prefixes[byte] == PREFIX_REX;

		if (prefixes[byte] == PREFIX_NONE || (rex && decoder->mode != CPU_MODE_64))
			return byte;
		prefix_take(decoder, byte);
	}
}

static u8 address_bytes(const struct decoder *decoder)
{
	if (!decoder->address_override)
		return (u8)decoder->mode;
	return decoder->mode == CPU_MODE_32 ? 2 : 4;
}

static u8 operand_bytes(const struct decoder *decoder, u8 flags)
{
	if (flags & OPCODE_BYTE)
		return 1;
	if (decoder->mode == CPU_MODE_64 && decoder->rex & REX_W)
		return 8;
	if (decoder->mode == CPU_MODE_16)
		return decoder->operand_override ? 4 : 2;
	if (decoder->operand_override)
		return 2;
	return decoder->mode == CPU_MODE_64 && flags & OPCODE_DEFAULT_64 ? 8 : 4;
}

static u8 source_bytes(const struct decoder *decoder, u8 flags)
{
	u8 bytes = decoder->instruction->operand_bytes;

	if (flags & OPCODE_SOURCE_BYTE)
		return 1;
	if (flags & OPCODE_SOURCE_WORD)
		return 2;
	if (flags & OPCODE_SOURCE_DWORD)
		return MIN(bytes, 4);
	return bytes;
}

/* Without REX, byte registers 4 to 7 are the second bytes of the first four. */
static struct operand register_operand(const struct decoder *decoder, u8 number, u8 bytes)
{
	if (bytes == 1 && !decoder->rex && number >= 4)
		return (struct operand){OPERAND_HIGH_BYTE, (u8)(number - 4), 1};
	return (struct operand){OPERAND_REGISTER, number, bytes};
}

/* SDM vol. 2, table 2-1. */
static void memory_decode_16(struct decoder *decoder)
{
	static const u8 bases[8] = {GPR_RBX, GPR_RBX, GPR_RBP, GPR_RBP,
				    GPR_RSI, GPR_RDI, GPR_RBP, GPR_RBX};
	static const u8 indexes[8] = {GPR_RSI,	 GPR_RDI,   GPR_RSI,   GPR_RDI,
				      BASE_NONE, BASE_NONE, BASE_NONE, BASE_NONE};
	struct memory_operand *memory = &decoder->instruction->memory;
	u8 mod = decoder->modrm >> 6, rm = decoder->modrm & 7;

	memory->base = bases[rm];
	memory->index = indexes[rm];
	if (mod == 0 && rm == 6) {
		memory->base = BASE_NONE;
		memory->displacement = next_unsigned(decoder, 2);
	} else if (mod) {
		memory->displacement = next_signed(decoder, mod);
	}
}

static void sib_decode(struct decoder *decoder)
{
	struct memory_operand *memory = &decoder->instruction->memory;
	u8 sib = next_byte(decoder);
	u8 index = (u8)((sib >> 3 & 7) | (decoder->rex & REX_X ? 8 : 0));

	memory->shift = sib >> 6;
	if (index != GPR_RSP)
		memory->index = index;
	memory->base = (u8)((sib & 7) | (decoder->rex & REX_B ? 8 : 0));
}

/* SDM vol. 2, tables 2-2, 2-3 and 2-7. A base encoded as 5 with mod 0 stands for none, REX.B or
 * not. */
static void memory_decode_32(struct decoder *decoder)
{
	struct memory_operand *memory = &decoder->instruction->memory;
	u8 mod = decoder->modrm >> 6, rm = decoder->modrm & 7;

	if (rm == 4)
		sib_decode(decoder);
	else
		memory->base = (u8)(rm | (decoder->rex & REX_B ? 8 : 0));
	if (mod == 0 && (memory->base & 7) == 5) {
		memory->base = rm == 5 && decoder->mode == CPU_MODE_64 ? BASE_RIP : BASE_NONE;
		memory->displacement = next_signed(decoder, 4);
	} else if (mod) {
		memory->displacement = next_signed(decoder, mod == 1 ? 1 : 4);
	}
}

static struct operand rm_decode(struct decoder *decoder, u8 bytes)
{
	u8 rm = (u8)((decoder->modrm & 7) | (decoder->rex & REX_B ? 8 : 0));

	if (decoder->modrm >> 6 == 3)
		return register_operand(decoder, rm, bytes);
	if (decoder->instruction->address_bytes == 2)
		memory_decode_16(decoder);
	else
		memory_decode_32(decoder);
	return (struct operand){OPERAND_MEMORY, 0, bytes};
}

static struct operand reg_operand(const struct decoder *decoder, u8 bytes)
{
	u8 reg = (u8)((decoder->modrm >> 3 & 7) | (decoder->rex & REX_R ? 8 : 0));

	return register_operand(decoder, reg, bytes);
}

static struct operand immediate_decode(struct decoder *decoder, u8 encoded_bytes)
{
	struct instruction *instruction = decoder->instruction;

	instruction->immediate = next_signed(decoder, encoded_bytes);
	return (struct operand){OPERAND_IMMEDIATE, 0, instruction->operand_bytes};
}

static struct operand offset_decode(struct decoder *decoder)
{
	struct instruction *instruction = decoder->instruction;

	instruction->memory.displacement = next_unsigned(decoder, instruction->address_bytes);
	return (struct operand){OPERAND_MEMORY, 0, instruction->operand_bytes};
}

static void operands_decode(struct decoder *decoder, u8 form, u8 flags)
{
	struct instruction *instruction = decoder->instruction;
	struct operand *destination = &instruction->destination, *source = &instruction->source;
	u8 bytes = instruction->operand_bytes;
	const struct operand accumulator = {OPERAND_REGISTER, GPR_RAX, bytes};

	if (form == FORM_RM_REG || form == FORM_RM_IMM || form == FORM_RM_IMM8 || form == FORM_RM)
		*destination = rm_decode(decoder, bytes);
	else if (form == FORM_REG_RM)
		*destination = reg_operand(decoder, bytes);
	else if (form == FORM_OFFSET_ACC)
		*destination = offset_decode(decoder);
	else if (form != FORM_NONE)
		*destination = accumulator;

	if (form == FORM_RM_REG)
		*source = reg_operand(decoder, bytes);
	else if (form == FORM_REG_RM)
		*source = rm_decode(decoder, source_bytes(decoder, flags));
	else if (form == FORM_RM_IMM || form == FORM_ACC_IMM)
		*source = immediate_decode(decoder, MIN(bytes, 4));
	else if (form == FORM_RM_IMM8)
		*source = immediate_decode(decoder, 1);
	else if (form == FORM_ACC_OFFSET)
		*source = offset_decode(decoder);
	else if (form == FORM_OFFSET_ACC)
		*source = accumulator;
}

static struct opcode opcode_decode(struct decoder *decoder)
{
	u8 byte = prefixes_decode(decoder);
	struct opcode opcode = byte == 0x0f ? two_byte[next_byte(decoder)] : one_byte[byte];
	const struct opcode *member;

	if (opcode.form >= FORM_RM_REG && opcode.form <= FORM_RM_IMM8)
		decoder->modrm = next_byte(decoder);
	if (opcode.flags & OPCODE_GROUP) {
		member = &groups[opcode.operation][decoder->modrm >> 3 & 7];
		opcode.operation = member->operation;
		opcode.flags |= member->flags;
		if (member->form)
			opcode.form = member->form;
	}
	if (opcode.flags & (decoder->mode == CPU_MODE_64 ? OPCODE_NOT_64 : OPCODE_ONLY_64))
		opcode.operation = OPERATION_UNKNOWN;
	return opcode;
}

/* rSP and rBP as a base mean the stack segment, r12 and r13 do not. */
static u8 segment_of(const struct decoder *decoder)
{
	u8 base = decoder->instruction->memory.base;

	if (decoder->segment != SEGMENT_DEFAULT)
		return decoder->segment;
	return base == GPR_RSP || base == GPR_RBP ? SEGMENT_SS : SEGMENT_DS;
}

int instruction_decode(struct instruction *instruction, enum cpu_mode mode, const u8 *code,
		       unsigned bytes)
{
	struct decoder decoder = {.instruction = instruction,
				  .code = code,
				  .bytes = MIN(bytes, INSTRUCTION_BYTES_MAX),
				  .mode = mode,
				  .segment = SEGMENT_DEFAULT};
	struct opcode opcode;

	*instruction = (struct instruction){.memory = {.base = BASE_NONE, .index = BASE_NONE}};
	opcode = opcode_decode(&decoder);
	if (opcode.operation == OPERATION_UNKNOWN || decoder.short_of_bytes)
		return -EINVAL;
	instruction->operation = opcode.operation;
	instruction->address_bytes = address_bytes(&decoder);
	instruction->operand_bytes = operand_bytes(&decoder, opcode.flags);
	operands_decode(&decoder, opcode.form, opcode.flags);
	if (decoder.short_of_bytes)
		return -EINVAL;
	instruction->memory.segment = segment_of(&decoder);
	instruction->length = (u8)decoder.at;
	return 0;
}
