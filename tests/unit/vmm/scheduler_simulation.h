/* SPDX-License-Identifier: MIT */
/*
 * A machine that only schedules: CPUs with a queue each, and tasks that spin, work periodically, or
 * work and sleep at random. It goes from event to event, does what the policy decides, and checks
 * after each decision that the queue is consistent and that no CPU idles or runs the wrong kind.
 */
#pragma once

#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include <bulkhead/scheduler.h>

#define TICKS_PER_US 2893UL /* nothing divides it */
#define US(n)	     ((u64)(n)*TICKS_PER_US)
#define MS(n)	     US((n)*1000UL)
#define SECONDS(n)   MS((n)*1000UL)
#define SLICE	     US(SCHEDULER_SLICE_US)

#define SIM_CPUS   4
#define SIM_TASKS  400
#define SIM_GROUPS 8

enum sim_behaviour {
	SIM_SPIN,
	SIM_PERIODIC, /* `work` every `every` */
	SIM_RANDOM,   /* bursts of up to 2 * work, sleeps of up to 2 * every */
	SIM_FORKER,   /* is made anew after each `work` */
};

struct sim_task {
	struct scheduler_entity entity; /* first */
	enum sim_behaviour behaviour;
	u64 work, every;
	u32 cpu;
	u64 work_left; /* until it blocks */
	u64 wake_at;   /* blocked: when it wakes up; SCHEDULER_NEVER: not by itself */
	u64 release;   /* periodic: when this piece of work came */
	u64 since;     /* when it began to wait */

	u64 had;	  /* ticks */
	u64 had_reserved; /* of them, on budget */
	u64 pieces, late; /* periodic: how many were done, how many after their period */
	u64 longest_wait; /* from when it became ready until it ran */
	u64 longest_wake; /* the same, after it slept */
	bool woke;
};

struct sim_cpu {
	struct scheduler_queue queue;
	struct scheduler_decision now;
	u64 since; /* when this was decided, or last accounted */
	u64 idle;
	bool ask, yielded;
};

/* Something whose time is compared with a rate: the most that it had above (sign 1) or below (sign
 * -1) rate x time in any interval at all. */
struct sim_watch {
	const struct sim_task *task;	     /* one */
	const struct scheduler_group *group; /* or the members of this one, shared time only */
	double rate;
	int sign;
	double above, rise; /* above the lowest point so far: now, and the most */
};

static struct sim {
	u64 now, began;
	u32 cpu_count, task_count, watch_count;
	struct sim_cpu cpus[SIM_CPUS];
	struct sim_task tasks[SIM_TASKS];
	struct sim_watch watches[SIM_TASKS];
	u64 decisions, switches, random;
	u64 late_by; /* decisions come up to so many ticks late */
	u32 check_every;
	bool ask_always; /* after every wake-up, to see that its answer was right */
	void (*on_event)(void);
} sim;

static struct scheduler_group sim_groups[SIM_GROUPS];

static inline u64 sim_random(u64 below)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 7;
	sim.random ^= sim.random << 17;
	return below ? (sim.random >> 11) % below : 0;
}

static inline void sim_begin(u32 cpus, u64 seed)
{
	memset(&sim, 0, sizeof(sim));
	memset(sim_groups, 0, sizeof(sim_groups));
	sim.cpu_count = cpus;
	sim.now = sim.began = SECONDS(1000);
	sim.random = seed * 0x9e3779b97f4a7c15UL + 1;
	sim.check_every = 1;
	for (u32 i = 0; i < cpus; i++) {
		scheduler_queue_init(&sim.cpus[i].queue, TICKS_PER_US);
		sim.cpus[i].now.until = SCHEDULER_NEVER;
		sim.cpus[i].since = sim.now;
	}
}

static inline struct sim_task *sim_task_of(struct scheduler_entity *entity)
{
	return (struct sim_task *)(void *)entity;
}

static inline u64 sim_burst(const struct sim_task *task)
{
	if (task->behaviour == SIM_SPIN)
		return SCHEDULER_NEVER;
	if (task->behaviour == SIM_RANDOM)
		return 1 + sim_random(2 * task->work);
	return task->work;
}

/* Blocked, to wake up at the next event. */
static inline struct sim_task *sim_add(const struct scheduler_claim *claim,
				       struct scheduler_group *group, u32 cpu,
				       enum sim_behaviour behaviour, u64 work, u64 every)
{
	struct sim_task *task = &sim.tasks[sim.task_count++];

	assert_true(sim.task_count <= SIM_TASKS);
	assert_null(scheduler_claim_fault(claim));
	*task = (struct sim_task){
		.behaviour = behaviour,
		.work = work,
		.every = every,
		.cpu = cpu,
		.wake_at = sim.now,
		.release = sim.now,
	};
	scheduler_entity_init(&task->entity, claim, group, sim.now);
	return task;
}

static inline struct sim_task *sim_shared(u32 weight, u32 cap, struct scheduler_group *group,
					  u32 cpu, enum sim_behaviour behaviour, u64 work,
					  u64 every)
{
	struct scheduler_claim claim = {.kind = SCHEDULER_SHARED, .weight = weight, .cap = cap};

	return sim_add(&claim, group, cpu, behaviour, work, every);
}

static inline struct sim_task *sim_spinner(u32 weight, u32 cpu)
{
	return sim_shared(weight, 0, NULL, cpu, SIM_SPIN, 0, 0);
}

static inline struct sim_task *sim_reserved(u64 budget_us, u64 period_us, u32 weight, u32 cpu,
					    enum sim_behaviour behaviour, u64 work, u64 every)
{
	struct scheduler_claim claim = {
		.kind = SCHEDULER_RESERVED,
		.weight = weight,
		.budget_us = budget_us,
		.period_us = period_us,
	};

	return sim_add(&claim, NULL, cpu, behaviour, work, every);
}

static inline struct sim_watch *sim_watch_add(const struct sim_task *task,
					      const struct scheduler_group *group, double rate,
					      int sign)
{
	struct sim_watch *watch = &sim.watches[sim.watch_count++];

	*watch = (struct sim_watch){.task = task, .group = group, .rate = rate, .sign = sign};
	return watch;
}

/* --- checks --- */

static inline bool sim_in_group(const struct scheduler_entity *entity,
				const struct scheduler_group *group)
{
	const struct scheduler_group *at = entity->group.parent;

	while (at && at != group)
		at = at->parent;
	return at == group;
}

static inline void sim_watch_step(struct sim_watch *watch, double had, double passed)
{
	double at = watch->above + watch->sign * (had - watch->rate * passed);

	if (at > watch->rise)
		watch->rise = at;
	watch->above = at > 0 ? at : 0;
}

static inline u32 sim_list_check(const struct scheduler_entity *list, bool on_budget)
{
	u32 count = 0;

	for (const struct scheduler_entity *entity = list; entity; entity = entity->next) {
		assert_int_equal(entity->state, SCHEDULER_READY);
		assert_int_equal(entity->on_budget, on_budget);
		assert_int_equal(entity->grant, 0);
		if (entity->next && on_budget)
			assert_true(entity->deadline <= entity->next->deadline);
		else if (entity->next)
			assert_true((s64)(entity->next->vdeadline - entity->vdeadline) >= 0);
		count++;
	}
	return count;
}

/* Virtual time is the average of those that take part, and their weights add up. */
static inline void sim_fair_check(const struct scheduler_queue *queue)
{
	const struct scheduler_entity *running = queue->running;
	__int128 sum = 0;
	u64 load = 0;

	for (const struct scheduler_entity *entity = queue->shared; entity; entity = entity->next) {
		load += entity->effective_weight;
		sum += (__int128)(s64)(entity->vtime - queue->vtime) * entity->effective_weight;
	}
	if (running && !running->on_budget) {
		load += running->effective_weight;
		sum += (__int128)(s64)(running->vtime - queue->vtime) * running->effective_weight;
	}
	assert_int_equal(queue->load, load);
	assert_true(sum == queue->excess);
	assert_true(queue->excess >= 0 && (queue->excess < (s64)load || !load));
}

static inline void sim_queue_check(const struct sim_cpu *cpu)
{
	const struct scheduler_queue *queue = &cpu->queue;
	const struct scheduler_entity *running = queue->running;
	u32 reserved = sim_list_check(queue->reserved, true);
	u32 shared = sim_list_check(queue->shared, false);

	assert_int_equal(queue->count, reserved + shared);
	for (const struct scheduler_entity *entity = queue->capped; entity; entity = entity->next) {
		assert_int_equal(entity->state, SCHEDULER_CAPPED);
		assert_true(!entity->next || entity->ready_at <= entity->next->ready_at);
	}
	for (const struct scheduler_entity *entity = queue->depleted; entity;
	     entity = entity->next_depleted) {
		assert_false(entity->on_budget);
		assert_int_equal(entity->claim.kind, SCHEDULER_RESERVED);
		assert_true(!entity->next_depleted ||
			    entity->deadline <= entity->next_depleted->deadline);
	}
	/* Nobody idles while one could run, and who has a budget goes first. */
	if (!running)
		assert_int_equal(queue->count, 0);
	else
		assert_int_equal(running->state, SCHEDULER_RUNNING);
	if (reserved && !cpu->yielded) {
		assert_true(running->on_budget);
		assert_true(running->deadline <= queue->reserved->deadline);
	}
	sim_fair_check(queue);
}

/* Members' weights and grants add up to what the groups think. Bit by bit for one level. */
static inline void sim_groups_check(void)
{
	for (u32 i = 0; i < SIM_GROUPS; i++) {
		struct scheduler_group *group = &sim_groups[i];
		u64 weight = 0, granted = 0;
		bool leaf = true;

		for (u32 j = 0; j < SIM_GROUPS; j++)
			leaf = leaf && sim_groups[j].parent != group;
		for (u32 j = 0; j < sim.task_count; j++) {
			const struct scheduler_entity *entity = &sim.tasks[j].entity;
			bool part = !entity->on_budget && (entity->state == SCHEDULER_READY ||
							   entity->state == SCHEDULER_RUNNING);

			if (entity->group.parent)
				assert_true(entity->counted == part ||
					    entity->state == SCHEDULER_CAPPED);
			if (entity->group.parent == group && entity->counted)
				weight += entity->claim.weight;
			if (entity->group.parent == group && (entity->granted_in & 2))
				granted += entity->grant;
		}
		assert_int_equal(group->lock.next, group->lock.serving);
		if (leaf) {
			assert_int_equal(group->runnable_weight, weight);
			assert_int_equal(group->granted, granted * 100);
		}
	}
}

/* --- running --- */

/* Time goes on until `to`, at which nothing has happened yet. */
static inline void sim_advance(u64 to)
{
	double passed = (double)(to - sim.now);
	u64 had_group[SIM_GROUPS] = {0};

	for (u32 i = 0; i < sim.cpu_count; i++) {
		struct sim_cpu *cpu = &sim.cpus[i];
		struct scheduler_entity *running = cpu->now.next;
		u64 ticks = to - sim.now;

		if (!running) {
			cpu->idle += ticks;
			continue;
		}
		sim_task_of(running)->had += ticks;
		if (running->on_budget)
			sim_task_of(running)->had_reserved += ticks;
		if (sim_task_of(running)->work_left != SCHEDULER_NEVER)
			sim_task_of(running)->work_left -= ticks;
		for (u32 j = 0; j < SIM_GROUPS && !running->on_budget; j++) {
			if (sim_in_group(running, &sim_groups[j]))
				had_group[j] += ticks;
		}
	}
	for (u32 i = 0; i < sim.watch_count; i++) {
		struct sim_watch *watch = &sim.watches[i];
		double had = 0;

		if (watch->group)
			had = (double)had_group[watch->group - sim_groups];
		for (u32 j = 0; j < sim.cpu_count && watch->task; j++) {
			if (sim.cpus[j].now.next == &watch->task->entity)
				had = passed;
		}
		sim_watch_step(watch, had, passed);
	}
	sim.now = to;
}

static inline void sim_wait_begin(struct sim_task *task, bool woke)
{
	task->since = sim.now;
	task->woke = woke;
}

static inline void sim_wait_end(struct sim_task *task)
{
	u64 waited = sim.now - task->since;

	if (waited > task->longest_wait)
		task->longest_wait = waited;
	if (task->woke && waited > task->longest_wake)
		task->longest_wake = waited;
	task->woke = false;
}

/* One that waited for its cap or budget waits from when that was over. */
static inline void sim_capped_note(void)
{
	for (u32 i = 0; i < sim.task_count; i++) {
		if (sim.tasks[i].entity.state == SCHEDULER_CAPPED)
			sim_wait_begin(&sim.tasks[i], false);
	}
}

static inline void sim_decided(struct sim_cpu *cpu, struct scheduler_decision decision,
			       bool yielded)
{
	struct scheduler_entity *before = cpu->now.next;

	sim.decisions++;
	cpu->yielded = yielded;
	cpu->ask = false;
	assert_true(decision.until > sim.now);
	assert_ptr_equal(decision.next, cpu->queue.running);
	if (decision.next != before) {
		sim.switches++;
		if (before && before->state == SCHEDULER_READY)
			sim_wait_begin(sim_task_of(before), false);
		if (decision.next)
			sim_wait_end(sim_task_of(decision.next));
	}
	cpu->now = decision;
	if (sim.decisions % sim.check_every == 0) {
		sim_capped_note();
		sim_queue_check(cpu);
		sim_groups_check();
	}
}

/* What the short way came to is what the long one comes to. */
static inline void sim_resumed(struct sim_cpu *cpu, struct sim_task *task,
			       const struct scheduler_queue *queue,
			       const struct scheduler_entity *entity)
{
	struct scheduler_queue queue_after = cpu->queue;
	struct scheduler_entity entity_after = task->entity;

	cpu->queue = *queue;
	task->entity = *entity;
	assert_true(scheduler_wake(&cpu->queue, &task->entity, sim.now));
	assert_int_equal(scheduler_pick(&cpu->queue, sim.now).until, SCHEDULER_NEVER);
	assert_memory_equal(&cpu->queue, &queue_after, sizeof(queue_after));
	assert_memory_equal(&task->entity, &entity_after, sizeof(entity_after));
}

/* Half of those that come to an idle CPU do so as if they had waited there. */
static inline bool sim_resume(struct sim_cpu *cpu, struct sim_task *task)
{
	struct scheduler_queue queue = cpu->queue;
	struct scheduler_entity entity = task->entity;

	if (cpu->now.next || cpu->ask || sim_random(2))
		return false;
	if (!scheduler_resume(&cpu->queue, &task->entity, sim.now)) {
		assert_memory_equal(&cpu->queue, &queue, sizeof(queue));
		assert_memory_equal(&task->entity, &entity, sizeof(entity));
		return false;
	}
	sim_resumed(cpu, task, &queue, &entity);
	sim_decided(cpu, (struct scheduler_decision){&task->entity, SCHEDULER_NEVER}, false);
	return true;
}

static inline void sim_wake(struct sim_task *task)
{
	struct sim_cpu *cpu = &sim.cpus[task->cpu];
	bool ask, pending;

	task->wake_at = SCHEDULER_NEVER;
	task->work_left = task->work_left ? task->work_left : sim_burst(task);
	sim_wait_begin(task, true);
	if (sim_resume(cpu, task))
		return;
	ask = scheduler_wake(&cpu->queue, &task->entity, sim.now);
	pending = cpu->ask;
	cpu->ask |= ask;
	if (sim.ask_always && !pending) {
		struct scheduler_decision decision = scheduler_pick(&cpu->queue, sim.now);

		if (!ask)
			assert_ptr_not_equal(decision.next, &task->entity);
		sim_decided(cpu, decision, false);
	}
}

/* What ran has done its piece of work. */
static inline void sim_done(struct sim_cpu *cpu)
{
	struct sim_task *task = sim_task_of(cpu->now.next);
	struct scheduler_decision decision = scheduler_block(&cpu->queue, sim.now);

	task->pieces++;
	if (task->behaviour == SIM_PERIODIC) {
		task->late += sim.now > task->release + task->every;
		task->release = MAX(task->release + task->every, sim.now);
		task->wake_at = task->release;
	} else if (task->behaviour == SIM_RANDOM) {
		task->wake_at = sim.now + 1 + sim_random(2 * task->every);
	} else {
		struct scheduler_claim claim = task->entity.claim;

		scheduler_entity_init(&task->entity, &claim, task->entity.group.parent, sim.now);
		task->wake_at = sim.now;
	}
	sim_decided(cpu, decision, false);
}

static inline bool sim_cpu_step(struct sim_cpu *cpu)
{
	struct scheduler_entity *running = cpu->now.next;

	if (running && !sim_task_of(running)->work_left)
		sim_done(cpu);
	else if (cpu->ask || cpu->now.until <= sim.now)
		sim_decided(cpu, scheduler_pick(&cpu->queue, sim.now), false);
	else
		return false;
	return true;
}

static inline u64 sim_next(u64 end)
{
	u64 next = end;

	for (u32 i = 0; i < sim.cpu_count; i++) {
		const struct sim_cpu *cpu = &sim.cpus[i];
		u64 until = cpu->now.until;

		if (until != SCHEDULER_NEVER && sim.late_by)
			until = MAX(until + sim_random(sim.late_by), sim.now + 1);
		next = MIN(next, until);
		if (cpu->now.next && sim_task_of(cpu->now.next)->work_left != SCHEDULER_NEVER)
			next = MIN(next, sim.now + sim_task_of(cpu->now.next)->work_left);
	}
	for (u32 i = 0; i < sim.task_count; i++)
		next = MIN(next, MAX(sim.tasks[i].wake_at, sim.now));
	return next;
}

/* What happens at this moment, until nothing more does. */
static inline void sim_settle(void)
{
	bool again = true;

	while (again) {
		again = false;
		for (u32 i = 0; i < sim.task_count; i++) {
			if (sim.tasks[i].wake_at <= sim.now)
				sim_wake(&sim.tasks[i]);
		}
		for (u32 i = 0; i < sim.cpu_count; i++)
			again |= sim_cpu_step(&sim.cpus[i]);
	}
}

static inline void sim_run(u64 ticks)
{
	u64 end = sim.now + ticks;

	sim_settle();
	while (sim.now < end) {
		sim_advance(sim_next(end));
		sim_settle();
		if (sim.on_event)
			sim.on_event();
	}
}

/* Every tick of every CPU was had by somebody, or idle; states add up for each task. */
static inline void sim_conservation_check(void)
{
	u64 had = 0;

	for (u32 i = 0; i < sim.cpu_count; i++)
		had += sim.cpus[i].idle;
	for (u32 i = 0; i < sim.task_count; i++) {
		u64 times[SCHEDULER_STATES], sum = 0;

		had += sim.tasks[i].had;
		if (sim.tasks[i].behaviour == SIM_FORKER)
			continue;
		scheduler_times(&sim.tasks[i].entity, sim.now, times);
		for (unsigned j = 0; j < SCHEDULER_STATES; j++)
			sum += times[j];
		assert_int_equal(times[SCHEDULER_RUNNING], sim.tasks[i].had);
		assert_int_equal(sum, sim.now - sim.began);
	}
	assert_int_equal(had, sim.cpu_count * (sim.now - sim.began));
}

static inline double sim_share(const struct sim_task *task, u64 ticks)
{
	return (double)task->had / (double)ticks;
}

static inline void sim_forget(void)
{
	for (u32 i = 0; i < sim.task_count; i++) {
		sim.tasks[i].had = 0;
		sim.tasks[i].longest_wait = 0;
		sim.tasks[i].longest_wake = 0;
	}
}
