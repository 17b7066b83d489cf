; SPDX-License-Identifier: MIT
; Where the other vCPUs of the smp payload begin: copied to a page below 1 MiB, entered in real mode.
bits 16

extern smp_main
global smp_begin, smp_end, smp_cr3, smp_gdt

STACK_BYTES	equ 8192
VCPUS		equ 64
PAGE		equ 0x8000
SELECTOR_CODE	equ 8
SELECTOR_DATA	equ 16
EFER		equ 0xc0000080

section .text
smp_begin:
	cli
	mov	ax, cs
	mov	ds, ax
	o32 lgdt [smp_gdt - smp_begin]
	mov	eax, [smp_cr3 - smp_begin]
	mov	cr3, eax
	mov	eax, cr4
	or	eax, 1 << 5		; PAE
	mov	cr4, eax
	mov	ecx, EFER
	rdmsr
	or	eax, 1 << 8		; LME
	wrmsr
	mov	eax, cr0
	and	eax, ~(3 << 29)		; CD and NW
	or	eax, 1 << 31 | 1	; PG, PE
	mov	cr0, eax
	jmp	dword SELECTOR_CODE:PAGE + (smp_long - smp_begin)
bits 64
smp_long:
	mov	eax, SELECTOR_DATA
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	mov	eax, 1
	lock xadd [stacks_used], eax
	and	eax, VCPUS - 1
	inc	eax
	imul	rsp, rax, STACK_BYTES
	add	rsp, stacks
	mov	rax, smp_main
	call	rax
	ud2
align 8
smp_cr3:	dq	0
smp_gdt:	dq	0, 0
smp_end:

section .bss nobits
alignb 16
stacks:		resb VCPUS * STACK_BYTES
stacks_used:	resd 1
