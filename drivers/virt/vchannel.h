/* SPDX-License-Identifier: MIT */
/*
 * A partition's end of a channel: a PCI function as QEMU's ivshmem-doorbell is, revision 1. BAR 0
 * has the registers, BAR 1 the MSI-X table, BAR 2 is the memory. That is mapped at one place for
 * good, so there this device is not even asked; it answers where a guest moves the BAR to, and for
 * what had to be emulated.
 */
#pragma once

#include "vpci.h"

#include <bulkhead/channel.h>

/* After each interrupt the next one waits as long: what rings meanwhile becomes one. */
#define VCHANNEL_GAP_US 100

struct vchannel {
	struct vpci_function function;
	struct device_host *host;
	const struct channel_port_ops *ops;
	void *port;
	u8 *memory; /* in the partition's window */
	u64 next;   /* guest tick before which nothing is delivered */
	struct device_timer later;
};

void vchannel_init(struct vchannel *channel, struct device_host *host,
		   const struct channel_port_ops *ops, void *port, u8 *memory, u32 bytes);
/* It is on the bus now: put the memory where it is mapped. */
void vchannel_place(struct vchannel *channel);
/* Doorbells rang. */
void vchannel_arrived(struct vchannel *channel);
