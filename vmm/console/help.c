/* SPDX-License-Identifier: MIT */
/* help: the table of commands, for reading. */
#include "command.h"
#include "report.h"

static void help_all(void)
{
	const struct command *command;

	record_begin("commands");
	for (u32 i = 0; (command = command_at(i)); i++) {
		record_field(command->name, command->usage);
		cell_text("%s", command->summary);
	}
	record_end();
	report_note("NAME/N is virtual CPU N; NAME means all, or the first if it has to be one.");
	report_note("Every command takes --json, for programs.");
}

void command_help(const struct command *command, u32 count, char *const *arguments)
{
	if (!count) {
		help_all();
		return;
	}
	command = command_find(arguments[0]);
	if (!command) {
		argument_unknown("command", arguments[0], ARGUMENT_COMMAND, NULL);
		return;
	}
	record_begin("command");
	record_field("name", NULL);
	cell_text("%s", command->name);
	record_field("usage", "usage:");
	cell_text("%s", command->usage);
	record_field("summary", "");
	cell_text("%s", command->summary);
	record_field("example", "example:");
	cell_text("%s", command->example);
	record_field("changes", NULL);
	cell_flag(command->changes);
	record_end();
}
