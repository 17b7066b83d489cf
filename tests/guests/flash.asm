; SPDX-License-Identifier: MIT
; A firmware of 64 KiB in a flash, with two CPUs. It tells the flash from a ROM, erases and programs it, and looks
; whether the second CPU, which reads the array all the time, sees the status as soon as the first one has asked for
; it, and the array as soon as that is back. All code is in the copy below 1 MiB: nothing can run in the chip while
; it shows its status.
bits 16
org 0

COM1		equ 0x3f8
LSR		equ COM1 + 5
PM1_CONTROL	equ 0xb004
S5		equ 0x2000 | 5 << 10
ROM_BYTES	equ 0x10000
FLASH		equ 0xffff0000
SHADOW		equ 0xf0000
APIC_ICR	equ 0xfee00300
APIC_ICR_HIGH	equ 0xfee00310
BLOCK		equ 0x8000		; of the flash; nothing else is in it
ROUNDS		equ 100
; RAM
PHASE		equ 0x1000		; what the first CPU did last: odd: status, even: array
SEEN		equ 0x1004		; the last one that the second CPU saw
WRONG		equ 0x1008		; how often it read something else

; The second CPU, by STARTUP f0h.
	cli
	mov	ebx, follow
	jmp	protect

; In the ROM at first.
start:
	cli
	mov	ebx, lead
	jmp	0xf000:protect

protect:
	o32 lgdt [cs:gdt_pointer]
	mov	eax, cr0
	and	eax, ~0x60000000	; caches on
	or	al, 1
	mov	cr0, eax
	jmp	dword 8:SHADOW + .flat
bits 32
.flat:
	mov	ax, 16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	add	ebx, SHADOW
	jmp	ebx

; Reads all the time, and counts what it reads first in each phase: what the phase promises must hold by then, and
; the first CPU waits. With interrupts on, of which none come: else some emulators cannot be told anything.
follow:
	sti
.again:
	mov	ecx, [PHASE]
	mov	al, [FLASH + BLOCK]
	cmp	ecx, [SEEN]
	je	.again
	mov	ah, 0x3c
	test	cl, 1
	jz	.compare
	mov	ah, 0x80
.compare:
	cmp	al, ah
	je	.right
	inc	dword [WRONG]
.right:
	mov	[SEEN], ecx
	jmp	.again

%macro expect 2				; the byte there
	cmp	byte [FLASH + %1], %2
	jne	fail
%endmacro
%macro command 2
	mov	byte [FLASH + %1], %2
%endmacro

lead:
	mov	esp, 0x8000
	cld
	mov	edi, PHASE
	xor	eax, eax
	mov	ecx, 3
	rep	stosd
	mov	esi, SHADOW + rom
	expect	value, 0x5a
	command	value, 0x50
	expect	value, 0x5a
	command	value, 0x70
	expect	value, 0
	expect	0, 0
	expect	ROM_BYTES - 1, 0
	command	value, 0xff
	expect	value, 0x5a
	mov	esi, SHADOW + program
	command	BLOCK + 5, 0x20
	command	BLOCK + 5, 0xd0
	expect	0, 0x80
	command	BLOCK, 0x10
	command	BLOCK, 0x3d
	command	BLOCK, 0x40
	command	BLOCK, 0x7e		; bits can only be cleared
	command	0, 0xff
	expect	BLOCK, 0x3c
	expect	BLOCK + 1, 0xff
	expect	BLOCK + 0xfff, 0xff
	expect	BLOCK + 0x1000, 0xa7
	expect	BLOCK - 1, 0xa7
	mov	dword [APIC_ICR_HIGH], 1 << 24
	mov	dword [APIC_ICR], 0x4500	; INIT
	mov	dword [APIC_ICR], 0x4600 | SHADOW >> 12
	mov	esi, SHADOW + other
	mov	ecx, ROUNDS
.round:
	command	0, 0x70
	call	advance
	command	0, 0xff
	call	advance
	loop	.round
	cmp	dword [WRONG], 0
	jne	fail
	mov	esi, SHADOW + good
	call	say
	jmp	off

fail:
	push	esi
	mov	esi, SHADOW + bad
	call	say
	pop	esi
	call	say
	mov	esi, SHADOW + line
	call	say
off:
	mov	esi, SHADOW + done
	call	say
	mov	dx, PM1_CONTROL
	mov	ax, S5
	out	dx, ax
	cli
	hlt

; Wait until the second CPU has looked at this phase.
advance:
	inc	dword [PHASE]
	mov	eax, [PHASE]
.wait:
	pause
	cmp	[SEEN], eax
	jne	.wait
	ret

say:
	mov	dx, LSR
.wait:
	in	al, dx
	test	al, 0x20
	jz	.wait
	lodsb
	test	al, al
	jz	.end
	mov	dx, COM1
	out	dx, al
	jmp	say
.end:
	ret

align 8
gdt:	dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	dw	23
	dd	SHADOW + gdt

rom:	db "not told from a ROM", 0
program: db "not programmed", 0
other:	db "the other CPU saw something else", 0
good:	db "flash: all is as it should be", 13, 10, 0
bad:	db "flash: FAIL: ", 0
line:	db 13, 10, 0
done:	db "flash: done", 13, 10, 0
value:	db 0x5a

	times ROM_BYTES - 16 - ($ - $$) db 0xa7
bits 16
	jmp	start
	times ROM_BYTES - ($ - $$) db 0
