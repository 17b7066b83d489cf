/* SPDX-License-Identifier: MIT */
/*
 * The ways in which a PC is reset, and what lives with them: port 92h, the reset control register
 * CF9h, the 8042 keyboard controller with no keyboard plugged in, and the ports that only swallow
 * writes (80h, EDh).
 *
 * The A20 gate is only remembered: guest memory is never wrapped at 1 MiB.
 */
#pragma once

#include <bulkhead/device.h>

struct vreset {
	struct device_host *host;
	bool a20;
	u8 port_92; /* bit 0 as written */
	u8 control; /* CF9h */
	u8 post;    /* port 80h */
	u8 ram[32]; /* of the 8042; byte 0 is its command byte */
	u8 status;  /* port 64h */
	u8 output;  /* port 60h */
	u8 command; /* whose data byte is awaited on port 60h; 0: the keyboard gets it */
	bool line;  /* interrupt line 1 */
};

void vreset_init(struct vreset *reset, struct device_host *host);
void vreset_reset(struct vreset *reset);

/* Ports 60h, 64h, 80h, 92h, EDh, CF9h. */
extern const struct device_ops vreset_ops;
