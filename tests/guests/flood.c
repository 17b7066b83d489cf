/* SPDX-License-Identifier: MIT */
/* Prints without end, as fast as its serial port takes it. */
#include "guest.h"

void guest_main(void)
{
	for (u64 line = 0;; line++)
		print_quickly("flood %lu: the quick brown fox jumps over the lazy dog\n", line);
}
