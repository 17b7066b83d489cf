/* SPDX-License-Identifier: MIT */
/* What the files of the VT-x backend share. */
#pragma once

#include "capabilities.h"
#include "fields.h"
#include "guest_access.h"

#include <bulkhead/cpu.h>
#include <bulkhead/cpu_state.h>
#include <bulkhead/vcpu.h>
#include <bulkhead/virt.h>

/* The VMX side of a vCPU. */
struct vmx_vcpu {
	void *vmcs;	/* one page */
	u32 vmcs_cpu;	/* on which CPU it is active; VMX_NO_CPU: on none */
	bool vmcs_used; /* it has ever been */
	bool launched;
	enum virt_result result; /* why the loop of vmx_run was left */
	u16 vpid;
	u64 ept_pointer;
	bool ept_stale; /* this CPU may have cached EPT entries that changed */

	u32 cpu_controls; /* what is in the VMCS now */
	u32 cpu2_controls;
	bool spins;	  /* it left guest mode in a loop of PAUSE */
	u32 eoi_exits[8]; /* EOI-exit bitmap as last written */

	/* Registers that stay in the CPU while the vCPU does, and are here while another's are
	 * there. */
	u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
	u64 dr[4], dr6;
	u64 xcr0;
	void *xsave; /* XSAVE (or FXSAVE) area */

	struct guest_access_cache emulation;

	void *apic_access_page;	     /* the partition's: made and freed with its first vCPU */
	struct vmx_capture *capture; /* for inspection; NULL: none yet, or no memory */
};

#define VMX_NO_CPU (~0u)

/* One machine: the controls that all CPUs share. */
struct vmx_machine {
	struct vmx_capabilities caps;
	struct vmx_controls controls;
	struct page_table_format ept;
	void *io_bitmaps;    /* two pages, all ones: every port exits */
	void *msr_bitmaps;   /* VMX_MSR_BITMAPS pages: see vmx_msr_bitmap */
	u64 preemption_most; /* so many TSC ticks does the preemption timer count */
};
extern struct vmx_machine vmx_machine;

#define VMX_MSR_BITMAP_X2APIC  1u /* for x2APIC mode, virtualised */
#define VMX_MSR_BITMAP_TSC_AUX 2u /* for guests that have RDTSCP */
#define VMX_MSR_BITMAPS	       4u

/* The one that goes with the controls of the vCPU. */
static inline u8 *vmx_msr_bitmap(const struct vmx_vcpu *vmx)
{
	u32 index = (vmx->cpu2_controls & CPU2_X2APIC ? VMX_MSR_BITMAP_X2APIC : 0) |
		    (vmx->cpu2_controls & CPU2_RDTSCP ? VMX_MSR_BITMAP_TSC_AUX : 0);

	return (u8 *)vmx_machine.msr_bitmaps + index * PAGE_SIZE;
}

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
	return vcpu->virt;
}

/* enter.asm */
int vmx_run(struct vcpu *vcpu, bool launched);
extern const char vmx_exit_entry[], vmx_exit_entry_touch[];
_Static_assert(offsetof(struct vcpu, gpr) == 0 && offsetof(struct vcpu, guest_ticks) == 128 &&
		       offsetof(struct vcpu, exit_at) == 136 &&
		       offsetof(struct vcpu, exits) == 144 &&
		       offsetof(struct vcpu, exit_reason) == 152 && offsetof(struct cpu, cr2) == 96,
	       "enter.asm knows where they are");
_Static_assert(offsetof(struct cpu, resumes) == 88, "enter.asm knows where it is");
/*
 * exits.c and go_on.c, which enter.asm calls after an exit. A reason below trace_exits_quiet is the
 * number of its handler; vmx_exit_unusual finds that of any other. Then vmx_go_on: the guest goes
 * on if cpu->resumes is its vCPU then. If not, vmx_entry_stopped says whether it does all the same.
 */
typedef void (*vmx_exit_handler)(struct vcpu *vcpu);
extern const vmx_exit_handler vmx_exit_handlers[];
u32 vmx_exit_unusual(struct vcpu *vcpu, u32 reason);
void vmx_go_on(struct vcpu *vcpu);
bool vmx_entry_stopped(struct vcpu *vcpu);
/* The last that a handler does which has changed RBX in struct vcpu: enter.asm. */
void vmx_load_rbx(struct vcpu *vcpu);
/* Handlers that have to do with more registers than a C function may change, and the way to each
 * through enter.asm. */
void vmx_exit_vmcall(struct vcpu *vcpu);
void vmx_exit_vmcall_rbx(struct vcpu *vcpu);
void vmx_exit_emulate(struct vcpu *vcpu);
void vmx_exit_emulate_whole(struct vcpu *vcpu);
void vmx_exit_apic_access(struct vcpu *vcpu);
void vmx_exit_apic_access_whole(struct vcpu *vcpu);
void vmx_exit_cr_access_whole(struct vcpu *vcpu);
void vmx_exit_preemption_timer(struct vcpu *vcpu); /* go_on.c */
/* The exit of any port access: of one of a string, which may need all registers, too. */
void vmx_exit_io_any(struct vcpu *vcpu);
/* Everything that must happen right before guest code runs. False: not now, see vmx_vcpu.result. */
bool vmx_prepare(struct vcpu *vcpu);
/* Let the next entry of this CPU end before guest code: see virt_backend.entry_end. */
void vmx_entry_end(void);
/* entry_failed.c: VM entry was refused with this VM-instruction error, or 0: with exit reason 33
 * or 34. */
void vmx_entry_failed(struct vcpu *vcpu, u64 instruction_error);

/* vmx.c: forget cached translations of this vCPU's guest, of its EPT tables or of its own ones. */
void vmx_flush_ept(const struct vcpu *vcpu);
void vmx_flush_guest(const struct vcpu *vcpu);

/* vmcs.c */
void vmcs_setup(struct vcpu *vcpu, const struct cpu_state *state);
/* Only what an INIT changes. */
void vmcs_init(const struct vcpu *vcpu, const struct cpu_state *state);
void vmcs_host_setup(void);
void vmcs_state(struct vcpu *vcpu, struct cpu_state *state);
void vmcs_apic_mode(struct vcpu *vcpu);
void vmcs_pause_loops(struct vcpu *vcpu, bool others_wait);

/* interrupt.c */
/* What waits is injected, or left to the CPU, or an exit is asked for when the guest can take it.
 * What it takes at the next entry ends a halt. */
void vmx_interrupt_deliver(struct vcpu *vcpu);
void vmx_exit_interrupt_window(struct vcpu *vcpu);
void vmx_exit_hlt(struct vcpu *vcpu);
void vmx_inject(struct vcpu *vcpu, u32 event, u32 error_code);
void vmx_inject_exception(struct vcpu *vcpu, u8 vector);
void vmx_inject_fault(struct vcpu *vcpu, u8 vector, u32 error_code);
void vmx_cpu_control(struct vcpu *vcpu, u32 bit, bool on);

/* mmio.c: run the instruction at RIP, which touched memory that is not RAM. */
void vmx_emulate(struct vcpu *vcpu);
/* Run the INS or OUTS that exited. */
void vmx_emulate_string(struct vcpu *vcpu, u64 qualification);

/* control_registers.c */
/* CR0 bits whose writes exit: caching is the hypervisor's, NE must stay 1 in VMX operation. */
#define VMX_CR0_OWNED (CR0_CD | CR0_NW | CR0_NE)
void vmx_exit_cr_access(struct vcpu *vcpu);
void vmx_exit_xsetbv(struct vcpu *vcpu);
int vmx_efer_write(struct vcpu *vcpu, u64 value);
u64 vmx_cr0(void); /* as the guest sees it */
u64 vmx_cr4(void);

/* msr.c */
void vmx_exit_rdmsr(struct vcpu *vcpu);
void vmx_exit_wrmsr(struct vcpu *vcpu);
void vmx_msr_bitmaps_build(void);

/* io.c */
/* Not of a string. */
void vmx_exit_io(struct vcpu *vcpu, u64 qualification);
/*
 * The INS or OUTS of this I/O exit, as its fields describe it, in as many bytes as it has
 * (returned; INSTRUCTION_BYTES_MAX at most): it need not be fetched, and firmware runs where there
 * is no RAM.
 */
unsigned vmx_io_code(enum cpu_mode mode, u8 *code);
/* Whether an I/O exit with this qualification is INS or OUTS and has to do with that port. */
bool vmx_io_is(u64 qualification, u16 port, bool in);

/* capture.c: keep the fields of the current VMCS, which is `vcpu`'s; and show what was kept. */
void vmx_capture_destroy(struct vcpu *vcpu);
void vmx_capture(struct vcpu *vcpu);
void vmx_fields(const struct vcpu *vcpu,
		void (*show)(void *context, const struct virt_field *field), void *context);

/* grants.c: virt_backend.vcpu_grants. */
void vmx_grants(const struct vcpu *vcpu,
		void (*show)(void *context, const struct virt_grant *grant), void *context);

/* switch.c: registers that the hypervisor does not use. */
void vmx_registers_load(struct vcpu *vcpu);
void vmx_registers_save(void); /* into the vCPU whose they are, and nobody's from now on */
/* A vector register of the vCPU that runs here: see struct emulate_ops. -ENODEV: wider than this
 * CPU has them. */
void vmx_vector_read(struct vcpu *vcpu, unsigned reg, void *data);
int vmx_vector_write(struct vcpu *vcpu, unsigned reg, const void *data, unsigned bytes) must_check;
