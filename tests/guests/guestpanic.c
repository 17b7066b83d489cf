/* SPDX-License-Identifier: MIT */
/* Says that it panics. */
#include "guest.h"

#include <bulkhead/load.h>

void guest_main(void)
{
	out8(ACPI_PANIC_PORT, 2);
	print("guestpanic: now\n");
	out8(ACPI_PANIC_PORT, 1);
	print("FAIL it runs on\n");
}
