/* SPDX-License-Identifier: MIT */
/* The tables by which decode.c understands opcodes. */
#pragma once

#include "instruction.h"

/* Where the operands of an opcode are: destination first. */
enum form {
	FORM_NONE, /* implied, as with string instructions */
	FORM_RM_REG,
	FORM_REG_RM,
	FORM_RM,
	FORM_RM_IMM,  /* immediate of operand size, at most 32 bits */
	FORM_RM_IMM8, /* one byte, sign-extended */
	FORM_RM_ONE,
	FORM_RM_CL,
	FORM_RM_REG_IMM8,
	FORM_RM_REG_CL,
	FORM_RM_SEGMENT,
	FORM_SEGMENT_RM,
	FORM_RM_VECTOR,
	FORM_VECTOR_RM,
	FORM_ACC_IMM,
	FORM_ACC_OFFSET, /* an address in place of the immediate */
	FORM_OFFSET_ACC,
	FORM_OPCODE_REG, /* in the opcode's low three bits */
	FORM_IMM,
	FORM_IMM8,
	FORM_IMM16, /* two bytes, not sign-extended */
	FORM_COUNT,
};

enum opcode_flags {
	OPCODE_BYTE = 1 << 0,	     /* operands are bytes */
	OPCODE_SOURCE_BYTE = 1 << 1, /* the source is, whatever the destination */
	OPCODE_SOURCE_WORD = 1 << 2,
	OPCODE_SOURCE_DWORD = 1 << 3, /* 32 bits, or 16 for a 16-bit destination */
	OPCODE_MAX_DWORD = 1 << 4,    /* REX.W means 32 bits */
	OPCODE_DEFAULT_64 = 1 << 5,   /* 64-bit operands without REX.W in 64-bit mode; 32-bit
				       * ones do not exist */
	OPCODE_FORCE_64 = 1 << 6,     /* nor do 16-bit ones */
	OPCODE_NO_WORD = 1 << 7,      /* an operand-size prefix does not count */
	OPCODE_ONLY_64 = 1 << 8,
	OPCODE_NOT_64 = 1 << 9,
	OPCODE_MEMORY = 1 << 10,   /* with a register in place of memory it is something else */
	OPCODE_GROUP = 1 << 11,	   /* `operation` is an enum group, by the reg field of ModRM */
	OPCODE_PREFIXED = 1 << 12, /* `operation` is an enum prefixed_group, by mandatory prefix */
	OPCODE_PAIR = 1 << 13,	   /* operands of 8 bytes, 16 with REX.W */
	/* Of vectors. Without a width: 16 bytes, or 32 by VEX.L. */
	OPCODE_VECTOR_4 = 1 << 14,
	OPCODE_VECTOR_8 = 1 << 15,
	OPCODE_VECTOR_REX = 1 << 16, /* 4, or 8 with REX.W or VEX.W */
	OPCODE_ALIGNED = 1 << 17,
	OPCODE_VEX_128 = 1 << 18,    /* VEX.L must be 0 */
	OPCODE_VEX_SOURCE = 1 << 19, /* VEX.vvvv is a register */
};

struct opcode {
	u8 operation;
	u8 form;
	u32 flags;
};

enum group {
	GROUP_ALU,
	GROUP_SHIFT,
	GROUP_POP,
	GROUP_MOV,
	GROUP_UNARY,
	GROUP_FE,
	GROUP_FF,
	GROUP_BIT,
	GROUP_CMPXCHG_PAIR,
	GROUP_TABLES,
	GROUP_COUNT,
};

enum prefixed_group {
	PREFIXED_10,
	PREFIXED_11,
	PREFIXED_12,
	PREFIXED_13,
	PREFIXED_16,
	PREFIXED_17,
	PREFIXED_28,
	PREFIXED_29,
	PREFIXED_2B,
	PREFIXED_6E,
	PREFIXED_6F,
	PREFIXED_7E,
	PREFIXED_7F,
	PREFIXED_C3,
	PREFIXED_D6,
	PREFIXED_E7,
	PREFIXED_F0,
	PREFIXED_38_2A,
	PREFIXED_38_F0,
	PREFIXED_38_F1,
	PREFIXED_COUNT,
};

/* Which of an enum prefixed_group: as VEX.pp has them. */
enum mandatory_prefix {
	MANDATORY_NONE,
	MANDATORY_66,
	MANDATORY_F3,
	MANDATORY_F2,
	MANDATORY_COUNT,
};

enum place {
	PLACE_NONE,
	PLACE_RM,
	PLACE_REG,
	PLACE_SEGMENT,
	PLACE_VECTOR,
	PLACE_ACCUMULATOR,
	PLACE_COUNTER, /* CL */
	PLACE_OPCODE,
	PLACE_OFFSET,
	PLACE_IMMEDIATE,
	PLACE_IMMEDIATE_BYTE,
	PLACE_IMMEDIATE_WORD,
	PLACE_ONE,
};

struct form_places {
	u8 destination, source, count; /* enum place */
	bool modrm;
};

extern const struct form_places opcode_forms[FORM_COUNT];
extern const struct opcode opcodes_one_byte[256];
extern const struct opcode opcodes_0f[256];   /* those after 0F */
extern const struct opcode opcodes_0f38[256]; /* those after 0F 38 */
/* Members of a group; a form or flags here replace or add to the opcode's own. */
extern const struct opcode opcode_groups[GROUP_COUNT][8];
extern const struct opcode opcodes_prefixed[PREFIXED_COUNT][MANDATORY_COUNT];
