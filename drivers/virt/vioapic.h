/* SPDX-License-Identifier: MIT */
/*
 * An 82093AA I/O APIC with 24 inputs, and with the EOI register of its later relatives (version
 * 20h). Inputs are active as they are driven: the polarity bit is kept and has no effect.
 */
#pragma once

#include <bulkhead/device.h>

#define VIOAPIC_BASE  0xfec00000UL
#define VIOAPIC_BYTES 0x1000UL
#define VIOAPIC_PINS  24

/* Redirection table entry (82093AA 3.2.4). Bits 63:56 are the destination. */
#define VIOAPIC_VECTOR	   0xffUL
#define VIOAPIC_MODE	   (7UL << 8) /* delivery mode: 0 fixed, 1 lowest priority, 7 ExtINT... */
#define VIOAPIC_LOGICAL	   BIT(11)
#define VIOAPIC_ACTIVE_LOW BIT(13)
#define VIOAPIC_REMOTE_IRR BIT(14)
#define VIOAPIC_LEVEL	   BIT(15)
#define VIOAPIC_MASKED	   BIT(16)

struct vioapic {
	u8 id; /* bits 27:24 of register 0 */
	u8 index;
	u32 lines; /* inputs that are high */
	u64 entry[VIOAPIC_PINS];
	/* Send the interrupt that a redirection entry describes. May not call back. */
	void (*deliver)(void *context, u64 redirection_entry);
	void *context;
};

void vioapic_init(struct vioapic *ioapic, void (*deliver)(void *context, u64 redirection_entry),
		  void *context);
/* All inputs masked. Input levels stay what they are. */
void vioapic_reset(struct vioapic *ioapic);

/* Input `pin`, 0 to 23; others are ignored. */
void vioapic_irq_set(struct vioapic *ioapic, unsigned pin, bool level);

/* A local APIC ended the level-triggered interrupt `vector`: lines still asserted interrupt again.
 */
void vioapic_eoi(struct vioapic *ioapic, u8 vector);

/* Memory at VIOAPIC_BASE, or anywhere aligned to 4 KiB. */
extern const struct device_ops vioapic_ops;
