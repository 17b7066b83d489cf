/* SPDX-License-Identifier: MIT */
/*
 * Threads, really switched: each has a stack of its own, the test itself is every CPU's idle loop.
 * What another CPU does at the worst moment is done from within the faked arch_ functions. Who runs
 * when several want to is the scheduler's matter, and tested there.
 */
/* links: vmm/timer.c vmm/scheduler.c vmm/scheduler_claim.c vmm/scheduler_fair.c */
/* links: vmm/scheduler_group.c vmm/scheduler_queue.c vmm/scheduler_reserve.c */
#include "fake_cpu.h"

#include <stdlib.h>
#include <ucontext.h>

#include <bulkhead/error.h>
#include <bulkhead/memory.h>
#include <bulkhead/thread.h>
#include <bulkhead/timer.h>
#include <bulkhead/trace.h>

#define STACK_BYTES (256 * KIB)
#define STACKS	    8
#define US	    1000UL /* ticks of the fake clock */
#define SLICE	    (SCHEDULER_SLICE_US * US)

bool trace_on;

/* Where a thread goes on: what its stack pointer stands for here. */
struct place {
	ucontext_t context;
	void (*main)(void *argument);
	void *argument;
};

static u8 *stacks[STACKS];
static unsigned stacks_used, stacks_freed;
static struct place places[STACKS];
static unsigned places_used;
static struct place test_place, *here;

static struct thread idles[FAKE_CPUS], threads[STACKS];
static char story[256];
static unsigned story_bytes;
static void (*on_switch)(void);
static void (*on_idle)(void);
static unsigned partitions_left;

void trace_write(enum trace_kind kind, u32 who, u32 data)
{
	(void)kind;
	(void)who;
	(void)data;
}

u32 arch_cpu_count(void)
{
	return FAKE_CPUS;
}

void panic(const char *format, ...)
{
	fail_msg("panic: %s", format);
	abort();
}

u64 memory_stack_alloc(void)
{
	return stacks_used < STACKS ? (u64)(stacks[stacks_used++] + STACK_BYTES) : 0;
}

void memory_stack_free(u64 top)
{
	assert_true(top);
	stacks_freed++;
}

static void place_start(void)
{
	/* A new thread begins with interrupts off. */
	assert_false(fake_interrupts_on);
	here->main(here->argument);
	fail_msg("a thread's function returned");
}

u64 arch_context_new(u64 top, void (*entry)(void *argument), void *argument)
{
	struct place *place = &places[places_used++];

	getcontext(&place->context);
	place->context.uc_stack.ss_sp = (void *)(top - STACK_BYTES);
	place->context.uc_stack.ss_size = STACK_BYTES;
	place->main = entry;
	place->argument = argument;
	makecontext(&place->context, place_start, 0);
	return (u64)place;
}

void arch_context_switch(u64 *save, u64 load)
{
	struct place *from = here;

	assert_false(fake_interrupts_on);
	assert_true(fake_unlocked(&cpu_this()->run_lock));
	if (on_switch) {
		void (*hook)(void) = on_switch;

		on_switch = NULL;
		hook();
	}
	*save = (u64)from;
	here = (struct place *)load;
	swapcontext(&from->context, &here->context);
}

u64 address_space_enter(const struct address_space *space)
{
	assert_null(space);
	assert_true(fake_unlocked(&cpu_this()->run_lock));
	partitions_left++;
	return 0;
}

void arch_idle(void)
{
	assert_false(fake_interrupts_on);
	on_idle();
}

static void say(char letter)
{
	assert_true(story_bytes < sizeof(story) - 1);
	story[story_bytes++] = letter;
	story[story_bytes] = 0;
}

static void expect_story(const char *text)
{
	assert_string_equal(story, text);
	story_bytes = 0;
	story[0] = 0;
}

static int setup(void **state)
{
	(void)state;
	fake_cpus_init();
	stacks_used = places_used = stacks_freed = 0;
	for (unsigned i = 0; i < STACKS; i++)
		if (!stacks[i])
			stacks[i] = malloc(STACK_BYTES);
	here = &test_place;
	memset(idles, 0, sizeof(idles));
	memset(threads, 0, sizeof(threads));
	for (u32 i = FAKE_CPUS; i-- > 0;) {
		idles[i].cpu = i;
		cpus[i]->idle = &idles[i];
		cpus[i]->thread = &idles[i];
		fake_cpu_be(i);
		thread_cpu_init();
	}
	story_bytes = 0;
	story[0] = 0;
	on_switch = NULL;
	partitions_left = 0;
	return 0;
}

/* No CPU idles when the next test begins. */
static int teardown(void **state)
{
	(void)state;
	for (u32 i = 0; i < FAKE_CPUS; i++) {
		fake_cpu_be(i);
		thread_cpu_init();
	}
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STACKS; i++)
		free(stacks[i]);
	return 0;
}

static const struct scheduler_claim plain = {.weight = SCHEDULER_WEIGHT_DEFAULT};

/* On one CPU for good. */
static struct thread *make(u32 cpu, void (*body)(void *argument), void *argument)
{
	struct thread *thread = &threads[stacks_used];

	thread->name = "t";
	thread->cpu = cpu;
	cpu_mask_add(&thread->affinity, cpu);
	assert_int_equal(thread_create(thread, &plain, NULL, body, argument), 0);
	return thread;
}

/* On any CPU. */
static struct thread *make_free(u32 cpu, void (*body)(void *argument), void *argument)
{
	struct thread *thread = make(cpu, body, argument);

	cpu_mask_fill(&thread->affinity);
	return thread;
}

/* Let this CPU's threads run until none wants to. */
static void run(void)
{
	do
		thread_reschedule();
	while (cpu_this()->queue.count);
	assert_ptr_equal(cpu_this()->thread, cpu_this()->idle);
	assert_true(cpu_this()->idling);
}

static enum scheduler_state state_of(const struct thread *thread)
{
	return thread->entity.state;
}

/* A thread that tells its letter each time that it is woken. */
static void teller(void *argument)
{
	for (;;) {
		say(*(const char *)argument);
		thread_block();
	}
}

static void runs_when_woken(void **state)
{
	struct thread *thread = make(0, teller, "a");

	(void)state;
	assert_int_equal(state_of(thread), SCHEDULER_BLOCKED);
	run();
	expect_story("");
	thread_wake(thread);
	assert_int_equal(state_of(thread), SCHEDULER_READY);
	assert_true(cpus[0]->attention & CPU_ATTENTION_SCHEDULE);
	run();
	expect_story("a");
	assert_int_equal(state_of(thread), SCHEDULER_BLOCKED);
	assert_false(cpus[0]->attention & CPU_ATTENTION_SCHEDULE);
	thread_wake(thread);
	run();
	expect_story("a");
	assert_int_equal(thread->wakeups, 2);
	assert_int_equal(thread->switches, 2);
}

static void no_stack(void **state)
{
	struct thread thread = {.name = "t"};

	(void)state;
	stacks_used = STACKS;
	assert_int_equal(thread_create(&thread, &plain, NULL, teller, "a"), -ENOMEM);
}

static void spender(void *argument)
{
	for (unsigned i = 0; i < 3; i++) {
		say(*(const char *)argument);
		fake_tsc += SLICE; /* the whole of its turn */
		thread_reschedule();
	}
	thread_block();
}

static void takes_turns(void **state)
{
	(void)state;
	thread_wake(make(0, spender, "a"));
	thread_wake(make(0, spender, "b"));
	thread_wake(make(0, spender, "c"));
	run();
	/* Each once in each round. */
	assert_int_equal(story_bytes, 9);
	for (unsigned i = 0; i < 9; i += 3)
		assert_int_equal(story[i] + story[i + 1] + story[i + 2], 'a' + 'b' + 'c');
}

static void polite(void *argument)
{
	say(*(const char *)argument);
	thread_yield();
	say(*(const char *)argument);
	thread_block();
}

static void yields_to_others(void **state)
{
	(void)state;
	thread_wake(make(0, polite, "a"));
	thread_wake(make(0, polite, "b"));
	run();
	assert_int_equal(story_bytes, 4);
	assert_int_not_equal(story[0], story[1]);
}

static void keeps_its_turn(void *argument)
{
	say(*(const char *)argument);
	fake_tsc += SLICE / 4;
	thread_reschedule(); /* somebody only asked */
	say(*(const char *)argument);
	thread_block();
}

static void a_turn_is_not_lost_by_asking(void **state)
{
	(void)state;
	thread_wake(make(0, keeps_its_turn, "a"));
	thread_wake(make(0, keeps_its_turn, "b"));
	run();
	assert_int_equal(story_bytes, 4);
	assert_int_equal(story[0], story[1]);
}

static struct thread *victim;

static void wakes_itself(void *argument)
{
	(void)argument;
	thread_wake(victim);
	thread_wake(victim);
	say('1');
	thread_block(); /* woken already: returns at once */
	say('2');
	thread_block();
	say('3');
	thread_block();
}

static void a_wake_up_before_blocking_is_kept(void **state)
{
	(void)state;
	victim = make(0, wakes_itself, NULL);
	thread_wake(victim);
	run();
	expect_story("12"); /* two wake-ups before it blocked are one */
	thread_wake(victim);
	run();
	expect_story("3");
}

static void wake_from_elsewhere(void)
{
	fake_cpu_be(1);
	thread_wake(victim);
	fake_cpu_be(0);
}

static void blocks_twice(void *argument)
{
	(void)argument;
	say('1');
	on_switch = wake_from_elsewhere;
	thread_block();
	say('2');
	thread_block();
	say('3');
}

/* The wake-up comes when the lock is free again but the thread has not left its stack yet. */
static void a_wake_up_between_block_and_switch(void **state)
{
	(void)state;
	victim = make(0, blocks_twice, NULL);
	thread_wake(victim);
	run();
	expect_story("12");
	assert_int_equal(fake_kicks[0], 1);
	assert_int_equal(state_of(victim), SCHEDULER_BLOCKED);
}

static void retire_from_elsewhere(void)
{
	fake_cpu_be(1);
	assert_false(thread_retire(victim));
	fake_cpu_be(0);
}

static void blocks_for_good(void *argument)
{
	(void)argument;
	on_switch = retire_from_elsewhere;
	thread_block();
	say('!');
	thread_block();
}

/* Its stack may be given away only when nobody is on it any more, not even to leave it. */
static void retires_when_off_its_stack(void **state)
{
	(void)state;
	victim = make(0, blocks_for_good, NULL);
	thread_wake(victim);
	assert_false(thread_retire(victim)); /* ready */
	run();
	assert_true(thread_retire(victim));
	thread_wake(victim);
	assert_int_equal(state_of(victim), SCHEDULER_BLOCKED);
	run();
	expect_story("");
	thread_destroy(victim);
	assert_int_equal(stacks_freed, 1);
	thread_destroy(victim);
	assert_int_equal(stacks_freed, 1);
}

static void other_cpus(void **state)
{
	struct thread *thread = make(1, teller, "a");

	(void)state;
	thread_wake(thread);
	assert_int_equal(fake_kicks[1], 1);
	assert_true(cpus[1]->attention & CPU_ATTENTION_SCHEDULE);
	assert_int_equal(cpus[0]->attention, 0);
	thread_wake(thread); /* it is on its way */
	assert_int_equal(fake_kicks[1], 1);
	thread_reschedule();
	expect_story(""); /* not CPU 0's */
	fake_cpu_be(1);
	run();
	expect_story("aa"); /* it looks once more, for what it was woken for */
}

static void own_cpu_is_not_kicked(void **state)
{
	(void)state;
	thread_wake(make(0, teller, "a"));
	assert_int_equal(fake_kicks[0], 0);
}

/* --- moving --- */

static u32 left_for;

static void note_leaving(struct thread *thread, u32 to)
{
	/* On the old CPU, by somebody else, with no lock. */
	assert_int_equal(arch_cpu_id(), thread->cpu);
	assert_ptr_not_equal(cpu_this()->thread, thread);
	assert_true(fake_unlocked(&cpu_this()->run_lock));
	assert_false(thread->on_cpu);
	left_for = to;
	say('-');
}

static void a_waiting_thread_goes_to_an_idle_cpu(void **state)
{
	struct thread *here_for_good = make(0, teller, "a"), *guest = make_free(0, teller, "b");

	(void)state;
	guest->leave = note_leaving;
	fake_cpu_be(2);
	run(); /* idles from now on */
	fake_cpu_be(0);
	thread_wake(here_for_good);
	thread_wake(guest);
	thread_reschedule();
	assert_int_equal(guest->cpu, 2);
	assert_int_equal(left_for, 2);
	assert_int_equal(guest->migrations, 1);
	assert_int_equal(fake_kicks[2], 1);
	assert_int_equal(here_for_good->cpu, 0);
	fake_cpu_be(2);
	run();
	assert_non_null(strchr(story, '-'));
	assert_non_null(strchr(story, 'a'));
	assert_int_equal(story[story_bytes - 1], 'b');
}

/* Among those that wait, some may not leave: wherever they stand. */
static void the_one_that_may_leave_leaves(void **state)
{
	static char *const letters[] = {"a", "b", "c", "d"};

	(void)state;
	for (unsigned free = 0; free < ARRAY_SIZE(letters); free++) {
		struct thread *all[ARRAY_SIZE(letters)];

		teardown(NULL);
		setup(NULL);
		for (unsigned i = 0; i < ARRAY_SIZE(letters); i++)
			all[i] = i == free ? make_free(0, teller, letters[i])
					   : make(0, teller, letters[i]);
		fake_cpu_be(2);
		run();
		fake_cpu_be(0);
		for (unsigned i = 0; i < ARRAY_SIZE(letters); i++)
			thread_wake(all[i]);
		thread_reschedule();
		for (unsigned i = 0; i < ARRAY_SIZE(letters); i++)
			assert_true(all[i]->cpu == 0 || (i == free && all[i]->cpu == 2));
	}
}

static void who_has_a_promise_stays(void **state)
{
	struct thread *a = make(0, teller, "a"), *b = make_free(0, teller, "b");
	const struct scheduler_claim claim = {
		.kind = SCHEDULER_RESERVED, .budget_us = 1000, .period_us = 10000};

	(void)state;
	thread_claim_set(b, &claim);
	fake_cpu_be(2);
	run();
	fake_cpu_be(0);
	thread_wake(a);
	thread_wake(b);
	run();
	assert_int_equal(b->cpu, 0);
}

static struct cpu_mask only(u32 cpu)
{
	struct cpu_mask mask = {{0}};

	cpu_mask_add(&mask, cpu);
	return mask;
}

static void affinity_moves_it(void **state)
{
	struct thread *thread = make(0, teller, "a");
	struct cpu_mask mask = only(1);

	(void)state;
	thread->leave = note_leaving;
	thread_affinity_set(thread, &mask);
	assert_int_equal(thread->cpu, 0); /* nobody wants it to run */
	thread_wake(thread);
	run();
	assert_int_equal(thread->cpu, 1);
	expect_story("-");
	fake_cpu_be(1);
	run();
	expect_story("a");
}

static void sends_itself_away(void *argument)
{
	struct cpu_mask mask = only(1);

	(void)argument;
	say('0');
	thread_affinity_set(victim, &mask);
	thread_reschedule(); /* goes on elsewhere */
	say((char)('0' + arch_cpu_id()));
	thread_block();
}

/* It runs while it is told to leave: only somebody else's stack can see it off. */
static void a_running_thread_moves(void **state)
{
	(void)state;
	victim = make(0, sends_itself_away, NULL);
	victim->leave = note_leaving;
	thread_wake(victim);
	run();
	expect_story("0-");
	assert_int_equal(victim->cpu, 1);
	fake_cpu_be(1);
	run();
	expect_story("1");
}

/* Where it was before somebody asks who should run: nobody, as until now. */
static void asks_where_it_was(void)
{
	fake_cpu_be(0);
	thread_reschedule();
	fake_cpu_be(1);
	assert_false(thread_retire(victim));
}

static void blocks_elsewhere(void *argument)
{
	struct cpu_mask mask = only(1);

	(void)argument;
	thread_affinity_set(victim, &mask);
	thread_reschedule();
	say((char)('0' + arch_cpu_id()));
	on_switch = asks_where_it_was;
	thread_block();
}

/* Another CPU may be on its stack by now; or it is gone, and its memory somebody else's. */
static void who_has_left_a_cpu_is_not_touched_by_it_again(void **state)
{
	(void)state;
	victim = make(0, blocks_elsewhere, NULL);
	thread_wake(victim);
	run();
	fake_cpu_be(1);
	run();
	expect_story("1");
	assert_null(on_switch);
	assert_true(thread_retire(victim));
	victim->on_cpu = true; /* whatever that is now */
	for (u32 i = 0; i < 2; i++) {
		fake_cpu_be(i);
		run();
		assert_true(victim->on_cpu);
	}
}

static void wake_while_leaving(struct thread *thread, u32 to)
{
	(void)to;
	assert_true(thread->moving);
	thread_wake(thread);
	assert_int_equal(state_of(thread), SCHEDULER_BLOCKED);
	assert_false(thread_retire(thread));
}

static void a_wake_up_while_moving_is_kept(void **state)
{
	struct thread *thread = make(0, teller, "a");
	struct cpu_mask mask = only(2);

	(void)state;
	thread->leave = wake_while_leaving;
	thread_affinity_set(thread, &mask);
	thread_wake(thread);
	run();
	fake_cpu_be(2);
	run();
	expect_story("aa");
}

static void a_dedicated_cpu_is_left_to_its_owner(void **state)
{
	struct thread *owner = make(1, teller, "o"), *other = make_free(1, teller, "x");

	(void)state;
	cpus[1]->dedicated = owner;
	thread_wake(owner);
	thread_wake(other);
	fake_cpu_be(1);
	run();
	assert_int_equal(owner->cpu, 1);
	assert_int_not_equal(other->cpu, 1);
	expect_story("o");
	fake_cpu_be(other->cpu);
	run();
	expect_story("x");
}

/* --- time --- */

static void sleeper(void *argument)
{
	u64 until = *(u64 *)argument;

	say('s');
	thread_sleep_until(until);
	say('w');
	assert_int_equal(cpu_this()->timer_next, TIMER_OFF); /* nothing points to its stack */
	thread_block();
	say('!');
	thread_block();
}

static void sleeps_until_the_moment(void **state)
{
	u64 until = 5000;

	(void)state;
	thread_wake(make(0, sleeper, &until));
	run();
	expect_story("s");
	assert_int_equal(cpus[0]->timer_next, 5000);
	fake_tsc = 4999;
	timer_run_due();
	run();
	expect_story("");
	fake_tsc = 5000;
	timer_run_due();
	run();
	expect_story("w");
}

static void a_sleeper_is_woken_early(void **state)
{
	u64 until = 5000;
	struct thread *thread = make(0, sleeper, &until);

	(void)state;
	thread_wake(thread);
	run();
	thread_wake(thread);
	run();
	expect_story("sw");
	fake_tsc = 6000;
	timer_run_due();
	run();
	expect_story("");
}

/* Woken by somebody and by its timer before it runs: the second one is for its next wait. */
static void a_sleeper_is_woken_twice(void **state)
{
	u64 until = 5000;
	struct thread *thread = make(0, sleeper, &until);

	(void)state;
	thread_wake(thread);
	run();
	thread_wake(thread);
	fake_tsc = 5000;
	timer_run_due();
	assert_true(thread->wake_pending);
	run();
	expect_story("sw!");
}

static void works(void *argument)
{
	(void)argument;
	fake_tsc += 700;
	thread_reschedule();
	fake_tsc += 30;
	thread_block();
}

static void counts_its_time(void **state)
{
	u64 start = fake_tsc, sum = 0, times[SCHEDULER_STATES];
	struct thread *a = make(0, works, NULL), *b = make(0, works, NULL);

	(void)state;
	fake_tsc += 10;
	thread_wake(a);
	thread_wake(b);
	fake_tsc += 3;
	run();
	fake_tsc += 5000;
	thread_times(a, times);
	assert_int_equal(times[SCHEDULER_RUNNING], 730);
	for (unsigned i = 0; i < SCHEDULER_STATES; i++)
		sum += times[i];
	assert_int_equal(sum, fake_tsc - start);
	thread_times(b, times);
	assert_int_equal(times[SCHEDULER_RUNNING], 730);
	assert_true(times[SCHEDULER_READY] >= 3);
}

static u64 ends[2];

static void notes_end(void *argument)
{
	ends[*(unsigned *)argument] = cpu_this()->slice_end;
	thread_reschedule();
	thread_block();
}

/* Nobody is disturbed who is alone; turns are short when others wait. */
static void slice_lengths(void **state)
{
	static unsigned zero = 0, one = 1;

	(void)state;
	thread_wake(make(0, notes_end, &zero));
	run();
	assert_int_equal(ends[0], SCHEDULER_NEVER);
	thread_wake(make(0, notes_end, &zero));
	thread_wake(make(0, notes_end, &one));
	run();
	assert_in_range(MIN(ends[0], ends[1]), fake_tsc + 1, fake_tsc + SLICE);
}

static void alone(void *argument)
{
	(void)argument;
	assert_int_equal(cpu_this()->slice_end, SCHEDULER_NEVER);
	cpu_this()->attention = CPU_ATTENTION_TIMER;
	thread_wake(victim);
	assert_true(cpu_this()->attention & CPU_ATTENTION_SCHEDULE);
	thread_reschedule();
	assert_int_equal(cpu_this()->attention, CPU_ATTENTION_TIMER);
	assert_true(cpu_this()->slice_end <= fake_tsc + SLICE ||
		    state_of(victim) == SCHEDULER_BLOCKED);
	thread_block();
}

/* Who ran without an end gets one when a second thread comes. */
static void company_ends_the_endless_turn(void **state)
{
	(void)state;
	victim = make(0, teller, "v");
	thread_wake(make(0, alone, NULL));
	run();
	expect_story("v");
}

/* A partition's memory is out of sight when none of its vCPUs is there. */
static void partitions_are_left(void **state)
{
	struct thread *a = make(0, teller, "a"), *other = make(0, teller, "c");

	(void)state;
	a->vcpu = (void *)a;
	thread_wake(other);
	run();
	assert_int_equal(partitions_left, 0);
	thread_wake(a);
	run();
	assert_int_equal(partitions_left, 1); /* to the idle loop */
	thread_wake(a);
	thread_wake(other);
	run();
	assert_int_equal(partitions_left, 2);
}

static struct place loop_place;
static unsigned idle_calls;

/* Out of the idle loop, or of who waits in its place, to the test. */
static void leave_loop(void)
{
	ucontext_t *from = &here->context;

	here = &test_place;
	swapcontext(from, &test_place.context);
}

static void idle_steps(void)
{
	switch (idle_calls++) {
	case 0:
		assert_int_equal(fake_armed, TIMER_OFF);
		say('0');
		fake_cpu_be(1); /* an interrupt ends the wait: another CPU woke somebody */
		thread_wake(victim);
		fake_cpu_be(0);
		break;
	case 1:
		expect_story("0v");
		assert_int_equal(fake_armed, TIMER_OFF);
		timer_set((struct timer *)idles[2].vcpu, 9000);
		break;
	case 2:
		assert_int_equal(fake_armed, 9000);
		fake_tsc = 9000;
		break;
	default:
		leave_loop();
	}
}

static void begins(void *argument)
{
	(void)argument;
	say('1');
	leave_loop();
}

/* What a machine is started on becomes its first thread, without a decision. */
static void the_first_thread_has_nobody_before_it(void **state)
{
	struct thread *thread = make(0, begins, NULL);
	u64 unused_stack;

	(void)state;
	cpus[0]->thread = thread;
	arch_context_switch(&unused_stack, thread->stack_pointer);
	expect_story("1");
}

static void loop_main(void)
{
	thread_idle_loop();
}

static void wakes_victim(struct timer *timer)
{
	(void)timer;
	say('t');
	thread_wake(victim);
}

/* The idle loop, on a stack of its own, until leave_loop; each wait is a call of `steps`. */
static void loop_run(void (*steps)(void))
{
	getcontext(&loop_place.context);
	loop_place.context.uc_stack.ss_sp = stacks[STACKS - 1];
	loop_place.context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&loop_place.context, loop_main, 0);
	on_idle = steps;
	idle_calls = 0;
	here = &loop_place;
	swapcontext(&test_place.context, &loop_place.context);
}

/* It waits only when nothing is to be done, with the timer set to the first moment. */
static void idle_loop(void **state)
{
	struct timer timer;

	(void)state;
	timer_init(&timer, 0, wakes_victim);
	idles[2].vcpu = (void *)&timer; /* so that idle_steps finds it */
	victim = make(0, teller, "v");
	loop_run(idle_steps);
	assert_int_equal(idle_calls, 4);
	expect_story("tv");
	assert_int_equal(fake_armed, TIMER_OFF);
}

/* What ends it before its moment leaves no timer that would interrupt whoever runs next. */
static void not_interrupted(void *argument)
{
	for (;;) {
		assert_int_equal(fake_armed, TIMER_OFF);
		say(*(const char *)argument);
		thread_block();
	}
}

static void idle_steps_early(void)
{
	switch (idle_calls++) {
	case 0:
		assert_int_equal(fake_armed, 9000);
		fake_cpu_be(1);
		thread_wake(victim);
		fake_cpu_be(0);
		break;
	case 1:
		expect_story("v");
		assert_int_equal(fake_armed, 9000);
		break;
	default:
		leave_loop();
	}
}

static void idle_ends_early(void **state)
{
	struct timer timer;

	(void)state;
	timer_init(&timer, 0, wakes_victim);
	timer_set(&timer, 9000);
	victim = make(0, not_interrupted, "v");
	loop_run(idle_steps_early);
	assert_int_equal(idle_calls, 3);
}

/* --- waiting in place --- */

static volatile u32 wanted;
static enum thread_waited waited; /* what the last wait came to */

/* Tells its letter each time that it gets what it waits for. */
static void waiter(void *argument)
{
	for (;;) {
		say(*(const char *)argument);
		wanted = 0;
		waited = thread_wait(&wanted);
	}
}

static void wants(struct timer *timer)
{
	(void)timer;
	wanted = 1;
}

static struct timer wish;
static struct thread *other_thread;

static void waits_in_place_steps(void)
{
	switch (idle_calls++) {
	case 0: /* on its own stack, as the idle loop would */
		expect_story("w");
		assert_true(cpus[0]->idling);
		assert_int_equal(state_of(victim), SCHEDULER_BLOCKED);
		assert_false(thread_retire(victim));
		assert_int_equal(fake_armed, 9000);
		fake_tsc = 9000; /* its timer is due */
		break;
	case 1:
		expect_story("w");
		assert_int_equal(waited, THREAD_AT_ONCE);
		assert_int_equal(victim->wakeups, 2);
		assert_int_equal(victim->switches, 1);
		assert_int_equal(victim->entity.times[SCHEDULER_BLOCKED], 9000);
		fake_cpu_be(1);
		wanted = 1;
		thread_wake(victim); /* as another CPU does */
		fake_cpu_be(0);
		break;
	case 2: /* its timers may have come due before it looked */
		expect_story("w");
		assert_int_equal(waited, THREAD_STAYED);
		assert_int_equal(victim->switches, 1);
		thread_wake(other_thread);
		break;
	case 3: /* the other has blocked: the idle loop proper, nobody is on victim's stack */
		expect_story("o");
		assert_ptr_equal(cpus[0]->thread, cpus[0]->idle);
		assert_true(thread_retire(other_thread));
		thread_wake(victim);
		break;
	case 4:
		expect_story("w");
		assert_int_equal(waited, THREAD_AWAY); /* the other has had the CPU */
		assert_int_equal(victim->switches, 2);
		leave_loop();
		break;
	default:
		fail();
	}
}

static void waits_in_place(void **state)
{
	(void)state;
	fake_tsc = 0;
	victim = make(0, waiter, "w");
	other_thread = make(0, teller, "o");
	timer_init(&wish, 0, wants);
	timer_set(&wish, 9000);
	thread_wake(victim);
	loop_run(waits_in_place_steps);
	assert_int_equal(idle_calls, 5);
	expect_story("");
}

/* Another CPU is about to be on its stack. */
static void leaves_its_stack_first(struct thread *thread, u32 to)
{
	assert_int_equal(to, 1);
	assert_ptr_equal(cpu_this()->thread, cpu_this()->idle);
	assert_false(thread->on_cpu);
	say('-');
}

static void is_sent_away_steps(void)
{
	struct cpu_mask mask = only(1);

	switch (idle_calls++) {
	case 0: /* in place */
		expect_story("w");
		fake_cpu_be(1);
		thread_affinity_set(victim, &mask);
		thread_wake(victim);
		fake_cpu_be(0);
		break;
	case 1: /* the idle loop proper */
		expect_story("-");
		assert_int_equal(victim->cpu, 1);
		leave_loop();
		break;
	case 2: /* in place, on the other CPU */
		expect_story("w");
		assert_int_equal(waited, THREAD_AWAY);
		leave_loop();
		break;
	default:
		fail();
	}
}

static void who_waits_in_place_is_sent_away(void **state)
{
	(void)state;
	victim = make(0, waiter, "w");
	victim->leave = leaves_its_stack_first;
	thread_wake(victim);
	loop_run(is_sent_away_steps);
	assert_int_equal(idle_calls, 2);
	fake_cpu_be(1);
	thread_reschedule();
	assert_int_equal(idle_calls, 3);
}

/* As a vCPU's own timer does. */
static void wants_and_wakes(struct timer *timer)
{
	wants(timer);
	if (cpu_this()->thread != victim)
		thread_wake(victim);
}

static void (*on_waiting)(void);

static void affinity_changes(void)
{
	struct cpu_mask mask = only(1);

	thread_affinity_set(victim, &mask);
}

static void cpu_becomes_anothers(void)
{
	cpus[0]->dedicated = &threads[STACKS - 1];
	thread_cpu_look(0);
}

static void may_not_stay_steps(void)
{
	switch (idle_calls++) {
	case 0: /* in place */
		expect_story("w");
		fake_cpu_be(1);
		on_waiting();
		fake_cpu_be(0);
		break;
	case 1:
		expect_story("");
		assert_int_equal(state_of(victim), SCHEDULER_BLOCKED);
		assert_int_equal(fake_armed, 9000);
		fake_tsc = 9000; /* its timer is due */
		break;
	case 2:
		expect_story("-");
		assert_int_equal(victim->cpu, 1);
		leave_loop();
		break;
	default:
		fail();
	}
}

static void may_not_stay(void (*change)(void))
{
	fake_tsc = 0;
	victim = make_free(0, waiter, "w");
	victim->leave = leaves_its_stack_first;
	on_waiting = change;
	timer_init(&wish, 0, wants_and_wakes);
	timer_set(&wish, 9000);
	thread_wake(victim);
	loop_run(may_not_stay_steps);
	assert_int_equal(idle_calls, 3);
}

/* It is told so while it waits, and wanted later, where it is. */
static void who_may_not_stay_does_not_go_on_in_place(void **state)
{
	(void)state;
	may_not_stay(affinity_changes);
}

static void who_waits_in_place_leaves_a_dedicated_cpu(void **state)
{
	(void)state;
	may_not_stay(cpu_becomes_anothers);
}

static void waits_where_it_may_not(void *argument)
{
	(void)argument;
	affinity_changes(); /* as by another CPU, when it has looked for the last time */
	wanted = 0;
	(void)thread_wait(&wanted);
	say('!');
}

static void waits_elsewhere_steps(void)
{
	assert_int_equal(idle_calls++, 0);
	assert_ptr_equal(cpus[0]->thread, cpus[0]->idle);
	assert_false(victim->on_cpu);
	leave_loop();
}

static void who_may_not_stay_does_not_wait_in_place(void **state)
{
	(void)state;
	victim = make(0, waits_where_it_may_not, NULL);
	thread_wake(victim);
	loop_run(waits_elsewhere_steps);
	assert_int_equal(idle_calls, 1);
	expect_story("");
}

/* It has used all that its cap allows, and waits. */
static void exhausted(void *argument)
{
	for (;;) {
		say(*(const char *)argument);
		fake_tsc += SLICE;
		wanted = 0;
		waited = thread_wait(&wanted);
	}
}

static void is_capped_steps(void)
{
	switch (idle_calls++) {
	case 0:
		expect_story("s");
		fake_cpu_be(1);
		wanted = 1;
		thread_wake(victim);
		fake_cpu_be(0);
		break;
	case 1: /* still in place */
		expect_story("");
		assert_ptr_equal(cpus[0]->thread, victim);
		assert_int_equal(state_of(victim), SCHEDULER_CAPPED);
		assert_in_range(fake_armed, fake_tsc + 1, fake_tsc + 100 * SLICE);
		fake_tsc = fake_armed;
		break;
	case 2: /* nothing but time has passed */
		expect_story("s");
		assert_int_equal(waited, THREAD_STAYED);
		leave_loop();
		break;
	default:
		fail();
	}
}

static void who_is_capped_in_place_goes_on_in_time(void **state)
{
	const struct scheduler_claim claim = {.weight = SCHEDULER_WEIGHT_DEFAULT, .cap = 10};

	(void)state;
	victim = make(0, exhausted, "s");
	thread_claim_set(victim, &claim);
	thread_wake(victim);
	loop_run(is_capped_steps);
	assert_int_equal(idle_calls, 3);
}

/* Another one's cap is looked after from there, too. */
static void other_is_capped_steps(void)
{
	switch (idle_calls++) {
	case 0:
		assert_ptr_equal(cpus[0]->thread, other_thread);
		assert_int_equal(state_of(victim), SCHEDULER_CAPPED);
		expect_story("so");
		fake_tsc = fake_armed;
		break;
	case 1:
		expect_story("s");
		leave_loop();
		break;
	default:
		fail();
	}
}

static void spins(void *argument)
{
	for (;;) {
		say(*(const char *)argument);
		fake_tsc += SLICE;
		thread_reschedule();
	}
}

static void who_is_capped_goes_on_while_another_waits_in_place(void **state)
{
	const struct scheduler_claim claim = {.weight = SCHEDULER_WEIGHT_DEFAULT, .cap = 10};

	(void)state;
	victim = make(0, spins, "s");
	other_thread = make(0, waiter, "o");
	thread_claim_set(victim, &claim);
	thread_wake(victim);
	thread_wake(other_thread);
	loop_run(other_is_capped_steps);
	assert_int_equal(idle_calls, 2);
}

/* A wake-up that came first is not lost, and nothing is waited for. */
static void waits_for_what_is_there(void *argument)
{
	(void)argument;
	thread_wake(victim);
	assert_int_equal(thread_wait(&wanted), THREAD_AT_ONCE);
	say('1');
	thread_block();
}

static void a_wake_up_before_waiting_is_kept(void **state)
{
	(void)state;
	wanted = 0;
	victim = make(0, waits_for_what_is_there, NULL);
	thread_wake(victim);
	run();
	expect_story("1");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(runs_when_woken),
		T(no_stack),
		T(takes_turns),
		T(yields_to_others),
		T(a_turn_is_not_lost_by_asking),
		T(a_wake_up_before_blocking_is_kept),
		T(a_wake_up_between_block_and_switch),
		T(retires_when_off_its_stack),
		T(other_cpus),
		T(own_cpu_is_not_kicked),
		T(a_waiting_thread_goes_to_an_idle_cpu),
		T(the_one_that_may_leave_leaves),
		T(who_has_a_promise_stays),
		T(affinity_moves_it),
		T(a_running_thread_moves),
		T(who_has_left_a_cpu_is_not_touched_by_it_again),
		T(a_wake_up_while_moving_is_kept),
		T(a_dedicated_cpu_is_left_to_its_owner),
		T(sleeps_until_the_moment),
		T(a_sleeper_is_woken_early),
		T(a_sleeper_is_woken_twice),
		T(counts_its_time),
		T(slice_lengths),
		T(company_ends_the_endless_turn),
		T(partitions_are_left),
		T(the_first_thread_has_nobody_before_it),
		T(idle_loop),
		T(idle_ends_early),
		T(waits_in_place),
		T(who_waits_in_place_is_sent_away),
		T(who_may_not_stay_does_not_go_on_in_place),
		T(who_waits_in_place_leaves_a_dedicated_cpu),
		T(who_may_not_stay_does_not_wait_in_place),
		T(who_is_capped_in_place_goes_on_in_time),
		T(who_is_capped_goes_on_while_another_waits_in_place),
		T(a_wake_up_before_waiting_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
