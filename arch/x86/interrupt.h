/* SPDX-License-Identifier: MIT */
/* Interrupts and exceptions of the hypervisor itself. */
#pragma once

#include <bulkhead/types.h>

/* What interrupt.asm leaves on the stack. */
struct interrupt_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error_code;
	u64 rip, cs, rflags, rsp, ss;
};

/* Vectors that we use. */
enum interrupt_vector {
	VECTOR_NMI = 2,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_GENERAL_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_MACHINE_CHECK = 18,
	VECTOR_TIMER = 0xf0,
	VECTOR_KICK = 0xf1,
	VECTOR_SPURIOUS = 0xff,
};

void interrupt_table_load(void);
/* The APIC's timer need only be acknowledged, in x2APIC mode: a short way for that. Before other
 * CPUs run. */
void interrupt_timer_x2apic_use(void);

/* Route a vector at or above 32 to `handler`, which runs with interrupts off and may not wait. Set
 * up before the source is enabled; never taken back. */
void interrupt_handler_set(u8 vector, void (*handler)(void *context), void *context);

/* Run the handler of an external interrupt that the CPU has acknowledged by other means (VM exit).
 */
void interrupt_run(u8 vector);

/* The handler alone: nothing is to be acknowledged. */
void interrupt_call(u8 vector);

void interrupt_handle(struct interrupt_frame *frame);

/* interrupt.asm: after an NMI exit, NMIs are blocked as after an NMI (SDM vol. 3, 28.2.3). End
 * that.
 */
void interrupt_nmi_unblock(void);
/* The HLT in arch_idle, and what follows it. */
extern const char arch_idle_halt[], arch_idle_awake[];

/* Report an unexpected exception and stop: panic.c. */
noreturn void panic_frame(const struct interrupt_frame *frame);
