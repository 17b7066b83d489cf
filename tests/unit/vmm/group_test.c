/* SPDX-License-Identifier: MIT */
/* Groups: they stay for good, so that each test finds those of the tests before it. */
/* links: vmm/format.c vmm/scheduler_group.c */
#include "fake_machine.h"

struct partition *partition_find(const char *name)
{
	(void)name;
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_init();
	return 0;
}

static int create(const char *name, u32 weight, u32 cap, char *reason)
{
	struct config_group config = {.weight = weight, .cap = cap};

	strcpy(config.name, name);
	*reason = '\0';
	return group_create(&config, reason);
}

static void no_memory_makes_none(void **state)
{
	char reason[LOAD_REASON_BYTES];

	(void)state;
	fake_pages_left = 0;
	assert_int_equal(create("first", 100, 0, reason), -ENOMEM);
	assert_non_null(strstr(reason, "memory"));
	assert_null(group_first());
	assert_null(group_find("first"));
}

static void are_found_in_order(void **state)
{
	static const char *const names[] = {"first", "second", "third"};
	char reason[LOAD_REASON_BYTES];
	struct group *group;

	(void)state;
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(create(names[i], 100 + i, 50 * i, reason), 0);
	group = group_first();
	for (u32 i = 0; i < 3; i++, group = group->next) {
		assert_string_equal(group->config.name, names[i]);
		assert_ptr_equal(group_find(names[i]), group);
		assert_int_equal(group->config.weight, 100 + i);
		assert_int_equal(group->scheduler.weight, 100 + i);
		assert_int_equal(group->scheduler.cap, 50 * i);
		assert_null(group->scheduler.parent);
	}
	assert_null(group);
	assert_null(group_find(""));
	assert_null(group_find("firs"));
	assert_null(group_find("first1"));
}

static void a_name_is_given_once(void **state)
{
	unsigned blocks = fake_pages_out;
	char reason[LOAD_REASON_BYTES];

	(void)state;
	assert_int_equal(create("second", 7, 7, reason), -EEXIST);
	assert_true(*reason);
	assert_int_equal(fake_pages_out, blocks);
	assert_int_equal(group_find("second")->config.weight, 101);
}

static void change(void **state)
{
	static const struct {
		u32 weight, cap;
		int error;
	} changes[] = {
		{1, 0, 0},
		{SCHEDULER_WEIGHT_MAX, SCHEDULER_CAP_MAX, 0},
		{0, 0, -EINVAL},
		{SCHEDULER_WEIGHT_MAX + 1, 0, -EINVAL},
		{100, SCHEDULER_CAP_MAX + 1, -EINVAL},
		{~0U, ~0U, -EINVAL},
		{250, 75, 0},
	};
	struct group *group = group_find("third");

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(changes); i++) {
		u32 weight = group->config.weight, cap = group->config.cap;
		char reason[LOAD_REASON_BYTES] = "";

		assert_int_equal(group_change(group, changes[i].weight, changes[i].cap, reason),
				 changes[i].error);
		if (!changes[i].error) {
			weight = changes[i].weight;
			cap = changes[i].cap;
		} else {
			assert_non_null(strstr(reason, "1 to 10000"));
			assert_non_null(strstr(reason, "100000%"));
		}
		assert_int_equal(group->config.weight, weight);
		assert_int_equal(group->config.cap, cap);
		assert_int_equal(group->scheduler.weight, weight);
		assert_int_equal(group->scheduler.cap, cap);
	}
	assert_int_equal(group_find("first")->config.weight, 100);
}

/* Leaks are looked for when the program ends. */
static int give_back(void **state)
{
	(void)state;
	while (fake_pages_out)
		memory_give(MEMORY_OTHER, fake_pages[0].data, fake_pages[0].bytes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_memory_makes_none, setup),
		cmocka_unit_test_setup(are_found_in_order, setup),
		cmocka_unit_test_setup(a_name_is_given_once, setup),
		cmocka_unit_test_setup(change, setup),
	};

	return cmocka_run_group_tests(tests, NULL, give_back);
}
