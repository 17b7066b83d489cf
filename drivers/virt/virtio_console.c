/* SPDX-License-Identifier: MIT */
/* Console device: virtio 1.2, section 5.3. */
#include "virtio_console.h"

#include <bulkhead/string.h>

#define F_MULTIPORT BIT(1) /* 5.3.3 */

/* 5.3.2: those of port 0, and those for messages. */
enum { QUEUE_INPUT, QUEUE_OUTPUT, QUEUE_TELL, QUEUE_TOLD, QUEUES };

/* 5.3.6.2 */
enum event {
	EVENT_DEVICE_READY,
	EVENT_PORT_ADD,
	EVENT_PORT_REMOVE,
	EVENT_PORT_READY,
	EVENT_CONSOLE_PORT,
	EVENT_RESIZE,
	EVENT_PORT_OPEN,
};

struct message {
	u32 port;
	u16 event, value;
};

static struct virtio_console *console_of(struct virtio_device *device)
{
	return container_of(device, struct virtio_console, device);
}

/* Without agreement on ports there is one, and nobody says when it is open. */
bool virtio_console_is_open(const struct virtio_console *console)
{
	return virtio_live(&console->device) &&
	       (console->open || !virtio_has(&console->device, F_MULTIPORT));
}

static void call_again(struct virtio_console *console)
{
	device_timer_set(console->device.host, &console->go_on, device_now(console->device.host));
}

/* --- input --- */

/* Bytes that are typed together are handed over together: when the timer fires. */
bool virtio_console_input(struct virtio_console *console, u8 byte)
{
	if (console->waiting == sizeof(console->input)) {
		console->full = true;
		return false;
	}
	console->input[console->waiting++] = byte;
	call_again(console);
	return true;
}

static void input_make_room(struct virtio_console *console)
{
	bool full = console->full;

	console->full = false;
	if (full)
		console->ready(console->context);
}

static void input_hand_over(struct virtio_console *console, struct virtqueue *queue)
{
	while (console->waiting && virtqueue_pop(queue, &console->chain)) {
		u32 taken = (u32)virtio_chain_write(&console->chain, 0, console->input,
						    console->waiting);

		console->waiting -= taken;
		memmove(console->input, console->input + taken, console->waiting);
		virtqueue_push(queue, console->chain.head, taken);
	}
	if (!console->waiting)
		input_make_room(console);
}

/* --- output --- */

/* Prints as much of `output` as `*room` allows. */
static void output_print(struct virtio_console *console, u64 *room)
{
	struct device_host *host = console->device.host;
	u8 bytes[64];
	u64 count;

	do {
		count = virtio_chain_read(&console->output, console->printed, bytes,
					  MIN(*room, sizeof(bytes)));
		for (u64 i = 0; i < count; i++)
			host->ops->console_output(host, bytes[i]);
		console->printed += count;
		*room -= count;
	} while (count && *room);
}

static void output_take(struct virtio_console *console, struct virtqueue *queue)
{
	u64 room = VIRTIO_CONSOLE_STRETCH;

	if (console->printing && !virtio_chain_find(&console->device, &console->output))
		return;
	while (room) {
		if (!console->printing && !virtqueue_pop(queue, &console->output))
			return;
		if (!console->printing)
			console->printed = 0;
		console->printing = true;
		output_print(console, &room);
		if (console->printed < console->output.readable_bytes)
			break;
		virtqueue_push(queue, console->output.head, 0);
		console->printing = false;
	}
	call_again(console);
}

/* --- messages --- */

static void messages_tell(struct virtio_console *console, struct virtqueue *queue)
{
	while (console->messages && virtqueue_pop(queue, &console->chain)) {
		u16 event = (u16)__builtin_ctz(console->messages);
		struct message message = {.event = event, .value = 1};

		console->messages &= console->messages - 1;
		virtqueue_push(
			queue, console->chain.head,
			(u32)virtio_chain_write(&console->chain, 0, &message, sizeof(message)));
	}
}

/* 5.3.6.2: the device presents its port; once the driver has it, it learns what it is, and that its
 * other end is open. */
static void message_heed(struct virtio_console *console, const struct message *message)
{
	if (message->event == EVENT_DEVICE_READY && message->value)
		console->messages |= BIT(EVENT_PORT_ADD);
	if (message->port)
		return;
	if (message->event == EVENT_PORT_READY && message->value)
		console->messages |= BIT(EVENT_CONSOLE_PORT) | BIT(EVENT_PORT_OPEN);
	if (message->event == EVENT_PORT_OPEN)
		console->open = message->value;
}

static void messages_take(struct virtio_console *console, struct virtqueue *queue)
{
	while (virtqueue_pop(queue, &console->chain)) {
		struct message message;

		if (virtio_chain_read(&console->chain, 0, &message, sizeof(message)) ==
		    sizeof(message))
			message_heed(console, &message);
		virtqueue_push(queue, console->chain.head, 0);
	}
	virtio_serve(&console->device, QUEUE_TELL);
}

/* --- the device --- */

static void console_ready(struct virtio_device *device, u16 index)
{
	struct virtio_console *console = console_of(device);
	struct virtqueue *queue = &device->queue[index];

	switch (index) {
	case QUEUE_INPUT:
		input_hand_over(console, queue);
		break;
	case QUEUE_OUTPUT:
		output_take(console, queue);
		break;
	case QUEUE_TELL:
		messages_tell(console, queue);
		break;
	case QUEUE_TOLD:
		messages_take(console, queue);
		break;
	}
}

static void go_on(void *context)
{
	struct virtio_console *console = context;

	virtio_serve(&console->device, QUEUE_INPUT);
	virtio_serve(&console->device, QUEUE_OUTPUT);
}

static void console_reset(struct virtio_device *device)
{
	struct virtio_console *console = console_of(device);

	console->open = console->printing = false;
	console->messages = console->waiting = 0;
	device_timer_set(device->host, &console->go_on, DEVICE_TIMER_OFF);
	input_make_room(console);
}

static const struct virtio_device_ops ops = {
	.name = "virtio console",
	.id = VIRTIO_ID_CONSOLE,
	.class_code = 0x078000, /* communication, other */
	.queues = QUEUES,
	.queue_size = {64, 64, 32, 32},
	.queue_ready = console_ready,
	.reset = console_reset,
};

static void nobody(void *context unused)
{
}

void virtio_console_connect(struct virtio_console *console, void (*ready)(void *context),
			    void *context)
{
	console->ready = ready;
	console->context = context;
}

void virtio_console_init(struct virtio_console *console, struct device_host *host,
			 const struct guest_memory *memory)
{
	memset(console, 0, sizeof(*console));
	console->config.max_nr_ports = 1;
	console->ready = nobody;
	console->go_on = (struct device_timer){
		.deadline = DEVICE_TIMER_OFF, .fire = go_on, .context = console};
	virtio_device_init(&console->device, &ops, host, memory, F_MULTIPORT, &console->config,
			   sizeof(console->config));
}
