/* SPDX-License-Identifier: MIT */
/*
 * Delivering interrupts to the guest. With virtual-interrupt delivery the CPU takes them from the
 * virtual-APIC page by itself, one after the other, as soon as the guest can take each. Without it
 * one is injected then. Interrupts of the 8259 pair are always injected, as they have no bit in the
 * APIC.
 */
#include "vmx.h"

#include "advance.h"
#include "instructions.h"

#include <bulkhead/exit.h>
#include <bulkhead/trace.h>

#define BLOCKED (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)

inlined void control_set(struct vcpu *vcpu, u32 bit, bool on)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u32 controls = vmx->cpu_controls;

	if (!(controls & bit) == !on)
		return;
	controls ^= bit;
	vmx->cpu_controls = controls;
	vmwrite_sure(PRIMARY_CONTROLS, controls);
}

void vmx_cpu_control(struct vcpu *vcpu, u32 bit, bool on)
{
	control_set(vcpu, bit, on);
}

void vmx_inject(struct vcpu *vcpu, u32 event, u32 error_code)
{
	vmwrite_sure(ENTRY_INTERRUPTION, event | EVENT_VALID);
	if (event & EVENT_ERROR_CODE)
		vmwrite(ENTRY_ERROR_CODE, error_code);
	trace(TRACE_INJECT, vcpu->thread.number, event);
}

void vmx_inject_exception(struct vcpu *vcpu, u8 vector)
{
	vmx_inject(vcpu, EVENT_EXCEPTION | vector, 0);
}

void vmx_inject_fault(struct vcpu *vcpu, u8 vector, u32 error_code)
{
	/* Real mode has no error codes (SDM vol. 3, 27.2.1.3). */
	u32 with_code = vmread(GUEST_CR0) & CR0_PE ? EVENT_ERROR_CODE : 0;

	vmx_inject(vcpu, EVENT_EXCEPTION | with_code | vector, error_code);
}

/* Whether the next entry injects something already: an exit takes that back (SDM vol. 3, 28.2). */
inlined bool event_is_set(void)
{
	return vmread_sure(ENTRY_INTERRUPTION) & EVENT_VALID;
}

inlined bool is_masked(void)
{
	u64 flags = vmread_sure(GUEST_RFLAGS);

	return !(flags & RFLAGS_IF) || (vmread_sure(GUEST_INTERRUPTIBILITY) & BLOCKED) ||
	       event_is_set() || vmx_trap_is_pending(flags);
}

/* An exit when the guest can take an interrupt, or none. */
inlined void window_set(struct vcpu *vcpu, bool on)
{
	control_set(vcpu, CPU_INTERRUPT_WINDOW, on);
}

/*
 * An exit when the guest can take an NMI. Not every CPU holds it back in the shadow of STI (SDM
 * vol. 3, 26.2), but some refuse an NMI there (27.3.1.5): the guest would never get on. In that of
 * MOV SS, which is as long, all do the same. What comes first, an event or a trap, ends either.
 */
static void nmi_window_open(struct vcpu *vcpu, bool first)
{
	u64 state = vmread(GUEST_INTERRUPTIBILITY);

	if (state & INTERRUPTIBILITY_STI && !first)
		vmwrite(GUEST_INTERRUPTIBILITY,
			(state & ~(u64)INTERRUPTIBILITY_STI) | INTERRUPTIBILITY_MOV_SS);
	vmx_cpu_control(vcpu, CPU_NMI_WINDOW, true);
}

/* NMIs first: one is delivered, or the CPU is asked to say when it can be. */
static void deliver_nmi(struct vcpu *vcpu)
{
	bool first = event_is_set() || vmx_trap_is_pending(vmread(GUEST_RFLAGS));

	if (first || (vmread_sure(GUEST_INTERRUPTIBILITY) & (BLOCKED | INTERRUPTIBILITY_NMI))) {
		nmi_window_open(vcpu, first);
		return;
	}
	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_NMI, __ATOMIC_ACQUIRE);
	vmx_inject(vcpu, EVENT_NMI | 2, 0);
	vcpu->halted = false;
}

/* Take one interrupt from the 8259, or this one from the APIC. */
static void inject_next(struct vcpu *vcpu, bool pic, u8 vector)
{
	if (pic) {
		vector = exit_pic_acknowledge(vcpu);
		vcpu->pic_interrupts++;
	} else {
		vlapic_take(&vcpu->apic, vector);
	}
	vmx_inject(vcpu, EVENT_EXTERNAL | vector, 0);
	vcpu->halted = false;
}

/* Level-triggered interrupts must come to our notice when they end. */
static void eoi_exits_update(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	for (u32 i = 0; i < 8; i++) {
		u32 tmr = vlapic_register(&vcpu->apic, VLAPIC_TMR + 16 * i);

		if (tmr == vmx->eoi_exits[i])
			continue;
		vmx->eoi_exits[i] = tmr;
		vmwrite(EOI_EXIT_BITMAP0 + 2 * (i / 2),
			(u64)vmx->eoi_exits[i | 1] << 32 | vmx->eoi_exits[i & ~1u]);
	}
}

/* What the CPU must know of the software-held state of the APIC (SDM vol. 3, 30.2.1, 25.4.2). */
static void virtual_interrupts_update(struct vcpu *vcpu, const struct vlapic_view *view)
{
	u64 requested = view->irr < 0 ? 0 : (u64)view->irr;
	u64 in_service = view->isr < 0 ? 0 : (u64)view->isr;

	vmwrite_sure(GUEST_INTERRUPT_STATUS, in_service << 8 | requested);
	vcpu->apic.newest = 0;
	if (unlikely(vcpu->apic.untold & VLAPIC_UNTOLD_MODES))
		eoi_exits_update(vcpu);
	vcpu->apic.untold = 0;
}

/* Without virtual-interrupt delivery: be told when TPR no longer holds back what is pending. */
static void tpr_threshold_update(struct vcpu *vcpu, const struct vlapic_view *view)
{
	u32 tpr = vlapic_register(&vcpu->apic, VLAPIC_TPR) >> 4 & 0xf;
	u32 class = view->irr < 0 ? 0 : (u32)view->irr >> 4;

	vmwrite(TPR_THRESHOLD, class && class <= tpr ? class : 0);
	vcpu->apic.newest = 0;
	vcpu->apic.untold = (u8)(view->irr < 0 ? 0 : VLAPIC_UNTOLD_VECTORS);
}

/* An EOI matters to us when something waits for it: an interrupt, or the I/O APIC. */
static void offer_eoi(struct vcpu *vcpu, const struct vlapic_view *view)
{
	bool offer =
		view->isr >= 0 && view->irr < 0 && !vlapic_is_level(&vcpu->apic, (u8)view->isr);

	if (offer != vcpu->kvm.eoi_offered && vcpu->kvm.eoi & KVM_ON)
		kvm_eoi_offer(vcpu, offer);
}

static bool pic_waits(struct vcpu *vcpu)
{
	return unlikely(vcpu->pic_level) && exit_pic_pending(vcpu);
}

/* Has the APIC one that the CPU will not deliver by itself? */
static bool apic_waits(const struct vlapic_view *view)
{
	return !vmx_machine.controls.apic_registers && view->pending;
}

/* Whether the CPU, which has been told, delivers one by itself as soon as interrupts are on (SDM
 * vol. 3, 30.2.1). */
inlined bool virtual_is_due(const struct vcpu *vcpu)
{
	return vlapic_is_above_ppr(&vcpu->apic, (u8)vmread_sure(GUEST_INTERRUPT_STATUS));
}

inlined void virtual_wake(struct vcpu *vcpu)
{
	if (unlikely(vcpu->halted) && virtual_is_due(vcpu) && vmread_sure(GUEST_RFLAGS) & RFLAGS_IF)
		vcpu->halted = false;
}

/* NMIs, those of the 8259 pair, or several. */
static seldom void deliver_all(struct vcpu *vcpu)
{
	struct vlapic_view view;
	bool pic, apic;

	if (vcpu->kvm.eoi_offered) {
		vcpu_take_eoi(vcpu);
		__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_INTERRUPT, __ATOMIC_ACQUIRE);
	}
	vcpu_take_posted(vcpu);
	if (vcpu->requests & VCPU_REQUEST_NMI)
		deliver_nmi(vcpu);
	vlapic_look(&vcpu->apic, &view);
	pic = pic_waits(vcpu);
	apic = apic_waits(&view);
	if ((pic || apic) && !is_masked()) {
		bool more = pic || view.several;

		inject_next(vcpu, pic, (u8)view.irr);
		if (more)
			vlapic_look(&vcpu->apic, &view);
		else
			view = (struct vlapic_view){.irr = -1, .isr = view.irr};
		pic = pic_waits(vcpu);
		apic = apic_waits(&view);
	}
	window_set(vcpu, pic || apic);
	if (vmx_machine.controls.apic_registers) {
		virtual_interrupts_update(vcpu, &view);
		virtual_wake(vcpu);
	} else {
		tpr_threshold_update(vcpu, &view);
		offer_eoi(vcpu, &view);
	}
}

/* A vector that came alone, or none: what waits besides the CPU knows already. */
inlined void deliver_virtual(struct vcpu *vcpu)
{
	struct vlapic *apic = &vcpu->apic;
	u64 status = vmread_sure(GUEST_INTERRUPT_STATUS);

	if (apic->newest > (u8)status)
		vmwrite_sure(GUEST_INTERRUPT_STATUS, (status & 0xff00) | apic->newest);
	apic->newest = 0;
	virtual_wake(vcpu);
}

/* The same without virtual-interrupt delivery. Apart, so that the other saves no registers for it.
 */
static outlined void deliver_injected(struct vcpu *vcpu)
{
	struct vlapic *apic = &vcpu->apic;

	if (unlikely(vcpu->kvm.eoi_offered)) {
		deliver_all(vcpu);
		return;
	}
	if (!apic->newest || is_masked()) {
		window_set(vcpu, apic->newest);
		return;
	}
	if (apic->isr_words || vcpu->kvm.eoi & KVM_ON || !vlapic_is_above(apic, apic->newest, 0)) {
		deliver_all(vcpu);
		return;
	}
	inject_next(vcpu, false, apic->newest);
	window_set(vcpu, false);
	apic->newest = 0;
}

/* Most often one interrupt has come since, or none. The CPU is told its vector, or gets it injected
 * as soon as the guest can take it. */
void vmx_interrupt_deliver(struct vcpu *vcpu)
{
	/* First: who posts one after that says so again. */
	__atomic_and_fetch(&vcpu->requests, ~VCPU_REQUEST_INTERRUPT, __ATOMIC_ACQUIRE);
	if (unlikely(vcpu->apic.untold || vcpu->pic_level ||
		     __atomic_load_n(&vcpu->posted_any, __ATOMIC_RELAXED) ||
		     vcpu->requests & VCPU_REQUEST_NMI))
		deliver_all(vcpu);
	else if (vmx_machine.controls.apic_registers)
		deliver_virtual(vcpu);
	else
		deliver_injected(vcpu);
}

/* What was waited for is injected now, or nobody waits any longer. */
void vmx_exit_interrupt_window(struct vcpu *vcpu)
{
	window_set(vcpu, false);
	vmx_interrupt_deliver(vcpu);
}

/* The CPU knows of nothing that the guest would wake up for; but something may have come since. */
static outlined void halt(struct vcpu *vcpu)
{
	vcpu->halted = true;
	vmx_interrupt_deliver(vcpu);
	if (vcpu->halted)
		__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_BACKEND, __ATOMIC_RELAXED);
}

/*
 * HLT. What wakes it may be there already: who looks for work with interrupts masked, and finds
 * none, does STI and HLT, and an interrupt may have been faster. The instruction is over then and
 * with it the shadow of STI, so IF alone says whether interrupts are taken. The trap behind it
 * wakes it, too.
 */
void vmx_exit_hlt(struct vcpu *vcpu)
{
	u64 flags = vmx_advance();

	if (vmx_trap_is_pending(flags))
		return;
	if (!(flags & RFLAGS_IF) || !vmx_machine.controls.apic_registers || !virtual_is_due(vcpu))
		halt(vcpu);
}
