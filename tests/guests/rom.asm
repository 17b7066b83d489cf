; SPDX-License-Identifier: MIT
; The least firmware: 64 KiB that begin where a CPU does after power-on. It looks whether ROM is only read, and
; whether what is below 1 MiB is the same but can be written, loads segments by descriptors in the ROM, and takes
; an interrupt by one; then it says so, and powers off.
bits 16
org 0

ROM_BYTES	equ 0x10000
ROM		equ 0xffff0000
SHADOW		equ 0xf000
IDT		equ 0x1000
STACK		equ 0x7000
CAME		equ 0x7000
VECTOR		equ 0x48
CODE_HANDLER	equ 32
APIC_SVR	equ 0xfee000f0
APIC_LVT_LINT0	equ 0xfee00350
PIC		equ 0x20
PIT		equ 0x40

; CS still has the base that it has after power-on, so this is in the ROM below 4 GiB.
start:
	cld
	mov	bx, good
	cmp	byte [cs:value], 0x5a
	jne	.wrong
	mov	byte [cs:value], 0xa5		; lost
	cmp	byte [cs:value], 0x5a
	jne	.wrong
	xor	byte [cs:value], 0xff		; read, and lost
	mov	ax, SHADOW
	mov	ds, ax
	cmp	byte [value], 0x5a
	jne	.wrong
	mov	byte [value], 0xa5
	cmp	byte [value], 0xa5
	jne	.wrong
	cmp	byte [cs:value], 0x5a
	je	.say
.wrong:
	mov	bx, bad
.say:
	jmp	SHADOW:.below			; and go on below 1 MiB, as firmware does

; With descriptors in the ROM, none of which was accessed before: the CPU wants to mark each that it loads.
.below:
	cli
	movzx	esi, bx
	o32 lgdt [cs:gdt_pointer]
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	dword 8:SHADOW * 16 + .flat
bits 32
.flat:
	mov	ax, 16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	ax, 24
	ltr	ax
	str	cx
	cmp	cx, 24
	jne	.failed
	cmp	byte [ROM + task + 5], 0x89	; not busy there: lost
	jne	.failed

; The delivery of an interrupt loads another one. The interrupt is the 8254's, by way of the 8259.
	mov	esp, STACK
	mov	byte [CAME], 0
	mov	dword [IDT + VECTOR * 8], CODE_HANDLER << 16 | HANDLER & 0xffff
	mov	dword [IDT + VECTOR * 8 + 4], HANDLER & 0xffff0000 | 0x8e00
	lidt	[SHADOW * 16 + idt_pointer]
	mov	dword [APIC_SVR], 0x1ff
	mov	dword [APIC_LVT_LINT0], 0x700
	mov	al, 0x11
	out	PIC, al
	mov	al, VECTOR
	out	PIC + 1, al
	mov	al, 4
	out	PIC + 1, al
	mov	al, 1
	out	PIC + 1, al
	mov	al, 0xfe
	out	PIC + 1, al
	mov	al, 0x30
	out	PIT + 3, al
	mov	al, 100
	out	PIT, al
	xor	al, al
	out	PIT, al
	mov	ecx, 10000000
	sti
.wait_here:
	cmp	byte [CAME], 1
	loopne	.wait_here
	cli
	je	.told
.failed:
	mov	esi, bad
.told:
	add	esi, SHADOW * 16

%include "tests/guests/say_and_off.inc"

handler:
	mov	byte [CAME], 1
	iretd
HANDLER		equ SHADOW * 16 + (handler - start)

align 8
gdt:	dq	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
task:	dq	0x0000890010000067
	dq	0x00cf9a000000ffff		; CODE_HANDLER
gdt_pointer:
	dw	39
	dd	ROM + gdt
idt_pointer:
	dw	VECTOR * 8 + 7
	dd	IDT

good:	db "rom: only read, and its shadow can be written", 13, 10
	db "rom: descriptors in it can be used", 13, 10, "rom: done", 13, 10, 0
bad:	db "rom: FAIL", 13, 10, "rom: done", 13, 10, 0
value:	db 0x5a

	times ROM_BYTES - 16 - ($ - $$) db 0xff
bits 16
	jmp	start
	times ROM_BYTES - ($ - $$) db 0
