/* SPDX-License-Identifier: MIT */
/* A list of moments in their order: there are few at a time. */
#include "device_timers.h"

static void unlink(struct device_timers *timers, const struct device_timer *timer)
{
	struct device_timer **at = &timers->first;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
}

bool device_timers_set(struct device_timers *timers, struct device_timer *timer, u64 deadline)
{
	struct device_timer **at = &timers->first, *first = timers->first;

	if (timer->deadline != DEVICE_TIMER_OFF)
		unlink(timers, timer);
	timer->deadline = deadline;
	if (deadline != DEVICE_TIMER_OFF) {
		while (*at && (*at)->deadline <= deadline)
			at = &(*at)->next;
		timer->next = *at;
		*at = timer;
	}
	return timers->first != first || first == timer;
}

void device_timers_run(struct device_timers *timers, u64 now)
{
	while (timers->first && timers->first->deadline <= now) {
		struct device_timer *timer = timers->first;

		timers->first = timer->next;
		timer->deadline = DEVICE_TIMER_OFF;
		timer->fire(timer->context);
	}
}
