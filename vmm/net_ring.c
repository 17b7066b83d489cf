/* SPDX-License-Identifier: MIT */
/* Frames that wait for a partition. */
#include "net_ring.h"

#define RECORD_ALIGNMENT (sizeof(struct net_record))

_Static_assert(sizeof(struct net_record) == 16,
	       "whatever is left at the end holds state and bytes");
_Static_assert(!(NET_RING_BYTES & (NET_RING_BYTES - 1)), "positions wrap");

static struct net_record *record_at(const struct net_ring *ring, u32 position)
{
	return (void *)(ring->data + (position & (NET_RING_BYTES - 1)));
}

static u32 record_bytes(u32 data_bytes)
{
	return (u32)align_up(sizeof(struct net_record) + data_bytes, RECORD_ALIGNMENT);
}

/* A record is contiguous: one that does not fit before the end begins at the beginning. */
struct net_record *net_ring_reserve(struct net_ring *ring, u32 bytes)
{
	u32 need = record_bytes(bytes), skip = 0, used, end;
	struct net_record *record = NULL;

	spin_lock(&ring->lock);
	end = (u32)NET_RING_BYTES - (ring->tail & (NET_RING_BYTES - 1));
	if (need > end)
		skip = end;
	used = ring->tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	if (NET_RING_BYTES - used >= skip + need) {
		if (skip)
			record_at(ring, ring->tail)->state = NET_RECORD_SKIP;
		record = record_at(ring, ring->tail + skip);
		record->bytes = bytes;
		record->state = NET_RECORD_WRITTEN;
		__atomic_store_n(&ring->tail, ring->tail + skip + need, __ATOMIC_RELEASE);
	}
	spin_unlock(&ring->lock);
	return record;
}

void net_record_publish(struct net_record *record)
{
	__atomic_store_n(&record->state, NET_RECORD_READY, __ATOMIC_RELEASE);
}

struct net_record *net_ring_first(struct net_ring *ring)
{
	u32 tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	struct net_record *record = record_at(ring, ring->head);

	if (ring->head == tail)
		return NULL;
	if (__atomic_load_n(&record->state, __ATOMIC_ACQUIRE) == NET_RECORD_SKIP) {
		/* One that was skipped has another behind it. */
		__atomic_store_n(&ring->head, (u32)align_up(ring->head + 1UL, NET_RING_BYTES),
				 __ATOMIC_RELEASE);
		record = record_at(ring, ring->head);
	}
	return __atomic_load_n(&record->state, __ATOMIC_ACQUIRE) == NET_RECORD_READY ? record
										     : NULL;
}

void net_ring_remove(struct net_ring *ring, const struct net_record *record)
{
	__atomic_store_n(&ring->head, ring->head + record_bytes(record->bytes), __ATOMIC_RELEASE);
}

void net_ring_clear(struct net_ring *ring)
{
	__atomic_store_n(&ring->head, ring->tail, __ATOMIC_RELEASE);
}

u32 net_ring_used(const struct net_ring *ring)
{
	u32 head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);

	return __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) - head;
}
