/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, between the files that it is made of: vlapic.c has registers and modes,
 * vlapic_interrupt.c what waits and what is in service, vlapic_message.c what goes from one APIC to
 * another, vlapic_timer.c the timer. Registers are the page's.
 */
#pragma once

#include <bulkhead/vlapic.h>

#define LVT_MASKED    (1u << 16)
#define VECTOR_LOWEST 16 /* 0 to 15 are illegal for fixed and lowest-priority interrupts */

/* Of the error-status register. */
#define ESR_SEND_VECTOR (1u << 5)
#define ESR_RECEIVE	(1u << 6)
#define ESR_ADDRESS	(1u << 7)

static inline void vlapic_register_set(struct vlapic *apic, u32 offset, u32 value)
{
	*(volatile u32 *)(void *)(apic->page + offset) = value;
}

/* vlapic_interrupt.c */
/* One error interrupt until the ESR is written (11.5.3). */
void vlapic_error(struct vlapic *apic, u32 errors);
/* PPR as it has to be; and as it is from now on. */
u32 vlapic_ppr(const struct vlapic *apic);
void vlapic_ppr_update(struct vlapic *apic);
/* The timer's interrupt, if it is not masked. */
void vlapic_timer_interrupt(struct vlapic *apic);

/* vlapic_message.c */
void vlapic_self_ipi(struct vlapic *apic, u8 vector);

/* vlapic_timer.c */
#define VLAPIC_TIMER_PERIODIC 0x20000u /* of timer_mode */
void vlapic_timer_init(struct vlapic *apic);
void vlapic_timer_reset(struct vlapic *apic);
/* The initial-count register was written at `now`: count from there. */
void vlapic_timer_start(struct vlapic *apic, u64 now);
void vlapic_timer_divide_changed(struct vlapic *apic);
void vlapic_timer_mode_changed(struct vlapic *apic);
u32 vlapic_timer_current(const struct vlapic *apic);
/* A periodic one has counted down, and counts again. */
void vlapic_timer_restart(struct vlapic *apic);
/* A write of IA32_TSC_DEADLINE, in any mode. */
int vlapic_deadline_write(struct vlapic *apic, u64 deadline) must_check;
