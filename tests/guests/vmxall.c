/* SPDX-License-Identifier: MIT */
/*
 * Every instruction of VT-x, and others that concern the whole machine, on a CPU that says it has
 * no VT-x: each must raise what the manual says and leave the machine alone. VMCALL alone may
 * return, as a hypercall.
 */
#include "guest.h"

#define CPUID_1_ECX_VMX	    BIT(5)
#define CPUID_1_ECX_XSAVE   BIT(26)
#define CPUID_7_EBX_INVPCID BIT(10)
#define CR4_OSXSAVE	    BIT(18)

static u8 operand[4096] aligned(4096);

static const char *name_of(u32 vector)
{
	switch (vector) {
	case NO_EXCEPTION:
		return "nothing";
	case VECTOR_UD:
		return "#UD";
	case VECTOR_GP:
		return "#GP";
	default:
		return "another exception";
	}
}

static void expect(const char *instruction, u32 found, u32 expected)
{
	check(found == expected, "%s: %s, vector %u", instruction, name_of(found), found);
}

static void try_vmx(void)
{
	u64 pointer = (u64)operand, value = 0;
	u32 found = attempt("vmcall", : "+a"(value) : : "memory");

	check(found == NO_EXCEPTION || found == VECTOR_UD, "vmcall: %s", name_of(found));
	expect("vmclear", attempt("vmclear %0", : : "m"(pointer)), VECTOR_UD);
	expect("vmptrld", attempt("vmptrld %0", : : "m"(pointer)), VECTOR_UD);
	expect("vmptrst", attempt("vmptrst %0", : "+m"(pointer)), VECTOR_UD);
	expect("vmxon", attempt("vmxon %0", : : "m"(pointer)), VECTOR_UD);
	expect("vmread", attempt("vmread %1, %0", : "+r"(value) : "r"(0x4402UL)), VECTOR_UD);
	expect("vmwrite", attempt("vmwrite %0, %1", : : "r"(value), "r"(0x681eUL)), VECTOR_UD);
	expect("vmlaunch", attempt("vmlaunch", : :), VECTOR_UD);
	expect("vmresume", attempt("vmresume", : :), VECTOR_UD);
	expect("vmxoff", attempt("vmxoff", : :), VECTOR_UD);
	expect("vmfunc", attempt("vmfunc", : : "a"(0), "c"(0)), VECTOR_UD);
	for (u64 type = 0; type < 5; type++) {
		expect("invept", attempt("invept %0, %1", : : "m"(operand), "r"(type)), VECTOR_UD);
		expect("invvpid",
		       attempt("invvpid %0, %1",
			       :
			       : "m"(operand), "r"(type)),
		       VECTOR_UD);
	}
}

static void try_others(void)
{
	u32 low = 0, high = 0;

	expect("getsec", attempt("getsec", : "+a"(low) : "b"(0)), VECTOR_UD);
	expect("rsm", attempt("rsm", : :), VECTOR_UD);
	expect("monitor", attempt("monitor", : : "a"(operand), "c"(0), "d"(0)), VECTOR_UD);
	expect("mwait", attempt("mwait", : : "a"(0), "c"(0)), VECTOR_UD);
	expect("encls",
	       attempt(".byte 0x0f, 0x01, 0xcf",
		       : "+a"(low)
		       :
		       : "rbx", "rcx", "rdx"),
	       VECTOR_UD);
	expect("xsaves", attempt("xsaves %0", : : "m"(operand), "a"(0), "d"(0)), VECTOR_UD);
	for (u32 counter = 0; counter < 4; counter++)
		expect("rdpmc",
		       attempt("rdpmc",
			       : "+a"(low), "+d"(high)
			       : "c"(counter)),
		       VECTOR_GP);
	expect("rdpmc fixed",
	       attempt("rdpmc",
		       : "+a"(low), "+d"(high)
		       : "c"(0x40000000)),
	       VECTOR_GP);
	expect("invd", attempt("invd", : : : "memory"), NO_EXCEPTION);
	expect("wbinvd", attempt("wbinvd", : : : "memory"), NO_EXCEPTION);
	if (!(cpuid(7, 0).ebx & CPUID_7_EBX_INVPCID))
		expect("invpcid", attempt("invpcid %0, %1", : : "m"(operand), "r"(2UL)), VECTOR_UD);
}

static u32 try_xsetbv(u32 index, u64 value)
{
	return attempt("xsetbv", : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)));
}

static void try_xsave(void)
{
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	expect("xsetbv without CR4.OSXSAVE", try_xsetbv(0, 1), VECTOR_UD);
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) {
		expect("CR4.OSXSAVE",
		       attempt("mov %0, %%cr4",
			       :
			       : "r"(cr4 | CR4_OSXSAVE)),
		       VECTOR_GP);
		return;
	}
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
	expect("xsetbv 0, 0", try_xsetbv(0, 0), VECTOR_GP);
	expect("xsetbv 0, AVX without SSE", try_xsetbv(0, 5), VECTOR_GP);
	expect("xsetbv 0, all ones", try_xsetbv(0, ~0UL), VECTOR_GP);
	expect("xsetbv 0, half of AVX-512", try_xsetbv(0, 0x27), VECTOR_GP);
	expect("xsetbv 0, bit 63", try_xsetbv(0, BIT(63) | 1), VECTOR_GP);
	expect("xsetbv 1, 1", try_xsetbv(1, 1), VECTOR_GP);
	expect("xsetbv ffffffff, 1", try_xsetbv(~0U, 1), VECTOR_GP);
	expect("xsetbv 0, x87 and SSE", try_xsetbv(0, 3), NO_EXCEPTION);
}

/* Bits of CR0 and CR4 that would give a guest what it must not have. */
static void try_control_registers(void)
{
	u64 cr0, cr4, now;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	expect("CR4.VMXE", attempt("mov %0, %%cr4", : : "r"(cr4 | BIT(13))), VECTOR_GP);
	expect("CR4.SMXE", attempt("mov %0, %%cr4", : : "r"(cr4 | BIT(14))), VECTOR_GP);
	expect("CR4 without PAE", attempt("mov %0, %%cr4", : : "r"(cr4 & ~BIT(5))), VECTOR_GP);
	expect("CR4 bit 63", attempt("mov %0, %%cr4", : : "r"(cr4 | BIT(63))), VECTOR_GP);
	expect("CR0.PG without PE", attempt("mov %0, %%cr0", : : "r"(cr0 & ~BIT(0))), VECTOR_GP);
	expect("CR0.NW without CD", attempt("mov %0, %%cr0", : : "r"(cr0 | BIT(29))), VECTOR_GP);
	expect("CR0 bit 63", attempt("mov %0, %%cr0", : : "r"(cr0 | BIT(63))), VECTOR_GP);
	expect("CR0.CD", attempt("mov %0, %%cr0", : : "r"(cr0 | BIT(30))), NO_EXCEPTION);
	__asm__ volatile("mov %%cr0, %0" : "=r"(now));
	check(now == (cr0 | BIT(30)), "CR0 is what was written, 0x%lx", now);
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
	__asm__ volatile("mov %%cr4, %0" : "=r"(now));
	check(now == cr4, "CR4 is unchanged, 0x%lx", now);
}

void guest_main(void)
{
	check(!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX), "CPUID says that there is no VT-x");
	try_vmx();
	try_others();
	try_control_registers();
	try_xsave();
	checks_end("vmxall");
}
