/* SPDX-License-Identifier: MIT */
/* What a guest can do without an exit, read back from the bitmaps and controls that its CPU uses.
 */
#include "vmx.h"

#include <bulkhead/memory.h>

#define PORTS	     0x10000u
#define MSR_HALF     0x2000u /* MSRs of each half of the bitmap */
#define MSR_HIGH     0xc0000000u
#define WRITE_OFFSET 2048
#define HIGH_OFFSET  1024

struct viewer {
	void (*show)(void *context, const struct virt_grant *grant);
	void *context;
};

static void show(const struct viewer *viewer, enum virt_grant_kind kind, u64 first, u64 last,
		 bool read, bool write, const char *what)
{
	struct virt_grant grant = {.kind = kind,
				   .first = first,
				   .last = last,
				   .read = read,
				   .write = write,
				   .what = what};

	viewer->show(viewer->context, &grant);
}

static bool bit_is_clear(const u8 *bitmap, u32 bit)
{
	return !(bitmap[bit / 8] >> (bit % 8) & 1);
}

static bool port_passes(const struct vmx_vcpu *vmx, u32 port)
{
	if (vmx->cpu_controls & CPU_IO_BITMAPS)
		return bit_is_clear(vmx_machine.io_bitmaps, port);
	return !(vmx->cpu_controls & CPU_IO_EXITING);
}

static void show_ports(const struct vmx_vcpu *vmx, const struct viewer *viewer)
{
	for (u32 port = 0, first; port < PORTS; port++) {
		if (!port_passes(vmx, port))
			continue;
		for (first = port; port + 1 < PORTS && port_passes(vmx, port + 1); port++)
			;
		show(viewer, VIRT_GRANT_PORTS, first, port, true, true, "");
	}
}

#define MSR_READS  1u
#define MSR_WRITES 2u

/* SDM vol. 3, 25.6.9. */
static unsigned msr_passes(const struct vmx_vcpu *vmx, u32 half, u32 index)
{
	const u8 *bitmap = vmx_msr_bitmap(vmx);

	if (!(vmx->cpu_controls & CPU_MSR_BITMAPS))
		return 0;
	bitmap += (u64)half * HIGH_OFFSET;
	return (bit_is_clear(bitmap, index) ? MSR_READS : 0) |
	       (bit_is_clear(bitmap + WRITE_OFFSET, index) ? MSR_WRITES : 0);
}

static void show_msrs(const struct vmx_vcpu *vmx, const struct viewer *viewer, u32 half)
{
	u32 base = half ? MSR_HIGH : 0;

	for (u32 i = 0, first; i < MSR_HALF; i++) {
		unsigned passes = msr_passes(vmx, half, i);

		if (!passes)
			continue;
		for (first = i; i + 1 < MSR_HALF && msr_passes(vmx, half, i + 1) == passes; i++)
			;
		show(viewer, VIRT_GRANT_MSRS, base + first, base + i, passes & MSR_READS,
		     passes & MSR_WRITES, "");
	}
}

void vmx_grants(const struct vcpu *vcpu,
		void (*show_grant)(void *context, const struct virt_grant *grant), void *context)
{
	const struct vmx_vcpu *vmx = vmx_of(vcpu);
	const struct viewer viewer = {show_grant, context};
	u64 root = vmx->ept_pointer & vmx_machine.ept.physical_mask;

	show(&viewer, VIRT_GRANT_TABLES, root, root + PAGE_SIZE - 1, false, false, "EPT");
	if (vmx_machine.controls.apic_registers) {
		u64 page = memory_physical(vmx->apic_access_page);

		show(&viewer, VIRT_GRANT_PAGES, page, page + PAGE_SIZE - 1, true, true,
		     "APIC-access page: the CPU answers in its place");
	}
	/* Without controls its VMCS was never set up, so it cannot run. */
	if (!vmx->cpu_controls)
		return;
	show_ports(vmx, &viewer);
	show_msrs(vmx, &viewer, 0);
	show_msrs(vmx, &viewer, 1);
	if (!(vmx_machine.controls.pin & PIN_EXTERNAL_INTERRUPT))
		show(&viewer, VIRT_GRANT_INTERRUPT, 0, 255, false, false,
		     "the machine's interrupts do not exit");
}
