; SPDX-License-Identifier: MIT
; 256 interrupt entries and the way from each to interrupt_handle(struct interrupt_frame *).

default rel
bits 64
extern interrupt_handle, trace_on

section .text

%macro SAVE 0
	push	rax
	push	rcx
	push	rdx
	push	rbx
	push	rbp
	push	rsi
	push	rdi
	push	r8
	push	r9
	push	r10
	push	r11
	push	r12
	push	r13
	push	r14
	push	r15
%endmacro

%macro RESTORE 0
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rdi
	pop	rsi
	pop	rbp
	pop	rbx
	pop	rdx
	pop	rcx
	pop	rax
%endmacro

interrupt_common:
	SAVE
	cld
	mov	rdi, rsp
	call	interrupt_handle	; 5 words of the CPU + 2 + 15 saved: RSP is 16-byte aligned here
	RESTORE
	add	rsp, 16			; vector and error code
	iretq

%assign v 0
%rep 256
align 16
entry_ %+ v:
%if (v == 8) || (v >= 10 && v <= 14) || (v == 17) || (v == 21) || (v == 29) || (v == 30)
	; the CPU pushes an error code (SDM vol. 3, table 6-1)
%else
	push	qword 0
%endif
	push	qword v
	jmp	interrupt_common
%assign v v+1
%endrep

; The same for the APIC's timer in x2APIC mode, without a look at who handles it: it ends a halt, and that is all that it
; is for.
MSR_EOI equ 0x80b

global interrupt_timer_x2apic
align 16
interrupt_timer_x2apic:
	cmp	byte [trace_on], 0
	jne	entry_240	; VECTOR_TIMER
	push	rax
	push	rcx
	push	rdx
	mov	ecx, MSR_EOI
	xor	eax, eax
	xor	edx, edx
	wrmsr
	pop	rdx
	pop	rcx
	pop	rax
	iretq

; void arch_idle(void). STI takes effect after the next instruction, so no interrupt slips in before HLT.
global arch_idle, arch_idle_halt, arch_idle_awake
arch_idle:
	sti
arch_idle_halt:
	hlt
arch_idle_awake:
	cli
	ret

; void interrupt_nmi_unblock(void). IRET does it: here, to where we are.
global interrupt_nmi_unblock
interrupt_nmi_unblock:
	mov	rax, rsp
	mov	ecx, ss
	push	rcx
	push	rax
	pushfq
	mov	ecx, cs
	push	rcx
	lea	rcx, [.unblocked]
	push	rcx
	iretq
.unblocked:
	ret

section .rodata
global interrupt_entries
align 8
interrupt_entries:
%assign v 0
%rep 256
	dq entry_ %+ v
%assign v v+1
%endrep

section .note.GNU-stack noalloc noexec nowrite progbits
