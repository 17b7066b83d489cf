/* SPDX-License-Identifier: MIT */
/*
 * Instructions that the hypervisor carries out in the guest's place: accesses to device memory
 * (EPT violations outside RAM, APIC accesses that hardware does not answer), and the memory side of
 * string port accesses.
 */
#include "vmx.h"

#include "../guest_cpuid.h"
#include "../instructions.h"
#include "guest_linear.h"
#include "instructions.h"

#include <bulkhead/emulate.h>
#include <bulkhead/error.h>
#include <bulkhead/exit.h>
#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14

static bool read_physical(void *context, u64 gpa, void *data, unsigned bytes)
{
	const struct vcpu *vcpu = context;
	const void *at = guest_memory_at(&vcpu->partition->memory, gpa, bytes);

	if (!at)
		return false;
	memcpy(data, at, bytes);
	return true;
}

static void paging_fill(struct vcpu *vcpu, struct guest_paging *paging)
{
	*paging = (struct guest_paging){
		.cr0 = vmx_cr0(),
		.cr3 = vmread(GUEST_CR3),
		.cr4 = vmx_cr4(),
		.efer = vmread(GUEST_EFER),
		.rflags = vmread(GUEST_RFLAGS),
		.physical_bits = guest_cpuid_policy.physical_bits,
		.read = read_physical,
		.context = vcpu,
	};
	if (paging->cr0 & CR0_PG && paging->cr4 & CR4_PAE && !(paging->efer & EFER_LMA))
		for (u32 i = 0; i < 4; i++)
			paging->pdpte[i] = vmread(GUEST_PDPTE0 + 2 * i);
}

static unsigned guest_cpl(void)
{
	return (unsigned)(vmread(GUEST_SS_RIGHTS) >> 5 & 3);
}

void guest_fault_inject(struct vcpu *vcpu, const struct emulate_fault *fault)
{
	if (fault->vector == VECTOR_PF) {
		vcpu->cr2 = fault->address;
		cr2_write(fault->address);
	}
	if (fault->has_error_code)
		vmx_inject_fault(vcpu, fault->vector, fault->error_code);
	else
		vmx_inject_exception(vcpu, fault->vector);
}

/* RAM or device, one piece within a page. */
static int access_physical(struct vcpu *vcpu, u64 gpa, void *data, unsigned bytes, bool write)
{
	void *at = guest_memory_at(&vcpu->partition->memory, gpa, bytes);
	u8 *piece = data;

	if (at) {
		if (write)
			memcpy(at, data, bytes);
		else
			memcpy(data, at, bytes);
		return 0;
	}
	/* Devices take up to 8 bytes at a time within an aligned word; wider ones are several
	 * accesses. */
	while (bytes) {
		unsigned room = 8 - (unsigned)(gpa & 7), count = 8;
		u64 value = 0;

		while (count > room || count > bytes)
			count /= 2;
		if (write) {
			memcpy(&value, piece, count);
			exit_memory_write(vcpu, gpa, count, value);
		} else {
			value = exit_memory_read(vcpu, gpa, count);
			memcpy(piece, &value, count);
		}
		gpa += count;
		piece += count;
		bytes -= count;
	}
	return 0;
}

struct linear_access {
	struct vcpu *vcpu;
	struct guest_paging paging;
	struct emulate_fault fault;
};

/*
 * An access by linear address. Both pages are translated before anything is touched, so that a
 * fault on the second leaves the first alone.
 */
static int access_linear(struct linear_access *access, u64 linear, void *data, unsigned bytes,
			 bool write, bool touch)
{
	unsigned first = (unsigned)MIN((u64)bytes, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	u32 rights =
		(write ? EMULATE_ACCESS_WRITE : 0) | (guest_cpl() == 3 ? EMULATE_ACCESS_USER : 0);
	u64 gpa[2];
	int error = emulate_translate(&access->paging, linear, rights, &gpa[0], &access->fault);

	if (!error && first < bytes)
		error = emulate_translate(&access->paging, linear + first, rights, &gpa[1],
					  &access->fault);
	if (error || !touch)
		return error;
	error = access_physical(access->vcpu, gpa[0], data, first, write);
	if (!error && first < bytes)
		error = access_physical(access->vcpu, gpa[1], (u8 *)data + first, bytes - first,
					write);
	return error;
}

static int memory_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	struct linear_access *access = cpu->context;
	/* What is going to be written must be writable before a device is read. */
	int error =
		cpu->read_for_write ? access_linear(access, linear, data, bytes, true, false) : 0;

	error = error ? error : access_linear(access, linear, data, bytes, false, true);
	cpu->fault = access->fault;
	return error;
}

static int memory_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	struct linear_access *access = cpu->context;
	u8 copy[32];
	int error;

	memcpy(copy, data, MIN(bytes, sizeof(copy)));
	error = access_linear(access, linear, copy, bytes, true, true);
	cpu->fault = access->fault;
	return error;
}

static const struct emulate_memory_ops memory_ops = {memory_read, memory_write};

static void segment_fill(struct cpu_segment *segment, unsigned which)
{
	u64 rights = vmread(GUEST_ES_RIGHTS + 2 * which);

	segment->selector = (u16)vmread(GUEST_ES_SELECTOR + 2 * which);
	segment->base = vmread(GUEST_ES_BASE + 2 * which);
	segment->limit = (u32)vmread(GUEST_ES_LIMIT + 2 * which);
	segment->attributes = rights & RIGHTS_UNUSABLE ? 0 : (u16)rights;
}

static enum cpu_mode guest_mode(const struct cpu_segment *cs)
{
	if (vmread(GUEST_EFER) & EFER_LMA && cs->attributes & BIT(13))
		return CPU_MODE_64;
	if (!(vmread(GUEST_CR0) & CR0_PE) || vmread(GUEST_RFLAGS) & RFLAGS_VM)
		return CPU_MODE_16;
	return cs->attributes & BIT(14) ? CPU_MODE_32 : CPU_MODE_16;
}

static void cpu_fill(struct vcpu *vcpu, struct emulate_cpu *cpu, struct linear_access *access)
{
	struct cpu_segment *segments[] = {&cpu->es, &cpu->cs, &cpu->ss,
					  &cpu->ds, &cpu->fs, &cpu->gs};

	*cpu = (struct emulate_cpu){
		.gpr = vcpu->gpr,
		.rip = vmread(GUEST_RIP),
		.rflags = vmread(GUEST_RFLAGS),
		.cpl = guest_cpl(),
		.real_mode = !(vmread(GUEST_CR0) & CR0_PE),
		.ops = &memory_ops,
		.context = access,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
		segment_fill(segments[i], i);
	cpu->mode = guest_mode(&cpu->cs);
	vcpu->gpr[GPR_RSP] = vmread(GUEST_RSP);
	access->vcpu = vcpu;
	paging_fill(vcpu, &access->paging);
}

/* The bytes at RIP, up to 15: fewer when the next page cannot be fetched. */
static unsigned fetch(struct vcpu *vcpu, const struct emulate_cpu *cpu,
		      struct linear_access *access, u8 *code)
{
	u64 linear = cpu->mode == CPU_MODE_64 ? cpu->rip : (u32)(cpu->cs.base + (u32)cpu->rip);
	u32 rights = EMULATE_ACCESS_FETCH | (cpu->cpl == 3 ? EMULATE_ACCESS_USER : 0);
	unsigned count = 0;

	while (count < INSTRUCTION_BYTES_MAX) {
		u64 at = linear + count, gpa;
		unsigned piece = (unsigned)MIN((u64)(INSTRUCTION_BYTES_MAX - count),
					       PAGE_SIZE - (at & (PAGE_SIZE - 1)));
		const void *bytes;

		if (emulate_translate(&access->paging, at, rights, &gpa, &access->fault))
			break;
		bytes = guest_memory_at(&vcpu->partition->memory, gpa, piece);
		if (!bytes)
			break;
		memcpy(code + count, bytes, piece);
		count += piece;
	}
	return count;
}

static void unknown_instruction(struct vcpu *vcpu, const u8 *code, unsigned bytes, u64 rip)
{
	char text[64] = "";

	for (unsigned i = 0; i < bytes; i++)
		format_append(text, sizeof(text), " %02x", code[i]);
	vcpu_stop(vcpu, VCPU_STOP_EMULATION,
		  "cannot emulate the instruction at rip 0x%lx, address 0x%lx:%s", rip,
		  vmread(GUEST_PHYSICAL_ADDRESS), text);
}

void vmx_emulate(struct vcpu *vcpu)
{
	struct linear_access access = {0};
	struct emulate_cpu cpu;
	u8 code[INSTRUCTION_BYTES_MAX];
	unsigned bytes;
	u64 rsp;

	cpu_fill(vcpu, &cpu, &access);
	rsp = vcpu->gpr[GPR_RSP];
	bytes = fetch(vcpu, &cpu, &access, code);
	switch (emulate_instruction(&cpu, code, bytes)) {
	case EMULATE_DONE:
		vmwrite(GUEST_RIP, cpu.rip);
		vmx_instruction_completed();
		fallthrough;
	case EMULATE_AGAIN:
		vmwrite(GUEST_RFLAGS, cpu.rflags);
		if (vcpu->gpr[GPR_RSP] != rsp)
			vmwrite(GUEST_RSP, vcpu->gpr[GPR_RSP]);
		break;
	case EMULATE_FAULT:
		guest_fault_inject(vcpu, &cpu.fault);
		break;
	case EMULATE_UNKNOWN:
		unknown_instruction(vcpu, code, bytes, cpu.rip);
		break;
	}
}

/* Linear address of segment:offset for a string port access, by the segment's base; a segment's
 * limit is not looked at. */
static int guest_linear_access(struct vcpu *vcpu, unsigned segment, u64 offset, void *data,
			       unsigned bytes, bool write, bool touch)
{
	struct linear_access access = {.vcpu = vcpu};
	struct cpu_segment cs;
	u64 linear;
	int error;

	segment_fill(&cs, GUEST_SEGMENT_CS);
	paging_fill(vcpu, &access.paging);
	if (guest_mode(&cs) != CPU_MODE_64)
		linear = (u32)(vmread(GUEST_ES_BASE + 2 * segment) + offset);
	else if (segment >= GUEST_SEGMENT_FS)
		linear = vmread(GUEST_ES_BASE + 2 * segment) + offset;
	else
		linear = offset;
	error = access_linear(&access, linear, data, bytes, write, touch);
	if (error)
		guest_fault_inject(vcpu, &access.fault);
	return error;
}

bool guest_linear_check(struct vcpu *vcpu, unsigned segment, u64 offset, unsigned bytes, bool write)
{
	return !guest_linear_access(vcpu, segment, offset, NULL, bytes, write, false);
}

bool guest_linear_read(struct vcpu *vcpu, unsigned segment, u64 offset, void *data, unsigned bytes)
{
	return !guest_linear_access(vcpu, segment, offset, data, bytes, false, true);
}

bool guest_linear_write(struct vcpu *vcpu, unsigned segment, u64 offset, const void *data,
			unsigned bytes)
{
	u8 copy[8];

	memcpy(copy, data, MIN(bytes, sizeof(copy)));
	return !guest_linear_access(vcpu, segment, offset, copy, bytes, true, true);
}
