/* SPDX-License-Identifier: MIT */
/* What the parts of bhctl have of each other. */
#pragma once

#include "link.h"

#include <stdio.h>

struct options {
	bool json;
	bool force;
};

/* What the user wants done, by one command line or by one of many in the shell. */
struct session {
	struct link *link;
	struct options options;
	bool interactive; /* in the shell */
};

/* Run one command; what it says goes to stdout, what is wrong to stderr. */
enum outcome session_run(struct session *session, int count, char **words);

/* Any command of the console. */
enum outcome command_pass(struct session *session, int count, char **words);
/* Send one line; the answer is in link->data. */
enum outcome command_ask(struct link *link, const char *line) must_check;

/* Those that do more than pass a line on. `words[0]` is the command's name. */
enum outcome attach_run(struct session *session, int count, char **words);
enum outcome dump_run(struct session *session, int count, char **words);
enum outcome shell_run(struct session *session, int count, char **words);
enum outcome top_run(struct session *session, int count, char **words);
enum outcome trace_run(struct session *session, int count, char **words);
enum outcome wait_run(struct session *session, int count, char **words);

/* Say how a command is used: OUTCOME_MISUSE. */
enum outcome usage_show(const char *name);
/* Say what went wrong with it: OUTCOME_FAILED. */
enum outcome failed(const char *format, ...) printf_like(1, 2);
/* What Bulkhead said about a request that it could not carry out. */
enum outcome failed_there(const struct link *link);

/*
 * Words behind a command's name: options, each with a value or without, may be anywhere among the
 * others. NULL in `value`: takes none.
 */
struct option_slot {
	const char *name;
	const char **value;
	bool *flag;
};
/* Takes the options out of `words` and returns how many words are left, or -1 for usage_show. */
int options_take(int count, char **words, const struct option_slot *slots,
		 u32 slot_count) must_check;
/* A decimal number from `least` to `most`; says what is wrong. */
bool number_read(const char *text, const char *what, u64 least, u64 most, u64 *value) must_check;

/* What FRAME_CONSOLE_READ answers. Texts are parts of the answer, copied. */
struct console_state {
	u64 position, missed;
	char state[256], reason[256];
	const u8 *bytes;
	u32 count;
};
/* `state` is filled in if link->status is 0. */
enum outcome console_ask(struct link *link, const char *name, u64 position, u32 room,
			 struct console_state *state) must_check;
/* The same, but a status other than 0 is said, and OUTCOME_FAILED. */
enum outcome console_read(struct link *link, const char *name, u64 position, u32 room,
			  struct console_state *state) must_check;
bool state_runs(const char *state);

/* A file that is either whole or not there: written beside its place and moved when it is done. */
struct out_file {
	FILE *stream;
	const char *name;
	char part[4096];
};
/* Says what is wrong: OUTCOME_FAILED, also when the file is there already and `force` is not set.
 */
enum outcome out_file_open(struct out_file *file, const char *name, bool force) must_check;
enum outcome out_file_commit(struct out_file *file) must_check;
void out_file_abandon(struct out_file *file);

/* The terminal on stdin without line editing, and back; nothing if stdin is none. */
void terminal_raw(void);
void terminal_restore(void);
/* Wait for `ms` or until keys are there: 1 yes, 0 no, -1 never again. */
int keys_wait(u64 ms);
