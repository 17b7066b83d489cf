/* SPDX-License-Identifier: MIT */
/*
 * A driver of a virtio device under test: guest memory, rings in it, and a transport that counts
 * interrupts. What a well-behaved driver does; a test that misbehaves writes into `ram` itself.
 */
#pragma once

#include "fake_host.h"

#include <bulkhead/virtio.h>
#include <stdlib.h>

#define DRIVER_RAM	(1 * MIB)
#define DRIVER_RING(q)	(0x10000UL + 0x4000UL * (q)) /* descriptors, then both rings */
#define DRIVER_BUFFERS	0x40000UL		     /* for a test to use, to the end of RAM */
#define DRIVER_NEXT	1
#define DRIVER_WRITE	2
#define DRIVER_INDIRECT 4

struct driver_descriptor {
	u64 gpa;
	u32 bytes;
	u16 flags, next;
};

struct driver_available {
	u16 flags, index, entry[];
};

struct driver_used {
	u16 flags, index;
	struct {
		u32 head, bytes;
	} entry[];
};

struct fake_driver {
	struct virtio_device *device;
	struct guest_memory memory;
	u8 *ram;
	unsigned interrupts[VIRTIO_QUEUES_MAX], config_interrupts;
	u16 seen[VIRTIO_QUEUES_MAX]; /* used entries that were looked at */
};

/* The transport's calls do not name a driver. */
static struct fake_driver *the_driver;

static inline void driver_queue_interrupt(struct virtio_device *device, u16 queue)
{
	(void)device;
	the_driver->interrupts[queue]++;
}

static inline void driver_config_interrupt(struct virtio_device *device)
{
	(void)device;
	the_driver->config_interrupts++;
}

static const struct virtio_transport_ops driver_transport = {
	.queue_interrupt = driver_queue_interrupt,
	.config_interrupt = driver_config_interrupt,
};

/* RAM from the heap, so that what lies outside is the sanitizer's. */
static inline void driver_init(struct fake_driver *driver)
{
	memset(driver, 0, sizeof(*driver));
	driver->ram = aligned_alloc(PAGE_SIZE, DRIVER_RAM);
	memset(driver->ram, 0, DRIVER_RAM);
	driver->memory.window = driver->ram;
	driver->memory.low_bytes = DRIVER_RAM;
	the_driver = driver;
}

static inline void driver_free(struct fake_driver *driver)
{
	free(driver->ram);
}

static inline struct driver_descriptor *driver_descriptors(struct fake_driver *driver, u16 queue)
{
	return (void *)(driver->ram + DRIVER_RING(queue));
}

static inline struct driver_available *driver_available(struct fake_driver *driver, u16 queue)
{
	return (void *)(driver->ram + DRIVER_RING(queue) + 0x1000);
}

static inline struct driver_used *driver_used(struct fake_driver *driver, u16 queue)
{
	return (void *)(driver->ram + DRIVER_RING(queue) + 0x2000);
}

/* The event indices (2.7.7, 2.7.10): the driver's behind the available ring, the device's behind
 * the used ring. */
static inline u16 *driver_used_event(struct fake_driver *driver, u16 queue)
{
	return &driver_available(driver, queue)->entry[driver->device->queue[queue].size];
}

static inline u16 *driver_available_event(struct fake_driver *driver, u16 queue)
{
	return (void *)&driver_used(driver, queue)->entry[driver->device->queue[queue].size];
}

static inline void driver_queue_place(struct fake_driver *driver, u16 queue)
{
	struct virtqueue *q = &driver->device->queue[queue];

	memset(driver->ram + DRIVER_RING(queue), 0, 0x4000);
	driver->seen[queue] = 0;
	q->descriptors = DRIVER_RING(queue);
	q->available = DRIVER_RING(queue) + 0x1000;
	q->used = DRIVER_RING(queue) + 0x2000;
	virtqueue_enable(q);
}

/* Through reset and initialisation (3.1.1), accepting `features` besides VERSION_1. */
static inline void driver_start(struct fake_driver *driver, struct virtio_device *device,
				u64 features)
{
	driver->device = device;
	device->transport = &driver_transport;
	virtio_status_write(device, 0);
	virtio_dma_set(device, true);
	virtio_status_write(device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	features |= VIRTIO_F_VERSION_1;
	virtio_features_write(device, 0, (u32)features);
	virtio_features_write(device, 1, (u32)(features >> 32));
	virtio_status_write(device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	for (u16 i = 0; i < device->ops->queues; i++)
		driver_queue_place(driver, i);
	virtio_status_write(device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK |
					    VIRTIO_DRIVER_OK);
}

static inline void driver_describe(struct fake_driver *driver, u16 queue, u16 at, u64 gpa,
				   u32 bytes, u16 flags, u16 next)
{
	driver_descriptors(driver, queue)[at] = (struct driver_descriptor){gpa, bytes, flags, next};
}

/* Make the chain at `head` available, without telling the device. */
static inline void driver_offer(struct fake_driver *driver, u16 queue, u16 head)
{
	struct driver_available *ring = driver_available(driver, queue);

	ring->entry[ring->index % driver->device->queue[queue].size] = head;
	ring->index++;
}

/* The next buffer that came back: how many bytes were written; -1: none did. */
static inline long driver_take(struct fake_driver *driver, u16 queue, u16 *head)
{
	struct driver_used *ring = driver_used(driver, queue);
	unsigned at = driver->seen[queue] % driver->device->queue[queue].size;

	if (ring->index == driver->seen[queue])
		return -1;
	driver->seen[queue]++;
	if (head)
		*head = (u16)ring->entry[at].head;
	return ring->entry[at].bytes;
}
