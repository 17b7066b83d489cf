/* SPDX-License-Identifier: MIT */
/* The apic payload: what comes from the board, through the I/O APIC and through the 8259 pair. */
#include "apic_test.h"

#define IOAPIC	      0xfec00000UL
#define ENTRY(pin)    (0x10 + 2 * (pin))
#define ENTRY_MASKED  0x10000u
#define ENTRY_LEVEL   0x8000u
#define ENTRY_REMOTE  0x4000u
#define ENTRY_LOGICAL 0x0800u
#define PIN_TIMER     2
#define PIN_COM1      4
#define PIN_RTC	      8
#define VECTOR_PIT    0x81
#define VECTOR_RTC    0x82
#define VECTOR_COM1   0x83
#define VECTOR_PIC    0x20 /* of its input 0, the timer */
#define PIT_HZ	      1193182
#define RTC_PERIODIC  0x40
#define COM1_IER      0x3f9
#define COM1_IIR      0x3fa
#define IER_THR_EMPTY 0x02

static u32 ioapic_read(u32 index)
{
	*(volatile u32 *)IOAPIC = index;
	return *(volatile u32 *)(IOAPIC + 0x10);
}

static void ioapic_write(u32 index, u32 value)
{
	*(volatile u32 *)IOAPIC = index;
	*(volatile u32 *)(IOAPIC + 0x10) = value;
}

static void pin_set(u32 pin, u32 low)
{
	ioapic_write(ENTRY(pin) + 1, 0); /* to APIC id 0 */
	ioapic_write(ENTRY(pin), low);
}

/* What is already on its way comes, and does not count. */
static void settle(void)
{
	take_interrupts();
	taken_clear();
}

static void pit_start(u32 hz)
{
	u32 count = PIT_HZ / hz;

	out8(0x43, 0x34); /* channel 0, both bytes, mode 2 */
	out8(0x40, (u8)count);
	out8(0x40, (u8)(count >> 8));
}

static void pit_stop(void)
{
	out8(0x43, 0x30); /* mode 0, with no count: it waits for ever */
}

static bool about(u32 found, u32 expected, u32 tolerance)
{
	return found + tolerance >= expected && found <= expected + tolerance;
}

static void pit_try(void)
{
	handler_set(VECTOR_PIT, note_and_end);
	pin_set(PIN_TIMER, VECTOR_PIT);
	taken_clear();
	pit_start(200);
	wait_us(100000);
	check(about(taken_count, 20, 2), "%s: the 8254 by pin 2, edges: %u of 20", mode_name(),
	      taken_count);
	ioapic_write(ENTRY(PIN_TIMER), ENTRY_MASKED | VECTOR_PIT);
	settle();
	wait_us(20000);
	check(taken_count == 0, "%s: masked it does not come", mode_name());
	pit_stop();
}

static u8 rtc_read(u8 index)
{
	out8(0x70, index);
	return in8(0x71);
}

static void rtc_write(u8 index, u8 value)
{
	out8(0x70, index);
	out8(0x71, value);
}

static void rtc_interrupt(struct frame *frame)
{
	(void)rtc_read(0xc); /* lets the next one come */
	note_and_end(frame);
}

static void rtc_try(void)
{
	u8 rate = rtc_read(0xa), control = rtc_read(0xb);

	handler_set(VECTOR_RTC, rtc_interrupt);
	pin_set(PIN_RTC, VECTOR_RTC);
	(void)rtc_read(0xc);
	taken_clear();
	rtc_write(0xa, (u8)((rate & 0xf0) | 9)); /* 128 Hz */
	rtc_write(0xb, control | RTC_PERIODIC);
	wait_us(125000);
	check(about(taken_count, 16, 2), "%s: the RTC by pin 8: %u of 16", mode_name(),
	      taken_count);
	rtc_write(0xb, control);
	(void)rtc_read(0xc);
	ioapic_write(ENTRY(PIN_RTC), ENTRY_MASKED);
	settle();
}

static u32 level_left;
static bool remote_seen, level_in_tmr;

/* The line stays high until the UART's interrupt is read: that happens at the third one. */
static void level_interrupt(struct frame *frame)
{
	remote_seen = ioapic_read(ENTRY(PIN_COM1)) & ENTRY_REMOTE;
	level_in_tmr = apic_bit(APIC_TMR, (u8)frame->vector);
	if (level_left && --level_left == 0)
		(void)in8(COM1_IIR);
	note_and_end(frame);
}

static void level_try(void)
{
	handler_set(VECTOR_COM1, level_interrupt);
	pin_set(PIN_COM1, ENTRY_LEVEL | VECTOR_COM1);
	taken_clear();
	level_left = 3;
	out8(COM1_IER, IER_THR_EMPTY);
	wait_us(10000);
	out8(COM1_IER, 0);
	check(taken_count == 3, "%s: a level comes again after EOI while it lasts: %u of 3",
	      mode_name(), taken_count);
	check(remote_seen && level_in_tmr, "%s: with remote IRR and TMR set meanwhile",
	      mode_name());
	check(!(ioapic_read(ENTRY(PIN_COM1)) & ENTRY_REMOTE), "%s: remote IRR is clear in the end",
	      mode_name());
	taken_clear();
	/* One that is asserted while masked comes when the mask goes. */
	ioapic_write(ENTRY(PIN_COM1), ENTRY_MASKED | ENTRY_LEVEL | VECTOR_COM1);
	level_left = 1;
	out8(COM1_IER, IER_THR_EMPTY);
	wait_us(2000);
	check(taken_count == 0, "%s: a masked level does not come", mode_name());
	ioapic_write(ENTRY(PIN_COM1), ENTRY_LEVEL | VECTOR_COM1);
	wait_us(2000);
	out8(COM1_IER, 0); /* before anything is printed: that would raise it again */
	ioapic_write(ENTRY(PIN_COM1), ENTRY_MASKED);
	check(taken_count == 1, "%s: it comes when unmasked: %u", mode_name(), taken_count);
	taken_clear();
}

/* ICW1 to ICW4: cascade at input 2, vectors from 20h and 28h; all inputs masked but `open`. */
static void pic_setup(u8 open)
{
	out8(0x20, 0x11);
	out8(0x21, VECTOR_PIC);
	out8(0x21, 0x04);
	out8(0x21, 0x01);
	out8(0xa0, 0x11);
	out8(0xa1, VECTOR_PIC + 8);
	out8(0xa1, 0x02);
	out8(0xa1, 0x01);
	out8(0x21, (u8)~open);
	out8(0xa1, 0xff);
}

static void pic_interrupt(struct frame *frame)
{
	taken_note(frame);
	out8(0x20, 0x20); /* end of interrupt, to the 8259: the APIC has no part in it */
}

static void pic_try(void)
{
	handler_set(VECTOR_PIC, pic_interrupt);
	pic_setup(0x01);
	taken_clear();
	pit_start(200);
	wait_us(20000);
	check(TAKEN(), "%s: with LINT0 masked the 8259 is not heard", mode_name());
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	taken_clear();
	wait_us(100000);
	check(about(taken_count, 20, 2) && taken[0] == VECTOR_PIC,
	      "%s: the 8259 by LINT0 as ExtINT: %u of 20", mode_name(), taken_count);
	taken_clear();
	wait_interrupt();
	check(taken_count == 1, "%s: it wakes from hlt", mode_name());
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	out8(0x21, 0xff);
	pit_stop();
	settle();
}

static void registers_try(void)
{
	u32 version = ioapic_read(1);

	check((version & 0xff) >= 0x11 && (version >> 16 & 0xff) == 23,
	      "%s: I/O APIC with 24 pins, version 0x%x", mode_name(), version);
	pin_set(5, ENTRY_MASKED | ENTRY_LEVEL | ENTRY_LOGICAL | 0x77);
	check(ioapic_read(ENTRY(5)) == (ENTRY_MASKED | ENTRY_LEVEL | ENTRY_LOGICAL | 0x77),
	      "%s: an entry reads back, 0x%x", mode_name(), ioapic_read(ENTRY(5)));
	pin_set(5, ENTRY_MASKED);
}

void board_try(void)
{
	registers_try();
	pit_try();
	rtc_try();
	level_try();
	pic_try();
}
