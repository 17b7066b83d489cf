/* SPDX-License-Identifier: MIT */
/* The log: its ring, its sinks and what it makes of hostile text. */
/* links: vmm/format.c */
#include "cmocka_all.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/spinlock.h>
#include <stdio.h>
#include <string.h>

#define RING 512 /* what the log keeps */

static u64 fake_time_us;
static u32 fake_cpu;
static unsigned fake_irqs_off;

u64 arch_irq_save(void)
{
	return fake_irqs_off++;
}

void arch_irq_restore(u64 flags)
{
	fake_irqs_off = (unsigned)flags;
}

u64 arch_time_us(void)
{
	return fake_time_us;
}

u32 arch_cpu_id(void)
{
	return fake_cpu;
}

struct test_sink {
	struct log_sink sink;
	char text[4096];
	size_t bytes;
	unsigned lines;
	unsigned irqs_off; /* at the last line */
};

static void sink_write(struct log_sink *sink, enum log_level level, const char *text, size_t bytes)
{
	struct test_sink *test = container_of(sink, struct test_sink, sink);

	assert_true(level <= sink->level);
	assert_int_equal(strlen(text), bytes);
	assert_true(test->bytes + bytes < sizeof(test->text));
	memcpy(test->text + test->bytes, text, bytes + 1);
	test->bytes += bytes;
	test->lines++;
	test->irqs_off = fake_irqs_off;
}

/* Sinks stay for good, and so do these. */
static struct test_sink everything = {.sink = {.write = sink_write, .level = LOG_DEBUG}};
static struct test_sink warnings = {.sink = {.write = sink_write, .level = LOG_WARN}};

static int reset(void **state)
{
	(void)state;
	everything.bytes = warnings.bytes = 0;
	everything.lines = warnings.lines = 0;
	everything.text[0] = warnings.text[0] = 0;
	fake_time_us = 1234567;
	fake_cpu = 1;
	assert_int_equal(fake_irqs_off, 0);
	return 0;
}

/* The sequence number that the next message will get. */
static u32 next_sequence(void)
{
	struct log_entry entry = {0};
	u32 next = 0;

	while (log_read(next, &entry) == 0)
		next = entry.sequence + 1;
	return next;
}

/* Runs first, with nothing logged yet. */
static void starts_empty_at_0(void **state)
{
	struct log_entry entry;

	(void)state;
	assert_int_equal(log_read(0, &entry), -ENOENT);
	assert_int_equal(log_read(UINT32_MAX, &entry), -ENOENT);
	log_info("before any sink");
	assert_int_equal(log_read(0, &entry), 0);
	assert_int_equal(entry.sequence, 0);
	assert_string_equal(entry.text, "before any sink");
	assert_int_equal(log_read(1, &entry), -ENOENT);
	log_sink_add(&everything.sink);
	log_sink_add(&warnings.sink);
	assert_int_equal(everything.lines, 0);
}

static void entry_has_stamps(void **state)
{
	struct log_entry entry;
	u32 sequence = next_sequence();

	(void)state;
	log_warn("%s has %d vCPUs", "web", 2);
	assert_int_equal(log_read(sequence, &entry), 0);
	assert_int_equal(entry.time_us, 1234567);
	assert_int_equal(entry.cpu, 1);
	assert_int_equal(entry.level, LOG_WARN);
	assert_int_equal(entry.sequence, sequence);
	assert_string_equal(entry.text, "web has 2 vCPUs");
}

static void lines_are_aligned(void **state)
{
	(void)state;
	log_error("a");
	fake_time_us = 0;
	fake_cpu = 63;
	log_info("b");
	fake_time_us = 100000000000ull + 5;
	log_debug("c");
	assert_string_equal(everything.text, "[    1.234567] error cpu1   a\n"
					     "[    0.000000] info  cpu63  b\n"
					     "[100000.000005] debug cpu63  c\n");
}

static void sinks_get_their_levels(void **state)
{
	(void)state;
	log_error("1");
	log_warn("2");
	log_info("3");
	log_debug("4");
	assert_int_equal(everything.irqs_off, 1);
	assert_int_equal(everything.lines, 4);
	assert_int_equal(warnings.lines, 2);
	assert_non_null(strstr(warnings.text, "1\n"));
	assert_non_null(strstr(warnings.text, "2\n"));
}

static void ring_keeps_the_newest(void **state)
{
	struct log_entry entry;
	u32 first = next_sequence(), sequence;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < RING + 100; i++) {
		everything.bytes = 0;
		log_info("message %u", i);
	}
	sequence = 0;
	for (unsigned i = 100; i < RING + 100; i++) {
		assert_int_equal(log_read(sequence, &entry), 0);
		assert_int_equal(entry.sequence, first + i);
		snprintf(text, sizeof(text), "message %u", i);
		assert_string_equal(entry.text, text);
		sequence = entry.sequence + 1;
	}
	assert_int_equal(log_read(sequence, &entry), -ENOENT);
	assert_int_equal(log_read(first + 300, &entry), 0);
	assert_string_equal(entry.text, "message 300");
}

/* A guest's text may neither look like a line of ours nor reach the terminal as a command. */
static void hostile_text_is_made_safe(void **state)
{
	struct log_entry entry;
	u32 sequence = next_sequence();

	(void)state;
	log_warn("%s", "a\r\n[    0.000000] error cpu0   forged\x1b[2J\x07\x7f\x9b\xff~ ");
	assert_int_equal(log_read(sequence, &entry), 0);
	assert_string_equal(entry.text, "a\\x0d\\x0a[    0.000000] error cpu0   forged\\x1b[2J\\x07"
					"\\x7f\\x9b\\xff~ ");
	assert_int_equal(everything.lines, 1);
	assert_ptr_equal(strchr(everything.text, '\n'), everything.text + everything.bytes - 1);
	for (int byte = 1; byte < 256; byte++) {
		everything.bytes = 0;
		log_info("%c", byte);
		for (size_t i = 0; i + 1 < everything.bytes; i++)
			assert_in_range((u8)everything.text[i], ' ', '~');
	}
}

static void long_text_is_cut_visibly(void **state)
{
	struct log_entry entry;
	char text[400];
	u32 sequence = next_sequence();

	(void)state;
	memset(text, 'x', sizeof(text));
	log_info("%.*s", LOG_TEXT_BYTES - 1, text); /* just fits */
	log_info("%.*s", LOG_TEXT_BYTES, text);
	memset(text, '\n', sizeof(text));
	log_info("%.*s", 100, text); /* fits before it was made safe */

	assert_int_equal(log_read(sequence, &entry), 0);
	assert_int_equal(strspn(entry.text, "x"), LOG_TEXT_BYTES - 1);
	assert_int_equal(log_read(sequence + 1, &entry), 0);
	assert_int_equal(strspn(entry.text, "x"), LOG_TEXT_BYTES - 4);
	assert_string_equal(entry.text + LOG_TEXT_BYTES - 4, "...");
	assert_int_equal(log_read(sequence + 2, &entry), 0);
	assert_true(strlen(entry.text) >= LOG_TEXT_BYTES - 8);
	assert_string_equal(entry.text + strlen(entry.text) - 3, "...");
	assert_int_equal(everything.lines, 3);
	assert_int_equal(everything.text[everything.bytes - 1], '\n');
}

static void line_fits_any_buffer(void **state)
{
	struct log_entry entry = {.time_us = 1, .cpu = 2, .level = LOG_INFO, .text = "text"};
	static const char whole[] = "[    0.000001] info  cpu2   text\n";
	char line[64];

	(void)state;
	for (size_t bytes = 0; bytes < sizeof(line); bytes++) {
		size_t length = bytes < 2 ? 0 : MIN(bytes - 1, sizeof(whole) - 1);

		memset(line, 'z', sizeof(line));
		assert_int_equal(log_line(&entry, line, bytes), length);
		if (bytes)
			assert_int_equal(line[length], 0);
		if (length) {
			assert_int_equal(line[length - 1], '\n');
			assert_memory_equal(line, whole, length - 1);
		}
		assert_int_equal(line[bytes], 'z');
	}
}

static void longest_line_is_whole(void **state)
{
	struct log_entry entry = {.time_us = ~0ull, .cpu = 65535, .level = LOG_ERROR};
	char line[320];
	size_t length;

	(void)state;
	memset(entry.text, 'y', sizeof(entry.text) - 1);
	length = log_line(&entry, line, sizeof(line));
	assert_true(length + 1 <= 288); /* the room that sinks' lines are made in */
	assert_string_equal(line + length - 2, "y\n");
}

static void levels_have_names(void **state)
{
	(void)state;
	assert_string_equal(log_level_name(LOG_ERROR), "error");
	assert_string_equal(log_level_name(LOG_WARN), "warn");
	assert_string_equal(log_level_name(LOG_INFO), "info");
	assert_string_equal(log_level_name(LOG_DEBUG), "debug");
	assert_string_equal(log_level_name((enum log_level)77), "?");
}

static void spinlock_serves_in_order(void **state)
{
	struct spinlock lock = {0};
	u64 flags;

	(void)state;
	spin_lock(&lock);
	assert_false(spin_try_lock(&lock));
	spin_unlock(&lock);
	assert_true(spin_try_lock(&lock));
	spin_unlock(&lock);
	flags = spin_lock_irq(&lock);
	assert_int_equal(fake_irqs_off, 1);
	assert_false(spin_try_lock(&lock));
	spin_unlock_irq(&lock, flags);
	assert_int_equal(fake_irqs_off, 0);
	lock.next = lock.serving = UINT32_MAX; /* tickets wrap */
	spin_lock(&lock);
	assert_false(spin_try_lock(&lock));
	spin_unlock(&lock);
	assert_int_equal(lock.next, lock.serving);
}

static unsigned depth;

/* What a fault in a sink comes to: a panic that logs while the lock is held by the CPU itself. */
static void panicking_write(struct log_sink *sink, enum log_level level, const char *text,
			    size_t bytes)
{
	(void)sink;
	(void)level;
	(void)text;
	(void)bytes;
	if (depth++)
		return;
	log_panic_mode();
	log_error("panic in a sink");
}

/* Runs last: panic mode is for good. */
static void panic_does_not_wait_for_the_lock(void **state)
{
	static struct log_sink sink = {.write = panicking_write, .level = LOG_ERROR};
	struct log_entry entry;
	u32 sequence = next_sequence();

	(void)state;
	log_sink_add(&sink);
	log_error("before");
	assert_int_equal(depth, 2);
	assert_int_equal(log_read(sequence + 1, &entry), 0);
	assert_string_equal(entry.text, "panic in a sink");
	assert_int_equal(fake_irqs_off, 0);
	everything.bytes = warnings.bytes = 0;
	sequence = next_sequence();
	log_panic_write("rip 0\n", 6);
	assert_string_equal(everything.text, "rip 0\n");
	assert_string_equal(warnings.text, "rip 0\n");
	assert_int_equal(log_read(sequence, &entry), -ENOENT); /* not kept */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(starts_empty_at_0, reset),
		cmocka_unit_test_setup(entry_has_stamps, reset),
		cmocka_unit_test_setup(lines_are_aligned, reset),
		cmocka_unit_test_setup(sinks_get_their_levels, reset),
		cmocka_unit_test_setup(ring_keeps_the_newest, reset),
		cmocka_unit_test_setup(hostile_text_is_made_safe, reset),
		cmocka_unit_test_setup(long_text_is_cut_visibly, reset),
		cmocka_unit_test_setup(line_fits_any_buffer, reset),
		cmocka_unit_test_setup(longest_line_is_whole, reset),
		cmocka_unit_test_setup(levels_have_names, reset),
		cmocka_unit_test_setup(spinlock_serves_in_order, reset),
		cmocka_unit_test_setup(panic_does_not_wait_for_the_lock, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
