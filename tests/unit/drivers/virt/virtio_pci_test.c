/* SPDX-License-Identifier: MIT */
/* Virtio over PCI (virtio 1.2, 4.1), found and driven as a driver does it. */
/* links: drivers/virt/vpci.c drivers/virt/vpci_function.c drivers/virt/virtio_device.c */
/* links: drivers/virt/virtqueue.c vmm/format.c */
#include "cmocka_all.h"

#include "drivers/virt/virtio_pci.h"
#include "fake_driver.h"

#include <bulkhead/load.h>

#define ADDRESS 0x80001000U
#define GSI	(PCI_GSI_BASE + 1)
#define QUEUE	DRIVER_RING(0)

static struct fake_host fake;
static struct fake_driver driver;
static struct vpci pci;
static struct virtio_pci transport;
static struct virtio_device device;
static struct virtio_chain chain;
static u8 config[12] = "Configurati";
static unsigned ready[2], resets;

/* Where the structures are, as the capabilities say. */
static struct {
	bool io;
	u32 base, length;
} common, notify[2], isr, device_config;
static unsigned notifies;
static u8 access_at, msix_at;

static void device_ready(struct virtio_device *self, u16 queue)
{
	ready[queue]++;
	while (virtqueue_pop(&self->queue[queue], &chain))
		virtqueue_push(&self->queue[queue], chain.head, 0);
}

static void device_config_write(struct virtio_device *self, u32 offset, unsigned bytes, u64 value)
{
	(void)self;
	memcpy(config + offset, &value, bytes);
}

static void device_reset(struct virtio_device *self)
{
	(void)self;
	resets++;
}

static const struct virtio_device_ops ops = {
	.name = "virtio test",
	.id = VIRTIO_ID_BLOCK,
	.class_code = 0x018000,
	.queues = 2,
	.queue_size = {8, 64},
	.queue_ready = device_ready,
	.config_write = device_config_write,
	.reset = device_reset,
};

static void isa_changed(void *context, u16 lines)
{
	(void)context;
	(void)lines;
}

static u32 config_in(u32 offset, unsigned bytes)
{
	vpci_port_ops.write(&pci, 0xcf8, 4, ADDRESS | (offset & ~3U));
	return (u32)(vpci_port_ops.read(&pci, 0xcfc + (offset & 3), bytes) &
		     (bytes < 4 ? BIT(8 * bytes) - 1 : ~0U));
}

static void config_out(u32 offset, unsigned bytes, u32 value)
{
	vpci_port_ops.write(&pci, 0xcf8, 4, ADDRESS | (offset & ~3U));
	vpci_port_ops.write(&pci, 0xcfc + (offset & 3), bytes, value);
}

static void structure_found(u8 at)
{
	u32 bar = config_in(VPCI_BAR + 4 * config_in(at + 4U, 1), 4);
	bool io = bar & 1;
	u32 base = (bar & ~15U) + config_in(at + 8U, 4), length = config_in(at + 12U, 4);

	switch (config_in(at + 3U, 1)) {
	case 1:
		common.base = base;
		common.length = length;
		break;
	case 2:
		assert_int_equal(config_in(at + 16U, 4), 0); /* all queues at one place */
		notify[notifies].io = io;
		notify[notifies].base = base;
		notify[notifies++].length = length;
		break;
	case 3:
		isr.base = base;
		break;
	case 4:
		device_config.base = base;
		device_config.length = length;
		break;
	case 5:
		access_at = at;
		break;
	default:
		fail();
	}
}

static void capabilities_walk(void)
{
	notifies = 0;
	for (u32 at = config_in(VPCI_CAPABILITIES, 1); at; at = config_in(at + 1, 1)) {
		assert_int_equal(at % 4, 0);
		if (config_in(at, 1) == 9)
			structure_found((u8)at);
		else if (config_in(at, 1) == 0x11)
			msix_at = (u8)at;
	}
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	driver_init(&driver);
	driver.device = &device;
	memcpy(config, "Configurati", sizeof(config));
	ready[0] = ready[1] = resets = 0;
	vpci_init(&pci, &fake.host, isa_changed, NULL);
	virtio_device_init(&device, &ops, &fake.host, &driver.memory, BIT(5) | BIT(40), config,
			   sizeof(config));
	virtio_pci_init(&transport, &device);
	assert_int_equal(vpci_attach(&pci, &transport.function, VPCI_DEVFN(2, 0)), 0);
	capabilities_walk();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_free(&driver);
	return 0;
}

static u64 in(u64 gpa, unsigned bytes)
{
	u64 value;

	assert_true(vpci_memory_read(&pci, gpa, bytes, &value));
	return value & (bytes < 8 ? BIT(8 * bytes) - 1 : ~0UL);
}

static void out(u64 gpa, unsigned bytes, u64 value)
{
	assert_true(vpci_memory_write(&pci, gpa, bytes, value));
}

static u64 get(u32 offset, unsigned bytes)
{
	return in(common.base + offset, bytes);
}

static void set(u32 offset, unsigned bytes, u64 value)
{
	out(common.base + offset, bytes, value);
}

static void queue_set(u16 queue, u16 vector)
{
	set(0x16, 2, queue);
	set(0x1a, 2, vector);
	set(0x20, 4, DRIVER_RING(queue));
	set(0x24, 4, 0);
	set(0x28, 8, DRIVER_RING(queue) + 0x1000);
	set(0x30, 8, DRIVER_RING(queue) + 0x2000);
	set(0x1c, 2, 1);
}

static void start(u16 vector)
{
	set(0x14, 1, 0);
	set(0x14, 1, 1);
	set(0x14, 1, 3);
	set(8, 4, 0);
	set(0xc, 4, BIT(5));
	set(8, 4, 1);
	set(0xc, 4, 1);
	set(0x14, 1, 0xb);
	assert_int_equal(get(0x14, 1), 0xb);
	queue_set(0, vector);
	queue_set(1, vector);
	set(0x14, 1, 0xf);
	assert_int_equal(ready[0], 1); /* what was there before */
}

static void offer(void)
{
	driver_describe(&driver, 0, 0, DRIVER_BUFFERS, 4, 0, 0);
	driver_offer(&driver, 0, 0);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(config_in(VPCI_VENDOR, 4), 0x10421af4);
	assert_int_equal(config_in(VPCI_REVISION, 4), 0x01800001);
	assert_int_equal(config_in(VPCI_SUBSYSTEM_VENDOR, 4), 0x10421af4);
	assert_int_equal(config_in(VPCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(notifies, 2);
	assert_true(notify[0].io); /* the cheaper one is preferred */
	assert_false(notify[1].io);
	assert_true(notify[0].length >= 2 && notify[1].length >= 2);
	assert_int_equal(common.length, 0x38);
	assert_int_equal(device_config.length, sizeof(config));
	assert_int_not_equal(isr.base, 0);
	assert_int_equal(config_in(msix_at + 2U, 2), 2); /* a vector for each queue and one more */
}

static void test_common(void **state)
{
	(void)state;
	assert_int_equal(get(4, 4), BIT(5) | BIT(28) | BIT(29));
	set(0, 4, 1);
	assert_int_equal(get(4, 4), BIT(8) | BIT(0));
	set(0, 4, 2);
	assert_int_equal(get(4, 4), 0);
	assert_int_equal(get(0, 4), 2);
	set(8, 4, 2);
	set(0xc, 4, ~0U); /* there are no such features */
	assert_int_equal(get(0xc, 4), 0);
	set(8, 4, 0);
	set(0xc, 4, 0x20);
	assert_int_equal(get(0xc, 4), 0x20);
	assert_int_equal(get(0x12, 2), 2);
	assert_int_equal(get(0x10, 2), VIRTIO_NO_VECTOR);
	set(0x10, 2, 2);
	assert_int_equal(get(0x10, 2), 2);
	set(0x10, 2, 3); /* there is no such vector */
	assert_int_equal(get(0x10, 2), VIRTIO_NO_VECTOR);
	device.generation = 9;
	assert_int_equal(get(0x15, 1), 9);
	assert_int_equal(get(0x14, 2), 0xffff); /* registers are read whole */
	assert_int_equal(get(0x18, 1), 0xff);
	assert_int_equal(get(0x38, 4), 0xffffffff);
	set(0x14, 2, 1);
	assert_int_equal(get(0x14, 1), 0);
}

static void test_queue_registers(void **state)
{
	(void)state;
	assert_int_equal(get(0x18, 2), 8);
	set(0x16, 2, 1);
	assert_int_equal(get(0x16, 2), 1);
	assert_int_equal(get(0x18, 2), 64);
	assert_int_equal(get(0x1a, 2), VIRTIO_NO_VECTOR);
	set(0x1a, 2, 1);
	assert_int_equal(get(0x1a, 2), 1);
	set(0x20, 8, 0x123456789);
	assert_int_equal(get(0x20, 4), 0x23456789);
	assert_int_equal(get(0x24, 4), 1);
	assert_int_equal(get(0x20, 8), 0x123456789);
	set(0x24, 4, 0);
	assert_int_equal(get(0x20, 8), 0x23456789);
	set(0x18, 2, 32);
	queue_set(1, 2);
	assert_int_equal(get(0x1c, 2), 1);
	set(0x18, 2, 8); /* too late for these */
	set(0x20, 8, 0);
	set(0x30, 4, 0);
	assert_int_equal(get(0x18, 2), 32);
	assert_int_equal(get(0x20, 8), DRIVER_RING(1));
	assert_int_equal(get(0x30, 8), DRIVER_RING(1) + 0x2000);
	assert_int_equal(get(0x28, 8), DRIVER_RING(1) + 0x1000);
	assert_int_equal(get(0x1e, 2), 0);
	set(0x1c, 2, 0); /* only a reset disables it */
	assert_int_equal(get(0x1c, 2), 1);
	set(0x16, 2, 2); /* there is no such queue */
	for (u32 offset = 0x18; offset < 0x20; offset += 2) {
		set(offset, 2, 0xffff);
		assert_int_equal(get(offset, 2), 0);
	}
	set(0x16, 2, 1);
	set(0x14, 1, 0);
	assert_int_equal(resets, 1);
	assert_int_equal(get(0x16, 2), 0);
	set(0x16, 2, 1);
	assert_int_equal(get(0x18, 2), 64);
	assert_int_equal(get(0x1a, 2), VIRTIO_NO_VECTOR);
	assert_int_equal(get(0x1c, 2), 0);
}

static void test_notify(void **state)
{
	(void)state;
	out(notify[1].base, 2, 0); /* nobody drives it yet */
	assert_int_equal(ready[0], 0);
	start(VIRTIO_NO_VECTOR);
	assert_true(vpci_port_write(&pci, (u32)notify[0].base, 2, 0));
	assert_int_equal(ready[0], 2);
	out(notify[1].base, 2, 0);
	assert_int_equal(ready[0], 3);
	out(notify[1].base, 2, 1);
	assert_int_equal(ready[1], 2);
	out(notify[1].base, 2, 2); /* there is no such queue */
	assert_true(vpci_port_write(&pci, (u32)notify[0].base, 2, 0xffff));
	assert_true(vpci_port_write(&pci, (u32)notify[0].base + 2, 2, 0));
	out(notify[1].base + 2, 2, 0);
	assert_int_equal(ready[0], 3);
	config_out(VPCI_COMMAND, 2, 3); /* no bus master: it may not look at memory */
	out(notify[1].base, 2, 0);
	assert_int_equal(ready[0], 3);
	config_out(VPCI_COMMAND, 2, 7);
	assert_int_equal(ready[0], 4);
}

static void test_interrupt_by_pin(void **state)
{
	(void)state;
	start(1);
	offer();
	out(notify[1].base, 2, 0);
	assert_true(fake.irq[GSI]);
	assert_int_equal(fake.messages, 0);
	virtio_config_changed(&device);
	assert_int_equal(in(isr.base, 1), 3);
	assert_false(fake.irq[GSI]);
	assert_int_equal(in(isr.base, 1), 0);
	virtio_config_changed(&device);
	assert_true(fake.irq[GSI]);
	set(0x14, 1, 0);
	assert_false(fake.irq[GSI]);
	assert_int_equal(in(isr.base, 1), 0);
}

static void test_interrupt_by_message(void **state)
{
	u32 table = common.base + 0x4000;

	(void)state;
	config_out(msix_at + 2U, 2, 0x8000);
	for (u32 i = 0; i < 3; i++) {
		out(table + 16 * i, 8, 0xfee00000);
		out(table + 16 * i + 8, 8, 0x50 + i);
	}
	start(1);
	set(0x10, 2, 0);
	offer();
	out(notify[1].base, 2, 0);
	assert_int_equal(fake.messages, 1);
	assert_int_equal(fake.message[0].data, 0x51);
	virtio_config_changed(&device);
	assert_int_equal(fake.messages, 2);
	assert_int_equal(fake.message[1].data, 0x50);
	assert_false(fake.irq[GSI]);
	assert_int_equal(in(isr.base, 1), 0);
	set(0x16, 2, 0);
	set(0x1a, 2, VIRTIO_NO_VECTOR);
	offer();
	out(notify[1].base, 2, 0);
	assert_int_equal(fake.messages, 2);
}

static void test_device_config(void **state)
{
	(void)state;
	assert_int_equal(in(device_config.base, 8), 0x7275676966 << 24 | 0x6e6f43);
	assert_int_equal(in(device_config.base + 10, 2), 0x0069);
	assert_int_equal(in(device_config.base + 12, 4), 0xffffffff);
	out(device_config.base + 1, 1, 'x');
	out(device_config.base + 8, 8, 0); /* beyond its end */
	assert_string_equal((char *)config, "Cxnfigurati");
}

/* Without BARs, through configuration space (4.1.4.9). */
static void test_access_window(void **state)
{
	(void)state;
	config_out(VPCI_COMMAND, 2, VPCI_COMMAND_MASTER);
	config_out(access_at + 4U, 1, 0);
	config_out(access_at + 8U, 4, 0x12);
	config_out(access_at + 12U, 4, 2);
	assert_int_equal(config_in(access_at + 16U, 2), 2);
	config_out(access_at + 8U, 4, 0x14);
	config_out(access_at + 12U, 4, 1);
	config_out(access_at + 16U, 1, 3);
	assert_int_equal(device.status, 3);
	assert_int_equal(config_in(access_at + 16U, 1), 3);
	config_out(access_at + 12U, 4, 3); /* not a length */
	config_out(access_at + 16U, 1, 0xf);
	config_out(access_at + 12U, 4, 1);
	config_out(access_at + 4U, 1, 6); /* not a BAR */
	config_out(access_at + 16U, 1, 0xf);
	config_out(access_at + 4U, 1, 0);
	config_out(access_at + 8U, 4, 0xfffffff0); /* outside of it */
	config_out(access_at + 16U, 1, 0xf);
	assert_int_equal(config_in(access_at + 16U, 1), 0xff);
	assert_int_equal(device.status, 3);
}

static void test_broken_queue(void **state)
{
	(void)state;
	set(0x20, 8, DRIVER_RAM);
	set(0x1c, 2, 1);
	assert_int_equal(get(0x1c, 2), 0);
	assert_int_equal(get(0x14, 1), VIRTIO_NEEDS_RESET);
	assert_int_equal(fake.reports, 1);
	start(1);
	assert_int_equal(get(0x14, 1), 0xf);
}

#define PCI_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCI_TEST(test_identity),	 PCI_TEST(test_common),
		PCI_TEST(test_queue_registers),	 PCI_TEST(test_notify),
		PCI_TEST(test_interrupt_by_pin), PCI_TEST(test_interrupt_by_message),
		PCI_TEST(test_device_config),	 PCI_TEST(test_access_window),
		PCI_TEST(test_broken_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
