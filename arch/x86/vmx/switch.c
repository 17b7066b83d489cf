/* SPDX-License-Identifier: MIT */
/*
 * Registers that neither VM entry nor the hypervisor touches: FPU and vector state, debug
 * registers, SYSCALL MSRs, CR2. They stay in the CPU until another vCPU comes to it.
 */
#include "vmx.h"

#include "../guest_cpuid.h"
#include "../instructions.h"

#include <bulkhead/cpu.h>

static void vector_state_save(struct vmx_vcpu *vmx)
{
	if (!guest_cpuid_policy.xcr0_allowed) {
		__asm__ volatile("fxsave64 %0" : "=m"(*(u8(*)[512])vmx->xsave));
		return;
	}
	/* All components that the guest may have used, whatever it has enabled right now. */
	xcr0_write(guest_cpuid_policy.xcr0_allowed);
	__asm__ volatile("xsave64 %0"
			 : "+m"(*(u8(*)[4096])vmx->xsave)
			 : "a"(0xffffffff), "d"(0xffffffff));
}

static void vector_state_load(const struct vmx_vcpu *vmx)
{
	if (!guest_cpuid_policy.xcr0_allowed) {
		__asm__ volatile("fxrstor64 %0" : : "m"(*(const u8(*)[512])vmx->xsave));
		return;
	}
	xcr0_write(guest_cpuid_policy.xcr0_allowed);
	__asm__ volatile("xrstor64 %0"
			 :
			 : "m"(*(const u8(*)[4096])vmx->xsave), "a"(0xffffffff), "d"(0xffffffff));
	xcr0_write(vmx->xcr0);
}

static void save(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vector_state_save(vmx);
	vmx->star = msr_read(IA32_STAR);
	vmx->lstar = msr_read(IA32_LSTAR);
	vmx->cstar = msr_read(IA32_CSTAR);
	vmx->fmask = msr_read(IA32_FMASK);
	vmx->kernel_gs_base = msr_read(IA32_KERNEL_GS_BASE);
	if (guest_cpuid_policy.rdtscp)
		vmx->tsc_aux = msr_read(IA32_TSC_AUX);
	vmx->dr[0] = dr0_read();
	vmx->dr[1] = dr1_read();
	vmx->dr[2] = dr2_read();
	vmx->dr[3] = dr3_read();
	vmx->dr6 = dr6_read();
	vcpu->cr2 = cr2_read();
}

static void load(const struct vcpu *vcpu)
{
	const struct vmx_vcpu *vmx = vmx_of(vcpu);

	vector_state_load(vmx);
	msr_write(IA32_STAR, vmx->star);
	msr_write(IA32_LSTAR, vmx->lstar);
	msr_write(IA32_CSTAR, vmx->cstar);
	msr_write(IA32_FMASK, vmx->fmask);
	msr_write(IA32_KERNEL_GS_BASE, vmx->kernel_gs_base);
	if (guest_cpuid_policy.rdtscp)
		msr_write(IA32_TSC_AUX, vmx->tsc_aux);
	dr0_write(vmx->dr[0]);
	dr1_write(vmx->dr[1]);
	dr2_write(vmx->dr[2]);
	dr3_write(vmx->dr[3]);
	dr6_write(vmx->dr6);
	cr2_write(vcpu->cr2);
}

void vmx_registers_save(void)
{
	struct cpu *cpu = cpu_this();

	save(cpu->fpu_owner);
	cpu->fpu_owner = NULL;
}

void vmx_registers_load(struct vcpu *vcpu)
{
	struct cpu *cpu = cpu_this();

	if (cpu->fpu_owner == vcpu)
		return;
	if (cpu->fpu_owner)
		vmx_registers_save();
	load(vcpu);
	cpu->fpu_owner = vcpu;
}
