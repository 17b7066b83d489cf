/* SPDX-License-Identifier: MIT */
/* Threads: per-CPU round-robin queues, blocking and waking. */
#include <bulkhead/thread.h>

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/memory.h>
#include <bulkhead/timer.h>

int thread_create(struct thread *thread, const char *name, u32 cpu, void (*main)(void *argument),
		  void *argument)
{
	u64 top = memory_stack_alloc();

	if (!top)
		return -ENOMEM;
	*thread = (struct thread){
		.stack_pointer = arch_context_new(top, main, argument),
		.stack_top = top,
		.name = name,
		.cpu = cpu,
		.state = THREAD_BLOCKED,
	};
	return 0;
}

/* Both with run_lock held. */
static void queue_add(struct cpu *cpu, struct thread *thread)
{
	thread->state = THREAD_READY;
	thread->next = NULL;
	if (cpu->run_last)
		cpu->run_last->next = thread;
	else
		cpu->run_first = thread;
	cpu->run_last = thread;
	cpu->run_count++;
}

/* Before all others, or right behind the first: who has not had all of its turn yet. */
static void queue_insert(struct cpu *cpu, struct thread *thread, bool behind_first)
{
	struct thread **at =
		behind_first && cpu->run_first ? &cpu->run_first->next : &cpu->run_first;

	thread->state = THREAD_READY;
	thread->next = *at;
	*at = thread;
	if (!thread->next)
		cpu->run_last = thread;
	cpu->run_count++;
}

static struct thread *queue_take(struct cpu *cpu)
{
	struct thread *thread = cpu->run_first;

	if (!thread)
		return cpu->idle;
	cpu->run_first = thread->next;
	if (!cpu->run_first)
		cpu->run_last = NULL;
	cpu->run_count--;
	return thread;
}

/* When this CPU must look around again: soon if others wait for it. */
static void slice_begin(struct cpu *cpu)
{
	u64 turn = us_to_tsc(THREAD_SLICE_US);

	if (cpu->thread->slice_left)
		turn = cpu->thread->slice_left;
	cpu->slice_end = arch_tsc() + (cpu->run_count ? turn : us_to_tsc(THREAD_WATCHDOG_US));
}

/* What the running thread has left of its turn. */
static void slice_end(struct cpu *cpu)
{
	u64 now = arch_tsc();
	u64 left = cpu->slice_end > now ? cpu->slice_end - now : 0;

	cpu->thread->slice_left = MIN(left, us_to_tsc(THREAD_SLICE_US));
}

/*
 * Give the CPU to the next thread. Called with run_lock held and interrupts off; the thread that
 * comes back out of arch_context_switch is on the same CPU, as threads do not move while they
 * exist.
 */
static void thread_switch(struct cpu *cpu)
{
	struct thread *from = cpu->thread, *to = queue_take(cpu);
	u64 now = arch_tsc();

	to->state = THREAD_RUNNING;
	__atomic_and_fetch(&cpu->attention, ~CPU_ATTENTION_SCHEDULE, __ATOMIC_ACQUIRE);
	cpu->thread = to;
	slice_begin(cpu);
	from->run_ticks += now - from->run_since;
	to->run_since = now;
	spin_unlock(&cpu->run_lock);
	/* Nobody runs with sight of another's partition. */
	if (from->vcpu && to != from)
		address_space_enter(NULL);
	if (to != from)
		arch_context_switch(&from->stack_pointer, to->stack_pointer);
}

void thread_block(void)
{
	u64 flags = arch_irq_save();
	struct cpu *cpu = cpu_this();
	struct thread *thread = cpu->thread;

	spin_lock(&cpu->run_lock);
	slice_end(cpu);
	if (thread->wake_pending) {
		thread->wake_pending = false;
		spin_unlock(&cpu->run_lock);
	} else {
		thread->state = THREAD_BLOCKED;
		thread_switch(cpu);
	}
	arch_irq_restore(flags);
}

void thread_yield(void)
{
	u64 flags = arch_irq_save();
	struct cpu *cpu = cpu_this();

	spin_lock(&cpu->run_lock);
	slice_end(cpu);
	if (cpu->run_count) {
		if (cpu->thread != cpu->idle && cpu->thread->slice_left)
			queue_insert(cpu, cpu->thread, true);
		else if (cpu->thread != cpu->idle)
			queue_add(cpu, cpu->thread);
		thread_switch(cpu);
	} else {
		__atomic_and_fetch(&cpu->attention, ~CPU_ATTENTION_SCHEDULE, __ATOMIC_ACQUIRE);
		slice_begin(cpu);
		spin_unlock(&cpu->run_lock);
	}
	arch_irq_restore(flags);
}

void thread_wake(struct thread *thread)
{
	struct cpu *cpu = cpus[thread->cpu];
	u64 flags = spin_lock_irq(&cpu->run_lock);
	bool kick = false;

	if (thread->state == THREAD_BLOCKED) {
		if (thread->slice_left)
			queue_insert(cpu, thread, false);
		else
			queue_add(cpu, thread);
		/* It need not wait for the end of a slice: whoever runs has just had its turn. */
		__atomic_or_fetch(&cpu->attention, CPU_ATTENTION_SCHEDULE, __ATOMIC_RELEASE);
		kick = cpu != cpu_this();
	} else {
		thread->wake_pending = true;
	}
	spin_unlock_irq(&cpu->run_lock, flags);
	if (kick)
		arch_cpu_kick(cpu->id);
}

struct sleeper {
	struct timer timer;
	struct thread *thread;
};

static void sleeper_fire(struct timer *timer)
{
	thread_wake(container_of(timer, struct sleeper, timer)->thread);
}

void thread_sleep_until(u64 tsc)
{
	struct cpu *cpu = cpu_this();
	struct sleeper sleeper = {.thread = cpu->thread};

	timer_init(&sleeper.timer, cpu->id, sleeper_fire);
	timer_set(&sleeper.timer, tsc);
	thread_block();
	timer_set(&sleeper.timer, TIMER_OFF);
}

void thread_idle_loop(void)
{
	struct cpu *cpu = cpu_this();

	for (;;) {
		(void)arch_irq_save();
		timer_run_due();
		if (__atomic_load_n(&cpu->run_first, __ATOMIC_ACQUIRE)) {
			thread_yield();
			continue;
		}
		__atomic_and_fetch(&cpu->attention, ~CPU_ATTENTION_SCHEDULE, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&cpu->run_first, __ATOMIC_ACQUIRE))
			continue;
		arch_timer_arm(cpu->timer_next);
		if (!cpu->attention)
			arch_idle();
	}
}
