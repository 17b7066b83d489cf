# SPDX-License-Identifier: MIT
# For the core that counts its own privileged instructions: the assembler reads this in front of each source of the
# core, and takes these macros for the instructions of the same names. What follows the prefix is the instruction;
# in 64-bit mode DS is ignored.

.macro COUNTED name, number, operands:vararg
	incq	bench_counts + 8 * \number(%rip)
	ds \name \operands
.endm

.macro vmread operands:vararg
	COUNTED vmread, 0, \operands
.endm
.macro vmwrite operands:vararg
	COUNTED vmwrite, 1, \operands
.endm
.macro rdmsr
	COUNTED rdmsr, 2
.endm
.macro wrmsr
	COUNTED wrmsr, 3
.endm
.macro invept operands:vararg
	COUNTED invept, 4, \operands
.endm
.macro invvpid operands:vararg
	COUNTED invvpid, 4, \operands
.endm
.macro invlpg operands:vararg
	COUNTED invlpg, 4, \operands
.endm
.macro vmptrld operands:vararg
	COUNTED vmptrld, 5, \operands
.endm
.macro vmclear operands:vararg
	COUNTED vmclear, 5, \operands
.endm

# In one place for all sources: the linker merges them.
	.comm	bench_counts, 48, 64
	.text
