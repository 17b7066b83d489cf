/* SPDX-License-Identifier: MIT */
/* The console's commands: what they print for lines that are right and wrong, and what they do. */
/* links: vmm/format.c vmm/console/line_editor.c */
#include "cmocka_all.h"

#include "vmm/console/internal.h"
#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>
#include <stdio.h>
#include <string.h>

/* --- the console's output --- */

static char output[16384];
static size_t output_bytes;

const char console_version[] = "1.2.3";

void console_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	output_bytes += format_list(output + output_bytes, sizeof(output) - output_bytes, format,
				    arguments);
	va_end(arguments);
	assert_true(output_bytes < sizeof(output));
}

static bool flushed, cancel;

void console_flush(void)
{
	flushed = true;
}

bool console_cancelled(void)
{
	return cancel;
}

static void output_clear(void)
{
	output[0] = 0;
	output_bytes = 0;
}

static void expect(const char *line, const char *text)
{
	output_clear();
	command_run(line);
	assert_string_equal(output, text);
}

static void expect_part(const char *line, const char *text)
{
	output_clear();
	command_run(line);
	if (!strstr(output, text))
		fail_msg("\"%s\" is not in:\n%s", text, output);
}

/* --- the machine --- */

static u64 fake_time_us;
static unsigned fake_irqs_off;
static jmp_buf machine_gone;
static char went_down[32];

static struct boot_info fake_boot_info;
const struct boot_info *boot_info = &fake_boot_info;

u64 arch_irq_save(void)
{
	return fake_irqs_off++;
}

void arch_irq_restore(u64 flags)
{
	fake_irqs_off = (unsigned)flags;
}

u64 arch_time_us(void)
{
	return fake_time_us;
}

u32 arch_cpu_count(void)
{
	return 4;
}

const char *arch_cpu_name(void)
{
	return "Imaginary CPU @ 1 GHz";
}

void arch_reboot(void)
{
	strcat(went_down, "reboot");
	longjmp(machine_gone, 1);
}

void arch_power_off(void)
{
	strcat(went_down, "off");
	longjmp(machine_gone, 1);
}

void panic(const char *format, ...)
{
	(void)format;
	strcat(went_down, "panic");
	longjmp(machine_gone, 1);
}

void console_stop(void)
{
	strcat(went_down, "stop,");
}

void memory_usage(struct memory_usage *usage)
{
	*usage = (struct memory_usage){8 * GIB, 6 * GIB, 100 * MIB};
}

static void fake_describe(char *buffer, size_t bytes)
{
	format_text(buffer, bytes, "VT-x with everything");
}

static const struct virt_backend fake_virt = {.describe = fake_describe};
const struct virt_backend *virt = &fake_virt;

/* --- the log --- */

static u32 log_first, log_end;

int log_read(u32 sequence, struct log_entry *entry)
{
	sequence = MAX(sequence, log_first);
	if (sequence >= log_end)
		return -ENOENT;
	*entry = (struct log_entry){.sequence = sequence};
	return 0;
}

size_t log_line(const struct log_entry *entry, char *buffer, size_t bytes)
{
	return format_text(buffer, bytes, "line %u\n", entry->sequence);
}

void log_write(enum log_level level, const char *format, ...)
{
	(void)level, (void)format;
}

/* --- partitions --- */

static struct vcpu vcpus[2];
static const struct config_partition configs[2] = {
	{.name = "web", .memory_bytes = 512 * MIB},
	{.name = "debian-12", .memory_bytes = 2 * GIB},
};
static struct partition partitions[2];
static struct partition *first;
static const struct partition *started, *stopped, *joined;

struct partition *partition_first(void)
{
	return first;
}

struct partition *partition_find(const char *name)
{
	for (struct partition *p = first; p; p = p->next) {
		if (strcmp(p->config->name, name) == 0)
			return p;
	}
	return NULL;
}

const char *partition_state_name(enum partition_state state)
{
	static const char *const names[] = {"stopped", "starting", "running", "stopping",
					    "crashed"};

	return names[state];
}

int partition_start(struct partition *partition, char *reason)
{
	started = partition;
	if (partition->state == PARTITION_RUNNING) {
		format_text(reason, LOAD_REASON_BYTES, "it is running");
		return -EBUSY;
	}
	partition->state = PARTITION_STARTING;
	return 0;
}

int partition_stop(struct partition *partition, char *reason)
{
	(void)reason;
	stopped = partition;
	if (partition->state == PARTITION_CRASHED)
		return -EBUSY;
	partition->state = PARTITION_STOPPING;
	return 0;
}

void attach_run(struct partition *partition)
{
	joined = partition;
}

static int setup(void **state)
{
	(void)state;
	memset(partitions, 0, sizeof(partitions));
	for (int i = 0; i < 2; i++) {
		partitions[i].config = &configs[i];
		partitions[i].vcpu = &vcpus[i];
		vcpus[i].thread.cpu = 3 - (u32)i;
	}
	first = &partitions[0];
	first->next = &partitions[1];
	partitions[0].state = PARTITION_RUNNING;
	partitions[0].starts = 1;
	partitions[0].started_us = 5000000;
	partitions[1].state = PARTITION_CRASHED;
	partitions[1].starts = 12;
	strcpy(partitions[1].reason, "triple fault at 0x1234");
	fake_time_us = 5000000 + (26 * 3600 + 3 * 60 + 4) * 1000000ULL;
	started = stopped = joined = NULL;
	went_down[0] = 0;
	flushed = cancel = false;
	virt = &fake_virt;
	log_first = 100;
	log_end = 105;
	strcpy(fake_boot_info.firmware, "EDK II 1.0");
	output_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(fake_irqs_off, 0);
	return 0;
}

/* --- tests --- */

static void test_blank_line_does_nothing(void **state)
{
	(void)state;
	expect("", "");
	expect("    ", "");
}

static void test_unknown_command_names_the_known(void **state)
{
	const char *text = "no command \"frobnicate\"; there are: help, list, attach, start, stop, "
			   "log, version, reboot, poweroff, panic\n";

	(void)state;
	expect("frobnicate", text);
	expect("  frobnicate  now", text);
	expect("help frobnicate", text);
	expect_part("hel", "no command \"hel\"");
	expect_part("helpp", "no command \"helpp\"");
	expect_part("LIST", "no command \"LIST\"");
}

static void test_long_lines(void **state)
{
	char line[LINE_BYTES];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = 0;
	output_clear();
	command_run(line);
	assert_memory_equal(output, "no command \"xxx", 15);
	for (size_t i = 0; i + 1 < sizeof(line); i += 2)
		line[i] = ' ';
	memcpy(line, "list", 4);
	expect(line, "list: takes no argument, found \"x\"\nusage: list\n");
	memcpy(line, "stop", 4);
	expect(line, "stop: takes one argument, found 125\nusage: stop NAME\n");
}

static void test_argument_counts(void **state)
{
	(void)state;
	expect("attach", "attach: an argument is missing\nusage: attach NAME\n");
	expect("start", "start: an argument is missing\nusage: start NAME\n");
	expect("stop ", "stop: an argument is missing\nusage: stop NAME\n");
	expect("attach web web", "attach: takes one argument, found 2\nusage: attach NAME\n");
	expect("list web", "list: takes no argument, found \"web\"\nusage: list\n");
	expect("version 1 2", "version: takes no argument, found \"1\"\nusage: version\n");
	expect("log 1 2 3 4", "log: takes one argument, found 4\nusage: log [N]\n");
	expect("help a b", "help: takes one argument, found 2\nusage: help [COMMAND]\n");
	assert_null(started);
	assert_null(stopped);
	assert_null(joined);
}

static void test_help_is_aligned(void **state)
{
	static const char *const usages[] = {
		"help [COMMAND]", "list",    "attach NAME",  "start NAME",     "stop NAME",
		"log [N]",	  "version", "reboot [now]", "poweroff [now]", "panic now"};
	const char *line;

	(void)state;
	output_clear();
	command_run("help");
	line = output;
	for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
		const char *end = strchr(line, '\n');

		assert_non_null(end);
		assert_true(end - line <= 80);
		assert_memory_equal(line, usages[i], strlen(usages[i]));
		assert_memory_equal(line + 14, "  ", 2);
		assert_true(line[16] > ' ');
		line = end + 1;
	}
	assert_string_equal(line, "");
}

static void test_help_explains_every_command(void **state)
{
	static const char *const names[] = {"help", "list",    "attach", "start",    "stop",
					    "log",  "version", "reboot", "poweroff", "panic"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char line[32], usage[32], example[32];

		snprintf(line, sizeof(line), "help %s", names[i]);
		snprintf(usage, sizeof(usage), "usage:   %s", names[i]);
		snprintf(example, sizeof(example), "\nexample: %s", names[i]);
		output_clear();
		command_run(line);
		assert_memory_equal(output, usage, strlen(usage));
		assert_non_null(strstr(output, example));
	}
	expect("help attach", "usage:   attach NAME\n"
			      "         use a partition's serial line; Ctrl-] leaves it\n"
			      "example: attach web\n");
}

static void test_list(void **state)
{
	(void)state;
	expect("list", "NAME       STATE     CPU  MEMORY        UPTIME  STARTS\n"
		       "web        running     3    512M    1d 2:03:04       1\n"
		       "debian-12  crashed     2      2G             -      12\n"
		       "           triple fault at 0x1234\n");
	first->state = PARTITION_STOPPED;
	first->vcpu = NULL;
	first->next = NULL;
	expect("list", "NAME  STATE     CPU  MEMORY        UPTIME  STARTS\n"
		       "web   stopped     -    512M             -       1\n");
	first->state = PARTITION_STOPPING;
	fake_time_us = first->started_us + 59999999;
	expect_part("list", "0:00:59");
	fake_time_us = first->started_us - 1; /* it was started after the clock was read */
	expect_part("list", "0:00:00");
	first = NULL;
	expect("list", "there are no partitions\n");
}

static void test_unknown_partition_names_the_known(void **state)
{
	(void)state;
	expect("attach wbe", "no partition \"wbe\"; there are: web, debian-12\n");
	expect("start we", "no partition \"we\"; there are: web, debian-12\n");
	expect("stop webb", "no partition \"webb\"; there are: web, debian-12\n");
	first = NULL;
	expect("start web", "no partition \"web\"; there are none\n");
	assert_null(started);
}

static void test_start_and_stop(void **state)
{
	(void)state;
	expect("start debian-12", "debian-12: starting\n");
	assert_ptr_equal(started, &partitions[1]);
	expect("start web", "cannot start web: it is running\n");
	expect("stop web", "web: stopping\n");
	assert_ptr_equal(stopped, &partitions[0]);
	partitions[1].state = PARTITION_CRASHED;
	expect("stop debian-12", "cannot stop debian-12: error 16\n");
}

static void test_attach(void **state)
{
	(void)state;
	expect(" attach  debian-12 ", "");
	assert_ptr_equal(joined, &partitions[1]);
}

static void test_log(void **state)
{
	static const char *const wrong[] = {
		"0", "-1", "x", "2x", "4294967296", "1.5", "99999999999999999999999"};

	(void)state;
	expect("log", "line 100\nline 101\nline 102\nline 103\nline 104\n");
	expect("log 2", "line 103\nline 104\n");
	expect("log 5", "line 100\nline 101\nline 102\nline 103\nline 104\n");
	expect("log 4294967295", "line 100\nline 101\nline 102\nline 103\nline 104\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char line[64], text[128];

		snprintf(line, sizeof(line), "log %s", wrong[i]);
		snprintf(text, sizeof(text),
			 "log: \"%s\" is not a number of lines, such as 20\nusage: log [N]\n",
			 wrong[i]);
		expect(line, text);
	}
	cancel = true;
	expect("log", "line 100\n^C\n");
	log_end = log_first;
	expect("log", "");
}

static void test_version(void **state)
{
	(void)state;
	expect("version",
	       "Bulkhead 1.2.3\n"
	       "CPU       Imaginary CPU @ 1 GHz\n"
	       "CPUs      4 in use\n"
	       "memory    8192M, of which 6144M are free and 100M held by Bulkhead itself\n"
	       "backend   VT-x with everything\n"
	       "firmware  EDK II 1.0\n"
	       "uptime    1d 2:03:09\n");
	virt = NULL;
	fake_boot_info.firmware[0] = 0;
	expect_part("version", "backend   none: partitions cannot run\nfirmware  not known\n");
}

static void expect_down(const char *line, const char *how)
{
	went_down[0] = 0;
	flushed = false;
	if (!setjmp(machine_gone)) {
		command_run(line);
		fail_msg("\"%s\" came back", line);
	}
	assert_string_equal(went_down, how);
	assert_true(flushed);
}

static void test_going_down(void **state)
{
	(void)state;
	expect("poweroff", "still running: web\n"
			   "\"poweroff now\" does it all the same, as if their power failed\n");
	partitions[1].state = PARTITION_STARTING;
	expect("reboot", "still running: web, debian-12\n"
			 "\"reboot now\" does it all the same, as if their power failed\n");
	expect("reboot tomorrow", "reboot: \"tomorrow\" is not \"now\"\nusage: reboot [now]\n");
	expect("panic later", "panic: \"later\" is not \"now\"\nusage: panic now\n");
	assert_string_equal(went_down, "");
	expect_down("reboot now", "stop,reboot");
	expect_down("poweroff now", "stop,off");
	expect_down("panic now", "panic");
	partitions[0].state = PARTITION_STOPPED;
	partitions[1].state = PARTITION_CRASHED;
	expect_down("reboot", "stop,reboot");
	expect_down("poweroff", "stop,off");
}

/* --- completion --- */

static struct line_editor editor;

static void editor_output(struct line_editor *from, const char *bytes, size_t count)
{
	(void)from, (void)bytes, (void)count;
}

/* `typed` with a Tab at its end, or where it has a '|', becomes `line`, and `printed` is said. */
static void expect_completion(const char *typed, const char *line, const char *printed)
{
	size_t behind = strchr(typed, '|') ? strlen(strchr(typed, '|')) - 1 : 0;

	output_clear();
	line_editor_init(&editor, "> ", editor_output, NULL);
	editor.complete = command_complete;
	line_editor_begin(&editor);
	for (const char *at = typed; *at; at++) {
		if (*at != '|')
			line_editor_input(&editor, (u8)*at);
	}
	while (behind--)
		line_editor_input(&editor, 'B' & 0x1f);
	assert_int_equal(line_editor_input(&editor, '\t'), LINE_MORE);
	assert_string_equal(editor.line, line);
	assert_string_equal(output, printed);
}

static void test_completion(void **state)
{
	(void)state;
	expect_completion("he", "help ", "");
	expect_completion("  po", "  poweroff ", "");
	expect_completion("st", "st", "start  stop\n");
	expect_completion("s", "st", "");
	expect_completion("x", "x", "\a");
	expect_completion(
		"", "", "help  list  attach  start  stop  log  version  reboot  poweroff  panic\n");
	expect_completion("help ver", "help version ", "");
	expect_completion("attach d", "attach debian-12 ", "");
	expect_completion("stop ", "stop ", "web  debian-12\n");
	expect_completion("stop x", "stop x", "\a");
	expect_completion("start web", "start web ", "");
	expect_completion("start web d", "start web d", "\a");
	expect_completion("reboot ", "reboot now ", "");
	expect_completion("log ", "log ", "\a");
	expect_completion("nothing w", "nothing w", "\a");
	expect_completion("att| web", "attach  web", "");
	first = NULL;
	expect_completion("stop ", "stop ", "\a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_blank_line_does_nothing),
		TEST(test_unknown_command_names_the_known),
		TEST(test_long_lines),
		TEST(test_argument_counts),
		TEST(test_help_is_aligned),
		TEST(test_help_explains_every_command),
		TEST(test_list),
		TEST(test_unknown_partition_names_the_known),
		TEST(test_start_and_stop),
		TEST(test_attach),
		TEST(test_log),
		TEST(test_version),
		TEST(test_going_down),
		TEST(test_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
