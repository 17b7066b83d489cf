/* SPDX-License-Identifier: MIT */
/* The PCI bus as payloads use it: memory-mapped configuration space of bus 0, and how virtio
 * devices lie in their BARs (docs/devices.md). */
#pragma once

#include "guest.h"

#include <bulkhead/virtio.h>

#define PCI_CONFIG     0xe0000000UL
#define PCI_DEVICES    32
#define PCI_ID	       0x00
#define PCI_COMMAND    0x04
#define PCI_COMMAND_ON 0x0007 /* ports, memory, bus master */
#define PCI_BAR(n)     (0x10U + 4 * (n))

#define VIRTIO_VENDOR	   0x1af4
#define VIRTIO_DEVICE_BASE 0x1040

/* In BAR 0. */
enum virtio_area {
	VIRTIO_COMMON = 0x0000,
	VIRTIO_ISR = 0x1000,
	VIRTIO_DEVICE = 0x2000,
	VIRTIO_NOTIFY = 0x3000,
	VIRTIO_TABLE = 0x4000,
	VIRTIO_AREAS = 0x6000,
};

/* Virtio 1.2, 4.1.4.3 */
enum virtio_register {
	VIRTIO_OFFERED_SELECT = 0x00,
	VIRTIO_OFFERED = 0x04,
	VIRTIO_ACCEPTED_SELECT = 0x08,
	VIRTIO_ACCEPTED = 0x0c,
	VIRTIO_CONFIG_VECTOR = 0x10,
	VIRTIO_QUEUES = 0x12,
	VIRTIO_STATUS = 0x14,
	VIRTIO_QUEUE_SELECT = 0x16,
	VIRTIO_QUEUE_SIZE = 0x18,
	VIRTIO_QUEUE_VECTOR = 0x1a,
	VIRTIO_QUEUE_ENABLE = 0x1c,
	VIRTIO_QUEUE_DESCRIPTORS = 0x20,
	VIRTIO_QUEUE_AVAILABLE = 0x28,
	VIRTIO_QUEUE_USED = 0x30,
};

/* A driver's words on the way to a device that works (2.1, 3.1.1). */
#define STATUS_KNOWN	   (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER)
#define STATUS_FEATURES_OK (STATUS_KNOWN | VIRTIO_FEATURES_OK)
#define STATUS_DRIVER_OK   (STATUS_FEATURES_OK | VIRTIO_DRIVER_OK)

static inline u64 pci_config(u32 device, u32 offset)
{
	return PCI_CONFIG + ((u64)device << 15) + offset;
}

static inline u8 read8(u64 address)
{
	return *(volatile u8 *)address;
}

static inline u16 read16(u64 address)
{
	return *(volatile u16 *)address;
}

static inline u32 read32(u64 address)
{
	return *(volatile u32 *)address;
}

static inline void write8(u64 address, u8 value)
{
	*(volatile u8 *)address = value;
}

static inline void write16(u64 address, u16 value)
{
	*(volatile u16 *)address = value;
}

static inline void write32(u64 address, u32 value)
{
	*(volatile u32 *)address = value;
}

static inline void write64(u64 address, u64 value)
{
	*(volatile u64 *)address = value;
}
