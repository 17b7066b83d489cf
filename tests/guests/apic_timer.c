/* SPDX-License-Identifier: MIT */
/* The apic payload: the timer in its three modes (SDM vol. 3, 11.5.4), and waking up from HLT. */
#include "apic_test.h"

#define VECTOR 0x71
/* Never early; late by less than others may have the CPU for. */
#define LATE_US 20000

static u64 started;

/* A TSC of the moment at which the single interrupt came, in us since `started`. */
static bool came_at(u64 due_us)
{
	u64 due = us_to_tsc(due_us), after = taken_at - started;

	/* The timer counts whole ticks: one less than exact is still in time. */
	if (taken_count && after + 2 >= due && after < due + us_to_tsc(LATE_US))
		return true;
	print("  %u interrupts, the last %lu us after the start\n", taken_count,
	      taken_count ? tsc_to_us(after) : 0);
	return false;
}

static u32 count_for(u64 us, u32 divisor)
{
	return (u32)(mul_div(us, crystal_hz(), 1000000) / divisor);
}

static void one_shot_try(u32 divide, u32 divisor)
{
	u32 initial = count_for(10000, divisor), first, second;

	taken_clear();
	apic_write(APIC_TIMER_DIVIDE, divide);
	apic_write(APIC_LVT_TIMER, VECTOR);
	started = tsc_read();
	apic_write(APIC_TIMER_INITIAL, initial);
	first = apic_read(APIC_TIMER_CURRENT);
	wait_us(5000);
	second = apic_read(APIC_TIMER_CURRENT);
	check(taken_count == 0 && first <= initial && second < first &&
		      second < initial / 2 + initial / 100,
	      "%s: one-shot counts down: %u %u %u", mode_name(), initial, first, second);
	wait_us(30000);
	check(came_at(10000), "%s: one-shot comes after 10 ms, divided by %u", mode_name(),
	      divisor);
	check(TAKEN(VECTOR), "%s: and once", mode_name());
	check(apic_read(APIC_TIMER_CURRENT) == 0, "%s: the count stays 0", mode_name());
}

static void stop_try(void)
{
	apic_write(APIC_TIMER_INITIAL, count_for(2000, 1));
	apic_write(APIC_TIMER_INITIAL, 0);
	wait_us(5000);
	check(taken_count == 0, "%s: an initial count of 0 stops it", mode_name());
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR);
	apic_write(APIC_TIMER_INITIAL, count_for(2000, 1));
	wait_us(5000);
	apic_write(APIC_LVT_TIMER, VECTOR);
	take_interrupts();
	check(taken_count == 0, "%s: masked it raises no interrupt, then or later", mode_name());
}

static void periodic_try(void)
{
	u32 count;

	taken_clear();
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
	started = tsc_read();
	apic_write(APIC_TIMER_INITIAL, count_for(5000, 1));
	while (taken_count < 8)
		wait_interrupt();
	check(came_at(8 * 5000), "%s: the eighth period of 5 ms ends after 40 ms", mode_name());
	apic_write(APIC_TIMER_INITIAL, 0);
	take_interrupts(); /* one may be on its way */
	count = taken_count;
	wait_us(12000);
	check(taken_count == count, "%s: a periodic timer can be stopped", mode_name());
	taken_clear();
}

static void deadline_try(void)
{
	u64 now;

	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	started = tsc_read();
	msr_write(MSR_TSC_DEADLINE, started + us_to_tsc(3000));
	check(msr_read(MSR_TSC_DEADLINE) == started + us_to_tsc(3000),
	      "%s: the deadline reads back", mode_name());
	wait_us(30000);
	check(came_at(3000), "%s: the deadline comes after 3 ms", mode_name());
	check(TAKEN(VECTOR), "%s: and once", mode_name());
	check(msr_read(MSR_TSC_DEADLINE) == 0, "%s: and is 0 then", mode_name());
	started = now = tsc_read();
	msr_write(MSR_TSC_DEADLINE, now - 1);
	wait_us(30000);
	check(came_at(0), "%s: a deadline in the past comes at once", mode_name());
	taken_clear();
	msr_write(MSR_TSC_DEADLINE, tsc_read() + us_to_tsc(2000));
	msr_write(MSR_TSC_DEADLINE, 0);
	wait_us(5000);
	check(taken_count == 0, "%s: a deadline of 0 disarms", mode_name());
	apic_write(APIC_TIMER_INITIAL, 1000);
	wait_us(1000);
	check(taken_count == 0 && apic_read(APIC_TIMER_CURRENT) == 0,
	      "%s: in deadline mode there is no count", mode_name());
	msr_write(MSR_TSC_DEADLINE, tsc_read() + us_to_tsc(2000));
	apic_write(APIC_LVT_TIMER, VECTOR);
	wait_us(5000);
	check(taken_count == 0, "%s: leaving deadline mode disarms", mode_name());
	taken_clear();
}

static void halt_try(void)
{
	u64 before;

	apic_send_self(VECTOR);
	wait_interrupt();
	check(TAKEN(VECTOR), "%s: sti; hlt takes what is pending", mode_name());
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, VECTOR);
	started = before = tsc_read();
	apic_write(APIC_TIMER_INITIAL, count_for(20000, 1));
	wait_interrupt();
	check(came_at(20000) && tsc_read() - before >= us_to_tsc(20000) - 2,
	      "%s: sti; hlt waits 20 ms for the timer", mode_name());
	taken_clear();
	/* What TPR holds back does not wake, what comes later does. */
	apic_write(APIC_TPR, 0x80);
	handler_set(0x91, note_and_end);
	apic_send_self(VECTOR);
	apic_write(APIC_LVT_TIMER, 0x91);
	started = tsc_read();
	apic_write(APIC_TIMER_INITIAL, count_for(5000, 1));
	wait_interrupt();
	check(came_at(5000) && TAKEN(0x91), "%s: hlt sleeps through what TPR holds back",
	      mode_name());
	apic_write(APIC_TPR, 0);
	take_interrupts();
	check(TAKEN(VECTOR), "%s: which comes when TPR allows", mode_name());
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

void timer_try(void)
{
	handler_set(VECTOR, note_and_end);
	one_shot_try(DIVIDE_BY_1, 1);
	one_shot_try(DIVIDE_BY_16, 16);
	stop_try();
	periodic_try();
	if (cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE)
		deadline_try();
	halt_try();
}
