/* SPDX-License-Identifier: MIT */
/* The host's end of the protocol: ask until there is a sound answer. docs/bhctl.md has the
 * protocol. */
#pragma once

#include <bulkhead/frame.h>

/* What bhctl exits with, and how everything that asks says how it went. */
enum outcome {
	OUTCOME_GOOD,
	OUTCOME_FAILED,	  /* the command, or a part of the work here */
	OUTCOME_MISUSE,	  /* wrong arguments */
	OUTCOME_NO_LINE,  /* the line cannot be opened, or no Bulkhead answers on it */
	OUTCOME_PROTOCOL, /* answers, but none that could be used */
	OUTCOME_SILENT,	  /* only with link.may_fall_silent: it went down */
};

struct link {
	int fd;
	const char *name;
	u32 timeout_ms;	      /* without any sign of an answer, until it is asked for again */
	u32 tries;	      /* in a row that bring nothing new */
	bool may_fall_silent; /* the command ends the machine */
	bool quiet;	      /* say nothing when it fails */

	/* From HELLO: */
	bool greeted;
	u32 boot, cpus;
	u64 tsc_hz, tsc;
	bool tracing;
	char version[128];

	/* The last answer: */
	s32 status; /* 0 or -errno */
	u32 bytes;
	u8 *data; /* followed by a NUL that does not count */

	struct frame_receiver receiver;
	u64 next_id;
	u8 answer[FRAME_ANSWER_HEADER + FRAME_ANSWER_MAX + FRAME_PAYLOAD_BYTES];
	bool have[(FRAME_ANSWER_HEADER + FRAME_ANSWER_MAX) / FRAME_PAYLOAD_BYTES + 1];
	u32 parts; /* of the answer; 0: not known yet */
};

/* With fd, name, timeout_ms and tries set: greet whoever is there. */
enum outcome link_greet(struct link *link) must_check;

/*
 * Ask, until the whole answer is in link->data. OUTCOME_GOOD also when the command failed, which
 * link->status tells. What else went wrong was said.
 */
enum outcome link_ask(struct link *link, enum frame_type type, const void *payload,
		      u32 bytes) must_check;

/* For a request about a partition: its name, then `bytes` of numbers. */
u32 link_name(u8 payload[FRAME_PAYLOAD_BYTES], const char *name);

/* Milliseconds of a clock that only goes on. */
u64 now_ms(void);
