/* SPDX-License-Identifier: MIT */
/* Which CPUs the vCPUs of a partition go to, and whether its claim can be kept there. For the
 * thread that may change partitions. */
#pragma once

#include <bulkhead/config.h>
#include <bulkhead/cpu_mask.h>
#include <bulkhead/types.h>

struct partition;

struct placement {
	u32 cpus[CONFIG_VCPUS_MAX]; /* of each vCPU */
};

/* For a partition with this configuration; `self` is it, if it exists already. 0, -EINVAL if no CPU
 * that it wants is there, -EBUSY if its claim cannot be kept, with the reason. */
int placement_find(const struct config_partition *config, const struct partition *self,
		   struct placement *placement, char *reason) must_check;
/* Where vCPU `vcpu` may run: its CPU alone, if the claim was admitted there. */
struct cpu_mask placement_affinity(const struct placement *placement,
				   const struct config_partition *config, u32 vcpu);
/* What is dedicated to it is its own from now on, or others' again. */
void placement_apply(struct partition *partition, const struct placement *placement);
void placement_withdraw(struct partition *partition);
