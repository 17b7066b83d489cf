/* SPDX-License-Identifier: MIT */
/* Unit tests of what a claim may be. */
#include "cmocka_all.h"

#include <string.h>

#include <bulkhead/scheduler.h>

static void claims_are_checked(void **state)
{
	static const struct {
		struct scheduler_claim claim;
		const char *fault; /* a word of it; NULL: none */
	} cases[] = {
		{{SCHEDULER_SHARED, 1, 0, 0, 0}, NULL},
		{{SCHEDULER_SHARED, 10000, 100000, 0, 0}, NULL},
		{{SCHEDULER_SHARED, 0, 0, 0, 0}, "weight"},
		{{SCHEDULER_SHARED, 10001, 0, 0, 0}, "weight"},
		{{SCHEDULER_SHARED, 1, 100001, 0, 0}, "cap"},
		{{SCHEDULER_RESERVED, 0, 0, 100, 500}, NULL},
		{{SCHEDULER_RESERVED, 10000, 10, 950000, 1000000}, NULL},
		{{SCHEDULER_RESERVED, 10001, 0, 100, 500}, "weight"},
		{{SCHEDULER_RESERVED, 0, 0, 100, 499}, "period"},
		{{SCHEDULER_RESERVED, 0, 0, 100, 1000001}, "period"},
		{{SCHEDULER_RESERVED, 0, 0, 99, 500}, "budget"},
		{{SCHEDULER_RESERVED, 0, 0, 476, 500}, "95%"},
		{{SCHEDULER_RESERVED, 0, 0, ~0UL / 1000, 1000}, "budget"},
		{{SCHEDULER_DEDICATED, 0, 0, 0, 0}, NULL},
		{{SCHEDULER_DEDICATED, 0, 50, 0, 0}, "cap"},
		{{(enum scheduler_kind)7, 1, 0, 0, 0}, "dedicated"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *fault = scheduler_claim_fault(&cases[i].claim);

		if (!cases[i].fault)
			assert_null(fault);
		else if (!fault || !strstr(fault, cases[i].fault))
			fail_msg("case %zu: \"%s\" says nothing of %s", i, fault ? fault : "",
				 cases[i].fault);
	}
}

static void bandwidths_are_rounded_up(void **state)
{
	struct scheduler_claim claim = {SCHEDULER_RESERVED, 0, 0, 2000, 10000};

	(void)state;
	assert_int_equal(scheduler_bandwidth(&claim), 200000);
	claim = (struct scheduler_claim){SCHEDULER_RESERVED, 100, 0, 100, 300000};
	assert_int_equal(scheduler_bandwidth(&claim), 334);
	claim.period_us = 0;
	assert_int_equal(scheduler_bandwidth(&claim), 0);
	claim = (struct scheduler_claim){SCHEDULER_RESERVED, 0, 0, ~0UL, 1000};
	assert_int_equal(scheduler_bandwidth(&claim), 1000000);
	claim = (struct scheduler_claim){SCHEDULER_SHARED, 100, 50, 0, 0};
	assert_int_equal(scheduler_bandwidth(&claim), 0);
	claim.kind = SCHEDULER_DEDICATED;
	assert_int_equal(scheduler_bandwidth(&claim), 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_are_checked),
		cmocka_unit_test(bandwidths_are_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
