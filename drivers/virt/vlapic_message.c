/* SPDX-License-Identifier: MIT */
/* Interrupt messages of local APICs: whom one is for, and what a write of the ICR sends (SDM vol.
 * 3, 11.6). */
#include "vlapic_internal.h"

#define BROADCAST_XAPIC	   0xffu
#define BROADCAST_X2APIC   0xffffffffu
#define ICR_MODE(icr)	   ((u32)(icr) >> 8 & 7)
#define ICR_SHORTHAND(icr) ((u32)(icr) >> 18 & 3)

enum icr_mode {
	ICR_FIXED = 0,
	ICR_LOWEST = 1,
	ICR_INIT = 5,
	ICR_RESERVED7 = 7,
};

#define ICR_ASSERT	   (1u << 14)
#define ICR_LEVEL	   (1u << 15)
#define ICR_SHORTHAND_SELF 1

static bool matches_x2apic(const struct vlapic *apic, u32 destination, bool logical)
{
	u32 ldr = vlapic_register(apic, VLAPIC_LDR);

	if (!logical)
		return destination == apic->id;
	return destination >> 16 == ldr >> 16 && (destination & ldr & 0xffff);
}

static bool matches_xapic(const struct vlapic *apic, u32 destination, bool logical)
{
	u32 ldr = vlapic_register(apic, VLAPIC_LDR) >> 24;

	if (destination == BROADCAST_XAPIC)
		return true;
	if (destination > BROADCAST_XAPIC)
		return false;
	if (!logical) /* not its register, which an INIT clears and sets while others look */
		return destination == apic->id;
	switch (vlapic_register(apic, VLAPIC_DFR) >> 28) {
	case 0xf: /* flat model */
		return destination & ldr;
	case 0x0: /* cluster model; cluster 15 is all of them */
		return (destination >> 4 == ldr >> 4 || destination >> 4 == 0xf) &&
		       (destination & ldr & 0xf);
	default:
		return false;
	}
}

bool vlapic_matches(const struct vlapic *apic, u32 destination, bool logical)
{
	if (!vlapic_enabled(apic))
		return false;
	if (destination == BROADCAST_X2APIC)
		return true;
	return vlapic_x2apic(apic) ? matches_x2apic(apic, destination, logical)
				   : matches_xapic(apic, destination, logical);
}

void vlapic_self_ipi(struct vlapic *apic, u8 vector)
{
	/* An illegal vector is detected on the way out and on the way in (11.5.3). */
	if (vector < VECTOR_LOWEST)
		vlapic_error(apic, ESR_SEND_VECTOR | ESR_RECEIVE);
	else
		vlapic_accept(apic, vector, false);
}

void vlapic_send_ipi(struct vlapic *apic, u64 icr)
{
	u32 mode = ICR_MODE(icr);
	bool self = ICR_SHORTHAND(icr) == ICR_SHORTHAND_SELF;

	if (mode == VLAPIC_MODE_KICK || mode == ICR_RESERVED7)
		return;
	/* The INIT level de-assert message does nothing since the Pentium 4 (table 11-3). */
	if (mode == ICR_INIT && (icr & (ICR_ASSERT | ICR_LEVEL)) == ICR_LEVEL)
		return;
	if (self && mode == ICR_FIXED)
		vlapic_self_ipi(apic, (u8)icr);
	else if (mode <= ICR_LOWEST && (u8)icr < VECTOR_LOWEST)
		vlapic_error(apic, ESR_SEND_VECTOR);
	else
		apic->ops->send_ipi(apic, icr);
}
