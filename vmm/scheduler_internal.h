/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the scheduling policy share. All of it is called with the queue's lock held.
 *
 * scheduler.c: who is next, and until when.
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

/*
 * Claims with weights. Who takes part is ready or running, with on_budget off.
 *
 * Virtual time passes for an entity with the time that it has, at a rate of 1/weight. The queue's
 * is the average of those who take part, weighted: so the distances to it, times weights, add up to
 * 0, and who is behind it has had less than its share, and is eligible.
 */

/* Take part; the virtual time it gets follows from what it had when it left and how long ago. */
void fair_join(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
void fair_leave(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);
/* It has left and blocks: what it was behind or ahead is its group's. */
void fair_block(const struct scheduler_queue *queue, const struct scheduler_entity *entity,
		u64 now);
/* The running one has had `ticks`. */
void fair_charge(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 ticks);
/* Its group may have changed. The entity is not in a list. */
void fair_reweigh(struct scheduler_queue *queue, struct scheduler_entity *entity);
/* Give up what it is behind, and begin a new slice. */
void fair_forfeit(struct scheduler_queue *queue, struct scheduler_entity *entity);
/* Whether its slice is over, or so nearly that it is not worth going on with. */
bool fair_slice_over(const struct scheduler_entity *entity);
/* Ticks of its slice that are left, at least 1. */
u64 fair_slice_left(const struct scheduler_entity *entity);
/* Who has the CPU next: the running one (NULL: there is none) or one that waits, or NULL. */
struct scheduler_entity *fair_choose(const struct scheduler_queue *queue,
				     struct scheduler_entity *running);

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

/* Groups. */

/*
 * The entity counts with its weight, or does not any longer; no matter if it does so already. It
 * counts while it takes part, and while it is capped because of a group: then the others are capped
 * as well, and all have their weights when they come back.
 */
void member_add(struct scheduler_entity *entity);
void member_remove(struct scheduler_entity *entity);
/* The outermost group whose weight it has a part of, or NULL. */
struct scheduler_group *member_group(const struct scheduler_entity *entity);
/* Its weight in 1/1024, as things are at this moment. */
u32 member_weight(const struct scheduler_entity *entity);

/* The caps of an entity: its own and those of its groups. */

/* Another number after any of them was changed. */
u32 caps_generation(void);
/* Take ticks to run out of all buckets, entity->grant. False: there are too few, ready_at says when
 * there will be enough, and capped_itself whether its own cap is a reason. */
bool bucket_take(const struct scheduler_queue *queue, struct scheduler_entity *entity,
		 u64 now) must_check;
/* Whether bucket_take would do, without taking. */
bool bucket_ready(const struct scheduler_queue *queue, struct scheduler_entity *entity,
		  u64 now) must_check;
/* It has had `ticks`. */
void bucket_charge(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 ticks);
/* Give back what is left of the grant. */
void bucket_release(struct scheduler_entity *entity);
