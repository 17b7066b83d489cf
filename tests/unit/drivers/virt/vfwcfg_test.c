/* SPDX-License-Identifier: MIT */
/* fw_cfg as firmware uses it: by port and by DMA. */
#include "cmocka_all.h"

#include "drivers/virt/vfwcfg.h"
#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (4 * MIB)

static struct vfwcfg device;
static struct guest_memory memory;
static const u8 setup_code[700] = {0xeb, 0x63}, kernel[] = "code", initrd[] = "files";
static const u8 first[] = "the first file", second[300] = {1, 2, 3};
static const struct fw_cfg content = {
	.uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	.ram_bytes = 0x123456789aUL,
	.vcpus = 5,
	.boot_menu = true,
	.setup = {setup_code, sizeof(setup_code)},
	.kernel = {kernel, sizeof(kernel)},
	.initrd = {initrd, sizeof(initrd)},
	.cmdline = {(const u8 *)"a b", 4},
	.file_count = 2,
	.files = {{"etc/first", first, sizeof(first)}, {"opt/second", second, sizeof(second)}},
};

static int setup(void **state)
{
	(void)state;
	memory = (struct guest_memory){.window = calloc(1, RAM_BYTES), .low_bytes = RAM_BYTES};
	memset(&device, 0xee, sizeof(device));
	vfwcfg_init(&device, &content, &memory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory.window);
	return 0;
}

static void out(u64 port, unsigned bytes, u64 value)
{
	vfwcfg_ops.write(&device, port, bytes, value);
}

static u8 next(void)
{
	return (u8)vfwcfg_ops.read(&device, 0x511, 1);
}

static u64 item(u16 key, unsigned bytes)
{
	u64 value = 0;

	out(0x510, 2, key);
	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)next() << (8 * i);
	assert_int_equal(next(), 0); /* that was all */
	return value;
}

static void test_items(void **state)
{
	(void)state;
	assert_int_equal(item(0x00, 4), 0x554d4551);
	assert_int_equal(item(0x01, 4), 3);
	assert_int_equal(item(0x03, 8), 0x123456789a);
	assert_int_equal(item(0x05, 2), 5);
	assert_int_equal(item(0x0f, 2), 5);
	assert_int_equal(item(0x8002, 4), 1);
	assert_int_equal(item(0x0e, 2), 1);
	assert_int_equal(item(0x0d, 8), 0); /* what there is not reads as zeros */
	assert_int_equal(item(0x22, 8), 0);
	assert_int_equal(item(0xffff, 8), 0);
	out(0x510, 2, 0x02);
	for (unsigned i = 1; i <= 16; i++)
		assert_int_equal(next(), i);
	assert_int_equal(next(), 0);
}

static void test_kernel(void **state)
{
	static const struct fw_cfg none;

	(void)state;
	assert_int_equal(item(0x17, 4), 700);
	assert_int_equal(item(0x18, 2) & 0xffff, 0x63eb);
	assert_int_equal(item(0x08, 4), sizeof(kernel));
	assert_int_equal(item(0x11, 5), 0x65646f63);
	assert_int_equal(item(0x0b, 4), sizeof(initrd));
	assert_int_equal(item(0x12, 6), 0x73656c6966);
	assert_int_equal(item(0x14, 4), 4);
	assert_int_equal(item(0x15, 4), 0x622061);
	vfwcfg_init(&device, &none, &memory);
	assert_int_equal(item(0x08, 4), 0);
	assert_int_equal(item(0x11, 4), 0);
	assert_int_equal(item(0x17, 4), 0);
	assert_int_equal(item(0x0e, 2), 0);
}

static void test_files(void **state)
{
	u8 directory[4 + 2 * 64];

	(void)state;
	out(0x510, 2, 0x19);
	for (unsigned i = 0; i < sizeof(directory); i++)
		directory[i] = next();
	assert_int_equal(next(), 0);
	assert_memory_equal(directory, "\0\0\0\2", 4);
	assert_memory_equal(directory + 4, "\0\0\0\17\0\40\0\0etc/first\0", 18);
	assert_memory_equal(directory + 68, "\0\0\1\54\0\41\0\0opt/second\0", 19);
	out(0x510, 2, 0x20);
	for (unsigned i = 0; i < sizeof(first); i++)
		assert_int_equal(next(), first[i]);
	out(0x511, 1, 'x'); /* nothing can be written */
	out(0x510, 2, 0x20);
	assert_int_equal(next(), 't');
	out(0x510, 1, 0x21); /* the number is written whole */
	assert_int_equal(next(), 'h');
}

/* A transfer's description at 1000h. */
static u32 transfer(u32 control, u32 bytes, u64 address)
{
	u32 *at = (u32 *)(void *)(memory.window + 0x1000);

	at[0] = __builtin_bswap32(control);
	at[1] = __builtin_bswap32(bytes);
	at[2] = __builtin_bswap32((u32)(address >> 32));
	at[3] = __builtin_bswap32((u32)address);
	out(0x514, 4, 0);
	out(0x518, 4, __builtin_bswap32(0x1000));
	return __builtin_bswap32(at[0]);
}

static void test_dma(void **state)
{
	const u8 *target = memory.window + 0x2000;

	(void)state;
	assert_int_equal(vfwcfg_ops.read(&device, 0x514, 4) & 0xffffffff, 0x554d4551);
	assert_int_equal(vfwcfg_ops.read(&device, 0x518, 4) & 0xffffffff, 0x47464320);
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, 9, 0x2000), 0); /* select and read */
	assert_memory_equal(target, "the first", 9);
	assert_int_equal(target[9], 0);
	assert_int_equal(transfer(4, 1, 0), 0); /* skip */
	assert_int_equal(transfer(2, 4, 0x2000), 0);
	assert_memory_equal(target, "file", 4);
	memset(memory.window + 0x2000, 0xa5, 64);
	assert_int_equal(transfer(2, 8, 0x2000), 0); /* behind its end */
	assert_memory_equal(target, "\0\0\0\0\0\0\0\0\xa5", 9);
	assert_int_equal(transfer(0x21 << 16 | 8, 0, 0), 0);
	assert_int_equal(next(), 1);
	assert_int_equal(transfer(4, 0xffffffff, 0), 0);
	assert_int_equal(next(), 0);
}

static void test_impossible_transfers(void **state)
{
	(void)state;
	assert_int_equal(transfer(0x20 << 16 | 8 | 16, 4, 0x2000), 1); /* a write */
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, 4, RAM_BYTES - 3), 1);
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, 4, 0xa0000), 1);
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, 4, ~0UL), 1);
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, VFWCFG_DMA_MAX + 1, 0x100000), 1);
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, VFWCFG_DMA_MAX, 0x100000), 0);
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, 0xffffffff, 0), 1);
	out(0x514, 4, 0xffffffff); /* descriptions where no memory is */
	out(0x518, 4, 0xffffffff);
	out(0x518, 4, __builtin_bswap32(RAM_BYTES - 15));
	assert_int_equal(transfer(0x20 << 16 | 8 | 2, 16, 0x1000), 0); /* over itself */
}

static void test_random(void **state)
{
	u32 seed = 23;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		seed = seed * 1664525 + 1013904223;
		switch (seed >> 30) {
		case 0:
			out(0x510, 2, seed >> 24 & 0x3f);
			break;
		case 1:
			(void)next();
			break;
		case 2:
			out(0x510 + (seed >> 20 & 15) % 12, 1U << (seed >> 18 & 1), seed);
			break;
		default:
			(void)transfer((seed >> 10 & 0x3f) << 16 | (seed >> 16 & 0x1f),
				       seed >> 20 & 0x3ff, seed >> 8 & 0x7fffff);
		}
	}
	assert_int_equal(item(0x00, 4), 0x554d4551);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_items),
		T(test_kernel),
		T(test_files),
		T(test_dma),
		T(test_impossible_transfers),
		T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
