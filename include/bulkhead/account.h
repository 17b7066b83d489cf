/* SPDX-License-Identifier: MIT */
/*
 * Charge records: what a partition has used of the machine since it was created, however often it
 * was started. The last record of a destroyed partition is kept for a while. For one thread at a
 * time: the start of the machine, then the operator's console.
 */
#pragma once

#include <bulkhead/config.h>
#include <bulkhead/types.h>

struct partition;

struct account_record {
	char name[CONFIG_NAME_BYTES];
	u32 number; /* partition.number: names are used again, numbers are not */
	u64 created_us;
	u64 until_us;	   /* it was destroyed, or now */
	u64 cpu_us;	   /* had a CPU, in guest mode or not */
	u64 memory_bytes;  /* all the time: RAM is a partition's while it exists */
	u64 console_bytes; /* that the guest has printed */
	u64 starts;
};

#define ACCOUNT_CLOSED_MAX 64

/* So far. */
void account_read(struct partition *partition, struct account_record *record);
/* Before anything of `partition` is taken apart: keep its record. */
void account_close(struct partition *partition);

/* How many were closed in all; the latest ACCOUNT_CLOSED_MAX are kept. */
u64 account_closed_count(void);
/* The one that was closed `back` before the latest (0: the latest), or NULL; good until the next
 * one is closed. */
const struct account_record *account_closed(u64 back);

/* Memory that was held, times how long: MiB x seconds. */
u64 account_mib_seconds(const struct account_record *record);
