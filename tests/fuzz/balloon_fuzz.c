/* SPDX-License-Identifier: MIT */
/* links: drivers/virt/virtio_balloon.c drivers/virt/virtio_device.c drivers/virt/virtqueue.c */
/* links: vmm/format.c */
/*
 * A balloon and the driver that the input is, with an operator who asks and sets targets meanwhile.
 * Nothing outside of RAM is touched, what an operator sees is what can be, no more than one buffer
 * is kept, and the device can always be made to work again.
 */
#include "tests/unit/drivers/virt/fake_driver.h"

#include "drivers/virt/virtio_balloon.h"
#include "fuzz_input.h"

#define QUEUES	   3
#define STATISTICS 2		     /* the queue */
#define TARGET_MAX (16 * 1024 * GIB) /* exclusive */

static u64 target;

static u64 next_gpa(void)
{
	static const u64 places[] = {
		0, DRIVER_RING(STATISTICS), DRIVER_BUFFERS, DRIVER_RAM - 8, 0x9ff00, ~0UL - 64};
	u8 which = next8();

	if (which < ARRAY_SIZE(places))
		return places[which] + next8();
	return which & 1 ? next(8) : DRIVER_BUFFERS + next(3) % (DRIVER_RAM - DRIVER_BUFFERS);
}

/* As a driver sends them: some whose tag is known and others, and more than are read. */
static void statistics_offer(struct fake_driver *driver, u16 head)
{
	u8 *at = driver->ram + DRIVER_BUFFERS;
	u32 count = next8() % 40;

	for (u32 i = 0; i < count; i++, at += 10) {
		memset(at, next8(), 10);
		at[0] = next8() % (BALLOON_STATS + 4);
		at[1] = 0;
	}
	driver_describe(driver, STATISTICS, head, DRIVER_BUFFERS, 10 * count + next8() % 10, 0, 0);
	driver_offer(driver, STATISTICS, head);
	virtio_serve(driver->device, STATISTICS);
}

static void target_set(struct virtio_balloon *balloon)
{
	target = next(8) % TARGET_MAX & ~(PAGE_SIZE - 1);
	virtio_balloon_target(balloon, target);
}

/* Mostly one that the device accepts. */
static void start(struct fake_driver *driver, struct virtio_balloon *balloon)
{
	u64 features = next(8);

	driver_start(driver, &balloon->device,
		     next8() % 8 ? features & balloon->device.offered : features);
}

static void step(struct fake_host *fake, struct fake_driver *driver, struct virtio_balloon *balloon)
{
	u8 what = next8();
	u16 queue = next8() % QUEUES, size = driver->device->queue[queue].size;

	switch (what % 10) {
	case 0:
		driver_describe(driver, queue, next8() % 128, next_gpa(), (u32)next(4),
				(u16)next(1), (u16)next(1));
		break;
	case 1:
		if (size)
			driver_offer(driver, queue, (u16)next(2));
		break;
	case 2:
		virtio_serve(&balloon->device, queue);
		break;
	case 3:
		memset(driver->ram + next(3) % (DRIVER_RAM - 64), next8(), next8() % 64);
		break;
	case 4:
		start(driver, balloon);
		break;
	case 5:
		virtio_balloon_ask(balloon);
		break;
	case 6:
		target_set(balloon);
		break;
	case 7:
		if (driver->device->queue[STATISTICS].size)
			statistics_offer(driver, next8() % 8);
		break;
	case 8:
		virtio_config_write(&balloon->device, next8() & 15, 1U << (next8() & 3), next(8));
		break;
	case 9:
		fake_run(fake, next(2));
		break;
	}
}

static void look(const struct virtio_balloon *balloon)
{
	const struct virtqueue *queue = &balloon->device.queue[STATISTICS];
	struct balloon_view view;

	virtio_balloon_look(balloon, &view);
	must(!(view.known >> BALLOON_STATS));
	must(view.answers || !view.known);
	must(view.target_bytes == target);
	must(!view.driven || (u16)(queue->taken - queue->returned) <= balloon->held);
}

/* 1234 in all, and asked again once that is known. */
static void works_again(struct fake_driver *driver, struct virtio_balloon *balloon)
{
	static const u8 total[] = {BALLOON_TOTAL, 0, 0xd2, 4, 0, 0, 0, 0, 0, 0};
	struct balloon_view view;

	driver_start(driver, &balloon->device, BIT(1));
	memcpy(driver->ram + DRIVER_BUFFERS, total, sizeof(total));
	driver_describe(driver, STATISTICS, 0, DRIVER_BUFFERS, sizeof(total), 0, 0);
	driver_offer(driver, STATISTICS, 0);
	virtio_serve(&balloon->device, STATISTICS);
	virtio_balloon_look(balloon, &view);
	must(view.driven && view.known == BIT(BALLOON_TOTAL) && view.stat[BALLOON_TOTAL] == 1234);
	must(driver_used(driver, STATISTICS)->index == 0);
	virtio_balloon_ask(balloon);
	must(driver_used(driver, STATISTICS)->index == 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	static struct fake_driver driver;
	static struct virtio_balloon balloon;
	static struct fake_host fake;

	input_begin(data, bytes);
	target = 0;
	fake_init(&fake);
	driver_init(&driver);
	virtio_balloon_init(&balloon, &fake.host, &driver.memory);
	start(&driver, &balloon);
	for (unsigned i = 0; left && i < 4096; i++) {
		step(&fake, &driver, &balloon);
		look(&balloon);
	}
	works_again(&driver, &balloon);
	driver_free(&driver);
	return 0;
}
