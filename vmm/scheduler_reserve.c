/* SPDX-License-Identifier: MIT */
/*
 * Reservations: a hard constant-bandwidth server for each. Deadlines that are set here never ask
 * for more than budget/period of the CPU from any moment on, so that earliest deadline first keeps
 * them all as long as the bandwidths add up to less than the CPU.
 */
#include "scheduler_internal.h"

static u64 budget_full(const struct scheduler_queue *queue, const struct scheduler_entity *entity)
{
	return MAX(entity->claim.budget_us, 1) * queue->ticks_per_us;
}

void reserve_begin(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	u64 budget = budget_full(queue, entity), period = reserve_period(queue, entity), needed;
	bool carried = entity->carried;

	entity->carried = false;
	if (now >= entity->deadline) {
		entity->budget_left = MIN((s64)budget, entity->budget_left + (s64)budget);
		entity->deadline = now + period;
		return;
	}
	/* After the claim was changed. */
	entity->budget_left = MIN(entity->budget_left, (s64)budget);
	entity->deadline = MIN(entity->deadline, now + period);
	if (entity->budget_left <= 0)
		return;
	/* How long the bandwidth takes to make what is left. */
	needed = mul_div((u64)entity->budget_left, period, budget);
	if (needed <= entity->deadline - now)
		return;
	if (carried) {
		entity->deadline = now + needed;
		return;
	}
	entity->budget_left = (s64)budget;
	entity->deadline = now + period;
}

u64 reserve_replenish(const struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now)
{
	u64 budget = budget_full(queue, entity), period = reserve_period(queue, entity);
	u64 periods = (now - entity->deadline) / period + 1;

	entity->deadline += periods * period;
	/* Overtime was taken from the periods to come. */
	if (periods >= TICKS_LONG / budget)
		entity->budget_left = (s64)budget;
	else
		entity->budget_left =
			MIN((s64)budget, entity->budget_left + (s64)(periods * budget));
	return periods;
}
