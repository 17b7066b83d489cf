/* SPDX-License-Identifier: MIT */
/* A flat image goes into a guest in each of the three modes. */
/* links: vmm/load/load_common.c vmm/format.c */
#include "cmocka_all.h"

#include <bulkhead/config.h>
#include <bulkhead/error.h>
#include <bulkhead/load.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES   (16 * MIB)
#define IMAGE_BYTES (1 * MIB)

struct fixture {
	struct guest_memory memory;
	u8 *image;
	struct load_request request;
	struct cpu_state start;
	char reason[LOAD_REASON_BYTES];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->memory.window = calloc(1, RAM_BYTES);
	f->image = malloc(IMAGE_BYTES);
	assert_true(f->memory.window && f->image);
	f->memory.low_bytes = RAM_BYTES;
	for (unsigned i = 0; i < IMAGE_BYTES; i++)
		f->image[i] = (u8)(i + 1 + (i >> 8));
	f->request.cmdline = "";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory.window);
	free(f->image);
	free(f);
	return 0;
}

static void load(struct fixture *f, int entry, u64 address, u64 bytes)
{
	int error;

	f->request.entry = entry;
	f->request.load_address = address;
	f->request.kernel = (struct load_file){f->image, bytes, NULL};
	memset(&f->start, 0xff, sizeof(f->start));
	memset(f->memory.window, 0, RAM_BYTES);
	error = load_raw(&f->request, &f->memory, &f->start, f->reason);
	if (error)
		fail_msg("refused with %d: %s", error, f->reason);
	assert_memory_equal(f->memory.window + address, f->image, bytes);
	assert_int_equal(f->start.rflags, 2);
	assert_int_equal(f->start.ldtr.attributes, 0);
	assert_int_equal(f->start.tr.attributes, 0x8b);
}

static void refuse(struct fixture *f, int entry, u64 address, u64 bytes, int error,
		   const char *words)
{
	f->request.entry = entry;
	f->request.load_address = address;
	f->request.kernel = (struct load_file){f->image, bytes, NULL};
	strcpy(f->reason, "none");
	assert_int_equal(load_raw(&f->request, &f->memory, &f->start, f->reason), error);
	if (!strstr(f->reason, words))
		fail_msg("\"%s\" lacks \"%s\"", f->reason, words);
	assert_true(strlen(f->reason) < LOAD_REASON_BYTES - 1);
}

/* The stack is RAM, [SP - 1 KiB, SP) of it at least, and no part of the image. */
static void check_stack(const struct fixture *f)
{
	u64 top = f->start.ss.base + f->start.gpr[GPR_RSP];
	u64 image = f->request.load_address;

	assert_non_null(guest_memory_at(&f->memory, top - KIB, KIB));
	assert_true(top <= image || top - KIB >= image + f->request.kernel.bytes);
	assert_int_equal(top % 16, 0);
	for (u64 i = top - KIB; i < top; i++)
		assert_int_equal(f->memory.window[i], 0);
}

static void check_real_segment(const struct cpu_segment *segment, u64 base)
{
	assert_int_equal(segment->selector, base >> 4);
	assert_int_equal(segment->base, base);
	assert_int_equal(segment->limit, 0xffff);
	assert_int_equal(segment->attributes, 0x93);
}

static void test_real_mode(void **state)
{
	struct fixture *f = *state;

	load(f, CONFIG_ENTRY_REAL, 0x7c10, 512);
	assert_int_equal(f->start.cr0, 0x30);
	assert_int_equal(f->start.cr4, 0);
	assert_int_equal(f->start.efer, 0);
	assert_int_equal(f->start.rip, 0);
	assert_int_equal(f->start.cs.selector, 0x7c1);
	assert_int_equal(f->start.cs.base, 0x7c10);
	assert_int_equal(f->start.cs.limit, 0xffff);
	assert_int_equal(f->start.cs.attributes, 0x93);
	check_real_segment(&f->start.ds, 0x7c10);
	check_real_segment(&f->start.es, 0x7c10);
	check_real_segment(&f->start.ss, 0x7c10);
	check_real_segment(&f->start.fs, 0x7c10);
	check_real_segment(&f->start.gs, 0x7c10);
	assert_int_equal(f->start.idtr.base, 0);
	assert_true(f->start.idtr.limit >= 0x3ff);
	check_stack(f);
}

/* As a BIOS enters it, at 0:7c00. */
static void test_boot_sector(void **state)
{
	struct fixture *f = *state;

	load(f, CONFIG_ENTRY_REAL, 0x7c00, 512);
	assert_int_equal(f->start.rip, 0x7c00);
	check_real_segment(&f->start.ds, 0);
	check_real_segment(&f->start.ss, 0);
	assert_int_equal(f->start.cs.selector, 0);
	assert_int_equal(f->start.cs.base, 0);
	assert_int_equal(f->start.gpr[GPR_RSP], 0x7c00);
	assert_int_equal(f->start.gpr[GPR_RDX], 0x80);
	check_stack(f);
	load(f, CONFIG_ENTRY_REAL, 0x7c00, 0x90000);
	check_stack(f);
}

static void test_real_mode_stack_goes_elsewhere(void **state)
{
	struct fixture *f = *state;

	load(f, CONFIG_ENTRY_REAL, 0x1000, 0x20000); /* no room in the image's segment */
	assert_int_equal(f->start.cs.base, 0x1000);
	check_real_segment(&f->start.ss, f->start.ss.base);
	check_stack(f);
	load(f, CONFIG_ENTRY_REAL, 0x1000, 0xfc00); /* too little room in it */
	check_stack(f);
	load(f, CONFIG_ENTRY_REAL, 0x98000, 512); /* its segment reaches into the VGA window */
	check_stack(f);
	load(f, CONFIG_ENTRY_REAL, 0xf0000, 0x10000); /* a BIOS */
	assert_int_equal(f->start.cs.selector, 0xf000);
	check_stack(f);
	load(f, CONFIG_ENTRY_REAL, 0x6000, 0x99000); /* ends at 0x9f000: the stack goes below it */
	check_stack(f);
	refuse(f, CONFIG_ENTRY_REAL, 0x1000, 0x9e000, -ENOMEM,
	       "(647168 bytes at 0x1000) leaves no 16 KiB");
}

static void test_real_mode_addresses(void **state)
{
	struct fixture *f = *state;

	refuse(f, CONFIG_ENTRY_REAL, 0x100000, 16, -EINVAL,
	       "below 0x100000 that is a multiple of 16, found 0x100000");
	refuse(f, CONFIG_ENTRY_REAL, 0x7c01, 16, -EINVAL, "found 0x7c01");
	load(f, CONFIG_ENTRY_REAL, 0xffff0, 16);
	assert_int_equal(f->start.cs.selector, 0xffff);
}

static void check_flat_segment(const struct cpu_segment *segment, u16 selector, u16 attributes)
{
	assert_int_equal(segment->selector, selector);
	assert_int_equal(segment->base, 0);
	assert_int_equal(segment->limit, 0xffffffff);
	assert_int_equal(segment->attributes, attributes);
}

static u64 guest_u64(const struct fixture *f, u64 gpa)
{
	u64 value;

	memcpy(&value, f->memory.window + gpa, sizeof(value));
	return value;
}

static void test_protected_mode(void **state)
{
	struct fixture *f = *state;

	load(f, CONFIG_ENTRY_PROTECTED, 0x100000, 4096);
	assert_int_equal(f->start.cr0, 0x31);
	assert_int_equal(f->start.cr4, 0);
	assert_int_equal(f->start.efer, 0);
	assert_int_equal(f->start.rip, 0x100000);
	check_flat_segment(&f->start.cs, 0x10, 0xc09b);
	check_flat_segment(&f->start.ds, 0x18, 0xc093);
	check_flat_segment(&f->start.ss, 0x18, 0xc093);
	assert_int_equal(f->start.tr.limit, 0x67);
	assert_int_equal(guest_u64(f, f->start.gdtr.base + 0x10), 0x00cf9b000000ffff);
	assert_int_equal(guest_u64(f, f->start.gdtr.base + 0x18), 0x00cf93000000ffff);
	check_stack(f);
}

static void test_long_mode(void **state)
{
	struct fixture *f = *state;

	f->memory.high_bytes = 2 * GIB;
	load(f, CONFIG_ENTRY_LONG, 0x200000, 4096);
	assert_int_equal(f->start.cr0, 0x80000031);
	assert_int_equal(f->start.cr4, 0x20);
	assert_int_equal(f->start.efer, 0x500);
	assert_int_equal(f->start.rip, 0x200000);
	assert_int_equal(f->start.gpr[GPR_RDI], 16 * MIB + 2 * GIB);
	check_flat_segment(&f->start.cs, 0x10, 0xa09b);
	check_flat_segment(&f->start.ss, 0x18, 0xc093);
	assert_int_equal(guest_u64(f, f->start.cr3) & 0xfff, 3);
	assert_true(f->start.cr3 + 6 * 4096 <= 0x9f000);
	check_stack(f);
}

/* The last 2 MiB of the 4 GiB, walked: the tables have survived the image. */
static void check_page_tables(const struct fixture *f)
{
	u64 pdpt = guest_u64(f, f->start.cr3) & ~0xfffULL;
	u64 directory = guest_u64(f, pdpt + 3 * 8) & ~0xfffULL;

	assert_int_equal(guest_u64(f, directory + 511 * 8), 0xffe00083);
	assert_int_equal(guest_u64(f, guest_u64(f, pdpt) & ~0xfffULL), 0x83);
	assert_int_equal(guest_u64(f, f->start.gdtr.base + 0x10), 0x00af9b000000ffff);
}

static void test_tables_keep_clear_of_the_image(void **state)
{
	struct fixture *f = *state;
	static const u64 addresses[] = {0, 0x1000, 0x10000, 0x80000, 0x93fff, 0x9efff, 0x9f000};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		load(f, CONFIG_ENTRY_LONG, addresses[i], 4096);
		check_page_tables(f);
		check_stack(f);
	}
	load(f, CONFIG_ENTRY_LONG, 0x20000, 0x80000);
	check_page_tables(f);
	check_stack(f);
	refuse(f, CONFIG_ENTRY_LONG, 0x8000, 0x98000, -ENOMEM, "leaves no 44 KiB");
	refuse(f, CONFIG_ENTRY_LONG, 0xb000, 0x94000, -ENOMEM, "leaves no 44 KiB");
	load(f, CONFIG_ENTRY_LONG, 0xc000, 0x93000);
	check_page_tables(f);
	for (u64 i = 0; i < 0x1000; i += 8) /* real-mode vectors */
		assert_int_equal(guest_u64(f, i), 0);
}

static void test_images_that_do_not_fit(void **state)
{
	struct fixture *f = *state;

	refuse(f, CONFIG_ENTRY_LONG, RAM_BYTES - 4095, 4096, -ENOMEM,
	       "4096 bytes at 0xfff001 are needed, RAM is 0 to 0xa0000 and 0xc0000 to 0x1000000");
	refuse(f, CONFIG_ENTRY_LONG, ~0ULL, 4096, -ENOMEM, "does not fit");
	refuse(f, CONFIG_ENTRY_PROTECTED, 0x9ffff, 2, -ENOMEM, "does not fit");
	refuse(f, CONFIG_ENTRY_REAL, 0xb0000, 16, -ENOMEM, "does not fit");
	load(f, CONFIG_ENTRY_LONG, RAM_BYTES - 4096, 4096);
	f->memory.high_bytes = 1 * GIB;
	refuse(f, CONFIG_ENTRY_LONG, 4 * GIB, 4096, -EINVAL,
	       "entry = long needs a load address below 0x100000000");
	refuse(f, CONFIG_ENTRY_PROTECTED, 4 * GIB, 4096, -EINVAL, "entry = protected needs");
}

static void test_empty_image(void **state)
{
	struct fixture *f = *state;

	refuse(f, CONFIG_ENTRY_LONG, 0x100000, 0, -ENOEXEC, "the image is empty");
	free(f->image);
	f->image = NULL;
	refuse(f, CONFIG_ENTRY_LONG, 0x100000, 16, -ENOEXEC, "the image is empty");
}

static void test_acpi_tables_are_not_overwritten(void **state)
{
	struct fixture *f = *state;

	f->request.rsdp_gpa = 0xe0000;
	refuse(f, CONFIG_ENTRY_REAL, 0xf0000, 0x10000, -EBUSY,
	       "(65536 bytes at 0xf0000) lies on the ACPI tables at 0xe0000 to 0x100000");
	refuse(f, CONFIG_ENTRY_LONG, 0xdffff, 2, -EBUSY, "ACPI");
	load(f, CONFIG_ENTRY_LONG, 0x100000, 16);
	load(f, CONFIG_ENTRY_LONG, 0xdfff0, 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_real_mode),
		TEST(test_boot_sector),
		TEST(test_real_mode_stack_goes_elsewhere),
		TEST(test_real_mode_addresses),
		TEST(test_protected_mode),
		TEST(test_long_mode),
		TEST(test_tables_keep_clear_of_the_image),
		TEST(test_images_that_do_not_fit),
		TEST(test_empty_image),
		TEST(test_acpi_tables_are_not_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
