/* SPDX-License-Identifier: MIT */
/* Two queues, some entities and a clock for tests of the scheduling policy, and what is expected.
 */
#pragma once

#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/scheduler.h>

#define TICKS_PER_US 1000UL
#define US(n)	     ((u64)(n)*TICKS_PER_US)
#define MS(n)	     US((n)*1000UL)
#define SLICE	     US(SCHEDULER_SLICE_US)
#define ENTITIES     8

static struct scheduler_queue queue, other;
static struct scheduler_group group, inner;
static struct scheduler_entity entities[ENTITIES];
static struct scheduler_entity *const a = &entities[0], *const b = &entities[1],
				      *const c = &entities[2];
static u64 now;

static inline int begin(void **state)
{
	(void)state;
	memset(&group, 0xa5, sizeof(group));
	memset(&inner, 0xa5, sizeof(inner));
	memset(entities, 0xa5, sizeof(entities));
	memset(&queue, 0xa5, sizeof(queue));
	memset(&other, 0xa5, sizeof(other));
	scheduler_queue_init(&queue, TICKS_PER_US);
	scheduler_queue_init(&other, TICKS_PER_US);
	now = MS(100);
	return 0;
}

static inline struct scheduler_claim shared(u32 weight, u32 cap)
{
	return (struct scheduler_claim){.kind = SCHEDULER_SHARED, .weight = weight, .cap = cap};
}

static inline struct scheduler_claim reserved(u64 budget_us, u64 period_us, u32 weight)
{
	return (struct scheduler_claim){.kind = SCHEDULER_RESERVED,
					.weight = weight,
					.budget_us = budget_us,
					.period_us = period_us};
}

static inline bool wake(struct scheduler_entity *entity)
{
	return scheduler_wake(&queue, entity, now);
}

static inline bool start(struct scheduler_entity *entity, struct scheduler_claim claim,
			 struct scheduler_group *of)
{
	scheduler_entity_init(entity, &claim, of, now);
	return wake(entity);
}

static inline void expect_decision(struct scheduler_decision decision,
				   const struct scheduler_entity *next, u64 until)
{
	assert_ptr_equal(decision.next, next);
	assert_int_equal(decision.until, until);
	assert_ptr_equal(queue.running, next);
}

static inline void expect_pick(const struct scheduler_entity *next, u64 until)
{
	expect_decision(scheduler_pick(&queue, now), next, until);
}

/* Goes on until `at`; the policy wanted to be asked then. */
static inline void expect_pick_at(u64 at, const struct scheduler_entity *next, u64 until)
{
	assert_true(at >= now);
	now = at;
	expect_pick(next, until);
}

static inline void expect_state(const struct scheduler_entity *entity, enum scheduler_state state)
{
	assert_int_equal(entity->state, state);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)
