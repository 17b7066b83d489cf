/* SPDX-License-Identifier: MIT */
/* What commands show of partitions, each in one way wherever it is shown. */
#pragma once

#include <bulkhead/partition.h>

struct names;

/* Its guest has memory and a state that would be lost if the machine went down. */
bool view_runs(const struct partition_view *view);

/* One cell: NAME/ID; where it runs; where all of a partition do (for programs, where the first
 * does); per cent of a CPU; names, "-" for none. */
void cell_vcpu(const struct vcpu *vcpu);
void cell_cpu(const struct vcpu *vcpu);
void cell_cpus(const struct partition *partition);
void cell_cap(u32 cap);
void cell_names(struct names *names);
void cell_claim_kind(const struct scheduler_claim *claim);

/* Six cells: run, exit, ready, capped, blocked, paused, in per cent of wall time. */
void cells_shares(const struct vcpu_times *times);

/* "cannot VERB NAME: ...", with `reason` unless it is empty. */
void change_report(const char *verb, const char *name, int result, const char *reason);
