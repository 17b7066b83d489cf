/* SPDX-License-Identifier: MIT */
/* Resets its machine as soon as it runs. */
#include "guest.h"

#include <bulkhead/load.h>

void guest_main(void)
{
	print("churn: resetting\n");
	out8(ACPI_RESET_PORT, ACPI_RESET_VALUE);
	print("FAIL the machine runs on\n");
}
