/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs. */
#pragma once

#include <bulkhead/boot.h>

/* Start up to `limit` CPUs in all (0: every one), one after the other; `work` runs on each. CPUs that do not
 * answer are reported and left out. */
void smp_start(const struct boot_info *info, u32 limit, void (*work)(void));
