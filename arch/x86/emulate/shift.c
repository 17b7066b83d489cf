/* SPDX-License-Identifier: MIT */
/*
 * Results and flags of shifts and rotations (SDM vol. 2). A count of 0 leaves the flags alone. OF
 * is defined for a count of 1 and computed in the same way for others, where it is anybody's; AF,
 * which is undefined, is left alone.
 */
#include "instruction.h"

static unsigned count_of(u64 count, unsigned bytes)
{
	return (unsigned)count & (bytes == 8 ? 63 : 31);
}

static u64 with_flag(u64 flags, u64 flag, bool set)
{
	return set ? flags | flag : flags & ~flag;
}

static u64 carry_and_overflow(u64 flags, bool carry, bool overflow)
{
	return with_flag(with_flag(flags, RFLAGS_CF, carry), RFLAGS_OF, overflow);
}

static bool top_bits_differ(u64 value, unsigned bytes)
{
	return (value ^ value << 1) & sign_of(bytes);
}

u64 compute_rol(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes), bits = 8 * bytes, by = count % bits;
	u64 result = by ? a << by | a >> (bits - by) : a;

	if (count)
		*flags = carry_and_overflow(*flags, result & 1,
					    !!(result & sign_of(bytes)) != (result & 1));
	return result;
}

u64 compute_ror(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes), bits = 8 * bytes, by = count % bits;
	u64 result = by ? a >> by | a << (bits - by) : a;

	if (count)
		*flags = carry_and_overflow(*flags, result & sign_of(bytes),
					    top_bits_differ(result, bytes));
	return result;
}

/* Through the carry: a bit at a time, which is rare enough. */
u64 compute_rcl(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes), by = count % (8 * bytes + 1);
	bool carry = *flags & RFLAGS_CF;

	for (unsigned i = 0; i < by; i++) {
		bool out = a & sign_of(bytes);

		a = a << 1 | carry;
		carry = out;
	}
	if (count)
		*flags = carry_and_overflow(*flags, carry, !!(a & sign_of(bytes)) != carry);
	return a;
}

u64 compute_rcr(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes), by = count % (8 * bytes + 1);
	bool carry = *flags & RFLAGS_CF;

	for (unsigned i = 0; i < by; i++) {
		bool out = a & 1;

		a = a >> 1 | (carry ? sign_of(bytes) : 0);
		carry = out;
	}
	if (count)
		*flags = carry_and_overflow(*flags, carry, top_bits_differ(a, bytes));
	return a;
}

u64 compute_shl(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes);
	u64 before = a << (count ? count - 1 : 0);
	u64 result = count ? before << 1 : a;
	bool carry = before & sign_of(bytes);

	if (count)
		*flags = carry_and_overflow(flags_result(*flags, result, bytes), carry,
					    carry != !!(result & sign_of(bytes)));
	return result;
}

u64 compute_shr(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes);
	u64 before = a >> (count ? count - 1 : 0);
	u64 result = count ? before >> 1 : a;

	if (count)
		*flags = carry_and_overflow(flags_result(*flags, result, bytes), before & 1,
					    a & sign_of(bytes));
	return result;
}

u64 compute_sar(u64 a, u64 b, unsigned bytes, u64 *flags)
{
	unsigned count = count_of(b, bytes);
	s64 before = (s64)sign_extend(a, bytes) >> (count ? count - 1 : 0);
	u64 result = (u64)(count ? before >> 1 : before);

	if (count)
		*flags = carry_and_overflow(flags_result(*flags, result, bytes), before & 1, false);
	return result;
}

/* Of 16 bits shifted by more than 16 nothing is defined. */
u64 compute_shld(u64 a, u64 fill, unsigned count, unsigned bytes, u64 *flags)
{
	unsigned bits = 8 * bytes;
	u64 result;

	count = count_of(count, bytes);
	if (!count || count > bits)
		return a;
	result = count == bits ? fill : a << count | fill >> (bits - count);
	*flags = carry_and_overflow(flags_result(*flags, result, bytes), a >> (bits - count) & 1,
				    (a ^ result) & sign_of(bytes));
	return result;
}

u64 compute_shrd(u64 a, u64 fill, unsigned count, unsigned bytes, u64 *flags)
{
	unsigned bits = 8 * bytes;
	u64 result;

	count = count_of(count, bytes);
	if (!count || count > bits)
		return a;
	result = count == bits ? fill : a >> count | fill << (bits - count);
	*flags = carry_and_overflow(flags_result(*flags, result, bytes), a >> (count - 1) & 1,
				    (a ^ result) & sign_of(bytes));
	return result;
}
