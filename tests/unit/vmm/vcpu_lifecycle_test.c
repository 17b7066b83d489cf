/* SPDX-License-Identifier: MIT */
/*
 * Partitions with several vCPUs: every change of state finds them standing still, and INIT and
 * STARTUP do what the manual says. The fakes check at each call that nobody else has what is
 * changed.
 */
/* links: vmm/vcpu.c vmm/vcpu_startup.c vmm/partition.c vmm/partition_load.c vmm/partition_view.c */
/* links: vmm/placement.c vmm/group.c vmm/timer.c vmm/format.c vmm/byte_ring.c vmm/steal_time.c */
/* links: vmm/partition_net.c vmm/partition_console.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
/* links: vmm/scheduler_claim.c vmm/scheduler_group.c vmm/kvm.c vmm/kvm_clock.c */
#include "fake_vcpu.h"

#define VCPUS 3

static struct config_partition config;
static u32 crasher; /* this vCPU's guest crashes once */

static enum virt_result halts(struct vcpu *vcpu)
{
	if (vcpu->id != crasher)
		return VIRT_HALTED;
	crasher = ~0U;
	vcpu_stop(vcpu, VCPU_STOP_TRIPLE_FAULT, "triple fault of %u", vcpu->id);
	return VIRT_STOPPED;
}

static enum virt_result works(struct vcpu *vcpu)
{
	return halts(vcpu) == VIRT_STOPPED ? VIRT_STOPPED : VIRT_ATTENTION;
}

static int setup(void **state)
{
	(void)state;
	fake_vcpu_init();
	guest = halts;
	crasher = ~0U;
	config = (struct config_partition){
		.name = "web",
		.vcpus = VCPUS,
		.boot = CONFIG_BOOT_RAW,
		.on_reset = CONFIG_ACTION_RESTART,
		.on_crash = CONFIG_ACTION_PRESERVE,
		.claim = {.weight = 100},
	};
	cpu_mask_fill(&config.affinity);
	return 0;
}

static int teardown(void **state)
{
	char reason[LOAD_REASON_BYTES];
	struct partition *partition = partition_first();

	(void)state;
	fake_starved = NULL;
	on_wake = NULL;
	if (!partition)
		return 0;
	(void)!partition_stop(partition, reason);
	let_run();
	assert_int_equal(partition_destroy(partition, reason), 0);
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

static struct partition *started(void)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition;

	if (partition_create(&config, &partition, reason))
		fail_msg("%s", reason);
	let_run();
	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	return partition;
}

/* All of them run. */
static struct partition *running_all(void)
{
	struct partition *partition = started();

	for (u32 i = 1; i < partition->vcpu_count; i++)
		vcpu_startup_request(partition->vcpus[i], 8);
	let_run();
	story[0] = '\0';
	return partition;
}

static void expect_hold(const struct partition *partition, u32 hold)
{
	for (u32 i = 1; i < partition->vcpu_count; i++)
		assert_int_equal(partition->vcpus[i]->hold, hold);
}

/* --- together --- */

static void what_cannot_be_made_leaves_nothing(void **state)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition;
	unsigned left = 0;

	(void)state;
	for (;;) {
		fake_pages_left = left++;
		if (!partition_create(&config, &partition, reason))
			break;
		assert_int_equal(fake_pages_out, 0);
		for (u32 i = 0; i < THREADS; i++)
			assert_null(threads[i].thread);
	}
	assert_true(left > 3 * VCPUS);
	assert_int_equal(partition->vcpu_count, VCPUS);
}

static void each_has_a_tag_of_its_own(void **state)
{
	struct partition *partition = started();

	(void)state;
	for (u32 i = 0; i < VCPUS; i++) {
		assert_int_equal(partition->vcpus[i]->id, i);
		assert_int_equal(partition->vcpus[i]->tag, partition->tag + i);
		assert_int_equal(partition->vcpus[i]->thread.number, partition->tag + i);
	}
}

static void others_wait_for_their_startup(void **state)
{
	struct partition *partition = started();

	(void)state;
	assert_int_equal(partition->state, PARTITION_RUNNING);
	expect_story("xdSS1l1S2l2Rg1g2");
	expect_hold(partition, VCPU_FREE);
	for (u32 i = 1; i < VCPUS; i++) {
		assert_int_equal(partition->vcpus[i]->startup, VCPU_STARTUP_WAITS);
		assert_int_equal(partition->vcpus[i]->thread.entity.state, SCHEDULER_BLOCKED);
	}
}

/* All have to forget what they have cached of it, and so has this CPU: see fake_stale. */
static void ram_to_be_touched_is_taken_away_at_each_start(void **state)
{
	char reason[LOAD_REASON_BYTES];
	struct partition *partition;

	(void)state;
	config.clear_memory = CONFIG_CLEAR_ON_TOUCH;
	partition = started();
	expect_story("xutt1t2dSS1l1S2l2Rg1g2");
	memset(partition->memory.window, 0x5a, partition->memory.low_bytes);
	assert_int_equal(partition_reset(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	expect_story("x1l1x2l2xutt1t2dSS1l1S2l2RRg1g2");
}

static void a_pause_is_over_when_all_stand(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	assert_int_equal(partition_pause(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_PAUSED);
	expect_story("x1l1x2l2pscs1c1l1s2c2l2l");
	expect_hold(partition, VCPU_STANDS);
	assert_int_equal(held, 0);
	/* Whatever wakes one, it does not run. */
	for (u32 i = 0; i < VCPUS; i++)
		vcpu_request(partition->vcpus[i], VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_story("");
	assert_int_equal(partition_resume(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	expect_story("rtt1l1t2l2Rg1R1g2R2R");
}

/* The first one has another CPU, and does all that comes next before this one does anything. */
static void first_is_faster(struct vcpu *vcpu)
{
	while (vcpu->id == 2 && vcpu->hold == VCPU_STANDS)
		give_up(SCHEDULER_READY);
}

static void who_is_set_free_before_it_rests_goes_on(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	on_wake = first_is_faster;
	assert_int_equal(partition_pause(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_PAUSED);
	expect_story("x1l1x2l2pscs1c1l1s2c2l2l");
	assert_int_equal(partition->vcpus[2]->thread.entity.state, SCHEDULER_READY);
	assert_int_equal(partition_resume(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	/* Its timer, too. */
	expect_story("rtt1l1t2l2Rg1R1g2R2R");
	assert_int_equal(partition->vcpus[2]->thread.entity.state, SCHEDULER_BLOCKED);
}

static void rests_are_paused_time(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];
	struct vcpu_times before, after;

	(void)state;
	assert_int_equal(partition_pause(partition, reason), 0);
	vcpu_times(partition->vcpus[2], &before);
	fake_tsc += 7 * MS;
	vcpu_times(partition->vcpus[2], &after);
	assert_int_equal(after.paused - before.paused, 7 * MS);
}

static void a_reset_finds_all_standing(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	guest = works;
	assert_int_equal(partition_reset(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 2);
	assert_non_null(strstr(story, "dSS1l1S2l2R"));
	for (u32 i = 1; i < VCPUS; i++)
		assert_int_equal(partition->vcpus[i]->startup, VCPU_STARTUP_WAITS);
}

/* It stays on its way until all have come to it, and is not lost. */
static void who_has_no_cpu_is_waited_for(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	guest = works;
	vcpu_request(partition->vcpus[2], VCPU_REQUEST_INTERRUPT);
	fake_starved = &partition->vcpus[2]->thread;
	assert_int_equal(partition_pause(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_PAUSING);
	assert_int_equal(partition->vcpus[1]->hold, VCPU_STANDS);
	assert_int_equal(partition->vcpus[2]->hold, VCPU_HELD);
	/* The operator wants something else meanwhile: that comes then. */
	assert_int_equal(partition_stop(partition, reason), 0);
	assert_int_equal(partition->state, PARTITION_STOPPING);
	fake_starved = NULL;
	let_run();
	assert_int_equal(partition->state, PARTITION_STOPPED);
	expect_hold(partition, VCPU_STANDS);
	assert_int_equal(held, 0);
}

static void a_crash_of_one_is_the_partitions(void **state)
{
	for (u32 i = 0; i < VCPUS; i++) {
		struct partition *partition;
		char expected[32];

		setup(NULL);
		partition = running_all();
		crasher = i;
		vcpu_request(partition->vcpus[i], VCPU_REQUEST_INTERRUPT);
		let_run();
		assert_int_equal(partition->state, PARTITION_CRASHED);
		snprintf(expected, sizeof(expected), "triple fault of %u", i);
		assert_string_equal(partition->reason, expected);
		expect_hold(partition, VCPU_STANDS);
		for (u32 k = 0; k < VCPUS; k++)
			assert_int_equal(partition->vcpus[k]->state.rip, 0x5678);
		assert_true(partition_inspectable(partition));
		teardown(state);
	}
}

static void a_crash_waits_for_the_end_of_a_pause(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	/* Both at the same time: the operator was first. */
	crasher = 1;
	fake_starved = &partition->vcpus[0]->thread;
	vcpu_request(partition->vcpus[1], VCPU_REQUEST_INTERRUPT);
	let_run();
	assert_int_equal(partition->vcpus[1]->stop, VCPU_STOP_TRIPLE_FAULT);
	assert_int_equal(partition_pause(partition, reason), 0);
	fake_starved = NULL;
	let_run();
	assert_int_equal(partition->state, PARTITION_PAUSED);
	assert_int_equal(partition_resume(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_CRASHED);
	assert_int_equal(partition_start(partition, reason), 0);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->events, 0);
}

static void ask_for_reset(struct partition *partition)
{
	__atomic_or_fetch(&partition->events, 1u << DEVICE_EVENT_RESET, __ATOMIC_RELEASE);
	vcpu_request(partition->vcpus[0], VCPU_REQUEST_STOP);
}

static void expect_shut_down(const struct partition *partition)
{
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(partition->starts, 1);
}

/* The guest has asked for its reset already, but a vCPU of it still runs. */
static void a_shutdown_counts_while_others_are_waited_for(void **state)
{
	struct partition *partition = running_all();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	guest = works;
	button_heard = true;
	fake_starved = &partition->vcpus[2]->thread;
	vcpu_request(partition->vcpus[2], VCPU_REQUEST_INTERRUPT);
	ask_for_reset(partition);
	let_run();
	assert_int_equal(partition->vcpus[2]->hold, VCPU_HELD);
	assert_int_equal(partition_shutdown(partition, reason), 0);
	fake_starved = NULL;
	let_run();
	expect_shut_down(partition);
	assert_string_equal(partition->reason, "shut down by the operator");
}

static void shut_down(void)
{
	char reason[LOAD_REASON_BYTES];

	assert_int_equal(partition_shutdown(partition_first(), reason), 0);
}

/* While the board is stopped for the guest's next run. */
static void a_shutdown_counts_in_the_last_moment(void **state)
{
	struct partition *partition = running_all();

	(void)state;
	button_heard = true;
	on_devices_stop = shut_down;
	ask_for_reset(partition);
	let_run();
	assert_null(on_devices_stop);
	expect_shut_down(partition);
}

static void a_crash_ends_a_shutdown(void **state)
{
	struct partition *partition = running_all();

	(void)state;
	partition->config->on_crash = CONFIG_ACTION_RESTART;
	button_heard = true;
	shut_down();
	crasher = 1;
	vcpu_request(partition->vcpus[1], VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_shut_down(partition);
	assert_string_equal(partition->reason, "triple fault of 1");
}

static void any_series_of_commands(void **state)
{
	static int (*const operations[])(struct partition * partition, char *reason) = {
		partition_start, partition_pause, partition_resume, partition_reset, partition_stop,
	};
	struct partition *partition = started();
	char reason[LOAD_REASON_BYTES];

	(void)state;
	srand(29);
	for (unsigned i = 0; i < 2000; i++) {
		struct vcpu *vcpu = partition->vcpus[(unsigned)rand() % VCPUS];

		guest = rand() % 2 ? halts : works;
		fake_starved = rand() % 4 ? NULL : &vcpu->thread;
		fake_tsc += (u64)rand() % (200 * MS);
		switch (rand() % 4) {
		case 0:
			(void)!operations[(unsigned)rand() % ARRAY_SIZE(operations)](partition,
										     reason);
			break;
		case 1:
			if (vcpu->id)
				vcpu_init_request(vcpu);
			break;
		case 2:
			vcpu_startup_request(vcpu, (u8)rand());
			break;
		default:
			crasher = rand() % 8 ? ~0U : vcpu->id;
			break;
		}
		let_run();
		fake_starved = NULL;
		let_run();
		let_run();
		/* Nothing is on its way for ever. */
		assert_true(partition->state != PARTITION_PAUSING &&
			    partition->state != PARTITION_RESUMING &&
			    partition->state != PARTITION_STOPPING &&
			    partition->state != PARTITION_STARTING);
		expect_hold(partition,
			    partition->state == PARTITION_RUNNING ? VCPU_FREE : VCPU_STANDS);
		assert_true(partition->state == PARTITION_RUNNING || !(held & ~1UL));
		story[0] = '\0';
	}
	assert_true(partition->starts > 50);
}

/* --- INIT and STARTUP --- */

static void a_startup_begins_in_real_mode(void **state)
{
	struct partition *partition = started();
	struct vcpu *vcpu = partition->vcpus[1];

	(void)state;
	story[0] = '\0';
	vcpu_startup_request(vcpu, 0x9a);
	let_run();
	expect_story("I1R1");
	assert_int_equal(vcpu->startup, 0);
	assert_int_equal(initial.cs.selector, 0x9a00);
	assert_int_equal(initial.cs.base, 0x9a000);
	assert_int_equal(initial.cs.limit, 0xffff);
	assert_int_equal(initial.rip, 0);
	assert_int_equal(initial.rflags, 2);
	assert_int_equal(initial.cr0, CR0_ET);
	assert_int_equal(initial.cr3 | initial.cr4 | initial.efer, 0);
	assert_int_equal(initial.gpr[GPR_RDX], 0x306c3);
	/* Nothing but the first one counts. */
	vcpu_startup_request(vcpu, 0x10);
	let_run();
	expect_story("");
	assert_int_equal(partition->vcpus[2]->startup, VCPU_STARTUP_WAITS);
}

static void only_the_first_of_two_startups_counts(void **state)
{
	struct vcpu *vcpu = started()->vcpus[1];

	(void)state;
	vcpu_startup_request(vcpu, 0x10);
	vcpu_startup_request(vcpu, 0x21);
	let_run();
	assert_int_equal(initial.cs.base, 0x10000);
}

static void an_init_puts_away_what_runs(void **state)
{
	struct vcpu *vcpu = running_all()->vcpus[2];

	(void)state;
	vcpu->requests |= VCPU_REQUEST_NMI;
	vcpu_init_request(vcpu);
	let_run();
	expect_story("i2I2");
	assert_int_equal(vcpu->startup, VCPU_STARTUP_WAITS);
	assert_int_equal(vcpu->requests & VCPU_REQUEST_NMI, 0);
	assert_int_equal(initial.cs.base, 0xffff0000);
	assert_int_equal(initial.rip, 0xfff0);
	vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
	let_run();
	expect_story("");
	vcpu_startup_request(vcpu, 7);
	let_run();
	expect_story("I2R2");
}

/* Also if it had no time to look at the INIT before. */
static void an_init_and_a_startup_at_once(void **state)
{
	struct vcpu *vcpu = running_all()->vcpus[1];

	(void)state;
	vcpu_init_request(vcpu);
	vcpu_startup_request(vcpu, 0x33);
	let_run();
	expect_story("i1I1I1R1R1"); /* woken twice */
	assert_int_equal(initial.cs.base, 0x33000);
}

static void a_startup_before_the_init_is_lost(void **state)
{
	struct vcpu *vcpu = started()->vcpus[1];

	(void)state;
	story[0] = '\0';
	vcpu_startup_request(vcpu, 0x33);
	vcpu_init_request(vcpu);
	let_run();
	expect_story("i1I1");
	assert_int_equal(vcpu->startup, VCPU_STARTUP_WAITS);
}

static void an_init_of_the_first_resets_all(void **state)
{
	struct partition *partition = running_all();

	(void)state;
	vcpu_startup_request(partition->vcpus[0], 5);
	let_run();
	assert_int_equal(partition->starts, 1);
	assert_int_equal(partition->vcpus[0]->startup, 0);
	vcpu_init_request(partition->vcpus[0]);
	let_run();
	assert_int_equal(partition->state, PARTITION_RUNNING);
	assert_int_equal(partition->starts, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_cannot_be_made_leaves_nothing),
		T(each_has_a_tag_of_its_own),
		T(others_wait_for_their_startup),
		T(ram_to_be_touched_is_taken_away_at_each_start),
		T(a_pause_is_over_when_all_stand),
		T(who_is_set_free_before_it_rests_goes_on),
		T(rests_are_paused_time),
		T(a_reset_finds_all_standing),
		T(who_has_no_cpu_is_waited_for),
		cmocka_unit_test(a_crash_of_one_is_the_partitions),
		T(a_crash_waits_for_the_end_of_a_pause),
		T(a_shutdown_counts_while_others_are_waited_for),
		T(a_shutdown_counts_in_the_last_moment),
		T(a_crash_ends_a_shutdown),
		T(any_series_of_commands),
		T(a_startup_begins_in_real_mode),
		T(only_the_first_of_two_startups_counts),
		T(an_init_puts_away_what_runs),
		T(an_init_and_a_startup_at_once),
		T(a_startup_before_the_init_is_lost),
		T(an_init_of_the_first_resets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
