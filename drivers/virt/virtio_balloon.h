/* SPDX-License-Identifier: MIT */
/*
 * The memory balloon (virtio 1.2, 5.5), as a gauge: its driver takes pages out of the guest's use
 * until it goes without as many as it was asked to, and tells how the guest fares. The pages stay
 * the partition's, mapped as before; which ones they are is not even looked at.
 */
#pragma once

#include <bulkhead/balloon.h>
#include <bulkhead/virtio.h>

/* Configuration space (5.5.4), in pages of 4 KiB. */
struct virtio_balloon_config {
	u32 target, given;
};

struct virtio_balloon {
	struct virtio_device device;
	struct virtio_balloon_config config;
	struct virtio_chain chain;
	bool held;  /* a buffer for statistics is here, which goes back to ask for new ones */
	bool asked; /* they are wanted */
	u16 head;   /* of that buffer */
	u32 known;
	u64 stat[BALLOON_STATS];
	u64 answers, answered_at; /* guest tick */
};

void virtio_balloon_init(struct virtio_balloon *balloon, struct device_host *host,
			 const struct guest_memory *memory);

/* How much the guest should go without; whole pages of 4 KiB, less than 16 TiB. */
void virtio_balloon_target(struct virtio_balloon *balloon, u64 bytes);
/* Ask the driver for new statistics. They come when the guest gets round to it, if at all. */
void virtio_balloon_ask(struct virtio_balloon *balloon);
void virtio_balloon_look(const struct virtio_balloon *balloon, struct balloon_view *view);
