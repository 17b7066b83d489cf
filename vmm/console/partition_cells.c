/* SPDX-License-Identifier: MIT */
/* What several commands show of partitions. */
#include "partition_cells.h"

#include "command.h"
#include "report.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu_mask.h>
#include <bulkhead/format.h>

bool view_runs(const struct partition_view *view)
{
	return view->state != PARTITION_STOPPED && view->state != PARTITION_WAITING &&
	       view->state != PARTITION_CRASHED;
}

void cell_vcpu(const struct vcpu *vcpu)
{
	cell_text("%s/%u", vcpu->partition->config->name, vcpu->id);
}

void cell_cpu(const struct vcpu *vcpu)
{
	cell_number(vcpu->thread.cpu);
}

/* In one cell as "0,2-5". */
static void ranges_text(const struct cpu_mask *mask, char *text, size_t bytes)
{
	u32 count = arch_cpu_count();

	text[0] = '\0';
	for (u32 cpu = 0, last; cpu < count; cpu = last + 1) {
		last = cpu;
		if (!cpu_mask_has(mask, cpu))
			continue;
		while (last + 1 < count && cpu_mask_has(mask, last + 1))
			last++;
		format_append(text, bytes, "%s%u", text[0] ? "," : "", cpu);
		if (last > cpu)
			format_append(text, bytes, "-%u", last);
	}
}

void cell_cpus(const struct partition *partition)
{
	struct cpu_mask mask = {{0}};
	char text[64];

	for (u32 i = 0; i < partition->vcpu_count; i++)
		cpu_mask_add(&mask, partition->vcpus[i]->thread.cpu);
	ranges_text(&mask, text, sizeof(text));
	cell_shown(partition->vcpus[0]->thread.cpu, "%s", text);
}

void cell_cap(u32 cap)
{
	if (cap)
		cell_shown(cap, "%u%%", cap);
	else
		cell_none();
}

void cell_names(struct names *names)
{
	cell_text_or_none(names_text(names));
}

void cell_claim_kind(const struct scheduler_claim *claim)
{
	static const char *const names[] = {
		[SCHEDULER_SHARED] = "shared",
		[SCHEDULER_RESERVED] = "reserved",
		[SCHEDULER_DEDICATED] = "dedicated",
	};

	cell_text("%s", names[claim->kind]);
}

void cells_shares(const struct vcpu_times *times)
{
	cell_percent(times->run, times->wall);
	cell_percent(times->exit, times->wall);
	cell_percent(times->ready, times->wall);
	cell_percent(times->capped, times->wall);
	cell_percent(times->blocked, times->wall);
	cell_percent(times->paused, times->wall);
}

void change_report(const char *verb, const char *name, int result, const char *reason)
{
	if (reason[0])
		report_error("cannot %s %s: %s", verb, name, reason);
	else
		report_error("cannot %s %s: error %d", verb, name, -result);
}
