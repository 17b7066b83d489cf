/* SPDX-License-Identifier: MIT */
/*
 * A ring of bytes with absolute positions: the writer never waits and overwrites the oldest; each
 * reader keeps a position of its own and learns how much it missed. One lock around all calls is
 * the caller's.
 */
#pragma once

#include <bulkhead/types.h>

struct byte_ring {
	u8 *data;
	u64 bytes;   /* power of two; 0: nothing is kept, only counted */
	u64 written; /* bytes written since the beginning, ever growing */
	u64 start;   /* what was lost before the ring became so large ends here */
};

void byte_ring_init(struct byte_ring *ring, u8 *data, u64 bytes);
void byte_ring_write(struct byte_ring *ring, const u8 *data, u64 count);
/* Move what is kept to `data`, which has room for more; the former memory is the caller's again. */
void byte_ring_grow(struct byte_ring *ring, u8 *data, u64 bytes);
/* Copy up to `room` bytes from *position on and advance it. When bytes at *position are overwritten
 * already, *position first moves to the oldest there is; *missed (may be NULL) says by how many. */
u64 byte_ring_read(const struct byte_ring *ring, u64 *position, u8 *data, u64 room, u64 *missed);
