/* SPDX-License-Identifier: MIT */
/* The keys of the configuration file that say when a partition runs: by itself or not, its claim to
 * CPUs, which CPUs, after whom it starts, and what becomes of it when it ends. */
#include <bulkhead/string.h>

#include "config_value.h"

/* The texts in config_keys.c say these. */
_Static_assert(SCHEDULER_WEIGHT_MAX == 10000 && SCHEDULER_CAP_MAX == 100000, "say so");
_Static_assert(SCHEDULER_BUDGET_MIN_US == 100 && SCHEDULER_PERIOD_MIN_US == 500 &&
		       SCHEDULER_PERIOD_MAX_US == 1000000 && SCHEDULER_RESERVED_MAX == 95,
	       "say so");
_Static_assert(CPU_MAX == 512 && CONFIG_AFTER_MAX == 8, "say so");

static const char *const action_names[] = {"stop", "restart", "preserve"};

const char *config_action_name(enum config_action action)
{
	return action_names[action];
}

u32 config_weight_default(enum scheduler_kind kind)
{
	return kind == SCHEDULER_RESERVED ? 0 : SCHEDULER_WEIGHT_DEFAULT;
}

const char *config_autostart_read(struct slice value, const struct config_target *target)
{
	return config_yes_read(value, &target->partition->autostart);
}

void config_autostart_write(const struct config_source *source, struct config_out *out)
{
	if (!source->partition->autostart)
		config_out_add(out, "no");
}

static const char *weight_read(struct slice value, u64 least, u32 *weight)
{
	u64 number;
	const char *wrong = config_count_read(value, &number);

	if (wrong)
		return wrong;
	if (number < least)
		return config_too_small;
	if (number > SCHEDULER_WEIGHT_MAX)
		return config_too_large;
	*weight = (u32)number;
	return NULL;
}

/* Whether it may be 0 is known at the end of the section. */
const char *config_weight_read(struct slice value, const struct config_target *target)
{
	return weight_read(value, 0, &target->partition->claim.weight);
}

void config_weight_write(const struct config_source *source, struct config_out *out)
{
	const struct scheduler_claim *claim = &source->partition->claim;

	if (claim->weight != config_weight_default(claim->kind))
		config_out_add(out, "%u", claim->weight);
}

const char *config_group_weight_read(struct slice value, const struct config_target *target)
{
	return weight_read(value, 1, &target->group->weight);
}

void config_group_weight_write(const struct config_source *source, struct config_out *out)
{
	if (source->group->weight != SCHEDULER_WEIGHT_DEFAULT)
		config_out_add(out, "%u", source->group->weight);
}

static const char *cap_read(struct slice value, u32 *cap)
{
	u64 percent = 0;
	const char *wrong = slice_is(value, "none") ? NULL : config_percent_read(value, &percent);

	if (wrong)
		return wrong;
	if (percent == 0 && !slice_is(value, "none"))
		return config_too_small;
	if (percent > SCHEDULER_CAP_MAX)
		return config_too_large;
	*cap = (u32)percent;
	return NULL;
}

const char *config_cap_read(struct slice value, const struct config_target *target)
{
	return cap_read(value, &target->partition->claim.cap);
}

void config_cap_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->claim.cap)
		config_out_add(out, "%u%%", source->partition->claim.cap);
}

const char *config_group_cap_read(struct slice value, const struct config_target *target)
{
	return cap_read(value, &target->group->cap);
}

void config_group_cap_write(const struct config_source *source, struct config_out *out)
{
	if (source->group->cap)
		config_out_add(out, "%u%%", source->group->cap);
}

static const char *reservation_check(u64 budget, u64 period)
{
	if (budget < SCHEDULER_BUDGET_MIN_US)
		return "the budget is too small";
	if (period < SCHEDULER_PERIOD_MIN_US)
		return "the period is too short";
	if (period > SCHEDULER_PERIOD_MAX_US)
		return "the period is too long";
	if (budget > period)
		return "the budget is longer than the period";
	if (budget * 100 > period * SCHEDULER_RESERVED_MAX)
		return "more of a CPU than can be reserved";
	return NULL;
}

/* `dedicated` has the last word about the kind, whichever comes first; that both are there is an
 * error for the end of the section. */
const char *config_reservation_read(struct slice value, const struct config_target *target)
{
	struct scheduler_claim *claim = &target->partition->claim;
	bool none = slice_is(value, "none");
	struct slice rest = value;
	u64 budget = 0, period = 0;
	const char *wrong = NULL;

	if (!none) {
		if (slice_find(value, '/') == value.bytes)
			return "'/' is missing";
		wrong = config_time_read(slice_trim(slice_split(&rest, '/')), &budget);
		if (!wrong)
			wrong = config_time_read(slice_trim(rest), &period);
		if (!wrong)
			wrong = reservation_check(budget, period);
	}
	if (wrong)
		return wrong;
	claim->budget_us = budget;
	claim->period_us = period;
	if (claim->kind != SCHEDULER_DEDICATED)
		claim->kind = none ? SCHEDULER_SHARED : SCHEDULER_RESERVED;
	return NULL;
}

void config_reservation_write(const struct config_source *source, struct config_out *out)
{
	const struct scheduler_claim *claim = &source->partition->claim;
	char budget[CONFIG_SIZE_BYTES], period[CONFIG_SIZE_BYTES];

	config_time_text(claim->budget_us, budget);
	config_time_text(claim->period_us, period);
	if (claim->period_us)
		config_out_add(out, "%s / %s", budget, period);
}

const char *config_dedicated_read(struct slice value, const struct config_target *target)
{
	struct scheduler_claim *claim = &target->partition->claim;
	bool yes;
	const char *wrong = config_yes_read(value, &yes);

	if (wrong)
		return wrong;
	if (yes)
		claim->kind = SCHEDULER_DEDICATED;
	else
		claim->kind = claim->period_us ? SCHEDULER_RESERVED : SCHEDULER_SHARED;
	return NULL;
}

void config_dedicated_write(const struct config_source *source, struct config_out *out)
{
	if (source->partition->claim.kind == SCHEDULER_DEDICATED)
		config_out_add(out, "yes");
}

/* "5" or "0-2". */
static const char *range_read(struct slice value, struct cpu_mask *mask)
{
	bool several = slice_find(value, '-') < value.bytes;
	struct slice rest = value;
	u64 first, last;

	if (config_count_read(slice_trim(slice_split(&rest, '-')), &first))
		return "not a CPU's number";
	last = first;
	if (several && config_count_read(slice_trim(rest), &last))
		return "not a CPU's number";
	if (first > last)
		return "a range that ends before it begins";
	if (last >= CPU_MAX)
		return "no CPU has such a number";
	for (u64 cpu = first; cpu <= last; cpu++)
		cpu_mask_add(mask, (u32)cpu);
	return NULL;
}

const char *config_affinity_read(struct slice value, const struct config_target *target)
{
	struct slice rest = value;
	struct cpu_mask mask = {0};
	bool more = !slice_is(value, "all");

	if (!more)
		cpu_mask_fill(&mask);
	while (more) {
		const char *wrong;

		more = slice_find(rest, ',') < rest.bytes;
		wrong = range_read(slice_trim(slice_split(&rest, ',')), &mask);
		if (wrong)
			return wrong;
	}
	target->partition->affinity = mask;
	return NULL;
}

void config_affinity_write(const struct config_source *source, struct config_out *out)
{
	const struct cpu_mask *mask = &source->partition->affinity;
	const char *comma = "";

	if (cpu_mask_full(mask, CPU_MAX))
		return;
	for (u32 cpu = 0; cpu < CPU_MAX; cpu++) {
		u32 first = cpu;

		if (!cpu_mask_has(mask, cpu))
			continue;
		while (cpu + 1 < CPU_MAX && cpu_mask_has(mask, cpu + 1))
			cpu++;
		config_out_add(out, "%s%u", comma, first);
		if (cpu > first)
			config_out_add(out, "-%u", cpu);
		comma = ", ";
	}
}

const char *config_group_read(struct slice value, const struct config_target *target)
{
	struct config_partition *partition = target->partition;
	bool none = slice_is(value, "none");

	if (!none && !config_name_is_good(value))
		return "not a name";
	slice_show(none ? SLICE_NONE : value, partition->group, sizeof(partition->group));
	partition->group_line = target->line;
	return NULL;
}

void config_group_write(const struct config_source *source, struct config_out *out)
{
	config_out_add(out, "%s", source->partition->group);
}

static const char *after_check(struct slice name, const struct config_partition *partition,
			       char names[][CONFIG_NAME_BYTES], u32 count)
{
	if (!name.bytes)
		return "a name is missing";
	if (!config_name_is_good(name))
		return "not a name";
	if (slice_is(name, partition->name))
		return "the partition itself";
	for (u32 i = 0; i < count; i++) {
		if (slice_is(name, names[i]))
			return "the same name twice";
	}
	return count == CONFIG_AFTER_MAX ? "too many names" : NULL;
}

const char *config_after_read(struct slice value, const struct config_target *target)
{
	struct config_partition *partition = target->partition;
	char names[CONFIG_AFTER_MAX][CONFIG_NAME_BYTES] = {0};
	bool more = !slice_is(value, "none");
	struct slice rest = value;
	u32 count = 0;

	while (more) {
		struct slice name;
		const char *wrong;

		more = slice_find(rest, ',') < rest.bytes;
		name = slice_trim(slice_split(&rest, ','));
		wrong = after_check(name, partition, names, count);
		if (wrong)
			return wrong;
		slice_show(name, names[count++], CONFIG_NAME_BYTES);
	}
	memcpy(partition->after, names, sizeof(names));
	partition->after_count = count;
	partition->after_line = target->line;
	return NULL;
}

void config_after_write(const struct config_source *source, struct config_out *out)
{
	for (u32 i = 0; i < source->partition->after_count; i++)
		config_out_add(out, "%s%s", i ? ", " : "", source->partition->after[i]);
}

static const char *action_read(struct slice value, enum config_action *action)
{
	u32 word;
	const char *wrong = config_word_read(value, action_names, ARRAY_SIZE(action_names), &word);

	if (!wrong)
		*action = word;
	return wrong;
}

static void action_write(enum config_action action, enum config_action usual,
			 struct config_out *out)
{
	if (action != usual)
		config_out_add(out, "%s", action_names[action]);
}

const char *config_on_poweroff_read(struct slice value, const struct config_target *target)
{
	return action_read(value, &target->partition->on_poweroff);
}

void config_on_poweroff_write(const struct config_source *source, struct config_out *out)
{
	action_write(source->partition->on_poweroff, CONFIG_ACTION_STOP, out);
}

const char *config_on_reset_read(struct slice value, const struct config_target *target)
{
	return action_read(value, &target->partition->on_reset);
}

void config_on_reset_write(const struct config_source *source, struct config_out *out)
{
	action_write(source->partition->on_reset, CONFIG_ACTION_RESTART, out);
}

const char *config_on_crash_read(struct slice value, const struct config_target *target)
{
	return action_read(value, &target->partition->on_crash);
}

void config_on_crash_write(const struct config_source *source, struct config_out *out)
{
	action_write(source->partition->on_crash, CONFIG_ACTION_PRESERVE, out);
}
