/* SPDX-License-Identifier: MIT */
/* Unit tests of caps and groups. */
/* links: vmm/scheduler_queue.c */
/* links: vmm/scheduler.c vmm/scheduler_fair.c vmm/scheduler_reserve.c vmm/scheduler_claim.c */
#include "vmm/scheduler_expect.h"

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
	scheduler_group_init(&group, 100, 5, NULL);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cap_is_one_slice_deep),	TEST(capped_when_it_wakes),
		TEST(lateness_is_paid_back),	TEST(group_cap_is_for_all_cpus),
		TEST(cap_that_goes_away),	TEST(reservation_under_a_cap),
		TEST(group_weights_are_shared), TEST(tiny_parts_are_not_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
