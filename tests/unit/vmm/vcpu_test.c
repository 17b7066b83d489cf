/* SPDX-License-Identifier: MIT */
/*
 * vCPUs: what their threads make of what the guest does and the operator wants, together with
 * vmm/partition.c. A test is the operator's thread, and lets them run whenever it sleeps.
 */
/* links: vmm/partition.c vmm/placement.c vmm/group.c vmm/timer.c */
/* links: vmm/format.c vmm/byte_ring.c vmm/steal_time.c vmm/kvm.c vmm/kvm_clock.c */
/* links: vmm/scheduler_claim.c vmm/scheduler_group.c */
/* links: vmm/partition_view.c vmm/partition_load.c vmm/vcpu_lifecycle.c vmm/vcpu_startup.c */
/* links: vmm/partition_net.c vmm/partition_console.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_vcpu.h"

/* After each of which others may have the CPU: of RAM that is cleared, what describes the board,
 * and the guest's files. */
#define PIECES (RAM_BYTES / (64 * KIB) + 2)

/* --- guests --- */

static unsigned ends_left; /* so often the guest ends its run */
static u32 end_event;	   /* how, if not by a crash */
static u64 end_after;	   /* ticks */

static enum virt_result halts(struct vcpu *vcpu)
{
	(void)vcpu;
	return VIRT_HALTED;
}

static enum virt_result spins(struct vcpu *vcpu)
{
	(void)vcpu;
	return VIRT_SPINS;
}

static enum virt_result works(struct vcpu *vcpu)
{
	(void)vcpu;
	return VIRT_ATTENTION;
}

static void raise_event(struct vcpu *vcpu, enum device_event event)
{
	__atomic_or_fetch(&vcpu->partition->events, 1u << event, __ATOMIC_RELEASE);
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
}

static enum virt_result ends(struct vcpu *vcpu)
{
	if (!ends_left)
		return VIRT_HALTED;
	ends_left--;
	fake_tsc += end_after;
	raise_event(vcpu, (enum device_event)end_event);
	return VIRT_ATTENTION;
}

static enum virt_result crashes(struct vcpu *vcpu)
{
	if (!ends_left)
		return VIRT_HALTED;
	ends_left--;
	fake_tsc += end_after;
	vcpu_stop(vcpu, VCPU_STOP_TRIPLE_FAULT, "triple fault at %x", 0x77);
	return VIRT_STOPPED;
}

/* Frames come while the guest runs. */
static enum virt_result is_sent_to(struct vcpu *vcpu)
{
	if (!ends_left)
		return VIRT_HALTED;
	ends_left--;
	vcpu_request(vcpu, VCPU_REQUEST_DEVICES);
	return VIRT_ATTENTION;
}

/* Its tables change while it runs. */
static enum virt_result has_its_tables_changed(struct vcpu *vcpu)
{
	if (!ends_left)
		return VIRT_HALTED;
	ends_left--;
	vcpu_request(vcpu, VCPU_REQUEST_TABLES);
	return VIRT_ATTENTION;
}

/* The backend waits within vcpu_run, as long as nobody else has the CPU. */
static unsigned stays;
static bool wakes_first;

static enum virt_result halts_within(struct vcpu *vcpu)
{
	vcpu->in_guest = true;
	if (wakes_first)
		vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
	wakes_first = false;
	while (exit_halt(vcpu)) {
		/* For others it was not in guest mode: nobody waits for it. */
		assert_false(vcpu->in_guest);
		stays++;
		vcpu->requests &= ~VCPU_REQUEST_INTERRUPT;
	}
	assert_false(vcpu->in_guest);
	return VIRT_AWAY;
}

/* --- tests --- */

static struct config_partition config;

static int setup(void **state)
{
	(void)state;
	fake_vcpu_init();
	guest = halts;
	ends_left = 0;
	end_after = 0;
	config = (struct config_partition){
		.name = "web",
		.vcpus = 1,
		.boot = CONFIG_BOOT_RAW,
		.claim = {.weight = 100},
	};
	cpu_mask_fill(&config.affinity);
	return 0;
}

static int teardown(void **state)
{
	char reason[LOAD_REASON_BYTES];

	(void)state;
	while (partition_first()) {
		struct partition *partition = partition_first();

		partition->state = PARTITION_STOPPED;
		held = 0;
		thread_wake(&partition->vcpus[0]->thread);
		let_run();
		if (partition_destroy(partition, reason))
			fail_msg("%s", reason);
	}
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

static struct partition *create(const char *name)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition;

	strcpy(config.name, name);
	if (partition_create(&config, &partition, reason))
		fail_msg("%s", reason);
	let_run();
	return partition;
}

static struct partition *started(void)
{
	struct partition *partition = create("web");
	char reason[LOAD_REASON_BYTES];

	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	return partition;
}

static void make_fails(void)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition;

	assert_int_equal(partition_create(&config, &partition, reason), -ENOMEM);
	assert_non_null(strstr(reason, "memory"));
	assert_null(partition_first());
	assert_int_equal(fake_pages_out, 0);
	for (u32 i = 0; i < THREADS; i++)
		assert_null(threads[i].thread);
}

/* Each thing that a vCPU is made of, and its partition, is missing once. */
static void what_cannot_be_made_leaves_nothing(void **state)
{
	unsigned needed;

	(void)state;
	fake_pages_left = 100;
	create("web");
	needed = 100 - fake_pages_left;
	teardown(NULL);
	for (unsigned i = 0; i < needed; i++) {
		fake_pages_left = i;
		make_fails();
	}
	fake_pages_left = needed;
	stack_fails = true;
	make_fails();
	fake_pages_left = needed;
	stack_fails = false;
	virt_fails = true;
	make_fails();
	fake_pages_left = needed;
	virt_fails = false;
	create("web");
}

/* In its own thread and time, before the guest goes on. */
static void looks_at_what_has_come(void **state)
{
	struct partition *partition;

	(void)state;
	guest = is_sent_to;
	partition = started();
	expect_story("xdSR");
	ends_left = 2;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_DEVICES);
	let_run();
	expect_story("nRnRnR");
	assert_int_equal(partition->vcpus[0]->requests, 0);
}

/* Before it runs again. */
static void forgets_tables_that_changed(void **state)
{
	struct partition *partition;

	(void)state;
	guest = has_its_tables_changed;
	partition = started();
	expect_story("xdSR");
	ends_left = 2;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_TABLES);
	let_run();
	expect_story("tRtRtR");
	assert_int_equal(partition->vcpus[0]->requests, 0);
}

static void rests_until_it_is_started(void **state)
{
	struct partition *partition = create("web");

	(void)state;
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(partition->vcpus[0]->thread.entity.state, SCHEDULER_BLOCKED);
	assert_string_equal(partition->vcpus[0]->thread.name, "web");
	assert_int_equal(partition->vcpus[0]->thread.number, partition->tag);
	expect_story("");
}

static void starts(void **state)
{
	struct partition *partition = started();

	(void)state;
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 1);
	assert_true(partition->started_us <= arch_time_us());
	assert_string_equal(fake_logged, "web: started");
	assert_int_equal(loads[CONFIG_BOOT_RAW], 1);
	assert_int_equal(partition->vcpus[0]->thread.entity.state, SCHEDULER_BLOCKED);
	/* Others had their turns while RAM was cleared. */
	assert_true(reschedules >= PIECES);
	expect_story("xdSR");
}

static void boots_what_it_should(void **state)
{
	(void)state;
	config.boot = CONFIG_BOOT_LINUX;
	started();
	assert_int_equal(loads[CONFIG_BOOT_LINUX], 1);
	assert_int_equal(loads[CONFIG_BOOT_RAW], 0);
}

static void what_cannot_be_loaded_stays_stopped(void **state)
{
	struct partition *partition;

	(void)state;
	load_fails = true;
	partition = started();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_string_equal(partition->reason, "no kernel in it");
	assert_int_equal(partition->starts, 0);
	assert_int_equal(fake_errors, 1);
	assert_false(partition_inspectable(partition));
	assert_null(strchr(story, 'R'));
}

static void stop_it(void)
{
	on_reschedule = NULL;
	partition_first()->state = PARTITION_STOPPING;
}

/* The operator thinks better of it while RAM is cleared. */
static void stopped_while_it_starts(void **state)
{
	struct partition *partition;

	(void)state;
	on_reschedule = stop_it;
	partition = started();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(partition->starts, 0);
	assert_string_equal(partition->reason, "stopped by the operator");
	assert_null(strchr(story, 'R'));
}

/* --- who has the CPU while RAM is cleared --- */

static unsigned polls;

static void polled(void)
{
	assert_non_null(fake_in_sight); /* it is left only for others */
	polls++;
}

static void calls(void)
{
	polled();
	if (polls == 1)
		fake_cpus[0].attention = CPU_ATTENTION_SCHEDULE;
}

static void answered(void)
{
	fake_cpus[0].attention = 0;
}

static void expect_reschedules(void (*on_each)(void), unsigned expected)
{
	reschedules = polls = 0;
	on_poll = on_each;
	on_reschedule = answered;
	assert_int_equal(started()->state, PARTITION_RUNNING);
	on_poll = on_reschedule = NULL;
	assert_int_equal(polls, PIECES);
	assert_int_equal(reschedules, expected);
}

static void keeps_the_cpu_if_nobody_wants_it(void **state)
{
	(void)state;
	fake_cpus[0].slice_end = ~0UL;
	expect_reschedules(polled, 0);
}

static void gives_the_cpu_to_who_calls(void **state)
{
	(void)state;
	fake_cpus[0].slice_end = ~0UL;
	expect_reschedules(calls, 1);
}

static void gives_the_cpu_away_at_the_end_of_its_slice(void **state)
{
	(void)state;
	fake_cpus[0].slice_end = fake_tsc;
	expect_reschedules(polled, PIECES);
}

static void runs_timers_that_come_due(void **state)
{
	(void)state;
	fake_cpus[0].slice_end = ~0UL;
	fake_cpus[0].timer_next = fake_tsc;
	expect_reschedules(polled, PIECES);
	fake_cpus[0].timer_next = ~0UL;
}

static void comes_due(struct timer *timer)
{
	assert_ptr_equal(timer, fake_cpus[0].timer_own);
	fake_cpus[0].timer_own = NULL;
}

static struct timer others_clock = {.fire = comes_due};

static void others_clock_is_due(void)
{
	polled();
	if (polls > 1)
		return;
	fake_cpus[0].timer_own = &others_clock;
	fake_cpus[0].timer_own_next = fake_tsc;
}

/* Another guest's clock, beside the queue. */
static void runs_the_timer_beside_the_queue(void **state)
{
	(void)state;
	fake_cpus[0].slice_end = ~0UL;
	expect_reschedules(others_clock_is_due, 1);
	assert_null(fake_cpus[0].timer_own);
}

static void stops(void **state)
{
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	guest = works;
	partition = started();
	story[0] = '\0';
	assert_int_equal(partition_stop(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_false(partition_inspectable(partition));
	assert_false(held);
	expect_story("xl");
	let_run();
	expect_story("");
	assert_int_equal(partition_destroy(partition, reason), 0);
}

/* Its power button is pressed: the guest may do what it does then, but it does not come back. */
static void shuts_down(void **state)
{
	static const struct {
		int event; /* by which the guest answers */
		const char *reason;
	} cases[] = {
		{DEVICE_EVENT_POWER_OFF, "shut down by the operator"},
		{DEVICE_EVENT_RESET, "shut down by the operator"},
		{DEVICE_EVENT_OVERRIDE, "stopped by the operator: it did not power off"},
	};

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct partition *partition;
		char reason[LOAD_REASON_BYTES];

		setup(state);
		button_heard = true;
		config.on_poweroff = config.on_reset = CONFIG_ACTION_RESTART;
		guest = works;
		partition = started();
		assert_int_equal(partition_shutdown(partition, reason), 0);
		assert_non_null(strchr(story, 'b'));
		assert_int_equal(partition->state, PARTITION_RUNNING);
		raise_event(partition->vcpus[0], (enum device_event)cases[i].event);
		let_run();
		assert_int_equal(partition->state, PARTITION_STOPPED);
		assert_string_equal(partition->reason, cases[i].reason);
		assert_int_equal(partition->starts, 1);
		/* That was that run: in the next one a reset is one. */
		assert_int_equal(partition_start(partition, reason), 0);
		let_run();
		raise_event(partition->vcpus[0], DEVICE_EVENT_RESET);
		let_run();
		assert_int_equal(partition->state, PARTITION_RUNNING);
		assert_int_equal(partition->starts, 3);
		teardown(state);
	}
}

static void stops_who_does_not_hear_its_button(void **state)
{
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	button_heard = false;
	guest = works;
	partition = started();
	assert_int_equal(partition_shutdown(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_string_equal(partition->reason, "stopped by the operator");
	story[0] = '\0';
	assert_int_equal(partition_shutdown(partition, reason), -EBUSY);
	assert_null(strchr(story, 'b'));
}

static void pauses_and_goes_on(void **state)
{
	struct partition *partition = started();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	partition->vcpus[0]->exits = 42;
	story[0] = '\0';
	assert_int_equal(partition_pause(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_PAUSED);
	assert_true(partition_inspectable(partition));
	assert_int_equal(partition->vcpus[0]->state.rip, 0x5678);
	assert_int_equal(partition->vcpus[0]->state.gpr[GPR_RAX], 42);
	/* Its clock stops first, and the CPU lets go of it when all is kept. */
	expect_story("pscl");
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_story("");
	assert_int_equal(partition_resume(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 1);
	assert_int_equal(strncmp(story, "rtR", 3), 0);
	assert_int_equal(loads[CONFIG_BOOT_RAW], 1);
}

static void halts_in_its_exit(void **state)
{
	struct partition *partition;

	(void)state;
	guest = halts_within;
	stays = 0;
	partition = started();
	story[0] = '\0';
	assert_int_equal(partition->vcpus[0]->thread.entity.state, SCHEDULER_BLOCKED);
	/* In the test others have the CPU whenever it waits: the backend begins anew. */
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_story("R");
	assert_int_equal(stays, 0);
	/* What is requested already is not waited for. */
	wakes_first = true;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_story("R");
	assert_int_equal(stays, 1);
	assert_int_equal(partition->state, PARTITION_RUNNING);
}

static void is_late(struct vcpu *vcpu)
{
	vcpu->late_timers |= VCPU_LATE_APIC;
	vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
}

/* Its timer came due when another CPU had woken it and it had not gone on yet. */
static void catches_up_where_it_halts(void **state)
{
	struct partition *partition;

	(void)state;
	guest = halts_within;
	stays = 0;
	on_wait = is_late;
	partition = started();
	assert_int_equal(stays, 1);
	assert_int_equal(partition->vcpus[0]->late_timers, 0);
	expect_story("xdSRl");
}

static void a_paused_one_can_be_reset_and_stopped(void **state)
{
	struct partition *partition = started();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	assert_int_equal(partition_pause(partition, reason), 0);
	assert_int_equal(partition_reset(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 2);
	assert_int_equal(loads[CONFIG_BOOT_RAW], 2);
	assert_int_equal(partition_pause(partition, reason), 0);
	assert_int_equal(partition_stop(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_false(partition_inspectable(partition));
}

/* How a guest can end, what the configuration wants then, and what becomes of it. */
static void ends_as_configured(void **state)
{
	static const struct {
		int event; /* -1: it crashes */
		enum config_action action;
		enum partition_state state;
		u32 starts;
		bool inspectable;
		const char *reason;
	} cases[] = {
		{DEVICE_EVENT_POWER_OFF, CONFIG_ACTION_STOP, PARTITION_STOPPED, 1, false,
		 "powered off by the guest"},
		{DEVICE_EVENT_POWER_OFF, CONFIG_ACTION_RESTART, PARTITION_RUNNING, 2, false, NULL},
		{DEVICE_EVENT_POWER_OFF, CONFIG_ACTION_PRESERVE, PARTITION_STOPPED, 1, true,
		 "powered off by the guest"},
		{DEVICE_EVENT_RESET, CONFIG_ACTION_STOP, PARTITION_STOPPED, 1, false,
		 "reset by the guest"},
		{DEVICE_EVENT_RESET, CONFIG_ACTION_RESTART, PARTITION_RUNNING, 2, false, NULL},
		{DEVICE_EVENT_RESET, CONFIG_ACTION_PRESERVE, PARTITION_STOPPED, 1, true,
		 "reset by the guest"},
		{DEVICE_EVENT_PANIC, CONFIG_ACTION_STOP, PARTITION_STOPPED, 1, false,
		 "the guest panicked"},
		{DEVICE_EVENT_PANIC, CONFIG_ACTION_RESTART, PARTITION_RUNNING, 2, false, NULL},
		{DEVICE_EVENT_PANIC, CONFIG_ACTION_PRESERVE, PARTITION_CRASHED, 1, true,
		 "the guest panicked"},
		{-1, CONFIG_ACTION_STOP, PARTITION_STOPPED, 1, false, "triple fault at 77"},
		{-1, CONFIG_ACTION_RESTART, PARTITION_RUNNING, 2, false, NULL},
		{-1, CONFIG_ACTION_PRESERVE, PARTITION_CRASHED, 1, true, "triple fault at 77"},
		/* A sleep state that there is not changes nothing. */
		{DEVICE_EVENT_SLEEP, CONFIG_ACTION_STOP, PARTITION_RUNNING, 1, false, NULL},
	};

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct partition *partition;

		setup(state);
		/* All three differ, so that it is seen which one counts. */
		config.on_poweroff = config.on_reset = config.on_crash =
			(enum config_action)((cases[i].action + 1) % 3);
		if (cases[i].event == DEVICE_EVENT_POWER_OFF)
			config.on_poweroff = cases[i].action;
		else if (cases[i].event == DEVICE_EVENT_RESET)
			config.on_reset = cases[i].action;
		else
			config.on_crash = cases[i].action;
		guest = cases[i].event < 0 ? crashes : ends;
		end_event = (u32)cases[i].event;
		ends_left = 1;
		partition = started();
		assert_int_equal(ends_left, 0);
		assert_int_equal(partition->state, cases[i].state);
		assert_int_equal(partition->starts, cases[i].starts);
		assert_int_equal(partition_inspectable(partition), cases[i].inspectable);
		assert_int_equal(partition->vcpus[0]->state.rip, cases[i].inspectable ? 0x5678 : 0);
		assert_int_equal(held, cases[i].state == PARTITION_RUNNING);
		assert_int_equal(loads[CONFIG_BOOT_RAW], cases[i].starts);
		if (cases[i].reason)
			assert_string_equal(partition->reason, cases[i].reason);
		assert_int_equal(fake_errors, cases[i].state == PARTITION_CRASHED);
		teardown(state);
	}
}

/* One run's state is not kept for the next. */
static void starting_again_forgets_what_was_kept(void **state)
{
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	config.on_poweroff = CONFIG_ACTION_PRESERVE;
	guest = ends;
	end_event = DEVICE_EVENT_POWER_OFF;
	ends_left = 1;
	partition = started();
	assert_true(partition_inspectable(partition));
	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	partition->config->on_poweroff = CONFIG_ACTION_STOP;
	ends_left = 1;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_false(partition_inspectable(partition));
}

static void a_crash_can_be_started_again(void **state)
{
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	config.on_crash = CONFIG_ACTION_PRESERVE;
	guest = crashes;
	ends_left = 1;
	partition = started();
	assert_int_equal(partition->state, PARTITION_CRASHED);
	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_string_equal(partition->reason, "");
	assert_int_equal(partition->vcpus[0]->stop, VCPU_STOP_NONE);
}

static enum virt_result both_at_once(struct vcpu *vcpu)
{
	if (!ends_left--)
		return VIRT_HALTED;
	raise_event(vcpu, DEVICE_EVENT_RESET);
	raise_event(vcpu, DEVICE_EVENT_POWER_OFF);
	return VIRT_ATTENTION;
}

static void power_off_counts_more_than_reset(void **state)
{
	struct partition *partition;

	(void)state;
	config.on_reset = CONFIG_ACTION_RESTART;
	guest = both_at_once;
	ends_left = 1;
	partition = started();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(partition->starts, 1);
}

/* --- restarts --- */

static struct partition *resets_for_ever(void)
{
	config.on_reset = CONFIG_ACTION_RESTART;
	guest = ends;
	end_event = DEVICE_EVENT_RESET;
	ends_left = ~0U;
	return started();
}

/* It waits now: for how long. */
static u64 delay_of(const struct partition *partition)
{
	assert_int_equal(partition->state, PARTITION_WAITING);
	assert_int_equal(partition->vcpus[0]->thread.entity.state, SCHEDULER_BLOCKED);
	assert_true(partition->start_at > fake_tsc);
	assert_int_equal(cpus[0]->timer_next, partition->start_at);
	return partition->start_at - fake_tsc;
}

static void expect_delay(const struct partition *partition, u64 ms)
{
	assert_in_range(delay_of(partition), ms * MS - MS / 10, ms * MS);
}

static void restarts_more_and_more_slowly(void **state)
{
	struct partition *partition = resets_for_ever();
	u64 ms = 100, starts_before = partition->starts;

	(void)state;
	assert_int_equal(starts_before, 4); /* three restarts are free */
	for (unsigned i = 0; i < 40; i++) {
		expect_delay(partition, ms);
		assert_non_null(strstr(partition->reason, "reset by the guest"));
		/* A little early: nothing happens. */
		fake_tsc = partition->start_at - 1;
		let_run();
		assert_int_equal(partition->starts, starts_before + i);
		fake_tsc = partition->start_at;
		let_run();
		assert_int_equal(partition->starts, starts_before + i + 1);
		ms = MIN(2 * ms, 10000UL);
	}
}

static void a_long_run_is_forgiven(void **state)
{
	struct partition *partition = resets_for_ever();

	(void)state;
	expect_delay(partition, 100);
	end_after = 10001 * MS;
	ends_left = 1;
	fake_tsc = partition->start_at;
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->quick_ends, 0);
	/* From the beginning: three are free again. */
	end_after = 0;
	ends_left = 3;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	ends_left = 1;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_delay(partition, 100);
}

static void long_runs_restart_at_once(void **state)
{
	struct partition *partition;

	(void)state;
	config.on_reset = CONFIG_ACTION_RESTART;
	guest = ends;
	end_event = DEVICE_EVENT_RESET;
	ends_left = 8;
	end_after = 10001 * MS;
	partition = started();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 9);
}

static void who_waits_can_be_started_and_stopped(void **state)
{
	struct partition *partition = resets_for_ever();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	expect_delay(partition, 100);
	ends_left = 4;
	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	/* The operator's start begins the count anew. */
	expect_delay(partition, 100);
	assert_int_equal(partition->starts, 8);
	assert_int_equal(partition_stop(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_STOPPED);
	/* The timer that still runs starts nothing. */
	fake_tsc += 1000 * MS;
	let_run();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(partition->starts, 8);
}

static enum virt_result resets_while_it_is_stopped(struct vcpu *vcpu)
{
	raise_event(vcpu, DEVICE_EVENT_RESET);
	vcpu->partition->state = PARTITION_STOPPING;
	return VIRT_ATTENTION;
}

static void the_operators_stop_wins_over_a_restart(void **state)
{
	struct partition *partition;

	(void)state;
	config.on_reset = CONFIG_ACTION_RESTART;
	guest = resets_while_it_is_stopped;
	partition = started();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(partition->starts, 1);
	assert_string_equal(partition->reason, "stopped by the operator");
}

/* --- what the operator wants at the moment in which the guest ends --- */

static enum partition_state wanted_meanwhile;

static enum virt_result ends_meanwhile(struct vcpu *vcpu)
{
	if (!ends_left)
		return VIRT_HALTED;
	ends_left--;
	raise_event(vcpu, (enum device_event)end_event);
	vcpu->partition->state = wanted_meanwhile;
	return VIRT_ATTENTION;
}

static struct partition *ends_when(enum device_event event, enum partition_state state)
{
	guest = ends_meanwhile;
	end_event = event;
	ends_left = 1;
	wanted_meanwhile = state;
	return started();
}

static void the_operators_reset_wins_over_a_power_off(void **state)
{
	struct partition *partition = ends_when(DEVICE_EVENT_POWER_OFF, PARTITION_STARTING);

	(void)state;
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 2);
}

static void the_operators_stop_wins_over_what_is_kept(void **state)
{
	struct partition *partition;

	(void)state;
	config.on_poweroff = CONFIG_ACTION_PRESERVE;
	partition = ends_when(DEVICE_EVENT_POWER_OFF, PARTITION_STOPPING);
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_false(partition_inspectable(partition));
}

/* The guest that asked for a reset does not go on behind it. */
static void a_reset_is_not_lost_in_a_pause(void **state)
{
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	config.on_reset = CONFIG_ACTION_RESTART;
	partition = ends_when(DEVICE_EVENT_RESET, PARTITION_PAUSING);
	if (partition->state == PARTITION_PAUSED)
		assert_int_equal(partition_resume(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 2);
}

static void who_goes_on_runs_for_others(void **state)
{
	struct partition *a = create("a"), *b;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	assert_int_equal(partition_start(a, reason), 0);
	let_run();
	assert_int_equal(partition_pause(a, reason), 0);
	config.autostart = true;
	config.after_count = 1;
	strcpy(config.after[0], "a");
	b = create("b");
	partition_autostart();
	let_run();
	assert_int_equal(b->state, PARTITION_WAITING);
	assert_int_equal(partition_resume(a, reason), 0);
	let_run();
	assert_int_equal(b->state, PARTITION_RUNNING);
}

/* It is shown when the partition is paused next. */
static void who_runs_has_no_reason_not_to(void **state)
{
	struct partition *partition;

	(void)state;
	config.autostart = true;
	partition = create("web");
	partition_autostart();
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_string_equal(partition->reason, "");
	config.on_reset = CONFIG_ACTION_RESTART;
	partition->config->on_reset = CONFIG_ACTION_RESTART;
	guest = ends;
	end_event = DEVICE_EVENT_RESET;
	ends_left = 1;
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_INTERRUPT);
	let_run();
	assert_int_equal(partition->starts, 2);
	assert_string_equal(partition->reason, "");
}

/* It ran before, so that its CPU may still have it. */
static void a_failed_start_lets_go_of_the_cpu(void **state)
{
	struct partition *partition = started();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	load_fails = true;
	assert_int_equal(partition_reset(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_false(held);
}

/* --- waiting for others --- */

static void starts_in_the_order_of_after(void **state)
{
	struct partition *a, *b, *c;

	(void)state;
	config.autostart = true;
	config.after_count = 1;
	strcpy(config.after[0], "b");
	c = create("c");
	strcpy(config.after[0], "a");
	b = create("b");
	config.after_count = 0;
	a = create("a");
	load_fails = true;
	partition_autostart();
	let_run();
	assert_int_equal(a->state, PARTITION_STOPPED);
	assert_int_equal(b->state, PARTITION_WAITING);
	assert_int_equal(c->state, PARTITION_WAITING);
	load_fails = false;
	story[0] = '\0';
	a->state = PARTITION_STARTING;
	thread_wake(&a->vcpus[0]->thread);
	let_run();
	assert_int_equal(a->state, PARTITION_RUNNING);
	assert_int_equal(b->state, PARTITION_RUNNING);
	assert_int_equal(c->state, PARTITION_RUNNING);
	assert_true(a->started_us <= b->started_us && b->started_us <= c->started_us);
}

/* --- meters --- */

static void expect_sum(struct vcpu *vcpu, struct vcpu_times *times)
{
	vcpu_times(vcpu, times);
	assert_int_equal(times->run + times->exit + times->ready + times->blocked + times->capped +
				 times->paused,
			 times->wall);
	assert_int_equal(times->wall, fake_tsc - fake_of(&vcpu->thread)->created);
}

static struct vcpu_times seen_in_guest;

static enum virt_result looks_at_its_meters(struct vcpu *vcpu)
{
	fake_tsc += 500;
	expect_sum(vcpu, &seen_in_guest);
	return ends_left && ends_left-- ? VIRT_ATTENTION : VIRT_HALTED;
}

static void times_add_up(void **state)
{
	struct vcpu_times times, later;
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	guest = looks_at_its_meters;
	ends_left = 5;
	partition = create("web");
	fake_tsc += 1000000;
	expect_sum(partition->vcpus[0], &times);
	assert_int_equal(times.blocked + times.run, 0);
	assert_true(times.paused >= 1000000); /* it does not run: that is not the guest's will */
	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	expect_sum(partition->vcpus[0], &later);
	assert_in_range(later.paused - times.paused, 0, 10000);
	assert_int_equal(later.run, 6 * 1500);
	assert_true(later.exit >= 6 * 100);
	assert_int_equal(seen_in_guest.run, 6 * 1500); /* the stretch that was going on is in it */
	times = later;
	fake_tsc += 2000000; /* halted */
	expect_sum(partition->vcpus[0], &later);
	assert_int_equal(later.blocked - times.blocked, 2000000);
	assert_int_equal(later.paused, times.paused);
	assert_int_equal(partition_pause(partition, reason), 0);
	expect_sum(partition->vcpus[0], &times);
	fake_tsc += 3000000;
	expect_sum(partition->vcpus[0], &later);
	assert_int_equal(later.paused - times.paused, 3000000);
	assert_int_equal(later.blocked, times.blocked);
	assert_int_equal(partition_resume(partition, reason), 0);
	expect_sum(partition->vcpus[0], &times);
	assert_true(times.paused >= later.paused);
	fake_tsc += 4000000;
	expect_sum(partition->vcpus[0], &later);
	assert_int_equal(later.paused, times.paused);
	assert_int_equal(later.blocked - times.blocked, 4000000);
}

/* Whatever a reader finds in the middle of things: the sum is right. */
static void times_add_up_at_any_moment(void **state)
{
	struct partition *partition = create("web");
	struct vcpu *vcpu = partition->vcpus[0];
	struct scheduler_entity *entity = &vcpu->thread.entity;
	struct fake_thread *fake = fake_of(&vcpu->thread);
	struct vcpu_times times;

	(void)state;
	srand(9);
	for (unsigned i = 0; i < 20000; i++) {
		fake_tsc += 100000;
		entity->state_since = fake_tsc;
		fake->created = fake_tsc;
		for (u32 s = 0; s < SCHEDULER_STATES; s++) {
			entity->times[s] = (u64)rand() % 10000;
			fake->created -= entity->times[s];
		}
		vcpu->guest_ticks = (u64)rand() % 20000;
		if (rand() % 2) /* it is in the guest just now */
			vcpu->guest_ticks -= fake_tsc - (u64)rand() % 1000;
		vcpu->rest_ticks = (u64)rand() % 20000;
		vcpu->rest_from = rand() % 2 ? VCPU_NOT_RESTING : (u64)rand() % 20000;
		expect_sum(vcpu, &times);
		assert_true(times.run <= times.wall && times.paused <= times.wall);
		assert_int_equal(times.ready, entity->times[SCHEDULER_READY]);
		assert_int_equal(times.capped, entity->times[SCHEDULER_CAPPED]);
	}
	vcpu->guest_ticks = 0;
}

static u64 waited_before;

static enum virt_result reads_stolen_time(struct vcpu *vcpu)
{
	const u64 *times = vcpu->thread.entity.times;
	u64 waited = times[SCHEDULER_READY] + times[SCHEDULER_CAPPED];
	struct steal_time_record *record;

	record = guest_memory_at(&vcpu->partition->memory, 0x1000, sizeof(*record));
	if (!vcpu->kvm.steal.control) {
		memset(record, 0, sizeof(*record));
		vcpu->kvm.steal.control = 0x1000 | STEAL_TIME_ON;
		waited_before = waited;
	}
	assert_int_equal(record->steal_ns, waited - waited_before); /* a tick is 1 ns here */
	return VIRT_ATTENTION;
}

/* From when it wants to know, and not what it waited before. */
static void a_guest_is_told_how_long_it_waited(void **state)
{
	struct partition *partition;

	(void)state;
	guest = reads_stolen_time;
	partition = started();
	assert_true(partition->vcpus[0]->thread.entity.times[SCHEDULER_READY] > waited_before);
	assert_true(waited_before > 0);
}

/* Lifecycle at random: no command is lost or stuck, and the meters stay right. */
static void any_series_of_commands(void **state)
{
	static int (*const operations[])(struct partition * partition, char *reason) = {
		partition_start, partition_pause, partition_resume, partition_reset, partition_stop,
	};
	static enum virt_result (*const guests[])(struct vcpu * vcpu) = {halts, works, spins, ends,
									 crashes};
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];
	struct vcpu_times times;

	(void)state;
	config.on_reset = CONFIG_ACTION_RESTART;
	config.on_crash = CONFIG_ACTION_PRESERVE;
	partition = create("web");
	srand(13);
	for (unsigned i = 0; i < 1000; i++) {
		guest = guests[(unsigned)rand() % ARRAY_SIZE(guests)];
		end_event = (u32)rand() % 2;
		ends_left = (unsigned)rand() % 3;
		fake_tsc += (u64)rand() % (200 * MS);
		(void)!operations[(unsigned)rand() % ARRAY_SIZE(operations)](partition, reason);
		let_run();
		/* Nothing is on its way for ever. */
		assert_true(partition->state != PARTITION_PAUSING &&
			    partition->state != PARTITION_RESUMING &&
			    partition->state != PARTITION_STOPPING &&
			    partition->state != PARTITION_STARTING);
		assert_true((held & 1) == (partition->state == PARTITION_RUNNING) ||
			    partition->state == PARTITION_WAITING);
		expect_sum(partition->vcpus[0], &times);
		story[0] = '\0';
	}
	assert_true(partition->starts > 100);
}

/* --- requests --- */

static void a_request_kicks_only_a_guest_elsewhere(void **state)
{
	struct partition *partition = started();
	struct vcpu *vcpu = partition->vcpus[0];
	u64 wakeups = vcpu->thread.wakeups;

	(void)state;
	vcpu->thread.cpu = 1;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(fake_kicks[1], 0);
	assert_int_equal(vcpu->thread.wakeups, wakeups + 1);
	vcpu->in_guest = true;
	vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
	assert_int_equal(fake_kicks[1], 1);
	assert_int_equal(vcpu->requests, VCPU_REQUEST_INTERRUPT | VCPU_REQUEST_NMI);
	/* On this CPU nothing is in guest mode while anyone asks. */
	vcpu->thread.cpu = 0;
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
	assert_int_equal(fake_kicks[0] + fake_kicks[1] + fake_kicks[2], 1);
	assert_int_equal(vcpu->thread.wakeups, wakeups + 3);
	/* Itself it needs not wake. */
	cpus[0]->thread = &vcpu->thread;
	vcpu_request(vcpu, VCPU_REQUEST_STOP);
	cpus[0]->thread = &operator_thread;
	assert_int_equal(vcpu->thread.wakeups, wakeups + 3);
	vcpu->in_guest = false;
}

static void look_at_request(u32 cpu)
{
	assert_int_equal(cpu, 1);
	assert_int_equal(partition_first()->vcpus[0]->requests, VCPU_REQUEST_NMI);
}

static void the_request_is_there_when_the_kick_comes(void **state)
{
	struct vcpu *vcpu = started()->vcpus[0];

	(void)state;
	vcpu->requests = 0;
	vcpu->thread.cpu = 1;
	vcpu->in_guest = true;
	fake_on_kick = look_at_request;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(fake_kicks[1], 1);
	vcpu->in_guest = false;
}

static void gives_way_as_it_should(void **state)
{
	struct partition *partition;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	guest = spins;
	partition = started();
	assert_true(yields > 10);
	guest = works;
	reschedules = yields = 0;
	let_run();
	assert_true(reschedules > 10);
	assert_int_equal(partition->vcpus[0]->thread.entity.state, SCHEDULER_READY);
	assert_true(yields <= 1);
	assert_int_equal(partition_stop(partition, reason), 0);
}

/* A wake-up between the guest's halt and the end of the exit is not lost. */
static enum virt_result halts_and_is_woken(struct vcpu *vcpu)
{
	if (ends_left) {
		ends_left--;
		thread_wake(&vcpu->thread);
	}
	return VIRT_HALTED;
}

static void a_wake_up_is_not_lost(void **state)
{
	(void)state;
	guest = halts_and_is_woken;
	ends_left = 3;
	started();
	assert_int_equal(ends_left, 0);
}

static void the_first_reason_to_stop_counts(void **state)
{
	struct vcpu *vcpu = started()->vcpus[0];
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	vcpu_stop(vcpu, VCPU_STOP_EMULATION, "%s", text);
	assert_int_equal(vcpu->stop, VCPU_STOP_EMULATION);
	assert_int_equal(strlen(vcpu->stop_text), sizeof(vcpu->stop_text) - 1);
	vcpu_stop(vcpu, VCPU_STOP_TRIPLE_FAULT, "another");
	assert_int_equal(vcpu->stop, VCPU_STOP_EMULATION);
	assert_int_equal(vcpu->stop_text[0], 'x');
}

static void nothing_stays_on_a_cpu_that_it_leaves(void **state)
{
	struct vcpu *vcpu = started()->vcpus[0];

	(void)state;
	story[0] = '\0';
	assert_true(held);
	assert_ptr_equal(vcpu->thread.vcpu, vcpu);
	vcpu->thread.leave(&vcpu->thread, 2);
	expect_story("l2");
	assert_false(held);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_cannot_be_made_leaves_nothing),
		T(looks_at_what_has_come),
		T(forgets_tables_that_changed),
		T(rests_until_it_is_started),
		T(starts),
		T(boots_what_it_should),
		T(what_cannot_be_loaded_stays_stopped),
		T(stopped_while_it_starts),
		T(keeps_the_cpu_if_nobody_wants_it),
		T(gives_the_cpu_to_who_calls),
		T(gives_the_cpu_away_at_the_end_of_its_slice),
		T(runs_timers_that_come_due),
		T(runs_the_timer_beside_the_queue),
		T(stops),
		T(shuts_down),
		T(stops_who_does_not_hear_its_button),
		T(pauses_and_goes_on),
		T(halts_in_its_exit),
		T(catches_up_where_it_halts),
		T(a_paused_one_can_be_reset_and_stopped),
		cmocka_unit_test(ends_as_configured),
		T(starting_again_forgets_what_was_kept),
		T(a_crash_can_be_started_again),
		T(power_off_counts_more_than_reset),
		T(restarts_more_and_more_slowly),
		T(a_long_run_is_forgiven),
		T(long_runs_restart_at_once),
		T(who_waits_can_be_started_and_stopped),
		T(the_operators_stop_wins_over_a_restart),
		T(the_operators_reset_wins_over_a_power_off),
		T(the_operators_stop_wins_over_what_is_kept),
		T(a_reset_is_not_lost_in_a_pause),
		T(who_goes_on_runs_for_others),
		T(who_runs_has_no_reason_not_to),
		T(a_failed_start_lets_go_of_the_cpu),
		T(starts_in_the_order_of_after),
		T(times_add_up),
		T(times_add_up_at_any_moment),
		T(a_guest_is_told_how_long_it_waited),
		T(any_series_of_commands),
		T(a_request_kicks_only_a_guest_elsewhere),
		T(the_request_is_there_when_the_kick_comes),
		T(gives_way_as_it_should),
		T(a_wake_up_is_not_lost),
		T(the_first_reason_to_stop_counts),
		T(nothing_stays_on_a_cpu_that_it_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
