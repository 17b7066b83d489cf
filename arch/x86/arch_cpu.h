/* SPDX-License-Identifier: MIT */
/* The x86 part of a CPU's private data, and bringing a CPU into its working state. */
#pragma once

#include "instructions.h"

#include <bulkhead/cpu.h>

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18

/* SDM vol. 3, figure 8-11. */
struct tss64 {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7]; /* ist[0] is IST1 */
	u64 reserved2;
	u16 reserved3;
	u16 io_map;
} packed;

/* Interrupts that may arrive on a stack that is not to be trusted get stacks of their own. */
#define IST_DOUBLE_FAULT  1
#define IST_NMI		  2
#define IST_MACHINE_CHECK 3
#define IST_COUNT	  3

struct arch_cpu {
	u64 gdt[5];
	struct tss64 tss aligned(8);
	u64 boot_stack; /* top of the stack that the CPU starts on */
	u32 apic_id;
	bool x2apic;
	void *virt; /* the virtualisation backend's per-CPU data */
};

/*
 * A field of cpu_this() of 4 or 8 bytes, by one instruction. Only while the thread cannot change
 * its CPU. As with cpu_this() the compiler asks again each time.
 */
#define CPU_FIELD(name)                                                                            \
	({                                                                                         \
		__typeof__(cpu_this()->name + 0) value;                                            \
		__asm__ volatile("mov %%gs:%c1, %0"                                                \
				 : "=r"(value)                                                     \
				 : "i"(offsetof(struct cpu, name)));                               \
		value;                                                                             \
	})

/* CR2 is to be this for a guest: see address_space.c. */
static inline void cr2_set(u64 value)
{
	cr2_write(value);
	cpu_this()->cr2 = value;
}

/* Segments, interrupt table, control registers, GS: on the CPU itself. `cpu->arch` is filled in. */
void cpu_setup(struct cpu *cpu);
/* struct cpu, arch_cpu and IST stacks for CPU `id`; NULL when memory is short. */
struct cpu *cpu_create(u32 id, u32 apic_id);
/* The boot CPU's, before there is memory to allocate. */
void cpu_setup_boot(void);
/* The boot CPU again, with guarded stacks. */
void cpu_finish_boot(u32 apic_id);
