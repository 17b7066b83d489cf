/* SPDX-License-Identifier: MIT */
/* Writes random values to every register of every device until one of them ends its run. */
#include "garbage.h"

void guest_main(void)
{
	garbage_write("havoc", false);
}
