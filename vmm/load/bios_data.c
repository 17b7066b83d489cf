/* SPDX-License-Identifier: MIT */
/*
 * What kernels look for that a BIOS leaves behind in low memory: the interrupt vector table and the
 * BIOS data area from 0 on, the extended one at LOAD_LOW_END. There is no BIOS, and systems that go
 * back to real mode and call one are told so as a BIOS tells of a service that it lacks: carry set,
 * 86h in AH.
 */
#include "bios_data.h"

#define VECTORS		 256
#define MEMORY_SIZE_CALL 0x12
#define FIRST_CALL	 0x10
#define LAST_CALL	 0x1f
#define EBDA_SEGMENT	 0x40e
#define MEMORY_KIB	 0x413 /* RAM below EBDA_SEGMENT */
#define LOW_KIB		 (LOAD_LOW_END / KIB)

/* By offset in the extended area, whose first byte is its size in KiB. */
#define AT_IRET	       0x10
#define AT_MEMORY_SIZE 0x20
#define AT_NO_SERVICE  0x30

static const u8 iret[] = {0xcf};
static const u8 memory_size[] = {0xb8, (u8)LOW_KIB, (u8)(LOW_KIB >> 8), 0xcf}; /* mov ax; iret */
static const u8 no_service[] = {
	0x55,			/* push bp */
	0x89, 0xe5,		/* mov bp, sp */
	0x80, 0x4e, 0x06, 0x01, /* or byte [bp + 6], 1: the carry in the caller's flags */
	0x5d,			/* pop bp */
	0xb4, 0x86,		/* mov ah, 86h */
	0xcf,			/* iret */
};

static u16 vector_offset(u32 vector)
{
	if (vector == MEMORY_SIZE_CALL)
		return AT_MEMORY_SIZE;
	/* Others are interrupts of devices, whose flags are not the handler's. */
	return vector >= FIRST_CALL && vector <= LAST_CALL ? AT_NO_SERVICE : AT_IRET;
}

void bios_data_write(struct guest_memory *memory)
{
	u8 *low = memory->window, *extended = low + LOAD_LOW_END;
	u16 kib = LOW_KIB, segment = LOAD_LOW_END >> 4;

	for (u32 i = 0; i < VECTORS; i++) {
		u32 vector = (u32)segment << 16 | vector_offset(i);

		memcpy(low + i * sizeof(vector), &vector, sizeof(vector));
	}
	memcpy(low + EBDA_SEGMENT, &segment, sizeof(segment));
	memcpy(low + MEMORY_KIB, &kib, sizeof(kib));
	extended[0] = 1;
	memcpy(extended + AT_IRET, iret, sizeof(iret));
	memcpy(extended + AT_MEMORY_SIZE, memory_size, sizeof(memory_size));
	memcpy(extended + AT_NO_SERVICE, no_service, sizeof(no_service));
}
