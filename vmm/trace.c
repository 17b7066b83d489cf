/* SPDX-License-Identifier: MIT */
/* The trace: one ring per CPU, written without locks. */
#include <bulkhead/trace.h>

#include <bulkhead/arch.h>
#include <bulkhead/cpu.h>
#include <bulkhead/error.h>
#include <bulkhead/memory.h>
#include <bulkhead/meter.h>

#define RECORD_WORDS (sizeof(struct trace_record) / sizeof(u64))

_Static_assert(sizeof(struct trace_record) == 16, "a record is two words");
_Static_assert((TRACE_RECORDS & (TRACE_RECORDS - 1)) == 0, "slots are found by masking");

/* A record as it is written and read: `whole` are the bytes of a struct trace_record. */
union slot {
	struct trace_record record;
	u64 whole[RECORD_WORDS];
};

/* Written by its CPU alone, but for the first two, which trace_start sets. */
struct trace_ring {
	union slot *slots; /* NULL: there was no trace yet */
	u64 first;	   /* of `written`, where this trace begins: sequence number 0 */
	u64 written;	   /* records ever; never goes back, as its CPU may be at it */
} aligned(64);

static struct trace_ring rings[CPU_MAX];

bool trace_on;
u64 trace_exits_quiet = METER_EXIT_REASONS;

/*
 * What is in a slot is valid for readers until `written` says that its CPU is about to write there
 * again; so that comes to memory before the slot changes, and again when the slot is whole.
 */
void trace_write(enum trace_kind kind, u32 who, u32 data)
{
	struct trace_ring *ring = &rings[arch_cpu_id()];
	union slot slot = {{
		.tsc = arch_tsc(),
		.data = data,
		.who = (u16)who,
		.kind = (u8)kind,
	}};
	u64 sequence = ring->written;
	union slot *to;

	if (unlikely(!ring->slots))
		return; /* this CPU came up after trace_start */
	to = &ring->slots[sequence % TRACE_RECORDS];
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < RECORD_WORDS; i++)
		__atomic_store_n(&to->whole[i], slot.whole[i], __ATOMIC_RELAXED);
	__atomic_store_n(&ring->written, sequence + 1, __ATOMIC_RELEASE);
}

#define RING_BYTES (TRACE_RECORDS * sizeof(union slot))

/* Rings stay when the trace stops: it may be read, and is likely to be switched on again. */
static int rings_alloc(u32 count)
{
	static union slot *made[CPU_MAX];

	for (u32 cpu = 0; cpu < count; cpu++) {
		made[cpu] = rings[cpu].slots ? NULL : memory_take(MEMORY_OTHER, RING_BYTES);
		if (made[cpu] || rings[cpu].slots)
			continue;
		while (cpu--)
			memory_give(MEMORY_OTHER, made[cpu], RING_BYTES);
		return -ENOMEM;
	}
	for (u32 cpu = 0; cpu < count; cpu++) {
		if (made[cpu])
			rings[cpu].slots = made[cpu];
	}
	return 0;
}

int trace_start(void)
{
	u32 count = arch_cpu_count();
	int error = rings_alloc(count);

	if (error)
		return error;
	for (u32 cpu = 0; cpu < count; cpu++)
		__atomic_store_n(&rings[cpu].first,
				 __atomic_load_n(&rings[cpu].written, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELAXED);
	__atomic_store_n(&trace_on, true, __ATOMIC_RELEASE);
	__atomic_store_n(&trace_exits_quiet, 0, __ATOMIC_RELEASE);
	return 0;
}

void trace_stop(void)
{
	__atomic_store_n(&trace_exits_quiet, METER_EXIT_REASONS, __ATOMIC_RELEASE);
	__atomic_store_n(&trace_on, false, __ATOMIC_RELEASE);
}

u64 trace_count(u32 cpu)
{
	if (cpu >= CPU_MAX || !rings[cpu].slots)
		return 0;
	return __atomic_load_n(&rings[cpu].written, __ATOMIC_ACQUIRE) - rings[cpu].first;
}

/* The first sequence number that nobody overwrites while `count` is the next one to be written. */
static u64 oldest(u64 count)
{
	return count < TRACE_RECORDS ? 0 : count - TRACE_RECORDS + 1;
}

static void slot_copy(const struct trace_ring *ring, u64 sequence, struct trace_record *record)
{
	const union slot *from = &ring->slots[(ring->first + sequence) % TRACE_RECORDS];
	union slot slot;

	for (size_t i = 0; i < RECORD_WORDS; i++)
		slot.whole[i] = __atomic_load_n(&from->whole[i], __ATOMIC_RELAXED);
	*record = slot.record;
}

u32 trace_read(u32 cpu, u64 *next, struct trace_record *records, u32 room)
{
	u64 end = trace_count(cpu), from = MAX(*next, oldest(end)), lost;
	u32 count;

	if (from >= end) {
		/* One from before the latest trace_start may be too far on. */
		*next = MIN(*next, end);
		return 0;
	}
	count = (u32)MIN(end - from, (u64)room);
	for (u32 i = 0; i < count; i++)
		slot_copy(&rings[cpu], from + i, &records[i]);
	*next = from + count;

	/* What was overwritten meanwhile is at the beginning. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	lost = MIN(MAX(oldest(trace_count(cpu)), from) - from, (u64)count);
	for (u32 i = 0; lost && i + lost < count; i++)
		records[i] = records[i + lost];
	return count - (u32)lost;
}
