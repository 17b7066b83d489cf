/* SPDX-License-Identifier: MIT */
/* The physical local APIC of this CPU, and the I/O APICs (SDM vol. 3, chapter 11). */
#pragma once

#include <bulkhead/boot.h>
#include <bulkhead/types.h>

/* On each CPU: enable its APIC, x2APIC mode where the CPU has it. */
void apic_init(void);
/* On the boot CPU: mask the 8259s, map and mask all I/O APIC inputs. */
void apic_init_board(const struct boot_info *info);
/* Once, when the TSC rate is known: how fast the one-shot timer counts where there is no deadline
 * mode. */
void apic_timer_calibrate(void);

u32 apic_id(void);
void apic_eoi(void);
void apic_timer_set(u64 tsc_deadline); /* ~0: off */

/* Interprocessor interrupts by physical APIC id. */
void apic_send_nmi(u32 destination);
void apic_send_init(u32 destination);
void apic_send_startup(u32 destination, u8 page);

/* To this CPU itself. Also in the middle of any of the others, by an NMI. */
void apic_send_self(u8 vector);

/* Let ISA interrupt `irq` arrive as an NMI at this CPU, at each edge. -ENODEV when no I/O APIC has
 * it.
 */
int apic_route_isa_nmi(unsigned irq) must_check;
