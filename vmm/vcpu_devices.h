/* SPDX-License-Identifier: MIT */
/* A partition's board and local APIC, tied to the partition and its vCPU. */
#pragma once

#include <bulkhead/types.h>

struct partition;

int vcpu_devices_create(struct partition *partition) must_check;
/* Of a partition that never ran, however far creation came. */
void vcpu_devices_destroy(struct partition *partition);
/* Time stands still for them: nothing fires any more. */
void vcpu_devices_stop(struct partition *partition);
/* Power-up state for all of them; guest time begins again. */
void vcpu_devices_reset(struct partition *partition);
