/* SPDX-License-Identifier: MIT */
/* What every virtio device has in common, whatever carries it: virtio 1.2, sections 2 and 3. */
#include <bulkhead/virtio.h>

#include <bulkhead/format.h>
#include <bulkhead/string.h>

/* What a driver may set (2.1); it clears by writing 0 only. */
#define STATUS_OF_DRIVER                                                                           \
	(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK | VIRTIO_FEATURES_OK | VIRTIO_FAILED)

static void queues_reset(struct virtio_device *device)
{
	for (u16 i = 0; i < device->ops->queues; i++)
		device->queue[i] = (struct virtqueue){
			.device = device,
			.index = i,
			.size_max = device->ops->queue_size[i],
			.size = device->ops->queue_size[i],
		};
}

static void device_reset(struct virtio_device *device)
{
	if (device->ops->reset)
		device->ops->reset(device);
	device->status = 0;
	device->accepted = 0;
	device->unserved = 0;
	device_timer_set(device->host, &device->again, DEVICE_TIMER_OFF);
	queues_reset(device);
}

/* A guest can break a device and reset it as often as it likes: the first time tells. */
void virtio_break(struct virtio_device *device, const char *what)
{
	char text[128];

	if (device->status & VIRTIO_NEEDS_RESET)
		return;
	device->status |= VIRTIO_NEEDS_RESET;
	if (!device->told_broken) {
		format_text(text, sizeof(text), "%s: its driver gave it %s: it needs a reset",
			    device->ops->name, what);
		device->host->ops->report(device->host, text);
		device->told_broken = true;
	}
	if (device->status & VIRTIO_DRIVER_OK) /* 2.1.2 */
		device->transport->config_interrupt(device);
}

void virtio_serve(struct virtio_device *device, u16 index)
{
	struct virtqueue *queue;

	if (index >= device->ops->queues || !virtio_live(device))
		return;
	queue = &device->queue[index];
	if (!queue->ready)
		return;
	queue->budget = queue->size;
	device->ops->queue_ready(device, index);
	virtqueue_notify(queue);
	if (!queue->budget) {
		device->unserved |= (u32)BIT(index);
		device_timer_set(device->host, &device->again, device_now(device->host));
	}
	queue->budget = 0;
}

static void serve_again(void *context)
{
	struct virtio_device *device = context;
	u32 queues = device->unserved;

	device->unserved = 0;
	for (u16 i = 0; i < device->ops->queues; i++)
		if (queues & BIT(i))
			virtio_serve(device, i);
}

static void serve_all(struct virtio_device *device)
{
	for (u16 i = 0; i < device->ops->queues; i++)
		virtio_serve(device, i);
}

void virtio_dma_set(struct virtio_device *device, bool dma)
{
	bool live = virtio_live(device);

	device->dma = dma;
	if (!live)
		serve_all(device);
}

static bool features_acceptable(const struct virtio_device *device)
{
	return !(device->accepted & ~device->offered) && virtio_has(device, VIRTIO_F_VERSION_1);
}

void virtio_status_write(struct virtio_device *device, u8 status)
{
	u8 set = (u8)(status & STATUS_OF_DRIVER & ~device->status);

	if (!status) {
		device_reset(device);
		return;
	}
	/* 2.2: the driver reads it back to see whether it was accepted. */
	if (set & VIRTIO_FEATURES_OK && !features_acceptable(device))
		set &= (u8)~VIRTIO_FEATURES_OK;
	/* 3.1.1: without agreed features there is nothing to drive. */
	if (set & VIRTIO_DRIVER_OK && !((device->status | set) & VIRTIO_FEATURES_OK))
		set &= (u8)~VIRTIO_DRIVER_OK;
	device->status |= set;
	if (set & VIRTIO_DRIVER_OK)
		serve_all(device);
}

void virtio_features_write(struct virtio_device *device, u32 half, u32 bits)
{
	u32 shift = 32 * half;

	if (half > 1 || device->status & VIRTIO_FEATURES_OK)
		return;
	device->accepted = (device->accepted & ~(0xffffffffUL << shift)) | (u64)bits << shift;
}

u64 virtio_config_read(const struct virtio_device *device, u32 offset, unsigned bytes)
{
	u64 value = ~0UL;

	if (offset < device->config_bytes)
		memcpy(&value, device->config + offset,
		       MIN((u64)MIN(bytes, 8U), (u64)(device->config_bytes - offset)));
	return value;
}

void virtio_config_write(struct virtio_device *device, u32 offset, unsigned bytes, u64 value)
{
	if (device->ops->config_write && offset < device->config_bytes &&
	    bytes <= device->config_bytes - offset)
		device->ops->config_write(device, offset, bytes, value);
}

void virtio_config_changed(struct virtio_device *device)
{
	device->generation++;
	if (device->status & VIRTIO_DRIVER_OK)
		device->transport->config_interrupt(device);
}

void virtio_device_init(struct virtio_device *device, const struct virtio_device_ops *ops,
			struct device_host *host, const struct guest_memory *memory, u64 features,
			const void *config, u32 config_bytes)
{
	*device = (struct virtio_device){
		.ops = ops,
		.host = host,
		.memory = memory,
		.config = config,
		.config_bytes = config_bytes,
		.offered =
			features | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1,
		.again = {.deadline = DEVICE_TIMER_OFF, .fire = serve_again, .context = device},
	};
	queues_reset(device);
}
