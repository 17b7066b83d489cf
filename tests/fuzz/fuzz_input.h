/* SPDX-License-Identifier: MIT */
/* The input of a fuzz target as a row of choices: when it is used up all that follow are 0. */
#pragma once

#include <bulkhead/types.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

static const u8 *input;
static size_t left;

static inline void input_begin(const u8 *data, size_t bytes)
{
	input = data;
	left = bytes;
}

static inline u8 next8(void)
{
	return left ? left--, *input++ : 0;
}

static inline u64 next(unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)next8() << (8 * i);
	return value;
}

static inline void must(bool condition)
{
	if (!condition)
		abort();
}
