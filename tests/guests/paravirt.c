/* SPDX-License-Identifier: MIT */
/*
 * KVM's dialect as a guest speaks it: its clock, and interrupts, wake-ups and EOIs without an APIC
 * register (Linux: Documentation/virt/kvm/x86).
 */
#include "apic.h"

#define MSR_TSC_ADJUST 0x3b
#define MSR_WALL_CLOCK 0x4b564d00U
#define MSR_CLOCK      0x4b564d01U
#define MSR_EOI	       0x4b564d04U
#define FEATURE_EOI    BIT(6)
#define CALL_KICK      5
#define CALL_SEND_IPI  10

#define VECTOR_LOW  0x40
#define VECTOR_HIGH 0x80

#define ROUNDS 1000

static struct {
	u32 version, zero;
	u64 tsc, ns;
	u32 multiplier;
	signed char shift;
	u8 flags, rest[2];
} clock aligned(4);

static struct {
	u32 version, seconds, ns;
} wall_clock aligned(4);

static volatile u32 eoi_word;
static volatile u32 taken, without_eoi;
static bool eoi_in_memory;

static u64 hypercall(u64 number, u64 a0, u64 a1, u64 a2, u64 a3)
{
	u64 result = number;

	__asm__ volatile("vmcall" : "+a"(result) : "b"(a0), "c"(a1), "d"(a2), "S"(a3) : "memory");
	return result;
}

/* --- the clock --- */

static u64 clock_ns(void)
{
	u64 delta = tsc_read() - *(volatile u64 *)&clock.tsc, low, high;

	delta = clock.shift < 0 ? delta >> -clock.shift : delta << clock.shift;
	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(delta), "r"((u64)clock.multiplier));
	return clock.ns + (high << 32 | low >> 32);
}

static void clock_check(void)
{
	u64 before, after, between;

	msr_write(MSR_CLOCK, (u64)&clock | 1);
	check(clock.version == 2, "the clock's record is there, version %u", clock.version);
	check(clock.flags == 1, "it is stable");
	before = clock_ns();
	between = tsc_to_us(tsc_read()) * 1000;
	after = clock_ns();
	check(before / 1000 <= between / 1000 + 1 && between / 1000 <= after / 1000 + 1,
	      "its time is the TSC's: %lu <= %lu <= %lu ns", before, between, after);
	msr_write(MSR_TSC_ADJUST, us_to_tsc(5000000));
	after = clock_ns();
	check(clock.version == 4, "it is told anew when the TSC moves");
	check(after - before < 1000000000, "and goes on: %lu ns later", after - before);
	msr_write(MSR_TSC_ADJUST, 0);
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 now = clock_ns();

		if (now < after)
			check(false, "it goes back, from %lu to %lu ns", after, now);
		after = now;
	}
	msr_write(MSR_CLOCK, 0);
	msr_write(MSR_WALL_CLOCK, (u64)&wall_clock);
	check(wall_clock.version == 2 && wall_clock.ns < 1000000000, "time of day at its start: %u",
	      wall_clock.seconds);
}

/* --- interrupts --- */

static void end_interrupt(void)
{
	u32 word = __atomic_exchange_n(&eoi_word, 0, __ATOMIC_SEQ_CST);

	taken++;
	if (word & 1)
		without_eoi++;
	else
		apic_eoi();
}

static void handler(struct frame *frame unused)
{
	end_interrupt();
}

/* With interrupts off. So many are taken, and so many of them ended in memory where that is there.
 */
static void expect_taken(u32 count, u32 in_memory, const char *what)
{
	taken = without_eoi = 0;
	take_interrupts();
	check(taken == count, "%s: %u interrupts", what, taken);
	check(without_eoi == (eoi_in_memory ? in_memory : 0), "%s: %u ended in memory", what,
	      without_eoi);
	check(!apic_bit(APIC_ISR, VECTOR_LOW) && !apic_bit(APIC_ISR, VECTOR_HIGH),
	      "%s: none is in service", what);
}

static void send(u64 vector)
{
	u64 sent = hypercall(CALL_SEND_IPI, 1, 0, 0, vector);

	check(sent == 1, "an IPI to APIC 0, %lu sent", sent);
}

static void interrupts_check(void)
{
	handler_set(VECTOR_LOW, handler);
	handler_set(VECTOR_HIGH, handler);
	send(VECTOR_LOW);
	expect_taken(1, 1, "one");
	send(VECTOR_HIGH);
	expect_taken(1, 1, "another");
	/* The second waits for the end of the first one, so that must be told. */
	send(VECTOR_LOW);
	send(VECTOR_HIGH);
	expect_taken(2, 1, "two");
	apic_send_self(VECTOR_LOW);
	expect_taken(1, 1, "by the APIC");
	check(hypercall(CALL_SEND_IPI, 6, 0, 0, VECTOR_LOW) == 0, "there is no other APIC");
	expect_taken(0, 0, "nobody else");
}

static void eoi_check(void)
{
	eoi_in_memory = cpuid(0x40000001, 0).eax & FEATURE_EOI;
	print("EOI %s\n", eoi_in_memory ? "in memory" : "by the APIC alone");
	if (eoi_in_memory)
		msr_write(MSR_EOI, (u64)&eoi_word | 1);
	else
		check(msr_try_write(MSR_EOI, (u64)&eoi_word | 1) == VECTOR_GP,
		      "it cannot be had in memory");
	interrupts_check();
	if (!eoi_in_memory)
		return;
	msr_write(MSR_EOI, 0);
	eoi_in_memory = false;
	interrupts_check();
}

/* With interrupts masked nothing else would end a halt. */
static void kick_check(void)
{
	check(hypercall(CALL_KICK, 0, 0, 0, 0) == 0, "a wake-up before a halt");
	__asm__ volatile("cli; hlt" ::: "memory");
	check(true, "ends it");
}

void guest_main(void)
{
	apic_setup();
	clock_check();
	eoi_check();
	kick_check();
	checks_end("paravirt");
}
