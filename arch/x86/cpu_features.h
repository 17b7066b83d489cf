/* SPDX-License-Identifier: MIT */
/* Feature bits of CPUID. Names and numbers: SDM vol. 2, CPUID. */
#pragma once

#define F(bit) (1U << (bit))

/* Leaf 1, ECX. */
#define SSE3	     F(0)
#define PCLMULQDQ    F(1)
#define SSSE3	     F(9)
#define FMA	     F(12)
#define CX16	     F(13)
#define PCID	     F(17)
#define SSE4_1	     F(19)
#define SSE4_2	     F(20)
#define X2APIC	     F(21)
#define MOVBE	     F(22)
#define POPCNT	     F(23)
#define TSC_DEADLINE F(24)
#define AESNI	     F(25)
#define XSAVE	     F(26)
#define OSXSAVE	     F(27)
#define AVX	     F(28)
#define F16C	     F(29)
#define RDRAND	     F(30)
#define HYPERVISOR   F(31)

/* Leaf 1, EDX. */
#define FPU   F(0)
#define VME   F(1)
#define DE    F(2)
#define PSE   F(3)
#define TSC   F(4)
#define MSR   F(5)
#define PAE   F(6)
#define MCE   F(7)
#define CX8   F(8)
#define APIC  F(9)
#define SEP   F(11)
#define MTRR  F(12)
#define PGE   F(13)
#define MCA   F(14)
#define CMOV  F(15)
#define PAT   F(16)
#define PSE36 F(17)
#define CLFSH F(19)
#define MMX   F(23)
#define FXSR  F(24)
#define SSE   F(25)
#define SSE2  F(26)
#define HTT   F(28)

/* Leaf 6, EAX. */
#define ARAT F(2)

/* Leaf 7, EBX. The two FPU bits tell of behaviour that is missing, not of a feature: hiding them
 * would promise what the CPU does not do. */
#define FSGSBASE	F(0)
#define TSC_ADJUST	F(1)
#define BMI1		F(3)
#define AVX2		F(5)
#define FDP_EXCPTN_ONLY F(6)
#define SMEP		F(7)
#define BMI2		F(8)
#define ERMS		F(9)
#define INVPCID		F(10)
#define ZERO_FCS_FDS	F(13)
#define RDSEED		F(18)
#define ADX		F(19)
#define SMAP		F(20)
#define CLFLUSHOPT	F(23)
#define CLWB		F(24)
#define SHA		F(29)
#define AVX512F		F(16)
#define AVX512DQ	F(17)
#define AVX512_IFMA	F(21)
#define AVX512_XEON_PHI (F(26) | F(27)) /* PF, ER */
#define AVX512CD	F(28)
#define AVX512_BW_VL	(F(30) | F(31))
#define AVX512_EBX	(AVX512F | AVX512DQ | AVX512_IFMA | AVX512_XEON_PHI | AVX512CD | AVX512_BW_VL)
#define MISSING_FPU	(FDP_EXCPTN_ONLY | ZERO_FCS_FDS)

/* Leaf 7, ECX: VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ. */
#define UMIP	   F(2)
#define GFNI	   F(8)
#define VAES	   F(9)
#define VPCLMUL	   F(10)
#define RDPID	   F(22)
#define AVX512_ECX (F(1) | F(6) | F(11) | F(12) | F(14))

/* Leaf 7, EDX: 4VNNIW, 4FMAPS, VP2INTERSECT, FP16. */
#define FSRM	   F(4)
#define AVX512_EDX (F(2) | F(3) | F(8) | F(23))

/* Leaf 0dh, subleaf 1, EAX. */
#define XSAVEOPT F(0)

/* Leaf 80000001h, ECX and EDX. */
#define LAHF	  F(0)
#define LZCNT	  F(5)
#define PREFETCHW F(8)
#define SYSCALL	  F(11)
#define NX	  F(20)
#define PAGE_1GB  F(26)
#define RDTSCP	  F(27)
#define LM	  F(29)

/* Leaf 80000007h, EDX. */
#define INVARIANT_TSC F(8)
