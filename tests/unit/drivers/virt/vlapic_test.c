/* SPDX-License-Identifier: MIT */
/* The local APIC's registers and modes against SDM vol. 3, chapter 11. */
/* links: drivers/virt/vlapic_interrupt.c drivers/virt/vlapic_message.c */
/* links: drivers/virt/vlapic_timer.c */
#include "drivers/virt/fake_vlapic.h"

static void power_up(void **state)
{
	(void)state;
	assert_int_equal(w.apic.base_msr, 0xfee00900);
	assert_int_equal(rd(VLAPIC_ID), 0);
	assert_int_equal(rd(VLAPIC_VERSION) & 0xff, 0x15);
	assert_int_equal(rd(VLAPIC_VERSION) >> 16 & 0xff, 6);
	assert_int_equal(rd(VLAPIC_VERSION) >> 24, 0);
	assert_int_equal(rd(VLAPIC_SVR), 0xff);
	assert_int_equal(rd(VLAPIC_DFR), 0xffffffff);
	assert_int_equal(rd(VLAPIC_LDR), 0);
	for (u32 lvt = VLAPIC_LVT_TIMER; lvt <= VLAPIC_LVT_ERROR; lvt += 0x10)
		assert_int_equal(rd(lvt), 0x10000);
	assert_int_equal(rd(VLAPIC_LVT_CMCI), 0x10000);
	assert_int_equal(rd(VLAPIC_TIMER_INITIAL), 0);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 0);
	assert_int_equal(rd(VLAPIC_TIMER_DIVIDE), 0);
	assert_int_equal(vlapic_pending(&w.apic), -1);
	start_id(5);
	assert_int_equal(w.apic.base_msr, 0xfee00800);
	assert_int_equal(rd(VLAPIC_ID), 0x05000000);
}

static void writable_bits(void **state)
{
	static const struct {
		u32 offset, expect;
	} table[] = {
		{VLAPIC_ID, 0},
		{VLAPIC_VERSION, 0x00060015},
		{VLAPIC_TPR, 0xff},
		{VLAPIC_APR, 0},
		{0x0c0, 0},
		{VLAPIC_LDR, 0xff000000},
		{VLAPIC_DFR, 0xffffffff},
		{VLAPIC_SVR, 0x3ff},
		{VLAPIC_ISR, 0},
		{VLAPIC_TMR + 0x70, 0},
		{VLAPIC_IRR + 0x10, 0},
		{VLAPIC_ESR, 0},
		{VLAPIC_LVT_CMCI, 0x107ff},
		{VLAPIC_ICR_HIGH, 0xff000000},
		{VLAPIC_LVT_TIMER, 0x700ff},
		{VLAPIC_LVT_THERMAL, 0x107ff},
		{VLAPIC_LVT_PERF, 0x107ff},
		{VLAPIC_LVT_LINT0, 0x1a7ff},
		{VLAPIC_LVT_LINT1, 0x1a7ff},
		{VLAPIC_LVT_ERROR, 0x100ff},
		{VLAPIC_TIMER_CURRENT, 0},
		{VLAPIC_TIMER_DIVIDE, 0xb},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		start_id(0);
		enable();
		wr(table[i].offset, 0xffffffff);
		assert_int_equal(rd(table[i].offset), table[i].expect);
		assert_int_equal(w.apic.esr_pending, 0);
	}
	wr(VLAPIC_DFR, 0);
	assert_int_equal(rd(VLAPIC_DFR), 0x0fffffff);
	start_id(0);
	w.apic.has_tsc_deadline = false;
	enable();
	wr(VLAPIC_LVT_TIMER, 0xffffffff);
	assert_int_equal(rd(VLAPIC_LVT_TIMER), 0x300ff);
	start_id(0);
	enable();
	wr(VLAPIC_ICR_LOW, 0xffffffff & ~0x700u);
	assert_int_equal(rd(VLAPIC_ICR_LOW), 0xcc8ff);
}

static void odd_accesses(void **state)
{
	(void)state;
	start_id(0x12);
	assert_int_equal(rd(VLAPIC_ID + 3), 0x12);
	assert_int_equal(rd(VLAPIC_VERSION + 2) & 0xff, 6);
	assert_int_equal(rd(VLAPIC_VERSION + 4), 0);
	wr(VLAPIC_TPR + 1, 0xff);
	assert_int_equal(rd(VLAPIC_TPR), 0);
	assert_int_equal(esr(), 0);
	assert_int_equal(rd(VLAPIC_SELF_IPI), 0);
	assert_int_equal(esr(), 0x80);
	assert_int_equal(esr(), 0);
	wr(0x000, 1);
	assert_int_equal(esr(), 0x80);
	assert_int_equal(rd(0x400), 0);
	assert_int_equal(esr(), 0x80);
	wr(0xff0, 0);
	assert_int_equal(esr(), 0x80);
}

static void software_disable(void **state)
{
	(void)state;
	vlapic_accept(&w.apic, 0x50, false);
	assert_false(irr(0x50));
	wr(VLAPIC_LVT_ERROR, 0x40);
	assert_int_equal(rd(VLAPIC_LVT_ERROR), 0x10040);
	enable();
	for (u32 lvt = VLAPIC_LVT_TIMER; lvt <= VLAPIC_LVT_ERROR; lvt += 0x10)
		wr(lvt, 0x41);
	assert_int_equal(rd(VLAPIC_LVT_PERF), 0x41);
	vlapic_accept(&w.apic, 0x50, false);
	wr(VLAPIC_SVR, 0xff);
	for (u32 lvt = VLAPIC_LVT_TIMER; lvt <= VLAPIC_LVT_ERROR; lvt += 0x10)
		assert_int_equal(rd(lvt), 0x10041);
	assert_int_equal(rd(VLAPIC_LVT_CMCI), 0x10000);
	/* what was pending is held; nothing new comes; IPIs go out */
	assert_int_equal(vlapic_pending(&w.apic), 0x50);
	vlapic_accept(&w.apic, 0x90, false);
	assert_false(irr(0x90));
	wr(VLAPIC_ICR_LOW, 0x4031);
	assert_int_equal(w.ipis, 1);
	assert_true(vlapic_matches(&w.apic, 0, false));
	enable();
	assert_int_equal(rd(VLAPIC_LVT_PERF), 0x10041);
}

static void base_transitions(void **state)
{
	(void)state;
	start_id(0x123);
	assert_int_equal(rd(VLAPIC_ID), 0x23000000);
	wrmsr_gp(MSR_BASE, VLAPIC_BASE_DEFAULT | VLAPIC_X2APIC);
	wrmsr_gp(MSR_BASE, BASE_X | 1);
	wrmsr_gp(MSR_BASE, BASE_X | BIT(9));
	wrmsr_gp(MSR_BASE, BASE_X | BIT(52));
	rdmsr_gp(X2(VLAPIC_VERSION));
	wrmsr_gp(X2(VLAPIC_TPR), 0);
	enable();
	wr(VLAPIC_LDR, 0x55000000);
	wr(VLAPIC_ICR_HIGH, 0x77000000);
	wr(VLAPIC_LVT_PERF, 0x433);
	vlapic_accept(&w.apic, 0x60, false);
	w.changes = 0;
	wrmsr(MSR_BASE, BASE_X2);
	assert_int_equal(w.changes, 1);
	assert_true(vlapic_x2apic(&w.apic));
	assert_int_equal(rdmsr(MSR_BASE), 0xfee00c00);
	assert_int_equal(rdmsr(X2(VLAPIC_ID)), 0x123);
	assert_int_equal(rdmsr(X2(VLAPIC_LDR)), 0x00120008);
	assert_int_equal(rdmsr(X2(VLAPIC_LVT_PERF)), 0x433);
	assert_int_equal(rdmsr(X2(VLAPIC_ICR_LOW)) >> 32, 0);
	assert_int_equal(vlapic_pending(&w.apic), 0x60);
	wrmsr_gp(MSR_BASE, BASE_X);
	wrmsr_gp(MSR_BASE, VLAPIC_BASE_DEFAULT | VLAPIC_X2APIC);
	wrmsr(MSR_BASE, BASE_X2);
	assert_int_equal(vlapic_pending(&w.apic), 0x60);
	wrmsr(MSR_BASE, VLAPIC_BASE_DEFAULT);
	assert_int_equal(vlapic_pending(&w.apic), -1);
	assert_false(vlapic_enabled(&w.apic));
	rdmsr_gp(X2(VLAPIC_ID));
	wrmsr_gp(MSR_BASE, BASE_X2);
	vlapic_accept(&w.apic, 0x60, false);
	assert_int_equal(view_of(&w.apic).irr, -1);
	wrmsr(MSR_BASE, BASE_X);
	assert_int_equal(rd(VLAPIC_ID), 0x23000000);
	assert_int_equal(rd(VLAPIC_SVR), 0xff);
	assert_int_equal(rd(VLAPIC_LVT_PERF), 0x10000);
	w.apic.has_x2apic = false;
	wrmsr_gp(MSR_BASE, BASE_X2);
}

static void resets(void **state)
{
	(void)state;
	enable();
	enter_x2apic();
	wrmsr(X2(VLAPIC_TPR), 0x20);
	wrmsr(X2(VLAPIC_TIMER_INITIAL), 1000);
	vlapic_accept(&w.apic, 0x60, true);
	vlapic_reset(&w.apic, true);
	assert_true(vlapic_x2apic(&w.apic));
	assert_int_equal(rdmsr(X2(VLAPIC_LDR)), 1);
	assert_int_equal(rdmsr(X2(VLAPIC_TPR)), 0);
	assert_int_equal(rdmsr(X2(VLAPIC_SVR)), 0xff);
	assert_int_equal(view_of(&w.apic).irr, -1);
	assert_true(w.apic.timer.deadline == DEVICE_TIMER_OFF);
	vlapic_reset(&w.apic, false);
	assert_int_equal(rdmsr(MSR_BASE), 0xfee00900);
}

static void x2apic_rules(void **state)
{
	static const u32 absent[] = {
		VLAPIC_APR,	 0x0c0, VLAPIC_DFR, VLAPIC_ICR_HIGH, 0x000, 0x010, 0x040,
		VLAPIC_ICR_HIGH, 0x290, 0x3a0,	    0x3d0,	     0x400, 0xff0};
	static const u32 read_only[] = {VLAPIC_ID,	   VLAPIC_VERSION,	VLAPIC_PPR,
					VLAPIC_LDR,	   VLAPIC_ISR,		VLAPIC_TMR,
					VLAPIC_IRR + 0x70, VLAPIC_TIMER_CURRENT};
	static const struct {
		u32 offset;
		u64 bad, good;
	} bits[] = {
		{VLAPIC_TPR, 0x100, 0xff},
		{VLAPIC_EOI, 1, 0},
		{VLAPIC_SVR, 0x1000, 0x3ff},
		{VLAPIC_SVR, 0x400, 0x1ff},
		{VLAPIC_ESR, 1, 0},
		{VLAPIC_LVT_TIMER, 0x100, 0x31030},
		{VLAPIC_LVT_TIMER, 0x80000, 0x40030},
		{VLAPIC_LVT_PERF, 0x2000, 0x10400},
		{VLAPIC_LVT_LINT0, 0x800, 0x1e700},
		{VLAPIC_LVT_ERROR, 0x400, 0x100fe},
		{VLAPIC_ICR_LOW, 0x1000, 0x4030},
		{VLAPIC_ICR_LOW, 0x2000, 0x4030},
		{VLAPIC_ICR_LOW, 0x10000, 0x4030},
		{VLAPIC_ICR_LOW, 0x100000, 0x4030},
		{VLAPIC_TIMER_INITIAL, BIT(32), 0xffffffff},
		{VLAPIC_TIMER_DIVIDE, 4, 0xb},
		{VLAPIC_SELF_IPI, 0x100, 0x40},
		{VLAPIC_TPR, BIT(63), 0},
	};

	(void)state;
	enable();
	enter_x2apic();
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
		rdmsr_gp(X2(absent[i]));
		wrmsr_gp(X2(absent[i]), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(read_only); i++) {
		rdmsr(X2(read_only[i]));
		wrmsr_gp(X2(read_only[i]), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
		wrmsr_gp(X2(bits[i].offset), bits[i].bad);
		wrmsr(X2(bits[i].offset), bits[i].good);
	}
	rdmsr_gp(X2(VLAPIC_EOI));
	rdmsr_gp(X2(VLAPIC_SELF_IPI));
	assert_int_equal(w.apic.esr_pending, 0);
	w.apic.has_tsc_deadline = false;
	wrmsr_gp(X2(VLAPIC_LVT_TIMER), 0x40030);
	wrmsr_gp(MSR_DEADLINE, 1);
	rdmsr_gp(MSR_DEADLINE);
	rdmsr_gp(0x900);
	rdmsr_gp(0x7ff);
}

/* Hardware stores, then tells. */
static void store(u32 offset, u32 value)
{
	memcpy(w.page + offset, &value, 4);
	vlapic_written(&w.apic, offset);
}

static void written(void **state)
{
	(void)state;
	start_id(4);
	store(VLAPIC_SVR, 0xffffffff);
	assert_int_equal(rd(VLAPIC_SVR), 0x3ff);
	store(VLAPIC_ID, 0x99000000);
	assert_int_equal(rd(VLAPIC_ID), 0x04000000);
	store(VLAPIC_DFR, 0x01234567);
	assert_int_equal(rd(VLAPIC_DFR), 0x0fffffff);
	store(VLAPIC_LDR, 0x01234567);
	assert_int_equal(rd(VLAPIC_LDR), 0x01000000);
	store(VLAPIC_LVT_ERROR, 0xfffef033);
	assert_int_equal(rd(VLAPIC_LVT_ERROR), 0x00033);
	vlapic_accept(&w.apic, 1, false);
	store(VLAPIC_ESR, 0xffffffff);
	assert_int_equal(rd(VLAPIC_ESR), 0x40);
	assert_true(irr(0x33));
	store(VLAPIC_TPR, 0x12345640);
	assert_int_equal(rd(VLAPIC_TPR), 0x40);
	assert_int_equal(rd(VLAPIC_PPR), 0x40);
	store(VLAPIC_TPR, 0);
	vlapic_take(&w.apic, 0x33);
	store(VLAPIC_EOI, 0x55);
	assert_false(isr(0x33));
	assert_int_equal(rd(VLAPIC_EOI), 0);
	store(VLAPIC_ICR_HIGH, 0x02ffffff);
	store(VLAPIC_ICR_LOW, 0xfff3b840);
	assert_int_equal(w.icr[0], 0x0200008840 | 0x200000000);
	assert_int_equal(rd(VLAPIC_ICR_LOW), 0x00008840);
	/* the timer: modes and divisors change under it */
	store(VLAPIC_TIMER_DIVIDE, 0xfffffffb);
	assert_int_equal(rd(VLAPIC_TIMER_DIVIDE), 0xb);
	store(VLAPIC_LVT_TIMER, 0x000e0);
	store(VLAPIC_TIMER_INITIAL, 1000);
	fake_run(&w.fake, 400);
	store(VLAPIC_TIMER_DIVIDE, 0x0);
	assert_int_equal(rd(VLAPIC_TIMER_CURRENT), 600);
	store(VLAPIC_LVT_TIMER, 0x400e0);
	fake_run(&w.fake, 5000);
	assert_false(irr(0xe0));
	store(VLAPIC_TIMER_INITIAL, 1000);
	assert_int_equal(rd(VLAPIC_TIMER_INITIAL), 0);
	store(VLAPIC_SVR, 0xff);
	assert_int_equal(rd(VLAPIC_LVT_TIMER), 0x500e0);
	store(VLAPIC_LVT_TIMER, 0x400e0);
	assert_int_equal(rd(VLAPIC_LVT_TIMER), 0x500e0);
	store(VLAPIC_SVR, 0x1ff);
	enter_x2apic();
	store(VLAPIC_SELF_IPI, 0x66);
	assert_int_equal(vlapic_pending(&w.apic), 0x66);
	vlapic_written(&w.apic, 0xff0);
	vlapic_written(&w.apic, VLAPIC_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(power_up, start),
		cmocka_unit_test_setup(writable_bits, start),
		cmocka_unit_test_setup(odd_accesses, start),
		cmocka_unit_test_setup(software_disable, start),
		cmocka_unit_test_setup(base_transitions, start),
		cmocka_unit_test_setup(resets, start),
		cmocka_unit_test_setup(x2apic_rules, start),
		cmocka_unit_test_setup(written, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
