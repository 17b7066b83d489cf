/* SPDX-License-Identifier: MIT */
/* Resets its machine by port 92h, once a key was typed. */
#include "guest.h"

#define LSR 0x3fd

void guest_main(void)
{
	print("reset92: waiting for a key\n");
	while (!(in8(LSR) & 1))
		;
	out8(0x92, 0);
	out8(0x92, 0x01);
	print("FAIL the machine runs on\n");
}
