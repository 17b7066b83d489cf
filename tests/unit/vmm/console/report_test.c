/* SPDX-License-Identifier: MIT */
/* Tables, records and texts, as people and as programs see them. */
/* links: vmm/format.c */
#include "cmocka_all.h"

#include "vmm/console/internal.h"
#include "vmm/console/report.h"
#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <stdlib.h>
#include <string.h>

static char output[1 << 20];
static size_t output_bytes;
static jmp_buf panicked;

void console_send(const void *bytes, u64 count)
{
	assert_true(output_bytes + count < sizeof(output));
	memcpy(output + output_bytes, bytes, count);
	output_bytes += count;
	output[output_bytes] = 0;
}

void console_print(const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	/* Nothing may count on more room than the console has. */
	assert_true(format_list(text, sizeof(text), format, arguments) < sizeof(text));
	va_end(arguments);
	console_send(text, strlen(text));
}

void panic(const char *format, ...)
{
	(void)format;
	longjmp(panicked, 1);
}

static void begin(bool json)
{
	output_bytes = 0;
	output[0] = 0;
	report_begin(json);
}

/* Ends a report that has not failed. */
static void expect(const char *text)
{
	assert_null(report_end());
	assert_string_equal(output, text);
}

static const struct column columns[] = {
	{"name", "NAME", false},   {"memory_bytes", "MEMORY", true}, {"secret", NULL, true},
	{"state", "STATE", false}, {"reason", COLUMN_BELOW, false},
};

static void row(const char *name, u64 bytes, const char *state, const char *reason)
{
	cell_text("%s", name);
	cell_bytes(bytes);
	cell_number(7);
	cell_text("%s", state);
	if (reason)
		cell_text("%s", reason);
	else
		cell_none();
}

static void test_table(void **state)
{
	(void)state;
	begin(false);
	table_begin("partitions", columns, ARRAY_SIZE(columns));
	row("web", 512 * MIB, "running", NULL);
	row("a-long-name", 2 * GIB, "", "why \"it\" is so");
	row("x", 0, "stopped", "");
	table_end();
	expect("NAME         MEMORY  STATE\n"
	       "web            512M  running\n"
	       "a-long-name      2G\n"
	       "             why \"it\" is so\n"
	       "x                 0  stopped\n");

	begin(true);
	table_begin("partitions", columns, ARRAY_SIZE(columns));
	row("web", 512 * MIB, "running", NULL);
	row("b", 2 * GIB, "", "why \"it\" is so");
	table_end();
	expect("{\"partitions\": [{\"name\": \"web\", \"memory_bytes\": 536870912, \"secret\": 7, "
	       "\"state\": \"running\", \"reason\": null}, {\"name\": \"b\", \"memory_bytes\": "
	       "2147483648, \"secret\": 7, \"state\": \"\", \"reason\": \"why \\\"it\\\" is "
	       "so\"}]}\n");
}

static void test_empty_table(void **state)
{
	(void)state;
	begin(false);
	table_begin("partitions", columns, ARRAY_SIZE(columns));
	table_end();
	report_note("there are %s", "none");
	expect("there are none\n");
	begin(true);
	table_begin("partitions", columns, ARRAY_SIZE(columns));
	table_end();
	report_note("there are %s", "none");
	expect("{\"partitions\": []}\n");
}

static void test_record(void **state)
{
	(void)state;
	for (int json = 0; json < 2; json++) {
		begin(json);
		record_begin("one");
		record_field("name", "name");
		cell_text("web");
		record_field("hidden", NULL);
		cell_flag(false);
		record_field("long_key", "a long name");
		cell_hex(0xfee00000);
		record_field("empty", "");
		cell_none();
		record_end();
		record_begin("two");
		record_end();
		if (json)
			expect("{\"one\": {\"name\": \"web\", \"hidden\": false, \"long_key\": "
			       "\"0xfee00000\", \"empty\": null}, \"two\": {}}\n");
		else
			expect("name         web\n"
			       "a long name  0xfee00000\n"
			       "             -\n");
	}
}

static const struct column one[] = {{"x", "X", false}};

/* What `cell` is as text and in JSON. */
#define EXPECT_CELL(cell, text, json)                                                              \
	do {                                                                                       \
		begin(false);                                                                      \
		table_begin("t", one, 1);                                                          \
		cell;                                                                              \
		table_end();                                                                       \
		expect("X\n" text "\n");                                                           \
		begin(true);                                                                       \
		table_begin("t", one, 1);                                                          \
		cell;                                                                              \
		table_end();                                                                       \
		expect("{\"t\": [{\"x\": " json "}]}\n");                                          \
	} while (0)

static void test_cells(void **state)
{
	(void)state;
	EXPECT_CELL(cell_number(UINT64_MAX), "18446744073709551615", "18446744073709551615");
	EXPECT_CELL(cell_hex(UINT64_MAX), "0xffffffffffffffff", "\"0xffffffffffffffff\"");
	EXPECT_CELL(cell_flag(true), "yes", "true");
	EXPECT_CELL(cell_none(), "-", "null");
	EXPECT_CELL(cell_shown(50, "%u%%", 50), "50%", "50");
	EXPECT_CELL(cell_bytes(0), "0", "0");
	EXPECT_CELL(cell_bytes(1023), "1023", "1023");
	EXPECT_CELL(cell_bytes(1024), "1K", "1024");
	EXPECT_CELL(cell_bytes(10 * KIB + 1), "10K", "10241");
	EXPECT_CELL(cell_bytes(1536 * KIB), "1536K", "1572864");
	EXPECT_CELL(cell_bytes(GIB + MIB), "1025M", "1074790400");
	EXPECT_CELL(cell_bytes(UINT64_MAX), "17592186044415M", "18446744073709551615");
	EXPECT_CELL(cell_microseconds(0), "0 us", "0");
	EXPECT_CELL(cell_microseconds(999), "999 us", "999");
	EXPECT_CELL(cell_microseconds(1000), "1 ms", "1000");
	EXPECT_CELL(cell_microseconds(1500), "1.5 ms", "1500");
	EXPECT_CELL(cell_microseconds(1050), "1.05 ms", "1050");
	EXPECT_CELL(cell_microseconds(1001), "1.001 ms", "1001");
	EXPECT_CELL(cell_microseconds(2250000), "2.25 s", "2250000");
	EXPECT_CELL(cell_microseconds(2000001), "2 s", "2000001");
	EXPECT_CELL(cell_duration(3723000000), "1:02:03", "3723000000");
	EXPECT_CELL(cell_duration(59999999), "0:00:59", "59999999");
	EXPECT_CELL(cell_duration(86400000000), "1d 0:00:00", "86400000000");
	EXPECT_CELL(cell_percent(1, 3), "33.33", "3333");
	EXPECT_CELL(cell_percent(0, 3), "0.00", "0");
	EXPECT_CELL(cell_percent(7, 2), "350.00", "35000");
	EXPECT_CELL(cell_percent(UINT64_MAX, UINT64_MAX), "100.00", "10000");
	EXPECT_CELL(cell_percent(3, 0), "-", "null");
	EXPECT_CELL(cell_percent(UINT64_MAX, 1), "-", "null");
}

static void test_escaping(void **state)
{
	(void)state;
	EXPECT_CELL(cell_text("a\\b\"c"), "a\\b\"c", "\"a\\\\b\\\"c\"");
	/* A terminal is not to be led astray. */
	EXPECT_CELL(cell_text("\x1b[2J\n\r\t\x7f\xc3\xbc"), "?[2J??????",
		    "\"\\u001b[2J\\n\\r\\t\\u007f\\u00c3\\u00bc\"");
	EXPECT_CELL(cell_text("%s", ""), "", "\"\"");
}

static void test_long_cells_are_cut(void **state)
{
	char text[600], shown[520];

	(void)state;
	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = 0;
	memset(shown, 'y', sizeof(shown));
	strcpy(shown + 511, "\n");
	begin(false);
	table_begin("t", one, 1);
	cell_text("%s", text);
	table_end();
	assert_null(report_end());
	assert_memory_equal(output, "X\n", 2);
	assert_string_equal(output + 2, shown);
	/* Each character is six in JSON: longer than any buffer on the way. */
	memset(text, 1, sizeof(text) - 1);
	begin(true);
	table_begin("t", one, 1);
	cell_text("%s", text);
	table_end();
	assert_null(report_end());
	assert_int_equal(output_bytes, strlen("{\"t\": [{\"x\": \"\"}]}\n") + 511 * 6);
}

/* A table longer than any buffer: every row is there, whole and once, and the widths only grow. */
static void test_long_table(void **state)
{
	static const struct column two[] = {{"a", "A", false}, {"b", "B", true}};
	char name[400];
	const char *at;
	u32 count = 0;

	(void)state;
	begin(false);
	table_begin("t", two, 2);
	for (u32 i = 0; i < 1000; i++) {
		memset(name, 'n', sizeof(name));
		name[i * 399 / 1000] = 0;
		cell_text("%s", name);
		cell_number(i);
	}
	table_end();
	assert_null(report_end());
	at = strchr(output, '\n') + 1;
	for (size_t width = 0; *at; at = strchr(at, '\n') + 1) {
		size_t length = strcspn(at, "\n");

		assert_true(length >= width);
		width = length;
		while (length && at[length - 1] != ' ')
			length--;
		assert_int_equal(strtoul(at + length, NULL, 10), count);
		assert_int_equal(strspn(at, "n"), count * 399 / 1000);
		count++;
	}
	assert_int_equal(count, 1000);
}

static void test_widest_row(void **state)
{
	static struct column many[TABLE_COLUMNS];
	char text[600];

	(void)state;
	memset(text, 'z', sizeof(text));
	text[sizeof(text) - 1] = 0;
	for (u32 i = 0; i < TABLE_COLUMNS; i++)
		many[i] = (struct column){"k", "K", i % 2};
	begin(false);
	table_begin("t", many, TABLE_COLUMNS);
	for (u32 i = 0; i < 9 * TABLE_COLUMNS; i++)
		cell_text("%s", text);
	table_end();
	assert_null(report_end());
	assert_true(output_bytes > 9UL * TABLE_COLUMNS * 511);
}

static void test_text(void **state)
{
	(void)state;
	begin(false);
	report_text_begin("text");
	report_text("one\ntwo\r\n\xff\x1b[m", 13);
	report_text("\n", 1);
	report_text("", 0);
	report_text_end();
	expect("one\ntwo\r\n\xff\x1b[m\n");
	begin(true);
	report_text_begin("text");
	report_text("one\ntwo\r\n\xff\x1b[m", 13);
	report_text("\0\"", 2);
	report_text("", 0);
	report_text_end();
	expect("{\"text\": \"one\\ntwo\\r\\n\\u00ff\\u001b[m\\u0000\\\"\"}\n");
}

static void test_errors(void **state)
{
	(void)state;
	begin(false);
	report_error("no %s", "luck");
	report_error("%s", "more");
	assert_string_equal(report_end(), "no luck");
	assert_string_equal(output, "no luck\nmore\n");

	begin(true);
	table_begin("t", one, 1);
	cell_text("a");
	table_end();
	report_error("no \"luck\"");
	report_error("more");
	assert_string_equal(report_end(), "no \"luck\"");
	assert_string_equal(output, "{\"t\": [{\"x\": \"a\"}], \"error\": \"no \\\"luck\\\"\"}\n");

	begin(true);
	report_error("%s", "");
	assert_string_equal(report_end(), "");
	assert_string_equal(output, "{\"error\": \"\"}\n");
	begin(true);
	expect("{}\n");
	begin(false);
	expect("");
}

static void test_long_error(void **state)
{
	char text[3000];

	(void)state;
	memset(text, 'e', sizeof(text));
	text[sizeof(text) - 1] = 0;
	begin(false);
	report_error("%s", text);
	assert_int_equal(strlen(report_end()), 1023);
	assert_int_equal(output_bytes, 1024);
}

/* One inside another: each has its own form and its own error. */
static void test_nested(void **state)
{
	(void)state;
	begin(false);
	report_error("outer");
	report_begin(true);
	assert_true(report_is_json());
	report_note("unseen");
	assert_null(report_end());
	assert_false(report_is_json());
	report_note("seen");
	assert_string_equal(report_end(), "outer");
	assert_string_equal(output, "outer\n{}\nseen\n");
}

static void test_misuse_is_a_bug(void **state)
{
	(void)state;
	begin(false);
	if (!setjmp(panicked)) {
		cell_number(1);
		fail_msg("a cell without a table");
	}
	record_begin("r");
	if (!setjmp(panicked)) {
		table_begin("t", one, 1);
		fail_msg("a table in a record");
	}
	if (!setjmp(panicked)) {
		cell_number(1);
		fail_msg("a cell without a field");
	}
	record_end();
	assert_null(report_end());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_long_cells_are_cut),
		cmocka_unit_test(test_long_table),
		cmocka_unit_test(test_widest_row),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_long_error),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_misuse_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
