/* SPDX-License-Identifier: MIT */
/* The 8254 against Intel's datasheet. Ten guest ticks are one of the timer's, unless a test changes
 * it. */
#include "cmocka_all.h"

#include "drivers/virt/vpit.h"
#include "fake_host.h"

#define TICK 10ULL

static struct fake_host fake;
static struct vpit pit;

static void out(u64 port, unsigned value)
{
	vpit_ops.write(&pit, port, 1, value);
}

static u8 in(u64 port)
{
	return (u8)vpit_ops.read(&pit, port, 1);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.host.tsc_hz = VPIT_HZ * TICK;
	fake.now = 1000 * TICK;
	vpit_init(&pit, &fake.host);
	return 0;
}

static void step(u64 ticks)
{
	fake_run(&fake, ticks * TICK);
}

static void program(unsigned channel, unsigned mode, unsigned count)
{
	out(0x43, channel << 6 | 0x30 | mode << 1);
	out(0x40 + channel, count & 0xff);
	out(0x40 + channel, count >> 8);
}

static void gate(bool level)
{
	out(0x61, level);
}

static bool out2(void)
{
	return in(0x61) & 0x20;
}

static unsigned count(unsigned channel)
{
	unsigned low;

	out(0x43, channel << 6);
	low = in(0x40 + channel);
	return low | (unsigned)in(0x40 + channel) << 8;
}

static unsigned status(unsigned channel)
{
	out(0x43, 0xe0 | 2u << channel);
	return in(0x40 + channel);
}

/* One CLK pulse after the other channel 2 counts and drives OUT as the datasheet's figures say. */
static void expect_2(const unsigned *counts, const char *levels, unsigned length)
{
	for (unsigned i = 0; i < length; i++) {
		step(1);
		assert_int_equal(count(2), counts[i]);
		assert_int_equal(out2(), levels[i] == '1');
	}
}

#define EXPECT_2(levels, ...)                                                                      \
	do {                                                                                       \
		static const unsigned counts_[] = {__VA_ARGS__};                                   \
		assert_int_equal(ARRAY_SIZE(counts_), sizeof(levels) - 1);                         \
		expect_2(counts_, levels, ARRAY_SIZE(counts_));                                    \
	} while (0)

static void test_mode_0(void **state)
{
	(void)state;
	gate(true);
	program(2, 0, 4);
	assert_false(out2());
	EXPECT_2("00001111", 4, 3, 2, 1, 0, 0xffff, 0xfffe, 0xfffd); /* high N + 1 pulses after */

	/* A new count is loaded on the next CLK pulse. OUT falls with the write. */
	program(2, 0, 3);
	EXPECT_2("00", 3, 2);
	out(0x42, 2);
	step(5);
	assert_int_equal(count(2), 2); /* the first byte stopped it */
	out(0x42, 0);
	EXPECT_2("0011", 2, 1, 0, 0xffff);
	out(0x42, 9);
	assert_false(out2());
}

static void test_mode_0_gate(void **state)
{
	(void)state;
	program(2, 0, 3); /* loaded though the gate is low */
	EXPECT_2("00", 3, 3);
	gate(true);
	EXPECT_2("00", 2, 1);
	gate(false);
	EXPECT_2("00", 1, 1);
	gate(true);
	EXPECT_2("11", 0, 0xffff);
}

static void test_mode_1(void **state)
{
	(void)state;
	program(2, 1, 3);
	step(3);
	assert_true(out2());
	assert_true(status(2) & 0x40); /* nothing is loaded before the trigger */
	gate(true);
	EXPECT_2("000111", 3, 2, 1, 0, 0xffff, 0xfffe);
	gate(false);
	gate(true); /* retrigger in the pulse: it gets longer */
	EXPECT_2("00", 3, 2);
	gate(false);
	EXPECT_2("0", 1); /* the gate's level does not matter */
	gate(true);
	EXPECT_2("0", 3);
	out(0x42, 2);
	out(0x42, 0); /* a new count waits for the next trigger */
	EXPECT_2("0011", 2, 1, 0, 0xffff);
	gate(false);
	gate(true);
	EXPECT_2("001", 2, 1, 0);
}

static void test_mode_2(void **state)
{
	(void)state;
	gate(true);
	program(2, 2, 3);
	assert_true(out2());
	EXPECT_2("11011011", 3, 2, 1, 3, 2, 1, 3, 2);
	out(0x42, 4);
	out(0x42, 0); /* takes part when the present cycle ends */
	EXPECT_2("011101", 1, 4, 3, 2, 1, 4);
	gate(false);
	assert_true(out2());
	EXPECT_2("11", 4, 4);
	gate(true); /* a trigger loads on the next pulse */
	EXPECT_2("1110", 4, 3, 2, 1);
	gate(false);
	assert_true(out2()); /* at once */
}

static void test_mode_3_even(void **state)
{
	(void)state;
	gate(true);
	program(2, 3, 4);
	assert_true(out2());
	EXPECT_2("1100110011", 4, 2, 4, 2, 4, 2, 4, 2, 4, 2);
}

static void test_mode_3_odd(void **state)
{
	(void)state;
	gate(true);
	program(2, 3, 5);
	/* High for (N + 1) / 2, low for (N - 1) / 2. */
	EXPECT_2("111001110011", 4, 2, 0, 4, 2, 4, 2, 0, 4, 2, 4, 2);
	gate(false);
	EXPECT_2("11", 2, 2);
	gate(true);
	EXPECT_2("1110011", 4, 2, 0, 4, 2, 4, 2);
	out(0x42, 4);
	out(0x42, 0); /* from the next half-period on */
	EXPECT_2("10011", 0, 4, 2, 4, 2);
	gate(false);
	step(1);
	gate(true);
	EXPECT_2("11", 4, 2);
	step(1);
	assert_false(out2());
	gate(false);
	assert_true(out2());
}

static void test_mode_4(void **state)
{
	(void)state;
	gate(true);
	program(2, 4, 3);
	EXPECT_2("1110111", 3, 2, 1, 0, 0xffff, 0xfffe, 0xfffd); /* low N + 1 pulses after */
	out(0x42, 2);
	out(0x42, 0);
	EXPECT_2("1", 2);
	gate(false);
	EXPECT_2("11", 2, 2);
	gate(true);
	EXPECT_2("101", 1, 0, 0xffff);
	step(0xffff);
	assert_int_equal(count(2), 0);
	assert_true(out2()); /* one strobe for each count written */
}

static void test_mode_5(void **state)
{
	(void)state;
	program(2, 5, 2);
	step(2);
	assert_true(out2());
	gate(true);
	EXPECT_2("11011", 2, 1, 0, 0xffff, 0xfffe);
	gate(false);
	gate(true);
	EXPECT_2("1", 2);
	gate(false);
	gate(true); /* retriggered before it expired */
	EXPECT_2("1101", 2, 1, 0, 0xffff);
}

static void test_mode_numbers(void **state)
{
	(void)state;
	program(2, 6, 10);
	assert_int_equal(status(2) & 0x0e, 2 << 1); /* M2 is a don't-care with M1 set */
	program(2, 7, 10);
	assert_int_equal(status(2) & 0x0e, 3 << 1);
	program(2, 5, 10);
	assert_int_equal(status(2) & 0x0e, 5 << 1);
}

static void test_largest_count_is_zero(void **state)
{
	(void)state;
	gate(true);
	program(2, 0, 0);
	step(1);
	assert_int_equal(count(2), 0);
	EXPECT_2("0", 0xffff);
	step(0xfffe);
	assert_false(out2());
	EXPECT_2("11", 0, 0xffff);
	program(2, 3, 0);
	step(0x8000);
	assert_true(out2());
	step(1);
	assert_false(out2());
	step(0x8000);
	assert_true(out2());
}

static void test_bcd(void **state)
{
	(void)state;
	gate(true);
	out(0x43, 0xb1); /* channel 2, two bytes, mode 0, BCD */
	out(0x42, 0x00);
	out(0x42, 0x10); /* 1000 */
	EXPECT_2("00", 0x1000, 0x0999);
	step(990);
	EXPECT_2("0", 0x0008);
	step(8);
	EXPECT_2("1", 0x9999);
	out(0x42, 0x00);
	out(0x42, 0x00); /* 10000 */
	step(1);
	EXPECT_2("0", 0x9999);
	step(9998);
	assert_false(out2());
	EXPECT_2("1", 0x0000);
	out(0x42, 0xff); /* no decimal digits: anything but a crash */
	out(0x42, 0xff);
	step(3);
	count(2);
}

static void test_single_byte_access(void **state)
{
	(void)state;
	gate(true);
	out(0x43, 0x94); /* channel 2, low byte, mode 2 */
	out(0x42, 5);
	step(2);
	assert_int_equal(in(0x42), 4);
	step(1);
	assert_int_equal(in(0x42), 3);
	out(0x43, 0xa4); /* high byte */
	out(0x42, 2);
	step(2);
	assert_int_equal(in(0x42), 0x01); /* 0x1ff */
	step(255);
	assert_int_equal(in(0x42), 0x01);
	step(1);
	assert_int_equal(in(0x42), 0x00);
}

static void test_latch(void **state)
{
	(void)state;
	gate(true);
	program(2, 2, 0x1234);
	step(1);
	out(0x43, 0x80);
	step(0x100);
	out(0x43, 0x80); /* ignored: the first was not read */
	assert_int_equal(in(0x42), 0x34);
	step(5);
	assert_int_equal(in(0x42), 0x12);
	assert_int_equal(in(0x42), 0x2f); /* direct: 0x1234 - 0x105 */
	assert_int_equal(in(0x42), 0x11);
	out(0x43, 0x80);
	program(2, 2, 0x4000); /* programming the channel ends the latch */
	step(1);
	assert_int_equal(in(0x42), 0x00);
	assert_int_equal(in(0x42), 0x40);
	assert_int_equal(in(0x43), 0xff);
}

static void test_read_back(void **state)
{
	(void)state;
	gate(true);
	out(0x43, 0xb4);
	assert_int_equal(status(2), 0xf4); /* OUT, null count, two bytes, mode 2 */
	out(0x42, 0x10);
	out(0x42, 0);
	assert_int_equal(status(2), 0xf4);
	step(1);
	assert_int_equal(status(2), 0xb4); /* loaded */
	out(0x42, 0x20);
	out(0x42, 0);
	assert_int_equal(status(2), 0xf4);
	step(16);
	assert_int_equal(status(2), 0xb4);
	step(31);
	assert_int_equal(status(2), 0x34); /* OUT is low in the last pulse of the period */

	program(1, 0, 100);
	step(11);
	out(0x43, 0xcc); /* count and status of channels 1 and 2 */
	out(0x43, 0xcc); /* ignored */
	step(3);
	assert_int_equal(in(0x41), 0x30); /* status comes first */
	assert_int_equal(in(0x41), 90);
	assert_int_equal(in(0x41), 0);
	assert_int_equal(in(0x42), 0xb4);
	assert_int_equal(in(0x42), 22);
	assert_int_equal(in(0x42), 0);
	out(0x43, 0xd4); /* D0 is reserved; count of channel 1 only */
	assert_int_equal(in(0x41), 87);
	assert_int_equal(in(0x41), 0);
}

static void test_port_61(void **state)
{
	unsigned toggles = 0;
	u8 last;

	(void)state;
	out(0x61, 0xff);
	assert_int_equal(in(0x61) & 0xcf, 0x0f); /* bits 7, 6 read 0, bits 3:0 are kept */
	out(0x61, 0x02);
	assert_int_equal(in(0x61) & 0xcf, 0x02);
	last = in(0x61);
	for (unsigned i = 0; i < 180; i++) {
		u8 now;

		step(1);
		now = in(0x61);
		toggles += (now ^ last) >> 4 & 1;
		last = now;
	}
	assert_int_equal(toggles, 10); /* every 15 us */
}

/* Channel 0's rising edges come at their ticks and not otherwise. */
static void expect_edges(u64 period, unsigned edges)
{
	for (unsigned i = 0; i < edges; i++) {
		unsigned before = fake.irq_rises[0];

		step(period - 1);
		assert_int_equal(fake.irq_rises[0], before);
		step(1);
		assert_int_equal(fake.irq_rises[0], before + 1);
	}
}

static void test_irq_periodic(void **state)
{
	(void)state;
	for (unsigned mode = 2; mode <= 3; mode++) {
		program(0, mode, 1193);
		step(1); /* the load */
		expect_edges(1193, 20);
		program(0, mode, 1194);
		step(1);
		expect_edges(1194, 20);
	}
}

static void test_irq_new_count_waits(void **state)
{
	(void)state;
	program(0, 2, 1000);
	step(1 + 1000 + 400);
	out(0x40, 2000 & 0xff);
	out(0x40, 2000 >> 8);
	expect_edges(600, 1);
	expect_edges(2000, 3);

	program(0, 3, 1000);
	step(1 + 1000 + 400);
	out(0x40, 2000 & 0xff);
	out(0x40, 2000 >> 8);
	expect_edges(100 + 1000, 1); /* the low half is the new count's already */
	expect_edges(2000, 2);
	step(1500); /* in the low half */
	out(0x40, 1000 & 0xff);
	out(0x40, 1000 >> 8);
	expect_edges(500, 1);
	expect_edges(1000, 2);
}

static void test_irq_one_shot(void **state)
{
	(void)state;
	program(0, 0, 5000);
	assert_false(fake.irq[0]);
	expect_edges(5001, 1);
	assert_null(fake.timers); /* one count, one timer */
	step(1000000);
	assert_int_equal(fake.irq_rises[0], 1);

	program(0, 0, 5000);
	assert_false(fake.irq[0]);
	step(3000);
	out(0x40, 0x10);
	step(10000);
	assert_int_equal(fake.irq_rises[0], 1);
	out(0x40, 0x27); /* 10000 */
	expect_edges(10001, 1);

	program(0, 4, 5000); /* the edge is the strobe's end */
	step(1);
	expect_edges(5001, 1);
	assert_null(fake.timers);
}

static void test_irq_rises_with_out(void **state)
{
	(void)state;
	program(0, 0, 5000);
	assert_false(fake.irq[0]);
	out(0x43, 0x34); /* mode 2 begins with OUT high */
	assert_true(fake.irq[0]);
	assert_null(fake.timers); /* and waits for its count */
	out(0x43, 0x30);
	assert_false(fake.irq[0]);
}

static void test_late_host(void **state)
{
	unsigned before;
	u64 start;

	(void)state;
	program(0, 2, 1000);
	start = fake.now + TICK;
	expect_edges(1001, 1);
	before = fake.irq_rises[0];
	/* The host sleeps for 7.5 periods: the clock moves and the timer does not fire. */
	fake.now = start + 8500 * TICK;
	fake_run(&fake, 0);
	assert_int_equal(fake.irq_rises[0], before + 1); /* not seven */
	expect_edges(500, 1);
	expect_edges(1000, 5);
	/* Late, and the guest looks at the counter before the timer fires: still one edge. */
	fake.now += 3300 * TICK;
	assert_int_equal(count(0), 700);
	fake_run(&fake, 0);
	assert_int_equal(fake.irq_rises[0], before + 1 + 6 + 1);
	expect_edges(700, 1);
	assert_int_equal((fake.now - start) % (1000 * TICK), 0);
}

static void test_no_drift(void **state)
{
	(void)state;
	fake.host.tsc_hz = 2893401777;
	fake.now = 0;
	fake.timers = NULL;
	vpit_init(&pit, &fake.host);
	program(0, 2, 11932);
	/* 1000 s; the load comes at tick 1 of the timer. */
	for (u64 second = 1; second <= 1000; second += 111) {
		u64 edges = (second * VPIT_HZ - 1) / 11932;

		fake_run_until(&fake, second * fake.host.tsc_hz);
		assert_int_equal(fake.irq_rises[0] - 1, edges); /* one rise is the control word's */
	}
}

static void test_timers_only_for_channel_0(void **state)
{
	(void)state;
	assert_null(fake.timers);
	assert_false(fake.irq[0]);
	gate(true);
	program(1, 2, 18);
	program(2, 3, 1000);
	count(0);
	in(0x61);
	assert_null(fake.timers);
	program(0, 1, 1000);
	program(0, 5, 1000); /* channel 0's gate is always high: never triggered */
	assert_null(fake.timers);
	program(0, 3, 1); /* not allowed by the datasheet: no edges */
	assert_null(fake.timers);
	program(0, 2, 1);
	step(100000);
	assert_null(fake.timers);
	program(0, 2, 100);
	assert_non_null(fake.timers);
	step(10);
	out(0x40, 1);
	out(0x40, 0);
	expect_edges(91, 1); /* the end of the present period is the last */
	assert_null(fake.timers);
	program(0, 2, 100);
	assert_non_null(fake.timers);
	vpit_reset(&pit);
	assert_null(fake.timers);
	assert_false(fake.irq[0]);
}

static void test_channels_count_from_power_up(void **state)
{
	unsigned before = count(0);

	(void)state;
	step(100);
	assert_int_equal((before - count(0)) & 0xffff, 100);
	step(200000);
	assert_int_equal(fake.irq_rises[0], 0);
}

static void test_edge_storm(void **state)
{
	(void)state;
	program(0, 2, 2);
	fake_run(&fake, fake.host.tsc_hz / 10);
	assert_in_range(fake.irq_rises[0], 1500, 2002); /* at most 20000 a second */
}

static void test_random(void **state)
{
	static const u16 ports[] = {0x40, 0x41, 0x42, 0x43, 0x61, 0x43, 0x40, 0x40};
	u32 seed = 7;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		u16 port = ports[seed >> 8 & 7];

		if (seed >> 20 & 1)
			out(port, seed >> 24);
		else
			in(port);
		if (seed >> 21 & 1)
			fake_run(&fake, (seed >> 22) * (seed >> 12 & 1 ? 1 : TICK));
		if ((seed >> 13 & 63) == 0) {
			fake.now += seed >> 8; /* the host was away */
			fake_run(&fake, 0);
		}
		for (unsigned c = 0; c < 3; c++) {
			assert_true(pit.channel[c].value <= 0x10000);
			assert_true(pit.channel[c].mode <= 5);
		}
	}
	program(0, 2, 1000);
	step(1);
	expect_edges(1000, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mode_0, setup),
		cmocka_unit_test_setup(test_mode_0_gate, setup),
		cmocka_unit_test_setup(test_mode_1, setup),
		cmocka_unit_test_setup(test_mode_2, setup),
		cmocka_unit_test_setup(test_mode_3_even, setup),
		cmocka_unit_test_setup(test_mode_3_odd, setup),
		cmocka_unit_test_setup(test_mode_4, setup),
		cmocka_unit_test_setup(test_mode_5, setup),
		cmocka_unit_test_setup(test_mode_numbers, setup),
		cmocka_unit_test_setup(test_largest_count_is_zero, setup),
		cmocka_unit_test_setup(test_bcd, setup),
		cmocka_unit_test_setup(test_single_byte_access, setup),
		cmocka_unit_test_setup(test_latch, setup),
		cmocka_unit_test_setup(test_read_back, setup),
		cmocka_unit_test_setup(test_port_61, setup),
		cmocka_unit_test_setup(test_irq_periodic, setup),
		cmocka_unit_test_setup(test_irq_new_count_waits, setup),
		cmocka_unit_test_setup(test_irq_one_shot, setup),
		cmocka_unit_test_setup(test_irq_rises_with_out, setup),
		cmocka_unit_test_setup(test_late_host, setup),
		cmocka_unit_test_setup(test_no_drift, setup),
		cmocka_unit_test_setup(test_timers_only_for_channel_0, setup),
		cmocka_unit_test_setup(test_channels_count_from_power_up, setup),
		cmocka_unit_test_setup(test_edge_storm, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
