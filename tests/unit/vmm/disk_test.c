/* SPDX-License-Identifier: MIT */
/*
 * Disks that keep what was written. Pages are told apart by their physical numbers; what is mapped
 * at a linear address is simply there, in a window of ordinary memory which is full of somebody
 * else's bytes at first.
 */
/* links: vmm/page_table.c vmm/page_table_formats.c vmm/format.c */
#include "cmocka_all.h"
#include "fake_pages.h"

#include <stdio.h>
#include <sys/mman.h>

#include <bulkhead/disk.h>
#include <bulkhead/error.h>
#include <bulkhead/log.h>

#define BLOCK	    DISK_BLOCK_BYTES
#define BLOCKS	    64
#define IMAGE_BYTES (BLOCKS * BLOCK - 3 * DISK_SECTOR_BYTES) /* the last block is not whole */
#define PAGES	    256
#define PAGES_AT    0x100000000UL
#define RESERVE	    (8 * MIB)
#define OTHERS	    0xa5 /* what pages hold before they are taken */

static struct disk disk;
static struct page_table table;
static struct page_table_format format;
static u8 *image, *window;
static bool used[PAGES];
static unsigned taken, taken_max, errors, tables;
static u64 forgotten; /* the last address */
static char logged[LOG_TEXT_BYTES];

void log_write(enum log_level level, const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	vsnprintf(logged, sizeof(logged), text, arguments);
	va_end(arguments);
	errors += level == LOG_ERROR;
}

u64 memory_physical(const void *page)
{
	return (u64)page;
}

void memory_usage(struct memory_usage *usage)
{
	*usage = (struct memory_usage){.free_bytes = RESERVE + (taken_max - taken) * PAGE_SIZE};
}

/* The window does not know what is mapped where: a fresh page brings its bytes with it. */
u64 memory_guest_alloc(unsigned order)
{
	assert_int_equal(order, 0);
	for (unsigned i = 0; i < PAGES; i++) {
		if (used[i])
			continue;
		used[i] = true;
		taken++;
		return PAGES_AT + i * PAGE_SIZE;
	}
	return PAGE_NONE;
}

void memory_guest_free(u64 physical, unsigned order)
{
	u64 number = (physical - PAGES_AT) / PAGE_SIZE;

	assert_int_equal(order, 0);
	assert_true(number < PAGES && used[number]);
	used[number] = false;
	taken--;
}

void memory_forget(const void *at)
{
	forgotten = (u64)at;
}

static void *tables_alloc(struct page_table_memory *memory)
{
	(void)memory;
	tables++;
	return memory_take(MEMORY_TABLES, PAGE_SIZE);
}

static void tables_free(struct page_table_memory *memory, void *page)
{
	(void)memory;
	tables--;
	memory_give(MEMORY_TABLES, page, PAGE_SIZE);
}

static u64 tables_physical(struct page_table_memory *memory, void *page)
{
	(void)memory;
	return (u64)page;
}

static void *tables_linear(struct page_table_memory *memory, u64 physical)
{
	(void)memory;
	return (void *)physical;
}

static struct page_table_memory table_memory = {
	.alloc = tables_alloc,
	.free = tables_free,
	.to_physical = tables_physical,
	.to_linear = tables_linear,
};

static int create(u64 bytes)
{
	struct load_file file = {.data = image, .bytes = bytes};
	char reason[LOAD_REASON_BYTES] = "";
	int error = disk_create(&disk, "web", "\\bulkhead\\web\\root.img", false, &file, &table,
				window, reason);

	assert_true(!error || reason[0]);
	return error;
}

static int setup(void **state)
{
	(void)state;
	page_table_format_host(&format, 48, true, true);
	assert_int_equal(page_table_init(&table, &format, &table_memory), 0);
	image = malloc(IMAGE_BYTES);
	for (u64 i = 0; i < IMAGE_BYTES; i++)
		image[i] = (u8)(i / BLOCK + i);
	window = mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_true(window != MAP_FAILED);
	memset(window, OTHERS, BLOCKS * BLOCK);
	memset(used, 0, sizeof(used));
	taken = errors = 0;
	taken_max = PAGES;
	logged[0] = '\0';
	return create(IMAGE_BYTES);
}

static int teardown(void **state)
{
	(void)state;
	disk_destroy(&disk);
	assert_int_equal(taken, 0);
	page_table_destroy(&table);
	assert_int_equal(tables, 0);
	munmap(window, BLOCKS * BLOCK);
	free(image);
	return 0;
}

static int disk_read(u64 offset, void *data, u64 bytes)
{
	return disk.backend.ops->read(disk.backend.context, offset, data, bytes);
}

static int disk_write(u64 offset, u8 byte, u64 bytes)
{
	u8 *data = memset(malloc(bytes), byte, bytes);
	int error = disk.backend.ops->write(disk.backend.context, offset, data, bytes);

	free(data);
	return error;
}

/* All of [offset, offset + bytes) is `byte`. */
static void expect(u64 offset, u64 bytes, u8 byte)
{
	u8 *data = malloc(bytes);

	assert_int_equal(disk_read(offset, data, bytes), 0);
	for (u64 i = 0; i < bytes; i++)
		assert_int_equal(data[i], byte);
	free(data);
}

static void expect_image(u64 offset, u64 bytes)
{
	u8 *data = malloc(bytes);

	assert_int_equal(disk_read(offset, data, bytes), 0);
	assert_memory_equal(data, image + offset, bytes);
	free(data);
}

static void test_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(disk.backend.bytes, IMAGE_BYTES);
	assert_string_equal(disk.backend.id, "root.img");
	assert_int_equal(disk.written_bytes, 0);
}

static void test_reads_the_image(void **state)
{
	(void)state;
	expect_image(0, IMAGE_BYTES);
	expect_image(BLOCK - 1, 2);
	expect_image(5 * BLOCK + 512, 512);
	assert_int_equal(taken, 0);
}

static void test_writes_a_part_of_a_block(void **state)
{
	(void)state;
	assert_int_equal(disk_write(2 * BLOCK + 512, 0x11, 1024), 0);
	expect(2 * BLOCK + 512, 1024, 0x11);
	/* The rest is the image's, and nobody else's. */
	expect_image(2 * BLOCK, 512);
	expect_image(2 * BLOCK + 1536, BLOCK - 1536);
	expect_image(3 * BLOCK, BLOCK);
	assert_int_equal(taken, 1);
	assert_int_equal(disk.written_bytes, BLOCK);
	assert_int_equal(forgotten, (u64)window + 2 * BLOCK);
}

static void test_writes_across_blocks(void **state)
{
	(void)state;
	assert_int_equal(disk_write(4 * BLOCK - 512, 0x22, 2 * BLOCK), 0);
	expect(4 * BLOCK - 512, 2 * BLOCK, 0x22);
	expect_image(3 * BLOCK, BLOCK - 512);
	expect_image(6 * BLOCK - 512, 512);
	assert_int_equal(disk_write(4 * BLOCK, 0x33, BLOCK), 0); /* again: no other page */
	expect(4 * BLOCK, BLOCK, 0x33);
	assert_int_equal(taken, 3);
	assert_int_equal(disk.written_bytes, 3 * BLOCK);
}

static void test_image_stays(void **state)
{
	u8 *before = malloc(IMAGE_BYTES);

	(void)state;
	memcpy(before, image, IMAGE_BYTES);
	assert_int_equal(disk_write(0, 0x44, IMAGE_BYTES), 0);
	assert_memory_equal(before, image, IMAGE_BYTES);
	expect(0, IMAGE_BYTES, 0x44);
	assert_int_equal(taken, BLOCKS);
	free(before);
}

static void test_last_block(void **state)
{
	(void)state;
	assert_int_equal(disk_write(IMAGE_BYTES - 512, 0x55, 512), 0);
	expect(IMAGE_BYTES - 512, 512, 0x55);
	/* Behind the image is nothing of what the page held before. */
	for (u64 i = IMAGE_BYTES; i < BLOCKS * BLOCK; i++)
		assert_int_equal(window[i], 0);
}

static void test_discard_gives_back(void **state)
{
	(void)state;
	assert_int_equal(disk_write(8 * BLOCK, 0x66, 4 * BLOCK), 0);
	assert_int_equal(disk.backend.ops->discard(&disk, 8 * BLOCK + 512, 4 * BLOCK), 0);
	assert_int_equal(taken, 1); /* those at both ends are not whole */
	assert_int_equal(disk.written_bytes, BLOCK);
	expect(8 * BLOCK, BLOCK, 0x66);
	expect(9 * BLOCK, 3 * BLOCK, 0);
	expect_image(12 * BLOCK, BLOCK);
}

static void test_discard_of_the_image(void **state)
{
	(void)state;
	assert_int_equal(disk.backend.ops->discard(&disk, 0, IMAGE_BYTES), 0);
	expect_image(0, IMAGE_BYTES);
	assert_int_equal(taken, 0);
	assert_int_equal(disk.backend.ops->discard(&disk, 512, 512), 0);
}

static void test_zero(void **state)
{
	(void)state;
	assert_int_equal(disk_write(3 * BLOCK, 0x77, 2 * BLOCK), 0);
	assert_int_equal(disk.backend.ops->zero(&disk, 2 * BLOCK + 512, 2 * BLOCK), 0);
	expect_image(2 * BLOCK, 512);
	expect(2 * BLOCK + 512, 2 * BLOCK, 0);
	expect(4 * BLOCK + 512, BLOCK - 512, 0x77);
	/* Parts of two blocks are kept, the block between them is not. */
	assert_int_equal(taken, 2);
	assert_int_equal(disk.backend.ops->zero(&disk, 20 * BLOCK, 10 * BLOCK), 0);
	expect(20 * BLOCK, 10 * BLOCK, 0);
	assert_int_equal(taken, 2);
	/* A part of what is zero is zero. */
	assert_int_equal(disk.backend.ops->zero(&disk, 20 * BLOCK, 512), 0);
	assert_int_equal(taken, 2);
}

/* A block that was given back and is written again: zeros around it, nothing else. */
static void test_written_again(void **state)
{
	(void)state;
	assert_int_equal(disk_write(7 * BLOCK, 0x88, BLOCK), 0);
	assert_int_equal(disk.backend.ops->discard(&disk, 7 * BLOCK, BLOCK), 0);
	memset(window + 7 * BLOCK, OTHERS, BLOCK);
	assert_int_equal(disk_write(7 * BLOCK + 1024, 0x99, 512), 0);
	expect(7 * BLOCK, 1024, 0);
	expect(7 * BLOCK + 1024, 512, 0x99);
	expect(7 * BLOCK + 1536, BLOCK - 1536, 0);
	assert_int_equal(taken, 1);
}

static void test_no_memory(void **state)
{
	(void)state;
	taken_max = 2;
	assert_int_equal(disk_write(0, 0x11, 3 * BLOCK), -EIO);
	expect(0, 2 * BLOCK, 0x11);
	expect_image(2 * BLOCK, BLOCK);
	assert_int_equal(errors, 1);
	assert_non_null(strstr(logged, "web"));
	assert_int_equal(disk_write(5 * BLOCK, 0x11, 512), -EIO);
	assert_int_equal(errors, 1); /* once is enough */
	assert_int_equal(disk_write(0, 0x22, 2 * BLOCK), 0);
	assert_int_equal(disk.backend.ops->discard(&disk, 0, BLOCK), 0);
	assert_int_equal(disk_write(5 * BLOCK, 0x33, 512), 0);
	/* Tables are memory too. */
	assert_int_equal(disk.backend.ops->zero(&disk, 9 * BLOCK, BLOCK), -EIO);
	assert_int_equal(disk.backend.ops->zero(&disk, 5 * BLOCK, BLOCK), 0);
	assert_int_equal(disk_write(5 * BLOCK, 0x33, 512), 0);
	assert_int_equal(errors, 1);
	disk_started(&disk);
	assert_int_equal(disk_write(6 * BLOCK, 0x33, 512), -EIO);
	assert_int_equal(errors, 2);
}

static void test_images_that_are_none(void **state)
{
	(void)state;
	disk_destroy(&disk);
	assert_int_equal(create(0), -EINVAL);
	assert_int_equal(create(513), -EINVAL);
	assert_int_equal(create(DISK_BYTES_MAX + 512), -EINVAL);
	disk_destroy(&disk); /* nothing */
	assert_int_equal(create(512), 0);
	expect_image(0, 512);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_it_is),
		TEST(reads_the_image),
		TEST(writes_a_part_of_a_block),
		TEST(writes_across_blocks),
		TEST(image_stays),
		TEST(last_block),
		TEST(discard_gives_back),
		TEST(discard_of_the_image),
		TEST(zero),
		TEST(written_again),
		TEST(no_memory),
		TEST(images_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
