/* SPDX-License-Identifier: MIT */
/* bhctl wait: until a partition is in a state, for scripts. */
#include "bhctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 200
#define GONE	"gone" /* there is no such partition (any more) */

static const char *const states[] = {"stopped", "waiting",  "starting", "running", "pausing",
				     "paused",	"resuming", "stopping", "crashed", GONE};

static bool state_is_known(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strcmp(states[i], state) == 0)
			return true;
	}
	fprintf(stderr, "bhctl: no state \"%s\"; there are:", state);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		fprintf(stderr, "%s %s", i ? "," : "", states[i]);
	fputc('\n', stderr);
	return false;
}

/* The state of the partition, or GONE. */
static enum outcome state_ask(struct link *link, const char *name, char state[256])
{
	struct console_state console;
	enum outcome outcome = console_ask(link, name, FRAME_POSITION_END, 0, &console);

	if (outcome)
		return outcome;
	if (link->status && link->status != -ENOENT)
		return failed_there(link);
	snprintf(state, 256, "%s", link->status ? GONE : console.state);
	return OUTCOME_GOOD;
}

static enum outcome wait_until(struct link *link, const char *name, const char *wanted, u64 ms)
{
	u64 end = now_ms() + ms;
	char state[256];

	for (;;) {
		enum outcome outcome = state_ask(link, name, state);

		if (outcome)
			return outcome;
		if (strcmp(state, wanted) == 0)
			return OUTCOME_GOOD;
		/* What is not there would not come by itself. */
		if (strcmp(state, GONE) == 0)
			return failed_there(link);
		if (now_ms() >= end)
			return failed("%s is still %s after %lu s", name, state, ms / 1000);
		usleep(POLL_MS * 1000);
	}
}

enum outcome wait_run(struct session *session, int count, char **words)
{
	const char *timeout = "86400";
	const struct option_slot slots[] = {{"--timeout", &timeout, NULL}};
	u64 seconds;

	count = options_take(count, words, slots, ARRAY_SIZE(slots));
	if (count != 3)
		return usage_show("wait");
	if (!state_is_known(words[2]) || !number_read(timeout, "the timeout", 0, 86400, &seconds))
		return OUTCOME_MISUSE;
	return wait_until(session->link, words[1], words[2], seconds * 1000);
}
