/* SPDX-License-Identifier: MIT */
/* A partition's RAM: where it comes from, and the two ways in which it is mapped. */
#pragma once

#include <bulkhead/types.h>

struct partition;
struct ram_block;

/* Take RAM for the partition, map it for the guest (second-level tables) and for the hypervisor
 * while it works for this partition, and map its files. Negative with `reason` filled in. */
int partition_memory_create(struct partition *partition, char *reason);
/* Give all of it back, however far creation came. */
void partition_memory_destroy(struct partition *partition);
/* Map a piece of its RAM or ROM for both. Takes no memory where one was mapped before. */
int partition_memory_map(struct partition *partition, const struct ram_block *block) must_check;
/*
 * The guest reads the array of its flash as memory from now on; or each access to it comes to the
 * device, as soon as virt_backend's vcpu_tables_changed was called for each vCPU. Under the device
 * lock.
 */
void partition_flash_show(struct partition *partition);
void partition_flash_hide(struct partition *partition);

/* partition_touch.c: RAM that is cleared when it is touched, in a partition whose configuration
 * wants that; nothing in any other. -ENOMEM: partition_touch_destroy gives back what there is. */
int partition_touch_create(struct partition *partition) must_check;
void partition_touch_destroy(struct partition *partition);
/*
 * [gpa, gpa + bytes), multiples of PARTITION_TOUCH_BYTES above the first such piece and within its
 * RAM, is to be cleared when it is touched from now on. While its vCPUs stand still; what CPUs have
 * cached of these mappings they must forget before they run.
 */
void partition_touch_forget(struct partition *partition, u64 gpa, u64 bytes);
