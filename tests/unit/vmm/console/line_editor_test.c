/* SPDX-License-Identifier: MIT */
/*
 * The line editor on a model of a terminal: after every byte of input the terminal must show the
 * prompt and the line, with the cursor where the editor has it.
 */
/* links: vmm/format.c */
#include "cmocka_all.h"

#include "vmm/console/terminal_model.h"
#include <bulkhead/line_editor.h>
#include <stdlib.h>
#include <string.h>

#define UP     "\x1b[A"
#define DOWN   "\x1b[B"
#define RIGHT  "\x1b[C"
#define LEFT   "\x1b[D"
#define HOME   "\x1b[H"
#define END    "\x1b[F"
#define DELETE "\x1b[3~"

static const char prompt[] = "bulkhead> ";

static struct line_editor editor;
static struct terminal terminal;

static void output(struct line_editor *from, const char *bytes, size_t count)
{
	assert_ptr_equal(from, &editor);
	assert_ptr_equal(from->context, &terminal);
	assert_int_not_equal(count, 0);
	terminal_write(&terminal, bytes, count);
}

static int begin(void **state)
{
	(void)state;
	terminal_init(&terminal);
	line_editor_init(&editor, prompt, output, &terminal);
	line_editor_begin(&editor);
	return 0;
}

static void expect_consistent(void)
{
	assert_true(editor.length < LINE_BYTES);
	assert_true(editor.cursor <= editor.length);
	assert_int_equal(strlen(editor.line), editor.length);
	assert_true(terminal_shows(&terminal, prompt, editor.line, editor.cursor));
}

/* One byte; a line that is complete is checked and the next one begun. */
static enum line_result type_byte(u8 byte)
{
	enum line_result result = line_editor_input(&editor, byte);
	char shown[LINE_BYTES + 2];

	if (result == LINE_MORE) {
		expect_consistent();
		return result;
	}
	strcpy(shown, editor.line);
	if (result == LINE_CANCELLED)
		strcat(shown, "^C");
	assert_true(terminal_row_is(terminal.above, prompt, shown));
	assert_true(terminal_shows(&terminal, "", "", 0));
	return result;
}

/* All but a last Enter, after which the line is there to be looked at, must not complete a line. */
static enum line_result type(const char *text)
{
	enum line_result result = LINE_MORE;

	while (*text) {
		if (result != LINE_MORE)
			line_editor_begin(&editor);
		result = type_byte((u8)*text++);
	}
	return result;
}

static void expect(const char *keys, const char *line, u32 cursor)
{
	begin(NULL);
	assert_int_equal(type(keys), LINE_MORE);
	assert_string_equal(editor.line, line);
	assert_int_equal(editor.cursor, cursor);
}

static void typing_and_moving(void **state)
{
	(void)state;
	expect("", "", 0);
	expect("list", "list", 4);
	expect("list" LEFT LEFT, "list", 2);
	expect("list" LEFT LEFT RIGHT, "list", 3);
	expect("list\x02\x02\x02\x06", "list", 2);
	expect("list" HOME, "list", 0);
	expect("list" HOME END, "list", 4);
	expect("list\x01", "list", 0);
	expect("list\x01\x05", "list", 4);
	expect("lst" LEFT LEFT "i", "list", 2);
	expect("world" HOME "hello ", "hello world", 6);
	expect("abcdefghij" HOME "X" END "Y", "XabcdefghijY", 12);
}

static void deleting(void **state)
{
	(void)state;
	expect("list\x7f", "lis", 3);
	expect("list\b\b", "li", 2);
	expect("list" LEFT LEFT "\x7f", "lst", 1);
	expect("list" HOME DELETE, "ist", 0);
	expect("list" LEFT "\x04", "lis", 3);
	expect("stop web" LEFT LEFT LEFT "\x0b", "stop ", 5);
	expect("stop web" LEFT LEFT LEFT "\x15", "web", 0);
	expect("stop web\x17", "stop ", 5);
	expect("stop web  \x17", "stop ", 5);
	expect("stop web\x17\x17", "", 0);
	expect("stop web" LEFT "\x17", "stop b", 5);
}

static void nothing_to_do_rings(void **state)
{
	static const char *const keys[] = {"\x7f", "\b", "\x04", DELETE, LEFT,
					   RIGHT,  UP,	 DOWN,	 "\x0b", "\x15",
					   "\x17", "\t", "\x80", "\xff", "\x14"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		expect(keys[i], "", 0);
		assert_int_equal(terminal.bells, 1);
	}
	expect(HOME END "\x01\x05", "", 0);
	assert_int_equal(terminal.bells, 0);
}

static void other_names_of_keys(void **state)
{
	(void)state;
	expect("list\x1b[1~", "list", 0);
	expect("list\x1b[7~", "list", 0);
	expect("list\x1b[1~\x1b[4~", "list", 4);
	expect("list\x1b[1~\x1b[8~", "list", 4);
	expect("list\x1bOH", "list", 0);
	expect("list\x1bOH\x1bOF", "list", 4);
	expect("list\x1bOD\x1bOD\x1bOC", "list", 3);
}

static void unknown_sequences_are_swallowed_whole(void **state)
{
	static const char *const sequences[] = {
		"\x1b[5~",	       /* page up */
		"\x1b[15~",	       /* F5 */
		"\x1b[1;5C",	       /* Ctrl-Right */
		"\x1b[200~",	       /* begin of a paste */
		"\x1b[?1;2c",	       /* a terminal says what it is */
		"\x1b[24;80R",	       /* where its cursor is */
		"\x1b[1;2;3;4;5;6;7C", /* longer than what is kept */
		"\x1b[33333333333~",
		"\x1b[[A",	  /* F1, Linux console */
		"\x1bOP",	  /* F1, VT220 */
		"\x1bx",	  /* Alt-X */
		"\x1b(B",	  /* character set */
		"\x1b[ q",	  /* with an intermediate byte */
		"\x1b]0;title\a", /* operating system command */
		"\x1b]0;\xc3\xa9\x1b\\",
		"\x1bP1$r0m\x1b\\", /* device control string */
		"\x1b\x1b[5~",
	};
	char keys[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
		strcpy(keys, "ab");
		strcat(keys, sequences[i]);
		strcat(keys, "c");
		expect(keys, "abc", 3);
		assert_int_equal(terminal.bells, 0);
	}
}

static void control_keys_end_a_sequence(void **state)
{
	(void)state;
	begin(NULL);
	assert_int_equal(type("ab\x1b\r"), LINE_DONE);
	assert_string_equal(editor.line, "ab");
	begin(NULL);
	assert_int_equal(type("ab\x1b[1\x03"), LINE_CANCELLED);
	begin(NULL);
	assert_int_equal(type("ab\x1b]lost\r"), LINE_DONE);
	assert_string_equal(editor.line, "ab");
	expect("ab\x1b[\x7f"
	       "c",
	       "ac", 2);
}

static void enter_in_all_its_forms(void **state)
{
	(void)state;
	assert_int_equal(type("one\r"), LINE_DONE);
	assert_string_equal(editor.line, "one");
	line_editor_begin(&editor);
	assert_int_equal(type("\n"), LINE_MORE); /* belongs to the CR */
	assert_int_equal(type("\n"), LINE_DONE);
	assert_string_equal(editor.line, "");
	line_editor_begin(&editor);
	assert_int_equal(type("two\n"), LINE_DONE);
	assert_string_equal(editor.line, "two");
	line_editor_begin(&editor);
	assert_int_equal(type("\r"), LINE_DONE);
	line_editor_begin(&editor);
	assert_int_equal(type_byte(0), LINE_MORE); /* telnet: CR NUL */
	assert_int_equal(terminal.bells, 0);
	assert_int_equal(type("three" LEFT LEFT LEFT "\r"), LINE_DONE); /* from the middle too */
	assert_string_equal(editor.line, "three");
}

static void cancel_drops_the_line(void **state)
{
	(void)state;
	assert_int_equal(type("destroy all" HOME "\x03"), LINE_CANCELLED);
	line_editor_begin(&editor);
	assert_string_equal(editor.line, "");
	assert_int_equal(type(UP), LINE_MORE);
	assert_string_equal(editor.line, ""); /* it is not in the history either */
}

static void full_line_refuses_with_a_bell(void **state)
{
	char text[LINE_BYTES + 10];

	(void)state;
	for (u32 i = 0; i < LINE_BYTES - 1; i++)
		type_byte((u8)('a' + i % 26));
	assert_int_equal(editor.length, LINE_BYTES - 1);
	assert_int_equal(terminal.bells, 0);
	type("X" HOME "Y");
	assert_int_equal(editor.length, LINE_BYTES - 1);
	assert_int_equal(terminal.bells, 2);
	assert_null(strpbrk(editor.line, "XY"));
	type(DELETE "Z");
	assert_int_equal(editor.line[0], 'Z');
	assert_int_equal(terminal.bells, 2);

	begin(NULL);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	type("ab" LEFT);
	line_editor_insert(&editor, text);
	expect_consistent();
	assert_int_equal(editor.length, LINE_BYTES - 1);
	assert_int_equal(editor.line[LINE_BYTES - 2], 'b');
	assert_int_equal(terminal.bells, 1);
}

static void history_goes_back_and_forth(void **state)
{
	(void)state;
	type("one\rtwo\rtwo\r\rthree\rdra" UP);
	assert_string_equal(editor.line, "three");
	type(UP);
	assert_string_equal(editor.line, "two"); /* once, and no empty line */
	type("\x10");
	assert_string_equal(editor.line, "one");
	assert_int_equal(terminal.bells, 0);
	type(UP);
	assert_string_equal(editor.line, "one");
	assert_int_equal(terminal.bells, 1);
	type("\x0e" DOWN DOWN);
	assert_string_equal(editor.line, "dra");
	assert_int_equal(terminal.bells, 1);
	type(DOWN);
	assert_string_equal(editor.line, "dra");
	assert_int_equal(terminal.bells, 2);
	type(UP UP "!\r"); /* a line of old that was changed is a new one */
	assert_string_equal(editor.line, "two!");
	line_editor_begin(&editor);
	type(UP);
	assert_string_equal(editor.line, "two!");
	type(UP);
	assert_string_equal(editor.line, "three");
}

static void history_forgets_the_oldest(void **state)
{
	char line[3] = "a\r";

	(void)state;
	for (u32 i = 0; i < LINE_HISTORY + 3; i++) {
		line[0] = (char)('a' + i);
		assert_int_equal(type(line), LINE_DONE);
		line_editor_begin(&editor);
	}
	for (u32 i = 0; i < LINE_HISTORY; i++)
		type(UP);
	assert_int_equal(terminal.bells, 0);
	assert_string_equal(editor.line, "d");
	type(UP);
	assert_int_equal(terminal.bells, 1);
	assert_string_equal(editor.line, "d");
}

static void screen_clear_draws_the_line_again(void **state)
{
	(void)state;
	expect("list" LEFT "\x0c", "list", 3);
	assert_int_equal(terminal.clears, 1);
}

static void complete_web(struct line_editor *from)
{
	line_editor_insert(from, "eb ");
}

static void complete_with_a_list(struct line_editor *from)
{
	line_editor_hide(from);
	assert_true(terminal_shows(&terminal, "", "", 0));
	terminal_write(&terminal, "web  work\r\n", 11);
	line_editor_show(from);
}

static void completion(void **state)
{
	(void)state;
	editor.complete = complete_web;
	type("stop w now" LEFT LEFT LEFT LEFT "\t");
	assert_string_equal(editor.line, "stop web  now");
	assert_int_equal(editor.cursor, 9);
	begin(NULL);
	editor.complete = complete_with_a_list;
	type("stop w" LEFT "\t");
	assert_true(terminal_row_is(terminal.above, "web  work", ""));
	assert_string_equal(editor.line, "stop w");
	assert_int_equal(editor.cursor, 5);
}

static void insert_takes_printable_text_only(void **state)
{
	(void)state;
	line_editor_insert(&editor, "");
	assert_int_equal(terminal.bells, 0);
	line_editor_insert(&editor, "ab\x1b[2Jcd");
	expect_consistent();
	assert_string_equal(editor.line, "ab");
	assert_int_equal(terminal.bells, 1);
}

static void long_random_input(void **state)
{
	static const char *const keys[] = {
		UP,	DOWN,	  RIGHT,  LEFT,	  HOME,	  END,	    DELETE, "\x10",
		"\x0e", "\x17",	  "\x0c", "\x15", "\x0b", "\x7f",   "\x04", "\r",
		"\n",	"\x1b[9", "\x1b", "\t",	  "\x03", "\x1b]x", "\a",   "word of some length ",
	};

	(void)state;
	editor.complete = complete_web;
	srand(7);
	for (u32 i = 0; i < 60000; i++) {
		u32 kind = (u32)rand() % 16;
		char text[2] = {(char)(' ' + rand() % 95)};

		if (kind == 0)
			text[0] = (char)(1 + rand() % 255);
		if (type(kind < 3 ? keys[(u32)rand() % ARRAY_SIZE(keys)] : text) != LINE_MORE)
			line_editor_begin(&editor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(typing_and_moving, begin),
		cmocka_unit_test_setup(deleting, begin),
		cmocka_unit_test_setup(nothing_to_do_rings, begin),
		cmocka_unit_test_setup(other_names_of_keys, begin),
		cmocka_unit_test_setup(unknown_sequences_are_swallowed_whole, begin),
		cmocka_unit_test_setup(control_keys_end_a_sequence, begin),
		cmocka_unit_test_setup(enter_in_all_its_forms, begin),
		cmocka_unit_test_setup(cancel_drops_the_line, begin),
		cmocka_unit_test_setup(full_line_refuses_with_a_bell, begin),
		cmocka_unit_test_setup(history_goes_back_and_forth, begin),
		cmocka_unit_test_setup(history_forgets_the_oldest, begin),
		cmocka_unit_test_setup(screen_clear_draws_the_line_again, begin),
		cmocka_unit_test_setup(completion, begin),
		cmocka_unit_test_setup(insert_takes_printable_text_only, begin),
		cmocka_unit_test_setup(long_random_input, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
