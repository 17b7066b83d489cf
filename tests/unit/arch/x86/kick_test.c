/* SPDX-License-Identifier: MIT */
/* links: arch/x86/kick
 * What an NMI does where it comes, and whose devices it asks. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arch/x86/apic.h>
#include <arch/x86/interrupt.h>
#include <arch/x86/kick.h>
#include <arch/x86/panic.h>
#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/virt.h>

#define CPUS	    2
#define ARCH_SET_GS 0x1001 /* arch_prctl(2) */
#define NO_ROUTE    13	   /* an interrupt that the board does not have */

struct cpu *cpus[CPU_MAX];
const char arch_idle_halt[2], arch_idle_awake[1];

static struct cpu machine[CPUS];
static char *vcpu = (char *)0x1000;
static void (*on_kick)(void *context);
static void *on_kick_context;
static u32 entries_ended, sent_to_self, nmi_to, unblocked, stops_asked, calls[CPUS];
static unsigned routed;

static void be(u32 id)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &machine[id]), 0);
}

u32 arch_cpu_id(void)
{
	return cpu_this()->id;
}

static void entry_end(void)
{
	/* Whoever asks now must not find it. */
	assert_null(cpu_this()->resumes);
	entries_ended++;
}

static const struct virt_backend fake_virt = {.entry_end = entry_end};
const struct virt_backend *virt = &fake_virt;

void interrupt_handler_set(u8 vector, void (*handler)(void *context), void *context)
{
	assert_int_equal(vector, VECTOR_KICK);
	on_kick = handler;
	on_kick_context = context;
}

void interrupt_call(u8 vector)
{
	assert_int_equal(vector, VECTOR_KICK);
	assert_int_equal(unblocked, 1);
	on_kick(on_kick_context);
}

void interrupt_nmi_unblock(void)
{
	unblocked++;
}

void panic_stop_if_under_way(void)
{
	stops_asked++;
}

void apic_send_self(u8 vector)
{
	assert_int_equal(vector, VECTOR_KICK);
	sent_to_self++;
}

void apic_send_nmi(u32 destination)
{
	nmi_to = destination;
}

int apic_route_isa_nmi(unsigned irq)
{
	routed = irq;
	return irq == NO_ROUTE ? -ENODEV : 0;
}

static int setup(void **state)
{
	(void)state;
	memset(machine, 0, sizeof(machine));
	for (u32 i = 0; i < CPUS; i++) {
		machine[i] = (struct cpu){.self = &machine[i], .id = i, .apic_id = 10 + i};
		cpus[i] = &machine[i];
		calls[i] = 0;
	}
	entries_ended = sent_to_self = unblocked = stops_asked = 0;
	be(0);
	return 0;
}

static void test_reaches_the_cpu(void **state)
{
	(void)state;
	arch_cpu_kick(1);
	assert_int_equal(nmi_to, 11);
}

/* On the way to a guest: it is called off, and the interrupt stays to be taken. */
static void test_calls_off_an_entry(void **state)
{
	struct interrupt_frame frame = {.rip = 0x1234};

	(void)state;
	machine[0].resumes = (struct vcpu *)vcpu;
	machine[0].virt_owner = (struct vcpu *)vcpu;
	kick_in_host(&frame);
	assert_null(machine[0].resumes);
	assert_int_equal(entries_ended, 1);
	assert_int_equal(sent_to_self, 1);
	assert_int_equal(stops_asked, 1);
	assert_int_equal(frame.rip, 0x1234);
}

static void test_without_a_guest(void **state)
{
	struct interrupt_frame frame = {.rip = 0x1234};

	(void)state;
	kick_in_host(&frame);
	assert_int_equal(entries_ended, 0);
	assert_int_equal(sent_to_self, 1);
}

/* Between STI and HLT: the CPU must not halt after what should have woken it. */
static void test_skips_a_halt(void **state)
{
	struct interrupt_frame frame = {.rip = (u64)arch_idle_halt};

	(void)state;
	kick_in_host(&frame);
	assert_int_equal(frame.rip, (u64)arch_idle_awake);
	assert_int_equal(sent_to_self, 1);
}

static void device_handle(void *context)
{
	++*(u32 *)context;
}

/* All in one, as what is routed is never taken back. */
static void test_devices(void **state)
{
	(void)state;
	kick_init();
	assert_int_equal(arch_irq_route(4, device_handle, &calls[0]), 0);
	assert_int_equal(routed, 4);
	be(1);
	assert_int_equal(arch_irq_route(3, device_handle, &calls[1]), 0);
	assert_int_equal(arch_irq_route(NO_ROUTE, device_handle, &calls[1]), -ENODEV);

	kick_in_guest();
	assert_int_equal(stops_asked, 1);
	assert_int_equal(calls[0], 0);
	assert_int_equal(calls[1], 1); /* not of the one that has no way */
	assert_int_equal(sent_to_self, 0);

	unblocked = 0;
	be(0);
	kick_in_guest();
	assert_int_equal(calls[0], 1);
	assert_int_equal(calls[1], 1);

	for (int i = 0; i < 2; i++)
		assert_int_equal(arch_irq_route(5, device_handle, &calls[0]), 0);
	assert_int_equal(arch_irq_route(5, device_handle, &calls[0]), -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reaches_the_cpu, setup),
		cmocka_unit_test_setup(test_calls_off_an_entry, setup),
		cmocka_unit_test_setup(test_without_a_guest, setup),
		cmocka_unit_test_setup(test_skips_a_halt, setup),
		cmocka_unit_test_setup(test_devices, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
