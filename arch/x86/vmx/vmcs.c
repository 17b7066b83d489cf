/* SPDX-License-Identifier: MIT */
/* Filling a VMCS: controls, where exits land, and the guest's first state. */
#include "vmx.h"

#include "../arch_cpu.h"
#include "../guest_cpuid.h"
#include "../instructions.h"
#include "instructions.h"

#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

/*
 * #AC and #DB are taken although guests handle them themselves: a guest whose handler raises them
 * again without end would otherwise keep the CPU in event delivery, where no interrupt and no timer
 * reaches it. #MC concerns the machine.
 */
#define EXCEPTIONS (BIT(1) | BIT(17) | BIT(18))

/* CR4 bits that exit although guests may set them: MCE must stay on, for the machine's sake. */
#define CR4_OWNED (CR4_MCE | CR4_VMXE | CR4_SMXE)

/*
 * PAUSE-loop exiting (SDM vol. 3, 26.1.3): PAUSEs closer together than the gap are one loop, and
 * one that lasts longer than the window exits. Locks are held for less, if their holder runs.
 */
#define PAUSE_GAP_TICKS	   128
#define PAUSE_WINDOW_TICKS 8192

struct segment_fields {
	enum vmcs_field selector, base, limit, rights;
	size_t offset; /* in struct cpu_state */
};

#define SEGMENT(NAME, name)                                                                        \
	{                                                                                          \
		GUEST_##NAME##_SELECTOR, GUEST_##NAME##_BASE, GUEST_##NAME##_LIMIT,                \
			GUEST_##NAME##_RIGHTS, offsetof(struct cpu_state, name)                    \
	}

static const struct segment_fields segments[] = {
	SEGMENT(ES, es), SEGMENT(CS, cs), SEGMENT(SS, ss),     SEGMENT(DS, ds),
	SEGMENT(FS, fs), SEGMENT(GS, gs), SEGMENT(LDTR, ldtr), SEGMENT(TR, tr),
};

/* Instructions that CPUID hides are not there, as far as VT-x can take them away. */
static u32 hide(const struct vcpu *vcpu, u32 cpu2)
{
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;
	u32 exiting = (cpu->rdrand ? 0 : CPU2_RDRAND) | (cpu->rdseed ? 0 : CPU2_RDSEED);
	u32 enabled = (cpu->rdtscp ? 0 : CPU2_RDTSCP) | (cpu->invpcid ? 0 : CPU2_INVPCID);

	return (cpu2 & ~enabled) | (exiting & vmx_machine.caps.cpu2.may);
}

static void controls_setup(struct vcpu *vcpu)
{
	const struct vmx_controls *c = &vmx_machine.controls;
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vmx->cpu_controls = c->cpu;
	vmx->cpu2_controls = hide(vcpu, c->cpu2);
	vmwrite(PIN_CONTROLS, c->pin);
	vmwrite(PRIMARY_CONTROLS, c->cpu);
	vmwrite(SECONDARY_CONTROLS, vmx->cpu2_controls);
	vmwrite(EXIT_CONTROLS, c->exit);
	vmwrite(EXCEPTION_BITMAP, EXCEPTIONS);
	vmwrite(PAGE_FAULT_MASK, 0);
	vmwrite(PAGE_FAULT_MATCH, 0);
	vmwrite(CR3_TARGET_COUNT, 0);
	vmwrite(EXIT_MSR_STORE_COUNT, 0);
	vmwrite(EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(IO_BITMAP_A, memory_physical(vmx_machine.io_bitmaps));
	vmwrite(IO_BITMAP_B, memory_physical(vmx_machine.io_bitmaps) + PAGE_SIZE);
	vmwrite(TSC_OFFSET, vcpu->tsc_offset);
	vmwrite(MSR_BITMAP, memory_physical(vmx_msr_bitmap(vmx)));
	vmwrite(VPID, vmx->vpid);
	vmwrite(EPT_POINTER, vmx->ept_pointer);
	vmwrite(VIRTUAL_APIC_ADDRESS, memory_physical(vcpu->apic.page));
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(VMCS_LINK_POINTER, ~0UL);
	if (vmx_machine.caps.cpu2.may & CPU2_PAUSE_LOOP) {
		vmwrite(PLE_GAP, PAUSE_GAP_TICKS);
		vmwrite(PLE_WINDOW, PAUSE_WINDOW_TICKS);
	}
	if (c->cpu2 & CPU2_ENCLS)
		vmwrite(ENCLS_EXITING_BITMAP, ~0UL); /* guests have no SGX */
	if (c->apic_registers) {
		vmwrite(APIC_ACCESS_ADDRESS, memory_physical(vmx->apic_access_page));
		vmwrite(EOI_EXIT_BITMAP0, 0);
		vmwrite(EOI_EXIT_BITMAP1, 0);
		vmwrite(EOI_EXIT_BITMAP2, 0);
		vmwrite(EOI_EXIT_BITMAP3, 0);
		vmwrite(GUEST_INTERRUPT_STATUS, 0);
		for (size_t i = 0; i < ARRAY_SIZE(vmx->eoi_exits); i++)
			vmx->eoi_exits[i] = 0;
	}
	vmcs_apic_mode(vcpu);
}

void vmcs_host_setup(void)
{
	struct cpu *cpu = cpu_this();
	struct descriptor_pointer idt;

	__asm__ volatile("sidt %0" : "=m"(idt));
	vmwrite(HOST_CR0, cr0_read());
	vmwrite(HOST_CR4, cr4_read());
	vmwrite(HOST_ES_SELECTOR, 0);
	vmwrite(HOST_CS_SELECTOR, SELECTOR_CODE);
	vmwrite(HOST_SS_SELECTOR, 0);
	vmwrite(HOST_DS_SELECTOR, 0);
	vmwrite(HOST_FS_SELECTOR, 0);
	vmwrite(HOST_GS_SELECTOR, 0);
	vmwrite(HOST_TR_SELECTOR, SELECTOR_TSS);
	vmwrite(HOST_FS_BASE, 0);
	vmwrite(HOST_GS_BASE, (u64)cpu);
	vmwrite(HOST_TR_BASE, (u64)&cpu->arch->tss);
	vmwrite(HOST_GDTR_BASE, (u64)cpu->arch->gdt);
	vmwrite(HOST_IDTR_BASE, idt.base);
	vmwrite(HOST_SYSENTER_CS, 0);
	vmwrite(HOST_SYSENTER_ESP, 0);
	vmwrite(HOST_SYSENTER_EIP, 0);
	vmwrite(HOST_PAT, PAT_VALUE);
	vmwrite(HOST_EFER, msr_read(IA32_EFER));
}

static void segment_setup(const struct segment_fields *fields, const struct cpu_state *state)
{
	const struct cpu_segment *segment = (const void *)((const u8 *)state + fields->offset);

	vmwrite(fields->selector, segment->selector);
	vmwrite(fields->base, segment->base);
	vmwrite(fields->limit, segment->limit);
	vmwrite(fields->rights, segment->attributes ? segment->attributes : RIGHTS_UNUSABLE);
}

static void control_registers_setup(const struct vcpu *vcpu, const struct cpu_state *state)
{
	const struct vmx_capabilities *caps = &vmx_machine.caps;
	u64 fixed0 = caps->cr0_fixed0 & ~(CR0_PE | CR0_PG); /* unrestricted guest */
	u64 cr0 = state->cr0 | CR0_ET;

	vmwrite(CR0_MASK, VMX_CR0_OWNED);
	vmwrite(CR0_SHADOW, cr0);
	vmwrite(GUEST_CR0, ((cr0 & ~(CR0_CD | CR0_NW)) | fixed0) & caps->cr0_fixed1);
	vmwrite(CR4_MASK, CR4_OWNED | ~vcpu->partition->cpuid->cr4_allowed);
	vmwrite(CR4_SHADOW, state->cr4);
	vmwrite(GUEST_CR4, (state->cr4 | caps->cr4_fixed0 | CR4_MCE) & caps->cr4_fixed1);
	vmwrite(GUEST_CR3, state->cr3);
	vmwrite(GUEST_EFER, state->efer);
	vmwrite(ENTRY_CONTROLS,
		vmx_machine.controls.entry | (state->efer & EFER_LMA ? ENTRY_IA32E : 0));
}

void vmcs_init(const struct vcpu *vcpu, const struct cpu_state *state)
{
	static const enum vmcs_field zero[] = {
		ENTRY_INTERRUPTION,	GUEST_DEBUGCTL, GUEST_PENDING_DEBUG,
		GUEST_INTERRUPTIBILITY, GUEST_ACTIVITY, GUEST_PDPTE0,
		GUEST_PDPTE1,		GUEST_PDPTE2,	GUEST_PDPTE3,
	};

	control_registers_setup(vcpu, state);
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		segment_setup(&segments[i], state);
	vmwrite(GUEST_GDTR_BASE, state->gdtr.base);
	vmwrite(GUEST_GDTR_LIMIT, state->gdtr.limit);
	vmwrite(GUEST_IDTR_BASE, state->idtr.base);
	vmwrite(GUEST_IDTR_LIMIT, state->idtr.limit);
	for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
		vmwrite(zero[i], 0);
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_RSP, state->gpr[GPR_RSP]);
	vmwrite(GUEST_RIP, state->rip);
	vmwrite(GUEST_RFLAGS, state->rflags | RFLAGS_FIXED);
}

void vmcs_setup(struct vcpu *vcpu, const struct cpu_state *state)
{
	controls_setup(vcpu);
	vmwrite(HOST_CR3, vcpu->partition->space.root);
	vmwrite(HOST_RIP,
		(u64)(vcpu->partition->space.touch ? vmx_exit_entry_touch : vmx_exit_entry));
	vmwrite(GUEST_SYSENTER_CS, 0);
	vmwrite(GUEST_SYSENTER_ESP, 0);
	vmwrite(GUEST_SYSENTER_EIP, 0);
	vmwrite(GUEST_PAT, PAT_RESET);
	vmcs_init(vcpu, state);
}

void vmcs_state(struct vcpu *vcpu, struct cpu_state *state)
{
	for (unsigned i = 0; i < GPR_COUNT; i++)
		state->gpr[i] = vcpu->gpr[i];
	state->gpr[GPR_RSP] = vmread(GUEST_RSP);
	state->rip = vmread(GUEST_RIP);
	state->rflags = vmread(GUEST_RFLAGS);
	state->cr0 = vmx_cr0();
	state->cr2 = cpu_this()->fpu_owner == vcpu ? cr2_read() : vcpu->cr2;
	state->cr3 = vmread(GUEST_CR3);
	state->cr4 = vmx_cr4();
	state->efer = vmread(GUEST_EFER);
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		struct cpu_segment *segment = (void *)((u8 *)state + segments[i].offset);
		u64 rights = vmread(segments[i].rights);

		segment->selector = (u16)vmread(segments[i].selector);
		segment->base = vmread(segments[i].base);
		segment->limit = (u32)vmread(segments[i].limit);
		segment->attributes = rights & RIGHTS_UNUSABLE ? 0 : (u16)rights;
	}
	state->gdtr.base = vmread(GUEST_GDTR_BASE);
	state->gdtr.limit = (u32)vmread(GUEST_GDTR_LIMIT);
	state->idtr.base = vmread(GUEST_IDTR_BASE);
	state->idtr.limit = (u32)vmread(GUEST_IDTR_LIMIT);
}

#define APIC_MODES (CPU2_APIC_ACCESSES | CPU2_X2APIC)

/*
 * Let hardware virtualise the APIC in the mode that the guest has put it in. "Virtualize APIC
 * accesses" and "virtualize x2APIC mode" exclude each other (SDM vol. 3, 27.2.1.1); in x2APIC mode
 * the MSR bitmap lets through what hardware answers.
 */
static u32 apic_mode(const struct vcpu *vcpu)
{
	const struct vmx_controls *controls = &vmx_machine.controls;

	if (!controls->apic_registers || !vlapic_enabled(&vcpu->apic))
		return 0;
	if (!vlapic_x2apic(&vcpu->apic))
		return CPU2_APIC_ACCESSES;
	return controls->x2apic ? CPU2_X2APIC : 0;
}

void vmcs_apic_mode(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u32 mode = apic_mode(vcpu), before = vmx->cpu2_controls & APIC_MODES;

	if (mode == before)
		return;
	vmx->cpu2_controls ^= mode ^ before;
	vmwrite(SECONDARY_CONTROLS, vmx->cpu2_controls);
	vmwrite(MSR_BITMAP, memory_physical(vmx_msr_bitmap(vmx)));
	/* What was cached meanwhile leads to the page itself (SDM vol. 3, 30.4.5). */
	if (mode == CPU2_APIC_ACCESSES) {
		vmx_flush_ept(vcpu);
		vmx_flush_guest(vcpu);
	}
}

/* Loops of PAUSE exit only while somebody waits for this CPU: alone a guest may spin as it likes.
 */
void vmcs_pause_loops(struct vcpu *vcpu, bool others_wait)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u32 wanted = others_wait ? vmx_machine.caps.cpu2.may & CPU2_PAUSE_LOOP : 0;

	if ((vmx->cpu2_controls & CPU2_PAUSE_LOOP) == wanted)
		return;
	vmx->cpu2_controls ^= CPU2_PAUSE_LOOP;
	vmwrite(SECONDARY_CONTROLS, vmx->cpu2_controls);
}
