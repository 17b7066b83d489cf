/* SPDX-License-Identifier: MIT */
/*
 * Interrupts itself without end, in every way that an interrupt can be sent to oneself: several at
 * once with interrupts off, so that they wait for each other, one by one, and NMIs.
 */
#include "apic.h"

#define VECTOR_FIRST 0x50
#define VECTORS	     8
#define ICR_NMI	     0x400u

static u64 interrupts, nmis;

static void ipi_interrupt(struct frame *frame unused)
{
	interrupts++;
	apic_eoi();
}

static void ipi_nmi(struct frame *frame unused)
{
	nmis++;
}

static void storm(void)
{
	for (u8 i = 0; i < VECTORS; i++)
		apic_send_self((u8)(VECTOR_FIRST + i * 16));
	take_interrupts();
	apic_send_self(VECTOR_FIRST);
	take_interrupts();
	/* No shorthand: with one, only fixed interrupts reach the sender. */
	apic_send(apic_is_x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24, ICR_ASSERT | ICR_NMI);
}

void guest_main(void)
{
	u64 second = tsc_hz();

	apic_setup();
	exception_handler = ipi_nmi;
	for (u8 i = 0; i < VECTORS; i++)
		handler_set((u8)(VECTOR_FIRST + i * 16), ipi_interrupt);
	print("ipistorm: begins\n");
	for (u64 number = 1;; number++) {
		while (tsc_read() < number * second)
			storm();
		print_quickly("ipistorm: %lu interrupts, %lu NMIs\n", interrupts, nmis);
	}
}
