/* SPDX-License-Identifier: MIT */
/* The end of a run: starting the machine anew, and switching it off. */
#include "apic.h"
#include "instructions.h"
#include "interrupt.h"
#include "tsc.h"

#include <bulkhead/acpi.h>
#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/log.h>
#include <bulkhead/virt.h>

#define SERIAL_WAIT_US 20000 /* a FIFO of 16 bytes at 9600 baud */
#define PARK_WAIT_US   200000
#define EFFECT_WAIT_US 50000

#define PORT_RESET_CONTROL  0xcf9
#define RESET_CONTROL_HARD  0x02
#define RESET_CONTROL_START 0x04

#define PORT_KEYBOARD	     0x64
#define KEYBOARD_INPUT_FULL  0x02
#define KEYBOARD_PULSE_RESET 0xfe
#define KEYBOARD_POLLS_MAX   100000

static u32 parked;
static bool going_down;

static noreturn void stop_forever(void)
{
	for (;;) {
		interrupts_off();
		halt();
	}
}

static void park(void *context)
{
	(void)context;
	virt->cpu_disable();
	__atomic_add_fetch(&parked, 1, __ATOMIC_RELEASE);
	stop_forever();
}

/*
 * Stop the other CPUs, at a point where they take interrupts and so hold no lock of the log. One
 * that does not come in time is left running: the machine goes down all the same.
 */
static void others_stop(void)
{
	u32 others = arch_cpu_count() - 1;

	interrupt_handler_set(VECTOR_KICK, park, NULL);
	for (u32 i = 0; i < CPU_MAX && cpus[i]; i++)
		if (cpus[i] != cpu_this() && cpus[i]->online)
			arch_cpu_kick(i);
	for (u32 us = 0; us < PARK_WAIT_US; us += 100) {
		if (__atomic_load_n(&parked, __ATOMIC_ACQUIRE) >= others)
			return;
		tsc_wait_us(100);
	}
	log_warn("%u of %u other CPUs do not stop", others - parked, others);
}

/* One CPU takes the machine down; one that wants to do so too waits for it. */
static void machine_stop(void)
{
	interrupts_off();
	if (__atomic_exchange_n(&going_down, true, __ATOMIC_ACQ_REL))
		park(NULL);
	others_stop();
	/* A reset that arrives as INIT is blocked in the CPU's virtualisation mode. */
	virt->cpu_disable();
	tsc_wait_us(SERIAL_WAIT_US);
}

/* The PC's reset control register: hard reset, at START's rising edge (ICH9 datasheet, 13.7.5). */
static void reset_by_port(void)
{
	port_write8(PORT_RESET_CONTROL, RESET_CONTROL_HARD);
	tsc_wait_us(50);
	port_write8(PORT_RESET_CONTROL, RESET_CONTROL_HARD | RESET_CONTROL_START);
	tsc_wait_us(EFFECT_WAIT_US);
}

/* Output line 0 of the keyboard controller is the PC's oldest reset. */
static void reset_by_keyboard(void)
{
	for (u32 i = 0; i < KEYBOARD_POLLS_MAX; i++)
		if (!(port_read8(PORT_KEYBOARD) & KEYBOARD_INPUT_FULL))
			break;
	port_write8(PORT_KEYBOARD, KEYBOARD_PULSE_RESET);
	tsc_wait_us(EFFECT_WAIT_US);
}

/* An exception without a table to handle it, nor the faults that follow: the CPU shuts down, and
 * boards answer that with a reset. */
static void reset_by_triple_fault(void)
{
	static const struct descriptor_pointer none;

	__asm__ volatile("lidt %0; int3" : : "m"(none) : "memory");
}

void arch_reboot(void)
{
	machine_stop();
	acpi_reset();
	reset_by_port();
	reset_by_keyboard();
	reset_by_triple_fault();
	stop_forever();
}

void arch_power_off(void)
{
	machine_stop();
	acpi_power_off();
	log_error("this machine cannot be switched off by software: use its power button");
	stop_forever();
}
