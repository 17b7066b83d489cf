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

#define VLAPIC_TIMER_PERIODIC 0x20000u /* of timer_mode */

/* A periodic one has counted down, and counts again. */
void vlapic_timer_restart(struct vlapic *apic);
