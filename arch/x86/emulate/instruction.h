/* SPDX-License-Identifier: MIT */
/* A decoded instruction: what decode.c makes of bytes and execute.c runs. */
#pragma once

#include <bulkhead/emulate.h>

enum operation {
	OPERATION_UNKNOWN,
	OPERATION_ADD, /* these eight in the order of the opcode map and of groups 80 to 83 */
	OPERATION_OR,
	OPERATION_ADC,
	OPERATION_SBB,
	OPERATION_AND,
	OPERATION_SUB,
	OPERATION_XOR,
	OPERATION_CMP,
	OPERATION_TEST,
	OPERATION_NOT,
	OPERATION_NEG,
	OPERATION_INC,
	OPERATION_DEC,
	OPERATION_MOV, /* MOVZX too: the operands differ in width */
	OPERATION_MOVSX,
	OPERATION_XCHG,
	OPERATION_XADD,
	OPERATION_CMPXCHG,
	OPERATION_CMPXCHG_PAIR, /* CMPXCHG8B, CMPXCHG16B */
	OPERATION_MOVBE,
	OPERATION_BT,
	OPERATION_BTS,
	OPERATION_BTR,
	OPERATION_BTC,
	OPERATION_ROL, /* these eight in the order of groups C0 to D3 */
	OPERATION_ROR,
	OPERATION_RCL,
	OPERATION_RCR,
	OPERATION_SHL,
	OPERATION_SHR,
	OPERATION_SHL_ALIAS,
	OPERATION_SAR,
	OPERATION_SHLD,
	OPERATION_SHRD,
	OPERATION_SETCC,
	OPERATION_CMOVCC,
	OPERATION_PUSH,
	OPERATION_POP,
	OPERATION_CALL,
	OPERATION_CALL_RELATIVE,
	OPERATION_JMP,
	OPERATION_RET,
	OPERATION_LOAD_SEGMENT,
	OPERATION_STORE_SEGMENT,
	OPERATION_LOAD_TASK,
	OPERATION_MOVS,
	OPERATION_CMPS,
	OPERATION_STOS,
	OPERATION_LODS,
	OPERATION_SCAS,
	OPERATION_INS,
	OPERATION_OUTS,
	OPERATION_VECTOR_LOAD,	   /* what is above the operand is cleared */
	OPERATION_VECTOR_STORE,	   /* the register's low bytes */
	OPERATION_VECTOR_LOAD_LOW, /* MOVLPS and its like: one half, the other stays */
	OPERATION_VECTOR_LOAD_HIGH,
	OPERATION_VECTOR_STORE_HIGH,
	OPERATION_COUNT,
};

enum operand_kind {
	OPERAND_NONE,
	OPERAND_REGISTER,
	OPERAND_HIGH_BYTE, /* AH, CH, DH, BH: bits 15:8 of the register */
	OPERAND_MEMORY,
	OPERAND_IMMEDIATE,
	OPERAND_SEGMENT, /* enum emulate_segment */
	OPERAND_VECTOR,
};

struct operand {
	u8 kind;
	u8 reg;
	u8 bytes;
};

#define BASE_NONE 0xff
#define BASE_RIP  0xfe /* the next instruction's */

struct memory_operand {
	u8 base;  /* enum cpu_gpr, BASE_NONE or BASE_RIP */
	u8 index; /* enum cpu_gpr or BASE_NONE */
	u8 shift; /* of the index */
	u8 segment;
	u64 displacement;
};

struct instruction {
	u8 operation; /* enum operation */
	u8 length;
	u8 operand_bytes;
	u8 address_bytes;
	u8 repeat;     /* 0, 0xf2 or 0xf3 */
	u8 condition;  /* of SETcc and CMOVcc: the low half of the opcode */
	u8 vex_source; /* the register in VEX.vvvv */
	bool lock;
	bool vex;
	bool aligned;				   /* a vector in memory must be */
	struct operand destination, source, count; /* count: of SHLD and SHRD */
	struct memory_operand memory; /* of the operand that is OPERAND_MEMORY; its segment also
					 string source's */
	u64 immediate;		      /* sign-extended as the instruction wants */
};

/* 0, or -EINVAL: not one that the emulator knows, or longer than `bytes`. */
int instruction_decode(struct instruction *instruction, enum cpu_mode mode, const u8 *code,
		       unsigned bytes) must_check;

/* 0: done; 1: one iteration of a repeated instruction, more to come; -EFAULT: cpu->fault; -ENODEV:
 * ports or vectors cannot be reached. Registers and flags only, and cpu->next, which the caller has
 * set to what follows; rip is the caller's. */
int instruction_execute(struct emulate_cpu *cpu, const struct instruction *instruction) must_check;

/* Low `bytes` bytes, 1 to 8, and the top bit among them. */
static inline u64 mask_of(unsigned bytes)
{
	return ~0UL >> (64 - 8 * bytes);
}

static inline u64 sign_of(unsigned bytes)
{
	return 1UL << (8 * bytes - 1);
}

static inline u64 sign_extend(u64 value, unsigned bytes)
{
	u64 sign = sign_of(bytes);

	return ((value & mask_of(bytes)) ^ sign) - sign;
}

/*
 * The operations themselves: operands cut to `bytes`, the result's upper bits are nobody's. `flags`
 * is RFLAGS, in which those that the operation defines are changed. CMP is compute_sub, TEST
 * compute_and.
 */
typedef u64 compute_fn(u64 destination, u64 source, unsigned bytes, u64 *flags);

compute_fn compute_add, compute_or, compute_adc, compute_sbb, compute_and, compute_sub, compute_xor,
	compute_not, compute_neg, compute_inc, compute_dec, compute_mov, compute_bt, compute_bts,
	compute_btr, compute_btc;

/* An operation that reads its operands, computes, and writes the result. */
struct computation {
	compute_fn *compute;
	bool reads;	/* the destination's old value */
	bool writes;	/* the destination */
	bool exchanges; /* the source takes the destination's old value */
	bool lockable;
};

/* false: it is none of that kind. */
bool operation_computation(u8 operation, struct computation *computation) must_check;

/* PF, ZF and SF. */
u64 flags_result(u64 flags, u64 result, unsigned bytes);

compute_fn compute_movbe, compute_rol, compute_ror, compute_rcl, compute_rcr, compute_shl,
	compute_shr, compute_sar;

/* SHLD and SHRD: bits of `fill` move in. */
typedef u64 compute_double_fn(u64 destination, u64 fill, unsigned count, unsigned bytes,
			      u64 *flags);
compute_double_fn compute_shld, compute_shrd;
