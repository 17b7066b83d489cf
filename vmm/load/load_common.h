/* SPDX-License-Identifier: MIT */
/* What every loader needs: words for a refusal, and the first CPU state in the modes guests start
 * in. */
#pragma once

#include <bulkhead/load.h>

#define LOAD_LOW_END                                                                               \
	0x9f000UL /* what a loader puts into low memory ends here, as on a PC with an EBDA */

/* Selectors of the GDT that comes with the flat modes. Linux names the first two __BOOT_CS and
 * __BOOT_DS. */
#define LOAD_SELECTOR_CODE 0x10
#define LOAD_SELECTOR_DATA 0x18
#define LOAD_SELECTOR_TSS  0x20

/* Room that the flat modes take: a page with GDT and TSS, in long mode PML4, PDPT and 4 directories
 * besides. */
#define LOAD_PROTECTED_BYTES (1 * PAGE_SIZE)
#define LOAD_LONG_BYTES	     (7 * PAGE_SIZE)

/* Write the reason for an operator and give `error` back. */
int load_refuse(char *reason, int error, const char *format, ...) printf_like(3, 4) must_check;

/* What the guest is told of its memory: in order, without overlaps. What is not in it is nothing.
 */
struct load_map_entry {
	u64 base, bytes;
	bool ram; /* or reserved */
};

#define LOAD_MAP_MAX 5

u32 load_map_make(const struct guest_memory *memory, struct load_map_entry map[LOAD_MAP_MAX]);

/*
 * Finding places in RAM below 4 GiB for what a loader puts there. The first page (a PC's BIOS
 * data) and all between LOAD_LOW_END and 1 MiB are taken from the beginning.
 */
struct load_range {
	u64 base, end;
};

#define LOAD_TAKEN_MAX 64
#define LOAD_NOWHERE   (~0UL)

struct load_layout {
	const struct guest_memory *memory;
	struct load_range taken[LOAD_TAKEN_MAX];
	u32 count;
};

void load_layout_init(struct load_layout *layout, const struct guest_memory *memory);
/*
 * Take a place of the guest's choice, which may overlap others that were (the parts of a file may).
 * -EFAULT where it is not RAM below 4 GiB, -EBUSY where it is taken from the beginning, -E2BIG when
 * there is no room to note it. Nothing takes no place.
 */
int load_layout_take(struct load_layout *layout, u64 base, u64 bytes) must_check;
/* Why load_layout_take did not give `what` ("the kernel") its place; gives `error` back. */
int load_refuse_place(const struct load_layout *layout, int error, const char *what, u64 base,
		      u64 bytes, char *reason) must_check;
/* Take the lowest free place from `from` on (which is aligned as well), or LOAD_NOWHERE. */
u64 load_layout_find(struct load_layout *layout, u64 bytes, u64 alignment, u64 from);

/* A place for a module, page-aligned: above the kernel if there is one, else below it, but not
 * below 1 MiB. Or an error that names the file. */
int load_module_place(struct load_layout *layout, const struct load_file *file, u64 kernel_end,
		      u64 *gpa, char *reason) must_check;

/* The last part of a file's path, as guests are told it. */
const char *load_file_name(const struct load_file *file);

/* Into the guest's memory, in pieces; -EFAULT where it is not RAM. */
int load_copy(const struct load_request *request, struct guest_memory *memory, u64 gpa,
	      const void *data, u64 bytes) must_check;

/*
 * Interrupts off, all general registers 0. The flat modes use guest memory from `gpa` on, which is
 * page-aligned, zero and below 4 GiB; -EFAULT when it is not RAM. In long mode the first 4 GiB are
 * mapped to themselves. Real mode starts at `address`, a multiple of 16 below 1 MiB, with all
 * segments there.
 */
int load_state_long(struct guest_memory *memory, u64 gpa, struct cpu_state *start) must_check;
int load_state_protected(struct guest_memory *memory, u64 gpa, struct cpu_state *start) must_check;
void load_state_real(u64 address, struct cpu_state *start);
