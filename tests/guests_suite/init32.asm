; SPDX-License-Identifier: MIT
; /init for a 32-bit Linux kernel: says which machine the kernel takes itself to run on, and powers off.
bits 32
global _start

SYS_REBOOT	equ 88
SYS_WRITE	equ 4
SYS_UNAME	equ 122
MAGIC1		equ 0xfee1dead
MAGIC2		equ 672274793
POWER_OFF	equ 0x4321fedc
MACHINE		equ 4 * 65	; in struct new_utsname
RELEASE		equ 2 * 65

section .text
_start:
	mov	eax, SYS_UNAME
	mov	ebx, names
	int	0x80
	mov	esi, greeting
	call	print
	mov	esi, names + RELEASE
	call	print
	mov	esi, on
	call	print
	mov	esi, names + MACHINE
	call	print
	mov	esi, line_end
	call	print
	mov	eax, SYS_REBOOT
	mov	ebx, MAGIC1
	mov	ecx, MAGIC2
	mov	edx, POWER_OFF
	int	0x80
.stay:
	jmp	.stay

; The text at ESI.
print:
	xor	edx, edx
.count:
	cmp	byte [esi + edx], 0
	je	.write
	inc	edx
	jmp	.count
.write:
	mov	eax, SYS_WRITE
	mov	ebx, 1
	mov	ecx, esi
	int	0x80
	ret

section .rodata
greeting:	db "32-bit guest is up: Linux ", 0
on:		db " on ", 0
line_end:	db 10, 0

section .bss nobits
names:	resb 6 * 65
