/* SPDX-License-Identifier: MIT */
/* What the loader handed over, once the core runs: read-only for good. */
#pragma once

#include <bulkhead/boot.h>

extern const struct boot_info *boot_info; /* its addresses go through memory_boot */

/* NULL when the loader did not bring it. */
const struct boot_file *boot_file_find(const char *name);
