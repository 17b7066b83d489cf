/* SPDX-License-Identifier: MIT */
/* virtio 1.2, section 4.1. */
#include "virtio_pci.h"

#define VENDOR	    0x1af4
#define DEVICE_BASE 0x1040 /* + device type (4.1.2) */
#define REVISION    1	   /* no legacy interface */

#define CAPABILITY_VENDOR 0x09
#define CAPABILITY_BYTES  16
#define CAPABILITY_LONG	  20 /* with what some have besides */

/* 4.1.4: what a capability describes */
enum structure { COMMON = 1, NOTIFY, ISR, DEVICE, ACCESS };

enum { BAR_MEMORY, BAR_PORTS };
#define MEMORY_BYTES   0x8000
#define PORT_BYTES     16
#define COMMON_OFFSET  0x0000
#define ISR_OFFSET     0x1000
#define DEVICE_OFFSET  0x2000
#define NOTIFY_OFFSET  0x3000
#define TABLE_OFFSET   0x4000
#define PENDING_OFFSET 0x5000
#define PART(offset)   ((offset) & ~0xfffU)

#define ISR_QUEUE  1
#define ISR_CONFIG 2

/* 4.1.4.3 */
enum common {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10,
	NUM_QUEUES = 0x12,
	DEVICE_STATUS = 0x14,
	CONFIG_GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESCRIPTORS = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
	COMMON_BYTES = 0x38,
};

/* How wide the register at each offset is; those of 8 bytes are two of 4 (4.1.3.1). */
static const u8 common_bytes[COMMON_BYTES] = {
	[DEVICE_FEATURE_SELECT] = 4, [DEVICE_FEATURE] = 4,
	[DRIVER_FEATURE_SELECT] = 4, [DRIVER_FEATURE] = 4,
	[CONFIG_VECTOR] = 2,	     [NUM_QUEUES] = 2,
	[DEVICE_STATUS] = 1,	     [CONFIG_GENERATION] = 1,
	[QUEUE_SELECT] = 2,	     [QUEUE_SIZE] = 2,
	[QUEUE_VECTOR] = 2,	     [QUEUE_ENABLE] = 2,
	[QUEUE_NOTIFY_OFF] = 2,	     [QUEUE_DESCRIPTORS] = 4,
	[QUEUE_DESCRIPTORS + 4] = 4, [QUEUE_DRIVER] = 4,
	[QUEUE_DRIVER + 4] = 4,	     [QUEUE_DEVICE] = 4,
	[QUEUE_DEVICE + 4] = 4,
};

static struct virtio_pci *transport_of(struct vpci_function *function)
{
	return container_of(function, struct virtio_pci, function);
}

/* The queue that the driver has selected; NULL: there is no such queue. */
static struct virtqueue *selected(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;

	return transport->queue_select < device->ops->queues
		       ? &device->queue[transport->queue_select]
		       : NULL;
}

/* --- interrupts --- */

static void interrupt(struct virtio_pci *transport, u16 vector, u8 isr)
{
	if (vpci_msix_enabled(&transport->function)) {
		vpci_msix_send(&transport->function, vector); /* none is no vector of the table */
		return;
	}
	transport->isr |= isr;
	vpci_intx_set(&transport->function, true);
}

static void queue_interrupt(struct virtio_device *device, u16 queue)
{
	struct virtio_pci *transport = device->carrier;

	interrupt(transport, transport->queue_vector[queue], ISR_QUEUE);
}

static void config_interrupt(struct virtio_device *device)
{
	struct virtio_pci *transport = device->carrier;

	interrupt(transport, transport->config_vector, ISR_CONFIG);
}

static const struct virtio_transport_ops transport_ops = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
};

static u8 isr_read(struct virtio_pci *transport)
{
	u8 isr = transport->isr;

	transport->isr = 0;
	vpci_intx_set(&transport->function, false);
	return isr;
}

/* 4.1.5.1.2.1: a vector that there is not reads back as none. */
static u16 vector_check(const struct virtio_pci *transport, u32 vector)
{
	return vector < transport->function.msix.vectors ? (u16)vector : VIRTIO_NO_VECTOR;
}

/* --- the common configuration --- */

static u32 queue_read(struct virtio_pci *transport, u32 offset)
{
	const struct virtqueue *queue = selected(transport);

	if (!queue)
		return 0; /* 4.1.4.3.1: of a queue that does not exist the size is 0 */
	switch (offset) {
	case QUEUE_SIZE:
		return queue->size;
	case QUEUE_VECTOR:
		return transport->queue_vector[transport->queue_select];
	case QUEUE_ENABLE:
		return queue->ready;
	case QUEUE_DESCRIPTORS:
		return (u32)queue->descriptors;
	case QUEUE_DESCRIPTORS + 4:
		return (u32)(queue->descriptors >> 32);
	case QUEUE_DRIVER:
		return (u32)queue->available;
	case QUEUE_DRIVER + 4:
		return (u32)(queue->available >> 32);
	case QUEUE_DEVICE:
		return (u32)queue->used;
	case QUEUE_DEVICE + 4:
		return (u32)(queue->used >> 32);
	default:
		return 0; /* QUEUE_NOTIFY_OFF: all queues notify at one place */
	}
}

static u32 common_read(struct virtio_pci *transport, u32 offset)
{
	const struct virtio_device *device = transport->device;
	u32 half;

	switch (offset) {
	case DEVICE_FEATURE_SELECT:
		return transport->device_feature_select;
	case DEVICE_FEATURE:
		half = transport->device_feature_select;
		return half < 2 ? (u32)(device->offered >> (32 * half)) : 0;
	case DRIVER_FEATURE_SELECT:
		return transport->driver_feature_select;
	case DRIVER_FEATURE:
		half = transport->driver_feature_select;
		return half < 2 ? (u32)(device->accepted >> (32 * half)) : 0;
	case CONFIG_VECTOR:
		return transport->config_vector;
	case NUM_QUEUES:
		return device->ops->queues;
	case DEVICE_STATUS:
		return device->status;
	case CONFIG_GENERATION:
		return device->generation;
	case QUEUE_SELECT:
		return transport->queue_select;
	default:
		return queue_read(transport, offset);
	}
}

static void half_set(u64 *address, u32 offset, u32 value)
{
	unsigned shift = offset & 4 ? 32 : 0;

	*address = (*address & ~(0xffffffffUL << shift)) | (u64)value << shift;
}

/* An enabled queue stays as it is until the device is reset. */
static void queue_write(struct virtio_pci *transport, u32 offset, u32 value)
{
	struct virtqueue *queue = selected(transport);

	if (!queue || (queue->ready && offset != QUEUE_VECTOR))
		return;
	switch (offset) {
	case QUEUE_SIZE:
		queue->size = (u16)value;
		break;
	case QUEUE_VECTOR:
		transport->queue_vector[transport->queue_select] = vector_check(transport, value);
		break;
	case QUEUE_ENABLE:
		if (value == 1)
			virtqueue_enable(queue);
		break;
	case QUEUE_DESCRIPTORS:
	case QUEUE_DESCRIPTORS + 4:
		half_set(&queue->descriptors, offset, value);
		break;
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4:
		half_set(&queue->available, offset, value);
		break;
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4:
		half_set(&queue->used, offset, value);
		break;
	default:
		break;
	}
}

static void transport_reset(struct virtio_pci *transport)
{
	(void)isr_read(transport);
	transport->queue_select = 0;
	transport->device_feature_select = transport->driver_feature_select = 0;
	transport->config_vector = VIRTIO_NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		transport->queue_vector[i] = VIRTIO_NO_VECTOR;
}

static void common_write(struct virtio_pci *transport, u32 offset, u32 value)
{
	switch (offset) {
	case DEVICE_FEATURE_SELECT:
		transport->device_feature_select = value;
		break;
	case DRIVER_FEATURE_SELECT:
		transport->driver_feature_select = value;
		break;
	case DRIVER_FEATURE:
		virtio_features_write(transport->device, transport->driver_feature_select, value);
		break;
	case CONFIG_VECTOR:
		transport->config_vector = vector_check(transport, value);
		break;
	case DEVICE_STATUS:
		if (!value)
			transport_reset(transport);
		virtio_status_write(transport->device, (u8)value);
		break;
	case QUEUE_SELECT:
		transport->queue_select = (u16)value;
		break;
	default:
		queue_write(transport, offset, value);
	}
}

/* --- the BARs --- */

static bool common_has(u32 offset, unsigned bytes)
{
	return offset < COMMON_BYTES && common_bytes[offset] == MIN(bytes, 4U);
}

static u64 bar_read(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes)
{
	struct virtio_pci *transport = transport_of(function);
	u32 at = offset - PART(offset);
	u64 value;

	if (bar != BAR_MEMORY)
		return ~0UL;
	switch (PART(offset)) {
	case COMMON_OFFSET:
		if (!common_has(at, bytes))
			return ~0UL;
		value = common_read(transport, at);
		if (bytes == 8 && common_has(at + 4, 4))
			value |= (u64)common_read(transport, at + 4) << 32;
		return value;
	case ISR_OFFSET:
		return at ? ~0UL : isr_read(transport);
	case DEVICE_OFFSET:
		return virtio_config_read(transport->device, at, bytes);
	default:
		return ~0UL;
	}
}

static void memory_write(struct virtio_pci *transport, u32 offset, unsigned bytes, u64 value)
{
	u32 at = offset - PART(offset);

	switch (PART(offset)) {
	case NOTIFY_OFFSET:
		if (!at)
			virtio_serve(transport->device, (u16)value);
		break;
	case COMMON_OFFSET:
		if (!common_has(at, bytes))
			break;
		common_write(transport, at, (u32)value);
		if (bytes == 8 && common_has(at + 4, 4))
			common_write(transport, at + 4, (u32)(value >> 32));
		break;
	case DEVICE_OFFSET:
		virtio_config_write(transport->device, at, bytes, value);
		break;
	default:
		break;
	}
}

static void bar_write(struct vpci_function *function, unsigned bar, u32 offset, unsigned bytes,
		      u64 value)
{
	struct virtio_pci *transport = transport_of(function);

	if (bar == BAR_MEMORY)
		memory_write(transport, offset, bytes, value);
	else if (!offset)
		virtio_serve(transport->device, (u16)value);
}

/* --- configuration space --- */

/* 4.1.4: from the capability on */
enum { CAP_BYTES = 2, CAP_TYPE, CAP_BAR, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_MORE = 16 };

/* Is [offset, offset + bytes) in the window of the access capability, and does that name an access
 * (4.1.4.9)? */
static bool access_named(struct virtio_pci *transport, unsigned offset, unsigned bytes,
			 unsigned *length)
{
	unsigned data = transport->access + (unsigned)CAP_MORE;

	*length = vpci_config32(&transport->function, transport->access + (unsigned)CAP_LENGTH);
	return offset < data + 4 && offset + bytes > data &&
	       (*length == 1 || *length == 2 || *length == 4);
}

static void config_reading(struct vpci_function *function, unsigned offset, unsigned bytes)
{
	struct virtio_pci *transport = transport_of(function);
	unsigned at = transport->access, length;

	if (access_named(transport, offset, bytes, &length))
		vpci_config_set(function, at + CAP_MORE, length,
				(u32)vpci_bar_read(function, function->config[at + CAP_BAR],
						   vpci_config32(function, at + CAP_OFFSET),
						   length));
}

static void config_written(struct vpci_function *function, unsigned offset, unsigned bytes)
{
	struct virtio_pci *transport = transport_of(function);
	unsigned at = transport->access, length;

	if (offset <= VPCI_COMMAND && offset + bytes > VPCI_COMMAND)
		virtio_dma_set(transport->device,
			       function->config[VPCI_COMMAND] & VPCI_COMMAND_MASTER);
	if (access_named(transport, offset, bytes, &length))
		vpci_bar_write(function, function->config[at + CAP_BAR],
			       vpci_config32(function, at + CAP_OFFSET), length,
			       vpci_config32(function, at + CAP_MORE));
}

static const struct vpci_function_ops function_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.config_reading = config_reading,
	.config_written = config_written,
};

static u8 structure_add(struct vpci_function *function, enum structure type, u8 bar, u32 offset,
			u32 length, u8 bytes)
{
	u8 at = vpci_capability_add(function, CAPABILITY_VENDOR, bytes);

	vpci_config_set(function, at + CAP_BYTES, 1, bytes);
	vpci_config_set(function, at + CAP_TYPE, 1, type);
	vpci_config_set(function, at + CAP_BAR, 1, bar);
	vpci_config_set(function, at + CAP_OFFSET, 4, offset);
	vpci_config_set(function, at + CAP_LENGTH, 4, length);
	return at;
}

/* Of structures of a kind the first is the one that the device prefers (4.1.4). */
static void structures_add(struct virtio_pci *transport)
{
	struct vpci_function *function = &transport->function;
	u32 config_bytes = transport->device->config_bytes;
	u8 at;

	structure_add(function, COMMON, BAR_MEMORY, COMMON_OFFSET, COMMON_BYTES, CAPABILITY_BYTES);
	structure_add(function, NOTIFY, BAR_PORTS, 0, 2, CAPABILITY_LONG);
	structure_add(function, NOTIFY, BAR_MEMORY, NOTIFY_OFFSET, 2, CAPABILITY_LONG);
	structure_add(function, ISR, BAR_MEMORY, ISR_OFFSET, 1, CAPABILITY_BYTES);
	if (config_bytes)
		structure_add(function, DEVICE, BAR_MEMORY, DEVICE_OFFSET, config_bytes,
			      CAPABILITY_BYTES);
	at = structure_add(function, ACCESS, 0, 0, 0, CAPABILITY_LONG);
	transport->access = at;
	function->writable[at + CAP_BAR] = 0xff;
	for (unsigned i = at + CAP_OFFSET; i < at + (unsigned)CAPABILITY_LONG; i++)
		function->writable[i] = 0xff;
}

void virtio_pci_init(struct virtio_pci *transport, struct virtio_device *device)
{
	const struct vpci_identity identity = {
		.vendor = VENDOR,
		.device = (u16)(DEVICE_BASE + device->ops->id),
		.subsystem_vendor = VENDOR,
		.subsystem = (u16)(DEVICE_BASE + device->ops->id),
		.class_code = device->ops->class_code,
		.revision = REVISION,
		.pin = 1,
	};

	*transport = (struct virtio_pci){.device = device};
	vpci_function_init(&transport->function, &identity, &function_ops);
	vpci_bar_add(&transport->function, BAR_MEMORY, false, MEMORY_BYTES);
	vpci_bar_add(&transport->function, BAR_PORTS, true, PORT_BYTES);
	structures_add(transport);
	vpci_msix_add(&transport->function, (u16)(device->ops->queues + 1), BAR_MEMORY,
		      TABLE_OFFSET, PENDING_OFFSET);
	transport_reset(transport);
	device->transport = &transport_ops;
	device->carrier = transport;
	device->dma = true; /* vpci_attach enables bus mastering */
}
