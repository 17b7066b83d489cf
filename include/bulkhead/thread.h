/* SPDX-License-Identifier: MIT */
/*
 * Threads and their scheduler. A vCPU, the operator's console and each CPU's idle loop are threads.
 * A thread belongs to one CPU's run queue; it gives the CPU up only in the calls below, with
 * interrupts off around the switch. Runnable threads of a CPU take turns of THREAD_SLICE_US;
 * one that others interrupted has the rest of its turn next.
 */
#pragma once

#include <bulkhead/types.h>

/* How long a thread runs when others wait, and how often a guest is left for a look around when
 * none does: a guest that was entered with interrupts masked may hide host interrupts (see the
 * hacking guide), so the operator's keystroke waits at most this long. */
#define THREAD_SLICE_US	   5000
#define THREAD_WATCHDOG_US 50000

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED };

struct vcpu;

struct thread {
	u64 stack_pointer; /* while not running */
	u64 stack_top;
	const char *name;
	u32 cpu;
	u32 state;	   /* enum thread_state; under the CPU's run_lock */
	bool wake_pending; /* likewise: a wake-up came before it blocked */
	u64 slice_left;	   /* TSC ticks of its turn that it has yet to have; 0: none was begun */
	struct thread *next;
	struct vcpu *vcpu; /* NULL for the hypervisor's own */
	u64 run_ticks;	   /* TSC ticks that it has had the CPU */
	u64 run_since;
};

/* Make a thread on CPU `cpu` that is blocked until thread_wake. -ENOMEM. */
int thread_create(struct thread *thread, const char *name, u32 cpu, void (*main)(void *argument),
		  void *argument) must_check;

void thread_wake(struct thread *thread); /* any CPU, any context */
void thread_block(void);		 /* until woken; returns at once when already woken */
void thread_yield(void);
void thread_sleep_until(u64 tsc); /* or until woken */

/* This CPU's first thread is its idle loop: never returns. */
noreturn void thread_idle_loop(void);
