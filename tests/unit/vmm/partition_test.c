/* SPDX-License-Identifier: MIT */
/* Partitions: making them, and which change of state is allowed from where. */
/* links: vmm/format.c vmm/byte_ring.c */
#include "fake_cpu.h"

#include <stdio.h>
#include <stdlib.h>

#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>

#include "vmm/partition_memory.h"
#include "vmm/vcpu_thread.h"

static struct config_partition configs[4];
static struct config config = {.partitions = configs, .partition_room = ARRAY_SIZE(configs)};

static u32 cpu_count;
static unsigned allocated;	  /* blocks not freed yet */
static unsigned allocations_left; /* how many succeed */
static u32 memory_fails_for;	  /* number of a partition, 0 for none */
static u32 vcpu_fails_for;
static u32 memory_made, memory_destroyed; /* bits of numbers */
static u32 vcpu_cpu[8];
static unsigned woken;
static u32 requested;
static unsigned errors, infos;
static char logged[256];

u32 arch_cpu_count(void)
{
	return cpu_count;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(logged, sizeof(logged), format, arguments);
	va_end(arguments);
	if (level == LOG_ERROR)
		errors++;
	else
		infos++;
}

void *memory_alloc(unsigned order)
{
	if (!allocations_left)
		return NULL;
	allocations_left--;
	allocated++;
	return calloc(1, PAGE_SIZE << order);
}

void memory_free(void *pages, unsigned order)
{
	(void)order;
	allocated--;
	free(pages);
}

unsigned memory_order(u64 bytes)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < bytes)
		order++;
	return order;
}

int partition_memory_create(struct partition *partition, char *reason)
{
	memory_made |= 1u << partition->number;
	if (partition->number != memory_fails_for)
		return 0;
	strcpy(reason, "it needs 9 MiB, 8 MiB are free");
	return -ENOMEM;
}

void partition_memory_destroy(struct partition *partition)
{
	memory_destroyed |= 1u << partition->number;
}

static struct vcpu vcpus[8];

int vcpu_create(struct partition *partition, u32 cpu)
{
	vcpu_cpu[partition->number] = cpu;
	if (partition->number == vcpu_fails_for)
		return -ENOMEM;
	partition->vcpu = &vcpus[partition->number];
	partition->vcpu->partition = partition;
	return 0;
}

void thread_wake(struct thread *thread)
{
	struct partition *partition = container_of(thread, struct vcpu, thread)->partition;

	/* What it is woken for must be there by then, and it takes the lock itself. */
	assert_int_equal(partition->state, PARTITION_STARTING);
	assert_true(fake_unlocked(&partition->lock));
	woken++;
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
	assert_true(fake_unlocked(&vcpu->partition->lock));
	requested |= request;
}

static bool made;

static void make_all(void)
{
	partition_create_all(&config);
	made = true;
}

/* There is no call that takes partitions away: until the next ones are made the list leads nowhere.
 */
static int teardown(void **state)
{
	struct partition *next;

	(void)state;
	for (struct partition *p = made ? partition_first() : NULL; p; p = next) {
		next = p->next;
		memory_free(p->console.data, 0);
		memory_free(p, 0);
	}
	made = false;
	assert_int_equal(allocated, 0);
	return 0;
}

static int setup(void **state)
{
	static const char *const names[] = {"web", "db", "web2", "mail"};

	(void)state;
	fake_cpus_init();
	memset(configs, 0, sizeof(configs));
	memset(vcpus, 0, sizeof(vcpus));
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		strcpy(configs[i].name, names[i]);
		configs[i].memory_bytes = 64 * MIB;
	}
	config.partition_count = 3;
	cpu_count = 1;
	allocations_left = 100;
	memory_fails_for = vcpu_fails_for = 0;
	memory_made = memory_destroyed = 0;
	woken = requested = errors = infos = 0;
	return 0;
}

static void makes_them_all(void **state)
{
	struct partition *p;

	(void)state;
	make_all();
	assert_int_equal(errors, 0);
	p = partition_first();
	for (u32 i = 0; i < 3; i++, p = p->next) {
		assert_non_null(p);
		assert_ptr_equal(p->config, &configs[i]);
		assert_int_equal(p->number, i + 1);
		assert_int_equal(p->state, PARTITION_STOPPED);
		assert_int_equal(p->console.bytes, PARTITION_CONSOLE_BYTES);
	}
	assert_null(p);
	assert_int_equal(woken, 0);
}

static void finds_by_name(void **state)
{
	(void)state;
	make_all();
	assert_int_equal(partition_find("db")->number, 2);
	assert_int_equal(partition_find("web")->number, 1);
	assert_int_equal(partition_find("web2")->number, 3);
	assert_null(partition_find("we"));
	assert_null(partition_find(""));
	assert_null(partition_find("mail"));
}

static void one_that_cannot_be_made_is_left_out(void **state)
{
	(void)state;
	memory_fails_for = 2;
	make_all();
	assert_int_equal(errors, 1);
	assert_non_null(strstr(logged, "db"));
	assert_non_null(strstr(logged, "it needs 9 MiB, 8 MiB are free"));
	assert_null(partition_find("db"));
	assert_int_equal(partition_find("web2")->number, 3);
	assert_ptr_equal(partition_first()->next, partition_find("web2"));
	assert_int_equal(memory_destroyed, 1u << 2);
	assert_int_equal(allocated, 4); /* two of each partition that is there */
}

static void what_was_made_is_given_back(void **state)
{
	(void)state;
	vcpu_fails_for = 1;
	config.partition_count = 1;
	partition_create_all(&config);
	assert_null(partition_first());
	assert_int_equal(memory_destroyed, 1u << 1);
	assert_int_equal(allocated, 0);
	assert_non_null(strstr(logged, "not enough memory"));
}

static void no_memory_at_all(void **state)
{
	(void)state;
	config.partition_count = 1;
	for (unsigned i = 0; i < 2; i++) {
		allocations_left = i;
		errors = 0;
		partition_create_all(&config);
		assert_null(partition_first());
		assert_int_equal(allocated, 0);
		assert_int_equal(errors, 1);
		assert_non_null(strstr(logged, "memory"));
	}
	assert_int_equal(memory_made, 0);
}

/* In turn, the operator's CPU (0) as late as possible. */
static void spread_over_cpus(void **state)
{
	(void)state;
	config.partition_count = 4;
	cpu_count = 3;
	make_all();
	assert_int_equal(vcpu_cpu[1], 2);
	assert_int_equal(vcpu_cpu[2], 1);
	assert_int_equal(vcpu_cpu[3], 0);
	assert_int_equal(vcpu_cpu[4], 2);
}

static void autostart(void **state)
{
	(void)state;
	configs[0].autostart = true;
	configs[2].autostart = true;
	make_all();
	partition_autostart();
	assert_int_equal(partition_find("web")->state, PARTITION_STARTING);
	assert_int_equal(partition_find("db")->state, PARTITION_STOPPED);
	assert_int_equal(partition_find("web2")->state, PARTITION_STARTING);
	assert_int_equal(woken, 2);
	assert_int_equal(errors, 0);
}

static struct partition *in_state(enum partition_state state)
{
	struct partition *partition;

	if (!made)
		make_all();
	partition = partition_first();
	partition->state = state;
	woken = requested = 0;
	return partition;
}

static void expect_start(enum partition_state from, int error, enum partition_state to)
{
	struct partition *partition = in_state(from);
	char reason[LOAD_REASON_BYTES] = "";

	assert_int_equal(partition_start(partition, reason), error);
	assert_int_equal(partition->state, to);
	assert_int_equal(woken, !error);
	assert_true(fake_unlocked(&partition->lock));
	if (error)
		assert_non_null(strstr(reason, partition_state_name(from)));
}

static void starts(void **state)
{
	(void)state;
	expect_start(PARTITION_STOPPED, 0, PARTITION_STARTING);
	expect_start(PARTITION_CRASHED, 0, PARTITION_STARTING);
	expect_start(PARTITION_STARTING, -EBUSY, PARTITION_STARTING);
	expect_start(PARTITION_RUNNING, -EBUSY, PARTITION_RUNNING);
	expect_start(PARTITION_STOPPING, -EBUSY, PARTITION_STOPPING);
}

/* The last reason for not running is history when it runs. */
static void starting_forgets_the_reason(void **state)
{
	struct partition *partition = in_state(PARTITION_RUNNING);
	char reason[LOAD_REASON_BYTES];

	(void)state;
	partition_ended(partition, PARTITION_CRASHED, "triple fault");
	assert_int_equal(partition->state, PARTITION_CRASHED);
	assert_string_equal(partition->reason, "triple fault");
	assert_int_equal(errors, 1);
	assert_non_null(strstr(logged, "web"));
	assert_non_null(strstr(logged, "triple fault"));
	assert_int_equal(partition_start(partition, reason), 0);
	assert_string_equal(partition->reason, "");
}

static void expect_stop(enum partition_state from, int error, enum partition_state to)
{
	struct partition *partition = in_state(from);
	char reason[LOAD_REASON_BYTES] = "";

	assert_int_equal(partition_stop(partition, reason), error);
	assert_int_equal(partition->state, to);
	/* Whoever runs it must be told. */
	if (from == PARTITION_RUNNING || from == PARTITION_STARTING)
		assert_int_equal(requested, VCPU_REQUEST_STOP);
	if (error) {
		assert_int_equal(requested, 0);
		assert_non_null(strstr(reason, partition_state_name(from)));
	}
	assert_true(fake_unlocked(&partition->lock));
}

static void stops(void **state)
{
	(void)state;
	expect_stop(PARTITION_RUNNING, 0, PARTITION_STOPPING);
	expect_stop(PARTITION_STARTING, 0, PARTITION_STOPPING);
	expect_stop(PARTITION_CRASHED, 0, PARTITION_STOPPED);
	expect_stop(PARTITION_STOPPED, -EBUSY, PARTITION_STOPPED);
	expect_stop(PARTITION_STOPPING, -EBUSY, PARTITION_STOPPING);
}

static void ends_in_an_orderly_way(void **state)
{
	struct partition *partition = in_state(PARTITION_STOPPING);

	(void)state;
	partition_ended(partition, PARTITION_STOPPED, "stopped by the operator");
	assert_int_equal(partition->state, PARTITION_STOPPED);
	assert_int_equal(errors, 0);
	assert_int_equal(infos, 1);
}

static void a_long_reason_is_cut(void **state)
{
	struct partition *partition = in_state(PARTITION_RUNNING);
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	partition_ended(partition, PARTITION_CRASHED, text);
	assert_int_equal(strlen(partition->reason), sizeof(partition->reason) - 1);
}

static void every_state_has_a_name(void **state)
{
	(void)state;
	for (int a = PARTITION_STOPPED; a <= PARTITION_CRASHED; a++) {
		assert_true(strlen(partition_state_name((enum partition_state)a)) > 3);
		for (int b = PARTITION_STOPPED; b < a; b++)
			assert_string_not_equal(partition_state_name((enum partition_state)a),
						partition_state_name((enum partition_state)b));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* While there are none yet. */
		T(what_was_made_is_given_back),
		T(no_memory_at_all),
		T(makes_them_all),
		T(finds_by_name),
		T(one_that_cannot_be_made_is_left_out),
		T(spread_over_cpus),
		T(autostart),
		T(starts),
		T(starting_forgets_the_reason),
		T(stops),
		T(ends_in_an_orderly_way),
		T(a_long_reason_is_cut),
		T(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
