/* SPDX-License-Identifier: MIT */
/* Sleeping until a moment of the guest's TSC, by the local APIC's deadline timer. */
#pragma once

#include "apic.h"

/* Sets the local APIC up as well. */
void alarm_setup(void);

/* Sleep until the TSC is `deadline`. The TSC at which the interrupt's handler began. */
u64 alarm_sleep(u64 deadline);
