; SPDX-License-Identifier: MIT
; Into the guest and back. vmx_run stays in this loop for as long as C says so, so an exit costs one save, a
; call of its handler, a call of what asks whether the guest goes on, and one load. An instruction here is
; one of each exit.
;
; Six of the general registers are those that a C function leaves as they were: RBX, RBP and R12 to R15. In the
; loop they stay in the CPU, and struct vcpu has them only where this file puts them there: before vmx_run
; returns, and around the handlers that are entered by their name with _whole.

default rel
bits 64

extern vmx_exit_handlers, trace_exits_quiet, vmx_exit_unusual, vmx_go_on, vmx_entry_stopped
extern vmx_exit_vmcall, vmx_exit_emulate, vmx_exit_apic_access
extern vmx_exit_cr_access, vmx_exit_io, vmx_emulate_string

EXIT_REASON	   equ 0x4402
EXIT_QUALIFICATION equ 0x6400
HOST_RSP	   equ 0x6c14

; struct vcpu begins with the general registers in the order of enum cpu_gpr; RSP is in the VMCS.
RAX_ equ 0
RCX_ equ 8
RDX_ equ 16
RBX_ equ 24
RBP_ equ 40
RSI_ equ 48
RDI_ equ 56
R8_  equ 64
R9_  equ 72
R10_ equ 80
R11_ equ 88
R12_ equ 96
R13_ equ 104
R14_ equ 112
R15_ equ 120
; What else of it counts at each exit; vmx.h makes sure of these.
GUEST_TICKS  equ 128
EXIT_AT	     equ 136
EXITS	     equ 144
EXIT_REASON_ equ 152

; Of struct cpu, behind GS; vmx.h likewise.
CPU_RESUMES equ 88
CPU_CR2	    equ 96

IO_STRING equ 16 ; of the exit qualification

; The registers that C functions change, from struct vcpu at RDI. Flags stay as they are.
%macro load_changed 0
	mov	rax, [rdi + RAX_]
	mov	rcx, [rdi + RCX_]
	mov	rdx, [rdi + RDX_]
	mov	rsi, [rdi + RSI_]
	mov	r8, [rdi + R8_]
	mov	r9, [rdi + R9_]
	mov	r10, [rdi + R10_]
	mov	r11, [rdi + R11_]
	mov	rdi, [rdi + RDI_]
%endmacro

; And those that they keep.
%macro load_kept 0
	mov	rbx, [rdi + RBX_]
	mov	rbp, [rdi + RBP_]
	mov	r12, [rdi + R12_]
	mov	r13, [rdi + R13_]
	mov	r14, [rdi + R14_]
	mov	r15, [rdi + R15_]
%endmacro

%macro save_kept 0
	mov	[rdi + RBX_], rbx
	mov	[rdi + RBP_], rbp
	mov	[rdi + R12_], r12
	mov	[rdi + R13_], r13
	mov	[rdi + R14_], r14
	mov	[rdi + R15_], r15
%endmacro

; A handler that reads or changes any register, as a function NAME_whole.
%macro whole 1
global %1_whole
%1_whole:
	save_kept
	push	rdi
	call	%1
	pop	rdi
	load_kept
	ret
%endmacro

section .text

; int vmx_run(struct vcpu *vcpu, bool launched)
; 0: vmx_prepare would not; 1: VMfailValid or VMfailInvalid at VMLAUNCH or VMRESUME.
global vmx_run, vmx_exit_entry, vmx_exit_entry_touch
vmx_run:
	push	rbp
	push	rbx
	push	r12
	push	r13
	push	r14
	push	r15
	push	rdi
	mov	eax, HOST_RSP
	vmwrite	rax, rsp
	jna	vmx_refused
	test	sil, sil
	load_kept
	load_changed
	jz	.launch
	vmresume
	jmp	vmx_failed
.launch:
	vmlaunch
	jmp	vmx_failed

; HOST_RIP of those whose RAM is cleared when it is touched: a page fault of the hypervisor's may overwrite the guest's
; CR2 from here on (address_space.c).
vmx_exit_entry_touch:
	cli
	push	rax
	mov	rax, cr2
	mov	[gs:CPU_CR2], rax
	pop	rax
	jmp	vmx_exit_entry.begin

; HOST_RIP of all others. RSP points to the saved struct vcpu pointer. Interrupts are off after an exit (SDM vol. 3,
; 28.5.3), but Bochs 2.7 goes on taking them, and those of the next guest, until it is told again.
vmx_exit_entry:
	cli
.begin:
	push	rdi
	mov	rdi, [rsp + 8]
	mov	[rdi + RAX_], rax
	mov	[rdi + RCX_], rcx
	mov	[rdi + RDX_], rdx
	mov	[rdi + RSI_], rsi
	mov	[rdi + R8_], r8
	mov	[rdi + R9_], r9
	mov	[rdi + R10_], r10
	mov	[rdi + R11_], r11
	pop	qword [rdi + RDI_]
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	mov	[rdi + EXIT_AT], rax
	add	[rdi + GUEST_TICKS], rax
	inc	qword [rdi + EXITS]
	mov	ecx, EXIT_REASON
	vmread	rcx, rcx
	mov	[rdi + EXIT_REASON_], ecx
	cmp	rcx, [trace_exits_quiet]
	jae	.unusual
.handle:
	call	[vmx_exit_handlers + rcx * 8]
	mov	rdi, [rsp]
	call	vmx_go_on
	mov	rdi, [gs:CPU_RESUMES]
	test	rdi, rdi
	jz	.stopped
.resume:
	load_changed
	vmresume
vmx_failed:
	mov	eax, 1
	jmp	vmx_leave
vmx_exit_entry.unusual:
	mov	rsi, rcx
	call	vmx_exit_unusual
	mov	ecx, eax
	mov	rdi, [rsp]
	jmp	vmx_exit_entry.handle
vmx_exit_entry.stopped:
	mov	rdi, [rsp]
	call	vmx_entry_stopped
	mov	rdi, [rsp]
	test	al, al
	jnz	vmx_exit_entry.resume
	xor	eax, eax
vmx_leave:
	mov	rdi, [rsp]
	save_kept
vmx_return:
	add	rsp, 8
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	ret

vmx_refused:
	mov	eax, 1
	jmp	vmx_return

whole vmx_exit_emulate
whole vmx_exit_apic_access
whole vmx_exit_cr_access
whole vmx_emulate_string

; void vmx_load_rbx(struct vcpu *vcpu)
; A handler that has changed RBX, and looks at none of the six, ends with it. The compiler makes that a jump, after
; it has put back what it may have saved of them.
global vmx_load_rbx
vmx_load_rbx:
	mov	rbx, [rdi + RBX_]
	ret

; Hypercalls have an argument in RBX, and change RAX.
global vmx_exit_vmcall_rbx
vmx_exit_vmcall_rbx:
	mov	[rdi + RBX_], rbx
	jmp	vmx_exit_vmcall

; Only strings have to do with more than RAX.
global vmx_exit_io_any
vmx_exit_io_any:
	mov	esi, EXIT_QUALIFICATION
	vmread	rsi, rsi
	test	sil, IO_STRING
	jz	vmx_exit_io
	jmp	vmx_emulate_string_whole

section .note.GNU-stack noalloc noexec nowrite progbits
