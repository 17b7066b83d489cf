/* SPDX-License-Identifier: MIT */
/* The time-stamp counter as the machine's clock. */
#pragma once

#include <bulkhead/types.h>

/* On the boot CPU: find out its rate. */
void tsc_init(void);
void tsc_wait_us(u64 us);
