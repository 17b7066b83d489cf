/* SPDX-License-Identifier: MIT */
/* top: what stands on a terminal of 24 lines and 80 columns, and what programs are told. */
/* links: vmm/console/report.c vmm/console/arguments.c vmm/format.c */
/* links: vmm/console/partition_cells.c vmm/partition_view.c vmm/byte_ring.c */
#include "fake_meters.h"
#include "fake_pages.h"

#include <bulkhead/cpu.h>

#define LINES	24
#define COLUMNS 80

static u64 idle[2];

u64 cpu_idle_ticks(u32 cpu)
{
	return idle[cpu];
}

void memory_usage(struct memory_usage *usage)
{
	*usage = (struct memory_usage){
		.total_bytes = 1024 * MIB,
		.free_bytes = 256 * MIB,
		.hypervisor_bytes = 5 * MIB,
	};
}

/* --- the screen --- */

static struct {
	char text[LINES][COLUMNS + 1];
	u32 line, column;
	bool cursor, broken;
	u32 clears;
} screen;

static void screen_clear_from(u32 line, u32 column)
{
	memset(&screen.text[line][column], ' ', COLUMNS - column);
	while (++line < LINES)
		memset(screen.text[line], ' ', COLUMNS);
}

static const char *screen_code(const char *at)
{
	static const char *const codes[] = {"[?25l", "[?25h", "[2J", "[H", "[K", "[J"};
	size_t code = 0;

	while (code < ARRAY_SIZE(codes) && strncmp(at, codes[code], strlen(codes[code])) != 0)
		code++;
	switch (code) {
	case 0:
	case 1:
		screen.cursor = code == 1;
		break;
	case 2:
		screen_clear_from(0, 0);
		screen.clears++;
		break;
	case 3:
		screen.line = screen.column = 0;
		break;
	case 4:
		memset(&screen.text[screen.line][screen.column], ' ', COLUMNS - screen.column);
		break;
	case 5:
		screen_clear_from(screen.line, screen.column);
		break;
	default:
		fail_msg("unknown code: %.6s", at);
	}
	return at + strlen(codes[code]);
}

/* Show what was printed since the last time. Scrolling, or writing into the last column, where
 * terminals differ, breaks it. */
static void screen_show(void)
{
	for (const char *at = output; *at;) {
		char byte = *at++;

		if (byte == '\033') {
			at = screen_code(at);
		} else if (byte == '\n') {
			screen.column = 0;
			screen.broken |= ++screen.line == LINES;
		} else {
			screen.broken |= screen.column == COLUMNS - 1;
			screen.text[screen.line][screen.column++] = byte;
		}
		assert_false(screen.broken);
	}
	output_clear();
}

static void expect_line(u32 line, const char *text)
{
	char found[COLUMNS + 1];
	size_t length = COLUMNS;

	memcpy(found, screen.text[line], COLUMNS);
	while (length && found[length - 1] == ' ')
		length--;
	found[length] = 0;
	assert_string_equal(found, text);
}

static void expect_line_begins(u32 line, const char *text)
{
	assert_memory_equal(screen.text[line], text, strlen(text));
}

/* --- keys, and time that passes --- */

static const char *keys;
static u32 key_count;
static u64 deadlines[8];
static u32 waits;
static void (*on_wait)(u32 wait); /* what happens until the deadline */
static bool watched;

u32 console_input_peek(const u8 **bytes)
{
	*bytes = (const u8 *)keys;
	return key_count;
}

void console_input_take(u32 count)
{
	keys += count;
	key_count -= count;
}

void console_watch(void)
{
	screen_show();
	watched = true;
}

void console_wait(u64 deadline)
{
	assert_true(watched);
	assert_true(waits < ARRAY_SIZE(deadlines));
	watched = false;
	deadlines[waits] = deadline;
	fake_tsc = deadline;
	if (on_wait)
		on_wait(waits);
	waits++;
}

static void type(const char *text)
{
	keys = text;
	key_count = (u32)strlen(text);
}

/* What web did for `ticks`, in thousandths of them; the others were blocked. */
static void pass(u64 ticks, u32 run, u32 leave, u32 ready, u32 capped)
{
	struct vcpu_times to = times[0];

	to.run += ticks / 1000 * run;
	to.exit += ticks / 1000 * leave;
	to.ready += ticks / 1000 * ready;
	to.capped += ticks / 1000 * capped;
	to.blocked += ticks / 1000 * (1000 - run - leave - ready - capped);
	times_set(0, to);
	for (u32 i = 1; i < partition_count; i++) {
		to = times[i];
		to.blocked += ticks;
		times_set(i, to);
	}
}

static int setup(void **state)
{
	(void)state;
	fake_meters_init();
	fake_pages_left = 100;
	memset(&screen, 0, sizeof(screen));
	screen.cursor = true;
	for (u32 i = 0; i < LINES; i++)
		memset(screen.text[i], '#', COLUMNS);
	type("");
	waits = 0;
	on_wait = NULL;
	idle[0] = 75 * SECOND;
	idle[1] = 100 * SECOND;
	partition_add("web");
	partition_add("db")->state = PARTITION_STOPPED;
	configs[1].claim =
		(struct scheduler_claim){SCHEDULER_RESERVED, .budget_us = 2000, .period_us = 10000};
	vcpus[1].thread.cpu = 1;
	times_set(0, (struct vcpu_times){.run = 10 * SECOND, .blocked = 40 * SECOND});
	times_set(1, (struct vcpu_times){.paused = 20 * SECOND});
	vcpus[0].exits = 5000;
	vcpus[0].apic.accepted = 500;
	return 0;
}

#define HEADINGS "NAME         STATE    CPU  %RUN %EXIT %READY  %CAP CLAIM          EXITS/s IRQ/s"

static void test_first_screen_is_since_the_start(void **state)
{
	(void)state;
	type("q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	expect_line(0, "up 0d 0:01:40   memory 1024M, free 256M   since the start   q ends");
	expect_line(1, "CPU  0: 25.0%   1:  0.0%");
	expect_line(2, "");
	expect_line(3, HEADINGS);
	expect_line(
		4,
		"web          running    0  20.0   0.0    0.0   0.0 100                100    10");
	expect_line(
		5,
		"db           stopped    1   0.0   0.0    0.0   0.0 2ms/10ms             0     0");
	for (u32 line = 6; line < LINES; line++)
		expect_line(line, "");
	assert_int_equal(waits, 0);
	screen_show();
	assert_true(screen.cursor);
	assert_int_equal(screen.clears, 1);
}

static void second_passes(u32 wait)
{
	(void)wait;
	pass(SECOND, 250, 50, 100, 20);
	vcpus[0].exits += 123456;
	vcpus[0].apic.accepted += 77;
	idle[0] += SECOND / 2;
	idle[1] += SECOND / 1000 * 999;
}

static void test_then_over_the_last_interval(void **state)
{
	(void)state;
	on_wait = second_passes;
	assert_true(fake_run(command_top, false, "1", "3"));
	screen_show();
	assert_int_equal(waits, 3);
	for (u64 i = 0; i < 3; i++)
		assert_int_equal(deadlines[i], (101 + i) * SECOND);
	expect_line(0, "up 0d 0:01:43   memory 1024M, free 256M   last 1.0 s   q ends");
	expect_line(1, "CPU  0: 50.0%   1:  0.1%");
	expect_line(
		4,
		"web          running    0  25.0   5.0   10.0   2.0 100               123k    77");
	/* In place: cleared once, and the cursor is back. */
	assert_int_equal(screen.clears, 1);
	assert_true(screen.cursor);
}

static void test_longer_intervals(void **state)
{
	(void)state;
	assert_true(fake_run(command_top, false, "30", "1"));
	assert_int_equal(waits, 1);
	assert_int_equal(deadlines[0], 130 * SECOND);
	screen_show();
	expect_line(0, "up 0d 0:02:10   memory 1024M, free 256M   last 30.0 s   q ends");
}

static void type_later(u32 wait)
{
	if (wait == 1)
		type("xyz");
	if (wait == 2)
		type("\003abc");
}

static void test_keys(void **state)
{
	(void)state;
	on_wait = type_later;
	assert_true(fake_run(command_top, false, NULL, NULL));
	assert_int_equal(waits, 3);
	/* What was typed behind is the next line's. */
	assert_int_equal(key_count, 3);
	type("Q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	assert_int_equal(waits, 3);
}

static void db_runs_web_is_gone(u32 wait)
{
	struct vcpu_times to = times[1];

	if (wait)
		return;
	to.run += SECOND;
	times_set(1, to);
	strcpy(configs[0].name, "new"); /* another one in its place */
	partitions[0].number = 77;
	times_set(0, (struct vcpu_times){.run = SECOND / 4, .ready = SECOND / 4});
	vcpus[0].exits = 50;
	vcpus[0].apic.accepted = 0;
}

static void test_sorted_and_new_ones(void **state)
{
	(void)state;
	on_wait = db_runs_web_is_gone;
	assert_true(fake_run(command_top, false, "1", "1"));
	screen_show();
	expect_line(
		4,
		"db           stopped    1 100.0   0.0    0.0   0.0 2ms/10ms             0     0");
	expect_line(
		5,
		"new          running    0  50.0   0.0   50.0   0.0 100                100     0");
	expect_line(6, "");
}

static void test_more_than_fit(void **state)
{
	(void)state;
	for (u32 i = 0; i < 100; i++) {
		char name[CONFIG_NAME_BYTES];

		snprintf(name, sizeof(name), "partition-with-a-name-%u", i);
		partition_add(name);
		times_set(2 + i, (struct vcpu_times){.run = (i * 37 % 100) * SECOND,
						     .ready = (100 - i * 37 % 100) * SECOND});
		configs[2 + i].claim = (struct scheduler_claim){.weight = 10000, .cap = 100000};
		vcpus[2 + i].thread.cpu = 511;
		vcpus[2 + i].exits = UINT32_MAX;
		vcpus[2 + i].apic.accepted = 99999999999;
	}
	type("q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	expect_line(4, "partition-wi running  511  99.0   0.0    1.0   0.0 10000 100000%     "
		       " 42M  999M");
	expect_line(19, "partition-wi running  511  84.0   0.0   16.0   0.0 10000 100000%     "
			" 42M  999M");
	expect_line(20, "and 86 more, which use less");
	expect_line(21, "");
}

static void test_claims(void **state)
{
	static const struct {
		struct scheduler_claim claim;
		const char *text;
	} claims[] = {
		{{SCHEDULER_SHARED, 200, 50, 0, 0}, "200 50%"},
		{{SCHEDULER_DEDICATED, 0, 0, 0, 0}, "dedicated"},
		{{SCHEDULER_RESERVED, 0, 0, 1500, 10000}, "1500us/10ms"},
		{{SCHEDULER_RESERVED, 300, 0, 2000, 10000}, "2ms/10ms 300"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		char row[COLUMNS + 1];

		configs[0].claim = claims[i].claim;
		type("q");
		assert_true(fake_run(command_top, false, NULL, NULL));
		snprintf(row, sizeof(row),
			 "web          running    0  20.0   0.0    0.0   0.0 %-14s     100    10",
			 claims[i].text);
		expect_line(4, row);
	}
}

static void test_json(void **state)
{
	(void)state;
	configs[0].claim.cap = 50;
	strcpy(configs[0].group, "gold");
	assert_true(fake_run(command_top, true, NULL, NULL));
	assert_string_equal(
		output,
		"{\"host\": {\"uptime_us\": 100000000, \"interval_us\": 100000000, "
		"\"memory_total\": 1073741824, \"memory_free\": 268435456}, "
		"\"cpus\": [{\"cpu\": 0, \"load\": 2500}, {\"cpu\": 1, \"load\": 0}], "
		"\"partitions\": [{\"name\": \"web\", \"number\": 1, \"vcpu\": 0, \"vcpus\": 1, "
		"\"state\": "
		"\"running\", "
		"\"cpu\": 0, \"interval_us\": 50000000, \"run\": 2000, \"exit\": 0, \"ready\": 0, "
		"\"capped\": 0, \"blocked\": 8000, \"paused\": 0, \"kind\": \"shared\", "
		"\"weight\": 100, \"cap\": 50, \"budget_us\": null, \"period_us\": null, "
		"\"group\": \"gold\", \"exits_per_second\": 100, \"interrupts_per_second\": 10}, "
		"{\"name\": \"db\", \"number\": 2, \"vcpu\": 0, \"vcpus\": 1, \"state\": "
		"\"stopped\", \"cpu\": "
		"1, "
		"\"interval_us\": 20000000, \"run\": 0, \"exit\": 0, \"ready\": 0, \"capped\": 0, "
		"\"blocked\": 0, \"paused\": 10000, \"kind\": \"reserved\", \"weight\": 0, "
		"\"cap\": null, \"budget_us\": 2000, \"period_us\": 10000, \"group\": null, "
		"\"exits_per_second\": 0, \"interrupts_per_second\": 0}]}\n");

	/* The next time it is about the time since then, whatever the screen showed meanwhile. */
	fake_tsc += SECOND;
	second_passes(0);
	type("q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	fake_tsc += SECOND;
	second_passes(0);
	assert_true(fake_run(command_top, true, NULL, NULL));
	assert_non_null(strstr(output, "\"interval_us\": 2000000, \"memory_total\""));
	assert_non_null(strstr(output, "\"cpus\": [{\"cpu\": 0, \"load\": 5000}"));
	assert_non_null(strstr(output, "\"cpu\": 0, \"interval_us\": 2000000, \"run\": 2500, "
				       "\"exit\": 500, \"ready\": 1000, \"capped\": 200, "));
	assert_non_null(strstr(output, "\"exits_per_second\": 123456, "));
	assert_null(strchr(output, '\033'));
	assert_int_equal(waits, 0);
}

static void test_wrong_arguments(void **state)
{
	(void)state;
	assert_false(fake_run(command_top, false, "0", NULL));
	assert_string_equal(output, "\"0\" is not a number of seconds from 1 to 3600\n");
	assert_false(fake_run(command_top, false, "1", "x"));
	assert_string_equal(output, "\"x\" is not a number of times from 1 to 1000000\n");
	assert_false(fake_run(command_top, true, "1", NULL));
	assert_non_null(strstr(output, "\"error\": \"with --json, top takes no arguments"));
	assert_int_equal(waits, 0);
}

static void test_nobody(void **state)
{
	(void)state;
	partition_count = 0;
	type("q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	expect_line(3, HEADINGS);
	expect_line(4, "");
}

/* A line each, which is told apart from that of a partition with one. */
static void test_several_vcpus(void **state)
{
	(void)state;
	partitions[0].vcpus[1] = &vcpus[5];
	partitions[0].vcpu_count = 2;
	vcpus[5] = (struct vcpu){.partition = &partitions[0], .id = 1, .thread.cpu = 1};
	type("q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	expect_line_begins(4, "web/0        running    0  20.0 ");
	expect_line_begins(5, "web/1        running    1   0.0 ");
	expect_line_begins(6, "db           stopped    1   0.0 ");
	assert_true(fake_run(command_top, true, NULL, NULL));
	assert_non_null(strstr(output, "\"number\": 1, \"vcpu\": 1, \"vcpus\": 2, \"state\""));
	assert_non_null(strstr(output, "\"number\": 2, \"vcpu\": 0, \"vcpus\": 1, \"state\""));
}

/* There are more partitions than ever before, and no memory. */
static void test_memory_short(void **state)
{
	u32 before = fake_pages_out;

	(void)state;
	while (partition_count < FAKE_PARTITIONS)
		partition_add("more");
	for (fake_pages_left = 0; fake_pages_left < 2;) {
		u32 left = fake_pages_left;

		assert_false(fake_run(command_top, false, NULL, NULL));
		assert_non_null(strstr(output, "no memory for the meters of 200 virtual CPUs\n"));
		screen_show();
		assert_true(screen.cursor);
		assert_false(fake_run(command_top, true, NULL, NULL));
		assert_non_null(strstr(output, "{\"error\": \"no memory for the meters of 200"));
		fake_pages_left = left + 1;
	}
	fake_pages_left = 10;
	type("q");
	assert_true(fake_run(command_top, false, NULL, NULL));
	assert_true(fake_pages_out <= before + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_json, setup),
		cmocka_unit_test_setup(test_first_screen_is_since_the_start, setup),
		cmocka_unit_test_setup(test_then_over_the_last_interval, setup),
		cmocka_unit_test_setup(test_longer_intervals, setup),
		cmocka_unit_test_setup(test_keys, setup),
		cmocka_unit_test_setup(test_sorted_and_new_ones, setup),
		cmocka_unit_test_setup(test_more_than_fit, setup),
		cmocka_unit_test_setup(test_claims, setup),
		cmocka_unit_test_setup(test_wrong_arguments, setup),
		cmocka_unit_test_setup(test_nobody, setup),
		cmocka_unit_test_setup(test_several_vcpus, setup),
		cmocka_unit_test_setup(test_memory_short, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
