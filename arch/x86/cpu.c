/* SPDX-License-Identifier: MIT */
/* A CPU's own structures and control registers. */
#include "arch_cpu.h"

#include "instructions.h"
#include "interrupt.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu_state.h>
#include <bulkhead/memory.h>
#include <bulkhead/string.h>

void segments_load(const struct descriptor_pointer *gdt, u16 tss);

struct cpu *cpus[CPU_MAX];
u64 __stack_chk_guard;

/* The boot CPU's before memory management: its faults must be reported too. */
static struct cpu boot_cpu;
static struct arch_cpu boot_arch;
static u8 boot_ist[IST_COUNT][4096] aligned(16);

noreturn void __stack_chk_fail(void);
noreturn void __stack_chk_fail(void)
{
	panic("stack overwritten: the canary of a function changed");
}

const char *arch_cpu_name(void)
{
	static char name[49];
	u32 *words = (u32 *)(void *)name;

	if (cpuid(0x80000000, 0).eax < 0x80000004)
		return "unknown CPU";
	for (u32 i = 0; i < 3; i++) {
		struct cpuid r = cpuid(0x80000002 + i, 0);

		*words++ = r.eax;
		*words++ = r.ebx;
		*words++ = r.ecx;
		*words++ = r.edx;
	}
	for (const char *start = name;; start++)
		if (*start != ' ')
			return start;
}

static void gdt_setup(struct arch_cpu *arch)
{
	u64 base = (u64)&arch->tss;
	struct descriptor_pointer pointer = {sizeof(arch->gdt) - 1, (u64)arch->gdt};

	arch->gdt[0] = 0;
	arch->gdt[1] = 0x00af9b000000ffff;
	arch->gdt[2] = 0x00cf93000000ffff;
	/* SDM vol. 3, figure 8-4: an available 64-bit TSS, present. */
	arch->gdt[3] = (sizeof(arch->tss) - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 |
		       (base >> 24 & 0xff) << 56;
	arch->gdt[4] = base >> 32;
	arch->tss.io_map = sizeof(arch->tss);
	segments_load(&pointer, SELECTOR_TSS);
}

/* Protections that this CPU has, and no more of the firmware's choices. */
static void control_registers_setup(void)
{
	struct cpuid features = cpuid(1, 0), extended = {0};
	u64 cr4 = CR4_PAE | CR4_PGE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (cpuid(0, 0).eax >= 7)
		extended = cpuid(7, 0);
	if (features.ecx & BIT(26))
		cr4 |= CR4_OSXSAVE;
	if (extended.ebx & BIT(7))
		cr4 |= CR4_SMEP;
	if (extended.ebx & BIT(20))
		cr4 |= CR4_SMAP;
	if (extended.ecx & BIT(2))
		cr4 |= CR4_UMIP;
	cr4_write(cr4);
	cr0_write(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
	msr_write(IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	msr_write(IA32_PAT, PAT_VALUE);
}

void cpu_setup(struct cpu *cpu)
{
	gdt_setup(cpu->arch);
	msr_write(IA32_GS_BASE, (u64)cpu);
	msr_write(IA32_FS_BASE, 0);
	interrupt_table_load();
	control_registers_setup();
}

static void cpu_init(struct cpu *cpu, struct arch_cpu *arch, u32 id)
{
	cpu->self = cpu;
	cpu->id = id;
	cpu->arch = arch;
	cpu->timer_next = ~0UL;
	cpu->timer_own_next = ~0UL;
}

void cpu_setup_boot(void)
{
	cpu_init(&boot_cpu, &boot_arch, 0);
	for (unsigned i = 0; i < IST_COUNT; i++)
		boot_arch.tss.ist[i] = (u64)boot_ist[i + 0] + sizeof(boot_ist[i]);
	cpus[0] = &boot_cpu;
	cpu_setup(&boot_cpu);
}

void cpu_finish_boot(u32 apic_id)
{
	boot_cpu.apic_id = apic_id;
	boot_arch.apic_id = apic_id;
	for (unsigned i = 0; i < IST_COUNT; i++) {
		u64 top = memory_stack_alloc();

		if (!top)
			panic("no memory for the boot CPU's stacks");
		boot_arch.tss.ist[i] = top;
	}
	boot_cpu.online = true;
}

struct cpu *cpu_create(u32 id, u32 apic_id)
{
	struct cpu *cpu = memory_take(MEMORY_OTHER, sizeof(*cpu));
	struct arch_cpu *arch = memory_take(MEMORY_OTHER, sizeof(*arch));

	_Static_assert(_Alignof(struct cpu) <= HEAP_UNIT, "CPUs share no cache line");
	if (!cpu || !arch)
		return NULL;
	cpu_init(cpu, arch, id);
	cpu->apic_id = apic_id;
	arch->apic_id = apic_id;
	for (unsigned i = 0; i < IST_COUNT; i++) {
		arch->tss.ist[i] = memory_stack_alloc();
		if (!arch->tss.ist[i])
			return NULL;
	}
	arch->boot_stack = memory_stack_alloc();
	if (!arch->boot_stack)
		return NULL;
	cpus[id] = cpu;
	return cpu;
}
