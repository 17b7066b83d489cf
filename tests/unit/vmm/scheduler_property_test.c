/* SPDX-License-Identifier: MIT */
/*
 * The scheduling policy over hours of simulated time: what an operator was promised, for random
 * workloads. Seeds are fixed, and printed when a test begins.
 */
/* links: vmm/scheduler.c vmm/scheduler_fair.c vmm/scheduler_group.c vmm/scheduler_reserve.c */
/* links: vmm/scheduler_claim.c vmm/scheduler_queue.c */
#include "vmm/scheduler_simulation.h"

static void seed_begin(u32 cpus, u64 seed)
{
	print_message("  cpus %u, seed %lu\n", cpus, seed);
	sim_begin(cpus, seed);
}

static void assert_share(const struct sim_task *task, u64 ticks, double share, double error)
{
	double found = sim_share(task, ticks);

	if (found < share - error || found > share + error)
		fail_msg("task %ld has %.5f of the CPU instead of %.5f", (long)(task - sim.tasks),
			 found, share);
}

static void assert_rise(const struct sim_watch *watch, double limit)
{
	if (watch->rise > limit)
		fail_msg("watch %ld: %.3f slices off, %.3f are allowed",
			 (long)(watch - sim.watches), watch->rise / (double)SLICE,
			 limit / (double)SLICE);
}

/* --- weights --- */

static void weights_one_two_four(void **state)
{
	(void)state;
	seed_begin(1, 0);
	for (u32 i = 0; i < 3; i++)
		sim_spinner(100U << i, 0);
	sim_run(SECONDS(10));
	for (u32 i = 0; i < 3; i++)
		assert_share(&sim.tasks[i], SECONDS(10), (double)(1U << i) / 7, 0.001);
	sim_conservation_check();
}

/* In any interval, each has its share but for two slices. */
static void weights_random(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 20; seed++) {
		u32 weights = 0, count;

		seed_begin(1, seed);
		count = 2 + (u32)sim_random(12);
		for (u32 i = 0; i < count; i++) {
			u32 weight = 1 + (u32)sim_random(i % 3 ? 100 : SCHEDULER_WEIGHT_MAX);

			sim_spinner(weight, 0);
			weights += weight;
		}
		/* Not from when they began, one after the other. */
		sim_run(SECONDS(20));
		for (u32 i = 0; i < count; i++) {
			double share = sim.tasks[i].entity.claim.weight / (double)weights;

			sim_watch_add(&sim.tasks[i], NULL, share, 1);
			sim_watch_add(&sim.tasks[i], NULL, share, -1);
		}
		sim_run(SECONDS(100));
		for (u32 i = 0; i < sim.watch_count; i++)
			assert_rise(&sim.watches[i], 2.0 * (double)SLICE);
		sim_conservation_check();
	}
}

/* Sleepers may use what they have saved up, which is little; so who always wants to run has its
 * share of any interval but for some slices, whatever the others do. */
static void sleepers_take_nothing_away(void **state)
{
	(void)state;
	for (u64 seed = 100; seed < 120; seed++) {
		u32 weights = 0, spinners, count;

		seed_begin(1, seed);
		spinners = 1 + (u32)sim_random(3);
		count = spinners + 1 + (u32)sim_random(8);
		for (u32 i = 0; i < count; i++) {
			u32 weight = 10 + (u32)sim_random(300);

			weights += weight;
			if (i < spinners)
				sim_spinner(weight, 0);
			else if (i % 4 == 0)
				sim_shared(weight, 0, NULL, 0, SIM_FORKER, 1 + sim_random(MS(8)),
					   0);
			else
				sim_shared(weight, 0, NULL, 0, SIM_RANDOM, 1 + sim_random(MS(10)),
					   1 + sim_random(MS(40)));
		}
		for (u32 i = 0; i < spinners; i++)
			sim_watch_add(&sim.tasks[i], NULL,
				      sim.tasks[i].entity.claim.weight / (double)weights, -1);
		sim_run(SECONDS(200));
		for (u32 i = 0; i < sim.watch_count; i++)
			assert_rise(&sim.watches[i], 3.0 * (double)SLICE);
		/* Nobody starves: it waits while the others have their parts. */
		for (u32 i = 0; i < count; i++)
			assert_true(sim.tasks[i].longest_wait <=
				    (2 * weights / sim.tasks[i].entity.claim.weight + count + 1) *
					    SLICE);
		sim_conservation_check();
	}
}

/* Who wants less than its share has it soon: latency is what it sees of its neighbours. */
static void light_sleepers_run_soon(void **state)
{
	struct sim_task *sleeper;

	(void)state;
	for (u64 seed = 200; seed < 210; seed++) {
		seed_begin(1, seed);
		sleeper = sim_shared(100, 0, NULL, 0, SIM_RANDOM, US(100), MS(10));
		for (u32 i = 0; i < 1 + seed % 6; i++)
			sim_spinner(100, 0);
		/* It has had time to save something. */
		sim_run(SECONDS(1));
		sim_forget();
		sim_run(SECONDS(60));
		assert_true(sleeper->pieces > 5000);
		/* It interrupts others, but for the last bit of a slice. */
		assert_true(sleeper->longest_wake <= SLICE / 15);
	}
}

/* --- everything at once --- */

static u32 move_every;

/* A random one that is not running is moved to a random CPU, as a balancer may do. */
static void move_one(void)
{
	struct sim_task *task = &sim.tasks[sim_random(sim.task_count)];
	u32 to = (u32)sim_random(sim.cpu_count);

	if (sim_random(move_every) || task->entity.claim.kind != SCHEDULER_SHARED)
		return;
	if (task->entity.state == SCHEDULER_RUNNING)
		return;
	if (task->entity.state != SCHEDULER_BLOCKED) {
		scheduler_remove(&sim.cpus[task->cpu].queue, &task->entity, sim.now);
		task->cpu = to;
		sim.cpus[to].ask |= scheduler_wake(&sim.cpus[to].queue, &task->entity, sim.now);
		sim_settle();
	} else {
		task->cpu = to;
	}
}

static void claim_random(struct scheduler_claim *claim)
{
	*claim = (struct scheduler_claim){
		.weight = 1 + (u32)sim_random(sim_random(2) ? 200 : SCHEDULER_WEIGHT_MAX),
		.cap = sim_random(3) ? 0 : 1 + (u32)sim_random(120),
	};
	if (sim_random(4) == 0) {
		claim->kind = SCHEDULER_RESERVED;
		claim->weight = sim_random(2) ? claim->weight : 0;
		claim->period_us = SCHEDULER_PERIOD_MIN_US + sim_random(50000);
		claim->budget_us = SCHEDULER_BUDGET_MIN_US + sim_random(claim->period_us / 8);
	}
	assert_null(scheduler_claim_fault(claim));
}

static void change_one(void)
{
	struct sim_task *task = &sim.tasks[sim_random(sim.task_count)];
	struct scheduler_claim claim;

	move_one();
	if (sim_random(50))
		return;
	claim_random(&claim);
	scheduler_claim_set(&sim.cpus[task->cpu].queue, &task->entity, &claim, sim.now);
	sim.cpus[task->cpu].ask = true;
	if (sim_random(20) == 0) {
		scheduler_group_set(&sim_groups[sim_random(4)],
				    sim_random(3) ? (u32)sim_random(1000) : 0,
				    sim_random(2) ? (u32)sim_random(400) : 0);
		for (u32 i = 0; i < sim.cpu_count; i++)
			sim.cpus[i].ask = true;
	}
	sim_settle();
}

static void anything_populate(u32 count)
{
	for (u32 i = 0; i < 4; i++)
		scheduler_group_init(&sim_groups[i], i == 1 ? 0 : 100 * i + 100, i == 2 ? 150 : 0,
				     i == 3 ? &sim_groups[0] : NULL);
	for (u32 i = 0; i < count; i++) {
		struct scheduler_group *group = sim_random(2) ? &sim_groups[sim_random(4)] : NULL;
		struct scheduler_claim claim;

		claim_random(&claim);
		sim_add(&claim, group, (u32)sim_random(sim.cpu_count),
			(enum sim_behaviour)sim_random(SIM_FORKER), 1 + sim_random(MS(10)),
			MS(10) + sim_random(MS(40)));
	}
}

/* Consistent after every decision, on time or late, whatever is changed meanwhile. */
static void anything_is_consistent(void **state)
{
	(void)state;
	for (u64 seed = 300; seed < 324; seed++) {
		seed_begin(1U << seed % 3, seed);
		move_every = 20;
		sim.late_by = seed % 2 ? 0 : US(1 + sim_random(3000));
		sim.ask_always = seed % 4 == 1;
		sim.on_event = seed < 308 ? move_one : change_one;
		anything_populate(3 + (u32)sim_random(20));
		sim_run(SECONDS(20));
		sim_conservation_check();
	}
}

/* Hours, of the ordinary. */
static void hours_of_work(void **state)
{
	(void)state;
	seed_begin(2, 400);
	sim.check_every = 64;
	for (u32 i = 0; i < 8; i++)
		sim_shared(50 + 50 * i, 0, NULL, i % 2, i < 3 ? SIM_SPIN : SIM_RANDOM, MS(20),
			   MS(200));
	sim_watch_add(&sim.tasks[0], NULL, 50.0 / (50 + 150 + 250 + 350), -1);
	sim_run(SECONDS(2 * 3600));
	assert_rise(&sim.watches[0], 5.0 * (double)SLICE);
	sim_conservation_check();
}

/* --- caps --- */

/* In any interval of any length, a cap is exceeded by one slice at most, and what it allows is had
 * by who wants it. */
static void caps_hold(void **state)
{
	static const u32 caps[] = {1, 2, 5, 10, 25, 33, 50, 75, 90, 99};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(caps); i++) {
		double rate = caps[i] / 100.0;
		struct sim_task *spinner, *sleeper;

		seed_begin(1, 500 + i);
		sleeper = sim_shared(100, caps[i], NULL, 0, SIM_RANDOM, 1 + sim_random(MS(20)),
				     1 + sim_random(MS(50)));
		spinner = sim_shared(100, caps[i], NULL, 0, SIM_SPIN, 0, 0);
		sim_watch_add(sleeper, NULL, rate, 1);
		sim_watch_add(spinner, NULL, rate, 1);
		sim_run(SECONDS(100));
		assert_rise(&sim.watches[0], (double)SLICE + 1);
		assert_rise(&sim.watches[1], (double)SLICE + 1);
		if (caps[i] < 50)
			assert_share(spinner, SECONDS(100), rate, 0.0005);
		/* Not in tiny pieces. */
		assert_true(sim.decisions < 100 * 2000);
		sim_conservation_check();
	}
}

static void cap_of_one_quarter_in_any_second(void **state)
{
	struct sim_task *capped;

	(void)state;
	seed_begin(1, 520);
	capped = sim_shared(400, 25, NULL, 0, SIM_SPIN, 0, 0);
	sim_spinner(100, 0);
	sim_watch_add(capped, NULL, 0.25, 1);
	sim_watch_add(capped, NULL, 0.25, -1);
	sim_run(SECONDS(3600));
	assert_rise(&sim.watches[0], (double)SLICE + 1);
	/* And it has what it may have: no more than a slice is lost, but for rounding. */
	assert_share(capped, SECONDS(3600), 0.25, 0.00001);
	sim_conservation_check();
}

static void group_caps_hold_over_cpus(void **state)
{
	static const u32 caps[] = {5, 50, 100, 150, 200, 320};

	(void)state;
	for (u64 seed = 530; seed < 542; seed++) {
		u32 cap = caps[seed % ARRAY_SIZE(caps)], count;
		double had = 0;

		seed_begin(seed % 2 ? 4 : 2, seed);
		scheduler_group_init(&sim_groups[0], 100, cap, NULL);
		scheduler_group_init(&sim_groups[1], 300, seed % 4 ? 0 : cap / 2 + 1,
				     &sim_groups[0]);
		count = sim.cpu_count * 3;
		for (u32 i = 0; i < count; i++)
			sim_shared(1 + (u32)sim_random(300), i % 5 ? 0 : 40,
				   &sim_groups[i % 3 == 0], i % sim.cpu_count,
				   i < count / 2 ? SIM_SPIN : SIM_RANDOM, 1 + sim_random(MS(5)),
				   1 + sim_random(MS(20)));
		for (u32 i = 0; i < sim.cpu_count; i++)
			sim_spinner(100, i);
		sim_watch_add(NULL, &sim_groups[0], cap / 100.0, 1);
		if (sim_groups[1].cap)
			sim_watch_add(NULL, &sim_groups[1], sim_groups[1].cap / 100.0, 1);
		sim_run(SECONDS(60));
		for (u32 i = 0; i < sim.watch_count; i++)
			assert_rise(&sim.watches[i], (double)SLICE + sim.cpu_count);
		for (u32 i = 0; i < count; i++)
			had += sim_share(&sim.tasks[i], SECONDS(60));
		if (cap <= 50)
			assert_true(had > 0.97 * cap / 100.0);
		assert_true(sim.decisions < 60UL * 3000 * sim.cpu_count);
		sim_conservation_check();
	}
}

/* Weights count among those that share a cap. */
static void weights_under_a_cap(void **state)
{
	(void)state;
	seed_begin(1, 550);
	scheduler_group_init(&sim_groups[0], 100, 40, NULL);
	for (u32 i = 0; i < 3; i++)
		sim_shared(100U << i, 0, &sim_groups[0], 0, SIM_SPIN, 0, 0);
	sim_run(SECONDS(100));
	for (u32 i = 0; i < 3; i++)
		assert_share(&sim.tasks[i], SECONDS(100), 0.4 * (1U << i) / 7, 0.002);
	sim_conservation_check();
}

/* --- groups --- */

static void groups_share_by_their_weights(void **state)
{
	static const double shares[] = {0.25, 0.0625, 0.1875, 0.125, 0.125, 0.25};

	(void)state;
	seed_begin(1, 600);
	/* One alone, two in a group, and two in a group within a group, of 100 each: */
	scheduler_group_init(&sim_groups[0], 100, 0, NULL);
	scheduler_group_init(&sim_groups[1], 100, 0, NULL);
	scheduler_group_init(&sim_groups[2], 7, 0, &sim_groups[1]);
	scheduler_group_init(&sim_groups[3], 0, 0, NULL);
	sim_spinner(100, 0);
	sim_shared(10, 0, &sim_groups[0], 0, SIM_SPIN, 0, 0);
	sim_shared(30, 0, &sim_groups[0], 0, SIM_SPIN, 0, 0);
	sim_shared(500, 0, &sim_groups[2], 0, SIM_SPIN, 0, 0);
	sim_shared(500, 0, &sim_groups[2], 0, SIM_SPIN, 0, 0);
	/* and one of a group without a weight. */
	sim_shared(100, 0, &sim_groups[3], 0, SIM_SPIN, 0, 0);
	sim_run(SECONDS(60));
	for (u32 i = 0; i < ARRAY_SIZE(shares); i++)
		assert_share(&sim.tasks[i], SECONDS(60), shares[i], 0.002);
	sim_conservation_check();
}

/* However many members it has and whatever they do, a group has its weight. */
static void group_of_many_is_one(void **state)
{
	struct sim_task *outside;

	(void)state;
	for (u64 seed = 610; seed < 616; seed++) {
		seed_begin(1, seed);
		scheduler_group_init(&sim_groups[0], 100, 0, NULL);
		outside = sim_spinner(100, 0);
		sim_shared(100, 0, &sim_groups[0], 0, SIM_SPIN, 0, 0);
		for (u32 i = 0; i < 3 * (seed - 609); i++)
			sim_shared(1 + (u32)sim_random(500), 0, &sim_groups[0], 0,
				   (enum sim_behaviour)(i % 2 ? SIM_SPIN : SIM_RANDOM),
				   1 + sim_random(MS(3)), 1 + sim_random(MS(30)));
		sim_run(SECONDS(100));
		assert_share(outside, SECONDS(100), 0.5, 0.02);
		sim_conservation_check();
	}
}

static void group_over_cpus(void **state)
{
	(void)state;
	seed_begin(4, 620);
	scheduler_group_init(&sim_groups[0], 100, 0, NULL);
	for (u32 i = 0; i < 4; i++)
		sim_shared(100, 0, &sim_groups[0], i, SIM_SPIN, 0, 0);
	for (u32 i = 0; i < 4; i++)
		sim_spinner(100, i);
	sim_run(SECONDS(20));
	/* A quarter of the weight is on each CPU. */
	for (u32 i = 0; i < 4; i++)
		assert_share(&sim.tasks[i], SECONDS(20), 0.2, 0.002);
	sim_conservation_check();
}

/* --- reservations --- */

/* As many as are admitted, none of them late, beside anything. */
static void reservations_are_kept(void **state)
{
	(void)state;
	for (u64 seed = 700; seed < 740; seed++) {
		u32 admitted = 0;

		seed_begin(1, seed);
		for (u32 tries = 0; tries < 40; tries++) {
			u64 period =
				SCHEDULER_PERIOD_MIN_US + sim_random(tries % 2 ? 5000 : 100000);
			u64 budget = SCHEDULER_BUDGET_MIN_US + sim_random(period / 3);
			struct scheduler_claim claim = {.kind = SCHEDULER_RESERVED,
							.budget_us = budget,
							.period_us = period};

			if (admitted + scheduler_bandwidth(&claim) > SCHEDULER_RESERVED_MAX * 10000)
				continue;
			admitted += scheduler_bandwidth(&claim);
			sim_reserved(budget, period, sim_random(2) ? 0 : 100, 0, SIM_PERIODIC,
				     US(budget) - sim_random(2) * sim_random(US(budget)),
				     US(period));
			sim.tasks[sim.task_count - 1].wake_at += sim_random(US(period));
			sim.tasks[sim.task_count - 1].release =
				sim.tasks[sim.task_count - 1].wake_at;
		}
		for (u32 i = 0; i < 3; i++)
			sim_shared(1 + (u32)sim_random(1000), i ? 0 : 30, NULL, 0,
				   i == 1 ? SIM_FORKER : SIM_SPIN, MS(1), 0);
		sim_run(SECONDS(30));
		for (u32 i = 0; i < sim.task_count; i++) {
			const struct sim_task *task = &sim.tasks[i];

			assert_int_equal(task->entity.missed_deadlines, 0);
			if (task->behaviour != SIM_PERIODIC)
				continue;
			assert_int_equal(task->late, 0);
			assert_true(task->pieces >= SECONDS(30) / task->every - 1);
		}
		sim_conservation_check();
	}
}

/* Two milliseconds of every ten, beside two that spin and one that forks. */
static void reservation_of_one_fifth(void **state)
{
	struct sim_task *reserved;

	(void)state;
	seed_begin(1, 750);
	reserved = sim_reserved(2000, 10000, 0, 0, SIM_PERIODIC, MS(2), MS(10));
	sim_spinner(100, 0);
	sim_spinner(10000, 0);
	sim_shared(100, 0, NULL, 0, SIM_FORKER, US(50), 0);
	sim_run(SECONDS(600));
	assert_int_equal(reserved->late, 0);
	assert_int_equal(reserved->entity.missed_deadlines, 0);
	assert_int_equal(reserved->pieces, 60000);
	sim_conservation_check();
}

/* Who wants more than it reserved hurts itself only: it has that much of any interval and no more,
 * and the others meet their deadlines. */
static void overruns_hurt_themselves(void **state)
{
	(void)state;
	for (u64 seed = 760; seed < 780; seed++) {
		struct sim_task *greedy, *bursty;

		seed_begin(1, seed);
		greedy = sim_reserved(3000, 10000, 0, 0, SIM_SPIN, 0, 0);
		bursty = sim_reserved(5000, 25000, 0, 0, SIM_RANDOM, MS(1) + sim_random(MS(30)),
				      1 + sim_random(MS(30)));
		for (u32 i = 0; i < 3; i++)
			sim_reserved(1500 * (i + 1), 10000 * (i + 1), 0, 0, SIM_PERIODIC,
				     US(1500 * (i + 1)), US(10000 * (i + 1)));
		sim_spinner(100, 0);
		sim_watch_add(greedy, NULL, 0.3, 1);
		sim_watch_add(greedy, NULL, 0.3, -1);
		sim_watch_add(bursty, NULL, 0.2, 1);
		sim_run(SECONDS(60));
		for (u32 i = 0; i < sim.task_count; i++) {
			assert_int_equal(sim.tasks[i].late, 0);
			assert_int_equal(sim.tasks[i].entity.missed_deadlines, 0);
		}
		assert_rise(&sim.watches[0], 2.0 * (double)MS(3));
		assert_rise(&sim.watches[1], 2.0 * (double)MS(10));
		assert_rise(&sim.watches[2], 2.0 * (double)MS(5));
		assert_share(greedy, SECONDS(60), 0.3, 0.001);
		/* What is left is for the shared one. */
		assert_true(sim.tasks[5].had >= SECONDS(60) * 4 / 100);
		sim_conservation_check();
	}
}

/* With a weight it goes on as shared when the budget is used up. */
static void reserved_with_weight(void **state)
{
	struct sim_task *both, *spinner;

	(void)state;
	seed_begin(1, 790);
	both = sim_reserved(2000, 10000, 100, 0, SIM_SPIN, 0, 0);
	spinner = sim_spinner(300, 0);
	sim_run(SECONDS(60));
	assert_share(both, SECONDS(60), 0.2 + 0.8 / 4, 0.001);
	assert_share(spinner, SECONDS(60), 0.8 * 3 / 4, 0.001);
	assert_true(both->had_reserved <= SECONDS(60) / 5 + MS(2));
	assert_int_equal(both->entity.missed_deadlines, 0);
	sim_conservation_check();
}

/* --- moving --- */

/* Two CPUs, three that spin, one of which is moved all the time: on average, two thirds each. */
static void moving_keeps_shares(void **state)
{
	(void)state;
	seed_begin(2, 800);
	sim_spinner(100, 0);
	sim_spinner(100, 1);
	sim_spinner(100, 0);
	for (u32 i = 0; i < 20000; i++) {
		struct sim_task *task = &sim.tasks[2];

		sim_run(1 + sim_random(MS(20)));
		if (task->entity.state != SCHEDULER_READY)
			continue;
		scheduler_remove(&sim.cpus[task->cpu].queue, &task->entity, sim.now);
		task->cpu ^= 1;
		sim.cpus[task->cpu].ask |=
			scheduler_wake(&sim.cpus[task->cpu].queue, &task->entity, sim.now);
	}
	for (u32 i = 0; i < 2; i++)
		assert_share(&sim.tasks[i], sim.now - sim.began, 0.75, 0.02);
	assert_share(&sim.tasks[2], sim.now - sim.began, 0.5, 0.02);
	sim_conservation_check();
}

/* --- cost --- */

static void alone_means_no_decisions(void **state)
{
	(void)state;
	seed_begin(1, 900);
	sim_spinner(100, 0);
	sim_run(SECONDS(3600));
	assert_int_equal(sim.decisions, 1);
	sim_begin(1, 900);
	sim_reserved(2000, 10000, 0, 0, SIM_SPIN, 0, 0);
	sim.tasks[0].entity.claim =
		(struct scheduler_claim){.kind = SCHEDULER_DEDICATED, .weight = 100};
	sim_run(SECONDS(3600));
	assert_int_equal(sim.decisions, 1);
}

static void slices_are_whole(void **state)
{
	(void)state;
	seed_begin(1, 910);
	for (u32 i = 0; i < 5; i++)
		sim_spinner(1 + i * 50, 0);
	sim_run(SECONDS(100));
	assert_in_range(sim.decisions, 100 * 200 - 1, 100 * 200 + 100);
	sim_conservation_check();
}

/* One that works 1 ms of every 20 costs the other two switches each time, and a slice's end at
 * times. */
static void few_switches_with_a_sleeper(void **state)
{
	(void)state;
	seed_begin(1, 920);
	sim_spinner(100, 0);
	sim_shared(100, 0, NULL, 0, SIM_PERIODIC, MS(1), MS(20));
	sim_run(SECONDS(100));
	assert_true(sim.switches <= 2 * 5000 + 2);
	assert_true(sim.decisions <= 2 * 5000 + 10);
}

static void hundreds_on_a_queue(void **state)
{
	(void)state;
	seed_begin(1, 930);
	sim.check_every = 50;
	scheduler_group_init(&sim_groups[0], 10000, 60, NULL);
	for (u32 i = 0; i < SIM_TASKS; i++)
		sim_shared(20 + (u32)sim_random(100), 0, i % 2 ? &sim_groups[0] : NULL, 0,
			   (enum sim_behaviour)(i % 4 ? SIM_SPIN : SIM_RANDOM), MS(2), MS(100));
	sim_run(SECONDS(60));
	for (u32 i = 0; i < SIM_TASKS; i++)
		assert_true(sim.tasks[i].had > 0);
	sim_conservation_check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_one_two_four),
		cmocka_unit_test(weights_random),
		cmocka_unit_test(sleepers_take_nothing_away),
		cmocka_unit_test(light_sleepers_run_soon),
		cmocka_unit_test(anything_is_consistent),
		cmocka_unit_test(hours_of_work),
		cmocka_unit_test(caps_hold),
		cmocka_unit_test(cap_of_one_quarter_in_any_second),
		cmocka_unit_test(group_caps_hold_over_cpus),
		cmocka_unit_test(weights_under_a_cap),
		cmocka_unit_test(groups_share_by_their_weights),
		cmocka_unit_test(group_of_many_is_one),
		cmocka_unit_test(group_over_cpus),
		cmocka_unit_test(reservations_are_kept),
		cmocka_unit_test(reservation_of_one_fifth),
		cmocka_unit_test(overruns_hurt_themselves),
		cmocka_unit_test(reserved_with_weight),
		cmocka_unit_test(moving_keeps_shares),
		cmocka_unit_test(alone_means_no_decisions),
		cmocka_unit_test(slices_are_whole),
		cmocka_unit_test(few_switches_with_a_sleeper),
		cmocka_unit_test(hundreds_on_a_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
