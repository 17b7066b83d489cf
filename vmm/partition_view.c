/* SPDX-License-Identifier: MIT */
/* What others see of a partition while it goes on: how it is, and what it printed. */
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

const char *partition_state_name(enum partition_state state)
{
	static const char *const names[] = {
		[PARTITION_STOPPED] = "stopped",   [PARTITION_WAITING] = "waiting",
		[PARTITION_STARTING] = "starting", [PARTITION_RUNNING] = "running",
		[PARTITION_PAUSING] = "pausing",   [PARTITION_PAUSED] = "paused",
		[PARTITION_RESUMING] = "resuming", [PARTITION_STOPPING] = "stopping",
		[PARTITION_CRASHED] = "crashed",
	};

	return names[state];
}

void partition_look(struct partition *partition, struct partition_view *view)
{
	u64 flags = spin_lock_irq(&partition->lock);

	view->state = partition->state;
	view->starts = partition->starts;
	view->started_us = partition->started_us;
	memcpy(view->reason, partition->reason, sizeof(view->reason));
	spin_unlock_irq(&partition->lock, flags);
	view->reason[sizeof(view->reason) - 1] = 0;
}

u64 partition_cleared_bytes(const struct partition *partition)
{
	u64 pieces = 0;

	if (!partition->touched)
		return partition->config->memory_bytes;
	for (u64 i = 0; i < partition_touch_pieces(partition); i++)
		pieces += __atomic_load_n(&partition->touched[i], __ATOMIC_RELAXED) ==
			  PARTITION_TOUCHED;
	return pieces * PARTITION_TOUCH_BYTES;
}

u64 partition_console_written(struct partition *partition)
{
	u64 flags = spin_lock_irq(&partition->console_lock);
	u64 written = partition->console.written;

	spin_unlock_irq(&partition->console_lock, flags);
	return written;
}

u64 partition_console_read(struct partition *partition, u64 *position, u8 *bytes, u64 room,
			   u64 *missed)
{
	u64 flags = spin_lock_irq(&partition->console_lock), count;

	if (*position > partition->console.written)
		*position = 0;
	count = byte_ring_read(&partition->console, position, bytes, room, missed);
	spin_unlock_irq(&partition->console_lock, flags);
	return count;
}
