/* SPDX-License-Identifier: MIT */
/*
 * The board: port and memory decoding, interrupt wiring, and the timers of all its devices. The
 * devices are those of a PC whose screen shows text only.
 */
#include <bulkhead/pc.h>

#include "device_timers.h"
#include "pc_virtio.h"
#include "vchannel.h"
#include "vdebug.h"
#include "vflash.h"
#include "vfwcfg.h"
#include "vhpet.h"
#include "vi8042.h"
#include "vioapic.h"
#include "vpanic.h"
#include "vpci.h"
#include "vpic.h"
#include "vpit.h"
#include "vpm.h"
#include "vreset.h"
#include "vrtc.h"
#include "vscreen.h"
#include "vuart.h"

#include <bulkhead/load.h>
#include <bulkhead/string.h>

#define PIT_IRQ 0
#define RTC_IRQ 8
/* What the HPET takes over when it is told to. */
#define HPET_ISA_LINES (BIT(PIT_IRQ) | BIT(RTC_IRQ))
#define COM1_BASE      0x3f8
#define COM1_IRQ       4
#define ELCR_HIGH      0x4d1

/* Interrupt messages: vector, delivery mode and trigger mode are where a redirection entry has
 * them, and the rest of the data means nothing there. */
#define MESSAGE_AREA 0xfee00000UL
#define MESSAGE_DATA (VIOAPIC_VECTOR | VIOAPIC_MODE | VIOAPIC_LEVEL)

struct pc {
	struct device_host host;
	const struct pc_ops *ops;
	void *context;
	struct device_timers timers;
	u64 absent;
	bool legacy; /* lines 0 and 8 are the HPET's */

	struct vpic pic;
	struct vpit pit;
	struct vrtc rtc;
	struct vuart com1;
	struct vioapic ioapic;
	struct vpm pm;
	struct vreset reset;
	struct vi8042 kbc;
	struct vdebug debug;
	struct vhpet hpet;
	struct vpanic panic;
	struct vfwcfg fw_cfg;
	struct vflash flash;
	struct vscreen screen;
	struct vpci pci;
	struct vchannel channel;	/* port NULL: there is none */
	struct virtio_console *console; /* NULL: there is none */
	struct virtio_balloon *balloon; /* likewise */
	/* ISA lines that devices drive, and those that the HPET and PCI's devices do. */
	u16 isa_lines, hpet_lines, pci_lines;
	struct pc_choice choice;
	u8 virtio[] aligned(16); /* pc_virtio.c's */
};

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

void pc_ports_write(struct pc *pc, u32 port, unsigned bytes, const u8 *data, u32 count)
{
	const struct slot *slot = port_slot(port, bytes);
	void (*write)(void *device, u64 address, unsigned bytes, u64 value) = slot->ops->write;
	void *device = slot_device(pc, slot);

	for (; count; count--, data += bytes)
		write(device, port, bytes, element_get(data, bytes));
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

u64 pc_memory_read(struct pc *pc, u64 gpa, unsigned bytes)
{
	const struct slot *slot = memory_slot(pc, gpa);
	u64 value;

	if (slot)
		return slot->ops->read(slot_device(pc, slot), gpa, bytes);
	if (vpci_memory_read(&pc->pci, gpa, bytes, &value))
		return value;
	pc->absent++;
	return ~0UL;
}

void pc_memory_write(struct pc *pc, u64 gpa, unsigned bytes, u64 value)
{
	const struct slot *slot = memory_slot(pc, gpa);

	if (slot)
		slot->ops->write(slot_device(pc, slot), gpa, bytes, value);
	else if (!vpci_memory_write(&pc->pci, gpa, bytes, value))
		pc->absent++;
}

static struct pc *pc_of(struct device_host *host)
{
	return container_of(host, struct pc, host);
}

u64 pc_next_timer(const struct pc *pc)
{
	return device_timers_next(&pc->timers);
}

static void next_timer(struct pc *pc)
{
	pc->ops->next_timer(pc->context, pc_next_timer(pc));
}

static void host_timer_set(struct device_host *host, struct device_timer *timer, u64 deadline)
{
	struct pc *pc = pc_of(host);

	if (device_timers_set(&pc->timers, timer, deadline))
		next_timer(pc);
}

void pc_run_timers(struct pc *pc)
{
	device_timers_run(&pc->timers, device_now(&pc->host));
	next_timer(pc);
}

/* ISA lines reach both the 8259 pair and the I/O APIC; the 8254's arrives at pin 2 there, as the
 * MADT says. A line is high while anybody drives it so. */
static void isa_line_update(struct pc *pc, unsigned irq)
{
	u64 isa = pc->legacy ? pc->isa_lines & ~HPET_ISA_LINES : pc->isa_lines;
	bool level = (isa | pc->pci_lines | pc->hpet_lines) & BIT(irq);

	vpic_irq_set(&pc->pic, irq, level);
	vioapic_irq_set(&pc->ioapic, irq == 0 ? 2 : irq, level);
}

static void host_irq_set(struct device_host *host, unsigned irq, bool level)
{
	struct pc *pc = pc_of(host);

	if (irq >= 16) {
		vioapic_irq_set(&pc->ioapic, irq, level);
		return;
	}
	pc->isa_lines = (u16)(level ? pc->isa_lines | BIT(irq) : pc->isa_lines & ~BIT(irq));
	isa_line_update(pc, irq);
}

static void hpet_irq_set(void *context, unsigned irq, bool level)
{
	struct pc *pc = context;

	if (irq >= 16) {
		vioapic_irq_set(&pc->ioapic, irq, level);
		return;
	}
	pc->hpet_lines = (u16)(level ? pc->hpet_lines | BIT(irq) : pc->hpet_lines & ~BIT(irq));
	isa_line_update(pc, irq);
}

static void hpet_legacy_set(void *context, bool on)
{
	struct pc *pc = context;

	pc->legacy = on;
	isa_line_update(pc, PIT_IRQ);
	isa_line_update(pc, RTC_IRQ);
}

static void pci_lines_changed(void *context, u16 lines)
{
	struct pc *pc = context;
	u16 changed = pc->pci_lines ^ lines;

	pc->pci_lines = lines;
	for (unsigned irq = 0; irq < 16; irq++)
		if (changed & BIT(irq))
			isa_line_update(pc, irq);
}

/* The address names whom, the data what (SDM vol. 3, figures 11-14 and 11-15): the fields of a
 * redirection entry in other places. */
static void host_message(struct device_host *host, u64 address, u32 data)
{
	struct pc *pc = pc_of(host);
	u64 logical = address & BIT(2) ? VIOAPIC_LOGICAL : 0;

	if (address >> 20 != MESSAGE_AREA >> 20)
		return;
	pc->ops->interrupt(pc->context,
			   (data & MESSAGE_DATA) | logical | (address >> 12 & 0xff) << 56);
}

static void host_entropy(struct device_host *host, void *bytes, u64 count)
{
	struct pc *pc = pc_of(host);

	pc->ops->entropy(pc->context, bytes, count);
}

static void host_event(struct device_host *host, enum device_event event)
{
	struct pc *pc = pc_of(host);

	pc->ops->event(pc->context, event);
}

static void host_console_output(struct device_host *host, u8 byte)
{
	struct pc *pc = pc_of(host);

	pc->ops->console_output(pc->context, byte);
}

static void host_report(struct device_host *host, const char *text)
{
	struct pc *pc = pc_of(host);

	pc->ops->report(pc->context, text);
}

static const struct device_host_ops host_ops = {
	.timer_set = host_timer_set,
	.irq_set = host_irq_set,
	.message = host_message,
	.entropy = host_entropy,
	.event = host_event,
	.console_output = host_console_output,
	.report = host_report,
};

static void pic_changed(void *context, bool level)
{
	struct pc *pc = context;

	pc->ops->pic(pc->context, level);
}

static void ioapic_deliver(void *context, u64 entry)
{
	struct pc *pc = context;

	pc->ops->interrupt(pc->context, entry);
}

static void flash_show(void *context, bool array)
{
	struct pc *pc = context;

	pc->ops->flash_show(pc->context, array);
}

static void flash_init(struct pc *pc, const struct guest_memory *memory)
{
	u64 base = guest_rom_base(memory);

	vflash_init(&pc->flash, memory->window + base, base, memory->flash_bytes, flash_show, pc);
}

static u8 *screen_memory(void *context)
{
	struct pc *pc = context;

	return pc->ops->screen_memory(pc->context, VSCREEN_BYTES);
}

static void input_ready(void *context)
{
	struct pc *pc = context;

	pc->ops->console_ready(pc->context);
}

u64 pc_bytes(const struct pc_choice *choice)
{
	return sizeof(struct pc) + pc_virtio_bytes(choice);
}

static void channel_init(struct pc *pc, const struct pc_channel *channel, u8 slot)
{
	vchannel_init(&pc->channel, &pc->host, channel->ops, channel->port, channel->memory,
		      channel->bytes);
	/* The configuration's rules allow no more than there are slots. */
	(void)!vpci_attach(&pc->pci, &pc->channel.function, VPCI_DEVFN(slot, 0));
	vchannel_place(&pc->channel);
}

void pc_init(struct pc *pc, const struct pc_setup *setup, const struct pc_ops *ops, void *context)
{
	u8 cmos[VRTC_BYTES], slot;

	memcpy(cmos, pc->rtc.cmos, sizeof(cmos));
	*pc = (struct pc){
		.host = {.ops = &host_ops,
			 .tsc_hz = setup->tsc_hz,
			 .now = ops->now,
			 .clock = context},
		.ops = ops,
		.context = context,
		.choice = setup->choice,
	};
	vpic_init(&pc->pic, pic_changed, pc);
	vioapic_init(&pc->ioapic, ioapic_deliver, pc);
	vpit_init(&pc->pit, &pc->host);
	vrtc_init(&pc->rtc, &pc->host, setup->unix_time_s, setup->low_bytes, setup->high_bytes);
	if (setup->had_power)
		vrtc_restore(&pc->rtc, cmos);
	vuart_init(&pc->com1, &pc->host, COM1_BASE, COM1_IRQ, input_ready, pc);
	vpm_init(&pc->pm, &pc->host);
	vreset_init(&pc->reset, &pc->host);
	vi8042_init(&pc->kbc, &pc->host);
	vdebug_init(&pc->debug, &pc->host);
	vfwcfg_init(&pc->fw_cfg, setup->fw_cfg, setup->memory);
	flash_init(pc, setup->memory);
	vscreen_init(&pc->screen, &pc->host, screen_memory, pc);
	vpanic_init(&pc->panic, &pc->host);
	vhpet_init(&pc->hpet, &pc->host, hpet_irq_set, hpet_legacy_set, pc);
	vpci_init(&pc->pci, &pc->host, pci_lines_changed, pc);
	if (setup->fw_cfg)
		vpci_shadow_off(&pc->pci);
	/* Lines of PCI are level-triggered: firmware has told the 8259 pair. */
	vpic_ops.write(&pc->pic, ELCR_HIGH, 1, VPCI_ISA_LINES >> 8);
	slot = pc_virtio_init(pc->virtio, setup, &pc->pci, &pc->host);
	if (setup->channel.port)
		channel_init(pc, &setup->channel, slot);
	pc->console = pc_virtio_console(pc->virtio, &setup->choice);
	if (pc->console)
		virtio_console_connect(pc->console, input_ready, pc);
	pc->balloon = pc_virtio_balloon(pc->virtio, &setup->choice);
}

u8 pc_pic_acknowledge(struct pc *pc)
{
	return vpic_acknowledge(&pc->pic);
}

void pc_eoi(struct pc *pc, u8 vector)
{
	vioapic_eoi(&pc->ioapic, vector);
}

bool pc_console_input(struct pc *pc, u8 byte)
{
	if (pc->console && virtio_console_is_open(pc->console))
		return virtio_console_input(pc->console, byte);
	return vuart_input(&pc->com1, byte);
}

bool pc_power_button(struct pc *pc)
{
	return vpm_power_button(&pc->pm);
}

void pc_screen(const struct pc *pc, struct screen_text *text)
{
	vscreen_look(&pc->screen, text);
}

bool pc_balloon_look(struct pc *pc, struct balloon_view *view)
{
	if (pc->balloon)
		virtio_balloon_look(pc->balloon, view);
	return pc->balloon;
}

bool pc_balloon_target(struct pc *pc, u64 bytes)
{
	if (pc->balloon)
		virtio_balloon_target(pc->balloon, bytes);
	return pc->balloon;
}

bool pc_balloon_ask(struct pc *pc)
{
	if (pc->balloon)
		virtio_balloon_ask(pc->balloon);
	return pc->balloon;
}

void pc_arrived(struct pc *pc)
{
	pc_virtio_net_arrived(pc->virtio, &pc->choice);
	if (pc->channel.port)
		vchannel_arrived(&pc->channel);
}

u64 pc_absent_accesses(const struct pc *pc)
{
	return pc->absent;
}
