/* SPDX-License-Identifier: MIT */
/* The network cards of a partition: a port of a network for each. */
#pragma once

#include <bulkhead/partition.h>
#include <bulkhead/pc.h>

/* Plug it into the networks of its configuration. 0, or a negative errno with the reason, unless it
 * is -ENOMEM. */
int partition_net_create(struct partition *partition, char *reason) must_check;
/* However far creation came. Its guest does not run any more. */
void partition_net_destroy(struct partition *partition);

/* What its board is to know of the cards. */
void partition_net_plugs(const struct partition *partition, struct pc_net plugs[CONFIG_NETS_MAX]);
