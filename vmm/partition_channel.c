/* SPDX-License-Identifier: MIT */
/* A partition's place in a channel: its memory, mapped once for the guest and once for what has to
 * be emulated. */
#include "partition_channel.h"

#include <bulkhead/channel.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/string.h>

/* What one guest writes the other one sees, so both have it cached, whatever their own tables say:
 * of memory that is used with several types at once nobody knows what comes of it (SDM vol. 3,
 * 12.12.4). */
#define GUEST_ACCESS (PAGE_READ | PAGE_WRITE | PAGE_FIXED_TYPE)
#define HOST_ACCESS  (PAGE_READ | PAGE_WRITE)

/* The vCPU takes doorbells in its own time. */
static void arrived(void *context)
{
	struct partition *partition = context;

	vcpu_request(partition->vcpus[0], VCPU_REQUEST_DEVICES);
}

static int explain(int error, const struct config_channel *config, char *reason)
{
	if (error == -EINVAL)
		format_text(reason, LOAD_REASON_BYTES,
			    "channel %s exists with another size than %lu KiB", config->name,
			    config->bytes / KIB);
	else if (error == -ENOSPC)
		format_text(reason, LOAD_REASON_BYTES, "channel %s has %u partitions already",
			    config->name, CHANNEL_PEERS);
	else if (error == -ENOMEM)
		format_text(reason, LOAD_REASON_BYTES,
			    "there are no %lu KiB in one piece for channel %s", config->bytes / KIB,
			    config->name);
	return error;
}

static int map(struct partition *partition)
{
	u64 physical = channel_physical(partition->channel);
	u64 bytes = channel_bytes(partition->channel);
	bool changed;
	int error = page_table_map(&partition->second_level, CHANNEL_GPA, physical, bytes,
				   GUEST_ACCESS, MEMORY_WB, &changed);

	return error ? error
		     : page_table_map(&partition->space.table, MEMORY_GUEST + CHANNEL_GPA, physical,
				      bytes, HOST_ACCESS, MEMORY_WB, &changed);
}

static void clear(struct partition *partition)
{
	u64 previous = address_space_enter(&partition->space);

	memset(partition->memory.window + CHANNEL_GPA, 0, channel_bytes(partition->channel));
	address_space_leave(previous);
}

int partition_channel_create(struct partition *partition, char *reason)
{
	const struct config_channel *config = &partition->config->channel;
	const struct channel_setup setup = {
		.name = config->name,
		.bytes = config->bytes,
		.arrived = arrived,
		.context = partition,
	};
	bool fresh;
	int error;

	if (!config->name[0])
		return 0;
	error = channel_join(&setup, &partition->channel, &fresh);
	if (error)
		return explain(error, config, reason);
	error = map(partition);
	if (!error && fresh)
		clear(partition);
	return error;
}

void partition_channel_destroy(struct partition *partition)
{
	channel_leave(partition->channel);
	partition->channel = NULL;
}
