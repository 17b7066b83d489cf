/* SPDX-License-Identifier: MIT */
/* The local APIC in both of its modes, and its timer. */
#include "ops.h"

#define ROUNDS_SOME  200
#define ROUNDS_FEW   100
#define ROUNDS_LEAST 50

#define IA32_APIC_BASE	  0x1b
#define APIC_BASE_X2APIC  BIT(10)
#define APIC_BASE_ENABLE  BIT(11)
#define XAPIC_ADDRESS	  0xfee00000UL
#define APIC_SVR	  0x0f /* registers as numbered by x2APIC: the address is 16 times that */
#define APIC_ICR	  0x30
#define APIC_LVT_TIMER	  0x32
#define APIC_TIMER_START  0x38
#define APIC_TIMER_DIVIDE 0x3e
#define X2APIC		  0x800
#define SVR_ENABLE	  0x1ff
#define ICR_SELF	  0x44000 /* fixed, asserted, to itself */
#define LVT_MASKED	  (1U << 16)
#define LVT_TSC_DEADLINE  (2U << 17)
#define DIVIDE_BY_1	  0xb
#define IA32_TSC_DEADLINE 0x6e0

#define ONESHOT_TICKS 100000

static bool is_x2;

static void apic_write(u32 reg, u32 value)
{
	if (is_x2)
		msr_write(X2APIC + reg, value);
	else
		*(volatile u32 *)(XAPIC_ADDRESS + 16UL * reg) = value;
}

static void interrupts_to(const u8 *entry)
{
	gate_set(VECTOR_TIMER, entry);
	gate_set(VECTOR_SELF, entry);
}

static void wait_interrupt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	ops_interrupt_seen = 0;
}

static void spin_interrupt(void)
{
	__asm__ volatile("sti" UNTIL_INTERRUPT "\n\tcli" : : : "memory", "cc");
}

void measure_xapic(void)
{
	apic_write(APIC_SVR, SVR_ENABLE);
	interrupts_to(ops_interrupt_xapic);
	MEASURE("xapic_tpr_write", "mov $0xfee00080, %%eax; movl $0, (%%rax)");
	MEASURE("xapic_tpr_read", "mov $0xfee00080, %%eax; mov (%%rax), %%ecx");
	MEASURE("xapic_id_read", "mov $0xfee00020, %%eax; mov (%%rax), %%ecx");
	MEASURE("xapic_eoi_write_idle", "mov $0xfee000b0, %%eax; movl $0, (%%rax)");
	MEASURE("xapic_lvt_write", "mov $0xfee00360, %%eax; movl $0x10000, (%%rax)");
	MEASURE("xapic_curcount_read", "mov $0xfee00390, %%eax; mov (%%rax), %%ecx");
#define XAPIC_SELF "sti; mov $0xfee00300, %%eax; movl $0x44041, (%%rax)" UNTIL_INTERRUPT "\n\tcli"
	MEASURE_ROUNDS("xapic_selfipi_to_isr", ROUNDS, TICKS_INTERRUPT(XAPIC_SELF));
	MEASURE("xapic_selfipi_roundtrip_eoi", XAPIC_SELF);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	MEASURE("xapic_timer_arm_oneshot", "mov $0xfee00380, %%eax; movl $1000000000, (%%rax)");
	apic_write(APIC_TIMER_START, 0);
	if (!cpuid1_has(CPUID_1_ECX_X2APIC))
		measure_deadline();
}

#define X2APIC_WRITE(reg, value)                                                                   \
	"mov $" reg ", %%ecx; mov $" value ", %%eax; xor %%edx, %%edx; wrmsr"

void measure_x2apic(void)
{
	if (!cpuid1_has(CPUID_1_ECX_X2APIC))
		return;
	msr_write(IA32_APIC_BASE, msr_read(IA32_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	is_x2 = true;
	interrupts_to(ops_interrupt_x2apic);
	apic_write(APIC_SVR, SVR_ENABLE);
	MEASURE("x2apic_tpr_write", X2APIC_WRITE("0x808", "0"));
	MEASURE("x2apic_tpr_read", "mov $0x808, %%ecx; rdmsr");
	MEASURE("x2apic_id_read", "mov $0x802, %%ecx; rdmsr");
	MEASURE("x2apic_eoi_write_idle", X2APIC_WRITE("0x80b", "0"));
	MEASURE("x2apic_curcount_read", "mov $0x839, %%ecx; rdmsr");
	MEASURE("x2apic_lvt_write", X2APIC_WRITE("0x836", "0x10000"));
#define X2APIC_ICR  "sti; " X2APIC_WRITE("0x830", "0x44041") UNTIL_INTERRUPT "\n\tcli"
#define X2APIC_SELF "sti; " X2APIC_WRITE("0x83f", "0x41") UNTIL_INTERRUPT "\n\tcli"
	MEASURE_ROUNDS("x2apic_selfipi_icr_to_isr", ROUNDS, TICKS_INTERRUPT(X2APIC_ICR));
	MEASURE("x2apic_selfipi_icr_rt_eoi", X2APIC_ICR);
	MEASURE("x2apic_selfipi_msr83f_rt_eoi", X2APIC_SELF);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	MEASURE("x2apic_timer_arm_oneshot", X2APIC_WRITE("0x838", "1000000000"));
	apic_write(APIC_TIMER_START, 0);
	measure_deadline();
}

/* An interrupt that pends already when the CPU halts. */
static void measure_halt_pending(void)
{
	struct tally tally = tally_new("hlt_irq_already_pending_rt");

	for (u32 i = 0; i < ROUNDS; i++) {
		apic_write(APIC_ICR, ICR_SELF | VECTOR_SELF);
		tally_add(&tally, TICKS("sti; hlt; cli") - readings_cost);
	}
	tally_print(&tally);
	ops_interrupt_seen = 0;
}

/* From the deadline, `ticks` in the future, to the handler. */
static void measure_late(const char *name, u32 rounds, u64 ticks, void (*wait)(void))
{
	struct tally late = tally_new(name);

	for (u32 i = 0; i < rounds; i++) {
		u64 deadline = tsc_read() + ticks;

		msr_write(IA32_TSC_DEADLINE, deadline);
		wait();
		tally_add(&late, ops_interrupt_tsc - deadline);
	}
	tally_print(&late);
}

/* All that a sleep costs besides its length. */
static void measure_sleep(u64 ticks)
{
	struct tally whole = tally_new("tscdl_sleep200000_overhead");

	for (u32 i = 0; i < ROUNDS_FEW; i++) {
		u64 start = tsc_read();

		msr_write(IA32_TSC_DEADLINE, start + ticks);
		wait_interrupt();
		tally_add(&whole, tsc_read() - start - ticks);
	}
	tally_print(&whole);
}

/* Counted by the timer itself, at its own rate. */
static void measure_oneshot(void)
{
	struct tally tally = tally_new("lapic_oneshot100000_to_isr_abs");

	apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
	for (u32 i = 0; i < ROUNDS_FEW; i++) {
		u64 start = tsc_read();

		apic_write(APIC_TIMER_START, ONESHOT_TICKS);
		wait_interrupt();
		tally_add(&tally, ops_interrupt_tsc - start);
	}
	tally_print(&tally);
}

void measure_deadline(void)
{
	measure_halt_pending();
	measure_oneshot();
	if (!cpuid1_has(CPUID_1_ECX_DEADLINE))
		return;
	apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
	__asm__ volatile("mfence" : : : "memory"); /* SDM vol. 3, 11.5.4.1 */
	MEASURE("tscdl_arm_far", "rdtsc; shl $32, %%rdx; or %%rdx, %%rax; add $1000000000, %%rax; "
				 "mov %%rax, %%rdx; shr $32, %%rdx; mov $0x6e0, %%ecx; wrmsr");
	MEASURE("tscdl_disarm", "mov $0x6e0, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr");
	measure_late("tscdl_late_busy_d50000", ROUNDS_SOME, 50000, spin_interrupt);
	measure_late("tscdl_late_busy_d500000", ROUNDS_FEW, 500000, spin_interrupt);
	measure_late("tscdl_late_past_d0", ROUNDS_SOME, 0, spin_interrupt);
	measure_late("tscdl_late_hlt_d15000", ROUNDS_SOME, 15000, wait_interrupt);
	measure_late("tscdl_late_hlt_d200000", ROUNDS_SOME, 200000, wait_interrupt);
	measure_late("tscdl_late_hlt_d2000000", ROUNDS_LEAST, 2000000, wait_interrupt);
	measure_sleep(200000);
}
