/* SPDX-License-Identifier: MIT */
/* The physical local APIC in either mode, its timer, and the I/O APICs. */
#include "apic.h"

#include "arch_cpu.h"
#include "instructions.h"
#include "interrupt.h"
#include "memory.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>
#include <bulkhead/memory.h>

#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_X2APIC BIT(10)

enum apic_register {
	APIC_ID = 0x20,
	APIC_VERSION = 0x30,
	APIC_TPR = 0x80,
	APIC_EOI = 0xb0,
	APIC_LDR = 0xd0,
	APIC_SVR = 0xf0,
	APIC_ISR = 0x100,
	APIC_ESR = 0x280,
	APIC_LVT_CMCI = 0x2f0,
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_THERMAL = 0x330,
	APIC_LVT_PERF = 0x340,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
	X2APIC_SELF_IPI = 0x3f0,
};

#define LVT_MASKED	 BIT(16)
#define LVT_TSC_DEADLINE (2u << 17)
#define LVT_NMI		 (4u << 8)
#define ICR_INIT	 (5u << 8)
#define ICR_STARTUP	 (6u << 8)
#define ICR_NMI		 (4u << 8)
#define ICR_ASSERT	 BIT(14)
#define ICR_SELF	 (1u << 18)
#define ICR_BUSY	 BIT(12)
#define DIVIDE_BY_1	 0xb

#define IOAPIC_MAX 16

/* The same on every CPU. The timer rate as TSC ticks per 2^32 APIC ticks. */
static volatile u32 *xapic; /* register page, when not in x2APIC mode */
static bool tsc_deadline;
static u64 timer_rate;

static struct ioapic {
	volatile u32 *window;
	u32 gsi_base, inputs;
} ioapics[IOAPIC_MAX];
static u32 ioapic_count;
static const struct boot_info *board;

static bool x2apic(void)
{
	return cpu_this()->arch->x2apic;
}

static u32 apic_read(u32 offset)
{
	return x2apic() ? (u32)msr_read(IA32_X2APIC_BASE + offset / 16) : xapic[offset / 4];
}

static void apic_write(u32 offset, u32 value)
{
	if (x2apic())
		msr_write(IA32_X2APIC_BASE + offset / 16, value);
	else
		xapic[offset / 4] = value;
}

/*
 * Enable the APIC in the best mode. Firmware may have left it in x2APIC mode, from which there is
 * no way back but through disabling, so that mode is kept.
 */
static void apic_enable(struct arch_cpu *arch)
{
	u64 base = msr_read(IA32_APIC_BASE);

	msr_write(IA32_APIC_BASE, base | APIC_BASE_ENABLE);
	arch->x2apic = cpuid(1, 0).ecx & BIT(21);
	if (arch->x2apic)
		msr_write(IA32_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	else if (!xapic)
		xapic = memory_map_io(base & BITS(51, 12), PAGE_SIZE, PAGE_READ | PAGE_WRITE,
				      MEMORY_UC);
	if (!arch->x2apic && !xapic)
		panic("no memory to map the local APIC");
}

/* Whatever firmware left in service would hold back all that is not above it. */
static void drop_in_service(void)
{
	for (u32 rounds = 0; rounds < 256; rounds++) {
		u32 any = 0;

		for (u32 i = 0; i < 8; i++)
			any |= apic_read(APIC_ISR + 16 * i);
		if (!any)
			return;
		apic_write(APIC_EOI, 0);
	}
}

void apic_init(void)
{
	static const u32 masked[] = {APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_ERROR, APIC_LVT_PERF,
				     APIC_LVT_THERMAL};
	struct arch_cpu *arch = cpu_this()->arch;

	apic_enable(arch);
	apic_write(APIC_SVR, 0x100 | VECTOR_SPURIOUS);
	drop_in_service();
	for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
		apic_write(masked[i], LVT_MASKED | VECTOR_SPURIOUS);
	if ((apic_read(APIC_VERSION) >> 16 & 0xff) >= 6)
		apic_write(APIC_LVT_CMCI, LVT_MASKED | VECTOR_SPURIOUS);
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_TPR, 0);
	arch->apic_id = apic_id();
	cpu_this()->apic_id = arch->apic_id;

	tsc_deadline = cpuid(1, 0).ecx & BIT(24);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, tsc_deadline ? LVT_TSC_DEADLINE | VECTOR_TIMER : VECTOR_TIMER);
	/* The mode must have arrived before the first deadline (SDM vol. 3, 11.5.4.1). */
	__asm__ volatile("mfence" ::: "memory");
}

u32 apic_id(void)
{
	return x2apic() ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_timer_calibrate(void)
{
	u64 start, ticks;
	u32 counted;

	if (x2apic())
		interrupt_timer_x2apic_use();
	if (tsc_deadline)
		return;
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	start = tsc_read();
	apic_write(APIC_TIMER_INITIAL, 0xffffffff);
	while ((ticks = tsc_read() - start) < arch_tsc_hz() / 100)
		arch_relax();
	counted = 0xffffffff - apic_read(APIC_TIMER_CURRENT);
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
	if (!counted)
		panic("the local APIC's timer does not count");
	timer_rate = mul_div(ticks, 1UL << 32, counted);
	log_debug("local APIC timer: %lu kHz", mul_div(arch_tsc_hz(), counted, ticks) / 1000);
}

void apic_timer_set(u64 deadline)
{
	u64 now, counts;

	if (tsc_deadline) {
		msr_write(IA32_TSC_DEADLINE, deadline == ~0UL ? 0 : MAX(deadline, 1UL));
		return;
	}
	if (deadline == ~0UL) {
		apic_write(APIC_TIMER_INITIAL, 0);
		return;
	}
	now = tsc_read();
	/* Far deadlines are reached in several steps: whoever armed looks at the clock again. */
	counts = deadline > now ? MIN(deadline - now, arch_tsc_hz()) : 0;
	counts = MIN(mul_div(counts, 1UL << 32, timer_rate) + 1, 0xffffffffUL);
	apic_write(APIC_TIMER_INITIAL, (u32)counts);
}

void arch_timer_arm(u64 deadline)
{
	apic_timer_set(deadline);
}

static void icr_wait(void)
{
	while (xapic[APIC_ICR_LOW / 4] & ICR_BUSY)
		arch_relax();
}

static void icr_write(u32 destination, u32 command)
{
	if (x2apic()) {
		/* Unlike an xAPIC store this MSR write is not ordered behind earlier stores (SDM
		 * vol. 3, 11.12.3), which the receiver is to see. */
		__asm__ volatile("mfence; lfence" ::: "memory");
		msr_write(IA32_X2APIC_BASE + APIC_ICR_LOW / 16, (u64)destination << 32 | command);
		return;
	}
	u64 flags = arch_irq_save();

	icr_wait();
	xapic[APIC_ICR_HIGH / 4] = destination << 24;
	xapic[APIC_ICR_LOW / 4] = command;
	arch_irq_restore(flags);
}

/* Whoever was interrupted finds the ICR as it was left: idle, with its destination. */
void apic_send_self(u8 vector)
{
	if (x2apic()) {
		msr_write(IA32_X2APIC_BASE + X2APIC_SELF_IPI / 16, vector);
		return;
	}
	icr_wait();
	xapic[APIC_ICR_LOW / 4] = ICR_SELF | ICR_ASSERT | vector;
	icr_wait();
}

void apic_send_nmi(u32 destination)
{
	icr_write(destination, ICR_ASSERT | ICR_NMI);
}

void apic_send_init(u32 destination)
{
	icr_write(destination, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(u32 destination, u8 page)
{
	icr_write(destination, ICR_ASSERT | ICR_STARTUP | page);
}

static u32 ioapic_read(const struct ioapic *ioapic, u32 index)
{
	ioapic->window[0] = index;
	return ioapic->window[4];
}

static void ioapic_write(const struct ioapic *ioapic, u32 index, u32 value)
{
	ioapic->window[0] = index;
	ioapic->window[4] = value;
}

static void ioapic_add(const struct boot_ioapic *from)
{
	struct ioapic *ioapic = &ioapics[ioapic_count];

	if (ioapic_count == IOAPIC_MAX) {
		log_warn("more than %d I/O APICs: 0x%lx is left alone", IOAPIC_MAX, from->address);
		return;
	}
	ioapic->window = memory_map_io(from->address, 0x20, PAGE_READ | PAGE_WRITE, MEMORY_UC);
	if (!ioapic->window)
		panic("no memory to map the I/O APIC");
	ioapic->gsi_base = from->gsi_base;
	ioapic->inputs = (ioapic_read(ioapic, 1) >> 16 & 0xff) + 1;
	for (u32 i = 0; i < ioapic->inputs; i++)
		ioapic_write(ioapic, 0x10 + 2 * i, (u32)LVT_MASKED);
	ioapic_count++;
}

void apic_init_board(const struct boot_info *info)
{
	const struct boot_ioapic *from = memory_boot(info->ioapics);

	board = info;
	port_write8(0x21, 0xff);
	port_write8(0xa1, 0xff);
	for (u32 i = 0; i < info->ioapic_count; i++)
		ioapic_add(&from[i]);
}

/* NMIs know no level (SDM vol. 3, 11.5.1): a line that the board calls so has its edges as well. */
int apic_route_isa_nmi(unsigned irq)
{
	const struct boot_irq_override *override = memory_boot(board->irq_overrides);
	u32 gsi = irq, entry = LVT_NMI;

	for (u32 i = 0; i < board->irq_override_count; i++) {
		if (override[i].irq != irq)
			continue;
		gsi = override[i].gsi;
		if ((override[i].flags & 3) == 3)
			entry |= 1u << 13; /* active low */
	}
	for (u32 i = 0; i < ioapic_count; i++) {
		const struct ioapic *ioapic = &ioapics[i];
		u32 pin = gsi - ioapic->gsi_base;

		if (gsi < ioapic->gsi_base || pin >= ioapic->inputs)
			continue;
		/* The destination of an I/O APIC entry has 8 bits. */
		ioapic_write(ioapic, 0x11 + 2 * pin, (cpu_this()->apic_id & 0xff) << 24);
		ioapic_write(ioapic, 0x10 + 2 * pin, entry);
		return 0;
	}
	return -ENODEV;
}
