/* SPDX-License-Identifier: MIT */
/* Resets its machine by the reset control register, once a key was typed. */
#include "guest.h"

#define LSR 0x3fd

void guest_main(void)
{
	print("resetcf9: waiting for a key\n");
	while (!(in8(LSR) & 1))
		;
	out8(0xcf9, 0);
	out8(0xcf9, 0x06);
	print("FAIL the machine runs on\n");
}
