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
	PARTITION_STOPPED,  /* nothing runs; RAM is scrubbed at the next start */
	PARTITION_STARTING,
	PARTITION_RUNNING,
	PARTITION_STOPPING, /* asked to stop; its vCPU has not left guest mode yet */
	PARTITION_CRASHED,  /* stopped by itself in a way that cannot go on; state kept */
};

#define PARTITION_CONSOLE_BYTES (64 * KIB)

/*
 * Created at boot from the configuration, linked in a list that only grows. `lock` guards state and
 * the list of RAM blocks; `device_lock` every virtual device, see include/bulkhead/device.h. Order: lock,
 * then device_lock.
 */
struct partition {
	struct partition *next;
	const struct config_partition *config;
	u32 number; /* from 1: never used twice */

	struct spinlock lock;
	enum partition_state state;
	u64 starts;      /* how often it was started or restarted */
	u64 started_us;  /* when it last was */
	char reason[160]; /* why it is not running, for the operator */

	struct guest_memory memory;
	struct address_space space;
	struct page_table second_level;
	struct load_file kernel, initrd; /* in `space` */

	struct vcpu *vcpu; /* the only one, for now */

	struct spinlock device_lock;
	struct pc *pc;

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

const char *partition_state_name(enum partition_state state);

/* What the partition's board asks for (device events), in the vCPU's own thread. */
void partition_powered_off(struct partition *partition);
void partition_reset(struct partition *partition);

/* Bytes typed at the partition's console: how many were taken. */
u64 partition_console_input(struct partition *partition, const u8 *bytes, u64 count);
