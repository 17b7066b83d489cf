/* SPDX-License-Identifier: MIT */
/* The end of the hypervisor: see panic.c. */
#pragma once

#include <bulkhead/types.h>

/* In an NMI: stop for good when another CPU has panicked. */
void panic_stop_if_under_way(void);

/* The function that contains `address`, by the table that the build appends; "?" when there is
 * none. */
const char *symbol_name(u64 address, u64 *offset);
