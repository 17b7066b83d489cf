/* SPDX-License-Identifier: MIT */
/* The entropy device (virtio 1.2, 5.4). */
/* links: drivers/virt/virtio_device.c drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "drivers/virt/virtio_rng.h"
#include "fake_driver.h"

#define BUFFER DRIVER_BUFFERS

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_rng rng;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	driver_init(&driver);
	virtio_rng_init(&rng, &fake.host, &driver.memory);
	driver_start(&driver, &rng.device, VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

/* The fake's bytes count up. */
static void assert_filled(u64 gpa, u8 first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(driver.ram[gpa + i], (u8)(first + i));
	assert_int_equal(driver.ram[gpa + count], 0);
}

static void test_fills(void **state)
{
	(void)state;
	driver_describe(&driver, 0, 0, BUFFER, 10, DRIVER_WRITE | DRIVER_NEXT, 1);
	driver_describe(&driver, 0, 1, BUFFER + 0x1000, 20, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, 0);
	virtio_serve(&rng.device, 0);
	assert_int_equal(driver_take(&driver, 0, NULL), 30);
	assert_filled(BUFFER, 1, 10);
	assert_filled(BUFFER + 0x1000, 11, 20);
	assert_int_equal(driver.interrupts[0], 1);
	assert_int_equal(fake.random, 30);
}

/* A large buffer is filled in part, so that nobody waits long for it. */
static void test_large(void **state)
{
	(void)state;
	driver_describe(&driver, 0, 0, BUFFER, 0x8000, DRIVER_WRITE, 0);
	driver_offer(&driver, 0, 0);
	virtio_serve(&rng.device, 0);
	assert_int_equal(driver_take(&driver, 0, NULL), 256);
	assert_int_equal(fake.random, 256);
	assert_int_equal(driver.ram[BUFFER + 256], 0);
}

/* Nothing to write to: it comes back empty. */
static void test_nothing_writable(void **state)
{
	(void)state;
	driver_describe(&driver, 0, 0, BUFFER, 16, 0, 0);
	driver_offer(&driver, 0, 0);
	virtio_serve(&rng.device, 0);
	assert_int_equal(driver_take(&driver, 0, NULL), 0);
	assert_int_equal(fake.random, 0);
	assert_int_equal(fake.reports, 0);
}

#define RNG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RNG_TEST(test_fills),
		RNG_TEST(test_large),
		RNG_TEST(test_nothing_writable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
