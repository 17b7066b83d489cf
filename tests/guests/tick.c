/* SPDX-License-Identifier: MIT */
/* Sleeps, and wakes up each millisecond to do next to nothing. A line once a second. */
#include "alarm.h"

#define PERIOD_US      1000
#define TICKS_PER_LINE 1000

void guest_main(void)
{
	u64 period, deadline, worst = 0;

	alarm_setup();
	print("tick: every millisecond\n");
	period = us_to_tsc(PERIOD_US);
	deadline = tsc_read();
	for (u64 wakes = 1;; wakes++) {
		deadline += period;
		worst = MAX(worst, alarm_sleep(deadline) - deadline);
		if (wakes % TICKS_PER_LINE == 0)
			print_quickly("tick: %lu wake-ups, worst %lu us late\n", wakes,
				      tsc_to_us(worst));
	}
}
