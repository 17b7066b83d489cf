/* SPDX-License-Identifier: MIT */
/* Status, features and configuration space of a virtio device (virtio 1.2, 2.1, 2.2, 2.5, 3.1). */
/* links: drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "fake_driver.h"

#define OFFERED (BIT(3) | BIT(40))
#define READY	(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK)

static struct fake_host fake;
static struct fake_driver driver;
static struct virtio_device device;
static u8 config[6] = {1, 2, 3, 4, 5, 6};
static unsigned served[2], resets;

static void device_ready(struct virtio_device *self, u16 queue)
{
	assert_true(virtio_live(self));
	served[queue]++;
}

static void device_config_write(struct virtio_device *self, u32 offset, unsigned bytes, u64 value)
{
	assert_ptr_equal(self, &device);
	memcpy(config + offset, &value, bytes);
}

static void device_reset(struct virtio_device *self)
{
	assert_ptr_equal(self, &device);
	resets++;
}

static const struct virtio_device_ops ops = {
	.name = "virtio test",
	.queues = 2,
	.queue_size = {8, 16},
	.queue_ready = device_ready,
	.config_write = device_config_write,
	.reset = device_reset,
};

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	driver_init(&driver);
	virtio_device_init(&device, &ops, &fake.host, &driver.memory, OFFERED, config,
			   sizeof(config));
	driver.device = &device;
	device.transport = &driver_transport;
	virtio_dma_set(&device, true);
	served[0] = served[1] = resets = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

static bool features_accepted(u64 features)
{
	virtio_status_write(&device, 0);
	virtio_features_write(&device, 0, (u32)features);
	virtio_features_write(&device, 1, (u32)(features >> 32));
	virtio_features_write(&device, 2, 0xffffffff);
	virtio_status_write(&device, READY);
	return device.status & VIRTIO_FEATURES_OK;
}

static void test_features(void **state)
{
	(void)state;
	assert_int_equal(device.offered, OFFERED | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX |
						 VIRTIO_F_INDIRECT_DESC);
	assert_false(features_accepted(0));			      /* not without VERSION_1 */
	assert_false(features_accepted(BIT(4) | VIRTIO_F_VERSION_1)); /* not offered */
	assert_false(features_accepted(BIT(63) | VIRTIO_F_VERSION_1));
	assert_true(features_accepted(BIT(40) | VIRTIO_F_VERSION_1));
	assert_true(virtio_has(&device, BIT(40)));
	assert_false(virtio_has(&device, BIT(3)));
	virtio_features_write(&device, 0, BIT(3)); /* too late */
	assert_false(virtio_has(&device, BIT(3)));
}

static void test_status(void **state)
{
	(void)state;
	virtio_status_write(&device, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER_OK);
	assert_int_equal(device.status, VIRTIO_ACKNOWLEDGE); /* nothing was agreed on */
	virtio_status_write(&device, VIRTIO_NEEDS_RESET | 0x30);
	assert_int_equal(device.status, VIRTIO_ACKNOWLEDGE);
	assert_true(features_accepted(VIRTIO_F_VERSION_1));
	virtio_status_write(&device, VIRTIO_DRIVER_OK | VIRTIO_FAILED); /* and clears nothing */
	assert_int_equal(device.status, READY | VIRTIO_DRIVER_OK | VIRTIO_FAILED);
	resets = 0;
	virtio_status_write(&device, 0);
	assert_int_equal(device.status, 0);
	assert_int_equal(device.accepted, 0);
	assert_int_equal(resets, 1);
}

static void test_served(void **state)
{
	(void)state;
	assert_true(features_accepted(VIRTIO_F_VERSION_1));
	driver_queue_place(&driver, 1);
	virtio_serve(&device, 1);
	assert_int_equal(served[1], 0); /* the driver is not ready */
	virtio_status_write(&device, READY | VIRTIO_DRIVER_OK);
	assert_int_equal(served[1], 1); /* what came before */
	assert_int_equal(served[0], 0); /* not enabled */
	virtio_serve(&device, 0);
	virtio_serve(&device, 2);
	virtio_serve(&device, 0xffff);
	assert_int_equal(served[0], 0);
	virtio_serve(&device, 1);
	assert_int_equal(served[1], 2);
	virtio_dma_set(&device, false);
	virtio_serve(&device, 1);
	assert_int_equal(served[1], 2);
	virtio_dma_set(&device, true);
	assert_int_equal(served[1], 3);
	virtio_dma_set(&device, true); /* nothing new */
	assert_int_equal(served[1], 3);
	virtio_status_write(&device, 0);
	virtio_serve(&device, 1);
	assert_int_equal(served[1], 3);
	assert_false(device.queue[1].ready);
	assert_int_equal(device.queue[1].size, 16);
}

static void test_config(void **state)
{
	(void)state;
	assert_int_equal(virtio_config_read(&device, 0, 4), 0xffffffff04030201UL);
	assert_int_equal(virtio_config_read(&device, 4, 4) & 0xffffffff, 0xffff0605);
	assert_int_equal(virtio_config_read(&device, 6, 1), ~0UL);
	assert_int_equal(virtio_config_read(&device, 0xffffffff, 8), ~0UL);
	virtio_config_write(&device, 5, 1, 0x66);
	assert_int_equal(config[5], 0x66);
	virtio_config_write(&device, 5, 2, 0); /* beyond its end */
	virtio_config_write(&device, 6, 1, 0);
	virtio_config_write(&device, 0xffffffff, 4, 0);
	assert_int_equal(config[5], 0x66);
	virtio_config_changed(&device);
	assert_int_equal(device.generation, 1);
	assert_int_equal(driver.config_interrupts, 0);
	assert_true(features_accepted(VIRTIO_F_VERSION_1));
	virtio_status_write(&device, READY | VIRTIO_DRIVER_OK);
	virtio_config_changed(&device);
	assert_int_equal(device.generation, 2);
	assert_int_equal(driver.config_interrupts, 1);
}

static void test_break(void **state)
{
	(void)state;
	virtio_break(&device, "too little");
	assert_int_equal(device.status, VIRTIO_NEEDS_RESET);
	assert_int_equal(driver.config_interrupts, 0); /* nobody drives it yet */
	assert_string_equal(fake.reported,
			    "virtio test: its driver gave it too little: it needs a reset");
	virtio_status_write(&device, 0);
	assert_int_equal(device.status, 0);
}

#define DEVICE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(test_features), DEVICE_TEST(test_status), DEVICE_TEST(test_served),
		DEVICE_TEST(test_config),   DEVICE_TEST(test_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
