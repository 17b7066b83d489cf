/* SPDX-License-Identifier: MIT */
/*
 * Random values for every register of every device: ports, the I/O APIC, the local APIC in memory
 * and as MSRs. Interrupts that come of it may have any vector, those of exceptions too; so they are
 * taken while no exception can come, with a table in which every entry only returns.
 */
#include "garbage.h"

#include "apic.h"

#define IOAPIC		0xfec00000UL
#define IOAPIC_INDEXES	0x40
#define LOCAL_APIC	0xfee00000UL
#define ROUND		256
#define ROUNDS_PER_LINE 8
#define SLEEP_ENABLE	0x20 /* in the high byte of the power management control register */
#define NMI		2
#define PIT_CONTROL	0x43
#define PIT_STOP	0x30
#define GATE_INTERRUPT	0x8e00UL
#define KEYBOARD_LAST                                                                              \
	0xcf /* commands from here on reach the output port, which has the reset line */

struct packed table_pointer {
	u16 limit;
	u64 base;
};

/* First and last. */
static const u16 devices[][2] = {
	{0x20, 0x21},	{0x40, 0x43},	  {0x60, 0x64}, {0x70, 0x71},	{0x80, 0x80},
	{0x92, 0x92},	{0xa0, 0xa1},	  {0xed, 0xed}, {0x3f8, 0x3ff}, {0x4d0, 0x4d1},
	{0xcf8, 0xcff}, {0xb000, 0xb00f}, {0, 0xffff},
};

static const u32 msrs[][2] = {{0x1b, 0x1b}, {0x6e0, 0x6e0}, {0x800, 0x83f}};

static u64 state = 0x853c49e6748fea9b;
static u64 returning[512] aligned(16); /* an interrupt table */

/* They come back with interrupts off, so that one that never ends lets the program go on. Nothing
 * masks an NMI: the timer is stopped, which may be what sends them. */
void garbage_interrupt(void);
void garbage_nmi(void);
__asm__("garbage_nmi:\n"
	"	push %rax\n"
	"	mov $0x30, %al\n"
	"	out %al, $0x43\n"
	"	pop %rax\n"
	"garbage_interrupt:\n"
	"	andl $~0x200, 16(%rsp)\n"
	"	iretq\n");

static u64 random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1d;
}

static u32 random_from(const u32 range[2])
{
	return range[0] + (u32)(random() >> 32) % (range[1] - range[0] + 1);
}

static bool covers(u16 port, u32 bytes, u16 what)
{
	return what - port >= 0 && what - port < (int)bytes;
}

/* Would that switch the machine off or reset it? */
static bool ends_run(u16 port, u32 bytes, u32 value)
{
	if (covers(port, bytes, 0x92) || covers(port, bytes, 0xcf9))
		return true;
	for (u16 high = 0xb001; high <= 0xb00f; high += 2)
		if (covers(port, bytes, high) && value >> (8 * (high - port)) & SLEEP_ENABLE)
			return true;
	if (covers(port, bytes, 0x64))
		return bytes > 1 || (u8)value > KEYBOARD_LAST;
	return false;
}

static void port_write(bool spare)
{
	const u16 *device = devices[random() % ARRAY_SIZE(devices)];
	u16 port = (u16)random_from((const u32[]){device[0], device[1]});
	u64 choice = random();
	u32 value = (u32)(choice >> 32), bytes = 1u << (choice & 7) % 3;

	if (spare && ends_run(port, bytes, value))
		return;
	if (bytes == 1)
		out8(port, (u8)value);
	else if (bytes == 2)
		out16(port, (u16)value);
	else
		out32(port, value);
	if (choice & BIT(8))
		in8(port);
}

/* Aligned as the device wants it more often than not. */
static void memory_write(u64 base)
{
	u64 choice = random(), value = random();
	u64 offset = choice & 7 ? choice >> 8 & 0xff0 : choice >> 8 & 0xff8;

	if (base == IOAPIC && choice & BIT(4)) {
		*(volatile u32 *)base = (u32)value % IOAPIC_INDEXES;
		*(volatile u32 *)(base + 0x10) = (u32)(value >> 32);
		return;
	}
	switch (choice >> 5 & 7) {
	case 0:
		*(volatile u8 *)(base + offset) = (u8)value;
		break;
	case 1:
		*(volatile u16 *)(base + offset) = (u16)value;
		break;
	case 2:
		*(volatile u64 *)(base + offset) = value;
		break;
	case 3:
		(void)*(volatile u32 *)(base + offset);
		break;
	default:
		*(volatile u32 *)(base + offset) = (u32)value;
	}
}

static void msr_garbage(void)
{
	const u32 *range = msrs[random() % ARRAY_SIZE(msrs)];
	u64 choice = random(), value = random();

	/* As many reserved bits are 0 as will let some of the writes pass. */
	value &= choice & 1 ? 0xffffffff : ~0UL;
	value &= choice & 2 ? 0xfffff : ~0UL;
	if (range[0] == 0x1b)
		value = LOCAL_APIC | (value & 0xd00);
	msr_try_write(random_from(range), value);
	for (u32 i = 0; i < 4; i++)
		msr_try_write(MSR_X2APIC(APIC_EOI), 0);
}

static void gate_set(u32 vector, void (*handler)(void))
{
	u64 entry = (u64)handler;
	u16 selector;

	__asm__("mov %%cs, %0" : "=r"(selector));
	returning[2 * vector] = (entry & 0xffff) | (u64)selector << 16 | GATE_INTERRUPT << 32 |
				(entry >> 16 & 0xffff) << 48;
	returning[2 * vector + 1] = entry >> 32;
}

static void returning_setup(void)
{
	for (u32 vector = 0; vector < ARRAY_SIZE(returning) / 2; vector++)
		gate_set(vector, vector == NMI ? garbage_nmi : garbage_interrupt);
}

static void devices_round(bool spare)
{
	struct table_pointer own, none = {sizeof(returning) - 1, (u64)returning};

	__asm__ volatile("sidt %0" : "=m"(own));
	__asm__ volatile("lidt %0" : : "m"(none));
	for (u32 i = 0; i < ROUND; i++) {
		port_write(spare);
		memory_write(IOAPIC);
		memory_write(LOCAL_APIC);
		*apic_register(APIC_EOI) = 0;
		take_interrupts();
	}
	__asm__ volatile("lidt %0" : : "m"(own));
}

/* An NMI between the instructions that may fault. */
static void other_exception(struct frame *frame unused)
{
	out8(PIT_CONTROL, PIT_STOP);
}

void garbage_write(const char *name, bool spare)
{
	returning_setup();
	exception_handler = other_exception;
	print("%s: begins\n", name);
	for (u64 rounds = 1;; rounds++) {
		devices_round(spare);
		for (u32 i = 0; i < ROUND; i++)
			msr_garbage();
		if (rounds % ROUNDS_PER_LINE == 0) {
			serial_setup();
			print_quickly("\n%s: %lu rounds\n", name, rounds);
		}
	}
}
