/* SPDX-License-Identifier: MIT */
/* The audit ring: what is kept in it, and what is not. */
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

/* One process, one ring: the tests come in order. */
static void test_empty(void **state)
{
	(void)state;
	expect("audit", "nothing was changed yet\n");
	expect("audit --json", "{\"audit\": []}\n");
}

static void test_what_only_looks_is_not_kept(void **state)
{
	static const char *const lines[] = {
		"list",	  "info web",  "group",	     "loglevel",    "log 2",	  "frobnicate",
		"",	  "help stop", "attach web", "console web", "audit",	  "config",
		"\"stop", "top",       "stats",	     "cpus",	    "group batch"};

	(void)state;
	fake_group(0, "batch", 100, 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		(void)command_run(lines[i]);
	expect("audit", "nothing was changed yet\n");
}

static void test_changes_are_kept(void **state)
{
	char buffer[64];
	u32 length;

	(void)state;
	fake_time_us = 61000000;
	assert_int_equal(command_run("pause  web"), 0);
	assert_int_equal(command_run("start wbe"), -EINVAL);
	refusal = "it is paused";
	fake_time_us = 3661000000;
	assert_int_equal(command_run_captured("stop web --json", buffer, sizeof(buffer), &length),
			 -EINVAL);
	refusal = NULL;
	assert_int_equal(command_run("stop"), -EINVAL);
	assert_int_equal(command_run("loglevel warn"), 0);
	expect("audit", "   TIME  FROM     COMMAND          RESULT\n"
			"0:01:01  console  pause  web       ok\n"
			"0:01:01  console  start wbe        no partition \"wbe\"; there are: web, "
			"debian-12\n"
			"1:01:01  remote   stop web --json  cannot stop web: it is paused\n"
			"1:01:01  console  stop             stop: an argument is missing\n"
			"1:01:01  console  loglevel warn    ok\n");
	expect("audit 1", "   TIME  FROM     COMMAND        RESULT\n"
			  "1:01:01  console  loglevel warn  ok\n");
	expect("audit 1 --json", "{\"audit\": [{\"number\": 5, \"time_us\": 3661000000, "
				 "\"source\": \"console\", \"command\": \"loglevel warn\", "
				 "\"result\": \"ok\"}]}\n");
	expect_error("audit 0", "\"0\" is not a number of commands from 1 to 4294967295\n");
	expect_error("audit x", "\"x\" is not a number of commands from 1 to 4294967295\n");
}

static void test_long_lines_are_cut(void **state)
{
	char line[LINE_BYTES];

	(void)state;
	memset(line, 'n', sizeof(line));
	memcpy(line, "start ", 6);
	line[sizeof(line) - 1] = 0;
	assert_int_equal(command_run(line), -EINVAL);
	output_clear();
	assert_int_equal(command_run("audit 1 --json"), 0);
	assert_non_null(strstr(output, "\"start nnn"));
	assert_non_null(strstr(output, "nn...\", \"result\": \"no partition \\\"nnn"));
	assert_non_null(strstr(output, "nn...\"}]}\n"));
	assert_true(output_bytes < 500);
	/* At the limit nothing is cut. */
	memset(line, 0, sizeof(line));
	memset(line, ' ', 159);
	memcpy(line, "pause web", 9);
	assert_int_equal(command_run(line), 0);
	output_clear();
	assert_int_equal(command_run("audit 1 --json"), 0);
	assert_null(strstr(output, "..."));
}

static void test_wrap(void **state)
{
	const char *at;
	u32 count = 0;

	(void)state;
	for (u32 i = 0; i < 1000; i++) {
		char line[32];

		snprintf(line, sizeof(line), "set web weight %u", i + 1);
		assert_int_equal(command_run(line), 0);
	}
	output_clear();
	assert_int_equal(command_run("audit"), 0);
	at = strchr(output, '\n') + 1;
	for (; *at; at = strchr(at, '\n') + 1, count++) {
		char part[32];
		const char *found;

		snprintf(part, sizeof(part), "set web weight %u ", 1000 - 255 + count);
		found = strstr(at, part);
		assert_true(found && found < strchr(at, '\n'));
	}
	assert_int_equal(count, 256);
	expect_part("audit 300", "set web weight 745 ");
	expect("audit 1", "      TIME  FROM     COMMAND              RESULT\n"
			  "1d 2:03:09  console  set web weight 1000  ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_empty),
		FAKE_TEST(test_what_only_looks_is_not_kept),
		FAKE_TEST(test_changes_are_kept),
		FAKE_TEST(test_long_lines_are_cut),
		FAKE_TEST(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
