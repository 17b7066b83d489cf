/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs by INIT and STARTUP (SDM vol. 3, 9.4.4). */
#include "smp.h"

#include "apic.h"
#include "arch_cpu.h"
#include "instructions.h"
#include "interrupt.h"
#include "memory.h"
#include "tsc.h"

#include <bulkhead/arch.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#define ANSWER_US 200000

struct trampoline_parameters {
	u64 root;
	u64 stack;
	u64 argument;
};

extern const u8 trampoline_start[], trampoline_end[], trampoline_parameters[];
noreturn void smp_ap_main(struct cpu *cpu);

static u32 online = 1;
static int (*ap_prepare)(void);
static void (*ap_work)(void);

u32 arch_cpu_id(void)
{
	return cpu_this()->id;
}

u32 arch_cpu_count(void)
{
	return __atomic_load_n(&online, __ATOMIC_ACQUIRE);
}

void smp_ap_main(struct cpu *cpu)
{
	cr3_write(memory_root());
	cpu_setup(cpu);
	apic_init();
	if (ap_prepare())
		for (;;)
			halt(); /* interrupts are off */
	__atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
	ap_work();
	panic("an application processor's work returned");
}

static bool answered(const struct cpu *cpu, u64 us)
{
	u64 until = tsc_read() + mul_div(us, arch_tsc_hz(), 1000000);

	while (tsc_read() < until) {
		if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
			return true;
		arch_relax();
	}
	return false;
}

static bool start(const struct cpu *cpu, u64 page)
{
	apic_send_init(cpu->apic_id);
	tsc_wait_us(10000);
	apic_send_startup(cpu->apic_id, (u8)(page >> PAGE_SHIFT));
	if (answered(cpu, 200))
		return true;
	apic_send_startup(cpu->apic_id, (u8)(page >> PAGE_SHIFT));
	return answered(cpu, ANSWER_US);
}

void smp_start(const struct boot_info *info, u32 limit, int (*prepare)(void), void (*work)(void))
{
	const struct boot_cpu *found = memory_boot(info->cpus);
	u8 *page =
		memory_map_io(info->trampoline_page, PAGE_SIZE, PAGE_READ | PAGE_WRITE, MEMORY_WB);
	u64 root = memory_trampoline_root(info->trampoline_page);
	struct trampoline_parameters *parameters;

	if (!page || !root) {
		log_error("no memory below 4 GiB to start other CPUs: going on with one");
		return;
	}
	ap_prepare = prepare;
	ap_work = work;
	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	parameters = (void *)(page + (trampoline_parameters - trampoline_start));
	for (u32 i = 0; i < info->cpu_count && (!limit || online < limit); i++) {
		struct cpu *cpu;

		if (found[i].flags & BOOT_CPU_BSP)
			continue;
		cpu = online < CPU_MAX ? cpu_create(online, found[i].apic_id) : NULL;
		if (!cpu) {
			log_error("no room for CPU with APIC id %u", found[i].apic_id);
			continue;
		}
		*parameters = (struct trampoline_parameters){root, cpu->arch->boot_stack, (u64)cpu};
		__asm__ volatile("mfence" ::: "memory");
		if (start(cpu, info->trampoline_page)) {
			__atomic_add_fetch(&online, 1, __ATOMIC_RELEASE);
			continue;
		}
		/* It may still come up later, on this struct cpu: it is not used again. */
		log_error("CPU with APIC id %u does not start: left out", found[i].apic_id);
		cpus[online] = NULL;
		apic_send_init(found[i].apic_id);
	}
}
