/* SPDX-License-Identifier: MIT */
/* Frames on a serial line that is also a person's: coding, and finding them among anything else. */
#include <bulkhead/frame.h>

#define REQUEST_BEGIN 0xfe
#define REQUEST_END   0xff
#define ESCAPE	      0x1b
#define CRC_RESIDUE   0x2144df1c /* of data with its own CRC behind it */

/* As many of one control character in a row end a request that was never finished: whoever sees no
 * reaction tries again. */
#define ENOUGH_CONTROLS 3

enum receiver_state {
	STATE_OUTSIDE,
	STATE_ESCAPE, /* ESC */
	STATE_MARK,   /* ESC _ and a part of the mark: `count` characters */
	STATE_TEXT,
	STATE_TEXT_ESCAPE, /* ESC within the text */
};

static const u8 mark[] = {'B', 'H', ':'};
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

u32 frame_crc(u32 crc, const void *data, u64 bytes)
{
	const u8 *at = data;

	crc = ~crc;
	while (bytes--) {
		crc ^= *at++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

u64 frame_get(const u8 *from, u32 bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | from[bytes];
	return value;
}

void frame_put(u8 *to, u64 value, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++, value >>= 8)
		to[i] = (u8)value;
}

/* --- coding --- */

struct encoder {
	u8 *out;
	u32 bits, bit_count;
	u32 crc;
};

static void encode_bytes(struct encoder *encoder, const u8 *bytes, u32 count)
{
	encoder->crc = frame_crc(encoder->crc, bytes, count);
	while (count--) {
		encoder->bits = encoder->bits << 8 | *bytes++;
		encoder->bit_count += 8;
		while (encoder->bit_count >= 6) {
			encoder->bit_count -= 6;
			*encoder->out++ = (u8)digits[encoder->bits >> encoder->bit_count & 63];
		}
	}
}

static void encode_end(struct encoder *encoder)
{
	if (encoder->bit_count)
		*encoder->out++ = (u8)digits[encoder->bits << (6 - encoder->bit_count) & 63];
}

u32 frame_encode(const struct frame *frame, enum frame_direction direction,
		 u8 wire[FRAME_WIRE_BYTES])
{
	struct encoder encoder = {.out = wire};
	u8 header[FRAME_HEADER_BYTES], crc[FRAME_CRC_BYTES];

	header[0] = frame->version;
	header[1] = frame->type;
	frame_put(header + 2, frame->part, 2);
	frame_put(header + 4, frame->count, 2);
	frame_put(header + 6, frame->boot, 4);
	frame_put(header + 10, frame->id, 8);

	*encoder.out++ = direction == FRAME_TO_CORE ? REQUEST_BEGIN : ESCAPE;
	*encoder.out++ = direction == FRAME_TO_CORE ? REQUEST_BEGIN : '_';
	for (u32 i = 0; direction == FRAME_TO_HOST && i < sizeof(mark); i++)
		*encoder.out++ = mark[i];
	encode_bytes(&encoder, header, sizeof(header));
	encode_bytes(&encoder, frame->payload, MIN(frame->bytes, FRAME_PAYLOAD_BYTES));
	frame_put(crc, encoder.crc, sizeof(crc));
	encode_bytes(&encoder, crc, sizeof(crc));
	encode_end(&encoder);
	if (direction == FRAME_TO_CORE) {
		*encoder.out++ = REQUEST_END;
	} else {
		*encoder.out++ = ESCAPE;
		*encoder.out++ = '\\';
	}
	return (u32)(encoder.out - wire);
}

/* --- receiving --- */

void frame_receiver_init(struct frame_receiver *receiver, enum frame_direction direction)
{
	receiver->direction = direction;
	receiver->state = STATE_OUTSIDE;
}

bool frame_receiving(const struct frame_receiver *receiver)
{
	return receiver->state != STATE_OUTSIDE;
}

static enum frame_event receiver_move(struct frame_receiver *receiver, enum receiver_state state,
				      enum frame_event event)
{
	receiver->state = state;
	return event;
}

static enum frame_event text_begin(struct frame_receiver *receiver)
{
	receiver->damaged = false;
	receiver->repeated = 0;
	receiver->bit_count = 0;
	receiver->count = 0;
	return receiver_move(receiver, STATE_TEXT, FRAME_INSIDE);
}

static bool text_has_begun(const struct frame_receiver *receiver)
{
	return receiver->count || receiver->bit_count || receiver->damaged;
}

/* The value of a base64 digit, or -1. */
static int digit_value(u8 byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return byte - 'a' + 26;
	if (byte >= '0' && byte <= '9')
		return byte - '0' + 52;
	if (byte == '+')
		return 62;
	return byte == '/' ? 63 : -1;
}

static void text_digit(struct frame_receiver *receiver, u32 value)
{
	receiver->bits = (receiver->bits << 6 | value) & 0xfff;
	receiver->bit_count += 6;
	if (receiver->bit_count < 8)
		return;
	receiver->bit_count -= 8;
	if (receiver->count < FRAME_BODY_BYTES)
		receiver->body[receiver->count++] = (u8)(receiver->bits >> receiver->bit_count);
	else
		receiver->damaged = true;
}

static bool text_is_sound(const struct frame_receiver *receiver)
{
	u32 spare = receiver->bits & ((1u << receiver->bit_count) - 1);

	/* There is one text for one body: a spare bit that is set is an error of the line. */
	if (receiver->damaged || receiver->bit_count >= 6 || (receiver->bit_count && spare))
		return false;
	return receiver->count >= FRAME_HEADER_BYTES + FRAME_CRC_BYTES &&
	       frame_crc(0, receiver->body, receiver->count) == CRC_RESIDUE;
}

static enum frame_event text_end(struct frame_receiver *receiver)
{
	const u8 *body = receiver->body;

	receiver->state = STATE_OUTSIDE;
	if (!text_is_sound(receiver))
		return FRAME_DAMAGED;
	receiver->frame = (struct frame){
		.version = body[0],
		.type = body[1],
		.part = (u16)frame_get(body + 2, 2),
		.count = (u16)frame_get(body + 4, 2),
		.boot = (u32)frame_get(body + 6, 4),
		.id = frame_get(body + 10, 8),
		.bytes = receiver->count - FRAME_HEADER_BYTES - FRAME_CRC_BYTES,
		.payload = body + FRAME_HEADER_BYTES,
	};
	return FRAME_READY;
}

static bool is_control(u8 byte)
{
	return byte < ' ' || byte == 0x7f;
}

/*
 * A byte of a request that no request has. It stays inside all the same: were the rest of the frame
 * taken for typing after a bit error, an M that became a carriage return would enter somebody's
 * half typed line. Only a person who does not see any reaction presses the same key several times.
 */
static enum frame_event request_odd_byte(struct frame_receiver *receiver, u8 byte)
{
	receiver->damaged = true;
	if (!is_control(byte))
		return FRAME_INSIDE;
	receiver->repeated = byte == receiver->last ? receiver->repeated + 1 : 1;
	if (receiver->repeated < ENOUGH_CONTROLS)
		return FRAME_INSIDE;
	return receiver_move(receiver, STATE_OUTSIDE, FRAME_OUTSIDE);
}

static enum frame_event request_text(struct frame_receiver *receiver, u8 byte)
{
	enum frame_event event = FRAME_INSIDE;
	int value = digit_value(byte);

	if (value >= 0)
		text_digit(receiver, (u32)value);
	else
		event = request_odd_byte(receiver, byte);
	receiver->last = byte;
	return event;
}

static enum frame_event request_byte(struct frame_receiver *receiver, u8 byte)
{
	if (byte == REQUEST_BEGIN) {
		receiver->last = 0;
		return text_begin(receiver);
	}
	if (byte != REQUEST_END)
		return receiver->state == STATE_TEXT ? request_text(receiver, byte) : FRAME_OUTSIDE;
	/* Nobody types this byte: it ends what has lost its beginning. Behind an opening byte it is
	 * another one with a bit error. */
	return receiver->state == STATE_TEXT && text_has_begun(receiver) ? text_end(receiver)
									 : FRAME_INSIDE;
}

static enum frame_event response_mark(struct frame_receiver *receiver, u8 byte)
{
	if (byte != mark[receiver->count])
		return receiver_move(receiver, STATE_OUTSIDE, FRAME_OUTSIDE);
	if (++receiver->count == sizeof(mark))
		return text_begin(receiver);
	return FRAME_INSIDE;
}

static enum frame_event response_text(struct frame_receiver *receiver, u8 byte)
{
	int value = digit_value(byte);

	if (value < 0)
		return receiver_move(receiver, STATE_OUTSIDE, FRAME_DAMAGED);
	text_digit(receiver, (u32)value);
	return FRAME_INSIDE;
}

/* Behind an ESC, with `other` for what does not continue a frame. */
static enum frame_event response_escape(struct frame_receiver *receiver, u8 byte,
					enum frame_event other)
{
	if (byte != '_')
		return receiver_move(receiver, STATE_OUTSIDE, other);
	receiver->count = 0;
	return receiver_move(receiver, STATE_MARK, FRAME_INSIDE);
}

/* On this side an ESC may always be the first byte of a frame. */
static enum frame_event response_byte(struct frame_receiver *receiver, u8 byte)
{
	if (byte == ESCAPE) {
		bool within = receiver->state == STATE_TEXT || receiver->state == STATE_TEXT_ESCAPE;

		return receiver_move(receiver, within ? STATE_TEXT_ESCAPE : STATE_ESCAPE,
				     FRAME_INSIDE);
	}
	switch (receiver->state) {
	case STATE_ESCAPE:
		return response_escape(receiver, byte, FRAME_OUTSIDE);
	case STATE_MARK:
		return response_mark(receiver, byte);
	case STATE_TEXT:
		return response_text(receiver, byte);
	case STATE_TEXT_ESCAPE:
		return byte == '\\' ? text_end(receiver)
				    : response_escape(receiver, byte, FRAME_DAMAGED);
	default:
		return FRAME_OUTSIDE;
	}
}

enum frame_event frame_receive(struct frame_receiver *receiver, u8 byte)
{
	return receiver->direction == FRAME_TO_CORE ? request_byte(receiver, byte)
						    : response_byte(receiver, byte);
}
