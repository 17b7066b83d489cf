; SPDX-License-Identifier: MIT
; An option ROM for a partition's BIOS, which starts the kernel that fw_cfg has: puts its parts where the boot
; protocol wants them, tells it where they are, and enters it in 16-bit mode (kernel documentation, "The
; Linux/x86 Boot Protocol"). A BIOS takes it for a device to boot from (Plug and Play BIOS specification 1.0a).
; Its last byte is made so that the sum of all is 0 (vmm/load/fw_cfg.c).
bits 16
org 0

; fw_cfg. A transfer takes 1 MiB at most.
PORT_SELECT	equ 0x510
PORT_DMA	equ 0x518
KERNEL_SIZE	equ 0x08
KERNEL		equ 0x11
INITRD_SIZE	equ 0x0b
INITRD		equ 0x12
CMDLINE_SIZE	equ 0x14
CMDLINE		equ 0x15
SETUP_SIZE	equ 0x17
SETUP		equ 0x18
TRANSFER_MAX	equ 1 << 20
TRANSFER_READ	equ 2
TRANSFER_SELECT	equ 8

SETUP_SEGMENT	equ 0x1000
CMDLINE_GPA	equ 0x20000
KERNEL_GPA	equ 0x100000
STACK_END	equ 0xfff0	; of the kernel's setup code
HEAP_END	equ 0xfe00

; The setup header.
TYPE_OF_LOADER	equ 0x210
LOADFLAGS	equ 0x211
CAN_USE_HEAP	equ 0x80
RAMDISK_IMAGE	equ 0x218
RAMDISK_SIZE	equ 0x21c
HEAP_END_PTR	equ 0x224
CMD_LINE_PTR	equ 0x228
VERSION		equ 0x206
INITRD_ADDR_MAX	equ 0x22c	; from version 2.03 on
INITRD_END_OLD	equ 0x38000000

rom:
	db	0x55, 0xaa
	db	(rom_end - rom) / 512
	retf				; nothing is to be set up
	times 0x1a - ($ - rom) db 0
	dw	expansion

expansion:
	db	"$PnP", 1, 32 / 16
	dw	0			; no other header
	db	0, 0
	dd	0			; no identifier
	dw	0, name			; no manufacturer
	db	0, 0, 0, 0		; no type of device
	dw	0, 0, start, 0, 0	; it can boot, and nothing else

name:	db	"the given kernel", 0
failed:	db	"too little memory for the kernel", 13, 10, 0

start:
	cli
	xor	ax, ax
	mov	ss, ax
	mov	sp, 0x7c00
	sti
	cld
	mov	ax, SETUP_SEGMENT
	mov	ds, ax
	mov	edi, SETUP_SEGMENT << 4
	mov	ax, SETUP_SIZE
	mov	ebx, SETUP << 16
	call	load
	mov	edi, CMDLINE_GPA
	mov	ax, CMDLINE_SIZE
	mov	ebx, CMDLINE << 16
	call	load
	mov	edi, KERNEL_GPA
	mov	ax, KERNEL_SIZE
	mov	ebx, KERNEL << 16
	call	load
	mov	byte [TYPE_OF_LOADER], 0xff	; no assigned number
	or	byte [LOADFLAGS], CAN_USE_HEAP
	mov	word [HEAP_END_PTR], HEAP_END
	mov	dword [CMD_LINE_PTR], CMDLINE_GPA

	mov	ax, INITRD_SIZE
	call	number
	test	eax, eax
	jz	enter
	mov	[RAMDISK_SIZE], eax
	call	initrd_place
	mov	[RAMDISK_IMAGE], edi
	mov	ax, INITRD_SIZE
	mov	ebx, INITRD << 16
	call	load
enter:
	cli
	mov	ax, ds
	mov	es, ax
	mov	fs, ax
	mov	gs, ax
	mov	ss, ax
	mov	sp, STACK_END
	jmp	SETUP_SEGMENT + 0x20:0

; As high as both memory and the kernel allow, but behind the kernel, whose end is at EDI.
initrd_place:
	push	edi
	mov	ax, 0xe801		; CX: KiB from 1 MiB on, at most 15 MiB; DX: 64 KiB from 16 MiB on
	int	0x15
	jc	fail
	movzx	eax, dx
	shl	eax, 16
	add	eax, 16 << 20
	test	dx, dx
	jnz	.reach
	movzx	eax, cx
	shl	eax, 10
	add	eax, 1 << 20
.reach:
	mov	ebx, INITRD_END_OLD
	cmp	word [VERSION], 0x203
	jb	.place
	mov	ebx, [INITRD_ADDR_MAX]
.place:
	cmp	eax, ebx
	jbe	.high
	mov	eax, ebx
.high:
	sub	eax, [RAMDISK_SIZE]
	jb	fail
	and	eax, ~0xfff
	pop	edi
	cmp	eax, edi
	jb	fail
	mov	edi, eax
	ret

; What item AX has, a number of 32 bits, to EAX.
number:
	mov	dx, PORT_SELECT
	out	dx, ax
	inc	dx
	mov	cx, 4
.next:
	in	al, dx
	ror	eax, 8
	loop	.next
	ret

; The item that the upper half of EBX names, whose size item AX has, to EDI, which moves on to its end.
load:
	call	number
	mov	esi, eax
	mov	bl, TRANSFER_SELECT | TRANSFER_READ
.next:
	test	esi, esi
	jz	.done
	mov	ecx, TRANSFER_MAX
	cmp	esi, ecx
	ja	.transfer
	mov	ecx, esi
.transfer:
	call	transfer
	add	edi, ecx
	sub	esi, ecx
	mov	ebx, TRANSFER_READ
	jmp	.next
.done:
	ret

; What is asked for is on the stack, the most significant byte first: EBX, ECX bytes, to EDI.
transfer:
	mov	eax, edi
	bswap	eax
	push	eax
	push	dword 0
	mov	eax, ecx
	bswap	eax
	push	eax
	mov	eax, ebx
	bswap	eax
	push	eax
	movzx	eax, sp
	bswap	eax
	mov	dx, PORT_DMA
	out	dx, eax
	pop	eax
	add	sp, 12
	test	eax, eax
	jnz	fail
	ret

; On to what else can be booted.
fail:
	mov	si, failed
.next:
	cs lodsb
	test	al, al
	jz	.done
	mov	ah, 0x0e
	mov	bx, 7
	int	0x10
	jmp	.next
.done:
	int	0x18

times 511 - ($ - rom) db 0
	db	0			; the sum
rom_end:
