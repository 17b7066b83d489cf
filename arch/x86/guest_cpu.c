/* SPDX-License-Identifier: MIT */
/* The CPUs that partitions are given: what all CPUs of this machine have, cut as each wants it. */
#include "guest_cpu.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/load.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/spinlock.h>
#include <bulkhead/string.h>

/* Under the lock until the last CPU has joined; then it stays as it is. */
static struct host_cpuid machine;
static struct spinlock lock;
static struct guest_cpuid_options backend_options;

static struct cpuid read_cpuid(void *context unused, u32 leaf, u32 subleaf)
{
	return cpuid(leaf, subleaf);
}

void guest_cpu_init(const struct guest_cpuid_options *backend)
{
	backend_options = *backend;
	host_cpuid_read(&machine, read_cpuid, NULL);
}

void guest_cpu_join(void)
{
	struct host_cpuid mine, before;

	host_cpuid_read(&mine, read_cpuid, NULL);
	spin_lock(&lock);
	before = machine;
	host_cpuid_merge(&machine, &mine);
	if (memcmp(&before, &machine, sizeof(machine)) != 0)
		log_warn("CPU %u has not all that those before it have: guests see what all have",
			 arch_cpu_id());
	spin_unlock(&lock);
}

int arch_guest_cpu_create(struct partition *partition, char *reason)
{
	const struct config_partition *config = partition->config;
	struct guest_cpuid_options options = backend_options;
	char missing[80];

	partition->cpuid = memory_take(MEMORY_OTHER, sizeof(*partition->cpuid));
	if (!partition->cpuid)
		return -ENOMEM;
	options.cpu = config->cpu;
	options.vcpus = config->vcpus;
	options.kvm = config->hypervisor_leaves == CONFIG_LEAVES_KVM;
	guest_cpuid_build(partition->cpuid, &options, &machine);
	if (!guest_cpuid_lacks(partition->cpuid, config->cpu, missing, sizeof(missing)))
		return 0;
	format_text(reason, LOAD_REASON_BYTES, "cpu = %s: not all of this machine's CPUs have %s",
		    config_cpu_name(config->cpu), missing);
	return -ENODEV;
}

void arch_guest_cpu_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->cpuid, sizeof(*partition->cpuid));
	partition->cpuid = NULL;
}

void arch_guest_apic_setup(struct vlapic *apic)
{
	const struct vcpu *vcpu = apic->context;
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;

	apic->bus_divisor = cpu->bus_divisor;
	apic->has_tsc_deadline = cpu->tsc_deadline;
	apic->has_x2apic = cpu->x2apic;
}

/* Firmware of its own wants to find what power-up leaves. */
static bool has_firmware(enum config_boot boot)
{
	return boot == CONFIG_BOOT_BIOS || boot == CONFIG_BOOT_UEFI;
}

void arch_guest_msrs_reset(struct vcpu *vcpu)
{
	const struct guest_cpuid *cpu = vcpu->partition->cpuid;

	guest_msrs_reset(&vcpu->msrs, cpu->tsc_hz, cpu->physical_bits);
	if (!has_firmware(vcpu->partition->config->boot))
		guest_msrs_after_firmware(&vcpu->msrs);
}

void arch_guest_cpu_start(struct partition *partition)
{
	guest_cpuid_dedicated(partition->cpuid,
			      partition->config->claim.kind == SCHEDULER_DEDICATED);
}

u32 arch_guest_signature(void)
{
	return host_cpuid_leaf(&machine, 1, 0).eax & GUEST_CPUID_SIGNATURE;
}
