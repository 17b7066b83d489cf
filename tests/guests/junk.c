/* SPDX-License-Identifier: MIT */
/*
 * Runs random bytes as code, thousands of times from a fixed seed. Exceptions and a timer lead back
 * here, as long as the bytes have spared this program; whatever else becomes of it, nobody but this
 * partition may notice.
 */
#include "apic.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/string.h>

#define ROUNDS	      4000
#define CODE_BYTES    32
#define NMI	      2
#define PIT_CHANNEL_0 0x40
#define PIT_MODE_0    0x30 /* both bytes; one edge at the end of the count */
#define ROUND_COUNT   300u /* of 1.19 MHz */
#define IOAPIC	      0xfec00000UL
#define IOAPIC_TIMER  0x14 /* the entry of pin 2 */
#define MODE_NMI      0x400
#define REPORT_EACH   1000
#define TABLE_FLAGS   0x03 /* present, writable */
#define HOLE_FIRST    0xa0 /* page numbers */
#define HOLE_LAST     0x100
#define APIC_PAGE     (0xfee00000UL / (2 * MIB))

static u64 state = 0x2545f4914f6cdd1d;
static u8 code[PAGE_SIZE] aligned(PAGE_SIZE);
static u64 resume[2]; /* rsp, rip */
static u64 exceptions[32];
volatile bool in_round; /* changed by junk_run */

void junk_run(const u8 *code, u64 *resume, const u64 *registers);
/* rsp and the callee-saved registers are put aside; the rest is random. The stack has
 * room for as much as a round can push. */
__asm__("junk_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, (%rsi)\n"
	"	movq $1f, 8(%rsi)\n"
	"	mov $0xf00000, %rsp\n"
	"	movb $1, in_round\n"
	"	mov (%rdx), %rax; mov 8(%rdx), %rbx; mov 16(%rdx), %rcx; mov 24(%rdx), %rbp\n"
	"	mov 32(%rdx), %r8; mov 40(%rdx), %r9; mov 48(%rdx), %r10; mov 56(%rdx), %r11\n"
	"	mov 64(%rdx), %rsi; mov 72(%rdx), %r12; mov 80(%rdx), %rdx\n"
	"	sti\n"
	"	jmp *%rdi\n"
	"1:	movb $0, in_round\n" /* an NMI before this one comes here again, and does no harm */
	"	cli; cld\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static u64 low_table[512] aligned(PAGE_SIZE);

static u64 random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Leave the random code, whatever it has done to its registers. */
static void leave(struct frame *frame)
{
	frame->rsp = resume[0];
	frame->rip = resume[1];
	frame->rflags = RFLAGS_FIXED;
}

static void junk_exception(struct frame *frame)
{
	exceptions[frame->vector]++;
	if (in_round)
		leave(frame);
}

/* Registers hold small numbers and addresses of RAM as often as anything. */
static u64 random_register(void)
{
	u64 value = random();

	switch (value & 3) {
	case 0:
		return value;
	case 1:
		return (u16)(value >> 8);
	default:
		return 4 * MIB + (value >> 32) % (8 * MIB);
	}
}

static void round_run(void)
{
	u64 registers[11];

	for (u32 i = 0; i < CODE_BYTES; i++)
		code[i] = (u8)(random() >> 13);
	memset(code + CODE_BYTES, 0xcc, 16);
	for (u32 i = 0; i < ARRAY_SIZE(registers); i++)
		registers[i] = random_register();
	out8(0x43, PIT_MODE_0);
	out8(PIT_CHANNEL_0, (u8)ROUND_COUNT);
	out8(PIT_CHANNEL_0, (u8)(ROUND_COUNT >> 8));
	junk_run(code, resume, registers);
}

/*
 * Only RAM and the APIC stay mapped: on devices, random instructions soon meet one that the
 * emulator does not know, and that ends the run.
 */
static void unmap_absent(void)
{
	u64 cr3, *root, *pointers;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	root = (u64 *)cr3;
	pointers = (u64 *)(root[0] & ~0xfffUL);
	/* The first 2 MiB in small pages, without the legacy video window. */
	for (u64 i = 0; i < ARRAY_SIZE(low_table); i++)
		low_table[i] = i >= HOLE_FIRST && i < HOLE_LAST ? 0 : i << PAGE_SHIFT | TABLE_FLAGS;
	((u64 *)(pointers[0] & ~0xfffUL))[0] = (u64)low_table | TABLE_FLAGS;
	for (u64 page = guest_memory_bytes / (2 * MIB); page < 4 * 512; page++) {
		u64 *directory = (u64 *)(pointers[page / 512] & ~0xfffUL);

		if (page != APIC_PAGE)
			directory[page % 512] = 0;
	}
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

void guest_main(void)
{
	u64 total = 0;

	print("junk: %u rounds of %u random bytes\n", ROUNDS, CODE_BYTES);
	apic_setup();
	*(volatile u32 *)IOAPIC = IOAPIC_TIMER;
	*(volatile u32 *)(IOAPIC + 0x10) = MODE_NMI;
	unmap_absent();
	exception_handler = junk_exception;
	interrupt_stack(2);
	for (u32 i = 1; i <= ROUNDS; i++) {
		round_run();
		if (i % REPORT_EACH == 0) {
			serial_setup();
			print("junk: round %u\n", i);
		}
	}
	for (u32 i = 0; i < ARRAY_SIZE(exceptions); i++)
		total += exceptions[i];
	print("junk: %lu exceptions, %lu of them time-outs\n", total, exceptions[NMI]);
	print("junk: done\n");
}
