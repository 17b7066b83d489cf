/* SPDX-License-Identifier: MIT */
/* What the loader handed over, once the core runs: read-only for good. */
#pragma once

#include <bulkhead/arch.h>
#include <bulkhead/boot.h>

extern const struct boot_info *boot_info; /* its addresses go through memory_boot */

/* The time of day (UTC), as exactly as the firmware knew it. */
static inline u64 unix_time_us(void)
{
	return boot_info->unix_time_s * 1000000 + arch_time_us();
}

/* NULL when the loader did not bring it. */
const struct boot_file *boot_file_find(const char *name);
