/* links: drivers/virt/vflash.c */
/* SPDX-License-Identifier: MIT */
/*
 * A flash chip whose array ends where pages begin that nobody may touch: any accesses to it, of any
 * width, against a model that knows what a chip may do to its array.
 */
#include "kernel_fuzz.h"

#include "drivers/virt/vflash.h"

#define BASE  0xfff00000UL
#define BYTES (4 * VFLASH_BLOCK_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct step {
	u8 width; /* bit 7: a read */
	u16 offset;
	u64 value;
} packed;

static u8 *array;
static bool shown;

static void show(void *context, bool is_array)
{
	must(!context && shown != is_array);
	shown = is_array;
}

static u64 offset_of(const struct step *step, unsigned bytes)
{
	return align_down(step->offset % BYTES, bytes);
}

/* One write changes its own bytes, each to fewer bits, or erases the block that it is in. */
static void write_check(const u8 *before, u64 offset, unsigned bytes)
{
	u64 block = align_down(offset, VFLASH_BLOCK_BYTES);
	bool erased = array[block] == 0xff && array[block + VFLASH_BLOCK_BYTES - 1] == 0xff;

	for (u64 i = 0; i < BYTES; i++) {
		if (array[i] == before[i])
			continue;
		if (i >= offset && i < offset + bytes && !(array[i] & ~before[i]))
			continue;
		must(erased && array[i] == 0xff && i - block < VFLASH_BLOCK_BYTES);
	}
}

static void step_do(struct vflash *flash, const struct step *step)
{
	unsigned bytes = 1U << (step->width & 3);
	u64 offset = offset_of(step, bytes);
	static u8 before[BYTES];

	memcpy(before, array, BYTES);
	if (step->width & 0x80) {
		u64 value = vflash_ops.read(flash, BASE + offset, bytes);

		must(!shown || !memcmp(&value, array + offset, bytes));
		must(!memcmp(before, array, BYTES));
		return;
	}
	vflash_ops.write(flash, BASE + offset, bytes, step->value);
	write_check(before, offset, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vflash flash;
	struct step step;

	if (!array)
		array = ram_make() + RAM_MAX - BYTES;
	for (u64 i = 0; i < BYTES; i++)
		array[i] = (u8)(i | 1);
	shown = true;
	vflash_init(&flash, array, BASE, BYTES, show, NULL);
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		step_do(&flash, &step);
	}
	return 0;
}
