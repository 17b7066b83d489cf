; SPDX-License-Identifier: MIT
; Entry and exception entries of the operations benchmark: raw image, long mode, RSP set by who loads it.

default rel
bits 64

extern ops_main
extern ops_unexpected
global ops_fault, ops_undefined, ops_page_fault, ops_soft, ops_other
global ops_interrupt_xapic, ops_interrupt_x2apic
global ops_interrupt_tsc, ops_interrupt_seen, ops_page_entry, ops_address

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

; #UD: the same for UD2.
align 16
ops_undefined:
	add	qword [rsp], 2
	iretq

; #PF: the page is there from now on.
align 16
ops_page_fault:
	push	rax
	mov	rax, [ops_page_entry]
	or	byte [rax], 1
	pop	rax
	add	rsp, 8
	iretq

align 16
ops_soft:
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
	mov	dword [ops_interrupt_seen], 1
	ret

align 16
ops_other:
	mov	rdi, [rsp]
	call	ops_unexpected
	jmp	$

section .data
align 8
ops_interrupt_tsc: dq 0
ops_page_entry: dq 0
ops_address: dq 0
ops_interrupt_seen: dd 0

section .note.GNU-stack noalloc noexec nowrite progbits
