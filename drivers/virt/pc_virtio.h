/* SPDX-License-Identifier: MIT */
/* The virtio devices that a partition's configuration gives its board, each in a PCI slot of its
 * own from 00:02.0 on. */
#pragma once

#include "virtio_balloon.h"
#include "virtio_console.h"
#include "vpci.h"

#include <bulkhead/pc.h>

/* Room for all of them. */
u64 pc_virtio_bytes(const struct pc_choice *choice);
/* NULL: it has none. */
struct virtio_console *pc_virtio_console(void *room, const struct pc_choice *choice);
struct virtio_balloon *pc_virtio_balloon(void *room, const struct pc_choice *choice);
/* Frames have come for some of the network cards. */
void pc_virtio_net_arrived(void *room, const struct pc_choice *choice);
/* Returns the first slot that is free behind them. */
u8 pc_virtio_init(void *room, const struct pc_setup *setup, struct vpci *pci,
		  struct device_host *host);
