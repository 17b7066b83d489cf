/* SPDX-License-Identifier: MIT */
/* x86 instructions that C has no words for, one function each. */
#pragma once

#include <bulkhead/port.h>
#include <bulkhead/types.h>

static inline u64 msr_read(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (u64)high << 32 | low;
}

static inline void msr_write(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* For MSRs that may not exist: false instead of #GP. */
bool msr_read_safe(u32 msr, u64 *value);
bool msr_write_safe(u32 msr, u64 value);

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 tsc_read(void)
{
	u64 low, high; /* RDTSC clears their upper halves */

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return high << 32 | low;
}

#define CR_ACCESS(n)                                                                               \
	static inline u64 cr##n##_read(void)                                                       \
	{                                                                                          \
		u64 value;                                                                         \
		__asm__ volatile("movq %%cr" #n ", %0" : "=r"(value) : : "memory");                \
		return value;                                                                      \
	}                                                                                          \
	static inline void cr##n##_write(u64 value)                                                \
	{                                                                                          \
		__asm__ volatile("movq %0, %%cr" #n : : "r"(value) : "memory");                    \
	}
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)

#define DR_ACCESS(n)                                                                               \
	static inline u64 dr##n##_read(void)                                                       \
	{                                                                                          \
		u64 value;                                                                         \
		__asm__ volatile("movq %%dr" #n ", %0" : "=r"(value));                             \
		return value;                                                                      \
	}                                                                                          \
	static inline void dr##n##_write(u64 value)                                                \
	{                                                                                          \
		__asm__ volatile("movq %0, %%dr" #n : : "r"(value));                               \
	}
DR_ACCESS(0)
DR_ACCESS(1)
DR_ACCESS(2)
DR_ACCESS(3)
DR_ACCESS(6)

static inline void xcr0_write(u64 value)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline u64 xcr0_read(void)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

static inline void interrupts_on(void)
{
	__asm__ volatile("sti" ::: "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline void halt(void)
{
	__asm__ volatile("hlt" ::: "memory");
}

static inline u64 rflags_read(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	return flags;
}

static inline void tlb_flush_page(u64 address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

struct descriptor_pointer {
	u16 limit;
	u64 base;
} packed;

/* MSRs. Names are the manual's (SDM vol. 4). */
#define IA32_TSC	     0x10
#define IA32_PLATFORM_ID     0x17
#define IA32_APIC_BASE	     0x1b
#define IA32_FEATURE_CONTROL 0x3a
#define IA32_TSC_ADJUST	     0x3b
#define IA32_BIOS_SIGN_ID    0x8b
#define MSR_PLATFORM_INFO    0xce
#define IA32_MTRRCAP	     0xfe
#define IA32_SYSENTER_CS     0x174
#define IA32_SYSENTER_ESP    0x175
#define IA32_SYSENTER_EIP    0x176
#define IA32_MCG_CAP	     0x179
#define IA32_MCG_STATUS	     0x17a
#define IA32_MISC_ENABLE     0x1a0
#define IA32_DEBUGCTL	     0x1d9
#define IA32_PAT	     0x277
#define IA32_MTRR_PHYSBASE0  0x200
#define IA32_MTRR_FIX64K     0x250
#define IA32_MTRR_FIX16K     0x258
#define IA32_MTRR_FIX4K	     0x268
#define IA32_MTRR_DEF_TYPE   0x2ff
#define IA32_VMX_BASIC	     0x480
#define IA32_TSC_DEADLINE    0x6e0
#define IA32_X2APIC_BASE     0x800
#define IA32_XSS	     0xda0
#define IA32_EFER	     0xc0000080
#define IA32_STAR	     0xc0000081
#define IA32_LSTAR	     0xc0000082
#define IA32_CSTAR	     0xc0000083
#define IA32_FMASK	     0xc0000084
#define IA32_FS_BASE	     0xc0000100
#define IA32_GS_BASE	     0xc0000101
#define IA32_KERNEL_GS_BASE  0xc0000102
#define IA32_TSC_AUX	     0xc0000103

/* PA0=WB PA1=WT PA2=UC- PA3=UC PA4=WB PA5=WP PA6=UC- PA7=WC: what page_table_format_host expects.
 */
#define PAT_VALUE 0x0107050600070406UL
/* PAT after power-up (SDM vol. 3, table 12-12). */
#define PAT_RESET 0x0007040600070406UL
