/* SPDX-License-Identifier: MIT */
/* The generator of random bytes; the block function against RFC 8439, 2.3.2. */
#include "cmocka_all.h"

#include <bulkhead/csprng.h>
#include <string.h>

static void test_block(void **state)
{
	static const u8 expected[64] = {
		0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
		0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
		0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
		0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
		0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
	};
	const u32 nonce[3] = {0x09000000, 0x4a000000, 0};
	u8 key[32], block[64];
	u32 words[8];

	(void)state;
	for (u8 i = 0; i < sizeof(key); i++)
		key[i] = i;
	memcpy(words, key, sizeof(key));
	chacha20_block(words, 1, nonce, block);
	assert_memory_equal(block, expected, sizeof(block));
}

static void test_never_the_same(void **state)
{
	struct csprng csprng = {0}, other = {0};
	u8 a[100], b[100], zero[100] = {0};

	(void)state;
	csprng_read(&csprng, a, sizeof(a));
	csprng_read(&csprng, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, zero, sizeof(a));
	assert_memory_not_equal(a, a + 32, 32);
	csprng_read(&other, b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a)); /* it has no secret but its seed */
	csprng_stir(&other, 1);
	csprng_read(&other, b, sizeof(b));
	csprng_stir(&csprng, 2);
	csprng_read(&csprng, a, sizeof(a));
	assert_memory_not_equal(a, b, sizeof(a));
}

/* Neither the bytes that were given nor what made them is left in it. */
static void test_forgets(void **state)
{
	struct csprng csprng = {{1, 2, 3}}, before;
	u8 given[32];

	(void)state;
	before = csprng;
	csprng_read(&csprng, given, sizeof(given));
	assert_memory_not_equal(&csprng, &before, sizeof(csprng));
	assert_memory_not_equal(&csprng, given, sizeof(given));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_never_the_same),
		cmocka_unit_test(test_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
