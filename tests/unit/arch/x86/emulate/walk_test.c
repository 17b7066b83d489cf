/* SPDX-License-Identifier: MIT */
/* What a walk of guest page tables says of each level, and where it ends: SDM vol. 3, chapter 4. */
#include "guest_tables.h"

static struct guest_walk walked;

static void goes(u64 linear, enum guest_walk_end end, unsigned count)
{
	memset(&walked, 0xaa, sizeof(walked));
	guest_walk(&paging, linear, &walked);
	assert_int_equal(walked.end, end);
	assert_int_equal(walked.count, count);
}

static void step(unsigned number, unsigned level, u64 at, u64 value)
{
	assert_true(number < walked.count);
	assert_int_equal(walked.entries[number].level, level);
	assert_int_equal(walked.entries[number].at, at);
	assert_int_equal(walked.entries[number].value, value);
}

static void page(u64 gpa, u64 span, u64 rights)
{
	assert_int_equal(walked.gpa, gpa);
	assert_int_equal(walked.span, span);
	assert_int_equal(walked.rights, rights);
}

static void map_long(void)
{
	entry(PML4E, 0x2000 | PWU);
	entry(PDPTE, 0x3000 | P | W);
	entry(PDE, 0x4000 | PWU | NX);
	entry(PTE, 0xabcdef000 | P | U);
}

static void no_paging(void **state)
{
	(void)state;
	paging.cr0 = CR0_PE;
	goes(0xffff000012345678, GUEST_WALK_PAGE, 0);
	assert_int_equal(walked.linear, 0x12345678);
	page(0x12345678, 0, W | U);
}

/* Rights: what all levels allow; no-execute: what any level forbids. */
static void four_levels(void **state)
{
	(void)state;
	map_long();
	goes(LONG_LINEAR, GUEST_WALK_PAGE, 4);
	step(0, 4, PML4E, 0x2000 | PWU);
	step(1, 3, PDPTE, 0x3000 | P | W);
	step(2, 2, PDE, 0x4000 | PWU | NX);
	step(3, 1, PTE, 0xabcdef000 | P | U);
	page(0xabcdefabc, 0x1000, NX);
}

static void five_levels(void **state)
{
	u64 linear = 0x1ULL << 48 | 0x123; /* index 1 of the top table, 0 of the others */

	(void)state;
	map_long();
	goes(linear, GUEST_WALK_NOT_CANONICAL, 0);
	paging.cr4 |= CR4_LA57;
	paging.cr3 = 0x5000;
	entry(0x5008, 0x1000 | PWU);
	entry(0x1000, 0x2000 | PWU);
	entry(0x2000, 0x40000000 | PWU | PS);
	goes(linear, GUEST_WALK_PAGE, 3);
	step(0, 5, 0x5008, 0x1000 | PWU);
	step(2, 3, 0x2000, 0x40000000 | PWU | PS);
	page(0x40000123, GIB, W | U);
	goes(0x1ULL << 56, GUEST_WALK_NOT_CANONICAL, 0);
}

static void large_pages(void **state)
{
	(void)state;
	map_long();
	entry(PDE, (0x12345e00000 & ~(2 * MIB - 1)) | PWU | PS);
	paging.physical_bits = 46;
	goes(LONG_LINEAR, GUEST_WALK_PAGE, 3);
	page((0x12345e00000 & ~(2 * MIB - 1)) + 0x78abc, 2 * MIB, W);
	entry(PDPTE, 0x80000000 | PWU | PS);
	goes(LONG_LINEAR, GUEST_WALK_PAGE, 2);
	page(0x80000000 + (LONG_LINEAR & (GIB - 1)), GIB, W | U);
}

/* The span says how far the same holds around the address. */
static void not_present_at_each_level(void **state)
{
	static const struct {
		u64 at, span;
	} levels[] = {{PTE, 0x1000}, {PDE, 2 * MIB}, {PDPTE, GIB}, {PML4E, 512 * GIB}};

	(void)state;
	map_long();
	for (unsigned i = 0; i < 4; i++) {
		entry(levels[i].at, 0xdead0 & ~1UL); /* whatever else is there */
		goes(LONG_LINEAR, GUEST_WALK_NOT_PRESENT, 4 - i);
		step(3 - i, i + 1, levels[i].at, 0xdead0);
		assert_int_equal(walked.span, levels[i].span);
	}
}

static void reserved_bits_end_it(void **state)
{
	(void)state;
	map_long();
	entry(PDPTE, 0x3000 | P | 1UL << 45); /* beyond 40 physical bits */
	goes(LONG_LINEAR, GUEST_WALK_RESERVED, 2);
	assert_int_equal(walked.entries[1].reserved, 1UL << 45);
	entry(PML4E, 0x2000 | P | PS); /* no 512 GiB pages */
	goes(LONG_LINEAR, GUEST_WALK_RESERVED, 1);
	assert_int_equal(walked.entries[0].reserved, PS);
	map_long();
	paging.efer &= ~EFER_NXE;
	goes(LONG_LINEAR, GUEST_WALK_RESERVED, 3);
	assert_int_equal(walked.entries[2].reserved, NX);
	paging.efer |= EFER_NXE;
	entry(PDE, 0x200000 | P | PS | 1 << 14);
	goes(LONG_LINEAR, GUEST_WALK_RESERVED, 3);
	assert_int_equal(walked.entries[2].reserved, 1 << 14);
}

static void tables_outside_of_ram(void **state)
{
	(void)state;
	map_long();
	entry(PDE, 0xfee00000 | PWU);
	goes(LONG_LINEAR, GUEST_WALK_NOT_RAM, 4);
	step(3, 1, 0xfee00000 + 0x78 * 8, 0);
	paging.cr3 = 0x10000000;
	goes(LONG_LINEAR, GUEST_WALK_NOT_RAM, 1);
	step(0, 4, 0x10000000 + 0x102 * 8, 0);
}

static void two_levels(void **state)
{
	(void)state;
	paging.cr3 = 0x1018; /* low bits are no address */
	entry32(0x1000 + 0x48 * 4, 0x2000 | PWU);
	entry32(0x2000 + 0x345 * 4, 0xabcde000 | P | W);
	goes(0x12345678, GUEST_WALK_PAGE, 2);
	step(0, 2, 0x1000 + 0x48 * 4, 0x2000 | PWU);
	step(1, 1, 0x2000 + 0x345 * 4, 0xabcde000 | P | W);
	page(0xabcde678, 0x1000, W);
	/* 4 MiB pages: with PSE only; bits 20:13 are address bits 39:32. */
	entry32(0x1000 + 0x48 * 4, 0x00c00000 | PWU | PS | 0x12 << 13);
	goes(0x12345678, GUEST_WALK_NOT_RAM, 2);
	paging.cr4 = CR4_PSE;
	goes(0x12345678, GUEST_WALK_PAGE, 1);
	page(0x1200f45678, 4 * MIB, W | U);
	entry32(0x1000 + 0x48 * 4, 0x00c00000 | PWU | PS | 1 << 21);
	goes(0x12345678, GUEST_WALK_RESERVED, 1);
}

static void pae(void **state)
{
	(void)state;
	paging.cr4 = CR4_PAE;
	paging.cr3 = 0x1020; /* aligned to 32 bytes only */
	paging.pdpte[2] = 0x2000 | P;
	entry(0x1020 + 2 * 8, 0x3000 | P);
	entry(0x2000 + 8, 0x4000 | PWU);
	entry(0x3000 + 8, 0x600000 | PWU | PS);
	entry(0x4000 + 3 * 8, 0x7000 | P | U);
	/* The registers count, not what memory says since. */
	goes(0x80203123, GUEST_WALK_PAGE, 3);
	step(0, 3, GUEST_WALK_REGISTER, 0x2000 | P);
	page(0x7123, 0x1000, U);
	paging.pdpte_in_memory = true;
	goes(0x80203123, GUEST_WALK_PAGE, 2);
	step(0, 3, 0x1030, 0x3000 | P);
	page(0x603123, 2 * MIB, W | U);
	goes(0x40203123, GUEST_WALK_NOT_PRESENT, 1);
	assert_int_equal(walked.span, GIB);
	paging.pdpte_in_memory = false;
	goes(0x40203123, GUEST_WALK_NOT_PRESENT, 1);
	step(0, 3, GUEST_WALK_REGISTER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_paging, setup),
		cmocka_unit_test_setup(four_levels, setup_long),
		cmocka_unit_test_setup(five_levels, setup_long),
		cmocka_unit_test_setup(large_pages, setup_long),
		cmocka_unit_test_setup(not_present_at_each_level, setup_long),
		cmocka_unit_test_setup(reserved_bits_end_it, setup_long),
		cmocka_unit_test_setup(tables_outside_of_ram, setup_long),
		cmocka_unit_test_setup(two_levels, setup),
		cmocka_unit_test_setup(pae, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
