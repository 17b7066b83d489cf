/* SPDX-License-Identifier: MIT */
/*
 * What CPUID says of all CPUs of a machine together: features that each of them has, the smallest
 * of what is counted, and the first one's word for what tells models apart. Pure: a CPU is read
 * through a callback.
 */
#pragma once

#include "instructions.h"

#include <bulkhead/types.h>

#define HOST_CPUID_LEAVES 32

struct host_cpuid {
	struct cpuid leaves[HOST_CPUID_LEAVES]; /* see host_cpuid.c */
};

typedef struct cpuid (*host_cpuid_reader)(void *context, u32 leaf, u32 subleaf);

/* Of one CPU. Leaves that it has not read as zero. */
void host_cpuid_read(struct host_cpuid *host, host_cpuid_reader read, void *context);
/* `all` becomes what it and one more CPU share. */
void host_cpuid_merge(struct host_cpuid *all, const struct host_cpuid *one);
/* Zero for a leaf that guests are never told about. */
struct cpuid host_cpuid_leaf(const struct host_cpuid *host, u32 leaf, u32 subleaf);
