/* SPDX-License-Identifier: MIT */
/* The board's devices: ports, and those in memory. */
#include "ops.h"

#include <bulkhead/port.h>

#define IOAPIC_ADDRESS 0xfec00000UL

void measure_ports(void)
{
	MEASURE("pio_out_pic_0x21", "mov $0xff, %%eax; out %%al, $0x21");
	MEASURE("pio_in_pic_0x21", "in $0x21, %%al");
	MEASURE("pio_in_0x61", "in $0x61, %%al");
	MEASURE("pio_out_pit_0x43_latch", "xor %%eax, %%eax; out %%al, $0x43");
	MEASURE("pio_in_pit_0x40", "in $0x40, %%al");
	MEASURE("pio_out_uart_scr_0x3ff", "xor %%eax, %%eax; mov $0x3ff, %%edx; out %%al, %%dx");
	MEASURE("pio_in_uart_lsr_0x3fd", "mov $0x3fd, %%edx; in %%dx, %%al");
	MEASURE("pio_out_0x80", "xor %%eax, %%eax; out %%al, $0x80");
	MEASURE("pio_in_cmos_0x71", "in $0x71, %%al");
	MEASURE("pio_in_kbd_0x64", "in $0x64, %%al");
	MEASURE("pio_outl_pci_0xcf8", "mov $0xcf8, %%edx; mov $0x80000000, %%eax; out %%eax, %%dx");
	MEASURE("pio_inl_pci_0xcfc", "mov $0xcfc, %%edx; in %%dx, %%eax");
	MEASURE("pio_rep_outsb16_0x3ff", "mov $0x3ff, %%edx; mov $16, %%ecx; mov $0x100000, %%esi; "
					 "rep outsb");
	MEASURE("pio_outw_0x510_ioeventfd", "xor %%eax, %%eax; mov $0x510, %%edx; out %%ax, %%dx");
}

/* The window shows the identification, whatever is written to it. */
void measure_memory_devices(void)
{
	*(volatile u32 *)IOAPIC_ADDRESS = 0;
	MEASURE("ioapic_index_write", "mov $0xfec00000, %%eax; movl $0, (%%rax)");
	MEASURE("ioapic_window_read", "mov $0xfec00010, %%eax; mov (%%rax), %%ecx");
	MEASURE("ioapic_window_or", "mov $0xfec00010, %%eax; orl $0, (%%rax)");
	MEASURE("hpet_counter_read", "mov $0xfed000f0, %%eax; mov (%%rax), %%ecx");
}
