/* SPDX-License-Identifier: MIT */
/*
 * Our own bug: report and stop. What is written here goes straight to the log's sinks, waits for no
 * lock, and survives failing itself: a second panic on the same CPU says so in one line and stops.
 */
#include "panic.h"

#include "apic.h"
#include "arch_cpu.h"
#include "instructions.h"
#include "interrupt.h"

#include <bulkhead/arch.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>

#define BACKTRACE_DEPTH 16
#define LOG_LINES	10

extern char core_start[], core_rodata[];

static u32 panicking; /* 1 + id of the CPU that panics, 0: none */
static u32 depth;

static noreturn void stop_forever(void)
{
	for (;;) {
		interrupts_off();
		halt();
	}
}

void panic_stop_if_under_way(void)
{
	u32 who = __atomic_load_n(&panicking, __ATOMIC_ACQUIRE);

	if (who && who != arch_cpu_id() + 1)
		stop_forever();
}

static void say(const char *format, ...) printf_like(1, 2);
static void say(const char *format, ...)
{
	char text[256];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_panic_write(text, MIN(length, sizeof(text) - 1));
}

/* Take the machine for this panic: others stop, and so does a CPU that panics at the same time. */
static void panic_begin(void)
{
	u32 me = arch_cpu_id() + 1, nobody = 0;

	interrupts_off();
	if (!__atomic_compare_exchange_n(&panicking, &nobody, me, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE) &&
	    nobody != me)
		stop_forever();
	log_panic_mode();
	if (depth++ == 0) {
		for (u32 i = 0; i < CPU_MAX && cpus[i]; i++)
			if (i + 1 != me && cpus[i]->online)
				apic_send_nmi(cpus[i]->apic_id);
		return;
	}
	if (depth == 2)
		say("\n*** and again while reporting that: the rest is lost ***\n");
	stop_forever();
}

static bool in_text(u64 address)
{
	return address >= (u64)core_start && address < (u64)core_rodata;
}

/*
 * A frame pointer outside the rest of the stack at `rsp` ends the chain. It may be the guest's:
 * handlers of exits begin with that.
 */
static bool in_stack(u64 address, u64 rsp)
{
	return is_aligned(address, 8) && rsp >= MEMORY_STACKS && address >= rsp &&
	       address + 15 < align_down(rsp, MEMORY_STACK_STRIDE) + MEMORY_STACK_STRIDE;
}

static void say_location(u64 address)
{
	u64 offset;
	const char *name = symbol_name(address, &offset);

	say("  %016lx  %s+0x%lx\n", address, name, offset);
}

static void say_backtrace(u64 rip, u64 rbp, u64 rsp)
{
	say("backtrace:\n");
	say_location(rip);
	for (int i = 0; i < BACKTRACE_DEPTH && in_stack(rbp, rsp); i++) {
		const u64 *frame = (const u64 *)rbp;

		if (!in_text(frame[1]))
			break;
		say_location(frame[1]);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

static void say_log(void)
{
	struct log_entry entry;
	char line[LOG_TEXT_BYTES + 64];
	u32 last = 0, from = 0;

	while (!log_read(last, &entry))
		last = entry.sequence + 1;
	from = last > LOG_LINES ? last - LOG_LINES : 0;
	say("last log lines:\n");
	while (!log_read(from, &entry)) {
		log_panic_write(line, MIN(log_line(&entry, line, sizeof(line)), sizeof(line) - 1));
		from = entry.sequence + 1;
	}
}

static void say_headline(void)
{
	say("\n*** Bulkhead panic on CPU %u (APIC id %u) ***\n", arch_cpu_id(),
	    cpu_this()->apic_id);
}

static noreturn void panic_end(void)
{
	say_log();
	say("The machine has stopped. Please report the lines above.\n");
	stop_forever();
}

void panic(const char *format, ...)
{
	char text[256];
	va_list arguments;

	panic_begin();
	va_start(arguments, format);
	format_list(text, sizeof(text), format, arguments);
	va_end(arguments);
	say_headline();
	say("%s\n", text);
	say("cr0 %lx  cr3 %lx  cr4 %lx  rflags %lx\n", cr0_read(), cr3_read(), cr4_read(),
	    rflags_read());
	say_backtrace((u64)__builtin_return_address(0), *(u64 *)__builtin_frame_address(0),
		      (u64)__builtin_frame_address(0));
	panic_end();
}

static const char *const exception_names[32] = {
	"divide error",
	"debug",
	"NMI",
	"breakpoint",
	"overflow",
	"bound range",
	"invalid opcode",
	"device not available",
	"double fault",
	"coprocessor overrun",
	"invalid TSS",
	"segment not present",
	"stack fault",
	"general protection",
	"page fault",
	"reserved",
	"x87 error",
	"alignment check",
	"machine check",
	"SIMD error",
	"virtualization",
	"control protection",
};

void panic_frame(const struct interrupt_frame *frame)
{
	const char *name = exception_names[frame->vector];

	panic_begin();
	say_headline();
	say("exception %lu (%s), error code 0x%lx, cr2 %016lx\n", frame->vector,
	    name ? name : "reserved", frame->error_code, cr2_read());
	say("rip %016lx  cs  %04lx  rflags %08lx\n", frame->rip, frame->cs, frame->rflags);
	say("rax %016lx  rbx %016lx  rcx %016lx\n", frame->rax, frame->rbx, frame->rcx);
	say("rdx %016lx  rsi %016lx  rdi %016lx\n", frame->rdx, frame->rsi, frame->rdi);
	say("rbp %016lx  rsp %016lx  r8  %016lx\n", frame->rbp, frame->rsp, frame->r8);
	say("r9  %016lx  r10 %016lx  r11 %016lx\n", frame->r9, frame->r10, frame->r11);
	say("r12 %016lx  r13 %016lx  r14 %016lx\n", frame->r12, frame->r13, frame->r14);
	say("r15 %016lx  cr0 %016lx  cr3 %016lx\n", frame->r15, cr0_read(), cr3_read());
	say("cr4 %016lx\n", cr4_read());
	say_backtrace(frame->rip, frame->rbp, frame->rsp);
	panic_end();
}
