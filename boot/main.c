/* SPDX-License-Identifier: MIT */
/*
 * The loader: a UEFI application that carries the core as data.
 *
 * It checks the machine, reads \bulkhead\bulkhead.conf from the volume that it came from, loads the
 * files that are named there, describes the machine in struct boot_info, leaves the firmware and
 * enters the core. The steps are listed in loader_steps below, in this order, one source each.
 *
 * Until handoff_leave() nothing about the machine is changed but memory taken from the firmware's
 * allocator, and all of that is on the list in pages.c. So when a step fails - the CPU lacks
 * something, the configuration has errors, a file is not there - the step has printed why, the
 * memory is given back, and the firmware goes on as if the loader had never run.
 *
 * check.c, acpi.c, memory_map.c, page_tables.c and clock.c know no firmware: they are unit tested
 * on the host.
 */
#include "boot/loader.h"

#include "boot/pages.h"

#include <bulkhead/error.h>

struct firmware firmware;

static int (*const loader_steps[])(struct loader *loader) = {
	machine_check,	 /* every feature of the CPUs that the core relies on */
	config_load,	 /* \bulkhead\bulkhead.conf */
	files_load,	 /* kernels and the like */
	core_place,	 /* the core to an address of 2 MiB alignment */
	memory_gather,	 /* the memory map, and whether the partitions fit */
	cpus_gather,	 /* CPUs, I/O APICs, interrupt overrides */
	platform_gather, /* ACPI root pointer, framebuffer, time, name of the firmware */
	handoff_prepare, /* page tables, stack, trampoline page */
	handoff_leave,	 /* ExitBootServices, enter the core */
};

static EFI_STATUS loader_status(int error)
{
	switch (error) {
	case -ENODEV:
		return EFI_UNSUPPORTED;
	case -ENOENT:
		return EFI_NOT_FOUND;
	case -ENOMEM:
		return EFI_OUT_OF_RESOURCES;
	case -EINVAL:
		return EFI_INVALID_PARAMETER;
	default:
		return EFI_LOAD_ERROR;
	}
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	struct loader loader = {0};
	int error = 0;

	firmware = (struct firmware){image, system, system->BootServices};
	/* Loading may take longer than the five minutes that the firmware allows a boot option. */
	firmware.services->SetWatchdogTimer(0, 0, 0, NULL);
	screen_line("Bulkhead %s", BULKHEAD_VERSION);
	for (u32 i = 0; i < ARRAY_SIZE(loader_steps) && !error; i++)
		error = loader_steps[i](&loader);
	pages_release_all();
	screen_line("Bulkhead was not started. Nothing on this machine has been changed.");
	screen_wait();
	return loader_status(error);
}
