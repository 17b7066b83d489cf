/* SPDX-License-Identifier: MIT */
/*
 * For the benchmark: how many ticks an exit takes (CPUID) and, sleeping again and again, how many
 * after the deadline the handler of its timer's interrupt began: least, median, most of each. Then
 * it powers off.
 */
#include "alarm.h"

#define SLEEPS	 200
#define SKIPPED	 8 /* the first ones: whatever is done once is done then */
#define SLEEP_US 7000

static u64 exits[SLEEPS], late[SLEEPS];

static void sort(u64 *values, u32 count)
{
	for (u32 i = 1; i < count; i++)
		for (u32 at = i; at > 0 && values[at - 1] > values[at]; at--) {
			u64 moved = values[at];

			values[at] = values[at - 1];
			values[at - 1] = moved;
		}
}

void guest_main(void)
{
	u64 pause = us_to_tsc(SLEEP_US);

	for (u32 i = 0; i < SLEEPS; i++) {
		u64 start = tsc_read();

		(void)cpuid(0, 0);
		exits[i] = tsc_read() - start;
	}
	sort(exits, SLEEPS);
	alarm_setup();
	for (u32 i = 0; i < SKIPPED + SLEEPS; i++) {
		u64 deadline = tsc_read() + pause, at = alarm_sleep(deadline);

		if (i >= SKIPPED)
			late[i - SKIPPED] = at - deadline;
	}
	sort(late, SLEEPS);
	print("sleeper: an exit takes %lu %lu %lu\n", exits[0], exits[SLEEPS / 2],
	      exits[SLEEPS - 1]);
	print("sleeper: %u wake-ups late by %lu %lu %lu\n", SLEEPS, late[0], late[SLEEPS / 2],
	      late[SLEEPS - 1]);
}
