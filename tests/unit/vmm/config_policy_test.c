/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_value.c vmm/format.c */
/* links: vmm/config_machine.c */
/* links: vmm/scheduler_claim.c */
/* links: vmm/config_net.c */
/* The keys that say when a partition runs: what good values mean, each limit, each wrong value. */
#include "config_expect.h"

#define WEIGHTS	     "; allowed: 1 to 10000; with a reservation also 0\n"
#define GROUP_WEIGHT "; allowed: 1 to 10000\n"
#define CAPS	     "; allowed: a percentage of one CPU's time such as 50%, from 1% to 100000%; or none\n"
#define RESERVATIONS                                                                               \
	"; allowed: budget / period such as 2ms / 10ms, the budget at least 100us and at most "    \
	"95% of the period, the period from 500us to 1s; or none\n"
#define CPUS	"; allowed: numbers of CPUs such as 0-2, 5, from 0 to 511; or all\n"
#define AFTERS	"; allowed: names of other partitions with commas between, at most 8; or none\n"
#define ACTIONS "; allowed: stop, restart or preserve\n"

/* The partition web with one line more, which is good. */
static const struct config_partition *with(const char *line)
{
	char text[400];

	snprintf(text, sizeof(text), WEB "%s\n", line);
	expect(text, "");
	return &partitions[0];
}

static void claim_expect(const char *line, enum scheduler_kind kind, u32 weight, u32 cap,
			 u64 budget_us, u64 period_us)
{
	const struct scheduler_claim *claim = &with(line)->claim;

	assert_null(scheduler_claim_fault(claim));
	assert_int_equal(claim->kind, kind);
	assert_int_equal(claim->weight, weight);
	assert_int_equal(claim->cap, cap);
	assert_int_equal(claim->budget_us, budget_us);
	assert_int_equal(claim->period_us, period_us);
}

static void claims(void **state)
{
	(void)state;
	claim_expect("", SCHEDULER_SHARED, 100, 0, 0, 0);
	claim_expect("weight=1", SCHEDULER_SHARED, 1, 0, 0, 0);
	claim_expect("weight=10000 # most", SCHEDULER_SHARED, 10000, 0, 0, 0);
	claim_expect("cap=1%", SCHEDULER_SHARED, 100, 1, 0, 0);
	claim_expect("cap=100000%", SCHEDULER_SHARED, 100, 100000, 0, 0);
	claim_expect("cap=none", SCHEDULER_SHARED, 100, 0, 0, 0);
	claim_expect("dedicated=yes", SCHEDULER_DEDICATED, 100, 0, 0, 0);
	claim_expect("dedicated=no", SCHEDULER_SHARED, 100, 0, 0, 0);
	claim_expect("dedicated=yes\ncap=none\nreservation=none\ngroup=none", SCHEDULER_DEDICATED,
		     100, 0, 0, 0);
	/* One that is reserved has no time beyond it unless it is given a weight. */
	claim_expect("reservation=2ms / 10ms", SCHEDULER_RESERVED, 0, 0, 2000, 10000);
	claim_expect("weight=0\nreservation=2ms/10ms", SCHEDULER_RESERVED, 0, 0, 2000, 10000);
	claim_expect("reservation=2ms/10ms\nweight=100", SCHEDULER_RESERVED, 100, 0, 2000, 10000);
	claim_expect("dedicated=no\nreservation=2ms/10ms", SCHEDULER_RESERVED, 0, 0, 2000, 10000);
	claim_expect("reservation=2ms/10ms\ndedicated=no", SCHEDULER_RESERVED, 0, 0, 2000, 10000);
	claim_expect("reservation=none", SCHEDULER_SHARED, 100, 0, 0, 0);
}

static void reservations(void **state)
{
	(void)state;
	claim_expect("reservation=\" 100us /\t500us \"", SCHEDULER_RESERVED, 0, 0, 100, 500);
	claim_expect("reservation=950ms/1s", SCHEDULER_RESERVED, 0, 0, 950000, 1000000);
	claim_expect("reservation=475us/500us", SCHEDULER_RESERVED, 0, 0, 475, 500);
	claim_expect("reservation=0000000000000000000000002ms/00001s", SCHEDULER_RESERVED, 0, 0,
		     2000, 1000000);
	claim_expect("reservation=2ms/10ms\ncap=20%", SCHEDULER_RESERVED, 0, 20, 2000, 10000);
}

static void reservation_errors(void **state)
{
	static const char *const cases[][2] = {
		{"2ms", "'/' is missing"},
		{"20%", "'/' is missing"},
		{"/", "not a time with its unit"},
		{"2 / 10", "not a time with its unit"},
		{"2ms / ", "not a time with its unit"},
		{"2ms / 10ms / 20ms", "not a time with its unit"},
		{"1.5ms / 10ms", "not a time with its unit"},
		{"2 ms / 10ms", "not a time with its unit"},
		{"2MS / 10ms", "not a time with its unit"},
		{"2ns / 10ms", "not a time with its unit"},
		{"-2ms / 10ms", "not a time with its unit"},
		{"18446744073709551616us / 10ms", "too large"},
		{"2ms / 18446744073710s", "too large"}, /* 2^64 us and a little */
		{"0us / 10ms", "the budget is too small"},
		{"99us / 500us", "the budget is too small"},
		{"100us / 499us", "the period is too short"},
		{"2ms / 0s", "the period is too short"},
		{"2ms / 1000001us", "the period is too long"},
		{"1s / 2s", "the period is too long"},
		{"11ms / 10ms", "the budget is longer than the period"},
		{"18446744073709551615us / 1s", "the budget is longer than the period"},
		{"951ms / 1s", "more of a CPU than can be reserved"},
		{"476us / 500us", "more of a CPU than can be reserved"},
		{"10ms / 10ms", "more of a CPU than can be reserved"},
	};
	char line[100];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(line, sizeof(line), "reservation = %s", cases[i][0]);
		if (strcmp(cases[i][0], "2ms / ") == 0)
			line[strlen(line) - 1] = '\0'; /* as it is shown */
		value_expect(WEB, "partition web", line, cases[i][1], RESERVATIONS);
		assert_int_equal(partitions[0].claim.period_us, 0);
	}
}

static void number_errors(void **state)
{
	static const char *const weights[][2] = {
		{"weight = 0", "too small"},	      {"weight = 10001", "too large"},
		{"weight = 4294967396", "too large"}, /* 2^32 + 100 */
		{"weight = 50%", "not a number"},     {"weight = -1", "not a number"},
		{"weight = high", "not a number"},
	};
	static const char *const caps[][2] = {
		{"cap = 0%", "too small"},	    {"cap = 100001%", "too large"},
		{"cap = 4294967297%", "too large"}, {"cap = 18446744073709551617%", "too large"},
		{"cap = 50", "not a percentage"},   {"cap = 50 %", "not a percentage"},
		{"cap = 0.5%", "not a percentage"}, {"cap = %", "not a percentage"},
		{"cap = 50%%", "not a percentage"}, {"cap = -1%", "not a percentage"},
		{"cap = all", "not a percentage"},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(weights); i++) {
		value_expect(WEB, "partition web", weights[i][0], weights[i][1], WEIGHTS);
		value_expect(WEB "[group g]\n", "group g", weights[i][0], weights[i][1],
			     GROUP_WEIGHT);
	}
	for (u32 i = 0; i < ARRAY_SIZE(caps); i++) {
		value_expect(WEB, "partition web", caps[i][0], caps[i][1], CAPS);
		value_expect(WEB "[group g]\n", "group g", caps[i][0], caps[i][1], CAPS);
	}
	value_expect(WEB, "partition web", "dedicated = 1", "not one of the allowed words",
		     "; allowed: yes or no\n");
}

static void affinity_expect(const char *line, u32 first, u32 last, u32 other)
{
	const struct cpu_mask *mask = &with(line)->affinity;

	for (u32 cpu = 0; cpu < CPU_MAX; cpu++)
		assert_int_equal(cpu_mask_has(mask, cpu),
				 (cpu >= first && cpu <= last) || cpu == other);
}

static void affinities(void **state)
{
	static const char *const cases[][2] = {
		{"affinity = ,", "not a CPU's number"},
		{"affinity = 1,", "not a CPU's number"},
		{"affinity = ,1", "not a CPU's number"},
		{"affinity = -", "not a CPU's number"},
		{"affinity = 1-", "not a CPU's number"},
		{"affinity = -1", "not a CPU's number"},
		{"affinity = 1-2-3", "not a CPU's number"},
		{"affinity = 1 2", "not a CPU's number"},
		{"affinity = 0x1", "not a CPU's number"},
		{"affinity = none", "not a CPU's number"},
		{"affinity = all, 1", "not a CPU's number"},
		{"affinity = 512", "no CPU has such a number"},
		{"affinity = 0-512", "no CPU has such a number"},
		{"affinity = 0-4294967296", "no CPU has such a number"},
		{"affinity = 2-1", "a range that ends before it begins"},
	};

	(void)state;
	affinity_expect("", 0, 511, 0);
	affinity_expect("affinity = all", 0, 511, 0);
	affinity_expect("affinity = 0-511", 0, 511, 0);
	affinity_expect("affinity = 0-2, 5", 0, 2, 5);
	affinity_expect("affinity = 511,63 - 64,64", 63, 64, 511);
	affinity_expect("affinity = 7", 7, 7, 7);
	affinity_expect("affinity = 7-7", 7, 7, 7);
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		value_expect(WEB, "partition web", cases[i][0], cases[i][1], CPUS);
	expect(WEB "affinity = \"\"\n", "f:5: [partition web] affinity: no value given" CPUS);
}

static void groups_and_weights(void **state)
{
	(void)state;
	expect(WEB "group = servers\n[group servers] # for all\nweight = 50\ncap = 150%\n"
		   "[partition db]\n" GOOD "group = \"rest\"\n[group rest]\n[partition x]\n" GOOD
		   "group = none\n",
	       "");
	assert_int_equal(config.group_count, 2);
	assert_string_equal(groups[0].name, "servers");
	assert_int_equal(groups[0].line, 6);
	assert_int_equal(groups[0].weight, 50);
	assert_int_equal(groups[0].cap, 150);
	assert_string_equal(groups[1].name, "rest");
	assert_int_equal(groups[1].weight, 100);
	assert_int_equal(groups[1].cap, 0);
	assert_string_equal(partitions[0].group, "servers");
	assert_int_equal(partitions[0].group_line, 5);
	assert_string_equal(partitions[1].group, "rest");
	assert_string_equal(partitions[2].group, "");
	value_expect(WEB, "partition web", "group = A b", "not a name",
		     "; allowed: the name of a section [group NAME]; or none\n");
}

static void afters(void **state)
{
	static const char *const cases[][2] = {
		{"after = ,", "a name is missing"},
		{"after = db,", "a name is missing"},
		{"after = db,,x", "a name is missing"},
		{"after = db x", "not a name"},
		{"after = Db", "not a name"},
		{"after = db, none", "not a name"},
		{"after = web", "the partition itself"},
		{"after = db, web", "the partition itself"},
		{"after = db, x, db", "the same name twice"},
		{"after = a, b, c, d, e, f, g, h, i", "too many names"},
	};
	const struct config_partition *web;

	(void)state;
	web = with("after = none");
	assert_int_equal(web->after_count, 0);
	/* Names are looked up at the end of a whole file. */
	partial = true;
	web = with("after = a,b ,\tc, d, e, f, g, 0123456789012345678901234567890");
	assert_int_equal(web->after_count, 8);
	assert_int_equal(web->after_line, 5);
	assert_string_equal(web->after[0], "a");
	assert_string_equal(web->after[1], "b");
	assert_string_equal(web->after[2], "c");
	assert_string_equal(web->after[7], "0123456789012345678901234567890");
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		value_expect(WEB, "partition web", cases[i][0], cases[i][1], AFTERS);
		assert_int_equal(partitions[0].after_count, 0);
	}
	partial = false;
}

static void actions(void **state)
{
	const struct config_partition *web;

	(void)state;
	web = with("");
	assert_int_equal(web->on_poweroff, CONFIG_ACTION_STOP);
	assert_int_equal(web->on_reset, CONFIG_ACTION_RESTART);
	assert_int_equal(web->on_crash, CONFIG_ACTION_PRESERVE);
	web = with("on_poweroff = restart\non_reset = preserve\non_crash = stop");
	assert_int_equal(web->on_poweroff, CONFIG_ACTION_RESTART);
	assert_int_equal(web->on_reset, CONFIG_ACTION_PRESERVE);
	assert_int_equal(web->on_crash, CONFIG_ACTION_STOP);
	value_expect(WEB, "partition web", "on_poweroff = off", "not one of the allowed words",
		     ACTIONS);
	value_expect(WEB, "partition web", "on_reset = yes", "not one of the allowed words",
		     ACTIONS);
	value_expect(WEB, "partition web", "on_crash = Stop", "not one of the allowed words",
		     ACTIONS);
	assert_string_equal(config_action_name(CONFIG_ACTION_STOP), "stop");
	assert_string_equal(config_action_name(CONFIG_ACTION_RESTART), "restart");
	assert_string_equal(config_action_name(CONFIG_ACTION_PRESERVE), "preserve");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims),
		cmocka_unit_test(reservations),
		cmocka_unit_test(reservation_errors),
		cmocka_unit_test(number_errors),
		cmocka_unit_test(affinities),
		cmocka_unit_test(groups_and_weights),
		cmocka_unit_test(afters),
		cmocka_unit_test(actions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
