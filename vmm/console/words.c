/* SPDX-License-Identifier: MIT */
/* A line of input as words. */
#include "command.h"

#include <bulkhead/string.h>

/* Copy one word to its beginning without its quotation marks. Returns what follows it, or NULL when
 * a quotation mark is not closed. */
static char *word_take(char *from, bool *quoted)
{
	char *to = from;
	bool inside = false;

	*quoted = false;
	for (; *from && (inside || *from != ' '); from++) {
		if (*from != '"') {
			*to++ = *from;
		} else if (inside && from[1] == '"') {
			*to++ = '"';
			from++;
		} else {
			inside = !inside;
			*quoted = true;
		}
	}
	if (inside)
		return NULL;
	if (*from)
		from++;
	*to = 0;
	return from;
}

const char *words_split(char *line, struct words *words)
{
	bool quoted;
	char *word;

	words->count = 0;
	words->json = false;
	for (;;) {
		while (*line == ' ')
			line++;
		if (!*line)
			return NULL;
		word = line;
		line = word_take(word, &quoted);
		if (!line)
			return "a quotation mark is not closed";
		if (!quoted && strcmp(word, "--json") == 0) {
			words->json = true;
			continue;
		}
		if (words->count < ARRAY_SIZE(words->word))
			words->word[words->count] = word;
		words->count++;
	}
}
