/* SPDX-License-Identifier: MIT */
/* Two CPUs of a machine that differ: what both have. */
#include "cmocka_all.h"

#include <string.h>

#include <arch/x86/host_cpuid.h>

struct row {
	u32 leaf, subleaf;
	struct cpuid value;
};

#define END                                                                                        \
	{                                                                                          \
		0xffffffff, 0,                                                                     \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

/* Leaves that are not listed are full of ones, as they would be where a CPU answers for another. */
static struct cpuid row_read(void *context, u32 leaf, u32 subleaf)
{
	for (const struct row *row = context; row->leaf != 0xffffffff; row++)
		if (row->leaf == leaf && row->subleaf == subleaf)
			return row->value;
	return (struct cpuid){~0U, ~0U, ~0U, ~0U};
}

static struct host_cpuid read_rows(const struct row *rows)
{
	struct host_cpuid host;

	memset(&host, 0xee, sizeof(host));
	host_cpuid_read(&host, row_read, (void *)rows);
	return host;
}

static void expect(const struct host_cpuid *host, u32 leaf, u32 subleaf, struct cpuid want)
{
	struct cpuid got = host_cpuid_leaf(host, leaf, subleaf);

	if (memcmp(&got, &want, sizeof(got)))
		fail_msg("leaf 0x%x.%u: %08x %08x %08x %08x", leaf, subleaf, got.eax, got.ebx,
			 got.ecx, got.edx);
}

/* A big core, and a small one of the same machine. */
static const struct row big[] = {
	{0, 0, {0x20, 1, 2, 3}},
	{1, 0, {0x906a3, 0x00204000, 0xffff0fff, 0xbfebfbff}},
	{2, 0, {0xff01, 0xf0, 0, 0}},
	{4, 0, {0x121, 0x02c0003f, 0x3f, 0}},
	{7, 0, {1, 0xf0ff00ff & ~0x2040U, 0xff00, 0x00ff}},
	{0xd, 0, {0xe7, 0xa88, 0xa88, 1}},
	{0xd, 1, {0xf, 0x100, 0x1900, 0}},
	{0xd, 2, {0x100, 0x240, 0, 0}},
	{0xd, 5, {0x40, 0x440, 0, 0}},
	{0x80000000, 0, {0x80000008, 0, 0, 0}},
	{0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
	{0x80000002, 0, {'b', 'i', 'g', 0}},
	{0x80000007, 0, {0, 0, 0, 0x100}},
	{0x80000008, 0, {0x392e, 0xff, 0, 0}},
	END,
};
static const struct row small[] = {
	{0, 0, {0xf, 1, 2, 3}},
	{1, 0, {0x90672, 0x05002000, 0x0ffff0ff, 0xb00bfbff}},
	{2, 0, {0xee01, 0xe0, 0, 0}},
	{4, 0, {0x122, 0x01c0003f, 0x3f, 0}},
	{7, 0, {1, 0x0fff0fff | 0x2000, 0x0ff0, 0x0f0f}},
	{0xd, 0, {0x27, 0x480, 0x480, 0}},
	{0xd, 1, {1, 0, 0x100, 0}},
	{0xd, 2, {0x100, 0x280, 0, 0}},
	{0xd, 5, {0x40, 0x440, 0, 0}},
	{0x80000000, 0, {0x80000007, 0, 0, 0}},
	{0x80000001, 0, {0, 0, 0x101, 0x28100800}},
	{0x80000002, 0, {'s', 'm', 'a', 'l'}},
	{0x80000007, 0, {0, 0, 0, 0}},
	END,
};

static void one_cpu_is_as_it_is(void **state)
{
	struct host_cpuid host = read_rows(big), twin = read_rows(big);

	(void)state;
	host_cpuid_merge(&host, &twin);
	assert_memory_equal(&host, &twin, sizeof(host));
	for (const struct row *row = big; row->leaf != 0xffffffff; row++)
		expect(&host, row->leaf, row->subleaf, row->value);
	expect(&host, 5, 0, (struct cpuid){0}); /* of no interest */
}

static void above_the_maximum_is_nothing(void **state)
{
	struct host_cpuid host = read_rows(small);

	(void)state;
	expect(&host, 0x80000008, 0, (struct cpuid){0});
	expect(&host, 0x80000007, 0, (struct cpuid){0});
	expect(&host, 0x80000003, 0, (struct cpuid){~0U, ~0U, ~0U, ~0U});
}

static void what_both_have(void **state)
{
	struct host_cpuid host = read_rows(big), other = read_rows(small);

	(void)state;
	host_cpuid_merge(&host, &other);
	expect(&host, 0, 0, (struct cpuid){0xf, 1, 2, 3});
	/* The first one's model and APIC id; lines of 20h * 8 bytes */
	expect(&host, 1, 0, (struct cpuid){0x906a3, 0x00202000, 0x0fff00ff, 0xb00bfbff});
	expect(&host, 2, 0, (struct cpuid){0xff01, 0xf0, 0, 0});
	expect(&host, 4, 0, (struct cpuid){0x121, 0x02c0003f, 0x3f, 0});
	/* Bits 6 and 13 say that one of them lacks something. */
	expect(&host, 7, 0, (struct cpuid){1, 0x00ff20ff, 0x0f00, 0x000f});
	expect(&host, 0x80000000, 0, (struct cpuid){0x80000007, 0, 0, 0});
	expect(&host, 0x80000001, 0, (struct cpuid){0, 0, 0x101, 0x28100800});
	expect(&host, 0x80000002, 0, (struct cpuid){'b', 'i', 'g', 0});
	expect(&host, 0x80000007, 0, (struct cpuid){0});
	expect(&host, 0x80000008, 0, (struct cpuid){0});
}

/* Component 2 lies elsewhere, 6 and 7 are not in both: what is left is the same area on both. */
static void components(void **state)
{
	struct host_cpuid host = read_rows(big), other = read_rows(small);

	(void)state;
	host_cpuid_merge(&host, &other);
	expect(&host, 0xd, 0, (struct cpuid){0x23, 0xa88, 0xa88, 0});
	expect(&host, 0xd, 1, (struct cpuid){1, 0x100, 0x100, 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_cpu_is_as_it_is),
		cmocka_unit_test(above_the_maximum_is_nothing),
		cmocka_unit_test(what_both_have),
		cmocka_unit_test(components),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
