/* SPDX-License-Identifier: MIT */
#include "cache_descriptors.h"

#include <bulkhead/string.h>

#define IN_LEAF_4 0xff /* a descriptor: see leaf 4 */

#define BYTES 16 /* EAX, EBX, ECX and EDX */

/* Fields of leaf 4. */
#define TYPE(c)	      ((c)->eax & 0x1f)
#define LEVEL(c)      ((c)->eax >> 5 & 7)
#define IS_FULL(c)    ((c)->eax & BIT(9)) /* fully associative */
#define LINE_BYTES(c) (((c)->ebx & 0xfff) + 1)
#define PARTITIONS(c) (((c)->ebx >> 12 & 0x3ff) + 1)
#define WAYS(c)	      (((c)->ebx >> 22) + 1)
#define SETS(c)	      ((u64)(c)->ecx + 1)
enum { TYPE_DATA = 1, TYPE_CODE, TYPE_UNIFIED };

#define KIB_OF_MIB(n) ((n)*1024)

/*
 * SDM vol. 2, CPUID, "Encoding of CPUID Leaf 2 Descriptors". Not here: 49h, which is a level 2 or a
 * level 3 cache depending on the family, and what has sectors.
 */
static const struct descriptor {
	u8 byte, level, type, ways, line_bytes;
	u16 kib;
} descriptors[] = {
	{0x06, 1, TYPE_CODE, 4, 32, 8},
	{0x08, 1, TYPE_CODE, 4, 32, 16},
	{0x09, 1, TYPE_CODE, 4, 64, 32},
	{0x30, 1, TYPE_CODE, 8, 64, 32},
	{0x0a, 1, TYPE_DATA, 2, 32, 8},
	{0x0c, 1, TYPE_DATA, 4, 32, 16},
	{0x0d, 1, TYPE_DATA, 4, 64, 16},
	{0x0e, 1, TYPE_DATA, 6, 64, 24},
	{0x2c, 1, TYPE_DATA, 8, 64, 32},
	{0x1d, 2, TYPE_UNIFIED, 2, 64, 128},
	{0x21, 2, TYPE_UNIFIED, 8, 64, 256},
	{0x24, 2, TYPE_UNIFIED, 16, 64, KIB_OF_MIB(1)},
	{0x48, 2, TYPE_UNIFIED, 12, 64, KIB_OF_MIB(3)},
	{0x4e, 2, TYPE_UNIFIED, 24, 64, KIB_OF_MIB(6)},
	{0x78, 2, TYPE_UNIFIED, 4, 64, KIB_OF_MIB(1)},
	{0x7d, 2, TYPE_UNIFIED, 8, 64, KIB_OF_MIB(2)},
	{0x7f, 2, TYPE_UNIFIED, 2, 64, 512},
	{0x80, 2, TYPE_UNIFIED, 8, 64, 512},
	{0x86, 2, TYPE_UNIFIED, 4, 64, 512},
	{0x87, 2, TYPE_UNIFIED, 8, 64, KIB_OF_MIB(1)},
	{0x46, 3, TYPE_UNIFIED, 4, 64, KIB_OF_MIB(4)},
	{0x47, 3, TYPE_UNIFIED, 8, 64, KIB_OF_MIB(8)},
	{0x4c, 3, TYPE_UNIFIED, 12, 64, KIB_OF_MIB(12)},
	{0x4d, 3, TYPE_UNIFIED, 16, 64, KIB_OF_MIB(16)},
	{0xd0, 3, TYPE_UNIFIED, 4, 64, 512},
	{0xd1, 3, TYPE_UNIFIED, 4, 64, KIB_OF_MIB(1)},
	{0xd2, 3, TYPE_UNIFIED, 4, 64, KIB_OF_MIB(2)},
	{0xd6, 3, TYPE_UNIFIED, 8, 64, KIB_OF_MIB(1)},
	{0xd7, 3, TYPE_UNIFIED, 8, 64, KIB_OF_MIB(2)},
	{0xd8, 3, TYPE_UNIFIED, 8, 64, KIB_OF_MIB(4)},
	{0xdc, 3, TYPE_UNIFIED, 12, 64, KIB_OF_MIB(3) / 2},
	{0xdd, 3, TYPE_UNIFIED, 12, 64, KIB_OF_MIB(3)},
	{0xde, 3, TYPE_UNIFIED, 12, 64, KIB_OF_MIB(6)},
	{0xe2, 3, TYPE_UNIFIED, 16, 64, KIB_OF_MIB(2)},
	{0xe3, 3, TYPE_UNIFIED, 16, 64, KIB_OF_MIB(4)},
	{0xe4, 3, TYPE_UNIFIED, 16, 64, KIB_OF_MIB(8)},
	{0xea, 3, TYPE_UNIFIED, 24, 64, KIB_OF_MIB(12)},
	{0xeb, 3, TYPE_UNIFIED, 24, 64, KIB_OF_MIB(18)},
	{0xec, 3, TYPE_UNIFIED, 24, 64, KIB_OF_MIB(24)},
};

/* 0, which says nothing, where it has none. */
static u8 descriptor_find(const struct cpuid *cache)
{
	u64 bytes = SETS(cache) * WAYS(cache) * PARTITIONS(cache) * LINE_BYTES(cache);

	for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++) {
		const struct descriptor *d = &descriptors[i];

		if (d->type == TYPE(cache) && d->level == LEVEL(cache) && d->ways == WAYS(cache) &&
		    d->line_bytes == LINE_BYTES(cache) && d->kib * KIB == bytes && !IS_FULL(cache))
			return d->byte;
	}
	return 0;
}

/* The highest bit of a register, which is that of its last byte, says that there are no descriptors
 * in it. */
#define IS_LAST(i) ((i) % 4 == 3)
#define NO_BYTES   0x80

/* The lowest byte of EAX is no descriptor. Whether there was room. */
static bool descriptor_add(u8 *bytes, u8 descriptor)
{
	for (unsigned i = 1; i < BYTES; i++) {
		if (bytes[i] || (IS_LAST(i) && descriptor & NO_BYTES))
			continue;
		bytes[i] = descriptor;
		return true;
	}
	return false;
}

static bool caches_add(u8 *bytes, const struct cpuid *caches, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		u8 descriptor = descriptor_find(&caches[i]);

		if (!descriptor || !descriptor_add(bytes, descriptor))
			return false;
	}
	return count > 0;
}

/* What else there is, but for what is replaced. Whether that is there. */
static bool others_add(u8 *bytes, const u8 *old)
{
	bool in_leaf_4 = false;

	for (unsigned i = 1; i < BYTES; i++) {
		bool is_descriptor = old[i] && !(old[i | 3] & NO_BYTES);

		if (is_descriptor && old[i] == IN_LEAF_4)
			in_leaf_4 = true;
		else if (is_descriptor && !descriptor_add(bytes, old[i]))
			return false;
	}
	return in_leaf_4;
}

void cache_descriptors_fill(struct cpuid *leaf2, const struct cpuid *caches, unsigned count)
{
	u8 old[BYTES], bytes[BYTES];

	memcpy(old, leaf2, BYTES);
	memset(bytes, 0, BYTES);
	bytes[0] = old[0];
	if (caches_add(bytes, caches, count) && others_add(bytes, old))
		memcpy(leaf2, bytes, BYTES);
}
