/* SPDX-License-Identifier: MIT */
/*
 * Virtual devices and the world as they see it.
 *
 * A virtual device is a plain structure and functions on it. It knows neither partitions nor the
 * hypervisor's memory: all that it needs from outside it asks of its struct device_host. That makes
 * every device a program that a unit test can drive with a clock of its own.
 *
 * Locking: the partition's device lock is held around every call into a device (accesses, timers,
 * interrupt lines, input), so devices take no locks and may call each other through the host. The
 * partition's address space is the current one then: a device that was given its struct
 * guest_memory may use it.
 *
 * Time: all times are in ticks of the guest's time-stamp counter, which starts near 0, stands still
 * while the partition is paused and never goes backwards; there are device_host.tsc_hz ticks a
 * second.
 */
#pragma once

#include <bulkhead/types.h>

#define DEVICE_TIMER_OFF (~0UL)

/*
 * One pending moment. Owned by the device that contains it; `deadline` is written by the host's
 * timer_set only. Fires once per arming, at or (slightly) after its deadline, and is off (deadline
 * == DEVICE_TIMER_OFF) when `fire` is called, which may arm it again.
 */
struct device_timer {
	u64 deadline;
	void (*fire)(void *context);
	void *context;
	struct device_timer *next; /* the host's */
};

enum device_event {
	DEVICE_EVENT_POWER_OFF, /* ACPI S5 */
	DEVICE_EVENT_RESET,	/* whole-machine reset, however the guest asked for it */
	DEVICE_EVENT_SLEEP,	/* a sleep state that is not offered; the device logs which */
	DEVICE_EVENT_OVERRIDE,	/* it did not power off though its button was pressed */
	DEVICE_EVENT_PANIC,	/* the guest says that it cannot go on */
};

struct device_host;

struct device_host_ops {
	/* Arm `timer` for `deadline`, or put it off with DEVICE_TIMER_OFF. A past deadline fires at
	 * once but never from inside this call. */
	void (*timer_set)(struct device_host *host, struct device_timer *timer, u64 deadline);

	/*
	 * Drive interrupt line `irq` (ISA numbering, 0 to 15; lines 16 to 23 are the I/O APIC's
	 * other inputs) high or low. The wiring to the 8259 pair and the I/O APIC is the board's.
	 */
	void (*irq_set)(struct device_host *host, unsigned irq, bool level);

	/*
	 * Send an interrupt message: what a function on the PCI bus does by writing `data` to
	 * `address` (SDM vol. 3, 11.11). A write to where no local APIC is does nothing.
	 */
	void (*message)(struct device_host *host, u64 address, u32 data);

	/* Random bytes that nobody can tell in advance. */
	void (*entropy)(struct device_host *host, void *bytes, u64 count);

	/* The guest asked for something that concerns its whole machine. Takes effect after the
	 * access that caused it has completed. */
	void (*event)(struct device_host *host, enum device_event event);

	/* The guest's console printed `byte`. Never blocks. */
	void (*console_output)(struct device_host *host, u8 byte);

	/* Something odd that an operator may want to know (a guest used what is not there). Of what
	 * is said too often some is left out. */
	void (*report)(struct device_host *host, const char *text);
};

struct device_host {
	const struct device_host_ops *ops;
	u64 tsc_hz;
	u64 (*now)(void *clock); /* guest tick */
	void *clock;
};

/* How the bus calls a device. `address` is the port number or the guest-physical address itself.
 * What a value has beyond `bytes` means nothing, in both directions. */
struct device_ops {
	const char *name;
	/* Reading absent bytes gives all ones, as an undriven bus does. */
	u64 (*read)(void *device, u64 address, unsigned bytes);
	void (*write)(void *device, u64 address, unsigned bytes, u64 value);
	unsigned widest_bytes; /* of ports: wider accesses are split, the lowest port first */
	bool works; /* a write may have it do a lot: of a string one is taken at a time */
};

static inline u64 device_now(struct device_host *host)
{
	return host->now(host->clock);
}

static inline void device_timer_set(struct device_host *host, struct device_timer *timer,
				    u64 deadline)
{
	host->ops->timer_set(host, timer, deadline);
}

static inline void device_irq_set(struct device_host *host, unsigned irq, bool level)
{
	host->ops->irq_set(host, irq, level);
}
