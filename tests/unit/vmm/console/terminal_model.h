/* SPDX-License-Identifier: MIT */
/*
 * A terminal, as far as the line editor needs one: a cursor row, the row above it, the VT100 codes.
 * What it does not know, and any move out of the row, sets `broken`.
 */
#pragma once

#include <bulkhead/types.h>
#include <string.h>

#define TERMINAL_COLUMNS 1200 /* more than prompt and line ever need: nothing wraps */

struct terminal {
	char row[TERMINAL_COLUMNS];
	char above[TERMINAL_COLUMNS];
	u32 column;
	u32 bells;
	u32 clears;
	bool broken;

	enum { TERMINAL_TEXT, TERMINAL_ESCAPE, TERMINAL_CODE } state;
	u32 parameter;
};

static inline void terminal_init(struct terminal *terminal)
{
	memset(terminal, 0, sizeof(*terminal));
	memset(terminal->row, ' ', TERMINAL_COLUMNS);
	memset(terminal->above, ' ', TERMINAL_COLUMNS);
}

static inline void terminal_left(struct terminal *terminal, u32 count)
{
	if (count > terminal->column)
		terminal->broken = true;
	else
		terminal->column -= count;
}

static inline void terminal_right(struct terminal *terminal, u32 count)
{
	if (count >= TERMINAL_COLUMNS - terminal->column)
		terminal->broken = true;
	else
		terminal->column += count;
}

static inline void terminal_code(struct terminal *terminal, char final)
{
	u32 count = terminal->parameter ? terminal->parameter : 1;

	if (final == 'D') {
		terminal_left(terminal, count);
	} else if (final == 'C') {
		terminal_right(terminal, count);
	} else if (final == 'K' && !terminal->parameter) {
		memset(terminal->row + terminal->column, ' ', TERMINAL_COLUMNS - terminal->column);
	} else if (final == 'H' && !terminal->parameter) {
		terminal->column = 0;
	} else if (final == 'J' && terminal->parameter == 2) {
		memset(terminal->row, ' ', TERMINAL_COLUMNS);
		memset(terminal->above, ' ', TERMINAL_COLUMNS);
		terminal->clears++;
	} else {
		terminal->broken = true;
	}
}

static inline void terminal_line_feed(struct terminal *terminal)
{
	memcpy(terminal->above, terminal->row, TERMINAL_COLUMNS);
	memset(terminal->row, ' ', TERMINAL_COLUMNS);
}

static inline void terminal_text(struct terminal *terminal, char byte)
{
	if (byte >= ' ' && byte <= '~') {
		terminal->row[terminal->column] = byte;
		terminal_right(terminal, 1);
	} else if (byte == '\b') {
		terminal_left(terminal, 1);
	} else if (byte == '\r') {
		terminal->column = 0;
	} else if (byte == '\n') {
		terminal_line_feed(terminal);
	} else if (byte == '\a') {
		terminal->bells++;
	} else if (byte == 0x1b) {
		terminal->state = TERMINAL_ESCAPE;
	} else {
		terminal->broken = true;
	}
}

static inline void terminal_put(struct terminal *terminal, char byte)
{
	switch (terminal->state) {
	case TERMINAL_TEXT:
		terminal_text(terminal, byte);
		break;
	case TERMINAL_ESCAPE:
		terminal->broken |= byte != '[';
		terminal->state = TERMINAL_CODE;
		terminal->parameter = 0;
		break;
	case TERMINAL_CODE:
		if (byte >= '0' && byte <= '9' && terminal->parameter < 1000) {
			terminal->parameter = terminal->parameter * 10 + (u32)(byte - '0');
			break;
		}
		terminal->state = TERMINAL_TEXT;
		terminal_code(terminal, byte);
		break;
	}
}

static inline void terminal_write(struct terminal *terminal, const char *bytes, size_t count)
{
	while (count--)
		terminal_put(terminal, *bytes++);
}

/* Whether a row of TERMINAL_COLUMNS is `prompt`, `line` and blanks. */
static inline bool terminal_row_is(const char *row, const char *prompt, const char *line)
{
	size_t before = strlen(prompt), length = strlen(line);

	if (memcmp(row, prompt, before) != 0 || memcmp(row + before, line, length) != 0)
		return false;
	for (size_t i = before + length; i < TERMINAL_COLUMNS; i++) {
		if (row[i] != ' ')
			return false;
	}
	return true;
}

/* Whether the cursor's row shows the line under edit, with the cursor where it is, between codes.
 */
static inline bool terminal_shows(const struct terminal *terminal, const char *prompt,
				  const char *line, u32 cursor)
{
	return !terminal->broken && terminal->state == TERMINAL_TEXT &&
	       terminal->column == strlen(prompt) + cursor &&
	       terminal_row_is(terminal->row, prompt, line);
}
