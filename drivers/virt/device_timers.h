/* SPDX-License-Identifier: MIT */
/* The moments that a board's devices wait for, which all want the clock of the one board. */
#pragma once

#include <bulkhead/device.h>

/* Those that are armed, by deadline; equal ones in the order in which they were armed. */
struct device_timers {
	struct device_timer *first;
};

/* The deadline that comes first, or DEVICE_TIMER_OFF. */
static inline u64 device_timers_next(const struct device_timers *timers)
{
	return timers->first ? timers->first->deadline : DEVICE_TIMER_OFF;
}

/* As device_host_ops.timer_set. Whether the first deadline may be another one now. */
bool device_timers_set(struct device_timers *timers, struct device_timer *timer,
		       u64 deadline) must_check;
/* Fire those that are due at `now`. What becomes due meanwhile comes the next time: guests make
 * timers that are due at once. */
void device_timers_run(struct device_timers *timers, u64 now);
