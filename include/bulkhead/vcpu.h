/* SPDX-License-Identifier: MIT */
/* A virtual CPU: a thread that runs guest code. */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/guest_msr.h>
#include <bulkhead/kvm.h>
#include <bulkhead/meter.h>
#include <bulkhead/thread.h>
#include <bulkhead/timer.h>
#include <bulkhead/vlapic.h>

struct guest_cpuid;
struct partition;

/* Reasons why the vCPU must not just go on in guest mode; set by anyone (then kick), cleared by
 * itself. */
#define VCPU_REQUEST_STOP      1u /* look at the partition's state, its events, hold and startup */
#define VCPU_REQUEST_INTERRUPT 2u /* interrupt state changed: look at what to deliver */
#define VCPU_REQUEST_NMI       4u
#define VCPU_REQUEST_DEVICES   8u /* something has come for a device of the board: let it look */
/* The backend itself has something to do before the guest goes on; it is not set elsewhere than on
 * the vCPU's CPU. */
#define VCPU_REQUEST_BACKEND 16u
/* The second-level tables lost rights: no vCPU goes on while one may still use what it cached. */
#define VCPU_REQUEST_TABLES 32u

/* Those for its thread, not for the backend. */
#define VCPU_REQUESTS_LEAVE (VCPU_REQUEST_STOP | VCPU_REQUEST_DEVICES | VCPU_REQUEST_TABLES)

/* Whether a vCPU other than the first may run: see vmm/vcpu_lifecycle.c. */
enum vcpu_hold {
	VCPU_STANDS, /* by itself, and no CPU holds its state; only the first one's thread ends that
		      */
	VCPU_FREE,   /* to run */
	VCPU_HELD,   /* asked by the first one's thread to stand still */
};

/* Bits of vcpu->startup, all 0 while the guest runs on it (SDM vol. 3, 9.4.4). Bits 7:0: the vector
 * of the STARTUP. */
#define VCPU_STARTUP_WAITS 0x100u /* for a STARTUP */
#define VCPU_STARTUP_CAME  0x200u /* there was one */
#define VCPU_STARTUP_INIT  0x400u /* an INIT has yet to take effect, before that */

#define VCPU_LATE_APIC	1u
#define VCPU_LATE_BOARD 2u

/* Why a vCPU stopped for good. */
enum vcpu_stop {
	VCPU_STOP_NONE,
	VCPU_STOP_TRIPLE_FAULT,
	VCPU_STOP_UNKNOWN_EXIT,
	VCPU_STOP_ENTRY_FAILED,
	VCPU_STOP_EMULATION,
};

/*
 * Owned by the CPU that its thread belongs to; others only set `requests` and wake the thread. The
 * general registers are here while the vCPU is not in guest mode; entry and exit code knows their
 * offset.
 */
struct vcpu {
	/* First, and in this order: entry and exit assembly counts on it. */
	u64 gpr[GPR_COUNT];
	/* In guest mode. While it is there, less the TSC at which it entered, and so negative as a
	 * signed number. A meter of time: see vcpu_times. */
	u64 guest_ticks;
	u64 exit_at; /* TSC of the exit that is being handled; 0: none */
	u64 exits;
	u32 exit_reason; /* which meter is its */
	volatile u32 requests;
	u64 cr2;
	u32 id;	 /* index in its partition, and APIC id */
	u16 tag; /* from 1: no other vCPU that exists has it; tells translations and traces apart */
	struct partition *partition;
	const struct guest_cpuid *cpuid; /* the partition's: a step less for who asks often */
	void *virt;			 /* the virtualisation backend's */
	u64 tsc_offset;			 /* guest TSC = host TSC + offset */
	bool halted;			 /* executed HLT and waits for an interrupt */
	volatile bool in_guest;		 /* as far as others need to know to kick it */
	struct vlapic apic;
	/*
	 * Interrupts that other CPUs have for the APIC: by vector, and whether level-triggered.
	 * Atomic. The vCPU takes them into its APIC itself, as the CPU may be working on that page
	 * (vcpu_take_posted).
	 */
	u32 posted[8], posted_level[8];
	bool posted_any; /* there may be some */
	struct guest_msrs msrs;
	struct kvm_state kvm;
	struct thread thread;
	u32 hold;			/* enum vcpu_hold; atomic; not the first one's */
	u32 startup;			/* VCPU_STARTUP_*; atomic; of the first one always 0 */
	struct exit_meter *exit_meters; /* METER_EXIT_REASONS of them, by reason */
	/* As the guest left it, when it was paused or crashed: see partition_inspectable. */
	struct cpu_state state;
	u32 late_timers;    /* that came due while it waited for its CPU; on that CPU */
	bool pic_level;	    /* the 8259 pair's INTR; written under the device lock, read without */
	u64 pic_interrupts; /* that the 8259 pair delivered */
	u64 rest_ticks;	    /* blocked while the partition was paused or did not run */
	u64 rest_from;	    /* blocked time when that began; VCPU_NOT_RESTING */
	enum vcpu_stop stop;
	char stop_text[160]; /* for the operator: what exactly happened */
};

/* Ask `vcpu` to look at `request` soon; any CPU. */
void vcpu_request(struct vcpu *vcpu, u32 request);

/* On the vCPU's CPU, while it is not in guest mode: move posted interrupts into its APIC. */
void vcpu_move_posted(struct vcpu *vcpu);
static inline void vcpu_take_posted(struct vcpu *vcpu)
{
	if (unlikely(__atomic_load_n(&vcpu->posted_any, __ATOMIC_RELAXED)))
		vcpu_move_posted(vcpu);
}

/* Before anybody looks at its APIC: the guest may have signalled an EOI through its memory. */
static inline void vcpu_take_eoi(struct vcpu *vcpu)
{
	if (unlikely(vcpu->kvm.eoi_offered))
		kvm_eoi_take(vcpu);
}

/* Whether a kick ends a halt, which is the end of the kick. */
static inline bool vcpu_take_kick(struct vcpu *vcpu)
{
	return unlikely(__atomic_load_n(&vcpu->kvm.kicked, __ATOMIC_RELAXED)) &&
	       __atomic_exchange_n(&vcpu->kvm.kicked, false, __ATOMIC_ACQUIRE);
}

/* How many interrupts it got, as far as Bulkhead had to do with them. */
static inline u64 vcpu_interrupts(const struct vcpu *vcpu)
{
	return vcpu->pic_interrupts + vcpu->apic.accepted;
}

/* Where its time went; any CPU. */
#define VCPU_NOT_RESTING (~0UL)
void vcpu_times(struct vcpu *vcpu, struct vcpu_times *times);

/* The guest did what cannot go on: the partition stops and stays as it is for inspection. On the
 * vCPU's CPU, in an exit handler. */
void vcpu_stop(struct vcpu *vcpu, enum vcpu_stop reason, const char *format, ...) printf_like(3, 4);
