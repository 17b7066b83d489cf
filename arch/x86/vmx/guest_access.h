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

/* The bytes at RIP, up to INSTRUCTION_BYTES_MAX: fewer when the next page cannot be fetched. */
unsigned guest_access_fetch(const struct emulate_cpu *cpu, struct guest_access *access, u8 *code);

/* Segment registers that the instruction loaded go to the VMCS. */
void guest_access_segments_write(const struct emulate_cpu *cpu);

/*
 * A far transfer, or the delivery of an event, wants to mark a descriptor in ROM as accessed, and
 * cannot be carried out in the guest's place. On a board with a ROM the mark is lost and the CPU
 * goes on; here the descriptor is marked in the ROM, for good, and the CPU is to try again. false:
 * that is not what this exit is about.
 */
bool guest_access_mark_rom(const struct vcpu *vcpu) must_check;
