/* SPDX-License-Identifier: MIT */
/* Networks, their ports and addresses, for the files that a switch is made of. */
#pragma once

#include <bulkhead/net_switch.h>

#include "net_ring.h"

#define NET_BUCKETS   256
#define NET_MAC_GROUP BIT(40) /* multicast and broadcast; of an address as a number */

/* Learned ones are listed in the bucket of their network for as long as they mean something. */
struct net_address {
	u64 mac;     /* 0: free */
	u64 seen_us; /* of a port's own: never looked at */
	struct net_port *port;
	struct net_address *next;
};

struct net_port {
	struct net *net;
	u32 place;
	void (*arrived)(void *context);
	void *context;

	/* Under the network's lock: */
	bool open;
	u32 accepts;				     /* NET_ACCEPT_* */
	struct net_address address[1 + NET_LEARNED]; /* the first is its own */

	u32 users;  /* that copy into its ring now; atomic, and taken under the network's lock */
	bool asked; /* the device will look; atomic */
	struct net_ring ring;

	/* Of its own device alone: */
	const struct net_record *current; /* the arrival that is not taken yet */
	u64 rate_bits;
	s64 tokens;
	u64 tokens_us; /* when they were counted last */

	u64 sent_frames, sent_bytes, received_frames, received_bytes;
	u64 dropped[NET_DROPS]; /* atomic */
};

struct net {
	struct net *next; /* in the list of all; the console's thread alone reads it */
	char name[NET_NAME_BYTES];
	u32 ports;
	u32 end; /* no port has this place or one behind it */
	struct spinlock lock;
	struct net_port **port; /* NET_PORTS_MAX places */
	struct net_address *bucket[NET_BUCKETS];
};

/* --- addresses, under the network's lock; as numbers, the first byte highest --- */

u64 net_mac_read(const u8 *at);
void net_mac_write(u64 mac, u8 *at);

/* Whether it is the port's own: it was given to it. */
static inline bool net_address_is_own(const struct net_address *address)
{
	return address == address->port->address;
}

bool net_address_aged(const struct net_address *address, u64 now_us);
/* NULL: nobody has it. It may have aged. */
struct net_address *net_address_find(struct net *net, u64 mac);
/* Into its network's list, with what it says. */
void net_address_add(struct net_address *address, u64 mac, u64 now_us);
void net_address_remove(struct net_address *address);
/* A frame from `mac` came from `port`: false if it cannot be so. */
bool net_address_learn(struct net_port *port, u64 mac, u64 now_us) must_check;
