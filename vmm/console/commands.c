/* SPDX-License-Identifier: MIT */
/* What the operator can say: the table of commands, and carrying out a line. */
#include "command.h"
#include "internal.h"
#include "report.h"

#include <bulkhead/error.h>
#include <bulkhead/string.h>

#define ANY COMMAND_ARGUMENTS

typedef enum argument_kind kinds[COMMAND_KINDS];

static const kinds nothing = {ARGUMENT_NONE};
static const kinds a_command = {ARGUMENT_COMMAND};
static const kinds a_word = {ARGUMENT_WORD};
static const kinds a_partition = {ARGUMENT_PARTITION};
static const kinds a_network = {ARGUMENT_NETWORK};
static const kinds a_partition_and_none = {ARGUMENT_PARTITION, ARGUMENT_NONE};
static const kinds a_partition_and_word = {ARGUMENT_PARTITION, ARGUMENT_WORD};
static const kinds an_address_and_unit = {ARGUMENT_PARTITION, ARGUMENT_NONE, ARGUMENT_WORD,
					  ARGUMENT_WORD};
static const kinds a_name_and_settings = {ARGUMENT_NONE, ARGUMENT_SETTING, ARGUMENT_SETTING,
					  ARGUMENT_SETTING, ARGUMENT_SETTING};
static const kinds a_key_and_value = {ARGUMENT_PARTITION, ARGUMENT_KEY, ARGUMENT_VALUE,
				      ARGUMENT_VALUE, ARGUMENT_VALUE};
static const kinds a_group_and_pairs = {ARGUMENT_GROUP, ARGUMENT_WORD, ARGUMENT_NONE,
					ARGUMENT_WORD};

/* By what they are for, as help lists them: usage and summary fit 80 columns together. */
static const struct command commands[] = {
	{"help", "help [COMMAND]", "list the commands, or explain one", "help attach", 0, 1,
	 a_command, NULL, false, false, command_help},
	{"version", "version", "show what runs here, and on what", "version", 0, 0, nothing, NULL,
	 false, false, command_version},
	{"uptime", "uptime", "show how long the machine has run", "uptime", 0, 0, nothing, NULL,
	 false, false, command_uptime},

	{"list", "list", "show every partition and how it is", "list", 0, 0, nothing, NULL, false,
	 false, command_list},
	{"info", "info NAME", "show all there is to know of one", "info web", 1, 1, a_partition,
	 NULL, false, false, command_info},
	{"create", "create NAME [like OTHER] KEY=VALUE...", "make a new partition",
	 "create web2 like web memory=256M weight=50", 2, ANY, a_name_and_settings, NULL, true,
	 false, command_create},
	{"start", "start NAME", "start one that does not run", "start web", 1, 1, a_partition, NULL,
	 true, false, command_start},
	{"pause", "pause NAME", "let it stand still, and its time too", "pause web", 1, 1,
	 a_partition, NULL, true, false, command_pause},
	{"resume", "resume NAME", "let a paused one go on", "resume web", 1, 1, a_partition, NULL,
	 true, false, command_resume},
	{"reset", "reset NAME", "start it anew, as its reset button does", "reset web", 1, 1,
	 a_partition, NULL, true, false, command_reset},
	{"stop", "stop NAME [now]", "let it shut down; now: at once", "stop web", 1, 2,
	 a_partition_and_word, "now", true, false, command_stop},
	{"destroy", "destroy NAME", "remove one that does not run, for good", "destroy web2", 1, 1,
	 a_partition, NULL, true, false, command_destroy},
	{"attach", "attach NAME", "use its serial line; Ctrl-] leaves it", "attach web", 1, 1,
	 a_partition, NULL, false, true, command_attach},
	{"console", "console NAME [N]", "show what it printed, or the last N lines",
	 "console web 20", 1, 2, a_partition, NULL, false, false, command_console},
	{"screen", "screen NAME", "show what it shows in VGA text mode", "screen web", 1, 1,
	 a_partition, NULL, false, false, command_screen},

	{"set", "set NAME KEY VALUE", "change how a partition is scheduled, ...", "set web cap 50%",
	 3, ANY, a_key_and_value, NULL, true, false, command_set},
	{"group", "group [NAME [weight N] [cap N%]]", "show groups; make or change one",
	 "group batch weight 50 cap 100%", 0, 5, a_group_and_pairs, "weight cap", true, false,
	 command_group},
	{"top", "top [SECONDS [TIMES]]", "watch who uses the CPUs; q ends it", "top 5", 0, 2,
	 nothing, NULL, false, true, command_top},
	{"stats", "stats [NAME]", "show where the time of vCPUs went", "stats web", 0, 1,
	 a_partition, NULL, false, false, command_stats},
	{"exits", "exits NAME", "show why a guest was left, and how long", "exits web", 1, 1,
	 a_partition, NULL, false, false, command_exits},
	{"account", "account [NAME]", "show what each partition has used", "account web", 0, 1,
	 a_partition, NULL, false, false, command_account},
	{"trace", "trace on|off|status", "record exits and scheduling decisions", "trace on", 1, 1,
	 a_word, "on off status", true, false, command_trace},
	{"balloon", "balloon [NAME [SIZE]]", "show guests' memory, or ask for some",
	 "balloon web 256M", 0, 2, a_partition_and_none, NULL, true, false, command_balloon},

	{"who", "who", "show who can reach whom", "who", 0, 0, nothing, NULL, false, false,
	 command_who},
	{"net", "net [NAME]", "show networks and who is in them", "net lan", 0, 1, a_network, NULL,
	 false, false, command_net},
	{"regs", "regs NAME", "show the registers of a paused guest", "regs web", 1, 1, a_partition,
	 NULL, false, false, command_regs},
	{"x", "x NAME ADDRESS [COUNT] [b|h|w|g|s]", "show a paused guest's memory", "x web $sp 8 g",
	 2, 4, an_address_and_unit, "b h w g s", false, false, command_x},
	{"walk", "walk NAME ADDRESS", "show how an address is translated", "walk web $pc", 2, 2,
	 a_partition, NULL, false, false, command_walk},
	{"vmcs", "vmcs NAME [TEXT]", "show the fields of its control structure", "vmcs web guest",
	 1, 2, a_partition, NULL, false, false, command_vmcs},
	{"dump", "dump NAME", "say how to save its memory as a core file", "dump web", 1, 1,
	 a_partition, NULL, false, false, command_dump},
	{"inject", "inject NAME nmi", "give a guest an interrupt", "inject web nmi", 2, 2,
	 a_partition_and_word, "nmi", true, false, command_inject},

	{"cpus", "cpus", "show the CPUs and what runs on them", "cpus", 0, 0, nothing, NULL, false,
	 false, command_cpus},
	{"memory", "memory", "show where the memory is", "memory", 0, 0, nothing, NULL, false,
	 false, command_memory},
	{"config", "config [NAME]", "show the configuration as it is now", "config web", 0, 1,
	 a_partition, NULL, false, false, command_config},
	{"log", "log [N]", "show the log, or its last N lines", "log 20", 0, 1, nothing, NULL,
	 false, false, command_log},
	{"loglevel", "loglevel [LEVEL]", "show or say how much is logged here", "loglevel debug", 0,
	 1, a_word, "error warn info debug", true, false, command_loglevel},
	{"audit", "audit [N]", "show the last changes, and who made them", "audit 10", 0, 1,
	 nothing, NULL, false, false, command_audit},
	{"reboot", "reboot [now]", "restart the machine; now: in any case", "reboot now", 0, 1,
	 a_word, "now", true, false, command_reboot},
	{"poweroff", "poweroff [now]", "switch the machine off; now: in any case", "poweroff now",
	 0, 1, a_word, "now", true, false, command_poweroff},
	{"panic", "panic now", "stop it with a report, as a bug would", "panic now", 1, 1, a_word,
	 "now", true, false, command_panic},
};

/* Of each command under way; one may be carried out for a program while the operator's runs. */
static struct run {
	char line[LINE_BYTES];
	struct words words;
	bool only_looked;
} runs[REPORT_DEPTH];
static u32 depth;

const struct command *command_at(u32 index)
{
	return index < ARRAY_SIZE(commands) ? &commands[index] : NULL;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

void command_only_looked(void)
{
	runs[depth - 1].only_looked = true;
}

static bool argument_count_ok(const struct command *command, u32 count, char *const *arguments)
{
	if (count < command->least && count + 1 == command->least)
		report_error("%s: an argument is missing", command->name);
	else if (count < command->least)
		report_error("%s: %u arguments are missing", command->name, command->least - count);
	else if (count > command->most && !command->most)
		report_error("%s: takes no argument, found \"%s\"", command->name, arguments[0]);
	else if (count > command->most)
		report_error("%s: takes %s%u argument%s, found %u", command->name,
			     command->least == command->most ? "" : "at most ", command->most,
			     command->most == 1 ? "" : "s", count);
	else
		return true;
	report_note("usage: %s", command->usage);
	return false;
}

/* NULL, or what is wrong with the line as a whole. A program may send anything. */
static const char *line_copy(struct run *run, const char *line)
{
	size_t length = strnlen(line, LINE_BYTES);

	if (length == LINE_BYTES)
		return "the line is longer than 1023 characters";
	for (size_t i = 0; i <= length; i++) {
		run->line[i] = line[i] == '\t' ? ' ' : line[i];
		if (i < length && (run->line[i] < ' ' || run->line[i] > '~'))
			return "the line has a character that is not printable ASCII";
	}
	return NULL;
}

_Static_assert(LINE_BYTES == 1024, "as the message says");

static const struct command *run_begin(struct run *run, const char *line)
{
	const char *wrong = line_copy(run, line);

	run->only_looked = false;
	run->words.count = 0;
	run->words.json = false;
	if (!wrong)
		wrong = words_split(run->line, &run->words);
	report_begin(run->words.json);
	if (wrong)
		report_error("%s", wrong);
	if (wrong || !run->words.count)
		return NULL;
	if (!command_find(run->words.word[0]))
		argument_unknown("command", run->words.word[0], ARGUMENT_COMMAND, NULL);
	return command_find(run->words.word[0]);
}

static void run_command(const struct command *command, u32 count, char *const *arguments)
{
	if (!argument_count_ok(command, count, arguments))
		return;
	if (command->terminal && console_captured() && !report_is_json())
		report_error("%s needs a terminal", command->name);
	else
		command->run(command, count, arguments);
}

static int line_run(const char *line, bool remote)
{
	const struct command *command;
	const char *error;
	struct run *run;

	if (depth == ARRAY_SIZE(runs))
		return -EBUSY;
	run = &runs[depth++];
	command = run_begin(run, line);
	if (command)
		run_command(command, run->words.count - 1, run->words.word + 1);
	error = report_end();
	depth--;
	if (command && command->changes && !run->only_looked)
		audit_add(line, remote, error);
	return error ? -EINVAL : 0;
}

int command_run(const char *line)
{
	return line_run(line, false);
}

int command_run_captured(const char *line, char *buffer, u32 bytes, u32 *length)
{
	u64 written;
	int result;

	console_capture(buffer, bytes);
	result = line_run(line, true);
	written = console_capture_end();
	*length = (u32)MIN(written, bytes);
	return written > bytes ? -ENOSPC : result;
}
