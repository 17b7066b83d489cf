/* SPDX-License-Identifier: MIT */
/* Frames on the serial line: what is coded comes back, what is damaged does not, whatever is
 * around. */
#include "cmocka_all.h"

#include <bulkhead/frame.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BYTES (1 << 16)

/* What a receiver made of a stream. */
struct result {
	u32 ready, damaged, outside;
	struct frame frame; /* the last one */
	u8 payload[FRAME_PAYLOAD_BYTES];
	u8 passed[STREAM_BYTES]; /* what was outside */
};

static struct frame_receiver receiver;
static struct result result;

static void feed(const u8 *bytes, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		switch (frame_receive(&receiver, bytes[i])) {
		case FRAME_OUTSIDE:
			result.passed[result.outside++] = bytes[i];
			break;
		case FRAME_READY:
			result.ready++;
			result.frame = receiver.frame;
			assert_true(receiver.frame.bytes <= FRAME_PAYLOAD_BYTES);
			memcpy(result.payload, receiver.frame.payload, receiver.frame.bytes);
			break;
		case FRAME_DAMAGED:
			result.damaged++;
			break;
		case FRAME_INSIDE:
			break;
		}
	}
}

static void begin(enum frame_direction direction)
{
	memset(&receiver, 0xa5, sizeof(receiver)); /* it does not count on zeros */
	memset(&result, 0, sizeof(result));
	frame_receiver_init(&receiver, direction);
}

static void receive(enum frame_direction direction, const void *bytes, u32 count)
{
	begin(direction);
	feed(bytes, count);
}

static u64 random_number(void)
{
	return (u64)rand() << 42 ^ (u64)rand() << 21 ^ (u64)rand();
}

static struct frame random_frame(u8 payload[FRAME_PAYLOAD_BYTES], u32 bytes)
{
	for (u32 i = 0; i < bytes; i++)
		payload[i] = (u8)rand();
	return (struct frame){
		.version = (u8)rand(),
		.type = (u8)rand(),
		.part = (u16)rand(),
		.count = (u16)rand(),
		.boot = (u32)random_number(),
		.id = random_number(),
		.bytes = bytes,
		.payload = payload,
	};
}

static void assert_same(const struct frame *frame)
{
	assert_int_equal(result.frame.version, frame->version);
	assert_int_equal(result.frame.type, frame->type);
	assert_int_equal(result.frame.part, frame->part);
	assert_int_equal(result.frame.count, frame->count);
	assert_int_equal(result.frame.boot, frame->boot);
	assert_int_equal(result.frame.id, frame->id);
	assert_int_equal(result.frame.bytes, frame->bytes);
	assert_memory_equal(result.payload, frame->payload, frame->bytes);
}

/* The published check value. */
static void crc_is_the_usual_one(void **state)
{
	(void)state;
	assert_int_equal(frame_crc(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(frame_crc(frame_crc(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(frame_crc(0, "", 0), 0);
}

static void numbers_are_little_endian(void **state)
{
	const u8 bytes[] = {0x78, 0x56, 0x34, 0x12};
	u8 to[9] = {0};

	(void)state;
	assert_int_equal(frame_get(bytes, 4), 0x12345678);
	assert_int_equal(frame_get(bytes, 2), 0x5678);
	assert_int_equal(frame_get(bytes, 0), 0);
	frame_put(to, 0x1122334455667788, 8);
	assert_int_equal(frame_get(to, 8), 0x1122334455667788);
	assert_int_equal(to[0], 0x88);
	assert_int_equal(to[8], 0);
}

static void every_length_comes_back(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES + 1];

	(void)state;
	srand(1);
	for (u32 bytes = 0; bytes <= FRAME_PAYLOAD_BYTES; bytes++) {
		enum frame_direction direction = bytes & 1 ? FRAME_TO_CORE : FRAME_TO_HOST;
		struct frame frame = random_frame(payload, bytes);
		u32 count;

		wire[FRAME_WIRE_BYTES] = 0x77;
		count = frame_encode(&frame, direction, wire);
		assert_true(count <= FRAME_WIRE_BYTES);
		assert_int_equal(wire[FRAME_WIRE_BYTES], 0x77);
		receive(direction, wire, count);
		assert_int_equal(result.ready, 1);
		assert_int_equal(result.damaged + result.outside, 0);
		assert_false(frame_receiving(&receiver));
		assert_same(&frame);
	}
}

/* Inside there is nothing that a terminal, a driver or flow control would act on. */
static void the_inside_is_printable(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];
	struct frame frame = random_frame(payload, sizeof(payload));
	u32 count = frame_encode(&frame, FRAME_TO_CORE, wire);

	(void)state;
	assert_int_equal(wire[0], 0xfe);
	assert_int_equal(wire[1], 0xfe);
	assert_int_equal(wire[count - 1], 0xff);
	for (u32 i = 2; i < count - 1; i++)
		assert_true(wire[i] > ' ' && wire[i] < 0x7f);
	count = frame_encode(&frame, FRAME_TO_HOST, wire);
	assert_memory_equal(wire, "\x1b_BH:", 5);
	assert_memory_equal(wire + count - 2, "\x1b\\", 2);
	for (u32 i = 2; i < count - 2; i++)
		assert_true(wire[i] > ' ' && wire[i] < 0x7f);
}

static void a_payload_that_is_too_long_is_cut(void **state)
{
	static u8 payload[2 * FRAME_PAYLOAD_BYTES];
	u8 wire[FRAME_WIRE_BYTES];
	struct frame frame = {.version = 1, .bytes = sizeof(payload), .payload = payload};

	(void)state;
	receive(FRAME_TO_CORE, wire, frame_encode(&frame, FRAME_TO_CORE, wire));
	assert_int_equal(result.ready, 1);
	assert_int_equal(result.frame.bytes, FRAME_PAYLOAD_BYTES);
}

static void no_single_bit_error_is_believed(void **state)
{
	static const u32 lengths[] = {0, 1, 2, 3, 40, 41, 42};
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];

	(void)state;
	srand(2);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
		enum frame_direction direction = i & 1 ? FRAME_TO_CORE : FRAME_TO_HOST;
		struct frame frame = random_frame(payload, lengths[i / 2]);
		u32 count = frame_encode(&frame, direction, wire);

		for (u32 bit = 0; bit < count * 8; bit++) {
			wire[bit / 8] ^= (u8)(1u << bit % 8);
			receive(direction, wire, count);
			if (result.ready) {
				/* Only one of the two opening bytes may be lost. */
				assert_true(bit / 8 <= 1);
				assert_int_equal(direction, FRAME_TO_CORE);
				assert_same(&frame);
			}
			wire[bit / 8] ^= (u8)(1u << bit % 8);
		}
	}
}

/* Nothing of a request with a bit error gets to the console, but for the byte that is hit when it
 * is the very first. */
static void no_single_bit_error_types_anything(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];
	struct frame frame;
	u32 count;

	(void)state;
	srand(3);
	frame = random_frame(payload, 200);
	count = frame_encode(&frame, FRAME_TO_CORE, wire);
	for (u32 bit = 8; bit < count * 8; bit++) {
		wire[bit / 8] ^= (u8)(1u << bit % 8);
		receive(FRAME_TO_CORE, wire, count);
		assert_int_equal(result.outside, 0);
		wire[bit / 8] ^= (u8)(1u << bit % 8);
	}
}

static void bursts_are_not_believed(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES], hit[FRAME_WIRE_BYTES];

	(void)state;
	srand(4);
	for (u32 i = 0; i < 20000; i++) {
		enum frame_direction direction = i & 1 ? FRAME_TO_CORE : FRAME_TO_HOST;
		struct frame frame = random_frame(payload, (u32)rand() % 60);
		u32 count = frame_encode(&frame, direction, wire), at, length;

		memcpy(hit, wire, count);
		at = (u32)rand() % count;
		length = MIN(1 + (u32)rand() % 9, count - at);
		for (u32 k = 0; k < length; k++)
			hit[at + k] = (u8)rand();
		receive(direction, hit, count);
		if (result.ready)
			assert_same(&frame);
	}
}

static void truncated_frames_are_no_frames(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES], cut[FRAME_WIRE_BYTES];
	u32 count, tail;

	(void)state;
	for (u32 direction = FRAME_TO_CORE; direction <= FRAME_TO_HOST; direction++) {
		struct frame frame = random_frame(payload, 30);

		count = frame_encode(&frame, direction, wire);
		tail = direction == FRAME_TO_CORE ? 1 : 2;
		for (u32 length = 0; length < count; length++) {
			receive(direction, wire, length);
			assert_int_equal(result.ready + result.damaged, 0);
			/* The next one is found all the same. */
			feed(wire, count);
			assert_int_equal(result.ready, 1);
			assert_same(&frame);
		}
		/* Some of the text is missing, the end is there. */
		for (u32 length = 5; length < count - tail; length++) {
			memcpy(cut, wire, length);
			memcpy(cut + length, wire + count - tail, tail);
			receive(direction, cut, length + tail);
			assert_int_equal(result.ready, 0);
			assert_int_equal(result.damaged, 1);
		}
	}
}

static void an_endless_frame_is_no_frame(void **state)
{
	(void)state;
	begin(FRAME_TO_CORE);
	feed((const u8 *)"\xfe", 1);
	for (u32 i = 0; i < 100000; i++)
		feed((const u8 *)"A", 1);
	assert_int_equal(result.outside, 0);
	feed((const u8 *)"\xff", 1);
	assert_int_equal(result.ready, 0);
	assert_int_equal(result.damaged, 1);
	begin(FRAME_TO_HOST);
	feed((const u8 *)"\x1b_BH:", 5);
	for (u32 i = 0; i < 100000; i++)
		feed((const u8 *)"A", 1);
	feed((const u8 *)"\x1b\\", 2);
	assert_int_equal(result.ready, 0);
	assert_int_equal(result.damaged, 1);
}

/* Text around frames reaches the console unchanged, whatever a keyboard can make. */
static void typing_around_requests_passes(void **state)
{
	static const char typed[] = "list\r\x1b[A\x03\x1d\t caf\xc3\xa9 \xf0\x9f\x9a\xa2 \x7f";
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];
	u32 length = (u32)strlen(typed);
	struct frame frame;
	u32 count;

	(void)state;
	frame = random_frame(payload, 77);
	count = frame_encode(&frame, FRAME_TO_CORE, wire);
	for (u32 at = 0; at <= length; at++) {
		begin(FRAME_TO_CORE);
		feed((const u8 *)typed, at);
		feed(wire, count);
		feed((const u8 *)typed + at, length - at);
		assert_int_equal(result.ready, 1);
		assert_int_equal(result.outside, length);
		assert_memory_equal(result.passed, typed, length);
	}
}

/* A program that died in the middle of a request does not lock anybody out. */
static void pressing_enter_thrice_ends_a_request(void **state)
{
	(void)state;
	receive(FRAME_TO_CORE, "\xfe\xfeQUJD", 6);
	assert_true(frame_receiving(&receiver));
	feed((const u8 *)"help\r\r", 6);
	assert_int_equal(result.outside, 0);
	feed((const u8 *)"\rlist\r", 6);
	assert_memory_equal(result.passed, "\rlist\r", 6);
	assert_int_equal(result.outside, 6);
	assert_int_equal(result.ready + result.damaged, 0);

	/* Different ones, or with letters between, are what a bad line may make. */
	receive(FRAME_TO_CORE, "\xfe\xfe\r\n\r\n\r1\r2\r\x1b\x1b", 14);
	assert_int_equal(result.outside, 0);
	frame_receiver_init(&receiver, FRAME_TO_CORE);
	assert_false(frame_receiving(&receiver));
	feed((const u8 *)"x", 1);
	assert_int_equal(result.outside, 1);
}

static void responses_are_found_among_anything(void **state)
{
	static const char *const garbage[] = {
		"",
		"\x1b",
		"\x1b_",
		"\x1b_BH",
		"\x1b_BH:",
		"\x1b_BH:QUJD",
		"\x1b_BH:QUJD\x1b",
		"\x1b_BH:QUJD\r\n",
		"\x1b_another string\x1b\\",
		"\x1b\x1b",
		"\x1b[2J\x1b[31m boot \xfe\xff\xff\xfe",
		"\x1b_BBH:",
		"\xfe\xfeQUJD\xff", /* our own request, sent back */
	};
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];
	struct frame frame;
	u32 count;

	(void)state;
	frame = random_frame(payload, 99);
	count = frame_encode(&frame, FRAME_TO_HOST, wire);
	for (u32 i = 0; i < ARRAY_SIZE(garbage); i++) {
		begin(FRAME_TO_HOST);
		feed((const u8 *)garbage[i], (u32)strlen(garbage[i]));
		feed(wire, count);
		feed((const u8 *)garbage[i], (u32)strlen(garbage[i]));
		feed(wire, count);
		assert_int_equal(result.ready, 2);
		assert_same(&frame);
	}
}

/* A request's frame is none for the host, and the other way round. */
static void directions_do_not_mix(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];
	struct frame frame;

	(void)state;
	frame = random_frame(payload, 10);
	receive(FRAME_TO_CORE, wire, frame_encode(&frame, FRAME_TO_HOST, wire));
	assert_int_equal(result.ready + result.damaged, 0);
	receive(FRAME_TO_HOST, wire, frame_encode(&frame, FRAME_TO_CORE, wire));
	assert_int_equal(result.ready + result.damaged, 0);
}

/* Spare bits of the last digit, and digits that make no byte. */
static void other_spellings_are_refused(void **state)
{
	u8 payload[FRAME_PAYLOAD_BYTES], wire[FRAME_WIRE_BYTES];
	struct frame frame = random_frame(payload, 0); /* 22 bytes: 30 digits, 4 spare bits */
	u32 count = frame_encode(&frame, FRAME_TO_CORE, wire);
	static const char *const instead[] = {"B", "/", "=", "==", "A", "AA"};

	(void)state;
	assert_int_equal(count, 33);
	assert_true(strchr("AQgw", wire[count - 2]));
	for (u32 i = 0; i < ARRAY_SIZE(instead); i++) {
		receive(FRAME_TO_CORE, wire, count - (i < 2 ? 2 : 1));
		feed((const u8 *)instead[i], (u32)strlen(instead[i]));
		feed((const u8 *)"\xff", 1);
		assert_int_equal(result.ready, 0);
		assert_int_equal(result.damaged, 1);
	}
}

static void nobody_types_a_stray_end(void **state)
{
	(void)state;
	receive(FRAME_TO_CORE,
		"a\xff\xff"
		"b",
		4);
	assert_int_equal(result.outside, 2);
	assert_memory_equal(result.passed, "ab", 2);
	assert_int_equal(result.damaged, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_the_usual_one),
		cmocka_unit_test(numbers_are_little_endian),
		cmocka_unit_test(every_length_comes_back),
		cmocka_unit_test(the_inside_is_printable),
		cmocka_unit_test(a_payload_that_is_too_long_is_cut),
		cmocka_unit_test(no_single_bit_error_is_believed),
		cmocka_unit_test(no_single_bit_error_types_anything),
		cmocka_unit_test(bursts_are_not_believed),
		cmocka_unit_test(truncated_frames_are_no_frames),
		cmocka_unit_test(an_endless_frame_is_no_frame),
		cmocka_unit_test(typing_around_requests_passes),
		cmocka_unit_test(pressing_enter_thrice_ends_a_request),
		cmocka_unit_test(responses_are_found_among_anything),
		cmocka_unit_test(directions_do_not_mix),
		cmocka_unit_test(other_spellings_are_refused),
		cmocka_unit_test(nobody_types_a_stray_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
