/* SPDX-License-Identifier: MIT */
/* Resets, A20 and the keyboard controller against the PS/2 and 82371SB references. */
#include "cmocka_all.h"

#include "drivers/virt/vreset.h"
#include "fake_host.h"

static struct fake_host fake;
static struct vreset reset;

static void out(u64 port, unsigned value)
{
	vreset_ops.write(&reset, port, 1, value);
}

static u8 in(u64 port)
{
	return (u8)vreset_ops.read(&reset, port, 1);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	vreset_init(&reset, &fake.host);
	return 0;
}

static unsigned resets(void)
{
	return fake.events[DEVICE_EVENT_RESET];
}

/* The controller answers a command with one byte, which reading takes away. */
static u8 command(unsigned byte)
{
	u8 value;

	out(0x64, byte);
	assert_int_equal(in(0x64) & 0x03, 0x01);
	value = in(0x60);
	assert_int_equal(in(0x64) & 0x41, 0x00);
	return value;
}

static void test_port_92(void **state)
{
	(void)state;
	assert_int_equal(in(0x92), 0x02);
	out(0x92, 0x00);
	assert_int_equal(in(0x92), 0x00);
	out(0x92, 0x02);
	assert_int_equal(in(0x92), 0x02);
	assert_int_equal(resets(), 0);
	out(0x92, 0x03);
	assert_int_equal(resets(), 1);
	out(0x92, 0x03); /* only a change from 0 to 1 counts */
	assert_int_equal(resets(), 1);
	out(0x92, 0x02);
	out(0x92, 0x01);
	assert_int_equal(resets(), 2);
}

static void test_cf9(void **state)
{
	(void)state;
	assert_int_equal(in(0xcf9), 0x00);
	out(0xcf9, 0x02);
	assert_int_equal(in(0xcf9), 0x02);
	out(0xcf9, 0x0a);
	assert_int_equal(in(0xcf9), 0x0a);
	assert_int_equal(resets(), 0);
	out(0xcf9, 0x0e);
	assert_int_equal(resets(), 1);
	out(0xcf9, 0x06);
	assert_int_equal(resets(), 1);
	vreset_reset(&reset);
	assert_int_equal(in(0xcf9), 0x00);
	out(0xcf9, 0x06); /* what the ACPI tables tell */
	assert_int_equal(resets(), 2);
	out(0xcf9, 0x00);
	out(0xcf9, 0x04);
	assert_int_equal(resets(), 3);
}

static void test_self_tests(void **state)
{
	(void)state;
	assert_int_equal(in(0x64), 0x14); /* system flag, not locked */
	assert_int_equal(command(0xaa), 0x55);
	assert_int_equal(in(0x64), 0x1c);
	assert_int_equal(command(0xab), 0x00);
	assert_int_not_equal(command(0xa9), 0x00); /* no mouse port */
}

static void test_command_byte(void **state)
{
	(void)state;
	assert_int_equal(command(0x20), 0x65);
	out(0x64, 0x60);
	assert_int_equal(in(0x64) & 0x09, 0x08); /* awaits its data byte */
	out(0x60, 0x70);
	assert_int_equal(in(0x64) & 0x0d, 0x00); /* bit 2 follows the command byte's */
	assert_int_equal(command(0x20), 0x70);
	out(0x64, 0x60);
	out(0x60, 0x74);
	assert_int_equal(in(0x64) & 0x04, 0x04);
	out(0x64, 0xae);
	assert_int_equal(command(0x20), 0x64);
	out(0x64, 0xad);
	assert_int_equal(command(0x20), 0x74);
	out(0x64, 0xa8);
	assert_int_equal(command(0x20), 0x54);
	out(0x64, 0xa7);
	assert_int_equal(command(0x20), 0x74);
	out(0x64, 0x7f); /* the rest of the controller's RAM */
	out(0x60, 0x5a);
	assert_int_equal(command(0x3f), 0x5a);
	assert_int_equal(command(0x20), 0x74);
}

static void test_output_port(void **state)
{
	(void)state;
	assert_int_equal(command(0xd0) & 0x03, 0x03);
	out(0x64, 0xd1);
	out(0x60, 0xdd);
	assert_int_equal(command(0xd0) & 0x03, 0x01);
	assert_int_equal(in(0x92) & 0x02, 0x00); /* one gate, two ways to it */
	out(0x64, 0xd1);
	out(0x60, 0xdf);
	assert_int_equal(command(0xd0) & 0x03, 0x03);
	assert_int_equal(in(0x92) & 0x02, 0x02);
	assert_int_equal(resets(), 0);
	out(0x64, 0xd1);
	out(0x60, 0xfe);
	assert_int_equal(resets(), 1);
}

static void test_pulse_reset(void **state)
{
	(void)state;
	out(0x64, 0xff); /* pulses nothing */
	assert_int_equal(resets(), 0);
	out(0x64, 0xfe);
	assert_int_equal(resets(), 1);
	out(0x64, 0xf0);
	assert_int_equal(resets(), 2);
}

static void test_no_keyboard(void **state)
{
	static const u8 commands[] = {0xff, 0xf2, 0xed, 0x00, 0xf4};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		out(0x60, commands[i]);
		assert_int_equal(in(0x64) & 0x61, 0x41); /* a byte with time-out, not the mouse's */
		assert_int_equal(in(0x60), 0xfe);
		assert_int_equal(in(0x64) & 0x41, 0x00);
	}
	out(0x64, 0xad);
	out(0x60, 0xf4); /* sending to the keyboard enables it */
	assert_int_equal(in(0x60), 0xfe);
	assert_int_equal(command(0x20) & 0x10, 0x00);
	out(0x64, 0xd4); /* no mouse either */
	out(0x60, 0xff);
	assert_int_equal(in(0x64) & 0x41, 0x41);
	assert_int_equal(in(0x60), 0xfe);
	out(0x64, 0xd3);
	out(0x60, 0x5a);
	assert_int_equal(in(0x64) & 0x21,
			 0x01); /* the loop comes back, but not as a mouse's byte */
	assert_int_equal(in(0x60), 0x5a);
	out(0x64, 0xd2);
	out(0x60, 0x1c);
	assert_int_equal(in(0x60), 0x1c);
	out(0x60, 0xf4); /* a command's data byte is one byte */
	assert_int_equal(in(0x60), 0xfe);
}

static void test_interrupt(void **state)
{
	(void)state;
	out(0x60, 0xf2);
	assert_true(fake.irq[1]);
	in(0x60);
	assert_false(fake.irq[1]);
	out(0x64, 0x60);
	out(0x60, 0x64);
	out(0x60, 0xf2);
	assert_false(fake.irq[1]); /* not enabled */
	out(0x64, 0x60);
	out(0x60, 0x65);
	assert_true(fake.irq[1]); /* the byte is still there */
	in(0x60);
	assert_false(fake.irq[1]);
	assert_int_equal(fake.irq_rises[1], 2);
	out(0x64, 0x20);
	assert_true(fake.irq[1]);
	vreset_reset(&reset);
	assert_false(fake.irq[1]);
	assert_int_equal(in(0x64) & 1, 0);
}

static void test_swallowed_writes(void **state)
{
	(void)state;
	out(0x80, 0x42);
	out(0xed, 0x42);
	assert_int_equal(in(0x80), 0x42);
	assert_int_equal(in(0xed), 0xff);
	out(0x64, 0x00); /* unknown to the controller: no answer */
	out(0x64, 0xb0);
	assert_int_equal(in(0x64) & 1, 0);
	assert_int_equal(resets(), 0);
}

static void test_random(void **state)
{
	static const u16 ports[] = {0x60, 0x64, 0x60, 0x64, 0x80, 0x92, 0xed, 0xcf9};
	u32 seed = 13;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		u16 port = ports[seed >> 8 & 7];

		if (seed >> 12 & 1)
			out(port, seed >> 24);
		else
			in(port);
		assert_int_equal(fake.irq[1], (reset.status & 1) && (reset.ram[0] & 1));
		assert_int_equal(in(0x64) & 0x22, 0); /* never busy, never a mouse's byte */
	}
	out(0x64, 0x60); /* as a driver finds its way back */
	out(0x60, 0x65);
	in(0x60);
	assert_int_equal(command(0xaa), 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_port_92, setup),
		cmocka_unit_test_setup(test_cf9, setup),
		cmocka_unit_test_setup(test_self_tests, setup),
		cmocka_unit_test_setup(test_command_byte, setup),
		cmocka_unit_test_setup(test_output_port, setup),
		cmocka_unit_test_setup(test_pulse_reset, setup),
		cmocka_unit_test_setup(test_no_keyboard, setup),
		cmocka_unit_test_setup(test_interrupt, setup),
		cmocka_unit_test_setup(test_swallowed_writes, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
