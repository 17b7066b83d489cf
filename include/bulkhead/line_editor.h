/* SPDX-License-Identifier: MIT */
/*
 * Editing one line of input on a terminal (VT100 codes). Pure: bytes in, bytes out through a
 * callback. Understands: printable ASCII, Enter (CR, LF, CR LF), Backspace (08h, 7Fh), Delete,
 * Left/Right, Home/End, Ctrl-A/E/B/F/D/H/K/U/W/L/C, Up/Down and Ctrl-P/N for history, Tab
 * (completion by callback). Input that does not fit is refused with BEL. Unknown escape sequences
 * are swallowed whole.
 */
#pragma once

#include <bulkhead/types.h>

#define LINE_BYTES   1024 /* with NUL */
#define LINE_HISTORY 16

enum line_result {
	LINE_MORE,	/* not complete yet */
	LINE_DONE,	/* line_editor.line is a whole line */
	LINE_CANCELLED, /* Ctrl-C */
};

struct line_editor {
	const char *prompt;
	void (*output)(struct line_editor *editor, const char *bytes, size_t count);
	/* May replace the text before the cursor by calling line_editor_insert; may print. NULL: no
	 * Tab. */
	void (*complete)(struct line_editor *editor);
	void *context;

	char line[LINE_BYTES];
	u32 length, cursor;
	u32 escape; /* state of an escape sequence under way */
	char escape_text[8];
	bool last_was_cr;
	char history[LINE_HISTORY][LINE_BYTES];
	u32 history_count, history_next, history_at;
	char draft[LINE_BYTES]; /* what was being typed when history was entered */
};

void line_editor_init(struct line_editor *editor, const char *prompt,
		      void (*output)(struct line_editor *, const char *, size_t), void *context);
/* Empty the line and print the prompt. */
void line_editor_begin(struct line_editor *editor);
enum line_result line_editor_input(struct line_editor *editor, u8 byte);
/* Insert at the cursor, as if typed. */
void line_editor_insert(struct line_editor *editor, const char *text);
/* Take the line off the terminal (before something else is printed) and draw it again (after). */
void line_editor_hide(struct line_editor *editor);
void line_editor_show(struct line_editor *editor);
