; SPDX-License-Identifier: MIT
; The jump from the loader into the core.

%define CR4_CLEARED ((1 << 7) | (1 << 17) | (1 << 20) | (1 << 21) | (1 << 22) | (1 << 23))

section .text
global handoff_enter:function hidden

; noreturn void handoff_enter(u64 page_root, u64 stack_top, struct boot_info *info, u64 entry)
;                             rdi            rsi            rdx                     rcx
; Runs at an address that the new tables map one to one, as they do all memory.
handoff_enter:
	cli
	cld
	; What firmware may have switched on and the core has not asked for: global pages (also flushes
	; their translations), PCID, SMEP, SMAP, protection keys, control-flow enforcement.
	mov	rax, cr4
	and	rax, ~CR4_CLEARED
	mov	cr4, rax
	mov	cr3, rdi
	mov	rsp, rsi
	push	0			; a return address that is none: RSP is as at a function's entry
	xor	ebp, ebp
	mov	rdi, rdx
	jmp	rcx

section .note.GNU-stack noalloc noexec nowrite progbits
