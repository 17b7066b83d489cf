/* SPDX-License-Identifier: MIT */
/*
 * Tables and records as text or as JSON. JSON is written as it comes. Text waits in a buffer until
 * the widths of its columns are known; of a table that is longer than the buffer, each part has the
 * widths that were needed up to there.
 */
#include "report.h"

#include "internal.h"

#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define CELL_BYTES  512
#define ERROR_BYTES 1024
#define ROWS_BYTES  (32 * KIB)

_Static_assert(ROWS_BYTES / CELL_BYTES > TABLE_COLUMNS + 1, "a row fits");

struct report {
	bool json;
	bool begun; /* '{' is written */
	bool failed;
	char error[ERROR_BYTES];
};

static struct report reports[REPORT_DEPTH];
static u32 depth;

/* The table or record that is open. In text a record is a table of names and values. */
static struct {
	bool open, record;
	const struct column *columns;
	u32 count;
	const char *field, *heading; /* a record's: of the next cell */
	u32 column;		     /* a table's: of the next cell */
	u32 cells;		     /* JSON: written in this object */
	u64 rows;

	u32 widths[TABLE_COLUMNS];
	char text[ROWS_BYTES]; /* cells, each with its NUL */
	u32 used, complete;    /* bytes; `complete`: of whole rows */
	bool headed;
} table;

static const struct column record_columns[] = {{"", "", false}, {"", "", false}};

static struct report *report_now(void)
{
	return &reports[depth ? depth - 1 : 0];
}

bool report_is_json(void)
{
	return report_now()->json;
}

/* --- JSON --- */

static void json_bytes(const char *bytes, u64 count)
{
	char text[128] = "";

	for (u64 i = 0; i < count; i++) {
		u8 byte = (u8)bytes[i];
		size_t length;

		if (byte == '"' || byte == '\\')
			length = format_append(text, sizeof(text), "\\%c", byte);
		else if (byte == '\n' || byte == '\r' || byte == '\t')
			length = format_append(text, sizeof(text), "\\%c",
					       byte == '\n'   ? 'n'
					       : byte == '\r' ? 'r'
							      : 't');
		else if (byte < ' ' || byte > '~')
			length = format_append(text, sizeof(text), "\\u%04x", byte);
		else
			length = format_append(text, sizeof(text), "%c", byte);
		if (length + sizeof("\\u0000") > sizeof(text) || i + 1 == count) {
			console_print("%s", text);
			text[0] = 0;
		}
	}
}

static void json_string(const char *text)
{
	console_print("\"");
	json_bytes(text, strlen(text));
	console_print("\"");
}

static void json_member(const char *key)
{
	struct report *report = report_now();

	console_print("%s\"%s\": ", report->begun ? ", " : "{", key);
	report->begun = true;
}

/* --- text --- */

static bool column_is_shown(u32 column)
{
	return table.columns[column].heading;
}

static bool column_is_below(u32 column)
{
	return !table.record && strcmp(table.columns[column].heading, COLUMN_BELOW) == 0;
}

static void cell_print(u32 column, const char *text, bool last)
{
	int width = (int)table.widths[column];

	if (table.columns[column].right)
		console_print("%*s", width, text);
	else
		console_print("%-*s", last ? 0 : width, text);
	if (!last)
		console_print("  ");
}

static void headings_print(void)
{
	u32 last = 0;

	for (u32 i = 0; i < table.count; i++) {
		if (column_is_shown(i) && !column_is_below(i))
			last = i;
	}
	for (u32 i = 0; i <= last; i++) {
		if (column_is_shown(i) && !column_is_below(i))
			cell_print(i, table.columns[i].heading, i == last);
	}
	console_print("\n");
}

/* Returns where the next row begins. */
static const char *row_print(const char *text)
{
	const char *cells[TABLE_COLUMNS] = {NULL};
	u32 last = 0;

	for (u32 i = 0; i < table.count; i++) {
		if (!column_is_shown(i))
			continue;
		cells[i] = text;
		text += strlen(text) + 1;
		if (*cells[i] && !column_is_below(i))
			last = i;
	}
	for (u32 i = 0; i <= last; i++) {
		if (cells[i] && !column_is_below(i))
			cell_print(i, cells[i], i == last);
	}
	console_print("\n");
	for (u32 i = 0; i < table.count; i++) {
		if (cells[i] && *cells[i] && column_is_below(i))
			console_print("%*s  %s\n", (int)table.widths[0], "", cells[i]);
	}
	return text;
}

static void rows_print(void)
{
	const char *row = table.text;

	if (!table.complete)
		return;
	if (!table.headed && !table.record)
		headings_print();
	table.headed = true;
	while (row < table.text + table.complete)
		row = row_print(row);
	memmove(table.text, table.text + table.complete, table.used - table.complete);
	table.used -= table.complete;
	table.complete = 0;
}

/* What could move the terminal's cursor becomes '?'. */
static void text_store(u32 column, const char *text)
{
	u32 length = (u32)strnlen(text, CELL_BYTES - 1);
	char *at;

	if (table.used + length + 1 > sizeof(table.text))
		rows_print();
	at = table.text + table.used;
	for (u32 i = 0; i < length; i++)
		at[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	at[length] = 0;
	table.used += length + 1;
	if (!column_is_below(column))
		table.widths[column] = MAX(table.widths[column], length);
}

/* --- cells --- */

static void cell_json(const char *key, const char *text, const char *json)
{
	console_print("%s\"%s\": ", table.cells++ ? ", " : "", key);
	if (json)
		console_print("%s", json);
	else
		json_string(text);
}

static void record_cell(const char *text, const char *json)
{
	assert(table.field);
	if (report_is_json()) {
		cell_json(table.field, text, json);
	} else if (table.heading) {
		text_store(0, table.heading);
		text_store(1, text);
		table.complete = table.used;
	}
	table.field = NULL;
}

static void table_cell(const char *text, const char *json)
{
	u32 column = table.column;

	if (!report_is_json()) {
		if (column_is_shown(column))
			text_store(column, text);
	} else {
		if (!column) {
			console_print("%s{", table.rows ? ", " : "");
			table.cells = 0;
		}
		cell_json(table.columns[column].key, text, json);
		if (column + 1 == table.count)
			console_print("}");
	}
	table.column = (column + 1) % table.count;
	if (!table.column) {
		table.rows++;
		table.complete = table.used;
	}
}

/* `json` NULL: a string of the same text. */
static void cell_put(const char *text, const char *json)
{
	assert(table.open);
	if (table.record)
		record_cell(text, json);
	else
		table_cell(text, json);
}

void cell_text(const char *format, ...)
{
	char text[CELL_BYTES];
	va_list arguments;

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	cell_put(text, NULL);
}

void cell_number(u64 value)
{
	cell_shown(value, "%lu", value);
}

void cell_hex(u64 value)
{
	cell_text("0x%lx", value);
}

void cell_flag(bool value)
{
	cell_put(value ? "yes" : "no", value ? "true" : "false");
}

void cell_none(void)
{
	bool below =
		!table.record && column_is_shown(table.column) && column_is_below(table.column);

	cell_put(below ? "" : "-", "null");
}

void cell_text_or_none(const char *text)
{
	if (text[0])
		cell_text("%s", text);
	else
		cell_none();
}

void cell_shown(u64 value, const char *format, ...)
{
	char text[CELL_BYTES], json[24];
	va_list arguments;

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	format_text(json, sizeof(json), "%lu", value);
	cell_put(text, json);
}

/* In the largest unit that says it all; from ten of a unit on, what is less than one is left out.
 */
void cell_bytes(u64 bytes)
{
	if (bytes && is_aligned(bytes, GIB))
		cell_shown(bytes, "%luG", bytes / GIB);
	else if (bytes && (is_aligned(bytes, MIB) || bytes >= 10 * MIB))
		cell_shown(bytes, "%luM", bytes / MIB);
	else if (bytes && (is_aligned(bytes, KIB) || bytes >= 10 * KIB))
		cell_shown(bytes, "%luK", bytes / KIB);
	else
		cell_number(bytes);
}

void cell_microseconds(u64 us)
{
	const char *unit = us >= 1000000 ? "s" : "ms";
	u64 divisor = us >= 1000000 ? 1000000 : 1000;
	u64 thousandths = us % divisor * 1000 / divisor;

	if (us < 1000)
		cell_shown(us, "%lu us", us);
	else if (thousandths % 10)
		cell_shown(us, "%lu.%03lu %s", us / divisor, thousandths, unit);
	else if (thousandths % 100)
		cell_shown(us, "%lu.%02lu %s", us / divisor, thousandths / 10, unit);
	else if (thousandths)
		cell_shown(us, "%lu.%lu %s", us / divisor, thousandths / 100, unit);
	else
		cell_shown(us, "%lu %s", us / divisor, unit);
}

void cell_duration(u64 us)
{
	u64 s = us / 1000000, days = s / 86400;
	char text[24] = "";

	if (days)
		format_text(text, sizeof(text), "%lud ", days);
	cell_shown(us, "%s%lu:%02lu:%02lu", text, s / 3600 % 24, s / 60 % 60, s % 60);
}

void cell_percent(u64 part, u64 whole)
{
	u64 hundredths;

	/* Nobody reads as a share what does not fit 64 bits. */
	if (!whole || part / whole > UINT32_MAX) {
		cell_none();
		return;
	}
	hundredths = mul_div(part, 10000, whole);
	cell_shown(hundredths, "%lu.%02lu", hundredths / 100, hundredths % 100);
}

/* --- tables, records, texts --- */

static void table_open(bool record, const struct column *columns, u32 count)
{
	assert(!table.open && count && count <= TABLE_COLUMNS);
	table.open = true;
	table.record = record;
	table.columns = columns;
	table.count = count;
	table.field = NULL;
	table.column = 0;
	table.cells = 0;
	table.rows = 0;
	table.used = 0;
	table.complete = 0;
	table.headed = false;
	for (u32 i = 0; i < count; i++)
		table.widths[i] = columns[i].heading ? (u32)strlen(columns[i].heading) : 0;
}

void table_begin(const char *key, const struct column *columns, u32 count)
{
	table_open(false, columns, count);
	if (report_is_json()) {
		json_member(key);
		console_print("[");
	}
}

void table_end(void)
{
	assert(table.open && !table.record && !table.column);
	if (report_is_json())
		console_print("]");
	else
		rows_print();
	table.open = false;
}

void record_begin(const char *key)
{
	table_open(true, record_columns, ARRAY_SIZE(record_columns));
	if (report_is_json()) {
		json_member(key);
		console_print("{");
	}
}

void record_field(const char *key, const char *heading)
{
	assert(table.open && table.record && !table.field);
	table.field = key;
	table.heading = heading;
}

void record_end(void)
{
	assert(table.open && table.record && !table.field);
	if (report_is_json())
		console_print("}");
	else
		rows_print();
	table.open = false;
}

void report_text_begin(const char *key)
{
	assert(!table.open);
	if (report_is_json()) {
		json_member(key);
		console_print("\"");
	}
}

void report_text(const char *bytes, u64 count)
{
	u64 sent = 0;

	if (report_is_json()) {
		json_bytes(bytes, count);
		return;
	}
	for (u64 i = 0; i < count; i++) {
		/* A line that ends without CR gets one. */
		if (bytes[i] != '\n' || (i && bytes[i - 1] == '\r'))
			continue;
		console_send(bytes + sent, i - sent);
		console_print("\n");
		sent = i + 1;
	}
	console_send(bytes + sent, count - sent);
}

void report_text_end(void)
{
	if (report_is_json())
		console_print("\"");
}

/* --- notes, errors, and the whole --- */

void report_note(const char *format, ...)
{
	static char text[ERROR_BYTES];
	va_list arguments;

	if (report_is_json())
		return;
	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	console_print("%s", text);
	console_print("\n");
}

void report_error(const char *format, ...)
{
	static char text[ERROR_BYTES];
	struct report *report = report_now();
	va_list arguments;

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!report->failed)
		memcpy(report->error, text, sizeof(text));
	report->failed = true;
	if (!report->json) {
		console_print("%s", text);
		console_print("\n");
	}
}

void report_begin(bool json)
{
	struct report *report;

	assert(depth < REPORT_DEPTH && !table.open);
	report = &reports[depth++];
	report->json = json;
	report->begun = false;
	report->failed = false;
}

const char *report_end(void)
{
	struct report *report = report_now();

	assert(depth && !table.open);
	if (report->json && report->failed) {
		json_member("error");
		json_string(report->error);
	}
	if (report->json)
		console_print("%s}\n", report->begun ? "" : "{");
	report->json = false;
	depth--;
	return report->failed ? report->error : NULL;
}
