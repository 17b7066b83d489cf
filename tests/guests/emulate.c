/* SPDX-License-Identifier: MIT */
/*
 * Instructions that touch what is not RAM, in many forms: the I/O APIC's registers, absent
 * addresses, the borders between them and RAM. What a form must leave in registers, memory and
 * flags is computed here.
 */
#include "guest.h"

#include <bulkhead/string.h>

#define SELECT	 0xfec00000UL
#define WINDOW	 0xfec00010UL
#define ABSENT	 0xd0000000UL
#define ENTRY_7	 0x1eU	  /* low half of a redirection entry that is masked */
#define INITIAL	 0x10085U /* masked, vector 85h */
#define FLAG_CF	 BIT(0)
#define FLAG_ZF	 BIT(6)
#define FLAG_SF	 BIT(7)
#define FLAG_OF	 BIT(11)
#define ALL_ONES ~0UL

static u8 buffer[2 * PAGE_SIZE] aligned(PAGE_SIZE);

static volatile u32 *window(void)
{
	return (volatile u32 *)WINDOW;
}

static void entry_set(u32 value)
{
	*(volatile u32 *)SELECT = ENTRY_7;
	*window() = value;
}

static u32 entry_get(void)
{
	return *window();
}

static u64 flags;

/* Run `text` with the window as %0 and `source` as %1 or %k1, %w1, %b1; keeps the flags. */
#define ON_WINDOW(text, source)                                                                    \
	({                                                                                         \
		u64 source_ = (source);                                                            \
		__asm__ volatile(text "\n\tpushfq\n\tpopq %2"                                      \
				 : "+m"(*window()), "+q"(source_), "=r"(flags)                     \
				 :                                                                 \
				 : "memory", "cc");                                                \
		source_;                                                                           \
	})

/* `text` turns an entry of INITIAL into `expected`. */
#define BECOMES(text, source, expected)                                                            \
	do {                                                                                       \
		entry_set(INITIAL);                                                                \
		ON_WINDOW(text, source);                                                           \
		check(entry_get() == (expected), "%s: 0x%x", text, entry_get());                   \
	} while (0)

/* `text` leaves `expected` in the register that held `source`. */
#define YIELDS(text, source, expected)                                                             \
	do {                                                                                       \
		u64 result_;                                                                       \
		entry_set(INITIAL);                                                                \
		result_ = ON_WINDOW(text, source);                                                 \
		check(result_ == (expected), "%s: 0x%lx", text, result_);                          \
	} while (0)

static void flags_are(const char *text, u64 mask, u64 expected)
{
	check((flags & mask) == expected, "%s: flags 0x%lx", text, flags & mask);
}

static void loads_try(void)
{
	YIELDS("movl %0, %k1", ALL_ONES, 0x10085UL);
	YIELDS("movw %0, %w1", 0x1111111111111111, 0x1111111111110085);
	YIELDS("movb %0, %b1", 0x1111111111111111, 0x1111111111111185);
	YIELDS("movq %0, %1", 0, 0xffffffff00010085);
	YIELDS("movzbl %0, %k1", ALL_ONES, 0x85UL);
	YIELDS("movzwl %0, %k1", ALL_ONES, 0x85UL);
	YIELDS("movsbl %0, %k1", 0, 0xffffff85UL);
	YIELDS("movsbq %0, %1", 0, 0xffffffffffffff85);
	YIELDS("movswq %0, %1", 0, 0x85UL);
	YIELDS("movslq %0, %1", 0, 0x10085UL);
	YIELDS("addl %0, %k1", 0x10, 0x10095UL);
	YIELDS("subl %0, %k1", 0x20085, 0x10000UL);
	YIELDS("andl %0, %k1", 0xff, 0x85UL);
	YIELDS("orl %0, %k1", 0x7a, 0x100ffUL);
	YIELDS("xorl %0, %k1", 0x85, 0x10000UL);
}

static void stores_try(void)
{
	BECOMES("movl %k1, %0", 0x10042, 0x10042);
	BECOMES("movl $0x10043, %0", 0, 0x10043);
	BECOMES("andl %k1, %0", 0x1000f, 0x10005);
	BECOMES("andl $0x1000f, %0", 0, 0x10005);
	BECOMES("orl %k1, %0", 0x2, 0x10087);
	BECOMES("orl $0x20, %0", 0, 0x100a5);
	BECOMES("xorl %k1, %0", 0xff, 0x1007a);
	BECOMES("addl %k1, %0", 0x3, 0x10088);
	BECOMES("addl $3, %0", 0, 0x10088);
	BECOMES("subl %k1, %0", 0x5, 0x10080);
	BECOMES("incl %0", 0, 0x10086);
	BECOMES("decl %0", 0, 0x10084);
	BECOMES("btsl $3, %0", 0, 0x1008d);
	BECOMES("btrl $0, %0", 0, 0x10084);
	BECOMES("btcl $1, %0", 0, 0x10087);
	BECOMES("lock orl $2, %0", 0, 0x10087);
	YIELDS("xchgl %k1, %0", 0x10011, 0x10085UL);
	check(entry_get() == 0x10011, "xchg stored the other");
	YIELDS("lock xaddl %k1, %0", 0x2, 0x10085UL);
	check(entry_get() == 0x10087, "xadd stored the sum");
}

static void compare_exchange_try(void)
{
	u32 accumulator = INITIAL;

	entry_set(INITIAL);
	__asm__ volatile("lock cmpxchgl %2, %0"
			 : "+m"(*window()), "+a"(accumulator)
			 : "r"(0x10022)
			 : "cc", "memory");
	check(entry_get() == 0x10022 && accumulator == INITIAL, "cmpxchg, equal: 0x%x",
	      entry_get());
	__asm__ volatile("cmpxchgl %2, %0"
			 : "+m"(*window()), "+a"(accumulator)
			 : "r"(0x10033)
			 : "cc", "memory");
	check(entry_get() == 0x10022 && accumulator == 0x10022, "cmpxchg, different: 0x%x",
	      accumulator);
}

static void flags_try(void)
{
	entry_set(INITIAL);
	ON_WINDOW("cmpl %k1, %0", INITIAL);
	flags_are("cmp, equal", FLAG_CF | FLAG_ZF | FLAG_SF | FLAG_OF, FLAG_ZF);
	ON_WINDOW("cmpl %k1, %0", 0x10086);
	flags_are("cmp, below", FLAG_CF | FLAG_ZF | FLAG_SF | FLAG_OF, FLAG_CF | FLAG_SF);
	ON_WINDOW("testl $0x80, %0", 0);
	flags_are("test, a bit that is set", FLAG_ZF, 0);
	ON_WINDOW("testl $0x2, %0", 0);
	flags_are("test, a bit that is not", FLAG_ZF, FLAG_ZF);
	ON_WINDOW("testb %b1, %0", 0x80);
	flags_are("testb, the sign", FLAG_SF | FLAG_ZF, FLAG_SF);
	ON_WINDOW("btl $2, %0", 0);
	flags_are("bt, a bit that is set", FLAG_CF, FLAG_CF);
	ON_WINDOW("btl $1, %0", 0);
	flags_are("bt, a bit that is not", FLAG_CF, 0);
	ON_WINDOW("stc; adcl %k1, %0", 1);
	check(entry_get() == INITIAL + 2, "adc adds the carry: 0x%x", entry_get());
	ON_WINDOW("stc; sbbl %k1, %0", 1);
	check(entry_get() == INITIAL, "sbb takes it off: 0x%x", entry_get());
}

static void addressing_try(void)
{
	u32 value;
	u64 base = WINDOW - 0x1000, index = 0x400, wide;

	entry_set(INITIAL);
	__asm__ volatile("movl (%1,%2,4), %0" : "=r"(value) : "r"(base), "r"(index));
	check(value == INITIAL, "base and scaled index: 0x%x", value);
	__asm__ volatile("movl -0x10(%1), %0" : "=r"(value) : "r"(WINDOW + 0x10));
	check(value == INITIAL, "a negative displacement: 0x%x", value);
	__asm__ volatile("movl (%k1), %0" : "=r"(value) : "r"(WINDOW | 0xffUL << 32));
	check(value == INITIAL, "an address of 32 bits: 0x%x", value);
	__asm__ volatile("movabsl 0xfec00010, %0" : "=a"(value));
	check(value == INITIAL, "movabs: 0x%x", value);
	__asm__ volatile("movq %1, %%r9; movl (%%r9), %%r15d; movl %%r15d, %0"
			 : "=r"(value)
			 : "r"(WINDOW)
			 : "r9", "r15");
	check(value == INITIAL, "registers from r8 on: 0x%x", value);
	__asm__ volatile("xorl %%eax, %%eax; movb (%1), %%ah; movq %%rax, %0"
			 : "=r"(wide)
			 : "r"(WINDOW)
			 : "rax");
	check(wide == 0x8500, "a high byte: 0x%lx", wide);
	__asm__ volatile("pushq (%1); popq %0" : "=r"(wide) : "r"(WINDOW) : "memory");
	check(wide == 0xffffffff00010085, "push: 0x%lx", wide);
	__asm__ volatile("pushq %0; popq (%1)" : : "r"(0x10044UL), "r"(WINDOW) : "memory");
	check(entry_get() == 0x10044, "pop: 0x%x", entry_get());
}

static bool all_are(const u8 *bytes, u64 count, u8 value)
{
	while (count && *bytes == value) {
		bytes++;
		count--;
	}
	return !count;
}

static void copy(u64 to, u64 from, u64 count)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
	check(count == 0, "rep movsb ends with a count of 0");
}

static void strings_try(void)
{
	u64 address = ABSENT, count = 1000, value, before;

	memset(buffer, 0x11, sizeof(buffer));
	copy((u64)buffer + 3, ABSENT + PAGE_SIZE - 100, 5000);
	check(all_are(buffer, 3, 0x11) && all_are(buffer + 3, 5000, 0xff) && buffer[5003] == 0x11,
	      "rep movsb from absent memory gives ones");
	copy(ABSENT - 100, (u64)buffer, 300);
	__asm__ volatile("rep stosl" : "+D"(address), "+c"(count) : "a"(0) : "memory");
	check(address == ABSENT + 4000 && count == 0, "rep stosl to absent memory ends behind it");
	address = ABSENT;
	__asm__ volatile("lodsq" : "=a"(value), "+S"(address));
	check(value == ALL_ONES && address == ABSENT + 8, "lodsq: 0x%lx", value);
	address = ABSENT + 64;
	before = address;
	__asm__ volatile("std; stosw; cld" : "+D"(address) : "a"(0) : "memory");
	check(address == before - 2, "stosw downwards");
	address = ABSENT;
	count = 100;
	__asm__ volatile("repe scasb" : "+D"(address), "+c"(count) : "a"(0xff) : "cc");
	check(address == ABSENT + 100 && count == 0, "repe scasb goes on while equal");
	address = ABSENT;
	count = 100;
	__asm__ volatile("repne scasb" : "+D"(address), "+c"(count) : "a"(0xff) : "cc");
	check(address == ABSENT + 1 && count == 99, "repne scasb stops when equal");
	address = (u64)buffer + 3;
	before = ABSENT;
	count = 6000;
	__asm__ volatile("repe cmpsb" : "+D"(before), "+S"(address), "+c"(count)::"cc", "memory");
	check(count == 999, "repe cmpsb stops at the first difference: %lu left", count);
}

/* RAM ends, or begins, within one access. */
static void crossing_try(void)
{
	u64 end = guest_memory_bytes;
	volatile u64 *across = (volatile u64 *)(end - 4);
	volatile u64 *last = (volatile u64 *)(end - 8);

	*last = 0x1122334455667788;
	check(*across == 0xffffffff11223344, "a read across the end of RAM: 0x%lx", *across);
	*across = 0xaabbccdd99887766;
	check(*last == 0x9988776655667788, "a write across it: 0x%lx", *last);
	__asm__ volatile("lock addq $1, %0" : "+m"(*across)::"cc", "memory");
	check(*last == 0x9988776755667788, "an addition across it: 0x%lx", *last);
	check(*(volatile u64 *)(ABSENT + PAGE_SIZE - 3) == ALL_ONES,
	      "a read across two absent pages");
	*(volatile u64 *)(ABSENT + PAGE_SIZE - 3) = 0;
	check(*(volatile u64 *)(SELECT + PAGE_SIZE - 4) == ALL_ONES,
	      "a read from the I/O APIC's page into the next");
	copy(end - 100, (u64)buffer + 3, 200);
	check(all_are((u8 *)end - 100, 100, 0xff), "a copy across the end of RAM");
}

void guest_main(void)
{
	loads_try();
	stores_try();
	compare_exchange_try();
	flags_try();
	addressing_try();
	strings_try();
	crossing_try();
	entry_set(0x10000);
	checks_end("emulate");
}
