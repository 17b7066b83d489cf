/* SPDX-License-Identifier: MIT */
/* The words every room speaks: fixed-width integers, a few arithmetic helpers, attributes. */
#pragma once

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define BIT(n)		(1UL << (n))
#define BITS(high, low) ((~0UL >> (63 - (high))) & (~0UL << (low)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define GIB (1UL << 30)

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL

#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A result that says whether something failed may not be dropped. */
#define must_check	  __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define packed		  __attribute__((packed))
#define aligned(n)	  __attribute__((aligned(n)))
#define noreturn	  __attribute__((noreturn))
#define unused		  __attribute__((unused))
#define likely(x)	  __builtin_expect(!!(x), 1)
#define unlikely(x)	  __builtin_expect(!!(x), 0)
#define fallthrough	  __attribute__((fallthrough))
/* Parts of the short ways, and what is kept out of them: what is seldom, and what would make the
 * others save registers. */
#define inlined	 static inline __attribute__((always_inline))
#define seldom	 __attribute__((noinline, cold))
#define outlined __attribute__((noinline))

/* `alignment` is a power of two in both. */
static inline u64 align_down(u64 value, u64 alignment)
{
	return value & ~(alignment - 1);
}

static inline u64 align_up(u64 value, u64 alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

static inline bool is_aligned(u64 value, u64 alignment)
{
	return (value & (alignment - 1)) == 0;
}

/*
 * value * multiplier / divisor with a 128-bit product. The quotient must fit 64 bits (the CPU
 * raises #DE otherwise) and divisor may not be 0.
 */
static inline u64 mul_div(u64 value, u64 multiplier, u64 divisor)
{
	u64 low, high;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(value), "rm"(multiplier) : "cc");
	__asm__("divq %2" : "+a"(low), "+d"(high) : "rm"(divisor) : "cc");
	return low;
}
