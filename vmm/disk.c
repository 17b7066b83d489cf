/* SPDX-License-Identifier: MIT */
/* Disks made of an image and what was written: copy on write by blocks. */
#include <bulkhead/disk.h>

#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/string.h>

/* What guests write leaves the hypervisor this much to go on with. */
#define RESERVE_BYTES (8 * MIB)

#define BLOCK DISK_BLOCK_BYTES

enum block_state { BLOCK_OF_IMAGE, BLOCK_ZERO, BLOCK_WRITTEN };

static u8 *block_at(const struct disk *disk, u64 offset)
{
	return disk->written + align_down(offset, BLOCK);
}

/* `*physical` is where a written one is. */
static enum block_state block_look(const struct disk *disk, u64 offset, u64 *physical)
{
	struct page_table_walk walk;

	if (page_table_lookup(disk->table, (u64)block_at(disk, offset), &walk))
		return BLOCK_OF_IMAGE;
	*physical = walk.physical;
	return walk.access & PAGE_WRITE ? BLOCK_WRITTEN : BLOCK_ZERO;
}

/* A block may have been another page when this or another CPU used it last. */
static u8 *block_reach(const struct disk *disk, u64 offset)
{
	memory_forget(block_at(disk, offset));
	return disk->written + offset;
}

static int block_map(struct disk *disk, u64 offset, u64 physical, u32 access)
{
	bool changed;

	return page_table_map(disk->table, (u64)block_at(disk, offset), physical, BLOCK, access,
			      MEMORY_WB, &changed);
}

/* --- reading --- */

/* Behind the last sector of the image are zeros, to the end of a block. */
static void image_read(const struct disk *disk, u64 offset, u8 *data, u64 bytes)
{
	u64 there = offset < disk->image.bytes ? MIN(bytes, disk->image.bytes - offset) : 0;

	memcpy(data, disk->image.data + offset, there);
	memset(data + there, 0, bytes - there);
}

static void block_read(const struct disk *disk, u64 offset, u8 *data, u64 bytes)
{
	u64 physical;

	switch (block_look(disk, offset, &physical)) {
	case BLOCK_OF_IMAGE:
		image_read(disk, offset, data, bytes);
		break;
	case BLOCK_ZERO:
		memset(data, 0, bytes);
		break;
	case BLOCK_WRITTEN:
		memcpy(data, block_reach(disk, offset), bytes);
		break;
	}
}

/* --- writing --- */

static void tell_full(struct disk *disk)
{
	if (!disk->told_full)
		log_error("%s: no memory is left for what it writes to its disk %s, which holds "
			  "%lu KiB: the guest is told of errors; discard (fstrim) or destroy what "
			  "is not needed",
			  disk->owner, disk->path, disk->written_bytes / KIB);
	disk->told_full = true;
}

static bool is_full(void)
{
	struct memory_usage usage;

	memory_usage(&usage);
	return usage.free_bytes <= RESERVE_BYTES;
}

/*
 * A page of its own for the block, with what the block had before: nothing of what the page was
 * before is left, since `whole` says that all of it is written next.
 */
static int block_take(struct disk *disk, u64 offset, enum block_state state, bool whole)
{
	u64 start = align_down(offset, BLOCK);
	u64 physical = is_full() ? PAGE_NONE : memory_guest_alloc(PAGE_ORDER_4K);
	int error = physical == PAGE_NONE ? -ENOMEM : 0;

	if (!error)
		error = block_map(disk, offset, physical, PAGE_READ | PAGE_WRITE);
	if (error && physical != PAGE_NONE)
		memory_guest_free(physical, PAGE_ORDER_4K);
	if (error) {
		tell_full(disk);
		return -EIO;
	}
	disk->written_bytes += BLOCK;
	if (whole)
		return 0;
	if (state == BLOCK_ZERO)
		memset(block_reach(disk, start), 0, BLOCK);
	else
		image_read(disk, start, block_reach(disk, start), BLOCK);
	return 0;
}

static int block_write(struct disk *disk, u64 offset, const u8 *data, u64 bytes)
{
	u64 physical;
	enum block_state state = block_look(disk, offset, &physical);
	int error = 0;

	if (state != BLOCK_WRITTEN)
		error = block_take(disk, offset, state, bytes == BLOCK);
	if (error)
		return error;
	memcpy(block_reach(disk, offset), data, bytes);
	return 0;
}

/* The block reads as zero and is a page no longer. If it was the image's, this may need a table. */
static int block_clear(struct disk *disk, u64 offset, enum block_state state, u64 physical)
{
	if ((state == BLOCK_OF_IMAGE && is_full()) ||
	    block_map(disk, offset, memory_physical(disk->zeros), PAGE_READ)) {
		tell_full(disk);
		return -EIO;
	}
	memory_forget(block_at(disk, offset));
	if (state == BLOCK_WRITTEN) {
		memory_guest_free(physical, PAGE_ORDER_4K);
		disk->written_bytes -= BLOCK;
	}
	return 0;
}

static int block_discard(struct disk *disk, u64 offset)
{
	u64 physical;
	enum block_state state = block_look(disk, offset, &physical);

	return state == BLOCK_WRITTEN ? block_clear(disk, offset, state, physical) : 0;
}

static int block_zero(struct disk *disk, u64 offset, u64 bytes)
{
	u64 physical = PAGE_NONE;
	enum block_state state = block_look(disk, offset, &physical);

	if (state == BLOCK_ZERO)
		return 0;
	if (bytes < BLOCK)
		return block_write(disk, offset, disk->zeros, bytes);
	return block_clear(disk, offset, state, physical);
}

/* --- what the device calls --- */

/* How much of [offset, offset + bytes) is in the first block of it. */
static u64 block_part(u64 offset, u64 bytes)
{
	return MIN(bytes, BLOCK - offset % BLOCK);
}

static int disk_read(void *context, u64 offset, void *data, u64 bytes)
{
	const struct disk *disk = context;

	for (u64 done = 0, part; done < bytes; done += part) {
		part = block_part(offset + done, bytes - done);
		block_read(disk, offset + done, (u8 *)data + done, part);
	}
	return 0;
}

static int disk_write(void *context, u64 offset, const void *data, u64 bytes)
{
	struct disk *disk = context;

	for (u64 done = 0, part; done < bytes; done += part) {
		int error;

		part = block_part(offset + done, bytes - done);
		error = block_write(disk, offset + done, (const u8 *)data + done, part);
		if (error)
			return error;
	}
	return 0;
}

static int disk_discard(void *context, u64 offset, u64 bytes)
{
	struct disk *disk = context;
	u64 end = align_down(offset + bytes, BLOCK);

	for (offset = align_up(offset, BLOCK); offset < end; offset += BLOCK) {
		int error = block_discard(disk, offset);

		if (error)
			return error;
	}
	return 0;
}

static int disk_zero(void *context, u64 offset, u64 bytes)
{
	struct disk *disk = context;

	for (u64 done = 0, part; done < bytes; done += part) {
		int error;

		part = block_part(offset + done, bytes - done);
		error = block_zero(disk, offset + done, part);
		if (error)
			return error;
	}
	return 0;
}

static const struct disk_ops ops = {
	.read = disk_read,
	.write = disk_write,
	.discard = disk_discard,
	.zero = disk_zero,
};

/* --- making and destroying --- */

static int image_check(const char *path, const struct load_file *image, char *reason)
{
	if (!image->bytes || image->bytes % DISK_SECTOR_BYTES)
		format_text(reason, LOAD_REASON_BYTES,
			    "%s has %lu bytes: a disk has a multiple of %lu, and not 0", path,
			    image->bytes, DISK_SECTOR_BYTES);
	else if (image->bytes > DISK_BYTES_MAX)
		format_text(reason, LOAD_REASON_BYTES, "%s has %lu MiB: a disk has at most %lu MiB",
			    path, image->bytes / MIB, DISK_BYTES_MAX / MIB);
	else
		return 0;
	return -EINVAL;
}

/* What the guest sees as the serial number: the end of the path, which tells most. */
static void id_set(struct disk_backend *backend, const char *path)
{
	size_t bytes = strlen(path), start = bytes;

	while (start && path[start - 1] != '\\')
		start--;
	memcpy(backend->id, path + start, MIN(bytes - start, (size_t)DISK_ID_BYTES));
}

int disk_create(struct disk *disk, const char *owner, const char *path, bool readonly,
		const struct load_file *image, struct page_table *table, u8 *written, char *reason)
{
	int error = image_check(path, image, reason);
	void *zeros = error ? NULL : memory_take(MEMORY_DEVICES, BLOCK);

	if (error || !zeros)
		return error ? error : -ENOMEM;
	*disk = (struct disk){
		.backend = {.ops = &ops,
			    .context = disk,
			    .bytes = image->bytes,
			    .readonly = readonly},
		.owner = owner,
		.path = path,
		.table = table,
		.image = *image,
		.written = written,
		.zeros = zeros,
	};
	id_set(&disk->backend, path);
	return 0;
}

void disk_destroy(struct disk *disk)
{
	u64 end = (u64)disk->written + DISK_BYTES_MAX;
	struct page_table_leaf leaf = {.address = (u64)disk->written};

	if (!disk->zeros)
		return;
	while (!page_table_next(disk->table, &leaf) && leaf.address < end)
		if (leaf.access & PAGE_WRITE)
			memory_guest_free(leaf.physical, PAGE_ORDER_4K);
	memory_give(MEMORY_DEVICES, disk->zeros, BLOCK);
	*disk = (struct disk){0};
}

void disk_started(struct disk *disk)
{
	disk->told_full = false;
}
