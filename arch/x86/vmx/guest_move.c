/* SPDX-License-Identifier: MIT */
/*
 * The short way for MOVs to and from device memory, and for what computes there. Drivers run the
 * same few again and again, and nearly all there is to know of one is known from the time before,
 * or from the exit: the CPU has translated the address and found the access to be allowed before it
 * found no memory there.
 */
#include "advance.h"
#include "guest_access.h"
#include "instructions.h"
#include "vmx.h"

#include <bulkhead/exit.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

/* An EPT violation that was an operand's. One that is read and written counts as written; whether
 * it counts as read, too, is the CPU's affair (SDM vol. 3, table 28-7). */
#define EPT_KIND    (EPT_FETCH | EPT_LINEAR | EPT_TRANSLATION)
#define EPT_OPERAND (EPT_LINEAR | EPT_TRANSLATION)

/* Exit qualification for APIC accesses (SDM vol. 3, table 28-6). */
#define APIC_OFFSET(q) ((q)&0xfff)
#define APIC_KIND(q)   ((q) >> 12 & 0xf)
enum { APIC_LOAD, APIC_STORE };

#define CODE_LAST_START (INSTRUCTION_BYTES_MAX - 8)

static struct guest_move *slot_of(const struct vcpu *vcpu, u64 rip)
{
	return &vmx_of(vcpu)->emulation.moves[(rip ^ rip >> 4) % GUEST_MOVES];
}

static u64 last_bytes(const volatile guest_code_word *code)
{
	return *(const volatile guest_code_word *)((const volatile u8 *)code + CODE_LAST_START);
}

/* From GUEST_LOW_MAX on, where there is no RAM. */
#define DEVICES_BYTES (GUEST_HIGH_BASE - GUEST_LOW_MAX)

/* RAM that is not mapped is whole pieces of 2 MiB, and the first one is always mapped. */
static void near_keep(struct guest_move *kept, u64 gpa)
{
	u64 bytes = gpa - GUEST_LOW_MAX < DEVICES_BYTES ? DEVICES_BYTES : PARTITION_TOUCH_BYTES;

	kept->near = align_down(gpa, bytes);
	kept->near_mask = ~(bytes - 1) | (kept->move.bytes - 1U);
}

void guest_move_keep(const struct emulate_cpu *cpu, const struct guest_access *access, u64 rip,
		     const u8 *code)
{
	const struct guest_access_cache *cache = access->cache;
	const struct guest_memory *memory = &access->vcpu->partition->memory;
	struct guest_move *kept = slot_of(access->vcpu, rip);
	u64 offset = rip & (PAGE_SIZE - 1);

	if (!kept->rip && kept->refused == rip)
		return;
	kept->rip = 0;
	kept->refused = rip;
	if ((!access->known && (u16)vmread(EXIT_REASON) != EXIT_APIC_ACCESS) ||
	    cpu->mode != CPU_MODE_64 || !cache->valid ||
	    (cache->walk.linear ^ rip) & ~(PAGE_SIZE - 1) ||
	    offset > PAGE_SIZE - INSTRUCTION_BYTES_MAX ||
	    !emulate_move_describe(code, &kept->move) ||
	    !guest_walk_keep(memory, &cache->walk, &kept->walk))
		return;
	kept->code = guest_memory_read_at(memory, align_down(cache->walk.gpa, PAGE_SIZE) | offset,
					  INSTRUCTION_BYTES_MAX);
	if (!kept->code)
		return;
	memcpy(&kept->bytes[0], code, 8);
	memcpy(&kept->bytes[1], code + CODE_LAST_START, 8);
	near_keep(kept, access->known ? access->gpa_page : VLAPIC_BASE_DEFAULT);
	kept->cr3 = access->paging.cr3;
	kept->rip = rip;
}

/* It is 64-bit code, and the same. RIP is. */
static inline bool is_same(const struct guest_move *kept)
{
	u64 differ = guest_walk_differs(&kept->walk) | (kept->cr3 ^ vmread_sure(GUEST_CR3));

	return !differ && *kept->code == kept->bytes[0] &&
	       last_bytes(kept->code) == kept->bytes[1] && vmx_code_is_wide();
}

/*
 * Whether an operand begins where the exit's address is. Of one that lies in two pages that may be
 * the address of the second part, which begins with a page.
 */
static outlined bool begins_there(const struct vcpu *vcpu)
{
	u64 rip = vmread(GUEST_RIP);

	return emulate_move_address(&slot_of(vcpu, rip)->move, vcpu->gpr, rip) ==
	       vmread(GUEST_LINEAR_ADDRESS);
}

static outlined void compute_again(struct vcpu *vcpu, const struct emulate_move *move, u64 gpa)
{
	u64 flags = vmread(GUEST_RFLAGS), memory = 0, result;

	if (move->reads)
		memory = exit_memory_read(vcpu, gpa, move->bytes);
	result = emulate_move_compute(move, vcpu->gpr, memory, &flags);
	if (move->writes)
		exit_memory_write(vcpu, gpa, move->bytes, result);
	vmwrite(GUEST_RFLAGS, flags);
}

/* It is aligned, and no other memory than devices'. */
inlined bool is_near(const struct guest_move *kept, u64 gpa)
{
	return (gpa & kept->near_mask) == kept->near;
}

/* That of the APIC's page, which is always mapped. */
inlined bool is_aligned_there(const struct guest_move *kept, u64 gpa)
{
	return !(gpa & (kept->move.bytes - 1U));
}

/*
 * An exit for such an access saves RF as 1, as a fault would, so that the instruction can be begun
 * anew (SDM vol. 3, 28.3.3); Bochs 2.7 does not. RF ends with the instruction. False: there is a
 * trap behind it, which is for the long way.
 */
inlined bool resume_flag_end(void)
{
	u64 flags = vmread_sure(GUEST_RFLAGS);

	if (!(flags & (RFLAGS_TF | RFLAGS_RF)))
		return true;
	if (flags & RFLAGS_TF)
		return false;
	vmwrite_sure(GUEST_RFLAGS, flags & ~(u64)RFLAGS_RF);
	return true;
}

/* The instruction at RIP has touched device memory at `gpa`, to store or to load. */
inlined bool move_again(struct vcpu *vcpu, bool store, u64 gpa,
			bool (*fits)(const struct guest_move *kept, u64 gpa))
{
	u64 rip = vmread_sure(GUEST_RIP);
	const struct guest_move *kept = slot_of(vcpu, rip);
	const struct emulate_move *move = &kept->move;

	if (kept->rip != rip || move->writes != store || !is_same(kept) || !fits(kept, gpa) ||
	    !resume_flag_end())
		return false;
	/* Nothing stops it any more; so there is little to keep over what is called. */
	vmwrite_sure(GUEST_RIP, rip + move->length);
	vmx_shadow_end();
	if (unlikely(move->compute))
		compute_again(vcpu, move, gpa);
	else if (store)
		exit_memory_write(vcpu, gpa, move->bytes,
				  move->constant ? move->immediate : vcpu->gpr[move->reg]);
	else
		emulate_move_load(move, vcpu->gpr, exit_memory_read(vcpu, gpa, move->bytes));
	return true;
}

bool guest_move_again(struct vcpu *vcpu, u64 qualification)
{
	u64 gpa = vmread_sure(GUEST_PHYSICAL_ADDRESS);

	return (qualification & EPT_KIND) == EPT_OPERAND &&
	       (likely(gpa & (PAGE_SIZE - 1)) || begins_there(vcpu)) &&
	       move_again(vcpu, qualification & EPT_WRITE, gpa, is_near);
}

bool guest_move_apic(struct vcpu *vcpu, u64 qualification)
{
	u64 offset = APIC_OFFSET(qualification), kind = APIC_KIND(qualification);

	/* There is no register at the beginning of the page, and no linear address is told. */
	return (kind == APIC_LOAD || kind == APIC_STORE) && offset &&
	       move_again(vcpu, kind == APIC_STORE, VLAPIC_BASE_DEFAULT | offset, is_aligned_there);
}
