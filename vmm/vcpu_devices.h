/* SPDX-License-Identifier: MIT */
/* A partition's board and local APIC, tied to the partition and its vCPU. */
#pragma once

#include <bulkhead/types.h>

struct partition;

int vcpu_devices_create(struct partition *partition) must_check;
/* Power-up state for all of them; guest time begins again. */
void vcpu_devices_reset(struct partition *partition);
