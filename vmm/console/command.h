/* SPDX-License-Identifier: MIT */
/*
 * The operator's commands: the table's entries, and what all commands read their arguments with.
 * For the console's thread.
 */
#pragma once

#include <bulkhead/line_editor.h>
#include <bulkhead/types.h>

#define COMMAND_ARGUMENTS 32 /* no command takes more words */
#define COMMAND_KINDS	  5U

struct group;
struct partition;
struct vcpu;

/* What an argument is, for completion. */
enum argument_kind {
	ARGUMENT_NONE, /* nothing that could be listed */
	ARGUMENT_COMMAND,
	ARGUMENT_PARTITION,
	ARGUMENT_GROUP,
	ARGUMENT_NETWORK,
	ARGUMENT_WORD,	  /* one of command.words, separated by blanks */
	ARGUMENT_KEY,	  /* of those that can be set while a partition exists */
	ARGUMENT_VALUE,	  /* of the key that is the argument before it */
	ARGUMENT_SETTING, /* KEY=VALUE; in the second place also like, then a partition */
	ARGUMENT_OPTION,  /* not for the table: a word that begins with '-' */
};

struct command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *example;
	u32 least, most; /* arguments */
	/* COMMAND_KINDS, of the first arguments; those after them are as the last of these. */
	const enum argument_kind *kinds;
	const char *words;
	bool changes;  /* state: kept in the audit ring */
	bool terminal; /* needs one, but with --json */
	void (*run)(const struct command *command, u32 count, char *const *arguments);
};

/* The table: NULL after the last. */
const struct command *command_at(u32 index);
const struct command *command_find(const char *name);
/* Of those that sometimes only look: this time nothing was changed. */
void command_only_looked(void);

/* A line as words. In it: blanks separate, "..." keeps them together, "" in such a word is one
 * quotation mark, and a word --json outside of quotation marks is an option. */
struct words {
	u32 count; /* those that have no place are counted, too */
	bool json;
	char *word[1 + COMMAND_ARGUMENTS];
};

/* `line` is cut up. Returns NULL, or what is wrong with it. */
const char *words_split(char *line, struct words *words) must_check;

/* The names that an argument may be, in the order in which they are listed; NULL after the last.
 * `key`: the one that a value is of; `command`: whose words; either may be NULL. */
const char *candidate(enum argument_kind kind, const struct command *command, const char *key,
		      u32 index);

/* Each says with report_error what is wrong, what was found and what is allowed or exists. */
struct partition *argument_partition(const char *text); /* NULL: none */
struct group *argument_group(const char *text);		/* NULL: none */
struct vcpu *argument_vcpu(const char *text);		/* NAME or NAME/ID; NULL: none */
/* Decimal, or hexadecimal after 0x; between the limits. `what` names it: "number of lines". */
bool argument_number(const char *text, const char *what, u64 least, u64 most,
		     u64 *value) must_check;
/* One of those that candidate(ARGUMENT_WORD) lists. */
bool argument_word(const struct command *command, const char *text) must_check;
/* "no WHAT "TEXT"; there are: ...", of the candidates of a kind. */
void argument_unknown(const char *what, const char *text, enum argument_kind kind,
		      const struct command *command);

/* Names for a message: "a, b, c", or as many as there is room for, "and 7 more". */
struct names {
	u32 count, left_out;
	char text[600];
};

void names_add(struct names *names, const char *name);
const char *names_text(struct names *names); /* when all are added */

/*
 * Those of one command each, by file. `arguments` has `count` words, which may be written to; they
 * are good until the command returns.
 */
#define COMMAND(name) void name(const struct command *command, u32 count, char *const *arguments)
/* help.c */
COMMAND(command_help);
/* partition_commands.c */
COMMAND(command_list);
COMMAND(command_info);
COMMAND(command_start);
COMMAND(command_pause);
COMMAND(command_resume);
COMMAND(command_reset);
COMMAND(command_stop);
COMMAND(command_destroy);
COMMAND(command_attach);
COMMAND(command_console);
COMMAND(command_screen);
/* setting_commands.c */
COMMAND(command_create);
COMMAND(command_set);
COMMAND(command_group);
COMMAND(command_config);
/* machine_commands.c */
COMMAND(command_version);
COMMAND(command_uptime);
COMMAND(command_cpus);
COMMAND(command_memory);
COMMAND(command_log);
COMMAND(command_loglevel);
COMMAND(command_reboot);
COMMAND(command_poweroff);
COMMAND(command_panic);
/* audit.c */
COMMAND(command_audit);
/* look.c */
COMMAND(command_regs);
COMMAND(command_x);
COMMAND(command_walk);
COMMAND(command_vmcs);
COMMAND(command_dump);
COMMAND(command_inject);
/* nets.c */
COMMAND(command_net);
/* balloon.c */
COMMAND(command_balloon);
/* who.c */
COMMAND(command_who);
/* meters.c */
COMMAND(command_top);
COMMAND(command_stats);
COMMAND(command_exits);
COMMAND(command_account);
COMMAND(command_trace);
