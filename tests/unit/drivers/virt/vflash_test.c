/* SPDX-License-Identifier: MIT */
/* The flash chip: what firmware does to tell it from ROM, and to write its variables. */
#include "cmocka_all.h"

#include <string.h>

#include "drivers/virt/vflash.h"

#define BASE  0xffc00000UL
#define BYTES (3 * VFLASH_BLOCK_BYTES)

static struct vflash flash;
static u8 array[BYTES];
static bool shown;
static unsigned changes;

static void show(void *context, bool is_array)
{
	assert_ptr_equal(context, array);
	assert_int_not_equal(shown, is_array);
	shown = is_array;
	changes++;
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BYTES; i++)
		array[i] = (u8)(i ^ i >> 8);
	shown = true;
	changes = 0;
	vflash_init(&flash, array, BASE, BYTES, show, array);
	return 0;
}

static void out(u64 offset, u8 value)
{
	vflash_ops.write(&flash, BASE + offset, 1, value);
}

static u8 in(u64 offset)
{
	return (u8)vflash_ops.read(&flash, BASE + offset, 1);
}

static void where_it_is(void **state)
{
	(void)state;
	assert_false(vflash_claims(&flash, BASE - 1));
	assert_true(vflash_claims(&flash, BASE));
	assert_true(vflash_claims(&flash, BASE + BYTES - 1));
	assert_false(vflash_claims(&flash, BASE + BYTES));
	vflash_init(&flash, NULL, 4 * GIB, 0, show, array);
	assert_false(vflash_claims(&flash, 4 * GIB));
	assert_false(vflash_claims(&flash, 0));
}

/* OVMF: neither RAM, which would keep the command, nor ROM, which would keep what it was. */
static void told_from_rom(void **state)
{
	(void)state;
	assert_int_equal(in(3), 3);
	out(3, 0x50);
	assert_int_equal(in(3), 3);
	assert_true(shown);
	out(3, 0x70);
	assert_int_equal(in(3), 0);
	assert_false(shown);
	out(3, 0xff);
	assert_int_equal(in(3), 3);
	assert_true(shown);
	assert_int_equal(changes, 2);
	for (unsigned i = 0; i < BYTES; i++)
		assert_int_equal(array[i], (u8)(i ^ i >> 8));
}

/* Byte by byte, and back to the array at the end. */
static void bytes_are_programmed(void **state)
{
	(void)state;
	out(0x1010, 0x20);
	assert_int_equal(in(0x1010), 0);
	out(0x1010, 0xd0);
	assert_int_equal(in(0x1010), 0x80);
	for (u8 i = 0; i < 5; i++) {
		out(0x1020U + i, i & 1 ? 0x40 : 0x10);
		assert_false(shown);
		out(0x1020U + i, (u8)(0x50 + i)); /* "clear status" is data here */
		assert_int_equal(in(0), 0x80);
	}
	out(0x1024, 0xff);
	assert_int_equal(changes, 2);
	for (unsigned i = 0; i < BYTES; i++) {
		u8 expected = (u8)(i ^ i >> 8);

		if (i >= 0x1000 && i < 0x2000)
			expected = i >= 0x1020 && i < 0x1025 ? (u8)(0x50 + i - 0x1020) : 0xff;
		assert_int_equal(array[i], expected);
		assert_int_equal(in(i), expected);
	}
}

static void programming_only_clears_bits(void **state)
{
	(void)state;
	array[7] = 0xc3;
	out(7, 0x10);
	out(7, 0x5a);
	assert_int_equal(array[7], 0x42);
	out(7, 0x10);
	out(7, 0xff);
	assert_int_equal(array[7], 0x42);
	assert_false(shown);
}

static void wide_accesses(void **state)
{
	(void)state;
	memset(array, 0xff, BYTES);
	vflash_ops.write(&flash, BASE + 8, 8, 0x10);
	vflash_ops.write(&flash, BASE + 8, 8, 0x1122334455667788);
	assert_int_equal(vflash_ops.read(&flash, BASE, 4), 0x80808080);
	vflash_ops.write(&flash, BASE + 8, 2, 0xffff);
	assert_int_equal(vflash_ops.read(&flash, BASE + 8, 8), 0x1122334455667788);
	assert_int_equal(vflash_ops.read(&flash, BASE + 10, 2), 0x5566);
	/* What is behind the end is nobody's. */
	assert_int_equal(vflash_ops.read(&flash, BASE + BYTES - 2, 4), 0xffffffff);
	array[BYTES - 1] = 0;
	assert_int_equal(vflash_ops.read(&flash, BASE + BYTES - 2, 4), 0xffff00ff);
	out(0, 0x10);
	vflash_ops.write(&flash, BASE + BYTES - 2, 4, 0x12345678);
	assert_int_equal(array[BYTES - 2], 0x78);
}

static void wrong_sequences(void **state)
{
	(void)state;
	out(0, 0x20);
	out(0, 0xff); /* instead of a confirmation */
	assert_int_equal(in(0), 0xb0);
	assert_int_equal(array[1], 1);
	out(0, 0x70);
	assert_int_equal(in(5), 0xb0);
	out(0, 0x50);
	assert_true(shown);
	out(0, 0x70);
	assert_int_equal(in(5), 0);
	out(0, 0x77); /* no command: as "read array" */
	assert_true(shown);
	out(0, 0xd0);
	assert_true(shown);
	assert_int_equal(in(5), 5);
}

/* A reset in the midst of something. */
static void a_reset_ends_everything(void **state)
{
	(void)state;
	out(0, 0x20);
	shown = true;
	vflash_init(&flash, array, BASE, BYTES, show, array);
	out(0, 0xd0);
	assert_int_equal(array[1], 1);
	assert_true(shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(where_it_is, setup),
		cmocka_unit_test_setup(told_from_rom, setup),
		cmocka_unit_test_setup(bytes_are_programmed, setup),
		cmocka_unit_test_setup(programming_only_clears_bits, setup),
		cmocka_unit_test_setup(wide_accesses, setup),
		cmocka_unit_test_setup(wrong_sequences, setup),
		cmocka_unit_test_setup(a_reset_ends_everything, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
