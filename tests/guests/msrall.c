/* SPDX-License-Identifier: MIT */
/*
 * Reads every MSR number that a CPU or hypervisor may use, and writes back what was read (0 where
 * nothing was), then all ones. Nothing is left out: of the writes that a real CPU would take and
 * that would end this program, none can succeed with these values. What could not be got back is
 * restored in the end.
 */
#include "guest.h"

#define MSR_TSC		    0x10
#define MSR_APIC_BASE	    0x1b
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_EFER	    0xc0000080U
#define MSR_STAR	    0xc0000081U
#define MSR_FS_BASE	    0xc0000100U
#define MSR_GS_BASE	    0xc0000101U

static const struct {
	u32 first, last;
} ranges[] = {
	{0, 0x1fff},
	{0x40000000, 0x400000ff},
	{0xc0000000, 0xc0001fff},
};

struct counts {
	u32 reads_refused, writes_refused, ones_refused, others;
};

static void count(u32 vector, u32 *refused, struct counts *counts)
{
	if (vector == VECTOR_GP)
		++*refused;
	else if (vector != NO_EXCEPTION)
		counts->others++;
}

static void range_try(u32 first, u32 last)
{
	struct counts counts = {0};
	u32 total = last - first + 1;

	for (u32 msr = first; msr <= last; msr++) {
		u64 value = 0;

		count(msr_try_read(msr, &value), &counts.reads_refused, &counts);
		count(msr_try_write(msr, value), &counts.writes_refused, &counts);
		count(msr_try_write(msr, ~0UL), &counts.ones_refused, &counts);
	}
	print("MSRs 0x%x to 0x%x: #GP for %u reads, %u writes, %u writes of all ones\n", first,
	      last, counts.reads_refused, counts.writes_refused, counts.ones_refused);
	check(counts.others == 0, "no exception but #GP");
	check(counts.reads_refused < total || first == 0x40000000, "some can be read");
	check(counts.reads_refused > total - 200, "most do not exist");
	check(counts.ones_refused >= counts.writes_refused,
	      "all ones are refused at least as often");
}

static void refused(u32 msr, const char *name)
{
	u64 value;

	check(msr_try_read(msr, &value) == VECTOR_GP, "%s (0x%x) does not exist", name, msr);
}

void guest_main(void)
{
	u64 efer = msr_read(MSR_EFER), base = msr_read(MSR_APIC_BASE), value;

	for (u32 i = 0; i < ARRAY_SIZE(ranges); i++)
		range_try(ranges[i].first, ranges[i].last);
	for (u32 msr = 0x480; msr <= 0x491; msr++)
		refused(msr, "VMX capability");
	refused(0x9e, "IA32_SMBASE");
	refused(0x1b0, "IA32_ENERGY_PERF_BIAS");
	check(msr_read(MSR_EFER) == efer, "EFER is unchanged, 0x%lx", efer);
	check(msr_read(MSR_APIC_BASE) == base, "IA32_APIC_BASE is unchanged, 0x%lx", base);
	check(msr_read(MSR_FEATURE_CONTROL) == 1, "IA32_FEATURE_CONTROL is locked without VMX");
	check(msr_try_write(MSR_FEATURE_CONTROL, 5) == VECTOR_GP, "and cannot be written");
	check(msr_try_write(MSR_FS_BASE, BIT(47)) == VECTOR_GP, "FS base must be canonical");
	check(msr_try_write(MSR_GS_BASE, BIT(47)) == VECTOR_GP, "GS base must be canonical");
	msr_write(MSR_STAR, 0x123456789abcdef0);
	check(msr_read(MSR_STAR) == 0x123456789abcdef0, "STAR keeps what is written");
	value = tsc_read();
	check(tsc_read() - value < 100000, "the TSC goes on");
	checks_end("msrall");
}
