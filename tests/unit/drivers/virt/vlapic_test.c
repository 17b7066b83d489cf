/* SPDX-License-Identifier: MIT */
/* The local APIC model against SDM vol. 3, chapter 11. */
/* links: drivers/virt/vlapic_timer.c */
#include "cmocka_all.h"

#include <stdlib.h>

#include <bulkhead/error.h>

#include "drivers/virt/fake_host.h"
#include <bulkhead/vlapic.h>

#define MSR_BASE     0x1b
#define MSR_DEADLINE 0x6e0
#define X2(offset)   (0x800u + ((offset) >> 4))
#define BASE_X	     (VLAPIC_BASE_DEFAULT | VLAPIC_ENABLE)
#define BASE_X2	     (BASE_X | VLAPIC_X2APIC)

struct world {
	struct fake_host fake;
	struct vlapic apic;
	u8 page[4096] aligned(4096);
	u64 icr[8];
	unsigned ipis, changes, broadcasts;
	u8 broadcast;
};

static struct world w;

static struct vlapic_view view_of(const struct vlapic *apic)
{
	struct vlapic_view view;

	vlapic_look(apic, &view);
	return view;
}

static void on_ipi(struct vlapic *apic, u64 icr)
{
	assert_ptr_equal(apic, &w.apic);
	w.icr[w.ipis++ % 8] = icr;
}

static void on_broadcast(struct vlapic *apic, u8 vector)
{
	assert_ptr_equal(apic, &w.apic);
	w.broadcasts++;
	w.broadcast = vector;
}

static void on_changed(struct vlapic *apic)
{
	assert_ptr_equal(apic, &w.apic);
	w.changes++;
}

static const struct vlapic_ops ops = {on_ipi, on_broadcast, on_changed};

static void start_id(u32 id)
{
	memset(&w, 0, sizeof(w));
	fake_init(&w.fake);
	w.apic.bus_divisor = 1;
	w.apic.has_tsc_deadline = true;
	w.apic.has_x2apic = true;
	vlapic_init(&w.apic, w.page, id, &w.fake.host, &ops);
}

static int start(void **state)
{
	(void)state;
	start_id(0);
	return 0;
}

static u32 rd(u32 offset)
{
	return vlapic_read(&w.apic, offset);
}

static void wr(u32 offset, u32 value)
{
	vlapic_write(&w.apic, offset, value);
}

static u64 rdmsr(u32 msr)
{
	u64 value = 0xdeadbeef;

	assert_int_equal(vlapic_msr_read(&w.apic, msr, &value), 0);
	return value;
}

static void wrmsr(u32 msr, u64 value)
{
	assert_int_equal(vlapic_msr_write(&w.apic, msr, value), 0);
}

static void wrmsr_gp(u32 msr, u64 value)
{
	assert_int_equal(vlapic_msr_write(&w.apic, msr, value), -EINVAL);
}

static void rdmsr_gp(u32 msr)
{
	u64 value;

	assert_int_equal(vlapic_msr_read(&w.apic, msr, &value), -EINVAL);
}

static void enable(void)
{
	wr(VLAPIC_SVR, 0x1ff);
}

static void enter_x2apic(void)
{
	wrmsr(MSR_BASE, (w.apic.base_msr & VLAPIC_BSP) | BASE_X2);
}

static bool irr(u8 vector)
{
	return rd(VLAPIC_IRR + vector / 32 * 16u) >> vector % 32 & 1;
}

static bool isr(u8 vector)
{
	return rd(VLAPIC_ISR + vector / 32 * 16u) >> vector % 32 & 1;
}

static bool tmr(u8 vector)
{
	return rd(VLAPIC_TMR + vector / 32 * 16u) >> vector % 32 & 1;
}

static u32 esr(void)
{
	wr(VLAPIC_ESR, 0);
	return rd(VLAPIC_ESR);
}

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

static void priority(void **state)
{
	(void)state;
	enable();
	w.changes = 0;
	vlapic_accept(&w.apic, 0x31, false);
	vlapic_accept(&w.apic, 0x35, false);
	vlapic_accept(&w.apic, 0x35, false);
	assert_int_equal(w.changes, 2);
	assert_int_equal(vlapic_pending(&w.apic), 0x35);
	assert_int_equal(view_of(&w.apic).irr, 0x35);
	assert_true(view_of(&w.apic).several);
	assert_true(view_of(&w.apic).pending);
	vlapic_take(&w.apic, 0x35);
	assert_true(isr(0x35) && !irr(0x35));
	assert_int_equal(rd(VLAPIC_PPR), 0x30);
	/* the same class waits, a higher one does not */
	assert_int_equal(vlapic_pending(&w.apic), -1);
	assert_int_equal(view_of(&w.apic).irr, 0x31);
	vlapic_accept(&w.apic, 0x40, false);
	assert_int_equal(vlapic_pending(&w.apic), 0x40);
	wr(VLAPIC_TPR, 0x4f);
	assert_int_equal(rd(VLAPIC_PPR), 0x4f);
	assert_int_equal(vlapic_pending(&w.apic), -1);
	w.changes = 0;
	wr(VLAPIC_TPR, 0x3f);
	assert_int_equal(w.changes, 1);
	assert_int_equal(vlapic_pending(&w.apic), 0x40);
	vlapic_take(&w.apic, 0x40);
	assert_int_equal(view_of(&w.apic).isr, 0x40);
	assert_int_equal(rd(VLAPIC_PPR), 0x40);
	wr(VLAPIC_EOI, 0);
	assert_int_equal(rd(VLAPIC_PPR), 0x3f);
	w.changes = 0;
	wr(VLAPIC_TPR, 0);
	assert_int_equal(vlapic_pending(&w.apic), -1);
	assert_int_equal(w.changes, 1); /* though nothing can be delivered: TPR thresholds */
	w.changes = 0;
	vlapic_eoi(&w.apic);
	assert_int_equal(w.changes, 1);
	assert_int_equal(vlapic_pending(&w.apic), 0x31);
	vlapic_take(&w.apic, 0x31);
	vlapic_eoi(&w.apic);
	vlapic_eoi(&w.apic); /* nothing in service: nothing happens */
	assert_int_equal(view_of(&w.apic).isr, -1);
	assert_int_equal(view_of(&w.apic).irr, -1);
	assert_int_equal(w.broadcasts, 0);
	vlapic_accept(&w.apic, 0xff, false);
	assert_int_equal(vlapic_pending(&w.apic), 0xff);
	vlapic_accept(&w.apic, 0x10, false);
	vlapic_take(&w.apic, 0xff);
	vlapic_eoi(&w.apic);
	assert_int_equal(vlapic_pending(&w.apic), 0x10);
	w.page[VLAPIC_TPR] = 0x10;
	vlapic_tpr_changed(&w.apic);
	assert_int_equal(vlapic_pending(&w.apic), -1);
	assert_int_equal(rd(VLAPIC_PPR), 0x10);
}

static void level_and_edge(void **state)
{
	(void)state;
	enable();
	vlapic_accept(&w.apic, 0x80, true);
	vlapic_accept(&w.apic, 0x61, false);
	assert_true(tmr(0x80) && !tmr(0x61));
	vlapic_take(&w.apic, 0x80);
	vlapic_eoi(&w.apic);
	assert_int_equal(w.broadcasts, 1);
	assert_int_equal(w.broadcast, 0x80);
	vlapic_take(&w.apic, 0x61);
	vlapic_eoi(&w.apic);
	assert_int_equal(w.broadcasts, 1);
	/* TMR follows the latest acceptance */
	vlapic_accept(&w.apic, 0x80, false);
	assert_false(tmr(0x80));
	w.changes = 0;
	vlapic_accept(&w.apic, 0x80, true);
	assert_int_equal(w.changes, 1);
	vlapic_eoi_virtualised(&w.apic, 0x61);
	assert_int_equal(w.broadcasts, 1);
	vlapic_eoi_virtualised(&w.apic, 0x80);
	assert_int_equal(w.broadcasts, 2);
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

static void pic_path(void **state)
{
	(void)state;
	assert_true(vlapic_accepts_pic(&w.apic));
	enable();
	assert_false(vlapic_accepts_pic(&w.apic));
	wr(VLAPIC_LVT_LINT0, 0x10700);
	assert_false(vlapic_accepts_pic(&w.apic));
	w.changes = 0;
	wr(VLAPIC_LVT_LINT0, 0x700);
	assert_int_equal(w.changes, 1);
	assert_true(vlapic_accepts_pic(&w.apic));
	wr(VLAPIC_LVT_LINT0, 0x030);
	assert_false(vlapic_accepts_pic(&w.apic));
	wrmsr(MSR_BASE, VLAPIC_BASE_DEFAULT);
	assert_true(vlapic_accepts_pic(&w.apic));
}

static void errors(void **state)
{
	(void)state;
	enable();
	wr(VLAPIC_LVT_ERROR, 0xfe);
	vlapic_accept(&w.apic, 0x0f, false);
	assert_int_equal(view_of(&w.apic).irr, 0xfe);
	assert_int_equal(rd(VLAPIC_ESR), 0); /* latched by a write only */
	vlapic_take(&w.apic, 0xfe);
	/* no second interrupt before ESR is written */
	wr(VLAPIC_ICR_LOW, 0x0000400f);
	assert_int_equal(w.ipis, 0);
	assert_false(irr(0xfe));
	wr(VLAPIC_ESR, 0xffffffff);
	assert_int_equal(rd(VLAPIC_ESR), 0x60);
	wr(VLAPIC_ICR_LOW, 0x00004105); /* lowest priority */
	assert_true(irr(0xfe));
	assert_int_equal(esr(), 0x20);
	assert_int_equal(esr(), 0);
	/* vectors mean nothing to NMI, INIT; reach addresses in SIPI */
	wr(VLAPIC_ICR_LOW, 0x00004400);
	wr(VLAPIC_ICR_LOW, 0x00004500);
	wr(VLAPIC_ICR_LOW, 0x00004608);
	assert_int_equal(w.ipis, 3);
	assert_int_equal(esr(), 0);
	/* an illegal vector in the error LVT itself */
	wr(VLAPIC_LVT_ERROR, 0x03);
	rd(0x3f0);
	assert_int_equal(esr(), 0xc0);
	wr(VLAPIC_LVT_ERROR, 0x10003);
	rd(0x3f0);
	assert_int_equal(esr(), 0x80);
	wr(VLAPIC_ICR_LOW, 0x00040001); /* to itself: both ways */
	assert_int_equal(esr(), 0x60);
}

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

static int highest_by_search(u32 bitmap, unsigned *count)
{
	int found = -1;

	*count = 0;
	for (int vector = 0; vector < 256; vector++) {
		if (vlapic_register(&w.apic, bitmap + (u32)vector / 32 * 16) >> (vector & 31) & 1) {
			found = vector;
			++*count;
		}
	}
	return found;
}

static void view_by_search(void)
{
	struct vlapic_view view = view_of(&w.apic);
	unsigned waiting, served;
	int irr = highest_by_search(VLAPIC_IRR, &waiting);
	int isr = highest_by_search(VLAPIC_ISR, &served);

	assert_int_equal(view.irr, irr);
	assert_int_equal(view.isr, isr);
	assert_int_equal(view.several, waiting > 1);
	assert_int_equal(view.pending, irr >= 0 && irr >> 4 > MAX(isr, 0) >> 4 &&
					       (u32)irr >> 4 > rd(VLAPIC_TPR) >> 4);
}

/* What is remembered of IRR and ISR, so that they need not be searched, is right at any time. With
 * virtualisation the CPU changes them, too. */
static void views(bool virtualised)
{
	srand(5);
	start_id(0);
	w.apic.virtualised = virtualised;
	vlapic_reset(&w.apic, false);
	enable();
	for (unsigned step = 0; step < 20000; step++) {
		u8 vector = (u8)(16 + rand() % 240);
		int highest = view_of(&w.apic).irr;

		switch (rand() % 6) {
		case 0:
		case 1:
			vlapic_accept(&w.apic, vector, rand() % 8 == 0);
			break;
		case 2:
			wr(VLAPIC_TPR, rand() % 3 ? 0 : (u32)rand() & 0xff);
			break;
		case 3:
			if (view_of(&w.apic).pending)
				vlapic_take(&w.apic, (u8)highest);
			break;
		case 4:
			vlapic_eoi(&w.apic);
			break;
		default:
			/* A self-IPI, or a delivery, by the CPU. */
			if (virtualised && rand() % 2)
				w.page[VLAPIC_IRR + vector / 32 * 16 + vector % 32 / 8] |=
					(u8)(1 << vector % 8);
			else if (virtualised && highest >= 0)
				w.page[VLAPIC_IRR + highest / 32 * 16 + highest % 32 / 8] &=
					(u8) ~(1 << highest % 8);
		}
		view_by_search();
	}
}

static void views_of_software(void **state)
{
	(void)state;
	views(false);
}

static void views_of_hardware(void **state)
{
	(void)state;
	views(true);
}

/* Who tells the CPU about vectors is told the one that came, or that it is more than that. */
static void news_of_vectors(void **state)
{
	(void)state;
	w.apic.virtualised = true;
	enable();
	assert_true(w.apic.untold & VLAPIC_UNTOLD_VECTORS); /* reset */
	w.apic.untold = 0;
	vlapic_accept(&w.apic, 0x51, false);
	assert_int_equal(w.apic.newest, 0x51);
	vlapic_accept(&w.apic, 0x51, false); /* waits already */
	assert_int_equal(w.apic.newest, 0x51);
	assert_int_equal(w.apic.untold, 0);
	vlapic_accept(&w.apic, 0x41, false);
	assert_int_equal(w.apic.untold, VLAPIC_UNTOLD_VECTORS);
	w.apic.newest = w.apic.untold = 0;
	vlapic_take(&w.apic, 0x51);
	assert_int_equal(w.apic.untold, VLAPIC_UNTOLD_VECTORS);
	w.apic.untold = 0;
	vlapic_eoi(&w.apic);
	assert_int_equal(w.apic.untold, VLAPIC_UNTOLD_VECTORS);
	w.apic.untold = 0;
	vlapic_accept(&w.apic, 0x41, true);
	assert_int_equal(w.apic.untold, VLAPIC_UNTOLD_MODES);
	assert_int_equal(w.apic.newest, 0);
	vlapic_reset(&w.apic, true);
	assert_int_equal(w.apic.untold, VLAPIC_UNTOLD_VECTORS | VLAPIC_UNTOLD_MODES);
	/* Who injects takes them himself. */
	w.apic.virtualised = false;
	w.apic.untold = 0;
	enable();
	vlapic_accept(&w.apic, 0x51, false);
	vlapic_take(&w.apic, 0x51);
	vlapic_eoi(&w.apic);
	assert_int_equal(w.apic.untold, 0);
	assert_int_equal(w.apic.newest, 0x51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(power_up, start),
		cmocka_unit_test_setup(writable_bits, start),
		cmocka_unit_test_setup(odd_accesses, start),
		cmocka_unit_test_setup(priority, start),
		cmocka_unit_test_setup(level_and_edge, start),
		cmocka_unit_test_setup(software_disable, start),
		cmocka_unit_test_setup(pic_path, start),
		cmocka_unit_test_setup(errors, start),
		cmocka_unit_test_setup(ipis, start),
		cmocka_unit_test_setup(destinations, start),
		cmocka_unit_test_setup(base_transitions, start),
		cmocka_unit_test_setup(resets, start),
		cmocka_unit_test_setup(x2apic_rules, start),
		cmocka_unit_test_setup(x2apic_ipis, start),
		cmocka_unit_test_setup(timer_one_shot, start),
		cmocka_unit_test_setup(timer_stop_mask_divide, start),
		cmocka_unit_test_setup(timer_periodic, start),
		cmocka_unit_test_setup(timer_storm, start),
		cmocka_unit_test_setup(timer_deadline, start),
		cmocka_unit_test_setup(timer_count_write, start),
		cmocka_unit_test_setup(views_of_software, start),
		cmocka_unit_test_setup(views_of_hardware, start),
		cmocka_unit_test_setup(news_of_vectors, start),
		cmocka_unit_test_setup(timer_modes, start),
		cmocka_unit_test_setup(written, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
