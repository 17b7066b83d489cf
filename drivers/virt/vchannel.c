/* SPDX-License-Identifier: MIT */
/* QEMU, docs/specs/ivshmem-spec: registers, and the PCI identity by which systems know it. */
#include "vchannel.h"

#include <bulkhead/string.h>

#define VENDOR	     0x1af4
#define DEVICE	     0x1110
#define REVISION     1	      /* interrupts by MSI-X alone */
#define CLASS_MEMORY 0x050000 /* RAM */

enum { BAR_REGISTERS, BAR_TABLE, BAR_MEMORY };
#define REGISTER_BYTES 256
#define TABLE_BYTES    PAGE_SIZE
#define PENDING_OFFSET 0x800
#define PREFETCHABLE   0x08

enum channel_register { IV_POSITION = 8, DOORBELL = 12 };
#define DOORBELL_PEER_SHIFT 16
#define DOORBELL_VECTOR	    0xffffU

static struct vchannel *channel_of(struct vpci_function *function)
{
	return container_of(function, struct vchannel, function);
}

static u64 memory_read(const struct vchannel *channel, u32 offset, unsigned bytes)
{
	u64 value = 0;

	memcpy(&value, channel->memory + offset, bytes);
	return value;
}

/* Registers take 4 bytes. The two for interrupts without MSI-X mean nothing in this revision. */
static u64 bar_read(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes)
{
	struct vchannel *channel = channel_of(function);

	if (bar == BAR_MEMORY)
		return memory_read(channel, offset, bytes);
	if (bar == BAR_REGISTERS && offset == IV_POSITION && bytes == 4)
		return channel->ops->peer(channel->port);
	return 0;
}

static void bar_write(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes,
		      u64 value)
{
	struct vchannel *channel = channel_of(function);

	if (bar == BAR_MEMORY)
		memcpy(channel->memory + offset, &value, bytes);
	else if (bar == BAR_REGISTERS && offset == DOORBELL && bytes == 4)
		channel->ops->ring(channel->port, (u32)value >> DOORBELL_PEER_SHIFT,
				   (u32)value & DOORBELL_VECTOR);
}

static const struct vpci_function_ops function_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
};

static void deliver(void *context)
{
	struct vchannel *channel = context;
	u32 rang = channel->ops->take(channel->port);

	for (u16 vector = 0; vector < CHANNEL_VECTORS; vector++)
		if (rang & BIT(vector))
			vpci_msix_send(&channel->function, vector);
	channel->next = device_now(channel->host) +
			mul_div(VCHANNEL_GAP_US, channel->host->tsc_hz, 1000000);
}

void vchannel_arrived(struct vchannel *channel)
{
	if (device_now(channel->host) >= channel->next)
		deliver(channel);
	else
		device_timer_set(channel->host, &channel->later, channel->next);
}

void vchannel_init(struct vchannel *channel, struct device_host *host,
		   const struct channel_port_ops *ops, void *port, u8 *memory, u32 bytes)
{
	static const struct vpci_identity identity = {
		.vendor = VENDOR,
		.device = DEVICE,
		.subsystem_vendor = VENDOR,
		.subsystem = DEVICE,
		.class_code = CLASS_MEMORY,
		.revision = REVISION,
	};

	*channel = (struct vchannel){
		.host = host,
		.ops = ops,
		.port = port,
		.memory = memory,
		.later = {.deadline = DEVICE_TIMER_OFF, .fire = deliver, .context = channel},
	};
	vpci_function_init(&channel->function, &identity, &function_ops);
	vpci_bar_add(&channel->function, BAR_REGISTERS, false, REGISTER_BYTES);
	vpci_bar_add(&channel->function, BAR_TABLE, false, TABLE_BYTES);
	vpci_bar_add(&channel->function, BAR_MEMORY, false, bytes);
	vpci_config_set(&channel->function, VPCI_BAR + 4 * BAR_MEMORY, 4, PREFETCHABLE);
	vpci_msix_add(&channel->function, CHANNEL_VECTORS, BAR_TABLE, 0, PENDING_OFFSET);
	ops->open(port);
}

void vchannel_place(struct vchannel *channel)
{
	vpci_config_write(&channel->function, VPCI_BAR + 4 * BAR_MEMORY, 4, CHANNEL_GPA);
}
