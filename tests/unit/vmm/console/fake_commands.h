/* SPDX-License-Identifier: MIT */
/*
 * All that commands act upon, faked: the console's output, a machine with four CPUs, its log, and
 * the partitions web, which runs, and debian-12, which has crashed. For programs that link the
 * commands; each of their runs begins with fake_begin.
 */
#pragma once

#include "fake_pages.h"
#include "vmm/console/command.h"
#include "vmm/console/internal.h"
#include "vmm/console/report.h"
#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/console.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/partition.h>
#include <bulkhead/virt.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- the console's output --- */

static char output[1 << 20];
static size_t output_bytes;
static char *capture;
static u32 capture_bytes;
static u64 captured;
static bool flushed, cancel;

const char console_version[] = "1.2.3";

static void output_add(const char *text, size_t bytes)
{
	for (size_t i = 0; capture && i < bytes; i++) {
		if (captured < capture_bytes)
			capture[captured] = text[i];
		captured++;
	}
	if (capture)
		return;
	require(output_bytes + bytes < sizeof(output));
	memcpy(output + output_bytes, text, bytes);
	output_bytes += bytes;
	output[output_bytes] = 0;
}

/* As the console does: what is longer than its buffer is cut. */
void console_print(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	output_add(text, MIN(length, sizeof(text) - 1));
}

void console_send(const void *bytes, u64 count)
{
	output_add(bytes, count);
}

void console_flush(void)
{
	flushed = true;
}

bool console_cancelled(void)
{
	return !capture && cancel;
}

void console_capture(char *buffer, u32 bytes)
{
	require(!capture);
	capture = buffer;
	capture_bytes = bytes;
	captured = 0;
}

u64 console_capture_end(void)
{
	require(capture);
	capture = NULL;
	return captured;
}

bool console_captured(void)
{
	return capture;
}

static void output_clear(void)
{
	output[0] = 0;
	output_bytes = 0;
}

/* --- the machine --- */

static u64 fake_time_us;
static unsigned fake_irqs_off;
static jmp_buf machine_gone;
static char went_down[32];

static struct boot_info fake_boot_info;
const struct boot_info *boot_info = &fake_boot_info;

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

u64 arch_tsc_hz(void)
{
	return 2000000;
}

u32 arch_cpu_count(void)
{
	return 4;
}

const char *arch_cpu_name(void)
{
	return "Imaginary CPU @ 1 GHz";
}

void arch_reboot(void)
{
	strcat(went_down, "reboot");
	longjmp(machine_gone, 1);
}

void arch_power_off(void)
{
	strcat(went_down, "off");
	longjmp(machine_gone, 1);
}

void panic(const char *format, ...)
{
	(void)format;
	strcat(went_down, "panic");
	longjmp(machine_gone, 1);
}

void console_stop(void)
{
	strcat(went_down, "stop,");
}

void memory_usage(struct memory_usage *usage)
{
	*usage = (struct memory_usage){
		.total_bytes = 8 * GIB,
		.free_bytes = 6 * GIB,
		.hypervisor_bytes = 100 * MIB,
		.spare_bytes = 1540 * KIB,
		.used_bytes = {3 * MIB, 2 * MIB, 40 * KIB},
	};
}

static void fake_describe(char *buffer, size_t bytes)
{
	format_text(buffer, bytes, "VT-x with everything");
}

static const struct virt_backend fake_virt = {.describe = fake_describe};
const struct virt_backend *virt = &fake_virt;
struct cpu *cpus[CPU_MAX];

/* --- the log --- */

static u32 log_first, log_end;
static struct config_host fake_host;

int log_read(u32 sequence, struct log_entry *entry)
{
	sequence = MAX(sequence, log_first);
	if (sequence >= log_end)
		return -ENOENT;
	*entry = (struct log_entry){
		.sequence = sequence, .time_us = 1000 * sequence, .cpu = 3, .level = LOG_WARN};
	snprintf(entry->text, sizeof(entry->text), "line \"%u\"", sequence);
	return 0;
}

size_t log_line(const struct log_entry *entry, char *buffer, size_t bytes)
{
	return format_text(buffer, bytes, "line %u\n", entry->sequence);
}

void log_write(enum log_level level, const char *format, ...)
{
	(void)level, (void)format;
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	return names[level];
}

const struct config_host *console_host(void)
{
	return &fake_host;
}

void console_log_level_set(enum log_level level)
{
	fake_host.log_level = level;
}

/* --- partitions --- */

#define FAKE_PARTITIONS 100

static struct vcpu vcpus[3];
static struct config_partition configs[FAKE_PARTITIONS];
static struct partition partitions[FAKE_PARTITIONS];
static struct ram_block blocks[2];
static u8 console_ring[4096];
static struct partition *first;
static const struct partition *started, *stopped, *joined, *changed;
static struct group groups[FAKE_PARTITIONS];
static struct group *first_group;
static const char *refusal; /* why whatever is asked for cannot be; NULL: it can */

/* Add partition `index` to the end of the list. */
static struct partition *fake_partition(u32 index, const char *name)
{
	struct partition **at = &first, *partition = &partitions[index];

	memset(partition, 0, sizeof(*partition));
	partition->config = &configs[index];
	partition->number = index + 1;
	format_text(configs[index].name, sizeof(configs[index].name), "%s", name);
	byte_ring_init(&partition->console, console_ring, sizeof(console_ring));
	while (*at)
		at = &(*at)->next;
	*at = partition;
	return partition;
}

static void fake_group(u32 index, const char *name, u32 weight, u32 cap)
{
	struct group **at = &first_group;

	groups[index] = (struct group){.config = {.weight = weight, .cap = cap}};
	format_text(groups[index].config.name, CONFIG_NAME_BYTES, "%s", name);
	while (*at)
		at = &(*at)->next;
	*at = &groups[index];
}

struct partition *partition_first(void)
{
	return first;
}

struct partition *partition_find(const char *name)
{
	for (struct partition *p = first; p; p = p->next) {
		if (strcmp(p->config->name, name) == 0)
			return p;
	}
	return NULL;
}

/* 0, or -EBUSY with the reason. */
static int fake_result(char *reason)
{
	if (!refusal)
		return 0;
	format_text(reason, LOAD_REASON_BYTES, "%s", refusal);
	return -EBUSY;
}

static int fake_change(struct partition *partition, enum partition_state state, char *reason)
{
	changed = partition;
	if (!refusal)
		partition->state = state;
	return fake_result(reason);
}

int partition_start(struct partition *partition, char *reason)
{
	started = partition;
	return fake_change(partition, PARTITION_STARTING, reason);
}

int partition_stop(struct partition *partition, char *reason)
{
	stopped = partition;
	return fake_change(partition, PARTITION_STOPPING, reason);
}

int partition_shutdown(struct partition *partition, char *reason)
{
	stopped = partition;
	return fake_change(partition, PARTITION_RUNNING, reason);
}

int partition_pause(struct partition *partition, char *reason)
{
	return fake_change(partition, PARTITION_PAUSED, reason);
}

int partition_resume(struct partition *partition, char *reason)
{
	return fake_change(partition, PARTITION_RUNNING, reason);
}

int partition_reset(struct partition *partition, char *reason)
{
	return fake_change(partition, PARTITION_STARTING, reason);
}

int partition_destroy(struct partition *partition, char *reason)
{
	struct partition **at = &first;

	if (refusal)
		return fake_result(reason);
	while (*at != partition)
		at = &(*at)->next;
	*at = partition->next;
	/* Whoever looks at it or its name now sees rubbish. */
	memset(partition->config, 0xa5, sizeof(*partition->config));
	memset(partition, 0xa5, sizeof(*partition));
	return 0;
}

static void fake_vcpu(u32 i)
{
	vcpus[i] = (struct vcpu){.partition = &partitions[i], .exits = 1234};
	vcpus[i].thread.cpu = 3 - i;
	vcpus[i].thread.vcpu = &vcpus[i];
	partitions[i].vcpus[0] = &vcpus[i];
	partitions[i].vcpu_count = 1;
}

int partition_create(const struct config_partition *config, struct partition **made, char *reason)
{
	if (refusal)
		return fake_result(reason);
	for (struct partition *p = first; p; p = p->next) {
		if (p == &partitions[2])
			return -ENOMEM; /* there is room for one */
	}
	*made = fake_partition(2, config->name);
	fake_vcpu(2);
	configs[2] = *config;
	return 0;
}

int partition_change(struct partition *partition, const struct config_partition *config,
		     char *reason)
{
	if (refusal)
		return fake_result(reason);
	changed = partition;
	*partition->config = *config;
	return 0;
}

struct group *group_first(void)
{
	return first_group;
}

struct group *group_find(const char *name)
{
	for (struct group *g = first_group; g; g = g->next) {
		if (strcmp(g->config.name, name) == 0)
			return g;
	}
	return NULL;
}

int group_create(const struct config_group *config, char *reason)
{
	if (refusal)
		return fake_result(reason);
	for (struct group *g = first_group; g; g = g->next) {
		if (g == &groups[50])
			return -ENOMEM;
	}
	fake_group(50, config->name, config->weight, config->cap);
	return 0;
}

int group_change(struct group *group, u32 weight, u32 cap, char *reason)
{
	if (refusal)
		return fake_result(reason);
	group->config.weight = weight;
	group->config.cap = cap;
	return 0;
}

void vcpu_times(struct vcpu *vcpu, struct vcpu_times *times)
{
	(void)vcpu;
	*times = (struct vcpu_times){1000, 200, 300, 400, 50, 50, 2000};
}

void attach_run(struct partition *partition)
{
	joined = partition;
}

/* --- commands of other files: they say with what they were called --- */

static const struct vcpu *found_vcpu;
static u64 found_number;

static void fake_command(const struct command *command, u32 count, char *const *arguments)
{
	report_note("%s of %u", command->name, count);
	for (u32 i = 0; i < count; i++)
		report_note("<%s>", arguments[i]);
}

#define FAKE_COMMAND(name)                                                                         \
	COMMAND(name)                                                                              \
	{                                                                                          \
		fake_command(command, count, arguments);                                           \
	}

/* Two that try what others read their arguments with. */
COMMAND(command_regs)
{
	(void)command, (void)count;
	found_vcpu = argument_vcpu(arguments[0]);
}

COMMAND(command_walk)
{
	(void)command, (void)count;
	if (!argument_number(arguments[1], "address", 0, UINT64_MAX, &found_number))
		found_number = 1;
}

FAKE_COMMAND(command_x)
FAKE_COMMAND(command_vmcs)
FAKE_COMMAND(command_dump)
FAKE_COMMAND(command_inject)
FAKE_COMMAND(command_screen)
FAKE_COMMAND(command_balloon)
FAKE_COMMAND(command_who)
FAKE_COMMAND(command_top)
FAKE_COMMAND(command_stats)
FAKE_COMMAND(command_exits)
FAKE_COMMAND(command_account)
FAKE_COMMAND(command_trace)

/* --- the beginning --- */

static void fake_configs(void)
{
	memset(configs, 0, sizeof(configs));
	for (int i = 0; i < 2; i++) {
		struct config_partition *config = &configs[i];

		config->vcpus = 1;
		config->boot = CONFIG_BOOT_LINUX;
		config->memory_bytes = i ? 2 * GIB : 512 * MIB;
		config->autostart = true;
		config->claim.weight = 100;
		cpu_mask_fill(&config->affinity);
		config->on_reset = CONFIG_ACTION_RESTART;
		config->on_crash = CONFIG_ACTION_PRESERVE;
		strcpy(config->kernel, "\\bulkhead\\web\\vmlinuz");
		strcpy(config->cmdline, "console=ttyS0 quiet");
	}
}

static void fake_machine(void)
{
	static struct thread idle = {.name = "idle"}, console = {.name = "console"};
	static struct cpu fake_cpus[4];

	memset(cpus, 0, sizeof(cpus));
	memset(fake_cpus, 0, sizeof(fake_cpus));
	for (u32 i = 0; i < 4; i++) {
		fake_cpus[i].id = i;
		fake_cpus[i].apic_id = 2 * i;
		fake_cpus[i].online = true;
		fake_cpus[i].idle = &idle;
		fake_cpus[i].thread = &idle;
		cpus[i] = &fake_cpus[i];
	}
	fake_cpus[0].thread = &console;
	fake_cpus[3].thread = &vcpus[0].thread;
	fake_cpus[3].queue.count = 2;
	strcpy(fake_boot_info.firmware, "EDK II 1.0");
	virt = &fake_virt;
	fake_host = (struct config_host){.console_baud = 115200, .log_level = LOG_INFO};
	log_first = 100;
	log_end = 105;
}

static void fake_begin(void)
{
	first = NULL;
	first_group = NULL;
	fake_configs();
	fake_partition(0, "web");
	fake_partition(1, "debian-12");
	fake_vcpu(0);
	fake_vcpu(1);
	blocks[0].order = 16;
	blocks[1].order = 16;
	partitions[0].ram = blocks;
	partitions[0].ram_count = 2;
	partitions[0].state = PARTITION_RUNNING;
	partitions[0].starts = 1;
	partitions[0].started_us = 5000000;
	partitions[1].state = PARTITION_CRASHED;
	partitions[1].starts = 12;
	strcpy(partitions[1].reason, "triple fault at 0x1234");
	fake_time_us = 5000000 + (26 * 3600 + 3 * 60 + 4) * 1000000ULL;
	fake_machine();
	started = stopped = joined = changed = NULL;
	refusal = NULL;
	fake_pages_left = FAKE_UNLIMITED;
	went_down[0] = 0;
	flushed = cancel = false;
	capture = NULL;
	output_clear();
}
