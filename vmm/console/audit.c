/* SPDX-License-Identifier: MIT */
/* The audit ring: who said what to change the machine, and what came of it. */
#include "command.h"
#include "internal.h"
#include "report.h"

#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define AUDIT_ENTRIES	   256
#define AUDIT_LINE_BYTES   160
#define AUDIT_RESULT_BYTES 112

/* Longer texts are cut, and end in "...". */
struct audit_entry {
	u64 time_us;
	bool remote;
	char line[AUDIT_LINE_BYTES];
	char result[AUDIT_RESULT_BYTES];
};

static struct audit_entry entries[AUDIT_ENTRIES];
static u64 written; /* entries, ever */

/* Programs may send bytes that are not fit to be shown. */
static void text_keep(char *to, size_t bytes, const char *text)
{
	size_t i;

	for (i = 0; i < bytes - 1 && text[i]; i++)
		to[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	to[i] = 0;
	if (text[i])
		memcpy(to + bytes - sizeof("..."), "...", sizeof("..."));
}

void audit_add(const char *line, bool remote, const char *error)
{
	struct audit_entry *entry = &entries[written++ % AUDIT_ENTRIES];

	entry->time_us = arch_time_us();
	entry->remote = remote;
	text_keep(entry->line, sizeof(entry->line), line);
	text_keep(entry->result, sizeof(entry->result), error ? error : "ok");
}

void command_audit(const struct command *command unused, u32 count, char *const *arguments)
{
	static const struct column columns[] = {
		{"number", NULL, true},	     {"time_us", "TIME", true},
		{"source", "FROM", false},   {"command", "COMMAND", false},
		{"result", "RESULT", false},
	};
	u64 kept = MIN(written, AUDIT_ENTRIES), wanted = kept;

	if (count && !argument_number(arguments[0], "number of commands", 1, UINT32_MAX, &wanted))
		return;
	if (!written)
		report_note("nothing was changed yet");
	table_begin("audit", columns, ARRAY_SIZE(columns));
	for (u64 i = written - MIN(kept, wanted); i < written; i++) {
		const struct audit_entry *entry = &entries[i % AUDIT_ENTRIES];

		cell_number(i + 1);
		cell_duration(entry->time_us);
		cell_text("%s", entry->remote ? "remote" : "console");
		cell_text("%s", entry->line);
		cell_text("%s", entry->result);
	}
	table_end();
}
