/* links: vmm/console/line_editor.c vmm/format.c */
/* SPDX-License-Identifier: MIT */
/*
 * Any bytes from the operator's terminal: after each of them the terminal shows the prompt and the
 * line, the line is printable text, and the cursor is inside it.
 */
#include "../unit/vmm/console/terminal_model.h"

#include <bulkhead/line_editor.h>
#include <stdlib.h>
#include <string.h>

static const char prompt[] = "> ";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void output(struct line_editor *editor, const char *bytes, size_t count)
{
	terminal_write(editor->context, bytes, count);
}

/* A completion that does all that one may do: print, and insert. */
static void complete(struct line_editor *editor)
{
	line_editor_hide(editor);
	terminal_write(editor->context, "words\r\n", 7);
	line_editor_show(editor);
	line_editor_insert(editor, "completed by the text of a word ");
}

static void check_line(const struct line_editor *editor)
{
	require(editor->length < LINE_BYTES && editor->cursor <= editor->length);
	require(strnlen(editor->line, LINE_BYTES) == editor->length);
	for (u32 i = 0; i < editor->length; i++)
		require(editor->line[i] >= ' ' && editor->line[i] <= '~');
	require(editor->history_count <= LINE_HISTORY);
	require(editor->history_at <= editor->history_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_editor editor;
	struct terminal terminal;

	terminal_init(&terminal);
	line_editor_init(&editor, prompt, output, &terminal);
	editor.complete = complete;
	line_editor_begin(&editor);
	for (size_t i = 0; i < size; i++) {
		enum line_result result = line_editor_input(&editor, data[i]);

		check_line(&editor);
		if (result != LINE_MORE) {
			require(terminal_shows(&terminal, "", "", 0));
			line_editor_begin(&editor);
		}
		require(terminal_shows(&terminal, prompt, editor.line, editor.cursor));
	}
	return 0;
}
