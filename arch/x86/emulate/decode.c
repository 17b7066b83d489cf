/* SPDX-License-Identifier: MIT */
/* The instruction decoder (SDM vol. 2, chapter 2 and appendix A): bytes to struct instruction. */
#include <bulkhead/error.h>

#include "opcodes.h"

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
	u8 rex;	    /* or the same bits of VEX */
	u8 modrm;
	u8 opcode;
	u8 mandatory; /* enum mandatory_prefix */
	bool vex_256;
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

static u8 operand_bytes(const struct decoder *decoder, u32 flags)
{
	bool long_mode = decoder->mode == CPU_MODE_64;

	if (flags & OPCODE_BYTE)
		return 1;
	if (long_mode && flags & OPCODE_FORCE_64)
		return 8;
	if (long_mode && decoder->rex & REX_W)
		return flags & OPCODE_MAX_DWORD ? 4 : 8;
	if (flags & OPCODE_NO_WORD)
		return 4;
	if (decoder->mode == CPU_MODE_16)
		return decoder->operand_override ? 4 : 2;
	if (decoder->operand_override)
		return 2;
	return long_mode && flags & OPCODE_DEFAULT_64 ? 8 : 4;
}

static u8 vector_bytes(const struct decoder *decoder, u32 flags)
{
	if (flags & OPCODE_VECTOR_4)
		return 4;
	if (flags & OPCODE_VECTOR_8)
		return 8;
	if (flags & OPCODE_VECTOR_REX)
		return decoder->mode == CPU_MODE_64 && decoder->rex & REX_W ? 8 : 4;
	return decoder->vex_256 ? 32 : 16;
}

/* Of what ModRM's rm field names. */
static u8 rm_bytes(const struct decoder *decoder, const struct opcode *opcode)
{
	u8 bytes = decoder->instruction->operand_bytes;

	if (opcode->form == FORM_RM_VECTOR || opcode->form == FORM_VECTOR_RM)
		return vector_bytes(decoder, opcode->flags);
	if (opcode->flags & OPCODE_PAIR)
		return bytes == 8 ? 16 : 8;
	if (opcode->flags & OPCODE_SOURCE_BYTE)
		return 1;
	if (opcode->flags & OPCODE_SOURCE_WORD ||
	    (opcode->form == FORM_RM_SEGMENT && decoder->modrm >> 6 != 3))
		return 2;
	if (opcode->flags & OPCODE_SOURCE_DWORD)
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

static u8 reg_number(const struct decoder *decoder)
{
	return (u8)((decoder->modrm >> 3 & 7) | (decoder->rex & REX_R ? 8 : 0));
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

static struct operand operand_decode(struct decoder *decoder, enum place place,
				     const struct opcode *opcode)
{
	struct instruction *instruction = decoder->instruction;
	u8 bytes = instruction->operand_bytes;

	switch (place) {
	case PLACE_RM:
		return rm_decode(decoder, rm_bytes(decoder, opcode));
	case PLACE_REG:
		return register_operand(decoder, reg_number(decoder), bytes);
	case PLACE_SEGMENT:
		return (struct operand){OPERAND_SEGMENT, decoder->modrm >> 3 & 7, 2};
	case PLACE_VECTOR:
		return (struct operand){OPERAND_VECTOR, reg_number(decoder),
					vector_bytes(decoder, opcode->flags)};
	case PLACE_ACCUMULATOR:
		return (struct operand){OPERAND_REGISTER, GPR_RAX, bytes};
	case PLACE_COUNTER:
		return (struct operand){OPERAND_REGISTER, GPR_RCX, 1};
	case PLACE_OPCODE:
		return (struct operand){
			OPERAND_REGISTER,
			(u8)((decoder->opcode & 7) | (decoder->rex & REX_B ? 8 : 0)), bytes};
	case PLACE_OFFSET:
		return offset_decode(decoder);
	case PLACE_IMMEDIATE:
		return immediate_decode(decoder, MIN(bytes, 4));
	case PLACE_IMMEDIATE_BYTE:
		return immediate_decode(decoder, 1);
	case PLACE_IMMEDIATE_WORD:
		instruction->immediate = next_unsigned(decoder, 2);
		return (struct operand){OPERAND_IMMEDIATE, 0, 2};
	case PLACE_ONE:
		instruction->immediate = 1;
		return (struct operand){OPERAND_IMMEDIATE, 0, 1};
	case PLACE_NONE:
		break;
	}
	return (struct operand){OPERAND_NONE, 0, 0};
}

static void operands_decode(struct decoder *decoder, const struct opcode *opcode)
{
	const struct form_places *places = &opcode_forms[opcode->form];
	struct instruction *instruction = decoder->instruction;

	instruction->destination = operand_decode(decoder, places->destination, opcode);
	if (places->source)
		instruction->source = operand_decode(decoder, places->source, opcode);
	if (places->count)
		instruction->count = operand_decode(decoder, places->count, opcode);
}

/* F2 and F3 come before 66, and the last of them counts. */
static u8 mandatory_prefix(const struct decoder *decoder)
{
	if (decoder->instruction->repeat)
		return decoder->instruction->repeat == 0xf3 ? MANDATORY_F3 : MANDATORY_F2;
	return decoder->operand_override ? MANDATORY_66 : MANDATORY_NONE;
}

/* C4 and C5: outside of 64-bit code they are LES and LDS with memory operands. */
static bool vex_follows(const struct decoder *decoder, u8 byte)
{
	if (byte != 0xc4 && byte != 0xc5)
		return false;
	return decoder->mode == CPU_MODE_64 ||
	       (decoder->at < decoder->bytes && decoder->code[decoder->at] >> 6 == 3);
}

/* SDM vol. 2, section 2.3.5. What other prefixes take away from VEX makes it undefined. */
static struct opcode vex_decode(struct decoder *decoder, u8 byte)
{
	static const struct opcode none = {OPERATION_UNKNOWN, FORM_NONE, 0};
	struct instruction *instruction = decoder->instruction;
	u8 map = 1, first = next_byte(decoder), last = first;

	if (decoder->rex || decoder->operand_override || instruction->repeat || instruction->lock)
		return none;
	decoder->rex = first & 0x80 ? 0 : REX_R;
	if (byte == 0xc4) {
		last = next_byte(decoder);
		map = first & 0x1f;
		decoder->rex |= (u8)((first & 0x40 ? 0 : REX_X) | (first & 0x20 ? 0 : REX_B) |
				     (last & 0x80 ? REX_W : 0));
	}
	if (decoder->mode != CPU_MODE_64)
		decoder->rex &= REX_W;
	instruction->vex = true;
	instruction->vex_source = ~last >> 3 & 0xf;
	decoder->vex_256 = last & 4;
	decoder->mandatory = last & 3;
	decoder->opcode = next_byte(decoder);
	if (map == 1)
		return opcodes_0f[decoder->opcode];
	return map == 2 ? opcodes_0f38[decoder->opcode] : none;
}

static struct opcode escape_decode(struct decoder *decoder)
{
	decoder->mandatory = mandatory_prefix(decoder);
	decoder->opcode = next_byte(decoder);
	if (decoder->opcode != 0x38)
		return opcodes_0f[decoder->opcode];
	decoder->opcode = next_byte(decoder);
	return opcodes_0f38[decoder->opcode];
}

/* VEX goes with vectors only, and has fields that some leave unused. */
static bool vex_allowed(const struct decoder *decoder, const struct opcode *opcode)
{
	if (opcode->form != FORM_RM_VECTOR && opcode->form != FORM_VECTOR_RM)
		return false;
	if (opcode->flags & OPCODE_VEX_128 && decoder->vex_256)
		return false;
	return opcode->flags & OPCODE_VEX_SOURCE || !decoder->instruction->vex_source;
}

static bool opcode_allowed(const struct decoder *decoder, const struct opcode *opcode)
{
	u32 not_here = decoder->mode == CPU_MODE_64 ? OPCODE_NOT_64 : OPCODE_ONLY_64;
	u8 reg = decoder->modrm >> 3 & 7;

	if (opcode->flags & not_here || opcode->operation == OPERATION_UNKNOWN)
		return false;
	if (opcode->flags & OPCODE_MEMORY && decoder->modrm >> 6 == 3)
		return false;
	if (opcode->form == FORM_SEGMENT_RM && reg == SEGMENT_CS)
		return false;
	if (opcode->form == FORM_SEGMENT_RM || opcode->form == FORM_RM_SEGMENT)
		return reg < SEGMENT_COUNT;
	return !decoder->instruction->vex || vex_allowed(decoder, opcode);
}

static struct opcode opcode_decode(struct decoder *decoder)
{
	u8 byte = prefixes_decode(decoder);
	struct opcode opcode;
	const struct opcode *member;

	decoder->opcode = byte;
	if (byte == 0x0f)
		opcode = escape_decode(decoder);
	else if (vex_follows(decoder, byte))
		opcode = vex_decode(decoder, byte);
	else
		opcode = opcodes_one_byte[byte];
	if (opcode.flags & OPCODE_PREFIXED)
		opcode = opcodes_prefixed[opcode.operation][decoder->mandatory];
	if (opcode_forms[opcode.form].modrm)
		decoder->modrm = next_byte(decoder);
	if (opcode.flags & OPCODE_GROUP) {
		member = &opcode_groups[opcode.operation][decoder->modrm >> 3 & 7];
		opcode.operation = member->operation;
		opcode.flags |= member->flags;
		if (member->form)
			opcode.form = member->form;
	}
	if (!opcode_allowed(decoder, &opcode))
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
	instruction->condition = decoder.opcode & 0xf;
	instruction->aligned = opcode.flags & OPCODE_ALIGNED;
	if (mode != CPU_MODE_64)
		instruction->vex_source &= 7;
	operands_decode(&decoder, &opcode);
	if (decoder.short_of_bytes)
		return -EINVAL;
	instruction->memory.segment = segment_of(&decoder);
	instruction->length = (u8)decoder.at;
	return 0;
}
