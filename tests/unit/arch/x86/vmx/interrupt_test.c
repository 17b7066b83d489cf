/* SPDX-License-Identifier: MIT */
/*
 * How interrupts get to the guest, against a CPU that does at an entry what SDM vol. 3, chapters 27
 * and 30 say: single decisions first, then whatever may happen in any order.
 */
/* links: drivers/virt/vlapic.c drivers/virt/vlapic_interrupt.c */
/* links: drivers/virt/vlapic_message.c drivers/virt/vlapic_timer.c */
#include "fake_vmcs_access.h"

#include <stdlib.h>

#include "drivers/virt/fake_host.h"
#include <arch/x86/vmx/vmx.h>
#include <bulkhead/exit.h>
#include <bulkhead/trace.h>

struct vmx_machine vmx_machine;
bool trace_on;

static struct fake_host host;
static struct vcpu vcpu;
static struct vmx_vcpu vmx;
static u8 page[4096] aligned(4096);

/* What waits elsewhere. */
static u8 posted;      /* by another CPU; 0: nothing */
static u8 pic_vector;  /* 0: the 8259 pair has nothing */
static bool eoi_comes; /* the guest has ended its interrupt through its memory */
static unsigned ended;

void trace_write(enum trace_kind kind unused, u32 who unused, u32 data unused)
{
	fail_msg("the trace is off");
}

bool exit_pic_pending(struct vcpu *of unused)
{
	return pic_vector;
}

u8 exit_pic_acknowledge(struct vcpu *of)
{
	u8 vector = pic_vector;

	pic_vector = 0;
	of->pic_level = false;
	return vector;
}

void vcpu_move_posted(struct vcpu *of)
{
	of->posted_any = false;
	vlapic_accept(&of->apic, posted, false);
	posted = 0;
}

void kvm_eoi_offer(struct vcpu *of, bool offer)
{
	of->kvm.eoi_offered = offer;
}

void kvm_eoi_take(struct vcpu *of)
{
	if (!eoi_comes)
		return;
	of->kvm.eoi_offered = eoi_comes = false;
	vlapic_eoi(&of->apic);
}

static void on_ipi(struct vlapic *apic unused, u64 icr unused)
{
	fail_msg("no IPI is sent here");
}

static void on_broadcast(struct vlapic *apic unused, u8 vector unused)
{
	ended++;
}

static void on_changed(struct vlapic *apic unused)
{
	vcpu.requests |= VCPU_REQUEST_INTERRUPT;
}

static const struct vlapic_ops apic_ops = {on_ipi, on_broadcast, on_changed};

#define RIP	   0x401000UL
#define HLT_LENGTH 1

/* The guest runs with interrupts on. */
static void start_as(bool virtualised)
{
	fake_vmcs_init();
	fake_init(&host);
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&vmx, 0, sizeof(vmx));
	memset(page, 0, sizeof(page));
	posted = pic_vector = 0;
	eoi_comes = false;
	ended = 0;
	vmx_machine.controls.apic_registers = virtualised;
	vcpu.virt = &vmx;
	vcpu.apic.bus_divisor = 1;
	vcpu.apic.virtualised = virtualised;
	vlapic_init(&vcpu.apic, page, 0, &host.host, &apic_ops);
	vlapic_write(&vcpu.apic, VLAPIC_SVR, 0x1ff);
	fake_fields[GUEST_RIP] = RIP;
	fake_fields[EXIT_INSTRUCTION_LENGTH] = HLT_LENGTH;
	fake_fields[GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_IF;
	vmx_interrupt_deliver(&vcpu);
	vcpu.requests = 0;
}

static void interrupts(bool on)
{
	u64 flags = fake_fields[GUEST_RFLAGS];

	fake_fields[GUEST_RFLAGS] = on ? flags | RFLAGS_IF : flags & ~RFLAGS_IF;
}

static void accept_edge(u8 vector)
{
	vlapic_accept(&vcpu.apic, vector, false);
}

static bool window(void)
{
	assert_int_equal(fake_fields[PRIMARY_CONTROLS] & CPU_INTERRUPT_WINDOW,
			 vmx.cpu_controls & CPU_INTERRUPT_WINDOW);
	return vmx.cpu_controls & CPU_INTERRUPT_WINDOW;
}

static u8 requested(void)
{
	return (u8)fake_fields[GUEST_INTERRUPT_STATUS];
}

static u32 injected(void)
{
	u64 event = fake_fields[ENTRY_INTERRUPTION];

	return event & EVENT_VALID ? (u32)(event & ~(u64)EVENT_VALID) : 0;
}

/* An exit takes back what is to be injected. */
static void exit_guest(void)
{
	fake_fields[ENTRY_INTERRUPTION] &= ~(u64)EVENT_VALID;
}

/* What the exit before left to do, as vmx_go_on and vmx_prepare do it. */
static void look_at_requests(void)
{
	vmx_interrupt_deliver(&vcpu);
	vcpu.requests &= ~VCPU_REQUEST_BACKEND;
}

/* STI; HLT, or HLT alone with interrupts off. Whether it is awake. */
static bool halt(void)
{
	exit_guest();
	fake_fields[GUEST_INTERRUPTIBILITY] =
		fake_fields[GUEST_RFLAGS] & RFLAGS_IF ? INTERRUPTIBILITY_STI : 0;
	fake_fields[GUEST_RIP] = RIP;
	vmx_exit_hlt(&vcpu);
	assert_int_equal(fake_fields[GUEST_RIP], RIP + HLT_LENGTH);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], 0);
	/* Nobody but the request asks whether it has halted. */
	assert_true(!vcpu.halted || vcpu.requests & VCPU_REQUEST_BACKEND);
	if (vcpu.requests)
		look_at_requests();
	return !vcpu.halted;
}

/* --- HLT --- */

static void hlt_nothing(void)
{
	assert_false(halt());
	assert_false(window());
	assert_int_equal(requested(), 0);
	assert_int_equal(injected(), 0);
}

/* It came while the guest masked interrupts: the CPU knows of it already. */
static void hlt_one(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	assert_false(window());
	assert_int_equal(requested(), 0x41);
	interrupts(true);
	assert_true(halt());
	assert_false(window());
	assert_int_equal(requested(), 0x41);
	assert_int_equal(injected(), 0);
	assert_int_equal(vcpu.requests, 0);
}

/* It came in the same exit, or from another CPU. */
static void hlt_news(void)
{
	accept_edge(0x41);
	assert_true(halt());
	assert_int_equal(requested(), 0x41);
}

static void hlt_one_masked(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	assert_false(halt());
	assert_int_equal(injected(), 0);
	/* Nor does another one end it. */
	accept_edge(0x51);
	look_at_requests();
	assert_true(vcpu.halted);
}

static void hlt_one_below_tpr(void)
{
	interrupts(false);
	page[VLAPIC_TPR] = page[VLAPIC_PPR] = 0x48; /* as a CPU leaves it */
	accept_edge(0x47);
	look_at_requests();
	interrupts(true);
	assert_false(halt());
	/* One that is above it ends the halt. */
	accept_edge(0x50);
	look_at_requests();
	assert_false(vcpu.halted);
}

static void hlt_one_above_tpr(void)
{
	interrupts(false);
	page[VLAPIC_TPR] = page[VLAPIC_PPR] = 0x4f;
	accept_edge(0x50);
	look_at_requests();
	interrupts(true);
	assert_true(halt());
	assert_int_equal(requested(), 0x50);
}

/* A handler that lets others in and halts: only those of a higher class. */
static void hlt_in_service(void)
{
	accept_edge(0x45);
	look_at_requests();
	page[VLAPIC_IRR + 0x20] = 0;
	page[VLAPIC_ISR + 0x20] = 1 << 5;
	page[VLAPIC_PPR] = 0x40;
	fake_fields[GUEST_INTERRUPT_STATUS] = 0x4500;
	interrupts(false);
	accept_edge(0x4f);
	look_at_requests();
	interrupts(true);
	assert_false(halt());
	assert_int_equal(fake_fields[GUEST_INTERRUPT_STATUS], 0x454f);
	accept_edge(0x53);
	look_at_requests();
	assert_false(vcpu.halted);
}

/* The highest, whatever came first; the others follow by themselves. */
static void hlt_several(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	accept_edge(0x61);
	accept_edge(0x51);
	look_at_requests();
	interrupts(true);
	assert_true(halt());
	assert_int_equal(requested(), 0x61);
	assert_int_equal(injected(), 0);
	assert_false(window());
}

/* It is level-triggered: its end is asked for before it begins. */
static void hlt_level(void)
{
	interrupts(false);
	vlapic_accept(&vcpu.apic, 0x42, true);
	look_at_requests();
	interrupts(true);
	assert_true(halt());
	assert_int_equal(requested(), 0x42);
	assert_int_equal(fake_fields[EOI_EXIT_BITMAP0 + 2], 1UL << 2);
}

static void hlt_posted(void)
{
	posted = 0x71;
	vcpu.posted_any = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	assert_true(halt());
	assert_int_equal(requested(), 0x71);
}

/* Beside one that ends the halt already. */
static void hlt_posted_too(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	interrupts(true);
	posted = 0x71;
	vcpu.posted_any = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	assert_true(halt());
	assert_int_equal(requested(), 0x71);
}

static void hlt_nmi(void)
{
	interrupts(false);
	vcpu.requests = VCPU_REQUEST_INTERRUPT | VCPU_REQUEST_NMI;
	assert_true(halt());
	assert_int_equal(injected(), EVENT_NMI | 2);
	assert_int_equal(vcpu.requests, 0);
}

/* The NMI first. */
static void hlt_nmi_too(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	interrupts(true);
	vcpu.requests = VCPU_REQUEST_INTERRUPT | VCPU_REQUEST_NMI;
	assert_true(halt());
	assert_int_equal(injected(), EVENT_NMI | 2);
	assert_int_equal(requested(), 0x41);
}

static void hlt_pic(void)
{
	pic_vector = 0x20;
	vcpu.pic_level = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	assert_true(halt());
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x20);
	interrupts(false);
	pic_vector = 0x21;
	vcpu.pic_level = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	assert_false(halt());
	assert_true(window());
}

/* Without virtual-interrupt delivery the same comes to an injection. */
static void hlt_injects(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	assert_true(window());
	interrupts(true);
	assert_true(halt());
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x41);
	assert_false(window());
	assert_int_equal(fake_fields[GUEST_INTERRUPT_STATUS], 0);
	/* It is in service: one of its class waits. */
	accept_edge(0x42);
	look_at_requests();
	assert_false(halt());
	assert_int_equal(injected(), 0);
}

/* What waits behind one in service that has ended through the guest's memory. */
static void hlt_after_eoi(void)
{
	vcpu.kvm.eoi = KVM_ON;
	accept_edge(0x41);
	look_at_requests();
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x41);
	assert_true(vcpu.kvm.eoi_offered);
	accept_edge(0x42);
	eoi_comes = true;
	assert_true(halt());
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x42);
}

static void hlt_before_eoi(void)
{
	vcpu.kvm.eoi = KVM_ON;
	accept_edge(0x41);
	look_at_requests();
	accept_edge(0x42);
	assert_false(halt());
	assert_int_equal(injected(), 0);
	assert_false(vcpu.kvm.eoi_offered);
}

/* Single-stepping traps after HLT as after any other. */
static void hlt_stepped(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	interrupts(true);
	fake_fields[GUEST_RFLAGS] |= RFLAGS_TF;
	assert_true(halt());
	assert_int_equal(fake_fields[GUEST_PENDING_DEBUG], BIT(14));
	assert_int_equal(requested(), 0x41);
}

/* --- the interrupt window --- */

/* Of the 8259 pair's, which is injected, the APIC's follows without an exit. */
static void window_pic(void)
{
	interrupts(false);
	pic_vector = 0x20;
	vcpu.pic_level = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	look_at_requests();
	accept_edge(0x41);
	look_at_requests();
	assert_true(window());
	interrupts(true);
	vmx_exit_interrupt_window(&vcpu);
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x20);
	assert_int_equal(requested(), 0x41);
	assert_false(window());
}

/* The 8259 pair has thought better of it. */
static void window_for_nothing(void)
{
	interrupts(false);
	pic_vector = 0x20;
	vcpu.pic_level = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	look_at_requests();
	assert_true(window());
	pic_vector = 0;
	vcpu.pic_level = false;
	interrupts(true);
	vmx_exit_interrupt_window(&vcpu);
	assert_int_equal(injected(), 0);
	assert_false(window());
}

static void window_one(void)
{
	interrupts(false);
	accept_edge(0x41);
	look_at_requests();
	assert_true(window());
	interrupts(true);
	vmx_exit_interrupt_window(&vcpu);
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x41);
	assert_false(window());
}

static void window_several(void)
{
	interrupts(false);
	accept_edge(0x41);
	accept_edge(0x51);
	accept_edge(0x61);
	look_at_requests();
	interrupts(true);
	vmx_exit_interrupt_window(&vcpu);
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x61);
	assert_false(window());
	exit_guest();
	vlapic_eoi(&vcpu.apic);
	look_at_requests();
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x51);
}

/* Something is injected already, say an exception: the other one waits. */
static void behind_an_event(void)
{
	vmx_inject_exception(&vcpu, 6);
	accept_edge(0x41);
	look_at_requests();
	assert_int_equal(injected(), EVENT_EXCEPTION | 6);
	assert_true(window());
}

/* --- the NMI window --- */

static bool nmi_window(void)
{
	return fake_fields[PRIMARY_CONTROLS] & CPU_NMI_WINDOW;
}

static void request_nmi(u64 interruptibility)
{
	fake_fields[GUEST_INTERRUPTIBILITY] = interruptibility;
	vcpu.requests = VCPU_REQUEST_INTERRUPT | VCPU_REQUEST_NMI;
	look_at_requests();
	assert_int_equal(vcpu.requests, VCPU_REQUEST_NMI);
	assert_true(nmi_window());
}

/* Whether the shadow of STI holds the window back is the CPU's affair (SDM vol. 3, 26.2): if not,
 * the guest would never get on. */
static void nmi_after_sti(void)
{
	request_nmi(INTERRUPTIBILITY_STI);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_MOV_SS);
	assert_int_equal(injected(), 0);
}

static void nmi_after_mov_ss(void)
{
	request_nmi(INTERRUPTIBILITY_MOV_SS);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_MOV_SS);
	request_nmi(INTERRUPTIBILITY_NMI);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_NMI);
	request_nmi(INTERRUPTIBILITY_NMI | INTERRUPTIBILITY_STI);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY],
			 INTERRUPTIBILITY_NMI | INTERRUPTIBILITY_MOV_SS);
	assert_int_equal(injected(), 0);
}

/* An event ends the shadow anyhow; one of some kinds must not be injected in that of MOV SS. */
static void nmi_behind_an_event(void)
{
	vmx_inject(&vcpu, EVENT_NMI | 2, 0);
	request_nmi(INTERRUPTIBILITY_STI);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_STI);
	assert_int_equal(injected(), EVENT_NMI | 2);
}

/* --- the trap of single-stepping, which an injected interrupt would lose --- */

/* After an instruction that exited. */
static void step_pending(void)
{
	fake_fields[GUEST_RFLAGS] |= RFLAGS_TF;
	fake_fields[GUEST_PENDING_DEBUG] = BIT(14);
}

/* The #DB that it comes to has exited, and is reflected. */
static void step_trapped(void)
{
	fake_fields[GUEST_PENDING_DEBUG] = 0;
	vmx_inject_exception(&vcpu, 1);
	fake_fields[GUEST_RFLAGS] &= ~(u64)RFLAGS_TF;
	exit_guest();
}

static void step_before_interrupt(void)
{
	step_pending();
	accept_edge(0x41);
	look_at_requests();
	assert_int_equal(injected(), 0);
	assert_true(window());
	step_trapped();
	vmx_exit_interrupt_window(&vcpu);
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x41);
	assert_false(window());
}

static void step_before_pic(void)
{
	step_pending();
	fake_fields[GUEST_PENDING_DEBUG] = BIT(12) | 1; /* a breakpoint */
	pic_vector = 0x20;
	vcpu.pic_level = true;
	vcpu.requests = VCPU_REQUEST_INTERRUPT;
	look_at_requests();
	assert_int_equal(injected(), 0);
	assert_true(window());
	step_trapped();
	vmx_exit_interrupt_window(&vcpu);
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x20);
}

static void step_before_nmi(void)
{
	step_pending();
	request_nmi(0);
	assert_int_equal(injected(), 0);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], 0);
	/* That of MOV SS would hold it back, too. */
	request_nmi(INTERRUPTIBILITY_STI);
	assert_int_equal(fake_fields[GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_STI);
	fake_fields[GUEST_INTERRUPTIBILITY] = 0;
	step_trapped();
	look_at_requests();
	assert_int_equal(injected(), EVENT_NMI | 2);
}

/* Single-stepping alone is no reason: the trap is taken already, or comes later. */
static void step_not_pending(void)
{
	fake_fields[GUEST_RFLAGS] |= RFLAGS_TF;
	accept_edge(0x41);
	look_at_requests();
	assert_int_equal(injected(), EVENT_EXTERNAL | 0x41);
	exit_guest();
	vcpu.requests = VCPU_REQUEST_INTERRUPT | VCPU_REQUEST_NMI;
	look_at_requests();
	assert_int_equal(injected(), EVENT_NMI | 2);
}

/* The pending trap ends HLT at once, interrupts or not. */
static void step_hlt(void)
{
	step_pending();
	interrupts(false);
	assert_true(halt());
	assert_int_equal(fake_fields[GUEST_PENDING_DEBUG], BIT(14));
	assert_int_equal(injected(), 0);
	interrupts(true);
	assert_true(halt());
	assert_int_equal(vcpu.requests, 0);
}

/* Stepping from branch to branch there is none: with it pending entries fail in the shadow of STI
 * or MOV SS, and else it would come too early (SDM vol. 3, 27.3.1.5). */
static void step_branches(void)
{
	fake_fields[GUEST_RFLAGS] |= RFLAGS_TF;
	fake_fields[GUEST_DEBUGCTL] = DEBUGCTL_BTF;
	assert_false(halt());
	assert_int_equal(fake_fields[GUEST_PENDING_DEBUG], 0);
}

/* --- in any order --- */

/* What waits and is in service, told apart from the page. */
static bool waits[256], serves[256];

static int top(const bool *set)
{
	for (int i = 255; i >= 0; i--)
		if (set[i])
			return i;
	return -1;
}

static u32 priority(void)
{
	int serving = top(serves);

	return MAX((u32)page[VLAPIC_TPR] >> 4, serving < 0 ? 0 : (u32)serving >> 4);
}

static bool may_interrupt(void)
{
	return fake_fields[GUEST_RFLAGS] & RFLAGS_IF && !(fake_fields[GUEST_INTERRUPTIBILITY] & 3);
}

/* The vector that has to come now, or -1. */
static int due(void)
{
	int vector = top(waits);

	return may_interrupt() && vector >= 0 && (u32)vector >> 4 > priority() ? vector : -1;
}

static int top_of_page(u32 bitmap)
{
	for (int i = 255; i >= 0; i--)
		if (page[bitmap + (u32)i / 32 * 16 + (u32)i % 32 / 8] >> i % 8 & 1)
			return i;
	return -1;
}

static void page_bit(u32 bitmap, u8 vector, bool on)
{
	u8 *byte = &page[bitmap + vector / 32u * 16 + vector % 32u / 8],
	   bit = (u8)(1 << vector % 8);

	*byte = on ? *byte | bit : *byte & (u8)~bit;
}

static void status_set(int rvi, int svi)
{
	fake_fields[GUEST_INTERRUPT_STATUS] = (u64)MAX(svi, 0) << 8 | (u64)MAX(rvi, 0);
}

/* 30.1.3 */
static void ppr_virtualise(void)
{
	u8 svi = (u8)(fake_fields[GUEST_INTERRUPT_STATUS] >> 8), tpr = page[VLAPIC_TPR];

	page[VLAPIC_PPR] = tpr >> 4 >= svi >> 4 ? tpr : svi & 0xf0;
}

static void takes(int vector)
{
	assert_int_equal(vector, due());
	waits[vector] = false;
	serves[vector] = true;
	interrupts(false);
}

/* 30.2.2 */
static void deliver_virtual(void)
{
	u8 vector = requested();

	takes(vector);
	page_bit(VLAPIC_ISR, vector, true);
	page_bit(VLAPIC_IRR, vector, false);
	status_set(top_of_page(VLAPIC_IRR), vector);
	page[VLAPIC_PPR] = vector & 0xf0;
}

/* Into the guest, until it runs an instruction. */
static void enter_once(void)
{
	for (unsigned i = 0;; i++) {
		assert_true(i < 3);
		if (vcpu.requests)
			look_at_requests();
		if (vmx_machine.controls.apic_registers)
			ppr_virtualise();
		if (injected()) {
			takes((u8)injected());
			exit_guest();
		} else if (window() && may_interrupt()) {
			vmx_exit_interrupt_window(&vcpu);
			continue;
		} else if (!window() && vmx_machine.controls.apic_registers &&
			   requested() >> 4 > page[VLAPIC_PPR] >> 4 && may_interrupt()) {
			deliver_virtual();
		}
		break;
	}
	assert_int_equal(due(), -1);
}

/* And until it is out of the shadow of STI or MOV SS. */
static void enter(void)
{
	enter_once();
	if (fake_fields[GUEST_INTERRUPTIBILITY]) {
		fake_fields[GUEST_INTERRUPTIBILITY] = 0;
		enter_once();
	}
}

/* 30.1.4, and as an exit where the CPU does not do it. */
static void end_of_interrupt(void)
{
	int vector = top(serves);

	if (vector < 0)
		return;
	serves[vector] = false;
	if (!vmx_machine.controls.apic_registers) {
		vlapic_eoi(&vcpu.apic);
		return;
	}
	page_bit(VLAPIC_ISR, (u8)vector, false);
	status_set(requested(), top_of_page(VLAPIC_ISR));
	ppr_virtualise();
	if (fake_fields[EOI_EXIT_BITMAP0 + 2 * (vector / 64)] >> vector % 64 & 1)
		vlapic_eoi_virtualised(&vcpu.apic, (u8)vector);
}

static void task_priority(u8 priority)
{
	if (vmx_machine.controls.apic_registers)
		page[VLAPIC_TPR] = priority;
	else
		vlapic_write(&vcpu.apic, VLAPIC_TPR, priority);
}

/* By the CPU itself. */
static void self_ipi(u8 vector)
{
	if (!vmx_machine.controls.apic_registers) {
		accept_edge(vector);
	} else {
		page_bit(VLAPIC_IRR, vector, true);
		status_set(MAX(requested(), vector), top_of_page(VLAPIC_ISR));
	}
	waits[vector] = true;
}

static void halt_somewhere(void)
{
	int vector;

	if (rand() % 4)
		interrupts(true);
	vector = top(waits);
	/* The shadow of STI is over when the instruction is. */
	assert_int_equal(halt(), fake_fields[GUEST_RFLAGS] & RFLAGS_IF && vector >= 0 &&
					 (u32)vector >> 4 > priority());
	vcpu.halted = false; /* by a kick */
}

static void step(void)
{
	u8 vector = (u8)(16 + rand() % 240);
	bool level = rand() % 8 == 0;

	if (rand() % 4 == 0)
		fake_fields[GUEST_INTERRUPTIBILITY] =
			rand() % 2 ? INTERRUPTIBILITY_STI : INTERRUPTIBILITY_MOV_SS;
	switch (rand() % 9) {
	case 0:
	case 1:
	case 2:
		vlapic_accept(&vcpu.apic, vector, level);
		waits[vector] = true;
		break;
	case 3:
		self_ipi(vector);
		break;
	case 4:
		task_priority((u8)(rand() % 2 ? 0 : rand()));
		break;
	case 5:
		interrupts(rand() % 2);
		break;
	case 6:
		halt_somewhere();
		break;
	default:
		end_of_interrupt();
	}
	enter();
}

static void any_order(bool virtualised)
{
	srand(7);
	for (unsigned round = 0; round < 200; round++) {
		start_as(virtualised);
		memset(waits, 0, sizeof(waits));
		memset(serves, 0, sizeof(serves));
		for (unsigned i = 0; i < 300; i++)
			step();
		/* Nothing is lost. */
		task_priority(0);
		for (unsigned i = 0; i < 1000 && (top(waits) >= 0 || top(serves) >= 0); i++) {
			end_of_interrupt();
			interrupts(true);
			enter();
		}
		assert_int_equal(top(waits), -1);
		assert_int_equal(top(serves), -1);
	}
}

static void any_order_virtualised(void)
{
	any_order(true);
}

static void any_order_injecting(void)
{
	any_order(false);
}

/* In the test itself, as cmocka handles signals of its own in what it calls. */
static void run_virtualised(void **state)
{
	start_as(true);
	((void (*)(void)) * state)();
}

static void run_injecting(void **state)
{
	start_as(false);
	((void (*)(void)) * state)();
}

/* clang-format off */
#define VIRTUALISED(test) { #test, run_virtualised, NULL, NULL, (void *)(test) }
#define INJECTING(test)   { #test " (injected)", run_injecting, NULL, NULL, (void *)(test) }
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		VIRTUALISED(hlt_nothing),
		VIRTUALISED(hlt_one),
		VIRTUALISED(hlt_one_masked),
		VIRTUALISED(hlt_one_below_tpr),
		VIRTUALISED(hlt_one_above_tpr),
		VIRTUALISED(hlt_in_service),
		VIRTUALISED(hlt_several),
		VIRTUALISED(hlt_level),
		VIRTUALISED(hlt_posted),
		VIRTUALISED(hlt_posted_too),
		VIRTUALISED(hlt_nmi),
		VIRTUALISED(hlt_nmi_too),
		VIRTUALISED(hlt_pic),
		VIRTUALISED(hlt_stepped),
		INJECTING(hlt_nothing),
		INJECTING(hlt_one_masked),
		INJECTING(hlt_one_below_tpr),
		INJECTING(hlt_nmi),
		INJECTING(hlt_pic),
		INJECTING(hlt_injects),
		INJECTING(hlt_after_eoi),
		INJECTING(hlt_before_eoi),
		VIRTUALISED(hlt_news),
		VIRTUALISED(window_pic),
		VIRTUALISED(window_for_nothing),
		INJECTING(window_one),
		INJECTING(window_several),
		INJECTING(window_for_nothing),
		INJECTING(behind_an_event),
		VIRTUALISED(nmi_after_sti),
		VIRTUALISED(nmi_after_mov_ss),
		VIRTUALISED(nmi_behind_an_event),
		INJECTING(step_before_interrupt),
		VIRTUALISED(step_before_pic),
		VIRTUALISED(step_before_nmi),
		INJECTING(step_not_pending),
		VIRTUALISED(step_hlt),
		INJECTING(step_hlt),
		VIRTUALISED(step_branches),
		VIRTUALISED(any_order_virtualised),
		INJECTING(any_order_injecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
