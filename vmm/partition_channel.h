/* SPDX-License-Identifier: MIT */
/* A partition's place in a channel. */
#pragma once

#include <bulkhead/partition.h>

/* Join the channel of its configuration and map its memory. 0, or a negative errno with the reason,
 * unless it is -ENOMEM. */
int partition_channel_create(struct partition *partition, char *reason) must_check;
/* However far creation came. Its guest does not run any more. */
void partition_channel_destroy(struct partition *partition);
