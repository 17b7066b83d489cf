/* SPDX-License-Identifier: MIT */
/* Prints a line and waits for interrupts that nobody raises. */
#include "guest.h"

void guest_main(void)
{
	print("idle: waiting\n");
	for (;;)
		wait_interrupt();
}
