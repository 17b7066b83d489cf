/* SPDX-License-Identifier: MIT */
/* Lines, right and wrong: what is read in them, who is called, and help. */
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

/* --- lines --- */

static void test_blank_line_does_nothing(void **state)
{
	(void)state;
	expect("", "");
	expect("    ", "");
	expect("\t \t", "");
	expect("--json", "{}\n");
}

static void test_words(void **state)
{
	(void)state;
	expect("x a b", "x of 2\n<a>\n<b>\n");
	expect("  x\ta   b  ", "x of 2\n<a>\n<b>\n");
	expect("x \"a b\" c", "x of 2\n<a b>\n<c>\n");
	expect("x k=\"v w\"z c", "x of 2\n<k=v wz>\n<c>\n");
	expect("x \"\" \"\"\"\"", "x of 2\n<>\n<\">\n");
	expect("x \"a\"\"b\"\"\" c", "x of 2\n<a\"b\">\n<c>\n");
	expect("x \\bulkhead\\a c'd", "x of 2\n<\\bulkhead\\a>\n<c'd>\n");
	expect("\"x\" a b", "x of 2\n<a>\n<b>\n");
	expect_error("x \"a b", "a quotation mark is not closed\n");
	expect_error("x a\"", "a quotation mark is not closed\n");
	expect_error("x \"\"\"", "a quotation mark is not closed\n");
}

static void test_json_is_found_anywhere(void **state)
{
	static const char *const lines[] = {"--json uptime", "uptime --json", "  --json  uptime ",
					    "--json uptime --json"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		expect(lines[i], "{\"uptime\": {\"uptime_us\": 93789000000}}\n");
	expect_error("uptime \"--json\"",
		     "uptime: takes no argument, found \"--json\"\nusage: uptime\n");
	expect_error("--json nothing --json x y",
		     "{\"error\": \"no command \\\"nothing\\\"; there are: help, version, uptime, "
		     "list, info, create, start, pause, resume, reset, stop, destroy, attach, "
		     "console, screen, set, group, top, stats, exits, account, trace, balloon, "
		     "who, net, regs, "
		     "x, walk, "
		     "vmcs, dump, inject, cpus, memory, config, log, loglevel, audit, reboot, "
		     "poweroff, panic\"}\n");
}

static void test_unknown_command_names_the_known(void **state)
{
	(void)state;
	expect_part("frobnicate", "no command \"frobnicate\"; there are: help, version, ");
	expect_part("frobnicate now", ", poweroff, panic\n");
	expect_part("help frobnicate", "no command \"frobnicate\"; there are: help, version, ");
	expect_part("lis", "no command \"lis\"");
	expect_part("listt", "no command \"listt\"");
	expect_part("LIST", "no command \"LIST\"");
	expect_part("\"\"", "no command \"\"");
}

/* As programs may send them. */
static void test_unfit_lines(void **state)
{
	static const char wrong[] = "the line has a character that is not printable ASCII\n";
	char line[LINE_BYTES + 10];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[LINE_BYTES] = 0;
	expect_error(line, "the line is longer than 1023 characters\n");
	line[LINE_BYTES - 1] = 0;
	expect_part(line, "no command \"xxxx");
	expect_error("list\x1b[2J", wrong);
	expect_error("list \n", wrong);
	expect_error("list \x7f", wrong);
	expect_error("li\xffst", wrong);
}

static void test_many_words(void **state)
{
	char line[LINE_BYTES];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = 0;
	for (size_t i = 0; i + 1 < sizeof(line); i += 2)
		line[i] = ' ';
	memcpy(line, "list", 4);
	expect_error(line, "list: takes no argument, found \"x\"\nusage: list\n");
	memcpy(line, "stop", 4);
	expect_error(line, "stop: takes at most 2 arguments, found 509\nusage: stop NAME [now]\n");
	memcpy(line, "set ", 4);
	expect_error(line, "set: takes at most 32 arguments, found 509\n"
			   "usage: set NAME KEY VALUE\n");
}

static void test_argument_counts(void **state)
{
	(void)state;
	expect_error("attach", "attach: an argument is missing\nusage: attach NAME\n");
	expect_error("start", "start: an argument is missing\nusage: start NAME\n");
	expect_error("set web", "set: 2 arguments are missing\nusage: set NAME KEY VALUE\n");
	expect_error("attach web web", "attach: takes 1 argument, found 2\nusage: attach NAME\n");
	expect_error("list web", "list: takes no argument, found \"web\"\nusage: list\n");
	expect_error("version 1 2", "version: takes no argument, found \"1\"\nusage: version\n");
	expect_error("log 1 2 3 4", "log: takes at most 1 argument, found 4\nusage: log [N]\n");
	expect_error("console a b c",
		     "console: takes at most 2 arguments, found 3\nusage: console NAME [N]\n");
	assert_null(started);
	assert_null(stopped);
	assert_null(joined);
}

/* Each command of the table refuses one argument too few, and one too many. */
static void test_every_argument_count(void **state)
{
	const struct command *command;

	(void)state;
	for (u32 i = 0; (command = command_at(i)); i++) {
		char line[LINE_BYTES];

		strcpy(line, command->name);
		for (u32 count = 0; count + 1 < command->least; count++)
			strcat(line, " x");
		if (command->least) {
			expect_part(line, "missing\nusage: ");
			strcat(line, " x");
		}
		for (u32 count = command->least; count <= command->most; count++)
			strcat(line, " x");
		expect_part(line, ": takes ");
		expect_part(line, command->usage);
		assert_null(changed);
	}
}

/* --- help --- */

static void test_help_fits_the_terminal(void **state)
{
	const struct command *command;
	const char *line = output;

	(void)state;
	assert_int_equal(command_run("help"), 0);
	for (u32 i = 0; (command = command_at(i)); i++) {
		const char *end = strchr(line, '\n');

		assert_non_null(end);
		if (end - line > 80)
			fail_msg("longer than 80: %.*s", (int)(end - line), line);
		assert_memory_equal(line, command->usage, strlen(command->usage));
		assert_ptr_equal(strstr(line, command->summary) + strlen(command->summary), end);
		line = end + 1;
	}
	assert_string_equal(
		line, "NAME/N is virtual CPU N; NAME means all, or the first if it has to be one.\n"
		      "Every command takes --json, for programs.\n");
}

static void test_table_is_sound(void **state)
{
	const struct command *command;

	(void)state;
	for (u32 i = 0; (command = command_at(i)); i++) {
		size_t length = strlen(command->name);

		assert_ptr_equal(command_find(command->name), command);
		assert_memory_equal(command->usage, command->name, length);
		assert_memory_equal(command->example, command->name, length);
		assert_true(command->least <= command->most);
		assert_true(command->most <= COMMAND_ARGUMENTS);
		assert_non_null(command->kinds);
		for (u32 k = 0; k < COMMAND_KINDS; k++) {
			if (command->kinds[k] == ARGUMENT_WORD)
				assert_non_null(command->words);
		}
	}
}

static void test_help_explains_every_command(void **state)
{
	const struct command *command;

	(void)state;
	for (u32 i = 0; (command = command_at(i)); i++) {
		char line[64], text[256];

		snprintf(line, sizeof(line), "help %s", command->name);
		snprintf(text, sizeof(text),
			 "usage:    %s\n"
			 "          %s\n"
			 "example:  %s\n",
			 command->usage, command->summary, command->example);
		expect(line, text);
	}
	expect("help stop --json",
	       "{\"command\": {\"name\": \"stop\", \"usage\": \"stop NAME [now]\", "
	       "\"summary\": \"let it shut down; now: at once\", \"example\": \"stop web\", "
	       "\"changes\": true}}\n");
	output_clear();
	assert_int_equal(command_run("help --json"), 0);
	assert_memory_equal(output, "{\"commands\": {\"help\": \"list the commands", 40);
}

/* --- arguments that commands of other files read --- */

static void test_vcpu_argument(void **state)
{
	(void)state;
	partitions[0].vcpus[1] = &vcpus[1];
	partitions[0].vcpu_count = 2;
	expect("regs web/1", "");
	assert_ptr_equal(found_vcpu, &vcpus[1]);
	expect("regs web", "");
	assert_ptr_equal(found_vcpu, &vcpus[0]);
	expect("regs web/0", "");
	assert_ptr_equal(found_vcpu, &vcpus[0]);
	expect("regs debian-12/0", "");
	assert_ptr_equal(found_vcpu, &vcpus[1]);
	expect_error("regs debian-12/1", "no virtual CPU \"debian-12/1\"; debian-12 has 0 to 0\n");
	expect_error("regs web/2", "no virtual CPU \"web/2\"; web has 0 to 1\n");
	expect_error("regs web/", "no virtual CPU \"web/\"; web has 0 to 1\n");
	expect_error("regs web/1/1", "no virtual CPU \"web/1/1\"; web has 0 to 1\n");
	expect_error("regs web/4294967297", "no virtual CPU \"web/4294967297\"; web has 0 to 1\n");
	expect_error("regs wbe/3", "no partition \"wbe\"; there are: web, debian-12\n");
	expect_error("regs a-name-that-is-longer-than-any-is/3",
		     "no partition \"a-name-that-is-longer-than-any-is/3\"; there are: web, "
		     "debian-12\n");
}

static void test_number_argument(void **state)
{
	static const struct {
		const char *text;
		u64 value;
	} good[] = {
		{"0", 0},
		{"007", 7},
		{"18446744073709551615", UINT64_MAX},
		{"0x0", 0},
		{"0xffffffffffffffff", UINT64_MAX},
		{"0XdeadBEEF", 0xdeadbeef},
	};
	static const char *const wrong[] = {"-1",    "1.5", "0x",   "x1",
					    "12g",   "0xg", "+1",   "18446744073709551616",
					    "1e3",   "ff",  "0x-1", "0x10000000000000000",
					    "1 000", " 1",  ""};
	char line[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(line, sizeof(line), "walk web %s", good[i].text);
		found_number = 1;
		expect(line, "");
		assert_true(found_number == good[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[128];

		snprintf(line, sizeof(line), "walk web \"%s\"", wrong[i]);
		snprintf(text, sizeof(text),
			 "\"%s\" is not an address: decimal, or hexadecimal after 0x\n", wrong[i]);
		expect_error(line, text);
	}
}

/* However many there are, the message fits. */
static void test_many_names(void **state)
{
	char name[CONFIG_NAME_BYTES];

	(void)state;
	for (u32 i = 2; i < FAKE_PARTITIONS; i++) {
		snprintf(name, sizeof(name), "partition-with-a-long-name-%u", i);
		fake_partition(i, name);
	}
	expect_part("start x", "no partition \"x\"; there are: web, debian-12, partition-with-a-");
	expect_part("start x", ", and 80 more\n");
}

/* --- for programs --- */

static void test_capture(void **state)
{
	char buffer[64];
	u32 length;

	(void)state;
	assert_int_equal(command_run_captured("uptime", buffer, sizeof(buffer), &length), 0);
	assert_int_equal(length, strlen("uptime  1d 2:03:09\n"));
	assert_memory_equal(buffer, "uptime  1d 2:03:09\n", length);
	assert_int_equal(command_run_captured("start x", buffer, sizeof(buffer), &length), -EINVAL);
	assert_memory_equal(buffer, "no partition \"x\"; there are: web, debian-12\n", length);
	assert_string_equal(output, "");

	memset(buffer, '#', sizeof(buffer));
	assert_int_equal(command_run_captured("uptime", buffer, 5, &length), -ENOSPC);
	assert_int_equal(length, 5);
	assert_memory_equal(buffer, "uptim#", 6);
	assert_int_equal(command_run_captured("uptime", buffer, 0, &length), -ENOSPC);
	assert_int_equal(length, 0);
}

static void test_capture_has_no_terminal(void **state)
{
	char buffer[128];
	u32 length;

	(void)state;
	assert_int_equal(command_run_captured("top", buffer, sizeof(buffer), &length), -EINVAL);
	assert_memory_equal(buffer, "top needs a terminal\n", length);
	assert_int_equal(command_run_captured("top --json", buffer, sizeof(buffer), &length), 0);
	assert_int_equal(command_run_captured("attach web", buffer, sizeof(buffer), &length),
			 -EINVAL);
	assert_memory_equal(buffer, "attach needs a terminal\n", length);
	assert_int_equal(command_run_captured("attach web --json", buffer, sizeof(buffer), &length),
			 -EINVAL);
	assert_null(joined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_blank_line_does_nothing),
		FAKE_TEST(test_words),
		FAKE_TEST(test_json_is_found_anywhere),
		FAKE_TEST(test_unknown_command_names_the_known),
		FAKE_TEST(test_unfit_lines),
		FAKE_TEST(test_many_words),
		FAKE_TEST(test_argument_counts),
		FAKE_TEST(test_every_argument_count),
		FAKE_TEST(test_help_fits_the_terminal),
		FAKE_TEST(test_table_is_sound),
		FAKE_TEST(test_help_explains_every_command),
		FAKE_TEST(test_vcpu_argument),
		FAKE_TEST(test_number_argument),
		FAKE_TEST(test_many_names),
		FAKE_TEST(test_capture),
		FAKE_TEST(test_capture_has_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
