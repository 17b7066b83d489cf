/* SPDX-License-Identifier: MIT */
/* What the payloads in long mode share: printing, ports, MSRs, interrupts, and the end of a run. */
#pragma once

#include <bulkhead/types.h>

/* Bytes of RAM that the partition has, as the loader says. */
extern u64 guest_memory_bytes;

/* The payload. When it returns the partition is powered off. */
void guest_main(void);

/* On COM1. */
void print(const char *format, ...) printf_like(1, 2);

/* The same without a look at the line's state before each byte: for payloads whose work is
 * measured. */
void print_quickly(const char *format, ...) printf_like(1, 2);

/* One line, "pass NAME" or "FAIL NAME"; checks_end() prints the sum as the payload's last line. */
void check(bool passed, const char *format, ...) printf_like(2, 3);
void checks_end(const char *payload);

noreturn void power_off(void);

/* The board's serial line as firmware leaves it. */
void serial_setup(void);

/* --- interrupts and exceptions --- */

#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_PF 14

#define NO_EXCEPTION 0xffU

/* As start.asm pushes it. */
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* NULL: interrupts with this vector are counted as stray. */
void handler_set(u8 vector, void (*handler)(struct frame *frame));
extern u64 stray_interrupts;
/* Another vCPU takes interrupts in the same way as the first. */
void interrupt_table_load(void);

/* Called for exceptions that nobody tries out; NULL: the payload reports and ends. */
extern void (*exception_handler)(struct frame *frame);

/* Where to go on after the next exception; 0: nowhere. Set by attempt(). */
extern u64 attempt_resume;
extern u32 attempt_vector, attempt_error;

/* All interrupts from 32 on take the stack with this number in the TSS, 1 or 2; 0: the present one.
 */
void interrupt_stack(u8 ist);

/* Run one instruction, with operands as for asm (at least ": :"). The value is the exception it
 * raised. */
#define attempt(instruction, ...)                                                                  \
	({                                                                                         \
		attempt_vector = NO_EXCEPTION;                                                     \
		__asm__ volatile("movq $1f, attempt_resume(%%rip)\n\t" instruction                 \
				 "\n1:\tmovq $0, attempt_resume(%%rip)" __VA_ARGS__);              \
		*(volatile u32 *)&attempt_vector;                                                  \
	})

static inline void interrupts_on(void)
{
	__asm__ volatile("sti" ::: "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" ::: "memory");
}

/* STI holds interrupts back until HLT is executed, so none is missed. */
static inline void wait_interrupt(void)
{
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

/* Whatever is pending comes now. */
static inline void take_interrupts(void)
{
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
}

/* --- the CPU --- */

static inline u8 in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u16 in16(u16 port)
{
	u16 value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u32 in32(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(u16 port, u16 value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u64 msr_read(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void msr_write(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* The exception or NO_EXCEPTION. */
static inline u32 msr_try_read(u32 msr, u64 *value)
{
	u32 low = 0, high = 0, vector;

	vector = attempt("rdmsr", : "+a"(low), "+d"(high) : "c"(msr));
	*value = (u64)high << 32 | low;
	return vector;
}

static inline u32 msr_try_write(u32 msr, u64 value)
{
	return attempt("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 tsc_read(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (u64)high << 32 | low;
}

/* Rates from CPUID leaf 15h: of the TSC, and of the APIC timer before it is divided. */
u64 tsc_hz(void);
u64 crystal_hz(void);

static inline u64 us_to_tsc(u64 us)
{
	return mul_div(us, tsc_hz(), 1000000);
}

static inline u64 tsc_to_us(u64 ticks)
{
	return mul_div(ticks, 1000000, tsc_hz());
}
