/* SPDX-License-Identifier: MIT */
/*
 * The 8042 keyboard controller with a PS/2 keyboard plugged in and no mouse port. The keyboard
 * answers every command as one with 101 keys does; nobody presses a key on it. Interrupt line 1.
 *
 * The A20 gate is only remembered: guest memory is never wrapped at 1 MiB.
 */
#pragma once

#include <bulkhead/device.h>

struct vkeyboard {
	u8 set;	     /* scan code set 1 to 3 */
	u8 command;  /* whose parameter comes next; 0: none */
	u8 last;     /* sent last, for "resend" */
	u8 queue[4]; /* to be sent: the longest answer has 3 bytes */
	u8 first, count;
};

struct vi8042 {
	struct device_host *host;
	struct vkeyboard keyboard;
	bool a20;
	u8 ram[32]; /* byte 0 is the command byte */
	u8 status;  /* port 64h */
	u8 output;  /* port 60h */
	u8 command; /* whose data byte is awaited on port 60h; 0: the keyboard gets it */
	bool line;  /* interrupt line 1 */
};

void vi8042_init(struct vi8042 *kbc, struct device_host *host);
/* As firmware hands the machine over: A20 on, self-test passed, keyboard interrupt on. */
void vi8042_reset(struct vi8042 *kbc);

/* Ports 60h and 64h. */
extern const struct device_ops vi8042_ops;
