/* SPDX-License-Identifier: MIT */
/* The byte ring: what readers get, what they miss, and against an endless tape over a long random
 * run. */
#include "cmocka_all.h"

#include <bulkhead/byte_ring.h>
#include <stdlib.h>
#include <string.h>

#define RING 8

struct fixture {
	struct byte_ring ring;
	u8 data[RING];
	u8 guard[8];
};

static void begin(struct fixture *fixture)
{
	memset(fixture, 0xcc, sizeof(*fixture));
	byte_ring_init(&fixture->ring, fixture->data, RING);
}

static void expect_read(struct fixture *fixture, u64 *position, u64 room, const char *text,
			u64 missed)
{
	u64 got_missed = ~0ull;
	u8 got[32];

	memset(got, 0xee, sizeof(got));
	assert_int_equal(byte_ring_read(&fixture->ring, position, got, room, &got_missed),
			 strlen(text));
	assert_memory_equal(got, text, strlen(text));
	assert_int_equal(got[strlen(text)], 0xee);
	assert_int_equal(got_missed, missed);
}

static void put(struct fixture *fixture, const char *text)
{
	byte_ring_write(&fixture->ring, (const u8 *)text, strlen(text));
	for (size_t i = 0; i < sizeof(fixture->guard); i++)
		assert_int_equal(fixture->guard[i], 0xcc);
}

static void starts_empty(void **state)
{
	struct fixture fixture;
	u64 position = 0;

	(void)state;
	begin(&fixture);
	expect_read(&fixture, &position, 8, "", 0);
	assert_int_equal(position, 0);
	assert_int_equal(fixture.ring.written, 0);
}

static void readers_are_independent(void **state)
{
	struct fixture fixture;
	u64 one = 0, two = 0;

	(void)state;
	begin(&fixture);
	put(&fixture, "abcde");
	expect_read(&fixture, &one, 3, "abc", 0);
	expect_read(&fixture, &two, 16, "abcde", 0);
	put(&fixture, "fgh");
	expect_read(&fixture, &one, 16, "defgh", 0);
	expect_read(&fixture, &two, 16, "fgh", 0);
	expect_read(&fixture, &two, 16, "", 0);
	assert_int_equal(one, 8);
	assert_int_equal(two, 8);
}

static void slow_reader_learns_what_it_missed(void **state)
{
	struct fixture fixture;
	u64 position = 0, quiet = 0;
	u8 byte;

	(void)state;
	begin(&fixture);
	put(&fixture, "abcdefgh"); /* full, nothing lost yet */
	put(&fixture, "ijk");
	expect_read(&fixture, &position, 4, "defg", 3);
	expect_read(&fixture, &position, 16, "hijk", 0);
	assert_int_equal(position, 11);
	assert_int_equal(byte_ring_read(&fixture.ring, &quiet, &byte, 1, NULL), 1);
	assert_int_equal(byte, 'd');
	assert_int_equal(quiet, 4);
}

static void missing_is_told_without_room_too(void **state)
{
	struct fixture fixture;
	u64 position = 0, missed = 0;

	(void)state;
	begin(&fixture);
	put(&fixture, "abcdefghij");
	assert_int_equal(byte_ring_read(&fixture.ring, &position, NULL, 0, &missed), 0);
	assert_int_equal(missed, 2);
	assert_int_equal(position, 2);
}

static void one_write_larger_than_the_ring(void **state)
{
	struct fixture fixture;
	u64 position = 0;

	(void)state;
	begin(&fixture);
	put(&fixture, "abc");
	put(&fixture, "0123456789abcdefghij");
	assert_int_equal(fixture.ring.written, 23);
	expect_read(&fixture, &position, 16, "cdefghij", 15);
	put(&fixture, "");
	expect_read(&fixture, &position, 16, "", 0);
}

static void reader_ahead_gets_nothing(void **state)
{
	struct fixture fixture;
	u64 position = 100;

	(void)state;
	begin(&fixture);
	put(&fixture, "abc");
	expect_read(&fixture, &position, 16, "", 0);
	assert_int_equal(position, 100);
}

/* Every byte read is the one that was written at its position, in order, and none is lost silently.
 */
static void agrees_with_an_endless_tape(void **state)
{
	static u8 tape[40000];
	struct fixture fixture;
	u64 written = 0, position = 0;

	(void)state;
	begin(&fixture);
	srand(1);
	for (size_t i = 0; i < sizeof(tape); i++)
		tape[i] = (u8)rand();
	while (written + 16 < sizeof(tape)) {
		u64 count = (u64)rand() % 13, room = (u64)rand() % 13, missed, got, before;
		u8 read[16];

		byte_ring_write(&fixture.ring, tape + written, count);
		written += count;
		before = position;
		got = byte_ring_read(&fixture.ring, &position, read, room, &missed);
		assert_int_equal(missed, written - before > RING ? written - before - RING : 0);
		assert_int_equal(got, MIN(room, written - before - missed));
		assert_int_equal(position, before + missed + got);
		assert_memory_equal(read, tape + before + missed, got);
	}
}

/* From every fill of every ring: what was kept stays, and so do readers' positions. */
static void grows_without_loss(void **state)
{
	(void)state;
	for (u64 old_bytes = 1; old_bytes <= RING; old_bytes *= 2) {
		for (u64 written = 0; written < 4 * RING; written++) {
			struct byte_ring ring;
			u8 old[RING], larger[2 * RING], got[2 * RING];
			u64 kept = written < old_bytes ? written : old_bytes;
			u64 position = 0, missed;

			byte_ring_init(&ring, old, old_bytes);
			for (u8 i = 0; i < written; i++)
				byte_ring_write(&ring, &i, 1);
			byte_ring_grow(&ring, larger, 2 * old_bytes);
			memset(old, 0xcc, sizeof(old));
			assert_int_equal(ring.written, written);
			byte_ring_write(&ring, (const u8 *)"x", 1);
			assert_int_equal(
				byte_ring_read(&ring, &position, got, sizeof(got), &missed),
				kept + 1);
			assert_int_equal(missed, written - kept);
			for (u64 i = 0; i < kept; i++)
				assert_int_equal(got[i], written - kept + i);
			assert_int_equal(got[kept], 'x');
		}
	}
}

static void without_memory_it_counts(void **state)
{
	struct byte_ring ring;
	u64 position = 0, missed;
	u8 memory[4];

	(void)state;
	byte_ring_init(&ring, NULL, 0);
	byte_ring_write(&ring, (const u8 *)"abc", 3);
	assert_int_equal(byte_ring_read(&ring, &position, memory, 4, &missed), 0);
	assert_int_equal(missed, 3);
	assert_int_equal(position, 3);
	byte_ring_grow(&ring, memory, 4);
	byte_ring_write(&ring, (const u8 *)"d", 1);
	assert_int_equal(byte_ring_read(&ring, &position, memory, 1, &missed), 1);
	assert_int_equal(missed, 0);
	assert_int_equal(memory[0], 'd');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty),
		cmocka_unit_test(readers_are_independent),
		cmocka_unit_test(slow_reader_learns_what_it_missed),
		cmocka_unit_test(missing_is_told_without_room_too),
		cmocka_unit_test(one_write_larger_than_the_ring),
		cmocka_unit_test(grows_without_loss),
		cmocka_unit_test(without_memory_it_counts),
		cmocka_unit_test(reader_ahead_gets_nothing),
		cmocka_unit_test(agrees_with_an_endless_tape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
