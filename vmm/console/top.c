/* SPDX-License-Identifier: MIT */
/*
 * The command top: who uses the machine now. As a screen that is redrawn in place until q is typed,
 * or, with --json, once, over the time since it was last asked.
 */
#include "command.h"
#include "internal.h"
#include "partition_cells.h"
#include "report.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

#define KEY_CANCEL   0x03 /* Ctrl-C */
#define SECONDS_MAX  3600
#define COUNT_MAX    1000000
#define TEXT_BYTES   32
#define CPUS_A_LINE  6
#define CPUS_SHOWN   12
#define ROWS_SHOWN   16			/* in all, a terminal of 24 lines and 80 columns */
#define SCREEN_BEGIN "\033[?25l\033[2J" /* no cursor, nothing on the screen */
#define SCREEN_HOME  "\033[H"
#define SCREEN_REST  "\033[J" /* clear what is below */
#define SCREEN_END   "\033[?25h"
#define LINE_END     "\033[K\n" /* and nothing is left of what was there before */

/* The meters of a vCPU, at one moment or over an interval. */
struct sample {
	u32 number; /* the partition's */
	u32 vcpu;   /* its id there */
	struct vcpu_times times;
	u64 exits, interrupts;
};

/* All meters at one moment. */
struct reading {
	u64 tsc; /* 0: the core's start, when all of them were 0 */
	struct sample *samples;
	u32 count, room;
	u64 idle[CPU_MAX];
};

struct row {
	struct partition *partition;
	struct vcpu *vcpu;
	struct sample over; /* the interval, or since it was created if that is shorter */
	u64 used;	    /* run and exit */
	u32 place;	    /* in the list of partitions, with their vCPUs */
};

/* What is shown: `now` over what was `before`. */
static struct {
	struct reading now;
	const struct reading *before;
	u64 since; /* TSC where the interval begins */
	struct row *rows;
	u32 room;
} view;

static struct reading on_screen, reported;

/* --- sampling --- */

/* An array of at least `count` items; what was in it is gone if it was too small. */
static bool room_make(void **items, u32 *room, u32 count, u64 bytes)
{
	if (count <= *room)
		return true;
	memory_give(MEMORY_OTHER, *items, *room * bytes);
	*items = memory_take(MEMORY_OTHER, count * bytes);
	*room = *items ? count : 0;
	return *items;
}

static bool samples_make(struct reading *reading, u32 count)
{
	void *items = reading->samples;
	bool made = room_make(&items, &reading->room, count, sizeof(struct sample));

	reading->samples = items;
	return made;
}

static bool rows_make(u32 count)
{
	void *items = view.rows;
	bool made = room_make(&items, &view.room, count, sizeof(struct row));

	view.rows = items;
	return made;
}

static void sample_take(struct vcpu *vcpu, struct sample *sample)
{
	*sample = (struct sample){.number = vcpu->partition->number, .vcpu = vcpu->id};
	vcpu_times(vcpu, &sample->times);
	sample->exits = vcpu->exits;
	sample->interrupts = vcpu_interrupts(vcpu);
}

/* Meters are read while they move: a little less than before is nothing. */
static u64 growth(u64 to, u64 from)
{
	return to > from ? to - from : 0;
}

/* What it had in `before`; nothing if it was not there. `hint`: where it probably is. */
static struct sample sample_before(const struct reading *before, const struct sample *to, u32 hint)
{
	for (u32 i = 0; i < before->count; i++) {
		const struct sample *sample = &before->samples[(hint + i) % before->count];

		if (sample->number == to->number && sample->vcpu == to->vcpu)
			return *sample;
	}
	return (struct sample){0};
}

static void row_fill(struct row *row, const struct sample *to)
{
	struct sample from = sample_before(view.before, to, row->place);

	row->over = (struct sample){
		.number = to->number,
		.vcpu = to->vcpu,
		.times =
			{
				.run = growth(to->times.run, from.times.run),
				.exit = growth(to->times.exit, from.times.exit),
				.ready = growth(to->times.ready, from.times.ready),
				.blocked = growth(to->times.blocked, from.times.blocked),
				.capped = growth(to->times.capped, from.times.capped),
				.paused = growth(to->times.paused, from.times.paused),
				.wall = growth(to->times.wall, from.times.wall),
			},
		.exits = growth(to->exits, from.exits),
		.interrupts = growth(to->interrupts, from.interrupts),
	};
	row->used = row->over.times.run + row->over.times.exit;
}

static bool row_is_before(const struct row *a, const struct row *b)
{
	return a->used > b->used || (a->used == b->used && a->place < b->place);
}

/* Shell's way: there may be many, and they are nearly in order. */
static void rows_sort(u32 count)
{
	for (u32 gap = count / 2; gap; gap /= 2) {
		for (u32 i = gap; i < count; i++) {
			struct row row = view.rows[i];
			u32 at = i;

			for (; at >= gap && row_is_before(&row, &view.rows[at - gap]); at -= gap)
				view.rows[at] = view.rows[at - gap];
			view.rows[at] = row;
		}
	}
}

/* Look at everything now, and compare with `before`. false: said why not. */
static bool view_take(const struct reading *before)
{
	u32 count = 0, place = 0;

	for (struct partition *p = partition_first(); p; p = p->next)
		count += p->vcpu_count;
	if (!samples_make(&view.now, count) || !rows_make(count)) {
		report_error("no memory for the meters of %u virtual CPUs", count);
		return false;
	}
	view.before = before;
	view.now.tsc = arch_tsc();
	view.since = before->tsc ? before->tsc : view.now.tsc - us_to_tsc(arch_time_us());
	view.now.count = count;
	for (u32 cpu = 0; cpu < arch_cpu_count(); cpu++)
		view.now.idle[cpu] = cpu_idle_ticks(cpu);
	for (struct partition *p = partition_first(); p; p = p->next) {
		for (u32 i = 0; i < p->vcpu_count; i++, place++) {
			view.rows[place] = (struct row){p, p->vcpus[i], .place = place};
			sample_take(p->vcpus[i], &view.now.samples[place]);
			row_fill(&view.rows[place], &view.now.samples[place]);
		}
	}
	rows_sort(count);
	return true;
}

/* The next view begins where this one ended: the two trade places, and arrays. */
static void view_keep(struct reading *reading)
{
	struct sample *samples = reading->samples;
	u32 room = reading->room;

	*reading = view.now;
	view.now.samples = samples;
	view.now.room = room;
}

static u64 interval_ticks(void)
{
	return view.now.tsc - view.since;
}

static u64 interval_us(void)
{
	return tsc_to_us(interval_ticks());
}

/* Which part of the interval the CPU was busy, in ticks. */
static u64 cpu_busy(u32 cpu)
{
	return growth(interval_ticks(), growth(view.now.idle[cpu], view.before->idle[cpu]));
}

/* How many in a second, of `count` in `ticks`. */
static u64 rate(u64 count, u64 ticks)
{
	u64 us = tsc_to_us(ticks);

	return us ? mul_div(count, 1000000, us) : 0;
}

/* --- for programs --- */

static const struct column cpu_columns[] = {{"cpu", "CPU", true}, {"load", "LOAD", true}};

static const struct column row_columns[] = {
	{"name", "NAME", false},
	{"number", NULL, true},
	{"vcpu", "VCPU", true},
	{"vcpus", NULL, true},
	{"state", "STATE", false},
	{"cpu", "CPU", true},
	{"interval_us", NULL, true},
	{"run", "RUN", true},
	{"exit", "EXIT", true},
	{"ready", "READY", true},
	{"capped", "CAPPED", true},
	{"blocked", "BLOCKED", true},
	{"paused", "PAUSED", true},
	{"kind", "KIND", false},
	{"weight", "WEIGHT", true},
	{"cap", "CAP", true},
	{"budget_us", "BUDGET", true},
	{"period_us", "PERIOD", true},
	{"group", "GROUP", false},
	{"exits_per_second", "EXITS/s", true},
	{"interrupts_per_second", "IRQ/s", true},
};

static void claim_cells(const struct config_partition *config)
{
	const struct scheduler_claim *claim = &config->claim;

	cell_claim_kind(claim);
	cell_number(claim->weight);
	cell_cap(claim->cap);
	if (claim->kind == SCHEDULER_RESERVED) {
		cell_microseconds(claim->budget_us);
		cell_microseconds(claim->period_us);
	} else {
		cell_none();
		cell_none();
	}
	cell_text_or_none(config->group);
}

static void row_report(const struct row *row)
{
	const struct vcpu_times *times = &row->over.times;

	cell_text("%s", row->partition->config->name);
	cell_number(row->partition->number);
	cell_number(row->vcpu->id);
	cell_number(row->partition->vcpu_count);
	cell_text("%s", partition_state_name(partition_state_now(row->partition)));
	cell_cpu(row->vcpu);
	cell_number(tsc_to_us(times->wall));
	cells_shares(times);
	claim_cells(row->partition->config);
	cell_number(rate(row->over.exits, times->wall));
	cell_number(rate(row->over.interrupts, times->wall));
}

static void host_report(void)
{
	struct memory_usage usage;

	memory_usage(&usage);
	record_begin("host");
	record_field("uptime_us", "uptime");
	cell_duration(arch_time_us());
	record_field("interval_us", "interval");
	cell_microseconds(interval_us());
	record_field("memory_total", "memory");
	cell_bytes(usage.total_bytes);
	record_field("memory_free", "free");
	cell_bytes(usage.free_bytes);
	record_end();
}

static void top_report(void)
{
	if (!view_take(&reported))
		return;
	host_report();
	table_begin("cpus", cpu_columns, ARRAY_SIZE(cpu_columns));
	for (u32 cpu = 0; cpu < arch_cpu_count(); cpu++) {
		cell_number(cpu);
		cell_percent(cpu_busy(cpu), interval_ticks());
	}
	table_end();
	table_begin("partitions", row_columns, ARRAY_SIZE(row_columns));
	for (u32 i = 0; i < view.now.count; i++)
		row_report(&view.rows[i]);
	table_end();
	view_keep(&reported);
}

/* --- the screen --- */

static void percent_text(char text[TEXT_BYTES], u64 part, u64 whole)
{
	u64 tenths = whole ? mul_div(MIN(part, whole), 1000, whole) : 0;

	format_text(text, TEXT_BYTES, "%lu.%lu", tenths / 10, tenths % 10);
}

static void time_text(char text[TEXT_BYTES], u64 us)
{
	if (us % 1000)
		format_text(text, TEXT_BYTES, "%luus", us);
	else
		format_text(text, TEXT_BYTES, "%lums", us / 1000);
}

/* "100", "100 50%", "2ms/10ms", "2ms/10ms 100", "dedicated". */
static void claim_text(char text[TEXT_BYTES], const struct scheduler_claim *claim)
{
	char budget[TEXT_BYTES], period[TEXT_BYTES];

	text[0] = 0;
	if (claim->kind == SCHEDULER_DEDICATED) {
		format_text(text, TEXT_BYTES, "dedicated");
		return;
	}
	if (claim->kind == SCHEDULER_RESERVED) {
		time_text(budget, claim->budget_us);
		time_text(period, claim->period_us);
		format_append(text, TEXT_BYTES, "%s/%s", budget, period);
	}
	if (claim->weight)
		format_append(text, TEXT_BYTES, "%s%u", text[0] ? " " : "", claim->weight);
	if (claim->cap)
		format_append(text, TEXT_BYTES, "%s%u%%", text[0] ? " " : "", claim->cap);
}

/* In five characters: 99999, 1234k, 56M. */
static void count_text(char text[TEXT_BYTES], u64 count)
{
	if (count < 100000)
		format_text(text, TEXT_BYTES, "%lu", count);
	else if (count < 10000000)
		format_text(text, TEXT_BYTES, "%luk", count / 1000);
	else
		format_text(text, TEXT_BYTES, "%luM", count / 1000000);
}

static void head_draw(bool first)
{
	struct memory_usage usage;
	u64 s = arch_time_us() / 1000000, tenths = interval_us() / 100000;

	memory_usage(&usage);
	console_print("up %lud %lu:%02lu:%02lu   memory %luM, free %luM   ", s / 86400,
		      s / 3600 % 24, s / 60 % 60, s % 60, usage.total_bytes / MIB,
		      usage.free_bytes / MIB);
	if (first)
		console_print("since the start");
	else
		console_print("last %lu.%lu s", tenths / 10, tenths % 10);
	console_print("   q ends" LINE_END);
}

static void cpus_draw(void)
{
	u32 count = arch_cpu_count();

	for (u32 cpu = 0; cpu < MIN(count, (u32)CPUS_SHOWN); cpu++) {
		char load[TEXT_BYTES];

		percent_text(load, cpu_busy(cpu), interval_ticks());
		if (cpu && cpu % CPUS_A_LINE == 0)
			console_print(LINE_END);
		console_print("%s%2u:%5s%%", cpu % CPUS_A_LINE ? "  " : "CPU ", cpu, load);
	}
	if (count > CPUS_SHOWN)
		console_print("  and %u more", count - CPUS_SHOWN);
	console_print(LINE_END);
}

/* Which one it is, where there are several. */
static void name_text(char text[TEXT_BYTES], const struct row *row)
{
	const char *name = row->partition->config->name;

	if (row->partition->vcpu_count > 1)
		format_text(text, TEXT_BYTES, "%.9s/%u", name, row->vcpu->id);
	else
		format_text(text, TEXT_BYTES, "%.12s", name);
}

static void row_draw(const struct row *row)
{
	const struct vcpu_times *times = &row->over.times;
	char name[TEXT_BYTES], run[TEXT_BYTES], exit[TEXT_BYTES], ready[TEXT_BYTES];
	char capped[TEXT_BYTES], claim[TEXT_BYTES], exits[TEXT_BYTES], interrupts[TEXT_BYTES];

	name_text(name, row);
	percent_text(run, times->run, times->wall);
	percent_text(exit, times->exit, times->wall);
	percent_text(ready, times->ready, times->wall);
	percent_text(capped, times->capped, times->wall);
	claim_text(claim, &row->partition->config->claim);
	count_text(exits, rate(row->over.exits, times->wall));
	count_text(interrupts, rate(row->over.interrupts, times->wall));
	console_print("%-12s %-8s %3u %5s %5s %6s %5s %-14.14s %7s %5s" LINE_END, name,
		      partition_state_name(partition_state_now(row->partition)),
		      row->vcpu->thread.cpu, run, exit, ready, capped, claim, exits, interrupts);
}

static void screen_draw(bool first)
{
	console_print(SCREEN_HOME);
	head_draw(first);
	cpus_draw();
	console_print(LINE_END);
	console_print("%-12s %-8s %3s %5s %5s %6s %5s %-14s %7s %5s" LINE_END, "NAME", "STATE",
		      "CPU", "%RUN", "%EXIT", "%READY", "%CAP", "CLAIM", "EXITS/s", "IRQ/s");
	for (u32 i = 0; i < MIN(view.now.count, (u32)ROWS_SHOWN); i++)
		row_draw(&view.rows[i]);
	if (view.now.count > ROWS_SHOWN)
		console_print("and %u more, which use less" LINE_END, view.now.count - ROWS_SHOWN);
	console_print(SCREEN_REST);
}

/* Whether the operator has asked to end. */
static bool keys_pass(bool *busy)
{
	const u8 *keys;

	*busy = false;
	while (console_input_peek(&keys)) {
		u8 key = keys[0];

		*busy = true;
		console_input_take(1);
		if (key == 'q' || key == 'Q' || key == KEY_CANCEL)
			return true;
	}
	return false;
}

/* Returns false when the operator has asked to end. */
static bool wait_until(u64 deadline)
{
	for (;;) {
		bool busy;

		console_watch();
		if (keys_pass(&busy))
			return false;
		if (arch_tsc() >= deadline)
			return true;
		if (!busy)
			console_wait(deadline);
	}
}

static void screen_run(u64 seconds, u64 count)
{
	static const struct reading nothing;
	u64 deadline = arch_tsc();

	console_print(SCREEN_BEGIN);
	if (view_take(&nothing)) {
		screen_draw(true);
		view_keep(&on_screen);
	} else {
		count = 0;
	}
	while (count--) {
		deadline = MAX(deadline, arch_tsc()) + us_to_tsc(seconds * 1000000);
		if (!wait_until(deadline) || !view_take(&on_screen))
			break;
		screen_draw(false);
		view_keep(&on_screen);
	}
	console_print(SCREEN_END);
}

void command_top(const struct command *command unused, u32 count, char *const *arguments)
{
	u64 seconds = 1, times = UINT64_MAX;

	if (report_is_json() && count) {
		report_error("with --json, top takes no arguments: it answers at once, for the "
			     "time since it was last asked");
		return;
	}
	if (count > 0 &&
	    !argument_number(arguments[0], "number of seconds", 1, SECONDS_MAX, &seconds))
		return;
	if (count > 1 && !argument_number(arguments[1], "number of times", 1, COUNT_MAX, &times))
		return;
	if (report_is_json())
		top_report();
	else
		screen_run(seconds, times);
}
