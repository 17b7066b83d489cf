/* SPDX-License-Identifier: MIT */
/* Says that it panics: first so often that it goes on with a crash kernel that the log would hold
 * nothing else if it took all, then once that it does not. */
#include "guest.h"

#include <bulkhead/load.h>

void guest_main(void)
{
	for (u32 i = 0; i < 1000; i++)
		out8(ACPI_PANIC_PORT, 2);
	print("guestpanic: now\n");
	out8(ACPI_PANIC_PORT, 1);
	print("FAIL it runs on\n");
}
