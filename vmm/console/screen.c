/* SPDX-License-Identifier: MIT */
/* The command that shows what a guest shows in VGA text mode. */
#include "command.h"
#include "report.h"

#include <bulkhead/partition.h>
#include <bulkhead/screen.h>

/* Code page 437 from B0h to DFh, shades, frames and blocks, in characters that look alike. */
static const char frames[] = "%%%|++++++|+++++"
			     "++++-++++++++=++"
			     "+++++++++++#####";

static char character(u8 code)
{
	if (code >= ' ' && code < 0x7f)
		return (char)code;
	if (code >= 0xb0 && code < 0xb0 + sizeof(frames) - 1)
		return frames[code - 0xb0];
	return code == 0x00 || code == 0xff ? ' ' : '?';
}

/* Its length without the blanks at its end. */
static u32 line_write(const u8 *cells, char *line)
{
	u32 length = 0;

	for (u32 i = 0; i < SCREEN_COLUMNS; i++) {
		line[i] = character(cells[i]);
		if (line[i] != ' ')
			length = i + 1;
	}
	return length;
}

/* Lines up to the last that has something on it. */
static void screen_print(const struct screen_text *text)
{
	char line[SCREEN_COLUMNS + 1];
	u32 empty = 0;

	report_text_begin("text");
	for (u32 i = 0; i < SCREEN_LINES; i++) {
		u32 length = line_write(text->cells[i], line);

		empty++;
		if (!length)
			continue;
		for (; empty > 1; empty--)
			report_text("\n", 1);
		empty = 0;
		line[length] = '\n';
		report_text(line, length + 1);
	}
	report_text_end();
	if (empty == SCREEN_LINES)
		report_note("nothing is on its screen");
}

void command_screen(const struct command *command unused, u32 count unused, char *const *arguments)
{
	struct partition *partition = argument_partition(arguments[0]);
	static struct screen_text text; /* one command at a time has it: nothing in it waits */

	if (!partition)
		return;
	if (!partition_screen(partition, &text)) {
		report_error("%s has shown nothing yet: it was never started",
			     partition->config->name);
		return;
	}
	record_begin("screen");
	record_field("name", NULL);
	cell_text("%s", partition->config->name);
	record_field("cursor_line", NULL);
	cell_number(text.cursor_line);
	record_field("cursor_column", NULL);
	cell_number(text.cursor_column);
	record_end();
	screen_print(&text);
}
