/* SPDX-License-Identifier: MIT */
/*
 * A machine for the core's end of the protocol, as small as its contracts allow: two partitions,
 * web that runs and sends back what is typed, and db that has crashed and can be dumped; a few
 * commands; a trace of two CPUs. Its user has console_send, moves fake_tsc, and calls
 * fake_machine_begin.
 */
#pragma once

#include "vmm/console/dump.h"
#include "vmm/console/internal.h"
#include "vmm/console/remote.h"
#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/frame.h>
#include <bulkhead/partition.h>
#include <bulkhead/thread.h>
#include <bulkhead/trace.h>
#include <bulkhead/virt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_HZ		 1000000000ULL
#define FAKE_DUMP_BYTES	 (3 * MIB + 123)
#define FAKE_RING_BYTES	 4096
#define FAKE_BIG_BYTES	 100000u
#define FAKE_TRACE_COUNT 3000
#define FAKE_TAKES	 5 /* bytes that web takes at once */

static u64 fake_tsc = 1000;
static struct config_partition fake_web_config = {.name = "web"}, fake_db_config = {.name = "db"};
static struct vcpu fake_vcpus[2];
static u8 fake_rings[2][FAKE_RING_BYTES];
static struct partition fake_db, fake_web;
static u32 fake_commands, fake_dump_begins, fake_inputs;
static void (*fake_command_hook)(const char *line); /* before each command */

const char console_version[] = "1.2.3-test";
bool trace_on = true;

static void fake_partition_begin(struct partition *partition, struct config_partition *config,
				 u32 number, enum partition_state state)
{
	*partition = (struct partition){.config = config, .number = number, .state = state};
	partition->vcpus[0] = &fake_vcpus[number - 1];
	partition->vcpu_count = 1;
	*partition->vcpus[0] = (struct vcpu){.partition = partition};
	partition->vcpus[0]->thread.number = number + 4;
	partition->starts = 1;
	byte_ring_init(&partition->console, fake_rings[number - 1], FAKE_RING_BYTES);
}

static void fake_machine_begin(void)
{
	fake_partition_begin(&fake_web, &fake_web_config, 1, PARTITION_RUNNING);
	fake_partition_begin(&fake_db, &fake_db_config, 2, PARTITION_CRASHED);
	fake_web.next = &fake_db;
	snprintf(fake_db.reason, sizeof(fake_db.reason), "triple fault at rip 0x100075");
	byte_ring_write(&fake_web.console, (const u8 *)"web login: ", 11);
}

/* --- the machine --- */

u64 arch_irq_save(void)
{
	return 0;
}

void arch_irq_restore(u64 flags)
{
	(void)flags;
}

u64 arch_tsc(void)
{
	return ++fake_tsc;
}

u64 arch_tsc_hz(void)
{
	return FAKE_HZ;
}

u32 arch_cpu_count(void)
{
	return 2;
}

void thread_yield(void)
{
}

static const char *fake_exit_name(u32 reason)
{
	return reason == 12 ? "HLT" : reason == 30 ? "I/O \"port\"" : NULL;
}

static const struct virt_backend fake_virt = {.name = "fake", .exit_name = fake_exit_name};
const struct virt_backend *virt = &fake_virt;

/* --- partitions --- */

struct partition *partition_first(void)
{
	return &fake_web;
}

struct partition *partition_find(const char *name)
{
	for (struct partition *partition = &fake_web; partition; partition = partition->next) {
		if (strcmp(partition->config->name, name) == 0)
			return partition;
	}
	return NULL;
}

bool partition_inspectable(struct partition *partition)
{
	return partition->state == PARTITION_PAUSED || partition->state == PARTITION_CRASHED;
}

/* As a guest that echoes, while it runs. */
u64 partition_console_input(struct partition *partition, const u8 *bytes, u64 count)
{
	if (partition_state_now(partition) != PARTITION_RUNNING)
		return 0;
	fake_inputs++;
	count = MIN(count, (u64)FAKE_TAKES);
	byte_ring_write(&partition->console, bytes, count);
	return count;
}

/* --- dumps --- */

/* One page in sixteen has something in it, and so has the end. */
static u8 fake_dump_byte(u64 offset)
{
	if (offset < 4)
		return (u8) "\x7f"
			    "ELF"[offset];
	if (offset / PAGE_SIZE % 16 != 3 && offset < FAKE_DUMP_BYTES - 100)
		return 0;
	return (u8)(offset * 2654435761u >> 13);
}

static u32 fake_dumped;
static u64 fake_dumped_starts;

int dump_begin(struct partition *partition, u64 *total_bytes, char *reason)
{
	fake_dump_begins++;
	fake_dumped = 0;
	if (!partition_inspectable(partition)) {
		snprintf(reason, LOAD_REASON_BYTES, "it is %s; pause it first",
			 partition_state_name(partition->state));
		return -EBUSY;
	}
	*total_bytes = FAKE_DUMP_BYTES;
	fake_dumped = partition->number;
	fake_dumped_starts = partition->starts;
	return 0;
}

int dump_read(struct partition *partition, u64 offset, void *buffer, u32 bytes)
{
	u8 *to = buffer;

	if (partition->number != fake_dumped || partition->starts != fake_dumped_starts ||
	    !partition_inspectable(partition))
		return -EBUSY;
	if (offset > FAKE_DUMP_BYTES || bytes > FAKE_DUMP_BYTES - offset)
		return -ERANGE;
	for (u32 i = 0; i < bytes; i++)
		to[i] = fake_dump_byte(offset + i);
	return 0;
}

/* --- trace --- */

/* Both CPUs: threads take turns, with exits between; the oldest 100 are overwritten. */
static struct trace_record fake_record(u32 cpu, u64 sequence)
{
	static const u8 kinds[] = {TRACE_SWITCH, TRACE_ENTRY,	  TRACE_EXIT, TRACE_INJECT,
				   TRACE_ENTRY,	 TRACE_INTERRUPT, TRACE_EXIT, TRACE_WAKE};
	struct trace_record record = {.tsc = 5000 + sequence * 1000 + cpu * 7};

	record.kind = kinds[sequence % 8];
	record.who = (u16)(sequence / 8 % 3 ? 5 + cpu : 0);
	record.data = record.kind == TRACE_EXIT ? 12 : record.kind == TRACE_INTERRUPT ? 0xec : 1;
	return record;
}

u32 trace_read(u32 cpu, u64 *next, struct trace_record *records, u32 room)
{
	u32 count = 0;

	*next = MAX(*next, 100UL);
	while (count < room && *next < FAKE_TRACE_COUNT)
		records[count++] = fake_record(cpu, (*next)++);
	return count;
}

/* --- commands --- */

static void fake_state_command(const char *line)
{
	if (strcmp(line, "pause web") == 0)
		fake_web.state = PARTITION_PAUSED;
	else if (strcmp(line, "resume web") == 0)
		fake_web.state = PARTITION_RUNNING;
	else if (strcmp(line, "stop web") == 0)
		fake_web.state = PARTITION_STOPPED;
}

static u32 fake_big(char *buffer, u32 bytes)
{
	u32 length = 0;

	for (; length < bytes && length < FAKE_BIG_BYTES; length++)
		buffer[length] = (char)(length % 64 == 63 ? '\n' : 'a' + length / 64 % 26);
	return length;
}

static const char fake_top[] =
	"{\"host\":{\"uptime_us\":90061000000,\"interval_us\":1500000,"
	"\"memory_total\":1073741824,\"memory_free\":536870912},"
	"\"cpus\":[{\"cpu\":0,\"load\":2512},{\"cpu\":1,\"load\":10000}],"
	"\"partitions\":[{\"name\":\"web\",\"number\":1,\"state\":\"running\",\"cpu\":1,"
	"\"interval_us\":1500000,\"run\":5012,\"exit\":150,\"ready\":0,\"capped\":0,"
	"\"blocked\":4838,\"paused\":0,\"kind\":\"reserved\",\"weight\":100,\"cap\":50,"
	"\"budget_us\":2500,\"period_us\":10000,\"group\":null,\"exits_per_second\":1234,"
	"\"interrupts_per_second\":56},{\"name\":\"db\",\"state\":\"crashed\",\"cpu\":null,"
	"\"kind\":\"shared\",\"weight\":200,\"cap\":null}]}\n";

int command_run_captured(const char *line, char *buffer, u32 bytes, u32 *length)
{
	int printed, status = 0;

	fake_commands++;
	if (fake_command_hook)
		fake_command_hook(line);
	if (strcmp(line, "big") == 0) {
		*length = fake_big(buffer, bytes);
		return 0;
	}
	fake_state_command(line);
	if (strcmp(line, "list") == 0)
		printed = snprintf(buffer, bytes, "NAME  STATE\nweb   %s\ndb    %s\n",
				   partition_state_name(fake_web.state),
				   partition_state_name(fake_db.state));
	else if (strcmp(line, "list --json") == 0)
		printed = snprintf(buffer, bytes, "{\"partitions\":[{\"name\":\"web\"}]}\n");
	else if (strcmp(line, "top --json") == 0)
		printed = snprintf(buffer, bytes, "%s", fake_top);
	else if (strcmp(line, "trace on") == 0 || strcmp(line, "trace off") == 0)
		printed = snprintf(buffer, bytes, "trace: %s\n", line + 6);
	else if (strcmp(line, "count") == 0)
		printed = snprintf(buffer, bytes, "command %u\n", fake_commands);
	else if (strstr(line, " web"))
		printed =
			snprintf(buffer, bytes, "web: %s\n", partition_state_name(fake_web.state));
	else
		printed = snprintf(buffer, bytes, "no command \"%s\"\n", line), status = -EINVAL;
	*length = (u32)printed;
	return status;
}
