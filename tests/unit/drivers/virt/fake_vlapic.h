/* SPDX-License-Identifier: MIT */
/* A local APIC on a clock of its own, and what its guest does to it, for the tests of its parts. */
#pragma once

#include "cmocka_all.h"

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

static inline struct vlapic_view view_of(const struct vlapic *apic)
{
	struct vlapic_view view;

	vlapic_look(apic, &view);
	return view;
}

static inline void on_ipi(struct vlapic *apic, u64 icr)
{
	assert_ptr_equal(apic, &w.apic);
	w.icr[w.ipis++ % 8] = icr;
}

static inline void on_broadcast(struct vlapic *apic, u8 vector)
{
	assert_ptr_equal(apic, &w.apic);
	w.broadcasts++;
	w.broadcast = vector;
}

static inline void on_changed(struct vlapic *apic)
{
	assert_ptr_equal(apic, &w.apic);
	w.changes++;
}

static const struct vlapic_ops ops = {on_ipi, on_broadcast, on_changed};

static inline void start_id(u32 id)
{
	memset(&w, 0, sizeof(w));
	fake_init(&w.fake);
	w.apic.bus_divisor = 1;
	w.apic.has_tsc_deadline = true;
	w.apic.has_x2apic = true;
	vlapic_init(&w.apic, w.page, id, &w.fake.host, &ops);
}

static inline int start(void **state)
{
	(void)state;
	start_id(0);
	return 0;
}

static inline u32 rd(u32 offset)
{
	return vlapic_read(&w.apic, offset);
}

static inline void wr(u32 offset, u32 value)
{
	vlapic_write(&w.apic, offset, value);
}

static inline u64 rdmsr(u32 msr)
{
	u64 value = 0xdeadbeef;

	assert_int_equal(vlapic_msr_read(&w.apic, msr, &value), 0);
	return value;
}

static inline void wrmsr(u32 msr, u64 value)
{
	assert_int_equal(vlapic_msr_write(&w.apic, msr, value), 0);
}

static inline void wrmsr_gp(u32 msr, u64 value)
{
	assert_int_equal(vlapic_msr_write(&w.apic, msr, value), -EINVAL);
}

static inline void rdmsr_gp(u32 msr)
{
	u64 value;

	assert_int_equal(vlapic_msr_read(&w.apic, msr, &value), -EINVAL);
}

static inline void enable(void)
{
	wr(VLAPIC_SVR, 0x1ff);
}

static inline void enter_x2apic(void)
{
	wrmsr(MSR_BASE, (w.apic.base_msr & VLAPIC_BSP) | BASE_X2);
}

static inline bool irr(u8 vector)
{
	return rd(VLAPIC_IRR + vector / 32 * 16u) >> vector % 32 & 1;
}

static inline bool isr(u8 vector)
{
	return rd(VLAPIC_ISR + vector / 32 * 16u) >> vector % 32 & 1;
}

static inline bool tmr(u8 vector)
{
	return rd(VLAPIC_TMR + vector / 32 * 16u) >> vector % 32 & 1;
}

static inline u32 esr(void)
{
	wr(VLAPIC_ESR, 0);
	return rd(VLAPIC_ESR);
}
