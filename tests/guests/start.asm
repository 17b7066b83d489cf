; SPDX-License-Identifier: MIT
; Where the payloads in long mode begin, and what their interrupts go through.
bits 64

extern guest_main, guest_interrupt, interrupt_table_setup, power_off, guest_memory_bytes
global start, interrupt_entries

STACK_BYTES	equ 32768
SELECTOR_CODE	equ 8
SELECTOR_DATA	equ 16
SELECTOR_TSS	equ 24

section .start
start:
	mov	[guest_memory_bytes], rdi	; boot = raw passes it there
	mov	rsp, stack_top
	lgdt	[gdt_pointer]
	push	SELECTOR_CODE
	push	.flat
	retfq
.flat:
	mov	eax, SELECTOR_DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	call	tss_setup
	call	interrupt_table_setup
	call	guest_main
	jmp	power_off

section .text
tss_setup:
	mov	qword [tss + 36], stack_1_top	; IST1 and IST2
	mov	qword [tss + 44], stack_2_top
	mov	rax, tss
	mov	[gdt_tss + 2], ax
	shr	rax, 16
	mov	[gdt_tss + 4], al
	mov	[gdt_tss + 7], ah
	mov	eax, SELECTOR_TSS
	ltr	ax
	ret

; Every entry has 16 bytes and leaves vector and error code on the stack.
align 16
interrupt_entries:
%assign vector 0
%rep 256
	align	16
%if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
	push	0
%endif
	push	strict dword vector
	jmp	strict near interrupt_common
%assign vector vector + 1
%endrep

align 16
interrupt_common:
	push	rax
	push	rbx
	push	rcx
	push	rdx
	push	rsi
	push	rdi
	push	rbp
	push	r8
	push	r9
	push	r10
	push	r11
	push	r12
	push	r13
	push	r14
	push	r15
	cld
	mov	rdi, rsp
	call	guest_interrupt
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rbp
	pop	rdi
	pop	rsi
	pop	rdx
	pop	rcx
	pop	rbx
	pop	rax
	add	rsp, 16
	iretq

section .data
align 16
gdt:
	dq	0
	dq	0x00af9b000000ffff	; 64-bit code
	dq	0x00cf93000000ffff	; data
gdt_tss:
	dq	0x0000890000000067
	dq	0
gdt_pointer:
	dw	$ - gdt - 1
	dq	gdt

section .bss nobits
alignb 16
tss:	resb 104
	alignb 16
	resb STACK_BYTES
stack_top:
	resb STACK_BYTES
stack_1_top:
	resb STACK_BYTES
stack_2_top:
