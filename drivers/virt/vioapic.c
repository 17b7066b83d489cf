/* SPDX-License-Identifier: MIT */
/* 82093AA (Intel 290566) with the EOI register of the 82801 (ICH) I/O APIC. */

#include "vioapic.h"

enum { SELECT = 0x00, WINDOW = 0x10, EOI = 0x40 };
enum { REG_ID, REG_VERSION, REG_ARBITRATION, REG_TABLE = 0x10 };

#define VERSION ((VIOAPIC_PINS - 1) << 16 | 0x20)

#define ENTRY_READ_ONLY (VIOAPIC_REMOTE_IRR | BIT(12)) /* bit 12: delivery status, always idle */
#define ENTRY_WRITABLE	(BITS(63, 56) | (BITS(16, 0) & ~ENTRY_READ_ONLY))

/* 82093AA 3.2.4: remote IRR has meaning for level-triggered fixed and lowest-priority delivery;
 * the other delivery modes (SMI, NMI, INIT, ExtINT) are edges whatever the trigger bit says. */
static bool entry_level(u64 entry)
{
	return (entry & VIOAPIC_LEVEL) && (entry & VIOAPIC_MODE) <= (1UL << 8);
}

static void ioapic_deliver(struct vioapic *ioapic, unsigned pin)
{
	u64 *entry = &ioapic->entry[pin];

	if (entry_level(*entry))
		*entry |= VIOAPIC_REMOTE_IRR;
	ioapic->deliver(ioapic->context, *entry);
}

/* Deliver a level-triggered input that is asserted and neither masked nor delivered already. */
static void ioapic_check_level(struct vioapic *ioapic, unsigned pin)
{
	u64 entry = ioapic->entry[pin];

	if (entry_level(entry) && (ioapic->lines & BIT(pin)) &&
	    !(entry & (VIOAPIC_MASKED | VIOAPIC_REMOTE_IRR)))
		ioapic_deliver(ioapic, pin);
}

void vioapic_irq_set(struct vioapic *ioapic, unsigned pin, bool level)
{
	u32 bit;
	bool rises;

	if (pin >= VIOAPIC_PINS)
		return;
	bit = (u32)BIT(pin);
	rises = level && !(ioapic->lines & bit);
	ioapic->lines = level ? ioapic->lines | bit : ioapic->lines & ~bit;
	if (entry_level(ioapic->entry[pin]))
		ioapic_check_level(ioapic, pin);
	else if (rises && !(ioapic->entry[pin] & VIOAPIC_MASKED))
		ioapic_deliver(ioapic, pin); /* an edge that comes while masked is lost (3.2.4) */
}

void vioapic_eoi(struct vioapic *ioapic, u8 vector)
{
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		u64 *entry = &ioapic->entry[pin];

		if (!(*entry & VIOAPIC_REMOTE_IRR) || (*entry & VIOAPIC_VECTOR) != vector)
			continue;
		*entry &= ~VIOAPIC_REMOTE_IRR;
		ioapic_check_level(ioapic, pin);
	}
}

static u32 ioapic_register(const struct vioapic *ioapic)
{
	unsigned index = ioapic->index;
	u64 entry;

	if (index == REG_ID || index == REG_ARBITRATION)
		return (u32)ioapic->id << 24;
	if (index == REG_VERSION)
		return VERSION;
	if (index < REG_TABLE || index >= REG_TABLE + 2 * VIOAPIC_PINS)
		return 0;
	entry = ioapic->entry[(index - REG_TABLE) / 2];
	return (u32)(index & 1 ? entry >> 32 : entry);
}

static void ioapic_write_entry(struct vioapic *ioapic, unsigned pin, bool high, u32 value)
{
	u64 *entry = &ioapic->entry[pin];
	u64 mask = ENTRY_WRITABLE & (high ? BITS(63, 32) : BITS(31, 0));

	*entry = (*entry & ~mask) | ((high ? (u64)value << 32 : value) & mask);
	if (!entry_level(*entry))
		*entry &= ~VIOAPIC_REMOTE_IRR;
	ioapic_check_level(ioapic, pin);
}

static void ioapic_write_register(struct vioapic *ioapic, u32 value)
{
	unsigned index = ioapic->index;

	if (index == REG_ID)
		ioapic->id = value >> 24 & 0xf;
	else if (index >= REG_TABLE && index < REG_TABLE + 2 * VIOAPIC_PINS)
		ioapic_write_entry(ioapic, (index - REG_TABLE) / 2, index & 1, value);
}

/* One of the three 32-bit registers, or what is read where there is none. */
static u64 ioapic_read_slot(const struct vioapic *ioapic, unsigned offset)
{
	switch (offset) {
	case SELECT:
		return BITS(63, 32) | ioapic->index;
	case WINDOW:
		return BITS(63, 32) | ioapic_register(ioapic);
	case EOI:
		return BITS(63, 32); /* write-only */
	default:
		return ~0UL;
	}
}

/* A register's four bytes can be read in any way; what lies around them is absent. */
static u64 vioapic_read(void *device, u64 address, unsigned bytes)
{
	const struct vioapic *ioapic = device;
	unsigned offset = address & 0xfff;
	unsigned skip = 8 * (offset & 15);

	(void)bytes;
	if (likely(!skip))
		return ioapic_read_slot(ioapic, offset);
	if (skip >= 32)
		return ~0UL;
	return ioapic_read_slot(ioapic, offset & ~15u) >> skip | ~0UL << (64 - skip);
}

/* SELECT and EOI are bytes; the window takes only what sets the register whole (3.1.2). */
static void vioapic_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vioapic *ioapic = device;
	unsigned offset = address & 0xfff;

	if (offset == SELECT)
		ioapic->index = (u8)value;
	else if (offset == WINDOW && bytes >= 4)
		ioapic_write_register(ioapic, (u32)value);
	else if (offset == EOI)
		vioapic_eoi(ioapic, (u8)value);
}

void vioapic_reset(struct vioapic *ioapic)
{
	ioapic->id = 0;
	ioapic->index = 0;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++)
		ioapic->entry[pin] = VIOAPIC_MASKED;
}

void vioapic_init(struct vioapic *ioapic, void (*deliver)(void *context, u64 redirection_entry),
		  void *context)
{
	*ioapic = (struct vioapic){.deliver = deliver, .context = context};
	vioapic_reset(ioapic);
}

const struct device_ops vioapic_ops = {
	.name = "82093AA",
	.read = vioapic_read,
	.write = vioapic_write,
	.widest_bytes = 4,
};
