/* SPDX-License-Identifier: MIT */
/*
 * The local APIC's interrupts: what is accepted, what waits, what is in service, what comes first,
 * and the end of each (SDM vol. 3, 11.8). Errors are interrupts of its own (11.5.3).
 */
#include "vlapic_internal.h"

#define LVT_DELIVERY (7u << 8)
#define LVT_EXTINT   (7u << 8)

static u32 *register_at(const struct vlapic *apic, u32 offset)
{
	return (u32 *)(void *)(apic->page + offset);
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

u32 vlapic_ppr(const struct vlapic *apic)
{
	return ppr_with(apic, highest_in_service(apic));
}

static void changed_if_pending(struct vlapic *apic)
{
	if (vlapic_pending(apic) >= 0)
		apic->ops->changed(apic);
}

void vlapic_ppr_update(struct vlapic *apic)
{
	vlapic_register_set(apic, VLAPIC_PPR, vlapic_ppr(apic));
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

seldom void vlapic_error(struct vlapic *apic, u32 errors)
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
		vlapic_error(apic, ESR_RECEIVE);
	else
		vector_request(apic, vector, level);
}

inlined void timer_interrupt(struct vlapic *apic)
{
	u32 lvt = vlapic_register(apic, VLAPIC_LVT_TIMER) & (LVT_MASKED | 0xff);

	/* Not masked, and so the APIC listens: svr_apply, lvt_apply, registers_reset. */
	if (likely(lvt >= VECTOR_LOWEST && lvt < LVT_MASKED))
		vector_request(apic, (u8)lvt, false);
	else if (lvt < VECTOR_LOWEST)
		accept(apic, (u8)lvt, false);
}

void vlapic_timer_interrupt(struct vlapic *apic)
{
	timer_interrupt(apic);
}

void vlapic_timer_expired(struct vlapic *apic)
{
	apic->tsc_deadline = 0;
	if (unlikely(apic->timer_mode == VLAPIC_TIMER_PERIODIC))
		vlapic_timer_restart(apic);
	timer_interrupt(apic);
}

void vlapic_accept(struct vlapic *apic, u8 vector, bool level)
{
	accept(apic, vector, level);
}

/* `vector` is the highest in IRR: whether it is the only one. */
static bool is_alone(const struct vlapic *apic, u8 vector)
{
	const u64 *irr = (const u64 *)(void *)(apic->page + VLAPIC_IRR);
	/* Of each 16 bytes the first four are a register, the others 0. */
	u64 sum = irr[0] + irr[2] + irr[4] + irr[6] + irr[8] + irr[10] + irr[12] + irr[14];

	return sum == 1UL << (vector & 31);
}

/* What was accepted before a software disable is held and still delivered (11.4.7.2). */
void vlapic_look(const struct vlapic *apic, struct vlapic_view *view)
{
	view->irr = highest(apic, VLAPIC_IRR, apic->irr_words);
	view->isr = highest_in_service(apic);
	view->several = view->irr >= 0 && !is_alone(apic, (u8)view->irr);
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
	vlapic_register_set(apic, VLAPIC_PPR, vector & 0xf0);
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
	vlapic_ppr_update(apic);
	vlapic_eoi_virtualised(apic, (u8)vector);
	changed_if_pending(apic);
}

void vlapic_tpr_changed(struct vlapic *apic)
{
	vlapic_ppr_update(apic);
	changed_if_pending(apic);
}

bool vlapic_accepts_pic(const struct vlapic *apic)
{
	u32 lint0 = vlapic_register(apic, VLAPIC_LVT_LINT0);

	if (!vlapic_enabled(apic) || !vlapic_software_enabled(apic))
		return true;
	return (lint0 & (LVT_MASKED | LVT_DELIVERY)) == LVT_EXTINT;
}
