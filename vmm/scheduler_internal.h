/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the scheduling policy share. All of it is called with the queue's lock held.
 *
 * scheduler.c: who is next, and until when.
 * scheduler_queue.c: the lists of a run queue: who joins which, and when that changes with time.
 * scheduler_fair.c: claims with weights, in virtual time.
 * scheduler_reserve.c: budgets and deadlines.
 * scheduler_group.c: what a group's weight is worth to a member, and the token buckets of caps.
 * scheduler_claim.c: what a claim may be.
 */
#pragma once

#include <bulkhead/scheduler.h>

#define WEIGHT_SHIFT 10
/* Nothing is charged for more ticks than this at once, and who slept longer has all the credit that
 * there is. Keeps products of ticks and weights within 64 bits. */
#define TICKS_LONG (1UL << 34)

/* Changes that small do not interrupt a slice. */
static inline u64 scheduler_grain(const struct scheduler_queue *queue)
{
	return queue->slice / 16;
}

/* Times wrap. */
static inline bool vtime_before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

/* Groups. */

void member_count(struct scheduler_entity *entity);
void member_uncount(struct scheduler_entity *entity);
u32 member_weight_part(const struct scheduler_entity *entity);
/* The outermost group whose weight it has a part of, or NULL. */
struct scheduler_group *member_group(const struct scheduler_entity *entity);

/*
 * The entity counts with its weight, or does not any longer; no matter if it does so already. It
 * counts while it takes part, and while it is capped because of a group: then the others are capped
 * as well, and all have their weights when they come back.
 */
static inline void member_add(struct scheduler_entity *entity)
{
	if (entity->group.parent && !entity->counted)
		member_count(entity);
}

static inline void member_remove(struct scheduler_entity *entity)
{
	if (entity->counted)
		member_uncount(entity);
}

/* Its weight in 1/1024, as things are at this moment. */
static inline u32 member_weight(const struct scheduler_entity *entity)
{
	if (entity->group.parent)
		return member_weight_part(entity);
	return MAX(entity->claim.weight << WEIGHT_SHIFT, 1U);
}

/*
 * Claims with weights. Who takes part is ready or running, with on_budget off.
 *
 * Virtual time passes for an entity with the time that it has, at a rate of 1/weight. The queue's
 * is the average of those who take part, weighted: so the distances to it, times weights, add up to
 * 0, and who is behind it has had less than its share, and is eligible.
 */

/* Virtual time that a tick is for an entity of weight 1/1024. */
#define VTIME_SHIFT 24

/* Take part; the virtual time it gets follows from what it had when it left and how long ago. */
void fair_join(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
/* The same where nobody takes part. False: use fair_join. */
bool fair_join_alone(struct scheduler_queue *queue, struct scheduler_entity *entity);
void fair_leave(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
/* One of a group has left and blocks: what it was behind or ahead is its group's. */
void fair_member_block(const struct scheduler_queue *queue, const struct scheduler_entity *entity,
		       u64 now);
/* One of a group, which may have changed, is not in a list. */
void fair_member_reweigh(struct scheduler_queue *queue, struct scheduler_entity *entity);
/* Give up what it is behind, and begin a new slice. */
void fair_forfeit(struct scheduler_queue *queue, struct scheduler_entity *entity);

static inline void fair_reweigh(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	if (entity->group.parent)
		fair_member_reweigh(queue, entity);
}

/* The average again, after the distances to it or the weights have changed. */
static inline void vtime_update(struct scheduler_queue *queue)
{
	s64 load = (s64)queue->load;
	s64 ahead = queue->excess / load;

	if (ahead * load > queue->excess)
		ahead--;
	queue->vtime += (u64)ahead;
	queue->excess -= ahead * load;
}

/* The running one has had `ticks`. */
static inline void fair_charge(struct scheduler_queue *queue, struct scheduler_entity *entity,
			       u64 ticks)
{
	u32 weight = entity->effective_weight;
	u64 passed = (MIN(ticks, TICKS_LONG) << VTIME_SHIFT) / weight;

	entity->vtime += passed;
	if (queue->load == weight) {
		queue->vtime += passed;
		return;
	}
	queue->excess += (s64)(passed * weight);
	vtime_update(queue);
}

/* Whether its slice is over, or so nearly that it is not worth going on with. */
static inline bool fair_slice_over(const struct scheduler_entity *entity)
{
	return !vtime_before(entity->vtime + entity->vslice / 64, entity->vdeadline);
}

/* It has or will have the CPU: with a new slice if need be. */
static inline void fair_slice_begin(struct scheduler_entity *entity)
{
	if (fair_slice_over(entity) || entity->vdeadline - entity->vtime > entity->vslice)
		entity->vdeadline = entity->vtime + entity->vslice;
}

/* Ticks of its slice that are left, at least 1. */
static inline u64 fair_slice_left(const struct scheduler_entity *entity)
{
	u64 left = entity->vdeadline - entity->vtime;
	u64 round_up = BIT(VTIME_SHIFT) - 1;

	if ((s64)left <= 0)
		return 1;
	return (left * entity->effective_weight + round_up) >> VTIME_SHIFT;
}

/* Who has the CPU next: the running one (NULL: there is none) or one that waits, or NULL. */
static inline struct scheduler_entity *fair_choose(const struct scheduler_queue *queue,
						   struct scheduler_entity *running)
{
	struct scheduler_entity *entity = queue->shared;
	u64 limit;

	if (!entity)
		return running;
	if (!running) {
		while (entity && vtime_before(queue->vtime, entity->vtime))
			entity = entity->next;
		return entity ? entity : queue->shared;
	}
	if (!fair_slice_over(running)) /* A little earlier does not interrupt a slice. */
		limit = running->vdeadline - running->vslice / 16;
	else if (!vtime_before(queue->vtime, running->vtime)) /* As good as equal: in turns. */
		limit = running->vtime + running->vslice + running->vslice / 16;
	else /* It is not eligible itself. */
		limit = running->vtime + BIT(62);
	for (; entity && vtime_before(entity->vdeadline, limit); entity = entity->next) {
		if (!vtime_before(queue->vtime, entity->vtime))
			return entity;
	}
	return running;
}

/* Reservations. */

/* Who wants to run has a budget and a deadline by the rule of the constant-bandwidth server. */
void reserve_begin(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
/* The deadline has passed: the next one, and its budget. How many have passed. */
u64 reserve_replenish(const struct scheduler_queue *queue, struct scheduler_entity *entity,
		      u64 now);

static inline u64 reserve_period(const struct scheduler_queue *queue,
				 const struct scheduler_entity *entity)
{
	return MAX(entity->claim.period_us, 1) * queue->ticks_per_us;
}

/* The caps of an entity: its own and those of its groups. */

/* Another number after any of them was changed. */
u32 caps_generation(void);

static inline bool caps_possible(const struct scheduler_entity *entity)
{
	return entity->group.cap || entity->group.parent;
}

/* Take ticks to run out of all buckets, entity->grant. False: there are too few, ready_at says when
 * there will be enough, and capped_itself whether its own cap is a reason. */
bool buckets_take(const struct scheduler_queue *queue, struct scheduler_entity *entity,
		  u64 now) must_check;
/* Whether that would do, without taking. */
bool buckets_ready(const struct scheduler_queue *queue, struct scheduler_entity *entity,
		   u64 now) must_check;
/* It has had `ticks`. */
void buckets_charge(const struct scheduler_queue *queue, struct scheduler_entity *entity,
		    u64 ticks);
/* Give back what is left of the grant. */
void buckets_release(struct scheduler_entity *entity);

static inline bool bucket_ready(const struct scheduler_queue *queue,
				struct scheduler_entity *entity, u64 now)
{
	return !caps_possible(entity) || buckets_ready(queue, entity, now);
}

static inline void bucket_charge(const struct scheduler_queue *queue,
				 struct scheduler_entity *entity, u64 ticks)
{
	if (caps_possible(entity))
		buckets_charge(queue, entity, ticks);
}

static inline void bucket_release(struct scheduler_entity *entity)
{
	if (entity->granted_in)
		buckets_release(entity);
}

/* The lists of a queue: ready to run (`reserved` or `shared`), `capped`, `depleted`. */

static inline void state_set(struct scheduler_entity *entity, enum scheduler_state state, u64 now)
{
	/* CPUs' clocks may differ by a few ticks. */
	if (now > entity->state_since) {
		entity->times[entity->state] += now - entity->state_since;
		entity->state_since = now;
	}
	entity->state = state;
}

static inline bool is_reserved(const struct scheduler_entity *entity)
{
	return entity->claim.kind == SCHEDULER_RESERVED;
}

static inline void list_remove(struct scheduler_entity **at, const struct scheduler_entity *entity)
{
	while (*at && *at != entity)
		at = &(*at)->next;
	if (*at)
		*at = entity->next;
}

static inline void ready_remove(struct scheduler_queue *queue, struct scheduler_entity *entity)
{
	struct scheduler_entity **at = entity->on_budget ? &queue->reserved : &queue->shared;

	while (*at != entity)
		at = &(*at)->next;
	*at = entity->next;
	queue->count--;
}

static inline void depleted_remove(struct scheduler_queue *queue,
				   const struct scheduler_entity *entity)
{
	struct scheduler_entity **at = &queue->depleted;

	while (*at && *at != entity)
		at = &(*at)->next_depleted;
	if (*at)
		*at = entity->next_depleted;
}

void ready_insert(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
/* Until entity->ready_at. The entity takes no part. */
void capped_insert(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
/* It wants to run, and is nowhere yet. */
void entity_begin(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);

/* What time has changed: those in a list whose time has come, and the running one's budget and
 * deadline; it may be capped afterwards. */
seldom void depleted_renew(struct scheduler_queue *queue, u64 now);
seldom void capped_renew(struct scheduler_queue *queue, u64 now);
seldom void missed_renew(struct scheduler_queue *queue, u64 now);
seldom void running_renew(struct scheduler_queue *queue, u64 now);
