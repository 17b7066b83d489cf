/* SPDX-License-Identifier: MIT */
/* What a partition's guest prints. */
#pragma once

#include <bulkhead/types.h>

struct partition;

/* A byte that its guest printed: it is always counted, and kept as long as there is room. Any CPU,
 * in a thread. */
void partition_console_put(struct partition *partition, u8 byte);

/* Of a partition that nobody sees any more. */
void partition_console_destroy(struct partition *partition);
