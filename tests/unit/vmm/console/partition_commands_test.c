/* SPDX-License-Identifier: MIT */
/* Commands about partitions: what they show and do, for those that are there and others. */
/* links: vmm/console/arguments.c vmm/console/audit.c vmm/console/commands.c */
/* links: vmm/console/completion.c vmm/console/help.c vmm/console/line_editor.c */
/* links: vmm/console/machine_commands.c vmm/console/partition_commands.c vmm/console/report.c */
/* links: vmm/console/setting_commands.c vmm/console/words.c vmm/byte_ring.c vmm/format.c */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_text.c vmm/config_value.c */
/* links: vmm/console/partition_cells.c vmm/partition_view.c */
/* links: vmm/console/nets.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_console.h"

static void test_list(void **state)
{
	(void)state;
	expect("list", "NAME       STATE    CPU  MEMORY      UPTIME  STARTS\n"
		       "web        running    3    512M  1d 2:03:04       1\n"
		       "debian-12  crashed    2      2G           -      12\n"
		       "           triple fault at 0x1234\n");
	expect("list --json",
	       "{\"partitions\": [{\"name\": \"web\", \"state\": \"running\", \"vcpus\": 1, "
	       "\"cpu\": 3, "
	       "\"memory_bytes\": 536870912, \"uptime_us\": 93784000000, \"starts\": 1, "
	       "\"reason\": null}, {\"name\": \"debian-12\", \"state\": \"crashed\", \"vcpus\": 1, "
	       "\"cpu\": 2, "
	       "\"memory_bytes\": 2147483648, \"uptime_us\": null, \"starts\": 12, \"reason\": "
	       "\"triple fault at 0x1234\"}]}\n");
	first->state = PARTITION_STOPPED;
	first->next = NULL;
	first->vcpus[1] = &vcpus[1];
	first->vcpu_count = 2;
	expect("list", "NAME  STATE    CPU  MEMORY  UPTIME  STARTS\n"
		       "web   stopped  2-3    512M       -       1\n");
	expect_part("list --json", "\"vcpus\": 2, \"cpu\": 3, ");
	vcpus[1].thread.cpu = 1;
	expect_part("list", "web   stopped  1,3    512M       -       1\n");
	first = NULL;
	expect("list", "there are no partitions\n");
	expect("list --json", "{\"partitions\": []}\n");
}

/* Uptime for what has a guest; a reason for what stands still, also an old one of a guest that runs
 * is not shown. */
static void test_list_of_every_state(void **state)
{
	static const struct {
		enum partition_state state;
		bool uptime, reason;
	} states[] = {
		{PARTITION_STOPPED, false, true},   {PARTITION_WAITING, false, true},
		{PARTITION_STARTING, false, false}, {PARTITION_RUNNING, true, false},
		{PARTITION_PAUSING, true, false},   {PARTITION_PAUSED, true, true},
		{PARTITION_RESUMING, true, false},  {PARTITION_STOPPING, true, false},
		{PARTITION_CRASHED, false, true},
	};

	(void)state;
	first->next = NULL;
	fake_time_us = first->started_us + 59999999;
	strcpy(first->reason, "because");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		first->state = states[i].state;
		output_clear();
		assert_int_equal(command_run("list"), 0);
		assert_int_equal(strstr(output, "0:00:59") != NULL, states[i].uptime);
		assert_int_equal(strstr(output, "      because\n") != NULL, states[i].reason);
	}
	first->state = PARTITION_RUNNING;
	fake_time_us = first->started_us - 1; /* it was started after the clock was read */
	expect_part("list", "0:00:00");
}

static void test_unknown_partition_names_the_known(void **state)
{
	static const char *const verbs[] = {"info", "start",   "pause",	 "resume", "reset",
					    "stop", "destroy", "attach", "console"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		char line[32];

		snprintf(line, sizeof(line), "%s wbe", verbs[i]);
		expect_error(line, "no partition \"wbe\"; there are: web, debian-12\n");
		snprintf(line, sizeof(line), "%s we", verbs[i]);
		expect_error(line, "no partition \"we\"; there are: web, debian-12\n");
		snprintf(line, sizeof(line), "%s webb", verbs[i]);
		expect_error(line, "no partition \"webb\"; there are: web, debian-12\n");
	}
	first = NULL;
	expect_error("start web", "no partition \"web\"; there are none\n");
	expect_error("start web --json",
		     "{\"error\": \"no partition \\\"web\\\"; there are none\"}\n");
	assert_null(changed);
}

static void test_changes(void **state)
{
	static const struct {
		const char *line, *text;
		enum partition_state state;
	} changes[] = {
		{"start web", "web: starting\n", PARTITION_STARTING},
		{"pause web", "web: paused\n", PARTITION_PAUSED},
		{"resume web", "web: running\n", PARTITION_RUNNING},
		{"reset web", "web: starting\n", PARTITION_STARTING},
		{"stop web", "web: running\n", PARTITION_RUNNING}, /* it is on its way */
		{"stop web now", "web: stopping\n", PARTITION_STOPPING},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		char text[64];

		changed = NULL;
		refusal = NULL;
		expect(changes[i].line, changes[i].text);
		assert_ptr_equal(changed, &partitions[0]);
		assert_int_equal(partitions[0].state, changes[i].state);
		refusal = "it is gone";
		snprintf(text, sizeof(text), "cannot %.*s: it is gone\n",
			 (int)(strstr(changes[i].line, "web") + 3 - changes[i].line),
			 changes[i].line);
		expect_error(changes[i].line, text);
		refusal = "";
		snprintf(text, sizeof(text), "cannot %.*s: error 16\n",
			 (int)(strstr(changes[i].line, "web") + 3 - changes[i].line),
			 changes[i].line);
		expect_error(changes[i].line, text);
	}
	refusal = NULL;
	changed = NULL;
	expect_error("stop web later", "no word \"later\"; there are: now\n");
	assert_null(changed);
	expect("start debian-12 --json",
	       "{\"partition\": {\"name\": \"debian-12\", \"state\": \"starting\"}}\n");
	assert_ptr_equal(started, &partitions[1]);
	refusal = "no \"fuel\"";
	expect_error("start web --json", "{\"error\": \"cannot start web: no \\\"fuel\\\"\"}\n");
}

static void test_destroy(void **state)
{
	(void)state;
	refusal = "it is running";
	expect_error("destroy web", "cannot destroy web: it is running\n");
	assert_ptr_equal(partition_find("web"), &partitions[0]);
	refusal = NULL;
	expect("destroy debian-12", "debian-12: destroyed\n");
	assert_null(partition_find("debian-12"));
	expect("destroy web --json",
	       "{\"partition\": {\"name\": \"web\", \"state\": \"destroyed\"}}\n");
	expect_error("destroy web", "no partition \"web\"; there are none\n");
}

static void test_attach(void **state)
{
	(void)state;
	expect(" attach  debian-12 ", "");
	assert_ptr_equal(joined, &partitions[1]);
	joined = NULL;
	expect_error("attach web --json",
		     "{\"error\": \"attach needs a terminal; \\\"console web\\\" shows what was "
		     "printed\"}\n");
	assert_null(joined);
}

static void test_info(void **state)
{
	(void)state;
	byte_ring_write(&partitions[0].console, (const u8 *)"12345", 5);
	expect("info web", "name      web\n"
			   "number    1\n"
			   "state     running\n"
			   "uptime    1d 2:03:04\n"
			   "starts    1\n"
			   "memory    512M\n"
			   "blocks    2\n"
			   "printed   5 bytes\n"
			   "CPU       3\n"
			   "affinity  all\n"
			   "group     -\n"
			   "claim     shared\n"
			   "weight    100\n"
			   "cap       -\n"
			   "\n"
			   "boot     linux\n"
			   "kernel   \\bulkhead\\web\\vmlinuz\n"
			   "cmdline  console=ttyS0 quiet\n"
			   "\n"
			   "VCPU  CPU  EXITS   RUN%  EXIT%  READY%  BLOCKED%  CAPPED%  PAUSED%\n"
			   "   0    3   1234  50.00  10.00   15.00     20.00     2.50     2.50\n");
	expect("info web --json",
	       "{\"partition\": {\"name\": \"web\", \"number\": 1, \"state\": \"running\", "
	       "\"reason\": null, \"uptime_us\": 93784000000, \"starts\": 1, \"memory_bytes\": "
	       "536870912, \"cleared_bytes\": 536870912, \"memory_blocks\": 2, \"console_bytes\": "
	       "5, \"cpu\": 3, \"affinity\": "
	       "\"all\", \"group\": null, \"claim\": \"shared\", \"weight\": 100, "
	       "\"cap_percent\": null}, \"config\": {\"memory\": \"512M\", \"boot\": \"linux\", "
	       "\"kernel\": \"\\\\bulkhead\\\\web\\\\vmlinuz\", \"cmdline\": \"console=ttyS0 "
	       "quiet\"}, \"disks\": [], \"vcpus\": [{\"id\": 0, \"cpu\": 3, \"exits\": 1234, "
	       "\"run_us\": 500, "
	       "\"exit_us\": 100, \"ready_us\": 150, \"blocked_us\": 200, \"capped_us\": 25, "
	       "\"paused_us\": 25, \"wall_us\": 1000}], \"cards\": []}\n");
}

/* Of 512 MiB three pieces of 2 MiB, one of which is not done yet. */
static void test_info_of_memory(void **state)
{
	static u8 touched[256] = {
		[0] = PARTITION_TOUCHED, [7] = PARTITION_CLEARING, [255] = PARTITION_TOUCHED};

	(void)state;
	partitions[0].memory = (struct guest_memory){.low_bytes = 512 * MIB};
	partitions[0].touched = touched;
	expect_part("info web", "memory    512M\n"
				"cleared   4M\n"
				"blocks    2\n");
	partitions[0].touched = NULL;
}

static void test_info_of_disks(void **state)
{
	(void)state;
	partitions[0].disks[0] = (struct disk){
		.backend = {.bytes = 64 * MIB}, .path = "\\d.img", .written_bytes = 12 * KIB};
	partitions[0].disks[1] =
		(struct disk){.backend = {.bytes = MIB, .readonly = true}, .path = "\\r.img"};
	partitions[0].disk_count = 2;
	expect_part("info web", "\n"
				"DISK    SIZE  WRITTEN  READONLY\n"
				"\\d.img   64M      12K  no\n"
				"\\r.img    1M        0  yes\n"
				"\nVCPU ");
	expect_part("info web --json",
		    "\"disks\": [{\"file\": \"\\\\d.img\", \"bytes\": 67108864, "
		    "\"written_bytes\": 12288, \"readonly\": false}, {\"file\": "
		    "\"\\\\r.img\", \"bytes\": 1048576, \"written_bytes\": 0, \"readonly\": "
		    "true}], \"vcpus\"");
}

static void test_info_of_claims(void **state)
{
	struct config_partition *config = partitions[1].config;

	(void)state;
	strcpy(config->group, "batch");
	config->claim = (struct scheduler_claim){SCHEDULER_RESERVED, 0, 50, 2000, 10000};
	memset(&config->affinity, 0, sizeof(config->affinity));
	cpu_mask_add(&config->affinity, 1);
	cpu_mask_add(&config->affinity, 2);
	expect_part("info debian-12", "\nreason    triple fault at 0x1234\n");
	expect_part("info debian-12", "\nuptime    -\n");
	expect_part("info debian-12", "\naffinity  1-2\n");
	expect_part("info debian-12", "\ngroup     batch\n");
	expect_part("info debian-12", "\nclaim     reserved\nbudget    2 ms\nperiod    10 ms\n"
				      "weight    0\ncap       50%\n\nboot");
	config->claim = (struct scheduler_claim){.kind = SCHEDULER_DEDICATED};
	expect_part("info debian-12", "\nclaim     dedicated\ncap       -\n");
	partitions[1].vcpus[1] = &vcpus[0];
	partitions[1].vcpu_count = 2;
	vcpus[0].id = 1;
	expect_part("info debian-12", "\nCPU       2-3\n");
	expect_part("info debian-12 --json", "\"vcpus\": [{\"id\": 0, \"cpu\": 2, ");
	expect_part("info debian-12 --json", "}, {\"id\": 1, \"cpu\": 3, ");
}

/* --- console --- */

static void prints(const char *text)
{
	byte_ring_write(&partitions[0].console, (const u8 *)text, strlen(text));
}

static void test_console(void **state)
{
	(void)state;
	expect("console web", "\x1b[m");
	expect("console web 5", "\x1b[m");
	prints("one\r\ntwo\r\n\x1b[1mthree\nfour");
	expect("console web", "one\r\ntwo\r\n\x1b[1mthree\nfour\x1b[m\n");
	expect("console web 1", "four\x1b[m\n");
	expect("console web 2", "\x1b[1mthree\nfour\x1b[m\n");
	expect("console web 3", "two\r\n\x1b[1mthree\nfour\x1b[m\n");
	expect("console web 4", "one\r\ntwo\r\n\x1b[1mthree\nfour\x1b[m\n");
	expect("console web 5", "one\r\ntwo\r\n\x1b[1mthree\nfour\x1b[m\n");
	prints("\n");
	expect("console web 1", "four\n\x1b[m");
	prints("\n");
	expect("console web 2", "four\n\n\x1b[m");
	expect("console web 2 --json",
	       "{\"console\": {\"name\": \"web\", \"lost_bytes\": 0}, \"text\": "
	       "\"four\\n\\n\"}\n");
}

static void test_console_of_captured_output(void **state)
{
	char buffer[64];
	u32 length;

	(void)state;
	prints("one\r\ntwo");
	assert_int_equal(command_run_captured("console web 1", buffer, sizeof(buffer), &length), 0);
	assert_int_equal(length, 4);
	assert_memory_equal(buffer, "two\n", 4);
}

static void test_console_arguments(void **state)
{
	static const char *const wrong[] = {"0", "-1", "x", "4294967296", "1.5", "\"\""};

	(void)state;
	prints("one\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char line[64];

		snprintf(line, sizeof(line), "console web %s", wrong[i]);
		expect_part(line, "\" is not a number of lines from 1 to 4294967295\n");
	}
	expect("console web 4294967295", "one\n\x1b[m");
}

/* More than is kept, and much more than is read in one piece. */
static void test_console_that_was_overwritten(void **state)
{
	const char *at;

	(void)state;
	for (u32 i = 0; i < 1000; i++) {
		char line[32];

		snprintf(line, sizeof(line), "line %u\n", i);
		prints(line);
	}
	output_clear();
	assert_int_equal(command_run("console web"), 0);
	at = strchr(output, '\n') + 1;
	assert_memory_equal(output, "[the first 4794 bytes are lost: ", 32);
	assert_int_equal(strlen(at), sizeof(console_ring) + strlen("\x1b[m"));
	expect("console web 2", "line 998\nline 999\n\x1b[m");
	for (u32 wanted = 1; wanted < 400; wanted += 13) {
		char line[32], begin[32];
		u32 lines = 0;

		snprintf(line, sizeof(line), "console web %u", wanted);
		snprintf(begin, sizeof(begin), "line %u\n", 1000 - wanted);
		output_clear();
		assert_int_equal(command_run(line), 0);
		assert_memory_equal(output, begin, strlen(begin));
		for (at = output; (at = strchr(at, '\n')); at++)
			lines++;
		assert_int_equal(lines, wanted);
	}
	cancel = true;
	output_clear();
	assert_int_equal(command_run("console web 400"), 0);
	assert_true(output_bytes < 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_list),
		FAKE_TEST(test_list_of_every_state),
		FAKE_TEST(test_unknown_partition_names_the_known),
		FAKE_TEST(test_changes),
		FAKE_TEST(test_destroy),
		FAKE_TEST(test_attach),
		FAKE_TEST(test_info),
		FAKE_TEST(test_info_of_memory),
		FAKE_TEST(test_info_of_disks),
		FAKE_TEST(test_info_of_claims),
		FAKE_TEST(test_console),
		FAKE_TEST(test_console_of_captured_output),
		FAKE_TEST(test_console_arguments),
		FAKE_TEST(test_console_that_was_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
