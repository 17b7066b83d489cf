/* SPDX-License-Identifier: MIT */
/*
 * What single operations cost a guest: each is run ROUNDS times between two readings of the TSC.
 * One line of output for each: "op NAME SAMPLES MIN AVERAGE", with the cost of the readings taken
 * off.
 */
#include "tests/bench/serial.h"

#include <bulkhead/cpu_state.h>
#include <bulkhead/load.h>
#include <bulkhead/port.h>

#define ROUNDS	     1000
#define ROUNDS_SLEEP 200

#define VECTOR_GP    13
#define VECTOR_TIMER 0x40
#define VECTOR_SELF  0x41

#define IA32_APIC_BASE	  0x1b
#define APIC_BASE_X2APIC  BIT(10)
#define APIC_BASE_ENABLE  BIT(11)
#define XAPIC_ADDRESS	  0xfee00000UL
#define IOAPIC_ADDRESS	  0xfec00000UL
#define APIC_SVR	  0x0f /* registers as numbered by x2APIC: the address is 16 times that */
#define APIC_LVT_TIMER	  0x32
#define APIC_SELF_IPI	  0x3f
#define X2APIC		  0x800
#define SVR_ENABLE	  0x1ff
#define LVT_TSC_DEADLINE  (2U << 17)
#define IA32_TSC_DEADLINE 0x6e0

#define POWER_PORT   0x8900 /* Bochs: 'D' ends the run */
#define SLEEP_ENABLE BIT(13)

struct packed idt_entry {
	u16 offset_low, selector;
	u8 stack, type;
	u16 offset_middle;
	u32 offset_high, reserved;
};

#define GATE_INTERRUPT 0x8e

extern u8 ops_fault[], ops_interrupt_xapic[], ops_interrupt_x2apic[], ops_other[];
extern volatile u64 ops_interrupt_tsc;

void ops_main(void);
void ops_unexpected(void);

static struct idt_entry idt[256];

struct tally {
	const char *name;
	u64 count, least, sum;
};

static u64 readings_cost; /* of two readings with nothing between them */

/* The ticks from one reading of the TSC to the next with `text` between them. */
#define TICKS(text)                                                                                \
	({                                                                                         \
		u32 taken;                                                                         \
		__asm__ volatile("lfence; rdtsc; mov %%eax, %%edi\n\t" text                        \
				 "\n\tlfence; rdtsc; sub %%edi, %%eax"                             \
				 : "=&a"(taken)                                                    \
				 :                                                                 \
				 : "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc");             \
		taken;                                                                             \
	})

#define MEASURE(label, text)                                                                       \
	do {                                                                                       \
		struct tally tally = tally_new(label);                                             \
		for (u32 i = 0; i < ROUNDS; i++)                                                   \
			tally_add(&tally, TICKS(text) - readings_cost);                            \
		tally_print(&tally);                                                               \
	} while (0)

static u64 tsc_read(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static u64 msr_read(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (u64)high << 32 | low;
}

static void msr_write(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static bool cpuid1_has(u32 bit)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & BIT(bit);
}

static struct tally tally_new(const char *name)
{
	return (struct tally){.name = name, .least = ~0UL};
}

static void tally_add(struct tally *tally, u64 ticks)
{
	tally->count++;
	tally->sum += ticks;
	tally->least = MIN(tally->least, ticks);
}

static void tally_print(const struct tally *tally)
{
	serial_print("op %s %lu %lu %lu\r\n", tally->name, tally->count, tally->least,
		     tally->sum / tally->count);
}

static void gate_set(u8 vector, const u8 *entry)
{
	u64 offset = (u64)entry;
	u16 selector;

	__asm__("mov %%cs, %0" : "=r"(selector));
	idt[vector] = (struct idt_entry){
		.offset_low = (u16)offset,
		.selector = selector,
		.type = GATE_INTERRUPT,
		.offset_middle = (u16)(offset >> 16),
	};
}

void ops_unexpected(void)
{
	serial_print("ops: unexpected exception or interrupt\r\n");
}

static void exceptions_setup(void)
{
	struct packed {
		u16 limit;
		u64 base;
	} table = {sizeof(idt) - 1, (u64)idt};

	for (u32 i = 0; i < ARRAY_SIZE(idt); i++)
		gate_set((u8)i, ops_other);
	gate_set(VECTOR_GP, ops_fault);
	__asm__ volatile("lidt %0" : : "m"(table));
}

static void interrupts_to(const u8 *entry)
{
	gate_set(VECTOR_TIMER, entry);
	gate_set(VECTOR_SELF, entry);
}

static void readings_measure(void)
{
	readings_cost = ~0UL;
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 ticks = TICKS("");

		readings_cost = MIN(readings_cost, ticks);
	}
}

static void xcr0_enable(void)
{
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
}

static void measure_instructions(void)
{
	MEASURE("empty", "");
	MEASURE("cpuid_0", "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid");
	if (cpuid1_has(31)) /* under a hypervisor; natively it is #UD */
		MEASURE("vmcall", "mov $1, %%eax; vmcall");
	MEASURE("rdmsr_APIC_BASE", "mov $0x1b, %%ecx; rdmsr");
	MEASURE("rdmsr_MISC_ENABLE", "mov $0x1a0, %%ecx; rdmsr");
	MEASURE("rdmsr_unknown_gp", "mov $0x12345, %%ecx; rdmsr");
	xcr0_enable();
	MEASURE("xsetbv_same", "xor %%ecx, %%ecx; xgetbv; xsetbv");
	MEASURE("wbinvd", "wbinvd");
}

static void measure_ports(void)
{
	MEASURE("pio_in_pic_0x21", "in $0x21, %%al");
	MEASURE("pio_out_0x80", "xor %%eax, %%eax; out %%al, $0x80");
	MEASURE("pio_in_uart_lsr_0x3fd", "mov $0x3fd, %%edx; in %%dx, %%al");
}

/* The I/O APIC's window shows its identification, whatever is written to it. */
static void measure_memory(void)
{
	*(volatile u32 *)IOAPIC_ADDRESS = 0;
	MEASURE("mmio_ioapic_read", "mov $0xfec00010, %%eax; mov (%%rax), %%ecx");
	MEASURE("mmio_ioapic_write", "mov $0xfec00000, %%eax; movl $0, (%%rax)");
	MEASURE("mmio_ioapic_or", "mov $0xfec00000, %%eax; orl $0, (%%rax)");
}

static void measure_xapic(void)
{
	volatile u32 *svr = (volatile u32 *)(XAPIC_ADDRESS + APIC_SVR * 16);

	*svr = SVR_ENABLE;
	interrupts_to(ops_interrupt_xapic);
	MEASURE("xapic_eoi_write_idle", "mov $0xfee000b0, %%eax; movl $0, (%%rax)");
}

/* An interrupt that pends already when the CPU halts. */
static void measure_halt_pending(void)
{
	struct tally tally = tally_new("hlt_irq_already_pending_rt");

	for (u32 i = 0; i < ROUNDS; i++) {
		msr_write(X2APIC + APIC_SELF_IPI, VECTOR_SELF);
		tally_add(&tally, TICKS("sti; hlt; cli") - readings_cost);
	}
	tally_print(&tally);
}

/* Halt until the TSC is `ticks` further: how late the handler starts, and what all of it costs
 * besides. */
static void measure_sleep(u64 ticks)
{
	struct tally late = tally_new("tscdl_late_hlt_d200000");
	struct tally whole = tally_new("tscdl_sleep200000_overhead");

	for (u32 i = 0; i < ROUNDS_SLEEP; i++) {
		u64 start = tsc_read(), deadline = start + ticks;

		msr_write(IA32_TSC_DEADLINE, deadline);
		__asm__ volatile("sti; hlt; cli" : : : "memory");
		tally_add(&whole, tsc_read() - start - ticks);
		tally_add(&late, ops_interrupt_tsc - deadline);
	}
	tally_print(&late);
	tally_print(&whole);
}

static void measure_x2apic(void)
{
	msr_write(IA32_APIC_BASE, msr_read(IA32_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	interrupts_to(ops_interrupt_x2apic);
	msr_write(X2APIC + APIC_SVR, SVR_ENABLE);
	MEASURE("x2apic_eoi_write_idle", "mov $0x80b, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; "
					 "wrmsr");
	measure_halt_pending();
	if (!cpuid1_has(24))
		return;
	msr_write(X2APIC + APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
	MEASURE("tscdl_arm_far", "rdtsc; shl $32, %%rdx; or %%rdx, %%rax; add $1000000000, %%rax; "
				 "mov %%rax, %%rdx; shr $32, %%rdx; mov $0x6e0, %%ecx; wrmsr");
	MEASURE("tscdl_disarm", "mov $0x6e0, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr");
	measure_sleep(200000);
}

/* 'D' ends a Bochs run, and is nothing to a partition, which powers off by ACPI. */
static void power_off(void)
{
	serial_print("ops: done\r\n");
	serial_drain();
	port_write8(POWER_PORT, 'D');
	port_write16(ACPI_PM1_CONTROL, (u16)(ACPI_S5_TYPE << 10 | SLEEP_ENABLE));
}

void ops_main(void)
{
	serial_init();
	exceptions_setup();
	port_write8(0x21, 0xff);
	port_write8(0xa1, 0xff);
	readings_measure();
	measure_instructions();
	measure_ports();
	measure_memory();
	measure_xapic();
	measure_x2apic();
	power_off();
}
