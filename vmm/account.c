/* SPDX-License-Identifier: MIT */
/* What partitions have used. */
#include <bulkhead/account.h>

#include <bulkhead/arch.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

static struct account_record closed[ACCOUNT_CLOSED_MAX];
static u64 closed_count;

static u64 cpu_us(const struct partition *partition)
{
	u64 ticks = 0;

	for (u32 i = 0; i < partition->vcpu_count; i++) {
		struct vcpu_times times;

		vcpu_times(partition->vcpus[i], &times);
		ticks += times.run + times.exit;
	}
	return tsc_to_us(ticks);
}

void account_read(struct partition *partition, struct account_record *record)
{
	struct partition_view view;

	partition_look(partition, &view);
	*record = (struct account_record){
		.number = partition->number,
		.created_us = partition->created_us,
		.until_us = MAX(arch_time_us(), partition->created_us),
		.cpu_us = cpu_us(partition),
		.memory_bytes = partition->config->memory_bytes,
		.console_bytes = partition_console_written(partition),
		.starts = view.starts,
	};
	memcpy(record->name, partition->config->name, sizeof(record->name));
}

void account_close(struct partition *partition)
{
	account_read(partition, &closed[closed_count % ACCOUNT_CLOSED_MAX]);
	closed_count++;
}

u64 account_closed_count(void)
{
	return closed_count;
}

const struct account_record *account_closed(u64 back)
{
	if (back >= MIN(closed_count, (u64)ACCOUNT_CLOSED_MAX))
		return NULL;
	return &closed[(closed_count - 1 - back) % ACCOUNT_CLOSED_MAX];
}

u64 account_mib_seconds(const struct account_record *record)
{
	return mul_div(record->memory_bytes / MIB, record->until_us - record->created_us, 1000000);
}
