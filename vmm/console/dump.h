/* SPDX-License-Identifier: MIT */
/*
 * A frozen partition as an ELF core file, piece by piece. For the console's thread.
 *
 * dump_begin looks at the guest's page tables and lays the file out; dump_read gives any part of
 * it, in any order and as often as asked. One dump at a time: the layout of the last dump_begin
 * counts.
 */
#pragma once

#include <bulkhead/types.h>

struct partition;

/*
 * When the guest has paging on, each range of memory appears at its virtual addresses, and all of
 * guest-physical memory at DUMP_PHYSICAL + address, where no virtual address can be. Without paging
 * memory is at its physical addresses.
 */
#define DUMP_PHYSICAL 0x1000000000000000UL

/* 0 and the size of the whole file; -EBUSY and `reason` (LOAD_REASON_BYTES) when the partition
 * cannot be looked at. */
int dump_begin(struct partition *partition, u64 *total_bytes, char *reason) must_check;

/* 0; -EBUSY when there was no dump_begin for this partition, or it ran since; -EINVAL for what is
 * beyond the end. */
int dump_read(struct partition *partition, u64 offset, void *buffer, u32 bytes) must_check;
