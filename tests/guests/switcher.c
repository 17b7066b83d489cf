/* SPDX-License-Identifier: MIT */
/*
 * For the benchmark, together with a second instance on the same CPU: each uses the FPU and reads
 * the TSC without a pause. Where the TSC jumps, the other had the CPU. A line for each jump says
 * how long it was, and how many turns of the loop were done since the one before; a turn always has
 * the same number of instructions. What is in a jump of one and not in the turns of the other
 * meanwhile is the cost of two switches.
 */
#include "guest.h"

#define JUMPS		  96
#define TURN_INSTRUCTIONS 10   /* in the loop below */
#define JUMP_US		  1000 /* no exit that comes back to the same guest takes so long */

struct jump {
	u64 turns, ticks;
};

static struct jump jumps[JUMPS];

static void fpu_enable(void)
{
	u64 cr0, cr4;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %0, %%cr0" : : "r"((cr0 & ~(BIT(2) | BIT(3))) | BIT(1)));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | BIT(9) | BIT(10)));
}

/* Until the TSC is further by at least `least` from one turn to the next. */
static struct jump turn_until_jump(u64 least)
{
	struct jump jump = {0, 0};
	u64 last;

	__asm__ volatile("	rdtsc\n"
			 "	shl $32, %%rdx\n"
			 "	or %%rdx, %%rax\n"
			 "	mov %%rax, %[last]\n"
			 "1:	inc %[turns]\n"
			 "	paddq %%xmm0, %%xmm1\n"
			 "	rdtsc\n"
			 "	shl $32, %%rdx\n"
			 "	or %%rdx, %%rax\n"
			 "	mov %%rax, %[ticks]\n"
			 "	sub %[last], %[ticks]\n"
			 "	mov %%rax, %[last]\n"
			 "	cmp %[least], %[ticks]\n"
			 "	jb 1b\n"
			 : [turns] "+r"(jump.turns), [ticks] "+r"(jump.ticks), [last] "=&r"(last)
			 : [least] "r"(least)
			 : "rax", "rdx", "cc");
	return jump;
}

void guest_main(void)
{
	u64 least = us_to_tsc(JUMP_US);

	fpu_enable();
	for (u32 i = 0; i < JUMPS; i++)
		jumps[i] = turn_until_jump(least);
	print("switcher: a turn has %u instructions\n", TURN_INSTRUCTIONS);
	for (u32 i = 0; i < JUMPS; i++)
		print_quickly("jump %lu after %lu turns\n", jumps[i].ticks, jumps[i].turns);
	print("switcher: done\n");
}
