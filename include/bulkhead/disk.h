/* SPDX-License-Identifier: MIT */
/*
 * Disks of partitions: what a device that shows one to the guest needs of it (struct disk_backend),
 * and the one kind there is: an image that the loader brought, which stays as it is, and the blocks
 * that the guest wrote, which are the partition's until it is destroyed.
 *
 * Locking: the partition's device lock is held around every call of struct disk_ops, and its
 * address space is the current one.
 */
#pragma once

#include <bulkhead/load.h>
#include <bulkhead/page_table.h>

#define DISK_SECTOR_BYTES 512UL
#define DISK_BLOCK_BYTES  4096UL /* what is kept as a whole once a byte of it was written */
#define DISK_ID_BYTES	  20
#define DISK_BYTES_MAX	  (128 * GIB)

/*
 * [offset, offset + bytes) is always inside the disk, and need not be whole sectors. Each returns 0
 * or -EIO (there is no memory for what would have to be kept): some of it may be done then.
 */
struct disk_ops {
	int (*read)(void *context, u64 offset, void *data, u64 bytes);
	int (*write)(void *context, u64 offset, const void *data, u64 bytes);
	/* Blocks that were written may be forgotten: those that lie in the range as a whole are,
	 * and read as zero from now on. All else stays. */
	int (*discard)(void *context, u64 offset, u64 bytes);
	/* All of it reads as zero from now on, and whole blocks of it take no memory. */
	int (*zero)(void *context, u64 offset, u64 bytes);
};

struct disk_backend {
	const struct disk_ops *ops;
	void *context;
	u64 bytes; /* a multiple of DISK_SECTOR_BYTES */
	bool readonly;
	char id[DISK_ID_BYTES]; /* for the guest; ends in NUL if it is shorter */
};

/*
 * A disk made of an image and what was written.
 *
 * Blocks that were written are pages of guest memory, mapped in the partition's own address space
 * and in no other, each at its offset from `written`: the page table is the index. A block that is
 * not mapped there is still the image's; one that is mapped without PAGE_WRITE reads as zero.
 *
 * Owned by its partition. `written_bytes` may be read without the lock.
 */
struct disk {
	struct disk_backend backend;
	const char *owner;	  /* the partition's name */
	const char *path;	  /* of the image */
	struct page_table *table; /* of the partition's address space */
	struct load_file image;	  /* there */
	u8 *written;		  /* there: DISK_BYTES_MAX of linear addresses */
	void *zeros;		  /* the page that blocks of zeros are mapped to */
	u64 written_bytes;	  /* memory that is taken */
	bool told_full;		  /* the operator knows that it does not get more */
};

/* `owner` and `path` stay the caller's. Negative with `reason` (LOAD_REASON_BYTES) filled in, if
 * the image is none. */
int disk_create(struct disk *disk, const char *owner, const char *path, bool readonly,
		const struct load_file *image, struct page_table *table, u8 *written,
		char *reason) must_check;
/* Gives all memory back; nothing if disk_create failed or was not called on zeroed memory. */
void disk_destroy(struct disk *disk);
/* Its partition starts: what goes wrong from now on is told again. */
void disk_started(struct disk *disk);
