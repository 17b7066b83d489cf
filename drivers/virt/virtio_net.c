/* SPDX-License-Identifier: MIT */
/* virtio 1.2, section 5.1. */
#include "virtio_net.h"

#include <bulkhead/string.h>

#define HEADER_BYTES ((u32)sizeof(struct virtio_net_header))

_Static_assert(sizeof(struct virtio_net_header) == 12, "5.1.6");
_Static_assert(sizeof(struct virtio_net_config) == 12, "5.1.4");

#define LINK_UP 1

/* So much is copied in one call at most, and one frame more: then others have their turns. */
#define TURN_BYTES (256 * KIB)

#define FEATURES                                                                                   \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |       \
	 VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO4 |              \
	 VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS)

static struct virtio_net *net_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_net, device);
}

/* --- sending --- */

/* A frame in a chain. */
struct outgoing {
	struct net_frame frame;
	const struct virtio_chain *chain;
};

static void outgoing_copy(const struct net_frame *frame, u32 offset, void *to, u32 bytes)
{
	const struct outgoing *out = container_of(frame, struct outgoing, frame);

	virtio_chain_read(out->chain, HEADER_BYTES + offset, to, bytes);
}

/* Only what the driver has agreed on to ask for; anything else nobody can do. */
static u8 cut_asked(const struct virtio_device *device, const struct virtio_net_header *header)
{
	bool checksum = header->flags & VIRTIO_NET_NEEDS_CHECKSUM;

	if (checksum && !virtio_has(device, VIRTIO_NET_F_CSUM))
		return NET_CUT_UNKNOWN;
	if (header->cut == VIRTIO_NET_CUT_NONE)
		return NET_CUT_NONE;
	if (header->cut == VIRTIO_NET_CUT_TCP4 && checksum &&
	    virtio_has(device, VIRTIO_NET_F_HOST_TSO4))
		return NET_CUT_TCP4;
	if (header->cut == VIRTIO_NET_CUT_TCP6 && checksum &&
	    virtio_has(device, VIRTIO_NET_F_HOST_TSO6))
		return NET_CUT_TCP6;
	return NET_CUT_UNKNOWN;
}

static u64 send_chain(struct virtio_net *net)
{
	const struct virtio_chain *chain = &net->chain;
	struct virtio_net_header header = {0};
	struct outgoing out = {.chain = chain};

	/* Without a whole header it is a frame of no bytes, which is too short. */
	virtio_chain_read(chain, 0, &header, sizeof(header));
	if (chain->readable_bytes > HEADER_BYTES)
		out.frame.bytes =
			(u32)MIN(chain->readable_bytes - HEADER_BYTES, (u64)NET_UNCUT_MAX + 1);
	out.frame.copy = outgoing_copy;
	out.frame.work = (struct net_work){
		.checksum = header.flags & VIRTIO_NET_NEEDS_CHECKSUM,
		.cut = cut_asked(&net->device, &header),
		.checksum_start = header.checksum_start,
		.checksum_offset = header.checksum_offset,
		.segment_bytes = header.segment_bytes,
	};
	return net->ops->send(net->cable, &out.frame);
}

/* Whether the frames that are left have to wait for their time. */
static bool must_wait(struct virtio_net *net)
{
	struct device_host *host = net->device.host;
	u64 us = net->ops->wait_us(net->cable);

	if (us)
		device_timer_set(host, &net->resume,
				 device_now(host) + mul_div(us, host->tsc_hz, 1000000));
	return us;
}

static void transmit(struct virtio_net *net, struct virtqueue *queue)
{
	u64 copied = 0;

	while (!must_wait(net) && virtqueue_pop(queue, &net->chain)) {
		copied += send_chain(net);
		virtqueue_push(queue, net->chain.head, 0);
		if (copied >= TURN_BYTES) {
			virtqueue_rest(queue);
			return;
		}
	}
}

static void resume(void *context)
{
	struct virtio_net *net = context;

	virtio_serve(&net->device, VIRTIO_NET_TRANSMIT);
}

/* --- receiving --- */

static u32 accepts(const struct virtio_device *device)
{
	u32 accepted = 0;

	if (!virtio_has(device, VIRTIO_NET_F_GUEST_CSUM))
		return 0; /* the others need it (5.1.3.1) */
	accepted = NET_ACCEPT_CHECKSUM;
	if (virtio_has(device, VIRTIO_NET_F_GUEST_TSO4))
		accepted |= NET_ACCEPT_TCP4;
	if (virtio_has(device, VIRTIO_NET_F_GUEST_TSO6))
		accepted |= NET_ACCEPT_TCP6;
	return accepted;
}

/* One that was sent to another driver of this device may have work left that this one does not do.
 */
static bool is_acceptable(const struct virtio_net *net, const struct net_work *work)
{
	u32 accepted = accepts(&net->device);

	return !(work->checksum && !(accepted & NET_ACCEPT_CHECKSUM)) &&
	       !(work->cut == NET_CUT_TCP4 && !(accepted & NET_ACCEPT_TCP4)) &&
	       !(work->cut == NET_CUT_TCP6 && !(accepted & NET_ACCEPT_TCP6));
}

static struct virtio_net_header header_of(const struct net_work *work)
{
	struct virtio_net_header header = {.buffers = 1};

	if (!work->checksum)
		return header;
	header.flags = VIRTIO_NET_NEEDS_CHECKSUM;
	header.checksum_start = work->checksum_start;
	header.checksum_offset = work->checksum_offset;
	if (work->cut == NET_CUT_NONE)
		return header;
	header.cut = work->cut == NET_CUT_TCP4 ? VIRTIO_NET_CUT_TCP4 : VIRTIO_NET_CUT_TCP6;
	header.segment_bytes = work->segment_bytes;
	return header;
}

/* The header, as far as there is room, then the data. */
static u32 fill_first(struct virtio_net *net, const struct virtio_net_header *header,
		      const struct net_arrival *frame)
{
	u64 filled = virtio_chain_write(&net->chain, 0, header, sizeof(*header));

	filled += virtio_chain_write(&net->chain, sizeof(*header), frame->data, frame->bytes);
	net->buffer[0] = (struct virtio_net_buffer){net->chain.head, (u32)filled};
	return (u32)filled - HEADER_BYTES;
}

/* Into as many more as it takes. Returns how many it took with the first one, with *left 0 if the
 * frame is in them as a whole. */
static u16 fill_more(struct virtio_net *net, struct virtqueue *queue,
		     const struct net_arrival *frame, u32 *left)
{
	u16 count = 1;

	while (*left && virtqueue_pop(queue, &net->more)) {
		u32 filled = (u32)virtio_chain_write(&net->more, 0,
						     frame->data + (frame->bytes - *left), *left);

		net->buffer[count++] = (struct virtio_net_buffer){net->more.head, filled};
		*left -= filled;
	}
	return count;
}

static void give(struct virtio_net *net, struct virtqueue *queue, u16 count)
{
	virtio_chain_write(&net->chain, offsetof(struct virtio_net_header, buffers), &count,
			   sizeof(count));
	for (u16 i = 0; i < count; i++)
		virtqueue_push(queue, net->buffer[i].head, net->buffer[i].bytes);
}

enum delivery { DELIVERED, NO_ROOM_NOW, UNDELIVERABLE };

static enum delivery deliver(struct virtio_net *net, struct virtqueue *queue,
			     const struct net_arrival *frame)
{
	struct virtio_net_header header = header_of(&frame->work);
	bool merge = virtio_has(&net->device, VIRTIO_NET_F_MRG_RXBUF);
	u16 count = 1;
	u32 left;

	if (!is_acceptable(net, &frame->work))
		return UNDELIVERABLE;
	if (!virtqueue_pop(queue, &net->chain))
		return NO_ROOM_NOW;
	if (net->chain.writable_bytes < HEADER_BYTES) {
		virtio_break(&net->device, "a buffer too small for a header");
		return UNDELIVERABLE;
	}
	left = frame->bytes - fill_first(net, &header, frame);
	if (left && merge)
		count = fill_more(net, queue, frame, &left);
	if (!left) {
		give(net, queue, count);
		return DELIVERED;
	}
	virtqueue_unpop(queue, count);
	/* More than all buffers that the driver may have in the queue, or than the one it gets. */
	return !merge || count == queue->size ? UNDELIVERABLE : NO_ROOM_NOW;
}

static void receive(struct virtio_net *net, struct virtqueue *queue)
{
	struct net_arrival frame;

	if (!net->open)
		net->ops->open(net->cable, accepts(&net->device));
	net->open = true;
	while (net->ops->next(net->cable, &frame)) {
		enum delivery delivery = deliver(net, queue, &frame);

		if (delivery == NO_ROOM_NOW) {
			net->ops->stall(net->cable);
			return;
		}
		net->ops->taken(net->cable, delivery == UNDELIVERABLE);
	}
}

/* --- the device --- */

static void net_ready(struct virtio_device *device, u16 queue)
{
	struct virtio_net *net = net_of(device);

	if (queue == VIRTIO_NET_RECEIVE)
		receive(net, &device->queue[queue]);
	else
		transmit(net, &device->queue[queue]);
}

static void net_reset(struct virtio_device *device)
{
	struct virtio_net *net = net_of(device);

	device_timer_set(device->host, &net->resume, DEVICE_TIMER_OFF);
	if (net->open)
		net->ops->close(net->cable);
	net->open = false;
}

static const struct virtio_device_ops net_ops = {
	.name = "virtio network",
	.id = VIRTIO_ID_NET,
	.class_code = 0x020000, /* Ethernet */
	.queues = VIRTIO_NET_QUEUES,
	.queue_size = {VIRTIO_QUEUE_SIZE_MAX, VIRTIO_QUEUE_SIZE_MAX},
	.queue_ready = net_ready,
	.reset = net_reset,
};

void virtio_net_init(struct virtio_net *net, struct device_host *host,
		     const struct guest_memory *memory, const u8 mac[NET_MAC_BYTES],
		     const struct net_cable_ops *ops, void *cable)
{
	net->ops = ops;
	net->cable = cable;
	net->open = false;
	net->resume = (struct device_timer){
		.deadline = DEVICE_TIMER_OFF,
		.fire = resume,
		.context = net,
	};
	net->config = (struct virtio_net_config){
		.status = LINK_UP,
		.queue_pairs = 1,
		.mtu = NET_MTU,
	};
	memcpy(net->config.mac, mac, NET_MAC_BYTES);
	/* What an earlier board's driver left in the cable is not for the next one's. */
	ops->close(cable);
	virtio_device_init(&net->device, &net_ops, host, memory, FEATURES, &net->config,
			   sizeof(net->config));
}
