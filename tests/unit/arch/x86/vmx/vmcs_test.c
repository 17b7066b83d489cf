/* SPDX-License-Identifier: MIT */
/* The controls that change while a guest runs. */
#include "fake_vmcs_access.h"

#include <arch/x86/vmx/vmx.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>

struct vmx_machine vmx_machine;
const char vmx_exit_entry[1], vmx_exit_entry_touch[1];

static struct vcpu vcpu;
static struct vmx_vcpu vmx;
static u8 bitmaps[VMX_MSR_BITMAPS * PAGE_SIZE];
static unsigned ept_flushes, guest_flushes;

u64 memory_physical(const void *page)
{
	return (u64)page;
}

void vmx_flush_ept(const struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	ept_flushes++;
}

void vmx_flush_guest(const struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	guest_flushes++;
}

u64 vmx_cr0(void)
{
	fail();
	return 0;
}

u64 vmx_cr4(void)
{
	fail();
	return 0;
}

static void start(bool virtualised)
{
	fake_vmcs_init();
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&vmx, 0, sizeof(vmx));
	vcpu.virt = &vmx;
	vmx.cpu2_controls = CPU2_EPT | CPU2_RDTSCP;
	vmx_machine.msr_bitmaps = bitmaps;
	vmx_machine.controls.apic_registers = vmx_machine.controls.x2apic = virtualised;
	ept_flushes = guest_flushes = 0;
}

/* The guest has written IA32_APIC_BASE. */
static void mode(bool enabled, bool x2apic)
{
	vcpu.apic.base_msr = (enabled ? VLAPIC_ENABLE : 0) | (x2apic ? VLAPIC_X2APIC : 0);
	vmcs_apic_mode(&vcpu);
}

static void expect_mode(u32 controls, u32 bitmap)
{
	assert_int_equal(vmx.cpu2_controls, CPU2_EPT | CPU2_RDTSCP | controls);
	assert_int_equal(fake_fields[SECONDARY_CONTROLS], vmx.cpu2_controls);
	assert_int_equal(fake_fields[MSR_BITMAP], memory_physical(bitmaps + bitmap * PAGE_SIZE));
}

/* What was translated while the APIC was off, or in x2APIC mode, leads to the page itself (SDM vol.
 * 3, 30.4.5). */
static void apic_accesses(void **state)
{
	(void)state;
	start(true);
	mode(true, false);
	expect_mode(CPU2_APIC_ACCESSES, VMX_MSR_BITMAP_TSC_AUX);
	assert_int_equal(ept_flushes, 1);
	assert_int_equal(guest_flushes, 1);
	mode(true, true);
	expect_mode(CPU2_X2APIC, VMX_MSR_BITMAP_TSC_AUX | VMX_MSR_BITMAP_X2APIC);
	mode(false, false);
	expect_mode(0, VMX_MSR_BITMAP_TSC_AUX);
	assert_int_equal(ept_flushes, 1);
	mode(true, false);
	expect_mode(CPU2_APIC_ACCESSES, VMX_MSR_BITMAP_TSC_AUX);
	assert_int_equal(ept_flushes, 2);
	assert_int_equal(guest_flushes, 2);
}

static void apic_same(void **state)
{
	(void)state;
	start(true);
	mode(true, false);
	fake_vmwrites = 0;
	mode(true, false);
	assert_int_equal(fake_vmwrites, 0);
	assert_int_equal(ept_flushes, 1);
	assert_int_equal(guest_flushes, 1);
}

static void apic_in_software(void **state)
{
	(void)state;
	start(false);
	mode(true, false);
	mode(true, true);
	mode(false, false);
	assert_int_equal(vmx.cpu2_controls, CPU2_EPT | CPU2_RDTSCP);
	assert_int_equal(ept_flushes + guest_flushes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apic_accesses),
		cmocka_unit_test(apic_same),
		cmocka_unit_test(apic_in_software),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
