/* SPDX-License-Identifier: MIT */
/*
 * Prints a line every 100 ms of its own time, for ever: how far off the moment the timer's
 * interrupt came, and the worst so far. Whoever keeps this partition from its CPU shows here.
 */
#include "apic.h"

#define PERIOD_US 100000
#define VECTOR	  0x40

static volatile u64 arrived;

static void timer_interrupt(struct frame *frame unused)
{
	arrived = tsc_read();
	apic_eoi();
}

void guest_main(void)
{
	u64 deadline = tsc_read(), worst = 0;

	apic_setup();
	handler_set(VECTOR, timer_interrupt);
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	for (u64 tick = 1;; tick++) {
		u64 late;

		deadline += us_to_tsc(PERIOD_US);
		arrived = 0;
		msr_write(MSR_TSC_DEADLINE, deadline);
		while (!arrived)
			wait_interrupt();
		late = arrived < deadline ? 0 : tsc_to_us(arrived - deadline);
		worst = MAX(worst, late);
		print("tick %lu late %lu us, worst %lu us\n", tick, late, worst);
	}
}
