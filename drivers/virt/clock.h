/* SPDX-License-Identifier: MIT */
/* A device's own clock, counted in guest ticks: the device runs at `hz`, the guest's TSC at
 * `tsc_hz`. */
#pragma once

#include <bulkhead/types.h>

/* Periods of the device's clock that are complete after `ticks`. */
static inline u64 clock_count(u64 ticks, u64 tsc_hz, u64 hz)
{
	return mul_div(ticks, hz, tsc_hz);
}

/* The first tick at which `count` periods are complete: clock_count of it is at least `count`. */
static inline u64 clock_ticks(u64 count, u64 tsc_hz, u64 hz)
{
	u64 ticks = mul_div(count, tsc_hz, hz);

	while (clock_count(ticks, tsc_hz, hz) < count)
		ticks++;
	return ticks;
}
