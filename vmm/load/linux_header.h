/* SPDX-License-Identifier: MIT */
/*
 * What a Linux kernel file says about itself and what it wants to be told: setup header and zero
 * page of the x86 boot protocol (kernel documentation, "The Linux/x86 Boot Protocol" and "Zero
 * Page"), as far as used here.
 */
#pragma once

#include <bulkhead/types.h>

#define LINUX_SECTOR_BYTES 512
#define LINUX_HEADER_OFFSET                                                                        \
	0x1f1 /* of struct linux_header in the file and in the zero page alike */
#define LINUX_HEADER_ROOM      (0x290 - LINUX_HEADER_OFFSET)
#define LINUX_JUMP_END	       0x202 /* the jump at 0x200 leads from here over the header */
#define LINUX_BOOT_FLAG	       0xaa55
#define LINUX_MAGIC	       0x53726448 /* "HdrS" */
#define LINUX_VERSION_CMDLINE  0x0202	  /* 2.02: the first with cmd_line_ptr */
#define LINUX_VERSION_NEEDED   0x0206	  /* 2.06: the first that tells the command line's limit */
#define LINUX_VERSION_PLACE    0x020a	  /* 2.10: the first with pref_address and init_size */
#define LINUX_VERSION_64       0x020c	  /* 2.12: the first with xloadflags */
#define LINUX_LOADED_HIGH      0x01	/* loadflags: protected-mode code goes to 1 MiB and above */
#define LINUX_XLF_KERNEL_64    0x0001	/* xloadflags: there is a 64-bit entry point */
#define LINUX_ENTRY_64	       0x200	/* which is this far into the protected-mode code */
#define LINUX_CODE32_USUAL     0x100000 /* code32_start of every kernel that is loaded high */
#define LINUX_LOADER_UNDEFINED 0xff	/* type_of_loader without an assigned number */
#define LINUX_VIDEO_NORMAL     0xffff	/* vid_mode */
#define LINUX_SETUP_SECTS_OLD  4	/* what setup_sects 0 means */

struct linux_header {
	u8 setup_sects;
	u16 root_flags;
	u32 syssize; /* protected-mode code in units of 16 bytes */
	u16 ram_size;
	u16 vid_mode;
	u16 root_dev;
	u16 boot_flag;
	u8 jump;
	u8 jump_bytes;
	u32 magic;
	u16 version;
	u32 realmode_switch;
	u16 start_sys;
	u16 kernel_version;
	u8 type_of_loader;
	u8 loadflags;
	u16 setup_move_size;
	u32 code32_start;
	u32 ramdisk_image;
	u32 ramdisk_size;
	u32 bootsect_kludge;
	u16 heap_end_ptr;
	u8 ext_loader_version;
	u8 ext_loader_type;
	u32 cmd_line_ptr;
	u32 initrd_addr_max; /* last byte that an initrd may occupy */
	u32 kernel_alignment;
	u8 relocatable_kernel;
	u8 min_alignment;
	u16 xloadflags;
	u32 cmdline_size; /* without the NUL */
	u32 hardware_subarch;
	u64 hardware_subarch_data;
	u32 payload_offset;
	u32 payload_length;
	u64 setup_data;
	u64 pref_address;
	u32 init_size;
} packed;

_Static_assert(offsetof(struct linux_header, boot_flag) + LINUX_HEADER_OFFSET == 0x1fe,
	       "boot flag");
_Static_assert(offsetof(struct linux_header, magic) + LINUX_HEADER_OFFSET == 0x202, "magic");
_Static_assert(offsetof(struct linux_header, initrd_addr_max) + LINUX_HEADER_OFFSET == 0x22c,
	       "initrd");
_Static_assert(offsetof(struct linux_header, xloadflags) + LINUX_HEADER_OFFSET == 0x236,
	       "xloadflags");
_Static_assert(offsetof(struct linux_header, pref_address) + LINUX_HEADER_OFFSET == 0x258,
	       "address");
_Static_assert(sizeof(struct linux_header) + LINUX_HEADER_OFFSET == 0x264, "end of init_size");

enum linux_e820_type {
	LINUX_E820_RAM = 1,
	LINUX_E820_RESERVED = 2,
};

struct linux_e820 {
	u64 address;
	u64 bytes;
	u32 type;
} packed;

#define LINUX_E820_ROOM 128

struct linux_zero_page {
	u8 screen_info[0x40]; /* all 0: no screen */
	u8 reserved_040[0x30];
	u64 acpi_rsdp_addr;
	u8 reserved_078[0x170];
	u8 e820_entries;
	u8 reserved_1e9[0x08];
	union {
		struct linux_header header;
		u8 header_bytes[LINUX_HEADER_ROOM];
	} packed;
	u8 reserved_290[0x40];
	struct linux_e820 e820[LINUX_E820_ROOM];
	u8 reserved_cd0[0x330];
} packed;

_Static_assert(offsetof(struct linux_zero_page, acpi_rsdp_addr) == 0x70, "RSDP");
_Static_assert(offsetof(struct linux_zero_page, e820_entries) == 0x1e8, "E820 count");
_Static_assert(offsetof(struct linux_zero_page, header) == LINUX_HEADER_OFFSET, "header");
_Static_assert(offsetof(struct linux_zero_page, e820) == 0x2d0, "E820");
_Static_assert(sizeof(struct linux_zero_page) == PAGE_SIZE, "zero page");
