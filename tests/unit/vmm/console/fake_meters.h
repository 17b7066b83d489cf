/* SPDX-License-Identifier: MIT */
/*
 * Partitions with meters that the test sets, for tests of the commands that show them: a clock of 1
 * GHz, what is printed as text, and the words of an argument.
 */
#pragma once

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>
#include <vmm/console/command.h>
#include <vmm/console/internal.h>
#include <vmm/console/report.h>

#define FAKE_PARTITIONS 200
#define SECOND		1000000000UL /* ticks */

static char output[256 * KIB];
static size_t output_bytes;

static u64 fake_tsc;
static unsigned fake_irqs_off;
static struct partition partitions[FAKE_PARTITIONS];
static struct config_partition configs[FAKE_PARTITIONS];
static struct vcpu vcpus[FAKE_PARTITIONS];
static struct vcpu_times times[FAKE_PARTITIONS];
static u32 partition_count;
static const struct command *fake_command; /* whose words are known */

void console_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	output_bytes += format_list(output + output_bytes, sizeof(output) - output_bytes, format,
				    arguments);
	va_end(arguments);
	assert_true(output_bytes < sizeof(output));
}

void console_send(const void *bytes, u64 count)
{
	console_print("%.*s", (int)count, (const char *)bytes);
}

static inline void output_clear(void)
{
	output[0] = 0;
	output_bytes = 0;
}

u64 arch_irq_save(void)
{
	return fake_irqs_off++;
}

void arch_irq_restore(u64 flags)
{
	fake_irqs_off = (unsigned)flags;
}

u64 arch_tsc(void)
{
	return fake_tsc;
}

u64 arch_tsc_hz(void)
{
	return SECOND;
}

u64 arch_time_us(void)
{
	return fake_tsc / 1000;
}

u32 arch_cpu_count(void)
{
	return 2;
}

void panic(const char *format, ...)
{
	fail_msg("%s", format);
	abort();
}

struct partition *partition_first(void)
{
	return partition_count ? partitions : NULL;
}

struct partition *partition_find(const char *name)
{
	for (struct partition *p = partition_first(); p; p = p->next)
		if (strcmp(p->config->name, name) == 0)
			return p;
	return NULL;
}

struct group *group_find(const char *name)
{
	(void)name;
	return NULL;
}

void vcpu_times(struct vcpu *vcpu, struct vcpu_times *to)
{
	*to = times[vcpu - vcpus];
}

const char *candidate(enum argument_kind kind, const struct command *command, const char *key,
		      u32 index)
{
	static char word[32];
	const char *at;

	(void)key;
	if (kind == ARGUMENT_PARTITION)
		return index < partition_count ? configs[index].name : NULL;
	assert_int_equal(kind, ARGUMENT_WORD);
	assert_ptr_equal(command, fake_command);
	at = command->words;
	while (at && index--) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return NULL;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, " "), at);
	return word;
}

/* The times' parts are given; wall is what they add up to. */
static inline void times_set(u32 i, struct vcpu_times to)
{
	to.wall = to.run + to.exit + to.ready + to.blocked + to.capped + to.paused;
	times[i] = to;
}

/* One more at the end of the list. */
static inline struct partition *partition_add(const char *name)
{
	u32 i = partition_count++;

	assert_true(i < FAKE_PARTITIONS);
	configs[i] = (struct config_partition){
		.memory_bytes = 64 * MIB,
		.claim = {.kind = SCHEDULER_SHARED, .weight = 100},
	};
	snprintf(configs[i].name, sizeof(configs[i].name), "%s", name);
	memset(&vcpus[i], 0, sizeof(vcpus[i]));
	memset(&partitions[i], 0, sizeof(partitions[i]));
	vcpus[i].partition = &partitions[i];
	partitions[i].config = &configs[i];
	partitions[i].vcpus[0] = &vcpus[i];
	partitions[i].vcpu_count = 1;
	partitions[i].number = i + 1;
	partitions[i].state = PARTITION_RUNNING;
	if (i)
		partitions[i - 1].next = &partitions[i];
	return &partitions[i];
}

static inline void fake_meters_init(void)
{
	memset(times, 0, sizeof(times));
	partition_count = 0;
	fake_tsc = 100 * SECOND;
	fake_irqs_off = 0;
	output_clear();
}

/* Run a command: whether it succeeded; what it said is in `output`. */
static inline bool fake_run(void (*run)(const struct command *, u32, char *const *), bool json,
			    const char *first, const char *second)
{
	char words[2][64];
	char *arguments[] = {words[0], words[1]};
	u32 count = first ? second ? 2 : 1 : 0;

	snprintf(words[0], sizeof(words[0]), "%s", first ? first : "");
	snprintf(words[1], sizeof(words[1]), "%s", second ? second : "");
	output_clear();
	report_begin(json);
	run(fake_command, count, arguments);
	assert_int_equal(fake_irqs_off, 0);
	return !report_end();
}
