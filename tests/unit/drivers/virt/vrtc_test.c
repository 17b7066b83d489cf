/* SPDX-License-Identifier: MIT */
/* The MC146818 and the PC's CMOS bytes against their datasheets. One guest tick is 1 us. */
#include "cmocka_all.h"

#include "drivers/virt/vrtc.h"
#include "fake_host.h"
#include <time.h>

#define HZ 1000000ULL

/* Sunday 2024-12-29 23:59:50 UTC */
#define START 1735516790ULL

static struct fake_host fake;
static struct vrtc rtc;

static void out(unsigned index, unsigned value)
{
	vrtc_ops.write(&rtc, 0x70, 1, index);
	vrtc_ops.write(&rtc, 0x71, 1, value);
}

static u8 in(unsigned index)
{
	vrtc_ops.write(&rtc, 0x70, 1, index);
	return (u8)vrtc_ops.read(&rtc, 0x71, 1);
}

static void start(u64 unix_time_s, u64 low, u64 high)
{
	fake_init(&fake);
	fake.host.tsc_hz = HZ;
	vrtc_init(&rtc, &fake.host, unix_time_s, low, high);
}

static int setup(void **state)
{
	(void)state;
	start(START, 512 * MIB, 0);
	return 0;
}

static void expect_time(unsigned century, unsigned year, unsigned month, unsigned day,
			unsigned weekday, unsigned hours, unsigned minutes, unsigned seconds)
{
	assert_int_equal(in(0x32), century);
	assert_int_equal(in(9), year);
	assert_int_equal(in(8), month);
	assert_int_equal(in(7), day);
	assert_int_equal(in(6), weekday);
	assert_int_equal(in(4), hours);
	assert_int_equal(in(2), minutes);
	assert_int_equal(in(0), seconds);
}

static void test_bcd_24_hours(void **state)
{
	(void)state;
	expect_time(0x20, 0x24, 0x12, 0x29, 1, 0x23, 0x59, 0x50);
	fake_run(&fake, 10 * HZ - 1);
	assert_int_equal(in(0), 0x59);
	fake_run(&fake, 1);
	expect_time(0x20, 0x24, 0x12, 0x30, 2, 0x00, 0x00, 0x00);
	fake_run(&fake, 2 * 86400 * HZ);
	expect_time(0x20, 0x25, 0x01, 0x01, 4, 0x00, 0x00, 0x00);
	assert_null(fake.timers); /* reading the time needs none */
}

static void test_binary(void **state)
{
	(void)state;
	out(0x0b, 0x06);
	expect_time(20, 24, 12, 29, 1, 23, 59, 50);
}

static void test_12_hours(void **state)
{
	/* Datasheet, "time, calendar and alarm data modes": hours 1 to 12, the top bit is PM.
	 * Midnight is 12 AM. */
	static const u8 bcd[24] = {0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
				   0x08, 0x09, 0x10, 0x11, 0x92, 0x81, 0x82, 0x83,
				   0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91};

	(void)state;
	out(0x0b, 0x00);
	assert_int_equal(in(4), 0x91);
	fake_run(&fake, 10 * HZ);
	for (unsigned hour = 0; hour < 24; hour++) {
		assert_int_equal(in(4), bcd[hour]);
		fake_run(&fake, 3600 * HZ);
	}
	out(0x0b, 0x04);
	fake_run(&fake, 13 * 3600 * HZ);
	assert_int_equal(in(4), 0x81);
	for (unsigned hour = 0; hour < 24; hour++) {
		out(0x0b, 0x80);
		out(4, bcd[hour]);
		out(0x0b, 0x00);
		out(0x0b, 0x02);
		assert_int_equal(in(4), hour / 10 << 4 | hour % 10);
	}
}

/* Against the C library over a few centuries. */
static void test_calendar(void **state)
{
	static const u64 times[] = {0,		68169600,   951782399,	 951782400,  951868800,
				    1709164800, 1709251200, 2147483648,	 4102444799, 4102444800,
				    4107542400, 7258118399, 13574649600, 16725225600};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(times); i++) {
		time_t when = (time_t)times[i];
		struct tm tm;

		gmtime_r(&when, &tm);
		start(times[i], 64 * MIB, 0);
		out(0x0b, 0x06);
		expect_time((unsigned)(tm.tm_year + 1900) / 100,
			    (unsigned)(tm.tm_year + 1900) % 100, (unsigned)tm.tm_mon + 1,
			    (unsigned)tm.tm_mday, (unsigned)tm.tm_wday + 1, (unsigned)tm.tm_hour,
			    (unsigned)tm.tm_min, (unsigned)tm.tm_sec);
	}
}

static void set_time(unsigned century, unsigned year, unsigned month, unsigned day,
		     unsigned weekday, unsigned hours, unsigned minutes, unsigned seconds)
{
	out(0x0b, 0x82);
	out(0x32, century);
	out(9, year);
	out(8, month);
	out(7, day);
	out(6, weekday);
	out(4, hours);
	out(2, minutes);
	out(0, seconds);
}

static void test_set(void **state)
{
	(void)state;
	fake_run(&fake, 300000);
	set_time(0x20, 0x00, 0x02, 0x28, 7, 0x23, 0x59, 0x58);
	fake_run(&fake, 5 * HZ);
	expect_time(0x20, 0x00, 0x02, 0x28, 7, 0x23, 0x59, 0x58); /* stopped */
	out(0x0b, 0x02);
	expect_time(0x20, 0x00, 0x02, 0x28, 7, 0x23, 0x59, 0x58);
	fake_run(&fake, 700000 - 1); /* the divider chain has not stopped */
	assert_int_equal(in(0), 0x58);
	fake_run(&fake, 1);
	assert_int_equal(in(0), 0x59);
	fake_run(&fake, HZ);
	/* 2000 is a leap year. The weekday goes on from what was set, right or wrong. */
	expect_time(0x20, 0x00, 0x02, 0x29, 1, 0x00, 0x00, 0x00);
}

static void test_set_keeps_any_value(void **state)
{
	(void)state;
	out(0x0b, 0x82);
	for (unsigned i = 0; i < 10; i++) {
		out(i, 0xa5);
		assert_int_equal(in(i), 0xa5);
	}
	out(0x0b, 0x02);
	in(0);
	assert_in_range(in(8), 1, 0x12);
	assert_in_range(in(7), 1, 0x31);
}

static void test_write_while_running(void **state)
{
	(void)state;
	out(4, 0x12);
	expect_time(0x20, 0x24, 0x12, 0x29, 1, 0x12, 0x59, 0x50);
	out(9, 0x23);
	out(0x32, 0x19);
	expect_time(0x19, 0x23, 0x12, 0x29, 1, 0x12, 0x59, 0x50);
}

static void test_divider_reset(void **state)
{
	(void)state;
	fake_run(&fake, 123456);
	out(0x0b, 0x82);
	out(0x0a, 0x76);
	out(0, 0x10);
	fake_run(&fake, 9 * HZ + 777);
	out(0x0b, 0x02);
	assert_int_equal(in(0), 0x10);
	out(0x0a, 0x26);
	fake_run(&fake, HZ / 2 - 1);
	assert_int_equal(in(0), 0x10);
	fake_run(&fake, 1); /* the first update is half a second after the release */
	assert_int_equal(in(0), 0x11);
	fake_run(&fake, HZ - 1);
	assert_int_equal(in(0), 0x11);
	fake_run(&fake, 1);
	assert_int_equal(in(0), 0x12);
}

static void test_update_in_progress(void **state)
{
	(void)state;
	assert_int_equal(in(0x0a), 0x26);
	fake_run(&fake, HZ - 2228 - 1);
	assert_int_equal(in(0x0a), 0x26);
	fake_run(&fake, 1);
	assert_int_equal(in(0x0a), 0xa6);
	fake_run(&fake, 2227);
	assert_int_equal(in(0x0a), 0xa6);
	assert_int_equal(in(0), 0x50);
	fake_run(&fake, 1);
	assert_int_equal(in(0x0a), 0x26);
	assert_int_equal(in(0), 0x51);
	fake_run(&fake, HZ - 1000);
	out(0x0b, 0x82); /* SET ends it */
	assert_int_equal(in(0x0a), 0x26);
	out(0x0a, 0xff);
	assert_int_equal(in(0x0a), 0x7f); /* UIP cannot be written */
}

static void test_update_interrupt(void **state)
{
	(void)state;
	in(0x0c);
	out(0x0b, 0x12);
	fake_run(&fake, HZ - 1);
	assert_false(fake.irq[8]);
	fake_run(&fake, 1);
	assert_true(fake.irq[8]);
	assert_null(fake.timers); /* nothing more to tell before C is read */
	assert_int_equal(in(0x0c) & 0xb0, 0x90);
	assert_false(fake.irq[8]);
	assert_int_equal(in(0x0c), 0x00);
	for (unsigned i = 2; i < 12; i++) {
		fake_run(&fake, HZ);
		assert_int_equal(fake.irq_rises[8], i);
		in(0x0c);
	}
	out(0x0b, 0x92); /* SET clears UIE */
	assert_int_equal(in(0x0b), 0x82);
	assert_null(fake.timers);
}

static void test_flags_without_interrupts(void **state)
{
	(void)state;
	fake_run(&fake, HZ);
	assert_null(fake.timers);
	assert_int_equal(in(0x0c), 0x50); /* UF and PF are set, IRQF is not */
	assert_int_equal(in(0x0c), 0x00);
	fake_run(&fake, HZ);
	out(0x0b, 0x12); /* enabling with the flag up interrupts at once */
	assert_true(fake.irq[8]);
	assert_int_equal(in(0x0c), 0xd0);
	assert_false(fake.irq[8]);
	out(0x0c, 0xff);
	out(0x0d, 0x00);
	assert_int_equal(in(0x0c), 0x00);
	assert_int_equal(in(0x0d), 0x80);
}

static void expect_alarm_after(u64 seconds)
{
	unsigned before = fake.irq_rises[8];

	fake_run(&fake, seconds * HZ - 1);
	assert_int_equal(fake.irq_rises[8], before);
	fake_run(&fake, 1);
	assert_int_equal(fake.irq_rises[8], before + 1);
	assert_int_equal(in(0x0c) & 0xa0, 0xa0);
}

static void test_alarm(void **state)
{
	(void)state;
	out(5, 0x23);
	out(3, 0x59);
	out(1, 0x55);
	in(0x0c);
	out(0x0b, 0x22);
	expect_alarm_after(5);
	expect_alarm_after(86400);
	out(1, 0xc0); /* every second of 23:59 */
	expect_alarm_after(1);
	expect_alarm_after(1);
	expect_alarm_after(1);
	expect_alarm_after(1); /* 23:59:59 */
	expect_alarm_after(86400 - 59);
	out(5, 0xff); /* every hour at :59:xx */
	out(1, 0x10);
	expect_alarm_after(10);
	expect_alarm_after(3600);
	out(3, 0xfe); /* every minute */
	expect_alarm_after(60);
	out(1, 0xf0);
	expect_alarm_after(1);
	out(5, 0x24); /* no hour is this */
	fake_run(&fake, 200000 * HZ);
	in(0x0c);
	assert_null(fake.timers);
}

static void test_alarm_12_hours(void **state)
{
	(void)state;
	out(0x0b, 0x00);
	out(5, 0x12); /* 12:00:00 AM */
	out(3, 0x00);
	out(1, 0x00);
	in(0x0c);
	out(0x0b, 0x20);
	expect_alarm_after(10);
	out(5, 0x81);
	expect_alarm_after(13 * 3600);
}

/* How the registers show a number. */
static u8 shown(unsigned number, bool binary)
{
	return (u8)(binary ? number : number / 10 * 16 + number % 10);
}

static u8 shown_hour(unsigned hour, u8 mode)
{
	unsigned of_twelve = hour == 0 ? 12 : hour > 12 ? hour - 12 : hour;

	if (mode & 0x02)
		return shown(hour, mode & 0x04);
	return shown(of_twelve, mode & 0x04) | (hour >= 12 ? 0x80 : 0);
}

static bool matches(u8 alarm, u8 value)
{
	return alarm >= 0xc0 || alarm == value;
}

/* Seconds from that of the day to the next that matches, one after the other; 0 is none. */
static unsigned alarm_delay(u8 mode, const u8 *alarm, unsigned second)
{
	static bool hours[24], minutes[60], seconds[60];
	bool any[3] = {false};

	for (unsigned i = 0; i < 60; i++) {
		any[0] |= seconds[i] = matches(alarm[0], shown(i, mode & 0x04));
		any[1] |= minutes[i] = matches(alarm[1], shown(i, mode & 0x04));
		if (i < 24)
			any[2] |= hours[i] = matches(alarm[2], shown_hour(i, mode));
	}
	for (unsigned delay = 1; any[0] && any[1] && any[2]; delay++) {
		unsigned at = (second + delay) % 86400;

		if (seconds[at % 60] && minutes[at / 60 % 60] && hours[at / 3600])
			return delay;
	}
	return 0;
}

static void check_alarm(u8 mode, const u8 *alarm, unsigned second)
{
	unsigned delay = alarm_delay(mode, alarm, second);

	start(START / 86400 * 86400 + second, 512 * MIB, 0);
	out(0x0b, 0x20 | mode);
	for (unsigned i = 0; i < 3; i++)
		out(2 * i + 1, alarm[i]);
	if (delay)
		assert_int_equal(rtc.timer.deadline, delay * HZ);
	else
		assert_null(fake.timers);
}

/* Every value of every register, in every mode, beside others' of every kind. */
static void test_alarm_every_value(void **state)
{
	/* Any; shown in all modes, in some, in none. */
	static const u8 others[] = {0xff, 0xc0, 0x00, 0x01, 0x07, 0x12, 0x23, 0x3b,
				    0x59, 0x0c, 0x8c, 0x92, 0x1a, 0x7f, 0xbf};
	u32 seed = 8;

	(void)state;
	for (unsigned which = 0; which < 4 * 3 * 256 * 6; which++) {
		u8 mode = (u8)(which % 4 * 2), alarm[3];

		for (unsigned i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			alarm[i] = others[(seed >> 16) % ARRAY_SIZE(others)];
		}
		alarm[which / 4 % 3] = (u8)(which / 12);
		seed = seed * 1664525 + 1013904223;
		check_alarm(mode, alarm, (seed >> 8) % 86400);
	}
}

/* The second that matches, those beside it, and the ends of its minute, hour and day. */
static void test_alarm_edges(void **state)
{
	static const u8 wanted[] = {0xff, 0x00, 0x09, 0x59},
			wanted_hours[] = {0xff, 0x00, 0x11, 0x23};
	static const unsigned near[] = {0, 8, 9, 10, 58, 59}, near_hours[] = {0, 10, 11, 22, 23};

	(void)state;
	for (unsigned which = 0; which < 64 * 5 * 36; which++) {
		unsigned alarms = which % 64, time = which / 64;
		const u8 alarm[3] = {wanted[alarms % 4], wanted[alarms / 4 % 4],
				     wanted_hours[alarms / 16]};

		check_alarm(0x02, alarm,
			    near_hours[time / 36] * 3600 + near[time / 6 % 6] * 60 +
				    near[time % 6]);
	}
}

static void test_alarm_flag_seen_late(void **state)
{
	(void)state;
	out(5, 0x00);
	out(3, 0x00);
	out(1, 0x05);
	in(0x0c);
	fake_run(&fake, 14 * HZ);
	assert_int_equal(in(0x0c) & 0x20, 0);
	fake_run(&fake, 86400 * HZ);
	assert_int_equal(in(0x0c) & 0x20, 0x20);
}

static void test_periodic(void **state)
{
	/* "Periodic interrupt rate", 32.768 kHz: rate select to Hz. */
	static const unsigned rates[16] = {0,	256, 128, 8192, 4096, 2048, 1024, 512,
					   256, 128, 64,  32,	16,   8,    4,	  2};

	(void)state;
	for (unsigned rate = 1; rate < 16; rate++) {
		unsigned before;

		setup(NULL);
		out(0x0a, 0x20 | rate);
		in(0x0c);
		out(0x0b, 0x42);
		before = fake.irq_rises[8];
		for (u64 us = 0; us < HZ; us += 20) {
			fake_run(&fake, 20);
			if (fake.irq[8])
				assert_int_equal(in(0x0c) & 0xc0, 0xc0);
		}
		assert_int_equal(fake.irq_rises[8] - before, rates[rate]);
	}
	out(0x0a, 0x20);
	in(0x0c);
	assert_null(fake.timers);
}

static void test_periodic_missed(void **state)
{
	(void)state;
	out(0x0a, 0x2d); /* 8 Hz */
	in(0x0c);
	out(0x0b, 0x42);
	fake.now += HZ + HZ / 16;
	fake_run(&fake, 0);
	assert_int_equal(fake.irq_rises[8], 1);
	fake_run(&fake, 2 * HZ); /* not read: nothing more */
	assert_int_equal(fake.irq_rises[8], 1);
	in(0x0c);
	fake_run(&fake, HZ / 16 - 1);
	assert_int_equal(fake.irq_rises[8], 1);
	fake_run(&fake, 1); /* on the original grid */
	assert_int_equal(fake.irq_rises[8], 2);
}

static void test_periodic_runs_while_set(void **state)
{
	(void)state;
	out(0x0b, 0xc2);
	in(0x0c);
	fake_run(&fake, HZ);
	assert_int_equal(in(0x0c), 0xc0);
	out(0x0a, 0x76); /* but not with the divider in reset */
	in(0x0c);
	fake_run(&fake, HZ);
	assert_int_equal(in(0x0c), 0x00);
}

static void test_memory_sizes(void **state)
{
	unsigned sum = 0;

	(void)state;
	assert_int_equal(in(0x15) | in(0x16) << 8, 640);
	assert_int_equal(in(0x17) | in(0x18) << 8, 65535); /* KiB above 1 MiB: no room for more */
	assert_int_equal(in(0x30) | in(0x31) << 8, 65535);
	assert_int_equal(in(0x34) | in(0x35) << 8, (512 - 16) * 16); /* 64 KiB above 16 MiB */
	assert_int_equal(in(0x5b) | in(0x5c) << 8 | in(0x5d) << 16, 0);
	start(START, 3 * GIB, 5 * GIB);
	assert_int_equal(in(0x34) | in(0x35) << 8, 0xbf00);
	assert_int_equal(in(0x5b) | in(0x5c) << 8 | in(0x5d) << 16, 5 * 16384);
	start(START, 16 * MIB, 0);
	assert_int_equal(in(0x17) | in(0x18) << 8, 15 * 1024);
	assert_int_equal(in(0x34) | in(0x35) << 8, 0);
	start(START, 2 * GIB, 300 * GIB);
	assert_int_equal(in(0x5b) | in(0x5c) << 8 | in(0x5d) << 16, 300 * 16384);
	for (unsigned i = 0x10; i <= 0x2d; i++)
		sum += in(i);
	assert_int_equal(in(0x2e) << 8 | in(0x2f), sum);
}

static void test_cmos_and_ports(void **state)
{
	(void)state;
	out(0x0f, 0x0a);
	out(0x40, 0x55);
	out(0x7f, 0x99);
	assert_int_equal(in(0), 0x50);
	assert_int_equal(in(0x40), 0x55);
	assert_int_equal(in(0x7f), 0x99);
	assert_int_equal(vrtc_ops.read(&rtc, 0x70, 1), 0xff);
	assert_false(vrtc_nmi_masked(&rtc));
	assert_int_equal(in(0x80 | 0x40), 0x55);
	assert_true(vrtc_nmi_masked(&rtc));
	out(0x0b, 0x7a);
	fake_run(&fake, 2 * HZ);
	assert_true(fake.irq[8]);
	vrtc_reset(&rtc);
	assert_false(fake.irq[8]);
	assert_null(fake.timers);
	assert_int_equal(in(0x0b), 0x02);
	assert_int_equal(in(0x0c), 0x00);
	assert_int_equal(in(0x0f), 0x0a); /* the shutdown byte survives */
	assert_int_equal(in(0), 0x52);
}

static void test_random(void **state)
{
	u32 seed = 3;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		unsigned index = seed >> 8 & 15;

		if ((seed >> 12 & 7) == 0)
			index = 0x32;
		if (seed >> 15 & 1)
			out(index, seed >> 24);
		else
			in(index);
		if ((seed >> 16 & 3) == 0)
			fake_run(&fake, seed >> 12 & 0xfff);
		if ((seed >> 18 & 255) == 0)
			fake_run(&fake, seed);
		if (fake.irq[8])
			assert_true(in(0x0c) & 0x80);
		assert_false(fake.irq[8]);
	}
	out(0x0a, 0x26);
	set_time(0x20, 0x26, 0x01, 0x31, 7, 0x23, 0x00, 0x00);
	out(0x0b, 0x02);
	fake_run(&fake, 3600 * HZ);
	expect_time(0x20, 0x26, 0x02, 0x01, 1, 0x00, 0x00, 0x00);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bcd_24_hours, setup),
		cmocka_unit_test_setup(test_binary, setup),
		cmocka_unit_test_setup(test_12_hours, setup),
		cmocka_unit_test_setup(test_calendar, setup),
		cmocka_unit_test_setup(test_set, setup),
		cmocka_unit_test_setup(test_set_keeps_any_value, setup),
		cmocka_unit_test_setup(test_write_while_running, setup),
		cmocka_unit_test_setup(test_divider_reset, setup),
		cmocka_unit_test_setup(test_update_in_progress, setup),
		cmocka_unit_test_setup(test_update_interrupt, setup),
		cmocka_unit_test_setup(test_flags_without_interrupts, setup),
		cmocka_unit_test_setup(test_alarm, setup),
		cmocka_unit_test_setup(test_alarm_12_hours, setup),
		cmocka_unit_test(test_alarm_every_value),
		cmocka_unit_test(test_alarm_edges),
		cmocka_unit_test_setup(test_alarm_flag_seen_late, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_periodic_missed, setup),
		cmocka_unit_test_setup(test_periodic_runs_while_set, setup),
		cmocka_unit_test_setup(test_memory_sizes, setup),
		cmocka_unit_test_setup(test_cmos_and_ports, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
