/* SPDX-License-Identifier: MIT */
/*
 * Frames on the console's serial line, through which a program talks to Bulkhead while a person
 * uses the same line. Pure; the same code is in the core and in the host tool. docs/bhctl.md
 * describes the protocol.
 *
 * A request is FEh FEh, text, FFh: no keyboard makes these bytes, and UTF-8 has neither. A response
 * is the text in a string that terminals do not show: ESC _ BH: text ESC \. The text is base64
 * without padding: no control characters, no flow control. In it are header, payload, and a CRC-32
 * of both; numbers are little-endian.
 */
#pragma once

#include <bulkhead/types.h>

#define FRAME_VERSION 1

#define FRAME_HEADER_BYTES  18
#define FRAME_PAYLOAD_BYTES 1024 /* at most */
#define FRAME_CRC_BYTES	    4
#define FRAME_BODY_BYTES    (FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES + FRAME_CRC_BYTES)
#define FRAME_WIRE_BYTES    ((FRAME_BODY_BYTES * 4 + 2) / 3 + 8) /* the longest frame on the line */

#define FRAME_WINDOW 8 /* parts that may be asked for at once */

/* Every request has a payload of its own; every answer begins with struct frame_answer's fields. */
enum frame_type {
	FRAME_HELLO = 1,     /* -: what runs here */
	FRAME_NAMES,	     /* -: lines "thread NUMBER NAME" and "exit NUMBER NAME" */
	FRAME_COMMAND,	     /* a line for the console: what it prints */
	FRAME_CONSOLE_READ,  /* name, position u64, room u32: see docs */
	FRAME_CONSOLE_WRITE, /* name, bytes: u32 how many were taken */
	FRAME_DUMP_BEGIN,    /* name: u64 bytes of the whole dump */
	FRAME_DUMP_READ,     /* name, offset u64, bytes u32: runs */
	FRAME_TRACE_READ,    /* cpu u32, sequence u64: sequence u64, records */
	FRAME_ANSWER = 0x81, /* part `part` of `count` */
	FRAME_REFUSAL,	     /* u8 enum frame_refusal, u8 FRAME_VERSION; was not carried out */
};

enum frame_refusal {
	FRAME_DAMAGED_REQUEST = 1, /* id 0, as it is not known: ask again */
	FRAME_OTHER_VERSION,
	FRAME_OTHER_BOOT,   /* the machine was started anew since HELLO */
	FRAME_UNKNOWN_TYPE, /* no such request */
	FRAME_BAD_REQUEST,  /* its payload makes no sense */
	FRAME_NO_PART,	    /* the answer has no such part */
	FRAME_FORGOTTEN,    /* was carried out, or never seen; there is no answer any more */
};

/* Position for FRAME_CONSOLE_READ: from what is printed next. */
#define FRAME_POSITION_END (~0UL)

/* A run in the answer to FRAME_DUMP_READ: u32 length; with this bit zeros, else the bytes follow.
 */
#define FRAME_RUN_ZERO	   0x80000000u
#define FRAME_DUMP_MAX	   (1024 * 1024) /* bytes that one FRAME_DUMP_READ may ask for */
#define FRAME_CONSOLE_MAX  4096		 /* likewise FRAME_CONSOLE_READ */
#define FRAME_ANSWER_MAX   (256 * 1024)	 /* the longest answer, all parts together */
#define FRAME_RECORD_BYTES 16 /* of a trace record: u64 tsc, u32 data, u16 who, u8 kind, u8 0 */
#define FRAME_ANSWER_HEADER                                                                        \
	8 /* in part 0: u32 status (0 or -errno), u32 bytes that follow in all */

struct frame {
	u8 version;
	u8 type;
	u16 part;  /* request: the first part wanted; answer: which one this is */
	u16 count; /* request: how many parts at most; answer: how many there are */
	u32 boot;  /* which start of the machine is meant, from HELLO */
	u64 id;	   /* of the request, chosen by who asks: never used for two of them */
	u32 bytes; /* of payload */
	const u8 *payload;
};

enum frame_direction { FRAME_TO_CORE, FRAME_TO_HOST };

/* What a received byte was. */
enum frame_event {
	FRAME_OUTSIDE, /* no part of a frame */
	FRAME_INSIDE,  /* part of one, or of what may become one */
	FRAME_READY,   /* the last one of a whole and sound frame: receiver.frame */
	FRAME_DAMAGED, /* the last one of a frame that is not sound */
};

struct frame_receiver {
	enum frame_direction direction;
	struct frame frame; /* payload: in `body`, until the next byte is received */
	u32 state;
	bool damaged;
	u8 last;
	u32 repeated; /* control characters like `last` in a row */
	u32 bits, bit_count;
	u32 count;
	u8 body[FRAME_BODY_BYTES];
};

/* Also: give up whatever frame is under way. */
void frame_receiver_init(struct frame_receiver *receiver, enum frame_direction direction);
enum frame_event frame_receive(struct frame_receiver *receiver, u8 byte) must_check;
/* Has a frame begun that is not over? */
bool frame_receiving(const struct frame_receiver *receiver);

/* Returns how many bytes of `wire` are to be sent. At most FRAME_PAYLOAD_BYTES of payload. */
u32 frame_encode(const struct frame *frame, enum frame_direction direction,
		 u8 wire[FRAME_WIRE_BYTES]) must_check;

/* CRC-32 as Ethernet's, for texts in pieces: 0 at first. */
u32 frame_crc(u32 crc, const void *data, u64 bytes) must_check;

/* Numbers in payloads. */
u64 frame_get(const u8 *from, u32 bytes) must_check;
void frame_put(u8 *to, u64 value, u32 bytes);
