/* SPDX-License-Identifier: MIT */
/*
 * What CPUID does not announce is not there, as far as the CPU lets a hypervisor take it away; and
 * what it announces works. Prints what it found, for the test to compare with what the partition
 * asked for.
 */
#include "guest.h"

#define MSR_EFER     0xc0000080U
#define MSR_TSC_AUX  0xc0000103U
#define CR4_OSXSAVE  BIT(18)
#define CR4_SSE	     (BIT(9) | BIT(10))
#define MSR_KVM	     0x4b564d00U
#define KVM_MSRS     5
#define CALL_UNKNOWN 999

static struct cpuid features, more, extended;

static u64 cr4_read(void)
{
	u64 value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static u32 cr4_try(u64 value)
{
	return attempt("mov %0, %%cr4", : : "r"(value) : "memory");
}

/* An instruction raises `vector` where the feature is hidden, and nothing where it is not. */
static void expect(bool there, u32 raised, u32 vector, const char *name)
{
	u32 wanted = there ? NO_EXCEPTION : vector;

	check(raised == wanted, "%s is %s", name, there ? "there" : "not there");
	if (raised != wanted)
		print("exception 0x%x instead of 0x%x\n", raised, wanted);
}

/* A bit of CR4 goes with a feature, or with none that Bulkhead ever offers. */
static void cr4_bits(void)
{
	const struct {
		unsigned bit;
		bool there;
	} bits[] = {
		{0, features.edx & BIT(1)},
		{1, features.edx & BIT(1)},
		{2, features.edx & BIT(4)},
		{3, features.edx & BIT(2)},
		{4, features.edx & BIT(3)},
		{6, features.edx & BIT(7)},
		{7, features.edx & BIT(13)},
		{8, true},
		{9, features.edx & BIT(24)},
		{10, features.edx & BIT(25)},
		{11, more.ecx & BIT(2)},
		{12, false},
		{13, false},
		{14, false},
		{15, false},
		{16, more.ebx & BIT(0)},
		{17, features.ecx & BIT(17)},
		{18, features.ecx & BIT(26)},
		{19, false},
		{20, more.ebx & BIT(7)},
		{21, more.ebx & BIT(20)},
		{22, false},
		{23, false},
		{24, false},
		{25, false},
		{32, false},
		{63, false},
	};
	u64 cr4 = cr4_read();

	for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
		u32 raised = cr4_try(cr4 | BIT(bits[i].bit));

		check(raised == (bits[i].there ? NO_EXCEPTION : VECTOR_GP), "CR4 bit %u is %s",
		      bits[i].bit, bits[i].there ? "there" : "not there");
		(void)cr4_try(cr4);
	}
	check(cr4_read() == cr4, "CR4 is as before");
}

static void efer_bits(void)
{
	u64 efer = msr_read(MSR_EFER);

	for (unsigned bit = 0; bit < 64; bit++) {
		bool there = bit == 8 || bit == 10 || (bit == 0 && extended.edx & BIT(11)) ||
			     (bit == 11 && extended.edx & BIT(20));

		check(msr_try_write(MSR_EFER, efer | BIT(bit)) ==
			      (there ? NO_EXCEPTION : VECTOR_GP),
		      "EFER bit %u is %s", bit, there ? "there" : "not there");
	}
	msr_write(MSR_EFER, efer);
}

static void random_numbers(void)
{
	u64 value;

	expect(features.ecx & BIT(30),
	       attempt("rdrand %0",
		       : "=r"(value)
		       :
		       : "cc"),
	       VECTOR_UD, "RDRAND");
	expect(more.ebx & BIT(18),
	       attempt("rdseed %0",
		       : "=r"(value)
		       :
		       : "cc"),
	       VECTOR_UD, "RDSEED");
}

static void instructions(void)
{
	static const u64 descriptor[2];
	bool rdtscp = extended.edx & BIT(27);
	u64 value;

	expect(rdtscp, attempt("rdtscp", : : : "eax", "ecx", "edx"), VECTOR_UD, "RDTSCP");
	expect(rdtscp, msr_try_read(MSR_TSC_AUX, &value), VECTOR_GP, "TSC_AUX");
	expect(more.ecx & BIT(22), attempt("rdpid %0", : "=r"(value)), VECTOR_UD, "RDPID");
	expect(more.ebx & BIT(10),
	       attempt("invpcid %0, %1",
		       :
		       : "m"(descriptor), "r"(2UL)
		       : "memory"),
	       VECTOR_UD, "INVPCID");
	expect(false,
	       attempt("monitor",
		       :
		       : "a"(descriptor), "c"(0), "d"(0)),
	       VECTOR_UD, "MONITOR");
	expect(false, attempt("mwait", : : "a"(0), "c"(0)), VECTOR_UD, "MWAIT");
	expect(false, attempt("rdpmc", : : "c"(0) : "eax", "edx"), VECTOR_GP, "RDPMC");
	random_numbers();
}

/* Vector registers beyond SSE need XCR0, which needs CR4.OSXSAVE. */
static void vector_state(void)
{
	bool xsave = features.ecx & BIT(26), avx = features.ecx & BIT(28);
	u32 states = cpuid(0xd, 0).eax, low = 0, high = 0;
	u64 cr4 = cr4_read();

	(void)cr4_try(cr4 | CR4_SSE);
	expect(false, attempt("vxorps %%ymm0, %%ymm0, %%ymm0", : :), VECTOR_UD, "AVX before XCR0");
	check(!xsave == !states, "leaf 0dh goes with XSAVE");
	if (cr4_try(cr4 | CR4_SSE | CR4_OSXSAVE) != NO_EXCEPTION) {
		expect(false,
		       attempt("xgetbv",
			       : "+a"(low), "+d"(high)
			       : "c"(0)),
		       VECTOR_UD, "XGETBV");
		(void)cr4_try(cr4);
		return;
	}
	for (unsigned bit = 1; bit < 32; bit++) {
		u32 value = 1 | 1U << bit | (bit == 2 ? 2 : 0);

		/* Three that are switched on together only. */
		if (bit >= 5 && bit <= 7)
			value = 0xe7;
		expect((states & value) == value,
		       attempt("xsetbv",
			       :
			       : "a"(value), "d"(0), "c"(0)
			       : "memory"),
		       VECTOR_GP, "a state of XCR0");
	}
	(void)attempt("xsetbv", : : "a"(avx ? 7 : 3), "d"(0), "c"(0) : "memory");
	expect(avx, attempt("vxorps %%ymm0, %%ymm0, %%ymm0", : :), VECTOR_UD, "AVX");
	(void)attempt("xsetbv", : : "a"(1), "d"(0), "c"(0) : "memory");
	(void)cr4_try(cr4);
}

/* Performance monitoring, machine-specific state of other features, and all that comes with VT-x.
 */
static void hidden_msrs(void)
{
	static const u32 numbers[] = {0x48,  0x49,  0xc1,  0x10a, 0x122, 0x186, 0x199,
				      0x1b0, 0x309, 0x345, 0x38d, 0x38f, 0x480, 0x570,
				      0x600, 0x6a0, 0x770, 0xd90, 0xda0};
	struct cpuid perfmon = cpuid(0xa, 0);
	u64 value;

	for (u32 i = 0; i < ARRAY_SIZE(numbers); i++)
		check(msr_try_read(numbers[i], &value) == VECTOR_GP, "MSR 0x%x does not exist",
		      numbers[i]);
	check(!(perfmon.eax | perfmon.ebx | perfmon.ecx | perfmon.edx), "no performance counters");
	check(!(features.ecx & BIT(15)), "no PERF_CAPABILITIES");
	check(!(features.ecx & (BIT(3) | BIT(5) | BIT(6))), "no MONITOR, VMX or SMX");
}

/* All of it, or nothing. */
static void hypervisor(void)
{
	bool kvm = features.ecx & BIT(31);
	u64 result = CALL_UNKNOWN, value;
	u32 raised;

	print("hypervisor %s\n", kvm ? "kvm" : "none");
	raised = attempt("vmcall", : "+a"(result) : : "memory");
	expect(kvm, raised, VECTOR_UD, "VMCALL");
	check(!kvm || result == (u64)-1000, "hypercall %u is unknown, 0x%lx", CALL_UNKNOWN, result);
	for (u32 i = 0; i < KVM_MSRS; i++)
		if (i != 2 && i != 4) /* none; and EOI, which the machine may do better */
			expect(kvm, msr_try_read(MSR_KVM + i, &value), VECTOR_GP, "an MSR of KVM");
	expect(kvm, msr_try_write(0x12, 0), VECTOR_GP, "KVM's old clock");
	check(kvm || cpuid(0x40000000, 0).ebx == cpuid(cpuid(0, 0).eax, 0).ebx,
	      "leaf 40000000h is no hypervisor's");
}

void guest_main(void)
{
	features = cpuid(1, 0);
	more = cpuid(7, 0);
	extended = cpuid(0x80000001, 0);
	print("features %08x %08x %08x %08x %08x %08x %08x\n", features.ecx, features.edx, more.ebx,
	      more.ecx, more.edx, extended.ecx, extended.edx);
	hypervisor();
	cr4_bits();
	efer_bits();
	instructions();
	vector_state();
	hidden_msrs();
	checks_end("hidden");
}
