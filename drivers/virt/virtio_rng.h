/* SPDX-License-Identifier: MIT */
/* The entropy device (virtio 1.2, 5.4): fills the driver's buffers with random bytes of the host.
 */
#pragma once

#include <bulkhead/virtio.h>

struct virtio_rng {
	struct virtio_device device;
	struct virtio_chain chain;
};

void virtio_rng_init(struct virtio_rng *rng, struct device_host *host,
		     const struct guest_memory *memory);
