/* SPDX-License-Identifier: MIT */
/* Placement: which CPU, what is admitted there, and what is said when nothing is. */
/* links: vmm/format.c vmm/scheduler_claim.c */
#include "fake_machine.h"

#include "vmm/placement.h"

#define PARTITIONS 6

static struct partition partitions[PARTITIONS];
static struct config_partition configs[PARTITIONS];
#define VCPUS 4

static struct vcpu vcpus[PARTITIONS][VCPUS];
static u32 partition_count;
static u32 wanted; /* vCPUs of those that are placed */

struct partition *partition_first(void)
{
	return partition_count ? &partitions[0] : NULL;
}

struct partition *partition_find(const char *name)
{
	(void)name;
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_init();
	fake_cpu_count = 3;
	memset(partitions, 0, sizeof(partitions));
	memset(configs, 0, sizeof(configs));
	memset(vcpus, 0, sizeof(vcpus));
	partition_count = 0;
	wanted = 1;
	return 0;
}

static const struct scheduler_claim shared = {.kind = SCHEDULER_SHARED, .weight = 100};
static const struct scheduler_claim dedicated = {.kind = SCHEDULER_DEDICATED, .weight = 100};

static struct scheduler_claim reserved(u64 budget_us, u64 period_us)
{
	return (struct scheduler_claim){
		.kind = SCHEDULER_RESERVED,
		.budget_us = budget_us,
		.period_us = period_us,
	};
}

/* In digits; NULL: all. */
static struct cpu_mask mask_of(const char *digits)
{
	struct cpu_mask mask = {{0}};

	if (!digits)
		cpu_mask_fill(&mask);
	for (; digits && *digits; digits++)
		cpu_mask_add(&mask, (u32)(*digits - '0'));
	return mask;
}

static int find(struct scheduler_claim claim, const char *affinity, const struct partition *self,
		struct placement *placement, char *reason)
{
	struct config_partition config = {
		.claim = claim,
		.affinity = mask_of(affinity),
		.vcpus = wanted,
	};

	*reason = '\0';
	memset(placement, 0xff, sizeof(*placement));
	return placement_find(&config, self, placement, reason);
}

/* The CPU it would get, or a negative error. */
static int place(struct scheduler_claim claim, const char *affinity)
{
	char reason[LOAD_REASON_BYTES];
	struct placement placement;
	int error = find(claim, affinity, NULL, &placement, reason);

	return error ? error : (int)placement.cpus[0];
}

static void expect_refusal(struct scheduler_claim claim, const char *affinity,
			   const struct partition *self, int error, const char *text)
{
	char reason[LOAD_REASON_BYTES];
	struct placement placement;

	assert_int_equal(find(claim, affinity, self, &placement, reason), error);
	if (!strstr(reason, text))
		fail_msg("\"%s\" is not in \"%s\"", text, reason);
}

/* As partition_create does with the result. */
static struct partition *add(const char *name, struct scheduler_claim claim, const char *affinity)
{
	struct partition *partition = &partitions[partition_count];
	char reason[LOAD_REASON_BYTES];
	struct placement placement;

	assert_true(partition_count < PARTITIONS);
	assert_int_equal(find(claim, affinity, NULL, &placement, reason), 0);
	partition->config = &configs[partition_count];
	strcpy(partition->config->name, name);
	partition->config->claim = claim;
	partition->config->affinity = mask_of(affinity);
	partition->config->vcpus = wanted;
	for (u32 i = 0; i < wanted; i++) {
		partition->vcpus[i] = &vcpus[partition_count][i];
		partition->vcpus[i]->thread.cpu = placement.cpus[i];
		partition->vcpus[i]->thread.affinity =
			placement_affinity(&placement, partition->config, i);
	}
	partition->vcpu_count = wanted;
	if (partition_count)
		partitions[partition_count - 1].next = partition;
	partition_count++;
	placement_apply(partition, &placement);
	return partition;
}

/* As partition_change does: the thread itself goes there later. */
static void change(struct partition *partition, struct scheduler_claim claim, const char *affinity,
		   u32 cpu)
{
	char reason[LOAD_REASON_BYTES];
	struct placement placement;

	assert_int_equal(find(claim, affinity, partition, &placement, reason), 0);
	assert_int_equal(placement.cpus[0], cpu);
	partition->config->claim = claim;
	partition->config->affinity = mask_of(affinity);
	partition->vcpus[0]->thread.affinity = placement_affinity(&placement, partition->config, 0);
	placement_apply(partition, &placement);
}

static void expect_affinity(const struct cpu_mask *mask, const char *digits)
{
	struct cpu_mask expected = mask_of(digits);

	assert_memory_equal(mask, &expected, sizeof(expected));
}

static void expect_shared_affinity(const struct placement *placement, const char *digits)
{
	const struct config_partition config = {.claim = shared, .affinity = mask_of(digits)};
	struct cpu_mask mask = placement_affinity(placement, &config, 0);

	expect_affinity(&mask, digits);
}

/* --- shared --- */

static void the_last_cpu_first(void **state)
{
	(void)state;
	assert_int_equal(add("a", shared, NULL)->vcpus[0]->thread.cpu, 2);
	assert_int_equal(add("b", shared, NULL)->vcpus[0]->thread.cpu, 1);
	/* The console counts in weight as nothing, but it is there. */
	assert_int_equal(add("c", shared, NULL)->vcpus[0]->thread.cpu, 0);
	assert_int_equal(add("d", shared, NULL)->vcpus[0]->thread.cpu, 2);
}

static void the_console_breaks_a_tie(void **state)
{
	(void)state;
	fake_cpu_count = 1;
	assert_int_equal(place(shared, NULL), 0);
	fake_cpu_count = 2;
	assert_int_equal(place(shared, NULL), 1);
}

static void the_least_weight_counts(void **state)
{
	struct scheduler_claim heavy = {.kind = SCHEDULER_SHARED, .weight = 1000};

	(void)state;
	add("heavy", heavy, "2");
	for (u32 i = 0; i < 3; i++)
		add("light", shared, "1");
	assert_int_equal(place(shared, NULL), 0);
	assert_int_equal(place(shared, "12"), 1);
	assert_int_equal(place(heavy, "2"), 2);
}

static void shared_ones_keep_their_affinity(void **state)
{
	char reason[LOAD_REASON_BYTES];
	struct placement placement;

	(void)state;
	assert_int_equal(find(shared, "02", NULL, &placement, reason), 0);
	assert_int_equal(placement.cpus[0], 2);
	expect_shared_affinity(&placement, "02");
	assert_int_equal(find(shared, NULL, NULL, &placement, reason), 0);
	expect_shared_affinity(&placement, NULL);
}

static void no_such_cpu(void **state)
{
	(void)state;
	expect_refusal(shared, "34", NULL, -EINVAL, "CPU 0 to 2");
	expect_refusal(shared, "", NULL, -EINVAL, "CPU 0 to 2");
	expect_refusal(reserved(1000, 10000), "7", NULL, -EINVAL, "affinity");
	expect_refusal(dedicated, "9", NULL, -EINVAL, "affinity");
	/* One that is there is enough. */
	assert_int_equal(place(shared, "05"), 0);
}

/* --- reserved --- */

static void reserved_ones_stay_where_they_were_admitted(void **state)
{
	struct partition *partition = add("a", reserved(1000, 10000), NULL);

	(void)state;
	assert_int_equal(partition->vcpus[0]->thread.cpu, 2);
	expect_affinity(&partition->vcpus[0]->thread.affinity, "2");
	assert_int_equal(place(reserved(1000, 10000), NULL), 1);
}

static void admitted_to_the_last_part(void **state)
{
	(void)state;
	add("a", reserved(4000, 10000), "1");
	assert_int_equal(place(reserved(5500, 10000), "1"), 1);
	assert_int_equal(place(reserved(550000, 1000000), "1"), 1);
	expect_refusal(reserved(550001, 1000000), "1", NULL, -EBUSY, "55.00% are left");
	expect_refusal(reserved(550001, 1000000), "1", NULL, -EBUSY, "of CPU 1");
	expect_refusal(reserved(6030, 10000), "1", NULL, -EBUSY, "is 60.30% of a CPU");
	add("b", reserved(5500, 10000), "1");
	expect_refusal(reserved(1, 1000000), "1", NULL, -EBUSY, " 0.00% are left");
	expect_refusal(reserved(9501, 10000), "2", NULL, -EBUSY, "95.00% are left");
	assert_int_equal(place(reserved(9500, 10000), "2"), 2);
}

/* The console has 5 % of CPU 0. */
static void the_console_has_its_share(void **state)
{
	(void)state;
	assert_int_equal(place(reserved(9000, 10000), "0"), 0);
	expect_refusal(reserved(900001, 1000000), "0", NULL, -EBUSY, "of CPU 0 90.00% are left");
	assert_int_equal(place(reserved(900001, 1000000), "1"), 1);
}

static void shared_neighbours_do_not_count_in_reservations(void **state)
{
	(void)state;
	fake_cpu_count = 2;
	add("busy", (struct scheduler_claim){.kind = SCHEDULER_SHARED, .weight = 10000}, "1");
	assert_int_equal(place(reserved(9500, 10000), NULL), 1);
	/* But what is reserved counts more than weights, and less than them for shared ones. */
	add("a", reserved(1000, 10000), "1");
	assert_int_equal(place(reserved(1000, 10000), NULL), 0);
	assert_int_equal(place(shared, NULL), 0);
}

static void own_reservation_is_given_up(void **state)
{
	struct partition *partition = add("a", reserved(6000, 10000), "1");
	char reason[LOAD_REASON_BYTES];
	struct placement placement;

	(void)state;
	expect_refusal(reserved(6000, 10000), "1", NULL, -EBUSY, "35.00%");
	assert_int_equal(find(reserved(9500, 10000), "1", partition, &placement, reason), 0);
	expect_refusal(reserved(9501, 10000), "1", partition, -EBUSY, "95.00%");
}

/* What was admitted counts from then on, and there, even if its thread has not come there yet. */
static void counts_where_it_was_admitted(void **state)
{
	struct partition *partition = add("a", shared, "1");

	(void)state;
	change(partition, reserved(6000, 10000), "2", 2);
	assert_int_equal(partition->vcpus[0]->thread.cpu, 1);
	expect_refusal(reserved(6000, 10000), "2", NULL, -EBUSY, "35.00%");
	assert_int_equal(place(reserved(9500, 10000), "1"), 1);
	change(partition, dedicated, "2", 2);
	expect_refusal(shared, "2", NULL, -EBUSY, "CPU 2 is dedicated to a");
	assert_int_equal(place(dedicated, "1"), 1);
}

/* Many reservations of all sizes: no CPU ever has more than it can keep. */
static void never_more_than_there_is(void **state)
{
	(void)state;
	srand(5);
	for (unsigned round = 0; round < 2000; round++) {
		u64 sums[3] = {50000, 0, 0};

		setup(NULL);
		for (u32 i = 0; i < PARTITIONS; i++) {
			u64 period = 1000 + (u64)rand() % 100000, budget = 1 + (u64)rand() % period;
			struct scheduler_claim claim = reserved(budget, period);
			u32 part = scheduler_bandwidth(&claim);
			int cpu = place(claim, NULL);

			if (cpu == -EBUSY) {
				for (u32 c = 0; c < 3; c++)
					assert_true(sums[c] + part > 950000);
				continue;
			}
			assert_in_range(cpu, 0, 2);
			add("p", claim, NULL);
			sums[cpu] += part;
			assert_true(sums[cpu] <= 950000);
		}
	}
}

/* --- dedicated --- */

static void dedicated_ones_have_their_cpu_alone(void **state)
{
	struct partition *partition = add("alone", dedicated, NULL);
	struct thread *thread = &partition->vcpus[0]->thread;

	(void)state;
	assert_int_equal(thread->cpu, 2);
	expect_affinity(&thread->affinity, "2");
	assert_ptr_equal(cpus[2]->dedicated, thread);
	assert_int_equal(fake_looked, 1u << 2); /* who runs there must go */
	assert_null(cpus[0]->dedicated);
	assert_null(cpus[1]->dedicated);
	expect_refusal(shared, "2", NULL, -EBUSY, "CPU 2 is dedicated to alone");
	expect_refusal(reserved(1000, 10000), "2", NULL, -EBUSY, "CPU 2 is dedicated to alone");
	expect_refusal(dedicated, "2", NULL, -EBUSY, "CPU 2 is dedicated to alone");
	assert_int_equal(place(shared, NULL), 1);
	assert_int_equal(place(dedicated, NULL), 1);
	placement_withdraw(partition);
	for (u32 i = 0; i < 3; i++)
		assert_null(cpus[i]->dedicated);
}

static void not_the_consoles_cpu(void **state)
{
	(void)state;
	expect_refusal(dedicated, "0", NULL, -EBUSY, "CPU 0 serves the operator's console");
	add("a", dedicated, NULL);
	add("b", dedicated, NULL);
	assert_int_equal(place(dedicated, NULL), -EBUSY);
	assert_int_equal(place(shared, NULL), 0);
}

static void not_where_a_reservation_is(void **state)
{
	(void)state;
	add("rt", reserved(100, 100000), "2");
	expect_refusal(dedicated, "2", NULL, -EBUSY,
		       "CPU 2 cannot be dedicated: rt can run nowhere else");
	assert_int_equal(place(dedicated, NULL), 1);
}

static void not_the_only_cpu_of_another(void **state)
{
	struct partition *roams;

	(void)state;
	roams = add("roams", shared, "12");
	assert_int_equal(roams->vcpus[0]->thread.cpu, 2);
	/* It can go to the other one, whether it is there now or not. */
	add("d", dedicated, "2");
	expect_refusal(dedicated, "1", NULL, -EBUSY, "roams can run nowhere else");
	expect_refusal(dedicated, "12", NULL, -EBUSY, "roams");
	assert_int_equal(place(shared, "012"), 1);
}

/* The CPU that it gives up itself is free for the others. */
static void from_one_cpu_to_another(void **state)
{
	struct partition *moves;

	(void)state;
	moves = add("moves", dedicated, "2");
	add("roams", shared, "12");
	change(moves, dedicated, "1", 1);
	assert_null(cpus[2]->dedicated);
	assert_ptr_equal(cpus[1]->dedicated, &moves->vcpus[0]->thread);
	assert_int_equal(place(shared, "12"), 2);
	change(moves, shared, "1", 1);
	for (u32 i = 0; i < 3; i++)
		assert_null(cpus[i]->dedicated);
	expect_affinity(&moves->vcpus[0]->thread.affinity, "1");
	assert_int_equal(place(dedicated, "2"), 2);
}

static void withdrawing_is_only_for_itself(void **state)
{
	struct partition *a, *b;

	(void)state;
	a = add("a", dedicated, NULL);
	b = add("b", dedicated, NULL);
	placement_withdraw(a);
	assert_null(cpus[2]->dedicated);
	assert_ptr_equal(cpus[1]->dedicated, &b->vcpus[0]->thread);
	placement_withdraw(a);
	assert_ptr_equal(cpus[1]->dedicated, &b->vcpus[0]->thread);
}

/* --- several vCPUs --- */

/* Where they would be, a digit each. */
static void expect_places(struct scheduler_claim claim, const char *affinity, const char *digits)
{
	char reason[LOAD_REASON_BYTES], found[VCPUS + 1] = "";
	struct placement placement;

	assert_int_equal(find(claim, affinity, NULL, &placement, reason), 0);
	for (u32 i = 0; i < wanted; i++)
		found[i] = (char)('0' + placement.cpus[i]);
	assert_string_equal(found, digits);
}

static void vcpus_are_spread(void **state)
{
	(void)state;
	wanted = 3;
	expect_places(shared, NULL, "210");
	expect_places(shared, "12", "212");
	/* Also where others are: neighbours matter less than siblings. */
	wanted = 1;
	add("a", shared, "2");
	add("b", shared, "2");
	wanted = 4;
	expect_places(shared, NULL, "1021");
}

static void each_vcpu_has_its_reservation(void **state)
{
	(void)state;
	wanted = 3;
	expect_places(reserved(4000, 10000), NULL, "210");
	expect_places(reserved(4000, 10000), "12", "212");
	expect_refusal(reserved(6000, 10000), "12", NULL, -EBUSY,
		       "60.00% of a CPU for each vCPU, and of CPU 1 35.00% are left");
	add("a", reserved(4000, 10000), "12");
	expect_affinity(&partitions[0].vcpus[0]->thread.affinity, "2");
	expect_affinity(&partitions[0].vcpus[1]->thread.affinity, "1");
	wanted = 1;
	expect_refusal(reserved(2000, 10000), "2", NULL, -EBUSY, "CPU 2 15.00%");
	assert_int_equal(place(reserved(2000, 10000), "12"), 1);
}

static void each_dedicated_vcpu_has_its_cpu(void **state)
{
	struct partition *partition;

	(void)state;
	wanted = 3;
	expect_refusal(dedicated, NULL, NULL, -EBUSY, "cannot be dedicated");
	expect_refusal(dedicated, "12", NULL, -EBUSY, "each of its 3 vCPUs needs a CPU");
	wanted = 2;
	partition = add("a", dedicated, NULL);
	assert_ptr_equal(cpus[2]->dedicated, &partition->vcpus[0]->thread);
	assert_ptr_equal(cpus[1]->dedicated, &partition->vcpus[1]->thread);
	wanted = 1;
	assert_int_equal(place(shared, NULL), 0);
	/* It may be placed anew where it is. */
	change(partition, shared, "1", 1);
	assert_null(cpus[2]->dedicated);
	assert_null(cpus[1]->dedicated);
}

/* Both of those that it could go to would be taken. */
static void not_all_cpus_of_another(void **state)
{
	(void)state;
	add("roams", shared, "12");
	wanted = 2;
	expect_refusal(dedicated, "12", NULL, -EBUSY, "roams can run nowhere else");
	wanted = 1;
	assert_int_equal(place(dedicated, "12"), 1);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_last_cpu_first),
		T(the_console_breaks_a_tie),
		T(the_least_weight_counts),
		T(shared_ones_keep_their_affinity),
		T(no_such_cpu),
		T(reserved_ones_stay_where_they_were_admitted),
		T(admitted_to_the_last_part),
		T(the_console_has_its_share),
		T(shared_neighbours_do_not_count_in_reservations),
		T(own_reservation_is_given_up),
		T(counts_where_it_was_admitted),
		T(never_more_than_there_is),
		T(dedicated_ones_have_their_cpu_alone),
		T(not_the_consoles_cpu),
		T(not_where_a_reservation_is),
		T(not_the_only_cpu_of_another),
		T(from_one_cpu_to_another),
		T(withdrawing_is_only_for_itself),
		T(vcpus_are_spread),
		T(each_vcpu_has_its_reservation),
		T(each_dedicated_vcpu_has_its_cpu),
		T(not_all_cpus_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
