/* SPDX-License-Identifier: MIT */
/* The debug ports: lines of text become reports. */
#include "cmocka_all.h"

#include "drivers/virt/vdebug.h"
#include "fake_host.h"

static struct fake_host fake;
static struct vdebug debug;

static void out(u64 port, unsigned value)
{
	vdebug_ops.write(&debug, port, 1, value);
}

static u8 in(u64 port)
{
	return (u8)vdebug_ops.read(&debug, port, 1);
}

static void print(u64 port, const char *text)
{
	while (*text)
		out(port, (u8)*text++);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	vdebug_init(&debug, &fake.host);
	return 0;
}

static void test_ports(void **state)
{
	(void)state;
	assert_int_equal(in(0x402), 0xe9);
	assert_int_equal(in(0xe9), 0xe9);
	out(0x80, 0x42);
	out(0xed, 0x43);
	assert_int_equal(in(0x80), 0x42);
	assert_int_equal(in(0xed), 0xff);
	assert_int_equal(fake.reports, 0);
	vdebug_reset(&debug);
	assert_int_equal(in(0x80), 0x00);
}

static void test_lines(void **state)
{
	(void)state;
	print(0x402, "one");
	print(0xe9, "two");
	assert_int_equal(fake.reports, 0);
	print(0x402, " more\r\n");
	assert_string_equal(fake.reported, "one more");
	print(0xe9, "\n");
	assert_string_equal(fake.reported, "two");
	print(0xe9, "\n\r\n"); /* nothing on them */
	assert_int_equal(fake.reports, 2);
	print(0x402, "a\tb\033[2J\377\n");
	assert_string_equal(fake.reported, "a b.[2J.");
}

static void test_long_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VDEBUG_LINE_BYTES; i++)
		out(0xe9, 'x');
	assert_int_equal(fake.reports, 0);
	out(0xe9, 'y');
	assert_int_equal(fake.reports, 1);
	assert_int_equal(strlen(fake.reported), VDEBUG_LINE_BYTES);
	out(0xe9, '\n');
	assert_string_equal(fake.reported, "y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ports, setup),
		cmocka_unit_test_setup(test_lines, setup),
		cmocka_unit_test_setup(test_long_line, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
