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
	EMULATE_DONE,  /* registers, rflags and rip are those after the instruction */
	EMULATE_AGAIN, /* a REP iteration is done, the instruction is not: registers are updated,
			* rip stays; interrupts may be taken, then run it again */
	EMULATE_FAULT, /* the guest gets an exception: see emulate_cpu.fault; nothing was changed */
	EMULATE_UNKNOWN, /* not an instruction that it knows; nothing was changed */
};

struct emulate_fault {
	u8 vector;
	bool has_error_code;
	u32 error_code;
	u64 address; /* CR2 for vector 14 */
};

struct emulate_cpu;

/*
 * Memory by linear address. 0, or a negative errno after filling cpu->fault (the guest's
 * exception). `bytes` is 1, 2, 4, 8, 16 or 32; an access may cross a page.
 */
struct emulate_memory_ops {
	int (*read)(struct emulate_cpu *cpu, u64 linear, void *data, unsigned bytes);
	int (*write)(struct emulate_cpu *cpu, u64 linear, const void *data, unsigned bytes);
};

/*
 * The CPU as the emulator sees it. `gpr` points to the vCPU's own registers. Segments are those of
 * the instruction's CPU; in 64-bit mode only fs and gs bases count.
 */
struct emulate_cpu {
	u64 *gpr; /* enum cpu_gpr order */
	u64 rip;
	u64 rflags;
	enum cpu_mode mode;
	bool real_mode; /* CR0.PE is 0: no segment type checks, exceptions without error codes */
	unsigned linear_bits; /* in 64-bit mode: 57 with CR4.LA57, 48 without; 0 stands for 48 */
	unsigned cpl;
	struct cpu_segment es, cs, ss, ds, fs, gs;
	const struct emulate_memory_ops *ops;
	void *context;
	struct emulate_fault fault;
	/* During ops->read: the same bytes are written afterwards, so a missing write permission is
	 * the fault to report, and a page fault's error code says "write" (SDM vol. 3,
	 * section 4.7). */
	bool read_for_write;
};

/* Run the instruction in `code` (`bytes` of it fetched, up to 15; too few is EMULATE_UNKNOWN). */
enum emulate_result emulate_instruction(struct emulate_cpu *cpu, const u8 *code, unsigned bytes);

/*
 * Guest paging: linear to guest-physical, in the mode that cr0, cr4 and efer say (none, 32-bit,
 * PAE, 4-level, 5-level), with permission checks and the right page-fault error code.
 */
#define EMULATE_ACCESS_WRITE 1u
#define EMULATE_ACCESS_USER  2u
#define EMULATE_ACCESS_FETCH 4u

/* 0 and *gpa, or -EFAULT and *fault. Does not set accessed and dirty bits. */
int emulate_translate(const struct guest_paging *paging, u64 linear, u32 access, u64 *gpa,
		      struct emulate_fault *fault) must_check;
