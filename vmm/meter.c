/* SPDX-License-Identifier: MIT */
/* Reading the meters of exits. */
#include <bulkhead/meter.h>

/*
 * A bucket went from its highest value to 0. Halving them all keeps the proportions, which is what
 * percentiles are made of; count, ticks, least and most stay exact.
 */
void exit_meter_halve(struct exit_meter *meter, u32 bucket)
{
	for (u32 i = 0; i < METER_BUCKETS; i++)
		meter->buckets[i] /= 2;
	meter->buckets[bucket] = 1U << 31;
}

/* The exits of both, for each of which half stands in the buckets if they would not fit. */
void exit_meter_merge(struct exit_meter *meter, const struct exit_meter *other)
{
	bool halve = false;

	if (!other->count)
		return;
	meter->least = meter->count ? MIN(meter->least, other->least) : other->least;
	meter->most = MAX(meter->most, other->most);
	meter->count += other->count;
	meter->ticks += other->ticks;
	for (u32 i = 0; i < METER_BUCKETS; i++)
		halve |= meter->buckets[i] > UINT32_MAX - other->buckets[i];
	for (u32 i = 0; i < METER_BUCKETS; i++)
		meter->buckets[i] = halve ? meter->buckets[i] / 2 + other->buckets[i] / 2
					  : meter->buckets[i] + other->buckets[i];
}

static u64 bucket_end(u32 bucket)
{
	u32 shift = bucket < 4 ? 0 : bucket / 4 - 1;
	u64 units = bucket - shift * 4;

	return ((units + 1) << shift << METER_UNIT_SHIFT) - 1;
}

u64 exit_meter_percentile(const struct exit_meter *meter, u32 permille)
{
	u64 total = 0, below = 0, rank;
	u32 bucket = 0;

	for (u32 i = 0; i < METER_BUCKETS; i++)
		total += meter->buckets[i];
	if (!total)
		return 0;
	rank = MAX((total * MIN(permille, 1000U) + 999) / 1000, 1UL);
	/* The meter may go on meanwhile; buckets only grow, but for halving. */
	while (bucket < METER_BUCKETS - 1 && below + meter->buckets[bucket] < rank)
		below += meter->buckets[bucket++];
	if (bucket == METER_BUCKETS - 1)
		return meter->most;
	return MIN(bucket_end(bucket), meter->most);
}
