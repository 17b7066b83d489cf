/* SPDX-License-Identifier: MIT */
/* Registers in words, for the operator: names of bits, segments, the CPU's mode. Pure. Each
 * function writes at most `bytes`, with a NUL at the end. */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/types.h>

struct bit_name {
	u32 bit;
	const char *name;
};

/* The names of the bits that are set, "bit N" for those without one, with blanks between them; a
 * list that is cut ends in "...". */
void bits_text(char *buffer, size_t bytes, u64 value, const struct bit_name *names, size_t count);

void cpu_rflags_text(char *buffer, size_t bytes, u64 value);
void cpu_cr0_text(char *buffer, size_t bytes, u64 value);
void cpu_cr4_text(char *buffer, size_t bytes, u64 value);
void cpu_efer_text(char *buffer, size_t bytes, u64 value);

/* Attributes as in struct cpu_segment: "code, readable, 64-bit, DPL 0". */
void cpu_segment_text(char *buffer, size_t bytes, u16 attributes);

/* How instructions are run: "real mode", "64-bit mode", ... */
const char *cpu_mode_name(const struct cpu_state *state);
/* How addresses are translated: "paging off", "PAE paging", ... */
const char *cpu_paging_name(const struct cpu_state *state);
unsigned cpu_privilege(const struct cpu_state *state); /* CPL */
/* The linear address of `offset` in `segment`: in 64-bit mode only FS and GS have a base. */
u64 cpu_linear(const struct cpu_state *state, const struct cpu_segment *segment, u64 offset);
bool cpu_is_64bit(const struct cpu_state *state); /* in 64-bit mode, not in compatibility mode */
