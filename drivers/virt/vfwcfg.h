/* SPDX-License-Identifier: MIT */
/*
 * QEMU's firmware configuration device: items by number, files by name, read a byte at a time or by
 * DMA. Nothing in it can be written.
 */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/fw_cfg.h>
#include <bulkhead/guest_memory.h>

#define VFWCFG_BASE 0x510
#define VFWCFG_END  0x51c

/* A longer transfer is refused: it would take the machine for too long at once. */
#define VFWCFG_DMA_MAX (1 * MIB)

#define VFWCFG_DIRECTORY_BYTES (4 + 64 * FW_CFG_FILES_MAX)

struct vfwcfg {
	const struct fw_cfg *content; /* NULL: there is no such device */
	const struct guest_memory *memory;
	u8 directory[VFWCFG_DIRECTORY_BYTES];
	u8 value[8]; /* of a selected item that is a number */
	const u8 *data;
	u32 bytes, offset; /* of the selected item */
	u32 dma_high;
};

/* `memory` is that of the guest, reached whenever the device is called. */
void vfwcfg_init(struct vfwcfg *device, const struct fw_cfg *content,
		 const struct guest_memory *memory);

/* Ports VFWCFG_BASE to VFWCFG_END - 1. Without content they read as all ones. */
extern const struct device_ops vfwcfg_ops;
