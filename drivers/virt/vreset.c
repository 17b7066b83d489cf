/* SPDX-License-Identifier: MIT */
/* Ports 92h and CF9h (82371SB, PIIX3). */

#include "vreset.h"

enum { PORT_92 = 0x92, PORT_CF9 = 0xcf9 };

#define PORT_92_RESET 0x01
#define PORT_92_A20   0x02

#define CF9_RESET    0x04
#define CF9_WRITABLE 0x0e /* full reset, reset CPU, system reset */

/* Take over what may be written; the reset comes when its bit rises. */
static void reset_write(struct vreset *reset, u8 *control, u8 value, u8 writable, u8 bit)
{
	bool asked = value & ~*control & bit;

	*control = value & writable;
	if (asked)
		reset->host->ops->event(reset->host, DEVICE_EVENT_RESET);
}

static u64 vreset_read(void *device, u64 address, unsigned bytes)
{
	const struct vreset *reset = device;

	(void)bytes;
	return address == PORT_92 ? reset->port_92 : reset->control;
}

static void vreset_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct vreset *reset = device;

	(void)bytes;
	if (address == PORT_92)
		reset_write(reset, &reset->port_92, (u8)value, PORT_92_RESET | PORT_92_A20,
			    PORT_92_RESET);
	else /* a soft reset (bit 1 clear) restarts firmware just as well */
		reset_write(reset, &reset->control, (u8)value, CF9_WRITABLE, CF9_RESET);
}

void vreset_reset(struct vreset *reset)
{
	reset->port_92 = PORT_92_A20;
	reset->control = 0;
}

void vreset_init(struct vreset *reset, struct device_host *host)
{
	*reset = (struct vreset){.host = host};
	vreset_reset(reset);
}

const struct device_ops vreset_ops = {
	.name = "reset",
	.read = vreset_read,
	.write = vreset_write,
	.widest_bytes = 1,
};
