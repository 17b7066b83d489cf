/* SPDX-License-Identifier: MIT */
/* What commands show of a partition and say about what became of it. */
#pragma once

#include <bulkhead/partition.h>

/* What of a partition changes, at one moment. */
struct snapshot {
	enum partition_state state;
	u64 starts, started_us;
	char reason[sizeof(((struct partition *)0)->reason)];
};

void snapshot_take(struct partition *partition, struct snapshot *snapshot);
/* Its guest has memory and a state that would be lost if the machine went down. */
bool snapshot_runs(const struct snapshot *snapshot);

/* "cannot VERB NAME: ...", with `reason` unless it is empty. */
void change_report(const char *verb, const char *name, int result, const char *reason);
