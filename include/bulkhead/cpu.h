/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data. Each CPU has one struct cpu behind GS; cpu_this() is it. Fields belong to the CPU
 * itself unless a comment says that others may use them.
 */
#pragma once

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

	u64 timer_next;		 /* TSC of the first timer of this CPU's queue, ~0: none */
	u64 slice_end;		 /* TSC until which the running thread may run */
	struct vcpu *fpu_owner;	 /* whose FPU, debug and SYSCALL registers are in the CPU */
	struct vcpu *virt_owner; /* whose virtualisation state is loaded */
	u64 nmis;		 /* that had no cause we know */

	/* Run queue; any CPU, under run_lock with interrupts off. */
	struct spinlock run_lock;
	struct thread *run_first, *run_last;
	u32 run_count;

	/* Timer queue; any CPU, under timer_lock with interrupts off. */
	struct spinlock timer_lock;
	struct timer *timers;

	volatile bool online; /* others may read */
} aligned(64);

#define CPU_ATTENTION_SCHEDULE 1u /* another thread may deserve the CPU */
#define CPU_ATTENTION_TIMER    2u /* a timer may be due */

extern struct cpu *cpus[CPU_MAX];

static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	__asm__("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}
