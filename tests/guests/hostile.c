/* SPDX-License-Identifier: MIT */
/*
 * Throws 64 MiB of pseudo-random bytes, always the same, at every virtio device of the board: at
 * its BARs, its configuration space, its notification areas and, above all, at its queues, which it
 * puts inside of RAM, outside of it and across its end. Before, it drives each device as it should
 * be, so that what comes after a reset of the partition shows whether all is well again.
 *
 * What it says goes to the debug port, and so to the log: the console is one of its victims.
 *
 * Most of the bytes are rings. Some are left as they come; a device gives up on those at their
 * first descriptor. So others are shaped just enough to lead on: addresses inside of a part of RAM
 * that may be overwritten, small numbers, an index that has moved by a little.
 */
#include "pci.h"

#include <bulkhead/format.h>
#include <bulkhead/string.h>

#define DOSE	     (64 * MIB)
#define DOSE_LINE    (1 * MIB) /* it says how far it is */
#define DEBUG_PORT   0xe9
#define VICTIMS	     16
#define QUEUES	     8
#define DESCRIPTORS  128
#define PASSES	     8	 /* rings that a queue is given in a round */
#define WRITES	     128 /* of registers in a round */
#define CONFIG_BYTES 64	 /* of configuration space in a round */

/* The part of RAM that devices may write to: rings at its beginning, buffers in the rest. */
#define POOL	   (4 * MIB)
#define POOL_BYTES (8 * MIB)
#define RING_BYTES 0x2000UL
#define RING(q)	   (POOL + RING_BYTES * 2 * (q))
#define AVAILABLE  0x800UL /* in a ring's bytes */
#define USED	   0xa00UL
#define INDIRECT   0x1000UL
#define BUFFERS	   (POOL + MIB)

#define FLAG_NEXT     1
#define FLAG_WRITE    2
#define FLAG_INDIRECT 4

/* A message that resets the partition would end the run: of modes only NMI is left, and fixed. */
#define LOCAL_APICS  0xfee00000u
#define MESSAGE_DATA 8 /* in an entry of the MSI-X table */
#define MESSAGE_MODE 0x700u
#define MESSAGE_NMI  0x400u
#define VECTOR_NMI   2

#define ACCESS_TYPE    5 /* the capability that is a window to the BARs (4.1.4.9) */
#define CAP_VENDOR     0x09
#define CAP_MSIX       0x11
#define MSIX_ENABLE    0x8000
#define CAP_FIRST      0x34
#define ENTROPY_BYTES  32
#define TYPE_ENTROPY   4
#define MEMORY_4G      0x100000000UL
#define FEATURE_LAYERS 0xffffffffUL

struct descriptor {
	u64 address;
	u32 bytes;
	u16 flags, next;
};

struct victim {
	u32 slot, type;
	u64 memory; /* BAR 0 */
	u16 port;   /* BAR 1 */
	u16 queues;
	u32 access, msix; /* capabilities in its configuration space; 0: none */
	u64 offered;
	u16 size[QUEUES];  /* of each queue, as it was last asked for */
	u16 index[QUEUES]; /* what was last said to be available */
};

static struct victim victims[VICTIMS];
static u32 victim_count;
static u64 state = 0x9e3779b97f4a7c15, thrown, returned, nmis;

static void say(const char *format, ...)
{
	va_list arguments;
	char text[128];

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (const char *at = text; *at; at++)
		out8(DEBUG_PORT, (u8)*at);
	out8(DEBUG_PORT, '\n');
}

static u64 random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static u32 random_below(u32 limit)
{
	return (u32)((random() >> 32) * limit >> 32);
}

static bool one_in(u32 count)
{
	return !random_below(count);
}

static void random_fill(u64 address, u64 bytes)
{
	u64 *words = (u64 *)address;

	for (u64 i = 0; i < bytes / sizeof(*words); i++)
		words[i] = random();
	thrown += bytes;
}

/* --- as it should be --- */

static void common_write16(const struct victim *victim, u32 at, u16 value)
{
	write16(victim->memory + at, value);
}

static u8 status_read(const struct victim *victim)
{
	return read8(victim->memory + VIRTIO_STATUS);
}

static void status_write(const struct victim *victim, u8 status)
{
	write8(victim->memory + VIRTIO_STATUS, status);
}

static u64 offered_read(const struct victim *victim)
{
	u64 offered = 0;

	for (u32 half = 0; half < 2; half++) {
		write32(victim->memory + VIRTIO_OFFERED_SELECT, half);
		offered |= (u64)read32(victim->memory + VIRTIO_OFFERED) << (32 * half);
	}
	return offered;
}

static void accepted_write(const struct victim *victim, u64 features)
{
	for (u32 half = 0; half < 2; half++) {
		write32(victim->memory + VIRTIO_ACCEPTED_SELECT, half);
		write32(victim->memory + VIRTIO_ACCEPTED, (u32)(features >> (32 * half)));
	}
}

static void queue_place(const struct victim *victim, u16 queue, u64 descriptors, u64 available,
			u64 used)
{
	common_write16(victim, VIRTIO_QUEUE_SELECT, queue);
	write64(victim->memory + VIRTIO_QUEUE_DESCRIPTORS, descriptors);
	write64(victim->memory + VIRTIO_QUEUE_AVAILABLE, available);
	write64(victim->memory + VIRTIO_QUEUE_USED, used);
	common_write16(victim, VIRTIO_QUEUE_ENABLE, 1);
}

static bool victim_start(struct victim *victim)
{
	status_write(victim, 0);
	status_write(victim, STATUS_KNOWN);
	accepted_write(victim, victim->offered);
	status_write(victim, STATUS_FEATURES_OK);
	for (u16 queue = 0; queue < victim->queues; queue++) {
		memset((void *)RING(queue), 0, RING_BYTES);
		queue_place(victim, queue, RING(queue), RING(queue) + AVAILABLE,
			    RING(queue) + USED);
	}
	status_write(victim, STATUS_DRIVER_OK);
	return status_read(victim) == STATUS_DRIVER_OK;
}

/* Its first queue, one buffer: bytes that are not all zero. */
static bool entropy_comes(const struct victim *victim)
{
	struct descriptor *descriptor = (void *)RING(0);
	volatile u16 *available = (void *)(RING(0) + AVAILABLE), *used = (void *)(RING(0) + USED);
	u8 sum = 0;

	memset((void *)BUFFERS, 0, ENTROPY_BYTES);
	*descriptor = (struct descriptor){BUFFERS, ENTROPY_BYTES, 2, 0};
	available[1] = 1;
	out16(victim->port, 0);
	for (u32 i = 0; i < ENTROPY_BYTES; i++)
		sum |= *(volatile u8 *)(BUFFERS + i);
	return used[1] == 1 && sum;
}

static bool victim_well(struct victim *victim)
{
	bool well = victim_start(victim);

	if (victim->type == TYPE_ENTROPY)
		well = well && entropy_comes(victim);
	return well;
}

static void victim_break(const struct victim *victim)
{
	for (u16 queue = 0; queue < victim->queues; queue++) {
		volatile u16 *available = (void *)(RING(queue) + AVAILABLE);

		available[1] = 0x8000;
		out16(victim->port, queue);
	}
}

/* Each breaks alone: the others work while it does not, and then it can be mended. */
static u32 all_well(void)
{
	u32 wrong = 0;

	for (u32 i = 0; i < victim_count; i++) {
		struct victim *victim = &victims[i];

		wrong += !victim_well(victim);
		victim_break(victim);
		wrong += !(status_read(victim) & VIRTIO_NEEDS_RESET);
		for (u32 other = 0; other < victim_count; other++)
			if (other != i)
				wrong += !victim_well(&victims[other]);
		wrong += !(status_read(victim) & VIRTIO_NEEDS_RESET);
		wrong += !victim_well(victim);
	}
	return wrong;
}

/* --- as it should not be --- */

/* Where nothing may be: outside of RAM, at its end, or on devices. Never where this program is. */
static u64 address_bad(void)
{
	static const u64 edges[] = {0xa0000,	3 * GIB,    0xc0000000, PCI_CONFIG,
				    0xfec00000, 0xfee00000, MEMORY_4G,	~0UL - 0xfff};

	switch (random_below(4)) {
	case 0:
		return random() | BIT(40);
	case 1:
		return (u32)random() | BIT(31);
	case 2:
		return guest_memory_bytes - (random() & 0xffc);
	default:
		return edges[random_below(ARRAY_SIZE(edges))] + (random() & 0x1f8);
	}
}

static u64 address_any(u64 good)
{
	return one_in(64) ? address_bad() : good;
}

/* A table in which most chains are short, lead forward, and are read before they are written. */
static void descriptors_shape(u64 table, u32 count, bool indirect)
{
	struct descriptor *descriptor = (void *)table;
	u32 writable = random_below(count + 1);

	for (u32 i = 0; i < count; i++, descriptor++) {
		u64 choice = descriptor->address;

		descriptor->address = BUFFERS + (choice >> 8) % (POOL_BYTES - MIB - 0x10000);
		descriptor->bytes &= choice & 1 ? 0x3f : 0x7fff;
		descriptor->flags = (u16)((i >= writable ? FLAG_WRITE : 0) |
					  (choice & 6 && i + 1 < count ? FLAG_NEXT : 0));
		descriptor->next = (u16)(i + 1);
		if (!indirect && !(choice >> 60)) {
			descriptor->flags = FLAG_INDIRECT;
			descriptor->address = table + INDIRECT + (choice & 0x7f0);
			descriptor->bytes = (u32)(choice >> 32) & 0x7f0;
		}
		if (one_in(256))
			descriptor->address = address_bad();
		if (one_in(256))
			descriptor->flags = (u16)choice;
		if (one_in(256))
			descriptor->next = (u16)choice;
	}
}

static void ring_throw(struct victim *victim, u16 queue)
{
	u64 ring = RING(queue);
	volatile u16 *available = (void *)(ring + AVAILABLE);

	random_fill(ring, RING_BYTES);
	if (one_in(8))
		return;
	descriptors_shape(ring, victim->size[queue], false);
	descriptors_shape(ring + INDIRECT, DESCRIPTORS, true);
	if (!one_in(16))
		for (u32 i = 2; i < 2U + victim->size[queue]; i++)
			available[i] %= victim->size[queue];
	victim->index[queue] = (u16)(victim->index[queue] + 1 + random_below(4));
	available[1] = victim->index[queue];
}

static u16 used_index(u16 queue)
{
	return *(volatile u16 *)(RING(queue) + USED + 2);
}

static void notify(const struct victim *victim, u16 queue)
{
	u16 before = used_index(queue);
	u64 choice = random();

	if (choice & 7)
		out16(victim->port, queue);
	else if (choice & 8)
		write16(victim->memory + VIRTIO_NOTIFY, queue);
	else
		out32((u16)(victim->port + (choice >> 8 & 0xc)), (u32)(choice >> 32));
	thrown += sizeof(queue);
	if (used_index(queue) != before)
		returned++;
}

static void queues_place(struct victim *victim)
{
	common_write16(victim, VIRTIO_CONFIG_VECTOR, (u16)random_below(4));
	for (u16 queue = 0; queue < victim->queues; queue++) {
		common_write16(victim, VIRTIO_QUEUE_SELECT, queue);
		common_write16(victim, VIRTIO_QUEUE_VECTOR, (u16)random_below(9));
		victim->size[queue] =
			MIN(read16(victim->memory + VIRTIO_QUEUE_SIZE), (u16)DESCRIPTORS);
		if (one_in(4))
			victim->size[queue] = (u16)BIT(random_below(5));
		common_write16(victim, VIRTIO_QUEUE_SIZE,
			       one_in(32) ? (u16)random() : victim->size[queue]);
		/* Not those of the last time: the device looks as soon as it is driven. */
		victim->index[queue] = 0;
		write16(RING(queue) + AVAILABLE + 2, 0);
		queue_place(victim, queue, address_any(RING(queue)),
			    address_any(RING(queue) + AVAILABLE), address_any(RING(queue) + USED));
	}
}

/* Through all steps, most of the time; with features that it has, and others now and then. */
static void victim_wake(struct victim *victim)
{
	status_write(victim, 0);
	status_write(victim, STATUS_KNOWN);
	accepted_write(victim,
		       one_in(16) ? random() : (victim->offered & (random() | ~FEATURE_LAYERS)));
	status_write(victim, one_in(16) ? (u8)random() : STATUS_FEATURES_OK);
	queues_place(victim);
	status_write(victim, one_in(16) ? (u8)(random() | 1) : STATUS_DRIVER_OK);
	thrown += 4;
}

static void value_write(u64 address, u32 width, u64 value)
{
	switch (width) {
	case 0:
		write8(address, (u8)value);
		break;
	case 1:
		write16(address, (u16)value);
		break;
	case 2:
		write32(address, (u32)value);
		break;
	default:
		write64(address, value);
	}
	thrown += BIT(width);
}

static u32 message_spare(u32 data)
{
	return data & MESSAGE_MODE ? (data & ~MESSAGE_MODE) | MESSAGE_NMI : data;
}

/* An address that is a local APIC's more often than chance has it; an entry that is not masked. */
static void table_write(const struct victim *victim)
{
	u64 entry = victim->memory + VIRTIO_TABLE + 16 * (u64)random_below(16);

	u64 choice = random();
	u32 apic = LOCAL_APICS | (u32)(choice & 2 ? choice >> 32 & 0xff00c : 0);

	write32(entry, choice & 1 ? apic : (u32)(choice >> 32));
	write32(entry + 4, one_in(4) ? (u32)random() : 0);
	write32(entry + MESSAGE_DATA, message_spare((u32)random()));
	write32(entry + 12, one_in(2) ? (u32)random() : 0);
	thrown += 16;
}

static void register_throw(const struct victim *victim)
{
	u64 choice = random(), value = random();
	u32 width = choice & 3, offset = choice >> 8 & 0xfff;
	u32 area = random_below(VIRTIO_AREAS >> 12) << 12;

	if (area == VIRTIO_TABLE) {
		table_write(victim);
		return;
	}
	if (choice & 4)
		area = VIRTIO_COMMON;
	if (area == VIRTIO_COMMON && choice & 0x38)
		offset &= 0x3f;
	if (choice & 0x40)
		offset &= ~((1u << width) - 1);
	if (choice & 0x80)
		value &= 0xff;
	value_write(victim->memory + area + offset, width, value);
	if (choice & BIT(20))
		(void)read32(victim->memory + area + (offset & ~3u));
}

/* Any byte of the configuration space, and the window in it to the BARs. Then it is put back, so
 * that what follows finds the device. */
static void config_throw(const struct victim *victim)
{
	for (u32 i = 0; i < CONFIG_BYTES; i++) {
		u64 choice = random(), value = random();
		u32 width = (u32)(choice & 0xff) % 3, offset = choice >> 8 & 0xff;

		if (choice & BIT(20))
			offset |= choice >> 24 & 0xf00;
		value_write(pci_config(victim->slot, offset), width, value);
	}
	if (victim->access) {
		u64 access = pci_config(victim->slot, victim->access);

		write8(access + 4, random_below(3) & 1);
		write32(access + 8, (u32)random() & 0x3fff);
		write32(access + 12, 1u << random_below(3));
		write32(access + 16, (u32)random());
		thrown += 13;
	}
	write32(pci_config(victim->slot, PCI_BAR(0)), (u32)victim->memory);
	write32(pci_config(victim->slot, PCI_BAR(1)), victim->port);
	write16(pci_config(victim->slot, PCI_COMMAND), PCI_COMMAND_ON);
	if (victim->msix && !one_in(4))
		write16(pci_config(victim->slot, victim->msix + 2), MSIX_ENABLE);
}

static void victim_round(struct victim *victim)
{
	config_throw(victim);
	for (u32 i = 0; i < WRITES; i++)
		register_throw(victim);
	for (u32 pass = 0; pass < PASSES; pass++) {
		if (!pass || status_read(victim) & VIRTIO_NEEDS_RESET)
			victim_wake(victim);
		for (u16 queue = 0; queue < victim->queues; queue++) {
			ring_throw(victim, queue);
			notify(victim, queue);
		}
	}
}

/* --- finding them --- */

static void capabilities_find(struct victim *victim)
{
	u32 at = read8(pci_config(victim->slot, CAP_FIRST));

	for (u32 tries = 0; at && tries < 48; tries++) {
		u32 head = read32(pci_config(victim->slot, at));

		if ((u8)head == CAP_VENDOR && head >> 24 == ACCESS_TYPE)
			victim->access = at;
		if ((u8)head == CAP_MSIX)
			victim->msix = at;
		at = head >> 8 & 0xff;
	}
}

static void victims_find(void)
{
	for (u32 slot = 0; slot < PCI_DEVICES && victim_count < VICTIMS; slot++) {
		u32 id = read32(pci_config(slot, PCI_ID));
		struct victim *victim = &victims[victim_count];

		if ((u16)id != VIRTIO_VENDOR)
			continue;
		victim->slot = slot;
		victim->type = (id >> 16) - VIRTIO_DEVICE_BASE;
		victim->memory = read32(pci_config(slot, PCI_BAR(0))) & ~0xfu;
		victim->port = (u16)(read32(pci_config(slot, PCI_BAR(1))) & ~3u);
		victim->queues = MIN(read16(victim->memory + VIRTIO_QUEUES), (u16)QUEUES);
		victim->offered = offered_read(victim);
		capabilities_find(victim);
		victim_count++;
	}
}

/* Interrupts stay off; nothing masks an NMI. */
static void nmi_take(struct frame *frame)
{
	if (frame->vector == VECTOR_NMI) {
		nmis++;
		return;
	}
	say("hostile: exception %lu at 0x%lx", frame->vector, frame->rip);
	power_off();
}

void guest_main(void)
{
	u64 line = DOSE_LINE;
	u32 wrong;

	exception_handler = nmi_take;
	victims_find();
	wrong = all_well();
	if (wrong)
		say("hostile: %u devices, FAIL, %u times", victim_count, wrong);
	else
		say("hostile: %u devices, all well", victim_count);
	while (victim_count && thrown < DOSE) {
		for (u32 i = 0; i < victim_count; i++)
			victim_round(&victims[i]);
		if (thrown >= line) {
			say("hostile: %lu MiB thrown, %lu answers, %lu NMIs", thrown / MIB,
			    returned, nmis);
			line += DOSE_LINE;
		}
	}
	for (u32 i = 0; i < victim_count; i++) {
		victim_start(&victims[i]);
		victim_break(&victims[i]);
	}
	say("hostile: done");
	for (;;)
		__asm__ volatile("cli; hlt");
}
