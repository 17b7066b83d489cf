/* SPDX-License-Identifier: MIT */
/* Channels: who is in which, and doorbells between them. */
#include <bulkhead/channel.h>

#include <bulkhead/config.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/string.h>

struct channel_port {
	struct channel *channel;
	void (*arrived)(void *context);
	void *context;
	bool taken; /* this place: somebody is this peer */
	bool open;
	u32 pending; /* doorbells that rang; atomic */
};

/*
 * `lock` guards who is there, against those who ring meanwhile. The list and the rest are the
 * console's thread's.
 */
struct channel {
	struct channel *next;
	char name[CONFIG_NAME_BYTES];
	u64 physical, bytes;
	struct spinlock lock;
	struct channel_port ports[CHANNEL_PEERS]; /* by peer */
};

static struct channel *channels;

static struct channel *channel_find(const char *name)
{
	struct channel *channel = channels;

	while (channel && strcmp(channel->name, name) != 0)
		channel = channel->next;
	return channel;
}

static struct channel *channel_make(const char *name, u64 bytes)
{
	struct channel *channel = memory_take(MEMORY_OTHER, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->physical = memory_guest_alloc(memory_order(bytes));
	if (channel->physical == PAGE_NONE) {
		memory_give(MEMORY_OTHER, channel, sizeof(*channel));
		return NULL;
	}
	format_text(channel->name, sizeof(channel->name), "%s", name);
	channel->bytes = bytes;
	channel->next = channels;
	channels = channel;
	return channel;
}

static void channel_unmake(struct channel *channel)
{
	struct channel **at = &channels;

	while (*at != channel)
		at = &(*at)->next;
	*at = channel->next;
	memory_guest_free(channel->physical, memory_order(channel->bytes));
	memory_give(MEMORY_OTHER, channel, sizeof(*channel));
}

/* The first place that nobody has; NULL: there is none. */
static struct channel_port *place_find(struct channel *channel)
{
	for (u32 i = 0; i < CHANNEL_PEERS; i++)
		if (!channel->ports[i].taken)
			return &channel->ports[i];
	return NULL;
}

int channel_join(const struct channel_setup *setup, struct channel_port **port, bool *fresh)
{
	struct channel *channel = channel_find(setup->name);
	struct channel_port *place;

	*fresh = !channel;
	if (channel && channel->bytes != setup->bytes)
		return -EINVAL;
	if (!channel)
		channel = channel_make(setup->name, setup->bytes);
	if (!channel)
		return -ENOMEM;
	place = place_find(channel);
	if (!place)
		return -ENOSPC;
	spin_lock(&channel->lock);
	*place = (struct channel_port){
		.channel = channel,
		.arrived = setup->arrived,
		.context = setup->context,
		.taken = true,
	};
	spin_unlock(&channel->lock);
	*port = place;
	return 0;
}

void channel_leave(struct channel_port *port)
{
	struct channel *channel;
	bool empty = true;

	if (!port)
		return;
	channel = port->channel;
	spin_lock(&channel->lock);
	*port = (struct channel_port){.channel = NULL};
	spin_unlock(&channel->lock);
	for (u32 i = 0; i < CHANNEL_PEERS; i++)
		empty = empty && !channel->ports[i].taken;
	if (empty)
		channel_unmake(channel);
}

/* --- for devices --- */

static void port_open(void *context)
{
	struct channel_port *port = context;

	spin_lock(&port->channel->lock);
	__atomic_store_n(&port->pending, 0, __ATOMIC_RELAXED);
	port->open = true;
	spin_unlock(&port->channel->lock);
}

static u32 port_peer(void *context)
{
	struct channel_port *port = context;

	return (u32)(port - port->channel->ports);
}

/* Who has yet to look is not asked again: a peer that rings without end costs nothing by that. */
static void port_ring(void *context, u32 peer, u32 vector)
{
	struct channel *channel = ((struct channel_port *)context)->channel;
	struct channel_port *port;

	if (peer >= CHANNEL_PEERS || vector >= CHANNEL_VECTORS)
		return;
	port = &channel->ports[peer];
	spin_lock(&channel->lock);
	if (port->open && !__atomic_fetch_or(&port->pending, (u32)BIT(vector), __ATOMIC_ACQ_REL))
		port->arrived(port->context);
	spin_unlock(&channel->lock);
}

static u32 port_take(void *context)
{
	struct channel_port *port = context;

	return __atomic_exchange_n(&port->pending, 0, __ATOMIC_ACQ_REL);
}

const struct channel_port_ops channel_port_ops = {
	.open = port_open,
	.peer = port_peer,
	.ring = port_ring,
	.take = port_take,
};

/* --- for those who show them --- */

const char *channel_name(const struct channel_port *port)
{
	return port->channel->name;
}

u64 channel_physical(const struct channel_port *port)
{
	return port->channel->physical;
}

u64 channel_bytes(const struct channel_port *port)
{
	return port->channel->bytes;
}

bool channel_same(const struct channel_port *one, const struct channel_port *other)
{
	return one && other && one->channel == other->channel;
}
