/* SPDX-License-Identifier: MIT */
/*
 * Registers that neither VM entry nor the hypervisor touches: FPU and vector state, debug
 * registers, SYSCALL MSRs, CR2. They stay in the CPU until another vCPU comes to it.
 */
#include "vmx.h"

#include "../arch_cpu.h"
#include "../guest_cpuid.h"
#include "../instructions.h"

#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

static void vector_state_save(const struct guest_cpuid *cpu, struct vmx_vcpu *vmx)
{
	if (!cpu->xcr0_allowed) {
		__asm__ volatile("fxsave64 %0" : "=m"(*(u8(*)[512])vmx->xsave));
		return;
	}
	/* All components that the guest may have used, whatever it has enabled right now. */
	xcr0_write(cpu->xcr0_allowed);
	__asm__ volatile("xsave64 %0"
			 : "+m"(*(u8(*)[4096])vmx->xsave)
			 : "a"(0xffffffff), "d"(0xffffffff));
}

/* Components that a guest may not enable keep what another left in them, where it cannot see it. */
static void vector_state_load(const struct guest_cpuid *cpu, const struct vmx_vcpu *vmx)
{
	if (!cpu->xcr0_allowed) {
		__asm__ volatile("fxrstor64 %0" : : "m"(*(const u8(*)[512])vmx->xsave));
		return;
	}
	xcr0_write(cpu->xcr0_allowed);
	__asm__ volatile("xrstor64 %0"
			 :
			 : "m"(*(const u8(*)[4096])vmx->xsave), "a"(0xffffffff), "d"(0xffffffff));
	xcr0_write(vmx->xcr0);
}

/*
 * A vector register in the area that was just saved: XMM in the legacy region (SDM vol. 1, 10.5.1),
 * the rest of YMM and ZMM where CPUID says (13.4.3).
 */
#define LEGACY_XMM     160
#define HEADER_PRESENT 512 /* XSTATE_BV */
#define XMM_BYTES      16
#define ZMM_HIGH_BYTES 32

enum { COMPONENT_SSE = 1, COMPONENT_AVX = 2, COMPONENT_ZMM_HIGH = 6 };

static bool component_kept(const struct guest_cpuid *cpu, unsigned component)
{
	return cpu->xcr0_allowed & BIT(component);
}

static u8 *component_at(const struct vmx_vcpu *vmx, unsigned component)
{
	return (u8 *)vmx->xsave + cpuid(0xd, component).ebx;
}

static u8 *xmm_at(const struct vmx_vcpu *vmx, unsigned reg)
{
	return (u8 *)vmx->xsave + LEGACY_XMM + (u64)reg * XMM_BYTES;
}

static u8 *ymm_high_at(const struct vmx_vcpu *vmx, unsigned reg)
{
	return component_at(vmx, COMPONENT_AVX) + (u64)reg * XMM_BYTES;
}

void vmx_vector_read(struct vcpu *vcpu, unsigned reg, void *data)
{
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u8 *high = (u8 *)data + XMM_BYTES;

	vector_state_save(cpu, vmx);
	memcpy(data, xmm_at(vmx, reg), XMM_BYTES);
	if (component_kept(cpu, COMPONENT_AVX))
		memcpy(high, ymm_high_at(vmx, reg), XMM_BYTES);
	else
		memset(high, 0, XMM_BYTES);
	if (cpu->xcr0_allowed)
		xcr0_write(vmx->xcr0);
}

int vmx_vector_write(struct vcpu *vcpu, unsigned reg, const void *data, unsigned bytes)
{
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	u64 *present = (void *)((u8 *)vmx->xsave + HEADER_PRESENT);

	if (bytes > XMM_BYTES && !component_kept(cpu, COMPONENT_AVX))
		return -ENODEV;
	vector_state_save(cpu, vmx);
	memcpy(xmm_at(vmx, reg), data, XMM_BYTES);
	if (cpu->xcr0_allowed)
		*present |= BIT(COMPONENT_SSE);
	if (bytes > XMM_BYTES) {
		memcpy(ymm_high_at(vmx, reg), (const u8 *)data + XMM_BYTES, XMM_BYTES);
		*present |= BIT(COMPONENT_AVX);
	}
	if (bytes > XMM_BYTES && component_kept(cpu, COMPONENT_ZMM_HIGH))
		memset(component_at(vmx, COMPONENT_ZMM_HIGH) + (u64)reg * ZMM_HIGH_BYTES, 0,
		       ZMM_HIGH_BYTES);
	vector_state_load(cpu, vmx);
	return 0;
}

static void save(struct vcpu *vcpu)
{
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vector_state_save(cpu, vmx);
	vmx->star = msr_read(IA32_STAR);
	vmx->lstar = msr_read(IA32_LSTAR);
	vmx->cstar = msr_read(IA32_CSTAR);
	vmx->fmask = msr_read(IA32_FMASK);
	vmx->kernel_gs_base = msr_read(IA32_KERNEL_GS_BASE);
	if (cpu->rdtscp)
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
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;
	const struct vmx_vcpu *vmx = vmx_of(vcpu);

	vector_state_load(cpu, vmx);
	msr_write(IA32_STAR, vmx->star);
	msr_write(IA32_LSTAR, vmx->lstar);
	msr_write(IA32_CSTAR, vmx->cstar);
	msr_write(IA32_FMASK, vmx->fmask);
	msr_write(IA32_KERNEL_GS_BASE, vmx->kernel_gs_base);
	if (cpu->rdtscp)
		msr_write(IA32_TSC_AUX, vmx->tsc_aux);
	dr0_write(vmx->dr[0]);
	dr1_write(vmx->dr[1]);
	dr2_write(vmx->dr[2]);
	dr3_write(vmx->dr[3]);
	dr6_write(vmx->dr6);
	cr2_set(vcpu->cr2);
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
