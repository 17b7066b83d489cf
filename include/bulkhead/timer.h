/* SPDX-License-Identifier: MIT */
/*
 * Host timers: one queue per CPU, ordered by TSC deadline. Callbacks run on the timer's own CPU
 * between guests, with interrupts off but no lock held; they may set timers and wake threads, and
 * may not wait.
 */
#pragma once

#include <bulkhead/cpu.h>
#include <bulkhead/types.h>

#define TIMER_OFF (~0UL)

struct timer {
	u64 deadline; /* TSC; TIMER_OFF when not armed. In the queue: under its CPU's timer_lock. */
	u32 cpu;      /* whose queue it goes to; changed by that CPU only */
	bool queued;  /* in that CPU's queue, under its timer_lock */
	void (*fire)(struct timer *timer);
	struct timer *next;
};

void timer_init(struct timer *timer, u32 cpu, void (*fire)(struct timer *timer));
/* Arm, move, or put off (TIMER_OFF). Any CPU, unless it was set by timer_set_own. */
void timer_set(struct timer *timer, u64 deadline);
/*
 * The same for a timer that no other CPU ever sets, on its own CPU with interrupts off. The guest
 * that runs sets its clock's timer all the time: the last one that was set this way is beside the
 * queue, where no lock and no search is needed. One that is to be freed is put off by timer_set.
 */
static inline void timer_set_own(struct timer *timer, u64 deadline);
/* When the first one of this CPU is due; others may make it earlier, and call it then. */
static inline u64 timer_first(const struct cpu *cpu);
/* When the clock has something for this CPU: that, or the end of what its scheduler has decided. */
static inline u64 timer_or_slice_end(const struct cpu *cpu);
/* On its own CPU: from now on it fires on another one. No other CPU may set it meanwhile. */
void timer_move(struct timer *timer, u32 cpu);
/* On its own CPU, and whenever it has idled: fire what is due. The timer that would have ended
 * idling is put off. */
void timer_run_due(void);

/* On its own CPU: fire the one beside the queue, which is due. */
static inline void timer_own_fire(struct cpu *cpu)
{
	struct timer *timer = cpu->timer_own;

	cpu->timer_own_next = TIMER_OFF;
	timer->deadline = TIMER_OFF;
	timer->fire(timer);
}

/* Make it the one beside the queue. */
void timer_own_change(struct timer *timer);

static inline void timer_set_own(struct timer *timer, u64 deadline)
{
	struct cpu *cpu = cpu_this();

	if (unlikely(cpu->timer_own != timer))
		timer_own_change(timer);
	timer->deadline = deadline;
	cpu->timer_own_next = deadline;
	if (deadline < cpu->leave_at)
		cpu->leave_at = deadline;
}

static inline u64 timer_first(const struct cpu *cpu)
{
	u64 queued = __atomic_load_n(&cpu->timer_next, __ATOMIC_RELAXED);

	return MIN(queued, cpu->timer_own_next);
}

static inline u64 timer_or_slice_end(const struct cpu *cpu)
{
	u64 timer = timer_first(cpu);

	return MIN(timer, cpu->slice_end);
}
