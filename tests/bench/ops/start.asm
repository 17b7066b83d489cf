; SPDX-License-Identifier: MIT
; Entry and exception entries of the operations benchmark: raw image, long mode, RSP set by who loads it.

default rel
bits 64

extern ops_main
extern ops_unexpected
global ops_fault, ops_interrupt_xapic, ops_interrupt_x2apic, ops_other
global ops_interrupt_tsc

section .text.entry exec
global ops_entry
ops_entry:
	call	ops_main
.stop:
	hlt
	jmp	.stop

section .text

; #GP: go on behind the instruction, which has two bytes (RDMSR and its like).
align 16
ops_fault:
	add	rsp, 8
	add	qword [rsp], 2
	iretq

; An interrupt: note when it came, and acknowledge it.
align 16
ops_interrupt_xapic:
	push	rax
	push	rdx
	call	note
	mov	eax, 0xfee000b0
	mov	dword [rax], 0
	pop	rdx
	pop	rax
	iretq

align 16
ops_interrupt_x2apic:
	push	rax
	push	rdx
	call	note
	push	rcx
	mov	ecx, 0x80b
	xor	eax, eax
	xor	edx, edx
	wrmsr
	pop	rcx
	pop	rdx
	pop	rax
	iretq

note:
	rdtsc
	mov	[ops_interrupt_tsc], eax
	mov	[ops_interrupt_tsc + 4], edx
	ret

align 16
ops_other:
	call	ops_unexpected
	jmp	$

section .data
align 8
ops_interrupt_tsc: dq 0

section .note.GNU-stack noalloc noexec nowrite progbits
