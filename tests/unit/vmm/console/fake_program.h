/* SPDX-License-Identifier: MIT */
/* A program on the line of fake_remote.h: it asks, collects the parts of answers, and insists that
 * nothing but frames is sent. */
#pragma once

#include "cmocka_all.h"

#include "fake_remote.h"

#define SENT_ROOM (1 << 19)

static struct {
	u8 bytes[SENT_ROOM];
	u32 count;
} sent;

void console_send(const void *bytes, u64 count)
{
	assert_true(sent.count + count <= SENT_ROOM);
	memcpy(sent.bytes + sent.count, bytes, count);
	sent.count += (u32)count;
}

/* --- a program --- */

static struct {
	u32 frames;
	u8 type;
	u16 part, count; /* of the last frame */
	u64 id;
	u8 refusal;
	s32 status;
	u32 length; /* as announced */
	u8 data[FRAME_ANSWER_HEADER + FRAME_ANSWER_MAX];
	u32 bytes;
} got;

static u32 boot;
static u64 next_id = 0x1000;

static void type_bytes(const u8 *bytes, u32 count)
{
	for (u32 i = 0; i < count; i++)
		assert_true(remote_input(bytes[i]));
}

static void frame_taken(const struct frame *frame)
{
	got.frames++;
	got.type = frame->type;
	got.part = frame->part;
	got.count = frame->count;
	got.id = frame->id;
	assert_int_equal(frame->version, FRAME_VERSION);
	if (frame->type == FRAME_REFUSAL) {
		assert_int_equal(frame->bytes, 2);
		assert_int_equal(frame->payload[1], FRAME_VERSION);
		got.refusal = frame->payload[0];
		return;
	}
	assert_int_equal(frame->type, FRAME_ANSWER);
	assert_true(frame->part < frame->count);
	memcpy(got.data + frame->part * FRAME_PAYLOAD_BYTES, frame->payload, frame->bytes);
	got.bytes = MAX(got.bytes, frame->part * FRAME_PAYLOAD_BYTES + frame->bytes);
	got.status = (s32)frame_get(got.data, 4);
	got.length = (u32)frame_get(got.data + 4, 4);
}

/* Read what was sent; it is nothing but frames. */
static void answers_take(void)
{
	struct frame_receiver receiver;

	frame_receiver_init(&receiver, FRAME_TO_HOST);
	got.frames = 0;
	got.refusal = 0;
	for (u32 i = 0; i < sent.count; i++) {
		enum frame_event event = frame_receive(&receiver, sent.bytes[i]);

		assert_true(event == FRAME_INSIDE || event == FRAME_READY);
		if (event == FRAME_READY)
			frame_taken(&receiver.frame);
	}
	assert_false(frame_receiving(&receiver));
	sent.count = 0;
}

static void send_frame(const struct frame *frame)
{
	u8 wire[FRAME_WIRE_BYTES];

	type_bytes(wire, frame_encode(frame, FRAME_TO_CORE, wire));
	answers_take();
}

static struct frame request_of(enum frame_type type, const void *payload, u32 bytes)
{
	return (struct frame){
		.version = FRAME_VERSION,
		.type = (u8)type,
		.count = FRAME_WINDOW,
		.boot = boot,
		.id = next_id++,
		.bytes = bytes,
		.payload = payload,
	};
}

/* Ask, and collect all parts. */
static void ask(enum frame_type type, const void *payload, u32 bytes)
{
	struct frame frame = request_of(type, payload, bytes);

	memset(&got, 0xee, sizeof(got));
	got.bytes = 0;
	send_frame(&frame);
	if (got.type == FRAME_REFUSAL)
		return;
	while (got.part + 1 < got.count) {
		frame.part = (u16)(got.part + 1);
		frame.bytes = 0;
		send_frame(&frame);
		assert_int_equal(got.type, FRAME_ANSWER);
	}
	assert_int_equal(got.bytes, FRAME_ANSWER_HEADER + got.length);
}

static void assert_refused(u32 why)
{
	assert_int_equal(got.frames, 1);
	assert_int_equal(got.type, FRAME_REFUSAL);
	assert_int_equal(got.refusal, why);
}

static void assert_text(const char *text)
{
	assert_int_equal(got.length, strlen(text));
	assert_memory_equal(got.data + FRAME_ANSWER_HEADER, text, strlen(text));
}

static void assert_failed(s32 status, const char *part)
{
	char text[2048];

	assert_int_equal(got.status, status);
	assert_true(got.length && got.length < sizeof(text));
	memcpy(text, got.data + FRAME_ANSWER_HEADER, got.length);
	text[got.length] = 0;
	assert_non_null(strstr(text, part));
}

static const u8 *answered(void)
{
	return got.data + FRAME_ANSWER_HEADER;
}

/* Name, and numbers of 8 and 4 bytes. */
static u32 named(u8 *payload, const char *name, u64 first, u64 second)
{
	u32 length = (u32)strlen(name);

	payload[0] = (u8)length;
	memcpy(payload + 1, name, length);
	frame_put(payload + 1 + length, first, 8);
	frame_put(payload + 9 + length, second, 4);
	return length + 13;
}
