/* SPDX-License-Identifier: MIT */
/*
 * The tables of ACPI that a partition has, as they lie in memory. Section numbers are those of the
 * ACPI specification 6.4 where no other is named.
 */
#pragma once

#include <bulkhead/load.h>

#define FADT_MAJOR 6
#define FADT_MINOR 0

#define CMOS_CENTURY 0x32

/* 5.2.9, table 5-10: fixed feature flags */
#define FADT_WBINVD	 BIT(0)
#define FADT_PROC_C1	 BIT(2)
#define FADT_SLP_BUTTON	 BIT(5) /* no fixed-hardware sleep button */
#define FADT_FIX_RTC	 BIT(6) /* the RTC wakes nobody through PM1 */
#define FADT_TMR_VAL_EXT BIT(8) /* the PM timer has 32 bits */
#define FADT_RESET_REG	 BIT(10)
/* 5.2.9.3: IA-PC boot architecture flags. */
#define FADT_LEGACY_DEVICES BIT(0)
#define FADT_8042	    BIT(1)
#define FADT_NO_VGA	    BIT(2)
/* 8.4.1: longer than these means that the board has no C2 and C3 */
#define FADT_NO_C2 101
#define FADT_NO_C3 1001

#define MADT_PCAT_COMPAT       BIT(0)
#define MADT_ENABLED	       BIT(0)
#define MADT_LEVEL_ACTIVE_HIGH 0xd /* table 5-26 */
#define MADT_ALL_PROCESSORS    0xff
#define MADT_ALL_X2APICS       0xffffffffU

enum madt_type {
	MADT_LOCAL_APIC = 0,
	MADT_IO_APIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LOCAL_NMI = 4,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

/* 5.2.3.2: generic address structure */
enum gas_space { GAS_MEMORY = 0, GAS_SYSTEM_IO = 1 };
enum gas_access { GAS_ANY = 0, GAS_BYTE = 1, GAS_WORD = 2, GAS_DWORD = 3 };

struct gas {
	u8 space;
	u8 bits;
	u8 offset;
	u8 access;
	u64 address;
} packed;

/* 5.2.5.3 */
struct rsdp {
	char signature[8];
	u8 checksum; /* of the first 20 bytes */
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 bytes;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} packed;

/* 5.2.6 */
struct table_header {
	char signature[4];
	u32 bytes;
	u8 revision;
	u8 checksum;
	char oem[6];
	char oem_table[8];
	u32 oem_revision;
	char creator[4];
	u32 creator_revision;
} packed;

/* 5.2.7 and 5.2.8: both point to FADT, MADT, HPET and MCFG; the DSDT hangs on the FADT. */
enum { ROOT_TABLES = 4 };

struct rsdt {
	struct table_header header;
	u32 tables[ROOT_TABLES];
} packed;

struct xsdt {
	struct table_header header;
	u64 tables[ROOT_TABLES];
} packed;

/* 5.2.9, table 5-9 */
struct fadt {
	struct table_header header;
	u32 firmware_ctrl;
	u32 dsdt;
	u8 reserved_44;
	u8 preferred_pm_profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable;
	u8 acpi_disable;
	u8 s4bios_req;
	u8 pstate_cnt;
	u32 pm1a_evt_blk;
	u32 pm1b_evt_blk;
	u32 pm1a_cnt_blk;
	u32 pm1b_cnt_blk;
	u32 pm2_cnt_blk;
	u32 pm_tmr_blk;
	u32 gpe0_blk;
	u32 gpe1_blk;
	u8 pm1_evt_len;
	u8 pm1_cnt_len;
	u8 pm2_cnt_len;
	u8 pm_tmr_len;
	u8 gpe0_blk_len;
	u8 gpe1_blk_len;
	u8 gpe1_base;
	u8 cst_cnt;
	u16 p_lvl2_lat;
	u16 p_lvl3_lat;
	u16 flush_size;
	u16 flush_stride;
	u8 duty_offset;
	u8 duty_width;
	u8 day_alrm;
	u8 mon_alrm;
	u8 century;
	u16 iapc_boot_arch;
	u8 reserved_111;
	u32 flags;
	struct gas reset_reg;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor;
	u64 x_firmware_ctrl;
	u64 x_dsdt;
	struct gas x_pm1a_evt_blk;
	struct gas x_pm1b_evt_blk;
	struct gas x_pm1a_cnt_blk;
	struct gas x_pm1b_cnt_blk;
	struct gas x_pm2_cnt_blk;
	struct gas x_pm_tmr_blk;
	struct gas x_gpe0_blk;
	struct gas x_gpe1_blk;
	struct gas sleep_control;
	struct gas sleep_status;
	char hypervisor[8];
} packed;

/* 5.2.10 */
struct facs {
	char signature[4];
	u32 bytes;
	u32 hardware_signature;
	u32 waking_vector;
	u32 global_lock;
	u32 flags;
	u64 x_waking_vector;
	u8 version;
	u8 reserved[31];
} packed;

#define FACS_ALIGNMENT 64
#define FACS_VERSION   2

/* 5.2.12 and its subsections */
struct madt {
	struct table_header header;
	u32 local_apic;
	u32 flags;
} packed;

struct madt_entry {
	u8 type;
	u8 bytes;
} packed;

struct madt_local_apic {
	struct madt_entry entry;
	u8 uid;
	u8 id;
	u32 flags;
} packed;

struct madt_x2apic {
	struct madt_entry entry;
	u16 reserved;
	u32 id;
	u32 flags;
	u32 uid;
} packed;

struct madt_io_apic {
	struct madt_entry entry;
	u8 id;
	u8 reserved;
	u32 address;
	u32 gsi_base;
} packed;

struct madt_override {
	struct madt_entry entry;
	u8 bus;
	u8 irq;
	u32 gsi;
	u16 flags;
} packed;

struct madt_local_nmi {
	struct madt_entry entry;
	u8 uid;
	u16 flags;
	u8 lint;
} packed;

struct madt_x2apic_nmi {
	struct madt_entry entry;
	u16 flags;
	u32 uid;
	u8 lint;
	u8 reserved[3];
} packed;

/* PCI Firmware Specification 3.2, 4.1.2 */
struct mcfg {
	struct table_header header;
	u64 reserved;
	u64 base;
	u16 segment;
	u8 first_bus, last_bus;
	u32 reserved_60;
} packed;

/* IA-PC HPET 1.0a, 3.2.4 */
struct hpet {
	struct table_header header;
	u32 id;
	struct gas base;
	u8 number;
	u16 least_ticks;
	u8 page_protection;
} packed;

_Static_assert(sizeof(struct hpet) == 56, "HPET");
_Static_assert(sizeof(struct rsdp) == ACPI_ROOT_BYTES, "RSDP");
_Static_assert(offsetof(struct rsdp, rsdt) == ACPI_ROOT_RSDT, "RSDT of the RSDP");
_Static_assert(offsetof(struct rsdp, xsdt) == ACPI_ROOT_XSDT, "XSDT of the RSDP");
_Static_assert(sizeof(struct table_header) == 36, "header");
_Static_assert(sizeof(struct facs) == 64, "FACS");
_Static_assert(offsetof(struct fadt, iapc_boot_arch) == 109, "FADT before its flags");
_Static_assert(offsetof(struct fadt, x_pm_tmr_blk) == 208, "FADT extended blocks");
_Static_assert(sizeof(struct fadt) == 276, "FADT");
