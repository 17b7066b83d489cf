/* SPDX-License-Identifier: MIT */
/* balloon: how much memory guests should go without, and what they say of theirs. */
#include "../config_value.h"
#include "command.h"
#include "internal.h"
#include "report.h"

#include <bulkhead/arch.h>
#include <bulkhead/balloon.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/thread.h>

#define LEAST	   MIB
#define ANSWER_US  1000000
#define ANSWER_GAP 10000

static const struct {
	const char *key, *heading;
	bool bytes;
} stats[BALLOON_STATS] = {
	[BALLOON_SWAPPED_IN] = {"swapped_in_bytes", "swapped in", true},
	[BALLOON_SWAPPED_OUT] = {"swapped_out_bytes", "swapped out", true},
	[BALLOON_MAJOR_FAULTS] = {"major_faults", "major faults", false},
	[BALLOON_MINOR_FAULTS] = {"minor_faults", "minor faults", false},
	[BALLOON_FREE] = {"free_bytes", "free", true},
	[BALLOON_TOTAL] = {"total_bytes", "total", true},
	[BALLOON_AVAILABLE] = {"available_bytes", "available", true},
	[BALLOON_CACHES] = {"caches_bytes", "caches", true},
	[BALLOON_HUGE_TAKEN] = {"huge_pages_taken", "huge pages", false},
	[BALLOON_HUGE_FAILED] = {"huge_pages_failed", "huge pages refused", false},
};

/* What the guest says may be anything, more than it ever had included. */
static u64 left(const struct partition *partition, u64 without)
{
	u64 bytes = partition->config->memory_bytes;

	return bytes - MIN(bytes, without);
}

static void cell_stat(const struct balloon_view *view, enum balloon_stat stat)
{
	if (!(view->known & BIT(stat)))
		cell_none();
	else if (stats[stat].bytes)
		cell_bytes(view->stat[stat]);
	else
		cell_number(view->stat[stat]);
}

static void cell_age(const struct balloon_view *view)
{
	if (view->answers)
		cell_duration(tsc_to_us(view->age_ticks));
	else
		cell_none();
}

/* Whether it has one. */
static bool row(struct partition *partition)
{
	struct balloon_view view;

	if (!partition_balloon(partition, &view))
		return false;
	cell_text("%s", partition->config->name);
	cell_flag(view.driven);
	cell_bytes(partition->config->memory_bytes);
	cell_bytes(left(partition, view.target_bytes));
	cell_bytes(left(partition, view.given_bytes));
	cell_stat(&view, BALLOON_AVAILABLE);
	cell_stat(&view, BALLOON_FREE);
	cell_age(&view);
	return true;
}

static void all_show(void)
{
	static const struct column columns[] = {
		{"name", "NAME", false},	  {"driver", "DRIVER", false},
		{"memory_bytes", "MEMORY", true}, {"target_bytes", "TARGET", true},
		{"actual_bytes", "ACTUAL", true}, {"available_bytes", "AVAILABLE", true},
		{"free_bytes", "FREE", true},	  {"age_us", "AGE", true},
	};
	u32 count = 0;

	table_begin("balloons", columns, ARRAY_SIZE(columns));
	for (struct partition *p = partition_first(); p; p = p->next)
		count += row(p);
	table_end();
	if (!count)
		report_note("no partition that runs has a balloon");
}

/* Ask the guest, and give it some time for the answer. */
static void view_take(struct partition *partition, struct balloon_view *view)
{
	u64 end = arch_tsc() + us_to_tsc(ANSWER_US), before = view->answers;

	if (!view->driven || !partition_balloon_ask(partition))
		return;
	while (partition_balloon(partition, view) && view->answers == before && arch_tsc() < end &&
	       !console_cancelled())
		thread_sleep_until(arch_tsc() + us_to_tsc(ANSWER_GAP));
}

static void view_show(const struct partition *partition, const struct balloon_view *view)
{
	record_begin("balloon");
	record_field("name", "name");
	cell_text("%s", partition->config->name);
	record_field("driver", "driver");
	cell_flag(view->driven);
	record_field("memory_bytes", "memory");
	cell_bytes(partition->config->memory_bytes);
	record_field("target_bytes", "target");
	cell_bytes(left(partition, view->target_bytes));
	record_field("actual_bytes", "actual");
	cell_bytes(left(partition, view->given_bytes));
	for (u32 i = 0; i < BALLOON_STATS; i++) {
		record_field(stats[i].key, view->known & BIT(i) ? stats[i].heading : NULL);
		cell_stat(view, i);
	}
	record_field("age_us", "answered ago");
	cell_age(view);
	record_end();
}

static void target_set(struct partition *partition, const char *text)
{
	u64 memory = partition->config->memory_bytes, bytes;
	const char *error = config_size_read((struct slice){text, strlen(text)}, &bytes);
	char allowed[CONFIG_SIZE_BYTES];

	config_size_text(memory, allowed);
	if (error || bytes < LEAST || bytes > memory)
		report_error("\"%s\" is not a size from 1M to %s, which %s should make do with",
			     text, allowed, partition->config->name);
	else if (!partition_balloon_target(partition, align_down(memory - bytes, PAGE_SIZE)))
		report_error("%s does not run any more", partition->config->name);
}

void command_balloon(const struct command *command unused, u32 count, char *const *arguments)
{
	struct partition *partition;
	struct balloon_view view;

	if (count < 2)
		command_only_looked();
	if (!count) {
		all_show();
		return;
	}
	partition = argument_partition(arguments[0]);
	if (!partition)
		return;
	if (!partition_balloon(partition, &view)) {
		report_error(partition->config->balloon
				     ? "%s does not run"
				     : "%s has no balloon: its configuration has no balloon = yes",
			     partition->config->name);
		return;
	}
	if (count == 2) {
		target_set(partition, arguments[1]);
		return;
	}
	view_take(partition, &view);
	view_show(partition, &view);
}
