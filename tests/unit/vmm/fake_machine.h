/* SPDX-License-Identifier: MIT */
/*
 * What partitions need of the machine, for tests: pages, a log of which the last line is kept,
 * and the records of what was destroyed.
 */
#pragma once

#include "fake_cpu.h"
#include "fake_pages.h"

#include <stdio.h>
#include <stdlib.h>

#include <bulkhead/account.h>
#include <bulkhead/console.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

#include "vmm/partition_channel.h"

static u32 fake_cpu_count;
static bool fake_cpu_lacks; /* what configurations ask for of the guest's CPU */
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
	fake_cpu_lacks = false;
	fake_pages_left = FAKE_UNLIMITED;
	fake_errors = fake_infos = fake_closed_count = 0;
	fake_logged[0] = fake_closed[0] = '\0';
}

/* A page, to see whether it is given back. */
int partition_channel_create(struct partition *partition, char *reason)
{
	(void)reason;
	partition->channel = memory_take(MEMORY_OTHER, PAGE_SIZE);
	return partition->channel ? 0 : -ENOMEM;
}

void partition_channel_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->channel, PAGE_SIZE);
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

int arch_guest_cpu_create(struct partition *partition, char *reason)
{
	partition->cpuid = memory_take(MEMORY_OTHER, PAGE_SIZE);
	if (!partition->cpuid)
		return -ENOMEM;
	if (fake_cpu_lacks)
		strcpy(reason, "no CPU has AVX9");
	return fake_cpu_lacks ? -ENODEV : 0;
}

void arch_guest_cpu_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->cpuid, PAGE_SIZE);
}

void arch_guest_cpu_start(struct partition *partition unused)
{
}

void account_close(struct partition *partition)
{
	/* All of it is still there. */
	assert_ptr_equal(partition_find(partition->config->name), partition);
	assert_int_equal(partition->vcpu_count, partition->config->vcpus);
	strcpy(fake_closed, partition->config->name);
	fake_closed_count++;
}
