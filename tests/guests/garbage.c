/* SPDX-License-Identifier: MIT */
/* Writes random values to every register of every device, but none that would end its run. */
#include "garbage.h"

void guest_main(void)
{
	garbage_write("garbage", true);
}
