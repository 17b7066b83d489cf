/* SPDX-License-Identifier: MIT */
/* What a memory balloon's driver is asked for, and what it says (virtio 1.2, 5.5). */
#pragma once

#include <bulkhead/types.h>

/* In the order of their tags (5.5.6.4). Counts are since the guest's start, sizes in bytes. */
enum balloon_stat {
	BALLOON_SWAPPED_IN,
	BALLOON_SWAPPED_OUT,
	BALLOON_MAJOR_FAULTS,
	BALLOON_MINOR_FAULTS,
	BALLOON_FREE,
	BALLOON_TOTAL,
	BALLOON_AVAILABLE, /* without swapping */
	BALLOON_CACHES,
	BALLOON_HUGE_TAKEN,
	BALLOON_HUGE_FAILED,
	BALLOON_STATS,
};

/* At one moment. All but the target is the guest's word. */
struct balloon_view {
	bool driven;		 /* a driver is at work */
	u64 target_bytes;	 /* as much it should go without */
	u64 given_bytes;	 /* as much it goes without */
	u32 known;		 /* bits of 1 << enum balloon_stat */
	u64 stat[BALLOON_STATS]; /* of those that are known */
	u64 answers;		 /* how often they came since the driver began */
	u64 age_ticks;		 /* since the last answer, if there was one: guest ticks */
};
