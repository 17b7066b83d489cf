/* SPDX-License-Identifier: MIT */
/* The local APIC as a payload uses it. */
#include "apic.h"

bool apic_is_x2;

void apic_setup(void)
{
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS_VECTOR);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_MASKED);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_TPR, 0);
}
