/* SPDX-License-Identifier: MIT */
/* Asking: requests go out, frames are found in whatever comes in, and what is missing is asked for
 * again. */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS   150	 /* after a damaged answer: nothing more comes */
#define ATTEMPT_MS 60000 /* one try never takes longer, whatever comes in */
#define PARTS_MAX  ARRAY_SIZE(((struct link *)0)->have)
#define READ_BYTES 4096

/* How one try ended. */
enum attempt {
	ATTEMPT_DONE,	 /* all parts that were asked for are here */
	ATTEMPT_AGAIN,	 /* nothing came, or something was damaged */
	ATTEMPT_REFUSED, /* for good */
	ATTEMPT_CLOSED,	 /* the line is gone */
};

struct asking {
	struct frame frame;
	u32 last;    /* part that ends this window */
	u32 refusal; /* enum frame_refusal; 0: none */
	bool damaged, progress;
	bool over;  /* the window's last part came; those before it do not any more */
	bool heard; /* any whole frame or damaged one, in all tries */
	u64 deadline;
};

u64 now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (u64)time.tv_sec * 1000 + (u64)time.tv_nsec / 1000000;
}

u32 link_name(u8 payload[FRAME_PAYLOAD_BYTES], const char *name)
{
	u32 length = (u32)strnlen(name, 255);

	payload[0] = (u8)length;
	memcpy(payload + 1, name, length);
	return 1 + length;
}

/* --- sending --- */

static int bytes_send(struct link *link, const u8 *bytes, u32 count)
{
	u64 give_up = now_ms() + ATTEMPT_MS;

	while (count) {
		ssize_t sent = write(link->fd, bytes, count);
		struct pollfd ready = {.fd = link->fd, .events = POLLOUT};
		bool later = sent < 0 && (errno == EAGAIN || errno == EINTR);

		if ((sent < 0 && !later) || now_ms() > give_up)
			return -1;
		if (later && poll(&ready, 1, 1000) < 0 && errno != EINTR)
			return -1;
		if (sent > 0) {
			bytes += sent;
			count -= (u32)sent;
		}
	}
	return 0;
}

static int request_send(struct link *link, const struct frame *frame)
{
	u8 wire[FRAME_WIRE_BYTES];

	return bytes_send(link, wire, frame_encode(frame, FRAME_TO_CORE, wire));
}

/* --- receiving --- */

/* Whether a part is one that this answer can have; its place in the answer follows from its number.
 */
static bool part_fits(const struct link *link, const struct frame *frame)
{
	bool last = frame->part + 1 == frame->count;

	if (!frame->count || frame->count > PARTS_MAX || frame->part >= frame->count)
		return false;
	if (link->parts && frame->count != link->parts)
		return false;
	if (frame->part == 0 && frame->bytes < FRAME_ANSWER_HEADER)
		return false;
	return last ? frame->bytes > 0 : frame->bytes == FRAME_PAYLOAD_BYTES;
}

static void part_take(struct link *link, struct asking *asking, const struct frame *frame)
{
	if (!part_fits(link, frame)) {
		asking->damaged = true;
		return;
	}
	if (!link->parts) {
		link->parts = frame->count;
		asking->last = MIN(asking->last, link->parts - 1);
	}
	asking->over |= frame->part == asking->last;
	if (link->have[frame->part])
		return;
	memcpy(link->answer + (size_t)frame->part * FRAME_PAYLOAD_BYTES, frame->payload,
	       frame->bytes);
	link->have[frame->part] = true;
	asking->progress = true;
	if (frame->part + 1 == frame->count)
		link->bytes = frame->part * FRAME_PAYLOAD_BYTES + frame->bytes;
}

static void frame_take(struct link *link, struct asking *asking)
{
	const struct frame *frame = &link->receiver.frame;
	bool whose = frame->id == asking->frame.id;

	asking->heard = true;
	if (frame->version != FRAME_VERSION && frame->type != FRAME_REFUSAL)
		asking->refusal = FRAME_OTHER_VERSION;
	else if (frame->type == FRAME_ANSWER && whose)
		part_take(link, asking, frame);
	else if (frame->type == FRAME_REFUSAL && frame->bytes && (whose || !frame->id))
		asking->refusal = frame->payload[0];
	/* Anything else is late, or not for us. */
}

static bool window_is_complete(const struct link *link, const struct asking *asking)
{
	for (u32 part = asking->frame.part; part <= asking->last; part++) {
		if (!link->have[part])
			return false;
	}
	return true;
}

static void bytes_take(struct link *link, struct asking *asking, const u8 *bytes, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		switch (frame_receive(&link->receiver, bytes[i])) {
		case FRAME_READY:
			frame_take(link, asking);
			asking->deadline = now_ms() + link->timeout_ms;
			break;
		case FRAME_DAMAGED:
			asking->heard = true;
			asking->damaged = true;
			break;
		case FRAME_INSIDE:
			asking->deadline = now_ms() + link->timeout_ms;
			break;
		case FRAME_OUTSIDE:
			break;
		}
	}
}

/* Wait for bytes until the deadline. 1: there were some, 0: none, -1: the line is gone. */
static int bytes_wait(struct link *link, struct asking *asking)
{
	struct pollfd ready = {.fd = link->fd, .events = POLLIN};
	u64 now = now_ms(), deadline = asking->deadline;
	u8 bytes[READ_BYTES];
	ssize_t count;

	if (asking->damaged)
		deadline = MIN(deadline, now + QUIET_MS);
	if (now >= deadline)
		return 0;
	count = poll(&ready, 1, (int)(deadline - now));
	if (count == 0)
		return 0;
	if (count > 0)
		count = read(link->fd, bytes, sizeof(bytes));
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (count <= 0)
		return -1;
	bytes_take(link, asking, bytes, (u32)count);
	return 1;
}

static bool refusal_is_final(u32 refusal)
{
	return refusal && refusal != FRAME_DAMAGED_REQUEST;
}

static enum attempt attempt(struct link *link, struct asking *asking)
{
	u64 end = now_ms() + ATTEMPT_MS;
	int more = 1;

	asking->damaged = asking->progress = asking->over = false;
	asking->refusal = 0;
	asking->deadline = now_ms() + link->timeout_ms;
	if (request_send(link, &asking->frame))
		return ATTEMPT_CLOSED;
	while (more > 0 && now_ms() < end) {
		if (refusal_is_final(asking->refusal))
			return ATTEMPT_REFUSED;
		if (window_is_complete(link, asking))
			return ATTEMPT_DONE;
		if (asking->refusal || asking->over)
			return ATTEMPT_AGAIN;
		more = bytes_wait(link, asking);
	}
	return more < 0 ? ATTEMPT_CLOSED : ATTEMPT_AGAIN;
}

/* --- asking --- */

static enum outcome say(const struct link *link, enum outcome outcome, const char *text)
{
	if (!link->quiet)
		fprintf(stderr, "bhctl: %s: %s\n", link->name, text);
	return outcome;
}

static enum outcome refused(struct link *link, u32 refusal)
{
	switch (refusal) {
	case FRAME_OTHER_BOOT:
		if (link->may_fall_silent)
			return OUTCOME_SILENT;
		link->greeted = false;
		return say(link, OUTCOME_PROTOCOL,
			   "the machine was started anew meanwhile; this was not carried out");
	case FRAME_OTHER_VERSION:
		return say(link, OUTCOME_PROTOCOL,
			   "this Bulkhead speaks another version of the protocol: use its bhctl");
	case FRAME_FORGOTTEN:
		return say(link, OUTCOME_PROTOCOL,
			   "the answer was lost, as another program uses this Bulkhead; the "
			   "command was carried out");
	case FRAME_UNKNOWN_TYPE:
		return say(link, OUTCOME_PROTOCOL, "this Bulkhead does not know such a request");
	default:
		return say(link, OUTCOME_PROTOCOL, "Bulkhead refuses a request of bhctl");
	}
}

static enum outcome gave_up(const struct link *link, const struct asking *asking)
{
	if (asking->heard)
		return say(link, OUTCOME_PROTOCOL,
			   "the line damages too much: no sound answer after all tries");
	if (link->may_fall_silent)
		return OUTCOME_SILENT;
	return say(link, OUTCOME_NO_LINE,
		   link->greeted ? "Bulkhead does not answer any more"
				 : "no Bulkhead answers; is it running, is this its console's "
				   "line, and is the speed right?");
}

/* The first part that is missing; PARTS_MAX: none. */
static u32 part_missing(const struct link *link)
{
	u32 end = link->parts ? link->parts : 1;

	for (u32 part = 0; part < end; part++) {
		if (!link->have[part])
			return part;
	}
	return PARTS_MAX;
}

static enum outcome answer_finish(struct link *link)
{
	if (frame_get(link->answer + 4, 4) != link->bytes - FRAME_ANSWER_HEADER)
		return say(link, OUTCOME_PROTOCOL, "an answer has not the length that it names");
	link->status = (s32)frame_get(link->answer, 4);
	link->bytes -= FRAME_ANSWER_HEADER;
	link->data = link->answer + FRAME_ANSWER_HEADER;
	link->data[link->bytes] = 0;
	return OUTCOME_GOOD;
}

static enum outcome parts_collect(struct link *link, struct asking *asking)
{
	u32 payload = asking->frame.bytes, failures = 0, part;

	while ((part = part_missing(link)) != PARTS_MAX) {
		asking->frame.part = (u16)part;
		asking->frame.bytes = part ? 0 : payload;
		asking->last = part + FRAME_WINDOW - 1;
		if (link->parts)
			asking->last = MIN(asking->last, link->parts - 1);
		switch (attempt(link, asking)) {
		case ATTEMPT_DONE:
			failures = 0;
			break;
		case ATTEMPT_AGAIN:
			failures = asking->progress ? 0 : failures + 1;
			if (failures >= link->tries)
				return gave_up(link, asking);
			break;
		case ATTEMPT_REFUSED:
			return refused(link, asking->refusal);
		case ATTEMPT_CLOSED:
			if (link->may_fall_silent)
				return OUTCOME_SILENT;
			return say(link, OUTCOME_NO_LINE, "the line was closed at the other end");
		}
	}
	return answer_finish(link);
}

static enum outcome request_ask(struct link *link, enum frame_type type, const void *payload,
				u32 bytes)
{
	struct asking asking = {
		.frame = {.version = FRAME_VERSION,
			  .type = (u8)type,
			  .count = FRAME_WINDOW,
			  .boot = link->boot,
			  .bytes = bytes,
			  .payload = payload},
	};

	do
		asking.frame.id = link->next_id++;
	while (!asking.frame.id);
	link->parts = 0;
	memset(link->have, 0, sizeof(link->have));
	return parts_collect(link, &asking);
}

enum outcome link_greet(struct link *link)
{
	enum outcome outcome;

	/* Nobody who cannot see the line knows which answer is waited for. */
	if (!link->next_id) {
		frame_receiver_init(&link->receiver, FRAME_TO_HOST);
		if (getrandom(&link->next_id, sizeof(link->next_id), 0) < 0)
			link->next_id = now_ms() << 20 ^ (u64)getpid();
	}
	outcome = request_ask(link, FRAME_HELLO, NULL, 0);
	if (outcome)
		return outcome;
	if (link->bytes < 25)
		return say(link, OUTCOME_PROTOCOL, "the answer to the greeting is too short");
	link->boot = (u32)frame_get(link->data, 4);
	link->cpus = (u32)frame_get(link->data + 4, 4);
	link->tsc_hz = frame_get(link->data + 8, 8);
	link->tsc = frame_get(link->data + 16, 8);
	link->tracing = link->data[24];
	snprintf(link->version, sizeof(link->version), "%s", (const char *)link->data + 25);
	link->greeted = true;
	return OUTCOME_GOOD;
}

enum outcome link_ask(struct link *link, enum frame_type type, const void *payload, u32 bytes)
{
	if (!link->greeted) {
		enum outcome outcome = link_greet(link);

		if (outcome)
			return outcome;
	}
	return request_ask(link, type, payload, bytes);
}
