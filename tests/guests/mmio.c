/* SPDX-License-Identifier: MIT */
/*
 * More instructions that touch what is not RAM, beyond those of emulate.c: shifts, pairs, segment
 * registers, vectors, strings from and to ports, stacks; and accessed and dirty bits.
 */
#include "paging.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/string.h>

#define SELECT	   0xfec00000UL
#define WINDOW	   0xfec00010UL
#define ABSENT	   0xd0000000UL
#define ENTRY_7	   0x1eU
#define MASKED	   0x10000U
#define ALL_ONES   ~0UL
#define PORT_RTC   0x70 /* reads as ones */
#define PORT_DELAY 0x80

#define CPUID_1_ECX_CX16  BIT(13)
#define CPUID_1_ECX_MOVBE BIT(22)
#define CPUID_1_ECX_XSAVE BIT(26)
#define CPUID_1_ECX_AVX	  BIT(28)
#define XCR0_AVX_STATE	  7U

static u8 *ram_end; /* the last bytes of RAM; behind them reads give ones */
static u8 vector_in[32] aligned(32), vector_out[32] aligned(32);

static volatile u64 *across(void)
{
	return (volatile u64 *)(void *)(ram_end - 4);
}

static u32 last_set(u32 value)
{
	memcpy(ram_end - 4, &value, 4);
	return value;
}

static u32 last_get(void)
{
	u32 value;

	memcpy(&value, ram_end - 4, 4);
	return value;
}

static void entry_set(u32 value)
{
	*(volatile u32 *)SELECT = ENTRY_7;
	*(volatile u32 *)WINDOW = value;
}

static u32 entry_get(void)
{
	return *(volatile u32 *)WINDOW;
}

/* `text` on 8 bytes of which the lower half is RAM: what becomes of it. */
#define ACROSS(text, before, expected)                                                             \
	do {                                                                                       \
		last_set(before);                                                                  \
		__asm__ volatile(text : "+m"(*across())::"rax", "rcx", "rdx", "cc", "memory");     \
		check(last_get() == (expected), "%s: 0x%x", text, last_get());                     \
	} while (0)

static void shifts_try(void)
{
	ACROSS("shlq $4, %0", 0x12345678, 0x23456780);
	ACROSS("shrq $4, %0", 0x12345678, 0xf1234567);
	ACROSS("sarq $8, %0", 0x12345678, 0xff123456);
	ACROSS("rolq $8, %0", 0x12345678, 0x345678ff);
	ACROSS("stc; rclq $1, %0", 0x12345678, 0x2468acf1);
	ACROSS("movb $8, %%cl; rorq %%cl, %0", 0x12345678, 0xff123456);
	ACROSS("movl $0xabcdef01, %%eax; shlq $32, %%rax; shldq $8, %%rax, %0", 0x12345678,
	       0x345678ab);
	ACROSS("xorl %%eax, %%eax; shrdq $8, %%rax, %0", 0x12345678, 0xff123456);
	ACROSS("cmpl %%eax, %%eax; sete %0", 0x12345678, 0x12345601);
	ACROSS("movl $0x11223344, %%eax; movnti %%rax, %0", 0, 0x11223344);
}

static void moves_try(void)
{
	u64 value = 5;

	last_set(0x12345678);
	__asm__ volatile("cmpl %k0, %k0; cmovnel %1, %k0" : "+r"(value) : "m"(*across()) : "cc");
	/* cppcheck-suppress knownConditionTrueFalse ; it does not see what asm does */
	check(value == 5, "cmov, not taken: 0x%lx", value);
	__asm__ volatile("cmpl %k0, %k0; cmoveq %1, %0" : "+r"(value) : "m"(*across()) : "cc");
	check(value == 0xffffffff12345678, "cmov, taken: 0x%lx", value);
	__asm__ volatile("pushfq; pushq $0x77; popq %0; popfq" : "=m"(*across())::"memory");
	check(last_get() == 0x77, "pop to memory that ends: 0x%x", last_get());
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_MOVBE))
		return;
	last_set(0x12345678);
	__asm__ volatile("movbe %1, %0" : "=r"(value) : "m"(*across()));
	check(value == 0x78563412ffffffff, "movbe: 0x%lx", value);
	__asm__ volatile("movbe %1, %0" : "=m"(*across()) : "r"(0x1122334455667788UL));
	check(last_get() == 0x44332211, "movbe, stored: 0x%x", last_get());
}

static void pairs_try(void)
{
	u64 low = 0x12345678, high = 0xffffffff;
	u8 equal;

	last_set(0x12345678);
	__asm__ volatile("lock cmpxchg8b %0; sete %3"
			 : "+m"(*across()), "+a"(low), "+d"(high), "=q"(equal)
			 : "b"(0x99887766UL), "c"(1UL)
			 : "cc", "memory");
	check(equal && last_get() == 0x99887766, "cmpxchg8b, equal: 0x%x", last_get());
	__asm__ volatile("cmpxchg8b %0; sete %3"
			 : "+m"(*across()), "+a"(low), "+d"(high), "=q"(equal)
			 : "b"(0UL), "c"(0UL)
			 : "cc", "memory");
	/* cppcheck-suppress knownConditionTrueFalse ; the same */
	check(!equal && low == 0x99887766 && high == 0xffffffff, "cmpxchg8b, different: 0x%lx",
	      low);
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_CX16))
		return;
	low = high = 0;
	__asm__ volatile("lock cmpxchg16b (%3); sete %2"
			 : "+a"(low), "+d"(high), "=q"(equal)
			 : "r"(ABSENT), "b"(0UL), "c"(0UL)
			 : "cc", "memory");
	check(!equal && low == ALL_ONES && high == ALL_ONES, "cmpxchg16b: 0x%lx", low);
	check(attempt("cmpxchg16b (%0)", ::"r"(ABSENT + 8)
		      : "rax", "rdx", "cc", "memory") == VECTOR_GP,
	      "cmpxchg16b must be aligned: vector %u", attempt_vector);
}

static void segments_try(void)
{
	u16 selector, loaded;

	__asm__ volatile("movw %%ds, %0" : "=r"(selector));
	entry_set(MASKED | selector);
	__asm__ volatile("movl $0, %%ecx; movw %%cx, %%es; movw %1, %%es; movw %%es, %0"
			 : "=r"(loaded)
			 : "m"(*(volatile u16 *)WINDOW)
			 : "ecx");
	check(loaded == selector, "a selector from device memory: 0x%x", loaded);
	last_set(0);
	__asm__ volatile("movw %%ds, %0" : "=m"(*(volatile u16 *)(void *)(ram_end - 1)));
	check(last_get() == (u32)selector << 24, "a selector stored across: 0x%x", last_get());
	entry_set(MASKED | 0xfc);
	check(attempt("movw %0, %%es", ::"m"(*(volatile u16 *)WINDOW)
		      : "memory") == VECTOR_GP &&
		      attempt_error == 0xfc,
	      "a selector beyond the table: vector %u, error 0x%x", attempt_vector, attempt_error);
	entry_set(MASKED | selector);
	__asm__ volatile("movw %0, %%ss" : : "m"(*(volatile u16 *)WINDOW));
	__asm__ volatile("movw %%ss, %0" : "=r"(loaded));
	check(loaded == selector, "the stack's: 0x%x", loaded);
	entry_set(MASKED);
}

static void strings_try(void)
{
	u64 address = (u64)ram_end - 2, count = 6;

	last_set(0);
	__asm__ volatile("rep insb" : "+D"(address), "+c"(count) : "d"(PORT_RTC) : "memory");
	check(!count && address == (u64)ram_end + 4 && last_get() == 0xffff0000,
	      "rep insb across the end of RAM: 0x%x", last_get());
	address = ABSENT;
	count = 100;
	__asm__ volatile("rep outsb" : "+S"(address), "+c"(count) : "d"(PORT_DELAY) : "memory");
	check(!count && address == ABSENT + 100, "rep outsb from absent memory");
	address = (u64)ram_end;
	count = 2;
	__asm__ volatile("std; rep insb; cld"
			 : "+D"(address), "+c"(count)
			 : "d"(PORT_RTC)
			 : "memory");
	check(!count && last_get() == 0xffff0000, "rep insb downwards: 0x%x", last_get());
}

/* Calls and pushes with the stack where RAM ends. */
static void stack_try(void)
{
	u64 value = 0x1122334455667788;

	last_set(0);
	__asm__ volatile(
		"movq %%rsp, %%r12; leaq 4(%1), %%rsp; pushq %0; popq %0; movq %%r12, %%rsp"
		: "+r"(value)
		: "r"(ram_end)
		: "r12", "memory");
	check(value == 0xffffffff55667788, "push and pop across the end of RAM: 0x%lx", value);
	__asm__ volatile("movq %%rsp, %%r12; leaq 4(%0), %%rsp; call 1f; 1: movq %%r12, %%rsp"
			 :
			 : "r"(ram_end)
			 : "r12", "memory");
	check(last_get() > 0x100000, "a call that leaves its address there: 0x%x", last_get());
}

#define LOAD(text, from) __asm__ volatile(text " %0, %%xmm5" : : "m"(*(from)) : "memory")
#define STORE(text, to)	 __asm__ volatile(text " %%xmm5, %0" : "=m"(*(to))::"memory")

static u64 word_out(unsigned index)
{
	u64 word;

	memcpy(&word, vector_out + 8 * index, 8);
	return word;
}

static void vector_is(const char *text, u64 low, u64 high)
{
	STORE("movups", (volatile u64(*)[2])vector_out);
	check(word_out(0) == low && word_out(1) == high, "%s: 0x%lx 0x%lx", text, word_out(1),
	      word_out(0));
}

static void vectors_enable(void)
{
	u64 cr0, cr4;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT));
}

static void sse_try(void)
{
	typedef volatile u64 pair[2];

	vectors_enable();
	for (unsigned i = 0; i < sizeof(vector_in); i++)
		vector_in[i] = (u8)(0x10 + i);
	last_set(0x12345678);
	LOAD("movups", (pair *)(void *)(ram_end - 4));
	vector_is("movups across", 0xffffffff12345678, ALL_ONES);
	LOAD("movaps", (pair *)(void *)vector_in);
	LOAD("movlps", across());
	vector_is("movlps across", 0xffffffff12345678, 0x1f1e1d1c1b1a1918);
	LOAD("movaps", (pair *)(void *)vector_in);
	LOAD("movhpd", across());
	vector_is("movhpd across", 0x1716151413121110, 0xffffffff12345678);
	STORE("movhpd", across());
	LOAD("movq", across());
	vector_is("movq across", 0xffffffff12345678, 0);
	entry_set(MASKED | 0x42);
	LOAD("movd", (volatile u32 *)WINDOW);
	vector_is("movd from the I/O APIC", MASKED | 0x42, 0);
	LOAD("movdqa", (pair *)ABSENT);
	vector_is("movdqa", ALL_ONES, ALL_ONES);
	LOAD("movaps", (pair *)(void *)vector_in);
	STORE("movd", (volatile u32 *)WINDOW);
	check((u8)entry_get() == 0x10, "movd to the I/O APIC: 0x%x", entry_get());
	entry_set(MASKED);
	STORE("movdqu", (pair *)(void *)(ram_end - 4));
	check(last_get() == 0x13121110, "movdqu across: 0x%x", last_get());
	STORE("movntdq", (pair *)ABSENT);
	check(attempt("movaps %%xmm5, (%0)", ::"r"(ABSENT + 8)
		      : "memory") == VECTOR_GP,
	      "movaps must be aligned: vector %u", attempt_vector);
}

static bool avx_enable(void)
{
	u32 wanted = CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX;
	u64 cr4;

	if ((cpuid(1, 0).ecx & wanted) != wanted)
		return false;
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
	__asm__ volatile("xsetbv" : : "c"(0), "a"(XCR0_AVX_STATE), "d"(0));
	return true;
}

#define YMM_STORE() __asm__ volatile("vmovups %%ymm5, %0" : "=m"(vector_out))

static void avx_try(void)
{
	volatile u64(*behind)[4] = (void *)(ram_end - 4);

	if (!avx_enable())
		return;
	last_set(0x12345678);
	__asm__ volatile("vmovups %0, %%ymm5" : : "m"(*behind));
	YMM_STORE();
	check(word_out(0) == 0xffffffff12345678 && word_out(3) == ALL_ONES,
	      "vmovups of 32 bytes across: 0x%lx", word_out(0));
	__asm__ volatile("movups %0, %%xmm5" : : "m"(*(volatile u64(*)[2])ABSENT));
	YMM_STORE();
	check(word_out(0) == ALL_ONES && word_out(3) == ALL_ONES, "movups keeps the upper half");
	__asm__ volatile("vmovdqu %0, %%xmm5" : : "m"(*(volatile u64(*)[2])behind));
	YMM_STORE();
	check(word_out(0) == 0xffffffff12345678 && !word_out(2) && !word_out(3),
	      "vmovdqu of 16 bytes clears it: 0x%lx", word_out(2));
	__asm__ volatile("vmovups %0, %%ymm5" : : "m"(vector_in));
	__asm__ volatile("vmovups %%ymm5, %0" : "=m"(*behind)::"memory");
	check(last_get() == 0x13121110, "vmovups stored across: 0x%x", last_get());
	__asm__ volatile("vmovlps %0, %%xmm5, %%xmm5" : : "m"(*across()));
	YMM_STORE();
	check(word_out(0) == 0xffffffff13121110 && word_out(1) == 0x1f1e1d1c1b1a1918 &&
		      !word_out(2),
	      "vmovlps: 0x%lx 0x%lx", word_out(0), word_out(1));
}

static void page_flags_try(void)
{
	volatile u64 *entry = entry_of(ABSENT);

	*entry &= ~ENTRY_FLAGS;
	entry_forget(ABSENT);
	(void)*(volatile u32 *)ABSENT;
	check((*entry & ENTRY_FLAGS) == 0x20, "a read sets accessed: 0x%lx", *entry);
	*(volatile u32 *)ABSENT = 0;
	check((*entry & ENTRY_FLAGS) == ENTRY_FLAGS, "a write sets dirty: 0x%lx", *entry);
}

void guest_main(void)
{
	ram_end = (u8 *)guest_memory_bytes;
	shifts_try();
	moves_try();
	pairs_try();
	segments_try();
	strings_try();
	stack_try();
	sse_try();
	avx_try();
	page_flags_try();
	checks_end("mmio");
}
