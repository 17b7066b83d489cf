/* SPDX-License-Identifier: MIT */
/* Random bytes that are likely to be instructions. */
#pragma once

#include <bulkhead/emulate.h>

static u64 seed = 0x9e3779b97f4a7c15;

static inline u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 11;
}

static inline bool one_in(unsigned n)
{
	return rnd() % n == 0;
}

static inline u8 rnd_byte(void)
{
	return (u8)rnd();
}

/* Prefixes of which two are legacy mandatory ones, and REX if last. */
static inline unsigned code_prefixes(u8 *code)
{
	static const u8 prefixes[] = {0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e,
				      0x36, 0x3e, 0x64, 0x65, 0x48, 0x41, 0x44, 0x42};
	unsigned at = 0;

	while (one_in(3) && at < 5)
		code[at++] = prefixes[rnd() % sizeof(prefixes)];
	if (one_in(4))
		code[at++] = 0x40 | (rnd_byte() & 0xf);
	return at;
}

/* An escape, or VEX, mostly without a third operand; what follows is random already. */
static inline void code_opcode_map(u8 *code)
{
	switch (rnd() % 8) {
	case 0:
	case 1:
		code[0] = 0x0f;
		break;
	case 2:
		code[0] = 0x0f;
		code[1] = 0x38;
		code[2] = one_in(3) ? 0x2a : (u8)(0xf0 | rnd() % 2);
		break;
	case 3:
		code[0] = 0xc5;
		code[1] = (u8)(code[1] | (one_in(2) ? 0x78 : 0) | (one_in(2) ? 0x80 : 0));
		break;
	case 4:
		code[0] = 0xc4;
		code[1] = (u8)((code[1] & 0xe0) | (1 + rnd() % 2));
		code[2] = (u8)(code[2] | (one_in(2) ? 0x78 : 0));
		break;
	default:
		break;
	}
}

static inline void code_make(u8 code[INSTRUCTION_BYTES_MAX + 4])
{
	for (unsigned i = 0; i < INSTRUCTION_BYTES_MAX + 4; i++)
		code[i] = rnd_byte();
	if (!one_in(16))
		code_opcode_map(code + code_prefixes(code));
}
