/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a guest's RAM with virtqueues in it, changed while they are served: what is taken is
 * in RAM, is as much as is said, and no more comes back than was taken.
 */
/* links: drivers/virt/virtqueue.c drivers/virt/virtio_device.c vmm/format.c */
#include <bulkhead/virtio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define RAM_BYTES  (16 * KIB)
#define SIZE_MAX_  16
#define QUEUES	   2
#define STEP_BYTES 4

/*
 * The first bytes of the input choose features and where the rings are, then come steps, a 0 step
 * ends them, and the rest is what RAM begins with. `mend` makes descriptors plausible, which random
 * bytes hardly ever are.
 */
struct choice {
	u8 features;
	u8 mend;
	u16 size[QUEUES];
	u16 descriptors[QUEUES], available[QUEUES], used[QUEUES];
} packed;

struct descriptor {
	u64 gpa;
	u32 bytes;
	u16 flags, next;
} packed;

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

static struct guest_memory memory = {.low_bytes = RAM_BYTES};
static struct virtio_device device;
static struct virtio_chain chain;
static u64 popped[QUEUES], interrupts;
static u16 held[QUEUES], held_head[QUEUES];
static bool timer_armed, hold;

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Between two pages that nobody may touch. */
static void ram_make(void)
{
	u8 *area = mmap(NULL, RAM_BYTES + 2 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	must(area != MAP_FAILED && !mprotect(area + PAGE_SIZE, RAM_BYTES, PROT_READ | PROT_WRITE));
	memory.window = area + PAGE_SIZE;
}

static void check_chain(const struct virtqueue *queue)
{
	u64 sums[2] = {0};

	must(chain.readable <= chain.pieces && chain.pieces <= queue->size);
	for (u16 i = 0; i < chain.pieces; i++) {
		const struct virtio_piece *piece = &chain.piece[i];

		must(piece->bytes && piece->bytes <= RAM_BYTES &&
		     piece->gpa <= RAM_BYTES - piece->bytes &&
		     piece->at == memory.window + piece->gpa);
		sums[i >= chain.readable] += piece->bytes;
	}
	must(sums[0] == chain.readable_bytes && sums[1] == chain.writable_bytes);
}

static void device_ready(struct virtio_device *self, u16 index)
{
	struct virtqueue *queue = &self->queue[index];
	static u8 copy[SIZE_MAX_ * RAM_BYTES];
	u64 count, rounds = 0;

	while (virtqueue_pop(queue, &chain)) {
		must(++rounds <= queue->size);
		popped[index]++;
		check_chain(queue);
		count = virtio_chain_read(&chain, 0, copy, sizeof(copy));
		must(count == chain.readable_bytes);
		count = virtio_chain_write(&chain, 0, copy, sizeof(copy));
		must(count == chain.writable_bytes);
		must(!virtio_chain_write(&chain, count, copy, 1));
		held_head[index] = chain.head;
		if (hold) {
			held[index]++;
			continue;
		}
		virtqueue_push(queue, chain.head, (u32)count);
	}
	must((u16)(queue->taken - queue->returned) <= queue->size);
}

static void device_reset(struct virtio_device *self)
{
	(void)self;
	held[0] = held[1] = 0;
}

static const struct virtio_device_ops ops = {
	.name = "fuzzed",
	.queues = QUEUES,
	.queue_size = {SIZE_MAX_, 4},
	.queue_ready = device_ready,
	.reset = device_reset,
};

static void queue_interrupt(struct virtio_device *self, u16 queue)
{
	must(self == &device && queue < QUEUES);
	interrupts++;
}

static void config_interrupt(struct virtio_device *self)
{
	must(self->status & VIRTIO_DRIVER_OK);
}

static const struct virtio_transport_ops transport = {queue_interrupt, config_interrupt};

static u64 host_now(void *clock)
{
	(void)clock;
	return 1;
}

static void host_timer_set(struct device_host *host, struct device_timer *timer, u64 deadline)
{
	(void)host;
	timer->deadline = deadline;
	timer_armed = deadline != DEVICE_TIMER_OFF;
}

static void host_report(struct device_host *host, const char *text)
{
	(void)host;
	must(text[0] && device.status & VIRTIO_NEEDS_RESET);
}

static const struct device_host_ops host_ops = {.timer_set = host_timer_set, .report = host_report};
static struct device_host host = {.ops = &host_ops, .now = host_now};

static void mend(u16 at, u16 size)
{
	for (u16 i = 0; i < size; i++) {
		u64 gpa = at + i * sizeof(struct descriptor);
		struct descriptor *descriptor = (void *)(memory.window + gpa);

		if (gpa + sizeof(*descriptor) > RAM_BYTES)
			return;
		descriptor->gpa &= RAM_BYTES - 1;
		descriptor->bytes &= 0x3ff;
		descriptor->flags &= 7;
		descriptor->next &= 31;
	}
}

static void start(const struct choice *choice)
{
	virtio_status_write(&device, 0);
	virtio_features_write(&device, 0, (u32)(choice->features & 3) << 28);
	virtio_features_write(&device, 1, 1);
	virtio_status_write(&device, VIRTIO_FEATURES_OK);
	for (u16 i = 0; i < QUEUES; i++) {
		struct virtqueue *queue = &device.queue[i];

		queue->size =
			choice->mend & 2 ? (u16)(1 << (choice->size[i] & 3)) : choice->size[i];
		queue->descriptors = choice->descriptors[i];
		queue->available = choice->available[i];
		queue->used = choice->used[i];
		if (choice->mend & 4) {
			queue->descriptors &= 0x1ff0;
			queue->available &= 0x1ffe;
			queue->used &= 0x1ffc;
		}
		if (choice->mend & 1)
			mend((u16)queue->descriptors, queue->size);
		virtqueue_enable(queue);
	}
	virtio_status_write(&device, VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}

static void step(const u8 *data, const struct choice *choice)
{
	u16 queue = data[0] >> 4 & 1, at = (u16)(data[1] | data[2] << 8) & (RAM_BYTES - 1);

	switch (data[0] & 7) {
	case 1:
	case 2:
		memory.window[at] = data[3]; /* another CPU of the guest's */
		break;
	case 3:
		virtio_serve(&device, (u16)(data[0] >> 4));
		break;
	case 4:
		if (timer_armed) {
			timer_armed = false;
			device.again.fire(device.again.context);
		}
		break;
	case 5:
		if (held[queue]) {
			held[queue]--;
			virtqueue_push(&device.queue[queue], held_head[queue], data[1]);
			virtqueue_notify(&device.queue[queue]);
		}
		break;
	case 6:
		start(choice);
		break;
	default:
		hold = data[1] & 1;
		virtio_dma_set(&device, data[1] & 2);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	const u8 *steps = data + sizeof(struct choice), *end = data + bytes, *rest;
	struct choice choice;

	if (bytes < sizeof(choice))
		return 0;
	if (!memory.window)
		ram_make();
	memcpy(&choice, data, sizeof(choice));
	for (rest = steps; end - rest >= STEP_BYTES && *rest; rest += STEP_BYTES)
		;
	memset(memory.window, 0, RAM_BYTES);
	memcpy(memory.window, rest, MIN((size_t)(end - rest), (size_t)RAM_BYTES));
	held[0] = held[1] = 0;
	hold = timer_armed = false;
	virtio_device_init(&device, &ops, &host, &memory, 0, NULL, 0);
	device.transport = &transport;
	device.dma = true;
	start(&choice);
	virtio_serve(&device, 0);
	virtio_serve(&device, 1);
	for (; steps < rest; steps += STEP_BYTES)
		step(steps, &choice);
	return 0;
}
