/* SPDX-License-Identifier: MIT */
/* bhctl attach: a partition's console on this terminal. The line stays free for others between two
 * requests; nothing is lost, as the partition keeps what it printed. */
#include "bhctl.h"

#include <string.h>
#include <unistd.h>

#define KEY_LEAVE   0x1d /* Ctrl-] */
#define KEYS_BYTES  4096
#define WRITE_BYTES 512u
#define READ_ROOM   4096
#define SOON_MS	    10	 /* after keys and output: there may be more */
#define LATE_MS	    200	 /* when nothing has happened for long */
#define END_MS	    1000 /* without output after the last key, when keys come from no terminal */
#define STUCK_MS    10000

struct attachment {
	struct session *session;
	const char *name;
	u64 position;
	bool terminal; /* keys come from one */
	bool ended;    /* there are no more keys */
	bool running;
	u8 keys[KEYS_BYTES];
	u32 count;
	u64 wait_ms;
	u64 active_at; /* something was printed or taken */
};

static void note(const char *text, const char *name, const char *reason)
{
	printf("\r\n[%s %s%s%s]\r\n", name, text, reason[0] ? ": " : "", reason);
}

static void state_pass(struct attachment *attachment, const struct console_state *state)
{
	bool running = state_runs(state->state);

	if (running == attachment->running)
		return;
	attachment->running = running;
	if (running)
		note("runs again", attachment->name, "");
	else
		note("does not run; Ctrl-] leaves", attachment->name, state->reason);
}

/* What the guest has printed since. */
static enum outcome output_pass(struct attachment *attachment)
{
	struct console_state state;
	bool first = attachment->position == 0;
	enum outcome outcome = console_read(attachment->session->link, attachment->name,
					    attachment->position, READ_ROOM, &state);

	if (outcome)
		return outcome;
	if (state.missed && first)
		printf("[the first %lu bytes are lost]\r\n", state.missed);
	else if (state.missed)
		printf("\r\n[%lu bytes are lost: they came faster than this line carries them]\r\n",
		       state.missed);
	attachment->position = state.position;
	fwrite(state.bytes, 1, state.count, stdout);
	if (state.count) {
		attachment->wait_ms = 0;
		attachment->active_at = now_ms();
	} else {
		state_pass(attachment, &state);
	}
	return fflush(stdout) ? failed("cannot write what the guest prints") : OUTCOME_GOOD;
}

/* As many keys as the guest takes now; the others stay. */
static enum outcome input_pass(struct attachment *attachment)
{
	struct link *link = attachment->session->link;
	u32 count = MIN(attachment->count, WRITE_BYTES), bytes, taken;
	u8 payload[FRAME_PAYLOAD_BYTES];
	enum outcome outcome;

	if (!attachment->count)
		return OUTCOME_GOOD;
	bytes = link_name(payload, attachment->name);
	memcpy(payload + bytes, attachment->keys, count);
	outcome = link_ask(link, FRAME_CONSOLE_WRITE, payload, bytes + count);
	if (outcome)
		return outcome;
	if (link->status)
		return failed_there(link);
	taken = link->bytes < 4 ? 0 : MIN((u32)frame_get(link->data, 4), count);
	attachment->count -= taken;
	memmove(attachment->keys, attachment->keys + taken, attachment->count);
	if (taken) {
		attachment->wait_ms = SOON_MS;
		attachment->active_at = now_ms();
	}
	return OUTCOME_GOOD;
}

/* Wait a little, and take what was typed. Returns whether the user has asked to leave. */
static bool keys_pass(struct attachment *attachment)
{
	u32 room = KEYS_BYTES - attachment->count;
	u8 *to = attachment->keys + attachment->count, *leave;
	ssize_t count;
	int ready;

	if (attachment->ended) {
		usleep((useconds_t)attachment->wait_ms * 1000);
		return false;
	}
	ready = keys_wait(attachment->wait_ms);
	if (ready == 0)
		return false;
	if (!room && attachment->terminal) {
		/* A guest that takes nothing must not keep anybody from leaving. */
		attachment->count = 0;
		to = attachment->keys;
		room = KEYS_BYTES;
		fputs("\a", stdout);
	}
	if (!room)
		return false;
	count = ready < 0 ? 0 : read(STDIN_FILENO, to, room);
	if (count <= 0) {
		attachment->ended = true;
		return attachment->terminal;
	}
	leave = attachment->terminal ? memchr(to, KEY_LEAVE, (size_t)count) : NULL;
	attachment->count += leave ? (u32)(leave - to) : (u32)count;
	attachment->wait_ms = 0;
	return leave;
}

/* Keys from a file or a pipe: over when they are taken and the guest has answered them. */
static bool script_is_over(const struct attachment *attachment)
{
	u64 quiet = now_ms() - attachment->active_at;

	if (!attachment->ended)
		return false;
	return attachment->count ? quiet > STUCK_MS : quiet > END_MS;
}

static enum outcome attach_loop(struct attachment *attachment)
{
	enum outcome outcome;

	for (;;) {
		bool leave = keys_pass(attachment);

		/* Slower and slower while nothing happens, as the line is others', too. */
		attachment->wait_ms = MIN(attachment->wait_ms * 3 / 2 + SOON_MS, (u64)LATE_MS);
		outcome = input_pass(attachment);
		if (!outcome)
			outcome = output_pass(attachment);
		if (outcome)
			return outcome;
		if (leave)
			return OUTCOME_GOOD;
		if (script_is_over(attachment))
			return attachment->count ? failed("%s has not taken %u of the keys",
							  attachment->name, attachment->count)
						 : OUTCOME_GOOD;
	}
}

enum outcome attach_run(struct session *session, int count, char **words)
{
	static struct attachment attachment;
	struct console_state state;
	bool newest = false;
	const struct option_slot slots[] = {{"--new", NULL, &newest}};
	enum outcome outcome;

	count = options_take(count, words, slots, ARRAY_SIZE(slots));
	if (count != 2)
		return usage_show("attach");
	outcome = console_read(session->link, words[1], FRAME_POSITION_END, 0, &state);
	if (outcome)
		return outcome;
	attachment = (struct attachment){
		.session = session,
		.name = words[1],
		.position = newest ? state.position : 0,
		.terminal = isatty(STDIN_FILENO),
		.running = true,
		.active_at = now_ms(),
	};
	if (attachment.terminal)
		printf("[attached to %s; Ctrl-] leaves]\n", words[1]);
	fflush(stdout);
	terminal_raw();
	outcome = attach_loop(&attachment);
	terminal_restore();
	if (attachment.terminal)
		printf("\x1b[m\n[left %s]\n", words[1]);
	return outcome;
}
