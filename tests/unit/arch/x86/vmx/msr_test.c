/* SPDX-License-Identifier: MIT */
/*
 * What guests may do to MSRs without an exit: the bitmaps bit by bit (SDM vol. 3, 25.6.9), against
 * a list of its own. A bit too few costs time, a bit too many costs isolation.
 */
/* links: arch/x86/guest_msr.c */
#include "cmocka_all.h"
#include "fake_instructions.h"

#include <string.h>

#include <arch/x86/vmx/vmx.h>
#include <bulkhead/arch.h>

struct vmx_machine vmx_machine;

static u8 bitmaps[VMX_MSR_BITMAPS][4096];

/* The rest of msr.c's world, of which building bitmaps uses nothing. */
noreturn void panic(const char *format, ...)
{
	fail_msg("%s", format);
	__builtin_trap();
}

void vmx_inject_fault(struct vcpu *vcpu unused, u8 vector unused, u32 error_code unused)
{
	panic("vmx_inject_fault");
}

int vmx_efer_write(struct vcpu *vcpu unused, u64 value unused)
{
	panic("vmx_efer_write");
}

void vmcs_apic_mode(struct vcpu *vcpu unused)
{
	panic("vmcs_apic_mode");
}

int kvm_msr_read(const struct vcpu *vcpu unused, u32 msr unused, u64 *value unused)
{
	panic("kvm_msr_read");
}

int kvm_msr_write(struct vcpu *vcpu unused, u32 msr unused, u64 value unused)
{
	panic("kvm_msr_write");
}

void kvm_tsc_moved(struct vcpu *vcpu unused)
{
	panic("kvm_tsc_moved");
}

void kvm_eoi_take(struct vcpu *vcpu unused)
{
	panic("kvm_eoi_take");
}

void vlapic_tsc_moved(struct vlapic *apic, u64 by)
{
	(void)apic, (void)by;
}

int vlapic_msr_read(struct vlapic *apic unused, u32 msr unused, u64 *value unused)
{
	panic("vlapic_msr_read");
}

void vlapic_deadline_set(struct vlapic *apic unused, u64 deadline unused, u64 now unused)
{
	panic("vlapic_deadline_set");
}

int vlapic_count_write(struct vlapic *apic unused, u64 count unused, u64 now unused)
{
	panic("vlapic_count_write");
}

int vlapic_msr_write(struct vlapic *apic unused, u32 msr unused, u64 value unused)
{
	panic("vlapic_msr_write");
}

/* As controls ask for it. */
static const u8 *bitmap(bool x2apic, bool rdtscp)
{
	const struct vmx_vcpu vmx = {.cpu2_controls = (x2apic ? CPU2_X2APIC : 0) |
						      (rdtscp ? CPU2_RDTSCP : 0)};

	return vmx_msr_bitmap(&vmx);
}

static int build(void **state)
{
	(void)state;
	memset(bitmaps, 0x5a, sizeof(bitmaps));
	vmx_machine.msr_bitmaps = bitmaps;
	vmx_msr_bitmaps_build();
	return 0;
}

/* Bytes 0 to 1023: reads of 0 to 1fffh; 1024 to 2047: reads of c0000000h to c0001fffh; then writes.
 */
static bool passes(const u8 *bitmap, u32 msr, bool write)
{
	unsigned byte = (write ? 2048u : 0) + (msr >> 31 ? 1024u : 0) + (msr & 0x1fff) / 8;

	return !(bitmap[byte] >> (msr & 7) & 1);
}

static bool is_in(u32 msr, const u32 *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == msr)
			return true;
	return false;
}

/* Loaded and saved by VM entry and exit, or held in the CPU while the vCPU is there. */
static const u32 both_ways[] = {
	0x174,	    0x175,	0x176,	    0x277,	0xc0000081, 0xc0000082,
	0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
};
static const u32 read_only[] = {0x10, 0xc0000080};

/* SDM vol. 3, table 11-6: what can be read, but for the current count, which only the model knows.
 */
static bool x2apic_reads(u32 msr)
{
	static const u32 single[] = {0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x828, 0x830,
				     0x832, 0x833, 0x834, 0x835, 0x836, 0x837, 0x838, 0x83e};

	return (msr >= 0x810 && msr <= 0x827) || is_in(msr, single, ARRAY_SIZE(single));
}

/* TPR, EOI and SELF IPI: 30.5. */
static bool x2apic_writes(u32 msr)
{
	return msr == 0x808 || msr == 0x80b || msr == 0x83f;
}

static void check_all(bool rdtscp)
{
	const u8 *plain = bitmap(false, rdtscp), *x2apic = bitmap(true, rdtscp);

	for (u32 i = 0; i < 2 * 0x2000; i++) {
		u32 msr = i < 0x2000 ? i : 0xc0000000 + i - 0x2000;
		bool both = is_in(msr, both_ways, ARRAY_SIZE(both_ways)) ||
			    (rdtscp && msr == 0xc0000103);
		bool reads = both || is_in(msr, read_only, ARRAY_SIZE(read_only));

		assert_int_equal(passes(plain, msr, false), reads);
		assert_int_equal(passes(plain, msr, true), both);
		assert_int_equal(passes(x2apic, msr, false), reads || x2apic_reads(msr));
		assert_int_equal(passes(x2apic, msr, true), both || x2apic_writes(msr));
	}
}

static void with_rdtscp(void **state)
{
	(void)state;
	check_all(true);
}

/* Then nobody saves TSC_AUX. */
static void without_rdtscp(void **state)
{
	(void)state;
	check_all(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(with_rdtscp, build),
		cmocka_unit_test_setup(without_rdtscp, build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
