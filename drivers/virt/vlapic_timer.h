/* SPDX-License-Identifier: MIT */
/* The local APIC's timer, between vlapic.c and vlapic_timer.c only. Registers are the page's. */
#pragma once

#include <bulkhead/vlapic.h>

void vlapic_timer_init(struct vlapic *apic);
void vlapic_timer_reset(struct vlapic *apic);
/* The initial-count register was written at `now`: count from there. */
void vlapic_timer_start(struct vlapic *apic, u64 now);
void vlapic_timer_divide_changed(struct vlapic *apic);
void vlapic_timer_mode_changed(struct vlapic *apic);
u32 vlapic_timer_current(const struct vlapic *apic);

/* A write of IA32_TSC_DEADLINE, in any mode. */
int vlapic_deadline_write(struct vlapic *apic, u64 deadline) must_check;

/* vlapic.c: the timer's interrupt, if it is not masked. */
void vlapic_timer_interrupt(struct vlapic *apic);
