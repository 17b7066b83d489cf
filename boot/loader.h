/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the loader share. <efi.h> has to come before our own headers, as they define
 * words such as `packed` that its attributes use: every source of the loader that speaks to the
 * firmware includes this file first.
 */
#pragma once

#include <efi.h>

#include <bulkhead/boot.h>
#include <bulkhead/config.h>
#include <bulkhead/cpu_level.h>
#include <bulkhead/types.h>

/* The firmware. Set by main.c first of all. */
struct firmware {
	EFI_HANDLE image;
	EFI_SYSTEM_TABLE *system;
	EFI_BOOT_SERVICES *services;
};
extern struct firmware firmware;

/* What the steps of main.c hand on to each other. */
struct loader {
	struct config config;
	u32 cpu_words[CPU_WORDS]; /* what all CPUs have of the levels' features */
	struct boot_info *info;
	const struct core_header *core; /* in the loader's own image */
	u64 page_root;
	u64 stack_top;
};

/*
 * The steps. Each prints why it fails and returns a negative errno; what they took of the machine
 * is in pages.h's list, so nobody has to undo anything.
 */
int machine_check(struct loader *loader) must_check; /* machine.c */
int config_load(struct loader *loader) must_check;   /* config_file.c */
int config_fit(struct loader *loader, u64 available_bytes) must_check;
int files_load(struct loader *loader) must_check;      /* files.c */
int core_place(struct loader *loader) must_check;      /* core.c */
int memory_gather(struct loader *loader) must_check;   /* memory.c */
int cpus_gather(struct loader *loader) must_check;     /* cpus.c */
int platform_gather(struct loader *loader) must_check; /* platform.c */
int handoff_prepare(struct loader *loader) must_check; /* handoff.c */
int handoff_leave(struct loader *loader) must_check;   /* handoff.c; returns only when it fails */

/* screen.c: the firmware's text console. */
void screen_text(const char *text);
/* Leave what was said on the screen until it is read: until a key is pressed, for some seconds at
 * most. */
void screen_wait(void);
void screen_line(const char *format, ...) printf_like(1, 2); /* adds the '\n' */

/* machine.c: the local APIC ID of the CPU that runs this. */
u32 machine_apic_id(void);

/* platform.c: a table that the firmware publishes, or NULL. */
void *platform_table(const EFI_GUID *guid);
