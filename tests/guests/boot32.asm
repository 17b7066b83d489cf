; SPDX-License-Identifier: MIT
; Where the payloads in 32-bit protected mode begin that a boot protocol enters (boot32.c says what for). The
; protocol is chosen by -DMULTIBOOT1, -DMULTIBOOT2 or -DPVH.
bits 32

extern guest_main
global start

STACK_BYTES	equ 16384

%ifdef MULTIBOOT1
section .header
align 4
FLAGS		equ 3			; modules on pages, memory sizes
	dd	0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
%endif

%ifdef MULTIBOOT2
section .header
align 8
header:
	dd	0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
	dw	1, 0			; must be told: command line, modules, memory map, RSDP
	dd	24
	dd	1, 3, 6, 15
	dw	4, 1			; has no need of a console, but knows a text screen
	dd	12
	dd	2
	dd	0
	dw	6, 0			; modules on pages
	dd	8
	dw	10, 0			; may be anywhere; this code does not care
	dd	24
	dd	0x100000, 0xffffffff, 0x1000, 0
	dw	0, 0
	dd	8
header_end:
%endif

%ifdef PVH
section .note.xen note alloc noexec nowrite align=4
	dd	4, 4, 18		; XEN_ELFNOTE_PHYS32_ENTRY
	db	"Xen", 0
	dd	start
%endif

section .text
start:
	mov	esp, stack_top
	push	ebx
	push	eax
	call	guest_main
.off:					; and power off
	mov	dx, 0xb004
	mov	ax, 0x2000 | 5 << 10
	out	dx, ax
	hlt
	jmp	.off

section .bss nobits
alignb 16
	resb	STACK_BYTES
stack_top:
