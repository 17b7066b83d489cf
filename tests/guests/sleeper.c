/* SPDX-License-Identifier: MIT */
/*
 * For the benchmark: sleeps again and again, and says how many ticks after the deadline the handler
 * of its timer's interrupt began: least, median, most. Then it powers off.
 */
#include "alarm.h"

#define SLEEPS	 200
#define SKIPPED	 8 /* the first ones: whatever is done once is done then */
#define SLEEP_US 7000

static u64 late[SLEEPS];

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

	alarm_setup();
	for (u32 i = 0; i < SKIPPED + SLEEPS; i++) {
		u64 deadline = tsc_read() + pause, at = alarm_sleep(deadline);

		if (i >= SKIPPED)
			late[i - SKIPPED] = at - deadline;
	}
	sort(late, SLEEPS);
	print("sleeper: %u wake-ups late by %lu %lu %lu\n", SLEEPS, late[0], late[SLEEPS / 2],
	      late[SLEEPS - 1]);
}
