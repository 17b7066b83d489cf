/* SPDX-License-Identifier: MIT */
/* A partition's RAM: where it comes from, and the two ways in which it is mapped. */
#pragma once

struct partition;

/* Take RAM for the partition, map it for the guest (second-level tables) and for the hypervisor
 * while it works for this partition, and map its files. Negative with `reason` filled in. */
int partition_memory_create(struct partition *partition, char *reason);
/* Give all of it back, however far creation came. */
void partition_memory_destroy(struct partition *partition);
/*
 * The guest reads the array of its flash as memory from now on; or each access to it comes to the
 * device, as soon as virt_backend's vcpu_tables_changed was called for each vCPU. Under the device
 * lock.
 */
void partition_flash_show(struct partition *partition);
void partition_flash_hide(struct partition *partition);
