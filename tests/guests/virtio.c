/* SPDX-License-Identifier: MIT */
/* A driver of virtio devices. Section numbers are those of virtio 1.2. */
#include "virtio.h"

#include "pci.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  BIT(31)

#define PCI_CAPABILITIES 0x34
#define COMMAND_ALL	 0x407 /* ports, memory, bus master; no pin */
#define BAR_PORTS	 1
#define BAR_MEMORY_FLAGS 0xfu
#define BAR_PORT_FLAGS	 0x3u

#define CAPABILITY_MSIX	  0x11
#define CAPABILITY_VIRTIO 0x09
#define MSIX_ENABLE	  BIT(31) /* of the doubleword with the capability's id */
#define MSIX_TABLE	  4
#define MSIX_BAR	  7u
#define MSIX_ENTRY	  16
#define MESSAGE_ADDRESS	  0xfee00000u

/* 4.1.4: which structure a capability describes, and where it says so. */
enum { STRUCTURE_COMMON = 1, STRUCTURE_NOTIFY };
#define STRUCTURE_BAR	 4
#define STRUCTURE_OFFSET 8

static u32 pci_read(u8 slot, u32 offset)
{
	out32(PCI_ADDRESS, (u32)(PCI_ENABLE | (u32)slot << 11 | offset));
	return in32(PCI_DATA);
}

static void pci_write(u8 slot, u32 offset, u32 value)
{
	out32(PCI_ADDRESS, (u32)(PCI_ENABLE | (u32)slot << 11 | offset));
	out32(PCI_DATA, value);
}

static u32 bar_of(u8 slot, u32 number)
{
	u32 bar = pci_read(slot, PCI_BAR(number));

	return bar & BAR_PORTS ? bar & ~BAR_PORT_FLAGS : bar & ~BAR_MEMORY_FLAGS;
}

static bool slot_find(struct virtio_function *function, enum virtio_id id)
{
	u32 wanted = (VIRTIO_DEVICE_BASE + (u32)id) << 16 | VIRTIO_VENDOR;

	for (function->slot = 0; function->slot < PCI_DEVICES; function->slot++)
		if (pci_read(function->slot, PCI_ID) == wanted)
			return true;
	return false;
}

static void msix_open(struct virtio_function *function, u32 at)
{
	u32 table = pci_read(function->slot, at + MSIX_TABLE);

	function->msix = (volatile u8 *)(u64)(bar_of(function->slot, table & MSIX_BAR) +
					      (table & ~MSIX_BAR));
	pci_write(function->slot, at, (u32)(pci_read(function->slot, at) | MSIX_ENABLE));
}

/* Of the structures of a kind the first one is preferred (4.1.4). */
static void structure_open(struct virtio_function *function, u32 at)
{
	u32 kind = pci_read(function->slot, at) >> 24;
	u32 bar = pci_read(function->slot, at + STRUCTURE_BAR) & 0xff;
	u32 address = bar_of(function->slot, bar) + pci_read(function->slot, at + STRUCTURE_OFFSET);

	if (kind == STRUCTURE_COMMON && !function->common)
		function->common = address;
	if (kind == STRUCTURE_NOTIFY && !function->port)
		function->port = (u16)address;
}

static void capabilities_read(struct virtio_function *function)
{
	u32 at = pci_read(function->slot, PCI_CAPABILITIES) & 0xff;

	while (at) {
		u32 head = pci_read(function->slot, at);

		if ((head & 0xff) == CAPABILITY_MSIX)
			msix_open(function, at);
		else if ((head & 0xff) == CAPABILITY_VIRTIO)
			structure_open(function, at);
		at = head >> 8 & 0xff;
	}
}

/* In halves, as 4.1.3.1 wants it. */
static void address_write(const struct virtio_function *function, u32 offset, u64 address)
{
	write32(function->common + offset, (u32)address);
	write32(function->common + offset + 4, (u32)(address >> 32));
}

static void features_accept(const struct virtio_function *function, u64 features)
{
	for (u32 half = 0; half < 2; half++) {
		write32(function->common + VIRTIO_ACCEPTED_SELECT, half);
		write32(function->common + VIRTIO_ACCEPTED, (u32)(features >> 32 * half));
	}
}

bool virtio_open(struct virtio_function *function, enum virtio_id id, u64 features)
{
	*function = (struct virtio_function){0};
	if (!slot_find(function, id))
		return false;
	pci_write(function->slot, PCI_COMMAND, COMMAND_ALL);
	capabilities_read(function);
	if (!function->common || !function->msix || !function->port)
		return false;
	apic_setup();
	write8(function->common + VIRTIO_STATUS, 0);
	write8(function->common + VIRTIO_STATUS, STATUS_KNOWN);
	features_accept(function, features | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	write8(function->common + VIRTIO_STATUS, STATUS_FEATURES_OK);
	return read8(function->common + VIRTIO_STATUS) & VIRTIO_FEATURES_OK;
}

static void interrupt(struct frame *frame unused)
{
	apic_eoi();
}

/* Entry `number` of the MSI-X table (PCI 3.0, 6.8.2): to the first CPU. */
static void message_set(const struct virtio_function *function, u16 number, u8 vector)
{
	volatile u32 *entry =
		(volatile u32 *)(volatile void *)(function->msix + MSIX_ENTRY * number);

	handler_set(vector, interrupt);
	entry[0] = MESSAGE_ADDRESS;
	entry[1] = 0;
	entry[2] = vector;
	entry[3] = 0; /* not masked */
}

void virtio_ring_open(const struct virtio_function *function, struct virtio_ring *ring, u16 number,
		      u8 vector)
{
	ring->number = number;
	ring->port = function->port;
	write16(function->common + VIRTIO_QUEUE_SELECT, number);
	write16(function->common + VIRTIO_QUEUE_SIZE, VIRTIO_RING);
	address_write(function, VIRTIO_QUEUE_DESCRIPTORS, (u64)ring->descriptor);
	address_write(function, VIRTIO_QUEUE_AVAILABLE, (u64)&ring->available);
	address_write(function, VIRTIO_QUEUE_USED, (u64)&ring->used);
	if (vector) {
		message_set(function, number, vector);
		write16(function->common + VIRTIO_QUEUE_VECTOR, number);
	}
	write16(function->common + VIRTIO_QUEUE_ENABLE, 1);
}

void virtio_start(const struct virtio_function *function)
{
	write8(function->common + VIRTIO_STATUS, STATUS_DRIVER_OK);
}

void virtio_offer(struct virtio_ring *ring, u16 head)
{
	u16 index = ring->available.index;

	ring->available.head[index % VIRTIO_RING] = head;
	__atomic_store_n(&ring->available.index, (u16)(index + 1), __ATOMIC_RELEASE);
}

/* 2.7.10: if what was offered since the last time passes the device's event index. */
void virtio_notify(struct virtio_ring *ring)
{
	u16 before = ring->told, now = ring->available.index;
	u16 event;

	ring->told = now;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = *(volatile u16 *)&ring->used.available_event;
	if ((u16)(now - event - 1) < (u16)(now - before))
		out16(ring->port, ring->number);
}

/* An interrupt is wanted for the next one, too. */
u16 virtio_take(struct virtio_ring *ring)
{
	u16 head;

	if (__atomic_load_n(&ring->used.index, __ATOMIC_ACQUIRE) == ring->taken)
		return VIRTIO_NONE;
	head = (u16)ring->used.entry[ring->taken % VIRTIO_RING].head;
	ring->taken++;
	*(volatile u16 *)&ring->available.used_event = ring->taken;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return head;
}

u16 virtio_wait(struct virtio_ring *ring)
{
	u16 head = virtio_take(ring);

	while (head == VIRTIO_NONE) {
		interrupts_off();
		if (*(volatile u16 *)&ring->used.index == ring->taken)
			wait_interrupt();
		interrupts_on();
		head = virtio_take(ring);
	}
	return head;
}
