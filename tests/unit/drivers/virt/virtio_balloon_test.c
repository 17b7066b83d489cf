/* SPDX-License-Identifier: MIT */
/* The memory balloon (virtio 1.2, 5.5). */
/* links: drivers/virt/virtio_device.c drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "drivers/virt/virtio_balloon.h"
#include "fake_driver.h"

#define INFLATE 0
#define DEFLATE 1
#define STATS	2

#define F_MUST_TELL_HOST BIT(0)
#define F_STATS_VQ	 BIT(1)
#define F_DEFLATE_ON_OOM BIT(2)
#define F_PAGE_REPORTING BIT(5)

#define BUFFER	 DRIVER_BUFFERS
#define STAT(at) (10UL * (at)) /* tag and value, packed */

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_balloon balloon;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	driver_init(&driver);
	virtio_balloon_init(&balloon, &fake.host, &driver.memory);
	driver_start(&driver, &balloon.device, F_STATS_VQ | F_DEFLATE_ON_OOM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

static void stat_put(u64 at, u16 tag, u64 value)
{
	memcpy(driver.ram + BUFFER + STAT(at), &tag, sizeof(tag));
	memcpy(driver.ram + BUFFER + STAT(at) + 2, &value, sizeof(value));
}

static void stats_offer(u16 head, u32 bytes)
{
	driver_describe(&driver, STATS, head, BUFFER, bytes, 0, 0);
	driver_offer(&driver, STATS, head);
	virtio_serve(&balloon.device, STATS);
}

static struct balloon_view look(void)
{
	struct balloon_view view;

	virtio_balloon_look(&balloon, &view);
	return view;
}

/* Pages are not taken from the guest, so it need not say first what it takes back; and no free
 * pages are asked for. */
static void test_features(void **state)
{
	(void)state;
	assert_true(balloon.device.offered & F_STATS_VQ);
	assert_true(balloon.device.offered & F_DEFLATE_ON_OOM);
	assert_false(balloon.device.offered & (F_MUST_TELL_HOST | F_PAGE_REPORTING));
}

static void test_target(void **state)
{
	(void)state;
	assert_int_equal((u32)virtio_config_read(&balloon.device, 0, 4), 0);
	virtio_balloon_target(&balloon, 3 * PAGE_SIZE);
	assert_int_equal(driver.config_interrupts, 1);
	assert_int_equal((u32)virtio_config_read(&balloon.device, 0, 4), 3);
	assert_int_equal(look().target_bytes, 3 * PAGE_SIZE);
	assert_int_equal(look().given_bytes, 0);
}

/* Of the configuration space the driver may write what it gave. */
static void test_given(void **state)
{
	(void)state;
	virtio_balloon_target(&balloon, 3 * PAGE_SIZE);
	virtio_config_write(&balloon.device, 4, 4, 2);
	assert_int_equal(look().given_bytes, 2 * PAGE_SIZE);
	virtio_config_write(&balloon.device, 0, 4, 7);
	virtio_config_write(&balloon.device, 4, 2, 7);
	virtio_config_write(&balloon.device, 0, 8, ~0UL);
	assert_int_equal(look().target_bytes, 3 * PAGE_SIZE);
	assert_int_equal(look().given_bytes, 2 * PAGE_SIZE);
}

/* Both ways they come back at once, and the guest's memory is as it was. */
static void test_pages(void **state)
{
	(void)state;
	memset(driver.ram + BUFFER, 0xa5, PAGE_SIZE);
	for (u16 queue = INFLATE; queue <= DEFLATE; queue++) {
		driver_describe(&driver, queue, 0, BUFFER, 256 * 4, 0, 0);
		driver_offer(&driver, queue, 0);
		virtio_serve(&balloon.device, queue);
		assert_int_equal(driver_take(&driver, queue, NULL), 0);
		assert_int_equal(driver.interrupts[queue], 1);
	}
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(driver.ram[BUFFER + i], 0xa5);
}

/* Long chains are few in one call, so that a notification takes a CPU for no longer than short ones
 * do; the rest is a timer's. */
static void test_long_chains(void **state)
{
	struct driver_descriptor *table = (void *)(driver.ram + BUFFER);
	unsigned back = 0, calls = 0;

	(void)state;
	driver_start(&driver, &balloon.device, VIRTIO_F_INDIRECT_DESC);
	for (u16 i = 0; i < 128; i++) {
		table[i] = (struct driver_descriptor){BUFFER + 0x1000, 4, i < 127 ? DRIVER_NEXT : 0,
						      (u16)(i + 1)};
		driver_describe(&driver, INFLATE, i, BUFFER, 128 * sizeof(table[0]),
				DRIVER_INDIRECT, 0);
		driver_offer(&driver, INFLATE, i);
	}
	virtio_serve(&balloon.device, INFLATE);
	while (driver_take(&driver, INFLATE, NULL) == 0)
		back++;
	assert_in_range(back, 1, 16);
	while (back < 128) {
		assert_in_range(++calls, 1, 128);
		assert_int_not_equal(balloon.device.again.deadline, DEVICE_TIMER_OFF);
		fake_run(&fake, 1);
		while (driver_take(&driver, INFLATE, NULL) == 0)
			back++;
	}
	assert_int_equal(fake.reports, 0);
}

/* The driver's buffer waits until somebody asks. */
static void test_statistics(void **state)
{
	u16 head;

	(void)state;
	stat_put(0, BALLOON_FREE, 12345);
	stat_put(1, BALLOON_TOTAL, 99999);
	stat_put(2, 77, 1); /* of a later specification */
	stats_offer(3, STAT(3));
	assert_int_equal(driver_take(&driver, STATS, NULL), -1);
	assert_int_equal(look().known, BIT(BALLOON_FREE) | BIT(BALLOON_TOTAL));
	assert_int_equal(look().stat[BALLOON_FREE], 12345);
	assert_int_equal(look().stat[BALLOON_TOTAL], 99999);
	assert_int_equal(look().answers, 1);

	fake.now += 50;
	assert_int_equal(look().age_ticks, 50);
	virtio_balloon_ask(&balloon);
	assert_int_equal(driver_take(&driver, STATS, &head), 0);
	assert_int_equal(head, 3);
	stat_put(0, BALLOON_FREE, 5);
	stats_offer(3, STAT(1));
	assert_int_equal(look().known, BIT(BALLOON_FREE));
	assert_int_equal(look().stat[BALLOON_FREE], 5);
	assert_int_equal(look().answers, 2);
	assert_int_equal(look().age_ticks, 0);
	/* One answer for one question. */
	assert_int_equal(driver_take(&driver, STATS, NULL), -1);
}

/* Asked while the driver has its buffer: it goes back as soon as it comes. */
static void test_asked_early(void **state)
{
	(void)state;
	virtio_balloon_ask(&balloon);
	stat_put(0, BALLOON_FREE, 1);
	stats_offer(0, STAT(1));
	assert_int_equal(driver_take(&driver, STATS, NULL), 0);
}

/* A part of one, none at all, and many times the same. */
static void test_odd_statistics(void **state)
{
	(void)state;
	stat_put(0, BALLOON_FREE, 1);
	stats_offer(0, STAT(1) - 1);
	assert_int_equal(look().known, 0);
	for (u64 i = 0; i < 100; i++)
		stat_put(i, BALLOON_CACHES, i);
	stats_offer(1, STAT(100));
	assert_int_equal(driver_take(&driver, STATS, NULL), 0); /* the first one's buffer */
	assert_int_equal(look().known, BIT(BALLOON_CACHES));
	assert_int_equal(look().stat[BALLOON_CACHES], 31);
	assert_int_equal(fake.reports, 0);
}

static void test_reset(void **state)
{
	(void)state;
	virtio_balloon_target(&balloon, 3 * PAGE_SIZE);
	virtio_config_write(&balloon.device, 4, 4, 3);
	stat_put(0, BALLOON_FREE, 1);
	stats_offer(0, STAT(1));
	assert_true(look().driven);
	virtio_status_write(&balloon.device, 0);
	assert_false(look().driven);
	assert_int_equal(look().given_bytes, 0);
	assert_int_equal(look().known, 0);
	assert_int_equal(look().target_bytes, 3 * PAGE_SIZE);
	/* The buffer was forgotten with the driver: a question has nothing to give back. */
	driver_start(&driver, &balloon.device, F_STATS_VQ);
	virtio_balloon_ask(&balloon);
	assert_int_equal(driver_take(&driver, STATS, NULL), -1);
	assert_int_equal(fake.reports, 0);
}

#define BALLOON_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BALLOON_TEST(test_features),	BALLOON_TEST(test_target),
		BALLOON_TEST(test_given),	BALLOON_TEST(test_pages),
		BALLOON_TEST(test_long_chains), BALLOON_TEST(test_statistics),
		BALLOON_TEST(test_asked_early), BALLOON_TEST(test_odd_statistics),
		BALLOON_TEST(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
