/* SPDX-License-Identifier: MIT */
/*
 * The PC's 8254 interval timer and the port that goes with it (61h). Channel 0 drives interrupt
 * line 0, channel 1 is the memory refresh of old, channel 2 has the speaker and a gate.
 *
 * No host timer runs but for a rising edge of channel 0's output: falling edges start no interrupt,
 * so the line goes low only just before it rises again, or when the guest reprograms the channel.
 * Edges that the host was late for become one; the next is on the original grid.
 */
#pragma once

#include <bulkhead/device.h>

#define VPIT_HZ 1193182

struct vpit_channel {
	u8 mode;   /* 0 to 5 */
	u8 access; /* 1 low byte, 2 high byte, 3 low then high */
	bool bcd;
	bool gate;
	bool out;
	bool null_count; /* the counting element has not got the count register's value yet */
	bool programmed; /* a count was written since the control word */
	bool started;	 /* the counting element was loaded since the control word */
	bool counting;
	bool done; /* modes 0, 1, 4, 5: reached zero since it was loaded */
	bool load_pending;
	u64 load_at; /* PIT tick of the pending load */
	u64 since;   /* PIT tick for which `value` holds */
	u32 value;   /* counting element; a fresh 0 is kept as the modulus */
	u32 reload;  /* count register, 1 to the modulus */
	u32 loaded;  /* mode 3: the count that the present half-period was loaded from */
	bool write_high, read_high; /* which byte of two is next */
	u8 write_low;
	bool count_latched, status_latched;
	u16 latched_count;
	u8 latched_status;
};

struct vpit {
	struct device_host *host;
	struct vpit_channel channel[3];
	struct device_timer timer;
	u64 next_edge; /* PIT tick at which channel 0 rises next, ~0 for never */
	u64 last_edge; /* guest tick of the last one delivered */
	bool line;     /* interrupt line 0 as driven */
	u8 control;    /* bits 3:0 of port 61h */
};

/* The 8254 leaves its power-up state open: here all channels count freely and raise no interrupt.
 */
void vpit_init(struct vpit *pit, struct device_host *host);
void vpit_reset(struct vpit *pit);

/* Ports 40h to 43h and 61h. */
extern const struct device_ops vpit_ops;
