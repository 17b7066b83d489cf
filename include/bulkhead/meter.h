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
 * octave: a latency is known to a quarter of itself, up to 2^20 ticks. Longer ones are in the last
 * bucket.
 */
#define METER_BUCKETS	   60
#define METER_UNIT_SHIFT   4
#define METER_EXIT_REASONS 64

#define METER_LONG (1UL << 20)

/*
 * Exits of one reason: from the exit until the guest goes on or the vCPU gives the CPU up. All 0:
 * there was none. How many there were is what is in the buckets.
 */
struct exit_meter {
	u64 ticks;
	u64 least, most;
	u64 usual; /* latencies from `least` to this change nothing but `ticks` and a bucket */
	u64 buckets[METER_BUCKETS];
};

_Static_assert(sizeof(struct exit_meter) == 512, "found by a shift, and fills its pages");

/* Of a latency below METER_LONG. */
static inline u32 exit_meter_bucket(u32 ticks)
{
	u32 top = 31 ^ (u32)__builtin_clz(ticks | 4 << METER_UNIT_SHIFT);

	/* Four buckets for less than 64 ticks, and from there by the two bits below the top one. */
	return (top - METER_UNIT_SHIFT - 2) * 4 + (ticks >> (top - 2));
}

/* It is the shortest or the longest so far, or METER_LONG or more. */
void exit_meter_add_unusual(struct exit_meter *meter, u64 ticks);

static inline bool exit_meter_is_unusual(const struct exit_meter *meter, u64 ticks)
{
	return ticks < meter->least || ticks > meter->usual;
}

static inline void exit_meter_add_usual(struct exit_meter *meter, u64 ticks)
{
	meter->ticks += ticks;
	meter->buckets[exit_meter_bucket((u32)ticks)]++;
}

/* On the vCPU's CPU, at every exit. */
static inline void exit_meter_add(struct exit_meter *meter, u64 ticks)
{
	if (unlikely(exit_meter_is_unusual(meter, ticks)))
		exit_meter_add_unusual(meter, ticks);
	else
		exit_meter_add_usual(meter, ticks);
}

u64 exit_meter_count(const struct exit_meter *meter);

/* Adds all of `other` to `meter`. */
void exit_meter_merge(struct exit_meter *meter, const struct exit_meter *other);

/* The latency that `permille` of the exits did not exceed, as the upper end of a bucket, at most
 * `most`; 0 when there was none. */
u64 exit_meter_percentile(const struct exit_meter *meter, u32 permille);

/* How long CPU `id` had nobody to run, in TSC ticks since it came up; any CPU. */
u64 cpu_idle_ticks(u32 id);
