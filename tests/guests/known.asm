; SPDX-License-Identifier: MIT
; Known values in every register and in memory, for whoever looks at a partition that stands still. The
; value of register number N is 0101010101010101h times N + 1 (rsp: 9000h). It spins at a known place until
; an NMI comes, and then it halts with another value in rax.
bits 64
org 0x100000

NMI_VECTOR	equ 2
COM1		equ 0x3f8

start:
	cli
	mov	rsp, 0x9000
	mov	rax, cr3			; map 40000000h to 0 as well, so that virtual is not physical
	mov	rax, [rax]
	and	rax, ~0xfff
	mov	rbx, [rax]
	mov	[rax + 8], rbx
	lidt	[idt_pointer]
	mov	rdx, COM1
	mov	rsi, greeting
	mov	ecx, greeting_end - greeting
	rep	outsb
	mov	rax, 0x0101010101010101
	mov	rcx, 0x0202020202020202
	mov	rdx, 0x0303030303030303
	mov	rbx, 0x0404040404040404
	mov	rbp, 0x0606060606060606
	mov	rsi, 0x0707070707070707
	mov	rdi, 0x0808080808080808
	mov	r8, 0x0909090909090909
	mov	r9, 0x0a0a0a0a0a0a0a0a
	mov	r10, 0x0b0b0b0b0b0b0b0b
	mov	r11, 0x0c0c0c0c0c0c0c0c
	mov	r12, 0x0d0d0d0d0d0d0d0d
	mov	r13, 0x0e0e0e0e0e0e0e0e
	mov	r14, 0x0f0f0f0f0f0f0f0f
	mov	r15, 0x1010101010101010
	jmp	spin

	align	256				; 100100h
spin:
	jmp	spin

	align	256				; 100200h
	db	"Bulkhead keeps the water out."
	db	0

	align	256				; 100300h: an NMI leads here, as there is a table for it
nmi:
	mov	dx, COM1
	mov	rsi, struck
	mov	ecx, struck_end - struck
	rep	outsb
	mov	rax, 0x4e4d49			; "NMI"
.halt:
	hlt
	jmp	.halt

greeting:
	db	"known: registers are set", 13, 10
greeting_end:
struck:
	db	"known: an NMI came", 13, 10
struck_end:

	align	16
idt:
	times NMI_VECTOR dq 0, 0
	dw	(nmi - $$ + 0x100000) & 0xffff	; a gate for the code segment that boot = raw gives
	dw	0x10
	dw	0x8e00
	dw	(nmi - $$ + 0x100000) >> 16
	dq	0
idt_pointer:
	dw	(NMI_VECTOR + 1) * 16 - 1
	dq	idt
