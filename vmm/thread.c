/* SPDX-License-Identifier: MIT */
/*
 * Threads: what the scheduler decides is done here, with per-CPU queues, blocking, waking, and
 * moving between CPUs.
 *
 * A thread that is to move leaves in three steps: its CPU takes it off the queue and marks it as
 * moving, under its run_lock, while somebody else runs or is about to; once nobody is on its stack,
 * that CPU lets go of what it holds for the thread; then the thread belongs to the other CPU and is
 * woken there. Wake-ups in between are remembered.
 */
#include <bulkhead/thread.h>

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/memory.h>
#include <bulkhead/meter.h>
#include <bulkhead/timer.h>
#include <bulkhead/trace.h>

#define ASK_GAP_US 1000

typedef struct scheduler_decision decide(struct scheduler_queue *queue, u64 now);

static u32 idle_cpus; /* how many idle; atomic */

static struct thread *thread_of(const struct scheduler_entity *entity)
{
	return container_of(entity, struct thread, entity);
}

static void thread_start(void *argument);

int thread_create(struct thread *thread, const struct scheduler_claim *claim,
		  struct scheduler_group *group, void (*main)(void *argument), void *argument)
{
	u64 top = memory_stack_alloc();

	if (!top)
		return -ENOMEM;
	thread->stack_top = top;
	thread->stack_pointer = arch_context_new(top, thread_start, thread);
	thread->main = main;
	thread->argument = argument;
	scheduler_entity_init(&thread->entity, claim, group, arch_tsc());
	return 0;
}

/* The lock of the CPU that the thread belongs to, which may change until it is held. */
static struct cpu *thread_lock(const struct thread *thread, u64 *flags)
{
	for (;;) {
		struct cpu *cpu = cpus[__atomic_load_n(&thread->cpu, __ATOMIC_RELAXED)];

		*flags = spin_lock_irq(&cpu->run_lock);
		if (cpus[thread->cpu] == cpu)
			return cpu;
		spin_unlock_irq(&cpu->run_lock, *flags);
	}
}

bool thread_retire(struct thread *thread)
{
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);
	bool idle = thread->entity.state == SCHEDULER_BLOCKED && !thread->moving &&
		    !__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE);

	if (idle)
		thread->retired = true;
	spin_unlock_irq(&cpu->run_lock, flags);
	return idle;
}

void thread_revive(struct thread *thread)
{
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);

	thread->retired = false;
	spin_unlock_irq(&cpu->run_lock, flags);
}

void thread_destroy(struct thread *thread)
{
	if (thread->stack_top)
		memory_stack_free(thread->stack_top);
	thread->stack_top = 0;
}

/* --- moving --- */

static bool may_run(const struct thread *thread, u32 id)
{
	const struct thread *dedicated = __atomic_load_n(&cpus[id]->dedicated, __ATOMIC_RELAXED);

	return cpu_mask_has(&thread->affinity, id) && (!dedicated || dedicated == thread);
}

static bool is_idling(u32 id)
{
	return __atomic_load_n(&cpus[id]->idling, __ATOMIC_RELAXED);
}

/* Where a thread should go: to an idle CPU if there is one, else where the fewest wait. */
static u32 destination(const struct thread *thread)
{
	u32 best = thread->cpu, least = ~0U;

	for (u32 id = 0; id < arch_cpu_count(); id++) {
		u32 waiting = is_idling(id) ? 0 : cpus[id]->queue.count + 1;

		if (may_run(thread, id) && waiting < least) {
			best = id;
			least = waiting;
		}
	}
	return best;
}

/* It is marked as moving, and nobody is on its stack. */
static void thread_move(struct thread *thread, u32 to)
{
	struct cpu *cpu = cpu_this();
	u64 flags;

	if (thread->leave)
		thread->leave(thread, to);
	flags = spin_lock_irq(&cpu->run_lock);
	__atomic_store_n(&thread->cpu, to, __ATOMIC_RELAXED);
	thread->moving = false;
	thread->migrations++;
	spin_unlock_irq(&cpu->run_lock, flags);
	trace(TRACE_MIGRATE, thread->number, to);
	thread_wake(thread);
}

/* The idle CPU that a thread may go to; CPU_MAX: there is none. */
static u32 idle_place(const struct thread *thread)
{
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		if (is_idling(id) && may_run(thread, id))
			return id;
	}
	return CPU_MAX;
}

/* Where those with another claim are was admitted. And nobody may run elsewhere while this CPU is
 * on its stack, as it is when one was woken just now that waits in place. */
static bool may_leave(const struct scheduler_entity *entity, void *context unused)
{
	const struct thread *thread = thread_of(entity);

	return entity->claim.kind == SCHEDULER_SHARED && thread != cpu_this()->thread &&
	       idle_place(thread) != CPU_MAX;
}

/* Somebody waits here while another CPU idles. */
static void balance(struct cpu *cpu)
{
	u64 flags = spin_lock_irq(&cpu->run_lock);
	struct scheduler_entity *entity = scheduler_spare(&cpu->queue, may_leave, NULL);
	u32 to = entity ? idle_place(thread_of(entity)) : CPU_MAX;

	/* That CPU may have found work since. */
	if (to != CPU_MAX) {
		scheduler_remove(&cpu->queue, entity, arch_tsc());
		thread_of(entity)->moving = true;
	}
	spin_unlock_irq(&cpu->run_lock, flags);
	if (to != CPU_MAX)
		thread_move(thread_of(entity), to);
}

/* --- switching --- */

static void others_see_to(struct cpu *cpu)
{
	while (cpu->outgoing) {
		struct thread *thread = cpu->outgoing;

		cpu->outgoing = thread->outgoing;
		thread_move(thread, destination(thread));
	}
	if (cpu->queue.count && __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED))
		balance(cpu);
}

/* Right after a switch, on the stack of who has the CPU now, which is returned. From now on the
 * one before may go on elsewhere, or be gone. */
static inline struct cpu *switch_finish(void)
{
	struct cpu *cpu = cpu_this();

	__atomic_store_n(&cpu->previous->on_cpu, false, __ATOMIC_RELEASE);
	return cpu;
}

/* After each decision, whether somebody else has the CPU by that or not. */
static inline void decision_finish(struct cpu *cpu)
{
	if (unlikely(cpu->outgoing || cpu->queue.count))
		others_see_to(cpu);
}

static void thread_start(void *argument)
{
	struct thread *thread = argument;

	/* The machine's first thread has nobody before it. */
	if (cpu_this()->previous)
		decision_finish(switch_finish());
	thread->main(thread->argument);
	panic("thread %s returned", thread->name);
}

/* Who may not run here any more leaves instead of being next. */
static struct scheduler_decision decide_here(struct cpu *cpu, decide *how, u64 now)
{
	struct scheduler_decision decision = how(&cpu->queue, now);

	while (decision.next && unlikely(!may_run(thread_of(decision.next), cpu->id))) {
		struct thread *thread = thread_of(decision.next);

		decision = scheduler_block(&cpu->queue, now);
		thread->moving = true;
		thread->outgoing = cpu->outgoing;
		cpu->outgoing = thread;
	}
	return decision;
}

static void idling_set(struct cpu *cpu, bool idling, u64 now)
{
	if (cpu->idling == idling)
		return;
	__atomic_store_n(&cpu->idling, idling, __ATOMIC_RELAXED);
	if (idling) {
		__atomic_fetch_add(&idle_cpus, 1, __ATOMIC_SEQ_CST);
		cpu->idle_since = now;
	} else {
		__atomic_fetch_sub(&idle_cpus, 1, __ATOMIC_SEQ_CST);
		cpu->idle_ticks += now - cpu->idle_since;
	}
}

u64 cpu_idle_ticks(u32 id)
{
	struct cpu *cpu = cpus[id];
	u64 flags = spin_lock_irq(&cpu->run_lock);
	u64 now = arch_tsc(), ticks = cpu->idle_ticks;

	if (cpu->idling && now > cpu->idle_since)
		ticks += now - cpu->idle_since;
	spin_unlock_irq(&cpu->run_lock, flags);
	return ticks;
}

/*
 * With run_lock held and interrupts off; returns without it, maybe on another CPU. When nobody is
 * to run, `idle` has the CPU.
 */
static void switch_by(struct cpu *cpu, decide *how, struct thread *idle)
{
	struct thread *from = cpu->thread, *to;
	struct scheduler_decision decision;
	u64 now = arch_tsc();

	decision = decide_here(cpu, how, now);
	if (idle->moving) /* who waited in place is to leave: that takes another stack */
		idle = cpu->idle;
	to = decision.next ? thread_of(decision.next) : idle;
	cpu->slice_end = decision.until;
	idling_set(cpu, !decision.next, now);
	cpu->thread = to;
	if (to != from) {
		to->switches++;
		__atomic_store_n(&to->on_cpu, true, __ATOMIC_RELAXED);
		cpu->previous = from;
	}
	trace(TRACE_SWITCH, decision.next ? to->number : 0, from->entity.state);
	spin_unlock(&cpu->run_lock);
	if (to != from) {
		/* Nobody runs with sight of another's partition. */
		if (from->vcpu)
			address_space_enter(NULL);
		arch_context_switch(&from->stack_pointer, to->stack_pointer);
		cpu = switch_finish();
	}
	decision_finish(cpu);
}

/* With run_lock held: whoever has called for a decision gets it now. */
static inline void call_take(struct cpu *cpu)
{
	__atomic_and_fetch(&cpu->attention, ~CPU_ATTENTION_SCHEDULE, __ATOMIC_ACQUIRE);
}

static void switch_now(decide *how)
{
	u64 flags = arch_irq_save();
	struct cpu *cpu = cpu_this();

	spin_lock(&cpu->run_lock);
	call_take(cpu);
	switch_by(cpu, how, cpu->idle);
	arch_irq_restore(flags);
}

/* With interrupts off. When nobody is to run, `idle` has the CPU. A call is for whoever comes next:
 * it may be that this thread is not to wait here. */
static void block(struct cpu *cpu, struct thread *idle)
{
	struct thread *thread = cpu->thread;

	spin_lock(&cpu->run_lock);
	if (thread->wake_pending) {
		thread->wake_pending = false;
		spin_unlock(&cpu->run_lock);
	} else {
		switch_by(cpu, scheduler_block, idle);
	}
}

void thread_block(void)
{
	u64 flags = arch_irq_save();
	struct cpu *cpu = cpu_this();

	block(cpu, cpu->idle);
	arch_irq_restore(flags);
}

void thread_reschedule(void)
{
	switch_now(scheduler_pick);
}

void thread_yield(void)
{
	switch_now(scheduler_yield);
}

void thread_wake(struct thread *thread)
{
	bool call = false;
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);

	if (thread->entity.state != SCHEDULER_BLOCKED || thread->moving) {
		thread->wake_pending = true;
	} else if (!thread->retired) {
		call = scheduler_wake(&cpu->queue, &thread->entity, arch_tsc());
		/* An idle CPU may take one of those that wait here. */
		call = call || __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED);
		thread->wakeups++;
		trace(TRACE_WAKE, thread->number, cpu->id);
	}
	spin_unlock_irq(&cpu->run_lock, flags);
	if (call)
		cpu_call(cpu, CPU_ATTENTION_SCHEDULE);
}

/* --- what others ask for --- */

void thread_cpu_look(u32 id)
{
	cpu_call(cpus[id], CPU_ATTENTION_SCHEDULE);
}

void thread_claim_set(struct thread *thread, const struct scheduler_claim *claim)
{
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);

	scheduler_claim_set(&cpu->queue, &thread->entity, claim, arch_tsc());
	spin_unlock_irq(&cpu->run_lock, flags);
	cpu_call(cpu, CPU_ATTENTION_SCHEDULE);
}

void thread_affinity_set(struct thread *thread, const struct cpu_mask *affinity)
{
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);

	thread->affinity = *affinity;
	spin_unlock_irq(&cpu->run_lock, flags);
	cpu_call(cpu, CPU_ATTENTION_SCHEDULE);
}

bool thread_group_set(struct thread *thread, struct scheduler_group *group)
{
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);
	bool blocked = thread->entity.state == SCHEDULER_BLOCKED && !thread->moving;

	if (blocked)
		scheduler_entity_join(&thread->entity, group);
	spin_unlock_irq(&cpu->run_lock, flags);
	return blocked;
}

void thread_times(struct thread *thread, u64 times[SCHEDULER_STATES])
{
	u64 flags;
	struct cpu *cpu = thread_lock(thread, &flags);

	scheduler_times(&thread->entity, arch_tsc(), times);
	spin_unlock_irq(&cpu->run_lock, flags);
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

/* --- idling --- */

void thread_cpu_init(void)
{
	struct cpu *cpu = cpu_this();

	idling_set(cpu, false, arch_tsc());
	scheduler_queue_init(&cpu->queue, arch_tsc_hz() / 1000000);
	cpu->slice_end = SCHEDULER_NEVER;
}

/*
 * Where some wait, one of them may come here. Not again soon: a guest that halts all the time must
 * not disturb other CPUs each time, and those look by themselves when a slice is over.
 */
static void ask_for_work(struct cpu *cpu)
{
	u64 now = arch_tsc();

	if (cpu->dedicated || now < cpu->ask_at)
		return;
	cpu->ask_at = now + us_to_tsc(ASK_GAP_US);
	for (u32 id = 0; id < arch_cpu_count(); id++) {
		if (id != cpu->id && __atomic_load_n(&cpus[id]->queue.count, __ATOMIC_RELAXED))
			cpu_call(cpus[id], CPU_ATTENTION_SCHEDULE);
	}
}

/* Until something happens, unless it has already. */
static void idle(struct cpu *cpu)
{
	if (cpu->attention)
		return;
	cpu->timer_armed = timer_or_slice_end(cpu);
	arch_timer_arm(cpu->timer_armed);
	arch_idle();
}

/* `thread`, which has blocked here, is to go on. False: others come first. */
static bool go_on(struct cpu *cpu, struct thread *thread)
{
	u64 now = arch_tsc();

	spin_lock(&cpu->run_lock);
	if (scheduler_resume(&cpu->queue, &thread->entity, now)) {
		cpu->slice_end = SCHEDULER_NEVER;
		idling_set(cpu, false, now);
		thread->wakeups++;
		trace(TRACE_WAKE, thread->number, cpu->id);
		trace(TRACE_SWITCH, thread->number, SCHEDULER_BLOCKED);
		spin_unlock(&cpu->run_lock);
		return true;
	}
	spin_unlock(&cpu->run_lock);
	thread_wake(thread);
	return false;
}

/* Whether the last decision holds no longer; most often it holds until somebody calls. */
static inline bool must_decide(const struct cpu *cpu)
{
	return cpu->attention & CPU_ATTENTION_SCHEDULE ||
	       (cpu->slice_end != SCHEDULER_NEVER && arch_tsc() >= cpu->slice_end);
}

/*
 * Whoever waits this way most often has the CPU next, too: as long as nobody else wants it, its
 * idle loop is here, on the stack of `thread`, and there is nothing to be switched.
 */
enum thread_waited thread_wait(const volatile u32 *wanted)
{
	struct cpu *cpu = cpu_this();
	struct thread *thread = cpu->thread;
	u64 switches = thread->switches;

	block(cpu, thread);
	if (thread->entity.state == SCHEDULER_RUNNING)
		return thread->switches == switches ? THREAD_AT_ONCE : THREAD_AWAY;
	ask_for_work(cpu);
	for (;;) {
		timer_run_due();
		if (*wanted && thread->entity.state == SCHEDULER_BLOCKED && go_on(cpu, thread))
			return THREAD_AT_ONCE;
		if (must_decide(cpu)) {
			spin_lock(&cpu->run_lock);
			call_take(cpu);
			/* Not in place where it may not stay: it would go on here when wanted. */
			switch_by(cpu, scheduler_pick,
				  may_run(thread, cpu->id) ? thread : cpu->idle);
			if (thread->entity.state == SCHEDULER_RUNNING)
				return thread->switches == switches ? THREAD_STAYED : THREAD_AWAY;
		}
		idle(cpu);
	}
}

void thread_idle_loop(void)
{
	struct cpu *cpu = cpu_this();

	for (;;) {
		u64 switches = __atomic_load_n(&cpu->idle->switches, __ATOMIC_RELAXED);

		(void)arch_irq_save();
		timer_run_due();
		thread_reschedule();
		if (__atomic_load_n(&cpu->idle->switches, __ATOMIC_RELAXED) != switches)
			ask_for_work(cpu);
		idle(cpu);
	}
}
