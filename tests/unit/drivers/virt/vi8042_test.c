/* SPDX-License-Identifier: MIT */
/* The keyboard controller and its keyboard against the PS/2 reference. */
#include "cmocka_all.h"

#include "drivers/virt/vi8042.h"
#include "fake_host.h"

static struct fake_host fake;
static struct vi8042 kbc;

static void out(u64 port, unsigned value)
{
	vi8042_ops.write(&kbc, port, 1, value);
}

static u8 in(u64 port)
{
	return (u8)vi8042_ops.read(&kbc, port, 1);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	vi8042_init(&kbc, &fake.host);
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
	out(0x64, 0xd1);
	out(0x60, 0xdf);
	assert_int_equal(command(0xd0) & 0x03, 0x03);
	out(0x64, 0xdd);
	assert_int_equal(command(0xd0) & 0x03, 0x01);
	out(0x64, 0xdf);
	assert_int_equal(command(0xd0) & 0x03, 0x03);
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

/* Write to the keyboard; it answers with `bytes` bytes and no more. */
static void talk(unsigned byte, const char *answer, unsigned bytes)
{
	out(0x60, byte);
	for (unsigned i = 0; i < bytes; i++) {
		assert_int_equal(in(0x64) & 0x61, 0x01);
		assert_int_equal(in(0x60), (u8)answer[i]);
	}
	assert_int_equal(in(0x64) & 0x41, 0x00);
}

static void translate(bool on)
{
	out(0x64, 0x60);
	out(0x60, on ? 0x65 : 0x25);
}

static void test_keyboard_commands(void **state)
{
	(void)state;
	translate(false);
	talk(0xff, "\xfa\xaa", 2);
	talk(0xf2, "\xfa\xab\x83", 3);
	talk(0xee, "\xee", 1);
	talk(0xed, "\xfa", 1);
	talk(0x07, "\xfa", 1);
	talk(0xf3, "\xfa", 1);
	talk(0x2b, "\xfa", 1);
	for (unsigned command = 0xf4; command <= 0xfa; command++)
		talk(command, "\xfa", 1);
	for (unsigned command = 0xfb; command <= 0xfd; command++) {
		talk(command, "\xfa", 1);
		talk(0x1c, "\xfa", 1);
	}
	talk(0xef, "\xfe", 1); /* no command */
	talk(0x00, "\xfe", 1);
	talk(0xed, "\xfa", 1);
	talk(0xf4, "\xfa", 1); /* a command in place of a parameter */
	talk(0x00, "\xfe", 1);
}

static void test_keyboard_sets(void **state)
{
	(void)state;
	translate(false);
	talk(0xf0, "\xfa", 1);
	talk(0x00, "\xfa\x02", 2);
	for (unsigned set = 1; set <= 3; set++) {
		const char answer[2] = {'\xfa', (char)set};

		talk(0xf0, "\xfa", 1);
		talk(set, "\xfa", 1);
		talk(0xf0, "\xfa", 1);
		talk(0x00, answer, 2);
	}
	talk(0xf0, "\xfa", 1);
	talk(0x04, "\xfe", 1); /* there is no such set */
	talk(0x01, "\xfa", 1);
	talk(0xf6, "\xfa", 1); /* defaults */
	talk(0xf0, "\xfa", 1);
	talk(0x00, "\xfa\x02", 2);
}

static void test_keyboard_translated(void **state)
{
	static const char shown[3] = {'\x43', '\x41', '\x3f'};

	(void)state;
	talk(0xf2, "\xfa\xab\x41", 3);
	for (unsigned set = 1; set <= 3; set++) {
		const char answer[2] = {'\xfa', shown[set - 1]};

		talk(0xf0, "\xfa", 1);
		talk(set, "\xfa", 1);
		talk(0xf0, "\xfa", 1);
		talk(0x00, answer, 2);
	}
}

static void test_keyboard_resend(void **state)
{
	(void)state;
	talk(0xff, "\xfa\xaa", 2);
	talk(0xfe, "\xaa", 1);
	talk(0xfe, "\xaa", 1);
	talk(0xee, "\xee", 1);
	talk(0xfe, "\xee", 1);
	out(0x60, 0xf2); /* a new command ends an answer: only the byte that is out already comes */
	out(0x60, 0xee);
	assert_int_equal(in(0x60), 0xfa);
	assert_int_equal(in(0x60), 0xee);
	assert_int_equal(in(0x64) & 1, 0);
}

static void test_keyboard_disabled(void **state)
{
	(void)state;
	out(0x60, 0xf2);
	out(0x64, 0xad);
	assert_int_equal(in(0x60), 0xfa);
	assert_int_equal(in(0x64) & 1, 0); /* it holds the rest back */
	assert_int_equal(command(0xaa), 0x55);
	out(0x64, 0xae);
	assert_int_equal(in(0x60), 0xab);
	assert_int_equal(in(0x60), 0x41);
	out(0x64, 0xad);
	talk(0xf4, "\xfa", 1); /* sending to the keyboard enables it */
	assert_int_equal(command(0x20) & 0x10, 0x00);
}

static void test_no_mouse(void **state)
{
	(void)state;
	out(0x64, 0xd4);
	out(0x60, 0xff);
	assert_int_equal(in(0x64) & 0x61, 0x41); /* time-out, and not a mouse's byte */
	assert_int_equal(in(0x60), 0xfe);
	assert_int_equal(in(0x64) & 0x41, 0x00);
	out(0x64, 0xd3);
	out(0x60, 0x5a);
	assert_int_equal(in(0x64) & 0x21,
			 0x01); /* the loop comes back, but not as a mouse's byte */
	assert_int_equal(in(0x60), 0x5a);
	out(0x64, 0xd2);
	out(0x60, 0x1c);
	assert_int_equal(in(0x60), 0x1c);
	talk(0xf4, "\xfa", 1); /* a command's data byte is one byte */
	assert_int_equal(command(0xa4), 0xf1);
}

static void test_interrupt(void **state)
{
	(void)state;
	out(0x60, 0xf2);
	for (unsigned i = 1; i <= 3; i++) { /* an edge for each byte */
		assert_true(fake.irq[1]);
		assert_int_equal(fake.irq_rises[1], i);
		in(0x60);
	}
	assert_false(fake.irq[1]);
	out(0x64, 0x60);
	out(0x60, 0x64);
	out(0x60, 0xf4);
	assert_false(fake.irq[1]); /* not enabled */
	out(0x64, 0x60);
	out(0x60, 0x65);
	assert_true(fake.irq[1]); /* the byte is still there */
	in(0x60);
	assert_false(fake.irq[1]);
	assert_int_equal(fake.irq_rises[1], 4);
	out(0x64, 0x20);
	assert_true(fake.irq[1]);
	vi8042_reset(&kbc);
	assert_false(fake.irq[1]);
	assert_int_equal(in(0x64) & 1, 0);
}

static void test_unknown_commands(void **state)
{
	(void)state;
	out(0x64, 0x00);
	out(0x64, 0xb0);
	assert_int_equal(in(0x64) & 1, 0);
	assert_int_equal(resets(), 0);
}

static void test_random(void **state)
{
	static const u16 ports[] = {0x60, 0x64};
	u32 seed = 13;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		u16 port = ports[seed >> 8 & 1];

		if (seed >> 12 & 1)
			out(port, seed >> 24);
		else
			in(port);
		assert_int_equal(fake.irq[1], (kbc.status & 1) && (kbc.ram[0] & 1));
		assert_int_equal(in(0x64) & 0x22, 0); /* never busy, never a mouse's byte */
	}
	out(0x64, 0x60); /* as a driver finds its way back */
	out(0x60, 0x65);
	while (in(0x64) & 1)
		in(0x60);
	assert_int_equal(command(0xaa), 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_self_tests, setup),
		cmocka_unit_test_setup(test_command_byte, setup),
		cmocka_unit_test_setup(test_output_port, setup),
		cmocka_unit_test_setup(test_pulse_reset, setup),
		cmocka_unit_test_setup(test_keyboard_commands, setup),
		cmocka_unit_test_setup(test_keyboard_sets, setup),
		cmocka_unit_test_setup(test_keyboard_translated, setup),
		cmocka_unit_test_setup(test_keyboard_resend, setup),
		cmocka_unit_test_setup(test_keyboard_disabled, setup),
		cmocka_unit_test_setup(test_no_mouse, setup),
		cmocka_unit_test_setup(test_interrupt, setup),
		cmocka_unit_test_setup(test_unknown_commands, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
