/* SPDX-License-Identifier: MIT */
/*
 * Waits for its power button. What it does then alternates from start to start, as CMOS memory
 * remembers: nothing, and powering off.
 */
#include "guest.h"

#include <bulkhead/load.h>

#define REMEMBERED   0x70
#define POWER_BUTTON 0x0100

static u8 cmos_flip(void)
{
	u8 value;

	out8(0x70, REMEMBERED);
	value = in8(0x71);
	out8(0x70, REMEMBERED);
	out8(0x71, value ^ 1);
	return value;
}

void guest_main(void)
{
	bool hears = cmos_flip();

	out16(ACPI_PM1_EVENT + 2, POWER_BUTTON);
	print("button: waits, and %s\n", hears ? "powers off" : "does not care");
	while (!(in16(ACPI_PM1_EVENT) & POWER_BUTTON))
		;
	print("button: pressed\n");
	if (!hears)
		for (;;)
			__asm__ volatile("pause");
}
