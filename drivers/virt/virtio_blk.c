/* SPDX-License-Identifier: MIT */
/* Block device: virtio 1.2, section 5.2. */
#include "virtio_blk.h"

#include <bulkhead/string.h>

/* 5.2.3 */
#define F_SIZE_MAX     BIT(1)
#define F_SEG_MAX      BIT(2)
#define F_RO	       BIT(5)
#define F_BLK_SIZE     BIT(6)
#define F_FLUSH	       BIT(9)
#define F_TOPOLOGY     BIT(10)
#define F_DISCARD      BIT(13)
#define F_WRITE_ZEROES BIT(14)

/* 5.2.6 */
enum request_type {
	TYPE_IN = 0,
	TYPE_OUT = 1,
	TYPE_FLUSH = 4,
	TYPE_GET_ID = 8,
	TYPE_DISCARD = 11,
	TYPE_WRITE_ZEROES = 13,
};

enum request_status { STATUS_OK, STATUS_IOERR, STATUS_UNSUPP };

#define RANGE_UNMAP 1u

struct range {
	u64 sector;
	u32 sectors, flags;
};

/* Descriptors of the queue, and what is left of them for data beside header and status. */
#define QUEUE_SIZE    128
#define SEGMENTS      (QUEUE_SIZE - 2)
#define SEGMENT_BYTES (1 * MIB)

#define BLOCK_SECTORS (DISK_BLOCK_BYTES / DISK_SECTOR_BYTES)

/* What a request costs of a stretch, however little it moves, and how many bytes are forgotten for
 * one that is moved. */
#define REQUEST_COST  512UL
#define FORGET_FACTOR 8UL

static const u8 zeros[DISK_BLOCK_BYTES];

static struct virtio_blk *blk_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_blk, device);
}

/* --- what is asked for --- */

static bool on_disk(const struct virtio_blk *blk, u64 sector, u64 bytes)
{
	u64 sectors = blk->disk->bytes / DISK_SECTOR_BYTES;

	return is_aligned(bytes, DISK_SECTOR_BYTES) && sector <= sectors &&
	       bytes / DISK_SECTOR_BYTES <= sectors - sector;
}

static enum request_status transfer_begin(struct virtio_blk *blk, u64 bytes)
{
	if (!on_disk(blk, blk->header.sector, bytes) ||
	    (blk->header.type == TYPE_OUT && blk->disk->readonly))
		return STATUS_IOERR;
	blk->offset = blk->header.sector * DISK_SECTOR_BYTES;
	blk->bytes = bytes;
	return STATUS_OK;
}

/* 5.2.6.2: flags that are not known, and UNMAP for a discard, are not supported. */
static enum request_status range_begin(struct virtio_blk *blk)
{
	bool discard = blk->header.type == TYPE_DISCARD;
	struct range range;
	u64 bytes;

	if (!virtio_has(&blk->device, discard ? F_DISCARD : F_WRITE_ZEROES))
		return STATUS_UNSUPP;
	if (blk->chain.readable_bytes != sizeof(blk->header) + sizeof(range))
		return STATUS_IOERR; /* more than one, or none */
	virtio_chain_read(&blk->chain, sizeof(blk->header), &range, sizeof(range));
	if (range.flags & ~RANGE_UNMAP || (discard && range.flags))
		return STATUS_UNSUPP;
	bytes = range.sectors * DISK_SECTOR_BYTES;
	if (!on_disk(blk, range.sector, bytes))
		return STATUS_IOERR;
	blk->flags = range.flags;
	blk->offset = range.sector * DISK_SECTOR_BYTES;
	blk->bytes = bytes;
	return STATUS_OK;
}

static enum request_status id_write(struct virtio_blk *blk)
{
	virtio_chain_write(&blk->chain, 0, blk->disk->id,
			   MIN(blk->chain.writable_bytes - 1, (u64)DISK_ID_BYTES));
	return STATUS_OK;
}

static enum request_status request_begin(struct virtio_blk *blk)
{
	blk->bytes = blk->done = 0;
	virtio_chain_read(&blk->chain, 0, &blk->header, sizeof(blk->header));
	switch (blk->header.type) {
	case TYPE_IN:
		return transfer_begin(blk, blk->chain.writable_bytes - 1);
	case TYPE_OUT:
		return transfer_begin(blk, blk->chain.readable_bytes - sizeof(blk->header));
	case TYPE_FLUSH: /* what was written is where it stays */
		return STATUS_OK;
	case TYPE_GET_ID:
		return id_write(blk);
	case TYPE_DISCARD:
	case TYPE_WRITE_ZEROES:
		return range_begin(blk);
	}
	return STATUS_UNSUPP;
}

/* The data that the device wrote begins where what it may write begins; the status is the last
 * byte of that. */
static void request_end(struct virtio_blk *blk, enum request_status status)
{
	u64 written = 0;
	u8 byte = (u8)status;

	if (blk->header.type == TYPE_IN)
		written = blk->done;
	else if (blk->header.type == TYPE_GET_ID)
		written = MIN(blk->chain.writable_bytes - 1, (u64)DISK_ID_BYTES);
	virtio_chain_write(&blk->chain, blk->chain.writable_bytes - 1, &byte, sizeof(byte));
	virtqueue_push(&blk->device.queue[0], blk->chain.head,
		       (u32)MIN(written + sizeof(byte), 0xffffffffUL));
	blk->busy = false;
}

/* --- carrying it out --- */

/* Where byte `skip` of the data is in the guest's memory, and how much of *bytes follows it there.
 * There is that much. */
static u8 *data_at(const struct virtio_blk *blk, u64 skip, u64 *bytes)
{
	const struct virtio_piece *piece = blk->chain.piece;

	if (blk->header.type == TYPE_IN)
		piece += blk->chain.readable;
	else
		skip += sizeof(blk->header);
	while (skip >= piece->bytes)
		skip -= piece++->bytes;
	*bytes = MIN(*bytes, piece->bytes - skip);
	return piece->at + skip;
}

static int transfer_go_on(struct virtio_blk *blk, u64 *bytes, u64 *cost)
{
	const struct disk_backend *disk = blk->disk;
	u64 offset = blk->offset + blk->done;
	u8 *at = data_at(blk, blk->done, bytes);

	*cost = *bytes;
	if (blk->header.type == TYPE_IN)
		return disk->ops->read(disk->context, offset, at, *bytes);
	return disk->ops->write(disk->context, offset, at, *bytes);
}

/* Cut at blocks, as parts of them are not forgotten. */
static int range_go_on(struct virtio_blk *blk, u64 *bytes, u64 *cost)
{
	const struct disk_backend *disk = blk->disk;
	u64 offset = blk->offset + blk->done, left = blk->bytes - blk->done;

	if (blk->header.type == TYPE_WRITE_ZEROES && !(blk->flags & RANGE_UNMAP)) {
		*bytes = *cost = MIN(*bytes, sizeof(zeros));
		return disk->ops->write(disk->context, offset, zeros, *bytes);
	}
	*bytes = align_up(offset + *bytes * FORGET_FACTOR, DISK_BLOCK_BYTES) - offset;
	*bytes = MIN(*bytes, left);
	*cost = *bytes / FORGET_FACTOR;
	if (blk->header.type == TYPE_DISCARD)
		return disk->ops->discard(disk->context, offset, *bytes);
	return disk->ops->zero(disk->context, offset, *bytes);
}

/* As far as *budget goes. */
static void request_go_on(struct virtio_blk *blk, u64 *budget)
{
	bool transfer = blk->header.type == TYPE_IN || blk->header.type == TYPE_OUT;
	int error = 0;

	while (blk->done < blk->bytes && *budget) {
		u64 bytes = MIN(blk->bytes - blk->done, *budget), cost;

		if (transfer)
			error = transfer_go_on(blk, &bytes, &cost);
		else
			error = range_go_on(blk, &bytes, &cost);
		if (error)
			break;
		blk->done += bytes;
		*budget -= MIN(*budget, cost);
	}
	if (error)
		request_end(blk, STATUS_IOERR);
	else if (blk->done == blk->bytes)
		request_end(blk, STATUS_OK);
}

static bool request_take(struct virtio_blk *blk)
{
	enum request_status status;

	if (!virtqueue_pop(&blk->device.queue[0], &blk->chain))
		return false;
	if (blk->chain.readable_bytes < sizeof(blk->header) || !blk->chain.writable_bytes) {
		virtio_break(&blk->device, "a request without a header or room for its status");
		return false;
	}
	blk->busy = true;
	status = request_begin(blk);
	if (status != STATUS_OK)
		request_end(blk, status);
	return true;
}

static void blk_ready(struct virtio_device *device, u16 queue unused)
{
	struct virtio_blk *blk = blk_of(device);
	u64 budget = VIRTIO_BLK_STRETCH;

	if (blk->busy && !virtio_chain_find(device, &blk->chain))
		return;
	while (budget && (blk->busy || request_take(blk))) {
		budget -= MIN(budget, REQUEST_COST);
		if (blk->busy)
			request_go_on(blk, &budget);
	}
	if (!budget)
		device_timer_set(device->host, &blk->go_on, device_now(device->host));
}

static void go_on(void *context)
{
	struct virtio_blk *blk = context;

	virtio_serve(&blk->device, 0);
}

static void blk_reset(struct virtio_device *device)
{
	struct virtio_blk *blk = blk_of(device);

	blk->busy = false;
	device_timer_set(device->host, &blk->go_on, DEVICE_TIMER_OFF);
}

static const struct virtio_device_ops ops = {
	.name = "virtio disk",
	.id = VIRTIO_ID_BLOCK,
	.class_code = 0x018000, /* mass storage, other */
	.queues = 1,
	.queue_size = {QUEUE_SIZE},
	.queue_ready = blk_ready,
	.reset = blk_reset,
};

void virtio_blk_init(struct virtio_blk *blk, struct device_host *host,
		     const struct guest_memory *memory, const struct disk_backend *disk)
{
	u64 features = F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY;
	u32 sectors = (u32)MIN(disk->bytes / DISK_SECTOR_BYTES, 0xffffffffUL);

	features |= disk->readonly ? F_RO : F_DISCARD | F_WRITE_ZEROES;
	blk->disk = disk;
	blk->busy = false;
	blk->go_on =
		(struct device_timer){.deadline = DEVICE_TIMER_OFF, .fire = go_on, .context = blk};
	blk->config = (struct virtio_blk_config){
		.capacity = disk->bytes / DISK_SECTOR_BYTES,
		.size_max = SEGMENT_BYTES,
		.seg_max = SEGMENTS,
		.blk_size = DISK_SECTOR_BYTES,
		.physical_block_exp = (u8)__builtin_ctzl(BLOCK_SECTORS),
		.min_io_size = BLOCK_SECTORS,
		.num_queues = 1,
	};
	if (!disk->readonly) {
		blk->config.max_discard_sectors = blk->config.max_write_zeroes_sectors = sectors;
		blk->config.max_discard_seg = blk->config.max_write_zeroes_seg = 1;
		blk->config.discard_sector_alignment = BLOCK_SECTORS;
		blk->config.write_zeroes_may_unmap = 1;
	}
	virtio_device_init(&blk->device, &ops, host, memory, features, &blk->config,
			   sizeof(blk->config));
}
