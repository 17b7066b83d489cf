/* SPDX-License-Identifier: MIT */
/* The parts of the apic payload, and the record of interrupts that they share. */
#pragma once

#include "apic.h"

/* Interrupts in the order in which they came; `taken_at` is the TSC of the last one. */
#define TAKEN_MAX 64
extern volatile u32 taken_count;
extern volatile u8 taken[TAKEN_MAX];
extern volatile u64 taken_at;

void taken_clear(void);
void taken_note(struct frame *frame);

/* A handler that notes the interrupt and ends it. */
void note_and_end(struct frame *frame);

/* Exactly these vectors came, in this order. */
bool taken_are(const u8 *vectors, u32 count);
#define TAKEN(...) taken_are((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

/* "xapic" or "x2apic", for the names of checks. */
const char *mode_name(void);

/* Let time pass with interrupts on. */
void wait_us(u64 us);

void ipi_try(void);
void priority_try(void);
void error_try(void);
void timer_try(void);
void board_try(void);
