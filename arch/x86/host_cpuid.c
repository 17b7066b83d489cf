/* SPDX-License-Identifier: MIT */
/* CPUID of the machine. Which register of which leaf means what: SDM vol. 2, CPUID. */
#include "host_cpuid.h"

#include "cpu_features.h"

#define FIRST_EXTENDED 0x80000000U
#define XSAVE_LEAF     0x0dU
#define XSAVE_FIRST    2U /* subleaves from here on are about one state component each */

/* How two CPUs' registers become one. */
enum rule {
	FIRST,	  /* the first CPU's: model, caches, names */
	BOTH,	  /* features: what both have */
	SMALLEST, /* a number */
	BYTES,	  /* a number in each byte */
	LINE,	  /* leaf 1, EBX: the line size of CLFLUSH in 15:8 is the smaller one */
	LEAF_7,	  /* leaf 7, EBX: features, but for two bits that tell what is missing */
};

struct place {
	u32 leaf, subleaf;
	enum rule eax, ebx, ecx, edx;
};

static const struct place places[] = {
	{0, 0, SMALLEST, FIRST, FIRST, FIRST},
	{1, 0, FIRST, LINE, BOTH, BOTH},
	{2, 0, FIRST, FIRST, FIRST, FIRST},
	{4, 0, FIRST, FIRST, FIRST, FIRST},
	{4, 1, FIRST, FIRST, FIRST, FIRST},
	{4, 2, FIRST, FIRST, FIRST, FIRST},
	{4, 3, FIRST, FIRST, FIRST, FIRST},
	{4, 4, FIRST, FIRST, FIRST, FIRST},
	{4, 5, FIRST, FIRST, FIRST, FIRST},
	{4, 6, FIRST, FIRST, FIRST, FIRST},
	{4, 7, FIRST, FIRST, FIRST, FIRST},
	{7, 0, FIRST, LEAF_7, BOTH, BOTH},
	{XSAVE_LEAF, 0, BOTH, FIRST, FIRST, BOTH},
	{XSAVE_LEAF, 1, BOTH, FIRST, BOTH, BOTH},
	{XSAVE_LEAF, 2, FIRST, FIRST, FIRST, FIRST},
	{XSAVE_LEAF, 3, FIRST, FIRST, FIRST, FIRST},
	{XSAVE_LEAF, 4, FIRST, FIRST, FIRST, FIRST},
	{XSAVE_LEAF, 5, FIRST, FIRST, FIRST, FIRST},
	{XSAVE_LEAF, 6, FIRST, FIRST, FIRST, FIRST},
	{XSAVE_LEAF, 7, FIRST, FIRST, FIRST, FIRST},
	{FIRST_EXTENDED, 0, SMALLEST, FIRST, FIRST, FIRST},
	{0x80000001, 0, FIRST, FIRST, BOTH, BOTH},
	{0x80000002, 0, FIRST, FIRST, FIRST, FIRST},
	{0x80000003, 0, FIRST, FIRST, FIRST, FIRST},
	{0x80000004, 0, FIRST, FIRST, FIRST, FIRST},
	{0x80000006, 0, FIRST, FIRST, FIRST, FIRST},
	{0x80000007, 0, FIRST, FIRST, FIRST, BOTH},
	{0x80000008, 0, BYTES, BOTH, FIRST, FIRST},
};

_Static_assert(ARRAY_SIZE(places) <= HOST_CPUID_LEAVES, "room for every leaf");

void host_cpuid_read(struct host_cpuid *host, host_cpuid_reader read, void *context)
{
	u32 basic = read(context, 0, 0).eax, extended = read(context, FIRST_EXTENDED, 0).eax;

	*host = (struct host_cpuid){0};
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *place = &places[i];

		/* Above the maximum a CPU answers for another leaf. */
		if (place->leaf <= (place->leaf < FIRST_EXTENDED ? basic : extended))
			host->leaves[i] = read(context, place->leaf, place->subleaf);
	}
}

static u32 bytes_smallest(u32 a, u32 b)
{
	u32 value = 0;

	for (unsigned shift = 0; shift < 32; shift += 8)
		value |= MIN(a >> shift & 0xff, b >> shift & 0xff) << shift;
	return value;
}

static u32 merge(enum rule rule, u32 a, u32 b)
{
	switch (rule) {
	case BOTH:
		return a & b;
	case SMALLEST:
		return MIN(a, b);
	case BYTES:
		return bytes_smallest(a, b);
	case LINE:
		return (a & ~0xff00U) | (bytes_smallest(a, b) & 0xff00);
	case LEAF_7:
		return (a & b) | ((a | b) & MISSING_FPU);
	case FIRST:
		break;
	}
	return a;
}

static struct cpuid *leaf_at(struct host_cpuid *host, u32 leaf, u32 subleaf)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].leaf == leaf && places[i].subleaf == subleaf)
			return &host->leaves[i];
	return NULL;
}

/* What one CPU saves another must find: a component that lies elsewhere there is not for guests. */
static void components_match(struct host_cpuid *all, const struct host_cpuid *one)
{
	struct cpuid *components = leaf_at(all, XSAVE_LEAF, 0);

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct cpuid *a = &all->leaves[i], *b = &one->leaves[i];

		if (places[i].leaf == XSAVE_LEAF && places[i].subleaf >= XSAVE_FIRST &&
		    (a->eax != b->eax || a->ebx != b->ebx))
			components->eax &= ~F(places[i].subleaf);
	}
}

void host_cpuid_merge(struct host_cpuid *all, const struct host_cpuid *one)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct cpuid *a = &all->leaves[i];
		const struct cpuid *b = &one->leaves[i];

		a->eax = merge(places[i].eax, a->eax, b->eax);
		a->ebx = merge(places[i].ebx, a->ebx, b->ebx);
		a->ecx = merge(places[i].ecx, a->ecx, b->ecx);
		a->edx = merge(places[i].edx, a->edx, b->edx);
	}
	components_match(all, one);
}

struct cpuid host_cpuid_leaf(const struct host_cpuid *host, u32 leaf, u32 subleaf)
{
	const struct cpuid *found = leaf_at((struct host_cpuid *)host, leaf, subleaf);

	return found ? *found : (struct cpuid){0};
}
