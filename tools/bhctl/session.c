/* SPDX-License-Identifier: MIT */
/* Commands: which of them bhctl does more for than passing a line on, and what they all use. */
#include "bhctl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE_ROOM 1024

static const struct special {
	const char *name, *usage;
	enum outcome (*run)(struct session *session, int count, char **words);
	bool terminal_only; /* with --json, or other words than in `usage`, Bulkhead's own is meant
			     */
} specials[] = {
	{"attach", "attach NAME [--new]", attach_run, false},
	{"dump", "dump NAME FILE [--force]", dump_run, false},
	{"shell", "shell", shell_run, false},
	{"top", "top [--interval SECONDS] [--count N]", top_run, true},
	{"trace", "trace FILE [--seconds N] [--force]", trace_run, true},
	{"wait", "wait NAME STATE [--timeout SECONDS]", wait_run, false},
};

static const struct special *special_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		if (strcmp(specials[i].name, name) == 0)
			return &specials[i];
	}
	return NULL;
}

enum outcome usage_show(const char *name)
{
	fprintf(stderr, "usage: bhctl %s\n", special_find(name)->usage);
	return OUTCOME_MISUSE;
}

enum outcome failed(const char *format, ...)
{
	va_list arguments;

	fputs("bhctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return OUTCOME_FAILED;
}

enum outcome failed_there(const struct link *link)
{
	bool ended = link->bytes && link->data[link->bytes - 1] == '\n';

	fwrite(link->data, 1, link->bytes, stderr);
	if (!link->bytes)
		fprintf(stderr, "bhctl: error %d: %s\n", -link->status, strerror(-link->status));
	else if (!ended)
		fputc('\n', stderr);
	return OUTCOME_FAILED;
}

/* --- lines for Bulkhead --- */

static bool words_join(char line[LINE_ROOM], int count, char **words, bool json)
{
	size_t length = 0;

	line[0] = 0;
	for (int i = 0; i < count; i++) {
		if (length + strlen(words[i]) + sizeof(" --json") + 1 > LINE_ROOM)
			return false;
		length += (size_t)snprintf(line + length, LINE_ROOM - length, "%s%s", i ? " " : "",
					   words[i]);
	}
	if (json)
		snprintf(line + length, LINE_ROOM - length, " --json");
	return true;
}

enum outcome command_ask(struct link *link, const char *line)
{
	return link_ask(link, FRAME_COMMAND, line, (u32)strnlen(line, FRAME_PAYLOAD_BYTES));
}

static bool ends_the_machine(const char *name)
{
	return strcmp(name, "reboot") == 0 || strcmp(name, "poweroff") == 0 ||
	       strcmp(name, "panic") == 0;
}

enum outcome command_pass(struct session *session, int count, char **words)
{
	struct link *link = session->link;
	enum outcome outcome;
	char line[LINE_ROOM];

	if (!words_join(line, count, words, session->options.json)) {
		fprintf(stderr, "bhctl: the command is too long\n");
		return OUTCOME_MISUSE;
	}
	if (!link->greeted) {
		outcome = link_greet(link);
		if (outcome)
			return outcome;
	}
	link->may_fall_silent = ends_the_machine(words[0]);
	outcome = command_ask(link, line);
	link->may_fall_silent = false;
	if (outcome == OUTCOME_SILENT) {
		fprintf(stderr, "bhctl: %s: no answer any more, as is to be expected\n", words[0]);
		link->greeted = false;
		return OUTCOME_GOOD;
	}
	if (outcome)
		return outcome;
	if (link->status && !session->options.json)
		return failed_there(link);
	fwrite(link->data, 1, link->bytes, stdout);
	if (link->bytes && link->data[link->bytes - 1] != '\n')
		putchar('\n');
	return link->status ? OUTCOME_FAILED : OUTCOME_GOOD;
}

/* "trace on", and "top --json", are Bulkhead's own. */
static bool is_meant_for_bulkhead(const struct session *session, const struct special *special,
				  int count, char **words)
{
	static const char *const trace_words[] = {"on", "off", "status"};

	if (!special->terminal_only)
		return false;
	if (session->options.json)
		return true;
	for (int i = 1; i < count; i++) {
		if (strcmp(words[i], "--json") == 0)
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(trace_words) && special->run == trace_run; i++) {
		if (count == 2 && strcmp(words[1], trace_words[i]) == 0)
			return true;
	}
	return false;
}

enum outcome session_run(struct session *session, int count, char **words)
{
	const struct special *special = special_find(words[0]);

	if (!special || is_meant_for_bulkhead(session, special, count, words))
		return command_pass(session, count, words);
	return special->run(session, count, words);
}

/* --- arguments --- */

static const struct option_slot *slot_find(const char *word, const struct option_slot *slots,
					   u32 slot_count)
{
	for (u32 i = 0; i < slot_count; i++) {
		if (strcmp(slots[i].name, word) == 0)
			return &slots[i];
	}
	return NULL;
}

int options_take(int count, char **words, const struct option_slot *slots, u32 slot_count)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		const struct option_slot *slot = slot_find(words[i], slots, slot_count);

		if (!slot && i && words[i][0] == '-' && words[i][1] == '-') {
			fprintf(stderr, "bhctl: %s has no option %s\n", words[0], words[i]);
			return -1;
		}
		if (!slot)
			words[kept++] = words[i];
		else if (slot->flag)
			*slot->flag = true;
		else if (i + 1 < count)
			*slot->value = words[++i];
		else
			return -1;
	}
	return kept;
}

bool number_read(const char *text, const char *what, u64 least, u64 most, u64 *value)
{
	char *end = NULL;

	errno = 0;
	*value = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && *value >= least &&
	    *value <= most)
		return true;
	fprintf(stderr, "bhctl: %s \"%s\" is not a number from %lu to %lu\n", what, text, least,
		most);
	return false;
}

/* --- a partition's console --- */

static bool counted_read(const struct link *link, u32 *at, char text[256])
{
	u32 length;

	if (*at >= link->bytes)
		return false;
	length = link->data[*at];
	if (length > link->bytes - *at - 1)
		return false;
	memcpy(text, link->data + *at + 1, length);
	text[length] = 0;
	*at += 1 + length;
	return true;
}

enum outcome console_ask(struct link *link, const char *name, u64 position, u32 room,
			 struct console_state *state)
{
	u8 payload[FRAME_PAYLOAD_BYTES];
	u32 bytes = link_name(payload, name), at = 16;
	enum outcome outcome;

	frame_put(payload + bytes, position, 8);
	frame_put(payload + bytes + 8, room, 4);
	outcome = link_ask(link, FRAME_CONSOLE_READ, payload, bytes + 12);
	if (outcome || link->status)
		return outcome;
	if (link->bytes < at || !counted_read(link, &at, state->state) ||
	    !counted_read(link, &at, state->reason)) {
		fprintf(stderr, "bhctl: %s: an answer is too short\n", link->name);
		return OUTCOME_PROTOCOL;
	}
	state->position = frame_get(link->data, 8);
	state->missed = frame_get(link->data + 8, 8);
	state->bytes = link->data + at;
	state->count = link->bytes - at;
	return OUTCOME_GOOD;
}

enum outcome console_read(struct link *link, const char *name, u64 position, u32 room,
			  struct console_state *state)
{
	enum outcome outcome = console_ask(link, name, position, room, state);

	return outcome || !link->status ? outcome : failed_there(link);
}

bool state_runs(const char *state)
{
	return strcmp(state, "stopped") != 0 && strcmp(state, "crashed") != 0 &&
	       strcmp(state, "waiting") != 0;
}

/* --- the terminal --- */

static struct termios saved;
static bool is_raw;

void terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}

void terminal_raw(void)
{
	static bool registered;
	struct termios settings;

	if (tcgetattr(STDIN_FILENO, &saved))
		return;
	if (!registered)
		registered = !atexit(terminal_restore);
	settings = saved;
	cfmakeraw(&settings);
	is_raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
}

int keys_wait(u64 ms)
{
	struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
	int count = poll(&ready, 1, (int)ms);

	if (count < 0)
		return errno == EINTR ? 0 : -1;
	return count && ready.revents & POLLNVAL ? -1 : count;
}
