/* SPDX-License-Identifier: MIT */
/* bhctl shell: commands from the keyboard, one after another, with history. */
#include "bhctl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <editline/readline.h>

#define WORDS  64
#define PROMPT "bhctl> "

static int words_split(char *line, char *words[WORDS])
{
	int count = 0;

	for (char *word = strtok(line, " \t\r\n"); word && count < WORDS;
	     word = strtok(NULL, " \t\r\n"))
		words[count++] = word;
	return count;
}

static bool is_leaving(const char *word)
{
	return strcmp(word, "exit") == 0 || strcmp(word, "quit") == 0;
}

/* From a terminal with editing, from elsewhere as it comes. NULL at the end; the caller frees. */
static char *line_get(bool terminal)
{
	char *line = NULL;
	size_t room = 0;

	if (terminal)
		return readline(PROMPT);
	if (getline(&line, &room, stdin) >= 0)
		return line;
	free(line);
	return NULL;
}

enum outcome shell_run(struct session *session, int count, char **words)
{
	bool terminal = isatty(STDIN_FILENO), leave = false;
	enum outcome outcome;
	char *line;

	if (count != 1 || session->interactive)
		return usage_show(words[0]);
	outcome = link_greet(session->link);
	if (outcome)
		return outcome;
	if (terminal)
		printf("Bulkhead %s. \"help\" lists the commands, \"exit\" leaves.\n",
		       session->link->version);
	session->interactive = true;
	while (!leave && (line = line_get(terminal))) {
		char *parts[WORDS];
		int part_count;

		if (terminal && line[0])
			add_history(line);
		part_count = words_split(line, parts);
		leave = part_count && is_leaving(parts[0]);
		if (part_count && !leave)
			outcome = session_run(session, part_count, parts);
		fflush(stdout);
		free(line);
	}
	session->interactive = false;
	return outcome;
}
