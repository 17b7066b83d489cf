/* SPDX-License-Identifier: MIT */
/*
 * Meters of a vCPU. Written by the CPU that runs it, without locks; read by anyone, a little out of
 * date.
 */
#pragma once

#include <bulkhead/types.h>

/*
 * Where the time since a vCPU was created went, in TSC ticks. The parts add up to `wall` exactly,
 * as each moment is counted in one of them.
 */
struct vcpu_times {
	u64 run;     /* in guest mode */
	u64 exit;    /* has the CPU, in the hypervisor */
	u64 ready;   /* waits for a CPU */
	u64 blocked; /* waits for an interrupt */
	u64 capped;  /* waits because of its cap, or because its budget is used up */
	u64 paused;  /* the partition is paused, or does not run */
	u64 wall;
};

/*
 * Latencies by size, in buckets of METER_UNIT ticks first and of growing width then, 4 to an
 * octave: a latency is known to a quarter of itself, up to 2^25 ticks. Longer ones are in the last
 * bucket.
 */
#define METER_BUCKETS	   80
#define METER_UNIT_SHIFT   4
#define METER_EXIT_REASONS 72

/* Exits of one reason: from the exit until the guest goes on or the vCPU gives the CPU up. All 0:
 * there was none. */
struct exit_meter {
	u64 count, ticks;
	u32 least, most; /* ticks; what does not fit is UINT32_MAX */
	u32 buckets[METER_BUCKETS];
};

static inline u32 exit_meter_bucket(u32 ticks)
{
	u32 units = ticks >> METER_UNIT_SHIFT;
	u32 shift = 29 - (u32)__builtin_clz(units | 4); /* so that 4 to 7 are left of it */

	return MIN(shift * 4 + (units >> shift), METER_BUCKETS - 1U);
}

/* A bucket is full: see vmm/meter.c. */
void exit_meter_halve(struct exit_meter *meter, u32 bucket);

/* On the vCPU's CPU, at every exit. */
static inline void exit_meter_add(struct exit_meter *meter, u64 ticks)
{
	u32 latency = ticks > UINT32_MAX ? UINT32_MAX : (u32)ticks;
	u32 bucket = exit_meter_bucket(latency);

	if (unlikely(latency < meter->least || !meter->count))
		meter->least = latency;
	if (unlikely(latency > meter->most))
		meter->most = latency;
	meter->count++;
	meter->ticks += ticks;
	if (unlikely(!++meter->buckets[bucket]))
		exit_meter_halve(meter, bucket);
}

/* Adds all of `other` to `meter`; halving keeps the proportions where a bucket would overflow. */
void exit_meter_merge(struct exit_meter *meter, const struct exit_meter *other);

/* The latency that `permille` of the exits did not exceed, as the upper end of a bucket, at most
 * `most`; 0 when there was none. */
u64 exit_meter_percentile(const struct exit_meter *meter, u32 permille);

/* How long CPU `id` had nobody to run, in TSC ticks since it came up; any CPU. */
u64 cpu_idle_ticks(u32 id);
