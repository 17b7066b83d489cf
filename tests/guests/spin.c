/* SPDX-License-Identifier: MIT */
/* Keeps its CPU for ever, with interrupts off. */
#include "guest.h"

void guest_main(void)
{
	print("spin: interrupts are off for ever\n");
	__asm__ volatile("cli\n1:\tjmp 1b");
}
