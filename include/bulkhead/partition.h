/* SPDX-License-Identifier: MIT */
/* A partition: an isolated PC. */
#pragma once

#include <bulkhead/byte_ring.h>
#include <bulkhead/config.h>
#include <bulkhead/guest_memory.h>
#include <bulkhead/load.h>
#include <bulkhead/memory.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/vcpu.h>

struct pc;

enum partition_state {
	PARTITION_STOPPED, /* nothing runs; RAM is scrubbed at the next start */
	PARTITION_STARTING,
	PARTITION_RUNNING,
	PARTITION_STOPPING, /* asked to stop; its vCPU has not left guest mode yet */
	PARTITION_CRASHED,  /* stopped by itself in a way that cannot go on; state kept */
};

#define PARTITION_CONSOLE_BYTES (64 * KIB)

/* One piece of a partition's RAM: 4 KiB << order of it. */
struct ram_block {
	u64 gpa;
	u64 physical;
	unsigned order;
};

/*
 * Created at boot from the configuration, linked in a list that only grows. `lock` guards state and
 * the list of RAM blocks; `device_lock` every virtual device, see include/bulkhead/device.h. Order:
 * lock, then device_lock.
 */
struct partition {
	struct partition *next;
	const struct config_partition *config;
	u32 number; /* from 1: never used twice */

	struct spinlock lock;
	enum partition_state state;
	u64 starts;	  /* how often it was started or restarted */
	u64 started_us;	  /* when it last was */
	char reason[160]; /* why it is not running, for the operator */

	struct guest_memory memory;
	struct address_space space;
	struct page_table second_level;
	struct load_file kernel, initrd; /* in `space` */
	struct ram_block *ram;		 /* what the RAM is made of, in order of guest address */
	u32 ram_count, ram_room;

	struct vcpu *vcpu; /* the only one, for now */

	struct spinlock device_lock;
	struct pc *pc;
	struct timer device_timer; /* the board's next moment */
	u64 clock_offset;	   /* guest tick = host TSC + clock_offset */
	volatile u32 events; /* bits of 1 << enum device_event that its vCPU has yet to act on */

	/* What the guest has printed; under console_lock, as the operator's console reads it. */
	struct spinlock console_lock;
	struct byte_ring console;
};

/* Make every partition of the configuration; report and leave out what cannot be made. */
void partition_create_all(const struct config *config);
void partition_autostart(void);

struct partition *partition_first(void);
struct partition *partition_find(const char *name);

/* Each returns 0 or a negative errno with the reason in `reason` (LOAD_REASON_BYTES). */
int partition_start(struct partition *partition, char *reason) must_check;
int partition_stop(struct partition *partition, char *reason) must_check;

/* Put a partition that is PARTITION_STARTING into its first state; in its vCPU's thread. */
int partition_load(struct partition *partition, char *reason) must_check;
/* Its vCPU left the state RUNNING or STARTING for good: note why, tell the operator. */
void partition_ended(struct partition *partition, enum partition_state state, const char *reason);

const char *partition_state_name(enum partition_state state);

/* Bytes typed at the partition's console: how many were taken. */
u64 partition_console_input(struct partition *partition, const u8 *bytes, u64 count);
