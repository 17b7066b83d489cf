/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI, without the legacy interface (virtio 1.2, 4.1): one function that carries one
 * device, with MSI-X and INTx. Notifications go to a port, which costs less than memory does, and
 * may go to memory.
 */
#pragma once

#include "vpci.h"

#include <bulkhead/virtio.h>

#define VIRTIO_NO_VECTOR 0xffff

struct virtio_pci {
	struct vpci_function function;
	struct virtio_device *device;
	u8 access; /* the capability for accesses to BARs through configuration space */
	u8 isr;
	u16 queue_select;
	u32 device_feature_select, driver_feature_select;
	u16 config_vector;
	u16 queue_vector[VIRTIO_QUEUES_MAX];
};

/* `device` is initialised and nobody drives it. */
void virtio_pci_init(struct virtio_pci *transport, struct virtio_device *device);
