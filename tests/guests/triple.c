/* SPDX-License-Identifier: MIT */
/* A triple fault: an exception without an interrupt table. */
#include "guest.h"

void guest_main(void)
{
	struct packed table {
		u16 limit;
		u64 base;
	} empty = {0, 0};

	print("triple: there is no interrupt table from here on\n");
	__asm__ volatile("lidt %0; int3" : : "m"(empty));
	print("FAIL int3 went on\n");
}
