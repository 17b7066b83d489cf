/* SPDX-License-Identifier: MIT */
/* What an operator wants of a board: it is asked under its lock, in sight of the partition's
 * memory, and only while its time goes on. */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>

static struct partition partition;
static struct partition other; /* whose memory was in sight before */
static const struct address_space *in_sight;
static unsigned calls;
static unsigned room; /* for so many bytes more */

static bool called(const struct pc *pc)
{
	assert_ptr_equal(pc, partition.pc);
	assert_int_not_equal(partition.device_lock.next, partition.device_lock.serving);
	calls++;
	return true;
}

static bool called_in_sight(const struct pc *pc)
{
	assert_ptr_equal(in_sight, &partition.space);
	return called(pc);
}

u64 address_space_enter(const struct address_space *space)
{
	u64 previous = (u64)in_sight;

	in_sight = space;
	return previous;
}

void address_space_leave(u64 previous)
{
	in_sight = (const struct address_space *)previous;
}

bool pc_console_input(struct pc *pc, u8 byte unused)
{
	return called_in_sight(pc) && room && room--;
}

bool pc_balloon_look(struct pc *pc, struct balloon_view *view)
{
	view->target_bytes = 77;
	return called_in_sight(pc);
}

bool pc_balloon_target(struct pc *pc, u64 bytes)
{
	assert_int_equal(bytes, 5 * MIB);
	return called_in_sight(pc);
}

bool pc_balloon_ask(struct pc *pc)
{
	return called_in_sight(pc);
}

void pc_screen(const struct pc *pc, struct screen_text *text unused)
{
	(void)called(pc);
}

/* One that runs. */
static int setup(void **state)
{
	(void)state;
	partition = (struct partition){
		.state = PARTITION_RUNNING, .starts = 1, .pc = (struct pc *)&other};
	in_sight = &other.space;
	calls = 0;
	room = 3;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_ptr_equal(in_sight, &other.space);
	assert_int_equal(partition.device_lock.next, partition.device_lock.serving);
	return 0;
}

static void takes_what_is_typed_as_long_as_there_is_room(void **state)
{
	(void)state;
	assert_int_equal(partition_console_input(&partition, (const u8 *)"ab", 2), 2);
	assert_int_equal(partition_console_input(&partition, (const u8 *)"cde", 3), 1);
	assert_int_equal(partition_console_input(&partition, (const u8 *)"de", 2), 0);
}

static void asks_its_balloon(void **state)
{
	struct balloon_view view;

	(void)state;
	assert_true(partition_balloon(&partition, &view));
	assert_int_equal(view.target_bytes, 77);
	assert_true(partition_balloon_target(&partition, 5 * MIB));
	assert_true(partition_balloon_ask(&partition));
	assert_int_equal(calls, 3);
}

static void expect_not_called(void)
{
	struct balloon_view view;

	assert_int_equal(partition_console_input(&partition, (const u8 *)"ab", 2), 0);
	assert_false(partition_balloon(&partition, &view));
	assert_false(partition_balloon_target(&partition, 5 * MIB));
	assert_false(partition_balloon_ask(&partition));
	assert_int_equal(calls, 0);
}

static void asks_nothing_of_one_that_does_not_run(void **state)
{
	(void)state;
	for (int s = 0; s <= PARTITION_CRASHED; s++) {
		partition.state = (enum partition_state)s;
		if (s != PARTITION_RUNNING)
			expect_not_called();
	}
}

/* It ended after its state was looked at: its memory may be another run's by now. */
static void asks_nothing_of_a_board_that_stands(void **state)
{
	(void)state;
	partition.board_not_before = TIMER_OFF;
	expect_not_called();
}

static void shows_the_last_screen(void **state)
{
	struct screen_text text;

	(void)state;
	partition.board_not_before = TIMER_OFF;
	partition.state = PARTITION_CRASHED;
	assert_true(partition_screen(&partition, &text));
	assert_int_equal(calls, 1);
	partition.starts = 0;
	assert_false(partition_screen(&partition, &text));
	assert_int_equal(calls, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(takes_what_is_typed_as_long_as_there_is_room),
		T(asks_its_balloon),
		T(asks_nothing_of_one_that_does_not_run),
		T(asks_nothing_of_a_board_that_stands),
		T(shows_the_last_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
