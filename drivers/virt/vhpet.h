/* SPDX-License-Identifier: MIT */
/*
 * A high precision event timer (IA-PC HPET 1.0a): a 64-bit counter at 100 MHz and three timers,
 * each one-shot or periodic, with 64 bits or 32. Their interrupts go to inputs 20 to 23 of the I/O
 * APIC or, with legacy replacement, to where those of 8254 and RTC go. There are no interrupt
 * messages (FSB).
 *
 * No host timer runs but for an interrupt that the guest enabled. Matches that the host was late
 * for become one; the next is on the original grid.
 */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/load.h>

#define VHPET_BASE   ACPI_HPET_BASE
#define VHPET_BYTES  0x400UL
#define VHPET_HZ     100000000
#define VHPET_TIMERS 3

struct vhpet_timer {
	u64 config; /* the writable bits */
	u64 comparator;
	u64 period;  /* what a periodic one adds to the comparator at each match */
	u64 checked; /* counter value up to which matches are known */
	bool high;   /* it asserts its line */
};

struct vhpet {
	struct device_host *host;
	void (*irq_set)(void *context, unsigned irq, bool level);
	void (*legacy_set)(void *context, bool on);
	void *context;
	u64 config; /* enable, legacy replacement */
	u32 status; /* timers whose level-triggered interrupt stands */
	u64 base;   /* counter at `epoch`, and as long as it stands still */
	u64 epoch;  /* guest tick */
	u32 lines;  /* as driven */
	struct vhpet_timer timer[VHPET_TIMERS];
	struct device_timer alarm;
};

/*
 * `irq_set` drives lines as device_irq_set does; it is a wiring of its own, since with legacy
 * replacement lines 0 and 8 are those of timers 0 and 1 and not those of 8254 and RTC: `legacy_set`
 * tells when that changes.
 */
void vhpet_init(struct vhpet *hpet, struct device_host *host,
		void (*irq_set)(void *context, unsigned irq, bool level),
		void (*legacy_set)(void *context, bool on), void *context);
void vhpet_reset(struct vhpet *hpet);

/* Memory at VHPET_BASE. */
extern const struct device_ops vhpet_ops;
