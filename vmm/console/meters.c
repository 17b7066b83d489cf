/* SPDX-License-Identifier: MIT */
/* Commands that show meters: stats, exits, account, trace. What the figures mean: docs/meters.md.
 */
#include "command.h"
#include "partition_cells.h"
#include "report.h"

#include <bulkhead/account.h>
#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/thread.h>
#include <bulkhead/trace.h>
#include <bulkhead/virt.h>

#define MARK_US 2000 /* long enough for every CPU to look */

/* --- stats --- */

static void cell_seconds(u64 us)
{
	cell_shown(us, "%lu.%03lu", us / 1000000, us / 1000 % 1000);
}

static void cell_rate(u64 count, u64 us)
{
	if (us)
		cell_number(mul_div(count, 1000000, us));
	else
		cell_none();
}

static void times_row(struct vcpu *vcpu)
{
	struct vcpu_times times;

	vcpu_times(vcpu, &times);
	cell_vcpu(vcpu);
	cell_seconds(tsc_to_us(times.wall));
	cell_seconds(tsc_to_us(times.run));
	cell_seconds(tsc_to_us(times.exit));
	cell_seconds(tsc_to_us(times.ready));
	cell_seconds(tsc_to_us(times.capped));
	cell_seconds(tsc_to_us(times.blocked));
	cell_seconds(tsc_to_us(times.paused));
}

static void shares_row(struct vcpu *vcpu)
{
	struct vcpu_times times;

	vcpu_times(vcpu, &times);
	cell_vcpu(vcpu);
	cells_shares(&times);
}

static void events_row(struct vcpu *vcpu)
{
	const struct thread *thread = &vcpu->thread;
	struct vcpu_times times;

	vcpu_times(vcpu, &times);
	cell_vcpu(vcpu);
	cell_number(thread->wakeups);
	cell_number(thread->switches);
	cell_number(thread->migrations);
	cell_number(thread->entity.missed_deadlines);
	cell_number(vcpu_interrupts(vcpu));
	cell_number(vcpu->exits);
	cell_rate(vcpu->exits, tsc_to_us(times.wall - times.paused));
}

static const struct column times_columns[] = {
	{"vcpu", "VCPU", false},	 {"wall_us", "WALL s", true},
	{"run_us", "RUN", true},	 {"exit_us", "EXIT", true},
	{"ready_us", "READY", true},	 {"capped_us", "CAPPED", true},
	{"blocked_us", "BLOCKED", true}, {"paused_us", "PAUSED", true},
};

static const struct column shares_columns[] = {
	{"vcpu", "VCPU", false},    {"run", "RUN %", true},	{"exit", "EXIT", true},
	{"ready", "READY", true},   {"capped", "CAPPED", true}, {"blocked", "BLOCKED", true},
	{"paused", "PAUSED", true},
};

static const struct column events_columns[] = {
	{"vcpu", "VCPU", false},
	{"wakeups", "WAKEUPS", true},
	{"switches", "SWITCHES", true},
	{"migrations", "MIGRATIONS", true},
	{"missed_deadlines", "MISSED", true},
	{"interrupts", "INTERRUPTS", true},
	{"exits", "EXITS", true},
	{"exits_per_second", "EXITS/s", true},
};

/* Which vCPUs are shown. */
struct choice {
	const struct partition *partition; /* NULL: of all */
	const struct vcpu *vcpu;	   /* NULL: all of them */
};

static bool choice_read(struct choice *choice, const char *argument)
{
	struct vcpu *vcpu = argument_vcpu(argument);

	*choice = (struct choice){vcpu ? vcpu->partition : NULL, vcpu};
	/* A partition's name alone means all that it has. */
	if (!strchr(argument, '/'))
		choice->vcpu = NULL;
	return vcpu;
}

static void vcpu_table(const char *key, const struct column *columns, u32 count,
		       const struct choice *choice, void (*row)(struct vcpu *vcpu))
{
	table_begin(key, columns, count);
	for (struct partition *p = partition_first(); p; p = p->next) {
		if (choice->partition && p != choice->partition)
			continue;
		for (u32 i = 0; i < p->vcpu_count; i++)
			if (!choice->vcpu || p->vcpus[i] == choice->vcpu)
				row(p->vcpus[i]);
	}
	table_end();
}

void command_stats(const struct command *command unused, u32 count, char *const *arguments)
{
	struct choice only = {0};

	if (count) {
		if (!choice_read(&only, arguments[0]))
			return;
	} else if (!partition_first()) {
		report_note("there are no partitions");
	}
	vcpu_table("times", times_columns, ARRAY_SIZE(times_columns), &only, times_row);
	report_note("%s", "");
	vcpu_table("shares", shares_columns, ARRAY_SIZE(shares_columns), &only, shares_row);
	report_note("%s", "");
	vcpu_table("events", events_columns, ARRAY_SIZE(events_columns), &only, events_row);
}

/* --- exits --- */

static const struct column exits_columns[] = {
	{"reason", "REASON", false},	  {"number", NULL, true},
	{"count", "COUNT", true},	  {"share", "%", true},
	{"total_ticks", "TOTAL s", true}, {"min_ticks", "MIN (us)", true},
	{"p50_ticks", "P50 (us)", true},  {"p99_ticks", "P99 (us)", true},
	{"max_ticks", "MAX (us)", true},
};

/* Ticks, and hundredths of microseconds for people. */
static void cell_latency(u64 ticks)
{
	u64 hundredths = mul_div(ticks, 100000000, arch_tsc_hz());

	cell_shown(ticks, "%lu (%lu.%02lu)", ticks, hundredths / 100, hundredths % 100);
}

static void exits_row(u32 reason, const struct exit_meter *meter, u64 all)
{
	const char *name = virt ? virt->exit_name(reason) : NULL;
	u64 us = tsc_to_us(meter->ticks), count = exit_meter_count(meter);

	if (name)
		cell_text("%s", name);
	else if (reason == METER_EXIT_REASONS - 1)
		cell_text("all others");
	else
		cell_text("reason %u", reason);
	cell_number(reason);
	cell_number(count);
	cell_percent(count, all);
	cell_shown(meter->ticks, "%lu.%06lu", us / 1000000, us % 1000000);
	cell_latency(meter->least);
	cell_latency(exit_meter_percentile(meter, 500));
	cell_latency(exit_meter_percentile(meter, 990));
	cell_latency(meter->most);
}

/* Reasons that were, by the time that they have taken: how many. */
static u32 reasons_sort(const struct exit_meter *meters, u8 reasons[METER_EXIT_REASONS])
{
	u32 count = 0;

	for (u32 reason = 0; reason < METER_EXIT_REASONS; reason++) {
		u32 at = count;

		if (!exit_meter_count(&meters[reason]))
			continue;
		for (; at && meters[reasons[at - 1]].ticks < meters[reason].ticks; at--)
			reasons[at] = reasons[at - 1];
		reasons[at] = (u8)reason;
		count++;
	}
	return count;
}

static void exits_table(const struct exit_meter *meters)
{
	u8 reasons[METER_EXIT_REASONS];
	u64 all = 0, ticks = 0;
	u32 count;

	for (u32 i = 0; i < METER_EXIT_REASONS; i++) {
		all += exit_meter_count(&meters[i]);
		ticks += meters[i].ticks;
	}
	count = reasons_sort(meters, reasons);
	table_begin("exits", exits_columns, ARRAY_SIZE(exits_columns));
	for (u32 i = 0; i < count; i++)
		exits_row(reasons[i], &meters[reasons[i]], all);
	table_end();
	record_begin("total");
	record_field("count", "exits");
	cell_number(all);
	record_field("ticks", "time in them");
	cell_shown(ticks, "%lu.%06lu s", tsc_to_us(ticks) / 1000000, tsc_to_us(ticks) % 1000000);
	record_field("tsc_hz", "ticks in 1 us");
	cell_shown(arch_tsc_hz(), "%lu", arch_tsc_hz() / 1000000);
	record_end();
}

void command_exits(const struct command *command unused, u32 count unused, char *const *arguments)
{
	/* The meters go on meanwhile: what is sorted and printed is what they were at one time. */
	static struct exit_meter sums[METER_EXIT_REASONS];
	struct choice only;

	if (!choice_read(&only, arguments[0]))
		return;
	memset(sums, 0, sizeof(sums));
	for (u32 i = 0; i < only.partition->vcpu_count; i++) {
		const struct vcpu *vcpu = only.partition->vcpus[i];

		if (only.vcpu && vcpu != only.vcpu)
			continue;
		for (u32 reason = 0; reason < METER_EXIT_REASONS; reason++)
			exit_meter_merge(&sums[reason], &vcpu->exit_meters[reason]);
	}
	exits_table(sums);
}

/* --- account --- */

static const struct column account_columns[] = {
	{"name", "NAME", false},
	{"number", NULL, true},
	{"cpu_us", "CPU s", true},
	{"memory_bytes", "MEMORY", true},
	{"memory_mib_seconds", "MiB h", true},
	{"console_bytes", "CONSOLE", true},
	{"starts", "STARTS", true},
	{"existed_us", "EXISTED", true},
	{"destroyed_us", "DESTROYED AT", true},
};

static void account_row(const struct account_record *record, bool exists)
{
	u64 memory = account_mib_seconds(record);

	cell_text("%s", record->name);
	cell_number(record->number);
	cell_seconds(record->cpu_us);
	cell_bytes(record->memory_bytes);
	cell_shown(memory, "%lu.%02lu", memory / 3600, memory % 3600 * 100 / 3600);
	cell_number(record->console_bytes);
	cell_number(record->starts);
	cell_duration(record->until_us - record->created_us);
	if (exists)
		cell_none();
	else
		cell_duration(record->until_us);
}

/* Of partitions called `name`, or (NULL) of all: how many. */
static u32 account_rows(const char *name)
{
	const struct account_record *closed;
	struct account_record record;
	u32 rows = 0;

	for (struct partition *p = partition_first(); p; p = p->next) {
		if (name && strcmp(p->config->name, name) != 0)
			continue;
		account_read(p, &record);
		account_row(&record, true);
		rows++;
	}
	for (u64 back = 0; (closed = account_closed(back)); back++) {
		if (name && strcmp(closed->name, name) != 0)
			continue;
		account_row(closed, false);
		rows++;
	}
	return rows;
}

void command_account(const struct command *command, u32 count, char *const *arguments)
{
	u64 closed = account_closed_count();
	u32 rows;

	table_begin("records", account_columns, ARRAY_SIZE(account_columns));
	rows = account_rows(count ? arguments[0] : NULL);
	table_end();
	if (!rows && count)
		argument_unknown("charge record of a partition", arguments[0], ARGUMENT_PARTITION,
				 command);
	else if (!rows)
		report_note("there are no partitions, and there were none");
	if (closed > ACCOUNT_CLOSED_MAX)
		report_note("of %lu destroyed partitions the latest %u are kept", closed,
			    ACCOUNT_CLOSED_MAX);
}

/* --- trace --- */

static const struct column trace_columns[] = {
	{"cpu", "CPU", true},
	{"written", "WRITTEN", true},
	{"kept", "KEPT", true},
};

static void trace_show(void)
{
	record_begin("trace");
	record_field("on", "on");
	cell_flag(trace_on);
	record_field("room", "kept of each CPU, at most");
	cell_number(TRACE_RECORDS - 1);
	record_end();
	table_begin("cpus", trace_columns, ARRAY_SIZE(trace_columns));
	for (u32 cpu = 0; cpu < arch_cpu_count(); cpu++) {
		u64 written = trace_count(cpu);

		cell_number(cpu);
		cell_number(written);
		cell_number(MIN(written, TRACE_RECORDS - 1UL));
	}
	table_end();
}

/* Each CPU puts into its ring who runs there: a guest that nothing disturbs leaves no other trace.
 */
static void trace_mark(void)
{
	for (u32 cpu = 0; cpu < arch_cpu_count(); cpu++)
		thread_cpu_look(cpu);
	thread_sleep_until(arch_tsc() + us_to_tsc(MARK_US));
}

void command_trace(const struct command *command, u32 count unused, char *const *arguments)
{
	const char *word = arguments[0];

	if (!argument_word(command, word))
		return;
	if (strcmp(word, "status") == 0) {
		command_only_looked();
		trace_show();
	} else if (strcmp(word, "off") == 0) {
		trace_mark();
		trace_stop();
		report_note("trace: off; what was recorded stays until it is switched on again");
	} else if (trace_start()) {
		report_error("no memory for the trace: it takes %lu KiB for each of %u CPUs",
			     TRACE_RECORDS * sizeof(struct trace_record) / KIB, arch_cpu_count());
	} else {
		trace_mark();
		report_note("trace: on, and empty");
	}
}
