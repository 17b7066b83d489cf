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
	VIRT_AWAY,	/* it has halted, and others have had the CPU since: it may run again */
	VIRT_SPINS,	/* it waits for a lock: others may run first */
	VIRT_STOPPED,	/* vcpu_stop was called */
};

/* A field of the structure by which a CPU runs a vCPU, as vcpu_capture kept it. */
struct virt_field {
	u32 encoding;
	const char *group; /* "control", "exit", "guest" or "host" */
	const char *name;
	u64 value;
	const char *meaning; /* what its bits say; "" where the number says it all */
};

enum virt_grant_kind {
	VIRT_GRANT_TABLES, /* `first` is the root of the second-level tables that the CPU walks */
	VIRT_GRANT_PAGES,  /* physical, the hypervisor's, which those tables may map for hardware */
	VIRT_GRANT_PORTS,  /* pass to the machine's own */
	VIRT_GRANT_MSRS,   /* are read or written without an exit */
	VIRT_GRANT_INTERRUPT, /* the host's interrupts go to the guest */
};

struct virt_grant {
	enum virt_grant_kind kind;
	u64 first, last; /* both included */
	bool read, write;
	const char *what; /* in words; may be "" */
};

struct virt_backend {
	const char *name;
	/* Once, on the boot CPU: can it be used here? Says on the log what is missing. */
	int (*probe)(void);
	/* On each CPU, before any vCPU runs there, and when the machine goes down. */
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);

	/* In order of id: the vCPUs of a partition share what the first one's creation makes. */
	int (*vcpu_create)(struct vcpu *vcpu);
	/* Of a vCPU that no CPU holds, however far its creation came; the first one last. */
	void (*vcpu_destroy)(struct vcpu *vcpu);
	/* Start state: power-up values for all that `state` does not give. On any CPU, while the
	 * vCPU does not run. */
	void (*vcpu_reset)(struct vcpu *vcpu, const struct cpu_state *state);
	/* INIT, or STARTUP after it: what `state` gives, and all else as that leaves it (SDM vol.
	 * 3, table 10-1). Likewise. */
	void (*vcpu_init)(struct vcpu *vcpu, const struct cpu_state *state);
	/* Run guest code until something else wants the CPU. Interrupts off, on its own CPU. */
	enum virt_result (*vcpu_run)(struct vcpu *vcpu);
	/* If it is about to enter guest code, that ends before the first instruction. In the
	 * middle of anything, by an NMI; cpu->virt_owner is not NULL, cpu->resumes is. */
	void (*entry_end)(void);
	/* This CPU lets go of it: another may hold it then, or it is destroyed. While it does not
	 * run. On a CPU that does not hold it: nothing. */
	void (*vcpu_leave)(struct vcpu *vcpu);
	/* vcpu->tsc_offset changed. This and what follows: while it does not run, on the CPU that
	 * holds it, or on any, which holds it then, if none does. */
	void (*vcpu_time_changed)(struct vcpu *vcpu);
	/* Forget what this CPU has cached of the guest's own translations. */
	void (*vcpu_flush)(struct vcpu *vcpu);
	/* Second-level tables lost rights: what CPUs have cached of them may not be used when it
	 * runs again. While it does not run, on its CPU. */
	void (*vcpu_tables_changed)(struct vcpu *vcpu);
	/* The state as the guest left it. */
	void (*vcpu_state)(struct vcpu *vcpu, struct cpu_state *state);

	/*
	 * Keep all that vcpu_fields shows. vcpu_fields then calls `show` with each kept field in
	 * order of encoding, on any CPU.
	 */
	void (*vcpu_capture)(struct vcpu *vcpu);
	void (*vcpu_fields)(const struct vcpu *vcpu,
			    void (*show)(void *context, const struct virt_field *field),
			    void *context);
	/* What a guest can reach without an exit, as its CPU is told now; any CPU, even while it
	 * runs. */
	void (*vcpu_grants)(const struct vcpu *vcpu,
			    void (*show)(void *context, const struct virt_grant *grant),
			    void *context);
	/* What exit reason `reason` is called; NULL: there is none. */
	const char *(*exit_name)(u32 reason);

	/* Whether every EOI of a guest comes to the hypervisor. */
	bool (*eoi_exits)(void);
	/* The format of second-level tables on this machine. */
	const struct page_table_format *(*guest_format)(void);
	/* One line on what the CPU offers and the backend uses, for `version` and the log. */
	void (*describe)(char *buffer, size_t bytes);
};

extern const struct virt_backend *virt;
extern const struct virt_backend virt_vmx;
