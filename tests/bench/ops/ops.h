/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the operations benchmark share: an operation is run between two readings of the
 * TSC, and each prints one line, "op NAME SAMPLES LEAST AVERAGE", with the cost of the readings
 * taken off.
 */
#pragma once

#include "tests/bench/serial.h"

#include <bulkhead/types.h>

#define ROUNDS 1000

#define VECTOR_UD    6
#define VECTOR_GP    13
#define VECTOR_PF    14
#define VECTOR_TIMER 0x40
#define VECTOR_SELF  0x41
#define VECTOR_SOFT  0x50

#define CPUID_1_ECX_X2APIC     21
#define CPUID_1_ECX_DEADLINE   24
#define CPUID_1_ECX_HYPERVISOR 31

/* Entries in start.asm. */
extern u8 ops_fault[], ops_undefined[], ops_page_fault[], ops_soft[], ops_other[];
extern u8 ops_interrupt_xapic[], ops_interrupt_x2apic[];
/* When the last interrupt came, and that it did. */
extern volatile u64 ops_interrupt_tsc;
extern volatile u32 ops_interrupt_seen;
/* The page table entry that ops_page_fault makes present. */
extern u64 *ops_page_entry;
/* Where the next access goes: for operations that have a place. */
extern u64 ops_address;

struct tally {
	const char *name;
	u64 count, least, sum;
};

/* Of two readings with nothing between them. */
extern u64 readings_cost;

/* The ticks from one reading of the TSC to the value of `end`, which leaves it in EAX, with `text`
 * between them. EDI is the first reading's. */
#define TICKS_TO(text, end)                                                                        \
	({                                                                                         \
		u32 taken;                                                                         \
		__asm__ volatile("lfence; rdtsc; mov %%eax, %%edi\n\t" text "\n\t" end             \
				 "; sub %%edi, %%eax"                                              \
				 : "=&a"(taken)                                                    \
				 :                                                                 \
				 : "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc");             \
		taken;                                                                             \
	})

/* From one reading to the next. */
#define TICKS(text) TICKS_TO(text, "lfence; rdtsc")
/* From a reading to the first instruction of the interrupt's handler. */
#define TICKS_INTERRUPT(text) TICKS_TO(text, "mov ops_interrupt_tsc(%%rip), %%eax")

#define MEASURE_ROUNDS(label, rounds, ticks)                                                       \
	do {                                                                                       \
		struct tally tally = tally_new(label);                                             \
		for (u32 i = 0; i < (rounds); i++)                                                 \
			tally_add(&tally, (ticks));                                                \
		tally_print(&tally);                                                               \
	} while (0)

#define MEASURE(label, text) MEASURE_ROUNDS(label, ROUNDS, TICKS(text) - readings_cost)

/* Wait with interrupts on for the one that is on its way. */
#define UNTIL_INTERRUPT                                                                            \
	"\n1: testl $1, ops_interrupt_seen(%%rip); jz 1b; movl $0, ops_interrupt_seen(%%rip)"

struct tally tally_new(const char *name);
void tally_add(struct tally *tally, u64 ticks);
void tally_print(const struct tally *tally);

void gate_set(u8 vector, const u8 *entry);

static inline u64 tsc_read(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static inline u64 msr_read(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (u64)high << 32 | low;
}

static inline void msr_write(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

bool cpuid1_has(u32 bit); /* of ECX */

/* The parts, in this order. */
void measure_instructions(void);
void measure_msrs(void);
void measure_ports(void);
void measure_memory_devices(void);
void measure_xapic(void);
void measure_x2apic(void);
void measure_touch(void);
void measure_loops(void);
void measure_gaps(void);

/* With the timer's interrupt on its vector; the mode is that of the local APIC at that time. */
void measure_deadline(void);
