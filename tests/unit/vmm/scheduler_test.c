/* SPDX-License-Identifier: MIT */
/* Unit tests of the scheduling policy, rule by rule; scheduler_property_test.c has the long runs.
 */
/* links: vmm/scheduler_fair.c vmm/scheduler_group.c vmm/scheduler_reserve.c */
/* links: vmm/scheduler_claim.c */
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

static int begin(void **state)
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

static struct scheduler_claim shared(u32 weight, u32 cap)
{
	return (struct scheduler_claim){.kind = SCHEDULER_SHARED, .weight = weight, .cap = cap};
}

static struct scheduler_claim reserved(u64 budget_us, u64 period_us, u32 weight)
{
	return (struct scheduler_claim){.kind = SCHEDULER_RESERVED,
					.weight = weight,
					.budget_us = budget_us,
					.period_us = period_us};
}

static bool wake(struct scheduler_entity *entity)
{
	return scheduler_wake(&queue, entity, now);
}

static bool start(struct scheduler_entity *entity, struct scheduler_claim claim,
		  struct scheduler_group *of)
{
	scheduler_entity_init(entity, &claim, of, now);
	return wake(entity);
}

static void expect_decision(struct scheduler_decision decision, const struct scheduler_entity *next,
			    u64 until)
{
	assert_ptr_equal(decision.next, next);
	assert_int_equal(decision.until, until);
	assert_ptr_equal(queue.running, next);
}

static void expect_pick(const struct scheduler_entity *next, u64 until)
{
	expect_decision(scheduler_pick(&queue, now), next, until);
}

/* Goes on until `at`; the policy wanted to be asked then. */
static void expect_pick_at(u64 at, const struct scheduler_entity *next, u64 until)
{
	assert_true(at >= now);
	now = at;
	expect_pick(next, until);
}

static void expect_state(const struct scheduler_entity *entity, enum scheduler_state state)
{
	assert_int_equal(entity->state, state);
}

/* --- claims --- */

static void claims_are_checked(void **state)
{
	static const struct {
		struct scheduler_claim claim;
		const char *fault; /* a word of it; NULL: none */
	} cases[] = {
		{{SCHEDULER_SHARED, 1, 0, 0, 0}, NULL},
		{{SCHEDULER_SHARED, 10000, 100000, 0, 0}, NULL},
		{{SCHEDULER_SHARED, 0, 0, 0, 0}, "weight"},
		{{SCHEDULER_SHARED, 10001, 0, 0, 0}, "weight"},
		{{SCHEDULER_SHARED, 1, 100001, 0, 0}, "cap"},
		{{SCHEDULER_RESERVED, 0, 0, 100, 500}, NULL},
		{{SCHEDULER_RESERVED, 10000, 10, 950000, 1000000}, NULL},
		{{SCHEDULER_RESERVED, 10001, 0, 100, 500}, "weight"},
		{{SCHEDULER_RESERVED, 0, 0, 100, 499}, "period"},
		{{SCHEDULER_RESERVED, 0, 0, 100, 1000001}, "period"},
		{{SCHEDULER_RESERVED, 0, 0, 99, 500}, "budget"},
		{{SCHEDULER_RESERVED, 0, 0, 476, 500}, "95%"},
		{{SCHEDULER_RESERVED, 0, 0, ~0UL / 1000, 1000}, "budget"},
		{{SCHEDULER_DEDICATED, 0, 0, 0, 0}, NULL},
		{{SCHEDULER_DEDICATED, 0, 50, 0, 0}, "cap"},
		{{(enum scheduler_kind)7, 1, 0, 0, 0}, "dedicated"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *fault = scheduler_claim_fault(&cases[i].claim);

		if (!cases[i].fault)
			assert_null(fault);
		else if (!fault || !strstr(fault, cases[i].fault))
			fail_msg("case %zu: \"%s\" says nothing of %s", i, fault ? fault : "",
				 cases[i].fault);
	}
}

static void bandwidths_are_rounded_up(void **state)
{
	struct scheduler_claim claim = reserved(2000, 10000, 0);

	(void)state;
	assert_int_equal(scheduler_bandwidth(&claim), 200000);
	claim = reserved(100, 300000, 100);
	assert_int_equal(scheduler_bandwidth(&claim), 334);
	claim = reserved(100, 0, 0);
	assert_int_equal(scheduler_bandwidth(&claim), 0);
	claim = reserved(~0UL, 1000, 0);
	assert_int_equal(scheduler_bandwidth(&claim), 1000000);
	claim = shared(100, 50);
	assert_int_equal(scheduler_bandwidth(&claim), 0);
	claim.kind = SCHEDULER_DEDICATED;
	assert_int_equal(scheduler_bandwidth(&claim), 1000000);
}

/* --- shared --- */

static void nobody_is_idle(void **state)
{
	(void)state;
	expect_pick(NULL, SCHEDULER_NEVER);
	expect_decision(scheduler_block(&queue, now), NULL, SCHEDULER_NEVER);
	expect_decision(scheduler_yield(&queue, now), NULL, SCHEDULER_NEVER);
}

static void one_alone_is_left_alone(void **state)
{
	(void)state;
	assert_true(start(a, shared(100, 0), NULL));
	expect_state(a, SCHEDULER_READY);
	assert_int_equal(queue.count, 1);
	expect_pick(a, SCHEDULER_NEVER);
	expect_state(a, SCHEDULER_RUNNING);
	assert_int_equal(queue.count, 0);
	expect_pick_at(now + MS(3600000), a, SCHEDULER_NEVER);
	now += 5;
	expect_decision(scheduler_block(&queue, now), NULL, SCHEDULER_NEVER);
	expect_state(a, SCHEDULER_BLOCKED);
}

/* a and b have had a slice or more each, and a begins one. */
static void pair_begin(void)
{
	(void)start(a, shared(100, 0), NULL);
	(void)start(b, shared(100, 0), NULL);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	for (u32 i = 0; i < 3 && queue.running == a; i++) {
		now = queue.until;
		(void)!scheduler_pick(&queue, now).next;
	}
	expect_pick(b, now + SLICE);
	now += SLICE;
	expect_pick(a, now + SLICE);
}

static void two_take_turns(void **state)
{
	(void)state;
	pair_begin();
	for (u32 i = 0; i < 11; i++) {
		now = queue.until;
		expect_pick(i % 2 ? a : b, now + SLICE);
	}
	/* Asking before its slice is over changes nothing. */
	now += MS(2);
	expect_pick(b, now + MS(3));
	/* A slice that is nearly over is over. */
	now += MS(3) - US(50);
	expect_pick(a, now + SLICE);
	expect_decision(scheduler_block(&queue, now), b, SCHEDULER_NEVER);
}

/* Who runs alone is told when it is no longer. */
static void a_neighbour_ends_the_peace(void **state)
{
	(void)state;
	(void)start(a, shared(100, 0), NULL);
	expect_pick(a, SCHEDULER_NEVER);
	now += MS(1);
	assert_true(start(b, shared(100, 0), NULL));
	expect_pick(a, now + MS(4));
	/* A third one makes no difference to that. */
	assert_false(start(c, shared(100, 0), NULL));
	expect_pick(a, now + MS(4));
}

static void who_slept_interrupts(void **state)
{
	u64 had = 0;

	(void)state;
	pair_begin();
	expect_pick_at(queue.until, b, queue.until + SLICE);
	now += MS(1);
	expect_decision(scheduler_block(&queue, now), a, SCHEDULER_NEVER);
	now += MS(20);
	assert_true(wake(b));
	/* What it has saved is soon used up. */
	while (scheduler_pick(&queue, now).next == b) {
		had += queue.until - now;
		now = queue.until;
	}
	assert_in_range(had, SLICE, 3 * SLICE);
	assert_ptr_equal(queue.running, a);
}

static void who_slept_for_a_moment_waits(void **state)
{
	(void)state;
	pair_begin();
	expect_pick_at(queue.until, b, queue.until + SLICE);
	now += SLICE - MS(1);
	expect_decision(scheduler_block(&queue, now), a, SCHEDULER_NEVER);
	now += US(50);
	/* It has had its part: no reason to interrupt. But now there is one to stop a. */
	assert_true(wake(b));
	expect_pick(a, now + SLICE - US(50));
}

/* However long it slept: three slices at most while another waits, of which one is its part. */
static void sleep_is_not_saved(void **state)
{
	static const u64 sleeps[] = {MS(100), MS(10000), 1UL << 35, 1UL << 50, 1UL << 62};

	for (size_t i = 0; i < ARRAY_SIZE(sleeps); i++) {
		u64 woken;

		(void)begin(state);
		pair_begin();
		now = queue.until;
		expect_pick(b, now + SLICE);
		expect_decision(scheduler_block(&queue, now), a, SCHEDULER_NEVER);
		woken = now += sleeps[i];
		assert_true(wake(b));
		while (scheduler_pick(&queue, now).next == b)
			now = queue.until;
		assert_in_range(now - woken, SLICE, 3 * SLICE);
	}
}

/* Its first slice is not a present. */
static void new_ones_come_last(void **state)
{
	(void)state;
	(void)start(a, shared(10, 0), NULL);
	expect_pick(a, SCHEDULER_NEVER);
	for (u32 i = 0; i < 100; i++) {
		/* As if it were never the same. */
		(void)start(b, shared(10000, 0), NULL);
		assert_ptr_equal(scheduler_pick(&queue, now).next, a);
		now = queue.until;
		assert_ptr_equal(scheduler_pick(&queue, now).next, b);
		now += US(100);
		assert_ptr_equal(scheduler_block(&queue, now).next, a);
	}
}

static void yield_lets_others_go_first(void **state)
{
	(void)state;
	(void)start(a, shared(10000, 0), NULL);
	expect_pick(a, SCHEDULER_NEVER);
	now += US(100);
	expect_decision(scheduler_yield(&queue, now), a, SCHEDULER_NEVER);
	(void)start(b, shared(1, 0), NULL);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	now += US(100);
	assert_ptr_equal(scheduler_yield(&queue, now).next, b);
	assert_int_equal(queue.until, now + SLICE);
	expect_state(a, SCHEDULER_READY);
	now += US(100);
	assert_ptr_equal(scheduler_yield(&queue, now).next, a);
}

/* --- reserved, dedicated --- */

static void precedence(void **state)
{
	struct scheduler_claim dedicated = {.kind = SCHEDULER_DEDICATED};

	(void)state;
	assert_true(start(a, shared(10000, 0), NULL));
	expect_pick(a, SCHEDULER_NEVER);
	assert_true(start(b, reserved(1000, 10000, 0), NULL));
	expect_pick(b, now + MS(1));
	assert_true(start(c, dedicated, NULL));
	expect_pick(c, SCHEDULER_NEVER);
	assert_false(start(&entities[3], shared(10000, 0), NULL));
	assert_false(start(&entities[4], reserved(100, 500, 0), NULL));
	expect_pick_at(now + MS(1000), c, SCHEDULER_NEVER);
	now += MS(1);
	/* The others had budgets for many periods that they could not use. */
	assert_true(scheduler_block(&queue, now).next->on_budget);
	assert_int_equal(b->missed_deadlines, 100);
	assert_int_equal(entities[4].missed_deadlines, 2002);
}

static void earliest_deadline_first(void **state)
{
	u64 began = now;

	(void)state;
	assert_true(start(a, reserved(2000, 20000, 0), NULL));
	expect_pick(a, now + MS(2));
	now += MS(1);
	assert_true(start(b, reserved(1000, 10000, 0), NULL));
	expect_pick(b, now + MS(1));
	/* A later deadline waits. */
	assert_false(start(c, reserved(5000, 50000, 0), NULL));
	expect_pick_at(now + MS(1), a, now + MS(2));
	expect_state(b, SCHEDULER_CAPPED);
	assert_int_equal(b->ready_at, began + MS(11));
	expect_pick_at(now + MS(1), c, now + MS(6));
	/* b has a budget again, and goes before it. */
	expect_pick_at(began + MS(8), NULL, began + MS(11));
	expect_pick_at(began + MS(11), b, began + MS(12));
	assert_int_equal(a->missed_deadlines + b->missed_deadlines + c->missed_deadlines, 0);
}

static void replenishment_interrupts(void **state)
{
	u64 began = now;

	(void)state;
	(void)start(a, reserved(1000, 5000, 0), NULL);
	(void)start(b, reserved(8000, 100000, 0), NULL);
	expect_pick(a, began + MS(1));
	/* It will be first again at its deadline. */
	expect_pick_at(began + MS(1), b, began + MS(5));
	expect_pick_at(began + MS(5), a, began + MS(6));
	expect_pick_at(began + MS(6), b, began + MS(10));
	expect_pick_at(began + MS(10), a, began + MS(11));
	expect_pick_at(began + MS(11), NULL, began + MS(15));
	expect_state(b, SCHEDULER_CAPPED);
	assert_int_equal(b->ready_at, began + MS(100));
}

static void weight_beyond_the_budget(void **state)
{
	u64 began = now;

	(void)state;
	(void)start(a, reserved(2000, 20000, 100), NULL);
	expect_pick(a, began + MS(2));
	/* Alone: it goes on, and has its budget again at its deadline. */
	expect_pick_at(began + MS(2), a, began + MS(20));
	assert_false(a->on_budget);
	expect_pick_at(began + MS(20), a, began + MS(22));
	assert_true(a->on_budget);
	(void)start(b, shared(100, 0), NULL);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	now = began + MS(22);
	assert_in_range(scheduler_pick(&queue, now).until, now + 1, now + SLICE);
	while (now < began + MS(40)) {
		assert_false(queue.running->on_budget);
		now = queue.until;
		(void)!scheduler_pick(&queue, now).next;
	}
	assert_int_equal(now, began + MS(40));
	assert_ptr_equal(queue.running, a);
	assert_true(a->on_budget);
}

/* Who comes back has what it had left, unless that is more than its bandwidth gives until then. */
static void bandwidth_is_constant(void **state)
{
	u64 began = now;

	(void)state;
	(void)start(a, reserved(4000, 10000, 0), NULL);
	expect_pick(a, began + MS(4));
	now += MS(3);
	assert_null(scheduler_block(&queue, now).next);
	/* 1 ms until 10 ms is less than 40 %. */
	now = began + MS(5);
	assert_true(wake(a));
	expect_pick(a, now + MS(1));
	assert_int_equal(a->deadline, began + MS(10));
	assert_null(scheduler_block(&queue, now).next);
	/* 1 ms until then is more. */
	now = began + MS(8);
	assert_true(wake(a));
	expect_pick(a, now + MS(4));
	assert_int_equal(a->deadline, now + MS(10));
	/* Without a budget it waits, even if it slept in between. */
	now += MS(4) - 1;
	assert_null(scheduler_block(&queue, now).next);
	(void)wake(a);
	expect_pick(a, now + 1);
	expect_pick_at(now + 1, NULL, began + MS(18));
	expect_state(a, SCHEDULER_CAPPED);
	expect_pick_at(began + MS(18), a, began + MS(22));
	/* After its deadline everything is new. */
	assert_null(scheduler_block(&queue, now).next);
	now = began + MS(28);
	(void)wake(a);
	expect_pick(a, now + MS(4));
	assert_int_equal(a->deadline, now + MS(10));
}

static void overtime_is_paid_back(void **state)
{
	u64 began = now;

	(void)state;
	(void)start(a, reserved(2000, 10000, 0), NULL);
	expect_pick(a, began + MS(2));
	/* The CPU came back late by 1 ms. */
	expect_pick_at(began + MS(3), NULL, began + MS(10));
	expect_pick_at(began + MS(10), a, began + MS(11));
	assert_int_equal(a->missed_deadlines, 0);
	/* By more than a budget: */
	expect_pick_at(began + MS(14), NULL, began + MS(20));
	expect_pick_at(began + MS(20), NULL, began + MS(30));
	expect_pick_at(began + MS(30), a, began + MS(31));
}

static void missed_deadlines_are_counted(void **state)
{
	u64 began = now;

	(void)state;
	/* More than there is. */
	(void)start(a, reserved(9000, 10000, 0), NULL);
	(void)start(b, reserved(9000, 11000, 0), NULL);
	expect_pick(a, began + MS(9));
	expect_pick_at(began + MS(9), b, began + MS(18));
	now = began + MS(18);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	assert_int_equal(a->missed_deadlines, 0);
	/* It got 2 ms until then, and 7 more since. */
	assert_int_equal(b->missed_deadlines, 1);
}

static void reserved_gives_way_for_a_moment(void **state)
{
	(void)state;
	(void)start(a, reserved(4000, 10000, 0), NULL);
	(void)start(b, shared(100, 0), NULL);
	expect_pick(a, now + MS(4));
	now += US(100);
	assert_ptr_equal(scheduler_yield(&queue, now).next, b);
	assert_in_range(queue.until, now + 1, now + US(500));
	now = queue.until;
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
}

/* --- caps --- */

static void cap_is_one_slice_deep(void **state)
{
	u64 began = now;

	(void)state;
	assert_true(start(a, shared(100, 25), NULL));
	expect_pick(a, began + MS(5));
	/* 1.25 ms came meanwhile, then .3125, which is not worth a switch. */
	expect_pick_at(began + MS(5), a, began + US(6250));
	now = began + US(6250);
	assert_null(scheduler_pick(&queue, now).next);
	expect_state(a, SCHEDULER_CAPPED);
	/* Until half a slice is there. */
	assert_int_equal(a->ready_at, queue.until);
	assert_in_range(queue.until, began + US(15000), began + US(15001));
	now = queue.until;
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	/* What was not used is given back. */
	now += US(100);
	assert_null(scheduler_block(&queue, now).next);
	assert_int_equal(a->group.granted, 0);
	assert_true(wake(a));
	expect_pick(a, now + US(2425));
}

static void capped_when_it_wakes(void **state)
{
	(void)state;
	(void)start(a, shared(100, 10), NULL);
	(void)start(b, shared(100, 0), NULL);
	expect_pick(a, now + MS(5));
	now += MS(5);
	assert_ptr_equal(scheduler_block(&queue, now).next, b);
	assert_int_equal(queue.until, SCHEDULER_NEVER);
	/* That it will want the CPU later must be known. */
	assert_true(wake(a));
	expect_state(a, SCHEDULER_CAPPED);
	expect_pick(b, a->ready_at);
	assert_in_range(a->ready_at, now + MS(20), now + MS(25));
	now = a->ready_at;
	expect_pick(a, now + MS(5) / 2);
	expect_state(b, SCHEDULER_READY);
	/* A whole CPU is no cap. */
	(void)begin(state);
	(void)start(a, shared(100, 100), NULL);
	expect_pick(a, SCHEDULER_NEVER);
}

static void lateness_is_paid_back(void **state)
{
	(void)state;
	(void)start(a, shared(100, 50), NULL);
	expect_pick(a, now + MS(5));
	/* 15 ms in place of 5: 5 too many even with what came meanwhile... */
	now += MS(15);
	assert_null(scheduler_pick(&queue, now).next);
	/* ...which is 2.5 ms missing, and 2.5 to be worth it. */
	assert_int_equal(queue.until, now + MS(10));
}

static void group_cap_is_for_all_cpus(void **state)
{
	struct scheduler_decision decision;
	struct scheduler_claim claim = shared(100, 0);

	(void)state;
	scheduler_group_init(&group, 100, 50, NULL);
	(void)start(a, shared(100, 0), &group);
	expect_pick(a, now + MS(5));
	scheduler_entity_init(b, &claim, &group, now);
	/* All is promised to the other. */
	(void)!scheduler_wake(&other, b, now);
	decision = scheduler_pick(&other, now);
	assert_null(decision.next);
	expect_state(b, SCHEDULER_CAPPED);
	/* The other may give it back soon. */
	assert_in_range(decision.until, now + 1, now + SLICE);
	now += MS(1);
	assert_null(scheduler_block(&queue, now).next);
	now = decision.until;
	decision = scheduler_pick(&other, now);
	assert_ptr_equal(decision.next, b);
	assert_in_range(decision.until, now + MS(4), now + MS(5));
}

static void cap_that_goes_away(void **state)
{
	struct scheduler_claim claim = shared(100, 0);

	(void)state;
	scheduler_group_init(&group, 100, 1, NULL);
	(void)start(a, shared(100, 0), &group);
	expect_pick(a, now + MS(5));
	now += MS(5);
	assert_null(scheduler_pick(&queue, now).next);
	assert_true(queue.until > now + MS(200));
	scheduler_group_set(&group, 100, 0);
	expect_pick(a, SCHEDULER_NEVER);
	/* And comes: what was before does not count. */
	now += MS(1000);
	scheduler_group_set(&group, 100, 20);
	expect_pick(a, now + MS(5));
	assert_int_equal(group.granted, 100 * MS(5));
	/* Taken away while it holds something. */
	scheduler_group_set(&group, 100, 0);
	now += MS(1);
	assert_null(scheduler_block(&queue, now).next);
	assert_int_equal(group.granted, 0);
	/* Its own as well. */
	(void)start(b, shared(100, 1), NULL);
	expect_pick(b, now + MS(5));
	now += MS(5);
	assert_null(scheduler_pick(&queue, now).next);
	scheduler_claim_set(&queue, b, &claim, now);
	expect_pick(b, SCHEDULER_NEVER);
}

/* What is guaranteed is charged, but not withheld. */
static void reservation_under_a_cap(void **state)
{
	struct scheduler_claim claim = reserved(4000, 10000, 100);
	u64 began = now;

	(void)state;
	claim.cap = 10;
	(void)start(a, claim, NULL);
	for (u32 i = 0; i < 1000; i++) {
		expect_pick_at(began + i * MS(10), a, began + i * MS(10) + MS(4));
		now += MS(4);
		/* Beyond the budget there are no tokens, but for the first time. */
		if (i > 0) {
			expect_pick(NULL, began + (i + 1) * MS(10));
			expect_state(a, SCHEDULER_CAPPED);
		} else {
			(void)!scheduler_pick(&queue, now).next;
			while (queue.until < began + (i + 1) * MS(10)) {
				now = queue.until;
				(void)!scheduler_pick(&queue, now).next;
			}
		}
	}
	/* It is not in debt for ever. */
	now = began + 1000 * MS(10);
	claim = shared(100, 10);
	scheduler_claim_set(&queue, a, &claim, now);
	assert_null(scheduler_pick(&queue, now).next);
	assert_true(queue.until <= now + MS(1100));
}

/* --- groups --- */

static void group_weights_are_shared(void **state)
{
	(void)state;
	scheduler_group_init(&group, 300, 0, NULL);
	scheduler_group_init(&inner, 50, 0, &group);
	(void)start(a, shared(100, 0), &group);
	assert_int_equal(a->effective_weight, 300 << 10);
	assert_int_equal(group.runnable_weight, 100);
	(void)start(b, shared(7, 0), &inner);
	assert_int_equal(inner.runnable_weight, 7);
	assert_int_equal(group.runnable_weight, 150);
	assert_int_equal(b->effective_weight, 100 << 10);
	(void)start(c, shared(7, 0), &inner);
	assert_int_equal(group.runnable_weight, 150);
	assert_int_equal(c->effective_weight, 50 << 10);
	/* Without a weight of its own: members count as they are. */
	scheduler_group_set(&inner, 0, 0);
	assert_int_equal(group.runnable_weight, 114);
	scheduler_group_set(&inner, 200, 0);
	assert_int_equal(group.runnable_weight, 300);
	scheduler_remove(&queue, b, now);
	assert_int_equal(group.runnable_weight, 300);
	scheduler_remove(&queue, c, now);
	assert_int_equal(inner.runnable_weight, 0);
	assert_int_equal(group.runnable_weight, 100);
	scheduler_entity_join(c, NULL);
	(void)wake(c);
	assert_int_equal(c->effective_weight, 7 << 10);
	assert_int_equal(group.runnable_weight, 100);
}

static void tiny_parts_are_not_nothing(void **state)
{
	(void)state;
	scheduler_group_init(&group, 1, 0, NULL);
	(void)start(a, shared(1, 0), &group);
	for (u32 i = 1; i < ENTITIES; i++)
		(void)start(&entities[i], shared(10000, 0), &group);
	scheduler_remove(&queue, a, now);
	(void)wake(a);
	assert_int_equal(a->effective_weight, 1);
	for (u32 i = 0; i < 1000; i++) {
		assert_non_null(scheduler_pick(&queue, now).next);
		now = queue.until;
	}
}

/* --- moving, changing --- */

static void lag_moves_along(void **state)
{
	struct scheduler_claim claim = shared(100, 0);

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	(void)start(b, shared(100, 0), NULL);
	(void)!scheduler_pick(&queue, now).next;
	/* b waits for a slice: it is half a slice behind, and is so elsewhere. */
	now = queue.until - US(1);
	(void)!scheduler_pick(&queue, now).next;
	(void)!scheduler_pick(&queue, queue.until).next;
	now = queue.until - US(1);
	if (queue.running == b)
		(void)!scheduler_pick(&queue, now = queue.until).next;
	now = queue.until - US(500);
	(void)!scheduler_pick(&queue, now).next;
	assert_ptr_equal(queue.running, a);
	scheduler_entity_init(c, &claim, NULL, now);
	(void)!scheduler_wake(&other, c, now);
	assert_ptr_equal(scheduler_pick(&other, now).next, c);
	for (u32 i = 0; i < 2; i++) {
		s64 before = (s64)(queue.vtime - b->vtime), after;

		assert_true(before > 0);
		scheduler_remove(&queue, b, now);
		expect_state(b, SCHEDULER_BLOCKED);
		assert_true(scheduler_wake(&other, b, now));
		after = (s64)(other.vtime - b->vtime);
		assert_in_range(after, before - before / 100, before + before / 100);
		scheduler_remove(&other, b, now);
		(void)wake(b);
		assert_in_range((s64)(queue.vtime - b->vtime), before - before / 100,
				before + before / 100);
	}
}

static void budget_and_deadline_move_along(void **state)
{
	u64 began = now;

	(void)state;
	(void)start(a, reserved(2000, 20000, 0), NULL);
	expect_pick(a, now + MS(2));
	now += MS(1);
	(void)start(b, reserved(1000, 5000, 0), NULL);
	expect_pick(b, now + MS(1));
	scheduler_remove(&queue, a, now);
	(void)!scheduler_wake(&other, a, now);
	assert_int_equal(a->deadline, began + MS(20));
	assert_int_equal(a->budget_left, MS(1));
	/* One that could not be kept beside others there is moved as little as needed. */
	now = began + MS(15);
	scheduler_remove(&other, a, now);
	(void)!scheduler_wake(&other, a, now);
	assert_int_equal(a->budget_left, MS(1));
	assert_int_equal(a->deadline, began + MS(25));
	/* Without a budget it has none elsewhere, either. */
	assert_ptr_equal(scheduler_pick(&other, now).next, a);
	now += MS(1);
	assert_null(scheduler_pick(&other, now).next);
	expect_state(a, SCHEDULER_CAPPED);
	scheduler_remove(&other, a, now);
	(void)wake(a);
	expect_state(a, SCHEDULER_CAPPED);
	assert_int_equal(a->ready_at, began + MS(25));
}

static void claims_change(void **state)
{
	struct scheduler_claim claim = reserved(1000, 10000, 0);

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	(void)start(b, shared(100, 0), NULL);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	/* Ready: */
	scheduler_claim_set(&queue, b, &claim, now);
	expect_pick(b, now + MS(1));
	/* Running, what it has used stays used: */
	now += US(400);
	claim.budget_us = 500;
	scheduler_claim_set(&queue, b, &claim, now);
	expect_pick(b, now + US(500));
	now += US(500);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	expect_state(b, SCHEDULER_CAPPED);
	/* Capped, not a new budget: */
	claim.budget_us = 5000;
	scheduler_claim_set(&queue, b, &claim, now);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	expect_state(b, SCHEDULER_CAPPED);
	claim = shared(100, 0);
	scheduler_claim_set(&queue, b, &claim, now);
	expect_state(b, SCHEDULER_READY);
	/* Running, to dedicated and back: */
	claim.kind = SCHEDULER_DEDICATED;
	scheduler_claim_set(&queue, a, &claim, now);
	expect_pick(a, SCHEDULER_NEVER);
	claim.kind = SCHEDULER_SHARED;
	scheduler_claim_set(&queue, a, &claim, now);
	assert_true(scheduler_pick(&queue, now).until <= now + SLICE);
	/* Blocked: */
	assert_non_null(scheduler_block(&queue, now).next);
	claim.weight = 1234;
	for (u32 i = 0; i < 2; i++)
		scheduler_claim_set(&queue, &entities[i], &claim, now);
	(void)wake(queue.running == a ? b : a);
	(void)!scheduler_pick(&queue, now).next;
	assert_int_equal(queue.load, 2 * 1234 << 10);
}

static bool not_this(const struct scheduler_entity *entity, void *context)
{
	return entity != context;
}

static void the_worst_off_may_leave(void **state)
{
	(void)state;
	assert_null(scheduler_spare(&queue, not_this, NULL));
	(void)start(a, shared(1000, 0), NULL);
	(void)!scheduler_pick(&queue, now).next;
	/* Who runs does not leave. */
	assert_null(scheduler_spare(&queue, not_this, NULL));
	(void)start(b, shared(1000, 0), NULL);
	(void)start(c, shared(10, 0), NULL);
	assert_ptr_equal(scheduler_spare(&queue, not_this, NULL), c);
	assert_ptr_equal(scheduler_spare(&queue, not_this, c), b);
	(void)start(&entities[3], reserved(1000, 10000, 0), NULL);
	assert_ptr_equal(scheduler_spare(&queue, not_this, NULL), c);
	scheduler_remove(&queue, b, now);
	assert_ptr_equal(scheduler_spare(&queue, not_this, c), &entities[3]);
}

/* --- time --- */

static void times_add_up(void **state)
{
	u64 began = now, times[SCHEDULER_STATES];

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	(void)start(b, shared(100, 20), NULL);
	now += US(7);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	now += US(11);
	assert_ptr_equal(scheduler_block(&queue, now).next, b);
	now = queue.until;
	while (b->state == SCHEDULER_RUNNING) {
		now = queue.until;
		(void)!scheduler_pick(&queue, now).next;
	}
	now += US(13);
	scheduler_times(a, now, times);
	assert_int_equal(times[SCHEDULER_READY], US(7));
	assert_int_equal(times[SCHEDULER_RUNNING], US(11));
	assert_int_equal(times[SCHEDULER_BLOCKED], now - began - US(18));
	scheduler_times(b, now, times);
	assert_int_equal(times[SCHEDULER_READY], US(18));
	assert_int_equal(times[SCHEDULER_CAPPED], US(13));
	assert_int_equal(times[SCHEDULER_RUNNING], now - began - US(31));
	/* A clock that is a little behind changes nothing. */
	scheduler_times(b, began, times);
	assert_int_equal(times[SCHEDULER_CAPPED], 0);
}

/* CPUs' clocks differ by some ticks. */
static void clocks_differ(void **state)
{
	(void)state;
	scheduler_group_init(&group, 100, 50, NULL);
	(void)start(a, shared(100, 0), &group);
	expect_pick(a, now + MS(5));
	now -= 100;
	expect_pick(a, now + MS(5));
	(void)start(b, reserved(1000, 10000, 0), &group);
	expect_pick(b, now + MS(1));
	now -= 100;
	assert_ptr_equal(scheduler_block(&queue, now).next, a);
	now -= 100;
	assert_null(scheduler_block(&queue, now).next);
	assert_int_equal(group.granted, 0);
	assert_int_equal(group.runnable_weight, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(claims_are_checked),
		TEST(bandwidths_are_rounded_up),
		TEST(nobody_is_idle),
		TEST(one_alone_is_left_alone),
		TEST(two_take_turns),
		TEST(a_neighbour_ends_the_peace),
		TEST(who_slept_interrupts),
		TEST(who_slept_for_a_moment_waits),
		TEST(sleep_is_not_saved),
		TEST(new_ones_come_last),
		TEST(yield_lets_others_go_first),
		TEST(precedence),
		TEST(earliest_deadline_first),
		TEST(replenishment_interrupts),
		TEST(weight_beyond_the_budget),
		TEST(bandwidth_is_constant),
		TEST(overtime_is_paid_back),
		TEST(missed_deadlines_are_counted),
		TEST(reserved_gives_way_for_a_moment),
		TEST(cap_is_one_slice_deep),
		TEST(capped_when_it_wakes),
		TEST(lateness_is_paid_back),
		TEST(group_cap_is_for_all_cpus),
		TEST(cap_that_goes_away),
		TEST(reservation_under_a_cap),
		TEST(group_weights_are_shared),
		TEST(tiny_parts_are_not_nothing),
		TEST(lag_moves_along),
		TEST(budget_and_deadline_move_along),
		TEST(claims_change),
		TEST(the_worst_off_may_leave),
		TEST(times_add_up),
		TEST(clocks_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
