/* SPDX-License-Identifier: MIT */
/*
 * The virtualisation backend: what the hypervisor asks of VT-x (and, later, of AMD SVM). Chosen at
 * boot, before any partition exists. The backend runs the guest, takes its exits, turns each into
 * one of the neutral requests of include/bulkhead/exit.h, and delivers what they answer.
 */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/page_table.h>
#include <bulkhead/types.h>

struct partition;
struct vcpu;

/* Why virt_backend.run came back. */
enum virt_result {
	VIRT_ATTENTION, /* the CPU's attention or the vCPU's requests are set, or its time is up */
	VIRT_HALTED,	/* HLT: wait for an interrupt */
	VIRT_STOPPED,	/* vcpu_stop was called */
};

struct virt_backend {
	const char *name;
	/* Once, on the boot CPU: can it be used here? Says on the log what is missing. */
	int (*probe)(void);
	/* On each CPU, before any vCPU runs there, and when the machine goes down. */
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);

	int (*vcpu_create)(struct vcpu *vcpu);
	/* Of a vCPU that never ran, however far its creation came. */
	void (*vcpu_destroy)(struct vcpu *vcpu);
	/* Start state: power-up values for all that `state` does not give. On any CPU, while the
	 * vCPU does not run. */
	void (*vcpu_reset)(struct vcpu *vcpu, const struct cpu_state *state);
	/* Run guest code until something else wants the CPU. Interrupts off, on its own CPU. */
	enum virt_result (*vcpu_run)(struct vcpu *vcpu);
	/* The state as the guest left it; while it does not run, on its own CPU. */
	void (*vcpu_state)(struct vcpu *vcpu, struct cpu_state *state);

	/* The format of second-level tables on this machine. */
	const struct page_table_format *(*guest_format)(void);
	/* One line on what the CPU offers and the backend uses, for `version` and the log. */
	void (*describe)(char *buffer, size_t bytes);
};

extern const struct virt_backend *virt;
extern const struct virt_backend virt_vmx;
