/* SPDX-License-Identifier: MIT */
/*
 * A generator of random bytes from a secret that was gathered elsewhere: the ChaCha20 block
 * function (RFC 8439, 2.3) with its own output as the next key, so that what it gave before cannot
 * be found from what it holds now. Pure; whoever owns one sees to its lock.
 */
#pragma once

#include <bulkhead/types.h>

struct csprng {
	u32 key[8];
};

/* Mix `value` in. It may be known to others: it makes nothing worse. */
void csprng_stir(struct csprng *csprng, u64 value);

void csprng_read(struct csprng *csprng, void *bytes, u64 count);

/* One block: RFC 8439, 2.3. */
void chacha20_block(const u32 key[8], u32 counter, const u32 nonce[3], u8 block[64]);
