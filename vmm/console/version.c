/* SPDX-License-Identifier: MIT */
/* The version that the core was built as. */
#include "internal.h"

const char console_version[] = BULKHEAD_VERSION;
