/* SPDX-License-Identifier: MIT */
/* VT-x as a virtualisation backend: finding out what there is, and root operation on each CPU. */
#include "vmx.h"

#include "../arch_cpu.h"
#include "../guest_cpu.h"
#include "../instructions.h"
#include "entry_check.h"
#include "instructions.h"

#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define FEATURE_CONTROL_LOCKED BIT(0)
#define FEATURE_CONTROL_VMXON  BIT(2)

struct vmx_machine vmx_machine;

void vmx_instruction_failed(const char *instruction, u64 field)
{
	panic("%s failed, field 0x%lx", instruction, field);
}

void vmx_read_failed(u64 field)
{
	vmx_instruction_failed("VMREAD", field);
}

void vmx_write_failed(u64 field)
{
	vmx_instruction_failed("VMWRITE", field);
}

static u64 read_msr(void *context unused, u32 msr)
{
	return msr_read(msr);
}

static void read_capabilities(struct vmx_capabilities *caps)
{
	unsigned physical_bits = cpuid(0x80000008, 0).eax & 0xff;

	vmx_capabilities_read(caps, read_msr, NULL, physical_bits);
}

#define IO_BITMAPS_BYTES (2 * PAGE_SIZE)

static int allocate_bitmaps(void)
{
	vmx_machine.io_bitmaps = memory_take(MEMORY_OTHER, IO_BITMAPS_BYTES);
	vmx_machine.msr_bitmaps = memory_take(MEMORY_OTHER, VMX_MSR_BITMAPS * PAGE_SIZE);
	if (!vmx_machine.io_bitmaps || !vmx_machine.msr_bitmaps)
		return -ENOMEM;
	memset(vmx_machine.io_bitmaps, 0xff, IO_BITMAPS_BYTES);
	vmx_msr_bitmaps_build();
	return 0;
}

static bool eoi_exits(void)
{
	return !vmx_machine.controls.apic_registers;
}

static int probe(void)
{
	struct vmx_machine *m = &vmx_machine;
	char missing[160];

	if (!(cpuid(1, 0).ecx & BIT(5))) {
		log_error("the CPU has no VT-x");
		return -ENODEV;
	}
	read_capabilities(&m->caps);
	if (vmx_controls_choose(&m->caps, 0, &m->controls, missing)) {
		log_error("%s", missing);
		return -ENODEV;
	}
	if (vmx_preemption_timer_errs(cpuid(1, 0).eax))
		log_warn("this CPU's VMX-preemption timer has an erratum: guests may keep the CPU "
			 "for longer than they should");
	page_table_format_ept(&m->ept, m->caps.physical_bits, m->caps.ept_vpid & EPT_CAP_1G,
			      m->caps.ept_vpid & EPT_CAP_2M);
	guest_cpu_init(&(struct guest_cpuid_options){
		.tsc_hz = arch_tsc_hz(),
		.no_rdtscp = !(m->controls.cpu2 & CPU2_RDTSCP),
		.no_invpcid = !(m->controls.cpu2 & CPU2_INVPCID),
		.eoi_exits = eoi_exits(),
	});
	m->preemption_most = 0xffffffffUL << m->caps.preemption_shift;
	return allocate_bitmaps();
}

/* Let VMXON be executed: firmware locks this MSR or leaves it to us (SDM vol. 3, 24.7). */
static int enable_feature_control(void)
{
	u64 value = msr_read(IA32_FEATURE_CONTROL);

	if (!(value & FEATURE_CONTROL_LOCKED))
		msr_write(IA32_FEATURE_CONTROL,
			  value | FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMXON);
	else if (!(value & FEATURE_CONTROL_VMXON)) {
		log_error("VMX is locked off by firmware on CPU %u: IA32_FEATURE_CONTROL = 0x%lx",
			  arch_cpu_id(), value);
		return -ENODEV;
	}
	return 0;
}

static bool controls_equal(const struct vmx_controls *a, const struct vmx_controls *b)
{
	return a->pin == b->pin && a->cpu == b->cpu && a->cpu2 == b->cpu2 && a->exit == b->exit &&
	       a->entry == b->entry && a->apic_registers == b->apic_registers &&
	       a->x2apic == b->x2apic;
}

/* All CPUs must offer what the controls use: vCPUs may run on any of them. */
static int check_same_capabilities(void)
{
	struct vmx_capabilities mine;
	struct vmx_controls controls;
	char missing[160];

	read_capabilities(&mine);
	vmx_capabilities_merge(&mine, &vmx_machine.caps);
	if (vmx_controls_choose(&mine, 0, &controls, missing) ||
	    !controls_equal(&controls, &vmx_machine.controls)) {
		log_error("CPU %u has a different VT-x than CPU 0", arch_cpu_id());
		return -ENODEV;
	}
	/* What is used where it is there must be there on all. */
	vmx_capabilities_merge(&vmx_machine.caps, &mine);
	return 0;
}

static int cpu_enable(void)
{
	struct arch_cpu *arch = cpu_this()->arch;
	const struct vmx_capabilities *caps = &vmx_machine.caps;
	u32 *region = memory_take(MEMORY_OTHER, PAGE_SIZE);
	int error;

	if (!region)
		return -ENOMEM;
	arch->virt = region;
	error = enable_feature_control();
	error = error ? error : check_same_capabilities();
	if (error)
		return error;
	cr0_write((cr0_read() | caps->cr0_fixed0) & caps->cr0_fixed1);
	cr4_write((cr4_read() | caps->cr4_fixed0 | CR4_VMXE) & caps->cr4_fixed1);
	*region = caps->revision;
	if (vmxon(memory_physical(region))) {
		log_error("VMXON failed on CPU %u", arch_cpu_id());
		return -EIO;
	}
	/* Nothing that was cached before, by whatever ran here, may be used (SDM vol. 3, 29.4.3.3).
	 */
	if ((caps->ept_vpid & EPT_CAP_INVEPT_ALL && invept(INVEPT_ALL, 0)) ||
	    (caps->ept_vpid & EPT_CAP_INVVPID_ALL && invvpid(INVVPID_ALL, 0)))
		log_warn("CPU %u refuses INVEPT or INVVPID", arch_cpu_id());
	return 0;
}

static void cpu_disable(void)
{
	struct vcpu *vcpu = cpu_this()->virt_owner;

	if (vcpu && vmclear(memory_physical(vmx_of(vcpu)->vmcs)))
		log_warn("VMCLEAR failed on CPU %u", arch_cpu_id());
	cpu_this()->virt_owner = NULL; /* an NMI must not look for a VMCS now */
	vmxoff();
	cr4_write(cr4_read() & ~CR4_VMXE);
}

/*
 * With APIC virtualisation the CPU answers accesses to this page itself, as long as they are mapped
 * to it. A guest that moves its APIC elsewhere is served in software there.
 */
static int map_apic_page(struct partition *partition, void *page)
{
	bool changed;

	if (!vmx_machine.controls.apic_registers)
		return 0;
	return page_table_map(&partition->second_level, VLAPIC_BASE_DEFAULT, memory_physical(page),
			      PAGE_SIZE, PAGE_READ | PAGE_WRITE, MEMORY_WB, &changed);
}

/* A type that the CPU has: all contexts where it has no single one. */
void vmx_flush_ept(const struct vcpu *vcpu)
{
	bool single = vmx_machine.caps.ept_vpid & EPT_CAP_INVEPT_SINGLE;

	if (invept(single ? INVEPT_SINGLE : INVEPT_ALL, vmx_of(vcpu)->ept_pointer))
		panic("INVEPT failed");
}

void vmx_flush_guest(const struct vcpu *vcpu)
{
	bool single = vmx_machine.caps.ept_vpid & EPT_CAP_INVVPID_SINGLE;

	if (invvpid(single ? INVVPID_SINGLE : INVVPID_ALL, vmx_of(vcpu)->vpid))
		panic("INVVPID failed");
}

static u64 xsave_bytes(const struct vcpu *vcpu)
{
	return MAX(vcpu->partition->cpuid->xsave_bytes, 512U);
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (!vmx)
		return;
	vmx_capture_destroy(vcpu);
	memory_give(MEMORY_OTHER, vmx->vmcs, PAGE_SIZE);
	if (vcpu->id == 0)
		memory_give(MEMORY_DEVICES, vmx->apic_access_page, PAGE_SIZE);
	memory_give(MEMORY_OTHER, vmx->xsave, xsave_bytes(vcpu));
	memory_give(MEMORY_OTHER, vmx, sizeof(*vmx));
}

static int vcpu_create(struct vcpu *vcpu)
{
	const struct vcpu *first = vcpu->id ? vcpu->partition->vcpus[0] : NULL;
	struct vmx_vcpu *vmx = memory_take(MEMORY_OTHER, sizeof(*vmx));

	if (!vmx)
		return -ENOMEM;
	vcpu->virt = vmx;
	vmx->vmcs_cpu = VMX_NO_CPU;
	vmx->vmcs = memory_take(MEMORY_OTHER, PAGE_SIZE);
	vmx->apic_access_page =
		first ? vmx_of(first)->apic_access_page : memory_take(MEMORY_DEVICES, PAGE_SIZE);
	vmx->xsave = memory_take(MEMORY_OTHER, xsave_bytes(vcpu));
	if (!vmx->vmcs || !vmx->apic_access_page || !vmx->xsave)
		return -ENOMEM;
	vmx->vpid = vcpu->tag;
	vmx->ept_pointer = memory_physical(vcpu->partition->second_level.root) | 3 << 3 | MEMORY_WB;
	vmx->ept_stale = true;
	return first ? 0 : map_apic_page(vcpu->partition, vmx->apic_access_page);
}

/* The first time on this CPU since another let go of it: what differs from CPU to CPU. */
static void arrive(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	vmx->vmcs_cpu = cpu_this()->id;
	vmcs_host_setup();
	/* It may have been here before, and changed its tables elsewhere. */
	vmx->ept_stale = true;
}

static void vmcs_load(struct vcpu *vcpu)
{
	struct cpu *cpu = cpu_this();
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (!vmx->vmcs_used) {
		*(u32 *)vmx->vmcs = vmx_machine.caps.revision;
		if (vmclear(memory_physical(vmx->vmcs)))
			panic("VMCLEAR failed");
		vmx->vmcs_used = true;
	}
	if (vmptrld(memory_physical(vmx->vmcs)))
		panic("VMPTRLD failed, error %lu", vmread(INSTRUCTION_ERROR));
	cpu->virt_owner = vcpu;
	if (vmx->vmcs_cpu == VMX_NO_CPU)
		arrive(vcpu);
}

/* Make `vcpu`'s VMCS the current one of this CPU; another CPU must have let go of it. */
static inline void load(struct vcpu *vcpu)
{
	if (cpu_this()->virt_owner != vcpu)
		vmcs_load(vcpu);
}

/* A VMCS may be active on one CPU only, and is written back to memory by VMCLEAR (SDM vol.
 * 3, 25.1). */
static void vcpu_leave(struct vcpu *vcpu)
{
	struct cpu *cpu = cpu_this();
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (cpu->fpu_owner == vcpu)
		vmx_registers_save();
	/* Nobody has it; or, while it stands still, the CPU of its partition's first vCPU. */
	if (vmx->vmcs_cpu != cpu->id)
		return;
	if (vmclear(memory_physical(vmx->vmcs)))
		panic("VMCLEAR failed");
	if (cpu->virt_owner == vcpu)
		cpu->virt_owner = NULL;
	vmx->vmcs_cpu = VMX_NO_CPU;
	vmx->launched = false; /* VMCLEAR makes its launch state clear */
}

static void vcpu_time_changed(struct vcpu *vcpu)
{
	load(vcpu);
	vmwrite(TSC_OFFSET, vcpu->tsc_offset);
}

/* What an INIT resets and is not in the VMCS. */
static void registers_init(struct vcpu *vcpu, const struct cpu_state *state)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	memcpy(vcpu->gpr, state->gpr, sizeof(vcpu->gpr));
	vcpu->cr2 = state->cr2;
	vcpu->halted = false;
	vmx->spins = false;
	vmwrite(ENTRY_INTERRUPTION, 0);
	vmx->ept_stale =
		true; /* a reset leaves nothing in the TLB, the previous run's least of all */
	memset(vmx->dr, 0, sizeof(vmx->dr));
	vmx->dr6 = 0xffff0ff0;
	vcpu_request(vcpu, VCPU_REQUEST_INTERRUPT);
}

/* What else the CPU has in registers stays: those of the FPU, XCR0, most MSRs; and of CR0 what
 * concerns caches. */
static void vcpu_init(struct vcpu *vcpu, const struct cpu_state *state)
{
	struct cpu_state kept = *state;

	load(vcpu);
	if (cpu_this()->fpu_owner == vcpu)
		vmx_registers_save();
	kept.cr0 |= vmx_cr0() & (CR0_CD | CR0_NW);
	vmcs_init(vcpu, &kept);
	registers_init(vcpu, state);
}

static void vcpu_reset(struct vcpu *vcpu, const struct cpu_state *state)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	load(vcpu);
	vmcs_setup(vcpu, state);
	registers_init(vcpu, state);
	memset(vmx->apic_access_page, 0, PAGE_SIZE);
	vmx->star = vmx->lstar = vmx->cstar = vmx->fmask = vmx->kernel_gs_base = vmx->tsc_aux = 0;
	vmx->xcr0 = 1;
	/* Power-up FPU state: FCW and MXCSR (SDM vol. 1, 13.6); XSTATE_BV 0 makes XRSTOR do the
	 * rest. */
	memset(vmx->xsave, 0, xsave_bytes(vcpu));
	*(u16 *)vmx->xsave = 0x37f;
	*(u32 *)(void *)((u8 *)vmx->xsave + 24) = 0x1f80;
	if (cpu_this()->fpu_owner == vcpu)
		cpu_this()->fpu_owner = NULL;
}

/* Until something comes before the guest, or an entry fails. */
static void enter(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (unlikely(vmx_run(vcpu, vmx->launched))) {
		vcpu->guest_ticks += tsc_read();
		vmx_entry_failed(vcpu, vmread(INSTRUCTION_ERROR));
		vmx->result = VIRT_STOPPED;
	}
	/* Whether it was launched before that, only the CPU knows: VMCLEAR makes sure. */
	if (unlikely(vcpu->stop == VCPU_STOP_ENTRY_FAILED))
		vcpu_leave(vcpu);
	else if (vmx->result != VIRT_AWAY)
		vmx->launched = true;
}

static enum virt_result vcpu_run(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	load(vcpu);
	vmx_registers_load(vcpu);
	vmcs_pause_loops(vcpu, cpu_this()->queue.count);
	if (vmx->ept_stale) {
		vmx_flush_ept(vcpu);
		vmx_flush_guest(vcpu);
		vmx->ept_stale = false;
	}
	/* From here on a request must come with an interrupt; the ones before it are seen below. */
	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	if (vmx_prepare(vcpu))
		enter(vcpu);
	vcpu->in_guest = false;
	return vmx->result;
}

static void vcpu_flush(struct vcpu *vcpu)
{
	load(vcpu);
	vmx_flush_guest(vcpu);
}

static void vcpu_tables_changed(struct vcpu *vcpu)
{
	vmx_of(vcpu)->ept_stale = true;
}

static void vcpu_state(struct vcpu *vcpu, struct cpu_state *state)
{
	load(vcpu);
	vmcs_state(vcpu, state);
}

static const struct page_table_format *guest_format(void)
{
	return &vmx_machine.ept;
}

static void describe(char *buffer, size_t bytes)
{
	const struct vmx_machine *m = &vmx_machine;

	format_text(buffer, bytes, "VT-x, EPT%s, %s", m->caps.ept_vpid & EPT_CAP_1G ? " 1G" : " 2M",
		    m->controls.apic_registers ? "APIC virtualisation" : "APIC in software");
}

const struct virt_backend virt_vmx = {
	.name = "VT-x",
	.probe = probe,
	.cpu_enable = cpu_enable,
	.cpu_disable = cpu_disable,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_reset = vcpu_reset,
	.vcpu_init = vcpu_init,
	.vcpu_run = vcpu_run,
	.entry_end = vmx_entry_end,
	.vcpu_leave = vcpu_leave,
	.vcpu_time_changed = vcpu_time_changed,
	.vcpu_flush = vcpu_flush,
	.vcpu_tables_changed = vcpu_tables_changed,
	.eoi_exits = eoi_exits,
	.vcpu_capture = vmx_capture,
	.vcpu_fields = vmx_fields,
	.vcpu_grants = vmx_grants,
	.exit_name = vmx_exit_reason_name,
	.vcpu_state = vcpu_state,
	.guest_format = guest_format,
	.describe = describe,
};
