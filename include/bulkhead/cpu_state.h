/* SPDX-License-Identifier: MIT */
/* The state of an x86 CPU as a guest sees it, in neither vendor's virtualisation format. */
#pragma once

#include <bulkhead/types.h>

/* General registers in the order in which instructions encode them (SDM vol. 2, table 2-2). */
enum cpu_gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
	GPR_COUNT,
};

/* Attributes: bits 15:0 as bits 55:40 of a segment descriptor (type, S, DPL, P, -, AVL, L, D/B, G).
 * 0 (not present) stands for an unusable segment. */
struct cpu_segment {
	u16 selector;
	u16 attributes;
	u32 limit; /* in bytes, whatever G says */
	u64 base;
};

#define SEGMENT_CODE64 0xa09b
#define SEGMENT_CODE32 0xc09b
#define SEGMENT_CODE16 0x0093 /* as power-up leaves CS: SDM vol. 3, table 9-1 */
#define SEGMENT_DATA32 0xc093
#define SEGMENT_DATA16 0x0093
#define SEGMENT_TSS64  0x008b
#define SEGMENT_LDT    0x0082

struct cpu_table {
	u64 base;
	u32 limit;
};

/* Everything that decides where and how a CPU runs its next instruction. */
struct cpu_state {
	u64 gpr[GPR_COUNT];
	u64 rip;
	u64 rflags;
	u64 cr0, cr2, cr3, cr4, cr8;
	u64 efer;
	struct cpu_segment es, cs, ss, ds, fs, gs, ldtr, tr;
	struct cpu_table gdtr, idtr;
};

#define RFLAGS_FIXED 0x2 /* bit 1 is always 1 */
#define RFLAGS_CF    BIT(0)
#define RFLAGS_PF    BIT(2)
#define RFLAGS_AF    BIT(4)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_SF    BIT(7)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_OF    BIT(11)
#define RFLAGS_IOPL  (3UL << 12)
#define RFLAGS_NT    BIT(14)
#define RFLAGS_RF    BIT(16)
#define RFLAGS_VM    BIT(17)
#define RFLAGS_AC    BIT(18)

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME	       BIT(0)
#define CR4_PVI	       BIT(1)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_PCE	       BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE	       BIT(22)
#define CR4_CET	       BIT(23)
#define CR4_PKS	       BIT(24)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)
