/* SPDX-License-Identifier: MIT */
/* Unit tests of dedicated and reserved claims. */
/* links: vmm/scheduler_queue.c */
/* links: vmm/scheduler.c vmm/scheduler_fair.c vmm/scheduler_group.c vmm/scheduler_claim.c */
#include "vmm/scheduler_expect.h"

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
	/* Also by one that has slept. */
	now = began + MS(32);
	expect_decision(scheduler_block(&queue, now), NULL, SCHEDULER_NEVER);
	now = began + MS(50);
	assert_true(wake(a));
	expect_pick(a, now + MS(1));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(precedence),
		TEST(earliest_deadline_first),
		TEST(replenishment_interrupts),
		TEST(weight_beyond_the_budget),
		TEST(bandwidth_is_constant),
		TEST(overtime_is_paid_back),
		TEST(missed_deadlines_are_counted),
		TEST(reserved_gives_way_for_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
