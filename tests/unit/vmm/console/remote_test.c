/* SPDX-License-Identifier: MIT */
/* The core's end of the protocol for programs: answers, parts, nothing twice, nothing believed. */
/* links: vmm/console/frame.c vmm/byte_ring.c vmm/format.c */
/* links: vmm/partition_view.c */
#include "cmocka_all.h"

#include "fake_program.h"

static int begin(void **state)
{
	(void)state;
	fake_machine_begin();
	sent.count = 0;
	ask(FRAME_HELLO, NULL, 0);
	boot = (u32)frame_get(answered(), 4);
	return 0;
}

/* --- the tests --- */

static void hello_tells_what_runs(void **state)
{
	(void)state;
	ask(FRAME_HELLO, NULL, 0);
	assert_int_equal(got.status, 0);
	assert_int_not_equal(boot, 0);
	assert_int_equal(frame_get(answered(), 4), boot);
	assert_int_equal(frame_get(answered() + 4, 4), 2);
	assert_int_equal(frame_get(answered() + 8, 8), FAKE_HZ);
	assert_true(frame_get(answered() + 16, 8) <= fake_tsc);
	assert_int_equal(answered()[24], 1);
	assert_int_equal(got.length, 25 + strlen(console_version));
	assert_memory_equal(answered() + 25, console_version, strlen(console_version));
}

static void typing_is_not_taken(void **state)
{
	static const char typed[] = "list\r\x1b[A\x1d\x03 caf\xc3\xa9";

	(void)state;
	for (u32 i = 0; typed[i]; i++)
		assert_false(remote_input((u8)typed[i]));
	assert_int_equal(sent.count, 0);
}

static void commands_answer_with_status_and_text(void **state)
{
	(void)state;
	ask(FRAME_COMMAND, "list", 4);
	assert_int_equal(got.status, 0);
	assert_text("NAME  STATE\nweb   running\ndb    crashed\n");
	ask(FRAME_COMMAND, "lst", 3);
	assert_int_equal(got.status, -EINVAL);
	assert_text("no command \"lst\"\n");
}

static void bad_lines_are_not_run(void **state)
{
	char line[LINE_BYTES + 1], expected[64];
	u32 before = fake_commands;

	(void)state;
	memset(line, 'x', sizeof(line));
	ask(FRAME_COMMAND, line, LINE_BYTES);
	snprintf(expected, sizeof(expected), "at most %d characters, found %d", LINE_BYTES - 1,
		 LINE_BYTES);
	assert_failed(-E2BIG, expected);
	ask(FRAME_COMMAND, "list\rstop", 9);
	assert_failed(-EINVAL, "character 5 of the line is 0x0d");
	ask(FRAME_COMMAND, "list\0", 5);
	assert_failed(-EINVAL, "character 5 of the line is 0x00");
	assert_int_equal(fake_commands, before);
	ask(FRAME_COMMAND, line, LINE_BYTES - 1);
	assert_failed(-EINVAL, "no command");
	assert_int_equal(fake_commands, before + 1);
}

static void long_answers_come_in_parts(void **state)
{
	u32 parts = (FRAME_ANSWER_HEADER + FAKE_BIG_BYTES + FRAME_PAYLOAD_BYTES - 1) /
		    FRAME_PAYLOAD_BYTES;
	static char expected[FAKE_BIG_BYTES];

	(void)state;
	fake_big(expected, sizeof(expected));
	ask(FRAME_COMMAND, "big", 3);
	assert_int_equal(got.count, parts);
	assert_int_equal(got.length, FAKE_BIG_BYTES);
	assert_memory_equal(answered(), expected, sizeof(expected));
}

/* As many parts as are asked for, never more than a window, at least one. */
static void windows_are_kept(void **state)
{
	static const u16 wanted[] = {0, 1, 3, FRAME_WINDOW, FRAME_WINDOW + 1, 0xffff};
	struct frame frame = request_of(FRAME_COMMAND, "big", 3);
	u32 before = fake_commands;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wanted); i++) {
		frame.count = wanted[i];
		send_frame(&frame);
		assert_int_equal(got.frames, MIN(MAX(wanted[i], 1), FRAME_WINDOW));
	}
	frame.part = (u16)(got.count - 2);
	send_frame(&frame);
	assert_int_equal(got.frames, 2);
	frame.part = got.count;
	send_frame(&frame);
	assert_refused(FRAME_NO_PART);
	frame.part = 0xffff;
	send_frame(&frame);
	assert_refused(FRAME_NO_PART);
	assert_int_equal(fake_commands, before + 1);
}

static void nothing_is_done_twice(void **state)
{
	struct frame frame = request_of(FRAME_COMMAND, "count", 5), other;
	u32 before = fake_commands;
	u8 first[64];
	u32 length;

	(void)state;
	send_frame(&frame);
	length = got.length;
	assert_true(length < sizeof(first));
	memcpy(first, answered(), length);
	for (u32 i = 0; i < 3; i++) {
		send_frame(&frame);
		assert_int_equal(got.length, length);
		assert_memory_equal(answered(), first, length);
	}
	assert_int_equal(fake_commands, before + 1);

	/* Another request takes the room for answers; the first one is still not done again. */
	other = request_of(FRAME_COMMAND, "list", 4);
	send_frame(&other);
	send_frame(&frame);
	assert_refused(FRAME_FORGOTTEN);
	assert_int_equal(fake_commands, before + 2);
	/* That did not cost the other one its answer. */
	send_frame(&other);
	assert_int_equal(got.type, FRAME_ANSWER);
}

static void parts_of_nothing_are_refused(void **state)
{
	struct frame frame = request_of(FRAME_COMMAND, "count", 5);
	u32 before = fake_commands;

	(void)state;
	frame.part = 1;
	send_frame(&frame);
	assert_refused(FRAME_FORGOTTEN);
	assert_int_equal(fake_commands, before);
	assert_int_equal(got.id, frame.id);
}

static void unknown_requests_are_refused(void **state)
{
	struct frame frame = request_of(FRAME_COMMAND, "count", 5);
	u32 before = fake_commands;

	(void)state;
	for (u32 type = 0; type < FRAME_ANSWER; type++) {
		if (type >= FRAME_HELLO && type <= FRAME_TRACE_READ)
			continue;
		frame.type = (u8)type;
		send_frame(&frame);
		assert_refused(FRAME_UNKNOWN_TYPE);
	}
	frame.type = FRAME_COMMAND;
	frame.version = FRAME_VERSION + 1;
	send_frame(&frame);
	assert_refused(FRAME_OTHER_VERSION);
	frame.version = FRAME_VERSION;
	frame.id = 0;
	send_frame(&frame);
	assert_refused(FRAME_BAD_REQUEST);
	assert_int_equal(fake_commands, before);
}

/* A request that was meant for the machine before it was started anew: reboot, above all. */
static void another_boot_is_refused(void **state)
{
	struct frame frame = request_of(FRAME_COMMAND, "count", 5);
	u32 before = fake_commands;

	(void)state;
	frame.boot = boot + 2;
	send_frame(&frame);
	assert_refused(FRAME_OTHER_BOOT);
	frame.boot = 0;
	send_frame(&frame);
	assert_refused(FRAME_OTHER_BOOT);
	assert_int_equal(fake_commands, before);
}

static void answers_that_come_back_are_ignored(void **state)
{
	struct frame frame = request_of(FRAME_COMMAND, "count", 5);

	(void)state;
	frame.type = FRAME_ANSWER;
	send_frame(&frame);
	assert_int_equal(got.frames, 0);
	frame.type = FRAME_REFUSAL;
	send_frame(&frame);
	assert_int_equal(got.frames, 0);
}

static void damaged_requests_are_refused(void **state)
{
	struct frame frame = request_of(FRAME_COMMAND, "count", 5);
	u32 before = fake_commands, count;
	u8 wire[FRAME_WIRE_BYTES];

	(void)state;
	count = frame_encode(&frame, FRAME_TO_CORE, wire);
	wire[20] ^= 1;
	type_bytes(wire, count);
	answers_take();
	assert_refused(FRAME_DAMAGED_REQUEST);
	assert_int_equal(got.id, 0);
	assert_int_equal(fake_commands, before);
	send_frame(&frame);
	assert_int_equal(got.type, FRAME_ANSWER);
	assert_int_equal(fake_commands, before + 1);
}

static void a_frame_that_stops_is_given_up(void **state)
{
	(void)state;
	type_bytes((const u8 *)"\xfe\xfeQUJD", 6);
	assert_true(remote_input('x'));
	fake_tsc += 4 * FAKE_HZ;
	assert_true(remote_input('x'));
	fake_tsc += 6 * FAKE_HZ;
	assert_false(remote_input('x'));
	assert_false(remote_input('\r'));
	assert_int_equal(sent.count, 0);
}

static void consoles_are_read_from_a_position(void **state)
{
	u8 payload[64];

	(void)state;
	ask(FRAME_CONSOLE_READ, payload, named(payload, "web", 0, 1000));
	assert_int_equal(got.status, 0);
	assert_int_equal(frame_get(answered(), 8), 11);
	assert_int_equal(frame_get(answered() + 8, 8), 0);
	assert_memory_equal(answered() + 16, "\7running\0web login: ", 20);
	assert_int_equal(got.length, 16 + 8 + 1 + 11);

	ask(FRAME_CONSOLE_READ, payload, named(payload, "web", 4, 3));
	assert_int_equal(frame_get(answered(), 8), 7);
	assert_memory_equal(answered() + 25, "log", 3);
	assert_int_equal(got.length, 28);

	/* From now on; and of a ring that was begun anew. */
	ask(FRAME_CONSOLE_READ, payload, named(payload, "web", FRAME_POSITION_END, 9));
	assert_int_equal(frame_get(answered(), 8), 11);
	assert_int_equal(got.length, 25);
	ask(FRAME_CONSOLE_READ, payload, named(payload, "web", 12, 3));
	assert_int_equal(frame_get(answered(), 8), 3);
	assert_memory_equal(answered() + 25, "web", 3);
}

static void what_was_overwritten_is_counted(void **state)
{
	u8 payload[64], text[100];

	(void)state;
	memset(text, 'z', sizeof(text));
	for (u32 i = 0; i < 100; i++)
		byte_ring_write(&fake_web.console, text, sizeof(text));
	ask(FRAME_CONSOLE_READ, payload, named(payload, "web", 1, 0xffffffff));
	assert_int_equal(frame_get(answered(), 8), 10011);
	assert_int_equal(frame_get(answered() + 8, 8), 10011 - FAKE_RING_BYTES - 1);
	assert_int_equal(got.length, 25 + FAKE_RING_BYTES);
}

static void reasons_are_told(void **state)
{
	static const char reason[] = "triple fault at rip 0x100075";
	u8 payload[64];

	(void)state;
	ask(FRAME_CONSOLE_READ, payload, named(payload, "db", 0, 0));
	assert_memory_equal(answered() + 16, "\7crashed", 8);
	assert_int_equal(answered()[24], strlen(reason));
	assert_memory_equal(answered() + 25, reason, strlen(reason));
}

static void keys_reach_the_guest_once(void **state)
{
	struct frame frame = request_of(FRAME_CONSOLE_WRITE, "\3webroot", 8);
	u32 before = fake_inputs;

	(void)state;
	send_frame(&frame);
	send_frame(&frame);
	assert_int_equal(frame_get(answered(), 4), 4);
	assert_int_equal(fake_inputs, before + 1);
	assert_int_equal(fake_web.console.written, 15);
	ask(FRAME_CONSOLE_WRITE, "\3web123456789", 13);
	assert_int_equal(frame_get(answered(), 4), FAKE_TAKES);
	ask(FRAME_CONSOLE_WRITE, "\2db1", 4);
	assert_int_equal(got.status, 0);
	assert_int_equal(frame_get(answered(), 4), 0);
	assert_int_equal(fake_inputs, before + 2);
}

static void unknown_partitions_are_told(void **state)
{
	static const enum frame_type types[] = {FRAME_CONSOLE_READ, FRAME_DUMP_READ};
	u8 payload[64];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(types); i++) {
		ask(types[i], payload, named(payload, "wbe", 0, 0));
		assert_int_equal(got.status, -ENOENT);
		assert_text("no partition \"wbe\"; there are: web, db\n");
	}
	ask(FRAME_CONSOLE_WRITE, "\3wbex", 5);
	assert_failed(-ENOENT, "wbe");
	ask(FRAME_DUMP_BEGIN, "\3wbe", 4);
	assert_failed(-ENOENT, "wbe");
}

static void bad_payloads_do_nothing(void **state)
{
	static const struct {
		enum frame_type type;
		const char *payload;
		u32 bytes;
	} bad[] = {
		{FRAME_HELLO, "x", 1},
		{FRAME_NAMES, "x", 1},
		{FRAME_CONSOLE_READ, "", 0},
		{FRAME_CONSOLE_READ, "\3web", 4},
		{FRAME_CONSOLE_READ, "\3web12345678123", 15},
		{FRAME_CONSOLE_READ, "\3web123456781234x", 17},
		{FRAME_CONSOLE_READ, "\x20", 1},
		{FRAME_CONSOLE_READ, "\xff\xff", 2},
		{FRAME_CONSOLE_WRITE, "\0x", 2},
		{FRAME_CONSOLE_WRITE, "\4web", 4},
		{FRAME_CONSOLE_WRITE, "\3w\0b", 4},
		{FRAME_DUMP_BEGIN, "\2dbx", 4},
		{FRAME_DUMP_BEGIN, "", 0},
		{FRAME_DUMP_READ, "\2db", 3},
		{FRAME_TRACE_READ, "1234", 4},
		{FRAME_TRACE_READ,
		 "\0\0\0\0"
		 "12345678x",
		 13},
	};
	u32 inputs = fake_inputs, dumps = fake_dump_begins;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		ask(bad[i].type, bad[i].payload, bad[i].bytes);
		assert_refused(FRAME_BAD_REQUEST);
	}
	assert_int_equal(fake_inputs, inputs);
	assert_int_equal(fake_dump_begins, dumps);
}

static void random_payloads_are_survived(void **state)
{
	u8 payload[64];

	(void)state;
	srand(5);
	for (u32 i = 0; i < 20000; i++) {
		u32 bytes = (u32)rand() % sizeof(payload);

		for (u32 k = 0; k < bytes; k++)
			payload[k] = (u8)(rand() & rand());
		if (rand() % 2 && bytes > 16)
			memcpy(payload, rand() % 2 ? "\3web" : "\2db", 4);
		ask(FRAME_NAMES + (u32)rand() % 7, payload, bytes);
	}
}

/* --- dumps --- */

static void runs_check(u64 offset, u64 *covered)
{
	u32 at = 0;

	*covered = 0;
	while (at < got.length) {
		u32 run = (u32)frame_get(answered() + at, 4), count = run & ~FRAME_RUN_ZERO;

		at += 4;
		assert_true(count);
		for (u32 i = 0; i < count; i++)
			assert_int_equal(run & FRAME_RUN_ZERO ? 0 : answered()[at + i],
					 fake_dump_byte(offset + *covered + i));
		*covered += count;
		at += run & FRAME_RUN_ZERO ? 0 : count;
	}
	assert_int_equal(at, got.length);
}

static void a_dump_is_complete(void **state)
{
	u64 total, offset = 0, covered, carried = 0;
	u8 payload[64];

	(void)state;
	ask(FRAME_DUMP_BEGIN, "\2db", 3);
	assert_int_equal(got.status, 0);
	total = frame_get(answered(), 8);
	assert_int_equal(total, FAKE_DUMP_BYTES);
	while (offset < total) {
		u64 wanted = MIN(total - offset, 700000UL);

		ask(FRAME_DUMP_READ, payload, named(payload, "db", offset, wanted));
		assert_int_equal(got.status, 0);
		runs_check(offset, &covered);
		assert_true(covered && covered <= wanted);
		offset += covered;
		carried += got.length;
	}
	assert_int_equal(offset, total);
	assert_true(carried < total / 8);
}

static void a_dump_needs_its_beginning(void **state)
{
	u8 payload[64];

	(void)state;
	ask(FRAME_DUMP_BEGIN, "\3web", 4);
	assert_failed(-EBUSY, "cannot dump web: it is running; pause it first");
	ask(FRAME_DUMP_READ, payload, named(payload, "db", 0, 100));
	assert_failed(-EBUSY, "is void");
	ask(FRAME_DUMP_BEGIN, "\2db", 3);
	ask(FRAME_DUMP_READ, payload, named(payload, "db", 0, 100));
	assert_int_equal(got.status, 0);
	ask(FRAME_DUMP_READ, payload, named(payload, "db", FAKE_DUMP_BYTES, 1));
	assert_failed(-ERANGE, "cannot read 1 bytes");
	ask(FRAME_DUMP_READ, payload, named(payload, "db", ~0UL, 0xffffffff));
	assert_int_equal(got.status, -ERANGE);
	ask(FRAME_DUMP_READ, payload, named(payload, "db", 0, 0));
	assert_int_equal(got.status, 0);
	assert_int_equal(got.length, 0);
	fake_db.starts++;
	ask(FRAME_DUMP_READ, payload, named(payload, "db", 0, 100));
	assert_failed(-EBUSY, "is void");
	ask(FRAME_DUMP_BEGIN, "\2db", 3);
	fake_db.state = PARTITION_RUNNING;
	ask(FRAME_DUMP_READ, payload, named(payload, "db", 0, 100));
	assert_failed(-EBUSY, "is void");
}

/* --- trace and names --- */

static void trace_records_come_in_order(void **state)
{
	u64 next = 0, expected = 100;
	u8 payload[12];

	(void)state;
	frame_put(payload, 1, 4);
	do {
		frame_put(payload + 4, next, 8);
		ask(FRAME_TRACE_READ, payload, sizeof(payload));
		assert_int_equal(got.status, 0);
		next = frame_get(answered(), 8);
		for (u32 at = 8; at < got.length; at += FRAME_RECORD_BYTES) {
			struct trace_record record = fake_record(1, expected++);

			assert_int_equal(frame_get(answered() + at, 8), record.tsc);
			assert_int_equal(frame_get(answered() + at + 8, 4), record.data);
			assert_int_equal(frame_get(answered() + at + 12, 2), record.who);
			assert_int_equal(answered()[at + 14], record.kind);
		}
		assert_int_equal(next, expected);
	} while (got.length > 8);
	assert_int_equal(expected, FAKE_TRACE_COUNT);
	frame_put(payload, 2, 4);
	ask(FRAME_TRACE_READ, payload, sizeof(payload));
	assert_failed(-ENOENT, "no CPU 2; there are 0 to 1");
}

static void names_are_lines(void **state)
{
	(void)state;
	ask(FRAME_NAMES, NULL, 0);
	assert_text("thread 65535 console\nthread 5 web/0\nthread 6 db/0\nexit 12 HLT\nexit 30 I/O "
		    "\"port\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hello_tells_what_runs, begin),
		cmocka_unit_test_setup(typing_is_not_taken, begin),
		cmocka_unit_test_setup(commands_answer_with_status_and_text, begin),
		cmocka_unit_test_setup(bad_lines_are_not_run, begin),
		cmocka_unit_test_setup(long_answers_come_in_parts, begin),
		cmocka_unit_test_setup(windows_are_kept, begin),
		cmocka_unit_test_setup(nothing_is_done_twice, begin),
		cmocka_unit_test_setup(parts_of_nothing_are_refused, begin),
		cmocka_unit_test_setup(unknown_requests_are_refused, begin),
		cmocka_unit_test_setup(another_boot_is_refused, begin),
		cmocka_unit_test_setup(answers_that_come_back_are_ignored, begin),
		cmocka_unit_test_setup(damaged_requests_are_refused, begin),
		cmocka_unit_test_setup(a_frame_that_stops_is_given_up, begin),
		cmocka_unit_test_setup(consoles_are_read_from_a_position, begin),
		cmocka_unit_test_setup(what_was_overwritten_is_counted, begin),
		cmocka_unit_test_setup(reasons_are_told, begin),
		cmocka_unit_test_setup(keys_reach_the_guest_once, begin),
		cmocka_unit_test_setup(unknown_partitions_are_told, begin),
		cmocka_unit_test_setup(bad_payloads_do_nothing, begin),
		cmocka_unit_test_setup(random_payloads_are_survived, begin),
		cmocka_unit_test_setup(a_dump_is_complete, begin),
		cmocka_unit_test_setup(a_dump_needs_its_beginning, begin),
		cmocka_unit_test_setup(trace_records_come_in_order, begin),
		cmocka_unit_test_setup(names_are_lines, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
