/* SPDX-License-Identifier: MIT */
/*
 * MOVs and their like that touch what is not RAM again and again, while something about them
 * changes: the code, the page that it is in, the operand, the device's answer. The hypervisor
 * remembers them.
 */
#include "paging.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/string.h>

#define SELECT	0xfec00000UL
#define WINDOW	0xfec00010UL
#define ENTRY_7 0x1eU
#define MASKED	0x10000U

#define TIMES 4

/* Two pages of 2 MiB of RAM, and where else one of them is seen. */
#define FIRST	  0x600000UL
#define SECOND	  0x800000UL
#define ELSEWHERE 0x80000000UL
#define OFFSET	  0x100UL

#define LOAD_EAX  0x8b, 0x01, 0xc3	       /* mov eax, [rcx]; ret */
#define LOAD_EDX  0x8b, 0x11, 0xc3	       /* mov edx, [rcx]; ret */
#define LOAD_AL	  0x8a, 0x01, 0xc3	       /* mov al, [rcx]; ret */
#define LOAD_BYTE 0x0f, 0xb6, 0x01, 0xc3       /* movzx eax, byte [rcx]; ret */
#define STORE_EAX 0x89, 0x01, 0xc3	       /* mov [rcx], eax; ret */
#define STORE(n)  0xc7, 0x01, n, 0, 1, 0, 0xc3 /* mov dword [rcx], 10000h | n; ret */

static u64 eax, edx; /* before and after run() */

static void code_put(u64 page, const u8 *code, size_t bytes)
{
	memcpy((void *)(page + OFFSET), code, bytes);
}
#define CODE(page, ...) code_put(page, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static void run(u64 page, u64 operand)
{
	__asm__ volatile("call *%[code]"
			 : "+a"(eax), "+d"(edx)
			 : [code] "r"(page + OFFSET), "c"(operand)
			 : "cc", "memory");
}

static void run_often(u64 page, u64 operand)
{
	for (unsigned i = 0; i < TIMES; i++)
		run(page, operand);
}

static void entry_set(u32 value)
{
	*(volatile u32 *)SELECT = ENTRY_7;
	*(volatile u32 *)WINDOW = value;
}

/* The device's answer, not the last one. */
static void answers_try(void)
{
	CODE(FIRST, LOAD_EAX);
	for (u32 i = 1; i <= TIMES; i++) {
		entry_set(MASKED | i);
		eax = ~0UL;
		run(FIRST, WINDOW);
		check(eax == (MASKED | i), "load %u: 0x%lx", i, eax);
	}
}

/* Another instruction where one was. */
static void code_try(void)
{
	entry_set(MASKED | 0x42);
	CODE(FIRST, LOAD_EAX);
	run_often(FIRST, WINDOW);
	CODE(FIRST, LOAD_EDX);
	eax = edx = 0;
	run_often(FIRST, WINDOW);
	check(eax == 0 && edx == (MASKED | 0x42), "another register: 0x%lx 0x%lx", eax, edx);
	CODE(FIRST, LOAD_AL);
	eax = 0x1122334455667788;
	run_often(FIRST, WINDOW);
	check(eax == 0x1122334455667742, "a byte of it: 0x%lx", eax);
	CODE(FIRST, LOAD_BYTE);
	run_often(FIRST, WINDOW);
	check(eax == 0x42, "a byte, zero-extended: 0x%lx", eax);
	for (u8 i = 1; i <= TIMES; i++) {
		CODE(FIRST, STORE(i));
		run(FIRST, WINDOW);
		check(*(volatile u32 *)WINDOW == (MASKED | i), "another number: 0x%x",
		      *(volatile u32 *)WINDOW);
	}
}

/* RFLAGS behind an instruction that finds `value` in the window, and changes it. */
#define MODIFY(text, value)                                                                        \
	({                                                                                         \
		u64 after;                                                                         \
		entry_set(value);                                                                  \
		__asm__ volatile(text "; pushfq; popq %[flags]"                                    \
				 : [flags] "=r"(after), "+a"(eax)                                  \
				 : "c"(WINDOW)                                                     \
				 : "cc", "memory");                                                \
		after;                                                                             \
	})

/* What is computed there, and with it. */
static void modify_try(void)
{
	volatile u32 *window = (volatile u32 *)WINDOW;
	u64 flags;

	for (u32 i = 1; i <= TIMES; i++) {
		flags = MODIFY("orl $0x20, (%%rcx)", MASKED | i);
		check(*window == (MASKED | 0x20 | i) && !(flags & RFLAGS_ZF), "or %u: 0x%x", i,
		      *window);
		flags = MODIFY("andl $0, (%%rcx)", MASKED | i);
		check(!*window && flags & RFLAGS_ZF, "and %u: 0x%x", i, *window);
		flags = MODIFY("subl $1, (%%rcx)", MASKED);
		check(*window == 0xafff && flags & RFLAGS_PF, "sub: 0x%x", *window);
		flags = MODIFY("cmpl $0x10040, (%%rcx)", MASKED | 0x40 | (i & 1));
		check(*window == (MASKED | 0x40 | (i & 1)) &&
			      (flags & RFLAGS_ZF ? 0 : 1) == (i & 1),
		      "cmp %u: 0x%lx", i, flags);
		eax = 0xffffffff00000000 | i;
		flags = MODIFY("addl (%%rcx), %%eax", MASKED);
		check(eax == (MASKED | i), "add %u: 0x%lx", i, eax);
		eax = MASKED | 0x50 | i;
		flags = MODIFY("xchgl %%eax, (%%rcx)", MASKED | i);
		check(eax == (MASKED | i) && *window == (MASKED | 0x50 | i), "xchg %u: 0x%lx", i,
		      eax);
	}
}

/* An operand that begins in RAM, and ends where others of this instruction have begun. */
static void across_try(void)
{
	u8 *end = (u8 *)guest_memory_bytes;
	u32 last = 0x12345678;

	memcpy(end - 4, &last, 4);
	CODE(FIRST, LOAD_EAX);
	run_often(FIRST, (u64)end);
	check(eax == 0xffffffff, "behind RAM: 0x%lx", eax);
	run(FIRST, (u64)end - 2);
	check(eax == 0xffff1234, "across its end: 0x%lx", eax);
	CODE(FIRST, STORE_EAX);
	eax = 0xaabbccdd;
	run_often(FIRST, (u64)end);
	run(FIRST, (u64)end - 2);
	memcpy(&last, end - 4, 4);
	check(last == 0xccdd5678, "stored across: 0x%x", last);
}

static void map(u64 page)
{
	volatile u64 *entry = entry_of(ELSEWHERE);

	*entry = (*entry & ~ENTRY_BASE) | page;
	entry_forget(ELSEWHERE);
}

/* Other code at the same address. */
static void page_try(void)
{
	entry_set(MASKED | 0x55);
	CODE(FIRST, LOAD_EAX);
	CODE(SECOND, LOAD_EDX);
	map(FIRST);
	run_often(ELSEWHERE, WINDOW);
	map(SECOND);
	eax = edx = 0;
	run_often(ELSEWHERE, WINDOW);
	check(eax == 0 && edx == (MASKED | 0x55), "another page: 0x%lx 0x%lx", eax, edx);
	map(ELSEWHERE);
}

static volatile u64 trap_rip;

static void trapped(struct frame *frame)
{
	trap_rip = frame->rip;
	frame->rflags &= ~RFLAGS_TF;
}

/* Where the MOV ends. */
static __attribute__((noinline)) u64 step(void)
{
	u64 behind;

	__asm__ volatile("pushfq; orq %[tf], (%%rsp); popfq; movl (%[window]), %%eax\n"
			 "1: nop; nop; nop; leaq 1b(%%rip), %[behind]"
			 : [behind] "=&r"(behind)
			 : [tf] "i"(RFLAGS_TF), [window] "r"(WINDOW)
			 : "rax", "cc", "memory");
	return behind;
}

/* A trap comes after it, not later. */
static void trap_try(void)
{
	exception_handler = trapped;
	for (unsigned i = 0; i < TIMES; i++) {
		u64 behind = step();

		check(trap_rip == behind, "single step %u: 0x%lx, not 0x%lx", i, trap_rip, behind);
		trap_rip = 0;
	}
	exception_handler = NULL;
}

void guest_main(void)
{
	answers_try();
	code_try();
	modify_try();
	across_try();
	page_try();
	trap_try();
	entry_set(MASKED);
	checks_end("moves");
}
