/* SPDX-License-Identifier: MIT */
/*
 * Executable ELF files of x86, 32 and 64 bits, little endian, as loaders of kernels use them: the
 * segments of type LOAD go to their physical addresses. (System V ABI, "Object Files" and "Program
 * Loading".) The file is not trusted.
 */
#pragma once

#include "load_common.h"

enum elf_segment_type { ELF_SEGMENT_LOAD = 1, ELF_SEGMENT_NOTE = 4 };

/* One program header, of either class. */
struct elf_segment {
	u32 type;
	u64 offset, file_bytes; /* in the file */
	u64 physical, virtual;
	u64 memory_bytes; /* the part beyond file_bytes is zero */
};

/* Places for all of them can be noted in a layout, with what else a loader puts there. */
#define ELF_SEGMENTS_MAX 32

struct elf_image {
	const struct load_file *file;
	bool is_64;
	u64 entry; /* as in the file */
	u64 table; /* of program headers, in the file */
	u32 count;
	/* What is loaded lies in [base, end), of which both are below 4 GiB. */
	u64 base, end;
};

bool elf_is(const struct load_file *file);

/* -ENOEXEC with a reason, or everything of the file that is used has been checked. */
int elf_open(struct elf_image *image, const struct load_file *file, char *reason) must_check;

/* `index` below image->count. */
void elf_segment(const struct elf_image *image, u32 index, struct elf_segment *segment);

/* Take the places of all segments, moved by `delta`. */
int elf_place(const struct elf_image *image, u64 delta, struct load_layout *layout,
	      char *reason) must_check;
/* Put them there; the rest of their memory is zero already. */
int elf_copy(const struct elf_image *image, u64 delta, const struct load_request *request,
	     struct guest_memory *memory) must_check;

/*
 * The physical address of the entry point: of what is linked there, if anything is, otherwise the
 * address itself, as loaders of kernels have always done.
 */
int elf_entry(const struct elf_image *image, u64 *gpa, char *reason) must_check;
/* Whether something of the file is loaded at this physical address. */
bool elf_has(const struct elf_image *image, u64 physical);

/* The description of the first note of `type` by `owner`: a number of 4 or 8 bytes. -ENOENT. */
int elf_note_number(const struct elf_image *image, const char *owner, u32 type,
		    u64 *number) must_check;
