/* SPDX-License-Identifier: MIT */
/* balloon: what it shows of guests' memory, and what it asks them for. */
/* links: vmm/console/arguments.c vmm/console/report.c vmm/format.c vmm/config_value.c */
/* links: vmm/page_table.c vmm/page_table_formats.c */
/* links: vmm/partition_view.c vmm/byte_ring.c */
#include "fake_guest.h"

#include <bulkhead/balloon.h>

#define HZ 1000000UL /* a tick is a microsecond */

static const struct virt_backend backend;
const struct virt_backend *virt = &backend;

static struct balloon_view said;
static bool has, runs, only_looked;
static u64 now, asked_at, answer_after, target;

u64 arch_tsc(void)
{
	return now;
}

u64 arch_tsc_hz(void)
{
	return HZ;
}

/* The guest answers in its own time. */
void thread_sleep_until(u64 deadline)
{
	now = deadline;
	if (asked_at && now >= asked_at + answer_after) {
		asked_at = 0;
		said.answers++;
		said.stat[BALLOON_FREE] = 3 * MIB;
	}
}

void command_only_looked(void)
{
	only_looked = true;
}

bool partition_balloon(struct partition *partition, struct balloon_view *view)
{
	if (partition != &guests[0] || !has || !runs)
		return false;
	*view = said;
	return true;
}

bool partition_balloon_target(struct partition *partition, u64 bytes)
{
	assert_ptr_equal(partition, &guests[0]);
	target = bytes;
	return runs;
}

bool partition_balloon_ask(struct partition *partition)
{
	assert_ptr_equal(partition, &guests[0]);
	asked_at = now;
	return runs;
}

static int setup(void **state)
{
	guests_setup(state);
	configs[0].memory_bytes = 512 * MIB;
	configs[1].memory_bytes = 64 * MIB;
	configs[0].balloon = true;
	configs[1].balloon = false;
	has = runs = true;
	only_looked = false;
	now = 1000;
	asked_at = 0;
	answer_after = 50000;
	target = ~0UL;
	said = (struct balloon_view){
		.driven = true,
		.target_bytes = 384 * MIB,
		.given_bytes = 311 * MIB,
		.known = BIT(BALLOON_FREE) | BIT(BALLOON_MAJOR_FAULTS),
		.stat = {[BALLOON_FREE] = 2 * MIB, [BALLOON_MAJOR_FAULTS] = 7},
		.answers = 1,
		.age_ticks = 4 * HZ,
	};
	return 0;
}

static void test_list(void **state)
{
	(void)state;
	expect(command_balloon, "",
	       "NAME  DRIVER  MEMORY  TARGET  ACTUAL  AVAILABLE  FREE      AGE\n"
	       "web   yes       512M    128M    201M          -    2M  0:00:04\n");
	assert_true(only_looked);
	expect_json(command_balloon, "", "\"available_bytes\": null, \"free_bytes\": 2097152");
	runs = false;
	expect(command_balloon, "", "no partition that runs has a balloon\n");
}

/* What it does not tell is not shown to people. */
static void test_one(void **state)
{
	(void)state;
	expect(command_balloon, "web",
	       "name          web\n"
	       "driver        yes\n"
	       "memory        512M\n"
	       "target        128M\n"
	       "actual        201M\n"
	       "major faults  7\n"
	       "free          3M\n"
	       "answered ago  0:00:04\n");
	assert_true(only_looked);
	assert_in_range(now, 51000, 70000);
	expect_json(command_balloon, "web", "\"total_bytes\": null");
}

/* A guest that does not answer keeps nobody waiting for long, nor does one without a driver. */
static void test_silent(void **state)
{
	(void)state;
	answer_after = ~0UL / 2;
	expect_part(command_balloon, "web", "free          2M\n");
	assert_in_range(now, 1000000, 1100000);
	said.driven = false;
	said.answers = 0;
	now = 1000;
	expect_json(command_balloon, "web", "\"age_us\": null");
	assert_int_equal(now, 1000);
}

/* More than it ever had. */
static void test_liar(void **state)
{
	(void)state;
	said.given_bytes = 16384 * GIB;
	expect_json(command_balloon, "web", "\"actual_bytes\": 0,");
}

static void test_target(void **state)
{
	(void)state;
	expect(command_balloon, "web 128M", "");
	assert_int_equal(target, 384 * MIB);
	assert_false(only_looked);
	expect(command_balloon, "web 512M", "");
	assert_int_equal(target, 0);
	expect(command_balloon, "web 1048577", "");
	assert_int_equal(target, 512 * MIB - MIB - PAGE_SIZE);
}

static void test_mistakes(void **state)
{
	(void)state;
	expect_error(command_balloon, "web 513M",
		     "\"513M\" is not a size from 1M to 512M, which web should make do with");
	expect_error(command_balloon, "web 4K",
		     "\"4K\" is not a size from 1M to 512M, which web should make do with");
	expect_error(command_balloon, "web much",
		     "\"much\" is not a size from 1M to 512M, which web should make do with");
	assert_int_equal(target, ~0UL);
	expect_error(command_balloon, "db",
		     "db has no balloon: its configuration has no balloon = yes");
	runs = false;
	expect_error(command_balloon, "web", "web does not run");
	expect_error(command_balloon, "nobody", "no partition \"nobody\"; there are: web, db");
}

#define BALLOON_TEST(name) cmocka_unit_test_setup_teardown(name, setup, guests_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BALLOON_TEST(test_list), BALLOON_TEST(test_one),    BALLOON_TEST(test_silent),
		BALLOON_TEST(test_liar), BALLOON_TEST(test_target), BALLOON_TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
