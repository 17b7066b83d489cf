; SPDX-License-Identifier: MIT
; A disk of four sectors, the first of which a BIOS starts: says what the BIOS does for it, and powers off
; at a key.
bits 16
org 0x7c00

PM1_CONTROL	equ 0xb004
S5		equ 0x2000 | 5 << 10
BUFFER		equ 0x8000
COPY		equ 0x8200

start:
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	sp, 0x7c00
	mov	[drive], dl
	mov	si, says_drive
	call	print
	mov	al, [drive]
	aam	16
	add	ax, "00"
	mov	[digits], ah
	mov	[digits + 1], al
	mov	si, digits
	call	print

	mov	ax, 0x0201		; one sector: cylinder 0, head 0, sector 2
	mov	cx, 2
	mov	bx, BUFFER
	call	disk
	mov	si, BUFFER
	call	print

	mov	ax, 0x0301		; what was read goes to sector 3, and comes back
	mov	cx, 3
	mov	bx, BUFFER
	call	disk
	mov	ax, 0x0201
	mov	bx, COPY
	call	disk
	mov	si, BUFFER
	mov	di, COPY
	mov	cx, 512
	repe	cmpsb
	jne	.key
	mov	si, says_written
	call	print

	mov	ah, 0x41		; is there reading by the sector's number?
	mov	bx, 0x55aa
	mov	dl, [drive]
	int	0x13
	jc	.key
	mov	si, packet
	mov	ah, 0x42
	call	disk
	mov	si, BUFFER
	call	print
.key:
	mov	si, says_key
	call	print
	xor	ah, ah
	int	0x16
	cmp	al, "k"
	jne	.key
	mov	dx, PM1_CONTROL
	mov	ax, S5
	out	dx, ax
.stay:
	hlt
	jmp	.stay

disk:
	xor	dh, dh
	mov	dl, [drive]
	int	0x13
	jnc	.done
	mov	si, says_error
	call	print
.done:
	ret

print:
	lodsb
	test	al, al
	jz	.done
	mov	ah, 0x0e
	mov	bx, 7
	int	0x10
	jmp	print
.done:
	ret

says_drive:	db "sector: drive ", 0
says_written:	db "sector: written and read again", 13, 10, 0
says_error:	db "sector: disk error", 13, 10, 0
says_key:	db "sector: press k", 13, 10, 0
digits:		db "00", 13, 10, 0
drive:		db 0
align 4
packet:		dw 16, 1, BUFFER, 0	; bytes, sectors, where to
		dq 3

times 510 - ($ - $$) db 0
		db 0x55, 0xaa

		db "sector: read by cylinder and head", 13, 10, 0
times 3 * 512 - ($ - $$) db 0
		db "sector: read by number", 13, 10, 0
times 4 * 512 - ($ - $$) db 0
