/* SPDX-License-Identifier: MIT */
/* The local APIC as a payload uses it, in both modes. Offsets are those of the xAPIC page. */
#pragma once

#include "guest.h"

#define APIC_ID		   0x020
#define APIC_VERSION	   0x030
#define APIC_TPR	   0x080
#define APIC_PPR	   0x0a0
#define APIC_EOI	   0x0b0
#define APIC_LDR	   0x0d0
#define APIC_DFR	   0x0e0
#define APIC_SVR	   0x0f0
#define APIC_ISR	   0x100
#define APIC_TMR	   0x180
#define APIC_IRR	   0x200
#define APIC_ESR	   0x280
#define APIC_ICR	   0x300
#define APIC_ICR_HIGH	   0x310
#define APIC_LVT_TIMER	   0x320
#define APIC_LVT_LINT0	   0x350
#define APIC_LVT_LINT1	   0x360
#define APIC_LVT_ERROR	   0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0
#define APIC_SELF_IPI	   0x3f0

#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC(reg)	 (0x800u + (reg) / 16)

#define BASE_X2APIC BIT(10)
#define BASE_ENABLE BIT(11)

#define SVR_ENABLE   0x100u
#define LVT_MASKED   0x10000u
#define LVT_PERIODIC 0x20000u
#define LVT_DEADLINE 0x40000u
#define LVT_EXTINT   0x700u
#define DIVIDE_BY_1  0xbu
#define DIVIDE_BY_16 0x3u

#define ICR_LOGICAL 0x800u
#define ICR_ASSERT  0x4000u
#define ICR_SELF    0x40000u
#define ICR_ALL	    0x80000u
#define ICR_OTHERS  0xc0000u

#define SPURIOUS_VECTOR 0xffu

#define CPUID_1_ECX_X2APIC	 BIT(21)
#define CPUID_1_ECX_TSC_DEADLINE BIT(24)

extern bool apic_is_x2;

static inline volatile u32 *apic_register(u32 reg)
{
	return (volatile u32 *)(0xfee00000UL + reg);
}

static inline u32 apic_read(u32 reg)
{
	return apic_is_x2 ? (u32)msr_read(MSR_X2APIC(reg)) : *apic_register(reg);
}

static inline void apic_write(u32 reg, u32 value)
{
	if (apic_is_x2)
		msr_write(MSR_X2APIC(reg), value);
	else
		*apic_register(reg) = value;
}

static inline void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

/* Is the bit of `vector` set in one of the three bitmaps? */
static inline bool apic_bit(u32 bitmap, u8 vector)
{
	return apic_read(bitmap + vector / 32u * 16) >> vector % 32 & 1;
}

static inline void apic_send(u32 destination, u32 icr)
{
	if (apic_is_x2) {
		msr_write(MSR_X2APIC(APIC_ICR), (u64)destination << 32 | icr);
		return;
	}
	*apic_register(APIC_ICR_HIGH) = destination << 24;
	*apic_register(APIC_ICR) = icr;
}

static inline void apic_send_self(u8 vector)
{
	apic_send(0, ICR_SELF | ICR_ASSERT | vector);
}

/* On, all local interrupts masked, nothing held back; both 8259s masked. */
void apic_setup(void);
