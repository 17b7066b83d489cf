/* SPDX-License-Identifier: MIT */
/* What a guest prints: how its ring grows, and what there is when it cannot. */
/* links: vmm/partition_console.c vmm/partition_view.c vmm/byte_ring.c */
#include "cmocka_all.h"

#include "fake_pages.h"

#include <bulkhead/partition.h>

#include "vmm/partition_console.h"

u64 arch_irq_save(void)
{
	return 1;
}

void arch_irq_restore(u64 flags)
{
	assert_int_equal(flags, 1);
}

static struct partition partition;
static u8 got[2 * PARTITION_CONSOLE_BYTES];

static int begin(void **state)
{
	(void)state;
	memset(&partition, 0, sizeof(partition));
	fake_pages_left = FAKE_UNLIMITED;
	fake_pages_taken = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	partition_console_destroy(&partition);
	assert_int_equal(fake_pages_out, 0);
	return 0;
}

static u8 byte_at(u64 position)
{
	return (u8)(position * 7 + position / 251);
}

static void print(u64 bytes)
{
	while (bytes--)
		partition_console_put(&partition, byte_at(partition.console.written));
}

/* Of all that was printed, the latest bytes are there, so many. */
static void expect_kept(u64 kept)
{
	u64 position = 0, missed, written = partition_console_written(&partition);

	assert_int_equal(partition_console_read(&partition, &position, got, sizeof(got), &missed),
			 kept);
	assert_int_equal(missed, written - kept);
	for (u64 i = 0; i < kept; i++)
		assert_int_equal(got[i], byte_at(missed + i));
}

static void who_prints_nothing_takes_nothing(void **state)
{
	(void)state;
	expect_kept(0);
	assert_int_equal(fake_pages_taken, 0);
}

static void the_ring_grows_with_what_is_printed(void **state)
{
	(void)state;
	print(1);
	assert_int_equal(partition.console.bytes, 512);
	for (u64 bytes = 512; bytes <= PARTITION_CONSOLE_BYTES; bytes *= 2) {
		print(bytes - partition.console.written);
		expect_kept(bytes);
		assert_int_equal(partition.console.bytes, bytes);
		assert_int_equal(fake_pages_out, 1);
		print(1);
		expect_kept(bytes == PARTITION_CONSOLE_BYTES ? bytes : bytes + 1);
	}
	print(3 * PARTITION_CONSOLE_BYTES);
	expect_kept(PARTITION_CONSOLE_BYTES);
	assert_int_equal(partition.console.bytes, PARTITION_CONSOLE_BYTES);
}

static void without_memory_it_is_counted(void **state)
{
	(void)state;
	fake_pages_left = 0;
	print(700);
	expect_kept(0);
	assert_int_equal(partition_console_written(&partition), 700);
	fake_pages_left = 1;
	print(1024 - 700);
	expect_kept(0);
	print(10); /* it has tried again */
	expect_kept(10);
}

static void a_ring_that_cannot_grow_keeps_the_latest(void **state)
{
	(void)state;
	fake_pages_left = 2;
	print(5000);
	assert_int_equal(partition.console.bytes, 1024);
	expect_kept(1024);
	fake_pages_left = 1;
	print(5120 - 5000);
	expect_kept(1024);
	print(1);
	assert_int_equal(partition.console.bytes, 2048);
	expect_kept(1025);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_prints_nothing_takes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(the_ring_grows_with_what_is_printed, begin, end),
		cmocka_unit_test_setup_teardown(without_memory_it_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(a_ring_that_cannot_grow_keeps_the_latest, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
