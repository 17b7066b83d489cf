/* SPDX-License-Identifier: MIT */
/* VM exits: one handler for each reason. */
#include "vmx.h"

#include "../arch_cpu.h"
#include "../guest_cpuid.h"
#include "../instructions.h"
#include "../interrupt.h"
#include "../kick.h"
#include "advance.h"
#include "instructions.h"

#include <bulkhead/exit.h>
#include <bulkhead/partition.h>
#include <bulkhead/trace.h>

#define VECTOR_DB 1
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_AC 17

#define ENTRY_FAILED BIT(31) /* of the exit reason */

#define RIGHTS_DPL BITS(6, 5) /* of SS: the CPL */

static void exit_undefined(struct vcpu *vcpu)
{
	vmx_inject_exception(vcpu, VECTOR_UD);
}

static void exit_protection(struct vcpu *vcpu)
{
	vmx_inject_fault(vcpu, VECTOR_GP, 0);
}

/* Caches are coherent for guests without devices of their own, so flushing them changes nothing. */
static void exit_nothing(struct vcpu *vcpu unused)
{
	vmx_advance();
}

static void exit_external_interrupt(struct vcpu *vcpu unused)
{
	interrupt_run((u8)vmread(EXIT_INTERRUPTION));
}

/*
 * An event whose delivery this exit interrupted (SDM vol. 3, 28.2.4) is injected again, unless the
 * exception of this exit comes first: it is injected after this, and wins. Software interrupts need
 * the length of their instruction.
 */
static void requeue_interrupted_event(struct vcpu *vcpu)
{
	u32 info = (u32)vmread(VECTORING_INFO), type = info & EVENT_TYPE_MASK;

	if (!(info & EVENT_VALID))
		return;
	/* Real mode has no error codes; a CPU that says otherwise must not make the next entry
	 * fail. */
	if (!(vmread(GUEST_CR0) & CR0_PE))
		info &= ~(u32)EVENT_ERROR_CODE;
	if (type == EVENT_SOFTWARE || type == EVENT_PRIVILEGED || type == EVENT_SOFTWARE_EXC)
		vmwrite(ENTRY_INSTRUCTION_LENGTH, vmread(EXIT_INSTRUCTION_LENGTH));
	if (type == EVENT_NMI)
		vmwrite(GUEST_INTERRUPTIBILITY,
			vmread(GUEST_INTERRUPTIBILITY) & ~(u64)INTERRUPTIBILITY_NMI);
	vmx_inject(vcpu, info & (EVENT_VALID | EVENT_ERROR_CODE | EVENT_TYPE_MASK | 0xff),
		   info & EVENT_ERROR_CODE ? (u32)vmread(VECTORING_ERROR_CODE) : 0);
}

/* #DB that we took in the guest's place: DR6, DR7 and DEBUGCTL as the CPU would have left them
 * (SDM vol. 3, 18.4.2 and 18.4.3). */
static void reflect_debug(struct vcpu *vcpu)
{
	u64 causes = vmread(EXIT_QUALIFICATION) & (BITS(3, 0) | BITS(14, 13));

	dr6_write((dr6_read() & ~BITS(3, 0)) | causes);
	vmwrite(GUEST_DR7, vmread(GUEST_DR7) & ~BIT(13)); /* GD is cleared on entry to #DB */
	vmwrite(GUEST_DEBUGCTL, vmread(GUEST_DEBUGCTL) & ~(u64)(DEBUGCTL_LBR | DEBUGCTL_BTF));
	if ((vmread(EXIT_INTERRUPTION) & EVENT_TYPE_MASK) == EVENT_PRIVILEGED) {
		/* INT1 raised it: the handler returns behind it. */
		vmwrite(ENTRY_INSTRUCTION_LENGTH, vmread(EXIT_INSTRUCTION_LENGTH));
		vmx_inject(vcpu, EVENT_PRIVILEGED | VECTOR_DB, 0);
	} else {
		vmx_inject_exception(vcpu, VECTOR_DB);
	}
	/* In the shadow of STI or MOV SS with TF set the next entry insists on a pending single
	 * step, as BTF is clear now (SDM vol. 3, 27.3.1.5). */
	if (vmread(GUEST_INTERRUPTIBILITY) & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS) &&
	    vmread(GUEST_RFLAGS) & RFLAGS_TF)
		vmwrite(GUEST_PENDING_DEBUG, vmread(GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static void exit_exception(struct vcpu *vcpu)
{
	u32 info = (u32)vmread(EXIT_INTERRUPTION);

	requeue_interrupted_event(vcpu);
	if ((info & EVENT_TYPE_MASK) == EVENT_NMI) {
		kick_in_guest();
		return;
	}
	switch (info & 0xff) {
	case VECTOR_DB:
		reflect_debug(vcpu);
		break;
	case VECTOR_AC:
		vmx_inject_fault(vcpu, VECTOR_AC, (u32)vmread(EXIT_ERROR_CODE));
		break;
	case VECTOR_MACHINE_CHECK:
		panic("machine check while partition %s ran", vcpu->partition->config->name);
	default:
		vcpu_stop(vcpu, VCPU_STOP_UNKNOWN_EXIT, "unexpected exception exit 0x%x", info);
	}
}

static void exit_triple_fault(struct vcpu *vcpu)
{
	vcpu_stop(vcpu, VCPU_STOP_TRIPLE_FAULT, "triple fault at rip 0x%lx, cr3 0x%lx",
		  vmread(GUEST_RIP), vmread(GUEST_CR3));
}

static void exit_nmi_window(struct vcpu *vcpu)
{
	vmx_cpu_control(vcpu, CPU_NMI_WINDOW, false);
	__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_INTERRUPT, __ATOMIC_RELAXED);
}

static void exit_task_switch(struct vcpu *vcpu)
{
	vcpu_stop(vcpu, VCPU_STOP_EMULATION, "task switch by hardware at rip 0x%lx: not supported",
		  vmread(GUEST_RIP));
}

static u64 guest_cr4_read(void)
{
	return vmread_sure(GUEST_CR4);
}

static void exit_cpuid(struct vcpu *vcpu)
{
	const struct guest_cpuid_vcpu state = {
		.apic = &vcpu->apic,
		.cr4 = guest_cr4_read,
		.xcr0 = xcr0_read,
	};

	guest_cpuid_execute(vcpu->cpuid, &state, vcpu->gpr);
	vmx_advance();
	vmx_load_rbx(vcpu);
}

/* It has waited in a loop of PAUSE for a while: whoever it waits for may need this CPU. */
static void exit_pause(struct vcpu *vcpu)
{
	vmx_advance();
	vmx_of(vcpu)->spins = true;
	__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_BACKEND, __ATOMIC_RELAXED);
}

static bool is_privileged(void)
{
	return !(vmread_sure(GUEST_SS_RIGHTS) & RIGHTS_DPL);
}

static seldom void hypercall(struct vcpu *vcpu)
{
	bool wide = vmx_code_is_wide();
	u64 mask = wide ? ~0UL : 0xffffffff;
	const struct kvm_call call = {
		.number = vcpu->gpr[GPR_RAX] & mask,
		.arguments = {vcpu->gpr[GPR_RBX] & mask, vcpu->gpr[GPR_RCX] & mask,
			      vcpu->gpr[GPR_RDX] & mask, vcpu->gpr[GPR_RSI] & mask},
		.wide = wide,
		.privileged = is_privileged(),
	};

	/* A CPU without VT-x does not know the instruction. */
	if (!vcpu->kvm.offered) {
		exit_undefined(vcpu);
		return;
	}
	vcpu->gpr[GPR_RAX] = kvm_hypercall(vcpu, &call) & mask;
	vmx_advance();
}

/* What it comes to where there is no such call needs no arguments. */
void vmx_exit_vmcall(struct vcpu *vcpu)
{
	if (likely((u32)vcpu->gpr[GPR_RAX] < vcpu->kvm.calls_from && is_privileged())) {
		vcpu->gpr[GPR_RAX] = kvm_call_unknown(true);
		vmx_advance();
	} else {
		hypercall(vcpu);
	}
}

static void exit_tpr(struct vcpu *vcpu)
{
	vcpu_take_eoi(vcpu);
	vlapic_tpr_changed(&vcpu->apic);
	__atomic_or_fetch(&vcpu->requests, VCPU_REQUEST_INTERRUPT, __ATOMIC_RELAXED);
}

static void exit_virtual_eoi(struct vcpu *vcpu)
{
	vlapic_eoi_virtualised(&vcpu->apic, (u8)vmread(EXIT_QUALIFICATION));
}

static void exit_apic_write(struct vcpu *vcpu)
{
	vlapic_written(&vcpu->apic, (u32)vmread(EXIT_QUALIFICATION) & 0xfff);
}

/* Whether it was the first access to a piece of RAM, which is there from now on. */
static bool is_touch(const struct vcpu *vcpu)
{
	struct partition *partition = vcpu->partition;

	return partition->touched && (u16)vmread(EXIT_REASON) == EXIT_EPT_VIOLATION &&
	       partition_touch(partition, vmread(GUEST_PHYSICAL_ADDRESS));
}

/* An access by the CPU itself, while it delivered an event: the instruction at RIP has nothing to
 * do with it. If what it needs is there now, it tries again. */
static seldom void interrupted_delivery(struct vcpu *vcpu, u64 info)
{
	if (is_touch(vcpu) || guest_access_mark_rom(vcpu))
		requeue_interrupted_event(vcpu);
	else
		vcpu_stop(
			vcpu, VCPU_STOP_EMULATION,
			"delivery of vector %lu at rip 0x%lx needs address 0x%lx, which is no RAM",
			info & 0xff, vmread(GUEST_RIP), vmread(GUEST_PHYSICAL_ADDRESS));
}

inlined bool is_delivery(struct vcpu *vcpu)
{
	u64 info = vmread(VECTORING_INFO);

	if (likely(!(info & EVENT_VALID)))
		return false;
	interrupted_delivery(vcpu, info);
	return true;
}

/* An access to what is no RAM, or not yet. */
void vmx_exit_emulate(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);

	if (is_delivery(vcpu) || likely(guest_move_again(vcpu, qualification)))
		return;
	/* An IRET that faults has ended the blocking of NMIs already (SDM vol. 3, 28.2.3). */
	if (qualification & EPT_NMI_UNBLOCKED)
		vmwrite(GUEST_INTERRUPTIBILITY,
			vmread(GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
	if (!is_touch(vcpu))
		vmx_emulate(vcpu);
}

void vmx_exit_apic_access(struct vcpu *vcpu)
{
	if (!is_delivery(vcpu) && !guest_move_apic(vcpu, vmread(EXIT_QUALIFICATION)))
		vmx_emulate(vcpu);
}

static void exit_ept_misconfiguration(struct vcpu *vcpu unused)
{
	panic("EPT misconfiguration at guest address 0x%lx", vmread(GUEST_PHYSICAL_ADDRESS));
}

static void exit_unknown(struct vcpu *vcpu)
{
	vcpu_stop(vcpu, VCPU_STOP_UNKNOWN_EXIT, "unknown exit, reason %lu, qualification 0x%lx",
		  vmread(EXIT_REASON), vmread(EXIT_QUALIFICATION));
}

/* The reason is one of a failed entry. */
static void exit_entry_failed(struct vcpu *vcpu)
{
	vcpu->exit_at = 0; /* the guest did not run */
	vmx_entry_failed(vcpu, 0);
}

/* Behind those of the reasons. */
#define HANDLER_ENTRY_FAILED METER_EXIT_REASONS
#define HANDLERS	     (METER_EXIT_REASONS + 1)
/* Reasons from the one after the last that has a name are one for the meters. */
#define HANDLER_UNKNOWN (METER_EXIT_REASONS - 1)

_Static_assert(EXIT_RDSEED < HANDLER_UNKNOWN, "each of them has a meter");

/*
 * enter.asm calls them. Of the guest's general registers only those that a C function may change
 * are in struct vcpu then; a handler that has to do with others is entered through a function there
 * that sees to them, NAME_whole or what it names at the end, or ends with vmx_load_rbx.
 */
const vmx_exit_handler vmx_exit_handlers[HANDLERS] = {
	[EXIT_EXCEPTION_NMI] = exit_exception,
	[EXIT_EXTERNAL_INTERRUPT] = exit_external_interrupt,
	[EXIT_TRIPLE_FAULT] = exit_triple_fault,
	[EXIT_INTERRUPT_WINDOW] = vmx_exit_interrupt_window,
	[EXIT_NMI_WINDOW] = exit_nmi_window,
	[EXIT_TASK_SWITCH] = exit_task_switch,
	[EXIT_CPUID] = exit_cpuid,
	[EXIT_GETSEC] = exit_undefined,
	[EXIT_HLT] = vmx_exit_hlt,
	[EXIT_INVD] = exit_nothing,
	[EXIT_RDPMC] = exit_protection,
	[EXIT_VMCALL] = vmx_exit_vmcall_rbx,
	[EXIT_VMCLEAR] = exit_undefined,
	[EXIT_VMLAUNCH] = exit_undefined,
	[EXIT_VMPTRLD] = exit_undefined,
	[EXIT_VMPTRST] = exit_undefined,
	[EXIT_VMREAD] = exit_undefined,
	[EXIT_VMRESUME] = exit_undefined,
	[EXIT_VMWRITE] = exit_undefined,
	[EXIT_VMXOFF] = exit_undefined,
	[EXIT_VMXON] = exit_undefined,
	[EXIT_CR_ACCESS] = vmx_exit_cr_access_whole,
	[EXIT_IO] = vmx_exit_io_any,
	[EXIT_RDMSR] = vmx_exit_rdmsr,
	[EXIT_WRMSR] = vmx_exit_wrmsr,
	[EXIT_MWAIT] = exit_undefined,
	[EXIT_MONITOR] = exit_undefined,
	[EXIT_PAUSE] = exit_pause,
	[EXIT_TPR_BELOW_THRESHOLD] = exit_tpr,
	[EXIT_APIC_ACCESS] = vmx_exit_apic_access_whole,
	[EXIT_VIRTUAL_EOI] = exit_virtual_eoi,
	[EXIT_EPT_VIOLATION] = vmx_exit_emulate_whole,
	[EXIT_EPT_MISCONFIGURATION] = exit_ept_misconfiguration,
	[EXIT_INVEPT] = exit_undefined,
	[EXIT_PREEMPTION_TIMER] = vmx_exit_preemption_timer,
	[EXIT_INVVPID] = exit_undefined,
	[EXIT_WBINVD] = exit_nothing,
	[EXIT_XSETBV] = vmx_exit_xsetbv,
	[EXIT_APIC_WRITE] = exit_apic_write,
	[EXIT_VMFUNC] = exit_undefined,
	[EXIT_RDRAND] = exit_undefined, /* exit only where they are hidden */
	[EXIT_ENCLS] = exit_undefined,
	[EXIT_RDSEED] = exit_undefined,
	/* Those that are never asked for: there is a function for each, so that none is looked for.
	 */
	[EXIT_INIT... EXIT_INTERRUPT_WINDOW - 1] = exit_unknown,
	[EXIT_INVLPG] = exit_unknown,
	[EXIT_RDTSC... EXIT_VMCALL - 1] = exit_unknown,
	[EXIT_DR_ACCESS] = exit_unknown,
	[EXIT_ENTRY_GUEST_STATE... EXIT_MWAIT - 1] = exit_unknown,
	[EXIT_MWAIT + 1 ... EXIT_MONITOR - 1] = exit_unknown,
	[EXIT_ENTRY_MACHINE_CHECK... EXIT_TPR_BELOW_THRESHOLD - 1] = exit_unknown,
	[EXIT_DESCRIPTOR_TABLE... EXIT_LDTR_TR] = exit_unknown,
	[EXIT_RDTSCP] = exit_unknown,
	[EXIT_INVPCID] = exit_unknown,
	[EXIT_RDSEED + 1 ... HANDLER_UNKNOWN] = exit_unknown,
	[HANDLER_ENTRY_FAILED] = exit_entry_failed,
};

/* The trace is on, the entry failed, or nobody knows the reason. Returns the number of its handler.
 */
u32 vmx_exit_unusual(struct vcpu *vcpu, u32 reason)
{
	trace(TRACE_EXIT, vcpu->thread.number, reason);
	if (reason & ENTRY_FAILED)
		return HANDLER_ENTRY_FAILED;
	if (reason >= HANDLER_UNKNOWN)
		vcpu->exit_reason = HANDLER_UNKNOWN;
	return vcpu->exit_reason;
}
