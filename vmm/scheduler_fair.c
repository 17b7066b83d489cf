/* SPDX-License-Identifier: MIT */
/*
 * Claims with weights: earliest virtual deadline first among those who have had less than their
 * share.
 *
 * Who leaves and comes back to the same queue has the virtual time that it left with, so that the
 * time it slept counts as time that it could have had; but what it may be behind or ahead then is
 * limited to one slice. On another queue it is behind or ahead as much as where it was. Where
 * nobody takes part nobody is behind or ahead: it begins a slice at the queue's virtual time, which
 * is where the last one ended. So what somebody had while nobody else wanted it is not held against
 * it.
 */
#include "scheduler_internal.h"

#define LONG_SPAN ((s64)(TICKS_LONG << VTIME_SHIFT)) /* longer than any that matters */

/* How much is added to the sum of distances by one that is at `vtime`. */
static s64 distance(const struct scheduler_queue *queue, u64 vtime, u32 weight)
{
	return (s64)(vtime - queue->vtime) * (s64)weight;
}

/* A virtual time span of an entity whose weight changed. */
static s64 span_scale(s64 span, u32 from, u32 to)
{
	s64 product;

	if (__builtin_mul_overflow(span, (s64)from, &product))
		return span < 0 ? -LONG_SPAN : LONG_SPAN;
	return product / (s64)to;
}

static void weight_update(const struct scheduler_queue *queue, struct scheduler_entity *entity,
			  u32 weight)
{
	entity->effective_weight = weight;
	entity->vslice = (queue->slice << VTIME_SHIFT) / weight;
}

/* How far behind the average of the others one must be to have `lag` once it has joined, as the
 * average moves towards it. */
static s64 behind_with_lag(const struct scheduler_queue *queue, s64 lag, u32 weight)
{
	return queue->load ? lag + lag * (s64)weight / (s64)queue->load : lag;
}

/* How far it is behind the average of the others, before it joins them: one from another queue, or
 * that has slept for long. */
static seldom s64 behind_elsewhere(const struct scheduler_queue *queue,
				   const struct scheduler_entity *entity, u64 slept)
{
	s64 lag = entity->lag, caught_up;

	if (entity->queue == queue)
		return queue->load ? LONG_SPAN : 0;
	if (lag < 0) {
		caught_up = (s64)((MIN(slept, TICKS_LONG) << VTIME_SHIFT) /
				  (queue->load + entity->effective_weight));
		lag = MIN(lag + caught_up, 0);
	}
	return behind_with_lag(queue, lag, entity->effective_weight);
}

static inline s64 behind_now(const struct scheduler_queue *queue,
			     const struct scheduler_entity *entity, u64 now)
{
	u64 slept = now - MIN(now, entity->charged_to);

	if (entity->queue == queue && slept < TICKS_LONG)
		return (s64)(queue->vtime - entity->vtime);
	return behind_elsewhere(queue, entity, slept);
}

/*
 * Members of a group have one lag between them, else the group would be given the time that one has
 * slept although another had it. The one that wakes up takes what is there. False: that is nothing
 * from this queue.
 */
static seldom bool behind_of_group(const struct scheduler_queue *queue,
				   struct scheduler_group *group, u32 weight, u64 now, s64 *behind)
{
	/* Nobody has used the group's weight meanwhile. */
	bool alone = weight == group->weight << WEIGHT_SHIFT;
	bool known;

	spin_lock(&group->lock);
	known = group->lag_queue == queue;
	if (known) {
		*behind = behind_with_lag(queue, group->lag / (s64)weight, weight);
		if (alone && now - MIN(now, group->lag_at) < TICKS_LONG)
			*behind += (s64)(queue->vtime - group->lag_vtime);
		else if (alone)
			*behind = queue->load ? LONG_SPAN : 0;
		group->lag = 0;
	}
	spin_unlock(&group->lock);
	return known;
}

void fair_member_block(const struct scheduler_queue *queue, const struct scheduler_entity *entity,
		       u64 now)
{
	struct scheduler_group *group = member_group(entity);
	s64 limit = (s64)(queue->slice << VTIME_SHIFT), lag;

	if (!group)
		return;
	spin_lock(&group->lock);
	if (group->lag_queue != queue)
		group->lag = 0;
	lag = group->lag + span_scale(entity->lag, entity->effective_weight, 1);
	group->lag = MAX(MIN(lag, limit), -limit);
	group->lag_queue = queue;
	group->lag_vtime = queue->vtime;
	group->lag_at = now;
	spin_unlock(&group->lock);
}

/* No more than one slice once it has joined. */
inlined s64 behind_limit(const struct scheduler_queue *queue, const struct scheduler_entity *entity,
			 s64 behind)
{
	s64 limit = (s64)entity->vslice;

	if (!queue->load || (behind <= limit && behind >= -limit))
		return behind;
	limit += (s64)((queue->slice << VTIME_SHIFT) / queue->load);
	return MAX(MIN(behind, limit), -limit);
}

inlined void entity_place(struct scheduler_queue *queue, struct scheduler_entity *entity,
			  s64 behind, s64 rest)
{
	s64 placed = behind_limit(queue, entity, behind);

	/* Who is given less credit than it has slept for begins anew. */
	if (placed < behind || rest <= 0 || rest > (s64)entity->vslice)
		rest = (s64)entity->vslice;
	entity->vtime = queue->vtime - (u64)placed;
	entity->vdeadline = entity->vtime + (u64)rest;
	entity->queue = queue;
}

/* Of one that comes back: how far it is behind, with its weight as it is now. */
inlined s64 behind_again(const struct scheduler_queue *queue, const struct scheduler_entity *entity,
			 u32 weight, u64 now)
{
	struct scheduler_group *group = entity->group.parent ? member_group(entity) : NULL;
	s64 behind = behind_now(queue, entity, now);

	if (group && entity->state == SCHEDULER_BLOCKED && entity->queue == queue &&
	    behind_of_group(queue, group, weight, now, &behind))
		return behind;
	if (weight == entity->effective_weight)
		return behind;
	return span_scale(behind, entity->effective_weight, weight);
}

/*
 * Who is new goes behind all that are there: else it would pay to be made anew again and again.
 * What it runs for is a slice as any other, see fair_slice_begin.
 */
static seldom u64 deadline_of_new(const struct scheduler_queue *queue,
				  const struct scheduler_entity *entity)
{
	const struct scheduler_entity *running = queue->running;
	u64 last = entity->vdeadline, other;

	for (const struct scheduler_entity *at = queue->shared; at; at = at->next)
		last = vtime_before(last, at->vdeadline) ? at->vdeadline : last;
	if (!running || running->on_budget)
		return last;
	other = fair_slice_over(running) ? running->vtime + running->vslice : running->vdeadline;
	return vtime_before(last, other) ? other : last;
}

bool fair_join_alone(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	if (queue->load || entity->queue != queue || entity->group.parent ||
	    entity->effective_weight != entity->claim.weight << WEIGHT_SHIFT)
		return false;
	entity->vtime = queue->vtime;
	entity->vdeadline = entity->vtime + entity->vslice;
	queue->load = entity->effective_weight;
	return true;
}

void fair_join(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	s64 rest = (s64)(entity->vdeadline - entity->vtime), behind = 0;
	u32 before = entity->effective_weight, weight;

	member_add(entity);
	weight = member_weight(entity);
	if (before)
		behind = behind_again(queue, entity, weight, now);
	if (before != weight) {
		rest = before ? span_scale(rest, before, weight) : 0;
		weight_update(queue, entity, weight);
	}
	if (queue->load)
		entity_place(queue, entity, behind, rest);
	else
		entity_place(queue, entity, 0, 0);
	if (!before)
		entity->vdeadline = deadline_of_new(queue, entity);
	/* From the heavier side, as it may be far away from a light one. */
	if (weight > queue->load) {
		queue->excess += (s64)(queue->vtime - entity->vtime) * (s64)queue->load;
		queue->vtime = entity->vtime;
	} else {
		queue->excess += distance(queue, entity->vtime, weight);
	}
	queue->load += weight;
	if (queue->load != weight)
		vtime_update(queue);
}

void fair_leave(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	entity->lag = (s64)(queue->vtime - entity->vtime);
	entity->charged_to = now;
	queue->load -= entity->effective_weight;
	queue->excess -= distance(queue, entity->vtime, entity->effective_weight);
	if (queue->load)
		vtime_update(queue);
	else
		queue->excess = 0;
}

void fair_member_reweigh(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	u32 before = entity->effective_weight, weight;
	s64 ahead, rest;

	weight = member_weight(entity);
	if (weight == before)
		return;
	ahead = (s64)(entity->vtime - queue->vtime);
	rest = span_scale((s64)(entity->vdeadline - entity->vtime), before, weight);
	queue->excess -= distance(queue, entity->vtime, before);
	weight_update(queue, entity, weight);
	entity->vtime = queue->vtime + (u64)span_scale(ahead, before, weight);
	entity->vdeadline = entity->vtime + (u64)rest;
	queue->load = queue->load - before + weight;
	queue->excess += distance(queue, entity->vtime, weight);
	vtime_update(queue);
}

void fair_forfeit(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	if (vtime_before(entity->vtime, queue->vtime)) {
		queue->excess -= distance(queue, entity->vtime, entity->effective_weight);
		entity->vtime = queue->vtime;
		vtime_update(queue);
	}
	entity->vdeadline = entity->vtime + entity->vslice;
}
