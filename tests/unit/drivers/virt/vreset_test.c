/* SPDX-License-Identifier: MIT */
/* Resets by the chipset against the 82371SB reference. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_port_92, setup),
		cmocka_unit_test_setup(test_cf9, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
