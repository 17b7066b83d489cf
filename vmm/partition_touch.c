/* SPDX-License-Identifier: MIT */
/*
 * RAM that is cleared when it is first touched, 2 MiB at a time (clear_memory = on-touch).
 *
 * A piece that was not touched yet is mapped nowhere: the guest's access to it exits, the
 * hypervisor's is a page fault. Both come here. Whoever claims the piece clears it where nobody
 * else sees it, and only then maps it, for both; others that want it wait for that. So nobody ever
 * sees what it held before, and nothing is cleared that anybody wrote to.
 *
 * What is mapped now nobody has cached as absent (SDM vol. 3, 4.10.4.3 and 29.4.3.3), so no CPU has
 * to forget anything. It is otherwise when all is taken away again, at the next start: then the
 * vCPUs stand still, and whoever reaches for a guest's memory in a device has the device lock.
 *
 * No lock is held, as page faults come under any, and no memory is taken: the tables are those of
 * the partition's creation. Who claims a piece has interrupts off and waits for nobody, so others
 * wait for no longer than the clearing of 2 MiB takes.
 */
#include "partition_memory.h"

#include <bulkhead/arch.h>
#include <bulkhead/error.h>
#include <bulkhead/partition.h>
#include <bulkhead/spinlock.h>

/* NULL: there is no such RAM, or it is always mapped. */
static u8 *piece_at(const struct partition *partition, u64 gpa)
{
	const struct guest_memory *memory = &partition->memory;
	u64 offset = gpa;

	if (gpa >= GUEST_HIGH_BASE && gpa - GUEST_HIGH_BASE < memory->high_bytes)
		offset = gpa - GUEST_HIGH_BASE + memory->low_bytes;
	else if (gpa >= memory->low_bytes || gpa < PARTITION_TOUCH_BYTES)
		return NULL;
	return &partition->touched[offset / PARTITION_TOUCH_BYTES];
}

static void bring(struct partition *partition, u64 gpa)
{
	const struct ram_block *block = ram_block_at(partition->ram, partition->ram_count, gpa);
	const struct ram_block piece = {gpa, block->physical + (gpa - block->gpa), PAGE_ORDER_2M};
	int error;

	address_space_clear(&partition->space, piece.physical);
	error = partition_memory_map(partition, &piece);
	if (error)
		panic("%s: its RAM at 0x%lx cannot be mapped: error %d", partition->config->name,
		      gpa, error);
}

bool partition_touch(struct partition *partition, u64 gpa)
{
	u8 *piece = piece_at(partition, gpa);

	if (!piece)
		return false;
	while (__atomic_load_n(piece, __ATOMIC_ACQUIRE) != PARTITION_TOUCHED) {
		u8 state = PARTITION_UNTOUCHED;

		if (__atomic_compare_exchange_n(piece, &state, PARTITION_CLEARING, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			bring(partition, align_down(gpa, PARTITION_TOUCH_BYTES));
			__atomic_store_n(piece, PARTITION_TOUCHED, __ATOMIC_RELEASE);
		} else {
			arch_relax();
		}
	}
	return true;
}

static bool space_touch(struct address_space *space, u64 address)
{
	return partition_touch(container_of(space, struct partition, space),
			       address - MEMORY_GUEST);
}

int partition_touch_create(struct partition *partition)
{
	if (partition->config->clear_memory != CONFIG_CLEAR_ON_TOUCH)
		return 0;
	partition->touched = memory_take(MEMORY_OTHER, partition_touch_pieces(partition));
	if (!partition->touched)
		return -ENOMEM;
	partition->touched[0] = PARTITION_TOUCHED;
	return address_space_touchable(&partition->space, space_touch);
}

void partition_touch_destroy(struct partition *partition)
{
	memory_give(MEMORY_OTHER, partition->touched, partition_touch_pieces(partition));
}

static void hide(struct partition *partition, u64 gpa, u64 bytes)
{
	bool changed;
	int error = page_table_hide(&partition->second_level, gpa, bytes, &changed);

	error = error ? error
		      : page_table_hide(&partition->space.table, MEMORY_GUEST + gpa, bytes,
					&changed);
	if (error)
		panic("%s: its RAM at 0x%lx cannot be hidden: error %d", partition->config->name,
		      gpa, error);
}

void partition_touch_forget(struct partition *partition, u64 gpa, u64 bytes)
{
	u8 *piece = piece_at(partition, gpa);

	spin_lock(&partition->device_lock);
	hide(partition, gpa, bytes);
	for (u64 i = 0; i < bytes / PARTITION_TOUCH_BYTES; i++)
		__atomic_store_n(&piece[i], PARTITION_UNTOUCHED, __ATOMIC_RELEASE);
	spin_unlock(&partition->device_lock);
}
