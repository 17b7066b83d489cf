/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs. */
#pragma once

#include <bulkhead/boot.h>

/*
 * Start up to `limit` CPUs in all (0: every one), one after the other: each runs `prepare` and,
 * when that returns 0, counts and goes on to `work`. CPUs that do not come that far are reported
 * and left out.
 */
void smp_start(const struct boot_info *info, u32 limit, int (*prepare)(void), void (*work)(void));
