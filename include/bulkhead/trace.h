/* SPDX-License-Identifier: MIT */
/*
 * The trace: per CPU a ring of what happened, with TSC stamps. Off until the operator switches it
 * on; while it is off, a trace point costs one test of a global. Each CPU writes its own ring only,
 * with interrupts off; readers copy, and discard what was overwritten meanwhile.
 */
#pragma once

#include <bulkhead/types.h>

enum trace_kind {
	TRACE_EXIT,    /* a guest was left: data = exit reason */
	TRACE_ENTRY,   /* a guest goes on */
	TRACE_SWITCH,  /* the scheduler has decided: who = who has the CPU next, 0 for idle; data =
			* what became of the one before (enum scheduler_state) */
	TRACE_WAKE,    /* who was woken */
	TRACE_MIGRATE, /* who moved; data = to which CPU */
	TRACE_INTERRUPT, /* the host took one: data = vector */
	TRACE_INJECT,	 /* the guest gets one: data = vector or event */
	TRACE_KINDS
};

struct trace_record {
	u64 tsc;
	u32 data;
	u16 who; /* thread.number */
	u8 kind; /* enum trace_kind */
	u8 zero;
};

#define TRACE_RECORDS 8192 /* the latest that are kept of each CPU; power of two */

extern bool trace_on; /* atomic */
/* Exits with a reason below this are not traced: METER_EXIT_REASONS while it is off, 0 while it is
 * on. A backend that can have other reasons treats them apart, so that the usual ones need one
 * comparison. */
extern u64 trace_exits_quiet;

void trace_write(enum trace_kind kind, u32 who, u32 data);

static inline void trace(enum trace_kind kind, u32 who, u32 data)
{
	if (unlikely(trace_on))
		trace_write(kind, who, data);
}

/* Rings for every CPU that is up, empty, and on. -ENOMEM: nothing has changed. For one thread. */
int trace_start(void) must_check;
void trace_stop(void); /* what was recorded stays until trace_start */

/* Records of CPU `cpu` from sequence number *next on, at most `room`: how many were copied; *next
 * moves on. Sequence numbers start at 0; overwritten ones are skipped. */
u32 trace_read(u32 cpu, u64 *next, struct trace_record *records, u32 room);
/* How many CPU `cpu` has written since trace_start, those included that are overwritten. */
u64 trace_count(u32 cpu);
