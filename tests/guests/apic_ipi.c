/* SPDX-License-Identifier: MIT */
/* The apic payload: interprocessor interrupts to itself, priorities, errors. */
#include "apic_test.h"

#define DFR_FLAT    0xffffffff
#define DFR_CLUSTER 0x0fffffff

static bool in_service, still_requested;

static void note_state(struct frame *frame)
{
	in_service = apic_bit(APIC_ISR, (u8)frame->vector);
	still_requested = apic_bit(APIC_IRR, (u8)frame->vector);
	note_and_end(frame);
}

static void self_try(void)
{
	handler_set(0x41, note_state);
	apic_send_self(0x41);
	check(apic_bit(APIC_IRR, 0x41), "%s: a self-IPI waits in IRR while IF = 0", mode_name());
	take_interrupts();
	check(TAKEN(0x41), "%s: it is delivered once", mode_name());
	check(in_service && !still_requested, "%s: in ISR and not in IRR meanwhile", mode_name());
	check(!apic_bit(APIC_ISR, 0x41), "%s: EOI takes it out of ISR", mode_name());
	check(!(apic_read(APIC_ICR) & BIT(12)), "%s: delivery status is idle", mode_name());
	if (!apic_is_x2)
		return;
	msr_write(MSR_X2APIC(APIC_SELF_IPI), 0x41);
	take_interrupts();
	check(TAKEN(0x41), "x2apic: the SELF IPI register works");
}

static bool arrives(u32 destination, u32 icr)
{
	apic_send(destination, icr | ICR_ASSERT | 0x41);
	take_interrupts();
	return taken_count == 1;
}

static void destination_check(bool expected, u32 destination, u32 icr, const char *what)
{
	check(arrives(destination, icr) == expected, "%s: %s is%s delivered", mode_name(), what,
	      expected ? "" : " not");
	taken_clear();
}

static void logical_try(void)
{
	if (apic_is_x2) {
		u32 ldr = apic_read(APIC_LDR);

		destination_check(true, ldr, ICR_LOGICAL, "to its logical id");
		destination_check(true, ldr | 0xfffe, ICR_LOGICAL, "to its cluster");
		destination_check(false, ldr << 1, ICR_LOGICAL, "to another logical id");
		destination_check(false, ldr + 0x10000, ICR_LOGICAL, "to another cluster");
		destination_check(true, 0xffffffff, ICR_LOGICAL, "to all, logically");
		return;
	}
	apic_write(APIC_DFR, DFR_FLAT);
	apic_write(APIC_LDR, 0x04000000);
	destination_check(true, 0x04, ICR_LOGICAL, "flat, to its logical id");
	destination_check(true, 0x0c, ICR_LOGICAL, "flat, to it among others");
	destination_check(false, 0x0b, ICR_LOGICAL, "flat, to others");
	apic_write(APIC_DFR, DFR_CLUSTER);
	apic_write(APIC_LDR, 0x21000000);
	destination_check(true, 0x23, ICR_LOGICAL, "cluster, to it among others");
	destination_check(false, 0x22, ICR_LOGICAL, "cluster, to others");
	destination_check(false, 0x31, ICR_LOGICAL, "cluster, to another cluster");
	apic_write(APIC_DFR, DFR_FLAT);
	apic_write(APIC_LDR, 0x01000000);
}

static void destinations_try(void)
{
	u32 id = apic_is_x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;

	handler_set(0x41, note_and_end);
	destination_check(true, id, 0, "to its physical id");
	destination_check(false, id + 5, 0, "to another physical id");
	destination_check(true, apic_is_x2 ? 0xffffffff : 0xff, 0, "to all physical ids");
	destination_check(true, 0, ICR_ALL, "to all including itself");
	destination_check(false, 0, ICR_OTHERS, "to all excluding itself");
	logical_try();
}

void ipi_try(void)
{
	self_try();
	destinations_try();
}

static void cr8_write(u64 value)
{
	__asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory");
}

static u64 cr8_read(void)
{
	u64 value;

	__asm__ volatile("mov %%cr8, %0" : "=r"(value));
	return value;
}

static void tpr_register(u32 tpr)
{
	apic_write(APIC_TPR, tpr);
}

static void tpr_cr8(u32 tpr)
{
	cr8_write(tpr >> 4);
}

static void tpr_try(void (*set)(u32 tpr), const char *how)
{
	set(0x50);
	check(cr8_read() == 5 && apic_read(APIC_TPR) == 0x50, "%s: TPR by %s reads back in both",
	      mode_name(), how);
	check(apic_read(APIC_PPR) == 0x50, "%s: PPR follows, 0x%x", mode_name(),
	      apic_read(APIC_PPR));
	apic_send_self(0x45);
	take_interrupts();
	check(taken_count == 0, "%s: TPR by %s holds a lower class back", mode_name(), how);
	apic_send_self(0x61);
	take_interrupts();
	check(TAKEN(0x61), "%s: but not a higher one", mode_name());
	interrupts_on();
	set(0x40);
	check(taken_count == 0, "%s: an equal class is held back too", mode_name());
	set(0x30);
	__asm__ volatile("nop");
	interrupts_off();
	check(TAKEN(0x45), "%s: lowering it by %s delivers at once", mode_name(), how);
	set(0);
}

static void nest_outer(struct frame *frame)
{
	taken_note(frame);
	apic_send_self(0x61);
	interrupts_on();
	__asm__ volatile("nop; nop");
	interrupts_off();
	taken[taken_count++ % TAKEN_MAX] = 0xee; /* back in the outer one */
	apic_eoi();
}

static void nest_inner(struct frame *frame)
{
	taken_note(frame);
	apic_send_self(0x46);
	interrupts_on();
	__asm__ volatile("nop; nop");
	interrupts_off();
	apic_eoi();
	interrupts_on();
	__asm__ volatile("nop; nop");
	interrupts_off();
}

/* TPR falls below the class of what waits while a higher class is in service: PPR still holds it
 * back. */
static void tpr_within(struct frame *frame)
{
	taken_note(frame);
	apic_write(APIC_TPR, 0x60);
	apic_send_self(0x41);
	apic_write(APIC_TPR, 0x30);
	taken_note(frame);
	apic_eoi();
}

static void tpr_within_try(void)
{
	handler_set(0x51, tpr_within);
	apic_send_self(0x51);
	take_interrupts();
	check(TAKEN(0x51, 0x51, 0x41), "%s: TPR lowered in a handler lets the next wait for EOI",
	      mode_name());
	apic_write(APIC_TPR, 0);
}

void priority_try(void)
{
	static const u8 vectors[] = {0x31, 0x41, 0x45, 0x46, 0x61, 0x62, 0xf1};

	for (u32 i = 0; i < ARRAY_SIZE(vectors); i++)
		handler_set(vectors[i], note_and_end);
	apic_send_self(0x41);
	apic_send_self(0xf1);
	apic_send_self(0x31);
	apic_send_self(0x61);
	apic_send_self(0x62);
	apic_send_self(0x61); /* merges with the one that waits */
	take_interrupts();
	check(TAKEN(0xf1, 0x62, 0x61, 0x41, 0x31), "%s: the highest vector comes first",
	      mode_name());
	handler_set(0x41, nest_outer);
	handler_set(0x61, nest_inner);
	apic_send_self(0x41);
	take_interrupts();
	check(TAKEN(0x41, 0x61, 0xee, 0x46), "%s: a higher class nests, an equal one waits for EOI",
	      mode_name());
	handler_set(0x41, note_and_end);
	handler_set(0x61, note_and_end);
	tpr_try(tpr_register, "register");
	tpr_try(tpr_cr8, "CR8");
	tpr_within_try();
}

static u32 errors_read(void)
{
	apic_write(APIC_ESR, 0);
	return apic_read(APIC_ESR);
}

void error_try(void)
{
	handler_set(0x52, note_and_end);
	(void)errors_read();
	apic_write(APIC_LVT_ERROR, 0x52);
	apic_send(0, ICR_SELF | ICR_ASSERT | 5);
	take_interrupts();
	check(TAKEN(0x52), "%s: an illegal vector raises the error interrupt", mode_name());
	check(errors_read() & BIT(5), "%s: and is in ESR", mode_name());
	check(errors_read() == 0, "%s: which is empty then", mode_name());
	apic_write(APIC_LVT_ERROR, LVT_MASKED | 0x52);
	apic_send(0, ICR_SELF | ICR_ASSERT | 5);
	take_interrupts();
	check(taken_count == 0, "%s: masked it raises none", mode_name());
	(void)errors_read();
}
