/* SPDX-License-Identifier: MIT */
/* The trace: what is read is what was written, in order, whole, and nothing of it twice. */
#include "cmocka_all.h"
#include "fake_pages.h"

#include <pthread.h>

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/trace.h>

#define CPUS 3

static _Thread_local u32 here;
static u64 tsc = 100;
static u32 cpu_count;

u32 arch_cpu_id(void)
{
	return here;
}

u32 arch_cpu_count(void)
{
	return cpu_count;
}

u64 arch_tsc(void)
{
	return tsc++;
}

static void be(u32 cpu)
{
	here = cpu;
}

static int setup(void **state)
{
	(void)state;
	be(0);
	cpu_count = CPUS;
	fake_pages_left = 100;
	fake_pages_taken = fake_pages_freed = 0;
	trace_stop();
	return 0;
}

/* The first test: rings do not exist yet, and a trace point does nothing. */
static void nothing_before_the_start(void **state)
{
	struct trace_record record;
	u64 next = 0;

	(void)state;
	assert_false(trace_on);
	trace(TRACE_EXIT, 1, 2);
	trace_write(TRACE_EXIT, 1, 2);
	assert_int_equal(trace_count(0), 0);
	assert_int_equal(trace_read(0, &next, &record, 1), 0);
	assert_int_equal(next, 0);
}

static void memory_short(void **state)
{
	(void)state;
	for (fake_pages_left = 0; fake_pages_left < CPUS;) {
		u32 had = fake_pages_left;

		fake_pages_taken = fake_pages_freed = 0;
		assert_int_equal(trace_start(), -ENOMEM);
		assert_false(trace_on);
		assert_int_equal(fake_pages_taken, had);
		assert_int_equal(fake_pages_freed, had);
		fake_pages_left = had + 1;
	}
	assert_int_equal(trace_start(), 0);
	assert_true(trace_on);
	/* The rings stay. */
	fake_pages_left = 0;
	trace_stop();
	assert_int_equal(trace_start(), 0);
	cpu_count = CPUS + 1;
	assert_int_equal(trace_start(), -ENOMEM);
	assert_true(trace_on);
}

static void fields(void **state)
{
	struct trace_record record[3];
	u64 next = 0;

	(void)state;
	assert_int_equal(trace_start(), 0);
	tsc = 0x1122334455667788;
	trace(TRACE_INJECT, 0xabcd, 0x89abcdef);
	trace(TRACE_SWITCH, 0, 3);
	assert_int_equal(trace_read(0, &next, record, 3), 2);
	assert_int_equal(next, 2);
	assert_int_equal(record[0].tsc, 0x1122334455667788);
	assert_int_equal(record[0].data, 0x89abcdef);
	assert_int_equal(record[0].who, 0xabcd);
	assert_int_equal(record[0].kind, TRACE_INJECT);
	assert_int_equal(record[0].zero, 0);
	assert_int_equal(record[1].tsc, 0x1122334455667789);
	assert_int_equal(record[1].kind, TRACE_SWITCH);
	assert_int_equal(trace_read(0, &next, record, 3), 0);
	assert_int_equal(next, 2);
}

static void cpus_are_apart(void **state)
{
	struct trace_record record[8];
	u64 next;

	(void)state;
	assert_int_equal(trace_start(), 0);
	for (u32 i = 0; i < 6; i++) {
		be(i % CPUS);
		trace(TRACE_WAKE, i, i * 10);
	}
	for (u32 cpu = 0; cpu < CPUS; cpu++) {
		next = 0;
		assert_int_equal(trace_count(cpu), 2);
		assert_int_equal(trace_read(cpu, &next, record, 8), 2);
		assert_int_equal(record[0].who, cpu);
		assert_int_equal(record[1].who, cpu + CPUS);
	}
	/* One that came up later, and numbers that no CPU has. */
	be(CPUS + 5);
	trace(TRACE_WAKE, 1, 1);
	next = 0;
	assert_int_equal(trace_count(CPUS + 5), 0);
	assert_int_equal(trace_read(CPUS + 5, &next, record, 8), 0);
	assert_int_equal(trace_read(CPU_MAX, &next, record, 8), 0);
	assert_int_equal(trace_read(UINT32_MAX, &next, record, 8), 0);
}

static void stop_keeps_and_start_empties(void **state)
{
	struct trace_record record[8];
	u64 next = 0;

	(void)state;
	assert_int_equal(trace_start(), 0);
	trace(TRACE_EXIT, 1, 11);
	trace_stop();
	trace(TRACE_EXIT, 1, 12);
	assert_int_equal(trace_count(0), 1);
	assert_int_equal(trace_read(0, &next, record, 8), 1);
	assert_int_equal(record[0].data, 11);

	next = 1000; /* of a longer trace before */
	assert_int_equal(trace_start(), 0);
	assert_int_equal(trace_count(0), 0);
	assert_int_equal(trace_read(0, &next, record, 8), 0);
	assert_int_equal(next, 0);
	trace(TRACE_EXIT, 1, 13);
	assert_int_equal(trace_read(0, &next, record, 8), 1);
	assert_int_equal(record[0].data, 13);
}

/* In pieces of any size all of it comes, once. */
static void pieces(void **state)
{
	struct trace_record record[8];
	u64 next = 0, expected = 0;
	u32 room = 1;

	(void)state;
	assert_int_equal(trace_start(), 0);
	for (u32 i = 0; i < 1000; i++)
		trace(TRACE_EXIT, 1, i);
	assert_int_equal(trace_read(0, &next, record, 0), 0);
	assert_int_equal(next, 0);
	for (;;) {
		u32 count = trace_read(0, &next, record, room);

		for (u32 i = 0; i < count; i++)
			assert_int_equal(record[i].data, expected++);
		assert_int_equal(next, expected);
		if (!count)
			break;
		room = room % 8 + 1;
	}
	assert_int_equal(expected, 1000);
}

/* A slot that may be written next is not read. */
static void overwritten_ones_are_skipped(void **state)
{
	static const u64 counts[] = {TRACE_RECORDS - 1, TRACE_RECORDS, TRACE_RECORDS + 1,
				     3 * TRACE_RECORDS + 17};
	static struct trace_record records[TRACE_RECORDS + 8];

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		u64 next = 0, kept = MIN(counts[c], TRACE_RECORDS - 1UL);

		assert_int_equal(trace_start(), 0);
		for (u32 i = 0; i < counts[c]; i++)
			trace(TRACE_EXIT, 1, i);
		assert_int_equal(trace_count(0), counts[c]);
		assert_int_equal(trace_read(0, &next, records, ARRAY_SIZE(records)), kept);
		assert_int_equal(next, counts[c]);
		for (u64 i = 0; i < kept; i++)
			assert_int_equal(records[i].data, counts[c] - kept + i);
	}
}

#define RACE_RECORDS 3000000UL

/* Numbers its records, in all their fields. */
static void *race_writer(void *argument)
{
	(void)argument;
	be(1);
	for (u32 i = 0; i < RACE_RECORDS; i++)
		trace_write(TRACE_EXIT, (u16)i, i);
	return NULL;
}

/* Written faster than read, a record is whole or is not there. */
static void reader_beside_writer(void **state)
{
	static struct trace_record records[TRACE_RECORDS];
	u64 next = 0, last = 0, got = 0;
	pthread_t writer;

	(void)state;
	assert_int_equal(trace_start(), 0);
	assert_int_equal(pthread_create(&writer, NULL, race_writer, NULL), 0);
	while (next < RACE_RECORDS) {
		u32 count = trace_read(1, &next, records, ARRAY_SIZE(records));

		for (u32 i = 0; i < count; i++) {
			u64 number = next - count + i;

			assert_int_equal(records[i].data, number);
			assert_int_equal(records[i].who, (u16)number);
			assert_true(!got || records[i].tsc > last);
			last = records[i].tsc;
			got++;
		}
	}
	pthread_join(writer, NULL);
	assert_int_equal(trace_count(1), RACE_RECORDS);
	assert_true(got >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_before_the_start, setup),
		cmocka_unit_test_setup(memory_short, setup),
		cmocka_unit_test_setup(fields, setup),
		cmocka_unit_test_setup(cpus_are_apart, setup),
		cmocka_unit_test_setup(stop_keeps_and_start_empties, setup),
		cmocka_unit_test_setup(pieces, setup),
		cmocka_unit_test_setup(overwritten_ones_are_skipped, setup),
		cmocka_unit_test_setup(reader_beside_writer, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
