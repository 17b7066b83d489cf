/* SPDX-License-Identifier: MIT */
/*
 * The flash chip that a firmware is in, or its variables: eight bits wide, blocks of 4 KiB, with
 * the basic command set of Intel's chips (Common Flash Memory Interface, command set 1), as far as
 * firmware for virtual machines uses it.
 *
 * While it shows its array, guests read it as the memory that it is, and only what they write comes
 * here. The host is told when that changes.
 */
#pragma once

#include <bulkhead/device.h>

#define VFLASH_BLOCK_BYTES (4 * KIB)

struct vflash {
	u8 *array;
	u64 base, bytes; /* guest-physical; 0 bytes: there is no chip */
	/* Reads give the array from now on, and need not come here; or they give the status. */
	void (*show)(void *context, bool array);
	void *context;
	u8 status;
	u8 begun;     /* command whose second cycle comes next; 0: none */
	bool working; /* reads give the status */
};

/* `array` stays what it was. `show` is not called: whoever calls this knows that the array shows.
 */
void vflash_init(struct vflash *flash, u8 *array, u64 base, u64 bytes,
		 void (*show)(void *context, bool array), void *context);

static inline bool vflash_claims(const struct vflash *flash, u64 gpa)
{
	return gpa - flash->base < flash->bytes;
}

/* Addresses that it claims. */
extern const struct device_ops vflash_ops;
