/* SPDX-License-Identifier: MIT */
/* Who has a CPU next, and until when: the calls of the policy. */
#include "scheduler_internal.h"

void scheduler_queue_init(struct scheduler_queue *queue, u64 ticks_per_us)
{
	*queue = (struct scheduler_queue){
		.ticks_per_us = ticks_per_us,
		.slice = SCHEDULER_SLICE_US * ticks_per_us,
		.until = SCHEDULER_NEVER,
	};
}

/* A cap of a whole CPU or more is none for something that runs on one at a time. */
static void claim_take(struct scheduler_entity *entity, const struct scheduler_claim *claim)
{
	u32 cap = claim->cap < 100 ? claim->cap : 0;

	entity->claim = *claim;
	if (entity->group.cap != cap)
		scheduler_group_set(&entity->group, 0, cap);
}

void scheduler_entity_init(struct scheduler_entity *entity, const struct scheduler_claim *claim,
			   struct scheduler_group *group, u64 now)
{
	*entity = (struct scheduler_entity){.state_since = now, .charged_to = now};
	scheduler_group_init(&entity->group, 0, 0, group);
	claim_take(entity, claim);
}

void scheduler_entity_join(struct scheduler_entity *entity, struct scheduler_group *group)
{
	entity->group.parent = group;
}

void scheduler_times(const struct scheduler_entity *entity, u64 now, u64 times[SCHEDULER_STATES])
{
	for (unsigned i = 0; i < SCHEDULER_STATES; i++)
		times[i] = entity->times[i];
	if (now > entity->state_since)
		times[entity->state] += now - entity->state_since;
}

/* --- leaving, and time --- */

/* What entity_begin, or having run since, has made of it; not its state. */
inlined void entity_end(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	if (is_reserved(entity) && !entity->on_budget)
		depleted_remove(queue, entity);
	member_remove(entity);
	if (entity->state == SCHEDULER_CAPPED) {
		list_remove(&queue->capped, entity);
		return;
	}
	if (entity->state == SCHEDULER_READY)
		ready_remove(queue, entity);
	else
		bucket_release(entity);
	if (!entity->on_budget)
		fair_leave(queue, entity, now);
}

inlined void charge(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *entity = queue->running;
	u64 ticks;

	if (!entity || now <= entity->charged_to)
		return;
	ticks = now - entity->charged_to;
	entity->charged_to = now;
	if (!entity->on_budget)
		fair_charge(queue, entity, ticks);
	else if (is_reserved(entity))
		entity->budget_left -= (s64)MIN(ticks, TICKS_LONG);
	bucket_charge(queue, entity, ticks);
}

inlined void renew(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *running = queue->running;

	if (running && !running->on_budget)
		fair_reweigh(queue, running);
	else if (running && is_reserved(running) &&
		 (running->budget_left <= 0 || running->deadline <= now))
		running_renew(queue, now);
	if (unlikely(queue->depleted && queue->depleted->deadline <= now))
		depleted_renew(queue, now);
	if (unlikely(queue->capped))
		capped_renew(queue, now);
	if (unlikely(queue->reserved && queue->reserved->deadline <= now))
		missed_renew(queue, now);
}

/* --- choosing --- */

/* The best of those that wait and `running`, which may be NULL. */
inlined struct scheduler_entity *choose(const struct scheduler_queue *queue,
					struct scheduler_entity *running)
{
	struct scheduler_entity *reserved = queue->reserved;

	if (running && running->on_budget)
		return reserved && reserved->deadline < running->deadline ? reserved : running;
	return reserved ? reserved : fair_choose(queue, running);
}

/* Whether it may run as far as its caps are concerned, with a grant out of their buckets. */
inlined bool fund(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	return entity->on_budget || entity->grant || !caps_possible(entity) ||
	       buckets_take(queue, entity, now);
}

static seldom void cap(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	if (entity == queue->running)
		queue->running = NULL;
	else
		ready_remove(queue, entity);
	fair_leave(queue, entity, now);
	capped_insert(queue, entity, now);
}

/* The best that may run. With `aside` the running one only if there is no other. */
inlined struct scheduler_entity *choose_funded(struct scheduler_queue *queue, bool aside, u64 now)
{
	for (;;) {
		struct scheduler_entity *next = choose(queue, aside ? NULL : queue->running);

		next = next ? next : queue->running;
		if (!next || fund(queue, next, now))
			return next;
		cap(queue, next, now);
	}
}

inlined void stand_down(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	bucket_release(entity);
	if (!entity->on_budget)
		fair_slice_begin(entity);
	ready_insert(queue, entity, now);
}

inlined void run(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	struct scheduler_entity *before = queue->running;

	if (entity != before) {
		if (entity)
			ready_remove(queue, entity);
		if (before)
			stand_down(queue, before, now);
		queue->running = entity;
		if (!entity)
			return;
		entity->charged_to = now;
		state_set(entity, SCHEDULER_RUNNING, now);
		if (!entity->on_budget)
			fair_reweigh(queue, entity);
	}
	if (entity && !entity->on_budget)
		fair_slice_begin(entity);
}

/* --- how long --- */

/* When somebody who has no budget now will have one and go before the running one. */
static u64 replenished_at(const struct scheduler_queue *queue,
			  const struct scheduler_entity *running, u64 until)
{
	const struct scheduler_entity *entity = queue->depleted;

	for (; entity && entity->deadline < until; entity = entity->next_depleted) {
		if (!running->on_budget ||
		    entity->deadline + reserve_period(queue, entity) < running->deadline)
			return entity->deadline;
	}
	return until;
}

/* The same as until_next, for all that is not usual. */
static seldom u64 until_limited(const struct scheduler_queue *queue, u64 now)
{
	const struct scheduler_entity *running = queue->running;
	u64 until = SCHEDULER_NEVER;

	if (running && running->claim.kind == SCHEDULER_DEDICATED)
		return until;
	if (queue->capped && !(running && running->on_budget))
		until = queue->capped->ready_at;
	if (!running)
		return queue->depleted ? MIN(until, queue->depleted->deadline) : until;
	if (running->on_budget)
		until = MIN(until, now + (u64)MAX(running->budget_left, 1));
	else if (queue->shared)
		until = MIN(until, now + fair_slice_left(running));
	if (running->grant)
		until = MIN(until, now + running->grant);
	/* Somebody before it only gave way. */
	if (queue->reserved && choose(queue, queue->running) != running)
		until = MIN(until, now + scheduler_grain(queue));
	return queue->depleted ? replenished_at(queue, running, until) : until;
}

inlined u64 until_next(const struct scheduler_queue *queue, u64 now)
{
	const struct scheduler_entity *running = queue->running;

	if (queue->capped || queue->depleted || queue->reserved ||
	    (running && (running->on_budget || running->grant)))
		return until_limited(queue, now);
	return running && queue->shared ? now + fair_slice_left(running) : SCHEDULER_NEVER;
}

inlined void block(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *running = queue->running;

	entity_end(queue, running, now);
	if (!running->on_budget && running->group.parent)
		fair_member_block(queue, running, now);
	state_set(running, SCHEDULER_BLOCKED, now);
	queue->running = NULL;
}

/* It was in no list, or is taken off its: nobody else is there, and nothing limits it. */
inlined void run_alone(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	queue->running = entity;
	queue->until = SCHEDULER_NEVER;
	entity->charged_to = now;
	state_set(entity, SCHEDULER_RUNNING, now);
}

/* Most often one entity wants an idle CPU, and nothing limits it: what all the rest would come to.
 */
static bool run_only(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *only = queue->shared;

	if (queue->running || queue->count != 1 || !only || queue->capped || queue->depleted ||
	    only->group.cap || only->group.parent)
		return false;
	queue->shared = NULL;
	queue->count = 0;
	run_alone(queue, only, now);
	if (fair_slice_over(only))
		only->vdeadline = only->vtime + only->vslice;
	return true;
}

static struct scheduler_decision decide(struct scheduler_queue *queue, bool blocks, u64 now)
{
	struct scheduler_entity *next;

	if (run_only(queue, now))
		return (struct scheduler_decision){queue->running, SCHEDULER_NEVER};
	charge(queue, now);
	if (queue->running && blocks)
		block(queue, now);
	renew(queue, now);
	next = choose_funded(queue, false, now);
	run(queue, next, now);
	queue->until = until_next(queue, now);
	return (struct scheduler_decision){.next = next, .until = queue->until};
}

/*
 * Of the running one's family, who has had less than its share and may run: probably it has the
 * lock. The others' turns come no later for that than if it had woken up now.
 */
static struct scheduler_entity *relative_choose(struct scheduler_queue *queue, u64 now)
{
	const struct scheduler_entity *running = queue->running;
	struct scheduler_entity *entity = queue->shared;

	if (!running || running->on_budget || !running->family || queue->reserved)
		return NULL;
	for (; entity; entity = entity->next)
		if (entity->family == running->family &&
		    !vtime_before(queue->vtime, entity->vtime) && fund(queue, entity, now))
			return entity;
	return NULL;
}

/* --- the calls --- */

struct scheduler_decision scheduler_pick(struct scheduler_queue *queue, u64 now)
{
	return decide(queue, false, now);
}

struct scheduler_decision scheduler_block(struct scheduler_queue *queue, u64 now)
{
	return decide(queue, true, now);
}

struct scheduler_decision scheduler_yield(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *running, *next;

	charge(queue, now);
	running = queue->running;
	if (running && !running->on_budget && queue->shared)
		fair_forfeit(queue, running);
	renew(queue, now);
	next = relative_choose(queue, now);
	run(queue, next ? next : choose_funded(queue, true, now), now);
	queue->until = until_next(queue, now);
	return (struct scheduler_decision){.next = queue->running, .until = queue->until};
}

/* Whether the last decision does not hold any longer, as `entity` has joined. */
static bool decision_outdated(const struct scheduler_queue *queue,
			      const struct scheduler_entity *entity, u64 now)
{
	struct scheduler_entity *running = queue->running;

	if (queue->until <= now)
		return true;
	if (!running || entity->state == SCHEDULER_CAPPED || queue->depleted)
		return choose(queue, running) != running ||
		       until_limited(queue, now) < queue->until;
	if (choose(queue, running) != running)
		return true;
	/* The first one that waits puts an end to a slice. */
	return !entity->on_budget && !running->on_budget && !queue->shared->next &&
	       now + fair_slice_left(running) < queue->until;
}

/* An entity comes to an idle CPU, where nobody waits and nothing limits it. */
inlined bool join_alone(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	if (queue->running || queue->count || queue->capped || queue->depleted ||
	    entity->claim.kind != SCHEDULER_SHARED || entity->group.cap ||
	    !fair_join_alone(queue, entity))
		return false;
	entity->on_budget = false;
	entity->next = NULL;
	return true;
}

bool scheduler_resume(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	if (!join_alone(queue, entity))
		return false;
	run_alone(queue, entity, now);
	return true;
}

static bool wake_alone(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	if (!join_alone(queue, entity))
		return false;
	queue->shared = entity;
	queue->count = 1;
	state_set(entity, SCHEDULER_READY, now);
	return true;
}

bool scheduler_wake(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	if (wake_alone(queue, entity, now))
		return true;
	charge(queue, now);
	entity_begin(queue, entity, now);
	if (!queue->running && entity->state == SCHEDULER_READY)
		return true;
	if (queue->running && !queue->running->on_budget)
		fair_reweigh(queue, queue->running);
	return decision_outdated(queue, entity, now);
}

void scheduler_remove(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	charge(queue, now);
	entity_end(queue, entity, now);
	entity->carried = true;
	state_set(entity, SCHEDULER_BLOCKED, now);
}

/* The running one keeps the CPU until the next decision. */
static void running_claim_set(struct scheduler_queue *queue, struct scheduler_entity *entity,
			      const struct scheduler_claim *claim, u64 now)
{
	entity_end(queue, entity, now);
	claim_take(entity, claim);
	entity->on_budget = claim->kind != SCHEDULER_SHARED;
	if (is_reserved(entity))
		reserve_begin(queue, entity, now);
	else
		entity->deadline = 0;
	if (!entity->on_budget)
		fair_join(queue, entity, now);
}

void scheduler_claim_set(struct scheduler_queue *queue, struct scheduler_entity *entity,
			 const struct scheduler_claim *claim, u64 now)
{
	charge(queue, now);
	if (entity->state == SCHEDULER_BLOCKED) {
		claim_take(entity, claim);
	} else if (entity->state == SCHEDULER_RUNNING) {
		running_claim_set(queue, entity, claim, now);
	} else {
		entity_end(queue, entity, now);
		claim_take(entity, claim);
		entity_begin(queue, entity, now);
	}
}

struct scheduler_entity *
scheduler_spare(const struct scheduler_queue *queue,
		bool (*may)(const struct scheduler_entity *entity, void *context), void *context)
{
	struct scheduler_entity *const lists[] = {queue->shared, queue->reserved};
	struct scheduler_entity *spare = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(lists) && !spare; i++) {
		for (struct scheduler_entity *entity = lists[i]; entity; entity = entity->next) {
			if (may(entity, context))
				spare = entity;
		}
	}
	return spare;
}
