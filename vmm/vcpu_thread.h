/* SPDX-License-Identifier: MIT */
/* The thread that a vCPU is. */
#pragma once

#include <bulkhead/cpu_mask.h>
#include <bulkhead/scheduler.h>
#include <bulkhead/types.h>

struct partition;

/* Make the partition's vCPU with its devices, on CPU `cpu`, waiting for the partition to start. */
int vcpu_create(struct partition *partition, u32 cpu, const struct cpu_mask *affinity,
		struct scheduler_group *group) must_check;
/* Its thread is retired, or was never made: creation may have come as far as it likes. */
void vcpu_destroy(struct partition *partition);
