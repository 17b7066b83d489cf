/* SPDX-License-Identifier: MIT */
/* What an operator wants of a partition's board while its guest runs: to type, to see its screen,
 * to have memory back. */
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/pc.h>

bool partition_screen(struct partition *partition, struct screen_text *text)
{
	if (!partition->starts) /* until then it has no board */
		return false;
	spin_lock(&partition->device_lock);
	pc_screen(partition->pc, text);
	spin_unlock(&partition->device_lock);
	return true;
}

/* Call the board of one that runs out of turn: nobody else does meanwhile, and the partition's
 * memory is in sight. false: it does not run, or `call` says so. */
static bool board_call(struct partition *partition, bool (*call)(struct pc *pc, void *context),
		       void *context)
{
	u64 previous;
	bool result;

	/* Before its first start it has no board that could take anything. */
	if (partition_state_now(partition) != PARTITION_RUNNING)
		return false;
	previous = address_space_enter(&partition->space);
	spin_lock(&partition->device_lock);
	/* If it has ended since, its memory is not what its devices take it for. */
	result = partition->board_not_before != TIMER_OFF && call(partition->pc, context);
	spin_unlock(&partition->device_lock);
	address_space_leave(previous);
	return result;
}

struct typed {
	const u8 *bytes;
	u64 count, done;
};

static bool input_take(struct pc *pc, void *context)
{
	struct typed *typed = context;

	while (typed->done < typed->count && pc_console_input(pc, typed->bytes[typed->done]))
		typed->done++;
	return true;
}

u64 partition_console_input(struct partition *partition, const u8 *bytes, u64 count)
{
	struct typed typed = {bytes, count, 0};

	(void)board_call(partition, input_take, &typed);
	return typed.done;
}

static bool balloon_look(struct pc *pc, void *view)
{
	return pc_balloon_look(pc, view);
}

static bool balloon_target(struct pc *pc, void *bytes)
{
	return pc_balloon_target(pc, *(const u64 *)bytes);
}

static bool balloon_ask(struct pc *pc, void *context unused)
{
	return pc_balloon_ask(pc);
}

bool partition_balloon(struct partition *partition, struct balloon_view *view)
{
	return board_call(partition, balloon_look, view);
}

bool partition_balloon_target(struct partition *partition, u64 bytes)
{
	return board_call(partition, balloon_target, &bytes);
}

bool partition_balloon_ask(struct partition *partition)
{
	return board_call(partition, balloon_ask, NULL);
}
