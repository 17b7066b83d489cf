/* SPDX-License-Identifier: MIT */
/* Commands about the machine as a whole. */
#include "command.h"
#include "internal.h"
#include "partition_cells.h"
#include "report.h"

#include <bulkhead/arch.h>
#include <bulkhead/boot_files.h>
#include <bulkhead/console.h>
#include <bulkhead/cpu.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/string.h>
#include <bulkhead/virt.h>

#define BACKEND_BYTES 128

/* --- what there is --- */

void command_version(const struct command *command unused, u32 count unused,
		     char *const *arguments unused)
{
	char backend[BACKEND_BYTES] = "none: partitions cannot run";
	struct memory_usage usage;

	if (virt)
		virt->describe(backend, sizeof(backend));
	memory_usage(&usage);
	report_note("Bulkhead %s", console_version);
	record_begin("version");
	record_field("version", NULL);
	cell_text("%s", console_version);
	record_field("cpu", "CPU");
	cell_text("%s", arch_cpu_name());
	record_field("cpus", "CPUs");
	cell_shown(arch_cpu_count(), "%u in use", arch_cpu_count());
	record_field("memory_bytes", "memory");
	cell_shown(usage.total_bytes,
		   "%luM, of which %luM are free and %luM held by Bulkhead itself",
		   usage.total_bytes / MIB, usage.free_bytes / MIB, usage.hypervisor_bytes / MIB);
	record_field("backend", "backend");
	cell_text("%s", backend);
	record_field("firmware", "firmware");
	cell_text("%s", boot_info->firmware[0] ? boot_info->firmware : "not known");
	record_field("uptime_us", "uptime");
	cell_duration(arch_time_us());
	record_end();
}

void command_uptime(const struct command *command unused, u32 count unused,
		    char *const *arguments unused)
{
	record_begin("uptime");
	record_field("uptime_us", "uptime");
	cell_duration(arch_time_us());
	record_end();
}

static void cell_thread(const struct cpu *cpu, const struct thread *thread)
{
	if (!thread)
		cell_none();
	else if (thread == cpu->idle || __atomic_load_n(&cpu->idling, __ATOMIC_RELAXED))
		cell_text("idle");
	else if (thread->vcpu)
		cell_vcpu(thread->vcpu);
	else
		cell_text("%s", thread->name);
}

/* Whose affinity names this CPU, among others that it leaves out. */
static void cell_chosen_by(u32 cpu)
{
	struct names names = {.count = 0};

	for (const struct partition *p = partition_first(); p; p = p->next) {
		const struct cpu_mask *affinity = &p->config->affinity;

		if (cpu_mask_has(affinity, cpu) && !cpu_mask_full(affinity, arch_cpu_count()))
			names_add(&names, p->config->name);
	}
	cell_names(&names);
}

/* Only the console's thread destroys threads: those that others run stay while this is shown. */
void command_cpus(const struct command *command unused, u32 count unused,
		  char *const *arguments unused)
{
	static const struct column columns[] = {
		{"id", "CPU", true},
		{"apic_id", "APIC", true},
		{"online", "ONLINE", false},
		{"runs", "RUNS", false},
		{"ready", "READY", true},
		{"dedicated", "DEDICATED TO", false},
		{"affinity", "AFFINITY OF", false},
	};

	table_begin("cpus", columns, ARRAY_SIZE(columns));
	for (u32 i = 0; i < CPU_MAX; i++) {
		const struct cpu *cpu = cpus[i];

		if (!cpu)
			continue;
		cell_number(cpu->id);
		cell_number(cpu->apic_id);
		cell_flag(cpu->online);
		cell_thread(cpu, __atomic_load_n(&cpu->thread, __ATOMIC_RELAXED));
		cell_number(__atomic_load_n(&cpu->queue.count, __ATOMIC_RELAXED));
		cell_thread(cpu, __atomic_load_n(&cpu->dedicated, __ATOMIC_RELAXED));
		cell_chosen_by(cpu->id);
	}
	table_end();
}

static u64 ram_bytes(const struct partition *partition)
{
	u64 bytes = 0;

	for (u32 i = 0; i < partition->ram_count; i++)
		bytes += PAGE_SIZE << partition->ram[i].order;
	return bytes;
}

void command_memory(const struct command *command unused, u32 count unused,
		    char *const *arguments unused)
{
	static const struct column columns[] = {
		{"name", "NAME", false},
		{"memory_bytes", "MEMORY", true},
		{"held_bytes", "HELD", true},
		{"blocks", "BLOCKS", true},
	};
	struct memory_usage usage;

	memory_usage(&usage);
	record_begin("memory");
	record_field("total_bytes", "total");
	cell_bytes(usage.total_bytes);
	record_field("free_bytes", "free");
	cell_bytes(usage.free_bytes);
	record_field("hypervisor_bytes", "Bulkhead");
	cell_bytes(usage.hypervisor_bytes);
	record_field("spare_bytes", "spare");
	cell_bytes(usage.spare_bytes);
	record_field("tables_bytes", "tables");
	cell_bytes(usage.used_bytes[MEMORY_TABLES]);
	record_field("devices_bytes", "devices");
	cell_bytes(usage.used_bytes[MEMORY_DEVICES]);
	record_field("other_bytes", "other");
	cell_bytes(usage.used_bytes[MEMORY_OTHER]);
	record_end();
	table_begin("partitions", columns, ARRAY_SIZE(columns));
	for (const struct partition *p = partition_first(); p; p = p->next) {
		cell_text("%s", p->config->name);
		cell_bytes(p->config->memory_bytes);
		cell_bytes(ram_bytes(p));
		cell_number(p->ram_count);
	}
	table_end();
}

/* --- the log --- */

static u32 log_count(u32 *end)
{
	struct log_entry entry;
	u32 next = 0, count = 0;

	while (!log_read(next, &entry)) {
		next = entry.sequence + 1;
		count++;
	}
	*end = next;
	return count;
}

/* People see whole lines as they were shown. */
static void log_print(u32 next, u32 end)
{
	char line[LOG_TEXT_BYTES + 64];
	struct log_entry entry;

	while (next != end && !log_read(next, &entry)) {
		next = entry.sequence + 1;
		log_line(&entry, line, sizeof(line));
		console_print("%s", line);
		if (console_cancelled()) {
			console_print("^C\n");
			return;
		}
	}
}

static void log_table(u32 next, u32 end)
{
	static const struct column columns[] = {
		{"sequence", NULL, true}, {"time_us", NULL, true}, {"level", NULL, false},
		{"cpu", NULL, true},	  {"text", NULL, false},
	};
	struct log_entry entry;

	table_begin("log", columns, ARRAY_SIZE(columns));
	while (next != end && !log_read(next, &entry)) {
		next = entry.sequence + 1;
		cell_number(entry.sequence);
		cell_number(entry.time_us);
		cell_text("%s", log_level_name((enum log_level)entry.level));
		cell_number(entry.cpu);
		cell_text("%s", entry.text);
	}
	table_end();
}

void command_log(const struct command *command unused, u32 count, char *const *arguments)
{
	u64 lines = UINT32_MAX;
	u32 end, kept;

	if (count && !argument_number(arguments[0], "number of lines", 1, UINT32_MAX, &lines))
		return;
	kept = log_count(&end);
	if (report_is_json())
		log_table(end - MIN((u32)lines, kept), end);
	else
		log_print(end - MIN((u32)lines, kept), end);
}

void command_loglevel(const struct command *command, u32 count, char *const *arguments)
{
	enum log_level level = (enum log_level)console_host()->log_level;

	if (!count) {
		command_only_looked();
	} else {
		if (!argument_word(command, arguments[0]))
			return;
		for (level = LOG_ERROR; strcmp(log_level_name(level), arguments[0]) != 0; level++)
			;
		console_log_level_set(level);
	}
	record_begin("loglevel");
	record_field("level", "log level");
	cell_text("%s", log_level_name(level));
	record_end();
}

/* --- going down --- */

/* Whether partitions run that going down would hit; if so they are named. */
static bool partitions_hold(const struct command *command)
{
	struct names names = {.count = 0};
	struct partition_view view;

	for (struct partition *p = partition_first(); p; p = p->next) {
		partition_look(p, &view);
		if (view_runs(&view))
			names_add(&names, p->config->name);
	}
	if (!names.count)
		return false;
	report_error("still running: %s", names_text(&names));
	report_note("\"%s now\" does it all the same, as if their power failed", command->name);
	return true;
}

static bool argument_now(const struct command *command, const char *argument)
{
	if (strcmp(argument, "now") == 0)
		return true;
	report_error("%s: \"%s\" is not \"now\"", command->name, argument);
	report_note("usage: %s", command->usage);
	return false;
}

static void machine_down(const struct command *command, u32 count, char *const *arguments,
			 void (*down)(void))
{
	if (count && !argument_now(command, arguments[0]))
		return;
	if (!count && partitions_hold(command))
		return;
	console_flush();
	log_info("the operator says %s", command->name);
	console_stop();
	down();
}

void command_reboot(const struct command *command, u32 count, char *const *arguments)
{
	machine_down(command, count, arguments, arch_reboot);
}

void command_poweroff(const struct command *command, u32 count, char *const *arguments)
{
	machine_down(command, count, arguments, arch_power_off);
}

/* So that operators can see what a report looks like, and whether it reaches them, before they need
 * one. */
void command_panic(const struct command *command, u32 count unused, char *const *arguments)
{
	if (!argument_now(command, arguments[0]))
		return;
	console_flush();
	panic("the operator asked for it");
}
