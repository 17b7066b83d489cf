/* SPDX-License-Identifier: MIT */
/* The hand-over's memory map out of orderly, overlapping and senseless firmware maps. */
#include "cmocka_all.h"

#include <string.h>

#include "boot/memory_map.h"

#include <bulkhead/error.h>

#define USABLE	 BOOT_MEMORY_USABLE
#define RESERVED BOOT_MEMORY_RESERVED
#define ACPI	 BOOT_MEMORY_ACPI
#define NVS	 BOOT_MEMORY_ACPI_NVS
#define MMIO	 BOOT_MEMORY_MMIO
#define BAD	 BOOT_MEMORY_BAD
#define BULKHEAD BOOT_MEMORY_BULKHEAD
#define LOADER	 BOOT_MEMORY_LOADER

#define ROOM 32

static struct boot_memory map[ROOM];
static u64 points[2 * ROOM + 2];

static void expect(const struct boot_memory *ranges, u32 count, const struct boot_memory *expected,
		   u32 expected_count)
{
	int used = memory_map_build(ranges, count, points, map, ROOM);

	assert_int_equal(used, expected_count);
	for (u32 i = 0; i < expected_count; i++) {
		assert_int_equal(map[i].base, expected[i].base);
		assert_int_equal(map[i].bytes, expected[i].bytes);
		assert_int_equal(map[i].type, expected[i].type);
	}
}
#define EXPECT(ranges, ...)                                                                        \
	do {                                                                                       \
		const struct boot_memory expected_[] = {__VA_ARGS__};                              \
		expect(ranges, ARRAY_SIZE(ranges), expected_, ARRAY_SIZE(expected_));              \
	} while (0)

/* Types of the UEFI specification, table 7.6; attribute bit 3 is write-back. */
static void test_types(void **state)
{
	static const u32 types[] = {RESERVED, USABLE,	USABLE,	  USABLE,  USABLE, RESERVED,
				    RESERVED, USABLE,	BAD,	  ACPI,	   NVS,	   MMIO,
				    MMIO,     RESERVED, RESERVED, RESERVED};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(memory_map_type(i, 0xf), types[i]);
	assert_int_equal(memory_map_type(0x80000000, 0xf), RESERVED);
	assert_int_equal(memory_map_type(7, 0x1), RESERVED);	 /* not cacheable */
	assert_int_equal(memory_map_type(7, 0x800f), RESERVED);	 /* persistent */
	assert_int_equal(memory_map_type(7, 0x4000f), RESERVED); /* for a special purpose */
	assert_int_equal(memory_map_type(9, 0), ACPI);
}

static void test_sorted_and_merged(void **state)
{
	static const struct boot_memory ranges[] = {
		{0x400000, 0x100000, USABLE, 0}, {0x100000, 0x100000, USABLE, 0},
		{0x300000, 0x100000, ACPI, 0},	 {0x200000, 0x100000, USABLE, 0},
		{0x700000, 0x1000, USABLE, 0},
	};

	(void)state;
	EXPECT(ranges, {0x100000, 0x200000, USABLE, 0}, {0x300000, 0x100000, ACPI, 0},
	       {0x400000, 0x100000, USABLE, 0}, {0x700000, 0x1000, USABLE, 0});
}

static void test_page_0_is_never_usable(void **state)
{
	static const struct boot_memory ranges[] = {{0, 0xa0000, USABLE, 0}};
	static const struct boot_memory empty[] = {{0x2000, 0, USABLE, 0}};

	(void)state;
	EXPECT(ranges, {0, 0x1000, RESERVED, 0}, {0x1000, 0x9f000, USABLE, 0});
	expect(empty, 1, NULL, 0);
}

static void test_overlaps(void **state)
{
	static const struct boot_memory twice[] = {{0x100000, 0x100000, USABLE, 0},
						   {0x180000, 0x100000, USABLE, 0}};
	static const struct boot_memory inside[] = {{0x100000, 0x100000, USABLE, 0},
						    {0x140000, 0x1000, RESERVED, 0},
						    {0x141000, 0x1000, NVS, 0}};
	static const struct boot_memory covering[] = {{0x140000, 0x1000, USABLE, 0},
						      {0x100000, 0x100000, RESERVED, 0}};
	static const struct boot_memory mixed[] = {{0x100000, 0x3000, ACPI, 0},
						   {0x101000, 0x3000, MMIO, 0},
						   {0x103000, 0x2000, NVS, 0}};

	(void)state;
	EXPECT(twice, {0x100000, 0x180000, USABLE, 0});
	EXPECT(inside, {0x100000, 0x40000, USABLE, 0}, {0x140000, 0x1000, RESERVED, 0},
	       {0x141000, 0x1000, NVS, 0}, {0x142000, 0xbe000, USABLE, 0});
	EXPECT(covering, {0x100000, 0x100000, RESERVED, 0});
	EXPECT(mixed, {0x100000, 0x1000, ACPI, 0}, {0x101000, 0x3000, MMIO, 0},
	       {0x104000, 0x1000, NVS, 0});
}

static void test_what_the_loader_took(void **state)
{
	static const struct boot_memory ranges[] = {
		{0x100000, 0x100000, USABLE, 0},
		{0x110000, 0x2000, BULKHEAD, 0},
		{0x1fe000, 0x4000, LOADER, 0},
		{0x200000, 0x1000, RESERVED, 0},
	};

	(void)state;
	EXPECT(ranges, {0x100000, 0x10000, USABLE, 0}, {0x110000, 0x2000, BULKHEAD, 0},
	       {0x112000, 0xec000, USABLE, 0}, {0x1fe000, 0x4000, LOADER, 0});
}

static void test_parts_of_pages(void **state)
{
	static const struct boot_memory ranges[] = {{0x100800, 0x1800, USABLE, 0},
						    {0x103800, 0x900, RESERVED, 0},
						    {0x105010, 0xf00, USABLE, 0}};
	static const struct boot_memory shared[] = {{0x100000, 0x1800, USABLE, 0},
						    {0x101800, 0x800, RESERVED, 0}};

	(void)state;
	EXPECT(ranges, {0x101000, 0x1000, USABLE, 0}, {0x103000, 0x2000, RESERVED, 0});
	EXPECT(shared, {0x100000, 0x1000, USABLE, 0}, {0x101000, 0x1000, RESERVED, 0});
}

/* Ends that wrap around are cut where physical addresses end. */
static void test_absurd_ranges(void **state)
{
	static const struct boot_memory ranges[] = {
		{~0ULL - 0xfff, 0x10000, USABLE, 0}, {BIT(52) - 0x1000, ~0ULL, RESERVED, 0},
		{BIT(63), 0x1000, MMIO, 0},	     {0x5000, 0x1000, 77, 0},
		{0x5000, 0x1000, USABLE, 0},
	};

	(void)state;
	EXPECT(ranges, {0x5000, 0x1000, 77, 0}, {BIT(52) - 0x1000, 0x1000, RESERVED, 0});
}

static void test_room(void **state)
{
	static const struct boot_memory ranges[] = {{0x100000, 0x1000, USABLE, 0},
						    {0x102000, 0x1000, USABLE, 0}};

	(void)state;
	assert_int_equal(memory_map_build(ranges, 2, points, map, 1), -ENOSPC);
	assert_int_equal(memory_map_build(ranges, 2, points, map, 2), 2);
}

/* Every page of a jumbled map has the type of whoever ranks highest there. */
static void test_against_page_by_page(void **state)
{
	static const u8 rank[] = {[USABLE] = 1, [ACPI] = 2, [NVS] = 3,	  [RESERVED] = 4,
				  [MMIO] = 5,	[BAD] = 6,  [LOADER] = 7, [BULKHEAD] = 8};
	u32 seed = 1;

	(void)state;
	for (u32 round = 0; round < 500; round++) {
		struct boot_memory ranges[14];
		u32 pages[64] = {0};
		u64 end = 0;
		int count;

		for (u32 i = 0; i < ARRAY_SIZE(ranges); i++) {
			seed = seed * 1103515245 + 12345;
			u32 first = 1 + (seed >> 16) % 50, many = (seed >> 8) % 12;
			u32 type = 1 + (seed >> 24) % 8;

			ranges[i] = (struct boot_memory){first * 4096ULL, many * 4096ULL, type, 0};
			for (u32 page = first; page < first + many; page++)
				if (!pages[page] || rank[type] > rank[pages[page]])
					pages[page] = type;
		}
		count = memory_map_build(ranges, ARRAY_SIZE(ranges), points, map, ROOM);
		assert_true(count >= 0);
		for (int i = 0; i < count; i++) {
			assert_true(map[i].base >= end && map[i].bytes > 0);
			end = map[i].base + map[i].bytes;
			if (i > 0 && map[i - 1].base + map[i - 1].bytes == map[i].base)
				assert_int_not_equal(map[i - 1].type, map[i].type);
			for (u64 at = map[i].base; at < end; at += 4096) {
				assert_int_equal(pages[at / 4096], map[i].type);
				pages[at / 4096] = 0;
			}
		}
		for (u32 page = 0; page < 64; page++)
			assert_int_equal(pages[page], 0);
	}
}

static const struct boot_memory sample[] = {
	{0x1000, 0x9f000, USABLE, 0},	      {0x100000, 0x100000, USABLE, 0},
	{0x200000, 0x10000, ACPI, 0},	      {0xe0000000, 0x1000000, MMIO, 0},
	{0x100000000, 0x40000000, USABLE, 0}, {0xfd00000000, 0x300000000, RESERVED, 0},
};

static void test_sums(void **state)
{
	(void)state;
	assert_int_equal(memory_map_usable_bytes(sample, ARRAY_SIZE(sample)),
			 0x9f000 + 0x100000 + 0x40000000);
	assert_int_equal(memory_map_ram_end(sample, ARRAY_SIZE(sample)), 0x140000000);
}

static void test_readable(void **state)
{
	(void)state;
	assert_true(memory_map_readable(sample, ARRAY_SIZE(sample), 0x200000, 0x10000));
	assert_true(memory_map_readable(sample, ARRAY_SIZE(sample), 0x1ff000, 0x2000));
	assert_true(memory_map_readable(sample, ARRAY_SIZE(sample), 0xf9fa0, 36));
	assert_false(memory_map_readable(sample, ARRAY_SIZE(sample), 0x20ff00, 0x101));
	assert_false(memory_map_readable(sample, ARRAY_SIZE(sample), 0xe0000000, 36));
	assert_false(memory_map_readable(sample, ARRAY_SIZE(sample), 0xa0000, 36));
	assert_false(memory_map_readable(sample, ARRAY_SIZE(sample), 0x200000, 0));
	assert_false(memory_map_readable(sample, ARRAY_SIZE(sample), ~0ULL - 10, 36));
	assert_false(memory_map_readable(sample, ARRAY_SIZE(sample), 0x200000, ~0ULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_sorted_and_merged),
		cmocka_unit_test(test_page_0_is_never_usable),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_what_the_loader_took),
		cmocka_unit_test(test_parts_of_pages),
		cmocka_unit_test(test_absurd_ranges),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_against_page_by_page),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
