/* SPDX-License-Identifier: MIT */
/* Memory that nobody has touched yet, plain work, and time that is taken away from a guest. */
#include "ops.h"

#define PAGES	    1000
#define PAGE	    4096UL
#define LARGE	    (2UL << 20)
#define FIRST_AREA  0x2000000UL
#define SECOND_AREA 0x2400000UL
#define LARGE_AREA  0x4000000UL
#define LARGE_COUNT 16
#define LAST_AREA   0x6000000UL
#define LAST_COUNT  8

#define ITERATIONS "$1000000"
#define LOOPS	   20
#define PASSES	   3

#define WALK_BASE   0x2000000UL
#define WALK_END    0x2e00000UL
#define WALK_STRIDE 64

#define SPIN_TICKS 40000000UL
#define GAP_TICKS  100

static void touch(const char *name, u64 base, u64 step, u32 count)
{
	struct tally tally = tally_new(name);

	for (u32 i = 0; i < count; i++) {
		ops_address = base + i * step;
		tally_add(&tally,
			  TICKS("mov ops_address(%%rip), %%rsi; movb $1, (%%rsi)") - readings_cost);
	}
	tally_print(&tally);
}

void measure_touch(void)
{
	touch("touch4k_A_hostpopulated", FIRST_AREA, PAGE, PAGES);
	touch("touch4k_A_again", FIRST_AREA, PAGE, PAGES);
	touch("touch4k_B_hostfresh", SECOND_AREA, PAGE, PAGES);
	touch("touch2m_C_hostfresh_thp", LARGE_AREA, LARGE, LARGE_COUNT);
	touch("touch2m_D_hostfresh_4k", LAST_AREA, LARGE, LAST_COUNT);
}

static void walk(void)
{
	for (u64 at = WALK_BASE; at < WALK_END; at += WALK_STRIDE)
		(void)*(volatile u64 *)at;
}

static void measure_walk(void)
{
	struct tally tally = tally_new("memwalk14M_stride64_abs");

	for (u32 i = 0; i < PASSES; i++) {
		u64 start = tsc_read();

		walk();
		tally_add(&tally, tsc_read() - start);
	}
	tally_print(&tally);
}

void measure_loops(void)
{
	MEASURE_ROUNDS("loop_dec_jnz_1M_abs", LOOPS,
		       TICKS("mov " ITERATIONS ", %%ecx\n1: dec %%ecx; jnz 1b"));
	MEASURE_ROUNDS("arith_1M_abs", LOOPS,
		       TICKS("mov " ITERATIONS
			     ", %%ecx\n1: imul $3, %%eax, %%eax; add %%ecx, %%eax; "
			     "ror $5, %%eax; xor %%ecx, %%eax; dec %%ecx; jnz 1b"));
	measure_walk();
	/* EDI is the first reading, and where STOS writes. */
	MEASURE_ROUNDS("rep_stosq_1M_abs", PASSES,
		       TICKS("mov %%edi, %%ebx; mov $0x2000000, %%edi; mov $0x20000, %%ecx; "
			     "xor %%eax, %%eax; rep stosq; mov %%ebx, %%edi"));
}

/* Readings of the TSC without a pause. What is longer from one to the next than it can be went to
 * somebody else: how long the longest one was, and how much it is in all. */
static void gaps(const char *interrupts)
{
	u64 count = 0, all = 0, longest = 0;
	u64 start = tsc_read(), before = start, now;

	do {
		now = tsc_read();
		if (now - before > GAP_TICKS) {
			count++;
			all += now - before;
			longest = MAX(longest, now - before);
		}
		before = now;
	} while (now - start < SPIN_TICKS);
	serial_print("op gap_40M_interrupts_%s_longest %lu %lu %lu\r\n", interrupts, count, longest,
		     longest);
	serial_print("op gap_40M_interrupts_%s_lost %lu %lu %lu\r\n", interrupts, count, all, all);
}

void measure_gaps(void)
{
	gaps("off");
	__asm__ volatile("sti" : : : "memory");
	gaps("on");
	__asm__ volatile("cli" : : : "memory");
}
