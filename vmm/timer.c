/* SPDX-License-Identifier: MIT */
/*
 * Host timers: a sorted list per CPU, and one beside it. The first deadline of the list is mirrored
 * in cpu->timer_next, that of the other one in cpu->timer_own_next.
 */
#include <bulkhead/timer.h>

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>

void timer_init(struct timer *timer, u32 cpu, void (*fire)(struct timer *timer))
{
	*timer = (struct timer){.deadline = TIMER_OFF, .cpu = cpu, .fire = fire};
}

static void timer_remove(struct cpu *cpu, struct timer *timer)
{
	struct timer **at = &cpu->timers;

	while (*at != timer)
		at = &(*at)->next;
	*at = timer->next;
	timer->queued = false;
}

static void timer_insert(struct cpu *cpu, struct timer *timer)
{
	struct timer **at = &cpu->timers;

	while (*at && (*at)->deadline <= timer->deadline)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
	timer->queued = true;
}

static void timer_next_update(struct cpu *cpu)
{
	u64 next = cpu->timers ? cpu->timers->deadline : TIMER_OFF;

	cpu->timer_next = next;
	if (cpu == cpu_this() && next < cpu->leave_at)
		cpu->leave_at = next;
}

/* The lock of the CPU whose timer it is, which may change until it is held. */
static struct cpu *timer_lock(const struct timer *timer, u64 *flags)
{
	for (;;) {
		struct cpu *cpu = cpus[__atomic_load_n(&timer->cpu, __ATOMIC_RELAXED)];

		*flags = spin_lock_irq(&cpu->timer_lock);
		if (cpus[timer->cpu] == cpu)
			return cpu;
		spin_unlock_irq(&cpu->timer_lock, *flags);
	}
}

/* The one beside the queue is so no longer; its deadline is kept. */
static void own_leave(struct cpu *cpu)
{
	cpu->timer_own = NULL;
	cpu->timer_own_next = TIMER_OFF;
}

void timer_set(struct timer *timer, u64 deadline)
{
	struct cpu *cpu = cpu_this();
	u64 flags, before;

	if (cpu->timer_own == timer)
		own_leave(cpu);
	if (deadline == TIMER_OFF &&
	    __atomic_load_n(&timer->deadline, __ATOMIC_RELAXED) == TIMER_OFF)
		return;
	cpu = timer_lock(timer, &flags);
	before = cpu->timer_next;
	if (timer->queued)
		timer_remove(cpu, timer);
	timer->deadline = deadline;
	if (deadline != TIMER_OFF)
		timer_insert(cpu, timer);
	timer_next_update(cpu);
	spin_unlock_irq(&cpu->timer_lock, flags);
	if (cpu != cpu_this() && deadline < before)
		cpu_call(cpu, CPU_ATTENTION_TIMER);
}

void timer_own_change(struct timer *timer)
{
	struct cpu *cpu = cpu_this();

	if (cpu->timer_own_next != TIMER_OFF)
		timer_set(cpu->timer_own, cpu->timer_own_next);
	timer_set(timer, TIMER_OFF);
	cpu->timer_own = timer;
}

void timer_move(struct timer *timer, u32 cpu)
{
	struct cpu *from = cpu_this();
	u64 flags, deadline = timer->deadline;

	if (from->timer_own == timer)
		own_leave(from);
	flags = spin_lock_irq(&from->timer_lock);
	if (timer->queued)
		timer_remove(from, timer);
	timer->deadline = TIMER_OFF;
	timer_next_update(from);
	__atomic_store_n(&timer->cpu, cpu, __ATOMIC_RELAXED);
	spin_unlock_irq(&from->timer_lock, flags);
	if (deadline != TIMER_OFF)
		timer_set(timer, deadline);
}

/* The first timer, if it is due at `now`, taken off the queue. */
static struct timer *due_take(struct cpu *cpu, u64 now)
{
	u64 flags = spin_lock_irq(&cpu->timer_lock);
	struct timer *timer = cpu->timers;

	if (timer && timer->deadline <= now) {
		timer_remove(cpu, timer);
		timer->deadline = TIMER_OFF;
		timer_next_update(cpu);
	} else {
		timer = NULL;
	}
	spin_unlock_irq(&cpu->timer_lock, flags);
	return timer;
}

/* Something else has ended idling before it: no guest is to be interrupted by it. */
static seldom void timer_disarm(struct cpu *cpu)
{
	if (cpu->timer_armed != TIMER_OFF)
		arch_timer_arm(TIMER_OFF);
	cpu->timer_armed = 0;
}

void timer_run_due(void)
{
	struct cpu *cpu = cpu_this();
	struct timer *timer;
	u64 now;

	/* Before timer_next is read: who makes it earlier after that says so again. */
	if (unlikely(cpu->attention & CPU_ATTENTION_TIMER))
		__atomic_and_fetch(&cpu->attention, ~CPU_ATTENTION_TIMER, __ATOMIC_SEQ_CST);
	now = arch_tsc();
	if (unlikely(now < cpu->timer_armed))
		timer_disarm(cpu);
	if (cpu->timer_own_next <= now)
		timer_own_fire(cpu);
	/* What becomes due meanwhile comes the next time: this must end, whatever timers do. */
	while (__atomic_load_n(&cpu->timer_next, __ATOMIC_RELAXED) <= now &&
	       (timer = due_take(cpu, now)))
		timer->fire(timer);
}
