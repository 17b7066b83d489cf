/* SPDX-License-Identifier: MIT */
/* Split virtqueues: virtio 1.2, section 2.7. */
#include <bulkhead/virtio.h>

#include <bulkhead/string.h>

/* 2.7.5 */
#define DESCRIPTOR_NEXT	    1
#define DESCRIPTOR_WRITE    2
#define DESCRIPTOR_INDIRECT 4

struct descriptor {
	u64 gpa;
	u32 bytes;
	u16 flags;
	u16 next;
};

/* 2.7.6 and 2.7.8: a ring has flags, an index, its entries, and the other side's event index. */
#define RING_INDEX	     2
#define RING_ENTRIES	     4
#define AVAILABLE_ENTRY	     2
#define USED_ENTRY	     8
#define NO_INTERRUPT	     1
#define DESCRIPTOR_ALIGNMENT 16
#define AVAILABLE_ALIGNMENT  2
#define USED_ALIGNMENT	     4

/* So many descriptors of a chain cost as much of a call's budget as the chain itself. */
#define DESCRIPTORS_PRICED 16

struct used_entry {
	u32 head;
	u32 bytes;
};

static u64 available_bytes(const struct virtqueue *queue)
{
	return RING_ENTRIES + AVAILABLE_ENTRY * (u64)queue->size + sizeof(u16);
}

static u64 used_bytes(const struct virtqueue *queue)
{
	return RING_ENTRIES + USED_ENTRY * (u64)queue->size + sizeof(u16);
}

static u16 load16(const u8 *at)
{
	return __atomic_load_n((const u16 *)(const void *)at, __ATOMIC_ACQUIRE);
}

static void store16(u8 *at, u16 value)
{
	__atomic_store_n((u16 *)(void *)at, value, __ATOMIC_RELEASE);
}

/* Translated each time, as RAM may be taken from a guest while it runs. */
static u8 *queue_memory(struct virtqueue *queue, u64 gpa, u64 bytes)
{
	u8 *at = guest_memory_at(queue->device->memory, gpa, bytes);

	if (!at)
		virtio_break(queue->device, "a ring is not in RAM any more");
	return at;
}

static u8 *available_ring(struct virtqueue *queue)
{
	return queue_memory(queue, queue->available, available_bytes(queue));
}

static u8 *used_ring(struct virtqueue *queue)
{
	return queue_memory(queue, queue->used, used_bytes(queue));
}

static const char *placement_error(const struct virtqueue *queue)
{
	const struct guest_memory *memory = queue->device->memory;
	u16 size = queue->size;

	if (!size || size > queue->size_max || (size & (size - 1)))
		return "a queue's size is not one that it can have";
	if (!is_aligned(queue->descriptors, DESCRIPTOR_ALIGNMENT) ||
	    !is_aligned(queue->available, AVAILABLE_ALIGNMENT) ||
	    !is_aligned(queue->used, USED_ALIGNMENT))
		return "a ring is not aligned";
	if (!guest_memory_at(memory, queue->descriptors, sizeof(struct descriptor) * (u64)size) ||
	    !guest_memory_at(memory, queue->available, available_bytes(queue)) ||
	    !guest_memory_at(memory, queue->used, used_bytes(queue)))
		return "a ring is not in RAM";
	return NULL;
}

void virtqueue_enable(struct virtqueue *queue)
{
	const char *error;

	if (queue->ready)
		return;
	error = placement_error(queue);
	if (error)
		virtio_break(queue->device, error);
	else
		queue->ready = true;
}

/* --- taking --- */

/* Where the walk along a chain is: the queue's own table, or an indirect one (2.7.5.3). */
struct table {
	u64 gpa;
	u32 count;
	bool indirect;
};

/* A copy, so that what is checked is what is used. */
static bool descriptor_read(const struct virtqueue *queue, const struct table *table, u32 index,
			    struct descriptor *descriptor)
{
	u64 gpa = table->gpa + (u64)index * sizeof(*descriptor);
	const void *at = guest_memory_at(queue->device->memory, gpa, sizeof(*descriptor));

	if (!at)
		return false;
	memcpy(descriptor, at, sizeof(*descriptor));
	__asm__ volatile("" : : : "memory");
	return true;
}

static const char *table_enter(const struct virtqueue *queue, struct table *table,
			       const struct descriptor *descriptor)
{
	u32 count = descriptor->bytes / sizeof(*descriptor);

	if (!virtio_has(queue->device, VIRTIO_F_INDIRECT_DESC))
		return "an indirect descriptor, which was not agreed on";
	if (table->indirect || descriptor->flags & DESCRIPTOR_NEXT)
		return "an indirect descriptor where none may be";
	if (!count || descriptor->bytes % sizeof(*descriptor))
		return "an indirect table of a wrong length";
	*table = (struct table){descriptor->gpa, count, true};
	return NULL;
}

static const char *piece_add(const struct virtqueue *queue, struct virtio_chain *chain,
			     const struct descriptor *descriptor)
{
	struct virtio_piece *piece = &chain->piece[chain->pieces];
	bool write = descriptor->flags & DESCRIPTOR_WRITE;

	if (!write && chain->pieces > chain->readable)
		return "a buffer to read behind one to write";
	if (!descriptor->bytes)
		return NULL;
	piece->at = guest_memory_at(queue->device->memory, descriptor->gpa, descriptor->bytes);
	if (!piece->at)
		return "a buffer that is not in RAM";
	piece->gpa = descriptor->gpa;
	piece->bytes = descriptor->bytes;
	chain->pieces++;
	if (write) {
		chain->writable_bytes += piece->bytes;
	} else {
		chain->readable++;
		chain->readable_bytes += piece->bytes;
	}
	return NULL;
}

/* Returns what is wrong with it, or NULL. A chain has at most as many descriptors as the queue, so
 * a loop is found by counting, and the pieces fit (VIRTIO_QUEUE_SIZE_MAX). */
static const char *chain_walk(const struct virtqueue *queue, struct virtio_chain *chain, u16 *cost)
{
	struct table table = {queue->descriptors, queue->size, false};
	struct descriptor descriptor;
	u32 index = chain->head, left = queue->size;
	const char *error;

	for (;;) {
		if (index >= table.count)
			return "a descriptor outside its table";
		if (!descriptor_read(queue, &table, index, &descriptor))
			return "a descriptor table that is not in RAM";
		if (descriptor.flags & DESCRIPTOR_INDIRECT) {
			error = table_enter(queue, &table, &descriptor);
			index = 0;
			if (error)
				return error;
			continue;
		}
		if (!left--)
			return "a chain longer than the queue";
		*cost = (u16)(1 + (queue->size - left) / DESCRIPTORS_PRICED);
		error = piece_add(queue, chain, &descriptor);
		if (error || !(descriptor.flags & DESCRIPTOR_NEXT))
			return error;
		index = descriptor.next;
	}
}

static void *event_at(u8 *ring, u64 ring_bytes)
{
	return ring + ring_bytes - sizeof(u16);
}

/* The queue is empty: the driver is to tell of what it adds from here on (2.7.10). Returns the
 * available index after that was said, so that nothing falls between. */
static u16 ask_for_notification(struct virtqueue *queue, const u8 *available)
{
	u8 *used;

	if (!virtio_has(queue->device, VIRTIO_F_EVENT_IDX))
		return queue->taken;
	used = used_ring(queue);
	if (!used)
		return queue->taken;
	store16(event_at(used, used_bytes(queue)), queue->taken);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(available + RING_INDEX);
}

bool virtqueue_pop(struct virtqueue *queue, struct virtio_chain *chain)
{
	const u8 *available;
	const char *error;
	u16 index, cost = 1;

	if (!queue->ready || !queue->budget || !virtio_live(queue->device))
		return false;
	available = available_ring(queue);
	if (!available)
		return false;
	index = load16(available + RING_INDEX);
	if (index == queue->taken)
		index = ask_for_notification(queue, available);
	if (index == queue->taken)
		return false;
	/* Whatever the driver makes of its index: no more are out than there are descriptors. */
	if ((u16)(index - queue->taken) > queue->size - (u16)(queue->taken - queue->returned)) {
		virtio_break(queue->device, "more buffers than the queue has descriptors");
		return false;
	}
	chain->readable = chain->pieces = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	chain->head = load16(available + RING_ENTRIES +
			     AVAILABLE_ENTRY * (u64)(queue->taken & (queue->size - 1U)));
	error = chain_walk(queue, chain, &cost);
	if (error) {
		virtio_break(queue->device, error);
		return false;
	}
	queue->taken++;
	queue->budget = (u16)(queue->budget - MIN(queue->budget, cost));
	return true;
}

/* They still count for this call: else one that is taken back and forth would never end it. */
void virtqueue_unpop(struct virtqueue *queue, u16 count)
{
	queue->taken = (u16)(queue->taken - count);
}

void virtqueue_rest(struct virtqueue *queue)
{
	queue->budget = 0;
}

/* --- giving back --- */

void virtqueue_push(struct virtqueue *queue, u16 head, u32 written)
{
	struct used_entry entry = {head, written};
	u8 *used;

	if (!queue->ready || queue->returned == queue->taken || !virtio_live(queue->device))
		return;
	used = used_ring(queue);
	if (!used)
		return;
	memcpy(used + RING_ENTRIES + USED_ENTRY * (u64)(queue->returned & (queue->size - 1U)),
	       &entry, sizeof(entry));
	queue->returned++;
	store16(used + RING_INDEX, queue->returned); /* after the entry */
}

/* 2.7.7 and 2.7.10 */
static bool interrupt_wanted(struct virtqueue *queue, u8 *available)
{
	u16 event;

	if (!virtio_has(queue->device, VIRTIO_F_EVENT_IDX))
		return !(load16(available) & NO_INTERRUPT);
	event = load16(event_at(available, available_bytes(queue)));
	return (u16)(queue->returned - event - 1) < (u16)(queue->returned - queue->told);
}

void virtqueue_notify(struct virtqueue *queue)
{
	u8 *available;
	bool wanted;

	if (!queue->ready || queue->told == queue->returned || !virtio_live(queue->device))
		return;
	available = available_ring(queue);
	if (!available)
		return;
	/* The driver writes what it wants and then looks at the used index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = interrupt_wanted(queue, available);
	queue->told = queue->returned;
	if (wanted)
		queue->device->transport->queue_interrupt(queue->device, queue->index);
}

/* --- what is in a chain --- */

bool virtio_chain_find(struct virtio_device *device, struct virtio_chain *chain)
{
	for (unsigned i = 0; i < chain->pieces; i++) {
		struct virtio_piece *piece = &chain->piece[i];

		piece->at = guest_memory_at(device->memory, piece->gpa, piece->bytes);
		if (!piece->at) {
			virtio_break(device, "a buffer that is not in RAM any more");
			return false;
		}
	}
	return true;
}

/* Between `data` and a range of pieces, from their byte `skip` on. */
static u64 pieces_copy(const struct virtio_piece *piece, unsigned count, u64 skip, u8 *data,
		       u64 bytes, bool write)
{
	u64 done = 0;

	for (; count && done < bytes; piece++, count--) {
		u64 part;

		if (skip >= piece->bytes) {
			skip -= piece->bytes;
			continue;
		}
		part = MIN(piece->bytes - skip, bytes - done);
		if (write)
			memcpy(piece->at + skip, data + done, part);
		else
			memcpy(data + done, piece->at + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

u64 virtio_chain_read(const struct virtio_chain *chain, u64 skip, void *data, u64 bytes)
{
	return pieces_copy(chain->piece, chain->readable, skip, data, bytes, false);
}

u64 virtio_chain_write(const struct virtio_chain *chain, u64 skip, const void *data, u64 bytes)
{
	return pieces_copy(chain->piece + chain->readable,
			   (unsigned)(chain->pieces - chain->readable), skip, (u8 *)data, bytes,
			   true);
}
