/* SPDX-License-Identifier: MIT */
/*
 * Frames that wait for a partition: a ring of records of any length in the hypervisor's memory.
 * Any CPU puts frames in, and copies them while others do the same: the lock is held only to get
 * the room. One CPU at a time takes them out, in the order in which they got their room.
 */
#pragma once

#include <bulkhead/net.h>
#include <bulkhead/spinlock.h>

#define NET_RING_BYTES (512 * KIB)

enum net_record_state { NET_RECORD_WRITTEN, NET_RECORD_READY, NET_RECORD_SKIP };

struct net_record {
	u32 bytes; /* of data */
	u32 state; /* enum net_record_state: atomic */
	struct net_work work;
	u8 data[] aligned(16);
};

struct net_ring {
	struct spinlock lock; /* for whoever puts in */
	u8 *data;	      /* NET_RING_BYTES, aligned as a record */
	u32 head, tail;	      /* free-running; head is of whoever takes out. Atomic. */
};

/* A record of `bytes`, to be filled and published soon; NULL: the ring is full. */
struct net_record *net_ring_reserve(struct net_ring *ring, u32 bytes) must_check;
void net_record_publish(struct net_record *record);

/* The oldest; NULL: there is none, or it is not published yet. */
struct net_record *net_ring_first(struct net_ring *ring) must_check;
/* Take out the one that net_ring_first gave. */
void net_ring_remove(struct net_ring *ring, const struct net_record *record);
/* Forget all. Nobody puts in meanwhile. */
void net_ring_clear(struct net_ring *ring);

/* How many bytes of it are taken, as seen by anyone. */
u32 net_ring_used(const struct net_ring *ring);
