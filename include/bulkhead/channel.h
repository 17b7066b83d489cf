/* SPDX-License-Identifier: MIT */
/*
 * Channels: memory that several partitions have in common, and doorbells to interrupt each other.
 *
 * A channel exists from the first partition that names it to the last, and its memory is its own:
 * cleared when it is made, and not touched by any partition's reset, stop or destruction.
 */
#pragma once

#include <bulkhead/types.h>

#define CHANNEL_PEERS	  16 /* partitions in one channel */
#define CHANNEL_VECTORS	  4  /* doorbells of each */
#define CHANNEL_BYTES_MIN PAGE_SIZE
#define CHANNEL_BYTES_MAX (16 * MIB)

/* Where a guest has it at the beginning of each run, and always without exits. */
#define CHANNEL_GPA 0xd0000000UL

/* --- between a partition's device and the channel; `port` is the channel's --- */

struct channel_port_ops {
	/* Somebody is there who can be interrupted: until then doorbells ring unheard. What has
	 * rung before is forgotten. */
	void (*open)(void *port);
	/* Which peer this is: 0 to CHANNEL_PEERS - 1, the same as long as the partition exists. */
	u32 (*peer)(void *port);
	/* Ring a peer's doorbell, its own too. Nothing where there is none. */
	void (*ring)(void *port, u32 peer, u32 vector);
	/* The doorbells that rang since the last time, as bits; from now on they can ring again. */
	u32 (*take)(void *port);
};

/* --- channels; any CPU, but join and leave for one thread at a time --- */

struct channel_port;

struct channel_setup {
	const char *name;
	u64 bytes; /* a power of 2, CHANNEL_BYTES_MIN to CHANNEL_BYTES_MAX */
	/* Doorbells rang: the device has to look (it will take them). Called with locks held. */
	void (*arrived)(void *context);
	void *context;
};

/*
 * Become a peer. `fresh`: the memory was taken for it now, and is not cleared. -EINVAL: it is there
 * in another size; -ENOSPC: it has CHANNEL_PEERS; -ENOMEM.
 */
int channel_join(const struct channel_setup *setup, struct channel_port **port,
		 bool *fresh) must_check;
/* NULL: nothing. From then on `arrived` is not called. The last one gives the memory back. */
void channel_leave(struct channel_port *port);

extern const struct channel_port_ops channel_port_ops;

const char *channel_name(const struct channel_port *port);
u64 channel_physical(const struct channel_port *port);
u64 channel_bytes(const struct channel_port *port);
bool channel_same(const struct channel_port *one, const struct channel_port *other);
