/* SPDX-License-Identifier: MIT */
/* Resets its machine by the keyboard controller, once a key was typed. */
#include "guest.h"

#define LSR 0x3fd

void guest_main(void)
{
	print("reset64: waiting for a key\n");
	while (!(in8(LSR) & 1))
		;
	out8(0x64, 0);
	out8(0x64, 0xfe);
	print("FAIL the machine runs on\n");
}
