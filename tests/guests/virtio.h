/* SPDX-License-Identifier: MIT */
/*
 * A driver of the board's virtio devices, for payloads: the function on the PCI bus, one interrupt
 * message for each queue, split rings with event indices (virtio 1.2, 2.7 and 4.1).
 */
#pragma once

#include "apic.h"

#include <bulkhead/virtio.h>

#define VIRTIO_RING 128
#define VIRTIO_NONE 0xffffu

#define DESCRIPTOR_NEXT	 1
#define DESCRIPTOR_WRITE 2

struct virtio_descriptor {
	u64 address;
	u32 bytes;
	u16 flags, next;
};

/* A queue of VIRTIO_RING descriptors. The payload fills in descriptors; the rest is the driver's.
 */
struct virtio_ring {
	_Alignas(16) struct virtio_descriptor descriptor[VIRTIO_RING];
	struct {
		u16 flags, index, head[VIRTIO_RING], used_event;
	} available;
	_Alignas(4) struct {
		u16 flags, index;
		struct {
			u32 head, bytes;
		} entry[VIRTIO_RING];
		u16 available_event;
	} used;
	u16 number, port; /* of the queue, and where to notify */
	u16 told, taken;
};

struct virtio_function {
	u8 slot;
	u16 port;
	u64 common; /* address of the common registers */
	volatile u8 *msix;
};

/* The first function of a device type, reset, with `features` and the driver's own accepted. false:
 * there is none, or it refuses. The local APIC is set up as well. */
bool virtio_open(struct virtio_function *function, enum virtio_id id, u64 features);
/* Interrupts of the queue have `vector`; 0: it has none. */
void virtio_ring_open(const struct virtio_function *function, struct virtio_ring *ring, u16 number,
		      u8 vector);
void virtio_start(const struct virtio_function *function);

/* The chain that begins with descriptor `head` is the device's; it is told by virtio_notify. */
void virtio_offer(struct virtio_ring *ring, u16 head);
/* Unless the device says that it looks by itself. */
void virtio_notify(struct virtio_ring *ring);
/* The head of a chain that came back, or VIRTIO_NONE. */
u16 virtio_take(struct virtio_ring *ring);
/* The same of the next one to come back, halted until then. Interrupts are on, before and after. */
u16 virtio_wait(struct virtio_ring *ring);
