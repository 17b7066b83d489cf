/* SPDX-License-Identifier: MIT */
/*
 * What the emulator reaches in a guest's place: memory through the guest's own paging, ports,
 * segment registers, vector registers.
 */
#pragma once

#include <bulkhead/emulate.h>
#include <bulkhead/types.h>

struct vcpu;

#define GUEST_KNOWN_READ  1u
#define GUEST_KNOWN_WRITE 2u

#define GUEST_MOVE_LEVELS 5

/*
 * A MOV to or from device memory that was emulated before. It is the same one as long as RIP, CR3,
 * the page-table entries on the way to the code, and the code are what they were: then the CPU has
 * executed it, and where its operand is the exit says.
 */
struct guest_move {
	u64 rip;     /* 0: nothing is here */
	u64 refused; /* the last RIP at which there was another instruction */
	u64 cr3;
	const volatile u64 *tables[GUEST_MOVE_LEVELS]; /* those there are not: the last one again */
	u64 entries[GUEST_MOVE_LEVELS];
	const volatile u64 *code; /* the first and the last 8 of 15 bytes */
	u64 bytes[2];
	struct emulate_move move;
};

#define GUEST_MOVES 8

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

/* Where so many bytes at a linear address are, all in one page of RAM, that the guest may read or
 * write; NULL: they are not, or it may not. */
u8 *guest_access_at(struct guest_access *access, u64 linear, u64 bytes, bool write);

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

/* Segment registers that the instruction loaded go to the VMCS. */
void guest_access_segments_write(const struct emulate_cpu *cpu);

/*
 * A far transfer, or the delivery of an event, wants to mark a descriptor in ROM as accessed, and
 * cannot be carried out in the guest's place. On a board with a ROM the mark is lost and the CPU
 * goes on; here the descriptor is marked in the ROM, for good, and the CPU is to try again. false:
 * that is not what this exit is about.
 */
bool guest_access_mark_rom(const struct vcpu *vcpu) must_check;
