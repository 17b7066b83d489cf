/* SPDX-License-Identifier: MIT */
/*
 * Sets every timer of its board to the shortest period that there is, and sleeps: what comes of
 * that keeps the hypervisor busy, not the guest.
 */
#include "apic.h"

#define PIT_CONTROL    0x43
#define PIT_CHANNEL_0  0x40
#define PIT_MODE_2     0x34
#define PIT_LEAST      2
#define RTC_INDEX      0x70
#define RTC_DATA       0x71
#define RTC_A	       0x0a
#define RTC_B	       0x0b
#define RTC_C	       0x0c
#define RTC_A_8192_HZ  0x23
#define RTC_B_PERIODIC 0x42
#define PIC_1	       0x20
#define PIC_2	       0xa0
#define PIC_VECTORS    0x20
#define TIMER_VECTOR   0x60

static void apic_tick(struct frame *frame unused)
{
	apic_eoi();
}

static void pic_tick(struct frame *frame)
{
	if (frame->vector >= PIC_VECTORS + 8) {
		out8(RTC_INDEX, RTC_C);
		in8(RTC_DATA);
		out8(PIC_2, 0x20);
	}
	out8(PIC_1, 0x20);
}

static void pic_setup(void)
{
	out8(PIC_1, 0x11);
	out8(PIC_1 + 1, PIC_VECTORS);
	out8(PIC_1 + 1, 4);
	out8(PIC_1 + 1, 1);
	out8(PIC_2, 0x11);
	out8(PIC_2 + 1, PIC_VECTORS + 8);
	out8(PIC_2 + 1, 2);
	out8(PIC_2 + 1, 1);
	out8(PIC_1 + 1, 0xfa); /* timer and cascade */
	out8(PIC_2 + 1, 0xfe); /* clock */
}

static void timers_start(void)
{
	out8(PIT_CONTROL, PIT_MODE_2);
	out8(PIT_CHANNEL_0, PIT_LEAST);
	out8(PIT_CHANNEL_0, 0);
	out8(RTC_INDEX, RTC_A);
	out8(RTC_DATA, RTC_A_8192_HZ);
	out8(RTC_INDEX, RTC_B);
	out8(RTC_DATA, RTC_B_PERIODIC);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, 1);
}

void guest_main(void)
{
	apic_setup();
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	for (u8 i = 0; i < 16; i++)
		handler_set((u8)(PIC_VECTORS + i), pic_tick);
	handler_set(TIMER_VECTOR, apic_tick);
	print("timerstorm: begins\n");
	pic_setup();
	timers_start();
	for (;;)
		wait_interrupt();
}
