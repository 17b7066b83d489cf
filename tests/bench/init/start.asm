; SPDX-License-Identifier: MIT
; The moment that the benchmark is about: the first instruction of the first process.

bits 64
extern init_main

section .text exec
global _start
_start:
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	mov	rdi, rax
	xor	ebp, ebp
	call	init_main
	ud2

section .note.GNU-stack noalloc noexec nowrite progbits
