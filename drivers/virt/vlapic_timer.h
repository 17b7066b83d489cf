/* SPDX-License-Identifier: MIT */
/* The local APIC's timer, between vlapic.c and vlapic_timer.c only. Registers are the page's. */
#pragma once

#include <bulkhead/vlapic.h>

void vlapic_timer_init(struct vlapic *apic);
void vlapic_timer_reset(struct vlapic *apic);
/* The initial-count register was written: count from there. */
void vlapic_timer_start(struct vlapic *apic);
void vlapic_timer_divide_changed(struct vlapic *apic);
void vlapic_timer_mode_changed(struct vlapic *apic);
u32 vlapic_timer_current(const struct vlapic *apic);

/* vlapic.c's: raise the interrupt of a local vector table entry unless it is masked. */
void vlapic_lvt_fire(struct vlapic *apic, u32 offset);
