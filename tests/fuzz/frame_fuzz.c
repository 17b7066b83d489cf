/* links: vmm/console/frame.c */
/* SPDX-License-Identifier: MIT */
/*
 * Any bytes on the line, at both ends: receivers never leave their rooms, a frame that is taken is
 * the one text that there is for it, and a frame behind the noise is always found.
 */
#include <bulkhead/frame.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What was received, sent again, is what was on the line last. */
static void check_frame(const struct frame_receiver *receiver, const uint8_t *end, size_t before)
{
	u8 wire[FRAME_WIRE_BYTES];
	u32 count = frame_encode(&receiver->frame, receiver->direction, wire);
	/* One of the two opening bytes of a request may be missing or another one. */
	u32 skip = receiver->direction == FRAME_TO_CORE ? 2 : 0;

	require(receiver->frame.bytes <= FRAME_PAYLOAD_BYTES);
	require(receiver->frame.payload == receiver->body + FRAME_HEADER_BYTES);
	require(count - skip <= before &&
		memcmp(end - (count - skip), wire + skip, count - skip) == 0);
}

static void check_recovery(struct frame_receiver *receiver)
{
	const struct frame frame = {.version = 1, .id = 7, .payload = (const u8 *)"x", .bytes = 1};
	enum frame_event event = FRAME_OUTSIDE;
	u8 wire[FRAME_WIRE_BYTES];
	u32 count = frame_encode(&frame, receiver->direction, wire);

	for (u32 i = 0; i < count; i++)
		event = frame_receive(receiver, wire[i]);
	require(event == FRAME_READY && receiver->frame.id == 7 && receiver->frame.bytes == 1);
}

static void check_receiver(enum frame_direction direction, const uint8_t *data, size_t size)
{
	struct frame_receiver receiver;

	frame_receiver_init(&receiver, direction);
	for (size_t i = 0; i < size; i++) {
		if (frame_receive(&receiver, data[i]) == FRAME_READY)
			check_frame(&receiver, data + i + 1, i + 1);
	}
	check_recovery(&receiver);
}

/* As its CRC keeps noise out, the input is also sent as a frame. */
static void check_round_trip(enum frame_direction direction, const uint8_t *data, size_t size)
{
	struct frame frame = {.version = 1, .type = 2, .payload = data};
	u8 wire[FRAME_WIRE_BYTES];

	frame.bytes = (u32)MIN(size, (size_t)FRAME_PAYLOAD_BYTES);
	check_receiver(direction, wire, frame_encode(&frame, direction, wire));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_receiver(FRAME_TO_CORE, data, size);
	check_receiver(FRAME_TO_HOST, data, size);
	check_round_trip(FRAME_TO_CORE, data, size);
	check_round_trip(FRAME_TO_HOST, data, size);
	return 0;
}
