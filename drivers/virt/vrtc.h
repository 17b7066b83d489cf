/* SPDX-License-Identifier: MIT */
/*
 * The PC's MC146818 clock with 128 bytes of CMOS memory. Interrupt line 8.
 *
 * The time is not stored: it is counted from `epoch`, a tick at which a second began. Registers
 * hold it only while the guest has stopped the clock (SET, or the divider in reset). So no host
 * timer runs but for an interrupt that the guest enabled and has not been given yet.
 *
 * The registers of a running clock always show a valid date: what the guest writes into one of them
 * takes part as the nearest valid value. Stopped, they keep any value.
 */
#pragma once

#include <bulkhead/device.h>

#define VRTC_BYTES 128

struct vrtc {
	struct device_host *host;
	struct device_timer timer;
	u8 cmos[VRTC_BYTES]; /* time registers are current only while stopped */
	u8 index;
	bool nmi_masked; /* bit 7 of port 70h, stored only */
	u64 epoch; /* guest tick at which the divider chain was 0; may lie before tick 0 (wraps) */
	u64 epoch_second; /* what the clock showed then: seconds since 1 January of year 0 */
	u8 weekday_shift; /* day-of-week register against the calendar */
	u64 shown_until;  /* guest tick up to which the time registers hold the time; 0: they do not
			   */
	u64 checked;	  /* guest tick up to which register C's flags are known */
	bool line;
};

/*
 * `unix_time_s` is the time at guest tick 0 (UTC). The memory sizes are those of struct
 * guest_memory; the bytes that tell firmware of them are 15h to 18h, 30h, 31h, 34h, 35h and 5Bh to
 * 5Dh.
 */
void vrtc_init(struct vrtc *rtc, struct device_host *host, u64 unix_time_s, u64 low_bytes,
	       u64 high_bytes);
/* The RESET pin: interrupts are off; time and CMOS (the shutdown byte 0Fh with it) stay. */
void vrtc_reset(struct vrtc *rtc);

/* What another clock's battery kept: its CMOS memory (VRTC_BYTES) but for what vrtc_init says. */
void vrtc_restore(struct vrtc *rtc, const u8 *cmos);

bool vrtc_nmi_masked(const struct vrtc *rtc);

/* Ports 70h and 71h. */
extern const struct device_ops vrtc_ops;
