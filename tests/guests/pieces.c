/* SPDX-License-Identifier: MIT */
/*
 * RAM that is cleared when it is touched, 2 MiB at a time: touched in every way, by instructions,
 * by the delivery of events, by the hypervisor, and by all vCPUs at once. It leaves its RAM full of
 * patterns: whoever has it next must find zeros.
 */
#include "apic.h"

#include <bulkhead/string.h>

#define PIECE	     (2 * MIB)
#define PAGE	     0x8000UL /* where the others begin */
#define WAIT_US	     5000000
#define STALE	     0x5a5a5a5a5a5a5a5aUL
#define VECTOR_SOFT  0x40
#define VECTOR_PIT   0x48
#define VECTOR_NMI   2
#define ICR_NMI	     0x400u
#define ICR_INIT     0x500u
#define ICR_STARTUP  0x600u
#define PORT_NOBODY  0x80
#define PORT_CMOS    0x70
#define PORT_PIC     0x20
#define PORT_PIT     0x40
#define PIC_EOI	     0x20
#define NOWHERE	     0x8000001238UL /* linear: the loader maps less */
#define MSR_CLOCK    0x4b564d01
#define IOAPIC_INDEX ((volatile u32 *)0xfec00000)
#define IOAPIC_DATA  ((volatile u32 *)0xfec00010)
#define VERSION	     1

/* Of a TSS: where the stacks of exceptions and of interrupts are (SDM vol. 3, figure 8-11). */
#define TSS_IST1 36
#define TSS_IST2 44

extern const u8 smp_begin[], smp_end[];
extern u64 smp_cr3, smp_gdt[2];
void smp_main(void);

static u64 next = PIECE, top; /* no piece from `next` on was touched */
static u64 resume, faulted, string_piece;
static volatile u64 came, cr2_seen;
static volatile u32 started, vcpus = 1, together;

static u64 fresh(void)
{
	next += PIECE;
	return next - PIECE;
}

static bool is_zero(u64 from, u64 to)
{
	for (u64 at = from; at < to; at += 8)
		if (*(volatile u64 *)at)
			return false;
	return true;
}

/* --- by instructions --- */

static void instructions_try(void)
{
	u64 piece = fresh(), other = fresh(), word = 5;

	check(is_zero(piece, piece + PIECE), "a read finds zeros");
	*(volatile u64 *)(other + 16) = 7;
	check(*(volatile u64 *)(other + 16) == 7 && is_zero(other, other + 16) &&
		      is_zero(other + 24, other + PIECE),
	      "a write stays, and zeros are around it");
	piece = fresh();
	__asm__ volatile("lock xaddq %0, %1" : "+r"(word), "+m"(*(volatile u64 *)piece));
	check(!word && *(volatile u64 *)piece == 5, "an atomic one adds to zero");
	piece = fresh();
	(void)fresh();
	*(volatile u64 *)(piece + PIECE - 4) = 0x1122334455667788;
	check(*(volatile u32 *)(piece + PIECE) == 0x11223344 &&
		      *(volatile u32 *)(piece + PIECE - 4) == 0x55667788,
	      "one write touches two pieces");
	piece = fresh();
	(void)fresh();
	memset((void *)(piece + PIECE - 64), 0xa5, 128);
	check(is_zero(piece, piece + PIECE - 64) && is_zero(piece + PIECE + 64, piece + 2 * PIECE),
	      "a string is written where it should be");
}

/* --- by the delivery of events --- */

static volatile u64 *tss_at(u64 offset)
{
	struct packed {
		u16 limit;
		u64 base;
	} table;
	const u64 *descriptor;
	u16 selector;

	__asm__ volatile("sgdt %0" : "=m"(table));
	__asm__ volatile("str %0" : "=r"(selector));
	descriptor = (const u64 *)(table.base + (selector & ~7u));
	return (volatile u64 *)((descriptor[0] >> 16 & 0xffffff) + (descriptor[0] >> 56 << 24) +
				offset);
}

static void on_interrupt(struct frame *frame)
{
	came = frame->vector;
	if (frame->vector == VECTOR_PIT)
		out8(PORT_PIC, PIC_EOI);
}

/* By the 8259, whose interrupts are injected on all CPUs. */
static void pit_interrupt(void)
{
	out8(PORT_PIC, 0x11);
	out8(PORT_PIC + 1, VECTOR_PIT);
	out8(PORT_PIC + 1, 4);
	out8(PORT_PIC + 1, 1);
	out8(PORT_PIC + 1, 0xfe);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	out8(PORT_PIT + 3, 0x30); /* counter 0, once */
	out8(PORT_PIT, 100);
	out8(PORT_PIT, 0);
}

/* What CR2 is must not change because the hypervisor reads a string that is not there yet. */
static void on_exception(struct frame *frame)
{
	u64 source = string_piece, count = 16;

	came = frame->vector;
	if (frame->vector != VECTOR_PF)
		return;
	faulted = frame->error;
	__asm__ volatile("rep outsb" : "+S"(source), "+c"(count) : "d"(PORT_NOBODY) : "memory");
	__asm__ volatile("movq %%cr2, %0" : "=r"(cr2_seen));
	frame->rip = resume;
}

static void expect_event(u64 vector, u64 stack, const char *what)
{
	u64 end = tsc_read() + us_to_tsc(WAIT_US);

	while (came != vector && tsc_read() < end)
		take_interrupts();
	check(came == vector && !is_zero(stack + PIECE - 64, stack + PIECE) &&
		      is_zero(stack, stack + PIECE / 2),
	      "%s is delivered to a stack that is not there yet", what);
	came = 0;
}

static void interrupts_try(void)
{
	u64 stack = fresh();

	interrupt_stack(2);
	handler_set(VECTOR_SOFT, on_interrupt);
	handler_set(VECTOR_PIT, on_interrupt);
	*tss_at(TSS_IST2) = stack + PIECE;
	__asm__ volatile("int %0" : : "i"(VECTOR_SOFT) : "memory");
	expect_event(VECTOR_SOFT, stack, "a software interrupt");
	stack = fresh();
	*tss_at(TSS_IST2) = stack + PIECE;
	pit_interrupt();
	expect_event(VECTOR_PIT, stack, "an interrupt");
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	interrupt_stack(0);
}

static void exceptions_try(void)
{
	u64 usual = *tss_at(TSS_IST1), stack = fresh();

	exception_handler = on_exception;
	*tss_at(TSS_IST1) = stack + PIECE;
	__asm__ volatile("int3" : : : "memory");
	expect_event(3, stack, "a breakpoint");
	stack = fresh();
	*tss_at(TSS_IST1) = stack + PIECE;
	apic_send(cpuid(1, 0).ebx >> 24, ICR_ASSERT | ICR_NMI);
	expect_event(VECTOR_NMI, stack, "an NMI");
	stack = fresh();
	string_piece = fresh();
	*tss_at(TSS_IST1) = stack + PIECE;
	__asm__ volatile("movq $1f, %0\n\tmovq %%rax, (%1)\n1:"
			 : "=m"(resume)
			 : "r"(NOWHERE)
			 : "memory");
	check(faulted == 2 && cr2_seen == NOWHERE, "CR2 is the guest's: 0x%lx", cr2_seen);
	expect_event(VECTOR_PF, stack, "a page fault");
	*tss_at(TSS_IST1) = usual;
	exception_handler = NULL;
}

/* --- by the hypervisor --- */

static void hypervisor_try(void)
{
	u64 piece = fresh(), target = piece + 8, count = 4;

	out8(PORT_CMOS, 0x0d); /* a register that reads 80h: the clock has power */
	__asm__ volatile("rep insb" : "+D"(target), "+c"(count) : "d"(PORT_CMOS + 1) : "memory");
	check(*(volatile u32 *)(piece + 8) == 0x80808080 && is_zero(piece + 16, piece + PIECE),
	      "a string of a port's is read to where nothing is yet: 0x%x",
	      *(volatile u32 *)(piece + 8));
	piece = fresh();
	msr_write(MSR_CLOCK, piece | 1);
	check(*(volatile u32 *)piece && is_zero(piece + 64, piece + PIECE),
	      "the clock's record is written there");
	msr_write(MSR_CLOCK, 0);
}

/* --- by instructions that drivers use, too --- */

static __attribute__((noinline)) u32 load(const volatile u32 *at)
{
	return *at;
}

static __attribute__((noinline)) void store(volatile u32 *at, u32 value)
{
	*at = value;
}

static void drivers_try(void)
{
	bool good = true;

	for (u32 i = 0; i < 4; i++) {
		u64 piece = fresh(), other = fresh();
		u32 version;

		for (u32 j = 0; j < 4; j++) {
			store(IOAPIC_INDEX, VERSION);
			version = load(IOAPIC_DATA);
			good = good && version && version != ~0u;
		}
		good = good && !load((volatile u32 *)(piece + 16));
		store((volatile u32 *)(other + 16), 3 + i);
		good = good && *(volatile u64 *)(other + 16) == 3 + i &&
		       load(IOAPIC_DATA) == version;
	}
	check(good, "moves that reached devices reach RAM");
}

/* --- by all at once --- */

static void meet(u32 times)
{
	__atomic_fetch_add(&together, 1, __ATOMIC_SEQ_CST);
	while (together < vcpus * times)
		__asm__ volatile("pause");
}

/* Each adds one to a word of each piece, at the same time as the others. */
static void go_through(void)
{
	u64 piece = next;

	for (u32 i = 1; piece < top; i++, piece += PIECE) {
		meet(i);
		__atomic_fetch_add((u64 *)(piece + 512), 1, __ATOMIC_SEQ_CST);
	}
	meet((u32)((top - next) / PIECE) + 1);
}

void smp_main(void)
{
	interrupt_table_load();
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
	while (vcpus == 1)
		__asm__ volatile("pause");
	go_through();
	for (;;)
		wait_interrupt();
}

static void others_start(void)
{
	u64 end = tsc_read() + us_to_tsc(WAIT_US);
	u32 all = (cpuid(1, 0).ebx >> 16 & 0xff) - 1;

	__asm__ volatile("mov %%cr3, %0" : "=r"(smp_cr3));
	__asm__ volatile("sgdt %0" : "=m"(smp_gdt));
	memcpy((void *)PAGE, smp_begin, (u64)smp_end - (u64)smp_begin);
	apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
	apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | PAGE >> 12);
	while (started < all && tsc_read() < end)
		__asm__ volatile("pause");
	check(started == all, "%u others begin", all);
}

static void together_try(void)
{
	u64 wrong = 0;

	others_start();
	vcpus = started + 1;
	go_through();
	for (u64 piece = next; piece < top; piece += PIECE)
		wrong += *(volatile u64 *)(piece + 512) != vcpus || !is_zero(piece, piece + 512) ||
			 !is_zero(piece + 520, piece + PIECE);
	check(!wrong, "%u vCPUs find %lu pieces cleared once, wrong: %lu", vcpus,
	      (top - next) / PIECE, wrong);
}

void guest_main(void)
{
	top = guest_memory_bytes;
	apic_setup();
	instructions_try();
	interrupts_try();
	exceptions_try();
	hypervisor_try();
	drivers_try();
	together_try();
	for (u64 at = PIECE; at < top; at += 8)
		*(volatile u64 *)at = STALE;
	checks_end("pieces");
}
