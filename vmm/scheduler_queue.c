/* SPDX-License-Identifier: MIT */
/*
 * Who is in which list of a run queue, and what time changes there. An entity that is ready is in
 * one of two lists, reserved or shared; one that is capped waits for tokens in `capped`, or for its
 * budget in `depleted`. Who is in `depleted` and has a weight goes on with that meanwhile, in
 * whatever state.
 */
#include "scheduler_internal.h"

/* --- lists --- */

void ready_insert(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	struct scheduler_entity **at = entity->on_budget ? &queue->reserved : &queue->shared;

	if (entity->on_budget) {
		while (*at && (*at)->deadline <= entity->deadline)
			at = &(*at)->next;
	} else {
		while (*at && !vtime_before(entity->vdeadline, (*at)->vdeadline))
			at = &(*at)->next;
	}
	entity->next = *at;
	*at = entity;
	queue->count++;
	state_set(entity, SCHEDULER_READY, now);
}

void capped_insert(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	struct scheduler_entity **at = &queue->capped;

	if (entity->capped_itself)
		member_remove(entity);
	else
		member_add(entity);
	while (*at && (*at)->ready_at < entity->ready_at)
		at = &(*at)->next;
	entity->next = *at;
	*at = entity;
	state_set(entity, SCHEDULER_CAPPED, now);
}

static void depleted_insert(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	struct scheduler_entity **at = &queue->depleted;

	while (*at && (*at)->deadline <= entity->deadline)
		at = &(*at)->next_depleted;
	entity->next_depleted = *at;
	*at = entity;
}

/* --- coming and going --- */

/* It wants to run and is in no list: ready with its weight, or capped. */
static void shared_begin(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	entity->on_budget = false;
	if (bucket_ready(queue, entity, now)) {
		fair_join(queue, entity, now);
		ready_insert(queue, entity, now);
	} else {
		capped_insert(queue, entity, now);
	}
}

/* It wants to run, is reserved, and has no budget until its deadline. */
static void depleted_begin(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	depleted_insert(queue, entity);
	entity->on_budget = false;
	if (entity->claim.weight) {
		shared_begin(queue, entity, now);
	} else {
		entity->ready_at = entity->deadline;
		state_set(entity, SCHEDULER_CAPPED, now);
	}
}

void entity_begin(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	if (entity->claim.kind == SCHEDULER_SHARED) {
		shared_begin(queue, entity, now);
		return;
	}
	if (is_reserved(entity))
		reserve_begin(queue, entity, now);
	else
		entity->deadline = 0;
	entity->on_budget = true;
	if (is_reserved(entity) && entity->budget_left <= 0)
		depleted_begin(queue, entity, now);
	else
		ready_insert(queue, entity, now);
}

/* --- what time has changed --- */

/* One in `depleted` that now has a budget again. */
static void budget_return(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	enum scheduler_state state = entity->state;

	member_remove(entity);
	if (state == SCHEDULER_CAPPED) {
		list_remove(&queue->capped, entity);
	} else {
		if (state == SCHEDULER_READY)
			ready_remove(queue, entity);
		else
			bucket_release(entity);
		fair_leave(queue, entity, now);
	}
	entity->on_budget = true;
	if (state != SCHEDULER_RUNNING)
		ready_insert(queue, entity, now);
}

seldom void depleted_renew(struct scheduler_queue *queue, u64 now)
{
	while (queue->depleted && queue->depleted->deadline <= now) {
		struct scheduler_entity *entity = queue->depleted;

		queue->depleted = entity->next_depleted;
		(void)reserve_replenish(queue, entity, now);
		if (entity->budget_left > 0) {
			budget_return(queue, entity, now);
			continue;
		}
		depleted_insert(queue, entity);
		if (!entity->claim.weight)
			entity->ready_at = entity->deadline;
	}
}

seldom void capped_renew(struct scheduler_queue *queue, u64 now)
{
	u32 generation = caps_generation();

	if (unlikely(queue->caps_generation != generation)) {
		queue->caps_generation = generation;
		for (struct scheduler_entity *entity = queue->capped; entity; entity = entity->next)
			entity->ready_at = now;
	}
	while (queue->capped && queue->capped->ready_at <= now) {
		struct scheduler_entity *entity = queue->capped;

		queue->capped = entity->next;
		shared_begin(queue, entity, now);
	}
}

/* Those who waited until their deadline, although they had a budget. */
seldom void missed_renew(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *entity;

	while ((entity = queue->reserved) && entity->deadline <= now && is_reserved(entity)) {
		ready_remove(queue, entity);
		entity->missed_deadlines += reserve_replenish(queue, entity, now);
		ready_insert(queue, entity, now);
	}
}

seldom void running_renew(struct scheduler_queue *queue, u64 now)
{
	struct scheduler_entity *entity = queue->running;

	if (now >= entity->deadline) {
		/* It has just used what it had left then, or more. */
		bool missed = entity->budget_left + (s64)(now - entity->deadline) > 0;
		u64 periods = reserve_replenish(queue, entity, now);

		entity->missed_deadlines += missed ? periods : 0;
	}
	if (entity->budget_left > 0)
		return;
	depleted_insert(queue, entity);
	entity->on_budget = false;
	if (entity->claim.weight) {
		fair_join(queue, entity, now);
		return;
	}
	entity->ready_at = entity->deadline;
	state_set(entity, SCHEDULER_CAPPED, now);
	queue->running = NULL;
}
