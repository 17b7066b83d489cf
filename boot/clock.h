/* SPDX-License-Identifier: MIT */
/* The firmware's date and time as seconds since 1970. Pure. */
#pragma once

#include <bulkhead/types.h>

#define CLOCK_ZONE_UNKNOWN 0x7ff /* then the clock is taken to run in UTC */

struct clock_date {
	u32 year, month, day; /* month and day from 1 */
	u32 hour, minute, second;
	s32 zone_minutes; /* UTC = local time + this (UEFI specification, GetTime) */
};

/* 0 when the date is none: clocks with an empty battery say the oddest things. */
u64 clock_unix_time(const struct clock_date *date);
