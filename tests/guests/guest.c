/* SPDX-License-Identifier: MIT */
/* What the payloads in long mode share. */
#include "guest.h"

#include <bulkhead/format.h>
#include <bulkhead/load.h>

#define COM1		0x3f8
#define COM1_IER	(COM1 + 1)
#define COM1_FCR	(COM1 + 2)
#define COM1_LCR	(COM1 + 3)
#define COM1_MCR	(COM1 + 4)
#define COM1_LSR	(COM1 + 5)
#define LSR_THR_EMPTY	BIT(5)
#define LCR_DLAB	0x80
#define LCR_8N1		0x03
#define SLP_EN		0x2000
#define SLP_TYP_SHIFT	10
#define GATE_INTERRUPT	0x8e00
#define EXCEPTIONS	32
#define STACK_EXCEPTION 1
#define SELECTOR_CODE	8
#define ENTRY_BYTES	16

struct gate {
	u16 offset_low, selector, attributes, offset_middle;
	u32 offset_high, reserved;
};

u64 guest_memory_bytes;
u64 stray_interrupts;
u64 attempt_resume;
u32 attempt_vector, attempt_error;
void (*exception_handler)(struct frame *frame);

extern const u8 interrupt_entries[];
void interrupt_table_setup(void);
void guest_interrupt(struct frame *frame);

static struct gate gates[256];
static void (*handlers[256])(struct frame *frame);
static u32 checks, failures;

static void print_byte(char byte)
{
	while (!(in8(COM1_LSR) & LSR_THR_EMPTY))
		;
	out8(COM1, (u8)byte);
}

static void print_list(const char *format, va_list arguments)
{
	char text[256];

	format_list(text, sizeof(text), format, arguments);
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			print_byte('\r');
		print_byte(*at);
	}
}

void print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_list(format, arguments);
	va_end(arguments);
}

void print_quickly(const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			out8(COM1, '\r');
		out8(COM1, (u8)*at);
	}
}

void check(bool passed, const char *format, ...)
{
	va_list arguments;

	checks++;
	failures += !passed;
	print(passed ? "pass " : "FAIL ");
	va_start(arguments, format);
	print_list(format, arguments);
	va_end(arguments);
	print("\n");
}

void checks_end(const char *payload)
{
	if (failures)
		print("%s: FAIL, %u of %u\n", payload, failures, checks);
	else
		print("%s: PASS, %u checks\n", payload, checks);
}

void serial_setup(void)
{
	out8(COM1_LCR, LCR_DLAB);
	out8(COM1, 1); /* 115200 baud */
	out8(COM1_IER, 0);
	out8(COM1_LCR, LCR_8N1);
	out8(COM1_FCR, 0x07);
	out8(COM1_MCR, 0x0b);
}

noreturn void power_off(void)
{
	interrupts_off();
	out16(ACPI_PM1_CONTROL, SLP_EN | ACPI_S5_TYPE << SLP_TYP_SHIFT);
	print("FAIL the machine is still on\n");
	for (;;)
		__asm__ volatile("hlt");
}

void interrupt_stack(u8 ist)
{
	for (unsigned i = EXCEPTIONS; i < ARRAY_SIZE(gates); i++)
		gates[i].attributes = (u16)(GATE_INTERRUPT | ist);
}

void interrupt_table_load(void)
{
	struct packed pointer {
		u16 limit;
		u64 base;
	} table = {sizeof(gates) - 1, (u64)gates};

	__asm__ volatile("lidt %0" : : "m"(table));
}

void interrupt_table_setup(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(gates); i++) {
		u64 entry = (u64)interrupt_entries + i * ENTRY_BYTES;

		gates[i] = (struct gate){
			.offset_low = (u16)entry,
			.selector = SELECTOR_CODE,
			.attributes = GATE_INTERRUPT | (i < EXCEPTIONS ? STACK_EXCEPTION : 0),
			.offset_middle = (u16)(entry >> 16),
			.offset_high = (u32)(entry >> 32),
		};
	}
	interrupt_table_load();
	serial_setup();
}

void handler_set(u8 vector, void (*handler)(struct frame *frame))
{
	handlers[vector] = handler;
}

static void exception(struct frame *frame)
{
	if (attempt_resume) {
		attempt_vector = (u32)frame->vector;
		attempt_error = (u32)frame->error;
		frame->rip = attempt_resume;
		attempt_resume = 0;
		return;
	}
	if (exception_handler) {
		exception_handler(frame);
		return;
	}
	print("FAIL exception %lu, error 0x%lx, at rip 0x%lx\n", frame->vector, frame->error,
	      frame->rip);
	power_off();
}

void guest_interrupt(struct frame *frame)
{
	if (frame->vector < EXCEPTIONS)
		exception(frame);
	else if (handlers[frame->vector])
		handlers[frame->vector](frame);
	else
		stray_interrupts++;
}

u64 crystal_hz(void)
{
	return cpuid(0x15, 0).ecx;
}

u64 tsc_hz(void)
{
	static u64 rate;
	struct cpuid r;

	if (rate)
		return rate;
	r = cpuid(0x15, 0);
	if (!r.eax || !r.ebx || !r.ecx) {
		print("FAIL CPUID 15h does not tell the rate of the TSC\n");
		power_off();
	}
	rate = mul_div(r.ecx, r.ebx, r.eax);
	return rate;
}
