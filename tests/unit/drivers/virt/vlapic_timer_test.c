/* SPDX-License-Identifier: MIT */
/* The local APIC's timer against SDM vol. 3, 11.5.4. */
/* links: drivers/virt/vlapic.c drivers/virt/vlapic_interrupt.c */
/* links: drivers/virt/vlapic_message.c */
#include "drivers/virt/fake_vlapic.h"

static void timer_one_shot(void **state)
{
	static const struct {
		u32 divide;
		unsigned by;
	} divides[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}, {0xb, 1}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(divides); i++) {
		start_id(0);
		w.apic.bus_divisor = 10;
		enable();
		wr(VLAPIC_TIMER_DIVIDE, divides[i].divide);
		wr(VLAPIC_LVT_TIMER, 0xe0);
		fake_run(&w.fake, 12345);
		wr(VLAPIC_TIMER_INITIAL, 100);
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 100);
		fake_run(&w.fake, 10ULL * divides[i].by * 40);
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 60);
		fake_run(&w.fake, 10ULL * divides[i].by * 60 - 1);
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 1);
		assert_false(irr(0xe0));
		fake_run(&w.fake, 1);
		assert_true(irr(0xe0));
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
		assert_int_equal(rd(VLAPIC_TIMER_INITIAL), 100);
		vlapic_take(&w.apic, 0xe0);
		fake_run(&w.fake, 1000000000);
		assert_false(irr(0xe0));
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
	}
}

static void timer_stop_mask_divide(void **state)
{
	(void)state;
	enable();
	wr(VLAPIC_TIMER_DIVIDE, 0xb);
	wr(VLAPIC_LVT_TIMER, 0xe0);
	wr(VLAPIC_TIMER_INITIAL, 1000);
	fake_run(&w.fake, 500);
	wr(VLAPIC_TIMER_INITIAL, 0);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
	fake_run(&w.fake, 5000);
	assert_false(irr(0xe0));
	/* a masked timer counts and is silent */
	wr(VLAPIC_LVT_TIMER, 0x100e0);
	wr(VLAPIC_TIMER_INITIAL, 1000);
	fake_run(&w.fake, 999);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 1);
	fake_run(&w.fake, 1);
	wr(VLAPIC_LVT_TIMER, 0xe0);
	fake_run(&w.fake, 5000);
	assert_false(irr(0xe0));
	/* a new divisor applies to the rest of the count */
	wr(VLAPIC_TIMER_INITIAL, 1000);
	fake_run(&w.fake, 400);
	wr(VLAPIC_TIMER_DIVIDE, 0x1);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 600);
	fake_run(&w.fake, 2399);
	assert_false(irr(0xe0));
	fake_run(&w.fake, 1);
	assert_true(irr(0xe0));
	wr(VLAPIC_TIMER_DIVIDE, 0xa);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
	/* the largest count there is */
	wr(VLAPIC_TIMER_INITIAL, 0xffffffff);
	fake_run(&w.fake, 128ULL * 0xfffffffe);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 1);
}

static void timer_periodic(void **state)
{
	(void)state;
	enable();
	wr(VLAPIC_TIMER_DIVIDE, 0xb);
	wr(VLAPIC_LVT_TIMER, 0x200e0);
	wr(VLAPIC_TIMER_INITIAL, 100000);
	for (unsigned i = 1; i <= 50; i++) {
		fake_run_until(&w.fake, i * 100000ULL - 1);
		assert_false(irr(0xe0));
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 1);
		fake_run(&w.fake, 1);
		assert_int_equal(vlapic_pending(&w.apic), 0xe0);
		vlapic_take(&w.apic, 0xe0);
		vlapic_eoi(&w.apic);
		assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 100000);
	}
	/* three and a half periods late: one interrupt, and the grid is kept */
	w.fake.now = 5450000;
	fake_run(&w.fake, 0);
	assert_true(irr(0xe0));
	vlapic_take(&w.apic, 0xe0);
	vlapic_eoi(&w.apic);
	fake_run(&w.fake, 49999);
	assert_false(irr(0xe0));
	fake_run(&w.fake, 1);
	assert_true(irr(0xe0));
}

static void timer_storm(void **state)
{
	unsigned fired = 0;

	(void)state;
	enable();
	wr(VLAPIC_TIMER_DIVIDE, 0xb);
	wr(VLAPIC_LVT_TIMER, 0x200e0);
	wr(VLAPIC_TIMER_INITIAL, 1);
	for (unsigned i = 0; i < 10000; i++) {
		fake_run(&w.fake, 100);
		if (irr(0xe0)) {
			fired++;
			vlapic_take(&w.apic, 0xe0);
			vlapic_eoi(&w.apic);
		}
	}
	assert_in_range(fired, 10, 100); /* in one millisecond */
}

static void timer_deadline(void **state)
{
	(void)state;
	enable();
	wrmsr(MSR_DEADLINE, 5000); /* not in this mode */
	assert_int_equal(rdmsr(MSR_DEADLINE), 0);
	wr(VLAPIC_LVT_TIMER, 0x400e1);
	wr(VLAPIC_TIMER_INITIAL, 77);
	assert_int_equal(rd(VLAPIC_TIMER_INITIAL), 0);
	wrmsr(MSR_DEADLINE, 5000);
	assert_int_equal(rdmsr(MSR_DEADLINE), 5000);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
	fake_run(&w.fake, 4999);
	assert_false(irr(0xe1));
	fake_run(&w.fake, 1);
	assert_true(irr(0xe1));
	assert_int_equal(rdmsr(MSR_DEADLINE), 0);
	vlapic_take(&w.apic, 0xe1);
	wrmsr(MSR_DEADLINE, 9000);
	wrmsr(MSR_DEADLINE, w.fake.now); /* past: at once, and no more at the one before */
	assert_true(irr(0xe1));
	assert_int_equal(rdmsr(MSR_DEADLINE), 0);
	assert_true(w.apic.timer.deadline == DEVICE_TIMER_OFF);
	vlapic_take(&w.apic, 0xe1);
	wrmsr(MSR_DEADLINE, 9000);
	wrmsr(MSR_DEADLINE, 0);
	fake_run(&w.fake, 10000);
	assert_false(irr(0xe1));
}

/* A deadline that is past already, where its interrupt must not or cannot come; and as a write of
 * the MSR alone, with a clock of the caller's. */
static void timer_deadline_past(void **state)
{
	(void)state;
	enable();
	assert_false(vlapic_has_deadline(&w.apic));
	wr(VLAPIC_LVT_TIMER, 0x500e1); /* masked */
	assert_true(vlapic_has_deadline(&w.apic));
	vlapic_deadline_set(&w.apic, 1, 100);
	assert_int_equal(view_of(&w.apic).irr, -1);
	wr(VLAPIC_LVT_TIMER, 0x400e1);
	vlapic_deadline_set(&w.apic, 0, 100);
	assert_int_equal(view_of(&w.apic).irr, -1);
	vlapic_deadline_set(&w.apic, 101, 100);
	assert_int_equal(view_of(&w.apic).irr, -1);
	assert_int_equal(rdmsr(MSR_DEADLINE), 101);
	w.changes = 0;
	vlapic_deadline_set(&w.apic, 100, 100);
	assert_int_equal(view_of(&w.apic).irr, 0xe1);
	assert_int_equal(w.changes, 1);
	assert_int_equal(rdmsr(MSR_DEADLINE), 0);
	assert_true(w.apic.timer.deadline == DEVICE_TIMER_OFF);
	vlapic_take(&w.apic, 0xe1);
	wr(VLAPIC_SVR, 0xff); /* which masks it */
	vlapic_deadline_set(&w.apic, 1, 100);
	assert_int_equal(view_of(&w.apic).irr, -1);
	enable();
	wr(VLAPIC_LVT_TIMER, 0x4000f);
	vlapic_deadline_set(&w.apic, 1, 100);
	assert_int_equal(view_of(&w.apic).irr, -1);
	assert_int_equal(esr(), 0x40);
	/* Its last one was level-triggered, by somebody else. */
	wr(VLAPIC_LVT_TIMER, 0x40050);
	vlapic_accept(&w.apic, 0x50, true);
	vlapic_deadline_set(&w.apic, 1, 100);
	assert_false(tmr(0x50));
}

static void timer_count_write(void **state)
{
	(void)state;
	enable();
	wr(VLAPIC_TIMER_DIVIDE, 0xb);
	wr(VLAPIC_LVT_TIMER, 0xe0);
	assert_int_equal(vlapic_count_write(&w.apic, 1000, w.fake.now), -EINVAL);
	enter_x2apic();
	assert_int_equal(vlapic_count_write(&w.apic, 1UL << 32, w.fake.now), -EINVAL);
	assert_int_equal(vlapic_count_write(&w.apic, 1000, w.fake.now), 0);
	assert_int_equal(rdmsr(X2(VLAPIC_TIMER_INITIAL)), 1000);
	fake_run(&w.fake, 999);
	assert_false(irr(0xe0));
	fake_run(&w.fake, 1);
	assert_true(irr(0xe0));
	assert_int_equal(vlapic_count_write(&w.apic, 1000, w.fake.now), 0);
	assert_int_equal(vlapic_count_write(&w.apic, 0, w.fake.now), 0);
	assert_true(w.apic.timer.deadline == DEVICE_TIMER_OFF);
}

static void timer_modes(void **state)
{
	(void)state;
	enable();
	wr(VLAPIC_TIMER_DIVIDE, 0xb);
	wr(VLAPIC_LVT_TIMER, 0xe0);
	wr(VLAPIC_TIMER_INITIAL, 1000);
	wr(VLAPIC_LVT_TIMER, 0xe2); /* same mode: counts on */
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 1000);
	wr(VLAPIC_LVT_TIMER, 0x400e0);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
	fake_run(&w.fake, 2000);
	assert_false(irr(0xe0) || irr(0xe2));
	wrmsr(MSR_DEADLINE, 5000);
	wr(VLAPIC_LVT_TIMER, 0x200e0);
	assert_int_equal(rdmsr(MSR_DEADLINE), 0);
	fake_run(&w.fake, 9000);
	assert_false(irr(0xe0));
	wr(VLAPIC_LVT_TIMER, 0x600e0); /* reserved mode: stands still */
	wr(VLAPIC_TIMER_INITIAL, 1000);
	fake_run(&w.fake, 9000);
	assert_false(irr(0xe0));
	/* an illegal vector in the LVT */
	wr(VLAPIC_LVT_TIMER, 0x00007);
	wr(VLAPIC_TIMER_INITIAL, 10);
	fake_run(&w.fake, 10);
	assert_int_equal(esr(), 0x40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(timer_one_shot, start),
		cmocka_unit_test_setup(timer_stop_mask_divide, start),
		cmocka_unit_test_setup(timer_periodic, start),
		cmocka_unit_test_setup(timer_storm, start),
		cmocka_unit_test_setup(timer_deadline, start),
		cmocka_unit_test_setup(timer_deadline_past, start),
		cmocka_unit_test_setup(timer_count_write, start),
		cmocka_unit_test_setup(timer_modes, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
