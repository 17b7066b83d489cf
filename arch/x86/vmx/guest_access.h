/* SPDX-License-Identifier: MIT */
/*
 * What the emulator reaches in a guest's place: memory through the guest's own paging, ports,
 * segment registers, vector registers.
 */
#pragma once

#include <bulkhead/emulate.h>
#include <bulkhead/types.h>

struct guest_memory;
struct vcpu;

#define GUEST_KNOWN_READ  1u
#define GUEST_KNOWN_WRITE 2u

#define GUEST_WALK_LEVELS 5

/* Of code, which begins anywhere. */
typedef u64 guest_code_word aligned(1);

/* Entries of page tables that a walk went through, where the hypervisor reaches them. */
struct guest_kept_walk {
	const volatile u64 *tables[GUEST_WALK_LEVELS]; /* those there are not: the last one again */
	u64 entries[GUEST_WALK_LEVELS];
};

/*
 * A MOV to or from device memory that was emulated before. It is the same one as long as RIP, CR3,
 * the page-table entries on the way to the code, and the code are what they were: then the CPU has
 * executed it, and where its operand is the exit says. That must be aligned, and near to where it
 * was, in memory that is all devices': elsewhere may be RAM that is not mapped yet.
 */
struct guest_move {
	u64 rip; /* 0: nothing is here */
	union {
		u64 near;    /* these bits of the operand's guest-physical address are so */
		u64 refused; /* nothing: the last RIP at which there was another instruction */
	};
	u64 near_mask;
	u64 cr3;
	struct guest_kept_walk walk;
	const volatile guest_code_word *code; /* the first and the last 8 of 15 bytes */
	u64 bytes[2];
	struct emulate_move move;
};

#define GUEST_MOVES 8

/*
 * The page of RAM that a repeated INS or OUTS of 64-bit code had to do with last: a user's page and
 * a user's access, or neither is, and for INS one that may be written. So nothing in CR0 and CR4
 * lets or hinders it, and it is the guest's as long as all of this is what it was.
 */
struct guest_string {
	u8 *page; /* NULL: there is none */
	u64 linear;
	u64 write; /* IO_IN or 0 */
	u64 cr3, efer;
	u64 ss_rights; /* the CPL is in there */
	struct guest_kept_walk walk;
};

/*
 * Of a vCPU, kept from one emulation to the next: what was decoded, and the walk to the page of the
 * last instruction in 64-bit mode, which holds as long as its entries are what they were. Cleared
 * in the beginning.
 */
struct guest_access_cache {
	u64 decoded[EMULATE_CACHE_BYTES / 8];
	bool valid, user;
	u64 cr0, cr3, cr4, efer;
	struct guest_walk walk;
	struct guest_move moves[GUEST_MOVES];
	struct guest_string string;
};

/* The context of an emulation: emulate_cpu.context. */
struct guest_access {
	struct vcpu *vcpu;
	struct guest_access_cache *cache;
	struct guest_paging paging;
	bool user; /* CPL 3 */
	/* What the CPU translated itself before it exited: accesses to this page in this way. */
	u64 linear_page, gpa_page;
	u32 known; /* 0: none; else GUEST_KNOWN_... */
};

extern const struct emulate_ops guest_access_ops;

/* To be called with the VMCS as the exit left it; `cpu` is filled, but for `batch`. */
void guest_access_begin(struct vcpu *vcpu, struct emulate_cpu *cpu, struct guest_access *access);

/* The entries of a walk to a page, by 64-bit tables. false: some table is not in RAM or ROM. */
bool guest_walk_keep(const struct guest_memory *memory, const struct guest_walk *walk,
		     struct guest_kept_walk *kept) must_check;

/* In which bits they differ from what they were. */
inlined u64 guest_walk_differs(const struct guest_kept_walk *kept)
{
	u64 differ = 0;

#pragma GCC unroll 5
	for (u32 i = 0; i < GUEST_WALK_LEVELS; i++)
		differ |= *kept->tables[i] ^ kept->entries[i];
	return differ;
}

/* The bytes at RIP, up to INSTRUCTION_BYTES_MAX: fewer when the next page cannot be fetched. */
unsigned guest_access_fetch(const struct emulate_cpu *cpu, struct guest_access *access, u8 *code);

/* The instruction at `rip` in 64-bit mode, fetched as `code`, has been emulated because of an
 * access to device memory: keep it if it is a plain MOV. */
void guest_move_keep(const struct emulate_cpu *cpu, const struct guest_access *access, u64 rip,
		     const u8 *code);
/* Carry out such a one again, after an EPT violation or an APIC access with this qualification.
 * False: nothing was done. */
bool guest_move_again(struct vcpu *vcpu, u64 qualification) must_check;
bool guest_move_apic(struct vcpu *vcpu, u64 qualification) must_check;

/*
 * The short way for a repeated INS or OUTS of 64-bit code, up to `most` elements, as far as they
 * are in the page that is kept. False: nothing was done.
 */
bool guest_string_again(struct vcpu *vcpu, u64 qualification, unsigned most) must_check;
/* Keep the page that it has to do with. False: it is none of those that can go the short way. */
bool guest_string_keep(struct guest_access *access, u64 qualification) must_check;

/* Segment registers that the instruction loaded go to the VMCS. */
void guest_access_segments_write(const struct emulate_cpu *cpu);

/*
 * A far transfer, or the delivery of an event, wants to mark a descriptor in ROM as accessed, and
 * cannot be carried out in the guest's place. On a board with a ROM the mark is lost and the CPU
 * goes on; here the descriptor is marked in the ROM, for good, and the CPU is to try again. false:
 * that is not what this exit is about.
 */
bool guest_access_mark_rom(const struct vcpu *vcpu) must_check;
