/* SPDX-License-Identifier: MIT */
/* QEMU, docs/specs/pvpanic: a read tells which events are understood, a write reports them. */

#include "vpanic.h"

#define PANICKED 0x01
#define LOADED	 0x02 /* it panicked, and what it loaded for that case takes over */

static u64 vpanic_read(void *device, u64 address, unsigned bytes)
{
	(void)device;
	(void)address;
	(void)bytes;
	return PANICKED | LOADED;
}

static void vpanic_write(void *device, u64 address, unsigned bytes, u64 value)
{
	struct device_host *host = ((struct vpanic *)device)->host;

	(void)address;
	(void)bytes;
	if (value & PANICKED)
		host->ops->event(host, DEVICE_EVENT_PANIC);
	else if (value & LOADED)
		host->ops->report(host, "the guest panicked and goes on with its crash kernel");
}

void vpanic_init(struct vpanic *panic, struct device_host *host)
{
	*panic = (struct vpanic){.host = host};
}

const struct device_ops vpanic_ops = {
	.name = "pvpanic",
	.read = vpanic_read,
	.write = vpanic_write,
	.widest_bytes = 1,
};
