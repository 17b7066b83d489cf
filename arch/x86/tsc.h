/* SPDX-License-Identifier: MIT */
/* The time-stamp counter as the machine's clock. */
#pragma once

#include <bulkhead/types.h>

/* On the boot CPU, at the very beginning: what comes until tsc_init is time to measure in. */
void tsc_begin(void);
/* On the boot CPU: find out its rate. */
void tsc_init(void);
void tsc_wait_us(u64 us);
