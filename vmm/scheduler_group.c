/* SPDX-License-Identifier: MIT */
/*
 * Groups: the weight that members share, and the token buckets of caps. Other CPUs use the same
 * groups at the same time. Locks are taken from the member upwards.
 */
#include "scheduler_internal.h"

/* Tokens are hundredths of ticks, so that a cap in per cent is what a bucket gets in a tick. */
#define TOKENS_PER_TICK 100
/* What is charged beyond what was there (a reservation under a cap) is remembered so far. */
#define DEBT_SLICES 20
#define FULL	    (1L << 60) /* more than any bucket holds */

void scheduler_group_init(struct scheduler_group *group, u32 weight, u32 cap,
			  struct scheduler_group *parent)
{
	*group = (struct scheduler_group){
		.parent = parent, .weight = weight, .cap = cap, .tokens = FULL};
}

static u32 generation; /* atomic */

u32 caps_generation(void)
{
	return __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
}

/* --- weights --- */

static u64 runnable_weight(const struct scheduler_group *group)
{
	return __atomic_load_n(&group->runnable_weight, __ATOMIC_RELAXED);
}

/* What it counts in the group above it. */
static u64 contribution(const struct scheduler_group *group)
{
	if (!group->weight)
		return group->runnable_weight;
	return group->runnable_weight ? group->weight : 0;
}

/* `child`, which is locked, counts that much more than before. Unlocks it. */
static void contribution_pass(struct scheduler_group *child, u64 change)
{
	while (change && child->parent) {
		struct scheduler_group *group = child->parent;
		u64 before;

		spin_lock(&group->lock);
		spin_unlock(&child->lock);
		before = contribution(group);
		__atomic_store_n(&group->runnable_weight, group->runnable_weight + change,
				 __ATOMIC_RELAXED);
		change = contribution(group) - before;
		child = group;
	}
	spin_unlock(&child->lock);
}

static void member_change(const struct scheduler_entity *entity, u64 change)
{
	struct scheduler_group *group = entity->group.parent;
	u64 before;

	spin_lock(&group->lock);
	before = contribution(group);
	__atomic_store_n(&group->runnable_weight, group->runnable_weight + change,
			 __ATOMIC_RELAXED);
	contribution_pass(group, contribution(group) - before);
}

void member_count(struct scheduler_entity *entity)
{
	entity->counted = true;
	member_change(entity, entity->claim.weight);
}

void member_uncount(struct scheduler_entity *entity)
{
	entity->counted = false;
	member_change(entity, -(u64)entity->claim.weight);
}

struct scheduler_group *member_group(const struct scheduler_entity *entity)
{
	struct scheduler_group *outermost = NULL;

	for (struct scheduler_group *group = entity->group.parent; group; group = group->parent) {
		if (__atomic_load_n(&group->weight, __ATOMIC_RELAXED))
			outermost = group;
	}
	return outermost;
}

u32 member_weight_part(const struct scheduler_entity *entity)
{
	const struct scheduler_group *group = entity->group.parent;
	u64 weight = (u64)entity->claim.weight << WEIGHT_SHIFT;

	for (; group; group = group->parent) {
		u32 shared = __atomic_load_n(&group->weight, __ATOMIC_RELAXED);
		u64 members = runnable_weight(group);

		if (shared)
			weight = weight * shared / MAX(members, 1);
		weight = MIN(weight, (u64)SCHEDULER_WEIGHT_MAX << WEIGHT_SHIFT);
	}
	return (u32)MAX(weight, 1);
}

void scheduler_group_set(struct scheduler_group *group, u32 weight, u32 cap)
{
	u64 before;

	spin_lock(&group->lock);
	before = contribution(group);
	__atomic_store_n(&group->weight, weight, __ATOMIC_RELAXED);
	if (!group->cap)
		group->tokens = FULL;
	__atomic_store_n(&group->cap, cap, __ATOMIC_RELAXED);
	contribution_pass(group, contribution(group) - before);
	__atomic_fetch_add(&generation, 1, __ATOMIC_RELEASE);
}

/* --- caps --- */

static u32 cap_of(const struct scheduler_group *group)
{
	return __atomic_load_n(&group->cap, __ATOMIC_RELAXED);
}

/* Locks those of the entity's groups that have a cap: bit 0 the entity's own, and so on. */
static u32 caps_lock(struct scheduler_entity *entity)
{
	struct scheduler_group *group = &entity->group;
	u32 locked = 0;

	for (u32 bit = 1; group && bit; group = group->parent, bit <<= 1) {
		if (!cap_of(group))
			continue;
		spin_lock(&group->lock);
		if (group->cap)
			locked |= bit;
		else
			spin_unlock(&group->lock);
	}
	return locked;
}

static void caps_unlock(struct scheduler_entity *entity, u32 locked)
{
	for (struct scheduler_group *group = &entity->group; locked;
	     group = group->parent, locked >>= 1) {
		if (locked & 1)
			spin_unlock(&group->lock);
	}
}

/* What is free in it, after a refill. */
static s64 bucket_fill(struct scheduler_group *group, s64 depth, u64 now)
{
	if (now > group->tokens_at) {
		u64 passed = now - group->tokens_at;

		group->tokens_at = now;
		if (passed > (u64)depth * (DEBT_SLICES + 1))
			group->tokens = depth;
		else
			group->tokens += (s64)(passed * group->cap);
	}
	group->tokens = MIN(group->tokens, depth);
	return group->tokens - group->granted;
}

/* When `wanted` tokens will be free, of which `free` are now. What others hold may come back soon.
 */
static u64 bucket_ready_at(const struct scheduler_group *group, s64 free, s64 wanted, u64 slice,
			   u64 now)
{
	u64 wait;

	if (free >= wanted)
		return now + 1;
	wait = ((u64)(wanted - free) + group->cap - 1) / group->cap;
	return now + (group->tokens >= wanted ? MIN(wait, slice) : wait);
}

/* What is free in all of the locked ones; when that is too little, until when. */
static s64 buckets_fill(const struct scheduler_queue *queue, struct scheduler_entity *entity,
			u32 locked, u64 now)
{
	s64 depth = (s64)(queue->slice * TOKENS_PER_TICK), least = depth;
	struct scheduler_group *group = &entity->group;

	entity->ready_at = now + 1;
	entity->capped_itself = false;
	for (; locked; group = group->parent, locked >>= 1) {
		s64 free;
		u64 at;

		if (!(locked & 1))
			continue;
		free = bucket_fill(group, depth, now);
		least = MIN(least, free);
		if (free >= depth / 2)
			continue;
		/* Not before it is worth a switch. */
		at = bucket_ready_at(group, free, depth / 2, queue->slice, now);
		entity->ready_at = MAX(entity->ready_at, at);
		entity->capped_itself |= group == &entity->group;
	}
	return least;
}

static bool bucket_worth(const struct scheduler_queue *queue, s64 free)
{
	return free >= (s64)(queue->slice * TOKENS_PER_TICK / 4);
}

static void grants_add(struct scheduler_entity *entity, u32 of, s64 tokens)
{
	for (struct scheduler_group *group = &entity->group; of; group = group->parent, of >>= 1) {
		if (of & 1)
			group->granted += tokens;
	}
}

bool buckets_take(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	u32 locked = caps_lock(entity);
	bool worth;
	s64 free;

	if (!locked)
		return true;
	free = buckets_fill(queue, entity, locked, now);
	worth = bucket_worth(queue, free);
	if (worth) {
		entity->grant = (u64)free / TOKENS_PER_TICK;
		entity->granted_in = locked;
		grants_add(entity, locked, (s64)(entity->grant * TOKENS_PER_TICK));
	}
	caps_unlock(entity, locked);
	return worth;
}

bool buckets_ready(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	u32 locked = caps_lock(entity);
	bool worth;

	if (!locked)
		return true;
	worth = bucket_worth(queue, buckets_fill(queue, entity, locked, now));
	caps_unlock(entity, locked);
	return worth;
}

void buckets_charge(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 ticks)
{
	s64 debt = (s64)(queue->slice * TOKENS_PER_TICK * DEBT_SLICES);
	s64 tokens = (s64)(MIN(ticks, TICKS_LONG) * TOKENS_PER_TICK);
	s64 granted = (s64)(MIN(ticks, entity->grant) * TOKENS_PER_TICK);
	struct scheduler_group *group = &entity->group;
	/* A cap that came after it began to run without one does not look back. */
	u32 of = entity->on_budget ? ~0U : entity->granted_in;

	for (u32 bit = 1; group && bit && of >= bit; group = group->parent, bit <<= 1) {
		if (!(of & bit) || (entity->on_budget && !cap_of(group)))
			continue;
		spin_lock(&group->lock);
		group->tokens = MAX(group->tokens - tokens, -debt);
		if (entity->granted_in & bit)
			group->granted -= granted;
		spin_unlock(&group->lock);
	}
	entity->grant -= MIN(ticks, entity->grant);
}

void buckets_release(struct scheduler_entity *entity)
{
	struct scheduler_group *group = &entity->group;
	s64 granted = (s64)(entity->grant * TOKENS_PER_TICK);

	for (u32 of = entity->granted_in; of; group = group->parent, of >>= 1) {
		if (!(of & 1))
			continue;
		spin_lock(&group->lock);
		group->granted -= granted;
		spin_unlock(&group->lock);
	}
	entity->grant = 0;
	entity->granted_in = 0;
}
