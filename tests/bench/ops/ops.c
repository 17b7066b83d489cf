/* SPDX-License-Identifier: MIT */
/* What single operations cost a guest. */
#include "ops.h"

#include <bulkhead/load.h>
#include <bulkhead/port.h>

#define POWER_PORT   0x8900 /* Bochs: 'D' ends the run */
#define SLEEP_ENABLE BIT(13)

struct packed idt_entry {
	u16 offset_low, selector;
	u8 stack, type;
	u16 offset_middle;
	u32 offset_high, reserved;
};

#define GATE_INTERRUPT 0x8e

void ops_main(void);
void ops_unexpected(u64 vector);

u64 readings_cost;

static struct idt_entry idt[256];

bool cpuid1_has(u32 bit)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx & BIT(bit);
}

struct tally tally_new(const char *name)
{
	return (struct tally){.name = name, .least = ~0UL};
}

void tally_add(struct tally *tally, u64 ticks)
{
	tally->count++;
	tally->sum += ticks;
	tally->least = MIN(tally->least, ticks);
}

void tally_print(const struct tally *tally)
{
	serial_print("op %s %lu %lu %lu\r\n", tally->name, tally->count, tally->least,
		     tally->sum / tally->count);
}

void gate_set(u8 vector, const u8 *entry)
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

void ops_unexpected(u64 vector)
{
	serial_print("ops: unexpected exception or interrupt %lu\r\n", vector);
}

static void exceptions_setup(void)
{
	struct packed {
		u16 limit;
		u64 base;
	} table = {sizeof(idt) - 1, (u64)idt};

	for (u32 i = 0; i < ARRAY_SIZE(idt); i++)
		gate_set((u8)i, ops_other);
	gate_set(VECTOR_UD, ops_undefined);
	gate_set(VECTOR_GP, ops_fault);
	gate_set(VECTOR_PF, ops_page_fault);
	gate_set(VECTOR_SOFT, ops_soft);
	__asm__ volatile("lidt %0" : : "m"(table));
}

static void readings_measure(void)
{
	readings_cost = ~0UL;
	for (u32 i = 0; i < ROUNDS; i++) {
		u64 ticks = TICKS("");

		readings_cost = MIN(readings_cost, ticks);
	}
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
	measure_msrs();
	measure_ports();
	measure_memory_devices();
	measure_xapic();
	measure_x2apic();
	measure_touch();
	measure_loops();
	measure_gaps();
	power_off();
}
