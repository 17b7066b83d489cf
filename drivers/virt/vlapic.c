/* SPDX-License-Identifier: MIT */
/* The local APIC of one vCPU: registers, modes, priorities, interrupt acceptance (SDM vol. 3, ch.
 * 11). */
#include <bulkhead/error.h>
#include <bulkhead/string.h>

#include "vlapic_timer.h"
#include <bulkhead/vlapic.h>

#define MSR_APIC_BASE	 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC	 0x800u
#define MSR_X2APIC_LAST	 0x8ffu

/*
 * Version 15h, the highest LVT entry is 6 (CMCI is there). Bit 24 is 0: EOI-broadcast suppression
 * is not offered, and so bit 12 of the SVR is reserved.
 */
#define VERSION_VALUE 0x00060015u

#define SVR_RESET	   0xffu
#define LVT_MASKED	   (1u << 16)
#define LVT_DELIVERY	   (7u << 8)
#define LVT_EXTINT	   (7u << 8)
#define ESR_SEND_VECTOR	   (1u << 5)
#define ESR_RECEIVE	   (1u << 6)
#define ESR_ADDRESS	   (1u << 7)
#define VECTOR_LOWEST	   16 /* 0 to 15 are illegal for fixed and lowest-priority interrupts */
#define BROADCAST_XAPIC	   0xffu
#define BROADCAST_X2APIC   0xffffffffu
#define ICR_MODE(icr)	   ((u32)(icr) >> 8 & 7)
#define ICR_SHORTHAND(icr) ((u32)(icr) >> 18 & 3)

enum icr_mode {
	ICR_FIXED = 0,
	ICR_LOWEST = 1,
	ICR_INIT = 5,
	ICR_RESERVED7 = 7,
};

#define ICR_ASSERT	   (1u << 14)
#define ICR_LEVEL	   (1u << 15)
#define ICR_SHORTHAND_SELF 1

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

static u32 *register_at(const struct vlapic *apic, u32 offset)
{
	return (u32 *)(void *)(apic->page + offset);
}

static void register_set(struct vlapic *apic, u32 offset, u32 value)
{
	*(volatile u32 *)register_at(apic, offset) = value;
}

static u32 writable_bits(const struct vlapic *apic, u32 offset)
{
	u32 writable = rules[offset >> 4].writable;

	/* Mode 10b does not exist without the TSC-deadline timer, so bit 18 is reserved (11.5.4).
	 */
	if (offset == VLAPIC_LVT_TIMER && !apic->has_tsc_deadline)
		writable &= ~(1u << 18);
	return writable;
}

static u32 *vector_word(const struct vlapic *apic, u32 bitmap, u8 vector)
{
	return register_at(apic, bitmap + vector / 32 * 16u);
}

static u32 vector_bit(u8 vector)
{
	return 1u << vector % 32;
}

inlined bool bitmap_test(const struct vlapic *apic, u32 bitmap, u8 vector)
{
	return *vector_word(apic, bitmap, vector) & vector_bit(vector);
}

/* In IRR or ISR; `words` are that one's. */
inlined void vector_set(struct vlapic *apic, u32 bitmap, u8 *words, u8 vector)
{
	*vector_word(apic, bitmap, vector) |= vector_bit(vector);
	*words |= (u8)(1u << vector / 32);
}

inlined void vector_clear(struct vlapic *apic, u32 bitmap, u8 *words, u8 vector)
{
	u32 *word = vector_word(apic, bitmap, vector);

	*word &= ~vector_bit(vector);
	if (!*word && !apic->virtualised)
		*words &= (u8) ~(1u << vector / 32);
}

/* The highest vector, or -1. */
inlined int highest(const struct vlapic *apic, u32 bitmap, u32 words)
{
	while (words) {
		u32 top = 31 ^ (u32)__builtin_clz(words);
		u32 word = vlapic_register(apic, bitmap + 16 * top);

		if (likely(word))
			return (int)(32 * top + (31 ^ (u32)__builtin_clz(word)));
		words ^= 1u << top;
	}
	return -1;
}

static int highest_in_service(const struct vlapic *apic)
{
	return highest(apic, VLAPIC_ISR, apic->isr_words);
}

/* SDM 11.8.3.1, with this vector in service, or none (-1). When the classes are equal the low bits
 * are the TPR's, as in PPR virtualisation (30.1.3). */
static u32 ppr_with(const struct vlapic *apic, int highest)
{
	u32 tpr = vlapic_register(apic, VLAPIC_TPR) & 0xff;
	u32 in_service = highest < 0 ? 0 : (u32)highest & 0xf0;

	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

static u32 ppr_compute(const struct vlapic *apic)
{
	return ppr_with(apic, highest_in_service(apic));
}

static void changed_if_pending(struct vlapic *apic)
{
	if (vlapic_pending(apic) >= 0)
		apic->ops->changed(apic);
}

static void ppr_update(struct vlapic *apic)
{
	register_set(apic, VLAPIC_PPR, ppr_compute(apic));
}

/* IRR or ISR: who injects interrupts into the guest looks at them each time, the CPU does not. */
static void vectors_changed(struct vlapic *apic)
{
	if (apic->virtualised)
		apic->untold |= VLAPIC_UNTOLD_VECTORS;
}

inlined void vector_add(struct vlapic *apic, u8 vector)
{
	apic->accepted++;
	if (bitmap_test(apic, VLAPIC_IRR, vector))
		return;
	vector_set(apic, VLAPIC_IRR, &apic->irr_words, vector);
	if (unlikely(apic->newest))
		apic->untold |= VLAPIC_UNTOLD_VECTORS;
	apic->newest = vector;
	apic->ops->changed(apic);
}

/* Its last one was triggered otherwise. */
static seldom void vector_add_other(struct vlapic *apic, u8 vector)
{
	*vector_word(apic, VLAPIC_TMR, vector) ^= vector_bit(vector);
	apic->untold |= VLAPIC_UNTOLD_MODES;
	apic->ops->changed(apic);
	vector_add(apic, vector);
}

inlined void vector_request(struct vlapic *apic, u8 vector, bool level)
{
	if (unlikely(bitmap_test(apic, VLAPIC_TMR, vector) != level))
		vector_add_other(apic, vector);
	else
		vector_add(apic, vector);
}

/* One error interrupt until the ESR is written (11.5.3). */
static seldom void error_raise(struct vlapic *apic, u32 errors)
{
	u32 lvt = vlapic_register(apic, VLAPIC_LVT_ERROR), before = apic->esr_pending;

	apic->esr_pending |= errors;
	if (before || lvt & LVT_MASKED)
		return;
	if ((u8)lvt < VECTOR_LOWEST)
		apic->esr_pending |= ESR_RECEIVE;
	else if (vlapic_listens(apic))
		vector_request(apic, (u8)lvt, false);
}

inlined void accept(struct vlapic *apic, u8 vector, bool level)
{
	if (unlikely(!vlapic_listens(apic)))
		return;
	if (unlikely(vector < VECTOR_LOWEST))
		error_raise(apic, ESR_RECEIVE);
	else
		vector_request(apic, vector, level);
}

void vlapic_timer_interrupt(struct vlapic *apic)
{
	u32 lvt = vlapic_register(apic, VLAPIC_LVT_TIMER) & (LVT_MASKED | 0xff);

	/* Not masked, and so the APIC listens: svr_apply, lvt_apply, registers_reset. */
	if (likely(lvt >= VECTOR_LOWEST && lvt < LVT_MASKED))
		vector_request(apic, (u8)lvt, false);
	else if (lvt < VECTOR_LOWEST)
		accept(apic, (u8)lvt, false);
}

void vlapic_accept(struct vlapic *apic, u8 vector, bool level)
{
	accept(apic, vector, level);
}

/* What was accepted before a software disable is held and still delivered (11.4.7.2). */
void vlapic_look(const struct vlapic *apic, struct vlapic_view *view)
{
	view->irr = highest(apic, VLAPIC_IRR, apic->irr_words);
	view->isr = highest_in_service(apic);
	view->several = view->irr >= 0 && !vlapic_is_alone(apic, (u8)view->irr);
	view->pending = view->irr >= 0 && vlapic_enabled(apic) &&
			vlapic_is_above(apic, (u8)view->irr, view->isr < 0 ? 0 : (u8)view->isr);
}

int vlapic_pending(const struct vlapic *apic)
{
	struct vlapic_view view;

	vlapic_look(apic, &view);
	return view.pending ? view.irr : -1;
}

void vlapic_take(struct vlapic *apic, u8 vector)
{
	vector_clear(apic, VLAPIC_IRR, &apic->irr_words, vector);
	vector_set(apic, VLAPIC_ISR, &apic->isr_words, vector);
	vectors_changed(apic);
	/* It is above what PPR was. */
	register_set(apic, VLAPIC_PPR, vector & 0xf0);
}

void vlapic_eoi_virtualised(struct vlapic *apic, u8 vector)
{
	if (bitmap_test(apic, VLAPIC_TMR, vector))
		apic->ops->eoi_broadcast(apic, vector);
}

void vlapic_eoi(struct vlapic *apic)
{
	int vector = highest_in_service(apic);

	if (vector < 0)
		return;
	vector_clear(apic, VLAPIC_ISR, &apic->isr_words, (u8)vector);
	vectors_changed(apic);
	ppr_update(apic);
	vlapic_eoi_virtualised(apic, (u8)vector);
	changed_if_pending(apic);
}

void vlapic_tpr_changed(struct vlapic *apic)
{
	ppr_update(apic);
	changed_if_pending(apic);
}

bool vlapic_accepts_pic(const struct vlapic *apic)
{
	u32 lint0 = vlapic_register(apic, VLAPIC_LVT_LINT0);

	if (!vlapic_enabled(apic) || !vlapic_software_enabled(apic))
		return true;
	return (lint0 & (LVT_MASKED | LVT_DELIVERY)) == LVT_EXTINT;
}

static bool matches_x2apic(const struct vlapic *apic, u32 destination, bool logical)
{
	u32 ldr = vlapic_register(apic, VLAPIC_LDR);

	if (!logical)
		return destination == apic->id;
	return destination >> 16 == ldr >> 16 && (destination & ldr & 0xffff);
}

static bool matches_xapic(const struct vlapic *apic, u32 destination, bool logical)
{
	u32 ldr = vlapic_register(apic, VLAPIC_LDR) >> 24;

	if (destination == BROADCAST_XAPIC)
		return true;
	if (destination > BROADCAST_XAPIC)
		return false;
	if (!logical) /* not its register, which an INIT clears and sets while others look */
		return destination == apic->id;
	switch (vlapic_register(apic, VLAPIC_DFR) >> 28) {
	case 0xf: /* flat model */
		return destination & ldr;
	case 0x0: /* cluster model; cluster 15 is all of them */
		return (destination >> 4 == ldr >> 4 || destination >> 4 == 0xf) &&
		       (destination & ldr & 0xf);
	default:
		return false;
	}
}

bool vlapic_matches(const struct vlapic *apic, u32 destination, bool logical)
{
	if (!vlapic_enabled(apic))
		return false;
	if (destination == BROADCAST_X2APIC)
		return true;
	return vlapic_x2apic(apic) ? matches_x2apic(apic, destination, logical)
				   : matches_xapic(apic, destination, logical);
}

static void self_ipi(struct vlapic *apic, u8 vector)
{
	/* An illegal vector is detected on the way out and on the way in (11.5.3). */
	if (vector < VECTOR_LOWEST)
		error_raise(apic, ESR_SEND_VECTOR | ESR_RECEIVE);
	else
		vlapic_accept(apic, vector, false);
}

void vlapic_send_ipi(struct vlapic *apic, u64 icr)
{
	u32 mode = ICR_MODE(icr);
	bool self = ICR_SHORTHAND(icr) == ICR_SHORTHAND_SELF;

	if (mode == VLAPIC_MODE_KICK || mode == ICR_RESERVED7)
		return;
	/* The INIT level de-assert message does nothing since the Pentium 4 (table 11-3). */
	if (mode == ICR_INIT && (icr & (ICR_ASSERT | ICR_LEVEL)) == ICR_LEVEL)
		return;
	if (self && mode == ICR_FIXED)
		self_ipi(apic, (u8)icr);
	else if (mode <= ICR_LOWEST && (u8)icr < VECTOR_LOWEST)
		error_raise(apic, ESR_SEND_VECTOR);
	else
		apic->ops->send_ipi(apic, icr);
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
	register_set(apic, VLAPIC_TPR, value);
	ppr_update(apic);
	/* Pending or not: the owner may hold a threshold that it has to keep below TPR. */
	apic->ops->changed(apic);
}

static void svr_apply(struct vlapic *apic, u32 value)
{
	register_set(apic, VLAPIC_SVR, value);
	for (unsigned i = 0; !(value & VLAPIC_SVR_ENABLE) && i < ARRAY_SIZE(lvts); i++)
		register_set(apic, lvts[i], vlapic_register(apic, lvts[i]) | LVT_MASKED);
	apic->ops->changed(apic);
}

static void lvt_apply(struct vlapic *apic, u32 offset, u32 value)
{
	/* Masks cannot be taken away while software-disabled (11.4.7.2). */
	register_set(apic, offset, vlapic_software_enabled(apic) ? value : value | LVT_MASKED);
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
		register_set(apic, VLAPIC_ID, id_register(apic));
		break;
	case VLAPIC_TPR:
		tpr_apply(apic, value);
		break;
	case VLAPIC_EOI:
		register_set(apic, VLAPIC_EOI, 0);
		vlapic_eoi(apic);
		break;
	case VLAPIC_DFR:
		register_set(apic, VLAPIC_DFR, value | 0x0fffffff);
		break;
	case VLAPIC_SVR:
		svr_apply(apic, value);
		break;
	case VLAPIC_ESR:
		register_set(apic, VLAPIC_ESR, apic->esr_pending);
		apic->esr_pending = 0;
		break;
	case VLAPIC_ICR_LOW:
		register_set(apic, VLAPIC_ICR_LOW, value);
		vlapic_send_ipi(apic, icr_value(apic));
		break;
	case VLAPIC_TIMER_INITIAL:
		register_set(apic, VLAPIC_TIMER_INITIAL, value);
		vlapic_timer_start(apic, device_now(apic->host));
		break;
	case VLAPIC_TIMER_DIVIDE:
		register_set(apic, VLAPIC_TIMER_DIVIDE, value);
		vlapic_timer_divide_changed(apic);
		break;
	case VLAPIC_SELF_IPI:
		self_ipi(apic, (u8)value);
		break;
	case VLAPIC_LDR:
	case VLAPIC_ICR_HIGH:
		register_set(apic, offset, value);
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
		return ppr_compute(apic);
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
		error_raise(apic, ESR_ADDRESS);
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
		error_raise(apic, ESR_ADDRESS);
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
		register_set(apic, VLAPIC_ICR_LOW + 4, (u32)(value >> 32));
	else if (value >> 32)
		return -EINVAL;
	register_apply(apic, offset, (u32)value & writable);
	return 0;
}

static void registers_reset(struct vlapic *apic)
{
	memset(apic->page, 0, PAGE_SIZE);
	register_set(apic, VLAPIC_ID, id_register(apic));
	register_set(apic, VLAPIC_VERSION, VERSION_VALUE);
	register_set(apic, VLAPIC_LDR, vlapic_x2apic(apic) ? ldr_derived(apic) : 0);
	register_set(apic, VLAPIC_DFR, 0xffffffff);
	register_set(apic, VLAPIC_SVR, SVR_RESET);
	for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
		register_set(apic, lvts[i], LVT_MASKED);
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
	register_set(apic, VLAPIC_ID, id_register(apic));
	register_set(apic, VLAPIC_LDR, ldr_derived(apic));
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
