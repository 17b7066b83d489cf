/* SPDX-License-Identifier: MIT */
/* create, set, group and config: what is made of words, and every mistake in them. */
/* links: vmm/console/arguments.c vmm/console/audit.c vmm/console/commands.c */
/* links: vmm/console/completion.c vmm/console/help.c vmm/console/line_editor.c */
/* links: vmm/console/machine_commands.c vmm/console/partition_commands.c vmm/console/report.c */
/* links: vmm/console/setting_commands.c vmm/console/words.c vmm/byte_ring.c vmm/format.c */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_text.c vmm/config_value.c */
/* links: vmm/console/partition_cells.c vmm/partition_view.c */
/* links: vmm/console/nets.c */
/* links: vmm/net_switch.c vmm/net_address.c vmm/net_ring.c vmm/net_segment.c */
#include "fake_console.h"

/* --- create --- */

static void test_create(void **state)
{
	const struct config_partition *made = &configs[2];

	(void)state;
	expect("create db boot=linux kernel=\\bulkhead\\db\\vmlinuz memory=256M weight=50 "
	       "cap=25% cmdline=\"console=ttyS0 root=/dev/vda1 # \"\"quoted\"\"\" "
	       "affinity=\"1, 2\" on_crash=restart after=web",
	       "db: created\n");
	assert_string_equal(made->name, "db");
	assert_int_equal(made->boot, CONFIG_BOOT_LINUX);
	assert_string_equal(made->kernel, "\\bulkhead\\db\\vmlinuz");
	assert_int_equal(made->memory_bytes, 256 * MIB);
	assert_int_equal(made->claim.weight, 50);
	assert_int_equal(made->claim.cap, 25);
	assert_string_equal(made->cmdline, "console=ttyS0 root=/dev/vda1 # \"quoted\"");
	assert_false(cpu_mask_has(&made->affinity, 0));
	assert_true(cpu_mask_has(&made->affinity, 2));
	assert_int_equal(made->on_crash, CONFIG_ACTION_RESTART);
	assert_int_equal(made->on_reset, CONFIG_ACTION_RESTART);
	assert_int_equal(made->after_count, 1);
	assert_non_null(partition_find("db"));
}

static void test_create_like(void **state)
{
	const struct config_partition *made = &configs[2];
	struct config_partition web;

	(void)state;
	configs[0].claim.cap = 70;
	strcpy(configs[0].initrd, "\\bulkhead\\web\\initrd.gz");
	web = configs[0];
	expect("create web2 like web memory=64M cap=none --json",
	       "{\"partition\": {\"name\": \"web2\", \"number\": 3}}\n");
	assert_string_equal(made->name, "web2");
	assert_int_equal(made->memory_bytes, 64 * MIB);
	assert_int_equal(made->claim.cap, 0);
	assert_int_equal(made->claim.weight, 100);
	assert_string_equal(made->kernel, web.kernel);
	assert_string_equal(made->initrd, web.initrd);
	assert_string_equal(made->cmdline, web.cmdline);
	assert_memory_equal(&configs[0], &web, sizeof(web));
	first->next->next = NULL;
	expect("create web3 like web", "web3: created\n");
	assert_int_equal(made->claim.cap, 70);
}

/* The longest section that there can be is copied whole. */
static void test_create_like_a_long_one(void **state)
{
	struct config_partition *config = &configs[0];

	(void)state;
	memset(config->cmdline, 'c', sizeof(config->cmdline) - 1);
	memset(config->kernel + 1, 'k', sizeof(config->kernel) - 2);
	memset(config->initrd + 1, 'i', sizeof(config->initrd) - 2);
	config->initrd[0] = '\\';
	expect("create copy like web", "copy: created\n");
	assert_string_equal(configs[2].cmdline, config->cmdline);
	assert_string_equal(configs[2].initrd, config->initrd);
	assert_string_equal(configs[2].kernel, config->kernel);
}

static void test_create_mistakes(void **state)
{
	static const struct {
		const char *line, *part;
	} wrong[] = {
		{"create web memory=1G", "there is a partition \"web\" already\n"},
		{"create Web memory=1G", "\"Web\" is not a name: 1 to 31 of a-z, "},
		{"create \"\" memory=1G", "\"\" is not a name"},
		{"create a]b memory=1G", "\"a]b\" is not a name"},
		{"create none memory=1G", "\"none\" is not a name"},
		{"create a-name-that-is-longer-than-any-is memory=1G", "is not a name"},
		{"create db like", "create: whom it is to be like is missing\nusage: create "},
		{"create db like nobody", "no partition \"nobody\"; there are: web, debian-12\n"},
		{"create db like web memory", "\"memory\" is not KEY=VALUE, such as memory=256M\n"},
		{"create db memory = 1G", "\"memory\" is not KEY=VALUE"},
		{"create db =1G", "\"=1G\" is not KEY=VALUE"},
		{"create db \"[host]=1\"", "\"[host]=1\" is not KEY=VALUE"},
		{"create db #memory=1G", "\"#memory=1G\" is not KEY=VALUE"},
		{"create db memroy=1G", "memroy = 1G: unknown key (did you mean \"memory\"?); "},
		{"create db like web memory=1T1", "memory = 1T1: "},
		{"create db like web memory=3M", "memory = 3M: "},
		{"create db like web memory=64M memory=32M", "memory = 32M: already set"},
		{"create db like web weight=0", "weight = 0: "},
		{"create db like web weight=10001", "weight = 10001: "},
		{"create db like web cap=5x", "cap = 5x: "},
		{"create db like web cap=", "cap: no value given; allowed: "},
		{"create db like web dedicated=yes reservation=2ms/10ms", "allowed: "},
		{"create db like web reservation=10ms/2ms", "reservation = 10ms/2ms: "},
		{"create db like web boot=floppy", "boot = floppy: "},
		{"create db like web load=1M", "load = 1M: does not go with boot = linux"},
		{"create db memory=1G", "allowed: "},
		{"create db like web group=x", "no group \"x\"; there are none\n"},
		{"create db like web after=x", "no partition \"x\"; there are: web, debian-12\n"},
		{"create db like web after=db", "after = db: the partition itself; "},
		{"create db like web on_crash=explode", "on_crash = explode: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		expect_part(wrong[i].line, wrong[i].part);
		assert_int_equal(command_run(wrong[i].line), -EINVAL);
		assert_null(partition_find("db"));
	}
	refusal = "not enough memory";
	expect_error("create db like web", "cannot create db: not enough memory\n");
}

/* All mistakes are said, but programs see the first. */
static void test_create_with_many_mistakes(void **state)
{
	(void)state;
	output_clear();
	assert_int_equal(command_run("create db like web a=1 b=2 c=3 d=4 e=5 f=6"), -EINVAL);
	assert_non_null(strstr(output, "a = 1: unknown key"));
	assert_non_null(strstr(output, "d = 4: unknown key"));
	assert_null(strstr(output, "e = 5"));
	assert_non_null(strstr(output, "\nand "));
	output_clear();
	assert_int_equal(command_run("--json create db like web a=1 b=2"), -EINVAL);
	assert_memory_equal(output, "{\"error\": \"a = 1: unknown key", 29);
	assert_null(strstr(output, "b = 2"));
}

/* --- set --- */

static void test_set(void **state)
{
	struct config_partition *config = &configs[0];

	(void)state;
	fake_group(0, "batch", 100, 0);
	expect("set web weight 300", "web: weight = 300\n");
	assert_ptr_equal(changed, &partitions[0]);
	assert_int_equal(config->claim.weight, 300);
	expect("set web cap 50%", "web: cap = 50%\n");
	assert_int_equal(config->claim.cap, 50);
	expect("set web cap none", "web: cap = none\n");
	assert_int_equal(config->claim.cap, 0);
	expect("set web affinity 0-1, 3", "web: affinity = 0-1, 3\n");
	assert_true(cpu_mask_has(&config->affinity, 1));
	assert_false(cpu_mask_has(&config->affinity, 2));
	expect("set web reservation 2ms / 10ms", "web: reservation = 2ms / 10ms\n");
	assert_int_equal(config->claim.kind, SCHEDULER_RESERVED);
	assert_int_equal(config->claim.budget_us, 2000);
	expect("set web group batch", "web: group = batch\n");
	assert_string_equal(config->group, "batch");
	expect("set web after debian-12", "web: after = debian-12\n");
	assert_int_equal(config->after_count, 1);
	expect("set web on_poweroff restart", "web: on_poweroff = restart\n");
	assert_int_equal(config->on_poweroff, CONFIG_ACTION_RESTART);
	expect("set web on_reset stop --json", "{\"partition\": {\"name\": \"web\", \"key\": "
					       "\"on_reset\", \"value\": \"stop\"}}\n");
	assert_int_equal(config->on_reset, CONFIG_ACTION_STOP);
}

static void test_set_mistakes(void **state)
{
	static const char keys[] = "; there are: weight, cap, reservation, dedicated, affinity, "
				   "group, after, on_poweroff, on_reset, on_crash\n";
	static const struct {
		const char *line, *part;
	} wrong[] = {
		{"set nobody weight 1", "no partition \"nobody\"; there are: web, debian-12\n"},
		{"set web memory 1G", "no key that can be set \"memory\""},
		{"set web memory 1G", keys},
		{"set web wieght 1", keys},
		{"set web \"\" 1", keys},
		{"set web weight 0", "weight = 0: "},
		{"set web weight many", "weight = many: "},
		{"set web weight \"\"", "weight: no value given; allowed: "},
		{"set web weight 100 200", "weight = 100 200: "},
		{"set web cap 0%", "cap = 0%: "},
		{"set web affinity 4096", "affinity = 4096: "},
		{"set web reservation 2ms", "reservation = 2ms: '/' is missing; allowed: "},
		{"set web dedicated maybe", "dedicated = maybe: "},
		{"set web group x", "no group \"x\"; there are: batch\n"},
		{"set web after x", "no partition \"x\"; there are: web, debian-12\n"},
		{"set web after debian-12, web", "after = debian-12, web: the partition itself; "},
		{"set web on_crash pause", "on_crash = pause: "},
	};
	struct config_partition before;

	(void)state;
	fake_group(0, "batch", 100, 0);
	before = configs[0];
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		expect_part(wrong[i].line, wrong[i].part);
		assert_int_equal(command_run(wrong[i].line), -EINVAL);
		assert_memory_equal(&configs[0], &before, sizeof(before));
	}
	assert_null(changed);
	refusal = "CPU 1 is full";
	expect_error("set web affinity 1", "cannot set web: CPU 1 is full\n");
}

/* Each may wait for others, but none for itself in the end. */
static void test_set_after_in_a_circle(void **state)
{
	static const char refused[] = "p2 would start after itself, by way of those that it is to "
				      "start after\n";
	char line[64];

	(void)state;
	first = NULL;
	for (u32 i = 0; i < 10; i++) {
		snprintf(line, sizeof(line), "p%u", i);
		configs[i] = configs[0];
		fake_partition(i, line);
	}
	/* From the last to the first, so that one look at the list does not find it. */
	for (u32 i = 9; i > 3; i--) {
		snprintf(line, sizeof(line), "set p%u after p%u, p%u", i - 1, i, i == 9 ? 0U : 9U);
		assert_int_equal(command_run(line), 0);
	}
	assert_int_equal(command_run("set p0 after p1"), 0);
	assert_int_equal(command_run("set p9 after p0, p1"), 0);
	expect("set p2 after p3, p4", "p2: after = p3, p4\n");
	expect("set p2 after none", "p2: after = none\n");
	assert_int_equal(command_run("set p1 after p2"), 0);
	expect_error("set p2 after p3", refused);
	expect_error("set p2 after p9", refused);
	expect_error("set p2 after p1", refused);
	assert_int_equal(configs[2].after_count, 0);
	assert_int_equal(command_run("set p1 after none"), 0);
	expect("set p2 after p1", "p2: after = p1\n");
	fake_pages_left = 0;
	expect_error("set p2 after p3", "no memory to see whether any would wait for itself\n");
}

/* --- group --- */

static void test_group(void **state)
{
	(void)state;
	expect("group", "there are no groups\n");
	expect("group batch weight 50 cap 150%", "NAME   WEIGHT   CAP  MEMBERS\n"
						 "batch      50  150%  -\n");
	assert_int_equal(group_find("batch")->config.weight, 50);
	strcpy(configs[0].group, "batch");
	strcpy(configs[1].group, "batch");
	expect("group batch cap none", "NAME   WEIGHT  CAP  MEMBERS\n"
				       "batch      50    -  web, debian-12\n");
	assert_int_equal(group_find("batch")->config.weight, 50);
	fake_group(51, "new", 100, 0);
	expect("group batch --json",
	       "{\"groups\": [{\"name\": \"batch\", \"weight\": 50, \"cap_percent\": null, "
	       "\"members\": \"web, debian-12\"}]}\n");
	expect("group", "NAME   WEIGHT  CAP  MEMBERS\n"
			"batch      50    -  web, debian-12\n"
			"new       100    -  -\n");
}

static void test_group_defaults(void **state)
{
	(void)state;
	expect("group new", "NAME  WEIGHT  CAP  MEMBERS\n"
			    "new      100    -  -\n");
	assert_non_null(group_find("new"));
}

static void test_group_mistakes(void **state)
{
	static const struct {
		const char *line, *part;
	} wrong[] = {
		{"group Batch", "\"Batch\" is not a name: 1 to 31 of"},
		{"group batch weight", "weight: a value is missing; allowed: "},
		{"group batch weight 0", "weight = 0: "},
		{"group batch weight 10001", "weight = 10001: "},
		{"group batch weight x", "weight = x: "},
		{"group batch cap 0%", "cap = 0%: "},
		{"group batch cap 1000001%", "cap = 1000001%: "},
		{"group batch height 3", "no word \"height\"; there are: weight, cap\n"},
		{"group batch weight 3 cap", "cap: a value is missing; allowed: "},
		{"group batch weight 3 3 weight", "no word \"3\"; there are: weight, cap\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		expect_part(wrong[i].line, wrong[i].part);
		assert_int_equal(command_run(wrong[i].line), -EINVAL);
		assert_null(first_group);
	}
	refusal = "no memory for it";
	expect_error("group batch", "cannot create batch: no memory for it\n");
	fake_group(0, "batch", 100, 0);
	expect_error("group batch weight 5", "cannot change batch: no memory for it\n");
	assert_int_equal(groups[0].config.weight, 100);
}

/* --- config --- */

static void test_config(void **state)
{
	(void)state;
	fake_group(0, "batch", 50, 100);
	fake_host.log_level = LOG_DEBUG;
	configs[0].claim.cap = 70;
	expect("config", "[host]\n"
			 "loglevel    = debug\n"
			 "\n"
			 "[group batch]\n"
			 "weight      = 50\n"
			 "cap         = 100%\n"
			 "\n"
			 "[partition web]\n"
			 "memory      = 512M\n"
			 "boot        = linux\n"
			 "kernel      = \\bulkhead\\web\\vmlinuz\n"
			 "cmdline     = console=ttyS0 quiet\n"
			 "cap         = 70%\n"
			 "\n"
			 "[partition debian-12]\n"
			 "memory      = 2G\n"
			 "boot        = linux\n"
			 "kernel      = \\bulkhead\\web\\vmlinuz\n"
			 "cmdline     = console=ttyS0 quiet\n");
	expect("config debian-12", "[partition debian-12]\n"
				   "memory      = 2G\n"
				   "boot        = linux\n"
				   "kernel      = \\bulkhead\\web\\vmlinuz\n"
				   "cmdline     = console=ttyS0 quiet\n");
	expect("config debian-12 --json",
	       "{\"config\": \"[partition debian-12]\\nmemory      = 2G\\nboot        = linux\\n"
	       "kernel      = \\\\bulkhead\\\\web\\\\vmlinuz\\ncmdline     = console=ttyS0 "
	       "quiet\\n\"}\n");
	expect_error("config db", "no partition \"db\"; there are: web, debian-12\n");
}

/* What config prints is a file that says the same. */
static void test_config_can_be_read_back(void **state)
{
	static struct config_partition read[4];
	static struct config_group read_groups[4];
	static struct config_error errors[4];
	struct config config = {
		.partitions = read,
		.partition_room = 4,
		.groups = read_groups,
		.group_room = 4,
		.errors = errors,
		.error_room = 4,
	};

	(void)state;
	fake_group(0, "batch", 50, 100);
	assert_int_equal(command_run("set web group batch"), 0);
	assert_int_equal(command_run("set web reservation 2ms/10ms"), 0);
	assert_int_equal(command_run("set debian-12 after web"), 0);
	output_clear();
	assert_int_equal(command_run("config"), 0);
	assert_int_equal(config_parse(&config, output, output_bytes), 0);
	assert_int_equal(config.partition_count, 2);
	assert_int_equal(config.group_count, 1);
	assert_string_equal(read[0].group, "batch");
	assert_int_equal(read[0].claim.budget_us, 2000);
	assert_string_equal(read[1].after[0], "web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_create),
		FAKE_TEST(test_create_like),
		FAKE_TEST(test_create_like_a_long_one),
		FAKE_TEST(test_create_mistakes),
		FAKE_TEST(test_create_with_many_mistakes),
		FAKE_TEST(test_set),
		FAKE_TEST(test_set_mistakes),
		FAKE_TEST(test_set_after_in_a_circle),
		FAKE_TEST(test_group),
		FAKE_TEST(test_group_defaults),
		FAKE_TEST(test_group_mistakes),
		FAKE_TEST(test_config),
		FAKE_TEST(test_config_can_be_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
