/* SPDX-License-Identifier: MIT */
/*
 * What a guest prints is kept in a ring that grows with it, as most print little: it doubles each
 * time that it is full. When there is no memory for that it stays as it is, and the oldest bytes
 * are overwritten sooner; once round it tries again.
 */
#include "partition_console.h"

#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

#define FIRST_BYTES 512UL

/* With its lock. */
static void grow(struct byte_ring *ring)
{
	u64 bytes = MAX(2 * ring->bytes, FIRST_BYTES), old_bytes = ring->bytes;
	u8 *data, *old = ring->data;

	if (bytes > PARTITION_CONSOLE_BYTES || ring->written % MAX(old_bytes, FIRST_BYTES))
		return;
	data = memory_take(MEMORY_OTHER, bytes);
	if (!data)
		return;
	byte_ring_grow(ring, data, bytes);
	memory_give(MEMORY_OTHER, old, old_bytes);
}

void partition_console_put(struct partition *partition, u8 byte)
{
	struct byte_ring *ring = &partition->console;

	spin_lock(&partition->console_lock);
	if (!(ring->written % FIRST_BYTES))
		grow(ring);
	byte_ring_write(ring, &byte, 1);
	spin_unlock(&partition->console_lock);
}

void partition_console_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->console.data, partition->console.bytes);
	byte_ring_init(&partition->console, NULL, 0);
}
