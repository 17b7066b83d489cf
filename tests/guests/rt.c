/* SPDX-License-Identifier: MIT */
/*
 * A periodic real-time task: every 10 ms a job of 1.5 ms, which has to be over before the next one
 * is due. The job is a number of loop iterations, so that a CPU that was taken away is missed, not
 * waited for. Once a second a line says how many periods there were, how many jobs came too late,
 * and the longest time from the beginning of a period to the end of its job.
 */
#include "alarm.h"

#include <bulkhead/format.h>

#define PERIOD_US	 10000
#define JOB_US		 1500
#define PERIODS_PER_LINE 100
#define TRIES		 32
#define TRY_ITERATIONS	 2000

/* Printing a whole line would take as long as a job: one byte of it goes out with each job. */
static char line[PERIODS_PER_LINE];
static u32 line_at, line_bytes;

static void iterate(u64 count)
{
	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(count) : : "cc");
}

/* Whoever takes the CPU away makes a try longer, so the shortest one counts. */
static u64 job_iterations(void)
{
	u64 least = ~0UL;

	for (u32 i = 0; i < TRIES; i++) {
		u64 start = tsc_read();

		iterate(TRY_ITERATIONS);
		least = MIN(least, tsc_read() - start);
	}
	return mul_div(us_to_tsc(JOB_US), TRY_ITERATIONS, least);
}

static void line_byte_print(void)
{
	if (line_at < line_bytes)
		print("%c", line[line_at++]);
}

static void line_set(u64 periods, u64 missed, u64 worst)
{
	line_bytes =
		(u32)format_text(line, sizeof(line), "rt: %lu periods, %lu missed, worst %lu us\n",
				 periods, missed, tsc_to_us(worst));
	line_bytes = MIN(line_bytes, (u32)sizeof(line) - 1);
	line_at = 0;
}

void guest_main(void)
{
	u64 iterations, period, release, missed = 0, worst = 0;

	alarm_setup();
	iterations = job_iterations();
	period = us_to_tsc(PERIOD_US);
	release = tsc_read();
	for (u64 periods = 1;; periods++) {
		u64 response;

		release += period;
		alarm_sleep(release);
		iterate(iterations);
		line_byte_print();
		response = tsc_read() - release;
		missed += response > period;
		worst = MAX(worst, response);
		if (periods % PERIODS_PER_LINE == 0)
			line_set(periods, missed, worst);
	}
}
