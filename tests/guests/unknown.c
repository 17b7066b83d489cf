/* SPDX-License-Identifier: MIT */
/* Reads absent memory with an instruction that nobody uses on devices: the x87 load of 80 bits. */
#include "guest.h"

#define ABSENT 0xd0000000UL

void guest_main(void)
{
	print("unknown: loads 80 bits from absent memory\n");
	__asm__ volatile("fldt %0" : : "m"(*(const volatile u8(*)[10])ABSENT));
	print("unknown: done\n");
}
