/* SPDX-License-Identifier: MIT */
/* The record of stolen time in a guest's memory. */
#include <bulkhead/steal_time.h>

#include <bulkhead/error.h>

_Static_assert(sizeof(struct steal_time_record) == 64, "the record fills its 64 bytes");

static struct steal_time_record *record_at(const struct guest_memory *memory, u64 control)
{
	return guest_memory_at(memory, control & BITS(63, 6), sizeof(struct steal_time_record));
}

int steal_time_write(struct steal_time *steal, const struct guest_memory *memory, u64 value)
{
	if (value & STEAL_TIME_RESERVED)
		return -EINVAL;
	if (value & STEAL_TIME_ON && !record_at(memory, value))
		return -EINVAL;
	steal->control = value;
	return 0;
}

/*
 * What is there is added to: a guest that switched the record off and on again goes on from where
 * it was, and a new kernel begins with a cleared one. Its other vCPUs may be reading.
 */
void steal_time_add(const struct steal_time *steal, const struct guest_memory *memory, u64 ticks,
		    u64 tsc_hz)
{
	struct steal_time_record *record = record_at(memory, steal->control);
	u32 version;

	if (!record)
		return;
	version = __atomic_load_n(&record->version, __ATOMIC_RELAXED) | 1;
	__atomic_store_n(&record->version, version, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&record->steal_ns,
			 __atomic_load_n(&record->steal_ns, __ATOMIC_RELAXED) +
				 mul_div(ticks, 1000000000, tsc_hz),
			 __ATOMIC_RELAXED);
	record->flags = 0;
	__atomic_store_n(&record->version, version + 1, __ATOMIC_RELEASE);
}

void steal_time_preempt(struct steal_time *steal, const struct guest_memory *memory)
{
	struct steal_time_record *record = record_at(memory, steal->control);

	if (!(steal->control & STEAL_TIME_ON) || !record)
		return;
	__atomic_store_n(&record->preempted, STEAL_TIME_PREEMPTED, __ATOMIC_RELEASE);
	steal->away = true;
}

bool steal_time_return(struct steal_time *steal, const struct guest_memory *memory)
{
	struct steal_time_record *record = record_at(memory, steal->control);

	steal->away = false;
	return record &&
	       __atomic_exchange_n(&record->preempted, 0, __ATOMIC_SEQ_CST) & STEAL_TIME_FLUSH;
}
