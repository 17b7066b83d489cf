/* SPDX-License-Identifier: MIT */
/* Finding files among those that the loader brought. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <bulkhead/boot_files.h>
#include <bulkhead/memory.h>

/* "Physical" addresses are this far from where things are, so that one used as it is goes wrong. */
#define DISTANCE 0x100000000000UL

static struct boot_file files[3];
static struct boot_info info;

const void *memory_boot(u64 physical)
{
	return (const void *)(physical - DISTANCE);
}

static u64 physical(const void *at)
{
	return (u64)at + DISTANCE;
}

static int setup(void **state)
{
	(void)state;
	files[0] = (struct boot_file){physical("\\bulkhead\\vmlinuz"), 0x1000, 10};
	files[1] = (struct boot_file){physical("\\bulkhead\\initrd.gz"), 0x2000, 20};
	files[2] = (struct boot_file){physical("\\bulkhead\\vmlinuz"), 0x3000, 30};
	memset(&info, 0, sizeof(info));
	info.files = physical(files);
	info.file_count = 2;
	boot_info = &info;
	return 0;
}

static void finds_by_whole_name(void **state)
{
	(void)state;
	assert_ptr_equal(boot_file_find("\\bulkhead\\vmlinuz"), &files[0]);
	assert_ptr_equal(boot_file_find("\\bulkhead\\initrd.gz"), &files[1]);
	assert_null(boot_file_find("\\bulkhead\\initrd"));
	assert_null(boot_file_find("\\bulkhead\\initrd.gz2"));
	assert_null(boot_file_find("vmlinuz"));
	assert_null(boot_file_find(""));
}

static void looks_no_further_than_the_count(void **state)
{
	(void)state;
	info.file_count = 1;
	assert_null(boot_file_find("\\bulkhead\\initrd.gz"));
	info.file_count = 0;
	info.files = 0;
	assert_null(boot_file_find("\\bulkhead\\vmlinuz"));
}

static void the_first_of_two(void **state)
{
	(void)state;
	info.file_count = 3;
	assert_ptr_equal(boot_file_find("\\bulkhead\\vmlinuz"), &files[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finds_by_whole_name, setup),
		cmocka_unit_test_setup(looks_no_further_than_the_count, setup),
		cmocka_unit_test_setup(the_first_of_two, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
