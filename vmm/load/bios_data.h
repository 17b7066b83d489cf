/* SPDX-License-Identifier: MIT */
/* Low memory as a BIOS leaves it, for systems that look there. */
#pragma once

#include "load_common.h"

/* Into a guest whose first MiB is RAM and zero, and of which nothing was put below 0x500 and from
 * LOAD_LOW_END on: load_layout_init takes both. */
void bios_data_write(struct guest_memory *memory);
