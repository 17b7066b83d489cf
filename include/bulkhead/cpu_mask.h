/* SPDX-License-Identifier: MIT */
/* A set of CPUs. */
#pragma once

#include <bulkhead/cpu.h>
#include <bulkhead/types.h>

struct cpu_mask {
	u64 words[CPU_MAX / 64];
};

static inline void cpu_mask_add(struct cpu_mask *mask, u32 cpu)
{
	mask->words[cpu / 64] |= BIT(cpu % 64);
}

static inline void cpu_mask_remove(struct cpu_mask *mask, u32 cpu)
{
	mask->words[cpu / 64] &= ~BIT(cpu % 64);
}

static inline bool cpu_mask_has(const struct cpu_mask *mask, u32 cpu)
{
	return mask->words[cpu / 64] >> (cpu % 64) & 1;
}

static inline void cpu_mask_fill(struct cpu_mask *mask)
{
	for (u32 i = 0; i < CPU_MAX / 64; i++)
		mask->words[i] = ~0UL;
}

static inline bool cpu_mask_empty(const struct cpu_mask *mask)
{
	for (u32 i = 0; i < CPU_MAX / 64; i++)
		if (mask->words[i])
			return false;
	return true;
}

/* Whether it has every CPU below `count`. */
static inline bool cpu_mask_full(const struct cpu_mask *mask, u32 count)
{
	for (u32 cpu = 0; cpu < count; cpu++)
		if (!cpu_mask_has(mask, cpu))
			return false;
	return true;
}
