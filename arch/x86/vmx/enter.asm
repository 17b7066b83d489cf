; SPDX-License-Identifier: MIT
; Into the guest and back. vmx_run stays in this loop for as long as vmx_exit (C) says so, so an
; exit costs one save, one call and one load of the general registers. This and vmx_exit are the path
; that every exit takes: an instruction here is one of each exit.

default rel
bits 64

extern vmx_exit

HOST_RSP equ 0x6c14

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

; The guest's general registers from struct vcpu at RDI. Flags stay as they are.
%macro load_registers 0
	mov	rax, [rdi + RAX_]
	mov	rcx, [rdi + RCX_]
	mov	rdx, [rdi + RDX_]
	mov	rbx, [rdi + RBX_]
	mov	rbp, [rdi + RBP_]
	mov	rsi, [rdi + RSI_]
	mov	r8, [rdi + R8_]
	mov	r9, [rdi + R9_]
	mov	r10, [rdi + R10_]
	mov	r11, [rdi + R11_]
	mov	r12, [rdi + R12_]
	mov	r13, [rdi + R13_]
	mov	r14, [rdi + R14_]
	mov	r15, [rdi + R15_]
	mov	rdi, [rdi + RDI_]
%endmacro

section .text

; int vmx_run(struct vcpu *vcpu, bool launched)
; 0: vmx_exit asked to come back; 1: VMfailValid or VMfailInvalid at VMLAUNCH or VMRESUME.
global vmx_run, vmx_exit_entry
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
	jna	vmx_failed
	test	sil, sil
	load_registers
	jz	.launch
	vmresume
	jmp	vmx_failed
.launch:
	vmlaunch
	jmp	vmx_failed

; HOST_RIP. RSP points to the saved struct vcpu pointer. Interrupts are off after an exit (SDM vol. 3,
; 28.5.3), but Bochs 2.7 goes on taking them, and those of the next guest, until it is told again.
vmx_exit_entry:
	cli
	push	rdi
	mov	rdi, [rsp + 8]
	mov	[rdi + RAX_], rax
	mov	[rdi + RCX_], rcx
	mov	[rdi + RDX_], rdx
	mov	[rdi + RBX_], rbx
	mov	[rdi + RBP_], rbp
	mov	[rdi + RSI_], rsi
	mov	[rdi + R8_], r8
	mov	[rdi + R9_], r9
	mov	[rdi + R10_], r10
	mov	[rdi + R11_], r11
	mov	[rdi + R12_], r12
	mov	[rdi + R13_], r13
	mov	[rdi + R14_], r14
	mov	[rdi + R15_], r15
	pop	qword [rdi + RDI_]
	lea	rbp, [rsp + 48]		; the frame that vmx_run's caller would see, for backtraces
	call	vmx_exit
	mov	rdi, rax
	test	rax, rax
	jz	.leave
	load_registers
	vmresume
vmx_failed:
	mov	eax, 1
	jmp	vmx_return
vmx_exit_entry.leave:
	xor	eax, eax
vmx_return:
	add	rsp, 8
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	ret

section .note.GNU-stack noalloc noexec nowrite progbits
