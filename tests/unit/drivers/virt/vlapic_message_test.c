/* SPDX-License-Identifier: MIT */
/* Interrupt messages against SDM vol. 3, 11.6 and 11.12. */
/* links: drivers/virt/vlapic.c drivers/virt/vlapic_interrupt.c */
/* links: drivers/virt/vlapic_timer.c */
#include "drivers/virt/fake_vlapic.h"

static void ipis(void **state)
{
	(void)state;
	enable();
	wr(VLAPIC_ICR_HIGH, 0x7fabcdef);
	assert_int_equal(w.ipis, 0);
	wr(VLAPIC_ICR_LOW, 0x000c48fd);
	assert_int_equal(w.ipis, 1);
	assert_int_equal(w.icr[0], 0x7f000c48fdULL);
	assert_int_equal(rd(VLAPIC_ICR_HIGH), 0x7f000000);
	assert_int_equal(rd(VLAPIC_ICR_LOW), 0x000c48fd); /* idle */
	wr(VLAPIC_ICR_LOW, 0x00044051);
	assert_int_equal(w.ipis, 1);
	assert_true(irr(0x51));
	assert_false(tmr(0x51));
	wr(VLAPIC_ICR_LOW, 0x0004c052); /* IPIs are edge, whatever the trigger mode says */
	assert_true(irr(0x52) && !tmr(0x52));
	wr(VLAPIC_ICR_LOW, 0x00088500); /* INIT level de-assert */
	wr(VLAPIC_ICR_LOW, 0x00004330); /* reserved modes */
	wr(VLAPIC_ICR_LOW, 0x00004730);
	assert_int_equal(w.ipis, 1);
	wr(VLAPIC_ICR_LOW, 0x0000c500); /* INIT level assert */
	assert_int_equal(w.ipis, 2);
}

static void destinations(void **state)
{
	(void)state;
	start_id(3);
	assert_true(vlapic_matches(&w.apic, 3, false));
	assert_true(vlapic_matches(&w.apic, 0xff, false));
	assert_true(vlapic_matches(&w.apic, 0xffffffff, false));
	assert_false(vlapic_matches(&w.apic, 2, false));
	assert_false(vlapic_matches(&w.apic, 0x103, false));
	memset(w.apic.page, 0, PAGE_SIZE); /* in the midst of an INIT, as others may see it */
	assert_true(vlapic_matches(&w.apic, 3, false));
	assert_false(vlapic_matches(&w.apic, 0, false));
	start_id(3);
	wr(VLAPIC_LDR, 0x22000000);
	assert_true(vlapic_matches(&w.apic, 0x02, true));
	assert_true(vlapic_matches(&w.apic, 0xe0, true));
	assert_true(vlapic_matches(&w.apic, 0xff, true));
	assert_false(vlapic_matches(&w.apic, 0xdd, true));
	wr(VLAPIC_DFR, 0);
	assert_true(vlapic_matches(&w.apic, 0x22, true));
	assert_true(vlapic_matches(&w.apic, 0x2f, true));
	assert_true(vlapic_matches(&w.apic, 0xf2, true));
	assert_false(vlapic_matches(&w.apic, 0x2d, true));
	assert_false(vlapic_matches(&w.apic, 0x12, true));
	start_id(0x35);
	enter_x2apic();
	assert_true(vlapic_matches(&w.apic, 0x35, false));
	assert_false(vlapic_matches(&w.apic, 0xff, false));
	assert_true(vlapic_matches(&w.apic, 0xffffffff, false));
	assert_true(vlapic_matches(&w.apic, 0x00030020, true));
	assert_true(vlapic_matches(&w.apic, 0x0003ffff, true));
	assert_false(vlapic_matches(&w.apic, 0x0003ffdf, true));
	assert_false(vlapic_matches(&w.apic, 0x0002ffff, true));
	assert_true(vlapic_matches(&w.apic, 0xffffffff, true));
	wrmsr(MSR_BASE, VLAPIC_BASE_DEFAULT);
	assert_false(vlapic_matches(&w.apic, 0x35, false));
	assert_false(vlapic_matches(&w.apic, 0xffffffff, false));
}

static void x2apic_ipis(void **state)
{
	(void)state;
	enable();
	enter_x2apic();
	wrmsr(X2(VLAPIC_ICR_LOW), 0x12345678000c4831ULL);
	assert_int_equal(w.ipis, 1);
	assert_int_equal(w.icr[0], 0x12345678000c4831ULL);
	assert_int_equal(rdmsr(X2(VLAPIC_ICR_LOW)), 0x12345678000c4831ULL);
	wrmsr(X2(VLAPIC_SELF_IPI), 0x77);
	assert_int_equal(vlapic_pending(&w.apic), 0x77);
	wrmsr(X2(VLAPIC_SELF_IPI), 0x0f);
	assert_int_equal(w.ipis, 1);
	wrmsr(X2(VLAPIC_ESR), 0);
	assert_int_equal(rdmsr(X2(VLAPIC_ESR)), 0x60);
	vlapic_take(&w.apic, 0x77);
	wrmsr(X2(VLAPIC_EOI), 0);
	assert_int_equal(view_of(&w.apic).isr, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ipis, start),
		cmocka_unit_test_setup(destinations, start),
		cmocka_unit_test_setup(x2apic_ipis, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
