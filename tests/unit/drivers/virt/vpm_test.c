/* SPDX-License-Identifier: MIT */
/* ACPI fixed hardware against ACPI 6.4, 4.8.3. The PM timer counts once in 100 guest ticks. */
#include "cmocka_all.h"

#include "drivers/virt/vpm.h"
#include "fake_host.h"

#define STATUS	0xb000
#define ENABLE	0xb002
#define CONTROL 0xb004
#define TIMER	0xb008
#define GPE	0xb00c
#define SCI	9
#define COUNT	100ULL

static struct fake_host fake;
static struct vpm pm;

static void out(u64 port, unsigned bytes, u32 value)
{
	vpm_ops.write(&pm, port, bytes, value);
}

static u32 in(u64 port, unsigned bytes)
{
	return (u32)vpm_ops.read(&pm, port, bytes);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.host.tsc_hz = 3579545 * COUNT;
	vpm_init(&pm, &fake.host);
	return 0;
}

static void test_timer(void **state)
{
	(void)state;
	assert_int_equal(in(TIMER, 4), 0);
	fake_run(&fake, 0x123456 * COUNT - 1);
	assert_int_equal(in(TIMER, 4), 0x123455);
	fake_run(&fake, 1);
	assert_int_equal(in(TIMER, 4), 0x123456);
	assert_int_equal(in(TIMER, 2), 0x3456);
	assert_int_equal(in(TIMER + 1, 1), 0x34);
	assert_int_equal(in(TIMER + 2, 2), 0x0012);
	out(TIMER, 4, 0xffffffff); /* read-only */
	assert_int_equal(in(TIMER, 4), 0x123456);
	fake_run(&fake, 0x100000000ULL * COUNT);
	assert_int_equal(in(TIMER, 4), 0x123456); /* 32 bits */

	fake_init(&fake);
	fake.host.tsc_hz = 2893401777;
	vpm_init(&pm, &fake.host);
	fake.now = 1000 * 2893401777ULL;
	assert_int_equal(in(TIMER, 4), 3579545000U);
	assert_null(fake.timers);
}

static void test_power_button(void **state)
{
	(void)state;
	assert_false(vpm_power_button(&pm)); /* nobody would hear it */
	assert_int_equal(in(STATUS, 2), 0);
	assert_null(fake.timers);
	out(ENABLE, 2, 0x0100);
	assert_true(vpm_power_button(&pm));
	assert_int_equal(in(STATUS, 2), 0x0100);
	assert_true(fake.irq[SCI]); /* level: as long as status and enable meet */
	assert_int_equal(in(ENABLE, 2), 0x0100);
	assert_int_equal(in(STATUS, 4), 0x01000100);
	out(STATUS, 2, 0xfeff); /* ones clear, zeros do not */
	assert_true(fake.irq[SCI]);
	out(STATUS, 2, 0x0100);
	assert_false(fake.irq[SCI]);
	assert_int_equal(in(STATUS, 2), 0);
	assert_true(vpm_power_button(&pm));
	assert_true(fake.irq[SCI]);
	out(ENABLE, 2, 0);
	assert_false(fake.irq[SCI]);
	out(ENABLE + 1, 1, 0x01);
	assert_true(fake.irq[SCI]);
	out(STATUS + 1, 1, 0x01);
	assert_false(fake.irq[SCI]);
	assert_true(vpm_power_button(&pm));
	out(STATUS, 4, 0x01200100); /* both registers in one access */
	assert_int_equal(in(STATUS, 4), 0x01200000);
	assert_true(vpm_power_button(&pm));
	vpm_reset(&pm);
	assert_false(fake.irq[SCI]);
	assert_int_equal(in(STATUS, 4), 0);
	assert_null(fake.timers);
}

/* Its time counts from when the button was pressed first. */
static void test_patience_ends(void **state)
{
	u64 second = fake.host.tsc_hz;

	(void)state;
	out(ENABLE, 2, 0x0100);
	assert_true(vpm_power_button(&pm));
	fake_run(&fake, second);
	assert_true(vpm_power_button(&pm));
	fake_run(&fake, (VPM_PATIENCE_S - 1) * second - 1);
	assert_int_equal(fake.events[DEVICE_EVENT_OVERRIDE], 0);
	fake_run(&fake, 1);
	assert_int_equal(fake.events[DEVICE_EVENT_OVERRIDE], 1);
	fake_run(&fake, 100 * second);
	assert_int_equal(fake.events[DEVICE_EVENT_OVERRIDE], 1);
}

static void test_general_purpose_events(void **state)
{
	(void)state;
	vpm_gpe(&pm, 3);
	vpm_gpe(&pm, 12);
	assert_int_equal(in(GPE, 4), 0x00001008);
	assert_false(fake.irq[SCI]);
	out(GPE + 3, 1, 0x10);
	assert_true(fake.irq[SCI]);
	out(GPE, 2, 0x0008);
	assert_true(fake.irq[SCI]);
	out(GPE + 1, 1, 0x10);
	assert_false(fake.irq[SCI]);
	assert_int_equal(in(GPE, 4), 0x10000000);
	out(GPE, 4, 0xffff0000);
	assert_int_equal(in(GPE + 2, 2), 0xffff);
	vpm_gpe(&pm, 0);
	assert_true(fake.irq[SCI]);
	vpm_reset(&pm);
	assert_false(fake.irq[SCI]);
	assert_int_equal(in(GPE, 4), 0);
	assert_int_equal(in(STATUS, 4), 0);
}

static void test_enable_bits(void **state)
{
	(void)state;
	out(ENABLE, 2, 0xffff);
	assert_int_equal(in(ENABLE, 2), 0x0721); /* RTC, sleep, power button, global, timer */
	assert_false(fake.irq[SCI]);
	out(ENABLE, 1, 0x00);
	assert_int_equal(in(ENABLE, 2), 0x0700);
}

static void test_timer_status(void **state)
{
	(void)state;
	fake_run(&fake, 0x80000000ULL * COUNT - 1);
	assert_int_equal(in(STATUS, 2), 0);
	fake_run(&fake, 1);
	assert_int_equal(in(STATUS, 2), 0x0001); /* bit 31 changed */
	assert_false(fake.irq[SCI]);
	out(STATUS, 2, 0x0001);
	out(ENABLE, 2, 1);
	assert_non_null(fake.timers);
	fake_run(&fake, 0x80000000ULL * COUNT - 1);
	assert_false(fake.irq[SCI]);
	fake_run(&fake, 1);
	assert_true(fake.irq[SCI]);
	assert_null(fake.timers);
	out(STATUS, 2, 1);
	assert_false(fake.irq[SCI]);
	assert_non_null(fake.timers);
	out(ENABLE, 2, 0);
	assert_null(fake.timers);
}

static void test_control(void **state)
{
	(void)state;
	assert_int_equal(in(CONTROL, 2), 0x0001); /* SCI_EN */
	out(CONTROL, 2, 0x0000);
	assert_int_equal(in(CONTROL, 2), 0x0001);
	out(CONTROL, 2, 0xdfff); /* all but SLP_EN; GBL_RLS reads 0 */
	assert_int_equal(in(CONTROL, 2), 0x1c03);
	assert_int_equal(fake.events[DEVICE_EVENT_POWER_OFF] + fake.events[DEVICE_EVENT_SLEEP], 0);
	assert_int_equal(in(CONTROL, 4), 0xffff1c03);
	assert_int_equal(in(CONTROL + 1, 1), 0x1c);
	out(CONTROL + 1, 1, 0x08); /* one byte leaves the other */
	assert_int_equal(in(CONTROL, 2), 0x0803);
	out(CONTROL, 1, 0x00);
	assert_int_equal(in(CONTROL, 2), 0x0801);
}

static void test_power_off(void **state)
{
	(void)state;
	out(CONTROL, 2, 0x1400);
	assert_int_equal(fake.events[DEVICE_EVENT_POWER_OFF], 0);
	out(CONTROL, 2, 0x3400); /* SLP_EN with type 5 */
	assert_int_equal(fake.events[DEVICE_EVENT_POWER_OFF], 1);
	assert_int_equal(fake.events[DEVICE_EVENT_SLEEP], 0);
	assert_int_equal(in(CONTROL, 2), 0x1401); /* SLP_EN is write-only */
	out(CONTROL + 1, 1, 0x34);
	assert_int_equal(fake.events[DEVICE_EVENT_POWER_OFF], 2);
	out(CONTROL, 4, 0x3401);
	assert_int_equal(fake.events[DEVICE_EVENT_POWER_OFF], 3);
	assert_int_equal(fake.reports, 0);
}

static void test_sleep_is_reported(void **state)
{
	(void)state;
	out(CONTROL, 2, 0x2400);
	assert_int_equal(fake.events[DEVICE_EVENT_POWER_OFF], 0);
	assert_int_equal(fake.events[DEVICE_EVENT_SLEEP], 1);
	assert_int_equal(fake.reports, 1);
	assert_non_null(strstr(fake.reported, "sleep type 1 "));
}

static void test_absent_ports(void **state)
{
	(void)state;
	assert_int_equal(in(0xb006, 2), 0xffff);
	out(0xb006, 2, 0xffff);
	assert_int_equal(in(STATUS, 4), 0);
	assert_int_equal(in(CONTROL, 2), 1);
}

static void test_random(void **state)
{
	u32 seed = 9;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		static const unsigned widths[4] = {1, 2, 4, 2};

		seed = seed * 1664525 + 1013904223;
		u64 port = STATUS + (seed >> 8 & 15);
		unsigned bytes = widths[seed >> 12 & 3];

		if ((seed >> 14 & 3) == 0)
			out(port, bytes, seed ^ seed << 11);
		else if ((seed >> 14 & 3) == 1)
			in(port, bytes);
		else if ((seed >> 16 & 7) == 0)
			assert_int_equal(vpm_power_button(&pm), pm.enable >> 8 & 1);
		else if ((seed >> 19 & 7) == 0)
			vpm_gpe(&pm, seed >> 22 & 15);
		else
			fake_run(&fake, (u64)(seed >> 12) * 100000);
		assert_int_equal(fake.irq[SCI], (pm.status & pm.enable) != 0 ||
							(pm.gpe_status & pm.gpe_enable) != 0);
		assert_int_equal(in(CONTROL, 2) & ~0x1c02u, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_timer, setup),
		cmocka_unit_test_setup(test_power_button, setup),
		cmocka_unit_test_setup(test_patience_ends, setup),
		cmocka_unit_test_setup(test_general_purpose_events, setup),
		cmocka_unit_test_setup(test_enable_bits, setup),
		cmocka_unit_test_setup(test_timer_status, setup),
		cmocka_unit_test_setup(test_control, setup),
		cmocka_unit_test_setup(test_power_off, setup),
		cmocka_unit_test_setup(test_sleep_is_reported, setup),
		cmocka_unit_test_setup(test_absent_ports, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
