/* SPDX-License-Identifier: MIT */
/* The local APIC of one vCPU: its registers, by their page or by MSRs, and its modes (SDM vol.
 * 3, 11.4 and 11.12). */
#include <bulkhead/error.h>
#include <bulkhead/string.h>

#include "vlapic_internal.h"

#define MSR_APIC_BASE	 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC	 0x800u
#define MSR_X2APIC_LAST	 0x8ffu

/*
 * Version 15h, the highest LVT entry is 6 (CMCI is there). Bit 24 is 0: EOI-broadcast suppression
 * is not offered, and so bit 12 of the SVR is reserved.
 */
#define VERSION_VALUE 0x00060015u

#define SVR_RESET 0xffu

enum { X_READ = 1, X_WRITE = 2, X2_READ = 4, X2_WRITE = 8 };

#define READ_BOTH  (X_READ | X2_READ)
#define WRITE_BOTH (X_WRITE | X2_WRITE)
#define ALL	   (READ_BOTH | WRITE_BOTH)

/*
 * What can be done to each register in either mode (SDM tables 11-1 and 11-6). Bits of a write that
 * are neither writable nor read-only are reserved, which matters in x2APIC mode only.
 */
struct register_rule {
	u8 access;
	u32 writable;
	u32 read_only;
};

static const struct register_rule rules[64] = {
	[VLAPIC_ID >> 4] = {READ_BOTH | X_WRITE, 0, 0},
	[VLAPIC_VERSION >> 4] = {READ_BOTH, 0, 0},
	[VLAPIC_TPR >> 4] = {ALL, 0xff, 0},
	[VLAPIC_APR >> 4] = {X_READ, 0, 0},
	[VLAPIC_PPR >> 4] = {READ_BOTH, 0, 0},
	[VLAPIC_EOI >> 4] = {WRITE_BOTH, 0, 0},
	[0x0c0 >> 4] = {X_READ, 0, 0}, /* remote read: nothing to read */
	[VLAPIC_LDR >> 4] = {READ_BOTH | X_WRITE, 0xff000000, 0},
	[VLAPIC_DFR >> 4] = {X_READ | X_WRITE, 0xf0000000, 0},
	[VLAPIC_SVR >> 4] = {ALL, 0x3ff, 0},
	[VLAPIC_ISR >> 4 ...(VLAPIC_ISR >> 4) + 7] = {READ_BOTH, 0, 0},
	[VLAPIC_TMR >> 4 ...(VLAPIC_TMR >> 4) + 7] = {READ_BOTH, 0, 0},
	[VLAPIC_IRR >> 4 ...(VLAPIC_IRR >> 4) + 7] = {READ_BOTH, 0, 0},
	[VLAPIC_ESR >> 4] = {ALL, 0, 0},
	[VLAPIC_LVT_CMCI >> 4] = {ALL, 0x107ff, 0x1000},
	[VLAPIC_ICR_LOW >> 4] = {ALL, 0xccfff, 0},
	[VLAPIC_ICR_HIGH >> 4] = {X_READ | X_WRITE, 0xff000000, 0},
	[VLAPIC_LVT_TIMER >> 4] = {ALL, 0x700ff, 0x1000},
	[VLAPIC_LVT_THERMAL >> 4] = {ALL, 0x107ff, 0x1000},
	[VLAPIC_LVT_PERF >> 4] = {ALL, 0x107ff, 0x1000},
	[VLAPIC_LVT_LINT0 >> 4] = {ALL, 0x1a7ff, 0x5000},
	[VLAPIC_LVT_LINT1 >> 4] = {ALL, 0x1a7ff, 0x5000},
	[VLAPIC_LVT_ERROR >> 4] = {ALL, 0x100ff, 0x1000},
	[VLAPIC_TIMER_INITIAL >> 4] = {ALL, 0xffffffff, 0},
	[VLAPIC_TIMER_CURRENT >> 4] = {READ_BOTH, 0, 0},
	[VLAPIC_TIMER_DIVIDE >> 4] = {ALL, 0xb, 0},
	[VLAPIC_SELF_IPI >> 4] = {X2_WRITE, 0xff, 0},
};

static const u16 lvts[] = {VLAPIC_LVT_CMCI,  VLAPIC_LVT_TIMER, VLAPIC_LVT_THERMAL, VLAPIC_LVT_PERF,
			   VLAPIC_LVT_LINT0, VLAPIC_LVT_LINT1, VLAPIC_LVT_ERROR};

static u32 writable_bits(const struct vlapic *apic, u32 offset)
{
	u32 writable = rules[offset >> 4].writable;

	/* Mode 10b does not exist without the TSC-deadline timer, so bit 18 is reserved (11.5.4).
	 */
	if (offset == VLAPIC_LVT_TIMER && !apic->has_tsc_deadline)
		writable &= ~(1u << 18);
	return writable;
}

/* As in x2APIC mode, whatever the mode is. */
static u64 icr_value(const struct vlapic *apic)
{
	u64 high = vlapic_x2apic(apic) ? vlapic_register(apic, VLAPIC_ICR_LOW + 4)
				       : vlapic_register(apic, VLAPIC_ICR_HIGH) >> 24;

	return high << 32 | vlapic_register(apic, VLAPIC_ICR_LOW);
}

static u32 id_register(const struct vlapic *apic)
{
	return vlapic_x2apic(apic) ? apic->id : apic->id << 24;
}

/* The x2APIC LDR follows from the id (SDM 11.12.10.2). */
static u32 ldr_derived(const struct vlapic *apic)
{
	return apic->id >> 4 << 16 | 1u << (apic->id & 0xf);
}

static void tpr_apply(struct vlapic *apic, u32 value)
{
	vlapic_register_set(apic, VLAPIC_TPR, value);
	vlapic_ppr_update(apic);
	/* Pending or not: the owner may hold a threshold that it has to keep below TPR. */
	apic->ops->changed(apic);
}

static void svr_apply(struct vlapic *apic, u32 value)
{
	vlapic_register_set(apic, VLAPIC_SVR, value);
	for (unsigned i = 0; !(value & VLAPIC_SVR_ENABLE) && i < ARRAY_SIZE(lvts); i++)
		vlapic_register_set(apic, lvts[i], vlapic_register(apic, lvts[i]) | LVT_MASKED);
	apic->ops->changed(apic);
}

static void lvt_apply(struct vlapic *apic, u32 offset, u32 value)
{
	/* Masks cannot be taken away while software-disabled (11.4.7.2). */
	vlapic_register_set(apic, offset,
			    vlapic_software_enabled(apic) ? value : value | LVT_MASKED);
	if (offset == VLAPIC_LVT_TIMER)
		vlapic_timer_mode_changed(apic);
	else if (offset == VLAPIC_LVT_LINT0)
		apic->ops->changed(apic);
}

/*
 * A write of `value`, reserved bits cut off, takes effect. The register itself may hold it already,
 * or what the guest wrote before it was cut (vlapic_written), so old values count for nothing here.
 */
static void register_apply(struct vlapic *apic, u32 offset, u32 value)
{
	switch (offset) {
	case VLAPIC_ID: /* read-only, as in processors that have an x2APIC */
		vlapic_register_set(apic, VLAPIC_ID, id_register(apic));
		break;
	case VLAPIC_TPR:
		tpr_apply(apic, value);
		break;
	case VLAPIC_EOI:
		vlapic_register_set(apic, VLAPIC_EOI, 0);
		vlapic_eoi(apic);
		break;
	case VLAPIC_DFR:
		vlapic_register_set(apic, VLAPIC_DFR, value | 0x0fffffff);
		break;
	case VLAPIC_SVR:
		svr_apply(apic, value);
		break;
	case VLAPIC_ESR:
		vlapic_register_set(apic, VLAPIC_ESR, apic->esr_pending);
		apic->esr_pending = 0;
		break;
	case VLAPIC_ICR_LOW:
		vlapic_register_set(apic, VLAPIC_ICR_LOW, value);
		vlapic_send_ipi(apic, icr_value(apic));
		break;
	case VLAPIC_TIMER_INITIAL:
		vlapic_register_set(apic, VLAPIC_TIMER_INITIAL, value);
		vlapic_timer_start(apic, device_now(apic->host));
		break;
	case VLAPIC_TIMER_DIVIDE:
		vlapic_register_set(apic, VLAPIC_TIMER_DIVIDE, value);
		vlapic_timer_divide_changed(apic);
		break;
	case VLAPIC_SELF_IPI:
		vlapic_self_ipi(apic, (u8)value);
		break;
	case VLAPIC_LDR:
	case VLAPIC_ICR_HIGH:
		vlapic_register_set(apic, offset, value);
		break;
	default:
		lvt_apply(apic, offset, value);
	}
}

static u32 register_value(const struct vlapic *apic, u32 offset)
{
	switch (offset) {
	case VLAPIC_TIMER_CURRENT:
		return vlapic_timer_current(apic);
	case VLAPIC_PPR: /* the TPR may have changed without us, by MOV to CR8 */
		return vlapic_ppr(apic);
	default:
		return vlapic_register(apic, offset);
	}
}

static bool register_exists(u32 offset, unsigned access)
{
	return offset >> 4 < ARRAY_SIZE(rules) && (rules[offset >> 4].access & access);
}

u32 vlapic_read(struct vlapic *apic, u32 offset)
{
	u32 start = offset & ~0xfu;

	if (!register_exists(start, X_READ | X_WRITE)) {
		vlapic_error(apic, ESR_ADDRESS);
		return 0;
	}
	if (!register_exists(start, X_READ) || (offset & 0xf) > 3)
		return 0;
	return register_value(apic, start) >> (offset & 0xf) * 8;
}

void vlapic_write(struct vlapic *apic, u32 offset, u32 value)
{
	if (offset & 0xf)
		return;
	if (!register_exists(offset, X_READ | X_WRITE))
		vlapic_error(apic, ESR_ADDRESS);
	else if (register_exists(offset, X_WRITE))
		register_apply(apic, offset, value & writable_bits(apic, offset));
}

void vlapic_written(struct vlapic *apic, u32 offset)
{
	unsigned access = vlapic_x2apic(apic) ? X2_WRITE : X_WRITE;

	offset &= ~0xfu;
	/* Anything may be written there in either mode; and some do so at each tick. */
	if (offset == VLAPIC_TIMER_INITIAL)
		vlapic_timer_start(apic, device_now(apic->host));
	else if (register_exists(offset, access))
		register_apply(apic, offset,
			       vlapic_register(apic, offset) & writable_bits(apic, offset));
}

static int x2apic_read(struct vlapic *apic, u32 offset, u64 *value)
{
	if (!register_exists(offset, X2_READ))
		return -EINVAL;
	*value = register_value(apic, offset);
	if (offset == VLAPIC_ICR_LOW)
		*value = icr_value(apic);
	return 0;
}

static int x2apic_write(struct vlapic *apic, u32 offset, u64 value)
{
	u32 writable;

	if (!register_exists(offset, X2_WRITE))
		return -EINVAL;
	writable = writable_bits(apic, offset);
	if ((u32)value & ~(writable | rules[offset >> 4].read_only))
		return -EINVAL;
	if (offset == VLAPIC_ICR_LOW)
		vlapic_register_set(apic, VLAPIC_ICR_LOW + 4, (u32)(value >> 32));
	else if (value >> 32)
		return -EINVAL;
	register_apply(apic, offset, (u32)value & writable);
	return 0;
}

static void registers_reset(struct vlapic *apic)
{
	memset(apic->page, 0, PAGE_SIZE);
	vlapic_register_set(apic, VLAPIC_ID, id_register(apic));
	vlapic_register_set(apic, VLAPIC_VERSION, VERSION_VALUE);
	vlapic_register_set(apic, VLAPIC_LDR, vlapic_x2apic(apic) ? ldr_derived(apic) : 0);
	vlapic_register_set(apic, VLAPIC_DFR, 0xffffffff);
	vlapic_register_set(apic, VLAPIC_SVR, SVR_RESET);
	for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
		vlapic_register_set(apic, lvts[i], LVT_MASKED);
	apic->esr_pending = 0;
	apic->newest = 0;
	apic->irr_words = apic->isr_words = apic->virtualised ? 0xff : 0;
	apic->untold = VLAPIC_UNTOLD_VECTORS | VLAPIC_UNTOLD_MODES;
	vlapic_timer_reset(apic);
}

/* All else is kept (SDM 11.12.5.1); the high half of the ICR has moved, so that its old value is
 * gone. */
static void x2apic_enter(struct vlapic *apic)
{
	vlapic_register_set(apic, VLAPIC_ID, id_register(apic));
	vlapic_register_set(apic, VLAPIC_LDR, ldr_derived(apic));
}

/* SDM figure 11-27: by EN and EXTD, from where it is allowed to get where. */
static int base_write(struct vlapic *apic, u64 value)
{
	const u64 mode_bits = VLAPIC_ENABLE | VLAPIC_X2APIC;
	u64 old = apic->base_msr & mode_bits, new = value &mode_bits;
	u64 reserved = BITS(63, 52) | BIT(9) | BITS(7, 0);

	if (value == apic->base_msr)
		return 0;
	if (!apic->has_x2apic)
		reserved |= VLAPIC_X2APIC;
	if (value & reserved || new == VLAPIC_X2APIC)
		return -EINVAL;
	if (old == mode_bits && new == VLAPIC_ENABLE)
		return -EINVAL;
	if (!old && new == mode_bits)
		return -EINVAL;
	apic->base_msr = value;
	if (old != new) {
		if (new == mode_bits)
			x2apic_enter(apic);
		else
			registers_reset(apic);
	}
	apic->ops->changed(apic);
	return 0;
}

int vlapic_msr_read(struct vlapic *apic, u32 msr, u64 *value)
{
	if (msr == MSR_APIC_BASE) {
		*value = apic->base_msr;
		return 0;
	}
	if (msr == MSR_TSC_DEADLINE && apic->has_tsc_deadline) {
		*value = apic->tsc_deadline;
		return 0;
	}
	if (msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST && vlapic_x2apic(apic))
		return x2apic_read(apic, (msr - MSR_X2APIC) << 4, value);
	return -EINVAL;
}

int vlapic_msr_write(struct vlapic *apic, u32 msr, u64 value)
{
	if (msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST && vlapic_x2apic(apic))
		return x2apic_write(apic, (msr - MSR_X2APIC) << 4, value);
	if (msr == MSR_APIC_BASE)
		return base_write(apic, value);
	if (msr == MSR_TSC_DEADLINE)
		return vlapic_deadline_write(apic, value);
	return -EINVAL;
}

void vlapic_reset(struct vlapic *apic, bool init)
{
	if (!init)
		apic->base_msr =
			VLAPIC_BASE_DEFAULT | VLAPIC_ENABLE | (apic->id == 0 ? VLAPIC_BSP : 0);
	registers_reset(apic);
	apic->ops->changed(apic);
}

void vlapic_init(struct vlapic *apic, u8 *page, u32 id, struct device_host *host,
		 const struct vlapic_ops *ops)
{
	apic->page = page;
	apic->id = id;
	apic->host = host;
	apic->ops = ops;
	vlapic_timer_init(apic);
	apic->base_msr = VLAPIC_BASE_DEFAULT | VLAPIC_ENABLE | (id == 0 ? VLAPIC_BSP : 0);
	registers_reset(apic);
}
