/* SPDX-License-Identifier: MIT */
/*
 * Partitions: making, changing and destroying them, and what is allowed in which state. Their vCPUs
 * are faked: a test says what they do while somebody waits for them.
 */
/* links: vmm/format.c vmm/byte_ring.c vmm/placement.c vmm/group.c vmm/timer.c */
/* links: vmm/scheduler_claim.c vmm/scheduler_group.c */
/* links: vmm/partition_view.c */
/* links: vmm/partition_net.c vmm/partition_console.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_machine.h"

#include "vmm/partition_memory.h"
#include "vmm/vcpu_devices.h"
#include "vmm/vcpu_thread.h"

#define STATES	  (PARTITION_CRASHED + 1)
#define SETTLE_US 2000000UL

static struct config_partition configs[4];
static struct config config = {.partitions = configs, .partition_room = ARRAY_SIZE(configs)};
static const struct thread *never_rests;
static bool memory_has_reason;
static unsigned requests, woken, sleeps;
static u32 requested;
static unsigned claims_set, affinities_set, groups_set;
static struct scheduler_group *group_of_thread;
static unsigned restless; /* so often thread_retire finds it busy */
static void (*on_sleep)(void);

#define RAM_LIST_BYTES (8 * PAGE_SIZE)

int partition_memory_create(struct partition *partition, char *reason)
{
	partition->ram = memory_take(MEMORY_OTHER, RAM_LIST_BYTES);
	if (partition->ram)
		return 0;
	if (memory_has_reason)
		strcpy(reason, "it needs 9 MiB, 8 MiB are free");
	return -ENOMEM;
}

void partition_memory_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->ram, RAM_LIST_BYTES);
}

int vcpu_create(struct partition *partition, u32 cpu, const struct cpu_mask *affinity,
		struct scheduler_group *group)
{
	struct vcpu *vcpu = memory_take(MEMORY_OTHER, sizeof(*vcpu));

	if (!vcpu)
		return -ENOMEM;
	partition->vcpus[partition->vcpu_count] = vcpu;
	vcpu->tag = (u16)(partition->tag + partition->vcpu_count++);
	vcpu->partition = partition;
	vcpu->thread.cpu = cpu;
	vcpu->thread.affinity = *affinity;
	vcpu->thread.entity.claim = partition->config->claim;
	group_of_thread = group;
	return 0;
}

void vcpu_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->vcpus[--partition->vcpu_count], sizeof(struct vcpu));
}

bool vcpu_devices_power_button(struct partition *partition)
{
	return partition->pc; /* those of this test have none, and nobody who would hear */
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	/* What it is told for can be seen by then. */
	assert_true(fake_unlocked(&vcpu->partition->lock));
	requested |= request;
	requests++;
}

void thread_wake(struct thread *thread)
{
	const struct partition *partition = container_of(thread, struct vcpu, thread)->partition;

	/* Waiting; or just made, and nothing that it needs can fail any more. */
	if (partition->state == PARTITION_STOPPED)
		assert_ptr_equal(partition_find(partition->config->name), partition);
	else
		assert_int_equal(partition->state, PARTITION_WAITING);
	woken++;
}

void thread_sleep_until(u64 tsc)
{
	assert_true(tsc > fake_tsc);
	fake_tsc = tsc;
	sleeps++;
	if (on_sleep)
		on_sleep();
}

bool thread_retire(struct thread *thread)
{
	if (thread == never_rests)
		return false;
	if (restless) {
		restless--;
		return false;
	}
	thread->retired = true;
	return true;
}

void thread_revive(struct thread *thread)
{
	assert_true(thread->retired);
	thread->retired = false;
}

void thread_claim_set(struct thread *thread, const struct scheduler_claim *claim)
{
	thread->entity.claim = *claim;
	claims_set++;
}

void thread_affinity_set(struct thread *thread, const struct cpu_mask *affinity)
{
	thread->affinity = *affinity;
	affinities_set++;
}

bool thread_group_set(struct thread *thread, struct scheduler_group *group)
{
	(void)thread;
	group_of_thread = group;
	groups_set++;
	return true;
}

static void forget_calls(void)
{
	requests = requested = woken = sleeps = 0;
	claims_set = affinities_set = groups_set = 0;
}

static int setup(void **state)
{
	static const char *const names[] = {"web", "db", "web2", "mail"};

	(void)state;
	fake_machine_init();
	memset(configs, 0, sizeof(configs));
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		strcpy(configs[i].name, names[i]);
		configs[i].vcpus = 1;
		configs[i].memory_bytes = 64 * MIB;
		configs[i].claim.weight = 100;
		cpu_mask_fill(&configs[i].affinity);
	}
	config.partition_count = 3;
	memory_has_reason = false;
	restless = 0;
	never_rests = NULL;
	on_sleep = NULL;
	group_of_thread = NULL;
	forget_calls();
	return 0;
}

/* Whatever a test made is destroyed, and then nothing may be left. */
static int teardown(void **state)
{
	char reason[LOAD_REASON_BYTES];
	unsigned groups = 0;

	(void)state;
	restless = 0;
	while (partition_first()) {
		partition_first()->state = PARTITION_STOPPED;
		assert_int_equal(partition_destroy(partition_first(), reason), 0);
	}
	for (u32 i = 0; i < FAKE_CPUS; i++)
		assert_null(cpus[i]->dedicated);
	/* Groups are never destroyed. */
	for (struct group *g = group_first(); g; g = g->next)
		groups++;
	assert_int_equal(fake_pages_out, groups);
	return 0;
}

static struct partition *create(u32 index)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *made = NULL;

	if (partition_create(&configs[index], &made, reason))
		fail_msg("%s: %s", configs[index].name, reason);
	assert_ptr_equal(partition_find(configs[index].name), made);
	return made;
}

static void destroy(struct partition *partition)
{
	char reason[LOAD_REASON_BYTES];

	assert_int_equal(partition_destroy(partition, reason), 0);
}

static void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* --- making and destroying --- */

static void makes_them_all(void **state)
{
	struct partition *p;

	(void)state;
	partition_create_all(&config);
	assert_int_equal(fake_errors, 0);
	p = partition_first();
	for (u32 i = 0; i < 3; i++, p = p->next) {
		assert_non_null(p);
		/* A copy: what the parser filled is not for good. */
		assert_ptr_not_equal(p->config, &configs[i]);
		assert_memory_equal(p->config, &configs[i], sizeof(configs[i]));
		assert_int_equal(p->state, PARTITION_STOPPED);
		assert_int_equal(p->console.bytes, 0); /* it has printed nothing */
		assert_int_equal(p->tag, i + 1);
		assert_int_equal(p->created_us, arch_time_us());
		assert_int_equal(p->start_timer.deadline, TIMER_OFF);
	}
	assert_null(p);
	assert_int_equal(requests, 0);
}

static void finds_by_name(void **state)
{
	(void)state;
	partition_create_all(&config);
	assert_string_equal(partition_find("db")->config->name, "db");
	assert_string_equal(partition_find("web")->config->name, "web");
	assert_string_equal(partition_find("web2")->config->name, "web2");
	assert_null(partition_find("we"));
	assert_null(partition_find(""));
	assert_null(partition_find("mail"));
}

static void a_name_is_given_once(void **state)
{
	struct partition *first = create(0), *made = NULL;
	unsigned blocks = fake_pages_out;
	char reason[LOAD_REASON_BYTES] = "";

	(void)state;
	assert_int_equal(partition_create(&configs[0], &made, reason), -EEXIST);
	expect_text(reason, "name");
	assert_null(made);
	assert_int_equal(fake_pages_out, blocks);
	destroy(first);
	create(0);
}

static void a_group_has_to_exist(void **state)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *made;

	(void)state;
	strcpy(configs[0].group, "nobody");
	assert_int_equal(partition_create(&configs[0], &made, reason), -ENOENT);
	expect_text(reason, "nobody");
	assert_null(partition_first());
}

/* Each allocation in turn fails, with a neighbour beside it: all is as before. */
static void out_of_memory_leaves_all_as_it_was(void **state)
{
	struct partition *neighbour = create(1), *made = NULL;
	struct group *groups = group_first();
	unsigned blocks = fake_pages_out;
	int error = -ENOMEM;
	unsigned allowed;

	(void)state;
	fake_cpu_count = 2;
	configs[0].claim = (struct scheduler_claim){.kind = SCHEDULER_DEDICATED};
	forget_calls();
	for (allowed = 0; error; allowed++) {
		char reason[LOAD_REASON_BYTES] = "what was said before";

		assert_true(allowed < 20);
		fake_pages_left = allowed;
		error = partition_create(&configs[0], &made, reason);
		if (!error)
			break;
		assert_int_equal(error, -ENOMEM);
		expect_text(reason, "memory");
		assert_null(made);
		assert_int_equal(fake_pages_out, blocks);
		assert_int_equal(woken, 0);
		assert_ptr_equal(partition_first(), neighbour);
		assert_null(neighbour->next);
		assert_null(cpus[1]->dedicated);
		assert_ptr_equal(group_first(), groups);
	}
	assert_true(allowed >= 5);
	assert_ptr_equal(neighbour->next, made);
	assert_int_equal(woken, 1);
	assert_int_equal(made->tag, 2);
	assert_ptr_equal(cpus[1]->dedicated, &made->vcpus[0]->thread);
	destroy(made);
	assert_int_equal(fake_pages_out, blocks);
	assert_null(cpus[1]->dedicated);
}

/* A reason why one CPU was not taken is none for what fails later. */
static void says_why_it_failed_in_the_end(void **state)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *made;

	(void)state;
	fake_cpu_count = 2;
	configs[1].claim = (struct scheduler_claim){.kind = SCHEDULER_DEDICATED};
	create(1);
	fake_pages_left = 0;
	assert_int_equal(partition_create(&configs[0], &made, reason), -ENOMEM);
	expect_text(reason, "not enough memory");
	fake_pages_left = 3;
	memory_has_reason = true;
	assert_int_equal(partition_create(&configs[0], &made, reason), -ENOMEM);
	expect_text(reason, "it needs 9 MiB, 8 MiB are free");
}

static void a_cpu_that_cannot_be_had_is_refused(void **state)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *made;

	(void)state;
	fake_cpu_lacks = true;
	assert_int_equal(partition_create(&configs[0], &made, reason), -ENODEV);
	expect_text(reason, "no CPU has AVX9");
	assert_null(partition_first());
}

static void one_that_cannot_be_made_is_left_out(void **state)
{
	(void)state;
	fake_cpu_count = 2;
	configs[1].claim = (struct scheduler_claim){.kind = SCHEDULER_DEDICATED};
	cpu_mask_remove(&configs[1].affinity, 1);
	partition_create_all(&config);
	assert_int_equal(fake_errors, 1);
	expect_text(fake_logged, "db: cannot be made: CPU 0");
	assert_null(partition_find("db"));
	assert_ptr_equal(partition_first()->next, partition_find("web2"));
	assert_null(partition_find("web2")->next);
}

static void groups_come_first(void **state)
{
	struct config_group groups[] = {{.name = "tenants", .weight = 300, .cap = 50}};

	(void)state;
	config.groups = groups;
	config.group_count = 1;
	config.partition_count = 1;
	strcpy(configs[0].group, "tenants");
	partition_create_all(&config);
	config.group_count = 0;
	assert_int_equal(fake_errors, 0);
	assert_non_null(partition_find("web"));
	assert_ptr_equal(group_of_thread, &group_find("tenants")->scheduler);
	assert_int_equal(group_of_thread->cap, 50);
}

static void numbers_are_new_and_tags_are_used_again(void **state)
{
	struct partition *p[3];
	u32 number;

	(void)state;
	for (u32 i = 0; i < 3; i++)
		p[i] = create(i);
	number = p[2]->number;
	assert_true(p[0]->number < p[1]->number && p[1]->number < number);
	destroy(p[1]);
	p[1] = create(1);
	assert_int_equal(p[1]->tag, 2);
	assert_true(p[1]->number > number);
	assert_ptr_equal(p[2]->next, p[1]);
	destroy(p[0]);
	destroy(p[2]);
	assert_int_equal(create(3)->tag, 1);
	assert_int_equal(create(0)->tag, 3);
	assert_int_equal(create(2)->tag, 4);
}

static void no_more_vcpus_than_tags(void **state)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *made, *first = create(0);
	unsigned blocks = fake_pages_out;

	(void)state;
	configs[1].vcpus = 2;
	/* Tags 1 to 65533 are taken. */
	first->config->vcpus = PARTITION_TAG_MAX - 1;
	assert_int_equal(partition_create(&configs[1], &made, reason), -ENOSPC);
	assert_non_null(strstr(reason, "65534 vCPUs"));
	assert_int_equal(fake_pages_out, blocks);
	first->config->vcpus = PARTITION_TAG_MAX - 2;
	assert_int_equal(create(1)->vcpus[1]->tag, PARTITION_TAG_MAX);
	first->config->vcpus = 1;
}

static void cycles_end_with_the_memory_there_was(void **state)
{
	unsigned blocks;

	(void)state;
	create(3);
	blocks = fake_pages_out;
	srand(3);
	for (unsigned i = 0; i < 500; i++) {
		u32 index = (u32)rand() % 3;
		struct partition *p = partition_find(configs[index].name);

		configs[index].vcpus = 1 + (u32)rand() % 4;
		if (p)
			destroy(p);
		else
			create(index);
		for (struct partition *a = partition_first(); a; a = a->next)
			for (struct partition *b = a->next; b; b = b->next)
				assert_true(a->tag + a->vcpu_count <= b->tag ||
					    b->tag + b->vcpu_count <= a->tag);
	}
	for (u32 i = 0; i < 3; i++)
		if (partition_find(configs[i].name))
			destroy(partition_find(configs[i].name));
	assert_int_equal(fake_pages_out, blocks);
	assert_string_equal(partition_first()->config->name, "mail");
}

static void destroying_closes_its_account(void **state)
{
	struct partition *partition;

	(void)state;
	create(1);
	partition = create(0);
	timer_set(&partition->start_timer, 5000);
	destroy(partition);
	assert_int_equal(fake_closed_count, 1);
	assert_string_equal(fake_closed, "web");
	assert_null(partition_find("web"));
	assert_null(cpus[0]->timers);
	assert_int_equal(cpus[0]->timer_next, TIMER_OFF);
}

static void destroying_waits_for_its_thread(void **state)
{
	struct partition *partition = create(0);
	unsigned blocks = fake_pages_out;
	char reason[LOAD_REASON_BYTES] = "";
	u64 before = fake_tsc;

	(void)state;
	restless = ~0U;
	assert_int_equal(partition_destroy(partition, reason), -EBUSY);
	assert_true(*reason);
	assert_in_range(fake_tsc - before, us_to_tsc(SETTLE_US), us_to_tsc(2 * SETTLE_US));
	assert_ptr_equal(partition_first(), partition);
	assert_int_equal(fake_pages_out, blocks);
	assert_int_equal(fake_closed_count, 0);
	restless = 3;
	sleeps = 0;
	destroy(partition);
	assert_int_equal(sleeps, 3);
}

static void destroying_takes_all_threads_or_none(void **state)
{
	char reason[LOAD_REASON_BYTES];
	struct partition *partition;

	(void)state;
	configs[0].vcpus = 3;
	partition = create(0);
	never_rests = &partition->vcpus[2]->thread;
	assert_int_equal(partition_destroy(partition, reason), -EBUSY);
	for (u32 i = 0; i < 3; i++)
		assert_false(partition->vcpus[i]->thread.retired);
	never_rests = NULL;
	destroy(partition);
}

/* --- states --- */

static int (*const operations[])(struct partition *partition, char *reason) = {
	partition_start, partition_pause,    partition_resume,	partition_reset,
	partition_stop,	 partition_shutdown, partition_destroy,
};

#define NO   (-1)
#define GONE STATES

/* What the operations, in that order, make of each state; NO: they are refused. */
static const int outcomes[STATES][ARRAY_SIZE(operations)] = {
	[PARTITION_STOPPED] = {PARTITION_STARTING, NO, NO, NO, NO, NO, GONE},
	[PARTITION_WAITING] = {PARTITION_STARTING, NO, NO, PARTITION_STARTING, PARTITION_STOPPING,
			       PARTITION_STOPPING, NO},
	[PARTITION_STARTING] = {NO, NO, NO, NO, PARTITION_STOPPING, PARTITION_STOPPING, NO},
	[PARTITION_RUNNING] = {NO, PARTITION_PAUSING, NO, PARTITION_STARTING, PARTITION_STOPPING,
			       PARTITION_STOPPING, NO},
	[PARTITION_PAUSING] = {NO, NO, NO, NO, PARTITION_STOPPING, PARTITION_STOPPING, NO},
	[PARTITION_PAUSED] = {NO, NO, PARTITION_RESUMING, PARTITION_STARTING, PARTITION_STOPPING,
			      PARTITION_STOPPING, NO},
	[PARTITION_RESUMING] = {NO, NO, NO, NO, PARTITION_STOPPING, PARTITION_STOPPING, NO},
	[PARTITION_STOPPING] = {NO, NO, NO, NO, NO, NO, NO},
	[PARTITION_CRASHED] = {PARTITION_STARTING, NO, NO, NO, PARTITION_STOPPING,
			       PARTITION_STOPPING, GONE},
};

static void expect_refused(u32 operation, struct partition *partition, enum partition_state from)
{
	char reason[LOAD_REASON_BYTES] = "", text[64];
	u64 before = fake_tsc;

	sprintf(text, "it is %s", partition_state_name(from));
	assert_int_equal(operations[operation](partition, reason), -EBUSY);
	assert_string_equal(reason, text);
	assert_int_equal(partition->state, from);
	assert_int_equal(requests, 0);
	assert_int_equal(fake_tsc, before);
	assert_string_equal(partition->reason, "why");
}

static void expect_done(u32 operation, struct partition *partition, int to)
{
	char reason[LOAD_REASON_BYTES] = "";

	assert_int_equal(operations[operation](partition, reason), 0);
	if (to == GONE) {
		assert_null(partition_find("web"));
		return;
	}
	assert_int_equal(partition->state, to);
	assert_int_equal(requests, 1);
	assert_int_equal(requested, VCPU_REQUEST_STOP);
}

/* The vCPU does nothing, so that what waits for it has to give up waiting by itself. */
static void every_operation_in_every_state(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(operations); i++) {
		for (int from = 0; from < STATES; from++) {
			struct partition *partition = partition_find("web");

			partition = partition ? partition : create(0);
			partition->state = (enum partition_state)from;
			strcpy(partition->reason, "why");
			forget_calls();
			if (outcomes[from][i] == NO)
				expect_refused(i, partition, (enum partition_state)from);
			else
				expect_done(i, partition, outcomes[from][i]);
			partition = partition_find("web");
			assert_true(!partition || fake_unlocked(&partition->lock));
		}
	}
}

static struct partition *passing;
static enum partition_state passes_to;

static void passes_at_last(void)
{
	if (sleeps == 5)
		passing->state = passes_to;
}

/* Pausing, resuming and stopping are over when the call returns, as soon as the vCPU is there. */
static void waits_for_the_vcpu(void **state)
{
	static const struct {
		int (*call)(struct partition *partition, char *reason);
		enum partition_state from, to;
	} waits[] = {
		{partition_pause, PARTITION_RUNNING, PARTITION_PAUSED},
		{partition_pause, PARTITION_RUNNING, PARTITION_CRASHED},
		{partition_resume, PARTITION_PAUSED, PARTITION_RUNNING},
		{partition_stop, PARTITION_RUNNING, PARTITION_STOPPED},
	};
	char reason[LOAD_REASON_BYTES];

	(void)state;
	passing = create(0);
	on_sleep = passes_at_last;
	for (u32 i = 0; i < ARRAY_SIZE(waits); i++) {
		passing->state = waits[i].from;
		passes_to = waits[i].to;
		sleeps = 0;
		assert_int_equal(waits[i].call(passing, reason), 0);
		assert_int_equal(passing->state, waits[i].to);
		assert_int_equal(sleeps, 5);
	}
}

static void waits_no_longer_than_it_should(void **state)
{
	static const struct {
		int (*call)(struct partition *partition, char *reason);
		enum partition_state from, to;
	} waits[] = {
		{partition_pause, PARTITION_RUNNING, PARTITION_PAUSING},
		{partition_resume, PARTITION_PAUSED, PARTITION_RESUMING},
		{partition_stop, PARTITION_CRASHED, PARTITION_STOPPING},
	};
	struct partition *partition = create(0);
	char reason[LOAD_REASON_BYTES];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(waits); i++) {
		u64 before = fake_tsc;

		partition->state = waits[i].from;
		assert_int_equal(waits[i].call(partition, reason), 0);
		assert_int_equal(partition->state, waits[i].to);
		assert_in_range(fake_tsc - before, us_to_tsc(SETTLE_US), us_to_tsc(2 * SETTLE_US));
	}
}

static void starting_forgets_the_past(void **state)
{
	struct partition *partition = create(0);
	char reason[LOAD_REASON_BYTES];

	(void)state;
	partition->quick_ends = 7;
	partition->state = PARTITION_RUNNING;
	assert_true(
		partition_ended(partition, PARTITION_RUNNING, PARTITION_CRASHED, "triple fault"));
	assert_int_equal(partition->state, PARTITION_CRASHED);
	assert_string_equal(partition->reason, "triple fault");
	assert_int_equal(fake_errors, 1);
	expect_text(fake_logged, "web");
	expect_text(fake_logged, "triple fault");
	assert_int_equal(partition_start(partition, reason), 0);
	assert_string_equal(partition->reason, "");
	assert_int_equal(partition->quick_ends, 0);
	partition->state = PARTITION_RUNNING;
	partition->quick_ends = 7;
	assert_int_equal(partition_reset(partition, reason), 0);
	assert_int_equal(partition->quick_ends, 0);
}

static void what_can_be_looked_at(void **state)
{
	struct partition *partition = create(0);
	char reason[LOAD_REASON_BYTES];

	(void)state;
	for (int kept = 0; kept < 2; kept++) {
		for (int s = 0; s < STATES; s++) {
			partition->state = (enum partition_state)s;
			partition->kept = kept;
			assert_int_equal(partition_inspectable(partition),
					 s == PARTITION_PAUSED || s == PARTITION_CRASHED ||
						 (s == PARTITION_STOPPED && kept));
		}
	}
	/* Who stops it has seen enough. */
	partition->state = PARTITION_CRASHED;
	partition->kept = true;
	assert_int_equal(partition_stop(partition, reason), 0);
	partition->state = PARTITION_STOPPED;
	assert_false(partition_inspectable(partition));
}

static void ends_in_an_orderly_way(void **state)
{
	struct partition *partition = create(0);
	char text[400];

	(void)state;
	partition->state = PARTITION_STOPPING;
	/* Somebody else was faster: that counts. */
	assert_false(partition_ended(partition, PARTITION_RUNNING, PARTITION_CRASHED, "late"));
	assert_int_equal(partition->state, PARTITION_STOPPING);
	assert_int_equal(fake_errors + fake_infos, 0);
	assert_true(partition_ended(partition, PARTITION_STOPPING, PARTITION_STOPPED,
				    "stopped by the operator"));
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(fake_errors, 0);
	assert_int_equal(fake_infos, 1);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	partition->state = PARTITION_RUNNING;
	assert_true(partition_ended(partition, PARTITION_RUNNING, PARTITION_CRASHED, text));
	assert_int_equal(strlen(partition->reason), sizeof(partition->reason) - 1);
	assert_true(fake_unlocked(&partition->lock));
}

static void changes_state_only_from_the_expected_one(void **state)
{
	struct partition *partition = create(0);

	(void)state;
	partition->state = PARTITION_PAUSING;
	partition_state_change(partition, PARTITION_PAUSING, PARTITION_PAUSED);
	assert_int_equal(partition->state, PARTITION_PAUSED);
	partition->state = PARTITION_STOPPING;
	partition_state_change(partition, PARTITION_PAUSING, PARTITION_PAUSED);
	assert_int_equal(partition->state, PARTITION_STOPPING);
	assert_true(fake_unlocked(&partition->lock));
}

static void every_state_has_a_name(void **state)
{
	(void)state;
	for (int a = 0; a < STATES; a++) {
		assert_true(strlen(partition_state_name((enum partition_state)a)) > 3);
		for (int b = 0; b < a; b++)
			assert_string_not_equal(partition_state_name((enum partition_state)a),
						partition_state_name((enum partition_state)b));
	}
}

/* --- starting by themselves --- */

static void autostart_only_lets_them_wait(void **state)
{
	(void)state;
	configs[0].autostart = configs[2].autostart = true;
	partition_create_all(&config);
	partition_find("web2")->start_at = 77;
	partition_autostart();
	assert_int_equal(partition_find("web")->state, PARTITION_WAITING);
	assert_int_equal(partition_find("db")->state, PARTITION_STOPPED);
	assert_int_equal(partition_find("web2")->state, PARTITION_WAITING);
	assert_int_equal(partition_find("web2")->start_at, 0);
	assert_true(*partition_find("web")->reason);
	/* Each looks for itself whether it may start. */
	assert_int_equal(requests, 2);
	assert_int_equal(requested, VCPU_REQUEST_STOP);
	assert_true(fake_unlocked(&partition_find("web")->lock));
}

static void starts_after_what_it_names(void **state)
{
	struct partition *mail;

	(void)state;
	configs[3].after_count = 2;
	strcpy(configs[3].after[0], "web");
	strcpy(configs[3].after[1], "db");
	mail = create(3);
	assert_false(partition_after_runs(mail));
	create(0)->state = PARTITION_RUNNING;
	assert_false(partition_after_runs(mail)); /* db is not even there */
	create(1);
	for (int s = 0; s < STATES; s++) {
		partition_find("db")->state = (enum partition_state)s;
		assert_int_equal(partition_after_runs(mail), s == PARTITION_RUNNING);
	}
	partition_find("db")->state = PARTITION_RUNNING;
	partition_find("web")->state = PARTITION_PAUSED;
	assert_false(partition_after_runs(mail));
	/* Who waits for nobody may start at once. */
	assert_true(partition_after_runs(partition_find("web")));
}

static void who_waits_is_told_who_runs(void **state)
{
	(void)state;
	partition_create_all(&config);
	create(3);
	partition_find("web")->state = PARTITION_WAITING;
	partition_find("db")->state = PARTITION_WAITING;
	partition_find("web2")->state = PARTITION_PAUSED;
	forget_calls();
	partition_runs(partition_find("web"));
	assert_int_equal(woken, 1);
	partition_runs(partition_find("mail"));
	assert_int_equal(woken, 3);
}

static void a_delay_wakes_it(void **state)
{
	struct partition *partition = create(0);

	(void)state;
	partition->state = PARTITION_WAITING;
	forget_calls();
	timer_set(&partition->start_timer, fake_tsc + 100);
	timer_run_due();
	assert_int_equal(woken, 0);
	fake_tsc += 100;
	timer_run_due();
	assert_int_equal(woken, 1);
}

/* --- changing --- */

static void expect_no_change(struct partition *partition, const struct config_partition *wanted,
			     int error, const char *text)
{
	struct config_partition before = *partition->config;
	struct cpu_mask affinity = partition->vcpus[0]->thread.affinity;
	char reason[LOAD_REASON_BYTES] = "";

	forget_calls();
	assert_int_equal(partition_change(partition, wanted, reason), error);
	expect_text(reason, text);
	assert_memory_equal(partition->config, &before, sizeof(before));
	assert_memory_equal(&partition->vcpus[0]->thread.affinity, &affinity, sizeof(affinity));
	assert_int_equal(claims_set + affinities_set + groups_set, 0);
}

#define REFUSES(field, value, text)                                                                \
	do {                                                                                       \
		struct config_partition wanted_ = configs[0];                                      \
		wanted_.field = value;                                                             \
		expect_no_change(partition, &wanted_, -EINVAL, text);                              \
	} while (0)

static void some_things_stay_for_good(void **state)
{
	struct partition *partition = create(0);

	(void)state;
	REFUSES(vcpus, 2, "vcpus");
	REFUSES(cpu, CONFIG_CPU_V2, "cpu");
	REFUSES(hypervisor_leaves, CONFIG_LEAVES_NONE, "hypervisor_leaves");
	REFUSES(clear_memory, CONFIG_CLEAR_ON_TOUCH, "clear_memory");
	REFUSES(memory_bytes, 32 * MIB, "memory");
	REFUSES(boot, CONFIG_BOOT_RAW, "boot");
	REFUSES(kernel[0], 'k', "kernel");
	REFUSES(firmware[0], 'f', "firmware");
	REFUSES(variables[0], 'v', "variables");
	REFUSES(boot_menu_ms, 1, "boot_menu");
	REFUSES(initrd[0], 'i', "initrd");
	REFUSES(modules.text[0], 'm', "modules");
	REFUSES(cmdline[0], 'c', "cmdline");
	REFUSES(autostart, true, "autostart");
	REFUSES(entry, CONFIG_ENTRY_REAL, "entry");
	REFUSES(load_address, 0x1000, "load");
	REFUSES(rng, true, "rng");
	REFUSES(disks[1].path[0], 'x', "a disk");
	REFUSES(disks[3].readonly, true, "a disk");
	REFUSES(virtio_console, true, "virtio_console");
	REFUSES(balloon, true, "balloon");
	REFUSES(channel.name[0], 'c', "channel");
	REFUSES(channel.bytes, PAGE_SIZE, "channel");
	REFUSES(name[0], 'W', "name");
	assert_ptr_equal(partition_find("web"), partition);
}

static void a_claim_changes_while_it_runs(void **state)
{
	struct partition *partition = create(0);
	struct config_partition wanted = configs[0];
	char reason[LOAD_REASON_BYTES];

	(void)state;
	fake_cpu_count = 3;
	partition->state = PARTITION_RUNNING;
	forget_calls();
	wanted.claim = (struct scheduler_claim){
		.kind = SCHEDULER_RESERVED, .budget_us = 2000, .period_us = 10000};
	wanted.on_crash = CONFIG_ACTION_RESTART;
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_memory_equal(partition->config, &wanted, sizeof(wanted));
	assert_int_equal(claims_set, 1);
	assert_int_equal(partition->vcpus[0]->thread.entity.claim.budget_us, 2000);
	assert_int_equal(partition->vcpus[0]->thread.affinity.words[0], BIT(2));
	assert_int_equal(groups_set, 0);
	assert_int_equal(partition->state, PARTITION_RUNNING);
	wanted.claim.kind = SCHEDULER_DEDICATED;
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_ptr_equal(cpus[2]->dedicated, &partition->vcpus[0]->thread);
	wanted.claim.kind = SCHEDULER_SHARED;
	wanted.affinity.words[0] = BIT(1) | BIT(0);
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_null(cpus[2]->dedicated);
	assert_int_equal(partition->vcpus[0]->thread.affinity.words[0], BIT(1) | BIT(0));
}

static void what_cannot_be_kept_is_not_changed(void **state)
{
	struct partition *partition = create(0);
	struct config_partition wanted = configs[0];
	char reason[LOAD_REASON_BYTES];

	(void)state;
	wanted.claim = (struct scheduler_claim){
		.kind = SCHEDULER_RESERVED, .budget_us = 6000, .period_us = 10000};
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	/* Its own part is not in its way; the console's is. */
	wanted.claim.budget_us = 9000;
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	wanted.claim.budget_us = 9001;
	expect_no_change(partition, &wanted, -EBUSY, "90.00% are left");
	wanted.claim.kind = SCHEDULER_DEDICATED;
	expect_no_change(partition, &wanted, -EBUSY, "CPU 0");
	wanted.claim.kind = SCHEDULER_SHARED;
	wanted.affinity = (struct cpu_mask){{BIT(5)}};
	expect_no_change(partition, &wanted, -EINVAL, "affinity");
	assert_null(cpus[0]->dedicated);
}

static void a_group_is_joined_at_rest(void **state)
{
	struct config_group tenants = {.name = "change", .weight = 100};
	struct partition *partition = create(0);
	struct config_partition wanted = configs[0];
	char reason[LOAD_REASON_BYTES];

	(void)state;
	strcpy(wanted.group, "nobody");
	expect_no_change(partition, &wanted, -ENOENT, "nobody");
	assert_int_equal(group_create(&tenants, reason), 0);
	strcpy(wanted.group, "change");
	for (int s = 0; s < STATES; s++) {
		if (s == PARTITION_STOPPED || s == PARTITION_CRASHED)
			continue;
		partition->state = (enum partition_state)s;
		expect_no_change(partition, &wanted, -EBUSY,
				 partition_state_name((enum partition_state)s));
	}
	partition->state = PARTITION_CRASHED;
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_ptr_equal(group_of_thread, &group_find("change")->scheduler);
	assert_int_equal(groups_set, 1);
	/* Staying in it is no change of it. */
	partition->state = PARTITION_RUNNING;
	wanted.claim.weight = 300;
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_int_equal(groups_set, 1);
	partition->state = PARTITION_STOPPED;
	wanted.group[0] = '\0';
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_int_equal(groups_set, 2);
	assert_null(group_of_thread);
}

/* Who waits looks again: it may wait for nobody any more. */
static void what_it_waits_for_can_change(void **state)
{
	struct config_partition wanted;
	char reason[LOAD_REASON_BYTES];
	struct partition *partition;

	(void)state;
	configs[0].after_count = 1;
	strcpy(configs[0].after[0], "db");
	partition = create(0);
	partition->state = PARTITION_WAITING;
	assert_false(partition_after_runs(partition));
	forget_calls();
	wanted = configs[0];
	wanted.after_count = 0;
	assert_int_equal(partition_change(partition, &wanted, reason), 0);
	assert_true(partition_after_runs(partition));
	assert_int_equal(woken, 1);
}

static int give_back(void **state)
{
	struct group *next;

	(void)state;
	for (struct group *g = group_first(); g; g = next) {
		next = g->next;
		free(g);
	}
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(makes_them_all),
		T(finds_by_name),
		T(a_name_is_given_once),
		T(a_group_has_to_exist),
		T(out_of_memory_leaves_all_as_it_was),
		T(says_why_it_failed_in_the_end),
		T(a_cpu_that_cannot_be_had_is_refused),
		T(one_that_cannot_be_made_is_left_out),
		T(groups_come_first),
		T(numbers_are_new_and_tags_are_used_again),
		T(no_more_vcpus_than_tags),
		T(destroying_takes_all_threads_or_none),
		T(cycles_end_with_the_memory_there_was),
		T(destroying_closes_its_account),
		T(destroying_waits_for_its_thread),
		T(every_operation_in_every_state),
		T(waits_for_the_vcpu),
		T(waits_no_longer_than_it_should),
		T(starting_forgets_the_past),
		T(what_can_be_looked_at),
		T(ends_in_an_orderly_way),
		T(changes_state_only_from_the_expected_one),
		T(every_state_has_a_name),
		T(autostart_only_lets_them_wait),
		T(starts_after_what_it_names),
		T(who_waits_is_told_who_runs),
		T(a_delay_wakes_it),
		T(some_things_stay_for_good),
		T(a_claim_changes_while_it_runs),
		T(what_cannot_be_kept_is_not_changed),
		T(a_group_is_joined_at_rest),
		T(what_it_waits_for_can_change),
	};

	return cmocka_run_group_tests(tests, NULL, give_back);
}
