/* SPDX-License-Identifier: MIT */
/* Keeps its CPU for ever, with interrupts on. */
#include "guest.h"

void guest_main(void)
{
	print("spinon: interrupts are on\n");
	__asm__ volatile("sti\n1:\tjmp 1b");
}
