/* SPDX-License-Identifier: MIT */
/*
 * Editing one line. A key changes as little of the terminal as it can, as a serial line carries
 * only some 11 characters a millisecond. The terminal's width is not known: on one that is narrower
 * than prompt and line the text wraps, and moving left over the wrap is shown wrong until Ctrl-L.
 */
#include <bulkhead/format.h>
#include <bulkhead/line_editor.h>
#include <bulkhead/string.h>

#define CONTROL(letter) ((letter)&0x1f)
#define BELL		"\a"
#define ERASE_TO_END	"\x1b[K"
#define CLEAR_SCREEN	"\x1b[H\x1b[2J"
#define KEY_ESCAPE	0x1b
#define KEY_DELETE	0x7f
#define MOST_BACKSPACES 4 /* from here on ESC [ n D is shorter */

/* line_editor.escape: what of ECMA-48's grammar of control functions (section 5) was read. */
enum escape_state {
	ESCAPE_NONE,
	ESCAPE_BEGUN,	     /* ESC, and intermediate bytes if any */
	ESCAPE_CONTROL,	     /* ESC [ or ESC O and parameters: what keys send */
	ESCAPE_FUNCTION_KEY, /* ESC [ [: the Linux console's F1 to F5, one byte follows */
	ESCAPE_STRING,	     /* ESC ] and the like, up to BEL or ESC \ */
};

static void emit(struct line_editor *editor, const char *bytes, size_t count)
{
	if (count)
		editor->output(editor, bytes, count);
}

static void emit_text(struct line_editor *editor, const char *text)
{
	emit(editor, text, strlen(text));
}

static void emit_left(struct line_editor *editor, u32 count)
{
	char text[16];

	if (count >= MOST_BACKSPACES)
		emit(editor, text, format_text(text, sizeof(text), "\x1b[%uD", count));
	else
		emit(editor, "\b\b\b", count);
}

/* To the right the text itself is sent again: it is no longer than a code and does not depend on
 * one. */
static void cursor_move(struct line_editor *editor, u32 to)
{
	if (to < editor->cursor)
		emit_left(editor, editor->cursor - to);
	else
		emit(editor, editor->line + editor->cursor, to - editor->cursor);
	editor->cursor = to;
}

/* Draw what is right of the cursor, and nothing behind it. */
static void tail_draw(struct line_editor *editor)
{
	emit(editor, editor->line + editor->cursor, editor->length - editor->cursor);
	emit_text(editor, ERASE_TO_END);
	emit_left(editor, editor->length - editor->cursor);
}

/* `count` is not more than there is room for. */
static void text_insert(struct line_editor *editor, const char *text, u32 count)
{
	char *at = editor->line + editor->cursor;
	u32 tail = editor->length - editor->cursor;

	memmove(at + count, at, tail + 1);
	memcpy(at, text, count);
	editor->length += count;
	emit(editor, at, count + tail);
	emit_left(editor, tail);
	editor->cursor += count;
}

static void text_delete(struct line_editor *editor, u32 from, u32 to)
{
	if (from == to) {
		emit_text(editor, BELL);
		return;
	}
	cursor_move(editor, from);
	memmove(editor->line + from, editor->line + to, editor->length - to + 1);
	editor->length -= to - from;
	tail_draw(editor);
}

static void text_replace(struct line_editor *editor, const char *text)
{
	cursor_move(editor, 0);
	editor->length = (u32)strnlen(text, LINE_BYTES - 1);
	memcpy(editor->line, text, editor->length);
	editor->line[editor->length] = 0;
	emit(editor, editor->line, editor->length);
	emit_text(editor, ERASE_TO_END);
	editor->cursor = editor->length;
}

static bool is_printable(u8 byte)
{
	return byte >= ' ' && byte <= '~';
}

void line_editor_insert(struct line_editor *editor, const char *text)
{
	char fitting[LINE_BYTES];
	u32 count = 0;

	while (is_printable((u8)*text) && editor->length + count < LINE_BYTES - 1)
		fitting[count++] = *text++;
	if (count)
		text_insert(editor, fitting, count);
	if (*text)
		emit_text(editor, BELL);
}

static u32 word_start(const struct line_editor *editor)
{
	u32 at = editor->cursor;

	while (at && editor->line[at - 1] == ' ')
		at--;
	while (at && editor->line[at - 1] != ' ')
		at--;
	return at;
}

static void history_add(struct line_editor *editor)
{
	u32 newest = (editor->history_next + LINE_HISTORY - 1) % LINE_HISTORY;

	editor->history_at = 0;
	if (!editor->length)
		return;
	if (editor->history_count && strcmp(editor->history[newest], editor->line) == 0)
		return;
	memcpy(editor->history[editor->history_next], editor->line, editor->length + 1);
	editor->history_next = (editor->history_next + 1) % LINE_HISTORY;
	editor->history_count = MIN(editor->history_count + 1, (u32)LINE_HISTORY);
}

/* history_at: 0 is the draft, 1 the newest line. */
static void history_go(struct line_editor *editor, u32 at)
{
	if (at > editor->history_count) { /* from 0 down wraps to here too */
		emit_text(editor, BELL);
		return;
	}
	if (!editor->history_at)
		memcpy(editor->draft, editor->line, editor->length + 1);
	editor->history_at = at;
	if (at)
		text_replace(
			editor,
			editor->history[(editor->history_next + LINE_HISTORY - at) % LINE_HISTORY]);
	else
		text_replace(editor, editor->draft);
}

static void go_left(struct line_editor *editor)
{
	if (editor->cursor)
		cursor_move(editor, editor->cursor - 1);
	else
		emit_text(editor, BELL);
}

static void go_right(struct line_editor *editor)
{
	if (editor->cursor < editor->length)
		cursor_move(editor, editor->cursor + 1);
	else
		emit_text(editor, BELL);
}

static void delete_back(struct line_editor *editor)
{
	text_delete(editor, editor->cursor - (editor->cursor ? 1 : 0), editor->cursor);
}

static void delete_forward(struct line_editor *editor)
{
	text_delete(editor, editor->cursor, MIN(editor->cursor + 1, editor->length));
}

static enum line_result line_finish(struct line_editor *editor)
{
	cursor_move(editor, editor->length);
	emit_text(editor, "\r\n");
	history_add(editor);
	return LINE_DONE;
}

static enum line_result line_cancel(struct line_editor *editor)
{
	cursor_move(editor, editor->length);
	emit_text(editor, "^C\r\n");
	editor->history_at = 0;
	return LINE_CANCELLED;
}

static void line_clear_screen(struct line_editor *editor)
{
	emit_text(editor, CLEAR_SCREEN);
	line_editor_show(editor);
}

static void key_edit(struct line_editor *editor, u8 byte)
{
	switch (byte) {
	case 0: /* telnet's second half of Enter */
		break;
	case CONTROL('A'):
		cursor_move(editor, 0);
		break;
	case CONTROL('B'):
		go_left(editor);
		break;
	case CONTROL('D'):
		delete_forward(editor);
		break;
	case CONTROL('E'):
		cursor_move(editor, editor->length);
		break;
	case CONTROL('F'):
		go_right(editor);
		break;
	case CONTROL('H'):
	case KEY_DELETE:
		delete_back(editor);
		break;
	case CONTROL('K'):
		text_delete(editor, editor->cursor, editor->length);
		break;
	case CONTROL('L'):
		line_clear_screen(editor);
		break;
	case CONTROL('N'):
		history_go(editor, editor->history_at - 1);
		break;
	case CONTROL('P'):
		history_go(editor, editor->history_at + 1);
		break;
	case CONTROL('U'):
		text_delete(editor, 0, editor->cursor);
		break;
	case CONTROL('W'):
		text_delete(editor, word_start(editor), editor->cursor);
		break;
	default:
		emit_text(editor, BELL);
	}
}

/* Returns the control byte that does the same, or 0. Names of keys: xterm, VT220, rxvt and Linux.
 */
static u8 escape_key(const char *parameters, u8 final)
{
	static const struct {
		char parameters[2];
		u8 final;
		u8 key;
	} keys[] = {
		{"", 'A', CONTROL('P')},  {"", 'B', CONTROL('N')},  {"", 'C', CONTROL('F')},
		{"", 'D', CONTROL('B')},  {"", 'H', CONTROL('A')},  {"", 'F', CONTROL('E')},
		{"1", '~', CONTROL('A')}, {"7", '~', CONTROL('A')}, {"4", '~', CONTROL('E')},
		{"8", '~', CONTROL('E')}, {"3", '~', CONTROL('D')},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].final == final && strcmp(keys[i].parameters, parameters) == 0)
			return keys[i].key;
	}
	return 0;
}

static void escape_begun(struct line_editor *editor, u8 byte)
{
	if (byte == '[' || byte == 'O')
		editor->escape = ESCAPE_CONTROL;
	else if (strchr("]PX^_", byte))
		editor->escape = ESCAPE_STRING;
	else if (byte >= '0')
		editor->escape = ESCAPE_NONE;
}

static void escape_control(struct line_editor *editor, u8 byte)
{
	size_t length = strlen(editor->escape_text);

	if (byte < '@') {
		/* What does not fit is of no key: a cut text is longer than all that are known. */
		if (length < sizeof(editor->escape_text) - 1) {
			editor->escape_text[length] = (char)byte;
			editor->escape_text[length + 1] = 0;
		}
		return;
	}
	if (byte == '[' && !length) {
		editor->escape = ESCAPE_FUNCTION_KEY;
		return;
	}
	editor->escape = ESCAPE_NONE;
	key_edit(editor, escape_key(editor->escape_text, byte));
}

/* A string may hold text of any language, and the BEL that ends it. */
static bool escape_takes(const struct line_editor *editor, u8 byte)
{
	if (editor->escape == ESCAPE_STRING && (byte >= 0x80 || byte == '\a'))
		return true;
	return editor->escape != ESCAPE_NONE && is_printable(byte);
}

static void escape_input(struct line_editor *editor, u8 byte)
{
	switch ((enum escape_state)editor->escape) {
	case ESCAPE_BEGUN:
		escape_begun(editor, byte);
		break;
	case ESCAPE_CONTROL:
		escape_control(editor, byte);
		break;
	case ESCAPE_STRING:
		if (byte == '\a')
			editor->escape = ESCAPE_NONE;
		break;
	case ESCAPE_FUNCTION_KEY:
	case ESCAPE_NONE:
		editor->escape = ESCAPE_NONE;
		break;
	}
}

static enum line_result key_input(struct line_editor *editor, u8 byte)
{
	char text[2] = {(char)byte};

	switch (byte) {
	case '\r':
	case '\n':
		return line_finish(editor);
	case CONTROL('C'):
		return line_cancel(editor);
	case '\t':
		if (editor->complete)
			editor->complete(editor);
		else
			emit_text(editor, BELL);
		return LINE_MORE;
	}
	if (is_printable(byte))
		line_editor_insert(editor, text);
	else
		key_edit(editor, byte);
	return LINE_MORE;
}

enum line_result line_editor_input(struct line_editor *editor, u8 byte)
{
	bool was_cr = editor->last_was_cr;

	editor->last_was_cr = byte == '\r';
	if (byte == '\n' && was_cr)
		return LINE_MORE;
	if (byte == KEY_ESCAPE) {
		editor->escape = ESCAPE_BEGUN;
		editor->escape_text[0] = 0;
		return LINE_MORE;
	}
	if (escape_takes(editor, byte)) {
		escape_input(editor, byte);
		return LINE_MORE;
	}
	/* A key that cannot be part of a sequence ends it: Enter and Ctrl-C always work. */
	editor->escape = ESCAPE_NONE;
	return key_input(editor, byte);
}

void line_editor_init(struct line_editor *editor, const char *prompt,
		      void (*output)(struct line_editor *, const char *, size_t), void *context)
{
	memset(editor, 0, sizeof(*editor));
	editor->prompt = prompt;
	editor->output = output;
	editor->context = context;
}

void line_editor_begin(struct line_editor *editor)
{
	editor->length = 0;
	editor->cursor = 0;
	editor->line[0] = 0;
	editor->history_at = 0;
	line_editor_show(editor);
}

void line_editor_hide(struct line_editor *editor)
{
	emit_text(editor, "\r" ERASE_TO_END);
}

void line_editor_show(struct line_editor *editor)
{
	emit_text(editor, editor->prompt);
	emit(editor, editor->line, editor->length);
	emit_left(editor, editor->length - editor->cursor);
}
