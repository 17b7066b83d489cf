/* SPDX-License-Identifier: MIT */
/* links: drivers/virt/virtio_blk.c drivers/virt/virtio_device.c drivers/virt/virtqueue.c */
/* links: vmm/format.c */
/*
 * A block device and the driver that the input is: rings, descriptors and requests, changed at any
 * moment. Nothing outside of RAM and of the disk is touched, no call does more than a stretch, and
 * the device can always be made to work again.
 */
#include "tests/unit/drivers/virt/fake_driver.h"

#include "drivers/virt/virtio_blk.h"
#include "fuzz_input.h"

#define DISK_BYTES (256 * KIB)
#define HEADER	   DRIVER_BUFFERS
#define STATUS	   (DRIVER_BUFFERS + 0x800)

static u8 content[DISK_BYTES];
static u64 moved; /* in this call into the device */

/* Often one where something is. */
static u64 next_gpa(void)
{
	static const u64 places[] = {0,	      DRIVER_RING(0), HEADER, STATUS, DRIVER_RAM - 64,
				     0x9ff00, ~0UL - 64};
	u8 which = next8();

	if (which < ARRAY_SIZE(places))
		return places[which] + next8();
	return which & 1 ? next(8) : HEADER + next(3) % (DRIVER_RAM - HEADER);
}

static void note(u64 offset, u64 bytes, u64 factor)
{
	must(offset <= DISK_BYTES && bytes <= DISK_BYTES - offset);
	moved += bytes / factor;
	must(moved <= VIRTIO_BLK_STRETCH + DISK_BLOCK_BYTES);
}

static int disk_read(void *context, u64 offset, void *data, u64 bytes)
{
	(void)context;
	note(offset, bytes, 1);
	memcpy(data, content + offset, bytes);
	return 0;
}

static int disk_write(void *context, u64 offset, const void *data, u64 bytes)
{
	(void)context;
	note(offset, bytes, 1);
	memcpy(content + offset, data, bytes);
	return content[0] == 0x13 ? -5 : 0;
}

static int disk_forget(void *context, u64 offset, u64 bytes)
{
	(void)context;
	note(offset, bytes, 8);
	memset(content + offset, 0, bytes);
	return 0;
}

static const struct disk_ops disk_ops = {
	.read = disk_read, .write = disk_write, .discard = disk_forget, .zero = disk_forget};

static void serve(struct virtio_blk *blk)
{
	moved = 0;
	virtio_serve(&blk->device, 0);
}

static void timers_run(struct fake_host *fake, unsigned most)
{
	while (most-- && fake->timers) {
		struct device_timer *timer = fake->timers;

		moved = 0;
		fake_timer_set(&fake->host, timer, DEVICE_TIMER_OFF);
		timer->fire(timer->context);
	}
}

static void request_offer(struct fake_driver *driver, u16 at)
{
	struct virtio_blk_header header = {(u32)next(1), 0, next(2)};
	u64 data = next_gpa();
	u32 bytes = (u32)next(3);
	u16 flags = next8() & DRIVER_WRITE;

	memcpy(driver->ram + HEADER + 16UL * at, &header, sizeof(header));
	driver_describe(driver, 0, at, HEADER + 16UL * at, 16, DRIVER_NEXT, (u16)(at + 1));
	driver_describe(driver, 0, (u16)(at + 1), data, bytes, DRIVER_NEXT | flags, (u16)(at + 2));
	driver_describe(driver, 0, (u16)(at + 2), STATUS + at, 1, DRIVER_WRITE, 0);
	driver_offer(driver, 0, at);
}

static void step(struct fake_host *fake, struct fake_driver *driver, struct virtio_blk *blk)
{
	u16 at = next8() % 100;

	switch (next8() % 8) {
	case 0:
		driver_describe(driver, 0, at, next_gpa(), (u32)next(4), (u16)next(1),
				(u16)next(1));
		break;
	case 1:
		driver_offer(driver, 0, (u16)next(2));
		break;
	case 2:
		serve(blk);
		break;
	case 3:
		memset(driver->ram + next(3) % (DRIVER_RAM - 64), next8(), next8() % 64);
		break;
	case 4:
		moved = 0;
		driver_start(driver, &blk->device, next(8));
		break;
	case 5:
		timers_run(fake, next8());
		break;
	case 6:
		moved = 0;
		virtio_dma_set(&blk->device, next8() & 1);
		break;
	case 7:
		request_offer(driver, at);
		break;
	}
}

static void works_again(struct fake_host *fake, struct fake_driver *driver, struct virtio_blk *blk)
{
	struct virtio_blk_header header = {0, 0, 1};

	moved = 0;
	driver_start(driver, &blk->device, 0);
	memcpy(driver->ram + HEADER, &header, sizeof(header));
	driver_describe(driver, 0, 0, HEADER, 16, DRIVER_NEXT, 1);
	driver_describe(driver, 0, 1, HEADER + 512, 512, DRIVER_NEXT | DRIVER_WRITE, 2);
	driver_describe(driver, 0, 2, STATUS, 1, DRIVER_WRITE, 0);
	driver_offer(driver, 0, 0);
	serve(blk);
	timers_run(fake, 10);
	must(driver_take(driver, 0, NULL) == 513);
	must(!memcmp(driver->ram + HEADER + 512, content + 512, 512));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	struct disk_backend disk = {.ops = &disk_ops, .bytes = DISK_BYTES};
	static struct fake_driver driver;
	static struct virtio_blk blk;
	static struct fake_host fake;

	input_begin(data, bytes);
	memset(content, 0x77, sizeof(content));
	disk.readonly = next8() & 1;
	fake_init(&fake);
	driver_init(&driver);
	virtio_blk_init(&blk, &fake.host, &driver.memory, &disk);
	moved = 0;
	driver_start(&driver, &blk.device, next(8));
	for (unsigned i = 0; left && i < 4096; i++)
		step(&fake, &driver, &blk);
	works_again(&fake, &driver, &blk);
	driver_free(&driver);
	return 0;
}
