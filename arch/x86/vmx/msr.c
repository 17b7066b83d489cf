/* SPDX-License-Identifier: MIT */
/*
 * The guest's MSRs. Everything exits but what the CPU keeps for the guest alone; what exits and is
 * in no table does not exist and gives #GP.
 */
#include "vmx.h"

#include "../guest_cpuid.h"
#include "../instructions.h"
#include "advance.h"
#include "instructions.h"

#include <bulkhead/error.h>
#include <bulkhead/guest_msr.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define VECTOR_GP 13

/* DEBUGCTL bits that a guest may set. */
#define DEBUGCTL_ALLOWED (DEBUGCTL_LBR | DEBUGCTL_BTF)

/*
 * MSR bitmap (SDM vol. 3, 25.6.9): four quarters of 1 KiB for reads of low and high MSRs, then
 * writes of low and high ones. A clear bit lets the access through.
 */
static void bitmap_allow(u8 *bitmap, u32 msr, bool read, bool write)
{
	u32 quarter = msr >= 0xc0000000 ? 1024 : 0;
	u32 bit = msr & 0x1fff;

	if (read)
		bitmap[quarter + bit / 8] &= (u8)~BIT(bit % 8);
	if (write)
		bitmap[2048 + quarter + bit / 8] &= (u8)~BIT(bit % 8);
}

/* In the VMCS, or left in the CPU while the vCPU is there (switch.c). */
static const u32 passed_through[] = {
	IA32_SYSENTER_CS, IA32_SYSENTER_ESP, IA32_SYSENTER_EIP,	  IA32_PAT,
	IA32_STAR,	  IA32_LSTAR,	     IA32_CSTAR,	  IA32_FMASK,
	IA32_FS_BASE,	  IA32_GS_BASE,	     IA32_KERNEL_GS_BASE,
};

/* x2APIC registers that hardware does not answer for reads: the count and write-only ones. */
static bool x2apic_read_exits(u32 msr)
{
	u32 offset = (msr & 0xff) << 4;

	switch (offset) {
	case VLAPIC_TIMER_CURRENT:
		return true;
	case VLAPIC_ID:
	case VLAPIC_VERSION:
	case VLAPIC_TPR:
	case VLAPIC_PPR:
	case VLAPIC_LDR:
	case VLAPIC_SVR:
	case VLAPIC_ESR:
	case VLAPIC_ICR_LOW:
	case VLAPIC_LVT_TIMER:
	case VLAPIC_LVT_THERMAL:
	case VLAPIC_LVT_PERF:
	case VLAPIC_LVT_LINT0:
	case VLAPIC_LVT_LINT1:
	case VLAPIC_LVT_ERROR:
	case VLAPIC_TIMER_INITIAL:
	case VLAPIC_TIMER_DIVIDE:
		return false;
	default:
		return offset < VLAPIC_ISR || offset >= VLAPIC_ESR; /* ISR, TMR, IRR are answered */
	}
}

static void bitmap_build(u8 *bitmap, u32 index)
{
	memset(bitmap, 0xff, PAGE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(passed_through); i++)
		bitmap_allow(bitmap, passed_through[i], true, true);
	if (index & VMX_MSR_BITMAP_TSC_AUX)
		bitmap_allow(bitmap, IA32_TSC_AUX, true, true);
	bitmap_allow(bitmap, IA32_TSC, true, false); /* with the TSC offset applied */
	/* Loaded at entry: the CPU's is the guest's. */
	bitmap_allow(bitmap, IA32_EFER, true, false);
	if (!(index & VMX_MSR_BITMAP_X2APIC))
		return;
	for (u32 msr = 0x800; msr < 0x840; msr++)
		if (!x2apic_read_exits(msr))
			bitmap_allow(bitmap, msr, true, false);
	/* Virtualised writes (SDM vol. 3, 30.5). */
	bitmap_allow(bitmap, 0x800 + VLAPIC_TPR / 16, false, true);
	bitmap_allow(bitmap, 0x800 + VLAPIC_EOI / 16, false, true);
	bitmap_allow(bitmap, 0x800 + VLAPIC_SELF_IPI / 16, false, true);
}

void vmx_msr_bitmaps_build(void)
{
	for (u32 i = 0; i < VMX_MSR_BITMAPS; i++)
		bitmap_build((u8 *)vmx_machine.msr_bitmaps + i * PAGE_SIZE, i);
}

#define X2APIC_FIRST 0x800
#define X2APIC_COUNT 0x838
#define X2APIC_LAST  0x8ff

static int debugctl_write(u64 value)
{
	if (value & ~DEBUGCTL_ALLOWED)
		return -EINVAL;
	vmwrite(GUEST_DEBUGCTL, value);
	return 0;
}

/* The guest's TSC jumped: its APIC timer is due at another moment now. */
static void tsc_moved(struct vcpu *vcpu, u64 by)
{
	vmwrite(TSC_OFFSET, vcpu->tsc_offset);
	vlapic_tsc_moved(&vcpu->apic, by);
	kvm_tsc_moved(vcpu);
}

static outlined int tsc_write(struct vcpu *vcpu, u64 value)
{
	u64 before = vcpu->tsc_offset;

	vcpu->tsc_offset = value - tsc_read();
	/* The manual ties the two: what moves the TSC moves TSC_ADJUST as far (SDM vol.
	 * 3, 18.17.3). */
	vcpu->msrs.tsc_adjust += vcpu->tsc_offset - before;
	tsc_moved(vcpu, vcpu->tsc_offset - before);
	return 0;
}

static outlined int tsc_adjust_write(struct vcpu *vcpu, u64 value)
{
	u64 by = value - vcpu->msrs.tsc_adjust;

	vcpu->tsc_offset += by;
	vcpu->msrs.tsc_adjust = value;
	tsc_moved(vcpu, by);
	return 0;
}

static int msr_read_guest(struct vcpu *vcpu, u32 msr, u64 *value)
{
	switch (msr) {
	case IA32_APIC_BASE:
	case IA32_TSC_DEADLINE:
	case X2APIC_FIRST ... X2APIC_LAST:
		vcpu_take_eoi(vcpu);
		return vlapic_msr_read(&vcpu->apic, msr, value);
	case KVM_MSR_OLD_CLOCK:
	case KVM_MSR_FIRST ... KVM_MSR_LAST:
		return vcpu->kvm.offered ? kvm_msr_read(vcpu, msr, value) : -EINVAL;
	case IA32_DEBUGCTL:
		*value = vmread(GUEST_DEBUGCTL);
		return 0;
	case IA32_TSC_ADJUST:
		*value = vcpu->msrs.tsc_adjust;
		return 0;
	default:
		return guest_msr_read(&vcpu->msrs, msr, value);
	}
}

static outlined int apic_msr_write(struct vcpu *vcpu, u32 msr, u64 value)
{
	vcpu_take_eoi(vcpu);
	return vlapic_msr_write(&vcpu->apic, msr, value);
}

static outlined int apic_base_write(struct vcpu *vcpu, u64 value)
{
	int error = apic_msr_write(vcpu, IA32_APIC_BASE, value);

	if (!error)
		vmcs_apic_mode(vcpu);
	return error;
}

/* When the guest did what it exited for, by its clock. */
static inline u64 exit_moment(const struct vcpu *vcpu)
{
	return vcpu->exit_at + vcpu->tsc_offset;
}

/* What is called here is called at the end, so that no frame is needed. */
static outlined int msr_write_guest(struct vcpu *vcpu, u32 msr, u64 value)
{
	switch (msr) {
	case X2APIC_COUNT:
		return vlapic_count_write(&vcpu->apic, value, exit_moment(vcpu));
	case IA32_APIC_BASE:
		return apic_base_write(vcpu, value);
	case IA32_TSC_DEADLINE:
	case X2APIC_FIRST ... X2APIC_COUNT - 1:
	case X2APIC_COUNT + 1 ... X2APIC_LAST:
		return apic_msr_write(vcpu, msr, value);
	case KVM_MSR_OLD_CLOCK:
	case KVM_MSR_FIRST ... KVM_MSR_LAST:
		return vcpu->kvm.offered ? kvm_msr_write(vcpu, msr, value) : -EINVAL;
	case IA32_EFER:
		return vmx_efer_write(vcpu, value);
	case IA32_TSC:
		return tsc_write(vcpu, value);
	case IA32_TSC_ADJUST:
		return tsc_adjust_write(vcpu, value);
	case IA32_DEBUGCTL:
		return debugctl_write(value);
	default:
		return guest_msr_write(&vcpu->msrs, msr, value);
	}
}

void vmx_exit_rdmsr(struct vcpu *vcpu)
{
	u64 value;

	if (msr_read_guest(vcpu, (u32)vcpu->gpr[GPR_RCX], &value)) {
		vmx_inject_fault(vcpu, VECTOR_GP, 0);
		return;
	}
	vcpu->gpr[GPR_RAX] = (u32)value;
	vcpu->gpr[GPR_RDX] = value >> 32;
	vmx_advance();
}

static inline u64 written_value(const struct vcpu *vcpu)
{
	return (vcpu->gpr[GPR_RDX] & 0xffffffff) << 32 | (u32)vcpu->gpr[GPR_RAX];
}

static outlined void exit_wrmsr_other(struct vcpu *vcpu)
{
	if (msr_write_guest(vcpu, (u32)vcpu->gpr[GPR_RCX], written_value(vcpu)))
		vmx_inject_fault(vcpu, VECTOR_GP, 0);
	else
		vmx_advance();
}

/* Most of them start the timer that the guest's clock lives by. */
void vmx_exit_wrmsr(struct vcpu *vcpu)
{
	if (likely((u32)vcpu->gpr[GPR_RCX] == IA32_TSC_DEADLINE) &&
	    likely(vlapic_has_deadline(&vcpu->apic))) {
		vmx_advance();
		vlapic_deadline_set(&vcpu->apic, written_value(vcpu), exit_moment(vcpu));
	} else {
		exit_wrmsr_other(vcpu);
	}
}
