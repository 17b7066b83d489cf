/* SPDX-License-Identifier: MIT */
/*
 * The PC's pair of 8259A interrupt controllers with the edge/level registers of PCI chipsets.
 *
 * As the datasheet has it, a request lasts only as long as its line: an edge-triggered line that
 * falls before it was acknowledged has asked for nothing. A controller that was not initialised yet
 * (ICW1 to ICW4) interrupts nobody.
 */
#pragma once

#include <bulkhead/device.h>

struct vpic_chip {
	u8 lines;   /* inputs that are high now */
	u8 latches; /* inputs that rose and were not acknowledged since */
	u8 level;   /* ELCR: inputs that are level-triggered */
	u8 in_service;
	u8 mask;
	u8 base;    /* vector of input 0 */
	u8 lowest;  /* input with the lowest priority; the one after it has the highest */
	u8 cascade; /* the input that another chip drives, as a bit */
	u8 icw;	    /* the next ICW that the odd port takes, 0 for none */
	bool icw4_follows;
	bool ready; /* ICW1 to ICW4 are complete */
	bool single;
	bool auto_eoi;
	bool rotate_auto;
	bool special_mask;
	bool special_nested;
	bool read_in_service;
	bool poll; /* the next read is a poll */
};

struct vpic {
	struct vpic_chip chip[2]; /* master, slave */
	bool intr;
	void (*output_changed)(void *context, bool level);
	void *context;
};

/* `output_changed` is called with the new level each time that INTR changes; it may not be NULL. */
void vpic_init(struct vpic *pic, void (*output_changed)(void *context, bool level), void *context);
/* Back to how power-up leaves it. Input levels stay what they are. */
void vpic_reset(struct vpic *pic);

/* Input `irq`, 0 to 15. Input 2 is the cascade and is not anyone's to drive: ignored. */
void vpic_irq_set(struct vpic *pic, unsigned irq, bool level);

/* The CPU acknowledges: the vector to take. With no request left that is the spurious one, input 7.
 */
u8 vpic_acknowledge(struct vpic *pic);

/* Ports 20h, 21h, A0h, A1h, 4D0h, 4D1h. */
extern const struct device_ops vpic_ops;
