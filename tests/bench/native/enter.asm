; SPDX-License-Identifier: MIT
; First and last instructions of the native starter. It is entered as the core is (include/bulkhead/boot.h).

default rel
bits 64

extern native_main

section .text.entry exec
global core_entry
core_entry:
	cld
	xor	ebp, ebp
	call	native_main
	ud2

section .text

; noreturn void native_enter(const struct native_state *state, u64 tables_offset)
; Leaves the address at which this is linked for the physical one, which the new page tables map too; the
; state has to be at such an address. tables_offset is what leads from the one to the other.
global native_enter
native_enter:
	lea	rax, [.physical]
	add	rax, rsi
	jmp	rax
.physical:
	mov	rbx, rdi
	lgdt	[rbx + 0]
	mov	rax, [rbx + 16]
	mov	cr3, rax
	mov	rax, [rbx + 24]
	mov	cr4, rax
	mov	rax, [rbx + 32]
	mov	cr0, rax
	mov	eax, [rbx + 80]
	mov	ds, eax
	mov	es, eax
	mov	fs, eax
	mov	gs, eax
	mov	ss, eax
	mov	rdi, [rbx + 40]
	mov	rsi, [rbx + 48]
	mov	r8, [rbx + 72]		; the moment that was announced
	mov	ecx, [rbx + 84]
	mov	r9, [rbx + 56]
	mov	rsp, [rbx + 64]
	test	rsp, rsp		; Linux brings its own stack
	jnz	.stack
	lea	rsp, [rbx]
.stack:
	push	rcx
	push	r9
.wait:
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	cmp	rax, r8
	jb	.wait
	retfq

section .note.GNU-stack noalloc noexec nowrite progbits
