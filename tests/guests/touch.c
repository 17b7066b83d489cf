/* SPDX-License-Identifier: MIT */
/*
 * Writes to all of its memory again and again, a word in each cache line, and finds there what it
 * wrote the last time.
 */
#include "guest.h"

#define LINE_BYTES 64
#define RAM_HOLE   (3 * GIB) /* where RAM below 4 GiB ends at the latest */

extern u8 guest_end[];

/* How many words were not as the pass before left them. */
static u64 pass(u64 number)
{
	u64 end = MIN(guest_memory_bytes, RAM_HOLE), wrong = 0;

	/* cppcheck-suppress knownConditionTrueFalse ; start.asm sets guest_memory_bytes */
	for (u64 at = align_up((u64)guest_end, LINE_BYTES); at < end; at += LINE_BYTES) {
		volatile u64 *word = (volatile u64 *)at;

		wrong += *word != (number ? at + number : 0);
		*word = at + number + 1;
	}
	return wrong;
}

void guest_main(void)
{
	u64 second = tsc_hz(), passes = 0, wrong = 0;

	print("touch: begins\n");
	for (u64 number = 1;; number++) {
		while (tsc_read() < number * second)
			wrong += pass(passes++);
		print_quickly("touch: %lu passes, %lu words wrong\n", passes, wrong);
	}
}
