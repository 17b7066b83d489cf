/* SPDX-License-Identifier: MIT */
/*
 * Ports for whoever debugs firmware or a kernel: the POST code at 80h, text at 402h and E9h, and
 * EDh, which only takes time. Text is reported line by line.
 */
#pragma once

#include <bulkhead/device.h>

#define VDEBUG_LINE_BYTES 120

struct vdebug_line {
	char text[VDEBUG_LINE_BYTES + 1];
	u8 count;
};

struct vdebug {
	struct device_host *host;
	u8 post;		    /* port 80h */
	struct vdebug_line line[2]; /* of port 402h, of port E9h */
};

void vdebug_init(struct vdebug *debug, struct device_host *host);
void vdebug_reset(struct vdebug *debug);

/* Ports 80h, E9h, EDh and 402h. */
extern const struct device_ops vdebug_ops;
