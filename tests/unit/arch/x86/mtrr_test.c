/* SPDX-License-Identifier: MIT */
/* Memory types by MTRR: layout and rules from SDM vol. 3, section 12.11. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include <arch/x86/mtrr.h>

#define PHYSICAL_BITS 39
#define VALID	      0x800UL
#define E	      0x800UL
#define FE	      0x400UL

static u64 msrs[0x300];
static struct mtrr mtrr;

static u64 read_msr(void *context, u32 msr)
{
	assert_ptr_equal(context, &msrs);
	assert_in_range(msr, 0xfe, ARRAY_SIZE(msrs) - 1);
	/* Reading what IA32_MTRRCAP does not announce is #GP. */
	if (msr >= 0x200 && msr < 0x250)
		assert_true((msr - 0x200) / 2 < (msrs[0xfe] & 0xff));
	if (msr >= 0x250 && msr < 0x270)
		assert_true(msrs[0xfe] & 0x100);
	return msrs[msr];
}

static int setup(void **state)
{
	(void)state;
	memset(msrs, 0, sizeof(msrs));
	msrs[0xfe] = 0x50a; /* ten ranges, fixed ones, WC */
	return 0;
}

static void read_all(void)
{
	memset(&mtrr, 0xee, sizeof(mtrr));
	mtrr_read(&mtrr, read_msr, &msrs, PHYSICAL_BITS);
}

/* As firmware writes a range whose size is a power of two. */
static void range(unsigned i, u64 base, u64 bytes, unsigned type)
{
	msrs[0x200 + 2 * i] = base | type;
	msrs[0x201 + 2 * i] = (((1UL << PHYSICAL_BITS) - 1) & ~(bytes - 1)) | VALID;
}

static void expect_uniform(u64 physical, u64 bytes, u64 want, enum memory_type want_type)
{
	enum memory_type type = (enum memory_type)99;

	assert_int_equal(mtrr_uniform(&mtrr, physical, bytes, &type), want);
	assert_int_equal(type, want_type);
}

static void disabled_is_uncached(void **state)
{
	(void)state;
	msrs[0x2ff] = FE | 6; /* E is 0: the rest does not count (12.11.2.1) */
	memset(&msrs[0x250], 6, 8);
	range(0, 0, GIB, 6);
	read_all();
	assert_false(mtrr.enabled);
	assert_int_equal(mtrr_type(&mtrr, 0), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, GIB), MEMORY_UC);
	expect_uniform(0, 64 * GIB, 64 * GIB, MEMORY_UC);
}

static void default_type_where_no_range_is(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 4;
	read_all();
	assert_true(mtrr.enabled);
	assert_int_equal(mtrr_type(&mtrr, 0), MEMORY_WT); /* FE is 0 */
	assert_int_equal(mtrr_type(&mtrr, 0xfffff), MEMORY_WT);
	expect_uniform(0, 8 * GIB, 8 * GIB, MEMORY_WT);
}

/* Table 12-9: which byte of which register is which range. */
static void fixed_ranges(void **state)
{
	static const u32 numbers[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
				      0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

	(void)state;
	msrs[0x2ff] = E | FE | 6;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		msrs[numbers[i]] = 0x0606060606060606;
	msrs[0x250] = 0x0006060606060604; /* 00000h WT, 70000h UC */
	msrs[0x258] = 0x0506060606060601; /* 80000h WC, 9c000h WP */
	msrs[0x259] = 0x0000000000000000; /* a0000h to bffffh UC */
	msrs[0x268] = 0x0606060606060005; /* c0000h WP, c1000h UC */
	msrs[0x26f] = 0x0406060606060606; /* ff000h WT */
	range(0, 0, MIB, 0);		  /* does not count below 1 MiB */
	read_all();
	assert_int_equal(mtrr_type(&mtrr, 0x00000), MEMORY_WT);
	assert_int_equal(mtrr_type(&mtrr, 0x0ffff), MEMORY_WT);
	assert_int_equal(mtrr_type(&mtrr, 0x10000), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0x6ffff), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0x70000), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0x7ffff), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0x80000), MEMORY_WC);
	assert_int_equal(mtrr_type(&mtrr, 0x83fff), MEMORY_WC);
	assert_int_equal(mtrr_type(&mtrr, 0x84000), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0x9c000), MEMORY_WP);
	assert_int_equal(mtrr_type(&mtrr, 0xa0000), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0xbffff), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0xc0fff), MEMORY_WP);
	assert_int_equal(mtrr_type(&mtrr, 0xc1000), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0xc2000), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0xfefff), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0xff000), MEMORY_WT);
	assert_int_equal(mtrr_type(&mtrr, 0x100000), MEMORY_WB);

	expect_uniform(0x10000, MIB, 0x60000, MEMORY_WB);
	expect_uniform(0x9c123, MIB, 0xa0000 - 0x9c123, MEMORY_WP);
	expect_uniform(0xa0000, MIB, 0x20000, MEMORY_UC);
	expect_uniform(0xc2000, MIB, 0xff000 - 0xc2000, MEMORY_WB);
	expect_uniform(0x100000, 4 * GIB, 4 * GIB, MEMORY_WB);
}

/* 8 GiB of RAM, 2 GiB of device memory below 4 GiB: the usual layout of a PC. */
static void typical_firmware(void **state)
{
	(void)state;
	msrs[0x2ff] = E | FE | 0;
	for (unsigned i = 0x250; i < 0x270; i++)
		msrs[i] = 0x0606060606060606;
	range(0, 0, 2 * GIB, 6);
	range(1, 4 * GIB, 4 * GIB, 6);
	range(2, 8 * GIB, 2 * GIB, 6);
	range(3, 2 * GIB - 16 * MIB, 16 * MIB, 0); /* UC wins over WB */
	range(7, 0xd0000000, 256 * MIB, 1);
	read_all();
	assert_int_equal(mtrr.range_count, 5);
	assert_int_equal(mtrr_type(&mtrr, MIB), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 2 * GIB - 16 * MIB - 1), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 2 * GIB - 16 * MIB), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 2 * GIB), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0xcfffffff), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0xd0000000), MEMORY_WC);
	assert_int_equal(mtrr_type(&mtrr, 0xe0000000), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 10 * GIB - 1), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 10 * GIB), MEMORY_UC);

	expect_uniform(0, 16 * GIB, 2 * GIB - 16 * MIB, MEMORY_WB);
	expect_uniform(2 * GIB - 16 * MIB, 16 * GIB, 0xd0000000 - (2 * GIB - 16 * MIB), MEMORY_UC);
	expect_uniform(0xd0000000, 16 * GIB, 256 * MIB, MEMORY_WC);
	expect_uniform(0xe0000000, 16 * GIB, 512 * MIB, MEMORY_UC);
	expect_uniform(4 * GIB, 16 * GIB, 6 * GIB, MEMORY_WB); /* two ranges that meet */
	expect_uniform(10 * GIB, 16 * GIB, 16 * GIB, MEMORY_UC);
	expect_uniform(5 * GIB, 12345, 12345, MEMORY_WB);
}

/* 12.11.4.1 */
static void overlaps(void **state)
{
	static const u8 expected[][3] = {
		{6, 6, 6},
		{0, 0, 0},
		{6, 0, 0},
		{0, 1, 0},
		{5, 0, 0},
		{0, 4, 0},
		{6, 4, 4},
		{4, 6, 4},
		{1, 1, 1},
		/* undefined: taken as UC */
		{6, 1, 0},
		{5, 6, 0},
		{4, 5, 0},
		{1, 4, 0},
		{1, 5, 0},
	};

	(void)state;
	msrs[0x2ff] = E | 6;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		range(0, GIB, GIB, expected[i][0]);
		range(9, GIB, MIB, expected[i][1]);
		read_all();
		assert_int_equal(mtrr_type(&mtrr, GIB), expected[i][2]);
		assert_int_equal(mtrr_type(&mtrr, GIB + MIB), expected[i][0]);
		assert_int_equal(mtrr_type(&mtrr, 2 * GIB), MEMORY_WB);
	}
}

static void default_type_is_no_party_to_an_overlap(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 0;
	range(0, GIB, GIB, 6);
	read_all();
	assert_int_equal(mtrr_type(&mtrr, GIB), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0), MEMORY_UC);
}

static void three_ranges(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 0;
	range(0, GIB, GIB, 6);
	range(1, GIB, GIB, 4);
	range(2, GIB, GIB, 6);
	read_all();
	assert_int_equal(mtrr_type(&mtrr, GIB), MEMORY_WT);
	range(2, GIB, GIB, 0);
	read_all();
	assert_int_equal(mtrr_type(&mtrr, GIB), MEMORY_UC);
}

static void invalid_ranges_do_not_count(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 6;
	range(0, 0, GIB, 0);
	msrs[0x201] &= ~VALID;
	read_all();
	assert_int_equal(mtrr.range_count, 0);
	assert_int_equal(mtrr_type(&mtrr, 0), MEMORY_WB);
}

static void no_more_registers_than_announced(void **state)
{
	(void)state;
	msrs[0xfe] = 2; /* and no fixed ranges, though FE is set */
	msrs[0x2ff] = E | FE | 6;
	range(1, 0, GIB, 4);
	range(2, 0, GIB, 0);
	read_all();
	assert_int_equal(mtrr_type(&mtrr, 0), MEMORY_WT);
	assert_int_equal(mtrr_type(&mtrr, 0x9fc00), MEMORY_WT);
}

/* Base bits that the mask leaves out do not count: both sides are masked (12.11.3). */
static void base_is_masked(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 0;
	msrs[0x200] = 0x12345000 | 6;
	msrs[0x201] = 0x7ff0000000 | VALID;
	read_all();
	expect_uniform(0x10000000, GIB, 256 * MIB, MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0x0fffffff), MEMORY_UC);
}

static void a_range_of_everything(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 0;
	msrs[0x200] = 6;
	msrs[0x201] = VALID;
	read_all();
	expect_uniform(0, 1UL << PHYSICAL_BITS, 1UL << PHYSICAL_BITS, MEMORY_WB);
}

/* Reserved mask bits above the physical-address width are not looked at. */
static void physical_width(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 0;
	range(0, 0, GIB, 6);
	msrs[0x201] |= ~0UL << PHYSICAL_BITS;
	msrs[0x200] |= 1UL << 50;
	read_all();
	expect_uniform(0, 64 * GIB, GIB, MEMORY_WB);
}

/* The manual allows masks with gaps: every other 64 KiB of the 16 MiB from 16 MiB on. */
static void mask_with_gaps(void **state)
{
	(void)state;
	msrs[0x2ff] = E | 0;
	msrs[0x200] = 0x1000000 | 6;
	msrs[0x201] = (((1UL << PHYSICAL_BITS) - 1) & ~0xfeffffUL) | VALID;
	read_all();
	assert_int_equal(mtrr_type(&mtrr, 0x1000000), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0x1010000), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0x1fe0000), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, 0x1ff0000), MEMORY_UC);
	expect_uniform(0, GIB, 0x1000000, MEMORY_UC);
	expect_uniform(0x1000000, GIB, 0x10000, MEMORY_WB);
	expect_uniform(0x1010000, GIB, 0x10000, MEMORY_UC);
	expect_uniform(0x1ff0000, GIB, GIB, MEMORY_UC);
}

/* Types that do not exist (2, 3, 7) cannot be written; they are never taken for a cacheable one. */
static void reserved_types(void **state)
{
	(void)state;
	msrs[0x2ff] = E | FE | 7;
	msrs[0x250] = 0x0606060606060302;
	read_all();
	assert_int_equal(mtrr_type(&mtrr, 0), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0x10000), MEMORY_UC);
	assert_int_equal(mtrr_type(&mtrr, 0x20000), MEMORY_WB);
	assert_int_equal(mtrr_type(&mtrr, GIB), MEMORY_UC);
}

/* mtrr_uniform against looking at every page. */
static void uniform_agrees_with_every_page(void **state)
{
	static const u8 types[] = {0, 1, 4, 5, 6};
	const u64 pages = 2048;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 300; round++) {
		msrs[0x2ff] = E | (round & 1 ? FE : 0) | types[rand() % 5];
		for (unsigned i = 0x250; i < 0x270; i++)
			for (unsigned byte = 0; byte < 64; byte += 8)
				msrs[i] = (msrs[i] & ~(0xffUL << byte)) | (u64)types[rand() % 5]
										  << byte;
		for (unsigned i = 0; i < 4; i++) {
			u64 bits = ((u64)rand() & (u64)rand() & 0x7ff) << 12;

			msrs[0x200 + 2 * i] = ((u64)rand() & 0x7ff) << 12 | types[rand() % 5];
			/* All above 8 MiB, and a few below. */
			msrs[0x201 + 2 * i] = (0x7fff800000UL | bits) | VALID;
		}
		read_all();
		for (u64 page = (u64)rand() % 8; page < pages;) {
			enum memory_type type;
			u64 got = mtrr_uniform(&mtrr, page << 12, (pages - page) << 12, &type);
			u64 end = page + (got >> 12);

			assert_true(got && (got & 0xfff) == 0 && end <= pages);
			for (; page < end; page++)
				assert_int_equal(mtrr_type(&mtrr, page << 12), type);
			if (end < pages)
				assert_int_not_equal(mtrr_type(&mtrr, end << 12), type);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(disabled_is_uncached, setup),
		cmocka_unit_test_setup(default_type_where_no_range_is, setup),
		cmocka_unit_test_setup(fixed_ranges, setup),
		cmocka_unit_test_setup(typical_firmware, setup),
		cmocka_unit_test_setup(overlaps, setup),
		cmocka_unit_test_setup(default_type_is_no_party_to_an_overlap, setup),
		cmocka_unit_test_setup(three_ranges, setup),
		cmocka_unit_test_setup(invalid_ranges_do_not_count, setup),
		cmocka_unit_test_setup(no_more_registers_than_announced, setup),
		cmocka_unit_test_setup(base_is_masked, setup),
		cmocka_unit_test_setup(a_range_of_everything, setup),
		cmocka_unit_test_setup(physical_width, setup),
		cmocka_unit_test_setup(mask_with_gaps, setup),
		cmocka_unit_test_setup(reserved_types, setup),
		cmocka_unit_test_setup(uniform_agrees_with_every_page, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
