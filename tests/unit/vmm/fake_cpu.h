/* SPDX-License-Identifier: MIT */
/*
 * CPUs for tests of what runs on them: a clock that the test moves, GS pointing to the CPU that the
 * test is on, interrupts as a flag, and a count of kicks. Waiting for a lock for ever ends the
 * test.
 */
#pragma once

#include "cmocka_all.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>

#define FAKE_CPUS   3
#define ARCH_SET_GS 0x1001 /* arch_prctl(2) */

struct cpu *cpus[CPU_MAX];

static struct cpu fake_cpus[FAKE_CPUS];
static u64 fake_tsc;
static bool fake_interrupts_on;
static unsigned fake_kicks[FAKE_CPUS];
static u64 fake_armed;		       /* what this CPU's own timer is set to */
static void (*fake_on_kick)(u32 cpu);  /* what the kicked CPU does at once */
static void (*fake_on_irq_save)(void); /* what other CPUs do just before a lock is taken */

/* Go on as this CPU. */
static inline void fake_cpu_be(u32 id)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &fake_cpus[id]), 0);
}

static inline void fake_cpus_init(void)
{
	memset(fake_cpus, 0, sizeof(fake_cpus));
	memset(fake_kicks, 0, sizeof(fake_kicks));
	for (u32 i = 0; i < FAKE_CPUS; i++) {
		fake_cpus[i].self = &fake_cpus[i];
		fake_cpus[i].id = i;
		fake_cpus[i].timer_next = ~0UL;
		fake_cpus[i].timer_own_next = ~0UL;
		cpus[i] = &fake_cpus[i];
	}
	fake_tsc = 1000;
	fake_interrupts_on = false;
	fake_armed = 0;
	fake_on_kick = NULL;
	fake_on_irq_save = NULL;
	fake_cpu_be(0);
	alarm(20);
}

static inline bool fake_unlocked(const struct spinlock *lock)
{
	return lock->next == lock->serving;
}

u64 arch_irq_save(void)
{
	bool before = fake_interrupts_on;

	fake_interrupts_on = false;
	if (fake_on_irq_save)
		fake_on_irq_save();
	return before;
}

void arch_irq_restore(u64 flags)
{
	fake_interrupts_on = flags;
}

u64 arch_tsc(void)
{
	return fake_tsc;
}

u64 arch_tsc_hz(void)
{
	return 1000000000;
}

void arch_timer_arm(u64 deadline)
{
	fake_armed = deadline;
}

u32 arch_cpu_id(void)
{
	return cpu_this()->id;
}

void arch_cpu_kick(u32 cpu)
{
	assert_true(cpu < FAKE_CPUS);
	/* An interrupt to oneself is never needed. */
	assert_int_not_equal(cpu, cpu_this()->id);
	fake_kicks[cpu]++;
	if (fake_on_kick)
		fake_on_kick(cpu);
}
