; SPDX-License-Identifier: MIT
; The least firmware: 64 KiB that begin where a CPU does after power-on. It looks whether ROM is only read, and
; whether what is below 1 MiB is the same but can be written; then it says so, and powers off.
bits 16
org 0

ROM_BYTES	equ 0x10000
SHADOW		equ 0xf000

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
.below:
	mov	ax, cs
	mov	ds, ax
	mov	si, bx

%include "tests/guests/say_and_off.inc"

good:	db "rom: only read, and its shadow can be written", 13, 10, "rom: done", 13, 10, 0
bad:	db "rom: FAIL", 13, 10, "rom: done", 13, 10, 0
value:	db 0x5a

	times ROM_BYTES - 16 - ($ - $$) db 0xff
	jmp	start
	times ROM_BYTES - ($ - $$) db 0
