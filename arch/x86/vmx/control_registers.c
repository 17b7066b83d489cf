/* SPDX-License-Identifier: MIT */
/*
 * The guest's control registers. Most writes do not exit; those that touch a bit which the
 * hypervisor owns are carried out here with every check that the CPU makes (SDM vol. 2, MOV to
 * control registers).
 */
#include "vmx.h"

#include "../guest_cpuid.h"
#include "../instructions.h"
#include "advance.h"
#include "instructions.h"

#include <bulkhead/error.h>
#include <bulkhead/partition.h>

#define VECTOR_GP 13

/* Exit qualification for control-register accesses (SDM vol. 3, table 28-3). */
#define CR_NUMBER(q)   ((q)&0xf)
#define CR_TYPE(q)     ((q) >> 4 & 3)
#define CR_REGISTER(q) ((q) >> 8 & 0xf)
#define CR_LMSW(q)     ((q) >> 16 & 0xffff)

enum { CR_TYPE_WRITE, CR_TYPE_READ, CR_TYPE_CLTS, CR_TYPE_LMSW };

/* Of TR's access rights (SDM vol. 3, table 3-2). */
#define RIGHTS_TYPE	BITS(3, 0)
#define TYPE_TSS16_BUSY 3

#define CR0_DEFINED                                                                                \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
	 CR0_PG)

u64 vmx_cr0(void)
{
	return (vmread_sure(GUEST_CR0) & ~VMX_CR0_OWNED) |
	       (vmread_sure(CR0_SHADOW) & VMX_CR0_OWNED);
}

u64 vmx_cr4(void)
{
	u64 mask = vmread(CR4_MASK);

	return (vmread(GUEST_CR4) & ~mask) | (vmread(CR4_SHADOW) & mask);
}

static bool pdpte_legal(const struct vcpu *vcpu, u64 entry)
{
	u64 reserved = BITS(63, vcpu->partition->cpuid->physical_bits) | BITS(8, 5) | BITS(2, 1);

	return !(entry & 1) || !(entry & reserved);
}

/*
 * PAE paging without long mode reads its four top entries now (SDM vol. 3, 4.4.1). Others of the
 * guest's CPUs may be writing them: each is read once, and what was checked is what is loaded. They
 * are no array, since one on the stack comes with a check that makes all callers save registers.
 */
static int load_pdptes(struct vcpu *vcpu, u64 cr3)
{
	const u64 *table = guest_memory_read_at(&vcpu->partition->memory, cr3 & 0xffffffe0, 32);
	u64 first, second, third, fourth;

	if (!table)
		return -EFAULT;
	first = __atomic_load_n(&table[0], __ATOMIC_RELAXED);
	second = __atomic_load_n(&table[1], __ATOMIC_RELAXED);
	third = __atomic_load_n(&table[2], __ATOMIC_RELAXED);
	fourth = __atomic_load_n(&table[3], __ATOMIC_RELAXED);
	if (!pdpte_legal(vcpu, first) || !pdpte_legal(vcpu, second) || !pdpte_legal(vcpu, third) ||
	    !pdpte_legal(vcpu, fourth))
		return -EINVAL;
	vmwrite(GUEST_PDPTE0, first);
	vmwrite(GUEST_PDPTE1, second);
	vmwrite(GUEST_PDPTE2, third);
	vmwrite(GUEST_PDPTE3, fourth);
	return 0;
}

/* By itself: see paging_switch. */
static bool cr0_legal(u64 value)
{
	return !(value & CR0_PG && !(value & CR0_PE)) && !(value & CR0_NW && !(value & CR0_CD));
}

/* SDM vol. 3, 10.8.5. What TR holds is busy: nothing else gets there. */
static bool long_mode_legal(u64 cr4)
{
	if (!(cr4 & CR4_PAE) || vmread(GUEST_CS_RIGHTS) & RIGHTS_LONG)
		return false;
	return (vmread(GUEST_TR_RIGHTS) & RIGHTS_TYPE) != TYPE_TSS16_BUSY;
}

/*
 * Switching paging on or off with EFER.LME set enters or leaves long mode. What EFER and CR4 must
 * be for paging to be as it is need not be looked at otherwise: they cannot become anything else.
 */
static int paging_switch(struct vcpu *vcpu, u64 cr0)
{
	u64 efer = vmread(GUEST_EFER), entry = vmread(ENTRY_CONTROLS), cr4 = vmx_cr4();

	if (cr0 & CR0_PG && efer & EFER_LME) {
		if (!long_mode_legal(cr4))
			return -EINVAL;
		vmwrite(GUEST_EFER, efer | EFER_LMA);
		vmwrite(ENTRY_CONTROLS, entry | ENTRY_IA32E);
		return 0;
	}
	if (!(cr0 & CR0_PG) && cr4 & CR4_PCIDE)
		return -EINVAL;
	if (efer & EFER_LMA && vmread(GUEST_CS_RIGHTS) & RIGHTS_LONG)
		return -EINVAL; /* leaving long mode from 64-bit code */
	vmwrite(GUEST_EFER, efer & ~EFER_LMA);
	vmwrite(ENTRY_CONTROLS, entry & ~ENTRY_IA32E);
	if (cr0 & CR0_PG && cr4 & CR4_PAE)
		return load_pdptes(vcpu, vmread(GUEST_CR3));
	return 0;
}

/* Changes of CD and NW make PAE paging load its top entries anew, too (SDM vol. 3, 4.4.1). */
static int pae_reload(struct vcpu *vcpu)
{
	if (vmread(GUEST_EFER) & EFER_LMA || !(vmx_cr4() & CR4_PAE))
		return 0;
	return load_pdptes(vcpu, vmread(GUEST_CR3));
}

/* What a new CR0 changes besides itself. */
static int cr0_changed(struct vcpu *vcpu, u64 value, u64 changed)
{
	if (changed & CR0_PG)
		return paging_switch(vcpu, value);
	return changed & (CR0_CD | CR0_NW) && value & CR0_PG ? pae_reload(vcpu) : 0;
}

static int cr0_write_guest(struct vcpu *vcpu, u64 value)
{
	u64 changed;
	int error;

	value = (value & CR0_DEFINED) | CR0_ET;
	if (!cr0_legal(value))
		return -EINVAL;
	changed = vmx_cr0() ^ value;
	error = cr0_changed(vcpu, value, changed);
	if (error)
		return error;
	vmwrite(CR0_SHADOW, value);
	vmwrite(GUEST_CR0, (value & ~(CR0_CD | CR0_NW)) | CR0_NE);
	/* As the CPU itself does (SDM vol. 3, 4.10.4.1). */
	if (changed & (CR0_PG | CR0_WP))
		vmx_flush_guest(vcpu);
	return 0;
}

static bool cr4_legal(const struct vcpu *vcpu, u64 value, u64 old)
{
	u64 efer = vmread(GUEST_EFER);

	if (value & ~vcpu->partition->cpuid->cr4_allowed)
		return false;
	if (efer & EFER_LMA && !(value & CR4_PAE))
		return false;
	if (value & ~old & CR4_PCIDE)
		return efer & EFER_LMA && !(vmread(GUEST_CR3) & 0xfff);
	return true;
}

/* Apart, so that a write of CR0 saves no registers for it. */
static outlined int cr4_write_guest(struct vcpu *vcpu, u64 value)
{
	u64 old = vmx_cr4();
	int error;

	if (!cr4_legal(vcpu, value, old))
		return -EINVAL;
	if ((old ^ value) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP) && value & CR4_PAE &&
	    vmread(GUEST_CR0) & CR0_PG && !(vmread(GUEST_EFER) & EFER_LMA)) {
		error = load_pdptes(vcpu, vmread(GUEST_CR3));
		if (error)
			return error;
	}
	vmwrite(CR4_SHADOW, value);
	vmwrite(GUEST_CR4, value | CR4_MCE | vmx_machine.caps.cr4_fixed0);
	/* What the CPU does itself when these change (SDM vol. 3, 4.10.4.1). */
	if ((old ^ value) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP))
		vmx_flush_guest(vcpu);
	return 0;
}

static u64 *source_register(struct vcpu *vcpu, u64 qualification)
{
	unsigned number = CR_REGISTER(qualification);

	if (number == GPR_RSP)
		vcpu->gpr[GPR_RSP] = vmread(GUEST_RSP);
	return &vcpu->gpr[number];
}

/* Only 64-bit code writes the upper half, and has to leave it 0 (SDM vol. 2, MOV). */
static int cr_write(struct vcpu *vcpu, unsigned cr, u64 value)
{
	if (unlikely(value >> 32)) {
		if (vmx_code_is_wide())
			return -EINVAL;
		value = (u32)value;
	}
	switch (cr) {
	case 0:
		return cr0_write_guest(vcpu, value);
	case 4:
		return cr4_write_guest(vcpu, value);
	default:
		return -EINVAL; /* CR3 and CR8 do not exit */
	}
}

void vmx_exit_cr_access(struct vcpu *vcpu)
{
	u64 qualification = vmread(EXIT_QUALIFICATION);
	u64 lmsw = CR_LMSW(qualification);
	int error = -EINVAL;

	switch (CR_TYPE(qualification)) {
	case CR_TYPE_WRITE:
		error = cr_write(vcpu, CR_NUMBER(qualification),
				 *source_register(vcpu, qualification));
		break;
	case CR_TYPE_CLTS:
		error = cr0_write_guest(vcpu, vmx_cr0() & ~CR0_TS);
		break;
	case CR_TYPE_LMSW:
		/* LMSW can set PE but not clear it (SDM vol. 2, LMSW). */
		error = cr0_write_guest(vcpu, (vmx_cr0() & ~(CR0_MP | CR0_EM | CR0_TS)) |
						      (lmsw & (CR0_PE | CR0_MP | CR0_EM | CR0_TS)));
		break;
	default:
		break; /* reads do not exit */
	}
	if (error)
		vmx_inject_fault(vcpu, VECTOR_GP, 0);
	else
		vmx_advance();
}

int vmx_efer_write(struct vcpu *vcpu, u64 value)
{
	u64 old = vmread(GUEST_EFER);

	if (value & ~(vcpu->partition->cpuid->efer_allowed | EFER_LMA))
		return -EINVAL;
	if ((value ^ old) & EFER_LME && vmread(GUEST_CR0) & CR0_PG)
		return -EINVAL;
	vmwrite(GUEST_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	if ((value ^ old) & EFER_NXE)
		vmx_flush_guest(vcpu);
	return 0;
}

/* SDM vol. 1, 13.3: x87 always, AVX with SSE, the three AVX-512 parts together and with AVX. */
static bool xcr0_legal(const struct vcpu *vcpu, u64 value)
{
	u64 avx512 = BITS(7, 5);

	if (value & ~vcpu->partition->cpuid->xcr0_allowed || !(value & 1))
		return false;
	if (value & BIT(2) && !(value & BIT(1)))
		return false;
	return !(value & avx512) || ((value & avx512) == avx512 && value & BIT(2));
}

void vmx_exit_xsetbv(struct vcpu *vcpu)
{
	u64 value = (vcpu->gpr[GPR_RDX] & 0xffffffff) << 32 | (vcpu->gpr[GPR_RAX] & 0xffffffff);

	if ((u32)vcpu->gpr[GPR_RCX] || !xcr0_legal(vcpu, value)) {
		vmx_inject_fault(vcpu, VECTOR_GP, 0);
		return;
	}
	vmx_of(vcpu)->xcr0 = value;
	xcr0_write(value);
	vmx_advance();
}
