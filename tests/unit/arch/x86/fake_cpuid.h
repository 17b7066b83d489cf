/* SPDX-License-Identifier: MIT */
/* A vCPU that executes CPUID: what it is told, and that no other register changes. */
#pragma once

#include <arch/x86/guest_cpuid.h>

static struct vlapic fake_apic;
static u64 fake_cr4, fake_xcr0;

static void fake_power_up(void)
{
	fake_apic = (struct vlapic){.base_msr = VLAPIC_ENABLE};
	fake_cr4 = 0;
	fake_xcr0 = 1;
}

static u64 fake_cr4_read(void)
{
	return fake_cr4;
}

static u64 fake_xcr0_read(void)
{
	return fake_xcr0;
}

static struct cpuid fake_cpuid(const struct guest_cpuid *policy, u32 leaf, u32 subleaf)
{
	static const struct guest_cpuid_vcpu vcpu = {
		.apic = &fake_apic, .cr4 = fake_cr4_read, .xcr0 = fake_xcr0_read};
	u64 gpr[GPR_COUNT];

	for (unsigned i = 0; i < GPR_COUNT; i++)
		gpr[i] = 0xe0e0e0e000000000 + i;
	gpr[GPR_RAX] = 0xeeeeeeee00000000 | leaf;
	gpr[GPR_RCX] = 0xeeeeeeee00000000 | subleaf;
	guest_cpuid_execute(policy, &vcpu, gpr);
	for (unsigned i = GPR_RBX + 1; i < GPR_COUNT; i++)
		assert_int_equal(gpr[i], 0xe0e0e0e000000000 + i);
	assert_false((gpr[GPR_RAX] | gpr[GPR_RBX] | gpr[GPR_RCX] | gpr[GPR_RDX]) >> 32);
	return (struct cpuid){(u32)gpr[GPR_RAX], (u32)gpr[GPR_RBX], (u32)gpr[GPR_RCX],
			      (u32)gpr[GPR_RDX]};
}
