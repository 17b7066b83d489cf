/* SPDX-License-Identifier: MIT */
/* The local APIC and what reaches it, in xAPIC and x2APIC mode (SDM vol. 3, chapter 11). */
#include "apic_test.h"

volatile u32 taken_count;
volatile u8 taken[TAKEN_MAX];
volatile u64 taken_at;

void taken_clear(void)
{
	taken_count = 0;
}

void taken_note(struct frame *frame)
{
	taken_at = tsc_read();
	if (taken_count < TAKEN_MAX)
		taken[taken_count] = (u8)frame->vector;
	taken_count++;
}

void note_and_end(struct frame *frame)
{
	taken_note(frame);
	apic_eoi();
}

bool taken_are(const u8 *vectors, u32 count)
{
	bool same = taken_count == count;

	for (u32 i = 0; same && i < count; i++)
		same = taken[i] == vectors[i];
	if (!same) {
		print("  came:");
		for (u32 i = 0; i < taken_count && i < TAKEN_MAX; i++)
			print(" 0x%x", taken[i]);
		print("\n");
	}
	taken_clear();
	return same;
}

const char *mode_name(void)
{
	return apic_is_x2 ? "x2apic" : "xapic";
}

void wait_us(u64 us)
{
	u64 end = tsc_read() + us_to_tsc(us);

	interrupts_on();
	while (tsc_read() < end)
		__asm__ volatile("pause");
	interrupts_off();
}

static void identity_try(void)
{
	u32 version = apic_read(APIC_VERSION), id = apic_read(APIC_ID);

	check((version & 0xff) >= 0x10 && (version & 0xff) <= 0x1f, "%s version 0x%x", mode_name(),
	      version);
	check((version >> 16 & 0xff) >= 3, "%s has the LVT entries for timer, LINT and error",
	      mode_name());
	check((apic_is_x2 ? id : id >> 24) == cpuid(1, 0).ebx >> 24, "%s id 0x%x", mode_name(), id);
	check(apic_read(APIC_SVR) == (SVR_ENABLE | SPURIOUS_VECTOR), "%s SVR 0x%x", mode_name(),
	      apic_read(APIC_SVR));
	check(apic_read(APIC_LVT_LINT0) == LVT_MASKED, "%s LVT LINT0 0x%x", mode_name(),
	      apic_read(APIC_LVT_LINT0));
	if (apic_is_x2)
		check(apic_read(APIC_LDR) == (id >> 4 << 16 | 1U << (id & 15)), "x2apic LDR 0x%x",
		      apic_read(APIC_LDR));
}

/* Clearing the enable bit masks the local interrupts, and they cannot be unmasked then (11.4.7.2).
 */
static void disable_try(void)
{
	apic_write(APIC_LVT_ERROR, 0x50);
	apic_write(APIC_SVR, SPURIOUS_VECTOR);
	check(apic_read(APIC_LVT_ERROR) & LVT_MASKED, "%s: software disable masks LVTs",
	      mode_name());
	apic_write(APIC_LVT_ERROR, 0x50);
	check(apic_read(APIC_LVT_ERROR) & LVT_MASKED, "%s: and keeps them masked", mode_name());
	apic_setup();
	check(apic_read(APIC_SVR) & SVR_ENABLE, "%s: it can be enabled again", mode_name());
}

static void mode_try(void)
{
	apic_setup();
	identity_try();
	ipi_try();
	priority_try();
	error_try();
	disable_try();
	timer_try();
	board_try();
	check(stray_interrupts == 0, "%s: no stray interrupts, found %lu", mode_name(),
	      stray_interrupts);
}

/* What only x2APIC mode refuses (11.12.1.2, table 11-6). */
static void x2apic_faults_try(void)
{
	static const struct {
		u32 reg;
		u64 value;
		const char *what;
	} writes[] = {
		{APIC_EOI, 1, "EOI other than 0"},
		{APIC_ID, 0, "ID"},
		{APIC_LDR, 0, "LDR"},
		{APIC_DFR, 0, "DFR, which does not exist"},
		{APIC_ICR_HIGH, 0, "the upper half of ICR, which does not exist"},
		{APIC_TPR, 0x100, "TPR with a reserved bit"},
		{APIC_SVR, 0x80000000, "SVR with a reserved bit"},
		{APIC_ISR, 0, "ISR"},
		{APIC_TIMER_CURRENT, 0, "the timer's current count"},
		{0x3d0, 0, "a register that does not exist"},
	};
	u64 value;

	for (u32 i = 0; i < ARRAY_SIZE(writes); i++)
		check(msr_try_write(MSR_X2APIC(writes[i].reg), writes[i].value) == VECTOR_GP,
		      "x2apic: #GP for a write to %s", writes[i].what);
	check(msr_try_read(MSR_X2APIC(APIC_EOI), &value) == VECTOR_GP, "x2apic: EOI is write-only");
	check(msr_try_read(MSR_X2APIC(APIC_SELF_IPI), &value) == VECTOR_GP,
	      "x2apic: SELF IPI is write-only");
	check(msr_try_read(MSR_X2APIC(APIC_DFR), &value) == VECTOR_GP, "x2apic: DFR is not there");
}

static void x2apic_try(void)
{
	u64 base = msr_read(MSR_APIC_BASE), value;

	check(msr_try_read(MSR_X2APIC(APIC_ID), &value) == VECTOR_GP,
	      "xapic: the x2APIC's MSRs are not there");
	check(msr_try_write(MSR_APIC_BASE, (base & ~BASE_ENABLE) | BASE_X2APIC) == VECTOR_GP,
	      "x2APIC without the enable bit is refused");
	msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
	check(msr_read(MSR_APIC_BASE) == (base | BASE_X2APIC), "x2APIC mode is on");
	apic_is_x2 = true;
	mode_try();
	x2apic_faults_try();
	check(msr_try_write(MSR_APIC_BASE, base) == VECTOR_GP, "x2APIC to xAPIC is refused");
	msr_write(MSR_APIC_BASE, base & ~(BASE_ENABLE | BASE_X2APIC));
	check(!(cpuid(1, 0).edx & BIT(9)), "CPUID hides the APIC when it is off");
	msr_write(MSR_APIC_BASE, base);
	apic_is_x2 = false;
	apic_setup();
	handler_set(0x41, note_and_end);
	apic_send_self(0x41);
	take_interrupts();
	check(TAKEN(0x41), "xAPIC works again after x2APIC and off");
}

void guest_main(void)
{
	bool has_x2 = cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC;

	print("apic: TSC %lu kHz, x2APIC: %s\n", tsc_hz() / 1000, has_x2 ? "yes" : "no");
	mode_try();
	if (has_x2)
		x2apic_try();
	checks_end("apic");
}
