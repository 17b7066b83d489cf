/* SPDX-License-Identifier: MIT */
/* What the emulator reaches in a guest's place. */
#include "guest_access.h"

#include "../guest_cpuid.h"
#include "instructions.h"
#include "vmx.h"

#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/exit.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define VECTOR_GP 13

#define ATTRIBUTE_PRESENT BIT(7)
#define ATTRIBUTE_LONG	  BIT(13)
#define ATTRIBUTE_BIG	  BIT(14)
#define ATTRIBUTES_KEPT	  BITS(6, 5) /* of a segment that is unusable: the stack's CPL */

/* A segment's descriptor: in byte 5 P, S, and whether it was accessed (SDM vol. 3, 3.4.5). */
#define DESCRIPTOR_BYTES  8U
#define DESCRIPTOR_RIGHTS 5
#define RIGHTS_SEGMENT	  0x90
#define RIGHTS_ACCESSED	  0x01

static bool table_read(void *context, u64 gpa, void *data, unsigned bytes)
{
	const struct vcpu *vcpu = context;
	const void *at = guest_memory_read_at(&vcpu->partition->memory, gpa, bytes);

	if (!at)
		return false;
	if (bytes == 8)
		*(u64 *)data = *(const volatile u64 *)at;
	else
		*(u32 *)data = *(const volatile u32 *)at;
	return true;
}

static bool table_update(void *context, u64 gpa, u64 old, u64 new, unsigned bytes)
{
	const struct vcpu *vcpu = context;
	void *at = guest_memory_at(&vcpu->partition->memory, gpa, bytes);
	u32 old_half = (u32)old;

	if (!at)
		return true; /* in ROM: what a CPU writes there is lost */
	if (bytes == 8)
		return __atomic_compare_exchange_n((u64 *)at, &old, new, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n((u32 *)at, &old_half, (u32) new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void paging_fill(struct vcpu *vcpu, const struct emulate_cpu *cpu, u64 cr0, u64 efer,
			struct guest_paging *paging)
{
	paging->cr0 = cr0;
	paging->cr3 = vmread(GUEST_CR3);
	paging->cr4 = vmx_cr4();
	paging->efer = efer;
	paging->rflags = cpu->rflags;
	paging->pdpte_in_memory = false;
	paging->physical_bits = vcpu->partition->cpuid->physical_bits;
	paging->pkru = 0; /* guests have no CR4.PKE */
	paging->read = table_read;
	paging->update = table_update;
	paging->context = vcpu;
	if (cr0 & CR0_PG && paging->cr4 & CR4_PAE && !(efer & EFER_LMA))
		for (u32 i = 0; i < 4; i++)
			paging->pdpte[i] = vmread(GUEST_PDPTE0 + 2 * i);
}

static void known_fill(struct guest_access *access)
{
	u64 qualification;

	access->known = 0;
	if ((u16)vmread(EXIT_REASON) != EXIT_EPT_VIOLATION)
		return;
	qualification = vmread(EXIT_QUALIFICATION);
	if (~qualification & (EPT_LINEAR | EPT_TRANSLATION))
		return;
	access->known = GUEST_KNOWN_READ | (qualification & EPT_WRITE ? GUEST_KNOWN_WRITE : 0);
	access->linear_page = vmread(GUEST_LINEAR_ADDRESS) & ~(PAGE_SIZE - 1);
	access->gpa_page = vmread(GUEST_PHYSICAL_ADDRESS) & ~(PAGE_SIZE - 1);
}

static enum cpu_mode guest_mode(const struct emulate_cpu *cpu, u64 efer)
{
	if (efer & EFER_LMA && cpu->cs.attributes & ATTRIBUTE_LONG)
		return CPU_MODE_64;
	if (cpu->real_mode || cpu->rflags & RFLAGS_VM)
		return CPU_MODE_16;
	return cpu->cs.attributes & ATTRIBUTE_BIG ? CPU_MODE_32 : CPU_MODE_16;
}

/* In 64-bit mode nothing of a code segment counts but that it is one. */
static void mode_fill(struct emulate_cpu *cpu, u64 efer)
{
	cpu->cs.attributes = (u16)vmread(GUEST_CS_RIGHTS);
	cpu->mode = guest_mode(cpu, efer);
	cpu->segments_missing = ~0u;
	if (cpu->mode == CPU_MODE_64)
		return;
	cpu->segments_missing = ~(u32)BIT(SEGMENT_CS);
	cpu->ops->segment_fill(cpu, SEGMENT_CS);
}

void guest_access_begin(struct vcpu *vcpu, struct emulate_cpu *cpu, struct guest_access *access)
{
	u64 cr0 = vmx_cr0(), efer = vmread(GUEST_EFER);

	access->vcpu = vcpu;
	access->cache = &vmx_of(vcpu)->emulation;
	cpu->gpr = vcpu->gpr;
	cpu->ops = &guest_access_ops;
	cpu->context = access;
	cpu->cache = access->cache->decoded;
	vcpu->gpr[GPR_RSP] = vmread(GUEST_RSP);
	cpu->rip = vmread(GUEST_RIP);
	cpu->rflags = vmread(GUEST_RFLAGS);
	cpu->real_mode = !(cr0 & CR0_PE);
	cpu->long_mode = efer & EFER_LMA;
	cpu->alignment_check = cr0 & CR0_AM;
	cpu->cpl = vmread(GUEST_SS_RIGHTS) >> 5 & 3;
	cpu->segments_written = 0;
	cpu->implicit_access = false;
	access->user = cpu->cpl == 3;
	mode_fill(cpu, efer);
	paging_fill(vcpu, cpu, cr0, efer, &access->paging);
	cpu->linear_bits = access->paging.cr4 & CR4_LA57 ? 57 : 48;
	known_fill(access);
}

static int translate(struct guest_access *access, struct emulate_cpu *cpu, u64 linear, u32 rights,
		     u64 *gpa)
{
	u32 needed = rights & EMULATE_ACCESS_WRITE ? GUEST_KNOWN_WRITE : GUEST_KNOWN_READ;

	if (access->known & needed && (linear & ~(PAGE_SIZE - 1)) == access->linear_page &&
	    !cpu->implicit_access) {
		*gpa = access->gpa_page | (linear & (PAGE_SIZE - 1));
		return 0;
	}
	if (access->user)
		rights |= EMULATE_ACCESS_USER;
	if (cpu->implicit_access)
		rights |= EMULATE_ACCESS_IMPLICIT;
	return emulate_translate(&access->paging, linear, rights, gpa, &cpu->fault);
}

/* Most are of these sizes, for which no loop is needed. */
static void piece_copy(void *to, const void *from, unsigned bytes)
{
	switch (bytes) {
	case 1:
		memcpy(to, from, 1);
		break;
	case 2:
		memcpy(to, from, 2);
		break;
	case 4:
		memcpy(to, from, 4);
		break;
	case 8:
		memcpy(to, from, 8);
		break;
	default:
		memcpy(to, from, bytes);
		break;
	}
}

/* Where data goes to or comes from; neither: an access is only tried. */
struct transfer {
	u8 *to;
	const u8 *from;
};

/* Devices take up to 8 bytes at a time within an aligned word; wider accesses are several. */
static void device_access(struct vcpu *vcpu, u64 gpa, struct transfer data, unsigned bytes)
{
	for (unsigned done = 0, count; done < bytes; done += count) {
		unsigned room = 8 - (unsigned)((gpa + done) & 7);
		u64 value = 0;

		count = 8;
		while (count > room || count > bytes - done)
			count /= 2;
		if (data.from) {
			piece_copy(&value, data.from + done, count);
			exit_memory_write(vcpu, gpa + done, count, value);
		} else {
			value = exit_memory_read(vcpu, gpa + done, count);
			piece_copy(data.to + done, &value, count);
		}
	}
}

/* RAM, ROM or device, one piece within a page. What is written to ROM is for the flash that it is,
 * or finds no device and is lost. */
static void access_physical(struct vcpu *vcpu, u64 gpa, struct transfer data, unsigned bytes)
{
	const struct guest_memory *memory = &vcpu->partition->memory;
	const void *from = data.from ? data.from : guest_memory_read_at(memory, gpa, bytes);
	void *to = data.from ? guest_memory_at(memory, gpa, bytes) : data.to;

	if (to && from)
		piece_copy(to, from, bytes);
	else
		device_access(vcpu, gpa, data, bytes);
}

/* Both pages are translated before anything is touched, so that a fault on the second leaves the
 * first alone. */
static int access_two_pages(struct emulate_cpu *cpu, u64 linear, struct transfer data,
			    unsigned bytes, u32 rights)
{
	struct guest_access *access = cpu->context;
	unsigned first = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	u64 gpa[2];
	int error = translate(access, cpu, linear, rights, &gpa[0]);

	if (!error)
		error = translate(access, cpu, linear + first, rights, &gpa[1]);
	if (error || (!data.to && !data.from))
		return error;
	access_physical(access->vcpu, gpa[0], data, first);
	if (data.to)
		data.to += first;
	else
		data.from += first;
	access_physical(access->vcpu, gpa[1], data, bytes - first);
	return 0;
}

static int access_linear(struct emulate_cpu *cpu, u64 linear, struct transfer data, unsigned bytes,
			 u32 rights)
{
	struct guest_access *access = cpu->context;
	u64 gpa;
	int error;

	if (unlikely((linear & (PAGE_SIZE - 1)) + bytes > PAGE_SIZE))
		return access_two_pages(cpu, linear, data, bytes, rights);
	error = translate(access, cpu, linear, rights, &gpa);
	if (!error && (data.to || data.from))
		access_physical(access->vcpu, gpa, data, bytes);
	return error;
}

static int write_check(struct emulate_cpu *cpu, u64 linear, unsigned bytes)
{
	return access_linear(cpu, linear, (struct transfer){0}, bytes, EMULATE_ACCESS_WRITE);
}

/* What is going to be written must be writable before a device is read. */
static int memory_read(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes)
{
	int error = cpu->read_for_write ? write_check(cpu, linear, bytes) : 0;

	return error ? error : access_linear(cpu, linear, (struct transfer){.to = data}, bytes, 0);
}

static int memory_write(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes)
{
	return access_linear(cpu, linear, (struct transfer){.from = data}, bytes,
			     EMULATE_ACCESS_WRITE);
}

/* The CPU has checked the guest's right to this port alone before it exited. */
static int port_check(struct emulate_cpu *cpu, u16 port, bool in)
{
	if ((u16)vmread(EXIT_REASON) == EXIT_IO && vmx_io_is(vmread(EXIT_QUALIFICATION), port, in))
		return 0;
	cpu->fault = (struct emulate_fault){.vector = VECTOR_GP, .has_error_code = !cpu->real_mode};
	return -EFAULT;
}

static int port_read(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 *value)
{
	struct guest_access *access = cpu->context;
	int error = port_check(cpu, port, true);

	if (!error)
		*value = exit_port_read(access->vcpu, port, bytes);
	return error;
}

static int port_write(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 value)
{
	struct guest_access *access = cpu->context;
	int error = port_check(cpu, port, false);

	if (!error)
		exit_port_write(access->vcpu, port, bytes, value);
	return error;
}

static int vector_read(struct emulate_cpu *cpu, unsigned reg, void *data)
{
	struct guest_access *access = cpu->context;

	vmx_vector_read(access->vcpu, reg, data);
	return 0;
}

static int vector_write(struct emulate_cpu *cpu, unsigned reg, const void *data, unsigned bytes)
{
	struct guest_access *access = cpu->context;

	return vmx_vector_write(access->vcpu, reg, data, bytes);
}

/* Fields of one kind follow each other: ES, CS, SS, DS, FS, GS, LDTR, TR. */
#define LDTR_FIELDS 6u
#define TR_FIELDS   7u

static void segment_fill(struct emulate_cpu *cpu, unsigned which)
{
	struct cpu_segment *segment = &cpu->segments[which];
	unsigned fields = 2 * (which == TABLE_LDT ? LDTR_FIELDS : which);
	u64 rights;

	if (which == TABLE_GDT) {
		segment->base = vmread(GUEST_GDTR_BASE);
		segment->limit = (u32)vmread(GUEST_GDTR_LIMIT);
		return;
	}
	rights = vmread(GUEST_ES_RIGHTS + fields);
	segment->selector = (u16)vmread(GUEST_ES_SELECTOR + fields);
	segment->base = vmread(GUEST_ES_BASE + fields);
	segment->limit = (u32)vmread(GUEST_ES_LIMIT + fields);
	segment->attributes = rights & RIGHTS_UNUSABLE ? 0 : (u16)rights;
}

/* Somebody wants the CPU. */
static bool is_enough(const struct emulate_cpu *emulated unused)
{
	const struct cpu *cpu = cpu_this();

	return !cpu->resumes || cpu->attention || tsc_read() >= cpu->leave_at;
}

const struct emulate_ops guest_access_ops = {
	.read = memory_read,
	.write = memory_write,
	.write_check = write_check,
	.port_read = port_read,
	.port_write = port_write,
	.vector_read = vector_read,
	.vector_write = vector_write,
	.is_enough = is_enough,
	.segment_fill = segment_fill,
};

void guest_access_segments_write(const struct emulate_cpu *cpu)
{
	for (unsigned i = 0; i < SEGMENT_AND_TABLE_COUNT; i++) {
		const struct cpu_segment *segment = &cpu->segments[i];
		unsigned fields = 2 * (i == TASK_REGISTER ? TR_FIELDS : i);
		u64 rights = segment->attributes;

		if (!(cpu->segments_written & 1u << i))
			continue;
		if (!(rights & ATTRIBUTE_PRESENT))
			rights = RIGHTS_UNUSABLE | (rights & ATTRIBUTES_KEPT);
		vmwrite(GUEST_ES_SELECTOR + fields, segment->selector);
		vmwrite(GUEST_ES_BASE + fields, segment->base);
		vmwrite(GUEST_ES_LIMIT + fields, segment->limit);
		vmwrite(GUEST_ES_RIGHTS + fields, rights);
	}
}

/* How far into a descriptor table an address is; ~0: not in it. */
static u64 table_offset(u64 linear, u64 base, u64 limit)
{
	return linear - base <= limit ? linear - base : ~0UL;
}

/* Of the descriptor that a write by the CPU itself was for; 0: it is in no table. */
static u64 descriptor_gpa(void)
{
	u64 linear = vmread(GUEST_LINEAR_ADDRESS), gpa = vmread(GUEST_PHYSICAL_ADDRESS);
	u64 offset = table_offset(linear, vmread(GUEST_GDTR_BASE), vmread(GUEST_GDTR_LIMIT));

	if (offset == ~0UL && !(vmread(GUEST_ES_RIGHTS + 2 * LDTR_FIELDS) & RIGHTS_UNUSABLE))
		offset = table_offset(linear, vmread(GUEST_ES_BASE + 2 * LDTR_FIELDS),
				      vmread(GUEST_ES_LIMIT + 2 * LDTR_FIELDS));
	if (offset == ~0UL)
		return 0;
	offset %= DESCRIPTOR_BYTES;
	return (gpa & (PAGE_SIZE - 1)) < offset ? 0 : gpa - offset;
}

bool guest_access_mark_rom(const struct vcpu *vcpu)
{
	const struct guest_memory *memory = &vcpu->partition->memory;
	u64 qualification = vmread(EXIT_QUALIFICATION), gpa;
	u8 *rights;

	if ((u16)vmread(EXIT_REASON) != EXIT_EPT_VIOLATION ||
	    ~qualification & (EPT_WRITE | EPT_LINEAR))
		return false;
	gpa = descriptor_gpa();
	if (gpa < guest_rom_base(memory) || gpa >= GUEST_ROM_END ||
	    !guest_memory_read_at(memory, gpa, DESCRIPTOR_BYTES))
		return false;
	rights = memory->window + gpa + DESCRIPTOR_RIGHTS;
	if ((*rights & (RIGHTS_SEGMENT | RIGHTS_ACCESSED)) != RIGHTS_SEGMENT)
		return false;
	*rights |= RIGHTS_ACCESSED;
	return true;
}

static bool walk_holds(const struct guest_access *access, u64 linear)
{
	const struct guest_access_cache *cache = access->cache;
	const struct guest_paging *paging = &access->paging;
	u64 value;

	if (!cache->valid || (cache->walk.linear ^ linear) & ~(PAGE_SIZE - 1) ||
	    cache->cr3 != paging->cr3 || cache->user != access->user || cache->cr0 != paging->cr0 ||
	    cache->cr4 != paging->cr4 || cache->efer != paging->efer)
		return false;
	for (unsigned i = 0; i < cache->walk.count; i++)
		if (!table_read(access->vcpu, cache->walk.entries[i].at, &value, 8) ||
		    value != cache->walk.entries[i].value)
			return false;
	return true;
}

/* After the translation, which may have set accessed bits. */
static void walk_keep(struct guest_access *access, u64 linear)
{
	struct guest_access_cache *cache = access->cache;
	const struct guest_paging *paging = &access->paging;

	cache->valid = false;
	if (!(paging->efer & EFER_LMA))
		return;
	guest_walk(paging, linear, &cache->walk);
	cache->cr0 = paging->cr0;
	cache->cr3 = paging->cr3;
	cache->cr4 = paging->cr4;
	cache->efer = paging->efer;
	cache->user = access->user;
	cache->valid = cache->walk.end == GUEST_WALK_PAGE;
}

bool guest_walk_keep(const struct guest_memory *memory, const struct guest_walk *walk,
		     struct guest_kept_walk *kept)
{
	for (u32 i = 0; i < GUEST_WALK_LEVELS; i++) {
		const struct guest_walk_entry *entry = &walk->entries[MIN(i, walk->count - 1)];

		kept->tables[i] = guest_memory_read_at(memory, entry->at, 8);
		kept->entries[i] = entry->value;
		if (!kept->tables[i])
			return false;
	}
	return true;
}

/* Where code is, of which `bytes` are in one page; NULL when it cannot be fetched. */
static const u8 *code_at(struct guest_access *access, u64 linear, unsigned bytes)
{
	const struct guest_memory *memory = &access->vcpu->partition->memory;
	u32 rights = EMULATE_ACCESS_FETCH | (access->user ? EMULATE_ACCESS_USER : 0);
	struct emulate_fault fault;
	u64 gpa;

	if (walk_holds(access, linear)) {
		gpa = (access->cache->walk.gpa & ~(PAGE_SIZE - 1)) | (linear & (PAGE_SIZE - 1));
		return guest_memory_read_at(memory, gpa, bytes);
	}
	if (emulate_translate(&access->paging, linear, rights, &gpa, &fault))
		return NULL;
	walk_keep(access, linear);
	return guest_memory_read_at(memory, gpa, bytes);
}

unsigned guest_access_fetch(const struct emulate_cpu *cpu, struct guest_access *access, u8 *code)
{
	u64 linear = cpu->mode == CPU_MODE_64 ? cpu->rip : (u32)(cpu->cs.base + (u32)cpu->rip);
	unsigned room = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	unsigned first = MIN(room, INSTRUCTION_BYTES_MAX), rest = INSTRUCTION_BYTES_MAX - first;
	const u8 *bytes = code_at(access, linear, first);

	if (!bytes)
		return 0;
	if (likely(!rest)) {
		memcpy(code, bytes, INSTRUCTION_BYTES_MAX);
		return INSTRUCTION_BYTES_MAX;
	}
	memcpy(code, bytes, first);
	bytes = code_at(access, linear + first, rest);
	if (!bytes)
		return first;
	memcpy(code + first, bytes, rest);
	return INSTRUCTION_BYTES_MAX;
}
