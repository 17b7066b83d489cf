/* SPDX-License-Identifier: MIT */
/*
 * The network device (virtio 1.2, 5.1): one pair of queues, checksums and TCP segments left to
 * whoever is better at them (include/bulkhead/net.h), buffers that are merged for long frames. It
 * has no filter: what comes through the cable is meant for it or for all.
 */
#pragma once

#include <bulkhead/net.h>
#include <bulkhead/virtio.h>

/* Queues. */
enum { VIRTIO_NET_RECEIVE, VIRTIO_NET_TRANSMIT, VIRTIO_NET_QUEUES };

/* Features (5.1.3). */
#define VIRTIO_NET_F_CSUM	BIT(0) /* frames to send may lack a checksum */
#define VIRTIO_NET_F_GUEST_CSUM BIT(1) /* frames that come may */
#define VIRTIO_NET_F_MTU	BIT(3)
#define VIRTIO_NET_F_MAC	BIT(5)
#define VIRTIO_NET_F_GUEST_TSO4 BIT(7) /* frames that come may have to be cut */
#define VIRTIO_NET_F_GUEST_TSO6 BIT(8)
#define VIRTIO_NET_F_HOST_TSO4	BIT(11) /* frames to send may */
#define VIRTIO_NET_F_HOST_TSO6	BIT(12)
#define VIRTIO_NET_F_MRG_RXBUF	BIT(15) /* a frame may take several buffers */
#define VIRTIO_NET_F_STATUS	BIT(16)

/* Configuration space (5.1.4). */
struct virtio_net_config {
	u8 mac[NET_MAC_BYTES];
	u16 status;
	u16 queue_pairs;
	u16 mtu;
};

/* In front of each frame (5.1.6). */
struct virtio_net_header {
	u8 flags;
	u8 cut;
	u16 header_bytes; /* a hint that nobody relies on */
	u16 segment_bytes;
	u16 checksum_start, checksum_offset;
	u16 buffers; /* for the driver: that this frame takes */
};

#define VIRTIO_NET_NEEDS_CHECKSUM 1 /* flags */
#define VIRTIO_NET_CUT_NONE	  0 /* cut */
#define VIRTIO_NET_CUT_TCP4	  1
#define VIRTIO_NET_CUT_TCP6	  4

/* A buffer that a frame has been put into and that is not given back yet. */
struct virtio_net_buffer {
	u16 head;
	u32 bytes;
};

struct virtio_net {
	struct virtio_device device;
	struct virtio_net_config config;
	const struct net_cable_ops *ops;
	void *cable;
	bool open; /* the cable was opened, and its driver has not reset it since */
	struct device_timer resume; /* when it may send again */
	/* Of the frame under way; `chain` is the first of those that it takes, or the one to send.
	 */
	struct virtio_chain chain, more;
	struct virtio_net_buffer buffer[VIRTIO_QUEUE_SIZE_MAX];
};

void virtio_net_init(struct virtio_net *net, struct device_host *host,
		     const struct guest_memory *memory, const u8 mac[NET_MAC_BYTES],
		     const struct net_cable_ops *ops, void *cable);
