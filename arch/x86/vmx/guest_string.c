/* SPDX-License-Identifier: MIT */
/*
 * The short way for a repeated INS or OUTS. One is seldom alone: a driver fetches sector after
 * sector, firmware file after file. The page of RAM that the last one had to do with is kept, and
 * the device takes or gives as much as is in it in one go.
 */
#include "advance.h"
#include "guest_access.h"
#include "instructions.h"
#include "vmx.h"

#include <bulkhead/exit.h>
#include <bulkhead/partition.h>

#define INDEX_OFFSET(linear) ((linear) & (PAGE_SIZE - 1))
#define INDEX_PAGE(linear)   ((linear) & ~(PAGE_SIZE - 1))

static inline u64 *index_of(struct vcpu *vcpu, u64 qualification)
{
	return &vcpu->gpr[qualification & IO_IN ? GPR_RDI : GPR_RSI];
}

/* 64-bit addresses, which only 64-bit code has, in a flat segment; they go up, and no trap comes
 * after it. */
static inline bool is_plain(u64 qualification)
{
	u64 info = vmread(EXIT_INSTRUCTION_INFO);
	bool flat = qualification & IO_IN || IO_SEGMENT(info) < SEGMENT_FS;

	return qualification & IO_REP && IO_ADDRESS_BYTES(info) == 8 && flat &&
	       !(vmread(GUEST_RFLAGS) & (RFLAGS_DF | RFLAGS_TF | RFLAGS_RF));
}

static inline bool is_same(const struct guest_string *kept, u64 linear, u64 write)
{
	if (!kept->page || (kept->linear ^ INDEX_PAGE(linear)) | (kept->write ^ write) |
				   guest_walk_differs(&kept->walk))
		return false;
	return kept->cr3 == vmread(GUEST_CR3) && kept->efer == vmread(GUEST_EFER) &&
	       kept->ss_rights == vmread(GUEST_SS_RIGHTS);
}

bool guest_string_again(struct vcpu *vcpu, u64 qualification, unsigned most)
{
	const struct guest_string *kept = &vmx_of(vcpu)->emulation.string;
	u64 *index = index_of(vcpu, qualification), offset = INDEX_OFFSET(*index);
	unsigned bytes = IO_BYTES(qualification);
	u64 room = (PAGE_SIZE - offset) >> (bytes / 2); /* in elements of 1, 2 or 4 bytes */
	u32 count = (u32)MIN(MIN(vcpu->gpr[GPR_RCX], room), (u64)most);

	if (!count || offset & (bytes - 1) || !is_plain(qualification) ||
	    !is_same(kept, *index, qualification & IO_IN))
		return false;
	if (qualification & IO_IN)
		exit_ports_read(vcpu, IO_PORT(qualification), bytes, kept->page + offset, count);
	else
		count = exit_ports_write(vcpu, IO_PORT(qualification), bytes, kept->page + offset,
					 count);
	*index += (u64)count * bytes;
	vcpu->gpr[GPR_RCX] -= count;
	if (!vcpu->gpr[GPR_RCX])
		vmx_advance();
	return true;
}

/* Translated as the CPU does it, which marks the entries; then it is what they are now. */
static bool page_walk(struct guest_access *access, u64 linear, bool write, struct guest_walk *walk)
{
	u64 needed = access->user ? GUEST_ENTRY_USER : 0;
	u32 rights = (access->user ? EMULATE_ACCESS_USER : 0) | (write ? EMULATE_ACCESS_WRITE : 0);
	struct emulate_fault fault;
	u64 gpa;

	if (emulate_translate(&access->paging, linear, rights, &gpa, &fault))
		return false;
	guest_walk(&access->paging, linear, walk);
	return walk->end == GUEST_WALK_PAGE && walk->gpa == gpa &&
	       (walk->rights & GUEST_ENTRY_USER) == needed &&
	       (!write || walk->rights & GUEST_ENTRY_WRITE);
}

bool guest_string_keep(struct guest_access *access, u64 qualification)
{
	const struct guest_memory *memory = &access->vcpu->partition->memory;
	struct guest_string *kept = &access->cache->string;
	u64 linear = INDEX_PAGE(*index_of(access->vcpu, qualification));
	u64 write = qualification & IO_IN;
	struct guest_walk walk;

	kept->page = NULL;
	if (!is_plain(qualification) || !page_walk(access, linear, write, &walk) ||
	    !guest_walk_keep(memory, &walk, &kept->walk))
		return false;
	kept->linear = linear;
	kept->write = write;
	kept->cr3 = vmread(GUEST_CR3);
	kept->efer = vmread(GUEST_EFER);
	kept->ss_rights = vmread(GUEST_SS_RIGHTS);
	kept->page = guest_memory_at(memory, INDEX_PAGE(walk.gpa), PAGE_SIZE);
	return kept->page;
}
