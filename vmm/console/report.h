/* SPDX-License-Identifier: MIT */
/*
 * What a command prints: tables and records, as aligned text for people or, with --json, as one
 * JSON object on one line for programs. A command describes what there is to say once; both forms
 * come of it. For the thread that runs the command.
 *
 * A command calls, in this order and as often as it likes: a whole table, a whole record, a whole
 * text, a note, or an error. In JSON each table is an array of objects and each record an object,
 * under its key in the command's object; notes are for people only; an error becomes "error":
 * "text" and makes the command fail.
 */
#pragma once

#include <bulkhead/types.h>

/* The heading of a text that people see on a line of its own, below its row; nothing if it is empty
 * or none. */
#define COLUMN_BELOW ""

struct column {
	const char *key;     /* in JSON: lower case with underscores */
	const char *heading; /* over the column: upper case; NULL: in JSON only */
	bool right;	     /* numbers: to the right */
};

#define TABLE_COLUMNS 24 /* a table has no more */

/* Every row gives one cell for each column, in order; a row is complete with its last cell. Columns
 * are as wide as their widest cell. Of a table without rows people see nothing. */
void table_begin(const char *key, const struct column *columns, u32 count);
void table_end(void);

/* A record: a name and a value a line. `heading` NULL: in JSON only. */
void record_begin(const char *key);
void record_field(const char *key, const char *heading); /* then one cell */
void record_end(void);

/* Cells. What is longer than 511 characters is cut. */
void cell_text(const char *format, ...) printf_like(1, 2);
void cell_number(u64 value);
void cell_hex(u64 value);   /* 0x text; JSON has no hexadecimal numbers: a string there */
void cell_flag(bool value); /* yes, no; true, false */
void cell_none(void);	    /* -; null */
void cell_text_or_none(const char *text); /* none if it is empty */
/* A number that people read in another form: 268435456 and "256M". */
void cell_shown(u64 value, const char *format, ...) printf_like(2, 3);
void cell_bytes(u64 bytes);		/* 268435456; 256M */
void cell_microseconds(u64 us);		/* 1500; 1.5 ms */
void cell_duration(u64 us);		/* 3723000000; 1:02:03 */
void cell_percent(u64 part, u64 whole); /* hundredths of a per cent as a number: 2512; 25.12 */

/* Text of any length, as it is. In JSON a string in which each byte is the character of that
 * number. */
void report_text_begin(const char *key);
void report_text(const char *bytes, u64 count);
void report_text_end(void);

/* One line for people; nothing in JSON. No '\n' at its end. */
void report_note(const char *format, ...) printf_like(1, 2);
/* What went wrong, one line: the command has failed. Of several, JSON has the first. */
void report_error(const char *format, ...) printf_like(1, 2);

bool report_is_json(void);

/*
 * Around each command. A command that was begun inside another one, which may have no table and no
 * record open then, has a report of its own. report_end returns the first error or NULL; the text
 * is good until the next report begins.
 */
#define REPORT_DEPTH 2
void report_begin(bool json);
const char *report_end(void) must_check;
