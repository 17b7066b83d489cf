/* SPDX-License-Identifier: MIT */
/* A partition's board and local APIC, tied to the partition and its vCPU. */
#pragma once

#include <bulkhead/types.h>

struct partition;
struct vcpu;

int vcpu_devices_create(struct partition *partition) must_check;
/* Of a partition that is stopped, however far creation came. */
void vcpu_devices_destroy(struct partition *partition);
/* Time stands still for them: nothing fires any more. */
void vcpu_devices_stop(struct partition *partition);
/* Their time stands still, and goes on as if nothing had been between. */
void vcpu_devices_pause(struct partition *partition);
void vcpu_devices_resume(struct partition *partition);
/* Run what came due while the vCPU waited for its CPU: it has it now. */
void vcpu_devices_catch_up(struct vcpu *vcpu);
/* Let the board take what has come for its devices; in the vCPU's thread, in its own time. */
void vcpu_devices_look(struct vcpu *vcpu);
/* Its vCPU goes to another CPU; on the one that it leaves. */
void vcpu_devices_move(struct partition *partition, u32 cpu);
/* Power-up state for all of them; guest time begins again. */
void vcpu_devices_reset(struct partition *partition);
