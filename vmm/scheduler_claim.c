/* SPDX-License-Identifier: MIT */
/* What a claim on a CPU may be, and how much of it. Also for programs that only check a claim. */
#include <bulkhead/scheduler.h>

#define MILLION 1000000

_Static_assert(SCHEDULER_WEIGHT_MAX == 10000 && SCHEDULER_CAP_MAX == 100000 &&
		       SCHEDULER_PERIOD_MIN_US == 500 && SCHEDULER_PERIOD_MAX_US == 1000000 &&
		       SCHEDULER_BUDGET_MIN_US == 100 && SCHEDULER_RESERVED_MAX == 95,
	       "the texts below say so");

u32 scheduler_bandwidth(const struct scheduler_claim *claim)
{
	if (claim->kind == SCHEDULER_DEDICATED)
		return MILLION;
	if (claim->kind != SCHEDULER_RESERVED || !claim->period_us)
		return 0;
	if (claim->budget_us >= claim->period_us)
		return MILLION;
	return (u32)((claim->budget_us * MILLION + claim->period_us - 1) / claim->period_us);
}

static const char *reservation_fault(const struct scheduler_claim *claim)
{
	if (claim->period_us < SCHEDULER_PERIOD_MIN_US ||
	    claim->period_us > SCHEDULER_PERIOD_MAX_US)
		return "the period of a reservation is 500us to 1s";
	if (claim->budget_us < SCHEDULER_BUDGET_MIN_US)
		return "the budget of a reservation is at least 100us";
	if (claim->budget_us * 100 > claim->period_us * SCHEDULER_RESERVED_MAX)
		return "the budget of a reservation is at most 95% of its period";
	return NULL;
}

const char *scheduler_claim_fault(const struct scheduler_claim *claim)
{
	if (claim->kind != SCHEDULER_SHARED && claim->kind != SCHEDULER_RESERVED &&
	    claim->kind != SCHEDULER_DEDICATED)
		return "a claim is shared, reserved, or dedicated";
	if (claim->weight > SCHEDULER_WEIGHT_MAX)
		return "a weight is 1 to 10000";
	if (!claim->weight && claim->kind == SCHEDULER_SHARED)
		return "a weight is 1 to 10000; 0 goes with a reservation only";
	if (claim->cap > SCHEDULER_CAP_MAX)
		return "a cap is 1% to 100000% of one CPU, or none";
	if (claim->cap && claim->kind == SCHEDULER_DEDICATED)
		return "what has a CPU of its own has no cap";
	return claim->kind == SCHEDULER_RESERVED ? reservation_fault(claim) : NULL;
}
