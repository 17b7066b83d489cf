/* SPDX-License-Identifier: MIT */
/* The queue of the serial line on a fake transmitter, which takes 16 bytes when it is empty. */
#include "cmocka_all.h"

#include "vmm/console/output.h"
#include <bulkhead/uart.h>
#include <string.h>

static const struct uart uart = {0x3f8, 4};
static char sent[1 << 16];
static size_t sent_bytes;
static bool empty, dead;
static unsigned waits;

unsigned uart_send(const struct uart *to, const u8 *data, u64 bytes)
{
	assert_ptr_equal(to, &uart);
	if (!empty)
		return 0;
	empty = false;
	bytes = MIN(bytes, 16U);
	memcpy(sent + sent_bytes, data, bytes);
	sent_bytes += bytes;
	sent[sent_bytes] = 0;
	return (unsigned)bytes;
}

bool uart_wait(const struct uart *of)
{
	assert_ptr_equal(of, &uart);
	waits++;
	empty = !dead;
	return !dead;
}

static int setup(void **state)
{
	(void)state;
	output_open(&uart);
	output_forget();
	sent_bytes = 0;
	sent[0] = 0;
	empty = true;
	dead = false;
	waits = 0;
	return 0;
}

static void test_order(void **state)
{
	(void)state;
	output_text("one\n", 4);
	output_write("two\n", 4);
	assert_int_equal(output_count(), 9);
	assert_int_equal(output_send(), 9);
	output_text("three", 5);
	assert_int_equal(output_send(), 0);
	output_text(", and more than fits into sixteen", 33);
	output_drain();
	assert_int_equal(output_count(), 0);
	assert_string_equal(sent, "one\r\ntwo\nthree, and more than fits into sixteen");
	assert_int_equal(waits, 3);
}

static void test_full(void **state)
{
	static u8 many[OUTPUT_BYTES];

	(void)state;
	memset(many, 'x', sizeof(many));
	output_write(many, sizeof(many));
	assert_int_equal(waits, 0);
	output_write("y", 1);
	assert_int_equal(waits, 1);
	assert_int_equal(output_count(), OUTPUT_BYTES - 15);
	output_write(many, 15);
	assert_int_equal(waits, 1);
	output_write("z", 1);
	assert_int_equal(waits, 2);
	output_drain();
	assert_int_equal(sent_bytes, OUTPUT_BYTES + 17);
	assert_int_equal(sent[OUTPUT_BYTES], 'y');
	assert_int_equal(sent[OUTPUT_BYTES + 16], 'z');
}

/* Much more than the queue holds, by pieces of all sizes. */
static void test_round_and_round(void **state)
{
	static char all[sizeof(sent)];
	size_t bytes = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)('a' + i % 25);
	for (size_t part = 1; bytes + part < sizeof(all); part++) {
		output_write(all + bytes, part);
		bytes += part;
		empty = part % 2;
		(void)output_send();
	}
	output_drain();
	assert_int_equal(sent_bytes, bytes);
	assert_memory_equal(sent, all, bytes);
}

/* On a line that does not move nobody waits more than once, however much there is. */
static void test_dead(void **state)
{
	static u8 many[OUTPUT_BYTES];

	(void)state;
	dead = true;
	empty = false;
	output_write(many, sizeof(many));
	output_drain();
	assert_int_equal(waits, 1);
	assert_int_equal(output_count(), 0);
	output_write(many, sizeof(many));
	output_write("new", 3);
	assert_int_equal(waits, 2);
	dead = false;
	output_drain();
	assert_string_equal(sent, "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_round_and_round, setup),
		cmocka_unit_test_setup(test_dead, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
