/* SPDX-License-Identifier: MIT */
/* Sleeping until a moment of the guest's TSC, by the local APIC's deadline timer. */
#include "alarm.h"

#define ALARM_VECTOR 0x40

static volatile u64 arrived;

static void alarm_interrupt(struct frame *frame unused)
{
	arrived = tsc_read();
	apic_eoi();
}

void alarm_setup(void)
{
	apic_setup();
	handler_set(ALARM_VECTOR, alarm_interrupt);
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | ALARM_VECTOR);
}

u64 alarm_sleep(u64 deadline)
{
	arrived = 0;
	msr_write(MSR_TSC_DEADLINE, deadline);
	while (!arrived)
		wait_interrupt();
	return arrived;
}
