/* SPDX-License-Identifier: MIT */
/* What the operator can say: the table of commands, the reading of a line, and the commands. */
#include "internal.h"

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/console.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/virt.h>

#define WORDS	   3 /* no command takes more; further ones are only counted */
#define LIST_NAME  4 /* strlen("NAME") */
#define TEXT_BYTES 128

/* What an argument is, for completion. */
enum argument { ARGUMENT_OTHER, ARGUMENT_COMMAND, ARGUMENT_PARTITION, ARGUMENT_NOW };

struct command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *example;
	u32 least, most; /* arguments */
	enum argument argument;
	void (*run)(const struct command *command, u32 count, char *const *arguments);
};

static void run_help(const struct command *command, u32 count, char *const *arguments);
static void run_list(const struct command *command, u32 count, char *const *arguments);
static void run_attach(const struct command *command, u32 count, char *const *arguments);
static void run_start(const struct command *command, u32 count, char *const *arguments);
static void run_stop(const struct command *command, u32 count, char *const *arguments);
static void run_log(const struct command *command, u32 count, char *const *arguments);
static void run_version(const struct command *command, u32 count, char *const *arguments);
static void run_reboot(const struct command *command, u32 count, char *const *arguments);
static void run_poweroff(const struct command *command, u32 count, char *const *arguments);
static void run_panic(const struct command *command, u32 count, char *const *arguments);

static const struct command commands[] = {
	{"help", "help [COMMAND]", "list the commands, or explain one", "help attach", 0, 1,
	 ARGUMENT_COMMAND, run_help},
	{"list", "list", "show every partition and how it is", "list", 0, 0, ARGUMENT_OTHER,
	 run_list},
	{"attach", "attach NAME", "use a partition's serial line; Ctrl-] leaves it", "attach web",
	 1, 1, ARGUMENT_PARTITION, run_attach},
	{"start", "start NAME", "start a partition that does not run", "start web", 1, 1,
	 ARGUMENT_PARTITION, run_start},
	{"stop", "stop NAME", "stop a partition at once, as if its power failed", "stop web", 1, 1,
	 ARGUMENT_PARTITION, run_stop},
	{"log", "log [N]", "show the log, or its last N lines; Ctrl-C ends it", "log 20", 0, 1,
	 ARGUMENT_OTHER, run_log},
	{"version", "version", "show what runs here, and on what", "version", 0, 0, ARGUMENT_OTHER,
	 run_version},
	{"reboot", "reboot [now]", "restart the machine; now: even if partitions run", "reboot now",
	 0, 1, ARGUMENT_NOW, run_reboot},
	{"poweroff", "poweroff [now]", "switch the machine off; now: even if partitions run",
	 "poweroff now", 0, 1, ARGUMENT_NOW, run_poweroff},
	{"panic", "panic now", "stop everything with a report, as at a bug of Bulkhead",
	 "panic now", 1, 1, ARGUMENT_NOW, run_panic},
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* --- reading a line --- */

/* Cut `line` at its blanks. Returns how many words there are; the first WORDS are in `words`. */
static u32 words_split(char *line, char *words[WORDS])
{
	u32 count = 0;

	for (;;) {
		while (*line == ' ')
			*line++ = 0;
		if (!*line)
			return count;
		if (count < WORDS)
			words[count] = line;
		count++;
		while (*line && *line != ' ')
			line++;
	}
}

static bool argument_count_ok(const struct command *command, u32 count, char *const *arguments)
{
	if (count < command->least)
		console_print("%s: an argument is missing\n", command->name);
	else if (count > command->most && !command->most)
		console_print("%s: takes no argument, found \"%s\"\n", command->name, arguments[0]);
	else if (count > command->most)
		console_print("%s: takes one argument, found %u\n", command->name, count);
	else
		return true;
	console_print("usage: %s\n", command->usage);
	return false;
}

static void unknown_command(const char *name)
{
	console_print("no command \"%s\"; there are:", name);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		console_print("%s %s", i ? "," : "", commands[i].name);
	console_print("\n");
}

void command_run(const char *line)
{
	static char copy[LINE_BYTES];
	const struct command *command;
	char *words[WORDS];
	u32 count;

	memcpy(copy, line, MIN(strlen(line) + 1, sizeof(copy)));
	copy[sizeof(copy) - 1] = 0;
	count = words_split(copy, words);
	if (!count)
		return;
	command = command_find(words[0]);
	if (!command)
		unknown_command(words[0]);
	else if (argument_count_ok(command, count - 1, words + 1))
		command->run(command, count - 1, words + 1);
}

/* --- completion --- */

/* The name with number `index` among those that an argument may be, or NULL after the last. */
static const char *argument_candidate(enum argument argument, u32 index)
{
	const struct partition *partition = partition_first();

	switch (argument) {
	case ARGUMENT_COMMAND:
		return index < ARRAY_SIZE(commands) ? commands[index].name : NULL;
	case ARGUMENT_PARTITION:
		while (partition && index--)
			partition = partition->next;
		return partition ? partition->config->name : NULL;
	case ARGUMENT_NOW:
		return index ? NULL : "now";
	case ARGUMENT_OTHER:
		break;
	}
	return NULL;
}

/* What the word that begins at `start` is. A command has one argument at most. */
static enum argument word_kind(const struct line_editor *editor, u32 start)
{
	static char before[LINE_BYTES];
	const struct command *command;
	char *words[WORDS];
	u32 count;

	memcpy(before, editor->line, start);
	before[start] = 0;
	count = words_split(before, words);
	if (!count)
		return ARGUMENT_COMMAND;
	command = command_find(words[0]);
	return count == 1 && command ? command->argument : ARGUMENT_OTHER;
}

struct completion {
	const char *word; /* what is typed of it */
	u32 length;
	enum argument argument;
	const char *match; /* the first one */
	u32 common;	   /* length of what all matches have in common */
	u32 count;
};

static void completion_search(struct completion *completion)
{
	const char *name;

	for (u32 i = 0; (name = argument_candidate(completion->argument, i)); i++) {
		u32 same = 0;

		if (strncmp(name, completion->word, completion->length) != 0)
			continue;
		if (!completion->count++) {
			completion->match = name;
			completion->common = (u32)strlen(name);
			continue;
		}
		while (same < completion->common && name[same] == completion->match[same])
			same++;
		completion->common = same;
	}
}

static void completion_list(const struct completion *completion)
{
	const char *name, *gap = "";

	for (u32 i = 0; (name = argument_candidate(completion->argument, i)); i++) {
		if (strncmp(name, completion->word, completion->length) != 0)
			continue;
		console_print("%s%s", gap, name);
		gap = "  ";
	}
	console_print("\n");
}

void command_complete(struct line_editor *editor)
{
	struct completion completion = {.word = NULL};
	char rest[CONFIG_NAME_BYTES + 1];
	u32 start = editor->cursor;

	while (start && editor->line[start - 1] != ' ')
		start--;
	completion.word = editor->line + start;
	completion.length = editor->cursor - start;
	completion.argument = word_kind(editor, start);
	completion_search(&completion);

	if (!completion.count) {
		console_print("\a");
	} else if (completion.count == 1 || completion.common > completion.length) {
		format_text(rest, sizeof(rest), "%.*s%s",
			    (int)(completion.common - completion.length),
			    completion.match + completion.length, completion.count == 1 ? " " : "");
		line_editor_insert(editor, rest);
	} else {
		line_editor_hide(editor);
		completion_list(&completion);
		line_editor_show(editor);
	}
}

/* --- help --- */

static void run_help(const struct command *command, u32 count, char *const *arguments)
{
	u32 width = 0;

	if (count) {
		command = command_find(arguments[0]);
		if (command)
			console_print("usage:   %s\n         %s\nexample: %s\n", command->usage,
				      command->summary, command->example);
		else
			unknown_command(arguments[0]);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		width = MAX(width, (u32)strlen(commands[i].usage));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		console_print("%-*s  %s\n", (int)width, commands[i].usage, commands[i].summary);
}

/* --- partitions --- */

static struct partition *partition_named(const char *name)
{
	struct partition *partition = partition_find(name);

	if (partition)
		return partition;
	console_print("no partition \"%s\"; there %s", name,
		      partition_first() ? "are:" : "are none");
	for (partition = partition_first(); partition; partition = partition->next)
		console_print(" %s%s", partition->config->name, partition->next ? "," : "");
	console_print("\n");
	return NULL;
}

static bool state_runs(enum partition_state state)
{
	return state != PARTITION_STOPPED && state != PARTITION_CRASHED;
}

/* What of a partition changes, at one moment. */
struct snapshot {
	enum partition_state state;
	u64 starts, started_us;
	char reason[sizeof(((struct partition *)0)->reason)];
};

static void snapshot_take(struct partition *partition, struct snapshot *snapshot)
{
	u64 flags = spin_lock_irq(&partition->lock);

	snapshot->state = partition->state;
	snapshot->starts = partition->starts;
	snapshot->started_us = partition->started_us;
	memcpy(snapshot->reason, partition->reason, sizeof(snapshot->reason));
	spin_unlock_irq(&partition->lock, flags);
	snapshot->reason[sizeof(snapshot->reason) - 1] = 0;
}

static void size_text(char text[TEXT_BYTES], u64 bytes)
{
	if (bytes && is_aligned(bytes, GIB))
		format_text(text, TEXT_BYTES, "%luG", bytes / GIB);
	else
		format_text(text, TEXT_BYTES, "%luM", bytes / MIB);
}

static void duration_text(char text[TEXT_BYTES], u64 us)
{
	u64 s = us / 1000000, days = s / 86400;

	text[0] = 0;
	if (days)
		format_text(text, TEXT_BYTES, "%lud ", days);
	format_append(text, TEXT_BYTES, "%lu:%02lu:%02lu", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void list_row(struct partition *partition, int width)
{
	char cpu[TEXT_BYTES] = "-", memory[TEXT_BYTES], uptime[TEXT_BYTES] = "-";
	struct snapshot snapshot;
	u64 now;

	snapshot_take(partition, &snapshot);
	now = arch_time_us();
	if (partition->vcpu)
		format_text(cpu, sizeof(cpu), "%u", partition->vcpu->thread.cpu);
	size_text(memory, partition->config->memory_bytes);
	if (snapshot.state == PARTITION_RUNNING || snapshot.state == PARTITION_STOPPING)
		duration_text(uptime, now - MIN(now, snapshot.started_us));
	console_print("%-*s  %-8s  %3s  %6s  %12s  %6lu\n", width, partition->config->name,
		      partition_state_name(snapshot.state), cpu, memory, uptime, snapshot.starts);
	if (!state_runs(snapshot.state) && snapshot.reason[0])
		console_print("%*s  %s\n", width, "", snapshot.reason);
}

static void run_list(const struct command *command unused, u32 count unused,
		     char *const *arguments unused)
{
	int width = LIST_NAME;

	if (!partition_first()) {
		console_print("there are no partitions\n");
		return;
	}
	for (struct partition *p = partition_first(); p; p = p->next)
		width = MAX(width, (int)strlen(p->config->name));
	console_print("%-*s  %-8s  %3s  %6s  %12s  %6s\n", width, "NAME", "STATE", "CPU", "MEMORY",
		      "UPTIME", "STARTS");
	for (struct partition *p = partition_first(); p; p = p->next)
		list_row(p, width);
}

static void run_attach(const struct command *command unused, u32 count unused,
		       char *const *arguments)
{
	struct partition *partition = partition_named(arguments[0]);

	if (partition)
		attach_run(partition);
}

/* start and stop: say what became of it, which may still be under way. */
static void partition_change(const char *name, const char *verb,
			     int (*change)(struct partition *partition, char *reason))
{
	static char reason[LOAD_REASON_BYTES];
	struct partition *partition = partition_named(name);
	struct snapshot snapshot;
	int result;

	if (!partition)
		return;
	reason[0] = 0;
	result = change(partition, reason);
	if (result && reason[0]) {
		console_print("cannot %s %s: %s\n", verb, name, reason);
	} else if (result) {
		console_print("cannot %s %s: error %d\n", verb, name, -result);
	} else {
		snapshot_take(partition, &snapshot);
		console_print("%s: %s\n", name, partition_state_name(snapshot.state));
	}
}

static void run_start(const struct command *command, u32 count unused, char *const *arguments)
{
	partition_change(arguments[0], command->name, partition_start);
}

static void run_stop(const struct command *command, u32 count unused, char *const *arguments)
{
	partition_change(arguments[0], command->name, partition_stop);
}

/* --- the log --- */

/* A whole number from 1 on. */
static bool number_read(const char *text, u32 *number)
{
	u64 value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (u64)(*text - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*number = (u32)value;
	return value;
}

static u32 log_count(u32 *end)
{
	struct log_entry entry;
	u32 next = 0, count = 0;

	while (!log_read(next, &entry)) {
		next = entry.sequence + 1;
		count++;
	}
	*end = next;
	return count;
}

static void log_show_from(u32 next, u32 end)
{
	char line[LOG_TEXT_BYTES + 64];
	struct log_entry entry;

	while (next != end && !log_read(next, &entry)) {
		next = entry.sequence + 1;
		log_line(&entry, line, sizeof(line));
		console_print("%s", line);
		if (console_cancelled()) {
			console_print("^C\n");
			return;
		}
	}
}

static void run_log(const struct command *command, u32 count, char *const *arguments)
{
	u32 lines = UINT32_MAX, end, kept;

	if (count && !number_read(arguments[0], &lines)) {
		console_print("log: \"%s\" is not a number of lines, such as 20\nusage: %s\n",
			      arguments[0], command->usage);
		return;
	}
	kept = log_count(&end);
	log_show_from(end - MIN(lines, kept), end);
}

/* --- the machine --- */

static void run_version(const struct command *command unused, u32 count unused,
			char *const *arguments unused)
{
	char backend[TEXT_BYTES] = "none: partitions cannot run", uptime[TEXT_BYTES];
	struct memory_usage usage;

	if (virt)
		virt->describe(backend, sizeof(backend));
	memory_usage(&usage);
	duration_text(uptime, arch_time_us());
	console_print("Bulkhead %s\n", console_version);
	console_print("CPU       %s\n", arch_cpu_name());
	console_print("CPUs      %u in use\n", arch_cpu_count());
	console_print("memory    %luM, of which %luM are free and %luM held by Bulkhead itself\n",
		      usage.total_bytes / MIB, usage.free_bytes / MIB,
		      usage.hypervisor_bytes / MIB);
	console_print("backend   %s\n", backend);
	console_print("firmware  %s\n", boot_info->firmware[0] ? boot_info->firmware : "not known");
	console_print("uptime    %s\n", uptime);
}

/* Whether partitions run that going down would hit; if so they are named. */
static bool partitions_hold(const struct command *command)
{
	struct snapshot snapshot;
	u32 running = 0;

	for (struct partition *p = partition_first(); p; p = p->next) {
		snapshot_take(p, &snapshot);
		if (!state_runs(snapshot.state))
			continue;
		console_print("%s%s", running++ ? ", " : "still running: ", p->config->name);
	}
	if (running)
		console_print("\n\"%s now\" does it all the same, as if their power failed\n",
			      command->name);
	return running;
}

static bool is_now(const struct command *command, const char *argument)
{
	if (strcmp(argument, "now") == 0)
		return true;
	console_print("%s: \"%s\" is not \"now\"\nusage: %s\n", command->name, argument,
		      command->usage);
	return false;
}

static void machine_down(const struct command *command, u32 count, char *const *arguments,
			 void (*down)(void))
{
	if (count && !is_now(command, arguments[0]))
		return;
	if (!count && partitions_hold(command))
		return;
	console_flush();
	log_info("the operator says %s", command->name);
	console_stop();
	down();
}

static void run_reboot(const struct command *command, u32 count, char *const *arguments)
{
	machine_down(command, count, arguments, arch_reboot);
}

static void run_poweroff(const struct command *command, u32 count, char *const *arguments)
{
	machine_down(command, count, arguments, arch_power_off);
}

/* So that operators can see what a report looks like, and whether it reaches them, before they need
 * one. */
static void run_panic(const struct command *command, u32 count unused, char *const *arguments)
{
	if (!is_now(command, arguments[0]))
		return;
	console_flush();
	panic("the operator asked for it");
}
