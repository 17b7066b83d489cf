/* SPDX-License-Identifier: MIT */
/*
 * Threads. A vCPU, the operator's console and each CPU's idle loop are threads; who runs is decided
 * by include/bulkhead/scheduler.h. A thread is on one CPU's run queue; it gives the CPU up only in
 * the calls below, with interrupts off around the switch, and may go on on another CPU after them:
 * only the CPU that a thread belongs to moves it away, when nobody runs on its stack.
 */
#pragma once

#include <bulkhead/cpu_mask.h>
#include <bulkhead/scheduler.h>
#include <bulkhead/types.h>

#define THREAD_CONSOLE 0xffff

struct vcpu;

struct thread {
	u64 stack_pointer; /* while not running */
	u64 stack_top;
	const char *name;
	u32 number; /* in traces: its vCPU's tag, THREAD_CONSOLE, or 0 for idle */
	void (*main)(void *argument);
	void *argument;
	/* Called on the CPU that the thread leaves, before it can run on CPU `to`. NULL: nothing.
	 */
	void (*leave)(struct thread *thread, u32 to);
	struct vcpu *vcpu; /* NULL for the hypervisor's own */

	/* Whose run queue it is on, or was last. Written by that CPU, under its run_lock; read by
	 * all. */
	u32 cpu;
	/* Under that CPU's run_lock: */
	struct scheduler_entity entity;
	struct cpu_mask affinity; /* where it may run, see also cpu->dedicated */
	bool wake_pending;	  /* a wake-up came before it blocked */
	bool moving;		  /* between two CPUs */
	bool retired;		  /* never to run again */
	struct thread *outgoing;  /* the next that leaves its CPU */

	bool on_cpu; /* a CPU is on its stack, or has not quite left it; atomic */
	u64 wakeups, switches, migrations;
};

/* Make a thread that is blocked until thread_wake. name, cpu, affinity, and what else is to differ
 * from 0 is set already. -ENOMEM. */
int thread_create(struct thread *thread, const struct scheduler_claim *claim,
		  struct scheduler_group *group, void (*main)(void *argument),
		  void *argument) must_check;
/* A blocked thread that shall never run again: false while it is not blocked yet. Then destroy it.
 */
bool thread_retire(struct thread *thread) must_check;
/* It may run again after all; nothing that would have woken it has happened meanwhile. */
void thread_revive(struct thread *thread);
void thread_destroy(struct thread *thread);

/* What waiting came to. As long as no other thread has the CPU the partition stays in sight. */
enum thread_waited {
	THREAD_AWAY,	/* another thread had the CPU */
	THREAD_STAYED,	/* it may have waited for its CPU, which no other thread had */
	THREAD_AT_ONCE, /* it went on as soon as it was wanted */
};

void thread_wake(struct thread *thread); /* any CPU, any context */
void thread_block(void);		 /* until woken; returns at once when already woken */
/* The same, or until `*wanted` is not 0, which on another CPU is only seen with thread_wake. What
 * sets it on this CPU need not wake it. Interrupts are off. */
enum thread_waited thread_wait(const volatile u32 *wanted);
void thread_reschedule(void); /* whoever should run now, runs */
void thread_yield(void);      /* others first: this one only waits for them */
/* Or until woken. For threads that may run on one CPU only. */
void thread_sleep_until(u64 tsc);

/* Change these while it exists; any CPU. */
void thread_claim_set(struct thread *thread, const struct scheduler_claim *claim);
void thread_affinity_set(struct thread *thread, const struct cpu_mask *affinity);
/* NULL: none. False while it is not blocked: nothing was changed. */
bool thread_group_set(struct thread *thread, struct scheduler_group *group) must_check;

/* CPU `id` asks the scheduler again soon: something that it decides by has changed. */
void thread_cpu_look(u32 id);

/* Ticks that it has spent in each state. */
void thread_times(struct thread *thread, u64 times[SCHEDULER_STATES]);

/* This CPU, before any thread is woken on it. */
void thread_cpu_init(void);
/* This CPU's first thread is its idle loop: never returns. */
noreturn void thread_idle_loop(void);
