/* SPDX-License-Identifier: MIT */
/* The least payload in long mode: a line, and power off. */
#include "guest.h"

void guest_main(void)
{
	print("hello: long mode, %lu MiB of RAM\n", guest_memory_bytes / MIB);
	print("hello: done\n");
}
