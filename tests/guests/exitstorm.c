/* SPDX-License-Identifier: MIT */
/*
 * Keeps the hypervisor busy with the exits that take it longest: string input, many elements to an
 * exit, and instructions that are emulated because they read and write a device in memory.
 */
#include "guest.h"

#define IOAPIC_WINDOW 0xfec00010UL
#define CMOS_DATA     0x71
#define BYTES	      4096
#define ACCESSES      64

static u8 buffer[BYTES];

static void string_in(void)
{
	u8 *to = buffer;
	u64 count = sizeof(buffer);

	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"((u16)CMOS_DATA) : "memory");
}

static void memory_emulate(void)
{
	for (u32 i = 0; i < ACCESSES; i++)
		__asm__ volatile("lock; cmpxchgl %1, (%0)"
				 :
				 : "r"(IOAPIC_WINDOW), "r"(0)
				 : "rax", "memory", "cc");
}

void guest_main(void)
{
	print("exitstorm: begins\n");
	for (;;) {
		string_in();
		memory_emulate();
	}
}
