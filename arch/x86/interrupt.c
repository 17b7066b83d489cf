/* SPDX-License-Identifier: MIT */
/* The interrupt table of the hypervisor and what happens on each vector. */
#include "interrupt.h"

#include "apic.h"
#include "arch_cpu.h"
#include "instructions.h"
#include "kick.h"
#include "memory.h"
#include "panic.h"

#include <bulkhead/arch.h>
#include <bulkhead/cpu_state.h>
#include <bulkhead/log.h>
#include <bulkhead/thread.h>
#include <bulkhead/trace.h>

extern const u64 interrupt_entries[256];
extern const char interrupt_timer_x2apic[];
extern const char msr_read_safe_access[], msr_read_safe_fault[];
extern const char msr_write_safe_access[], msr_write_safe_fault[];

struct gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
} packed;

static struct gate table[256];

static struct {
	void (*handler)(void *context);
	void *context;
} handlers[256];

static u8 gate_ist(unsigned vector)
{
	switch (vector) {
	case VECTOR_DOUBLE_FAULT:
		return IST_DOUBLE_FAULT;
	case VECTOR_NMI:
		return IST_NMI;
	case VECTOR_MACHINE_CHECK:
		return IST_MACHINE_CHECK;
	default:
		return 0;
	}
}

static void gate_set(unsigned vector, u64 entry)
{
	table[vector] = (struct gate){
		.offset_low = (u16)entry,
		.selector = SELECTOR_CODE,
		.ist = gate_ist(vector),
		.type = 0x8e, /* present, DPL 0, 64-bit interrupt gate: interrupts go off */
		.offset_middle = (u16)(entry >> 16),
		.offset_high = (u32)(entry >> 32),
	};
}

static void table_fill(void)
{
	for (unsigned v = 0; v < 256; v++)
		gate_set(v, interrupt_entries[v]);
}

_Static_assert(VECTOR_TIMER == 240, "interrupt_timer_x2apic goes on at entry_240");

void interrupt_timer_x2apic_use(void)
{
	gate_set(VECTOR_TIMER, (u64)interrupt_timer_x2apic);
}

void interrupt_table_load(void)
{
	struct descriptor_pointer pointer = {sizeof(table) - 1, (u64)table};

	if (!table[0].type)
		table_fill();
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void interrupt_handler_set(u8 vector, void (*handler)(void *context), void *context)
{
	handlers[vector].context = context;
	__atomic_store_n(&handlers[vector].handler, handler, __ATOMIC_RELEASE);
}

void interrupt_call(u8 vector)
{
	void (*handler)(void *) = __atomic_load_n(&handlers[vector].handler, __ATOMIC_ACQUIRE);

	if (handler)
		handler(handlers[vector].context);
	else
		log_warn("interrupt on vector 0x%x, which nobody asked for", vector);
}

void interrupt_run(u8 vector)
{
	trace(TRACE_INTERRUPT, cpu_this()->thread->number, vector);
	if (vector == VECTOR_SPURIOUS)
		return; /* has no bit in ISR, so takes no EOI (SDM vol. 3, 11.9) */
	interrupt_call(vector);
	apic_eoi();
}

/* A fault at one of the accesses that expect it goes on at its other exit. */
static bool interrupt_fixup(struct interrupt_frame *frame)
{
	if (frame->vector != VECTOR_GENERAL_PROTECTION)
		return false;
	if (frame->rip == (u64)msr_read_safe_access) {
		frame->rip = (u64)msr_read_safe_fault;
		return true;
	}
	if (frame->rip == (u64)msr_write_safe_access) {
		frame->rip = (u64)msr_write_safe_fault;
		return true;
	}
	return false;
}

void interrupt_handle(struct interrupt_frame *frame)
{
	if (frame->vector >= 32) {
		interrupt_run((u8)frame->vector);
		return;
	}
	if (interrupt_fixup(frame) ||
	    (frame->vector == VECTOR_PAGE_FAULT && address_space_fault(frame->error_code)))
		return;
	if (frame->vector == VECTOR_NMI) {
		kick_in_host(frame);
		return;
	}
	panic_frame(frame);
}

u64 arch_irq_save(void)
{
	u64 flags = rflags_read();

	interrupts_off();
	return flags;
}

void arch_irq_restore(u64 flags)
{
	if (flags & RFLAGS_IF)
		interrupts_on();
}

void arch_interrupts_poll(void)
{
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
}
