/* SPDX-License-Identifier: MIT */
/* Charge records: of partitions that exist, and of those that are gone. */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include <bulkhead/account.h>
#include <bulkhead/arch.h>
#include <bulkhead/partition.h>

#define HZ 2000000000UL

static u64 now_us;
static unsigned irqs_off;
static struct vcpu_times times;
static struct config_partition config;
static struct vcpu vcpu;
static struct partition partition;

u64 arch_irq_save(void)
{
	return irqs_off++;
}

void arch_irq_restore(u64 flags)
{
	irqs_off = (unsigned)flags;
}

u64 arch_tsc_hz(void)
{
	return HZ;
}

u64 arch_time_us(void)
{
	return now_us;
}

void vcpu_times(struct vcpu *of, struct vcpu_times *out)
{
	assert_ptr_equal(of, &vcpu);
	*out = times;
}

static int setup(void **state)
{
	(void)state;
	now_us = 10000000;
	times = (struct vcpu_times){.run = 3 * HZ, .exit = HZ / 2, .ready = HZ, .blocked = 7 * HZ};
	memset(&partition, 0, sizeof(partition));
	config = (struct config_partition){.name = "web", .memory_bytes = 512 * MIB};
	partition.config = &config;
	partition.number = 5;
	partition.vcpus[0] = &vcpu;
	partition.vcpu_count = 1;
	partition.created_us = 4000000;
	partition.starts = 3;
	partition.console.written = 123456;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(irqs_off, 0);
	assert_int_equal(partition.lock.next, partition.lock.serving);
	assert_int_equal(partition.console_lock.next, partition.console_lock.serving);
	return 0;
}

static void expect_web(const struct account_record *record)
{
	assert_string_equal(record->name, "web");
	assert_int_equal(record->number, 5);
	assert_int_equal(record->created_us, 4000000);
	assert_int_equal(record->until_us, 10000000);
	assert_int_equal(record->cpu_us, 3500000);
	assert_int_equal(record->memory_bytes, 512 * MIB);
	assert_int_equal(record->console_bytes, 123456);
	assert_int_equal(record->starts, 3);
	assert_int_equal(account_mib_seconds(record), 512 * 6);
}

static void so_far(void **state)
{
	struct account_record record;

	(void)state;
	memset(&record, 0xee, sizeof(record));
	account_read(&partition, &record);
	expect_web(&record);
	assert_int_equal(account_closed_count(), 0);
}

static void all_vcpus_count(void **state)
{
	struct account_record one, record;

	(void)state;
	account_read(&partition, &one);
	partition.vcpus[1] = partition.vcpus[2] = &vcpu;
	partition.vcpu_count = 3;
	account_read(&partition, &record);
	assert_true(one.cpu_us > 0);
	assert_int_equal(record.cpu_us, 3 * one.cpu_us);
	assert_int_equal(record.starts, 3);
}

static void clock_read_before_it_was_created(void **state)
{
	struct account_record record;

	(void)state;
	now_us = 3999999;
	account_read(&partition, &record);
	assert_int_equal(account_mib_seconds(&record), 0);
}

/* Years of a machine full of memory. */
static void large_numbers(void **state)
{
	struct account_record record;

	(void)state;
	config.memory_bytes = 4096 * GIB;
	now_us = partition.created_us + 10UL * 365 * 86400 * 1000000;
	times.run = 10UL * 365 * 86400 * HZ;
	times.exit = 0;
	account_read(&partition, &record);
	assert_int_equal(record.cpu_us, 10UL * 365 * 86400 * 1000000);
	assert_int_equal(account_mib_seconds(&record), 4096UL * 1024 * 10 * 365 * 86400);
}

static void the_latest_are_kept(void **state)
{
	(void)state;
	assert_null(account_closed(0));
	account_close(&partition);
	assert_int_equal(account_closed_count(), 1);
	expect_web(account_closed(0));
	assert_null(account_closed(1));

	/* It stays as it was. */
	partition.starts = 4;
	now_us++;
	expect_web(account_closed(0));

	for (u32 i = 0; i < 2 * ACCOUNT_CLOSED_MAX + 5; i++) {
		partition.number = 100 + i;
		snprintf(config.name, sizeof(config.name), "p%u", i);
		account_close(&partition);
	}
	assert_int_equal(account_closed_count(), 2 * ACCOUNT_CLOSED_MAX + 6);
	for (u32 back = 0; back < ACCOUNT_CLOSED_MAX; back++)
		assert_int_equal(account_closed(back)->number,
				 100 + 2 * ACCOUNT_CLOSED_MAX + 4 - back);
	assert_string_equal(account_closed(0)->name, "p132");
	assert_null(account_closed(ACCOUNT_CLOSED_MAX));
	assert_null(account_closed(UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(so_far, setup, teardown),
		cmocka_unit_test_setup_teardown(all_vcpus_count, setup, teardown),
		cmocka_unit_test_setup_teardown(clock_read_before_it_was_created, setup, teardown),
		cmocka_unit_test_setup_teardown(large_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(the_latest_are_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
