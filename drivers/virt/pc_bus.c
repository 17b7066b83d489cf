/* SPDX-License-Identifier: MIT */
/* The board's ports and addresses: which device an access is for. */
#include "pc_board.h"

#include <bulkhead/load.h>

struct slot {
	const struct device_ops *ops;
	size_t offset; /* of the device in struct pc */
};

/* Of the board itself. */
static const struct device_ops elsewhere_ops, bytes_ops;

enum {
	SLOT_ELSEWHERE, /* at no fixed place, at least */
	SLOT_BYTES,
	SLOT_PIC,
	SLOT_PIT,
	SLOT_RTC,
	SLOT_COM1,
	SLOT_RESET,
	SLOT_KBC,
	SLOT_DEBUG,
	SLOT_SCREEN,
	SLOT_PCI,
	SLOT_PANIC,
	SLOT_FW_CFG,
};

static const struct slot slots[] = {
	[SLOT_ELSEWHERE] = {&elsewhere_ops, 0},
	[SLOT_BYTES] = {&bytes_ops, 0},
	[SLOT_PIC] = {&vpic_ops, offsetof(struct pc, pic)},
	[SLOT_PIT] = {&vpit_ops, offsetof(struct pc, pit)},
	[SLOT_RTC] = {&vrtc_ops, offsetof(struct pc, rtc)},
	[SLOT_COM1] = {&vuart_ops, offsetof(struct pc, com1)},
	[SLOT_RESET] = {&vreset_ops, offsetof(struct pc, reset)},
	[SLOT_KBC] = {&vi8042_ops, offsetof(struct pc, kbc)},
	[SLOT_DEBUG] = {&vdebug_ops, offsetof(struct pc, debug)},
	[SLOT_SCREEN] = {&vscreen_port_ops, offsetof(struct pc, screen)},
	[SLOT_PCI] = {&vpci_port_ops, offsetof(struct pc, pci)},
	[SLOT_PANIC] = {&vpanic_ops, offsetof(struct pc, panic)},
	[SLOT_FW_CFG] = {&vfwcfg_ops, offsetof(struct pc, fw_cfg)},
};

/*
 * The ports that are where they are on every board, so that finding a device is one load. The reset
 * register at CF9h lies inside the PCI configuration address register CF8h, which takes 4-byte
 * accesses only: those do not reach it.
 */
#define ISA_PORTS   0x500
#define FIXED_PORTS VPCI_PORT_END
static const u8 fixed_ports[FIXED_PORTS + 1] = {
	[0x20 ... 0x21] = SLOT_PIC,
	[0x40 ... 0x43] = SLOT_PIT,
	[0x60] = SLOT_KBC,
	[0x61] = SLOT_PIT,
	[0x64] = SLOT_KBC,
	[0x70 ... 0x71] = SLOT_RTC,
	[0x80] = SLOT_DEBUG,
	[0x92] = SLOT_RESET,
	[0xa0 ... 0xa1] = SLOT_PIC,
	[0xe9] = SLOT_DEBUG,
	[0xed] = SLOT_DEBUG,
	[0x3f8 ... 0x3ff] = SLOT_COM1,
	[0x3c0 ... 0x3df] = SLOT_SCREEN,
	[0x402] = SLOT_DEBUG,
	[0x4d0 ... 0x4d1] = SLOT_PIC,
	[ACPI_PANIC_PORT] = SLOT_PANIC,
	[VFWCFG_BASE... VFWCFG_END - 1] = SLOT_FW_CFG,
	[VPCI_PORT_ADDRESS] = SLOT_PCI,
	[ACPI_RESET_PORT] = SLOT_RESET,
	[VPCI_PORT_DATA... VPCI_PORT_END - 1] = SLOT_PCI,
	[FIXED_PORTS] = SLOT_ELSEWHERE, /* and all beyond */
};

/* No device answers to all of it: each byte is an access of its own, the lowest port first. */
static u64 bytes_read(void *device, u64 port, unsigned bytes)
{
	u32 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (pc_port_read(device, (u16)(port + i), 1) & 0xff) << (8 * i);
	return value;
}

static void bytes_write(void *device, u64 port, unsigned bytes, u64 value)
{
	for (unsigned i = 0; i < bytes; i++)
		pc_port_write(device, (u16)(port + i), 1, (u32)value >> (8 * i));
}

static const struct device_ops bytes_ops = {
	.name = "ports side by side",
	.read = bytes_read,
	.write = bytes_write,
	.widest_bytes = 4,
	.works = true,
};

/* Power management answers where the tables name it, and where the guest (SeaBIOS) has moved it
 * besides: the port that it knows, or 0. Ports of the ISA bus stay that bus's. */
static u16 power_port(const struct pc *pc, u64 port)
{
	u16 offset = (u16)(port - vpci_power_base(&pc->pci));

	if (offset >= ACPI_PM_BYTES || port < ISA_PORTS)
		offset = (u16)(port - ACPI_PM_BASE);
	return offset < ACPI_PM_BYTES ? (u16)(ACPI_PM_BASE + offset) : 0;
}

/* The ports that are no fixed ones: of power management, of PCI's functions, or nobody's. */
static u64 elsewhere_read(void *device, u64 port, unsigned bytes)
{
	struct pc *pc = device;
	u16 power = power_port(pc, port);
	u64 value;

	if (power)
		return vpm_ops.read(&pc->pm, power, bytes);
	if (vpci_port_read(&pc->pci, (u32)port, bytes, &value))
		return value;
	if (bytes > 1)
		return bytes_read(pc, port, bytes);
	pc->absent++;
	return ~0UL;
}

static void elsewhere_write(void *device, u64 port, unsigned bytes, u64 value)
{
	struct pc *pc = device;
	u16 power = power_port(pc, port);

	if (power)
		vpm_ops.write(&pc->pm, power, bytes, value);
	else if (vpci_port_write(&pc->pci, (u32)port, bytes, value))
		return;
	else if (bytes > 1)
		bytes_write(pc, port, bytes, value);
	else
		pc->absent++;
}

static const struct device_ops elsewhere_ops = {
	.name = "ports that move",
	.read = elsewhere_read,
	.write = elsewhere_write,
	.widest_bytes = 4,
	.works = true,
};

static inline const struct slot *port_slot(u32 port, unsigned bytes)
{
	const struct slot *slot = &slots[fixed_ports[MIN(port, (u32)FIXED_PORTS)]];

	return likely(bytes <= slot->ops->widest_bytes) ? slot : &slots[SLOT_BYTES];
}

static inline void *slot_device(struct pc *pc, const struct slot *slot)
{
	return (u8 *)pc + slot->offset;
}

u32 pc_port_read(struct pc *pc, u32 port, unsigned bytes)
{
	const struct slot *slot = port_slot(port, bytes);

	return (u32)slot->ops->read(slot_device(pc, slot), port, bytes);
}

void pc_port_write(struct pc *pc, u32 port, unsigned bytes, u32 value)
{
	const struct slot *slot = port_slot(port, bytes);

	slot->ops->write(slot_device(pc, slot), port, bytes, value);
}

/* Of memory that a guest may change meanwhile: looked at once. */
static inline u32 element_get(const u8 *at, unsigned bytes)
{
	if (likely(bytes == 1))
		return *(const volatile u8 *)at;
	if (bytes == 2)
		return *(const volatile u16 *)(const void *)at;
	return *(const volatile u32 *)(const void *)at;
}

static inline void element_set(u8 *at, unsigned bytes, u32 value)
{
	if (likely(bytes == 1))
		*at = (u8)value;
	else if (bytes == 2)
		*(u16 *)(void *)at = (u16)value;
	else
		*(u32 *)(void *)at = value;
}

void pc_ports_read(struct pc *pc, u32 port, unsigned bytes, u8 *data, u32 count)
{
	const struct slot *slot = port_slot(port, bytes);
	u64 (*read)(void *device, u64 address, unsigned bytes) = slot->ops->read;
	void *device = slot_device(pc, slot);

	for (; count; count--, data += bytes)
		element_set(data, bytes, (u32)read(device, port, bytes));
}

inlined void elements_write(const struct device_ops *ops, void *device, u32 port, unsigned bytes,
			    const u8 *data, u32 count)
{
	void (*write)(void *device, u64 address, unsigned bytes, u64 value) = ops->write;

	for (const u8 *end = data + (u64)count * bytes; data != end; data += bytes)
		write(device, port, bytes, element_get(data, bytes));
}

u32 pc_ports_write(struct pc *pc, u32 port, unsigned bytes, const u8 *data, u32 count)
{
	const struct slot *slot = port_slot(port, bytes);
	void *device = slot_device(pc, slot);

	if (unlikely(slot->ops->works))
		count = 1;
	if (likely(bytes == 1))
		elements_write(slot->ops, device, port, 1, data, count);
	else
		elements_write(slot->ops, device, port, bytes, data, count);
	return count;
}

static const struct window {
	u64 base, bytes;
	struct slot slot;
} windows[] = {
	{VIOAPIC_BASE, VIOAPIC_BYTES, {&vioapic_ops, offsetof(struct pc, ioapic)}},
	{VHPET_BASE, VHPET_BYTES, {&vhpet_ops, offsetof(struct pc, hpet)}},
	{VSCREEN_BASE, VSCREEN_BYTES, {&vscreen_memory_ops, offsetof(struct pc, screen)}},
};

static const struct slot flash_slot = {&vflash_ops, offsetof(struct pc, flash)};

static const struct slot *memory_slot(const struct pc *pc, u64 gpa)
{
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
		if (gpa - windows[i].base < windows[i].bytes)
			return &windows[i].slot;
	return vflash_claims(&pc->flash, gpa) ? &flash_slot : NULL;
}

/* PCI's memory, or nobody's. */
static outlined u64 pci_memory_read(struct pc *pc, u64 gpa, unsigned bytes)
{
	u64 value;

	if (vpci_memory_read(&pc->pci, gpa, bytes, &value))
		return value;
	pc->absent++;
	return ~0UL;
}

static outlined void pci_memory_write(struct pc *pc, u64 gpa, unsigned bytes, u64 value)
{
	if (!vpci_memory_write(&pc->pci, gpa, bytes, value))
		pc->absent++;
}

u64 pc_memory_read(struct pc *pc, u64 gpa, unsigned bytes)
{
	const struct slot *slot = memory_slot(pc, gpa);

	return slot ? slot->ops->read(slot_device(pc, slot), gpa, bytes)
		    : pci_memory_read(pc, gpa, bytes);
}

void pc_memory_write(struct pc *pc, u64 gpa, unsigned bytes, u64 value)
{
	const struct slot *slot = memory_slot(pc, gpa);

	if (slot)
		slot->ops->write(slot_device(pc, slot), gpa, bytes, value);
	else
		pci_memory_write(pc, gpa, bytes, value);
}
