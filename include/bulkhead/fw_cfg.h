/* SPDX-License-Identifier: MIT */
/*
 * What a partition's firmware is told, in the way of QEMU's fw_cfg device, which SeaBIOS and OVMF
 * know. Made by vmm/load/fw_cfg.c, shown by drivers/virt/vfwcfg.c.
 */
#pragma once

#include <bulkhead/types.h>

#define FW_CFG_FILES_MAX  16
#define FW_CFG_NAME_BYTES 56 /* with NUL */
#define FW_CFG_UUID_BYTES 16

struct fw_cfg_file {
	const char *name;
	const u8 *data;
	u32 bytes;
};

/* What is read by number. */
struct fw_cfg_item {
	const u8 *data;
	u32 bytes;
};

/* Owned by the partition, as is all that it points to; does not change while the partition runs. */
struct fw_cfg {
	u8 uuid[FW_CFG_UUID_BYTES];
	u64 ram_bytes;
	u16 vcpus;
	bool boot_menu; /* firmware is to wait for who wants its menu */
	/* A kernel that firmware is to start, its file in two: setup code and what follows. All
	 * empty: there is none. */
	struct fw_cfg_item setup, kernel, initrd, cmdline;
	u32 file_count;
	struct fw_cfg_file files[FW_CFG_FILES_MAX];
};
