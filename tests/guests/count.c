/* SPDX-License-Identifier: MIT */
/*
 * Works without a pause, with interrupts on. A line for each second of its own time says how much
 * it did in it, in rounds of 1000 instructions: what its neighbours took from it is missing there.
 */
#include "guest.h"

/* Rounds until the TSC has reached `deadline`; the numbers add up to 1000 instructions in each. */
static u64 work_until(u64 deadline)
{
	u64 rounds = 0;

	__asm__ volatile("1:	mov $496, %%ecx\n"
			 "2:	dec %%ecx\n"
			 "	jnz 2b\n"
			 "	nop\n"
			 "	inc %0\n"
			 "	rdtsc\n"
			 "	shl $32, %%rdx\n"
			 "	or %%rdx, %%rax\n"
			 "	cmp %1, %%rax\n"
			 "	jb 1b\n"
			 : "+r"(rounds)
			 : "r"(deadline)
			 : "rax", "rcx", "rdx", "cc");
	return rounds;
}

void guest_main(void)
{
	u64 second = tsc_hz();

	print("count: a round has 1000 instructions\n");
	interrupts_on();
	work_until(second);
	for (u64 number = 1;; number++) {
		u64 rounds = work_until((number + 1) * second);

		print_quickly("%lu s: %lu\n", number, rounds);
	}
}
