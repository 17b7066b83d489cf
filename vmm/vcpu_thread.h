/* SPDX-License-Identifier: MIT */
/* The threads that the vCPUs of a partition are: making them, what they share, and what the first
 * one does for the others. */
#pragma once

#include <bulkhead/cpu_mask.h>
#include <bulkhead/partition.h>
#include <bulkhead/scheduler.h>
#include <bulkhead/types.h>

/* Make the next vCPU of the partition with its devices, on CPU `cpu`. Its thread is blocked, and
 * once it has been woken it waits for the partition to start. Until then vcpu_destroy may take it
 * back, and does so with what there is of one that could not be made. -ENOMEM. */
int vcpu_create(struct partition *partition, u32 cpu, const struct cpu_mask *affinity,
		struct scheduler_group *group) must_check;
/* The last one made. Its thread is retired, was never woken, or was never made: creation may have
 * come as far as it likes. */
void vcpu_destroy(struct partition *partition);

/* vcpu.c: blocked, but not by the guest's own will: that time is counted apart. In its thread. */
void vcpu_rest(struct vcpu *vcpu);

/* vcpu_lifecycle.c: what is to be done in a state other than PARTITION_RUNNING; in the first vCPU's
 * thread. And by another, in its thread, that is not free to run. */
void vcpu_lead(struct partition *partition, enum partition_state state);
void vcpu_follow(struct vcpu *vcpu);
/* The guest asked its board for something, or a vCPU stopped: do what is to be done for that. In
 * the first vCPU's thread. */
void vcpu_act_on_events(struct partition *partition);

/* vcpu_startup.c: power-up of a vCPU other than the first, which waits for its STARTUP then. While
 * it stands still; in the first one's thread. */
void vcpu_power_up(struct vcpu *vcpu);
/* What vcpu->startup asks for. In its thread. */
void vcpu_startup_step(struct vcpu *vcpu);
/* An INIT or a STARTUP for it; any CPU. */
void vcpu_init_request(struct vcpu *vcpu);
void vcpu_startup_request(struct vcpu *vcpu, u8 vector);
