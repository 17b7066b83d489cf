/* SPDX-License-Identifier: MIT */
/* What the local APIC accepts, and what comes first, against SDM vol. 3, 11.5.3 and 11.8. */
/* links: drivers/virt/vlapic.c drivers/virt/vlapic_message.c */
/* links: drivers/virt/vlapic_timer.c */
#include "drivers/virt/fake_vlapic.h"

#include <stdlib.h>

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
		cmocka_unit_test_setup(priority, start),
		cmocka_unit_test_setup(level_and_edge, start),
		cmocka_unit_test_setup(pic_path, start),
		cmocka_unit_test_setup(errors, start),
		cmocka_unit_test_setup(views_of_software, start),
		cmocka_unit_test_setup(views_of_hardware, start),
		cmocka_unit_test_setup(news_of_vectors, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
