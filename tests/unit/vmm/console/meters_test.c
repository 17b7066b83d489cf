/* SPDX-License-Identifier: MIT */
/* stats, exits, account and trace: what they say, as text and as JSON. */
/* links: vmm/console/report.c vmm/console/arguments.c vmm/format.c vmm/account.c vmm/meter.c */
/* links: vmm/console/partition_cells.c vmm/partition_view.c vmm/byte_ring.c */
#include "fake_meters.h"

#include <bulkhead/account.h>
#include <bulkhead/error.h>
#include <bulkhead/trace.h>

static struct exit_meter meters[METER_EXIT_REASONS], others[METER_EXIT_REASONS];
static bool looked;
static u64 written[2];
static int start_result;

void command_only_looked(void)
{
	looked = true;
}

static const char *exit_name(u32 reason)
{
	return reason == 10 ? "CPUID" : reason == 30 ? "I/O" : NULL;
}

static const struct virt_backend backend = {.exit_name = exit_name};
const struct virt_backend *virt = &backend;

bool trace_on;

int trace_start(void)
{
	if (!start_result)
		trace_on = true;
	return start_result;
}

static u32 looks, sleeps;

void thread_cpu_look(u32 id)
{
	assert_true(trace_on); /* or it leaves no mark */
	assert_int_equal(id, looks % arch_cpu_count());
	looks++;
}

void thread_sleep_until(u64 tsc)
{
	assert_true(tsc > arch_tsc());
	sleeps++;
}

void trace_stop(void)
{
	trace_on = false;
}

u64 trace_count(u32 cpu)
{
	return written[cpu];
}

static int setup(void **state)
{
	static const struct command command = {.name = "trace", .words = "on off status"};

	(void)state;
	fake_meters_init();
	fake_command = &command;
	memset(meters, 0, sizeof(meters));
	memset(others, 0, sizeof(others));
	virt = &backend;
	looked = trace_on = false;
	start_result = 0;
	partition_add("web")->vcpus[0]->exit_meters = meters;
	partition_add("db")->vcpus[0]->exit_meters = others;
	times_set(0, (struct vcpu_times){.run = 40 * SECOND,
					 .exit = SECOND / 2,
					 .ready = 9 * SECOND + SECOND / 2,
					 .blocked = 20 * SECOND,
					 .capped = 10 * SECOND,
					 .paused = 20 * SECOND});
	vcpus[0].thread.wakeups = 11;
	vcpus[0].thread.switches = 12;
	vcpus[0].thread.migrations = 13;
	vcpus[0].thread.entity.missed_deadlines = 14;
	vcpus[0].apic.accepted = 15;
	vcpus[0].exits = 8000;
	return 0;
}

static void expect(bool success, const char *text)
{
	assert_true(success);
	assert_string_equal(output, text);
}

static void expect_error(bool success, const char *text)
{
	assert_false(success);
	assert_string_equal(output, text);
}

static void test_stats(void **state)
{
	(void)state;
	expect(fake_run(command_stats, false, NULL, NULL),
	       "VCPU    WALL s     RUN   EXIT  READY  CAPPED  BLOCKED  PAUSED\n"
	       "web/0  100.000  40.000  0.500  9.500  10.000   20.000  20.000\n"
	       "db/0     0.000   0.000  0.000  0.000   0.000    0.000   0.000\n"
	       "\n"
	       "VCPU   RUN %  EXIT  READY  CAPPED  BLOCKED  PAUSED\n"
	       "web/0  40.00  0.50   9.50   10.00    20.00   20.00\n"
	       "db/0       -     -      -       -        -       -\n"
	       "\n"
	       "VCPU   WAKEUPS  SWITCHES  MIGRATIONS  MISSED  INTERRUPTS  EXITS  EXITS/s\n"
	       "web/0       11        12          13      14          15   8000      100\n"
	       "db/0         0         0           0       0           0      0        -\n");
}

static void test_stats_of_one(void **state)
{
	static const char *const names[] = {"web", "web/0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(fake_run(command_stats, false, names[i], NULL));
		assert_non_null(strstr(output, "web/0"));
		assert_null(strstr(output, "db/0"));
	}
	expect(fake_run(command_stats, true, "web", NULL),
	       "{\"times\": [{\"vcpu\": \"web/0\", \"wall_us\": 100000000, \"run_us\": 40000000, "
	       "\"exit_us\": 500000, \"ready_us\": 9500000, \"capped_us\": 10000000, "
	       "\"blocked_us\": 20000000, \"paused_us\": 20000000}], "
	       "\"shares\": [{\"vcpu\": \"web/0\", \"run\": 4000, \"exit\": 50, \"ready\": 950, "
	       "\"capped\": 1000, \"blocked\": 2000, \"paused\": 2000}], "
	       "\"events\": [{\"vcpu\": \"web/0\", \"wakeups\": 11, \"switches\": 12, "
	       "\"migrations\": 13, \"missed_deadlines\": 14, \"interrupts\": 15, \"exits\": 8000, "
	       "\"exits_per_second\": 100}]}\n");
	expect_error(fake_run(command_stats, false, "wbe", NULL),
		     "no partition \"wbe\"; there are: web, db\n");
	expect_error(fake_run(command_stats, false, "web/1", NULL),
		     "no virtual CPU \"web/1\"; web has 0 to 0\n");
}

static void test_stats_of_several_vcpus(void **state)
{
	(void)state;
	partitions[0].vcpus[1] = &vcpus[5];
	partitions[0].vcpu_count = 2;
	vcpus[5] = vcpus[0];
	vcpus[5].id = 1;
	assert_true(fake_run(command_stats, false, "web", NULL));
	assert_non_null(strstr(output, "web/0"));
	assert_non_null(strstr(output, "web/1"));
	assert_null(strstr(output, "db/0"));
	assert_true(fake_run(command_stats, false, "web/1", NULL));
	assert_null(strstr(output, "web/0"));
	assert_non_null(strstr(output, "web/1"));
	assert_true(fake_run(command_stats, false, NULL, NULL));
	assert_non_null(strstr(output, "web/1"));
	assert_non_null(strstr(output, "db/0"));
}

static void test_stats_of_none(void **state)
{
	(void)state;
	partition_count = 0;
	expect(fake_run(command_stats, true, NULL, NULL),
	       "{\"times\": [], \"shares\": [], \"events\": []}\n");
	assert_true(fake_run(command_stats, false, NULL, NULL));
	assert_non_null(strstr(output, "there are no partitions\n"));
}

static void add(u32 reason, u64 ticks, u32 count)
{
	while (count--)
		exit_meter_add(&meters[reason], ticks);
}

/* By the time that they took; 1 GHz: 1000 ticks are 1 us. */
static void test_exits(void **state)
{
	(void)state;
	add(30, 2000, 97);
	add(30, 50000, 3);
	add(10, 1230, 299);
	add(METER_EXIT_REASONS - 1, 7, 1);
	expect(fake_run(command_exits, false, "web", NULL),
	       "REASON      COUNT      %   TOTAL s     MIN (us)     P50 (us)       P99 (us)       "
	       "MAX (us)\n"
	       "CPUID         299  74.75  0.000367  1230 (1.23)  1230 (1.23)    1230 (1.23)    "
	       "1230 (1.23)\n"
	       "I/O           100  25.00  0.000344  2000 (2.00)  2047 (2.04)  50000 (50.00)  "
	       "50000 (50.00)\n"
	       "all others      1   0.25  0.000000     7 (0.00)     7 (0.00)       7 (0.00)       "
	       "7 (0.00)\n"
	       "exits          400\n"
	       "time in them   0.000711 s\n"
	       "ticks in 1 us  1000\n");
}

static void test_exits_as_json(void **state)
{
	(void)state;
	add(10, 1230, 3);
	add(11, 4000000000, 1);
	expect(fake_run(command_exits, true, "web/0", NULL),
	       "{\"exits\": [{\"reason\": \"reason 11\", \"number\": 11, \"count\": 1, "
	       "\"share\": 2500, \"total_ticks\": 4000000000, \"min_ticks\": 4000000000, "
	       "\"p50_ticks\": 4000000000, \"p99_ticks\": 4000000000, \"max_ticks\": 4000000000}, "
	       "{\"reason\": \"CPUID\", \"number\": 10, \"count\": 3, \"share\": 7500, "
	       "\"total_ticks\": 3690, \"min_ticks\": 1230, \"p50_ticks\": 1230, "
	       "\"p99_ticks\": 1230, \"max_ticks\": 1230}], "
	       "\"total\": {\"count\": 4, \"ticks\": 4000003690, \"tsc_hz\": 1000000000}}\n");
}

static void test_exits_of_nobody(void **state)
{
	(void)state;
	expect(fake_run(command_exits, true, "web", NULL),
	       "{\"exits\": [], \"total\": {\"count\": 0, \"ticks\": 0, \"tsc_hz\": "
	       "1000000000}}\n");
	expect_error(fake_run(command_exits, false, "x", NULL),
		     "no partition \"x\"; there are: web, db\n");
	virt = NULL;
	add(10, 1, 1);
	assert_true(fake_run(command_exits, false, "web", NULL));
	assert_non_null(strstr(output, "reason 10 "));
}

/* A partition's name alone means all its virtual CPUs. */
static void test_exits_of_several(void **state)
{
	(void)state;
	partitions[0].vcpus[1] = &vcpus[5];
	partitions[0].vcpu_count = 2;
	vcpus[5] = (struct vcpu){.partition = &partitions[0], .id = 1, .exit_meters = others};
	add(10, 1230, 3);
	exit_meter_add(&others[10], 770);
	exit_meter_add(&others[30], 500);
	expect(fake_run(command_exits, true, "web", NULL),
	       "{\"exits\": [{\"reason\": \"CPUID\", \"number\": 10, \"count\": 4, "
	       "\"share\": 8000, \"total_ticks\": 4460, \"min_ticks\": 770, "
	       "\"p50_ticks\": 1230, \"p99_ticks\": 1230, \"max_ticks\": 1230}, "
	       "{\"reason\": \"I/O\", \"number\": 30, \"count\": 1, \"share\": 2000, "
	       "\"total_ticks\": 500, \"min_ticks\": 500, \"p50_ticks\": 500, "
	       "\"p99_ticks\": 500, \"max_ticks\": 500}], "
	       "\"total\": {\"count\": 5, \"ticks\": 4960, \"tsc_hz\": 1000000000}}\n");
	assert_true(fake_run(command_exits, true, "web/1", NULL));
	assert_non_null(strstr(output, "\"total\": {\"count\": 2, \"ticks\": 1270,"));
	expect_error(fake_run(command_exits, false, "web/2", NULL),
		     "no virtual CPU \"web/2\"; web has 0 to 1\n");
}

static void test_account(void **state)
{
	(void)state;
	partitions[0].created_us = 10000000; /* now is 100 s */
	partitions[0].starts = 3;
	partitions[0].console.written = 70000;
	expect(fake_run(command_account, false, NULL, NULL),
	       "NAME   CPU s  MEMORY  MiB h  CONSOLE  STARTS  EXISTED  DESTROYED AT\n"
	       "web   40.500     64M   1.60    70000       3  0:01:30             -\n"
	       "db     0.000     64M   1.77        0       0  0:01:40             -\n");
	account_close(&partitions[1]);
	partitions[0].next = NULL;
	partition_count = 1;
	fake_tsc = 3700 * SECOND;
	expect(fake_run(command_account, false, NULL, NULL),
	       "NAME   CPU s  MEMORY  MiB h  CONSOLE  STARTS  EXISTED  DESTROYED AT\n"
	       "web   40.500     64M  65.60    70000       3  1:01:30             -\n"
	       "db     0.000     64M   1.77        0       0  0:01:40       0:01:40\n");
	expect(fake_run(command_account, true, "db", NULL),
	       "{\"records\": [{\"name\": \"db\", \"number\": 2, \"cpu_us\": 0, "
	       "\"memory_bytes\": 67108864, \"memory_mib_seconds\": 6400, \"console_bytes\": 0, "
	       "\"starts\": 0, \"existed_us\": 100000000, \"destroyed_us\": 100000000}]}\n");
	/* The name is used again. */
	partition_add("db");
	assert_true(fake_run(command_account, false, "db", NULL));
	assert_null(strstr(output, "web"));
	assert_non_null(strstr(strstr(output, "\ndb") + 1, "\ndb"));
}

static void test_account_of_nobody(void **state)
{
	(void)state;
	expect_error(fake_run(command_account, false, "wbe", NULL),
		     "no charge record of a partition \"wbe\"; there are: web, db\n");
	for (u32 i = 0; i < 100; i++)
		account_close(&partitions[0]);
	assert_true(fake_run(command_account, false, NULL, NULL));
	assert_non_null(strstr(output, " destroyed partitions the latest 64 are kept\n"));
}

static void test_trace(void **state)
{
	(void)state;
	expect(fake_run(command_trace, false, "on", NULL), "trace: on, and empty\n");
	assert_true(trace_on);
	assert_false(looked);
	written[0] = 5;
	written[1] = 100000;
	expect(fake_run(command_trace, false, "status", NULL), "on                         yes\n"
							       "kept of each CPU, at most  8191\n"
							       "CPU  WRITTEN  KEPT\n"
							       "  0        5     5\n"
							       "  1   100000  8191\n");
	assert_true(looked);
	expect(fake_run(command_trace, false, "off", NULL),
	       "trace: off; what was recorded stays until it is switched on again\n");
	assert_false(trace_on);
	/* Who runs on each CPU was marked at the beginning and at the end. */
	assert_int_equal(looks, 2 * arch_cpu_count());
	assert_int_equal(sleeps, 2);
	expect(fake_run(command_trace, true, "status", NULL),
	       "{\"trace\": {\"on\": false, \"room\": 8191}, \"cpus\": [{\"cpu\": 0, \"written\": "
	       "5, \"kept\": 5}, {\"cpu\": 1, \"written\": 100000, \"kept\": 8191}]}\n");
}

static void test_trace_that_cannot_be(void **state)
{
	(void)state;
	start_result = -ENOMEM;
	expect_error(fake_run(command_trace, false, "on", NULL),
		     "no memory for the trace: it takes 128 KiB for each of 2 CPUs\n");
	expect_error(fake_run(command_trace, false, "onn", NULL),
		     "no word \"onn\"; there are: on, off, status\n");
	assert_false(trace_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stats, setup),
		cmocka_unit_test_setup(test_stats_of_one, setup),
		cmocka_unit_test_setup(test_stats_of_several_vcpus, setup),
		cmocka_unit_test_setup(test_stats_of_none, setup),
		cmocka_unit_test_setup(test_exits, setup),
		cmocka_unit_test_setup(test_exits_as_json, setup),
		cmocka_unit_test_setup(test_exits_of_nobody, setup),
		cmocka_unit_test_setup(test_exits_of_several, setup),
		cmocka_unit_test_setup(test_account, setup),
		cmocka_unit_test_setup(test_account_of_nobody, setup),
		cmocka_unit_test_setup(test_trace, setup),
		cmocka_unit_test_setup(test_trace_that_cannot_be, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
