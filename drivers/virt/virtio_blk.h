/* SPDX-License-Identifier: MIT */
/* A disk as a virtio block device (virtio 1.2, 5.2). */
#pragma once

#include <bulkhead/disk.h>
#include <bulkhead/virtio.h>

/*
 * As much data is moved in one call; then the guest, and whoever else wants the CPU, goes on, and a
 * timer carries on with the request. So no exit takes longer because a request is large.
 */
#define VIRTIO_BLK_STRETCH (64 * KIB)

/* Configuration space (5.2.4). */
struct virtio_blk_config {
	u64 capacity; /* sectors of 512 bytes */
	u32 size_max, seg_max;
	u16 cylinders;
	u8 heads, sectors;
	u32 blk_size;
	u8 physical_block_exp, alignment_offset;
	u16 min_io_size;
	u32 opt_io_size;
	u8 writeback, unused0;
	u16 num_queues;
	u32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
	u32 max_write_zeroes_sectors, max_write_zeroes_seg;
	u8 write_zeroes_may_unmap, unused1[3];
} packed;

_Static_assert(sizeof(struct virtio_blk_config) == 60, "virtio 1.2, 5.2.4");

/* A request's first 16 bytes (5.2.6). */
struct virtio_blk_header {
	u32 type, reserved;
	u64 sector;
};

struct virtio_blk {
	struct virtio_device device;
	const struct disk_backend *disk;
	struct virtio_blk_config config;
	struct device_timer go_on;

	/* The request that is being carried out. */
	bool busy;
	struct virtio_blk_header header;
	u32 flags;	   /* of a range to discard or to clear */
	u64 offset, bytes; /* on the disk */
	u64 done;
	struct virtio_chain chain;
};

/* `disk` stays the caller's. */
void virtio_blk_init(struct virtio_blk *blk, struct device_host *host,
		     const struct guest_memory *memory, const struct disk_backend *disk);
