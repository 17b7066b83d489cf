/* SPDX-License-Identifier: MIT */
/* The board as a system finds it: HPET, keyboard, text screen, debug ports, SMBIOS; no fw_cfg. */
#include "apic.h"

#include <bulkhead/load.h>
#include <bulkhead/string.h>

#define IOAPIC	   0xfec00000UL
#define HPET_PIN   20
#define HPET_US	   1000
#define TEXT	   ((volatile u16 *)0xb8000UL)
#define VECTOR	   0x55
#define INTERRUPTS 5

#define HPET_CONFIG  0x010
#define HPET_COUNTER 0x0f0
#define HPET_TIMER2  0x140

static volatile u32 interrupts;
static volatile u64 last_at;

static volatile u64 *hpet(u64 reg)
{
	return (volatile u64 *)(ACPI_HPET_BASE + reg);
}

static void ioapic_write(u32 index, u32 value)
{
	*(volatile u32 *)IOAPIC = index;
	*(volatile u32 *)(IOAPIC + 0x10) = value;
}

static void hpet_interrupt(struct frame *frame unused)
{
	interrupts++;
	last_at = *hpet(HPET_COUNTER);
	apic_eoi();
}

/* The counter against the TSC, and a period of 1 ms. */
static void hpet_try(void)
{
	u64 counts_s = 1000000000000000UL / (*hpet(0) >> 32), count, tsc, period;

	*hpet(HPET_CONFIG) = 1;
	count = *hpet(HPET_COUNTER);
	tsc = tsc_read();
	while (tsc_read() - tsc < us_to_tsc(2000))
		;
	count = *hpet(HPET_COUNTER) - count;
	check(count > counts_s / 600 && count < counts_s / 100, "the HPET's rate: %lu in 2 ms",
	      count);
	apic_setup();
	handler_set(VECTOR, hpet_interrupt);
	ioapic_write(0x11 + 2 * HPET_PIN, 0);
	ioapic_write(0x10 + 2 * HPET_PIN, VECTOR);
	period = counts_s * HPET_US / 1000000;
	*hpet(HPET_TIMER2) = 0x4c | HPET_PIN << 9; /* periodic, interrupts, sets both */
	*hpet(HPET_TIMER2 + 8) = *hpet(HPET_COUNTER) + period;
	*hpet(HPET_TIMER2 + 8) = period;
	count = *hpet(HPET_COUNTER);
	while (interrupts < INTERRUPTS)
		wait_interrupt();
	*hpet(HPET_TIMER2) = 0;
	check(last_at - count > (INTERRUPTS - 2) * period, "%u interrupts of the HPET", INTERRUPTS);
}

static u8 keyboard_byte(void)
{
	for (u32 tries = 0; tries < 1000; tries++)
		if (in8(0x64) & 1)
			return in8(0x60);
	return 0;
}

static void keyboard_try(void)
{
	out8(0x64, 0xaa);
	check(keyboard_byte() == 0x55, "the keyboard controller's self-test");
	out8(0x64, 0xae);
	out8(0x60, 0xff);
	check(keyboard_byte() == 0xfa && keyboard_byte() == 0xaa, "the keyboard's reset");
	out8(0x60, 0xf2);
	check(keyboard_byte() == 0xfa && keyboard_byte() == 0xab, "the keyboard's name");
	(void)keyboard_byte();
	out8(0x60, 0xf4);
	check(keyboard_byte() == 0xfa, "the keyboard is enabled");
}

static void screen_try(void)
{
	static const char words[] = "shown by the platform payload";

	for (u32 i = 0; i < sizeof(words) - 1; i++)
		TEXT[3 * 80 + i] = (u16)(0x0700 | words[i]);
	check(TEXT[3 * 80] == (0x0700 | 's'), "the screen's text is kept");
	out8(0x3d4, 0x0f);
	out8(0x3d5, 0xa5);
	check(in8(0x3d5) == 0xa5, "the cursor's register is kept");
}

static void debug_try(void)
{
	check(in8(0x402) == 0xe9 && in8(0xe9) == 0xe9, "text is welcome on the debug ports");
	for (const char *text = "hello from port 402h\n"; *text; text++)
		out8(0x402, (u8)*text);
}

static void smbios_try(void)
{
	const u8 *anchor = (const u8 *)GUEST_SMBIOS_BASE;
	u8 sum = 0;

	for (u32 i = 0; i < SMBIOS_ANCHOR_BYTES; i++)
		sum = (u8)(sum + anchor[i]);
	check(!memcmp(anchor, "_SM_", 4) && !sum, "SMBIOS");
}

void guest_main(void)
{
	hpet_try();
	keyboard_try();
	screen_try();
	debug_try();
	smbios_try();
	check(in8(ACPI_PANIC_PORT) == 3, "a panic can be told");
	out16(0x510, 0);
	check(in8(0x511) == 0xff, "no fw_cfg without firmware");
	checks_end("platform");
}
