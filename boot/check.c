/* SPDX-License-Identifier: MIT */
/*
 * The table of everything that Bulkhead needs of a CPU. Bit positions are those of the SDM: CPUID
 * and IA32_FEATURE_CONTROL in volumes 2A and 4, the VMX capability MSRs in volume 3, appendix A.
 */
#include "boot/check.h"

#include <bulkhead/error.h>
#include <bulkhead/format.h>

#define MSR_FEATURE_CONTROL 0x3a
#define MSR_VMX_PIN	    0x481
#define MSR_VMX_PROCESSOR   0x482
#define MSR_VMX_EXIT	    0x483
#define MSR_VMX_ENTRY	    0x484
#define MSR_VMX_SECONDARY   0x48b
#define MSR_VMX_EPT_VPID    0x48c

#define CPUID_1_ECX_VMX	       BIT(5)
#define CPUID_1_ECX_HYPERVISOR BIT(31)

/* A control may be set when its bit is 1 in the upper half of the MSR. */
#define ALLOWED(n) BIT(32 + (n))

enum check_row {
	CHECK_SVM,
	CHECK_VMX,
	CHECK_LOCK,
	CHECK_LA57,
	CHECK_APIC,
	CHECK_NX,
	CHECK_TSC,
	CHECK_INVARIANT_TSC,
	CHECK_INTERRUPT_EXITING,
	CHECK_NMI_EXITING,
	CHECK_VIRTUAL_NMI,
	CHECK_PREEMPTION_TIMER,
	CHECK_INTERRUPT_WINDOW,
	CHECK_NMI_WINDOW,
	CHECK_TSC_OFFSET,
	CHECK_HLT_EXITING,
	CHECK_TPR_SHADOW,
	CHECK_IO_BITMAPS,
	CHECK_MSR_BITMAPS,
	CHECK_SECONDARY,
	CHECK_EPT,
	CHECK_EPT_WALK,
	CHECK_EPT_WRITE_BACK,
	CHECK_EPT_2M,
	CHECK_INVEPT,
	CHECK_INVEPT_TYPES,
	CHECK_VPID,
	CHECK_INVVPID,
	CHECK_INVVPID_TYPES,
	CHECK_UNRESTRICTED,
	CHECK_EXIT_64,
	CHECK_EXIT_ACKNOWLEDGE,
	CHECK_EXIT_SAVE_PAT,
	CHECK_EXIT_LOAD_PAT,
	CHECK_EXIT_SAVE_EFER,
	CHECK_EXIT_LOAD_EFER,
	CHECK_ENTRY_64,
	CHECK_ENTRY_LOAD_PAT,
	CHECK_ENTRY_LOAD_EFER,
	CHECK_ROWS,
	CHECK_NOTHING = CHECK_ROWS,
};

_Static_assert(CHECK_ROWS <= 64, "one bit for each row in check_failures()");

enum check_advice {
	ADVICE_VENDOR,
	ADVICE_VTX,
	ADVICE_LOCK,
	ADVICE_CPU,
	ADVICE_LA57,
	ADVICE_APIC,
	ADVICE_NX
};

/* The second column is for a machine that is itself a virtual one. */
static const char *const check_advices[][2] = {
	[ADVICE_VENDOR] = {"Bulkhead needs an Intel CPU with VT-x",
			   "Bulkhead needs an Intel CPU with VT-x"},
	[ADVICE_VTX] = {"use an Intel CPU with VT-x, or, if this one has it, enable VT-x (Intel "
			"Virtualization Technology) in the firmware's setup menu",
			"enable nested virtualization (VT-x for guests) in the hypervisor that "
			"this virtual machine runs under"},
	[ADVICE_LOCK] =
		{"enable VT-x (Intel Virtualization Technology) in the firmware's setup menu",
		 "enable VT-x (Intel Virtualization Technology) in the firmware's setup menu"},
	[ADVICE_CPU] = {"use an Intel CPU of the Westmere generation (2010) or later",
			"let the hypervisor that this virtual machine runs under offer it"},
	[ADVICE_LA57] = {"disable 5-level paging (LA57) in the firmware's setup menu",
			 "hide LA57 from this virtual machine"},
	[ADVICE_APIC] = {"enable the local APIC in the firmware's setup menu",
			 "give this virtual machine a local APIC"},
	[ADVICE_NX] = {"enable the Execute Disable Bit (XD, NX) in the firmware's setup menu",
		       "let the hypervisor that this virtual machine runs under offer it"},
};

static const char *const check_names[CHECK_VALUES] = {
	[CHECK_VALUE_CPUID_1_ECX] = "CPUID.1:ECX",
	[CHECK_VALUE_CPUID_1_EDX] = "CPUID.1:EDX",
	[CHECK_VALUE_CPUID_7_EBX] = "CPUID.7:EBX",
	[CHECK_VALUE_CPUID_80000001_ECX] = "CPUID.80000001H:ECX",
	[CHECK_VALUE_CPUID_80000001_EDX] = "CPUID.80000001H:EDX",
	[CHECK_VALUE_CPUID_80000007_EDX] = "CPUID.80000007H:EDX",
	[CHECK_VALUE_CR4] = "CR4",
	[CHECK_VALUE_FEATURE_CONTROL] = "IA32_FEATURE_CONTROL",
	[CHECK_VALUE_VMX_PIN] = "IA32_VMX_PINBASED_CTLS",
	[CHECK_VALUE_VMX_PROCESSOR] = "IA32_VMX_PROCBASED_CTLS",
	[CHECK_VALUE_VMX_SECONDARY] = "IA32_VMX_PROCBASED_CTLS2",
	[CHECK_VALUE_VMX_EXIT] = "IA32_VMX_EXIT_CTLS",
	[CHECK_VALUE_VMX_ENTRY] = "IA32_VMX_ENTRY_CTLS",
	[CHECK_VALUE_VMX_EPT_VPID] = "IA32_VMX_EPT_VPID_CAP",
};

/*
 * A row fails when (value & mask) == bad. It is not looked at when the row that it depends on
 * failed or was not looked at: whoever has no VT-x need not read that he has no EPT.
 */
struct check {
	enum check_value value;
	u64 mask;
	u64 bad;
	enum check_row depends;
	enum check_advice advice;
	const char *lacks;
};

#define ROW(value, mask, bad, depends, advice, lacks)                                              \
	{                                                                                          \
		CHECK_VALUE_##value, mask, bad, CHECK_##depends, ADVICE_##advice, lacks            \
	}
#define NEEDS(value, mask, depends, lacks) ROW(value, mask, 0, depends, CPU, lacks)

static const struct check checks[CHECK_ROWS] = {
	/* Only AMD and Hygon set this bit: Intel reserves it. */
	[CHECK_SVM] = ROW(CPUID_80000001_ECX, BIT(2), BIT(2), NOTHING, VENDOR,
			  "This CPU has AMD's SVM, not Intel VT-x"),
	[CHECK_VMX] = ROW(CPUID_1_ECX, CPUID_1_ECX_VMX, 0, SVM, VTX, "No VT-x (VMX)"),
	/* Bit 0 is the lock, bit 2 VMX outside SMX. Not locked is fine: the core locks it. */
	[CHECK_LOCK] = ROW(FEATURE_CONTROL, BIT(0) | BIT(2), BIT(0), VMX, LOCK,
			   "VMX is locked off by firmware"),
	/* 5-level paging cannot be left while in long mode, and the core's tables have 4. */
	[CHECK_LA57] = ROW(CR4, BIT(12), BIT(12), NOTHING, LA57,
			   "The firmware left 5-level paging on (CR4.LA57)"),
	[CHECK_APIC] = ROW(CPUID_1_EDX, BIT(9), 0, NOTHING, APIC, "No local APIC"),
	[CHECK_NX] = ROW(CPUID_80000001_EDX, BIT(20), 0, NOTHING, NX, "No execute-disable (NX)"),
	[CHECK_TSC] = NEEDS(CPUID_1_EDX, BIT(4), NOTHING, "No time-stamp counter (TSC)"),
	[CHECK_INVARIANT_TSC] = NEEDS(CPUID_80000007_EDX, BIT(8), TSC, "TSC is not invariant"),

	[CHECK_INTERRUPT_EXITING] =
		NEEDS(VMX_PIN, ALLOWED(0), VMX, "No external-interrupt exiting"),
	[CHECK_NMI_EXITING] = NEEDS(VMX_PIN, ALLOWED(3), VMX, "No NMI exiting"),
	[CHECK_VIRTUAL_NMI] = NEEDS(VMX_PIN, ALLOWED(5), VMX, "No virtual NMIs"),
	[CHECK_PREEMPTION_TIMER] = NEEDS(VMX_PIN, ALLOWED(6), VMX, "No VMX preemption timer"),

	[CHECK_INTERRUPT_WINDOW] =
		NEEDS(VMX_PROCESSOR, ALLOWED(2), VMX, "No interrupt-window exiting"),
	[CHECK_NMI_WINDOW] = NEEDS(VMX_PROCESSOR, ALLOWED(22), VMX, "No NMI-window exiting"),
	[CHECK_TSC_OFFSET] = NEEDS(VMX_PROCESSOR, ALLOWED(3), VMX, "No TSC offsetting"),
	[CHECK_HLT_EXITING] = NEEDS(VMX_PROCESSOR, ALLOWED(7), VMX, "No HLT exiting"),
	[CHECK_TPR_SHADOW] = NEEDS(VMX_PROCESSOR, ALLOWED(21), VMX, "No TPR shadow"),
	[CHECK_IO_BITMAPS] = NEEDS(VMX_PROCESSOR, ALLOWED(25), VMX, "No I/O bitmaps"),
	[CHECK_MSR_BITMAPS] = NEEDS(VMX_PROCESSOR, ALLOWED(28), VMX, "No MSR bitmaps"),
	[CHECK_SECONDARY] =
		NEEDS(VMX_PROCESSOR, ALLOWED(31), VMX, "No secondary processor-based controls"),

	[CHECK_EPT] = NEEDS(VMX_SECONDARY, ALLOWED(1), SECONDARY, "No extended page tables (EPT)"),
	[CHECK_EPT_WALK] = NEEDS(VMX_EPT_VPID, BIT(6), EPT, "No EPT of 4 levels"),
	[CHECK_EPT_WRITE_BACK] = NEEDS(VMX_EPT_VPID, BIT(14), EPT, "No write-back EPT structures"),
	[CHECK_EPT_2M] = NEEDS(VMX_EPT_VPID, BIT(16), EPT, "No 2 MiB EPT pages"),
	[CHECK_INVEPT] = NEEDS(VMX_EPT_VPID, BIT(20), EPT, "No INVEPT"),
	[CHECK_INVEPT_TYPES] =
		NEEDS(VMX_EPT_VPID, BIT(25) | BIT(26), INVEPT,
		      "INVEPT has neither the single-context nor the all-context type "
		      "(bits 25, 26)"),
	[CHECK_VPID] = NEEDS(VMX_SECONDARY, ALLOWED(5), SECONDARY,
			     "No virtual-processor identifiers (VPID)"),
	[CHECK_INVVPID] = NEEDS(VMX_EPT_VPID, BIT(32), VPID, "No INVVPID"),
	[CHECK_INVVPID_TYPES] = NEEDS(VMX_EPT_VPID, BIT(41) | BIT(42), INVVPID,
				      "INVVPID has neither the single-context nor the all-context "
				      "type (bits 41, 42)"),
	[CHECK_UNRESTRICTED] = NEEDS(VMX_SECONDARY, ALLOWED(7), SECONDARY, "No unrestricted guest"),

	[CHECK_EXIT_64] = NEEDS(VMX_EXIT, ALLOWED(9), VMX, "No VM exits to 64-bit mode"),
	[CHECK_EXIT_ACKNOWLEDGE] =
		NEEDS(VMX_EXIT, ALLOWED(15), VMX, "No acknowledge-interrupt on VM exit"),
	[CHECK_EXIT_SAVE_PAT] = NEEDS(VMX_EXIT, ALLOWED(18), VMX, "VM exits cannot save IA32_PAT"),
	[CHECK_EXIT_LOAD_PAT] = NEEDS(VMX_EXIT, ALLOWED(19), VMX, "VM exits cannot load IA32_PAT"),
	[CHECK_EXIT_SAVE_EFER] =
		NEEDS(VMX_EXIT, ALLOWED(20), VMX, "VM exits cannot save IA32_EFER"),
	[CHECK_EXIT_LOAD_EFER] =
		NEEDS(VMX_EXIT, ALLOWED(21), VMX, "VM exits cannot load IA32_EFER"),
	[CHECK_ENTRY_64] = NEEDS(VMX_ENTRY, ALLOWED(9), VMX, "No VM entries to IA-32e mode"),
	[CHECK_ENTRY_LOAD_PAT] =
		NEEDS(VMX_ENTRY, ALLOWED(14), VMX, "VM entries cannot load IA32_PAT"),
	[CHECK_ENTRY_LOAD_EFER] =
		NEEDS(VMX_ENTRY, ALLOWED(15), VMX, "VM entries cannot load IA32_EFER"),
};

static bool check_hypervised(const struct check_cpu *cpu)
{
	return cpu->values[CHECK_VALUE_CPUID_1_ECX] & CPUID_1_ECX_HYPERVISOR;
}

/* Hypervisors hide the invariant TSC, so as to be free to migrate; it is invariant all the same. */
static bool check_excused(enum check_row row, const struct check_cpu *cpu)
{
	return row == CHECK_INVARIANT_TSC && check_hypervised(cpu);
}

/* One bit for each row that fails on this CPU. */
static u64 check_failures(const struct check_cpu *cpu)
{
	u64 failed = 0, silent = 0;

	for (u32 i = 0; i < CHECK_ROWS; i++) {
		const struct check *check = &checks[i];

		if (check->depends != CHECK_NOTHING && (failed | silent) & BIT(check->depends))
			silent |= BIT(i);
		else if ((cpu->values[check->value] & check->mask) == check->bad &&
			 !check_excused(i, cpu))
			failed |= BIT(i);
	}
	return failed;
}

static void check_line(const struct check *check, const struct check_cpu *cpu, char *line)
{
	u64 value = cpu->values[check->value];
	bool one_bit = (check->mask & (check->mask - 1)) == 0;

	format_text(line, CHECK_LINE_BYTES, "%s: %s = 0x%lx", check->lacks,
		    check_names[check->value], value);
	if (one_bit && check->bad == 0)
		format_append(line, CHECK_LINE_BYTES, ", bit %d is 0",
			      __builtin_ctzll(check->mask));
	format_append(line, CHECK_LINE_BYTES, "; %s",
		      check_advices[check->advice][check_hypervised(cpu)]);
}

/* Returns whether any CPU fails in this row. */
static bool check_row_report(enum check_row row, const struct check_cpu *cpus, u32 count,
			     void (*report)(const char *line))
{
	char line[CHECK_LINE_BYTES];
	u32 first = count, failing = 0;

	for (u32 i = 0; i < count; i++) {
		if (!(check_failures(&cpus[i]) & BIT(row)))
			continue;
		if (failing++ == 0)
			first = i;
	}
	if (failing == 0)
		return false;
	check_line(&checks[row], &cpus[first], line);
	if (failing < count)
		format_append(line, sizeof(line), " (%u of %u CPUs, the first has APIC ID %u)",
			      failing, count, cpus[first].apic_id);
	report(line);
	return true;
}

int check_cpus(const struct check_cpu *cpus, u32 count, void (*report)(const char *line))
{
	bool failed = false;

	for (u32 row = 0; row < CHECK_ROWS; row++)
		failed |= check_row_report(row, cpus, count, report);
	return failed ? -ENODEV : 0;
}

u32 check_shared(const struct check_cpu *cpus, u32 count, enum check_value value)
{
	u32 shared = ~0U;

	for (u32 i = 0; i < count; i++)
		shared &= (u32)cpus[i].values[value];
	return shared;
}

static void check_capture_cpuid(u64 *values, const struct check_reader *reader)
{
	u32 r[4];
	u32 last;

	reader->cpuid(0, r);
	last = r[0];
	reader->cpuid(1, r);
	values[CHECK_VALUE_CPUID_1_ECX] = r[2];
	values[CHECK_VALUE_CPUID_1_EDX] = r[3];
	if (last >= 7) {
		reader->cpuid(7, r);
		values[CHECK_VALUE_CPUID_7_EBX] = r[1];
	}
	reader->cpuid(0x80000000, r);
	last = r[0];
	if (last >= 0x80000001) {
		reader->cpuid(0x80000001, r);
		values[CHECK_VALUE_CPUID_80000001_ECX] = r[2];
		values[CHECK_VALUE_CPUID_80000001_EDX] = r[3];
	}
	if (last >= 0x80000007) {
		reader->cpuid(0x80000007, r);
		values[CHECK_VALUE_CPUID_80000007_EDX] = r[3];
	}
}

static void check_capture_vmx(u64 *values, const struct check_reader *reader)
{
	values[CHECK_VALUE_FEATURE_CONTROL] = reader->read_msr(MSR_FEATURE_CONTROL);
	values[CHECK_VALUE_VMX_PIN] = reader->read_msr(MSR_VMX_PIN);
	values[CHECK_VALUE_VMX_PROCESSOR] = reader->read_msr(MSR_VMX_PROCESSOR);
	values[CHECK_VALUE_VMX_EXIT] = reader->read_msr(MSR_VMX_EXIT);
	values[CHECK_VALUE_VMX_ENTRY] = reader->read_msr(MSR_VMX_ENTRY);
	if (!(values[CHECK_VALUE_VMX_PROCESSOR] & checks[CHECK_SECONDARY].mask))
		return;
	values[CHECK_VALUE_VMX_SECONDARY] = reader->read_msr(MSR_VMX_SECONDARY);
	if (values[CHECK_VALUE_VMX_SECONDARY] & (checks[CHECK_EPT].mask | checks[CHECK_VPID].mask))
		values[CHECK_VALUE_VMX_EPT_VPID] = reader->read_msr(MSR_VMX_EPT_VPID);
}

void check_capture(struct check_cpu *cpu, const struct check_reader *reader)
{
	*cpu = (struct check_cpu){.apic_id = reader->read_apic_id()};
	cpu->values[CHECK_VALUE_CR4] = reader->read_cr4();
	check_capture_cpuid(cpu->values, reader);
	if (cpu->values[CHECK_VALUE_CPUID_1_ECX] & CPUID_1_ECX_VMX)
		check_capture_vmx(cpu->values, reader);
}
