/* SPDX-License-Identifier: MIT */
/* virtio 1.2, section 5.4. */
#include "virtio_rng.h"

/*
 * The source is slow, and a driver's buffer may be as large as its RAM: of each only so much is
 * filled, as a driver has to expect, and few are taken at once. So a notification takes the CPU for
 * no longer than 2 KiB of random bytes do.
 */
#define BYTES_OF_ONE 256
#define QUEUE_SIZE   8

static void rng_ready(struct virtio_device *device, u16 queue)
{
	struct virtio_rng *rng = container_of(device, struct virtio_rng, device);
	u8 bytes[BYTES_OF_ONE];

	while (virtqueue_pop(&device->queue[queue], &rng->chain)) {
		u64 count = MIN(rng->chain.writable_bytes, sizeof(bytes));

		device->host->ops->entropy(device->host, bytes, count);
		virtio_chain_write(&rng->chain, 0, bytes, count);
		virtqueue_push(&device->queue[queue], rng->chain.head, (u32)count);
	}
}

static const struct virtio_device_ops rng_ops = {
	.name = "virtio entropy",
	.id = VIRTIO_ID_ENTROPY,
	.class_code = 0xff0000, /* fits no class */
	.queues = 1,
	.queue_size = {QUEUE_SIZE},
	.queue_ready = rng_ready,
};

void virtio_rng_init(struct virtio_rng *rng, struct device_host *host,
		     const struct guest_memory *memory)
{
	virtio_device_init(&rng->device, &rng_ops, host, memory, 0, NULL, 0);
}
