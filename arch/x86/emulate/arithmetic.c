/* SPDX-License-Identifier: MIT */
/* Results and flags of operations on integers, as SDM vol. 2 has them for each instruction. */
#include "instruction.h"

#define EVEN_PARITY_OF_4 0x9669u /* bit n: n has an even number of ones */

u64 flags_result(u64 flags, u64 result, unsigned bytes)
{
	flags &= ~(RFLAGS_PF | RFLAGS_ZF | RFLAGS_SF);
	if (EVEN_PARITY_OF_4 >> ((result ^ result >> 4) & 0xf) & 1)
		flags |= RFLAGS_PF;
	if (!(result & mask_of(bytes)))
		flags |= RFLAGS_ZF;
	if (result & sign_of(bytes))
		flags |= RFLAGS_SF;
	return flags;
}

/* `carries` has a bit for every position that carried (or borrowed) out, `overflow` counts at the
 * sign. */
static u64 flags_arithmetic(u64 flags, u64 carries, u64 overflow, u64 result, unsigned bytes)
{
	flags &= ~(RFLAGS_CF | RFLAGS_AF | RFLAGS_OF);
	if (carries & sign_of(bytes))
		flags |= RFLAGS_CF;
	if (carries & BIT(3))
		flags |= RFLAGS_AF;
	if (overflow & sign_of(bytes))
		flags |= RFLAGS_OF;
	return flags_result(flags, result, bytes);
}

static u64 add_with(u64 a, u64 b, u64 carry, unsigned bytes, u64 *flags)
{
	u64 result = a + b + carry;
	u64 carries = (a & b) | ((a | b) & ~result);

	*flags = flags_arithmetic(*flags, carries, (a ^ result) & (b ^ result), result, bytes);
	return result;
}

static u64 subtract_with(u64 a, u64 b, u64 borrow, unsigned bytes, u64 *flags)
{
	u64 result = a - b - borrow;
	u64 borrows = (~a & b) | (~(a ^ b) & result);

	*flags = flags_arithmetic(*flags, borrows, (a ^ b) & (a ^ result), result, bytes);
	return result;
}

/* AF is undefined after logical operations; processors clear it. */
static u64 logical(u64 result, unsigned bytes, u64 *flags)
{
	*flags = flags_result(*flags & ~(RFLAGS_CF | RFLAGS_AF | RFLAGS_OF), result, bytes);
	return result;
}

u64 compute_add(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return add_with(a, b, 0, bytes, flags);
}

u64 compute_adc(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return add_with(a, b, *flags & RFLAGS_CF, bytes, flags);
}

u64 compute_sub(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return subtract_with(a, b, 0, bytes, flags);
}

u64 compute_sbb(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return subtract_with(a, b, *flags & RFLAGS_CF, bytes, flags);
}

u64 compute_and(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return logical(a & b, bytes, flags);
}

u64 compute_or(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return logical(a | b, bytes, flags);
}

u64 compute_xor(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return logical(a ^ b, bytes, flags);
}

u64 compute_not(u64 a, u64 b unused, unsigned bytes unused, u64 *flags unused)
{
	return ~a;
}

u64 compute_neg(u64 a, u64 b unused, unsigned bytes, u64 *flags)
{
	return subtract_with(0, a, 0, bytes, flags);
}

/* INC and DEC leave CF alone. */
u64 compute_inc(u64 a, u64 b unused, unsigned bytes, u64 *flags)
{
	u64 carry = *flags & RFLAGS_CF;
	u64 result = add_with(a, 1, 0, bytes, flags);

	*flags = (*flags & ~RFLAGS_CF) | carry;
	return result;
}

u64 compute_dec(u64 a, u64 b unused, unsigned bytes, u64 *flags)
{
	u64 carry = *flags & RFLAGS_CF;
	u64 result = subtract_with(a, 1, 0, bytes, flags);

	*flags = (*flags & ~RFLAGS_CF) | carry;
	return result;
}

u64 compute_mov(u64 a unused, u64 b, unsigned bytes unused, u64 *flags unused)
{
	return b;
}

u64 compute_movbe(u64 a unused, u64 b, unsigned bytes, u64 *flags unused)
{
	return __builtin_bswap64(b) >> (64 - 8 * bytes);
}

/* OF, SF, AF and PF are undefined after bit tests; they are left alone. */
static u64 bit_test(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	u64 bit = 1UL << (b & (8 * bytes - 1));

	*flags = (*flags & ~RFLAGS_CF) | (a & bit ? RFLAGS_CF : 0);
	return bit;
}

u64 compute_bt(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	bit_test(a, b, bytes, flags);
	return a;
}

u64 compute_bts(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return a | bit_test(a, b, bytes, flags);
}

u64 compute_btr(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return a & ~bit_test(a, b, bytes, flags);
}

u64 compute_btc(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	return a ^ bit_test(a, b, bytes, flags);
}
