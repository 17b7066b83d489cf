/* SPDX-License-Identifier: MIT */
/*
 * One instruction on the CPU that runs the test, in user mode: in 64-bit code, and in 32- and
 * 16-bit code through segments of our own (modify_ldt). It is entered by the return from a signal
 * and left by the next one: single-step, or the exception.
 */
#pragma once

#include <bulkhead/emulate.h>

#define NATIVE_VECTORS 16

#define WINDOW_PAGES 16u
#define WINDOW_BYTES (WINDOW_PAGES * PAGE_SIZE)

/* Local descriptors: code, and data with its base at the window unless it is flat. */
enum native_segment {
	NATIVE_CODE32,
	NATIVE_CODE16,
	NATIVE_FLAT,
	NATIVE_DATA32,
	NATIVE_DATA16,
	NATIVE_SHORT, /* ends in the middle of the window */
	NATIVE_READ_ONLY,
	NATIVE_DOWN32,
	NATIVE_DOWN16,
	NATIVE_SEGMENTS,
};

struct native_state {
	u64 gpr[GPR_COUNT];
	u64 rip, rflags;
	u8 vectors[NATIVE_VECTORS][VECTOR_BYTES];
	/* afterwards: EMULATE_FAULT's fault; vector 1 is a step that was done */
	struct emulate_fault fault;
};

/* Memory below 4 GiB that 16-, 32- and 64-bit code can reach. */
struct native {
	u8 *window;	/* pages with rights by native_page_rights */
	u8 *code;	/* one page, where instructions run; read-only there */
	u8 *code_alias; /* the same page, to write it */
	bool vectors_256;
	struct cpu_segment segments[NATIVE_SEGMENTS];
};

extern struct native native;

enum native_rights { RIGHTS_NONE, RIGHTS_READ, RIGHTS_WRITE };
enum native_rights native_page_rights(unsigned page);

/* 0, or -1: this machine lets nobody do it. */
int native_open(void);

/* `data` are the selectors' segments for ES, SS, DS and GS; CS is made of the mode. Nothing else
 * than the state comes in or goes out. */
void native_run(enum cpu_mode mode, const enum native_segment data[SEGMENT_COUNT],
		struct native_state *state);

static inline u16 native_selector(enum native_segment segment)
{
	return (u16)(segment << 3 | 4 | 3);
}
