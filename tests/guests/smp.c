/* SPDX-License-Identifier: MIT */
/* Several vCPUs: started by INIT and STARTUP, they count, and interrupt each other in every way. */
#include "apic.h"

#include <bulkhead/string.h>

#define VCPUS_MAX    64
#define PAGE	     0x8000UL
#define WAIT_US	     2000000
#define COUNT_US     60000
#define RING_ROUNDS  20
#define LOWEST_SENT  16
#define VECTOR_RING  0x41
#define VECTOR_NOTE  0x42
#define VECTOR_WAKE  0x43
#define VECTOR_NMI   2
#define ICR_LOWEST   0x100u
#define ICR_NMI	     0x400u
#define ICR_INIT     0x500u
#define ICR_STARTUP  0x600u
#define ICR_DEASSERT 0x8500u /* INIT, level-triggered */
#define DFR_FLAT     0xffffffffu
#define DFR_CLUSTER  0x0fffffffu

enum order { REST, COUNT, READ_TSC, X2APIC, CLUSTERS, FLAT, SEND_NMI };

/* Of each vCPU, by APIC id. */
static struct {
	volatile u32 starts, notes, done; /* done: number of orders carried out */
	volatile u64 counted;
	volatile u32 cpuid_id;
	volatile u64 tsc;
} vcpus[VCPUS_MAX];

static u32 count;
static volatile u32 order, orders, ring_left, nmis;
static volatile bool counting;

extern const u8 smp_begin[], smp_end[];
extern u64 smp_cr3, smp_gdt[2];
void smp_main(void);

static u32 id_now(void)
{
	/* Others may have changed over to the other mode already. */
	if (msr_read(MSR_APIC_BASE) & BASE_X2APIC)
		return (u32)msr_read(MSR_X2APIC(APIC_ID));
	return *apic_register(APIC_ID) >> 24;
}

static void ring_passed(struct frame *frame)
{
	u32 id = id_now();

	(void)frame;
	vcpus[id].notes++;
	if (ring_left) {
		ring_left--;
		apic_send((id + 1) % count, ICR_ASSERT | VECTOR_RING);
	}
	apic_eoi();
}

static void noted(struct frame *frame)
{
	(void)frame;
	vcpus[id_now()].notes++;
	apic_eoi();
}

static void woken(struct frame *frame)
{
	(void)frame;
	apic_eoi();
}

static void nmi_came(struct frame *frame)
{
	if (frame->vector == VECTOR_NMI)
		nmis++;
}

/* --- the others --- */

static void clusters_set(u32 id, bool clusters)
{
	if (apic_is_x2)
		return; /* its logical id follows from its id */
	apic_write(APIC_DFR, clusters ? DFR_CLUSTER : DFR_FLAT);
	apic_write(APIC_LDR, clusters ? (id / 4 << 4 | 1u << id % 4) << 24 : 1u << (24 + id % 8));
}

static void carry_out(u32 id)
{
	switch (order) {
	case COUNT:
		while (counting)
			vcpus[id].counted++;
		break;
	case READ_TSC:
		vcpus[id].tsc = tsc_read();
		break;
	case X2APIC:
		msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | BASE_X2APIC);
		break;
	case CLUSTERS:
	case FLAT:
		clusters_set(id, order == CLUSTERS);
		break;
	case SEND_NMI:
		if (id == 1)
			apic_send(0, ICR_ASSERT | ICR_NMI);
		break;
	default:
		break;
	}
}

void smp_main(void)
{
	u32 id = id_now(), seen = orders;

	interrupt_table_load();
	apic_setup();
	clusters_set(id, false);
	vcpus[id].cpuid_id = cpuid(1, 0).ebx >> 24;
	vcpus[id].starts++;
	for (;;) {
		while (seen == orders)
			wait_interrupt();
		seen = orders;
		carry_out(id);
		vcpus[id].done = seen;
	}
}

/* --- the first one --- */

static bool wait_until(bool (*is)(u32 value), u32 value)
{
	u64 end = tsc_read() + us_to_tsc(WAIT_US);

	while (!is(value)) {
		take_interrupts();
		__asm__ volatile("pause");
		if (tsc_read() > end)
			return false;
	}
	return true;
}

static bool all_started(u32 starts)
{
	for (u32 i = 1; i < count; i++)
		if (vcpus[i].starts != starts)
			return false;
	return true;
}

static bool all_done(u32 number)
{
	for (u32 i = 1; i < count; i++)
		if (vcpus[i].done != number)
			return false;
	return true;
}

static void give_order(enum order what)
{
	order = what;
	orders++;
	apic_send(0, ICR_OTHERS | ICR_ASSERT | VECTOR_WAKE);
}

static bool have_done(enum order what)
{
	give_order(what);
	return wait_until(all_done, orders);
}

static void pass_time(u64 us)
{
	u64 end = tsc_read() + us_to_tsc(us);

	while (tsc_read() < end)
		take_interrupts();
}

static void trampoline_setup(void)
{
	__asm__ volatile("mov %%cr3, %0" : "=r"(smp_cr3));
	__asm__ volatile("sgdt %0" : "=m"(smp_gdt));
	memcpy((void *)PAGE, smp_begin, (u64)smp_end - (u64)smp_begin);
}

static void start_try(void)
{
	apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
	apic_send(0, ICR_OTHERS | ICR_DEASSERT);
	pass_time(1000);
	check(all_started(0), "none begins without a STARTUP");
	apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | PAGE >> 12);
	apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | PAGE >> 12);
	check(wait_until(all_started, 1), "all %u begin, once", count - 1);
	for (u32 i = 1; i < count; i++)
		check(vcpus[i].cpuid_id == i, "CPUID tells vCPU %u its id", i);
}

static void count_try(const char *mode)
{
	bool all = true;

	for (u32 i = 1; i < count; i++)
		vcpus[i].counted = 0;
	counting = true;
	give_order(COUNT);
	pass_time(COUNT_US);
	counting = false;
	check(wait_until(all_done, orders), "%s: all stop counting", mode);
	for (u32 i = 1; i < count; i++)
		all = all && vcpus[i].counted;
	check(all, "%s: all have counted", mode);
}

static void clock_try(void)
{
	u64 before = tsc_read(), after;
	bool all = have_done(READ_TSC);

	after = tsc_read();
	for (u32 i = 1; i < count; i++)
		all = all && vcpus[i].tsc > before && vcpus[i].tsc < after;
	check(all, "one clock for all");
}

static void notes_clear(void)
{
	for (u32 i = 0; i < count; i++)
		vcpus[i].notes = 0;
}

static u32 notes_sum(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < count; i++)
		sum += vcpus[i].notes;
	return sum;
}

static bool notes_are(u32 sum)
{
	return notes_sum() == sum;
}

static void ring_try(const char *mode)
{
	bool even = true;

	notes_clear();
	ring_left = RING_ROUNDS * count - 1;
	apic_send(1, ICR_ASSERT | VECTOR_RING);
	check(wait_until(notes_are, RING_ROUNDS * count), "%s: an IPI goes round and round", mode);
	for (u32 i = 0; i < count; i++)
		even = even && vcpus[i].notes == RING_ROUNDS;
	check(even, "%s: through every vCPU", mode);
}

static u32 bits_count(u64 bits)
{
	u32 sum = 0;

	for (; bits; bits &= bits - 1)
		sum++;
	return sum;
}

/* Sent so, a message is for these; bit i stands for vCPU i. */
static void reach(const char *mode, u32 destination, u32 icr, u64 expected, const char *what)
{
	u64 reached = 0;

	notes_clear();
	apic_send(destination, icr | ICR_ASSERT | VECTOR_NOTE);
	wait_until(notes_are, bits_count(expected));
	pass_time(1000);
	for (u32 i = 0; i < count; i++)
		reached |= vcpus[i].notes == 1 ? BIT(i) : vcpus[i].notes ? BIT(63) : 0;
	check(reached == expected, "%s: %s", mode, what);
}

static void destinations_try(const char *mode)
{
	u64 all = BITS(count - 1, 0);
	u32 broadcast = apic_is_x2 ? 0xffffffff : 0xff;

	reach(mode, 1, 0, BIT(1), "to one by its id");
	reach(mode, count, 0, 0, "to an id that nobody has");
	reach(mode, broadcast, 0, all, "to all by id");
	reach(mode, 0, ICR_ALL, all, "to all");
	reach(mode, 0, ICR_OTHERS, all & ~1UL, "to all others");
	reach(mode, 0, ICR_SELF, 1, "to itself");
	reach(mode, 2, ICR_LOGICAL, 2, "to one by its logical id");
	reach(mode, 3, ICR_LOGICAL, 3, "to two by their logical ids");
	reach(mode, broadcast, ICR_LOGICAL, all, "to all logically");
}

static void clusters_try(void)
{
	check(have_done(CLUSTERS), "clusters are set up");
	clusters_set(0, true);
	reach("cluster", 0x02, ICR_LOGICAL, 2, "to one of cluster 0");
	reach("cluster", 0x03, ICR_LOGICAL, 3, "to two of cluster 0");
	reach("cluster", 0x31, ICR_LOGICAL, 0, "to a cluster that is not there");
	reach("cluster", 0xf1, ICR_LOGICAL, 1, "to the first of every cluster");
	check(have_done(FLAT), "and flat again");
	clusters_set(0, false);
}

/* Each goes to one, and not to the same always. */
static void lowest_try(const char *mode)
{
	u32 with = 0;

	notes_clear();
	for (u32 i = 1; i <= LOWEST_SENT; i++) {
		apic_send(3, ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT | VECTOR_NOTE);
		wait_until(notes_are, i);
	}
	pass_time(1000);
	for (u32 i = 0; i < count; i++)
		with += vcpus[i].notes > 0;
	check(notes_sum() == LOWEST_SENT, "%s: lowest priority: each has one receiver", mode);
	check(with == 2, "%s: lowest priority: they take turns", mode);
}

static void nmi_try(const char *mode)
{
	nmis = 0;
	exception_handler = nmi_came;
	check(have_done(SEND_NMI), "%s: an NMI is sent", mode);
	pass_time(1000);
	exception_handler = NULL;
	check(nmis == 1, "%s: and comes", mode);
}

static bool last_started(u32 starts)
{
	return vcpus[count - 1].starts == starts;
}

/* The last one is put away, and comes again. */
static void init_try(const char *mode)
{
	u32 last = count - 1, starts = vcpus[last].starts;

	apic_send(last, ICR_ASSERT | ICR_STARTUP | PAGE >> 12);
	pass_time(1000);
	check(vcpus[last].starts == starts, "%s: a STARTUP to one that runs is ignored", mode);
	apic_send(last, ICR_ASSERT | ICR_INIT);
	pass_time(1000);
	reach(mode, last, 0, 0, "one that waits takes no interrupt");
	apic_send(last, ICR_ASSERT | ICR_STARTUP | PAGE >> 12);
	check(wait_until(last_started, starts + 1), "%s: it begins again", mode);
	reach(mode, last, 0, BIT(last), "and takes interrupts again");
}

static void mode_try(const char *mode)
{
	count_try(mode);
	ring_try(mode);
	destinations_try(mode);
	lowest_try(mode);
	nmi_try(mode);
	init_try(mode);
}

static void x2apic_enter(void)
{
	check(have_done(X2APIC), "all change over to x2APIC mode");
	carry_out(0);
	apic_is_x2 = true;
}

void guest_main(void)
{
	count = cpuid(0xb, 1).ebx & 0xffff;
	if (count < 2 || count > VCPUS_MAX) {
		print("FAIL CPUID tells of %u vCPUs\n", count);
		return;
	}
	handler_set(VECTOR_RING, ring_passed);
	handler_set(VECTOR_NOTE, noted);
	handler_set(VECTOR_WAKE, woken);
	apic_setup();
	clusters_set(0, false);
	trampoline_setup();
	start_try();
	clock_try();
	mode_try("xapic");
	clusters_try();
	if (cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC) {
		x2apic_enter();
		mode_try("x2apic");
	}
	checks_end("smp");
}
