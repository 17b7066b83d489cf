/* SPDX-License-Identifier: MIT */
/* A partition's board and the local APICs, tied to the partition and its vCPUs. */
#pragma once

#include <bulkhead/types.h>

struct partition;
struct vcpu;

/* A vCPU's local APIC; the first one's comes with the board. */
int vcpu_devices_create(struct vcpu *vcpu) must_check;
/* Of a partition that is stopped, however far creation came; the first one's last. */
void vcpu_devices_destroy(struct vcpu *vcpu);
/* Run what came due while the vCPU waited for its CPU: it has it now. */
void vcpu_devices_catch_up(struct vcpu *vcpu);
/* It goes to another CPU; on the one that it leaves. */
void vcpu_devices_move(struct vcpu *vcpu, u32 cpu);
/* INIT, for its local APIC; in its own thread. */
void vcpu_devices_init(struct vcpu *vcpu);

/* Time stands still for its local APIC, and goes on; on its own CPU, while it does not run. */
void vcpu_timer_stop(struct vcpu *vcpu);
void vcpu_timer_go_on(struct vcpu *vcpu);

/*
 * In the first vCPU's thread, while all others stand still. The board and its own local APIC are
 * seen to here; the other vCPUs stop and start their own timers.
 */
/* Time stands still: nothing fires any more. */
void vcpu_devices_stop(struct partition *partition);
/* Their time stands still, and goes on as if nothing had been between. */
void vcpu_devices_pause(struct partition *partition);
void vcpu_devices_resume(struct partition *partition);
/* Press the power button of one that runs; false: its guest does not care. */
bool vcpu_devices_power_button(struct partition *partition) must_check;
/* Let the board take what has come for its devices; in the first vCPU's thread, in its own time. */
void vcpu_devices_look(struct vcpu *vcpu);
/* Power-up state for all of them and all local APICs; guest time begins again. */
void vcpu_devices_reset(struct partition *partition);
