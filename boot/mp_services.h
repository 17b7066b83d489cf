/* SPDX-License-Identifier: MIT */
/* The firmware's view of the CPUs: PI specification, volume 2, section 13.4
 * (EFI_MP_SERVICES_PROTOCOL). */
#pragma once

#include "boot/loader.h"

#define MP_CPU_BSP     BIT(0)
#define MP_CPU_ENABLED BIT(1)
#define MP_CPU_HEALTHY BIT(2)

struct mp_cpu {
	UINT64 apic_id;
	UINT32 status;
	UINT32 location[3];
	UINT32 extended_location[6];
	UINT32 spare[16]; /* for firmware of a later version of the specification */
};

struct mp_services {
	EFI_STATUS(EFIAPI *count)(struct mp_services *mp, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *cpu)(struct mp_services *mp, UINTN number, struct mp_cpu *cpu);
	EFI_STATUS(EFIAPI *run_all)
	(struct mp_services *mp, void(EFIAPI *procedure)(void *argument), BOOLEAN one_by_one,
	 EFI_EVENT event, UINTN timeout_us, void *argument, UINTN **failed);
};

/* NULL when the firmware has none. */
struct mp_services *mp_services_find(void);
