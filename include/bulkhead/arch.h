/* SPDX-License-Identifier: MIT */
/* What the CPU-neutral rooms may ask of the CPU. Implemented in arch/x86. */
#pragma once

#include <bulkhead/types.h>

struct cpu;
struct thread;
struct partition;

/* Interrupts of this CPU: switch them off and return what they were, and back. */
u64 arch_irq_save(void);
void arch_irq_restore(u64 flags);

/* Time: the TSC, the same on every CPU and never stopping. */
u64 arch_tsc(void);
u64 arch_tsc_hz(void);
u64 arch_time_us(void); /* since the core started */
static inline u64 us_to_tsc(u64 us)
{
	return mul_div(us, arch_tsc_hz(), 1000000);
}
static inline u64 tsc_to_us(u64 ticks)
{
	return mul_div(ticks, 1000000, arch_tsc_hz());
}

/* This CPU: its number, from 0, in the order in which CPUs were found; 0 is the one that booted. */
u32 arch_cpu_id(void);
u32 arch_cpu_count(void); /* CPUs that are up */
static inline void arch_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* Wait for an interrupt. Called and returns with interrupts off; takes what is pending. */
void arch_idle(void);
/* Take the interrupts that are pending. Called and returns with interrupts off. */
void arch_interrupts_poll(void);

/* Make this CPU take an interrupt at TSC `deadline`, ~0 for never. Only the latest call counts. */
void arch_timer_arm(u64 deadline);

/*
 * Let ISA interrupt `isa_irq` call `handler` on this CPU, with interrupts off: it may wake threads
 * and may not wait. Edge-triggered: the handler takes all that its device has, and may be called
 * when it has nothing. The device asks for nothing before this returns. At start-up, never taken
 * back. -ENODEV when the machine has no way for it, -EBUSY when there are too many.
 */
int arch_irq_route(unsigned isa_irq, void (*handler)(void *context), void *context) must_check;

/* Make CPU `cpu` leave guest mode or its idle state soon, to look at what others asked of it. Not
 * this one. */
void arch_cpu_kick(u32 cpu);

/*
 * Switch from the thread whose stack pointer goes to *save to the one that was left with `load`.
 * Both with interrupts off.
 */
void arch_context_switch(u64 *save, u64 load);
/* Lay out a new thread's stack (its top is `top`) so that switching to it calls entry(argument). */
u64 arch_context_new(u64 top, void (*entry)(void *argument), void *argument);

/*
 * The CPU that a partition's guest sees, as its configuration wants it. -ENOMEM, or -ENODEV with
 * what the machine lacks in `reason` (LOAD_REASON_BYTES). Destroying takes one that was never made,
 * too.
 */
int arch_guest_cpu_create(struct partition *partition, char *reason) must_check;
void arch_guest_cpu_destroy(struct partition *partition);

/* What CPUID promises guests about their local APIC: copied into `apic`, whose context is its vCPU.
 */
struct vlapic;
void arch_guest_apic_setup(struct vlapic *apic);
/* And about what they find in EDX at power-up: CPUID.1:EAX. */
u32 arch_guest_signature(void);
/* Power-up values of what is in vcpu->msrs. */
struct vcpu;
void arch_guest_msrs_reset(struct vcpu *vcpu);
/* The partition begins to run anew: CPUID tells of its claim to CPUs as it is now. */
void arch_guest_cpu_start(struct partition *partition);

/* Random bytes that nobody can tell in advance. Any CPU, interrupts off; takes some hundred cycles
 * for each 8 bytes. Where the CPU has no RDRAND they come of the jitter of timings, which the log
 * says at boot: on an emulator that is the same each time. */
void arch_entropy(void *bytes, u64 count);

/* What the CPU calls itself, for the operator. */
const char *arch_cpu_name(void);

/* The machine. Neither returns; each tries what firmware offers and then what the platform has. */
noreturn void arch_reboot(void);
noreturn void arch_power_off(void);

/* Our own bug: report everything on every sink and stop all CPUs. */
noreturn void panic(const char *format, ...) printf_like(1, 2);
#define assert(condition)                                                                          \
	do {                                                                                       \
		if (unlikely(!(condition)))                                                        \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition);      \
	} while (0)
