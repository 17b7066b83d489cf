/* SPDX-License-Identifier: MIT */
/* Instructions that a hypervisor may have to do with, and MSRs. */
#include "ops.h"

#include <bulkhead/cpu_state.h>

#define PAGE_FAULT_ROUNDS 500
#define FAULT_AREA	  (1UL << 39) /* the second entry of the top-level table */
#define ENTRY_PRESENT	  1
#define ENTRY_TABLE	  3 /* present, writable */
#define ENTRIES		  512

#define CPUID_7_EBX_SMEP 7

/* The register's value with one bit changed, and back with the next round. */
#define TOGGLE(cr, bit) "mov %%" cr ", %%rax; btc $" bit ", %%rax; mov %%rax, %%" cr

static _Alignas(4096) u64 tables[3][ENTRIES];
static _Alignas(4096) u8 fault_page[4096];

static bool has_smep(void)
{
	u32 eax = 7, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx & BIT(CPUID_7_EBX_SMEP);
}

static void xcr0_enable(void)
{
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
}

static void measure_control_registers(void)
{
	MEASURE("mov_cr3_same", "mov %%cr3, %%rax; mov %%rax, %%cr3");
	MEASURE("mov_from_cr3", "mov %%cr3, %%rax");
	MEASURE("mov_cr0_toggle_TS", TOGGLE("cr0", "3"));
	MEASURE("clts", "clts");
	MEASURE("mov_cr0_toggle_WP", TOGGLE("cr0", "16"));
	MEASURE("mov_cr0_toggle_CD", TOGGLE("cr0", "30"));
	MEASURE("mov_cr4_toggle_PGE", TOGGLE("cr4", "7"));
	if (has_smep())
		MEASURE("mov_cr4_toggle_SMEP", TOGGLE("cr4", "20"));
	MEASURE("mov_cr8_write", "xor %%eax, %%eax; mov %%rax, %%cr8");
	MEASURE("mov_from_cr8", "mov %%cr8, %%rax");
	MEASURE("mov_from_dr7", "mov %%dr7, %%rax");
	MEASURE("mov_dr7_write", "mov $0x400, %%eax; mov %%rax, %%dr7");
}

/* The handler makes the page present; it is taken away again before the next round. */
static void measure_page_fault(void)
{
	struct tally tally = tally_new("guest_page_fault_rt");
	u64 *top;

	__asm__("mov %%cr3, %0" : "=r"(top));
	tables[0][0] = (u64)tables[1] | ENTRY_TABLE;
	tables[1][0] = (u64)tables[2] | ENTRY_TABLE;
	tables[2][0] = (u64)fault_page | ENTRY_TABLE;
	top[1] = (u64)tables[0] | ENTRY_TABLE;
	ops_page_entry = &tables[2][0];
	ops_address = FAULT_AREA;
	for (u32 i = 0; i < PAGE_FAULT_ROUNDS; i++) {
		tables[2][0] &= ~(u64)ENTRY_PRESENT;
		__asm__ volatile("invlpg (%0)" : : "r"(FAULT_AREA) : "memory");
		tally_add(&tally,
			  TICKS("mov ops_address(%%rip), %%rsi; movb $1, (%%rsi)") - readings_cost);
	}
	tally_print(&tally);
	top[1] = 0;
}

void measure_instructions(void)
{
	MEASURE("empty", "");
	MEASURE("rdtsc", "rdtsc");
	MEASURE("invlpg", "mov $0x1000000, %%eax; invlpg (%%rax)");
	measure_control_registers();
	MEASURE("int_soft_iret", "int $0x50");
	measure_page_fault();
	MEASURE("wbinvd", "wbinvd");
	xcr0_enable(); /* as operating systems have it */
	MEASURE("cpuid_0", "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid");
	MEASURE("cpuid_1", "mov $1, %%eax; xor %%ecx, %%ecx; cpuid");
	MEASURE("cpuid_4_0", "mov $4, %%eax; xor %%ecx, %%ecx; cpuid");
	MEASURE("cpuid_0x80000008", "mov $0x80000008, %%eax; xor %%ecx, %%ecx; cpuid");
	if (cpuid1_has(CPUID_1_ECX_HYPERVISOR)) /* natively it is #UD */
		MEASURE("vmcall", "mov $1, %%eax; vmcall");
	MEASURE("ud2_rt", "ud2");
	MEASURE("xsetbv_same", "xor %%ecx, %%ecx; xgetbv; xsetbv");
	MEASURE("xgetbv", "xor %%ecx, %%ecx; xgetbv");
}

#define READ(msr) "mov $" msr ", %%ecx; rdmsr"

/* The same value is written back, and reading it is measured by itself. */
static void measure_write(const char *name, u32 msr)
{
	struct tally tally = tally_new(name);
	u64 value = msr_read(msr);

	for (u32 i = 0; i < ROUNDS; i++) {
		u64 start = tsc_read();

		msr_write(msr, value);
		tally_add(&tally, tsc_read() - start);
	}
	tally_print(&tally);
}

void measure_msrs(void)
{
	MEASURE("rdmsr_FS_BASE", READ("0xc0000100"));
	measure_write("wrmsr_FS_BASE", 0xc0000100);
	MEASURE("rdmsr_TSC", READ("0x10"));
	MEASURE("rdmsr_APIC_BASE", READ("0x1b"));
	measure_write("wrmsr_APIC_BASE_same", 0x1b);
	MEASURE("rdmsr_EFER", READ("0xc0000080"));
	measure_write("wrmsr_EFER_same", 0xc0000080);
	MEASURE("rdmsr_PAT", READ("0x277"));
	measure_write("wrmsr_PAT_same", 0x277);
	MEASURE("rdmsr_MISC_ENABLE", READ("0x1a0"));
	MEASURE("rdmsr_FEATURE_CONTROL", READ("0x3a"));
	MEASURE("rdmsr_MTRRdefType", READ("0x2ff"));
	MEASURE("rdmsr_STAR", READ("0xc0000081"));
	MEASURE("rdmsr_unknown_gp", READ("0x12345"));
}
