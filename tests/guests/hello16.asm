; SPDX-License-Identifier: MIT
; The least payload in real mode, a boot sector: a line, and power off.
bits 16
org 0x7c00

COM1		equ 0x3f8
LSR		equ COM1 + 5
PM1_CONTROL	equ 0xb004
S5		equ 0x2000 | 5 << 10

start:
	xor	ax, ax
	mov	ds, ax
	mov	si, text
.next:
	lodsb
	test	al, al
	jz	.off
	mov	ah, al
	mov	dx, LSR
.wait:
	in	al, dx
	test	al, 0x20
	jz	.wait
	mov	al, ah
	mov	dx, COM1
	out	dx, al
	jmp	.next
.off:
	mov	dx, PM1_CONTROL
	mov	ax, S5
	out	dx, ax
	hlt

text:	db "hello16: real mode", 13, 10, "hello16: done", 13, 10, 0
