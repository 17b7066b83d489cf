/* SPDX-License-Identifier: MIT */
/*
 * The chipset's ways to reset a PC: port 92h and the reset control register CF9h. The keyboard
 * controller has two more (vi8042.h).
 *
 * The A20 gate of port 92h is only remembered: guest memory is never wrapped at 1 MiB.
 */
#pragma once

#include <bulkhead/device.h>

struct vreset {
	struct device_host *host;
	u8 port_92; /* A20 and fast reset as written */
	u8 control; /* CF9h */
};

void vreset_init(struct vreset *reset, struct device_host *host);
/* As firmware hands the machine over: A20 on. */
void vreset_reset(struct vreset *reset);

/* Ports 92h and CF9h. */
extern const struct device_ops vreset_ops;
