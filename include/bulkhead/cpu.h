/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data. Each CPU has one struct cpu behind GS; cpu_this() is it. Fields belong to the CPU
 * itself unless a comment says that others may use them.
 */
#pragma once

#include <bulkhead/scheduler.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/types.h>

#define CPU_MAX 512

struct thread;
struct timer;
struct vcpu;
struct arch_cpu;

struct cpu {
	struct cpu *self; /* at GS:0 */
	u32 id;
	u32 apic_id;
	struct thread *thread; /* running now */
	struct thread *idle;
	struct arch_cpu *arch;

	/*
	 * Not zero: something waits for the scheduler or the timer queue, do not enter a guest
	 * before it was looked at. Others set it (then kick); only this CPU clears it.
	 */
	volatile u32 attention;

	u64 timer_next; /* TSC of the first timer of this CPU's queue, ~0: none */
	u64 slice_end;	/* TSC at which the scheduler must be asked again; ~0: never */
	/*
	 * TSC at which the vCPU that runs here is left to look at the two above: never later than
	 * they are, but for what others make earlier, who set `attention`. Worked out at an entry
	 * after which it is reached; a timer of this CPU makes it earlier.
	 */
	u64 leave_at;
	struct vcpu *fpu_owner;	 /* whose FPU, debug and SYSCALL registers are in the CPU */
	struct vcpu *virt_owner; /* whose virtualisation state is loaded */
	/* Whose guest goes on with no more questions. NULL: ask again, somebody wants this CPU. An
	 * NMI makes it that at any time, else the CPU's backend does both. */
	struct vcpu *volatile resumes;
	u64 cr2; /* the architecture's: what CR2 is while a page fault of ours may overwrite it */

	/* Run queue; any CPU, under run_lock with interrupts off. */
	struct spinlock run_lock;
	struct scheduler_queue queue;
	struct thread *outgoing;    /* those that leave for another CPU */
	struct thread *previous;    /* who had the CPU before; only until its stack is left */
	bool idling;		    /* nobody runs; atomic, others read */
	u64 idle_ticks, idle_since; /* TSC ticks of idling before, and when this one began */
	u64 ask_at;		    /* TSC before which it does not ask others for work again */
	/* The only thread that may run here; NULL: any. Atomic; the operator's console writes it.
	 */
	struct thread *dedicated;

	/* Timer queue; any CPU, under timer_lock with interrupts off. */
	struct spinlock timer_lock;
	struct timer *timers;
	/* This CPU's alone: a timer beside the queue, or NULL, and its deadline, ~0: none. See
	 * timer_set_own. */
	struct timer *timer_own;
	u64 timer_own_next;
	u64 timer_armed; /* TSC at which the CPU's own timer ends idling; past: it is not set */

	volatile bool online; /* others may read */
} aligned(64);

/* None is one of vcpu->requests', so that a backend may look at both at once. */
#define CPU_ATTENTION_SCHEDULE 0x100u /* another thread may deserve the CPU */
#define CPU_ATTENTION_TIMER    0x200u /* a timer may be due */

extern struct cpu *cpus[CPU_MAX];

static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	/* Volatile, as a thread may be on another CPU when it looks again. */
	__asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* Let `cpu` look at something soon: `what` is a bit of cpu->attention. */
static inline void cpu_call(struct cpu *cpu, u32 what)
{
	__atomic_or_fetch(&cpu->attention, what, __ATOMIC_RELEASE);
	if (cpu != cpu_this())
		arch_cpu_kick(cpu->id);
}
