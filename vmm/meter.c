/* SPDX-License-Identifier: MIT */
/* Meters of exits, but for what every exit does. */
#include <bulkhead/meter.h>

void exit_meter_add_unusual(struct exit_meter *meter, u64 ticks)
{
	if (ticks < meter->least || !exit_meter_count(meter))
		meter->least = ticks;
	meter->most = MAX(meter->most, ticks);
	meter->usual = MIN(meter->most, METER_LONG - 1);
	meter->ticks += ticks;
	meter->buckets[ticks < METER_LONG ? exit_meter_bucket((u32)ticks) : METER_BUCKETS - 1]++;
}

u64 exit_meter_count(const struct exit_meter *meter)
{
	u64 count = 0;

	for (u32 i = 0; i < METER_BUCKETS; i++)
		count += meter->buckets[i];
	return count;
}

void exit_meter_merge(struct exit_meter *meter, const struct exit_meter *other)
{
	if (!exit_meter_count(other))
		return;
	meter->least = exit_meter_count(meter) ? MIN(meter->least, other->least) : other->least;
	meter->most = MAX(meter->most, other->most);
	meter->usual = MAX(meter->usual, other->usual);
	meter->ticks += other->ticks;
	for (u32 i = 0; i < METER_BUCKETS; i++)
		meter->buckets[i] += other->buckets[i];
}

static u64 bucket_end(u32 bucket)
{
	u32 shift = bucket < 4 ? 0 : bucket / 4 - 1;
	u64 units = bucket - shift * 4;

	return ((units + 1) << shift << METER_UNIT_SHIFT) - 1;
}

u64 exit_meter_percentile(const struct exit_meter *meter, u32 permille)
{
	u64 total = exit_meter_count(meter), below = 0, rank;
	u32 bucket = 0;

	if (!total)
		return 0;
	rank = MAX((total * MIN(permille, 1000U) + 999) / 1000, 1UL);
	/* The meter may go on meanwhile: buckets only grow. */
	while (bucket < METER_BUCKETS - 1 && below + meter->buckets[bucket] < rank)
		below += meter->buckets[bucket++];
	if (bucket == METER_BUCKETS - 1)
		return meter->most;
	return MIN(bucket_end(bucket), meter->most);
}
