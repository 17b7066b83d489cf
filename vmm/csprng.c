/* SPDX-License-Identifier: MIT */
/* RFC 8439, 2.1 to 2.3, and key erasure after each block. */
#include <bulkhead/csprng.h>

#include <bulkhead/string.h>

#define DOUBLE_ROUNDS 10

static u32 rotate(u32 value, unsigned by)
{
	return value << by | value >> (32 - by);
}

static void quarter_round(u32 *a, u32 *b, u32 *c, u32 *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

void chacha20_block(const u32 key[8], u32 counter, const u32 nonce[3], u8 block[64])
{
	u32 first[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	u32 x[16];

	memcpy(first + 4, key, 32);
	first[12] = counter;
	memcpy(first + 13, nonce, 12);
	memcpy(x, first, sizeof(x));
	for (unsigned round = 0; round < DOUBLE_ROUNDS; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
				      &x[12 + (i + 3) % 4]);
	}
	for (unsigned i = 0; i < 16; i++)
		x[i] += first[i];
	memcpy(block, x, sizeof(x));
}

/* Half of a block is the next key, the other half may be given away. */
static void next(struct csprng *csprng, u8 given[32])
{
	static const u32 nonce[3];
	u8 block[64];

	chacha20_block(csprng->key, 0, nonce, block);
	memcpy(csprng->key, block, 32);
	memcpy(given, block + 32, 32);
	memset(block, 0, sizeof(block));
}

void csprng_stir(struct csprng *csprng, u64 value)
{
	u8 unwanted[32];

	csprng->key[0] ^= (u32)value;
	csprng->key[1] ^= (u32)(value >> 32);
	next(csprng, unwanted);
}

void csprng_read(struct csprng *csprng, void *bytes, u64 count)
{
	u8 *to = bytes, given[32];

	while (count) {
		u64 part = MIN(count, sizeof(given));

		next(csprng, given);
		memcpy(to, given, part);
		to += part;
		count -= part;
	}
	memset(given, 0, sizeof(given));
}
