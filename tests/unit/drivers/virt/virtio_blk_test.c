/* SPDX-License-Identifier: MIT */
/* Block device (virtio 1.2, 5.2): a disk in the heap, and drivers good and bad. */
/* links: drivers/virt/virtio_device.c drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "fake_driver.h"

#include "drivers/virt/virtio_blk.h"

#include <bulkhead/error.h>

#define F_RO	       BIT(5)
#define F_FLUSH	       BIT(9)
#define F_DISCARD      BIT(13)
#define F_WRITE_ZEROES BIT(14)
#define ANYTHING                                                                                   \
	(F_FLUSH | F_DISCARD | F_WRITE_ZEROES | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK, IOERR, UNSUPP, UNTOUCHED = 0xee };

#define DISK_BYTES (4 * MIB)
#define HEADER	   DRIVER_BUFFERS
#define STATUS	   (DRIVER_BUFFERS + 0x800)
#define DATA	   (DRIVER_BUFFERS + 0x1000)

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_blk blk;
static struct disk_backend disk;
static u8 *content;
static unsigned discards, zeroed;
static u64 largest, moved; /* in one call of the back-end; since it was cleared */
static int failing;

static void note(u64 offset, u64 bytes)
{
	assert_true(bytes && offset <= DISK_BYTES && bytes <= DISK_BYTES - offset);
	largest = MAX(largest, bytes);
	moved += bytes;
}

static int heap_read(void *context, u64 offset, void *data, u64 bytes)
{
	assert_ptr_equal(context, content);
	note(offset, bytes);
	memcpy(data, content + offset, bytes);
	return failing;
}

static int heap_write(void *context, u64 offset, const void *data, u64 bytes)
{
	assert_ptr_equal(context, content);
	note(offset, bytes);
	if (!failing)
		memcpy(content + offset, data, bytes);
	return failing;
}

static int heap_discard(void *context, u64 offset, u64 bytes)
{
	assert_ptr_equal(context, content);
	note(offset, bytes);
	discards++;
	memset(content + offset, 0xdd, bytes);
	return failing;
}

static int heap_zero(void *context, u64 offset, u64 bytes)
{
	assert_ptr_equal(context, content);
	note(offset, bytes);
	zeroed++;
	memset(content + offset, 0, bytes);
	return failing;
}

static const struct disk_ops heap_ops = {
	.read = heap_read, .write = heap_write, .discard = heap_discard, .zero = heap_zero};

static void start(bool readonly, u64 features)
{
	fake_init(&fake);
	driver_init(&driver);
	content = malloc(DISK_BYTES);
	for (u64 i = 0; i < DISK_BYTES; i++)
		content[i] = (u8)(i / DISK_SECTOR_BYTES + i);
	disk = (struct disk_backend){
		.ops = &heap_ops, .context = content, .bytes = DISK_BYTES, .readonly = readonly};
	memcpy(disk.id, "root.img", 8);
	virtio_blk_init(&blk, &fake.host, &driver.memory, &disk);
	driver_start(&driver, &blk.device, features);
	discards = zeroed = 0;
	largest = moved = 0;
	failing = 0;
}

static int setup(void **state)
{
	(void)state;
	start(false, ANYTHING);
	return 0;
}

static int setup_readonly(void **state)
{
	(void)state;
	start(true, F_RO | F_FLUSH);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	free(content);
	return 0;
}

/* Describe a request as three descriptors from `at` on, and make it available. */
static void offer(u16 at, u32 type, u64 sector, u64 data, u32 bytes, bool write)
{
	u64 status = STATUS + at, header = HEADER + 16UL * at;
	struct virtio_blk_header request = {type, 0, sector};

	memcpy(driver.ram + header, &request, sizeof(request));
	driver.ram[status] = UNTOUCHED;
	driver_describe(&driver, 0, at, header, sizeof(request), DRIVER_NEXT,
			(u16)(bytes ? at + 1 : at + 2));
	if (bytes)
		driver_describe(&driver, 0, (u16)(at + 1), data, bytes,
				DRIVER_NEXT | (write ? DRIVER_WRITE : 0), (u16)(at + 2));
	driver_describe(&driver, 0, (u16)(at + 2), status, 1, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, at);
}

static void serve(void)
{
	virtio_serve(&blk.device, 0);
	for (unsigned i = 0; i < 100000 && fake.timers; i++)
		fake_run(&fake, 1);
	assert_null(fake.timers);
}

/* One request from beginning to end: its status. */
static unsigned request(u32 type, u64 sector, u32 bytes, bool write)
{
	u16 head = 99;

	offer(0, type, sector, DATA, bytes, write);
	serve();
	if (driver_take(&driver, 0, &head) < 0)
		return UNTOUCHED;
	assert_int_equal(head, 0);
	return driver.ram[STATUS];
}

static void range(u64 sector, u32 sectors, u32 flags)
{
	struct {
		u64 sector;
		u32 sectors, flags;
	} range = {sector, sectors, flags};

	memcpy(driver.ram + DATA, &range, sizeof(range));
}

static void test_reads(void **state)
{
	(void)state;
	assert_int_equal(request(IN, 3, 1024, true), OK);
	assert_memory_equal(driver.ram + DATA, content + 3 * 512, 1024);
	assert_int_equal(driver.interrupts[0], 1);
}

static void test_says_how_much_it_wrote(void **state)
{
	(void)state;
	offer(0, IN, 0, DATA, 512, true);
	serve();
	assert_int_equal(driver_take(&driver, 0, NULL), 513);
	offer(0, OUT, 0, DATA, 512, false);
	serve();
	assert_int_equal(driver_take(&driver, 0, NULL), 1);
}

static void test_writes(void **state)
{
	(void)state;
	memset(driver.ram + DATA, 0x5a, 4096);
	assert_int_equal(request(OUT, 9, 4096, false), OK);
	assert_memory_equal(content + 9 * 512, driver.ram + DATA, 4096);
	assert_int_equal(content[9 * 512 - 1], (u8)(8 + 9 * 512 - 1));
	assert_int_equal(content[17 * 512], (u8)(17 + 17 * 512));
}

static void test_data_in_many_pieces(void **state)
{
	struct virtio_blk_header header = {OUT, 0, 1};

	(void)state;
	/* The header's end and the data's beginning are one piece, and no piece is a sector. */
	memcpy(driver.ram + HEADER, &header, sizeof(header));
	for (unsigned i = 0; i < 1024; i++)
		driver.ram[HEADER + 16 + i] = (u8)(7 * i);
	driver_describe(&driver, 0, 0, HEADER, 5, DRIVER_NEXT, 1);
	driver_describe(&driver, 0, 1, HEADER + 5, 100, DRIVER_NEXT, 2);
	driver_describe(&driver, 0, 2, HEADER + 105, 16 + 1024 - 105, DRIVER_NEXT, 3);
	driver_describe(&driver, 0, 3, DATA, 1, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, 0);
	serve();
	assert_int_equal(driver_take(&driver, 0, NULL), 1);
	assert_int_equal(driver.ram[DATA], OK);
	assert_memory_equal(content + 512, driver.ram + HEADER + 16, 1024);
}

static void test_outside_of_the_disk(void **state)
{
	u64 end = DISK_BYTES / 512;

	(void)state;
	assert_int_equal(request(IN, end - 1, 512, true), OK);
	assert_int_equal(request(IN, end, 512, true), IOERR);
	assert_int_equal(request(IN, end - 1, 1024, true), IOERR);
	assert_int_equal(request(IN, ~0UL, 512, true), IOERR);
	assert_int_equal(request(OUT, ~0UL / 512, 512, false), IOERR);
	assert_int_equal(request(IN, 0, 511, true), IOERR);
	assert_int_equal(moved, 512);
	/* Errors are the request's alone. */
	assert_int_equal(blk.device.status & VIRTIO_NEEDS_RESET, 0);
}

static void test_no_data(void **state)
{
	(void)state;
	assert_int_equal(request(IN, 0, 0, true), OK);
	assert_int_equal(request(OUT, 0, 0, false), OK);
	assert_int_equal(request(FLUSH, 0, 0, false), OK);
	assert_int_equal(moved, 0);
}

static void test_id(void **state)
{
	char expected[20] = "root.img";

	(void)state;
	memset(driver.ram + DATA, 0xff, 64);
	assert_int_equal(request(GET_ID, 0, 20, true), OK);
	assert_memory_equal(driver.ram + DATA, expected, 20);
	assert_int_equal(driver.ram[DATA + 20], 0xff);
	assert_int_equal(request(GET_ID, 0, 4, true), OK);
}

static void test_unknown_requests(void **state)
{
	(void)state;
	assert_int_equal(request(2, 0, 512, true), UNSUPP);
	assert_int_equal(request(14, 0, 16, false), UNSUPP); /* secure erase */
	assert_int_equal(request(0xffffffff, 0, 512, false), UNSUPP);
}

static void test_back_end_fails(void **state)
{
	(void)state;
	failing = -EIO;
	assert_int_equal(request(OUT, 0, 512, false), IOERR);
	assert_int_equal(request(IN, 0, 512, true), IOERR);
	range(0, 8, 0);
	assert_int_equal(request(DISCARD, 0, 16, false), IOERR);
	failing = 0;
	assert_int_equal(request(OUT, 0, 512, false), OK);
}

static void test_discard(void **state)
{
	(void)state;
	range(8, 16, 0);
	assert_int_equal(request(DISCARD, 0, 16, false), OK);
	assert_int_equal(discards, 1);
	assert_int_equal(content[8 * 512], 0xdd);
	assert_int_equal(content[24 * 512 - 1], 0xdd);
	assert_int_equal(content[24 * 512], (u8)24);
}

static void test_ranges_that_cannot_be(void **state)
{
	(void)state;
	range(0, 8, 1); /* 5.2.6.2: UNMAP is not for discard */
	assert_int_equal(request(DISCARD, 0, 16, false), UNSUPP);
	range(0, 8, 2);
	assert_int_equal(request(WRITE_ZEROES, 0, 16, false), UNSUPP);
	range(DISK_BYTES / 512 - 7, 8, 0);
	assert_int_equal(request(DISCARD, 0, 16, false), IOERR);
	range(~0UL, 8, 0);
	assert_int_equal(request(WRITE_ZEROES, 0, 16, false), IOERR);
	range(0, 8, 0);
	assert_int_equal(request(DISCARD, 0, 15, false), IOERR);
	assert_int_equal(request(DISCARD, 0, 32, false), IOERR); /* one at a time */
	assert_int_equal(moved, 0);
}

static void test_write_zeroes(void **state)
{
	(void)state;
	range(1, 100, 1);
	assert_int_equal(request(WRITE_ZEROES, 0, 16, false), OK);
	assert_int_equal(zeroed, 1);
	range(200, 100, 0); /* to be kept: they are written */
	assert_int_equal(request(WRITE_ZEROES, 0, 16, false), OK);
	assert_int_equal(zeroed, 1);
	for (u64 i = 0; i < 100 * 512; i++)
		assert_int_equal(content[512 + i] | content[200 * 512 + i], 0);
	assert_int_equal(content[511], (u8)511);
	assert_int_equal(content[300 * 512], (u8)300);
}

/* A range larger than a stretch is cut where blocks begin, so that all of it is forgotten. */
static void test_large_ranges_are_cut_at_blocks(void **state)
{
	(void)state;
	range(3, DISK_BYTES / 512 - 3, 0);
	offer(0, DISCARD, 0, DATA, 16, false);
	virtio_serve(&blk.device, 0);
	assert_int_equal(driver_take(&driver, 0, NULL), -1);
	assert_true(moved < DISK_BYTES / 2);
	assert_int_equal((3 * 512 + moved) % DISK_BLOCK_BYTES, 0);
	serve();
	assert_int_equal(driver_take(&driver, 0, NULL), 1);
	assert_int_equal(moved, DISK_BYTES - 3 * 512);
	assert_int_equal(driver.ram[STATUS], OK);
}

static void test_not_agreed_on(void **state)
{
	(void)state;
	driver_start(&driver, &blk.device, 0);
	range(0, 8, 0);
	assert_int_equal(request(DISCARD, 0, 16, false), UNSUPP);
	assert_int_equal(request(WRITE_ZEROES, 0, 16, false), UNSUPP);
}

static void test_readonly(void **state)
{
	(void)state;
	assert_true(blk.device.offered & F_RO);
	assert_false(blk.device.offered & (F_DISCARD | F_WRITE_ZEROES));
	assert_int_equal(request(OUT, 0, 512, false), IOERR);
	range(0, 8, 0);
	assert_int_equal(request(DISCARD, 0, 16, false), UNSUPP);
	assert_int_equal(moved, 0);
	assert_int_equal(request(IN, 0, 512, true), OK);
}

/* 256 KiB in a request: as much as a stretch in each call, and others in between. */
static void test_large_requests_are_cut(void **state)
{
	unsigned calls = 1;

	(void)state;
	offer(0, IN, 0, DATA, 256 * KIB, true);
	virtio_serve(&blk.device, 0);
	while (driver_take(&driver, 0, NULL) < 0) {
		struct device_timer *timer = fake.timers;

		assert_true(moved <= calls * VIRTIO_BLK_STRETCH);
		assert_int_equal(driver.ram[STATUS], UNTOUCHED);
		assert_non_null(timer);
		fake_timer_set(&fake.host, timer, DEVICE_TIMER_OFF);
		timer->fire(timer->context);
		calls++;
	}
	assert_int_equal(calls, 5); /* what the request costs by itself is in it */
	assert_memory_equal(driver.ram + DATA, content, 256 * KIB);
	assert_int_equal(driver.ram[STATUS], OK);
	assert_true(largest <= VIRTIO_BLK_STRETCH);
}

/* So are many small ones. */
static void test_many_requests_are_cut(void **state)
{
	unsigned taken = 0;

	(void)state;
	for (u16 i = 0; i < 40; i++)
		offer((u16)(3 * i), IN, i, DATA + 4096UL * i, 4096, true);
	virtio_serve(&blk.device, 0);
	assert_true(moved <= VIRTIO_BLK_STRETCH);
	assert_true(moved >= VIRTIO_BLK_STRETCH / 2);
	serve();
	while (driver_take(&driver, 0, NULL) >= 0)
		taken++;
	assert_int_equal(taken, 40);
	assert_int_equal(moved, 40 * 4096);
	assert_memory_equal(driver.ram + DATA + 39 * 4096UL, content + 39 * 512, 4096);
}

static void test_reset_amid_a_request(void **state)
{
	(void)state;
	offer(0, OUT, 0, DATA, 256 * KIB, false);
	virtio_serve(&blk.device, 0);
	assert_true(moved && moved < 256 * KIB);
	virtio_status_write(&blk.device, 0);
	assert_null(fake.timers);
	moved = 0;
	driver_start(&driver, &blk.device, ANYTHING);
	fake_run(&fake, 1000);
	assert_int_equal(moved, 0);
	assert_int_equal(request(IN, 0, 512, true), OK);
}

/* The driver takes the bus from the device in the middle, and gives it back. */
static void test_bus_taken_amid_a_request(void **state)
{
	(void)state;
	offer(0, IN, 0, DATA, 256 * KIB, true);
	virtio_serve(&blk.device, 0);
	assert_true(moved);
	virtio_dma_set(&blk.device, false);
	serve();
	assert_true(moved <= VIRTIO_BLK_STRETCH);
	virtio_dma_set(&blk.device, true);
	serve();
	assert_int_equal(driver_take(&driver, 0, NULL), 256 * KIB + 1);
	assert_memory_equal(driver.ram + DATA, content, 256 * KIB);
}

/* RAM that went away while a request was under way. */
static void test_memory_goes_amid_a_request(void **state)
{
	(void)state;
	offer(0, IN, 0, DATA, 256 * KIB, true);
	virtio_serve(&blk.device, 0);
	driver.memory.low_bytes = DATA + 128 * KIB;
	serve();
	assert_true(blk.device.status & VIRTIO_NEEDS_RESET);
	assert_int_equal(driver_take(&driver, 0, NULL), -1);
	assert_true(moved <= VIRTIO_BLK_STRETCH);
}

static void test_requests_without_header_or_status(void **state)
{
	(void)state;
	driver_describe(&driver, 0, 0, HEADER, 15, DRIVER_NEXT, 1);
	driver_describe(&driver, 0, 1, STATUS, 1, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, 0);
	serve();
	assert_true(blk.device.status & VIRTIO_NEEDS_RESET);
	driver_start(&driver, &blk.device, ANYTHING);
	driver_describe(&driver, 0, 0, HEADER, 16, 0, 0);
	driver_offer(&driver, 0, 0);
	serve();
	assert_true(blk.device.status & VIRTIO_NEEDS_RESET);
	assert_int_equal(fake.reports, 1);
	driver_start(&driver, &blk.device, ANYTHING);
	assert_int_equal(request(IN, 0, 512, true), OK);
}

static u64 config_at(u32 offset, unsigned bytes)
{
	u64 value = virtio_config_read(&blk.device, offset, bytes);

	return bytes < 8 ? value & (BIT(8 * bytes) - 1) : value;
}

static void test_configuration_space(void **state)
{
	(void)state;
	assert_int_equal(config_at(0, 8), DISK_BYTES / 512);
	assert_int_equal(config_at(12, 4), 126);
	assert_int_equal(config_at(20, 4), 512);
	assert_int_equal(config_at(24, 1), 3); /* 8 sectors a block */
	assert_int_equal(config_at(36, 4), DISK_BYTES / 512);
	assert_int_equal(config_at(40, 4), 1);
	assert_int_equal(config_at(56, 1), 1);
	virtio_config_write(&blk.device, 0, 8, 1);
	assert_int_equal(config_at(0, 8), DISK_BYTES / 512);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads),
		TEST(says_how_much_it_wrote),
		TEST(writes),
		TEST(data_in_many_pieces),
		TEST(outside_of_the_disk),
		TEST(no_data),
		TEST(id),
		TEST(unknown_requests),
		TEST(back_end_fails),
		TEST(discard),
		TEST(ranges_that_cannot_be),
		TEST(write_zeroes),
		TEST(large_ranges_are_cut_at_blocks),
		TEST(not_agreed_on),
		cmocka_unit_test_setup_teardown(test_readonly, setup_readonly, teardown),
		TEST(large_requests_are_cut),
		TEST(many_requests_are_cut),
		TEST(reset_amid_a_request),
		TEST(bus_taken_amid_a_request),
		TEST(memory_goes_amid_a_request),
		TEST(requests_without_header_or_status),
		TEST(configuration_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
