/* SPDX-License-Identifier: MIT */
/*
 * The instruction emulator: for instructions that touch emulated memory. Pure: bytes and registers
 * in, accesses out through callbacks.
 */
#pragma once

#include <bulkhead/cpu_state.h>
#include <bulkhead/guest_walk.h>

#define INSTRUCTION_BYTES_MAX 15

enum cpu_mode {
	CPU_MODE_16 = 2, /* the number is the default operand size in bytes */
	CPU_MODE_32 = 4,
	CPU_MODE_64 = 8,
};

/* What became of an emulation. */
enum emulate_result {
	EMULATE_DONE,	 /* registers, rflags and rip are those after the instruction */
	EMULATE_AGAIN,	 /* emulate_cpu.batch REP iterations are done, the instruction is not:
			  * registers   are updated, rip stays; interrupts may be taken, then run it
			  * again */
	EMULATE_FAULT,	 /* the guest gets an exception: see emulate_cpu.fault. Nothing was changed,
			  * but for whole REP iterations and accessed bits of descriptors. */
	EMULATE_UNKNOWN, /* not an instruction that it knows; nothing was changed */
};

struct emulate_fault {
	u8 vector;
	bool has_error_code;
	u32 error_code;
	u64 address; /* CR2 for vector 14 */
};

/* In the order in which instructions encode them; and the tables that selectors index, of which
 * only base and limit count (and of the LDT, whether it is present). */
enum emulate_segment {
	SEGMENT_ES,
	SEGMENT_CS,
	SEGMENT_SS,
	SEGMENT_DS,
	SEGMENT_FS,
	SEGMENT_GS,
	SEGMENT_COUNT,
	TABLE_GDT = SEGMENT_COUNT,
	TABLE_LDT,
	TASK_REGISTER, /* written only */
	SEGMENT_AND_TABLE_COUNT,
};

#define VECTOR_BYTES 32 /* of a YMM register */

/* Instructions that were decoded already, by their bytes: see emulate_cpu.cache. */
#define EMULATE_CACHE_BYTES 1024

struct emulate_cpu;

/*
 * What the emulator reaches beyond general registers. 0, or -EFAULT after filling cpu->fault (the
 * guest's exception), or -ENODEV when this cannot be emulated (EMULATE_UNKNOWN; for ports and
 * vectors only). Ports and vectors may be NULL, which is -ENODEV.
 */
struct emulate_ops {
	/* Memory by linear address. `bytes` is 1, 2, 4, 8, 16 or 32; an access may cross a page. */
	int (*read)(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes);
	int (*write)(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes);
	/* Whether it could be written: the same faults, but nothing is touched. */
	int (*write_check)(struct emulate_cpu *cpu, u64 linear, unsigned bytes);
	/* `bytes` is 1, 2 or 4. */
	int (*port_read)(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 *value);
	int (*port_write)(struct emulate_cpu *cpu, u16 port, unsigned bytes, u32 value);
	/* All 32 bytes of a vector register, 0 to 15. Writing 16 keeps what is above them (SSE),
	 * writing 32 clears it, that of ZMM registers too (VEX). */
	int (*vector_read)(struct emulate_cpu *cpu, unsigned reg, void *data);
	int (*vector_write)(struct emulate_cpu *cpu, unsigned reg, const void *data,
			    unsigned bytes);
	/* Between the iterations of a REP: whether that is all for now (EMULATE_AGAIN), as what
	 * they reach may take long. NULL: never. */
	bool (*is_enough)(const struct emulate_cpu *cpu);
	/* Fill cpu->segments[which], an enum emulate_segment of segments_missing. */
	void (*segment_fill)(struct emulate_cpu *cpu, unsigned which);
};

/*
 * The CPU as the emulator sees it. `gpr` points to the vCPU's own registers. Segments are those of
 * the instruction's CPU; in 64-bit mode only fs and gs bases count, but for MOV from and to segment
 * registers.
 */
struct emulate_cpu {
	u64 *gpr; /* enum cpu_gpr order */
	u64 rip;
	u64 rflags;
	enum cpu_mode mode;
	bool real_mode; /* CR0.PE is 0: no segment type checks, exceptions without error codes */
	bool long_mode; /* EFER.LMA; always so in 64-bit mode */
	bool alignment_check; /* CR0.AM; counts with RFLAGS.AC at CPL 3 */
	unsigned linear_bits; /* in 64-bit mode: 57 with CR4.LA57, 48 without; 0 stands for 48 */
	unsigned cpl;
	unsigned batch; /* so many iterations of a REP at most; 0 stands for 1 */
	union {
		struct cpu_segment segments[SEGMENT_AND_TABLE_COUNT];
		struct {
			struct cpu_segment es, cs, ss, ds, fs, gs, gdt, ldt, task;
		};
	};
	u32 segments_missing; /* bit n: segments[n] is filled by ops->segment_fill when needed */
	u32 segments_written; /* bit n: the instruction loaded segments[n]. The caller clears it. */
	void *cache; /* EMULATE_CACHE_BYTES, aligned to 8 and cleared in the beginning; or NULL */
	const struct emulate_ops *ops;
	void *context;
	struct emulate_fault fault;
	u64 next; /* the emulator's own: rip afterwards */
	/* During ops->read: the same bytes are written afterwards, so a missing write permission is
	 * the fault to report, and a page fault's error code says "write" (SDM vol. 3,
	 * section 4.7). */
	bool read_for_write;
	/* During ops->read and write: a descriptor is accessed, with supervisor rights at any CPL
	 * (SDM vol. 3, section 4.6.1, implicit accesses). */
	bool implicit_access;
};

/* Run the instruction in `code` (`bytes` of it fetched, up to 15; too few is EMULATE_UNKNOWN). */
enum emulate_result emulate_instruction(struct emulate_cpu *cpu, const u8 *code, unsigned bytes);

/*
 * An instruction of 64-bit code with one operand in memory, which it loads, stores, or computes
 * with: MOV, MOVZX, ADD and its like, shifts, XCHG. Plain ones only: no segment but a flat one, no
 * high byte, and RSP has no part in it.
 */
struct emulate_move {
	bool reads, writes; /* memory */
	u8 bytes;	    /* in memory: 1, 2, 4 or 8 */
	bool constant;	    /* the other operand is `immediate` */
	u8 reg;		    /* enum cpu_gpr: else it is this one */
	u8 reg_bytes;	    /* so much of it; what is loaded is zero-extended */
	u8 length;
	u8 base, index, shift; /* of the address, as the emulator encodes them */
	bool to_register;      /* of what is computed: the register is the destination */
	bool sets_register;    /* and is given the result, or as the source what was in memory */
	u64 displacement, address_mask;
	u64 immediate;
	/* NULL: it only moves, and changes no flags. */
	u64 (*compute)(u64 destination, u64 source, unsigned bytes, u64 *flags);
};

/* Whether INSTRUCTION_BYTES_MAX bytes at `code` begin with one. */
bool emulate_move_describe(const u8 *code, struct emulate_move *move) must_check;
/* The address of its memory, which is linear. `rip` is that of the instruction. */
u64 emulate_move_address(const struct emulate_move *move, const u64 *gpr, u64 rip);
/* What one that computes writes to memory, if it does, where `memory` was read, if it does. The
 * register and the flags are changed. */
u64 emulate_move_compute(const struct emulate_move *move, u64 *gpr, u64 memory, u64 *flags);

/* 32-bit results clear the upper half, smaller ones keep what is above them. */
static inline void emulate_move_set(const struct emulate_move *move, u64 *gpr, u64 value)
{
	u64 *reg = &gpr[move->reg];

	if (move->reg_bytes == 1)
		*(u8 *)(void *)reg = (u8)value;
	else if (move->reg_bytes == 2)
		*(u16 *)(void *)reg = (u16)value;
	else
		*reg = value;
}

/* As much of a value as there is in memory. */
static inline u64 emulate_move_cut(const struct emulate_move *move, u64 value)
{
	if (move->bytes == 1)
		return (u8)value;
	if (move->bytes == 2)
		return (u16)value;
	return move->bytes == 4 ? (u32)value : value;
}

/* The register takes what was loaded. */
static inline void emulate_move_load(const struct emulate_move *move, u64 *gpr, u64 value)
{
	emulate_move_set(move, gpr, emulate_move_cut(move, value));
}

/*
 * Guest paging: linear to guest-physical, in the mode that cr0, cr4 and efer say (none, 32-bit,
 * PAE, 4-level, 5-level), with permission checks and the right page-fault error code.
 */
#define EMULATE_ACCESS_WRITE 1u
#define EMULATE_ACCESS_USER  2u
#define EMULATE_ACCESS_FETCH 4u
/* By the CPU itself, to a descriptor: supervisor's, and RFLAGS.AC does not lift SMAP. */
#define EMULATE_ACCESS_IMPLICIT 8u

/* 0 and *gpa, or -EFAULT and *fault. Sets accessed and dirty bits through paging->update, if that
 * is not NULL. */
int emulate_translate(const struct guest_paging *paging, u64 linear, u32 access, u64 *gpa,
		      struct emulate_fault *fault) must_check;
