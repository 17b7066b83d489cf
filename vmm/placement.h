/* SPDX-License-Identifier: MIT */
/* Which CPU a partition's vCPU goes to, and whether its claim can be kept there. For the thread
 * that may change partitions. */
#pragma once

#include <bulkhead/cpu_mask.h>
#include <bulkhead/types.h>

struct config_partition;
struct partition;

struct placement {
	u32 cpu;
	struct cpu_mask
		affinity; /* where it may run: `cpu` alone, if the claim was admitted there */
};

/* For a partition with this configuration; `self` is it, if it exists already. 0, -EINVAL if no CPU
 * that it wants is there, -EBUSY if its claim cannot be kept, with the reason. */
int placement_find(const struct config_partition *config, const struct partition *self,
		   struct placement *placement, char *reason) must_check;
/* Its CPU is its own from now on, or others' again. */
void placement_apply(struct partition *partition);
void placement_withdraw(struct partition *partition);
