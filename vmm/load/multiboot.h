/* SPDX-License-Identifier: MIT */
/*
 * What both versions of the multiboot protocol share (the Multiboot Specification 0.6.96 and the
 * Multiboot2 Specification 2.0): an image that asks for things in a header, and is entered in
 * 32-bit protected mode with EBX pointing to what it is told.
 */
#pragma once

#include "elf.h"

#include <bulkhead/config.h>

#define MULTIBOOT_LOADER_NAME "Bulkhead"

/* The screen of a PC in text mode, which is what a partition's looks like. */
#define MULTIBOOT_TEXT_GPA     0xb8000UL
#define MULTIBOOT_TEXT_COLUMNS 80
#define MULTIBOOT_TEXT_ROWS    25
#define MULTIBOOT_TEXT_BITS    16
#define MULTIBOOT_TEXT_TYPE    2 /* framebuffer_type: EGA text */

/* 3.1.3 (2: 3.1.5): where a file goes that is no ELF file, or not to be read as one. */
struct multiboot_addresses {
	u32 header, load, load_end, bss_end;
} packed;

#define MULTIBOOT_WHOLE_FILE 0xffffffffU /* `load`, version 2 only: from the file's beginning */

/* 2: 3.1.12. A preference is no more than that. */
enum multiboot_preference { MULTIBOOT_ANYWHERE, MULTIBOOT_LOWEST, MULTIBOOT_HIGHEST };

struct multiboot_relocation {
	u32 least, most; /* addresses that the image may have, `most` that of its last byte */
	u32 alignment;
	u32 preference;
} packed;

struct multiboot_plan {
	const struct load_request *request;
	const struct multiboot_version *version;
	u64 header_at; /* in the file */

	/* Asked for by the header. */
	struct multiboot_addresses addresses;
	struct multiboot_relocation relocation;
	u32 entry;
	bool has_addresses, has_relocation, has_entry;
	bool wants_text; /* to be told of the screen */

	/* Decided. */
	struct elf_image elf; /* unless has_addresses */
	u64 flat_at;	      /* in the file */
	u64 flat_bytes;
	u64 base, end; /* where the image is linked to be */
	u64 delta;     /* how far it is moved from there */
	u64 start;     /* the first instruction, moved */
	struct load_layout layout;
	u64 module_gpa[CONFIG_MODULES_MAX];
	u64 info_gpa, state_gpa;
};

/* What the kernel is told, as it grows. */
struct multiboot_info {
	u8 *target; /* NULL: it is only counted */
	u64 gpa;
	u64 bytes;
};

/* Add to it; where that is. */
u64 multiboot_put(struct multiboot_info *info, const void *data, u64 bytes);
u64 multiboot_put_text(struct multiboot_info *info, const char *text); /* with its NUL */
/* Name of a file, a blank, and a text if there is one, as command lines begin with what is run. */
u64 multiboot_put_line(struct multiboot_info *info, const struct load_file *file, const char *text);
/* RAM from 1 MiB on in KiB, as long as it is in one piece. */
u32 multiboot_upper_kib(const struct guest_memory *memory);

struct multiboot_version {
	u32 magic;     /* in EAX */
	u64 search;    /* the header lies in this much of the file */
	u64 alignment; /* at a multiple of this */
	/* Whether there is a header at plan->header_at; the file has at least 12 bytes from there.
	 */
	bool (*is_header)(const struct multiboot_plan *plan);
	/* Read what it asks for; -ENOEXEC with a reason where that cannot be given. */
	int (*read)(struct multiboot_plan *plan, char *reason);
	/* Write, or count, what the kernel is told. */
	void (*tell)(const struct multiboot_plan *plan, const struct guest_memory *memory,
		     struct multiboot_info *info);
};

extern const struct multiboot_version multiboot1, multiboot2;
