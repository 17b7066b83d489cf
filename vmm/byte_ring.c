/* SPDX-License-Identifier: MIT */
/* A ring of bytes with absolute positions: position p lives at data[p mod bytes]. */
#include <bulkhead/byte_ring.h>
#include <bulkhead/string.h>

void byte_ring_init(struct byte_ring *ring, u8 *data, u64 bytes)
{
	*ring = (struct byte_ring){.data = data, .bytes = bytes};
}

/* How many bytes from `position` on lie in one piece. */
static u64 ring_run(const struct byte_ring *ring, u64 position, u64 count)
{
	return MIN(count, ring->bytes - (position & (ring->bytes - 1)));
}

void byte_ring_write(struct byte_ring *ring, const u8 *data, u64 count)
{
	/* Of more than the ring holds only the end would stay. */
	u64 skip = count - MIN(count, ring->bytes);

	data += skip;
	count -= skip;
	ring->written += skip;
	while (count) {
		u64 run = ring_run(ring, ring->written, count);

		memcpy(ring->data + (ring->written & (ring->bytes - 1)), data, run);
		ring->written += run;
		data += run;
		count -= run;
	}
}

void byte_ring_grow(struct byte_ring *ring, u8 *data, u64 bytes)
{
	struct byte_ring from = *ring;
	u64 kept = MIN(from.written, from.bytes);

	*ring = (struct byte_ring){.data = data, .bytes = bytes};
	ring->start = ring->written = from.written - kept;
	while (kept) {
		u64 run = ring_run(&from, ring->written, kept);

		byte_ring_write(ring, from.data + (ring->written & (from.bytes - 1)), run);
		kept -= run;
	}
}

/* Move *position to the oldest byte there is; returns by how much. */
static u64 ring_catch_up(const struct byte_ring *ring, u64 *position)
{
	u64 oldest = MAX(ring->written - MIN(ring->written, ring->bytes), ring->start);
	u64 missed = oldest - MIN(*position, oldest);

	*position += missed;
	return missed;
}

u64 byte_ring_read(const struct byte_ring *ring, u64 *position, u8 *data, u64 room, u64 *missed)
{
	u64 skipped = ring_catch_up(ring, position);
	u64 count = MIN(room, ring->written - MIN(*position, ring->written));
	u64 left = count;

	if (missed)
		*missed = skipped;
	while (left) {
		u64 run = ring_run(ring, *position, left);

		memcpy(data, ring->data + (*position & (ring->bytes - 1)), run);
		*position += run;
		data += run;
		left -= run;
	}
	return count;
}
