/* SPDX-License-Identifier: MIT */
/* Unit tests of the scheduling policy, rule by rule; scheduler_property_test.c has the long runs.
 */
/* links: vmm/scheduler_fair.c vmm/scheduler_group.c vmm/scheduler_reserve.c */
/* links: vmm/scheduler_claim.c vmm/scheduler_queue.c */
#include "vmm/scheduler_expect.h"

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

static void one_goes_on_where_nobody_else_is(void **state)
{
	struct scheduler_entity before;

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	expect_pick(a, SCHEDULER_NEVER);
	now += MS(1);
	expect_decision(scheduler_block(&queue, now), NULL, SCHEDULER_NEVER);
	now += MS(1);
	assert_true(scheduler_resume(&queue, a, now));
	expect_state(a, SCHEDULER_RUNNING);
	assert_ptr_equal(queue.running, a);
	assert_int_equal(a->times[SCHEDULER_BLOCKED], MS(1));
	/* Not beside another that runs, or waits. */
	scheduler_entity_init(b, &a->claim, NULL, now);
	before = *b;
	assert_false(scheduler_resume(&queue, b, now));
	assert_memory_equal(b, &before, sizeof(before));
	expect_decision(scheduler_block(&queue, now), NULL, SCHEDULER_NEVER);
	(void)wake(b);
	assert_false(scheduler_resume(&queue, a, now));
	expect_state(a, SCHEDULER_BLOCKED);
}

/* b has had a slice, and a begins its own. */
static void pair_begin(void)
{
	(void)start(b, shared(100, 0), NULL);
	(void)start(a, shared(100, 0), NULL);
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

/* Who had the CPU for long because nobody else wanted it has taken nothing from who comes then. */
static void what_was_had_alone_does_not_count(void **state)
{
	(void)state;
	pair_begin();
	expect_pick_at(queue.until, b, queue.until + SLICE);
	now += MS(1);
	expect_decision(scheduler_block(&queue, now), a, SCHEDULER_NEVER);
	now += MS(100);
	expect_decision(scheduler_block(&queue, now), NULL, SCHEDULER_NEVER);
	now += MS(10);
	assert_true(wake(b));
	expect_pick(b, SCHEDULER_NEVER);
	now += MS(20);
	/* It has slept since, and b has not. */
	assert_true(wake(a));
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
}

/* Whoever is there has a slice before them. */
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

/* The one that spins probably waits for a relative. */
static void yield_favours_relatives(void **state)
{
	static const int family;

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	expect_pick(a, SCHEDULER_NEVER);
	(void)start(b, shared(100, 0), NULL);
	(void)start(c, shared(100, 0), NULL);
	assert_ptr_equal(scheduler_pick(&queue, now).next, a);
	/* b is before c, but c is the relative. */
	a->family = c->family = &family;
	now += US(100);
	assert_ptr_equal(scheduler_yield(&queue, now).next, c);
	expect_state(a, SCHEDULER_READY);
	expect_state(b, SCHEDULER_READY);
	assert_int_equal(queue.until, now + SLICE);
	/* Relatives do not pass the CPU to and fro: b comes in between. */
	now += US(100);
	assert_ptr_equal(scheduler_yield(&queue, now).next, b);
	/* Nobody's relative: in order. */
	now += US(100);
	assert_ptr_not_equal(scheduler_yield(&queue, now).next, b);
}

/* They spin at each other, and the stranger has its third all the same. */
static void relatives_that_spin_starve_nobody(void **state)
{
	static const int family;
	u64 times[SCHEDULER_STATES];

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	(void)start(b, shared(100, 0), NULL);
	(void)start(c, shared(100, 0), NULL);
	a->family = b->family = &family;
	assert_non_null(scheduler_pick(&queue, now).next);
	for (u64 end = now + US(3000000); now < end;) {
		if (queue.running != c) {
			now += US(3);
			assert_non_null(scheduler_yield(&queue, now).next);
		} else {
			now = queue.until;
			assert_non_null(scheduler_pick(&queue, now).next);
		}
	}
	scheduler_times(c, now, times);
	assert_true(times[SCHEDULER_RUNNING] >= US(1000000));
	/* Who spins gives away what it could have had, but is never kept from running. */
	scheduler_times(a, now, times);
	assert_true(times[SCHEDULER_RUNNING] > 0);
}

static void relatives_need_tokens_too(void **state)
{
	static const int family;

	(void)state;
	(void)start(a, shared(100, 0), NULL);
	expect_pick(a, SCHEDULER_NEVER);
	(void)start(b, shared(100, 0), NULL);
	(void)start(c, shared(100, 1), NULL);
	a->family = c->family = &family;
	now += US(10);
	/* Once, and then its tokens are gone. */
	assert_ptr_equal(scheduler_yield(&queue, now).next, c);
	now = queue.until;
	assert_ptr_not_equal(scheduler_pick(&queue, now).next, c);
	now += US(10);
	assert_ptr_not_equal(scheduler_yield(&queue, now).next, c);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_idle),
		TEST(one_alone_is_left_alone),
		TEST(one_goes_on_where_nobody_else_is),
		TEST(two_take_turns),
		TEST(a_neighbour_ends_the_peace),
		TEST(who_slept_interrupts),
		TEST(who_slept_for_a_moment_waits),
		TEST(sleep_is_not_saved),
		TEST(what_was_had_alone_does_not_count),
		TEST(new_ones_come_last),
		TEST(yield_lets_others_go_first),
		TEST(yield_favours_relatives),
		TEST(relatives_that_spin_starve_nobody),
		TEST(relatives_need_tokens_too),
		TEST(lag_moves_along),
		TEST(budget_and_deadline_move_along),
		TEST(claims_change),
		TEST(the_worst_off_may_leave),
		TEST(times_add_up),
		TEST(clocks_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
