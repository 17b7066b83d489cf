/* SPDX-License-Identifier: MIT */
/*
 * What partitions need of the machine, for tests: memory that is counted and may run out, a log of
 * which the last line is kept, and the records of what was destroyed.
 */
#pragma once

#include "fake_cpu.h"

#include <stdio.h>
#include <stdlib.h>

#include <bulkhead/account.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

#define FAKE_BLOCKS    128
#define FAKE_UNLIMITED 1000000

struct fake_block {
	void *data;
	unsigned order;
};

static u32 fake_cpu_count;
static struct fake_block fake_blocks[FAKE_BLOCKS]; /* that are allocated now */
static unsigned fake_block_count, fake_allocations_left;
static unsigned fake_errors, fake_infos;
static char fake_logged[LOG_TEXT_BYTES];
static char fake_closed[CONFIG_NAME_BYTES]; /* whose account was closed last */
static unsigned fake_closed_count;

/* A twentieth of its CPU. */
const struct scheduler_claim console_claim = {
	.kind = SCHEDULER_RESERVED,
	.budget_us = 500,
	.period_us = 10000,
};

static u32 fake_looked; /* bits of CPUs that were asked to look again */

void thread_cpu_look(u32 id)
{
	fake_looked |= 1u << id;
}

static inline void fake_machine_init(void)
{
	fake_cpus_init();
	fake_cpu_count = 1;
	fake_looked = 0;
	fake_allocations_left = FAKE_UNLIMITED;
	fake_errors = fake_infos = fake_closed_count = 0;
	fake_logged[0] = fake_closed[0] = '\0';
}

u32 arch_cpu_count(void)
{
	return fake_cpu_count;
}

u64 arch_time_us(void)
{
	return fake_tsc / 1000;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fake_logged, sizeof(fake_logged), format, arguments);
	va_end(arguments);
	if (level == LOG_ERROR)
		fake_errors++;
	else
		fake_infos++;
}

void *memory_alloc(unsigned order)
{
	void *data;

	if (!fake_allocations_left)
		return NULL;
	fake_allocations_left--;
	assert_true(fake_block_count < FAKE_BLOCKS);
	data = calloc(1, PAGE_SIZE << order);
	fake_blocks[fake_block_count++] = (struct fake_block){data, order};
	return data;
}

/* What is given back was taken, and is as large as it was. */
void memory_free(void *pages, unsigned order)
{
	unsigned i = 0;

	if (!pages)
		return;
	while (i < fake_block_count && fake_blocks[i].data != pages)
		i++;
	assert_true(i < fake_block_count);
	assert_int_equal(fake_blocks[i].order, order);
	fake_blocks[i] = fake_blocks[--fake_block_count];
	free(pages);
}

unsigned memory_order(u64 bytes)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < bytes)
		order++;
	return order;
}

void account_close(struct partition *partition)
{
	/* All of it is still there. */
	assert_ptr_equal(partition_find(partition->config->name), partition);
	assert_int_equal(partition->vcpu_count, partition->config->vcpus);
	strcpy(fake_closed, partition->config->name);
	fake_closed_count++;
}
