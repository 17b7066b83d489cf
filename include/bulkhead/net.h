/* SPDX-License-Identifier: MIT */
/*
 * Ethernet frames between a network device (drivers/virt/virtio_net.c) and what it is plugged into
 * (vmm/net_switch.c), each of which knows no more of the other than this.
 *
 * A frame may have work left in it that a network card would do: a checksum that is to be put in,
 * and TCP data that is to be cut into segments. Who accepts such frames gets them as they are.
 */
#pragma once

#include <bulkhead/types.h>

#define NET_MAC_BYTES	 6
#define NET_HEADER_BYTES 14 /* both addresses and the type; no frame is shorter */
#define NET_VLAN_BYTES	 4
#define NET_MTU		 1500
#define NET_FRAME_MAX	 (NET_HEADER_BYTES + NET_VLAN_BYTES + NET_MTU)
#define NET_UNCUT_MAX	 (NET_HEADER_BYTES + NET_VLAN_BYTES + 65535) /* before it is cut */

/* What is to be cut into segments of TCP. */
enum net_cut {
	NET_CUT_NONE,
	NET_CUT_TCP4,
	NET_CUT_TCP6,
	NET_CUT_UNKNOWN, /* what was asked for is nothing that can be done: such a frame is dropped
			  */
};

struct net_work {
	/* The sum over [checksum_start, end) goes to checksum_start + checksum_offset, where the
	 * pseudo header's is now. */
	bool checksum;
	u8 cut; /* enum net_cut; goes with a checksum only */
	u16 checksum_start, checksum_offset;
	u16 segment_bytes; /* of TCP data in each */
};

/* What work a receiver does itself. */
#define NET_ACCEPT_CHECKSUM BIT(0)
#define NET_ACCEPT_TCP4	    BIT(1)
#define NET_ACCEPT_TCP6	    BIT(2)

/* One that is being sent: `copy` copies [offset, offset + bytes) of it, which are inside. Its guest
 * may change what is there at any time. */
struct net_frame {
	struct net_work work;
	u32 bytes;
	void (*copy)(const struct net_frame *frame, u32 offset, void *to, u32 bytes);
};

/* One that has come: good until `taken`. */
struct net_arrival {
	struct net_work work;
	u32 bytes;
	const u8 *data;
};

/*
 * The other end of a device's cable. All calls are the device's, with its partition's device lock
 * held; `cable` is the other end's.
 */
struct net_cable_ops {
	/* Somebody drives the device, and accepts frames with work left; and nobody does any more:
	 * what has come and was not taken is forgotten. Until the first `open` nothing comes. */
	void (*open)(void *cable, u32 accepts);
	void (*close)(void *cable);

	/* For how many microseconds nothing may be sent; 0: go on. */
	u64 (*wait_us)(void *cable);
	/* Send, or drop and count. Returns how many bytes were copied for it, or would have been if
	 * there had been room: for all who get it, with the headers of all segments. */
	u64 (*send)(void *cable, const struct net_frame *frame);

	/* The oldest that has come, the same until it is taken; false: none. When one comes later
	 * the device is asked to look (its virtio_serve). */
	bool (*next)(void *cable, struct net_arrival *arrival);
	/* It is dealt with; `dropped`: the device could not give it to its driver. */
	void (*taken)(void *cable, bool dropped);
	/* It has to stay, and the device will look by itself when it can take it: it need not be
	 * asked before. */
	void (*stall)(void *cable);
};
