/* SPDX-License-Identifier: MIT */
/* What the hardware lets a guest do, read back from bitmaps and controls. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include <arch/x86/vmx/vmx.h>
#include <bulkhead/memory.h>

struct vmx_machine vmx_machine;

static u8 io[2 * 4096], bitmaps[VMX_MSR_BITMAPS][4096], apic_page[4096];
static u8 *const plain = bitmaps[0], *const x2apic = bitmaps[VMX_MSR_BITMAP_X2APIC];
static struct vmx_vcpu vmx;
static struct vcpu vcpu = {.virt = &vmx};
static char text[4096];

u64 memory_physical(const void *page)
{
	assert_ptr_equal(page, apic_page);
	return 0x7654000;
}

static void note(void *context, const struct virt_grant *grant)
{
	static const char *const kinds[] = {"tables", "pages", "ports", "MSRs", "interrupts"};
	size_t length = strlen(text);

	assert_ptr_equal(context, text);
	snprintf(text + length, sizeof(text) - length, "%s %lx-%lx %s%s;", kinds[grant->kind],
		 grant->first, grant->last, grant->read ? "r" : "", grant->write ? "w" : "");
}

static void expect(const char *expected)
{
	text[0] = 0;
	vmx_grants(&vcpu, note, text);
	assert_string_equal(text, expected);
}

static int setup(void **state)
{
	(void)state;
	memset(io, 0xff, sizeof(io));
	memset(bitmaps, 0xff, sizeof(bitmaps));
	vmx_machine = (struct vmx_machine){
		.controls.pin = PIN_EXTERNAL_INTERRUPT,
		.ept.physical_mask = BITS(38, 12),
		.io_bitmaps = io,
		.msr_bitmaps = bitmaps,
	};
	vmx = (struct vmx_vcpu){
		.ept_pointer = 0x123401e,
		.cpu_controls = CPU_IO_BITMAPS | CPU_MSR_BITMAPS,
		.apic_access_page = apic_page,
	};
	return 0;
}

static void nothing(void **state)
{
	(void)state;
	expect("tables 1234000-1234fff ;");
}

static void apic_page_is_the_cpus(void **state)
{
	(void)state;
	vmx_machine.controls.apic_registers = true;
	expect("tables 1234000-1234fff ;pages 7654000-7654fff rw;");
}

static void ports_by_bitmap(void **state)
{
	(void)state;
	io[0x80 / 8] &= (u8) ~(1 << 0);
	io[0x3f8 / 8] = 0;
	io[0xffff / 8] &= 0x7f;
	expect("tables 1234000-1234fff ;ports 80-80 rw;ports 3f8-3ff rw;ports ffff-ffff rw;");
}

/* The bitmaps mean nothing when the control that turns them on is off. */
static void ports_without_bitmap(void **state)
{
	(void)state;
	io[0x10] = 0;
	vmx.cpu_controls = CPU_IO_EXITING | CPU_MSR_BITMAPS;
	expect("tables 1234000-1234fff ;");
	vmx.cpu_controls = CPU_MSR_BITMAPS;
	expect("tables 1234000-1234fff ;ports 0-ffff rw;");
}

/* Before its first start. */
static void never_set_up(void **state)
{
	(void)state;
	vmx.cpu_controls = 0;
	vmx_machine.controls.apic_registers = true;
	expect("tables 1234000-1234fff ;pages 7654000-7654fff rw;");
}

static void msrs_by_bitmap(void **state)
{
	(void)state;
	plain[0x174 / 8] &= 0x8f;	   /* 174h to 176h are read */
	plain[2048 + 0x174 / 8] &= 0xcf;   /* 174h and 175h are written */
	plain[1024] &= 0xfe;		   /* c0000000h is read */
	plain[2048 + 1024 + 1023] &= 0x7f; /* c0001fffh is written */
	expect("tables 1234000-1234fff ;MSRs 174-175 rw;MSRs 176-176 r;"
	       "MSRs c0000000-c0000000 r;MSRs c0001fff-c0001fff w;");
	vmx.cpu2_controls = CPU2_X2APIC;
	x2apic[0x808 / 8] &= 0xfe;
	expect("tables 1234000-1234fff ;MSRs 808-808 r;");
	vmx.cpu2_controls = CPU2_X2APIC | CPU2_RDTSCP;
	bitmaps[VMX_MSR_BITMAP_X2APIC | VMX_MSR_BITMAP_TSC_AUX][1024 + 0x103 / 8] &= 0xf7;
	expect("tables 1234000-1234fff ;MSRs c0000103-c0000103 r;");
	vmx.cpu_controls = CPU_IO_BITMAPS;
	expect("tables 1234000-1234fff ;");
}

static void interrupts(void **state)
{
	(void)state;
	vmx_machine.controls.pin = 0;
	expect("tables 1234000-1234fff ;interrupts 0-ff ;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing, setup),
		cmocka_unit_test_setup(apic_page_is_the_cpus, setup),
		cmocka_unit_test_setup(ports_by_bitmap, setup),
		cmocka_unit_test_setup(ports_without_bitmap, setup),
		cmocka_unit_test_setup(never_set_up, setup),
		cmocka_unit_test_setup(msrs_by_bitmap, setup),
		cmocka_unit_test_setup(interrupts, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
