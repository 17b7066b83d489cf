/* SPDX-License-Identifier: MIT */
/* The board: what answers where, how interrupt lines run, and whose moment comes first. */
/* links: drivers/virt/vioapic.c drivers/virt/vpic.c drivers/virt/vpit.c drivers/virt/vpm.c */
/* links: drivers/virt/vreset.c drivers/virt/vrtc.c drivers/virt/vuart.c drivers/virt/vpci.c */
/* links: drivers/virt/vpci_function.c drivers/virt/pc_virtio.c drivers/virt/virtio_pci.c */
/* links: drivers/virt/virtio_device.c drivers/virt/virtqueue.c drivers/virt/virtio_rng.c */
/* links: drivers/virt/virtio_blk.c drivers/virt/virtio_console.c vmm/format.c */
/* links: drivers/virt/virtio_balloon.c drivers/virt/vchannel.c */
/* links: drivers/virt/vi8042.c drivers/virt/vdebug.c drivers/virt/vhpet.c */
/* links: drivers/virt/vpanic.c drivers/virt/vfwcfg.c drivers/virt/vscreen.c */
/* links: drivers/virt/virtio_net.c drivers/virt/vflash.c drivers/virt/device_timers.c */
/* links: drivers/virt/pc_bus.c */
#include "cmocka_all.h"
#include "drivers/virt/vfwcfg.h"
#include "drivers/virt/vpci.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/load.h>
#include <bulkhead/pc.h>

/* A multiple of the 8254's rate and nearly one of the ACPI timer's, which is three times as fast.
 */
#define PIT_TICK 30UL
#define TSC_HZ	 (1193182 * PIT_TICK)

#define COM1   0x3f8
#define IOAPIC 0xfec00000UL

static struct {
	u64 now;
	u64 deadline;
	u64 delivered[4096];
	u64 delivered_at[4096];
	unsigned delivered_count;
	bool intr;
	unsigned events[8];
	char output[64];
	unsigned output_count;
	unsigned ready;
	const char *refill; /* given to the UART from console_ready */
	unsigned reports;
	u8 screen[32 * KIB];
	u64 random; /* bytes given */
	int array;  /* +1: the flash showed its array, -1: it does not; 0: it said nothing */
} world;

static struct pc *pc;
static const struct pc_choice everything = {.rng = true};
static u8 ram[64 * KIB] aligned(4096);
static const struct guest_memory memory = {.window = ram, .low_bytes = sizeof(ram)};
static struct pc_setup board;

static u64 world_now(void *context)
{
	assert_ptr_equal(context, &world);
	return world.now;
}

static void world_next_timer(void *context, u64 deadline)
{
	(void)context;
	world.deadline = deadline;
}

static void world_interrupt(void *context, u64 entry)
{
	(void)context;
	assert_true(world.delivered_count < ARRAY_SIZE(world.delivered));
	world.delivered_at[world.delivered_count] = world.now;
	world.delivered[world.delivered_count++] = entry;
}

static void world_pic(void *context, bool level)
{
	(void)context;
	assert_int_not_equal(level, world.intr);
	world.intr = level;
}

static void world_event(void *context, enum device_event event)
{
	(void)context;
	world.events[event]++;
}

static void world_output(void *context, u8 byte)
{
	(void)context;
	world.output[world.output_count++] = (char)byte;
}

static void world_ready(void *context)
{
	(void)context;
	world.ready++;
	while (world.refill && *world.refill && pc_console_input(pc, (u8)*world.refill))
		world.refill++;
}

static void world_report(void *context, const char *text)
{
	(void)context;
	assert_true(strlen(text) > 0);
	world.reports++;
}

static void world_entropy(void *context, void *bytes, u64 count)
{
	(void)context;
	memset(bytes, 0x5a, count);
	world.random += count;
}

static void world_flash_show(void *context, bool array)
{
	(void)context;
	world.array = array ? 1 : -1;
}

static u8 *world_screen_memory(void *context, u64 bytes)
{
	assert_ptr_equal(context, &world);
	assert_int_equal(bytes, sizeof(world.screen));
	return world.screen;
}

static const struct pc_ops ops = {
	.now = world_now,
	.next_timer = world_next_timer,
	.interrupt = world_interrupt,
	.pic = world_pic,
	.event = world_event,
	.console_output = world_output,
	.console_ready = world_ready,
	.report = world_report,
	.entropy = world_entropy,
	.flash_show = world_flash_show,
	.screen_memory = world_screen_memory,
};

static void begin(void)
{
	board.tsc_hz = TSC_HZ;
	board.unix_time_s = 1700000000;
	board.low_bytes = 256 * MIB;
	board.memory = &memory;
	board.choice = everything;

	memset(&world, 0, sizeof(world));
	world.deadline = DEVICE_TIMER_OFF;
	pc_init(pc, &board, &ops, &world);
}

static int setup(void **state)
{
	(void)state;
	memset(&board, 0, sizeof(board));
	pc = malloc(pc_bytes(&everything));
	memset(pc, 0xee, pc_bytes(&everything)); /* what a partition that was reset leaves there */
	begin();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(pc);
	return 0;
}

static void out8(u16 port, u8 value)
{
	pc_port_write(pc, port, 1, value);
}

static u8 in8(u16 port)
{
	return (u8)pc_port_read(pc, port, 1);
}

/* The host calls at the deadline that it was last told, not before. */
static void run_until(u64 when)
{
	while (world.deadline <= when) {
		if (world.deadline > world.now)
			world.now = world.deadline;
		pc_run_timers(pc);
		assert_true(world.deadline > world.now);
	}
	world.now = when;
}

static void ioapic_write(u8 index, u32 value)
{
	pc_memory_write(pc, IOAPIC, 4, index);
	pc_memory_write(pc, IOAPIC + 0x10, 4, value);
}

static u32 ioapic_read(u8 index)
{
	pc_memory_write(pc, IOAPIC, 4, index);
	return (u32)pc_memory_read(pc, IOAPIC + 0x10, 4);
}

static void pic_begin(u8 master_mask, u8 slave_mask)
{
	static const struct {
		u16 port;
		u8 value;
	} words[] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 0x04}, {0x21, 0x01},
		     {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 0x02}, {0xa1, 0x01}};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		out8(words[i].port, words[i].value);
	out8(0x21, master_mask);
	out8(0xa1, slave_mask);
}

/* Rate generator on channel 0. The control word raises its output: an edge, so controllers are set
 * up after this. */
static void pit_begin(unsigned count)
{
	out8(0x43, 0x34);
	out8(0x40, count & 0xff);
	out8(0x40, (u8)(count >> 8));
}

static bool belongs_to_a_device(u32 port)
{
	static const struct {
		u16 first, last;
	} ranges[] = {
		{0x20, 0x21},
		{0x40, 0x43},
		{0x60, 0x61},
		{0x64, 0x64},
		{0x70, 0x71},
		{0x80, 0x80},
		{0x92, 0x92},
		{0xa0, 0xa1},
		{0xe9, 0xe9},
		{0xed, 0xed},
		{0x3c0, 0x3df},
		{0x3f8, 0x3ff},
		{0x402, 0x402},
		{0x4d0, 0x4d1},
		{ACPI_PANIC_PORT, ACPI_PANIC_PORT},
		{0x510, 0x51b},
		{0xcf8, 0xcf9},
		{0xcfc, 0xcff},
		{PCI_IO_BASE, PCI_IO_BASE + 15}, /* notifications */
		{ACPI_PM_BASE, ACPI_PM_BASE + ACPI_PM_BYTES - 1},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return false;
}

static void every_port(void **state)
{
	(void)state;
	for (u32 port = 0; port < 0x10000; port++) {
		u64 before = pc_absent_accesses(pc);
		u8 value = in8((u16)port);
		u64 absent = pc_absent_accesses(pc) - before;

		assert_int_equal(absent, !belongs_to_a_device(port));
		if (absent)
			assert_int_equal(value, 0xff);
	}
}

static void absent_ports(void **state)
{
	(void)state;
	assert_int_equal(in8(0x300), 0xff);
	assert_int_equal(pc_absent_accesses(pc), 1);
	out8(0x300, 1);
	assert_int_equal(pc_absent_accesses(pc), 2);
	assert_int_equal(pc_port_read(pc, 0x300, 2), 0xffff);
	assert_int_equal(pc_port_read(pc, 0x300, 4), 0xffffffff);
	pc_port_write(pc, 0x300, 4, 0);
	assert_true(pc_absent_accesses(pc) >= 5);
	begin();
	assert_int_equal(pc_absent_accesses(pc), 0);
}

static void absent_memory(void **state)
{
	(void)state;
	assert_int_equal(pc_memory_read(pc, 0xa0000, 4) & 0xffffffff, 0xffffffff);
	assert_int_equal(pc_memory_read(pc, IOAPIC - 8, 8), ~0UL);
	assert_int_equal(pc_memory_read(pc, IOAPIC + 0x1000, 8), ~0UL);
	pc_memory_write(pc, ACPI_HPET_BASE + 0x400, 8, 0);
	assert_int_equal(pc_absent_accesses(pc), 4);
	assert_int_equal(ioapic_read(1), 0x00170020); /* 24 pins */
	assert_int_equal((u32)pc_memory_read(pc, ACPI_HPET_BASE, 4), ACPI_HPET_ID);
	assert_int_equal(pc_absent_accesses(pc), 4);
}

/* An 8-bit device's neighbours answer a wide access byte by byte, lowest port first. */
static void wide_accesses(void **state)
{
	(void)state;
	pc_port_write(pc, 0x70, 2, 0x5a50); /* index 50h, then its data: the battery-backed RAM */
	out8(0x70, 0x50);
	assert_int_equal(in8(0x71), 0x5a);

	out8(COM1 + 3, 0x80);
	pc_port_write(pc, COM1, 2, 0x0180);
	assert_int_equal(in8(COM1), 0x80);
	assert_int_equal(in8(COM1 + 1), 0x01);
	assert_int_equal(pc_port_read(pc, COM1, 2), 0x0180);
	assert_int_equal(pc_port_read(pc, COM1, 4) >> 24, 0x80);
	out8(COM1 + 3, 0x03);

	pc_port_write(pc, 0x4d0, 2, 0x0c20);
	assert_int_equal(in8(0x4d0), 0x20);
	assert_int_equal(in8(0x4d1), 0x0c);
	assert_int_equal(pc_absent_accesses(pc), 0);
}

/* All of a string goes to a device at once, but where one write can be a lot of work. */
static void strings(void **state)
{
	static const u8 text[] = "0123456789abcdef";
	static const u16 works[] = {VPCI_PORT_ADDRESS, VPCI_PORT_DATA, VFWCFG_BASE, 0xc000};
	u8 answer[4];

	(void)state;
	assert_int_equal(pc_ports_write(pc, COM1, 1, text, 16), 16);
	assert_int_equal(world.output_count, 16);
	assert_memory_equal(world.output, text, 16);
	out8(COM1 + 7, 0x42);
	pc_ports_read(pc, COM1 + 7, 1, answer, sizeof(answer));
	assert_memory_equal(answer, "\x42\x42\x42\x42", 4);
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		for (unsigned bytes = 1; bytes <= 4; bytes *= 2)
			assert_int_equal(pc_ports_write(pc, works[i], bytes, text, 4), 1);
}

/* Accesses that begin or end where a device does. */
static void accesses_across_a_border(void **state)
{
	(void)state;
	out8(COM1 + 7, 0x42);
	/* LSR: transmitter empty; MSR: CTS, DSR, DCD; scratch; nothing. */
	assert_int_equal(pc_port_read(pc, COM1 + 5, 4), 0xff42b060);
	assert_int_equal(pc_absent_accesses(pc), 1);
	out8(COM1 + 3, 0x80);
	pc_port_write(pc, COM1, 2, 0x1234);
	assert_int_equal(pc_port_read(pc, COM1 - 2, 4), 0x1234ffff);
	assert_int_equal(pc_absent_accesses(pc), 3);
	pc_port_write(pc, COM1 - 1, 2, 0x77ff);
	assert_int_equal(in8(COM1), 0x77);
}

/* The ACPI block takes 4 bytes as one access. */
static void pm_timer(void **state)
{
	u32 before, after;

	(void)state;
	before = pc_port_read(pc, ACPI_PM_TIMER, 4);
	world.now += TSC_HZ;
	after = pc_port_read(pc, ACPI_PM_TIMER, 4);
	assert_int_equal(after - before, ACPI_HW_TIMER_HZ);
	assert_int_equal(pc_port_read(pc, ACPI_PM_TIMER + 2, 2), after >> 16);
}

static void pit_interrupts_both_controllers(void **state)
{
	(void)state;
	pit_begin(1000);
	pic_begin(0xfe, 0xff);
	ioapic_write(0x10, 0x77); /* pin 0: nothing is wired to it */
	ioapic_write(0x14, 0x31); /* pin 2: edge, fixed, to APIC 0 */
	assert_true(world.deadline != DEVICE_TIMER_OFF);
	assert_false(world.intr);
	run_until(1002 * PIT_TICK);
	assert_true(world.intr);
	assert_true(world.intr);
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0], 0x31);
	assert_int_equal(pc_pic_acknowledge(pc), 0x20);
	assert_false(world.intr);
	assert_false(world.intr);
	out8(0x20, 0x20);
	run_until(2002 * PIT_TICK);
	assert_true(world.intr);
	assert_int_equal(world.delivered_count, 2);
	assert_int_equal(world.delivered_at[1] - world.delivered_at[0], 1000 * PIT_TICK);
}

static void other_lines_keep_their_number(void **state)
{
	(void)state;
	pic_begin(0xef, 0xff);
	ioapic_write(0x10 + 2 * 4, 0x44);
	out8(COM1 + 1, 0x01);
	out8(COM1 + 4, 0x0b);
	assert_int_equal(world.delivered_count, 0);
	assert_true(pc_console_input(pc, 'x'));
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0], 0x44);
	assert_true(world.intr);
	assert_int_equal(pc_pic_acknowledge(pc), 0x24);
	assert_int_equal(in8(COM1), 'x');
}

/* IRQ 8 comes by the slave, which is on the master's input 2. */
static void rtc_interrupt(void **state)
{
	(void)state;
	pic_begin(0xfb, 0xfe);
	ioapic_write(0x10 + 2 * 8, 0x48);
	out8(0x70, 0x0a);
	out8(0x71, 0x26); /* 1024 Hz */
	out8(0x70, 0x0b);
	out8(0x71, 0x42); /* periodic interrupt */
	run_until(world.now + TSC_HZ / 1000);
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0], 0x48);
	assert_int_equal(pc_pic_acknowledge(pc), 0x28);
	run_until(world.now + TSC_HZ);
	assert_int_equal(world.delivered_count, 1); /* register C was not read: the line stays */
	out8(0x70, 0x0c);
	assert_true(in8(0x71) & 0x40);
	run_until(world.now + TSC_HZ / 1000);
	assert_int_equal(world.delivered_count, 2);
}

/* The SCI is level-triggered: it comes again after EOI for as long as its cause stands. */
static void sci_and_eoi(void **state)
{
	(void)state;
	ioapic_write(0x10 + 2 * ACPI_SCI_IRQ, 0x8049);
	pc_port_write(pc, ACPI_PM1_EVENT + 2, 2, 1); /* TMR_EN */
	run_until(700 * TSC_HZ);		     /* bit 31 rises after 600 seconds */
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0] & 0xff, 0x49);
	pc_eoi(pc, 0x48);
	assert_int_equal(world.delivered_count, 1);
	pc_eoi(pc, 0x49);
	assert_int_equal(world.delivered_count, 2);
	pc_port_write(pc, ACPI_PM1_EVENT, 2, 1);
	pc_eoi(pc, 0x49);
	assert_int_equal(world.delivered_count, 2);
}

/* Two devices with different periods: each on its own grid, in order, none lost. */
static void timers_in_order(void **state)
{
	unsigned pit = 0, rtc = 0;
	u64 last = 0, pit_last = 0;

	(void)state;
	pit_begin(11932); /* 100 Hz */
	ioapic_write(0x14, 0x31);
	ioapic_write(0x10 + 2 * 8, 0x48);
	out8(0x70, 0x0a);
	out8(0x71, 0x2f); /* 2 Hz */
	out8(0x70, 0x0b);
	out8(0x71, 0x42);
	for (unsigned step = 0; step < 2000; step++) {
		run_until(world.now + TSC_HZ / 200);
		out8(0x70, 0x0c);
		in8(0x71);
	}
	for (unsigned i = 0; i < world.delivered_count; i++) {
		assert_true(world.delivered_at[i] >= last);
		last = world.delivered_at[i];
		if ((world.delivered[i] & 0xff) == 0x48) {
			rtc++;
			continue;
		}
		assert_int_equal(world.delivered[i] & 0xff, 0x31);
		if (pit++)
			assert_int_equal(last - pit_last, 11932 * PIT_TICK);
		pit_last = last;
	}
	assert_in_range(pit, 998, 1001);
	assert_in_range(rtc, 19, 21);
}

/* A host that is late once finds nothing left that is due, and the next moment on the grid. */
static void late_host(void **state)
{
	(void)state;
	pit_begin(1000);
	ioapic_write(0x14, 0x31);
	world.now = 10500 * PIT_TICK;
	pc_run_timers(pc);
	assert_true(world.delivered_count >= 1);
	assert_true(world.deadline > world.now);
	assert_true(world.deadline <= 11002 * PIT_TICK);
}

/* Too early is no harm. */
static void early_host(void **state)
{
	u64 deadline;

	(void)state;
	pit_begin(1000);
	ioapic_write(0x14, 0x31);
	deadline = world.deadline;
	world.now = deadline - 1;
	pc_run_timers(pc);
	assert_int_equal(world.delivered_count, 0);
	assert_int_equal(world.deadline, deadline);
}

static void stopped_timer_is_no_moment(void **state)
{
	(void)state;
	pit_begin(1000);
	assert_true(world.deadline != DEVICE_TIMER_OFF);
	out8(0x43, 0x34); /* a control word stops the channel until a count comes */
	run_until(10000 * PIT_TICK);
	assert_int_equal(world.delivered_count, 0);
	assert_int_equal(world.deadline, DEVICE_TIMER_OFF);
}

static void a_new_board_has_no_timers(void **state)
{
	(void)state;
	pit_begin(1000);
	begin();
	assert_int_equal(world.deadline, DEVICE_TIMER_OFF);
	world.now = TSC_HZ;
	pc_run_timers(pc);
	assert_int_equal(world.deadline, DEVICE_TIMER_OFF);
}

static void hpet_write(u32 reg, u32 value)
{
	pc_memory_write(pc, ACPI_HPET_BASE + reg, 4, value);
}

/* With legacy replacement lines 0 and 8 are the HPET's, and whose they were gets them back. */
static void hpet_replaces(void **state)
{
	(void)state;
	pit_begin(1000);
	pic_begin(0xfe, 0xff);
	ioapic_write(0x14, 0x31);
	hpet_write(0x10, 3);
	run_until(5000 * PIT_TICK);
	assert_false(world.intr);
	assert_int_equal(world.delivered_count, 0);
	hpet_write(0x100, 4);
	hpet_write(0x108, 1000000); /* 64 bits: the upper half is all ones yet */
	hpet_write(0x10c, 0);
	run_until(TSC_HZ / 100 + 1); /* 10 ms */
	assert_true(world.intr);
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(pc_pic_acknowledge(pc), 0x20);
	out8(0x20, 0x20);
	hpet_write(0x10, 0);
	run_until(world.now + 2000 * PIT_TICK);
	assert_true(world.intr);
	assert_true(world.delivered_count > 1);
	assert_int_equal(pc_pic_acknowledge(pc), 0x20);
}

static void hpet_own_input(void **state)
{
	(void)state;
	ioapic_write(0x10 + 2 * 21, 0x55);
	hpet_write(0x120, 4 | 21 << 9);
	hpet_write(0x128, 100);
	hpet_write(0x12c, 0);
	hpet_write(0x10, 1);
	run_until(world.now + TSC_HZ / 1000);
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0], 0x55);
}

static void console_output(void **state)
{
	(void)state;
	for (const char *text = "hello"; *text; text++)
		out8(COM1, (u8)*text);
	assert_string_equal(world.output, "hello");
}

static void console_input(void **state)
{
	(void)state;
	assert_true(pc_console_input(pc, 'a')); /* without FIFO: one byte */
	assert_false(pc_console_input(pc, 'b'));
	assert_int_equal(world.ready, 0);
	world.refill = "bc";
	assert_int_equal(in8(COM1), 'a');
	assert_int_equal(world.ready, 1);
	assert_int_equal(in8(COM1), 'b');
	assert_int_equal(in8(COM1), 'c');
	assert_false(in8(COM1 + 5) & 1);
}

static void resets(void **state)
{
	(void)state;
	out8(0xcf9, 0x02);
	assert_int_equal(world.events[DEVICE_EVENT_RESET], 0);
	out8(0xcf9, 0x06);
	assert_int_equal(world.events[DEVICE_EVENT_RESET], 1);
	begin();
	out8(0x64, 0xfe);
	assert_int_equal(world.events[DEVICE_EVENT_RESET], 1);
	begin();
	out8(0x92, 0x01);
	assert_int_equal(world.events[DEVICE_EVENT_RESET], 1);
	assert_int_equal(world.events[DEVICE_EVENT_POWER_OFF], 0);
}

static void power_off(void **state)
{
	(void)state;
	pc_port_write(pc, ACPI_PM1_CONTROL, 2, ACPI_S5_TYPE << 10 | 1 << 13);
	assert_int_equal(world.events[DEVICE_EVENT_POWER_OFF], 1);
	pc_port_write(pc, ACPI_PM1_CONTROL, 2, 1 << 10 | 1 << 13);
	assert_int_equal(world.events[DEVICE_EVENT_SLEEP], 1);
	assert_int_equal(world.reports, 1);
	assert_int_equal(world.events[DEVICE_EVENT_POWER_OFF], 1);
}

static void power_button(void **state)
{
	(void)state;
	assert_false(pc_power_button(pc));
	pc_port_write(pc, ACPI_PM1_EVENT + 2, 2, 0x0100);
	ioapic_write(0x22, 0x8099); /* line 9, level */
	assert_true(pc_power_button(pc));
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0] & 0xff, 0x99);
	run_until(10 * TSC_HZ - 1);
	assert_int_equal(world.events[DEVICE_EVENT_OVERRIDE], 0);
	run_until(10 * TSC_HZ);
	assert_int_equal(world.events[DEVICE_EVENT_OVERRIDE], 1);
}

static void guest_panic(void **state)
{
	(void)state;
	assert_int_equal(in8(ACPI_PANIC_PORT), 3);
	out8(ACPI_PANIC_PORT, 0xfc); /* nothing that is known */
	assert_int_equal(world.events[DEVICE_EVENT_PANIC] + world.reports, 0);
	out8(ACPI_PANIC_PORT, 2);
	assert_int_equal(world.events[DEVICE_EVENT_PANIC], 0);
	assert_int_equal(world.reports, 1);
	out8(ACPI_PANIC_PORT, 1);
	assert_int_equal(world.events[DEVICE_EVENT_PANIC], 1);
}

/* Only a guest with firmware has a device that tells it things. */
static void firmware_configuration(void **state)
{
	static const struct fw_cfg told = {.vcpus = 3};

	(void)state;
	pc_port_write(pc, 0x510, 2, 0x05);
	assert_int_equal(in8(0x511), 0xff);
	assert_int_equal(pc_port_read(pc, 0x514, 4), 0xffffffff);
	pc_port_write(pc, 0x518, 4, 0); /* starts nothing */
	board.fw_cfg = &told;
	begin();
	pc_port_write(pc, 0x510, 2, 0x05);
	assert_int_equal(in8(0x511), 3);
	assert_int_equal(pc_port_read(pc, 0x514, 4), 0x554d4551);
	assert_int_equal(pc_absent_accesses(pc), 0);
}

/* In front of the ROM, which takes no writes. */
static void flash(void **state)
{
	const u64 base = GUEST_ROM_END - 12 * KIB;
	static u8 rom[12 * KIB];
	struct guest_memory with_rom = memory;

	(void)state;
	with_rom.window = (u8 *)((uintptr_t)rom - base);
	with_rom.rom_bytes = sizeof(rom);
	with_rom.flash_bytes = 4 * KIB;
	board.memory = &with_rom;
	pc_init(pc, &board, &ops, &world);
	memset(rom, 0xff, sizeof(rom));
	pc_memory_write(pc, base + 8 * KIB, 1, 0x70); /* ROM */
	pc_memory_write(pc, base - 1, 1, 0x70);
	assert_int_equal(world.array, 0);
	assert_int_equal(pc_absent_accesses(pc), 2);
	pc_memory_write(pc, base + 5, 1, 0x10);
	assert_int_equal(world.array, -1);
	pc_memory_write(pc, base + 5, 1, 0x5a);
	assert_int_equal(rom[5], 0x5a);
	assert_int_equal(pc_memory_read(pc, base + 9, 1), 0x80);
	pc_memory_write(pc, base + 5, 1, 0xff);
	assert_int_equal(world.array, 1);
	assert_int_equal(pc_memory_read(pc, base + 5, 1), 0x5a);
	assert_int_equal(pc_absent_accesses(pc), 2);
}

static void text_screen(void **state)
{
	struct screen_text text;

	(void)state;
	pc_memory_write(pc, 0xb8000 + 160, 2, 0x0757);
	assert_int_equal(pc_memory_read(pc, 0xb8000 + 160, 2) & 0xffff, 0x0757);
	pc_port_write(pc, 0x3d4, 2, 0x510f); /* index and data in one access */
	pc_screen(pc, &text);
	assert_int_equal(text.cells[1][0], 'W');
	assert_int_equal(text.cursor_line, 1);
	assert_int_equal(text.cursor_column, 1);
	assert_int_equal(pc_absent_accesses(pc), 0);
	begin();
	pc_screen(pc, &text);
	assert_int_equal(text.cells[1][0], ' ');
}

/* What the board puts into CMOS is the partition's own. */
static void cmos(void **state)
{
	(void)state;
	out8(0x70, 0x34);
	assert_int_equal(in8(0x71), 240 * MIB / (64 * KIB) & 0xff); /* above 16 MiB, in 64 KiB */
	out8(0x70, 0x35);
	assert_int_equal(in8(0x71), 240 * MIB / (64 * KIB) >> 8);
}

static void cmos_write(u8 index, u8 value)
{
	out8(0x70, index);
	out8(0x71, value);
}

static u8 cmos_read(u8 index)
{
	out8(0x70, index);
	return in8(0x71);
}

/* The battery: a reset changes what is the board's, and nothing that is the guest's. */
static void cmos_over_a_reset(void **state)
{
	u8 size = cmos_read(0x34);

	(void)state;
	cmos_write(0x0f, 0x0a); /* shutdown byte */
	cmos_write(0x7f, 0x77);
	cmos_write(0x34, 0x55);
	cmos_write(0x0b, 0x40); /* an interrupt that is enabled */
	cmos_write(0x32, 0x19);
	board.had_power = true;
	begin();
	assert_int_equal(cmos_read(0x0f), 0x0a);
	assert_int_equal(cmos_read(0x7f), 0x77);
	assert_int_equal(cmos_read(0x34), size);
	assert_int_equal(cmos_read(0x0b), 0x02);
	assert_int_equal(cmos_read(0x32), 0x20);
	board.had_power = false;
	begin();
	assert_int_equal(cmos_read(0x0f), 0);
	assert_int_equal(cmos_read(0x7f), 0);
}

/* The PCI configuration address register is 4 bytes at CF8h: its second byte is not the reset
 * register. */
static void pci_address_is_no_reset(void **state)
{
	(void)state;
	pc_port_write(pc, 0xcf8, 4, 0x80000400);
	assert_int_equal(world.events[DEVICE_EVENT_RESET], 0);
	pc_port_write(pc, 0xcf9, 1, 0x06);
	assert_int_equal(world.events[DEVICE_EVENT_RESET], 1);
}

/* --- PCI --- */

#define RNG	0x80001000U /* 00:02.0 */
#define RNG_GSI (PCI_GSI_BASE + 1)
#define RNG_IRQ 10

static u32 config_read(u32 address)
{
	pc_port_write(pc, 0xcf8, 4, address & ~3U);
	return pc_port_read(pc, (u16)(0xcfc + (address & 3)), 4 - (address & 3));
}

static void config_write(u32 address, u32 value)
{
	pc_port_write(pc, 0xcf8, 4, address);
	pc_port_write(pc, 0xcfc, 4, value);
}

static void pci_configuration(void **state)
{
	(void)state;
	assert_int_equal(config_read(0x80000000), 0x12378086);
	assert_int_equal(config_read(0x80000800), 0x70008086);
	assert_int_equal(config_read(0x80000b00), 0x71138086);
	assert_int_equal(config_read(RNG), 0x10441af4);
	assert_int_equal(config_read(RNG + 2), 0x1044);
	assert_int_equal(config_read(0x80001800), 0xffffffff);
	/* Power management answers where it was, and where it is moved; not over the ISA bus. */
	pc_port_write(pc, 0xcf8, 4, 0x80000b40);
	pc_port_write(pc, 0xcfc, 4, 0x600);
	pc_port_write(pc, 0x602, 2, 0x100);
	assert_int_equal(pc_port_read(pc, 0x602, 2), 0x100);
	assert_int_equal(pc_port_read(pc, ACPI_PM_BASE + 2, 2), 0x100);
	pc_port_write(pc, 0xcfc, 4, 0x40);
	assert_int_not_equal(pc_port_read(pc, 0x43, 1), 1);
	assert_int_equal(config_read(RNG & ~0x80000000), 0xffffffff);
	assert_int_equal(pc_memory_read(pc, PCI_ECAM_BASE + 0x10000, 4), 0x10441af4);
	assert_int_equal(pc_memory_read(pc, PCI_ECAM_BASE + 0x18000, 8), ~0UL);
	assert_int_equal(pc_absent_accesses(pc), 0);
	(void)pc_memory_read(pc, PCI_ECAM_BASE + PCI_ECAM_BYTES, 4);
	assert_int_equal(pc_absent_accesses(pc), 1);
}

/* Disks, a console and a balloon come behind, each in a slot of its own. */
static void pci_devices_as_chosen(void **state)
{
	const struct disk_backend disks[2] = {{.bytes = MIB}, {.bytes = 2 * MIB}};
	struct pc_setup chosen = {
		.tsc_hz = TSC_HZ,
		.low_bytes = 256 * MIB,
		.memory = &memory,
		.choice = {.rng = true, .disks = 2, .console = true, .balloon = true},
		.disks = {&disks[0], &disks[1]},
	};
	struct balloon_view view;

	(void)state;
	free(pc);
	pc = malloc(pc_bytes(&chosen.choice));
	pc_init(pc, &chosen, &ops, &world);
	assert_int_equal(config_read(0x80001000), 0x10441af4);
	assert_int_equal(config_read(0x80001800), 0x10421af4);
	assert_int_equal(config_read(0x80002000), 0x10421af4);
	assert_int_equal(config_read(0x80002800), 0x10431af4);
	assert_int_equal(config_read(0x80003000), 0x10451af4);
	assert_int_equal(config_read(0x80003800), 0xffffffff);
	/* Nobody has opened the console: what is typed goes to COM1. */
	assert_true(pc_console_input(pc, 'k'));
	assert_int_equal(in8(COM1), 'k');
	assert_true(pc_balloon_target(pc, 3 * MIB));
	assert_true(pc_balloon_ask(pc));
	assert_true(pc_balloon_look(pc, &view));
	assert_int_equal(view.target_bytes, 3 * MIB);
	assert_false(view.driven);
}

static void no_balloon(void **state)
{
	struct balloon_view view;

	(void)state;
	assert_false(pc_balloon_target(pc, 3 * MIB));
	assert_false(pc_balloon_ask(pc));
	assert_false(pc_balloon_look(pc, &view));
}

static u64 common(u32 offset, unsigned bytes)
{
	return pc_memory_read(pc, PCI_MEMORY_BASE + offset, bytes);
}

static void common_set(u32 offset, unsigned bytes, u64 value)
{
	pc_memory_write(pc, PCI_MEMORY_BASE + offset, bytes, value);
}

/* A driver that knows where everything is; its queue of 1 has a buffer of 64 bytes at 3000h. */
static void rng_start(void)
{
	memset(ram, 0, sizeof(ram));
	assert_int_equal(common(0x12, 2), 1);
	common_set(0x14, 1, 3);
	common_set(0x08, 4, 1);
	common_set(0x0c, 4, 1);
	common_set(0x14, 1, 0xb);
	assert_int_equal(common(0x14, 1), 0xb);
	common_set(0x18, 2, 1);
	common_set(0x20, 8, 0x1000);
	common_set(0x28, 4, 0x1100);
	common_set(0x30, 4, 0x2000);
	common_set(0x1c, 2, 1);
	common_set(0x14, 1, 0xf);
	*(u64 *)(void *)&ram[0x1000] = 0x3000;
	*(u64 *)(void *)&ram[0x1008] = 64 | 2UL << 32;
}

static void rng_ask(void)
{
	ram[0x1102]++;
	pc_port_write(pc, PCI_IO_BASE, 2, 0);
}

static void pci_device_interrupts_by_line(void **state)
{
	(void)state;
	pit_begin(0);
	pic_begin(0xfb, 0xff & ~(1 << (RNG_IRQ - 8)));
	world.delivered_count = 0;
	rng_start();
	ioapic_write((u8)(0x10 + 2 * RNG_GSI), 0x8041); /* level */
	rng_ask();
	assert_int_equal(world.random, 64);
	assert_int_equal(ram[0x3000], 0x5a);
	assert_int_equal(ram[0x303f], 0x5a);
	assert_int_equal(ram[0x3040], 0);
	assert_int_equal(ram[0x2002], 1);
	assert_int_equal(ram[0x2008], 64);
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(world.delivered[0] & 0xff, 0x41);
	assert_true(world.intr);
	assert_int_equal(pc_pic_acknowledge(pc), 0x28 + RNG_IRQ - 8);
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	assert_true(world.intr); /* level-triggered, and nobody has looked */
	assert_int_equal(common(0x1000, 1), 1);
	assert_false(world.intr);
	pc_eoi(pc, 0x41);
	assert_int_equal(world.delivered_count, 1);
	assert_int_equal(common(0x1000, 1), 0);
}

static void pci_device_sends_messages(void **state)
{
	(void)state;
	rng_start();
	common_set(0x1a, 2, 1); /* the queue's vector; queues may change theirs at any time */
	common_set(0x4010, 4, 0xfee03004);
	common_set(0x4018, 4, 0xffff4155);
	common_set(0x401c, 4, 0);
	for (u32 at = config_read(RNG + 0x34) & 0xff; at; at = config_read(RNG + at) >> 8 & 0xff)
		if ((config_read(RNG + at) & 0xff) == 0x11)
			config_write(RNG + at, 0x80000000);
	rng_ask();
	assert_int_equal(world.delivered_count, 1);
	/* vector, lowest priority, logical destination 3 */
	assert_int_equal(world.delivered[0], 0x0300000000000955);
	assert_int_equal(common(0x1000, 1), 0);
	assert_false(world.intr);
	common_set(0x4010, 4, 0xfed03004); /* where no local APIC is */
	rng_ask();
	assert_int_equal(world.delivered_count, 1);
}

/* A line of the ISA bus is high while anybody drives it so. */
static void pci_shares_a_line(void **state)
{
	(void)state;
	pic_begin(0xff & ~(1 << 4), 0xff);
	config_write(0x80000860, 0x04040404); /* PIRQA to PIRQD at COM1's */
	rng_start();
	assert_false(world.intr);
	rng_ask();
	assert_true(world.intr);
	out8(COM1 + 4, 8); /* OUT2: COM1 may interrupt */
	out8(COM1 + 1, 2); /* and does, as it can send */
	(void)common(0x1000, 1);
	assert_true(world.intr);
	(void)in8(COM1 + 2);
	assert_false(world.intr);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pci_address_is_no_reset),
		T(pci_configuration),
		T(pci_devices_as_chosen),
		T(no_balloon),
		T(pci_device_interrupts_by_line),
		T(pci_device_sends_messages),
		T(pci_shares_a_line),
		T(every_port),
		T(absent_ports),
		T(absent_memory),
		T(wide_accesses),
		T(strings),
		T(accesses_across_a_border),
		T(pm_timer),
		T(pit_interrupts_both_controllers),
		T(other_lines_keep_their_number),
		T(rtc_interrupt),
		T(sci_and_eoi),
		T(timers_in_order),
		T(late_host),
		T(early_host),
		T(stopped_timer_is_no_moment),
		T(a_new_board_has_no_timers),
		T(hpet_replaces),
		T(hpet_own_input),
		T(console_output),
		T(console_input),
		T(resets),
		T(cmos_over_a_reset),
		T(power_off),
		T(power_button),
		T(guest_panic),
		T(text_screen),
		T(firmware_configuration),
		T(flash),
		T(cmos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
