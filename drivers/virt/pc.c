/* SPDX-License-Identifier: MIT */
/*
 * The board: port and memory decoding, interrupt wiring, and the timers of all its devices. The
 * devices are those of a PC without a keyboard or a screen.
 */
#include <bulkhead/pc.h>

#include "pc_virtio.h"
#include "vioapic.h"
#include "vpci.h"
#include "vpic.h"
#include "vpit.h"
#include "vpm.h"
#include "vreset.h"
#include "vrtc.h"
#include "vuart.h"

#include <bulkhead/load.h>

#define COM1_BASE 0x3f8
#define COM1_IRQ  4
#define ELCR_HIGH 0x4d1

/* Interrupt messages: vector, delivery mode and trigger mode are where a redirection entry has
 * them, and the rest of the data means nothing there. */
#define MESSAGE_AREA 0xfee00000UL
#define MESSAGE_DATA (VIOAPIC_VECTOR | VIOAPIC_MODE | VIOAPIC_LEVEL)

struct pc {
	struct device_host host;
	const struct pc_ops *ops;
	void *context;
	struct device_timer *timers; /* armed ones, by deadline */
	u64 absent;

	struct vpic pic;
	struct vpit pit;
	struct vrtc rtc;
	struct vuart com1;
	struct vioapic ioapic;
	struct vpm pm;
	struct vreset reset;
	struct vpci pci;
	u16 isa_lines, pci_lines; /* ISA lines that devices drive, and those that PCI's do */
	struct pc_choice choice;
	u8 virtio[] aligned(16); /* pc_virtio.c's */
};

struct slot {
	const struct device_ops *ops;
	size_t offset; /* of the device in struct pc */
};

enum { SLOT_NONE, SLOT_PIC, SLOT_PIT, SLOT_RTC, SLOT_COM1, SLOT_RESET, SLOT_PM, SLOT_PCI };

static const struct slot slots[] = {
	[SLOT_PIC] = {&vpic_ops, offsetof(struct pc, pic)},
	[SLOT_PIT] = {&vpit_ops, offsetof(struct pc, pit)},
	[SLOT_RTC] = {&vrtc_ops, offsetof(struct pc, rtc)},
	[SLOT_COM1] = {&vuart_ops, offsetof(struct pc, com1)},
	[SLOT_RESET] = {&vreset_ops, offsetof(struct pc, reset)},
	[SLOT_PM] = {&vpm_ops, offsetof(struct pc, pm)},
	[SLOT_PCI] = {&vpci_port_ops, offsetof(struct pc, pci)},
};

/* The ports of the ISA bus, so that finding a device is one load. */
#define ISA_PORTS 0x500
static const u8 isa_ports[ISA_PORTS] = {
	[0x20 ... 0x21] = SLOT_PIC, [0x40 ... 0x43] = SLOT_PIT,	   [0x60] = SLOT_RESET,
	[0x61] = SLOT_PIT,	    [0x64] = SLOT_RESET,	   [0x70 ... 0x71] = SLOT_RTC,
	[0x80] = SLOT_RESET,	    [0x92] = SLOT_RESET,	   [0xa0 ... 0xa1] = SLOT_PIC,
	[0xed] = SLOT_RESET,	    [0x3f8 ... 0x3ff] = SLOT_COM1, [0x4d0 ... 0x4d1] = SLOT_PIC,
};

/*
 * `start` is the port that the access named. The reset register at CF9h lies inside the PCI
 * configuration address register CF8h, which takes 4-byte accesses only: those do not reach it.
 */
static const struct slot *port_slot(const struct pc *pc, u16 port, u16 start)
{
	u8 slot = SLOT_NONE;

	if (port < ISA_PORTS)
		slot = isa_ports[port];
	else if (port >= ACPI_PM_BASE && port < ACPI_PM_BASE + ACPI_PM_BYTES)
		slot = SLOT_PM;
	else if (port == ACPI_RESET_PORT && start == port)
		slot = SLOT_RESET;
	else if (port == VPCI_PORT_ADDRESS || (port >= VPCI_PORT_DATA && port < VPCI_PORT_END))
		slot = SLOT_PCI;
	if (slot == SLOT_NONE && vpci_port_claims(&pc->pci, port))
		slot = SLOT_PCI;
	return slot == SLOT_NONE ? NULL : &slots[slot];
}

static void *slot_device(struct pc *pc, const struct slot *slot)
{
	return (u8 *)pc + slot->offset;
}

/* As far as one device answers in one access: the rest of a wider one goes to the next ports. */
static unsigned piece(const struct slot *slot, unsigned bytes)
{
	unsigned widest = slot ? slot->ops->widest_bytes : 1;

	return bytes < widest ? bytes : widest;
}

u32 pc_port_read(struct pc *pc, u16 port, unsigned bytes)
{
	u32 value = 0;

	bytes = MIN(bytes, (unsigned)sizeof(value));
	for (unsigned done = 0, count; done < bytes; done += count) {
		const struct slot *slot = port_slot(pc, (u16)(port + done), port);
		u64 part = 0xff;

		count = piece(slot, bytes - done);
		if (slot)
			part = slot->ops->read(slot_device(pc, slot), (u16)(port + done), count);
		else
			pc->absent++;
		value |= (u32)((part & (BIT(8 * count) - 1)) << (8 * done));
	}
	return value;
}

void pc_port_write(struct pc *pc, u16 port, unsigned bytes, u32 value)
{
	for (unsigned done = 0, count; done < bytes; done += count) {
		const struct slot *slot = port_slot(pc, (u16)(port + done), port);
		u64 part = (u64)value >> (8 * done);

		count = piece(slot, bytes - done);
		if (slot)
			slot->ops->write(slot_device(pc, slot), (u16)(port + done), count,
					 part & (BIT(8 * count) - 1));
		else
			pc->absent++;
	}
}

static bool is_ioapic(u64 gpa)
{
	return gpa >= VIOAPIC_BASE && gpa < VIOAPIC_BASE + VIOAPIC_BYTES;
}

u64 pc_memory_read(struct pc *pc, u64 gpa, unsigned bytes)
{
	u64 value;

	if (is_ioapic(gpa))
		return vioapic_ops.read(&pc->ioapic, gpa, bytes);
	if (vpci_memory_read(&pc->pci, gpa, bytes, &value))
		return value;
	pc->absent++;
	return ~0UL;
}

void pc_memory_write(struct pc *pc, u64 gpa, unsigned bytes, u64 value)
{
	if (is_ioapic(gpa))
		vioapic_ops.write(&pc->ioapic, gpa, bytes, value);
	else if (!vpci_memory_write(&pc->pci, gpa, bytes, value))
		pc->absent++;
}

static struct pc *pc_of(struct device_host *host)
{
	return container_of(host, struct pc, host);
}

static u64 host_now(struct device_host *host)
{
	struct pc *pc = pc_of(host);

	return pc->ops->now(pc->context);
}

u64 pc_next_timer(const struct pc *pc)
{
	return pc->timers ? pc->timers->deadline : DEVICE_TIMER_OFF;
}

static void next_timer(struct pc *pc)
{
	pc->ops->next_timer(pc->context, pc_next_timer(pc));
}

static void timer_unlink(struct pc *pc, struct device_timer *timer)
{
	struct device_timer **at = &pc->timers;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
}

static void host_timer_set(struct device_host *host, struct device_timer *timer, u64 deadline)
{
	struct pc *pc = pc_of(host);
	struct device_timer **at = &pc->timers, *first = pc->timers;

	if (timer->deadline != DEVICE_TIMER_OFF)
		timer_unlink(pc, timer);
	timer->deadline = deadline;
	if (deadline != DEVICE_TIMER_OFF) {
		while (*at && (*at)->deadline <= deadline)
			at = &(*at)->next;
		timer->next = *at;
		*at = timer;
	}
	if (pc->timers != first || first == timer)
		next_timer(pc);
}

void pc_run_timers(struct pc *pc)
{
	u64 now = pc->ops->now(pc->context);

	/* What becomes due meanwhile comes the next time: guests make timers that are due at once.
	 */
	while (pc->timers && pc->timers->deadline <= now) {
		struct device_timer *timer = pc->timers;

		pc->timers = timer->next;
		timer->deadline = DEVICE_TIMER_OFF;
		timer->fire(timer->context);
	}
	next_timer(pc);
}

/* ISA lines reach both the 8259 pair and the I/O APIC; the 8254's arrives at pin 2 there, as the
 * MADT says. A line is high while anybody drives it so. */
static void isa_line_update(struct pc *pc, unsigned irq)
{
	bool level = (pc->isa_lines | pc->pci_lines) & BIT(irq);

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
	.now = host_now,
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

static void com1_ready(void *context)
{
	struct pc *pc = context;

	pc->ops->console_ready(pc->context);
}

u64 pc_bytes(const struct pc_choice *choice)
{
	return sizeof(struct pc) + pc_virtio_bytes(choice);
}

void pc_init(struct pc *pc, const struct pc_setup *setup, const struct pc_ops *ops, void *context)
{
	*pc = (struct pc){
		.host = {.ops = &host_ops, .tsc_hz = setup->tsc_hz},
		.ops = ops,
		.context = context,
		.choice = setup->choice,
	};
	vpic_init(&pc->pic, pic_changed, pc);
	vioapic_init(&pc->ioapic, ioapic_deliver, pc);
	vpit_init(&pc->pit, &pc->host);
	vrtc_init(&pc->rtc, &pc->host, setup->unix_time_s, setup->low_bytes, setup->high_bytes);
	vuart_init(&pc->com1, &pc->host, COM1_BASE, COM1_IRQ, com1_ready, pc);
	vpm_init(&pc->pm, &pc->host);
	vreset_init(&pc->reset, &pc->host);
	vpci_init(&pc->pci, &pc->host, pci_lines_changed, pc);
	/* Lines of PCI are level-triggered: firmware has told the 8259 pair. */
	vpic_ops.write(&pc->pic, ELCR_HIGH, 1, VPCI_ISA_LINES >> 8);
	pc_virtio_init(pc->virtio, setup, &pc->pci, &pc->host);
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
	return vuart_input(&pc->com1, byte);
}

void pc_net_arrived(struct pc *pc)
{
	pc_virtio_net_arrived(pc->virtio, &pc->choice);
}

u64 pc_absent_accesses(const struct pc *pc)
{
	return pc->absent;
}
