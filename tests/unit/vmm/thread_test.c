/* SPDX-License-Identifier: MIT */
/*
 * Threads, really switched: each has a stack of its own, the test itself is every CPU's idle loop.
 * What another CPU does at the worst moment is done from within the faked arch_ functions.
 */
/* links: vmm/timer.c */
#include "fake_cpu.h"

#include <stdlib.h>
#include <ucontext.h>

#include <bulkhead/error.h>
#include <bulkhead/memory.h>
#include <bulkhead/thread.h>
#include <bulkhead/timer.h>

#define STACK_BYTES (256 * KIB)
#define STACKS	    8
#define US	    1000UL /* ticks of the fake clock */

/* Where a thread goes on: what its stack pointer stands for here. */
struct place {
	ucontext_t context;
	void (*main)(void *argument);
	void *argument;
};

static u8 *stacks[STACKS];
static unsigned stacks_used;
static struct place places[STACKS];
static unsigned places_used;
static struct place test_place, *here;

static struct thread idles[FAKE_CPUS], threads[STACKS];
static char story[256];
static unsigned story_bytes;
static void (*on_switch)(void);
static void (*on_idle)(void);
static u64 armed;
static unsigned partitions_left;

u64 memory_stack_alloc(void)
{
	return stacks_used < STACKS ? (u64)(stacks[stacks_used++] + STACK_BYTES) : 0;
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

void arch_timer_arm(u64 deadline)
{
	armed = deadline;
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
	stacks_used = places_used = 0;
	for (unsigned i = 0; i < STACKS; i++)
		if (!stacks[i])
			stacks[i] = malloc(STACK_BYTES);
	here = &test_place;
	memset(idles, 0, sizeof(idles));
	for (u32 i = 0; i < FAKE_CPUS; i++) {
		idles[i].cpu = i;
		idles[i].state = THREAD_RUNNING;
		cpus[i]->idle = &idles[i];
		cpus[i]->thread = &idles[i];
	}
	story_bytes = 0;
	story[0] = 0;
	on_switch = NULL;
	armed = 0;
	partitions_left = 0;
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STACKS; i++)
		free(stacks[i]);
	return 0;
}

static struct thread *make(u32 cpu, void (*body)(void *argument), void *argument)
{
	struct thread *thread = &threads[stacks_used];

	assert_int_equal(thread_create(thread, "t", cpu, body, argument), 0);
	return thread;
}

/* Let this CPU's threads run until none wants to. */
static void run(void)
{
	while (cpu_this()->run_count)
		thread_yield();
	assert_ptr_equal(cpu_this()->thread, cpu_this()->idle);
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
	assert_int_equal(thread->state, THREAD_BLOCKED);
	run();
	expect_story("");
	thread_wake(thread);
	assert_int_equal(thread->state, THREAD_READY);
	assert_true(cpus[0]->attention & CPU_ATTENTION_SCHEDULE);
	run();
	expect_story("a");
	assert_int_equal(thread->state, THREAD_BLOCKED);
	assert_false(cpus[0]->attention & CPU_ATTENTION_SCHEDULE);
	thread_wake(thread);
	run();
	expect_story("a");
}

static void no_stack(void **state)
{
	struct thread thread;

	(void)state;
	stacks_used = STACKS;
	assert_int_equal(thread_create(&thread, "t", 0, teller, "a"), -ENOMEM);
}

static void yielder(void *argument)
{
	for (unsigned i = 0; i < 3; i++) {
		say(*(const char *)argument);
		fake_tsc += THREAD_SLICE_US * US; /* the whole of its turn */
		thread_yield();
	}
	thread_block();
}

static void takes_turns(void **state)
{
	(void)state;
	thread_wake(make(0, yielder, "a"));
	thread_wake(make(0, yielder, "b"));
	thread_wake(make(0, yielder, "c"));
	run();
	expect_story("abcabcabc");
}

static void early_yielder(void *argument)
{
	say(*(const char *)argument);
	fake_tsc += THREAD_SLICE_US * US / 4;
	thread_yield();
	say(*(const char *)argument);
	thread_block();
}

/* Who is interrupted in its turn has the rest of it right after the one that came first. */
static void keeps_the_rest_of_its_turn(void **state)
{
	(void)state;
	thread_wake(make(0, early_yielder, "a"));
	thread_wake(make(0, yielder, "b"));
	thread_wake(make(0, yielder, "c"));
	run();
	expect_story("abacbcbc");
}

/* Who blocks before its turn is over and is woken goes before those that have had theirs. */
static void woken_with_turn_left(void **state)
{
	struct thread *a = make(0, teller, "a");

	(void)state;
	thread_wake(a);
	run();
	thread_wake(make(0, yielder, "b"));
	thread_wake(a);
	run();
	expect_story("aabbb");
}

static void woken_in_order(void **state)
{
	struct thread *a = make(0, teller, "a"), *b = make(0, teller, "b"),
		      *c = make(0, teller, "c");

	(void)state;
	thread_wake(b);
	thread_wake(c);
	thread_wake(a);
	thread_wake(b); /* waits already: no second place in the queue */
	assert_int_equal(cpus[0]->run_count, 3);
	thread_yield();
	expect_story("bbca"); /* but it looks once more, for what it was woken for */
	assert_int_equal(cpus[0]->run_count, 0);
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
	assert_int_equal(victim->state, THREAD_BLOCKED);
}

/* The same for one that yields: it is in the queue, so the wake-up is for its next block. */
static void yields_then_blocks(void *argument)
{
	(void)argument;
	say('1');
	on_switch = wake_from_elsewhere;
	thread_yield();
	say('2');
	thread_block();
	say('3');
	thread_block();
}

static void a_wake_up_while_yielding(void **state)
{
	(void)state;
	victim = make(0, yields_then_blocks, NULL);
	thread_wake(victim);
	thread_wake(make(0, teller, "x"));
	run();
	expect_story("1x23");
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
	thread_yield();
	expect_story(""); /* not CPU 0's */
	fake_cpu_be(1);
	run();
	expect_story("aa");
}

static void own_cpu_is_not_kicked(void **state)
{
	(void)state;
	thread_wake(make(0, teller, "a"));
	assert_int_equal(fake_kicks[0], 0);
}

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

static void ends_blocked(void *argument)
{
	(void)argument;
	fake_tsc += 700;
	thread_yield();
	fake_tsc += 30;
	thread_block();
}

static void counts_its_time(void **state)
{
	struct thread *a = make(0, ends_blocked, NULL), *b = make(0, ends_blocked, NULL);

	(void)state;
	thread_wake(a);
	thread_wake(b);
	run();
	fake_tsc += 5000;
	assert_int_equal(a->run_ticks, 730);
	assert_int_equal(b->run_ticks, 730);
}

static u64 slices[4];

static void notes_slice(void *argument)
{
	slices[*(unsigned *)argument] = cpu_this()->slice_end - fake_tsc;
	thread_yield();
	slices[*(unsigned *)argument + 2] = cpu_this()->slice_end - fake_tsc;
	thread_block();
}

/* Short turns when others wait; else only so long that nothing stays unseen. */
static void slice_lengths(void **state)
{
	static unsigned zero = 0, one = 1;

	(void)state;
	thread_wake(make(0, notes_slice, &zero));
	run();
	assert_int_equal(slices[0], THREAD_WATCHDOG_US * US);
	assert_int_equal(slices[2], THREAD_WATCHDOG_US * US);
	thread_wake(make(0, notes_slice, &zero));
	thread_wake(make(0, notes_slice, &one));
	run();
	assert_int_equal(slices[0], THREAD_SLICE_US * US);
	assert_int_equal(slices[1], THREAD_SLICE_US * US); /* the first one is back in the queue */
	assert_int_equal(slices[2], THREAD_SLICE_US * US);
	assert_int_equal(slices[3], THREAD_WATCHDOG_US * US);
}

static void yields_alone(void *argument)
{
	(void)argument;
	fake_tsc += THREAD_WATCHDOG_US * US;
	cpu_this()->attention = CPU_ATTENTION_SCHEDULE | CPU_ATTENTION_TIMER;
	thread_yield();
	assert_int_equal(cpu_this()->slice_end, fake_tsc + THREAD_WATCHDOG_US * US);
	assert_int_equal(cpu_this()->attention, CPU_ATTENTION_TIMER);
	say('y');
	thread_block();
}

static void yielding_alone_begins_a_new_slice(void **state)
{
	(void)state;
	thread_wake(make(0, yields_alone, NULL));
	run();
	expect_story("y");
}

static void idle_is_in_no_queue(void **state)
{
	struct thread *thread = make(0, teller, "a");

	(void)state;
	thread_wake(thread);
	thread_yield();
	assert_int_equal(cpus[0]->run_count, 0);
	assert_null(cpus[0]->run_first);
	assert_null(cpus[0]->run_last);
	assert_ptr_equal(cpus[0]->thread, cpus[0]->idle);
	thread_yield();
	assert_ptr_equal(cpus[0]->thread, cpus[0]->idle);
}

/* A partition's memory is out of sight when none of its vCPUs is there: what comes between two
 * vCPUs is not looked at here. */
static void partitions_are_left(void **state)
{
	struct thread *a = make(0, teller, "a"), *b = make(0, teller, "b"),
		      *plain = make(0, teller, "c");

	(void)state;
	a->vcpu = b->vcpu = (void *)a;
	thread_wake(plain);
	run();
	assert_int_equal(partitions_left, 0);
	thread_wake(a);
	run();
	assert_int_equal(partitions_left, 1); /* to the idle loop */
	thread_wake(a);
	thread_wake(b);
	thread_wake(plain);
	run();
	expect_story("cacab"); /* b has not run before: it has no turn begun */
	assert_in_range(partitions_left, 2, 3);
}

static struct place loop_place;
static unsigned idle_calls;

/* Out of the idle loop, which never returns, to the test. */
static void leave_loop(void)
{
	here = &test_place;
	swapcontext(&loop_place.context, &test_place.context);
}

static void idle_steps(void)
{
	switch (idle_calls++) {
	case 0:
		assert_int_equal(armed, TIMER_OFF);
		say('0');
		fake_cpu_be(1); /* an interrupt ends the wait: another CPU woke somebody */
		thread_wake(victim);
		fake_cpu_be(0);
		break;
	case 1:
		expect_story("0v");
		assert_int_equal(armed, TIMER_OFF);
		timer_set((struct timer *)idles[2].vcpu, 9000);
		break;
	case 2:
		assert_int_equal(armed, 9000);
		fake_tsc = 9000;
		break;
	default:
		leave_loop();
	}
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

/* It waits only when nothing is to be done, with the timer set to the first moment. */
static void idle_loop(void **state)
{
	struct timer timer;

	(void)state;
	timer_init(&timer, 0, wakes_victim);
	idles[2].vcpu = (void *)&timer; /* so that idle_steps finds it */
	victim = make(0, teller, "v");
	getcontext(&loop_place.context);
	loop_place.context.uc_stack.ss_sp = stacks[STACKS - 1];
	loop_place.context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&loop_place.context, loop_main, 0);
	on_idle = idle_steps;
	idle_calls = 0;
	here = &loop_place;
	swapcontext(&test_place.context, &loop_place.context);
	assert_int_equal(idle_calls, 4);
	expect_story("tv");
	assert_int_equal(armed, TIMER_OFF);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(runs_when_woken),
		T(no_stack),
		T(takes_turns),
		T(keeps_the_rest_of_its_turn),
		T(woken_with_turn_left),
		T(woken_in_order),
		T(a_wake_up_before_blocking_is_kept),
		T(a_wake_up_between_block_and_switch),
		T(a_wake_up_while_yielding),
		T(other_cpus),
		T(own_cpu_is_not_kicked),
		T(sleeps_until_the_moment),
		T(a_sleeper_is_woken_early),
		T(a_sleeper_is_woken_twice),
		T(counts_its_time),
		T(slice_lengths),
		T(yielding_alone_begins_a_new_slice),
		T(idle_is_in_no_queue),
		T(partitions_are_left),
		T(idle_loop),
	};

	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
