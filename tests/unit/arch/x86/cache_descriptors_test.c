/* SPDX-License-Identifier: MIT */
/*
 * Leaf 2 of CPUID for the caches of leaf 4. The leaves are those of real processors; the
 * descriptors are looked up by hand in SDM vol. 2, CPUID.
 */
/* links: vmm/string.c */
#include "cmocka_all.h"

#include <arch/x86/cache_descriptors.h>

/* Haswell, 32 + 32 KiB, 256 KiB, and so much of level 3. */
#define L1_DATA                                                                                    \
	{                                                                                          \
		0x1c004121, 0x01c0003f, 0x3f, 0                                                    \
	}
#define L1_CODE                                                                                    \
	{                                                                                          \
		0x1c004122, 0x01c0003f, 0x3f, 0                                                    \
	}
#define L2_256K                                                                                    \
	{                                                                                          \
		0x1c004143, 0x01c0003f, 0x1ff, 0                                                   \
	}
#define L3_3M                                                                                      \
	{                                                                                          \
		0x1c03c163, 0x02c0003f, 0xfff, 6                                                   \
	}
#define L3_8M                                                                                      \
	{                                                                                          \
		0x1c03c163, 0x03c0003f, 0x1fff, 6                                                  \
	}
#define L1_48K                                                                                     \
	{                                                                                          \
		0x1c004121, 0x02c0003f, 0x3f, 0                                                    \
	} /* Ice Lake's, which has no descriptor */
#define LEAF2 ((struct cpuid){0x76036301, 0x00f0b5ff, 0, 0x00c10000})
#define LEAF2_OLD                                                                                  \
	((struct cpuid){0x55035a01, 0x00f0b2e4, 0, 0x09ca212c}) /* Nehalem: says it itself */

static void filled(struct cpuid leaf2, const struct cpuid *caches, unsigned count,
		   struct cpuid expected)
{
	cache_descriptors_fill(&leaf2, caches, count);
	assert_int_equal(leaf2.eax, expected.eax);
	assert_int_equal(leaf2.ebx, expected.ebx);
	assert_int_equal(leaf2.ecx, expected.ecx);
	assert_int_equal(leaf2.edx, expected.edx);
}

/* First those of the caches, then the others in their order; b5h, c1h and ddh never where they
 * would be bit 31. */
static void every_cache_has_one(void **state)
{
	const struct cpuid caches[] = {L1_DATA, L1_CODE, L2_256K, L3_3M};

	(void)state;
	filled(LEAF2, caches, 4, (struct cpuid){0x21302c01, 0x760363dd, 0x00c1f0b5, 0});
}

static void descriptors_keep_bit_31_clear(void **state)
{
	const struct cpuid caches[] = {L1_DATA, L1_CODE, L3_8M};

	(void)state;
	filled((struct cpuid){0x00ffff01, 0x005af0f0, 0, 0}, caches, 3,
	       (struct cpuid){0x5a302c01, 0x00f0f0e4, 0, 0});
	/* What is in a register with bit 31 is none. */
	filled((struct cpuid){0xff5a6301, 0x00f0b5ff, 0x80010203, 0}, caches, 3,
	       (struct cpuid){0x00302c01, 0x00f0b5e4, 0, 0});
}

static void one_without_leaves_all_as_it_is(void **state)
{
	const struct cpuid caches[] = {L1_48K, L1_CODE, L2_256K, L3_8M};
	struct cpuid full = L2_256K;

	(void)state;
	filled(LEAF2, caches, 4, LEAF2);
	full.eax |= BIT(9);
	filled(LEAF2, &full, 1, LEAF2);
	filled(LEAF2, caches, 0, LEAF2);
}

static void a_leaf_that_says_it_itself_stays(void **state)
{
	const struct cpuid caches[] = {L1_DATA, L1_CODE, L2_256K, L3_8M};

	(void)state;
	filled(LEAF2_OLD, caches, 4, LEAF2_OLD);
	filled((struct cpuid){1, 0x800000ff, 0, 0}, caches, 4, (struct cpuid){1, 0x800000ff, 0, 0});
}

static void without_room_it_stays(void **state)
{
	const struct cpuid caches[] = {L1_DATA, L1_CODE};
	const struct cpuid tight = {0x01010101, 0x01010101, 0x010101ff, 0x01010101};

	(void)state;
	filled(tight, caches, 2, tight);
	filled(tight, caches, 1, (struct cpuid){0x01012c01, 0x01010101, 0x01010101, 0x01010101});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cache_has_one),
		cmocka_unit_test(descriptors_keep_bit_31_clear),
		cmocka_unit_test(one_without_leaves_all_as_it_is),
		cmocka_unit_test(a_leaf_that_says_it_itself_stays),
		cmocka_unit_test(without_room_it_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
