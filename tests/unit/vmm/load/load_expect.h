/* SPDX-License-Identifier: MIT */
/* What the tests of the loaders of ELF kernels share: a partition's memory, a kernel that is made
 * byte by byte, and how to try it. */
#pragma once

#include "cmocka_all.h"

#include <bulkhead/config.h>
#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES    (16 * MIB)
#define IMAGE_BYTES  0x3000
#define RSDP_GPA     0xe0000
#define MODULES_MAX  CONFIG_MODULES_MAX
#define BASE	     0x200000 /* where the kernel is linked */
#define CODE_AT	     0x1000   /* of it, in the file */
#define CODE_BYTES   0x1800
#define CODE_ROOM    0x4000 /* in memory */
#define FILE32_TABLE 52
#define FILE64_TABLE 64

typedef int load_function(const struct load_request *request, struct guest_memory *memory,
			  struct cpu_state *start, char *reason);

struct fixture {
	struct guest_memory memory;
	u8 file[IMAGE_BYTES];
	struct load_module modules[MODULES_MAX];
	struct load_request request;
	struct cpu_state start;
	load_function *load;
	char reason[LOAD_REASON_BYTES];
};

static inline void put(u8 *at, u64 value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (u8)(value >> (8 * i));
}

static inline u64 get(const u8 *at, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static inline u64 guest_get(const struct fixture *f, u64 gpa, unsigned bytes)
{
	assert_non_null(guest_memory_at(&f->memory, gpa, bytes));
	return get(f->memory.window + gpa, bytes);
}

static inline const char *guest_text(const struct fixture *f, u64 gpa)
{
	assert_non_null(guest_memory_at(&f->memory, gpa, 1));
	return (const char *)f->memory.window + gpa;
}

/* Offsets as the tables of the System V ABI give them. One segment, one note. */
static inline void elf32_make(u8 *file, u64 entry)
{
	memset(file, 0, CODE_AT);
	memcpy(file, "\177ELF\1\1\1", 7);
	put(file + 16, 2, 2);
	put(file + 18, 3, 2);
	put(file + 20, 1, 4);
	put(file + 24, entry, 4);
	put(file + 28, FILE32_TABLE, 4);
	put(file + 40, 52, 2);
	put(file + 42, 32, 2);
	put(file + 44, 1, 2);
	put(file + FILE32_TABLE, 1, 4);
	put(file + FILE32_TABLE + 4, CODE_AT, 4);
	put(file + FILE32_TABLE + 8, BASE, 4);
	put(file + FILE32_TABLE + 12, BASE, 4);
	put(file + FILE32_TABLE + 16, CODE_BYTES, 4);
	put(file + FILE32_TABLE + 20, CODE_ROOM, 4);
}

static inline void elf64_make(u8 *file, u64 entry)
{
	memset(file, 0, CODE_AT);
	memcpy(file, "\177ELF\2\1\1", 7);
	put(file + 16, 2, 2);
	put(file + 18, 62, 2);
	put(file + 20, 1, 4);
	put(file + 24, entry, 8);
	put(file + 32, FILE64_TABLE, 8);
	put(file + 52, 64, 2);
	put(file + 54, 56, 2);
	put(file + 56, 1, 2);
	put(file + FILE64_TABLE, 1, 4);
	put(file + FILE64_TABLE + 8, CODE_AT, 8);
	put(file + FILE64_TABLE + 16, 0xffffffff80000000 + BASE, 8);
	put(file + FILE64_TABLE + 24, BASE, 8);
	put(file + FILE64_TABLE + 32, CODE_BYTES, 8);
	put(file + FILE64_TABLE + 40, CODE_ROOM, 8);
}

static inline struct fixture *fixture_make(load_function *load)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->memory.window = calloc(1, RAM_BYTES);
	assert_non_null(f->memory.window);
	f->memory.low_bytes = RAM_BYTES;
	for (unsigned i = 0; i < IMAGE_BYTES; i++)
		f->file[i] = (u8)(i * 7 + (i >> 8));
	f->load = load;
	f->request.kernel = (struct load_file){f->file, IMAGE_BYTES, "\\boot\\my kernel"};
	f->request.modules = f->modules;
	f->request.cmdline = "console=com0 quiet";
	return f;
}

static inline int fixture_free(void **state)
{
	struct fixture *f = *state;

	free(f->memory.window);
	free(f);
	return 0;
}

static inline void module_add(struct fixture *f, const u8 *data, u64 bytes, const char *name,
			      const char *text)
{
	f->modules[f->request.module_count++] = (struct load_module){{data, bytes, name}, text};
}

static inline void try_load(struct fixture *f)
{
	int error;

	memset(f->memory.window, 0, RAM_BYTES);
	memcpy(f->memory.window + RSDP_GPA, "RSD PTR \x11XXXXXX\2", 16);
	error = f->load(&f->request, &f->memory, &f->start, f->reason);
	if (error)
		fail_msg("refused with %d: %s", error, f->reason);
}

/* With words for the operator, and before anything is touched. */
static inline void refuse(struct fixture *f, int error, const char *words)
{
	memset(f->memory.window, 0, RAM_BYTES);
	strcpy(f->reason, "none");
	assert_int_equal(f->load(&f->request, &f->memory, &f->start, f->reason), error);
	if (!strstr(f->reason, words))
		fail_msg("\"%s\" lacks \"%s\"", f->reason, words);
	assert_true(strlen(f->reason) < LOAD_REASON_BYTES - 1);
	for (u64 i = 0; i < f->memory.low_bytes; i += 8)
		assert_int_equal(get(f->memory.window + i, 8), 0);
}

static inline void check_protected_mode(const struct fixture *f)
{
	assert_int_equal(f->start.cr0 & (BIT(31) | BIT(0)), BIT(0));
	assert_int_equal(f->start.efer, 0);
	assert_int_equal(f->start.cr4, 0);
	assert_int_equal(f->start.rflags, 2);
	assert_int_equal(f->start.cs.base, 0);
	assert_int_equal(f->start.cs.limit, 0xffffffff);
	assert_int_equal(f->start.cs.attributes, 0xc09b);
	assert_int_equal(f->start.ds.base, 0);
	assert_int_equal(f->start.ds.limit, 0xffffffff);
	assert_int_equal(f->start.ss.attributes, 0xc093);
	assert_int_equal(f->start.tr.limit, 0x67);
}

static inline void check_code(const struct fixture *f, u64 gpa)
{
	assert_memory_equal(f->memory.window + gpa, f->file + CODE_AT, CODE_BYTES);
	for (u64 i = CODE_BYTES; i < CODE_ROOM; i += 8)
		assert_int_equal(guest_get(f, gpa + i, 8), 0);
}
