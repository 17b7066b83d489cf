/* SPDX-License-Identifier: MIT */
/* Check the machine: run check.c's capture on every CPU, and print what is lacking. */
#include "boot/loader.h"

#include "boot/check.h"
#include "boot/mp_services.h"
#include "boot/pages.h"

#include <bulkhead/error.h>

#define MSR_APIC_BASE	 0x1b
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define MSR_X2APIC_ID	 0x802
#define APIC_ID		 0x20

#define MACHINE_TIMEOUT_US 10000000

static void machine_cpuid(u32 leaf, u32 registers[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]),
			   "=d"(registers[3])
			 : "a"(leaf), "c"(0));
}

static u64 machine_read_msr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static u64 machine_read_cr4(void)
{
	u64 value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

/* The ID as the APIC itself has it now, since firmware may have left it in either mode. */
u32 machine_apic_id(void)
{
	u64 base = machine_read_msr(MSR_APIC_BASE);
	u32 leaf1[4];

	if (base & APIC_BASE_X2APIC)
		return (u32)machine_read_msr(MSR_X2APIC_ID);
	if (base & APIC_BASE_ENABLE)
		return *(volatile u32 *)(uintptr_t)((base & BITS(51, 12)) + APIC_ID) >> 24;
	machine_cpuid(1, leaf1);
	return leaf1[1] >> 24;
}

static const struct check_reader machine_reader = {
	.cpuid = machine_cpuid,
	.read_msr = machine_read_msr,
	.read_cr4 = machine_read_cr4,
	.read_apic_id = machine_apic_id,
};

struct machine_captures {
	struct check_cpu *cpus;
	u32 room;
	u32 taken; /* atomically */
};

static void EFIAPI machine_capture(void *argument)
{
	struct machine_captures *captures = argument;
	u32 index = __atomic_fetch_add(&captures->taken, 1, __ATOMIC_SEQ_CST);

	if (index < captures->room)
		check_capture(&captures->cpus[index], &machine_reader);
}

struct mp_services *mp_services_find(void)
{
	EFI_GUID guid = {
		0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
	void *mp = NULL;

	if (EFI_ERROR(firmware.services->LocateProtocol(&guid, NULL, &mp)))
		return NULL;
	return mp;
}

static void machine_report(const char *line)
{
	screen_line("%s", line);
}

/*
 * Firmware may lock VMX off on one CPU and not on another, and not all CPUs need be of one kind.
 * Where the firmware does not run us on them the core still finds out, only later. Returns how many
 * CPUs were captured.
 */
static u32 machine_capture_all(struct mp_services *mp, UINTN enabled,
			       struct machine_captures *captures)
{
	EFI_STATUS status;

	machine_capture(captures);
	if (enabled < 2)
		return 1;
	status = mp->run_all(mp, machine_capture, FALSE, NULL, MACHINE_TIMEOUT_US, captures, NULL);
	if (!EFI_ERROR(status) && captures->taken == enabled)
		return captures->taken;
	screen_line("Only the first of %lu CPUs could be checked (firmware status 0x%lx)", enabled,
		    status);
	return 1;
}

/* For the levels that the configuration may ask for. */
static void machine_words(const struct machine_captures *captures, u32 count, u32 words[CPU_WORDS])
{
	static const enum check_value values[CPU_WORDS] = {
		[CPU_WORD_1_ECX] = CHECK_VALUE_CPUID_1_ECX,
		[CPU_WORD_1_EDX] = CHECK_VALUE_CPUID_1_EDX,
		[CPU_WORD_7_EBX] = CHECK_VALUE_CPUID_7_EBX,
		[CPU_WORD_80000001_ECX] = CHECK_VALUE_CPUID_80000001_ECX,
		[CPU_WORD_80000001_EDX] = CHECK_VALUE_CPUID_80000001_EDX,
	};

	for (u32 word = 0; word < CPU_WORDS; word++)
		words[word] = check_shared(captures->cpus, count, values[word]);
}

int machine_check(struct loader *loader)
{
	struct mp_services *mp = mp_services_find();
	struct machine_captures captures = {0};
	UINTN all = 1, enabled = 1;
	u32 count;

	if (mp && EFI_ERROR(mp->count(mp, &all, &enabled)))
		enabled = 1;
	captures.room = (u32)MAX(enabled, 1);
	captures.cpus = pages_buffer(captures.room * sizeof(*captures.cpus), BOOT_MEMORY_LOADER);
	if (!captures.cpus)
		return -ENOMEM;
	count = machine_capture_all(mp, enabled, &captures);
	machine_words(&captures, count, loader->cpu_words);
	return check_cpus(captures.cpus, count, machine_report);
}
