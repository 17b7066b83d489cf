/* SPDX-License-Identifier: MIT */
/* What every loader needs: words for a refusal, and the first CPU state in the modes guests start
 * in. */
#pragma once

#include <bulkhead/load.h>

#define LOAD_LOW_END                                                                               \
	0x9f000UL /* what a loader puts into low memory ends here, as on a PC with an EBDA */

/* Selectors of the GDT that comes with the flat modes. Linux names the first two __BOOT_CS and
 * __BOOT_DS. */
#define LOAD_SELECTOR_CODE 0x10
#define LOAD_SELECTOR_DATA 0x18
#define LOAD_SELECTOR_TSS  0x20

/* Room that the flat modes take: a page with GDT and TSS, in long mode PML4, PDPT and 4 directories
 * besides. */
#define LOAD_PROTECTED_BYTES (1 * PAGE_SIZE)
#define LOAD_LONG_BYTES	     (7 * PAGE_SIZE)

/* Write the reason for an operator and give `error` back. */
int load_refuse(char *reason, int error, const char *format, ...) printf_like(3, 4) must_check;

/* Into the guest's memory, in pieces; -EFAULT where it is not RAM. */
int load_copy(const struct load_request *request, struct guest_memory *memory, u64 gpa,
	      const void *data, u64 bytes) must_check;

/*
 * Interrupts off, all general registers 0. The flat modes use guest memory from `gpa` on, which is
 * page-aligned, zero and below 4 GiB; -EFAULT when it is not RAM. In long mode the first 4 GiB are
 * mapped to themselves. Real mode starts at `address`, a multiple of 16 below 1 MiB, with all
 * segments there.
 */
int load_state_long(struct guest_memory *memory, u64 gpa, struct cpu_state *start) must_check;
int load_state_protected(struct guest_memory *memory, u64 gpa, struct cpu_state *start) must_check;
void load_state_real(u64 address, struct cpu_state *start);
