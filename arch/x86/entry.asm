; SPDX-License-Identifier: MIT
; First instructions of the core on the boot CPU and on the others, and the thread switch.

default rel
bits 64

extern core_main
extern smp_ap_main
extern __stack_chk_guard

; Until there are stacks with guard pages.
section .bss
align 16
	resb	16384
boot_stack_top:

section .text.entry exec

; From the loader, see include/bulkhead/boot.h: RDI = struct boot_info, interrupts off.
global core_entry
core_entry:
	cld
	lea	rsp, [boot_stack_top]
	xor	ebp, ebp		; ends the frame chain for backtraces
	; The canary only has to differ from boot to boot; no function that checks it is active yet.
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	mov	rcx, 0x9e3779b97f4a7c15
	imul	rax, rcx
	mov	[__stack_chk_guard], rax
	call	core_main
	ud2

section .text

; void arch_context_switch(u64 *save, u64 load)
global arch_context_switch
arch_context_switch:
	push	rbp
	push	rbx
	push	r12
	push	r13
	push	r14
	push	r15
	mov	[rdi], rsp
	mov	rsp, rsi
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	ret

; A new thread's first return comes here: r12 = function, r13 = its argument.
global context_start
context_start:
	mov	rdi, r13
	xor	ebp, ebp
	call	r12
	ud2

; bool msr_read_safe(u32 msr, u64 *value)
; The interrupt handler moves a #GP at .access to .fault: see interrupt_fixup.
global msr_read_safe, msr_read_safe_access, msr_read_safe_fault
msr_read_safe:
	mov	ecx, edi
msr_read_safe_access:
	rdmsr
	shl	rdx, 32
	or	rax, rdx
	mov	[rsi], rax
	mov	eax, 1
	ret
msr_read_safe_fault:
	xor	eax, eax
	ret

; bool msr_write_safe(u32 msr, u64 value)
global msr_write_safe, msr_write_safe_access, msr_write_safe_fault
msr_write_safe:
	mov	ecx, edi
	mov	eax, esi
	mov	rdx, rsi
	shr	rdx, 32
msr_write_safe_access:
	wrmsr
	mov	eax, 1
	ret
msr_write_safe_fault:
	xor	eax, eax
	ret

; void segments_load(const struct descriptor_pointer *gdt, u16 tss)
; Data segments are null, as 64-bit mode does not need them; SS too (CPL 0).
global segments_load
segments_load:
	lgdt	[rdi]
	xor	eax, eax
	mov	ds, ax
	mov	es, ax
	mov	fs, ax
	mov	gs, ax
	mov	ss, ax
	lldt	ax
	ltr	si
	pop	rax
	push	qword 0x08
	push	rax
	retfq

; -----------------------------------------------------------------------------------------------
; Where the other CPUs start (SDM vol. 3, 9.4): real mode, CS = trampoline page >> 4, IP = 0. The
; code is copied to that page, so it addresses everything relative to its own start. The boot CPU fills in the
; parameters behind it; CPUs are started one at a time.
section .rodata
bits 16
global trampoline_start, trampoline_end, trampoline_parameters
trampoline_start:
	cli
	cld
	mov	ax, cs
	mov	ds, ax
	xor	ebx, ebx
	mov	bx, ax
	shl	ebx, 4			; physical address of this page
	lea	eax, [ebx + (.gdt - trampoline_start)]
	mov	[.gdtr + 2 - trampoline_start], eax
	lea	eax, [ebx + (.protected - trampoline_start)]
	mov	[.far32 - trampoline_start], eax
	lea	eax, [ebx + (.long - trampoline_start)]
	mov	[.far64 - trampoline_start], eax
	o32 lgdt [.gdtr - trampoline_start]
	mov	eax, cr0
	and	eax, 0x9fffffff		; CD and NW are set after INIT
	or	eax, 1
	mov	cr0, eax
	jmp	dword far [.far32 - trampoline_start]

bits 32
.protected:
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	eax, 0x20		; CR4.PAE
	mov	cr4, eax
	mov	eax, [ebx + (trampoline_parameters.root - trampoline_start)]
	mov	cr3, eax
	mov	ecx, 0xc0000080		; EFER: LME and NXE
	xor	edx, edx
	mov	eax, 0x900
	wrmsr
	mov	eax, 0x80010021		; CR0: PG, WP, NE, PE
	mov	cr0, eax
	jmp	far [ebx + (.far64 - trampoline_start)]

bits 64
.long:
	mov	rsp, [rbx + (trampoline_parameters.stack - trampoline_start)]
	mov	rdi, [rbx + (trampoline_parameters.argument - trampoline_start)]
	xor	ebp, ebp
	mov	rax, smp_ap_main
	call	rax
	ud2

align 8
.gdtr:	dw .gdt_end - .gdt - 1
	dd 0
	dw 0
.far32:	dd 0
	dw 0x18
	dw 0
.far64:	dd 0
	dw 0x08
	dw 0
align 8
.gdt:	dq 0
	dq 0x00af9b000000ffff		; 08h: 64-bit code
	dq 0x00cf93000000ffff		; 10h: data
	dq 0x00cf9b000000ffff		; 18h: 32-bit code
.gdt_end:
align 8
trampoline_parameters:			; struct trampoline_parameters of smp.c
.root:	dq 0
.stack:	dq 0
.argument: dq 0
trampoline_end:

section .note.GNU-stack noalloc noexec nowrite progbits
