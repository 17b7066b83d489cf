/* SPDX-License-Identifier: MIT */
/* Memory balloon: virtio 1.2, section 5.5. */
#include "virtio_balloon.h"

#include <bulkhead/string.h>

/* 5.5.3 */
#define F_STATS_VQ	 BIT(1)
#define F_DEFLATE_ON_OOM BIT(2)

enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUES };

/* 5.5.6.4; the next one follows without a gap. */
struct packed statistic {
	u16 tag;
	u64 value;
};

/* Of those that a driver sends as many are read: some that are not known may be among them. */
#define STATISTICS_READ 32

static struct virtio_balloon *balloon_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_balloon, device);
}

/* The pages are the guest's in any case: nothing is done with what it names. */
static void pages_take(struct virtio_balloon *balloon, struct virtqueue *queue)
{
	while (virtqueue_pop(queue, &balloon->chain))
		virtqueue_push(queue, balloon->chain.head, 0);
}

static void statistics_read(struct virtio_balloon *balloon)
{
	struct statistic statistics[STATISTICS_READ];
	u64 bytes = virtio_chain_read(&balloon->chain, 0, statistics, sizeof(statistics));

	balloon->known = 0;
	for (u64 i = 0; i < bytes / sizeof(statistics[0]); i++) {
		u16 tag = statistics[i].tag;

		if (tag >= BALLOON_STATS)
			continue;
		balloon->known |= (u32)BIT(tag);
		balloon->stat[tag] = statistics[i].value;
	}
	balloon->answers++;
	balloon->answered_at = device_now(balloon->device.host);
}

/* A driver has one buffer out at a time, with what it told last, and fills it anew when it comes
 * back (5.5.6.3). Of one that has more the last is kept. */
static void statistics_take(struct virtio_balloon *balloon, struct virtqueue *queue)
{
	while (virtqueue_pop(queue, &balloon->chain)) {
		if (balloon->held)
			virtqueue_push(queue, balloon->head, 0);
		balloon->held = true;
		balloon->head = balloon->chain.head;
		statistics_read(balloon);
	}
	if (balloon->held && balloon->asked) {
		balloon->held = balloon->asked = false;
		virtqueue_push(queue, balloon->head, 0);
	}
}

static void balloon_ready(struct virtio_device *device, u16 index)
{
	struct virtio_balloon *balloon = balloon_of(device);
	struct virtqueue *queue = &device->queue[index];

	if (index == QUEUE_STATS)
		statistics_take(balloon, queue);
	else
		pages_take(balloon, queue);
}

/* The driver may write how much it has given, and nothing else (5.5.4). */
static void balloon_config_write(struct virtio_device *device, u32 offset, unsigned bytes,
				 u64 value)
{
	struct virtio_balloon *balloon = balloon_of(device);

	if (offset == offsetof(struct virtio_balloon_config, given) &&
	    bytes == sizeof(balloon->config.given))
		balloon->config.given = (u32)value;
}

/* The target is the operator's, and stays. */
static void balloon_reset(struct virtio_device *device)
{
	struct virtio_balloon *balloon = balloon_of(device);

	balloon->config.given = 0;
	balloon->held = balloon->asked = false;
	balloon->known = 0;
	balloon->answers = 0;
}

static const struct virtio_device_ops ops = {
	.name = "virtio balloon",
	.id = VIRTIO_ID_BALLOON,
	.class_code = 0xff0000, /* fits no class */
	.queues = QUEUES,
	.queue_size = {128, 128, 8},
	.queue_ready = balloon_ready,
	.config_write = balloon_config_write,
	.reset = balloon_reset,
};

void virtio_balloon_init(struct virtio_balloon *balloon, struct device_host *host,
			 const struct guest_memory *memory)
{
	memset(balloon, 0, sizeof(*balloon));
	virtio_device_init(&balloon->device, &ops, host, memory, F_STATS_VQ | F_DEFLATE_ON_OOM,
			   &balloon->config, sizeof(balloon->config));
}

void virtio_balloon_target(struct virtio_balloon *balloon, u64 bytes)
{
	balloon->config.target = (u32)(bytes / PAGE_SIZE);
	virtio_config_changed(&balloon->device);
}

void virtio_balloon_ask(struct virtio_balloon *balloon)
{
	balloon->asked = true;
	virtio_serve(&balloon->device, QUEUE_STATS);
}

void virtio_balloon_look(const struct virtio_balloon *balloon, struct balloon_view *view)
{
	*view = (struct balloon_view){
		.driven = virtio_live(&balloon->device),
		.target_bytes = (u64)balloon->config.target * PAGE_SIZE,
		.given_bytes = (u64)balloon->config.given * PAGE_SIZE,
		.known = balloon->known,
		.answers = balloon->answers,
		.age_ticks = device_now(balloon->device.host) - balloon->answered_at,
	};
	memcpy(view->stat, balloon->stat, sizeof(view->stat));
}
