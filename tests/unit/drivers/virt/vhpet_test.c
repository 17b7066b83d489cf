/* SPDX-License-Identifier: MIT */
/* The HPET against its specification. The fake host's tick is 1 ns, the counter's 10 ns. */
#include "cmocka_all.h"

#include "drivers/virt/vhpet.h"
#include "fake_host.h"

#define COUNT	    10UL /* guest ticks */
#define CONFIG	    0x010
#define STATUS	    0x020
#define COUNTER	    0x0f0
#define TIMER(n)    (0x100UL + 0x20UL * (n))
#define TIMER_AT(n) (TIMER(n) + 8)

#define LEVEL	 0x0002UL
#define ENABLE	 0x0004UL
#define PERIODIC 0x0008UL
#define SET	 0x0040UL
#define MODE_32	 0x0100UL
#define ROUTE(n) ((u64)(n) << 9)

static struct fake_host fake;
static struct vhpet hpet;
static int legacy; /* -1: never told */

static void irq_set(void *context, unsigned irq, bool level)
{
	assert_ptr_equal(context, &fake);
	assert_int_not_equal(fake.irq[irq], level);
	device_irq_set(&fake.host, irq, level);
}

static void legacy_set(void *context, bool on)
{
	assert_ptr_equal(context, &fake);
	assert_false(fake.irq[0] || fake.irq[8]); /* in between nobody asserts them */
	legacy = on;
}

static void put(u64 reg, unsigned bytes, u64 value)
{
	vhpet_ops.write(&hpet, VHPET_BASE + reg, bytes, value);
}

static u64 get(u64 reg, unsigned bytes)
{
	/* what is read beyond its width means nothing */
	return vhpet_ops.read(&hpet, VHPET_BASE + reg, bytes) & ~0UL >> (64 - 8 * bytes);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.now = 12345;
	legacy = -1;
	vhpet_init(&hpet, &fake.host, irq_set, legacy_set, &fake);
	return 0;
}

static void run(u64 counts)
{
	fake_run(&fake, counts * COUNT);
}

static void test_capabilities(void **state)
{
	u64 value = get(0, 8);

	(void)state;
	assert_int_equal(value >> 32, 10000000); /* femtoseconds */
	assert_true(value >> 32 <= 100000000);
	assert_int_equal(value >> 16 & 0xffff, 0x8086);
	assert_int_equal(value & 0xff, 1);
	assert_int_equal(value >> 8 & 0x1f, VHPET_TIMERS - 1);
	assert_true(value & BIT(13) && value & BIT(15));
	assert_int_equal(get(4, 4), value >> 32);
	put(0, 8, 0);
	assert_int_equal(get(0, 8), value);
	for (unsigned i = 0; i < VHPET_TIMERS; i++) {
		assert_int_equal(get(TIMER(i), 8), 0xf0000000000030);
		assert_int_equal(get(TIMER_AT(i), 8), ~0UL);
		put(TIMER(i), 8, ~0UL);
		assert_int_equal(get(TIMER(i), 8), 0xf0000000003f7e);
		put(TIMER(i) + 4, 4, 0);
		assert_int_equal(get(TIMER(i), 8), 0xf0000000003f7e);
	}
	assert_int_equal(get(TIMER(3), 8), 0); /* no fourth */
	assert_int_equal(get(0x3f8, 8), 0);
}

static void test_counter(void **state)
{
	(void)state;
	run(1000);
	assert_int_equal(get(COUNTER, 8), 0); /* stands still */
	put(CONFIG, 4, 1);
	run(1000);
	assert_int_equal(get(COUNTER, 8), 1000);
	put(CONFIG, 4, 0);
	run(1000);
	assert_int_equal(get(COUNTER, 8), 1000);
	put(COUNTER, 8, 0xfffffff0);
	put(CONFIG, 4, 1);
	run(0x20);
	assert_int_equal(get(COUNTER, 8), 0x100000010);
	assert_int_equal(get(COUNTER, 4), 0x10);
	assert_int_equal(get(COUNTER + 4, 4), 1);
	put(CONFIG, 4, 0);
	put(COUNTER + 4, 4, 0x55);
	assert_int_equal(get(COUNTER, 8), 0x5500000010);
	put(COUNTER, 2, 0); /* registers are not written by less than a half */
	put(COUNTER + 2, 4, 0);
	assert_int_equal(get(COUNTER, 8), 0x5500000010);
	assert_null(fake.timers);
}

static void test_one_shot(void **state)
{
	(void)state;
	put(CONFIG, 4, 1);
	put(TIMER(1), 4, ENABLE | ROUTE(21));
	put(TIMER_AT(1), 8, 500);
	run(499);
	assert_false(fake.irq[21]);
	run(1);
	assert_int_equal(fake.irq_rises[21], 1);
	assert_int_equal(get(STATUS, 4), 0); /* an edge leaves no trace */
	run(1000000);
	assert_int_equal(fake.irq_rises[21], 1);
	assert_null(fake.timers);
	put(TIMER_AT(1), 8, get(COUNTER, 8) + 10);
	run(10);
	assert_int_equal(fake.irq_rises[21], 2);
	put(TIMER_AT(1), 8, get(COUNTER, 8)); /* now is early enough */
	run(1);
	assert_int_equal(fake.irq_rises[21], 3);
	put(TIMER_AT(1), 8, get(COUNTER, 8) - 1); /* what is past does not come again */
	run(1000000);
	assert_int_equal(fake.irq_rises[21], 3);
}

/* With 32 bits it comes again each time that the counter's lower half is there. */
static void test_32_bits(void **state)
{
	(void)state;
	put(COUNTER, 8, 0xfffffff0);
	put(CONFIG, 4, 1);
	put(TIMER(0), 4, ENABLE | MODE_32 | ROUTE(20));
	put(TIMER_AT(0), 8, 0x1100000010);
	assert_int_equal(get(TIMER_AT(0), 8), 0x10);
	run(0x1f);
	assert_int_equal(fake.irq_rises[20], 0);
	run(1);
	assert_int_equal(fake.irq_rises[20], 1);
	run((1UL << 32) - 1);
	assert_int_equal(fake.irq_rises[20], 1);
	run(1);
	assert_int_equal(fake.irq_rises[20], 2);
}

static void test_level(void **state)
{
	(void)state;
	put(CONFIG, 4, 1);
	put(TIMER(2), 4, ENABLE | LEVEL | ROUTE(23));
	put(TIMER_AT(2), 4, 100);
	put(TIMER_AT(2) + 4, 4, 0);
	run(100);
	assert_true(fake.irq[23]);
	assert_int_equal(get(STATUS, 4), 4);
	put(STATUS, 4, 3); /* others' bits */
	assert_true(fake.irq[23]);
	put(TIMER(2), 4, LEVEL | ROUTE(23)); /* masked while it stands */
	assert_false(fake.irq[23]);
	put(TIMER(2), 4, ENABLE | LEVEL | ROUTE(23));
	assert_true(fake.irq[23]);
	put(STATUS, 4, 4);
	assert_false(fake.irq[23]);
	assert_int_equal(get(STATUS, 4), 0);
	put(TIMER(2), 4, LEVEL | ROUTE(23)); /* can be polled */
	put(TIMER_AT(2), 8, 300);
	assert_null(fake.timers);
	run(200);
	assert_int_equal(get(STATUS, 4), 4);
	assert_int_equal(fake.irq_rises[23], 2);
}

static void test_periodic(void **state)
{
	(void)state;
	put(TIMER(0), 4, ENABLE | PERIODIC | SET | ROUTE(20));
	put(TIMER_AT(0), 8, 1000); /* comparator and period */
	assert_int_equal(get(TIMER(0), 4) & SET, 0);
	put(CONFIG, 4, 1);
	for (unsigned i = 1; i <= 5; i++) {
		run(999);
		assert_int_equal(fake.irq_rises[20], i - 1);
		run(1);
		assert_int_equal(fake.irq_rises[20], i);
	}
	assert_int_equal(get(TIMER_AT(0), 8), 6000);
	put(TIMER_AT(0), 8, 100); /* the period alone: the next comes where it was to come */
	assert_int_equal(get(TIMER_AT(0), 8), 6000);
	run(1000);
	assert_int_equal(fake.irq_rises[20], 6);
	assert_int_equal(get(TIMER_AT(0), 8), 6100);
	run(1000);
	assert_int_equal(fake.irq_rises[20], 16);
}

/* The way in which Linux programs it: the first moment, then the period. */
static void test_periodic_in_two_writes(void **state)
{
	(void)state;
	put(CONFIG, 4, 1);
	run(12345);
	put(TIMER(0), 4, ENABLE | PERIODIC | SET | MODE_32 | ROUTE(22));
	put(TIMER_AT(0), 4, 20000);
	put(TIMER_AT(0), 4, 4000);
	run(20000 - 12345 - 1);
	assert_int_equal(fake.irq_rises[22], 0);
	run(1);
	assert_int_equal(fake.irq_rises[22], 1);
	run(4000);
	assert_int_equal(fake.irq_rises[22], 2);
}

/* A host that is late merges interrupts, and the grid stays. */
static void test_late_host(void **state)
{
	struct device_timer *alarm = &hpet.alarm;

	(void)state;
	put(TIMER(0), 4, ENABLE | PERIODIC | SET | ROUTE(20));
	put(TIMER_AT(0), 8, 1000);
	put(CONFIG, 4, 1);
	fake.now += 5500 * COUNT;
	fake_timer_set(&fake.host, alarm, DEVICE_TIMER_OFF);
	alarm->fire(alarm->context);
	assert_int_equal(fake.irq_rises[20], 1);
	assert_int_equal(get(TIMER_AT(0), 8), 6000);
	run(500);
	assert_int_equal(fake.irq_rises[20], 2);
}

static void test_shortest_period(void **state)
{
	(void)state;
	put(TIMER(0), 4, ENABLE | PERIODIC | SET | ROUTE(20));
	put(TIMER_AT(0), 8, 1);
	put(CONFIG, 4, 1);
	run(100);
	assert_int_equal(fake.irq_rises[20], 100);
	put(TIMER(0), 4, ENABLE | PERIODIC | SET | ROUTE(20));
	put(TIMER_AT(0), 8, 0); /* no period: a moment that is past */
	run(1);
	fake.irq_rises[20] = 0;
	run(1000);
	assert_int_equal(fake.irq_rises[20], 0);
}

static void test_legacy(void **state)
{
	(void)state;
	put(TIMER(0), 4, ENABLE | ROUTE(20));
	put(TIMER(1), 4, ENABLE | ROUTE(21));
	put(TIMER_AT(0), 8, 100);
	put(TIMER_AT(1), 8, 200);
	put(CONFIG, 4, 3);
	assert_int_equal(legacy, 1);
	run(100);
	assert_true(fake.irq[0]);
	run(100);
	assert_true(fake.irq[8]);
	assert_int_equal(fake.irq_rises[20] + fake.irq_rises[21], 0);
	put(CONFIG, 4, 1);
	assert_int_equal(legacy, 0);
	assert_false(fake.irq[0] || fake.irq[8]);
	put(TIMER_AT(0), 8, 300);
	run(100);
	assert_true(fake.irq[20]);
	put(CONFIG, 4, 3);
	assert_false(fake.irq[20] || fake.irq[0]);
	vhpet_reset(&hpet);
	assert_int_equal(legacy, 0);
	assert_int_equal(get(COUNTER, 8), 0);
	assert_null(fake.timers);
}

static void test_impossible_route(void **state)
{
	(void)state;
	put(CONFIG, 4, 1);
	put(TIMER(0), 4, ENABLE | LEVEL | ROUTE(4)); /* somebody else's line */
	put(TIMER_AT(0), 8, 10);
	put(TIMER(1), 4, ENABLE | ROUTE(31));
	put(TIMER_AT(1), 8, 10);
	run(100);
	for (unsigned i = 0; i < 24; i++)
		assert_int_equal(fake.irq_rises[i], 0);
	assert_int_equal(get(STATUS, 4), 1);
}

/* A moment that no machine lives to see is no host timer. */
static void test_far_future(void **state)
{
	(void)state;
	put(CONFIG, 4, 1);
	put(TIMER(0), 4, ENABLE | ROUTE(20));
	assert_null(fake.timers); /* as after reset: all ones */
	put(TIMER_AT(0), 8, 1UL << 60);
	assert_null(fake.timers);
	put(CONFIG, 4, 0);
	put(COUNTER, 8, (1UL << 60) - 5);
	put(CONFIG, 4, 1);
	run(5);
	assert_int_equal(fake.irq_rises[20], 1);
}

static void test_random(void **state)
{
	static const u64 regs[] = {0x00,  0x10,	 0x20,	0xf0,  0xf4,  0x100, 0x108, 0x10c,
				   0x120, 0x128, 0x140, 0x148, 0x14c, 0x160, 0x3fc, 0x18};
	u64 seed = 17;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		u64 reg, value;

		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		reg = regs[seed >> 60];
		value = seed << (seed >> 50 & 63);
		switch (seed >> 40 & 3) {
		case 0:
			put(reg, seed >> 45 & 1 ? 4 : 8, value);
			break;
		case 1:
			get(reg, 4);
			break;
		case 2: /* as the host does it: late, and all of them together */
			fake.now += seed >> 56;
			while (fake.timers && fake.timers->deadline <= fake.now) {
				struct device_timer *timer = fake.timers;

				fake_timer_set(&fake.host, timer, DEVICE_TIMER_OFF);
				timer->fire(timer->context);
				fake.now++;
			}
			break;
		default:
			put(reg, 4, seed >> 32 & 0xff);
		}
		assert_false(fake.irq[4]);
	}
	vhpet_reset(&hpet);
	assert_int_equal(hpet.lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_capabilities, setup),
		cmocka_unit_test_setup(test_counter, setup),
		cmocka_unit_test_setup(test_one_shot, setup),
		cmocka_unit_test_setup(test_32_bits, setup),
		cmocka_unit_test_setup(test_level, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_periodic_in_two_writes, setup),
		cmocka_unit_test_setup(test_late_host, setup),
		cmocka_unit_test_setup(test_shortest_period, setup),
		cmocka_unit_test_setup(test_legacy, setup),
		cmocka_unit_test_setup(test_impossible_route, setup),
		cmocka_unit_test_setup(test_far_future, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
