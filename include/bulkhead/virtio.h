/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices (Virtual I/O Device specification 1.2): what a back-end (disk, network, console,
 * entropy, balloon) has to be, and the split virtqueues through which it exchanges data with the
 * guest's driver. Section numbers are those of that specification.
 *
 * A back-end is a plain structure with a struct virtio_device in it and a struct virtio_device_ops.
 * It is pure, as include/bulkhead/device.h says of devices: a unit test drives it without a
 * machine. How the driver finds it is the transport's business (drivers/virt/virtio_pci.c).
 *
 * Locking: the partition's device lock is held around every call in here and into a back-end.
 *
 * Guest memory: in every call into a device (an access of the guest's, a timer, input, a
 * completion) the host has made the partition's address space the current one, so what
 * virtqueue_pop and guest_memory_at give may be read and written then, and only until the call
 * returns: at another moment another partition's memory may be at the same address. Who completes a
 * request later keeps guest-physical addresses (virtio_piece.gpa) and translates them again. Other
 * vCPUs may change all of it at any time: what is checked is copied first, and read once.
 *
 * Hostile drivers: everything that a driver writes is checked here. A ring that cannot be right
 * breaks that device alone: the operator is told once, DEVICE_NEEDS_RESET (2.1) is set, the queues
 * give nothing any more, and a reset by the driver mends it.
 */
#pragma once

#include <bulkhead/device.h>
#include <bulkhead/guest_memory.h>

/* Device status (2.1). */
#define VIRTIO_ACKNOWLEDGE 0x01
#define VIRTIO_DRIVER	   0x02
#define VIRTIO_DRIVER_OK   0x04
#define VIRTIO_FEATURES_OK 0x08
#define VIRTIO_NEEDS_RESET 0x40
#define VIRTIO_FAILED	   0x80

/* Features that every device offers here (6). */
#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX     BIT(29)
#define VIRTIO_F_VERSION_1     BIT(32) /* a driver that does not accept it is refused */

/* Device types (5). */
enum virtio_id {
	VIRTIO_ID_NET = 1,
	VIRTIO_ID_BLOCK = 2,
	VIRTIO_ID_CONSOLE = 3,
	VIRTIO_ID_ENTROPY = 4,
	VIRTIO_ID_BALLOON = 5,
};

#define VIRTIO_QUEUES_MAX     8
#define VIRTIO_QUEUE_SIZE_MAX 128 /* descriptors; a power of 2 */

struct virtio_device;

/* One queue. The transport sets what is above the line while the queue is not ready. */
struct virtqueue {
	struct virtio_device *device;
	u16 index;    /* of the queue in its device */
	u16 size_max; /* as the back-end has it */
	u16 size;
	u64 descriptors, available, used; /* guest-physical: descriptor table and both rings */
	/* --- */
	bool ready;   /* enabled by the driver and found to be in RAM */
	u16 taken;    /* chains taken, ever: free-running as the rings' own indices are */
	u16 returned; /* chains given back */
	u16 told;     /* `returned` when it was last asked whether to interrupt */
	u16 budget;   /* chains that may still be taken in this call; long ones count more */
};

/* A part of a buffer, contiguous in the guest's RAM and never empty. */
struct virtio_piece {
	u8 *at; /* good until the call into the device returns */
	u64 gpa;
	u32 bytes;
};

/*
 * A buffer: pieces that the device reads, then pieces that it writes. No chain has more than the
 * queue has descriptors (2.7.5), so this is enough for each. It has 3 KiB: keep it in the device,
 * not on the stack.
 */
struct virtio_chain {
	u16 head;	      /* its name when it is given back */
	u16 readable, pieces; /* piece[0 .. readable) are read, piece[readable .. pieces) written */
	u64 readable_bytes, writable_bytes;
	struct virtio_piece piece[VIRTIO_QUEUE_SIZE_MAX];
};

struct virtio_device_ops {
	const char *name; /* for the operator: "virtio entropy" */
	enum virtio_id id;
	u32 class_code;			   /* PCI: base class, subclass, interface in bits 23:0 */
	u16 queues;			   /* at most VIRTIO_QUEUES_MAX */
	u16 queue_size[VIRTIO_QUEUES_MAX]; /* largest; powers of 2, at most VIRTIO_QUEUE_SIZE_MAX */

	/*
	 * There may be chains in `queue`: the driver said so, or the device asked (virtio_serve).
	 * Take them with virtqueue_pop as long as there is something to do with them; those that
	 * are left are offered again at the driver's next notification or the device's next
	 * virtio_serve. Only called while the device is live (virtio_live).
	 */
	void (*queue_ready)(struct virtio_device *device, u16 queue);

	/* The driver wrote its configuration space; not NULL if there is anything to write. What
	 * may not be written is ignored. */
	void (*config_write)(struct virtio_device *device, u32 offset, unsigned bytes, u64 value);

	/* The driver reset the device: forget all chains, push none. May be NULL. */
	void (*reset)(struct virtio_device *device);
};

/* What carries a device: interrupts to the driver. */
struct virtio_transport_ops {
	void (*queue_interrupt)(struct virtio_device *device, u16 queue);
	void (*config_interrupt)(struct virtio_device *device);
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	const struct virtio_transport_ops *transport;
	void *carrier; /* the transport's */
	struct device_host *host;
	const struct guest_memory *memory;
	const u8 *config; /* its configuration space, the back-end's */
	u32 config_bytes;
	u64 offered;  /* features */
	u64 accepted; /* those that the driver wants; fixed once FEATURES_OK is set */
	u8 status;
	u8 generation;	  /* of the configuration space */
	bool dma;	  /* the transport lets it reach memory */
	bool told_broken; /* the operator was told; until the next start of its partition */
	u32 unserved;	  /* queues whose budget was used up */
	struct device_timer again;
	struct virtqueue queue[VIRTIO_QUEUES_MAX];
};

/* --- for back-ends --- */

/* Its power-up state. `features` are the back-end's own; `config` is what the driver reads of its
 * configuration space, and stays the back-end's to change (virtio_config_changed). */
void virtio_device_init(struct virtio_device *device, const struct virtio_device_ops *ops,
			struct device_host *host, const struct guest_memory *memory, u64 features,
			const void *config, u32 config_bytes);

static inline bool virtio_has(const struct virtio_device *device, u64 feature)
{
	return device->accepted & feature;
}

/* The driver is ready, the device is not broken and may reach memory. */
static inline bool virtio_live(const struct virtio_device *device)
{
	return device->dma &&
	       (device->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

/*
 * Let the back-end look at a queue: what it has for the driver may have buffers there. Calls
 * queue_ready, unless the device is not live, and tells the driver of what was pushed. In one call
 * a queue gives at most as many chains as it has descriptors, and of long ones fewer; a guest that
 * makes more is served again by a timer, so that it cannot keep a CPU in here.
 */
void virtio_serve(struct virtio_device *device, u16 index);

/* The next chain: copied out of the ring, all of it in RAM. false: there is none (now), or the
 * device broke. Only within queue_ready. */
bool virtqueue_pop(struct virtqueue *queue, struct virtio_chain *chain) must_check;

/* Give a chain back of which the first `written` writable bytes were written. In any order. */
void virtqueue_push(struct virtqueue *queue, u16 head, u32 written);

/* The last `count` that were taken are as if they had not been: none of them was given back, and
 * they are offered again. What was written into them the driver does not look at. */
void virtqueue_unpop(struct virtqueue *queue, u16 count);

/* Within queue_ready: enough for this call. The queue is served again by a timer. */
void virtqueue_rest(struct virtqueue *queue);

/* Interrupt the driver for what was pushed, if it wants to be. virtio_serve does it by itself. */
void virtqueue_notify(struct virtqueue *queue);

/* Bytes of the configuration space changed: tell the driver. */
void virtio_config_changed(struct virtio_device *device);

/* In a later call into the device than the one that took it: where the chain's pieces are now.
 * false: some of it is not in RAM any more, and the device broke. */
bool virtio_chain_find(struct virtio_device *device, struct virtio_chain *chain) must_check;

/* Copy out of a chain's readable pieces, or into its writable ones, from byte `skip` of those on.
 * Returns how many bytes there were. */
u64 virtio_chain_read(const struct virtio_chain *chain, u64 skip, void *data, u64 bytes);
u64 virtio_chain_write(const struct virtio_chain *chain, u64 skip, const void *data, u64 bytes);

/* The driver did what cannot be right: the device needs a reset. `what` is for the operator. */
void virtio_break(struct virtio_device *device, const char *what);

/* --- for transports --- */

void virtio_status_write(struct virtio_device *device, u8 status);
/* Bits [32 * half, 32 * half + 32) of the features that the driver accepts. */
void virtio_features_write(struct virtio_device *device, u32 half, u32 bits);
u64 virtio_config_read(const struct virtio_device *device, u32 offset, unsigned bytes);
void virtio_config_write(struct virtio_device *device, u32 offset, unsigned bytes, u64 value);
/* The driver has set size and addresses. A queue that cannot be right breaks the device. */
void virtqueue_enable(struct virtqueue *queue);
/* Whether it may reach the guest's memory (PCI: bus master). */
void virtio_dma_set(struct virtio_device *device, bool dma);
