/* SPDX-License-Identifier: MIT */
/*
 * Can this machine run Bulkhead? Pure: the values of CPUID leaves and MSRs go in, sentences for an
 * operator come out. Nothing in here changes the machine.
 */
#pragma once

#include <bulkhead/types.h>

/* What is captured of one CPU. The VMX values stay 0 where the CPU does not have the register. */
enum check_value {
	CHECK_VALUE_CPUID_1_ECX,
	CHECK_VALUE_CPUID_1_EDX,
	CHECK_VALUE_CPUID_7_EBX,
	CHECK_VALUE_CPUID_80000001_ECX,
	CHECK_VALUE_CPUID_80000001_EDX,
	CHECK_VALUE_CPUID_80000007_EDX,
	CHECK_VALUE_CR4,
	CHECK_VALUE_FEATURE_CONTROL,
	CHECK_VALUE_VMX_PIN,
	CHECK_VALUE_VMX_PROCESSOR,
	CHECK_VALUE_VMX_SECONDARY,
	CHECK_VALUE_VMX_EXIT,
	CHECK_VALUE_VMX_ENTRY,
	CHECK_VALUE_VMX_EPT_VPID,
	CHECK_VALUES,
};

struct check_cpu {
	u32 apic_id;
	u64 values[CHECK_VALUES];
};

/* How to reach the CPU that runs the code; tests have one of their own. */
struct check_reader {
	void (*cpuid)(u32 leaf, u32 registers[4]); /* EAX, EBX, ECX, EDX; subleaf 0 */
	u64 (*read_msr)(u32 msr);
	u64 (*read_cr4)(void);
	u32 (*read_apic_id)(void);
};

/* Reads no MSR but those that what was read before says are there: others raise #GP. */
void check_capture(struct check_cpu *cpu, const struct check_reader *reader);

#define CHECK_LINE_BYTES 320

/*
 * Call `report` with one line (no '\n') for each thing that at least one of `cpus` lacks. Returns 0
 * when nothing is lacking, or -ENODEV.
 */
int check_cpus(const struct check_cpu *cpus, u32 count,
	       void (*report)(const char *line)) must_check;

/* The bits of `value`, one of CPUID's, that all of `cpus` have. */
u32 check_shared(const struct check_cpu *cpus, u32 count, enum check_value value);
