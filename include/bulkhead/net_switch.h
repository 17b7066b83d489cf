/* SPDX-License-Identifier: MIT */
/*
 * Networks between partitions: a learning switch each (IEEE 802.1D without a spanning tree), with a
 * port for each device that is plugged in.
 *
 * A frame is copied once by whoever sends it, in its own address space and at its own expense, into
 * a ring of the receiving port in the hypervisor's memory, and once by the receiver into its own
 * buffers. So no address space has two guests' memory in it. The ring is bounded: when it is full
 * the frame is dropped and counted.
 *
 * An address that was given to a port is that port's for ever. Others are learned from frames, so
 * many for each port that nobody can crowd out another's, and forgotten when they have not been
 * seen for a while.
 *
 * Ports are made and destroyed by one thread at a time (the start of the machine, then the
 * operator's console), which may also walk networks and ports. What a cable does is for the
 * partition of that port, any CPU. Of a network `lock` guards its ports' places and addresses; it
 * is held for a look-up, never while bytes are copied.
 */
#pragma once

#include <bulkhead/net.h>

#define NET_NAME_BYTES 32  /* with NUL */
#define NET_PORTS_MAX  512 /* of a network */
#define NET_LEARNED    16  /* addresses of one port, besides its own */
#define NET_AGEING_US  300000000UL

struct net;
struct net_port;

/* Why a frame went nowhere. The first ones count where it was sent, the others where it was to go.
 */
enum net_drop {
	NET_DROP_SIZE,	  /* shorter than a header, or longer than NET_FRAME_MAX (NET_UNCUT_MAX) */
	NET_DROP_ADDRESS, /* from an address that is none or another port's; or to one that no
			   * switch passes on (01-80-c2-00-00-0x) */
	NET_DROP_WORK,	  /* what it asked for cannot be done */
	NET_DROP_CLOSED,  /* nobody drives the device */
	NET_DROP_FULL,
	NET_DROP_DEVICE, /* the driver's buffers are too small for it */
	NET_DROPS,
};

struct net_port_setup {
	const char *network; /* made with its first port, gone with its last */
	u8 mac[NET_MAC_BYTES];
	u64 rate_bits; /* a second that it may send; 0: any */
	/* Frames have come for a device that was not asked to look since it last looked. Any CPU,
	 * with no lock held. */
	void (*arrived)(void *context);
	void *context;
};

/* -ENOMEM; -EEXIST: another port has that address; -ENOSPC: NET_PORTS_MAX. */
int net_port_create(const struct net_port_setup *setup, struct net_port **made) must_check;
/* Nobody sends through it any more; others may be sending to it. NULL: nothing. */
void net_port_destroy(struct net_port *port);

/* What its device is plugged into; `cable` is the struct net_port. */
extern const struct net_cable_ops net_port_cable;

/* --- for the operator --- */

struct net_port_view {
	u8 mac[NET_MAC_BYTES];
	u64 rate_bits;
	bool open;
	u64 sent_frames, sent_bytes;	     /* by its partition, not counting those dropped */
	u64 received_frames, received_bytes; /* that its driver got */
	u64 dropped[NET_DROPS];
	u32 waiting_bytes; /* in its ring, of `room_bytes` */
	u32 room_bytes;
	u32 addresses; /* learned */
};

void net_port_look(struct net_port *port, struct net_port_view *view);
const void *net_port_context(const struct net_port *port);
const struct net *net_port_net(const struct net_port *port);

struct net *net_first(void);
struct net *net_next(const struct net *net);
const char *net_name(const struct net *net);
/* The port in place `index` or the first behind it, with `*index` behind that; NULL: none. */
struct net_port *net_port_next(const struct net *net, u32 *index);

struct net_address_view {
	u8 mac[NET_MAC_BYTES];
	u64 age_us;
};

/* The addresses that a port has learned and that have not aged; how many. */
u32 net_port_addresses(struct net_port *port, struct net_address_view view[NET_LEARNED]);
