/* SPDX-License-Identifier: MIT */
/* Host timers: order, changes while firing, and other CPUs' queues. */
#include "fake_cpu.h"

#include <stdlib.h>

#include <bulkhead/timer.h>

#define TIMERS 8

static struct timer timers[TIMERS];
static unsigned fired[256], fired_count;
static void (*on_fire)(unsigned index);

static void fire(struct timer *timer)
{
	unsigned index = (unsigned)(timer - timers);

	/* As the header promises. */
	assert_int_equal(timer->deadline, TIMER_OFF);
	assert_false(fake_interrupts_on);
	assert_true(fake_unlocked(&cpus[timer->cpu]->timer_lock));
	assert_int_equal(arch_cpu_id(), timer->cpu);
	assert_true(fired_count < ARRAY_SIZE(fired));
	fired[fired_count++] = index;
	if (on_fire)
		on_fire(index);
}

static int setup(void **state)
{
	(void)state;
	fake_cpus_init();
	fired_count = 0;
	on_fire = NULL;
	for (unsigned i = 0; i < TIMERS; i++)
		timer_init(&timers[i], 0, fire);
	return 0;
}

static void run_at(u64 tsc)
{
	fake_tsc = tsc;
	timer_run_due();
}

static void expect_fired(const char *digits)
{
	assert_int_equal(fired_count, strlen(digits));
	for (unsigned i = 0; i < fired_count; i++)
		assert_int_equal(fired[i], digits[i] - '0');
	fired_count = 0;
}

static void fires_once_at_its_deadline(void **state)
{
	(void)state;
	timer_set(&timers[0], 2000);
	assert_int_equal(cpus[0]->timer_next, 2000);
	run_at(1999);
	expect_fired("");
	run_at(2000);
	expect_fired("0");
	assert_int_equal(cpus[0]->timer_next, TIMER_OFF);
	run_at(5000);
	expect_fired("");
}

static void fires_in_order(void **state)
{
	static const u64 deadlines[] = {5000, 3000, 4000, 3000, 2000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(deadlines); i++)
		timer_set(&timers[i], deadlines[i]);
	assert_int_equal(cpus[0]->timer_next, 2000);
	run_at(3500);
	expect_fired("413"); /* the same moment: in the order in which they were set */
	assert_int_equal(cpus[0]->timer_next, 4000);
	run_at(6000);
	expect_fired("20");
}

static void a_past_deadline_fires(void **state)
{
	(void)state;
	timer_set(&timers[0], 1);
	timer_run_due();
	expect_fired("0");
}

static void moves_and_goes_off(void **state)
{
	(void)state;
	timer_set(&timers[0], 2000);
	timer_set(&timers[1], 3000);
	timer_set(&timers[2], 4000);
	timer_set(&timers[0], 5000);
	assert_int_equal(cpus[0]->timer_next, 3000);
	timer_set(&timers[2], 2500);
	assert_int_equal(cpus[0]->timer_next, 2500);
	timer_set(&timers[1], TIMER_OFF);
	timer_set(&timers[1], TIMER_OFF); /* is off already */
	run_at(6000);
	expect_fired("20");
	timer_set(&timers[0], TIMER_OFF);
	assert_int_equal(cpus[0]->timer_next, TIMER_OFF);
}

static void off_in_the_middle(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		timer_set(&timers[i], 2000 + i);
	timer_set(&timers[1], TIMER_OFF);
	run_at(3000);
	expect_fired("02");
}

static void cancel_next(unsigned index)
{
	timer_set(&timers[index + 1], TIMER_OFF);
}

static void a_callback_cancels_what_is_due(void **state)
{
	(void)state;
	timer_set(&timers[0], 2000);
	timer_set(&timers[1], 2000);
	timer_set(&timers[2], 2000);
	on_fire = cancel_next;
	run_at(2000);
	expect_fired("02");
}

static void again_later(unsigned index)
{
	timer_set(&timers[index], fake_tsc + 100);
}

static void a_callback_arms_again(void **state)
{
	(void)state;
	on_fire = again_later;
	timer_set(&timers[0], 2000);
	run_at(2050);
	expect_fired("0");
	assert_int_equal(cpus[0]->timer_next, 2150);
	run_at(2149);
	expect_fired("");
	run_at(2150);
	expect_fired("0");
}

static void time_passes(unsigned index)
{
	(void)index;
	fake_tsc += 1000;
}

/* What becomes due while others fire is left for the next time. */
static void due_meanwhile(void **state)
{
	(void)state;
	on_fire = time_passes;
	timer_set(&timers[0], 2000);
	timer_set(&timers[1], 2900);
	timer_set(&timers[2], 5000);
	run_at(2000);
	expect_fired("0");
	timer_run_due();
	expect_fired("1");
}

static void is_due_again(unsigned index)
{
	fake_tsc += 10;
	timer_set(&timers[index], fake_tsc);
}

/* Guests make timers that are due as soon as they have fired: the CPU is not theirs for ever. */
static void a_timer_that_is_always_due(void **state)
{
	(void)state;
	on_fire = is_due_again;
	timer_set(&timers[0], 2000);
	timer_set(&timers[1], 2000);
	run_at(2000);
	expect_fired("01");
	assert_int_equal(cpus[0]->timer_next, 2010);
}

static void own_cpu_is_not_kicked(void **state)
{
	(void)state;
	timer_set(&timers[0], 2000);
	timer_set(&timers[0], 1500);
	assert_int_equal(fake_kicks[0], 0);
}

/* Another CPU must look at its queue when it would come too late by itself. */
static void other_cpu_is_kicked_when_it_matters(void **state)
{
	(void)state;
	timer_init(&timers[0], 1, fire);
	timer_init(&timers[1], 1, fire);
	timer_set(&timers[0], 3000);
	assert_int_equal(fake_kicks[1], 1);
	assert_int_equal(cpus[1]->attention, CPU_ATTENTION_TIMER);
	assert_int_equal(cpus[0]->timer_next, TIMER_OFF);
	timer_set(&timers[1], 4000);
	timer_set(&timers[1], 3500);
	timer_set(&timers[1], TIMER_OFF);
	assert_int_equal(fake_kicks[1], 1);
	timer_set(&timers[1], 2000);
	assert_int_equal(fake_kicks[1], 2);
	timer_run_due(); /* CPU 0's: nothing */
	fake_tsc = 9000;
	timer_run_due();
	expect_fired("");
	fake_cpu_be(1);
	timer_run_due();
	expect_fired("10");
	assert_int_equal(cpus[1]->attention, 0);
}

static void look_at_queue(u32 cpu)
{
	/* When the kick comes there is something to see, and the lock is free. */
	assert_true(cpus[cpu]->attention & CPU_ATTENTION_TIMER);
	assert_int_equal(cpus[cpu]->timer_next, 3000);
	assert_true(fake_unlocked(&cpus[cpu]->timer_lock));
}

static void kick_comes_last(void **state)
{
	(void)state;
	fake_on_kick = look_at_queue;
	timer_init(&timers[0], 2, fire);
	timer_set(&timers[0], 3000);
	assert_int_equal(fake_kicks[2], 1);
}

static void other_reasons_for_attention_stay(void **state)
{
	(void)state;
	cpus[0]->attention = CPU_ATTENTION_TIMER | CPU_ATTENTION_SCHEDULE;
	timer_run_due();
	assert_int_equal(cpus[0]->attention, CPU_ATTENTION_SCHEDULE);
}

static void interrupts_stay_as_they_were(void **state)
{
	(void)state;
	fake_interrupts_on = true;
	timer_set(&timers[0], 5000);
	assert_true(fake_interrupts_on);
	timer_run_due();
	assert_true(fake_interrupts_on);
	timer_set(&timers[0], TIMER_OFF);
	fake_interrupts_on = false;
	timer_run_due();
	assert_false(fake_interrupts_on);
}

static void moves_to_another_cpu(void **state)
{
	(void)state;
	timer_set(&timers[0], 2000);
	timer_set(&timers[1], 3000);
	timer_set(&timers[2], 4000);
	timer_move(&timers[0], 1);
	timer_move(&timers[1], 1);
	assert_int_equal(timers[0].cpu, 1);
	assert_int_equal(timers[0].deadline, 2000);
	assert_int_equal(timers[1].deadline, 3000);
	assert_int_equal(cpus[0]->timer_next, 4000);
	assert_int_equal(cpus[1]->timer_next, 2000);
	/* The second is not earlier than what that CPU looks at already. */
	assert_int_equal(fake_kicks[1], 1);
	run_at(5000);
	expect_fired("2");
	fake_cpu_be(1);
	timer_run_due();
	expect_fired("01");
}

static void a_timer_that_is_off_moves_silently(void **state)
{
	(void)state;
	timer_set(&timers[1], 2000);
	timer_move(&timers[0], 2);
	assert_int_equal(fake_kicks[2], 0);
	assert_int_equal(cpus[0]->timer_next, 2000);
	assert_int_equal(cpus[2]->timer_next, TIMER_OFF);
	timer_set(&timers[0], 3000);
	assert_int_equal(cpus[0]->timer_next, 2000);
	assert_int_equal(cpus[2]->timer_next, 3000);
	assert_int_equal(fake_kicks[2], 1);
}

static void moves_there_and_back(void **state)
{
	(void)state;
	timer_set(&timers[0], 2000);
	timer_move(&timers[0], 0);
	assert_int_equal(cpus[0]->timer_next, 2000);
	timer_move(&timers[0], 1);
	fake_cpu_be(1);
	timer_move(&timers[0], 0);
	assert_int_equal(cpus[1]->timer_next, TIMER_OFF);
	fake_cpu_be(0);
	assert_int_equal(fake_kicks[0], 1);
	run_at(2000);
	expect_fired("0");
}

/* What is due already is not lost on the way: the other CPU fires it. */
static void a_due_timer_moves(void **state)
{
	(void)state;
	timer_set(&timers[0], 500);
	timer_move(&timers[0], 1);
	timer_run_due();
	expect_fired("");
	fake_cpu_be(1);
	timer_run_due();
	expect_fired("0");
}

static unsigned moves_left;

/* Just when the lock is to be taken its CPU gives the timer to the next one. */
static void moved_by_its_cpu(void)
{
	u32 before = arch_cpu_id(), from = timers[0].cpu;

	if (!moves_left)
		return;
	moves_left--;
	fake_on_irq_save = NULL;
	fake_cpu_be(from);
	timer_move(&timers[0], from % 2 + 1);
	fake_cpu_be(before);
	fake_on_irq_save = moved_by_its_cpu;
}

static void expect_set_while_it_moves(unsigned moves, u64 deadline)
{
	u32 cpu = timers[0].cpu;

	moves_left = moves;
	fake_on_irq_save = moved_by_its_cpu;
	timer_set(&timers[0], deadline);
	fake_on_irq_save = NULL;
	assert_int_equal(moves_left, 0);
	cpu = moves % 2 ? cpu % 2 + 1 : cpu;
	assert_int_equal(timers[0].cpu, cpu);
	assert_int_equal(timers[0].deadline, deadline);
	assert_int_equal(cpus[cpu]->timer_next, deadline);
	assert_int_equal(cpus[cpu % 2 + 1]->timer_next, TIMER_OFF);
	for (u32 i = 0; i < FAKE_CPUS; i++)
		assert_true(fake_unlocked(&cpus[i]->timer_lock));
}

static void is_set_while_it_moves(void **state)
{
	(void)state;
	timer_init(&timers[0], 1, fire);
	expect_set_while_it_moves(1, 5000);
	expect_set_while_it_moves(1, 4000);
	expect_set_while_it_moves(2, 6000);
	expect_set_while_it_moves(3, TIMER_OFF);
	expect_set_while_it_moves(5, 3000);
	fake_tsc = 9000;
	fake_cpu_be(timers[0].cpu);
	timer_run_due();
	expect_fired("0");
}

/* Any series of changes, against a list of deadlines. */
static void random_changes(void **state)
{
	u64 deadline[TIMERS];

	(void)state;
	srand(7);
	for (unsigned i = 0; i < TIMERS; i++)
		deadline[i] = TIMER_OFF;
	for (unsigned step = 0; step < 20000; step++) {
		unsigned index = (unsigned)rand() % TIMERS;
		u64 first = TIMER_OFF;

		deadline[index] = rand() % 3 ? fake_tsc + (u64)rand() % 1000 : TIMER_OFF;
		timer_set(&timers[index], deadline[index]);
		fake_tsc += (u64)rand() % 100;
		timer_run_due();
		for (unsigned i = 0; i < fired_count; i++) {
			assert_true(deadline[fired[i]] <= fake_tsc);
			deadline[fired[i]] = TIMER_OFF;
		}
		fired_count = 0;
		for (unsigned i = 0; i < TIMERS; i++) {
			assert_true(deadline[i] > fake_tsc);
			assert_int_equal(timers[i].deadline, deadline[i]);
			first = MIN(first, deadline[i]);
		}
		assert_int_equal(cpus[0]->timer_next, first);
	}
}

/* The same with moves: whatever CPU a timer is on, it fires there and at its time. */
static void random_moves(void **state)
{
	u64 deadline[TIMERS];

	(void)state;
	srand(11);
	for (unsigned i = 0; i < TIMERS; i++)
		deadline[i] = TIMER_OFF;
	for (unsigned step = 0; step < 20000; step++) {
		unsigned index = (unsigned)rand() % TIMERS;
		u64 first[FAKE_CPUS] = {TIMER_OFF, TIMER_OFF, TIMER_OFF};

		fake_tsc += (u64)rand() % 100;
		if (rand() % 2) {
			deadline[index] = rand() % 3 ? fake_tsc + (u64)rand() % 1000 : TIMER_OFF;
			timer_set(&timers[index], deadline[index]);
		} else {
			fake_cpu_be(timers[index].cpu);
			timer_move(&timers[index], (u32)rand() % FAKE_CPUS);
		}
		fake_cpu_be((u32)rand() % FAKE_CPUS);
		timer_run_due();
		for (unsigned i = 0; i < fired_count; i++) {
			assert_true(deadline[fired[i]] <= fake_tsc);
			deadline[fired[i]] = TIMER_OFF;
		}
		fired_count = 0;
		for (unsigned i = 0; i < TIMERS; i++) {
			assert_int_equal(timers[i].deadline, deadline[i]);
			assert_true(timers[i].cpu != arch_cpu_id() || deadline[i] > fake_tsc);
			first[timers[i].cpu] = MIN(first[timers[i].cpu], deadline[i]);
		}
		for (u32 i = 0; i < FAKE_CPUS; i++)
			assert_int_equal(cpus[i]->timer_next, first[i]);
	}
}

static void an_own_timer_is_beside_the_queue(void **state)
{
	(void)state;
	cpu_this()->leave_at = 9000;
	timer_set(&timers[1], 2500);
	timer_set_own(&timers[0], 2000);
	assert_int_equal(cpus[0]->timer_next, 2500);
	assert_int_equal(timer_first(cpus[0]), 2000);
	assert_int_equal(cpus[0]->leave_at, 2000);
	timer_set_own(&timers[0], 3000);
	assert_int_equal(timer_first(cpus[0]), 2500);
	run_at(2999);
	expect_fired("1");
	run_at(3000);
	expect_fired("0");
	assert_int_equal(timer_first(cpus[0]), TIMER_OFF);
	run_at(9000);
	expect_fired("");
	assert_ptr_equal(cpus[0]->timers, NULL);
}

static void own_timers_take_turns(void **state)
{
	(void)state;
	timer_set_own(&timers[0], 4000);
	timer_set_own(&timers[1], 3000);
	timer_set_own(&timers[2], 5000);
	assert_int_equal(timer_first(cpus[0]), 3000);
	timer_set_own(&timers[1], 6000);
	timer_set_own(&timers[0], TIMER_OFF);
	run_at(5000);
	expect_fired("2");
	run_at(6000);
	expect_fired("1");
}

static void set_own_again(unsigned index)
{
	timer_set_own(&timers[index], fake_tsc + 100);
}

static void an_own_timer_arms_itself_again(void **state)
{
	(void)state;
	on_fire = set_own_again;
	timer_set_own(&timers[0], 2000);
	run_at(2050);
	expect_fired("0");
	assert_int_equal(timer_first(cpus[0]), 2150);
}

/* Nothing points to one that was put off so. */
static void an_own_timer_is_put_off(void **state)
{
	(void)state;
	timer_set_own(&timers[0], 2000);
	timer_set(&timers[0], TIMER_OFF);
	assert_ptr_equal(cpus[0]->timer_own, NULL);
	assert_int_equal(timers[0].deadline, TIMER_OFF);
	timer_set_own(&timers[0], 2000);
	run_at(2000);
	expect_fired("0");
	timer_set(&timers[0], TIMER_OFF);
	assert_ptr_equal(cpus[0]->timer_own, NULL);
	run_at(3000);
	expect_fired("");
}

static void an_own_timer_moves(void **state)
{
	(void)state;
	timer_set_own(&timers[0], 2000);
	timer_move(&timers[0], 1);
	assert_ptr_equal(cpus[0]->timer_own, NULL);
	assert_int_equal(timer_first(cpus[0]), TIMER_OFF);
	assert_int_equal(cpus[1]->timer_next, 2000);
	assert_int_equal(fake_kicks[1], 1);
	run_at(2000);
	expect_fired("");
	fake_cpu_be(1);
	timer_set_own(&timers[0], 2100);
	assert_int_equal(timer_first(cpus[1]), 2100);
	run_at(2100);
	expect_fired("0");
	timer_set_own(&timers[0], 2200);
	timer_move(&timers[0], 0);
	fake_cpu_be(0);
	run_at(2200);
	expect_fired("0");
}

/* Any number of them, some of which only their own CPU sets. */
static void random_own(void **state)
{
	u64 deadline[TIMERS];

	(void)state;
	srand(3);
	for (unsigned i = 0; i < TIMERS; i++)
		deadline[i] = TIMER_OFF;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned index = (unsigned)rand() % TIMERS;
		u64 first = TIMER_OFF;

		fake_cpu_be(timers[index].cpu);
		deadline[index] = rand() % 4 ? fake_tsc + (u64)rand() % 1000 : TIMER_OFF;
		if (index % 2)
			timer_set_own(&timers[index], deadline[index]);
		else
			timer_set(&timers[index], deadline[index]);
		if (rand() % 8 == 0)
			timer_move(&timers[index], (u32)rand() % FAKE_CPUS);
		fake_cpu_be((u32)rand() % FAKE_CPUS);
		fired_count = 0;
		run_at(fake_tsc + (u64)rand() % 200);
		for (unsigned i = 0; i < fired_count; i++) {
			assert_true(deadline[fired[i]] <= fake_tsc);
			deadline[fired[i]] = TIMER_OFF;
		}
		for (unsigned i = 0; i < TIMERS; i++) {
			assert_int_equal(timers[i].deadline, deadline[i]);
			if (timers[i].cpu == arch_cpu_id())
				first = MIN(first, deadline[i]);
		}
		assert_int_equal(timer_first(cpu_this()), first);
		assert_true(first > fake_tsc);
	}
}

/* What would have ended idling must not interrupt a guest later. */
static void idling_ended_before(void **state)
{
	(void)state;
	cpus[0]->timer_armed = fake_armed = 5000;
	fake_tsc = 4999;
	timer_run_due();
	assert_int_equal(fake_armed, TIMER_OFF);
	/* Once. */
	fake_armed = 1;
	timer_run_due();
	assert_int_equal(fake_armed, 1);
	/* And not where it has ended idling itself, or was not set. */
	cpus[0]->timer_armed = fake_armed = 5000;
	fake_tsc = 5000;
	timer_run_due();
	assert_int_equal(fake_armed, 5000);
	cpus[0]->timer_armed = TIMER_OFF;
	timer_run_due();
	assert_int_equal(fake_armed, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fires_once_at_its_deadline, setup),
		cmocka_unit_test_setup(fires_in_order, setup),
		cmocka_unit_test_setup(a_past_deadline_fires, setup),
		cmocka_unit_test_setup(moves_and_goes_off, setup),
		cmocka_unit_test_setup(off_in_the_middle, setup),
		cmocka_unit_test_setup(a_callback_cancels_what_is_due, setup),
		cmocka_unit_test_setup(a_callback_arms_again, setup),
		cmocka_unit_test_setup(due_meanwhile, setup),
		cmocka_unit_test_setup(a_timer_that_is_always_due, setup),
		cmocka_unit_test_setup(own_cpu_is_not_kicked, setup),
		cmocka_unit_test_setup(other_cpu_is_kicked_when_it_matters, setup),
		cmocka_unit_test_setup(kick_comes_last, setup),
		cmocka_unit_test_setup(other_reasons_for_attention_stay, setup),
		cmocka_unit_test_setup(interrupts_stay_as_they_were, setup),
		cmocka_unit_test_setup(moves_to_another_cpu, setup),
		cmocka_unit_test_setup(a_timer_that_is_off_moves_silently, setup),
		cmocka_unit_test_setup(moves_there_and_back, setup),
		cmocka_unit_test_setup(a_due_timer_moves, setup),
		cmocka_unit_test_setup(is_set_while_it_moves, setup),
		cmocka_unit_test_setup(random_changes, setup),
		cmocka_unit_test_setup(random_moves, setup),
		cmocka_unit_test_setup(an_own_timer_is_beside_the_queue, setup),
		cmocka_unit_test_setup(own_timers_take_turns, setup),
		cmocka_unit_test_setup(an_own_timer_arms_itself_again, setup),
		cmocka_unit_test_setup(an_own_timer_is_put_off, setup),
		cmocka_unit_test_setup(an_own_timer_moves, setup),
		cmocka_unit_test_setup(random_own, setup),
		cmocka_unit_test_setup(idling_ended_before, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
