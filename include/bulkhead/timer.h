/* SPDX-License-Identifier: MIT */
/*
 * Host timers: one queue per CPU, ordered by TSC deadline. Callbacks run on the timer's own CPU
 * between guests, with interrupts off but no lock held; they may set timers and wake threads, and
 * may not wait.
 */
#pragma once

#include <bulkhead/types.h>

#define TIMER_OFF (~0UL)

struct timer {
	u64 deadline; /* TSC; TIMER_OFF when not armed. Under its CPU's timer_lock. */
	u32 cpu;      /* whose queue it goes to; changed by that CPU only */
	void (*fire)(struct timer *timer);
	struct timer *next;
};

void timer_init(struct timer *timer, u32 cpu, void (*fire)(struct timer *timer));
/* Arm, move, or put off (TIMER_OFF). Any CPU. */
void timer_set(struct timer *timer, u64 deadline);
/* On its own CPU: from now on it fires on another one. No other CPU may set it meanwhile. */
void timer_move(struct timer *timer, u32 cpu);
/* On its own CPU: fire what is due. */
void timer_run_due(void);
