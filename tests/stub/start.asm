; SPDX-License-Identifier: MIT
; Boot sector and way into long mode of the test-only loader: reads the rest of itself from the disk, asks
; the BIOS for its memory map while there is one, and enters stub_main on 64-bit page tables that map the
; first GiB. Everything is linked below 64 KiB, so that real-mode code reaches it with segment 0.

extern stub_sectors		; how many sectors follow this one (stub.ld)
extern stub_low_bss, stub_low_bss_end	; what real mode uses; below 64 KiB
extern stub_bss, stub_bss_end		; the rest, multiples of 8
extern stub_main
global stub_e820, stub_e820_count

E820_ENTRIES	equ 64
E820_BYTES	equ 24
SMAP		equ 0x534d4150
EFER		equ 0xc0000080

section .boot exec
bits 16
start:
	cli
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	sp, start
	cld
	jmp	0:.read
.read:
	mov	si, read_packet
	mov	ah, 0x42		; extended read; DL is still the boot drive
	int	0x13
	jc	read_failed
	jmp	main16

; Nothing but this sector is there: tell by the BIOS, on the screen, and by its serial service.
read_failed:
	mov	si, read_text
.next:
	lodsb
	test	al, al
	jz	.stop
	push	ax
	mov	ah, 0x0e
	mov	bx, 7
	int	0x10
	pop	ax
	xor	dx, dx
	mov	ah, 1
	int	0x14
	jmp	.next
.stop:
	hlt
	jmp	.stop

read_text: db "stub: the BIOS cannot read the boot disk", 13, 10, 0

align 4
read_packet:
	db	16, 0
	dw	stub_sectors
	dw	start + 512, 0
	dq	1

	times 510 - ($ - start) db 0
	dw	0xaa55

main16:
	mov	di, stub_low_bss
	mov	cx, stub_low_bss_end
	sub	cx, di
	xor	ax, ax
	rep stosb

; INT 15h AX=E820h (ACPI specification, section 15.1). A BIOS that gives 20 bytes leaves the 21st as it was.
	xor	ebx, ebx
	mov	di, stub_e820
.e820:
	mov	dword [di + 20], 1
	mov	eax, 0xe820
	mov	ecx, E820_BYTES
	mov	edx, SMAP
	int	0x15
	jc	.e820_done
	cmp	eax, SMAP
	jne	.e820_done
	add	di, E820_BYTES
	inc	dword [stub_e820_count]
	cmp	dword [stub_e820_count], E820_ENTRIES
	je	.e820_done
	test	ebx, ebx
	jnz	.e820
.e820_done:
	cli
	in	al, 0x92		; fast A20 gate; bit 0 would reset
	or	al, 2
	and	al, 0xfe
	out	0x92, al

	mov	dword [pml4], pdpt + 3
	mov	dword [pdpt], pd + 3
	mov	di, pd
	mov	eax, 0x83		; present, writable, 2 MiB
.page:
	mov	[di], eax
	add	eax, 0x200000
	add	di, 8
	cmp	di, pd + 4096
	jne	.page

	mov	eax, cr4
	or	eax, 1 << 5		; PAE
	mov	cr4, eax
	mov	eax, pml4
	mov	cr3, eax
	mov	ecx, EFER
	rdmsr
	or	eax, 1 << 8		; LME
	wrmsr
	lgdt	[gdt_register]
	mov	eax, cr0
	or	eax, 0x80000001		; PG and PE at once (SDM vol. 3, 9.8.5)
	and	eax, 0x9fffffff		; caches on
	mov	cr0, eax
	jmp	8:main64

bits 64
main64:
	mov	eax, 16
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	mov	edi, stub_bss
	mov	ecx, stub_bss_end
	sub	ecx, edi
	shr	ecx, 3
	rep stosq
	mov	esp, stack_end
	call	stub_main
.stop:
	hlt
	jmp	.stop

align 8
gdt:
	dq	0
	dq	0x00af9b000000ffff	; 64-bit code
	dq	0x00cf93000000ffff	; data
gdt_register:
	dw	$ - gdt - 1
	dd	gdt

section .lowbss nobits alloc write align=4096
alignb 4096
pml4:		resb 4096
pdpt:		resb 4096
pd:		resb 4096
stub_e820:	resb E820_ENTRIES * E820_BYTES
stub_e820_count: resd 1
alignb 16
		resb 8192
stack_end:

section .note.GNU-stack noalloc noexec nowrite progbits
