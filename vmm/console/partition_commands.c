/* SPDX-License-Identifier: MIT */
/* Commands about partitions: how they are, starting and stopping them, what they print. */
#include "../config_value.h"
#include "command.h"
#include "internal.h"
#include "nets.h"
#include "partition_cells.h"
#include "report.h"

#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define CHUNK_BYTES 256

/* --- list and info --- */

static void cell_uptime(const struct partition_view *view)
{
	u64 now = arch_time_us();

	if (view_runs(view) && view->state != PARTITION_STARTING)
		cell_duration(now - MIN(now, view->started_us));
	else
		cell_none();
}

static void cell_reason(const struct partition_view *view)
{
	bool stands = !view_runs(view) || view->state == PARTITION_PAUSED;

	cell_text_or_none(stands ? view->reason : "");
}

void command_list(const struct command *command unused, u32 count unused,
		  char *const *arguments unused)
{
	static const struct column columns[] = {
		{"name", "NAME", false},
		{"state", "STATE", false},
		{"vcpus", NULL, true},
		{"cpu", "CPU", true},
		{"memory_bytes", "MEMORY", true},
		{"uptime_us", "UPTIME", true},
		{"starts", "STARTS", true},
		{"reason", COLUMN_BELOW, false},
	};
	struct partition_view view;

	table_begin("partitions", columns, ARRAY_SIZE(columns));
	for (struct partition *p = partition_first(); p; p = p->next) {
		partition_look(p, &view);
		cell_text("%s", p->config->name);
		cell_text("%s", partition_state_name(view.state));
		cell_number(p->vcpu_count);
		cell_cpus(p);
		cell_bytes(p->config->memory_bytes);
		cell_uptime(&view);
		cell_number(view.starts);
		cell_reason(&view);
	}
	table_end();
	if (!partition_first())
		report_note("there are no partitions");
}

static void claim_fields(const struct scheduler_claim *claim)
{
	record_field("claim", "claim");
	cell_claim_kind(claim);
	if (claim->kind == SCHEDULER_RESERVED) {
		record_field("budget_us", "budget");
		cell_microseconds(claim->budget_us);
		record_field("period_us", "period");
		cell_microseconds(claim->period_us);
	}
	record_field("weight", claim->kind == SCHEDULER_DEDICATED ? NULL : "weight");
	cell_number(claim->weight);
	record_field("cap_percent", "cap");
	cell_cap(claim->cap);
}

/* What a key of the partition's configuration is, as the file has it; "" for its default. */
static const char *value_text(const struct config_partition *config, enum config_key_id key)
{
	static char text[CONFIG_CMDLINE_BYTES + 2];
	const struct config_source source = {.partition = config};
	struct config_out out = {text, sizeof(text), 0};

	text[0] = 0;
	config_keys[key].write(&source, &out);
	return text;
}

static void place_fields(const struct partition *partition)
{
	const char *affinity = value_text(partition->config, CONFIG_KEY_AFFINITY);

	record_field("cpu", "CPU");
	cell_cpus(partition);
	record_field("affinity", "affinity");
	cell_text("%s", affinity[0] ? affinity : "all");
	record_field("group", "group");
	cell_text_or_none(partition->config->group);
}

static void memory_fields(struct partition *partition)
{
	u64 printed = partition_console_written(partition);

	record_field("memory_bytes", "memory");
	cell_bytes(partition->config->memory_bytes);
	record_field("cleared_bytes", partition->touched ? "cleared" : NULL);
	cell_bytes(partition_cleared_bytes(partition));
	record_field("memory_blocks", "blocks");
	cell_number(partition->ram_count);
	record_field("console_bytes", "printed");
	cell_shown(printed, "%lu bytes", printed);
}

static void partition_record(struct partition *partition)
{
	struct partition_view view;

	partition_look(partition, &view);
	record_begin("partition");
	record_field("name", "name");
	cell_text("%s", partition->config->name);
	record_field("number", "number");
	cell_number(partition->number);
	record_field("state", "state");
	cell_text("%s", partition_state_name(view.state));
	record_field("reason", view.reason[0] ? "reason" : NULL);
	cell_text_or_none(view.reason);
	record_field("uptime_us", "uptime");
	cell_uptime(&view);
	record_field("starts", "starts");
	cell_number(view.starts);
	memory_fields(partition);
	place_fields(partition);
	claim_fields(&partition->config->claim);
	record_end();
}

/* People have seen these above. */
static bool key_is_shown(enum config_key_id key)
{
	return key != CONFIG_KEY_MEMORY && key != CONFIG_KEY_WEIGHT && key != CONFIG_KEY_CAP &&
	       key != CONFIG_KEY_RESERVATION && key != CONFIG_KEY_DEDICATED &&
	       key != CONFIG_KEY_AFFINITY && key != CONFIG_KEY_GROUP;
}

static void config_record(const struct config_partition *config)
{
	record_begin("config");
	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		const char *text;

		if (key->section != CONFIG_SECTION_PARTITION)
			continue;
		text = value_text(config, (enum config_key_id)i);
		if (!text[0])
			continue;
		record_field(key->name, key_is_shown((enum config_key_id)i) ? key->name : NULL);
		cell_text("%s", text);
	}
	record_end();
}

static void cell_ticks(u64 ticks, u64 whole)
{
	if (report_is_json())
		cell_number(tsc_to_us(ticks));
	else
		cell_percent(ticks, whole);
}

/* People see shares in per cent, programs microseconds. */
static void vcpu_table(struct partition *partition)
{
	static const struct column columns[] = {
		{"id", "VCPU", true},
		{"cpu", "CPU", true},
		{"exits", "EXITS", true},
		{"run_us", "RUN%", true},
		{"exit_us", "EXIT%", true},
		{"ready_us", "READY%", true},
		{"blocked_us", "BLOCKED%", true},
		{"capped_us", "CAPPED%", true},
		{"paused_us", "PAUSED%", true},
		{"wall_us", NULL, true},
	};
	struct vcpu_times times;

	table_begin("vcpus", columns, ARRAY_SIZE(columns));
	for (u32 i = 0; i < partition->vcpu_count; i++) {
		struct vcpu *vcpu = partition->vcpus[i];

		vcpu_times(vcpu, &times);
		cell_number(vcpu->id);
		cell_cpu(vcpu);
		cell_number(vcpu->exits);
		cell_ticks(times.run, times.wall);
		cell_ticks(times.exit, times.wall);
		cell_ticks(times.ready, times.wall);
		cell_ticks(times.blocked, times.wall);
		cell_ticks(times.capped, times.wall);
		cell_ticks(times.paused, times.wall);
		cell_ticks(times.wall, times.wall);
	}
	table_end();
}

static void disk_table(struct partition *partition)
{
	static const struct column columns[] = {
		{"file", "DISK", false},
		{"bytes", "SIZE", true},
		{"written_bytes", "WRITTEN", true},
		{"readonly", "READONLY", false},
	};

	table_begin("disks", columns, ARRAY_SIZE(columns));
	for (u32 i = 0; i < partition->disk_count; i++) {
		const struct disk *disk = &partition->disks[i];

		cell_text("%s", disk->path);
		cell_bytes(disk->backend.bytes);
		cell_bytes(__atomic_load_n(&disk->written_bytes, __ATOMIC_RELAXED));
		cell_flag(disk->backend.readonly);
	}
	table_end();
	if (partition->disk_count)
		report_note("%s", "");
}

void command_info(const struct command *command unused, u32 count unused, char *const *arguments)
{
	struct partition *partition = argument_partition(arguments[0]);

	if (!partition)
		return;
	partition_record(partition);
	report_note("%s", "");
	config_record(partition->config);
	report_note("%s", "");
	disk_table(partition);
	vcpu_table(partition);
	if (partition->net_count)
		report_note("%s", "");
	partition_cards_table(partition);
}

/* --- changes --- */

static void state_report(const char *name, const char *state)
{
	report_note("%s: %s", name, state);
	record_begin("partition");
	record_field("name", NULL);
	cell_text("%s", name);
	record_field("state", NULL);
	cell_text("%s", state);
	record_end();
}

/* Say what became of it, which may still be under way. */
static void state_change(const struct command *command, const char *name,
			 int (*change)(struct partition *partition, char *reason))
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition = argument_partition(name);
	struct partition_view view;
	int result;

	if (!partition)
		return;
	result = change(partition, reason);
	if (result) {
		change_report(command->name, name, result, reason);
		return;
	}
	partition_look(partition, &view);
	state_report(name, partition_state_name(view.state));
}

void command_start(const struct command *command, u32 count unused, char *const *arguments)
{
	state_change(command, arguments[0], partition_start);
}

void command_pause(const struct command *command, u32 count unused, char *const *arguments)
{
	state_change(command, arguments[0], partition_pause);
}

void command_resume(const struct command *command, u32 count unused, char *const *arguments)
{
	state_change(command, arguments[0], partition_resume);
}

void command_reset(const struct command *command, u32 count unused, char *const *arguments)
{
	state_change(command, arguments[0], partition_reset);
}

void command_stop(const struct command *command, u32 count, char *const *arguments)
{
	if (count > 1 && !argument_word(command, arguments[1]))
		return;
	state_change(command, arguments[0], count > 1 ? partition_stop : partition_shutdown);
}

void command_destroy(const struct command *command, u32 count unused, char *const *arguments)
{
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition = argument_partition(arguments[0]);
	int result;

	if (!partition)
		return;
	result = partition_destroy(partition, reason);
	if (result)
		change_report(command->name, arguments[0], result, reason);
	else
		state_report(arguments[0], "destroyed");
}

/* --- what it prints --- */

void command_attach(const struct command *command unused, u32 count unused, char *const *arguments)
{
	struct partition *partition = argument_partition(arguments[0]);

	if (!partition)
		return;
	if (report_is_json())
		report_error("attach needs a terminal; \"console %s\" shows what was printed",
			     arguments[0]);
	else
		attach_run(partition);
}

/* A stretch of what is kept of a partition's output. */
struct stretch {
	struct partition *partition;
	u64 at, end;
	u64 lost; /* bytes that are kept no more */
	u8 bytes[CHUNK_BYTES];
};

static void stretch_open(struct stretch *stretch, struct partition *partition)
{
	stretch->partition = partition;
	stretch->end = partition_console_written(partition);
	stretch->at = stretch->end - MIN(stretch->end, partition->console.bytes);
	stretch->lost = stretch->at;
}

/* How many of its bytes were read; 0 at the end. */
static u64 stretch_read(struct stretch *stretch)
{
	u64 count, missed;

	if (stretch->at >= stretch->end)
		return 0;
	count = partition_console_read(stretch->partition, &stretch->at, stretch->bytes,
				       MIN(stretch->end - stretch->at, sizeof(stretch->bytes)),
				       &missed);
	stretch->lost += missed;
	return count;
}

/* Go on to where the last `lines` lines begin. */
static void stretch_skip(struct stretch *stretch, u64 lines)
{
	struct stretch ahead = *stretch;
	u64 ends = 0, count;
	u8 last = 0;

	while ((count = stretch_read(&ahead))) {
		for (u64 i = 0; i < count; i++)
			ends += ahead.bytes[i] == '\n';
		last = ahead.bytes[count - 1];
	}
	ends += last && last != '\n'; /* a line that is not over */
	for (ahead = *stretch; ends > lines && (count = stretch_read(&ahead));) {
		for (u64 i = 0; i < count && ends > lines; i++) {
			ends -= ahead.bytes[i] == '\n';
			stretch->at = ahead.at - count + i + 1;
		}
	}
}

static void stretch_print(struct stretch *stretch)
{
	u64 count;
	u8 last = '\n';

	report_text_begin("text");
	while ((count = stretch_read(stretch))) {
		report_text((const char *)stretch->bytes, count);
		last = stretch->bytes[count - 1];
		if (console_cancelled())
			break;
	}
	report_text_end();
	/* A guest may have left colours behind, and the cursor in the line. */
	if (!report_is_json() && !console_captured())
		console_print("\x1b[m");
	if (last != '\n')
		report_note("%s", "");
}

void command_console(const struct command *command unused, u32 count, char *const *arguments)
{
	struct partition *partition = argument_partition(arguments[0]);
	static struct stretch stretch;
	u64 lines = UINT64_MAX;

	if (!partition ||
	    (count > 1 && !argument_number(arguments[1], "number of lines", 1, UINT32_MAX, &lines)))
		return;
	stretch_open(&stretch, partition);
	record_begin("console");
	record_field("name", NULL);
	cell_text("%s", partition->config->name);
	record_field("lost_bytes", NULL);
	cell_number(stretch.lost);
	record_end();
	if (stretch.lost && count == 1)
		report_note("[the first %lu bytes are lost: the latest %lu are kept]", stretch.lost,
			    PARTITION_CONSOLE_BYTES);
	stretch_skip(&stretch, lines);
	stretch_print(&stretch);
}
