/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_value.c vmm/format.c vmm/scheduler_claim.c */
/* The configuration written in its own syntax, read again, and changed key by key. */
#include <bulkhead/log.h>

#include "vmm/config_value.h"

#include "config_expect.h"

static char text[8192];

static void same_host(const struct config_host *a, const struct config_host *b)
{
	assert_int_equal(a->console, b->console);
	assert_int_equal(a->console_baud, b->console_baud);
	assert_int_equal(a->cpus, b->cpus);
	assert_int_equal(a->log_level, b->log_level);
}

static void same_partition(const struct config_partition *a, const struct config_partition *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->vcpus, b->vcpus);
	assert_int_equal(a->cpu, b->cpu);
	assert_int_equal(a->hypervisor_leaves, b->hypervisor_leaves);
	assert_int_equal(a->memory_bytes, b->memory_bytes);
	assert_int_equal(a->clear_memory, b->clear_memory);
	assert_int_equal(a->boot, b->boot);
	assert_string_equal(a->kernel, b->kernel);
	assert_string_equal(a->firmware, b->firmware);
	assert_string_equal(a->variables, b->variables);
	assert_int_equal(a->boot_menu_ms, b->boot_menu_ms);
	assert_string_equal(a->initrd, b->initrd);
	assert_memory_equal(&a->modules, &b->modules, sizeof(a->modules));
	assert_string_equal(a->cmdline, b->cmdline);
	assert_int_equal(a->autostart, b->autostart);
	assert_int_equal(a->entry, b->entry);
	assert_int_equal(a->load_address, b->load_address);
	assert_int_equal(a->rng, b->rng);
	for (u32 i = 0; i < CONFIG_DISKS_MAX; i++) {
		assert_string_equal(a->disks[i].path, b->disks[i].path);
		assert_int_equal(a->disks[i].readonly, b->disks[i].readonly);
	}
	assert_int_equal(a->virtio_console, b->virtio_console);
	assert_memory_equal(a->nets, b->nets, sizeof(a->nets));
	assert_int_equal(a->balloon, b->balloon);
	assert_string_equal(a->channel.name, b->channel.name);
	assert_int_equal(a->channel.bytes, b->channel.bytes);
	assert_int_equal(a->claim.kind, b->claim.kind);
	assert_int_equal(a->claim.weight, b->claim.weight);
	assert_int_equal(a->claim.cap, b->claim.cap);
	assert_int_equal(a->claim.budget_us, b->claim.budget_us);
	assert_int_equal(a->claim.period_us, b->claim.period_us);
	assert_memory_equal(&a->affinity, &b->affinity, sizeof(a->affinity));
	assert_string_equal(a->group, b->group);
	assert_int_equal(a->after_count, b->after_count);
	for (u32 i = 0; i < a->after_count; i++)
		assert_string_equal(a->after[i], b->after[i]);
	assert_int_equal(a->on_poweroff, b->on_poweroff);
	assert_int_equal(a->on_reset, b->on_reset);
	assert_int_equal(a->on_crash, b->on_crash);
}

/* What was parsed last: written, read again, and the same. */
static void read_again(void)
{
	static struct config_partition before[ROOM];
	static struct config_group groups_before[ROOM];
	const struct config old = config;
	size_t length;

	memcpy(before, partitions, sizeof(before));
	memcpy(groups_before, groups, sizeof(groups));
	length = config_host_text(&old.host, text, sizeof(text));
	for (u32 i = 0; i < old.group_count; i++)
		length += config_group_text(&groups[i], text + length, sizeof(text) - length);
	for (u32 i = 0; i < old.partition_count; i++)
		length +=
			config_partition_text(&partitions[i], text + length, sizeof(text) - length);
	assert_int_equal(length, strlen(text));
	expect(text, "");
	same_host(&config.host, &old.host);
	assert_int_equal(config.partition_count, old.partition_count);
	for (u32 i = 0; i < config.partition_count; i++)
		same_partition(&partitions[i], &before[i]);
	assert_int_equal(config.group_count, old.group_count);
	for (u32 i = 0; i < config.group_count; i++) {
		assert_string_equal(groups[i].name, groups_before[i].name);
		assert_int_equal(groups[i].weight, groups_before[i].weight);
		assert_int_equal(groups[i].cap, groups_before[i].cap);
	}
}

/* Writing. */

static void defaults_left_out(void **state)
{
	(void)state;
	expect("[host]\nconsole=com1,115200\ncpus=all\nloglevel=info\n" WEB
	       "vcpus=1\ncpu=host\nhypervisor_leaves=kvm\nclear_memory=before-start\nautostart="
	       "yes\nrng=no\nvirtio_console="
	       "no\nnet=none\nballoon=no\nchannel=none\n"
	       "cmdline=\nweight=100\ncap=none\nreservation=none\n"
	       "dedicated=no\naffinity=0-511\ngroup=none\nafter=none\non_poweroff=stop\n"
	       "on_reset=restart\non_crash=preserve\n[group g]\nweight=100\ncap=none\n",
	       "");
	config_host_text(&config.host, text, sizeof(text));
	assert_string_equal(text, "[host]\n");
	config_group_text(&groups[0], text, sizeof(text));
	assert_string_equal(text, "[group g]\n");
	config_partition_text(&partitions[0], text, sizeof(text));
	assert_string_equal(text, "[partition web]\n"
				  "memory      = 512M\n"
				  "boot        = linux\n"
				  "kernel      = \\k\n");
	read_again();
}

static void all_written(void **state)
{
	(void)state;
	expect("[host]\nconsole=com2,9600\ncpus=3\nloglevel=debug\n"
	       "[group servers]\nweight=50\ncap=150%\n" WEB
	       "initrd=\\i\ncpu=x86-64-v2\nhypervisor_leaves=none\nclear_memory=on-touch\ncmdline="
	       "a \"b\" # "
	       "c\nautostart=no\nrng=yes\ndisk3=\\a b.img,readonly\ndisk=\\d.img\n"
	       "virtio_console=yes\nnet=lan\nnet2=dmz,rate=1Mbit\nballoon=yes\nchannel=ring,"
	       "1024K\nweight=200\ncap=80%"
	       "\n"
	       "affinity=5,0-2,511\ngroup=servers\nafter=rt\non_poweroff=restart\n"
	       "on_reset=stop\non_crash=restart\n"
	       "[partition rt]\nmemory=2048K\nboot=raw\nkernel=\\r\nentry=real\nload=31K\n"
	       "weight=1\nreservation=2000us/10ms\n"
	       "[partition multi]\nmemory=64M\nboot=multiboot\nkernel=\\k\ncmdline=c\n"
	       "modules=\\a  some \"text\" ;\\b;\\c x#y\n"
	       "[partition pvh]\nmemory=64M\nboot=pvh\nkernel=\\k\ninitrd=\\i\n"
	       "modules=\"\\a # no comment\"\n"
	       "[partition bios]\nmemory=64M\nboot=bios\nfirmware=\\f #1\nboot_menu=2500ms\n"
	       "[partition uefi]\nmemory=64M\nboot=uefi\nfirmware=\"\\f #2\"\n"
	       "variables=\\v\n",
	       "");
	config_host_text(&config.host, text, sizeof(text));
	assert_string_equal(text, "[host]\n"
				  "console     = com2, 9600\n"
				  "cpus        = 3\n"
				  "loglevel    = debug\n");
	config_group_text(&groups[0], text, sizeof(text));
	assert_string_equal(text, "[group servers]\n"
				  "weight      = 50\n"
				  "cap         = 150%\n");
	config_partition_text(&partitions[0], text, sizeof(text));
	assert_string_equal(text, "[partition web]\n"
				  "cpu         = x86-64-v2\n"
				  "hypervisor_leaves = none\n"
				  "memory      = 512M\n"
				  "clear_memory = on-touch\n"
				  "boot        = linux\n"
				  "kernel      = \\k\n"
				  "initrd      = \\i\n"
				  "cmdline     = a \"b\" # c\n"
				  "autostart   = no\n"
				  "rng         = yes\n"
				  "disk        = \\d.img\n"
				  "disk3       = \\a b.img, readonly\n"
				  "virtio_console = yes\n"
				  "net         = lan\n"
				  "net2        = dmz, rate=1Mbit\n"
				  "balloon     = yes\n"
				  "channel     = ring, 1M\n"
				  "weight      = 200\n"
				  "cap         = 80%\n"
				  "affinity    = 0-2, 5, 511\n"
				  "group       = servers\n"
				  "after       = rt\n"
				  "on_poweroff = restart\n"
				  "on_reset    = stop\n"
				  "on_crash    = restart\n");
	config_partition_text(&partitions[1], text, sizeof(text));
	assert_string_equal(text, "[partition rt]\n"
				  "memory      = 2M\n"
				  "boot        = raw\n"
				  "kernel      = \\r\n"
				  "entry       = real\n"
				  "load        = 0x7c00\n"
				  "weight      = 1\n"
				  "reservation = 2ms / 10ms\n");
	read_again();
	expect("[host]\nconsole=none\n" WEB, "");
	config_host_text(&config.host, text, sizeof(text));
	assert_string_equal(text, "[host]\nconsole     = none\n");
	expect("[host]\nconsole=com1,9600\n" WEB, "");
	config_host_text(&config.host, text, sizeof(text));
	assert_string_equal(text, "[host]\nconsole     = com1, 9600\n");
}

/* Values that would be read otherwise without quotes, and such that have their own. */
static void quotes_written(void **state)
{
	static const char *const cmdlines[] = {
		"cmdline=\" a\"",	   "cmdline=\"a \"",
		"cmdline=\"\ta#\t\"",	   "cmdline=\" \"",
		"cmdline=\"a b\" c=\"d\"", "cmdline=\"a b\"\"",
		"cmdline=\"\"\"\"",	   "cmdline=#a #b",
		"cmdline=\"#a\" #b",	   "cmdline=a\\b\xc3\xa9\" \"",
		"initrd=\"\\i \"",	   "initrd=\"\\i #1\"",
		"initrd=\\i#1 \\x",
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cmdlines); i++) {
		char file[200];

		snprintf(file, sizeof(file), WEB "%s\n", cmdlines[i]);
		expect(file, "");
		read_again();
	}
	expect(WEB "initrd=\"\\i #1\"\ncmdline=\" a\"\n", "");
	config_partition_text(&partitions[0], text, sizeof(text));
	assert_non_null(strstr(text, "\ninitrd      = \"\\i #1\"\ncmdline     = \" a\"\n"));
}

static void cut_short(void **state)
{
	char whole[400];
	size_t length;

	(void)state;
	expect(WEB "autostart=no\nweight=3\ncap=9%\naffinity=1,3,5\non_crash=stop\n", "");
	length = config_partition_text(&partitions[0], whole, sizeof(whole));
	assert_int_equal(length, strlen(whole));
	for (size_t bytes = 1; bytes < sizeof(whole); bytes++) {
		char *buffer = malloc(bytes);
		size_t kept = MIN(bytes - 1, length);

		assert_int_equal(config_partition_text(&partitions[0], buffer, bytes), length);
		assert_int_equal(strlen(buffer), kept);
		assert_memory_equal(buffer, whole, kept);
		free(buffer);
	}
	assert_int_equal(config_partition_text(&partitions[0], whole, 0), length);
}

static void times(void **state)
{
	static const u64 values[] = {1, 100, 999, 1000, 1500, 999999, 1000000, 1000001, 60000000};
	char buffer[CONFIG_SIZE_BYTES];
	u64 us;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		config_time_text(values[i], buffer);
		assert_null(config_time_read(slice_of(buffer), &us));
		assert_int_equal(us, values[i]);
	}
	config_time_text(0, buffer);
	assert_string_equal(buffer, "0s");
	config_time_text(1500, buffer);
	assert_string_equal(buffer, "1500us");
	config_time_text(2000000, buffer);
	assert_string_equal(buffer, "2s");
}

/* Whatever is allowed reads as it was written. */

static u32 seed = 7;

static u32 random_below(u32 limit)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % limit;
}

static void add(const char *format, ...) printf_like(1, 2);
static void add(const char *format, ...)
{
	va_list arguments;
	size_t length = strlen(text);

	va_start(arguments, format);
	vsnprintf(text + length, sizeof(text) - length, format, arguments);
	va_end(arguments);
}

static void add_text(const char *key, const char *start, const char *from)
{
	add("%s=%s", key, start);
	for (u32 i = random_below(12); i > 0; i--)
		add("%c", from[random_below((u32)strlen(from))]);
	add("%s\n", start[0] == '"' ? "x\"" : "x");
}

static void add_partition(u32 number)
{
	static const char *const actions[] = {"stop", "restart", "preserve"};
	u32 way = random_below(4);

	add("[partition p%u]\nmemory=%uM\n", number, 16 + 2 * random_below(1000));
	if (random_below(3)) {
		add("boot=linux\n");
		add_text("kernel", random_below(2) ? "\"\\a" : "\\a", "ab #.-");
		add_text("cmdline", random_below(2) ? "\" " : "", "ab# =\t\\");
	} else {
		add("boot=raw\nkernel=\\k\nentry=%s\nload=%u\n", random_below(2) ? "long" : "real",
		    16 * random_below(40960));
	}
	if (random_below(2))
		add("autostart=%s\n", random_below(2) ? "yes" : "no");
	if (random_below(2))
		add("rng=%s\n", random_below(2) ? "yes" : "no");
	if (random_below(2))
		add("disk2=\\%u # it\n", random_below(9));
	if (random_below(2))
		add("disk=\"\\a #%u , readonly\"\n", random_below(9));
	if (random_below(2))
		add("virtio_console=%s\n", random_below(2) ? "yes" : "no");
	if (random_below(2))
		add("balloon=%s\n", random_below(2) ? "yes" : "no");
	if (random_below(2))
		add("channel=c%u , %uK\n", number, 4u << random_below(13));
	if (way == 0)
		add("dedicated=yes\n");
	if (way == 1)
		add("reservation=%uus/%ums\n", 100 + random_below(100), 1 + random_below(1000));
	if (way && random_below(2))
		add("weight=%u\n", 1 + random_below(10000));
	if (way && random_below(2))
		add("cap=%u%%\n", 20 + random_below(1000));
	if (way && random_below(2))
		add("group=g%u\n", random_below(2));
	if (random_below(2))
		add("affinity=%u, %u-%u\n", random_below(512), random_below(100),
		    100 + random_below(412));
	if (number && random_below(2))
		add("after=p%u\n", random_below(number));
	if (random_below(2))
		add("on_poweroff=%s\n", actions[random_below(3)]);
	if (random_below(2))
		add("on_reset=%s\n", actions[random_below(3)]);
	if (random_below(2))
		add("on_crash=%s\n", actions[random_below(3)]);
}

static void random_files(void **state)
{
	(void)state;
	for (u32 round = 0; round < 1000; round++) {
		text[0] = '\0';
		add("[host]\nconsole=com%u, 57600\n[group g0]\nweight=%u\n[group g1]\ncap=%u%%\n",
		    1 + random_below(4), 1 + random_below(10000), 1 + random_below(100000));
		for (u32 i = 0; i < 4; i++)
			add_partition(i);
		expect(text, "");
		read_again();
		for (u32 i = 0; i < config.partition_count; i++)
			assert_null(scheduler_claim_fault(&partitions[i].claim));
	}
}

/* Changing. */

static struct config_error error;

static void set(const char *key, const char *value)
{
	int result = config_partition_set(&partitions[0], key, value, &error);

	if (result)
		print_error("%s = %s: %s\n", key, value, error.reason);
	assert_int_equal(result, 0);
}

static void set_fails(const char *key, const char *value, const char *expected)
{
	struct config_partition before = partitions[0];
	char all[800];

	memset(&error, 0xa5, sizeof(error));
	assert_int_equal(config_partition_set(&partitions[0], key, value, &error), -EINVAL);
	assert_memory_equal(&before, &partitions[0], sizeof(before));
	assert_int_equal(error.line, 0);
	config_error_text(&error, "set", all, sizeof(all));
	assert_string_equal(all, expected);
}

static void written(const char *expected)
{
	config_partition_text(&partitions[0], text, sizeof(text));
	assert_string_equal(text + strlen("[partition web]\nmemory      = 512M\nboot        = "
					  "linux\nkernel      = \\k\n"),
			    expected);
}

static void changes(void **state)
{
	(void)state;
	expect(WEB, "");
	set("weight", "200");
	set("cap", "  50% # half of one ");
	set("affinity", "1-3");
	set("after", "db, files");
	set("group", "servers");
	set(" on_crash\t", "\"stop\"");
	set("cmdline", "a # b");
	written("cmdline     = a # b\nweight      = 200\ncap         = 50%\naffinity    = 1-3\n"
		"group       = servers\nafter       = db, files\non_crash    = stop\n");
	set("weight", "300");
	set("affinity", "all");
	set("after", "mail");
	set("group", "none");
	set("cap", "none");
	set("cmdline", "");
	set("on_crash", "preserve");
	written("weight      = 300\nafter       = mail\n");
	set("after", "none");
	set("weight", "100");
	written("");
}

/* A weight that is the default for its kind goes along when the kind changes. */
static void changes_of_claim(void **state)
{
	(void)state;
	expect(WEB, "");
	set("reservation", "2ms / 10ms");
	assert_int_equal(partitions[0].claim.weight, 0);
	set("weight", "100");
	set("weight", "0");
	set("reservation", "none");
	assert_int_equal(partitions[0].claim.kind, SCHEDULER_SHARED);
	assert_int_equal(partitions[0].claim.weight, 100);
	set("weight", "7");
	set("reservation", "1ms / 10ms");
	assert_int_equal(partitions[0].claim.weight, 7);
	set("reservation", "3ms / 10ms");
	written("weight      = 7\nreservation = 3ms / 10ms\n");
	set("weight", "0");
	set("reservation", "none");
	set("dedicated", "yes");
	written("dedicated   = yes\n");
	set("dedicated", "yes");
	set("dedicated", "no");
	written("");
}

static void refused_changes(void **state)
{
	(void)state;
	expect(WEB "weight=200\nafter=none\n", "");
	set_fails("wieght", "3",
		  "set: [partition web] wieght = 3: unknown key (did you mean \"weight\"?)" KEYS);
	set_fails("", "3", "set: [partition web] \"3\": unknown key" KEYS);
	set_fails("weight", "",
		  "set: [partition web] weight: no value given; allowed: 1 to 10000; with a "
		  "reservation also 0\n");
	set_fails("weight", "0",
		  "set: [partition web] weight = 0: too small; allowed: 1 to 10000; "
		  "with a reservation also 0\n");
	set_fails("weight", "7\x1b[2J",
		  "set: [partition web]: control character 0x1b in column 2; allowed: printable "
		  "text and tabs, saved as UTF-8\n");
	set_fails("dedicated", "yes",
		  "set: [partition web] weight = 200: does not go with dedicated = yes; allowed: "
		  "only with dedicated = no\n");
	set_fails("after", "web",
		  "set: [partition web] after = web: the partition itself; allowed: names of other "
		  "partitions with commas between, at most 8; or none\n");
	set("reservation", "5ms/10ms");
	set_fails("cap", "40%",
		  "set: [partition web] cap = 40%: less than the reservation, which "
		  "is 50% of a CPU; allowed: at least 50%; or none\n");
	set("cap", "60%");
	set_fails("reservation", "7ms/10ms",
		  "set: [partition web] cap = 60%: less than the reservation, which is 70% of a "
		  "CPU; allowed: at least 70%; or none\n");
	set_fails("memory", "14M", "set: [partition web] memory = 14M: too small" SIZES);
	set_fails("load", "1M",
		  "set: [partition web] load = 1M: does not go with boot = linux; allowed: only "
		  "with boot = raw\n");
	set_fails("boot", "raw",
		  "set: [partition web] entry: required key is missing; allowed: "
		  "long, protected or real\n");
}

static void raw_changes(void **state)
{
	(void)state;
	expect(RAW "entry=long\nload=14M\n", "");
	set("memory", "16M");
	set_fails("memory", "14M",
		  "set: [partition web] load = 0xe00000: not inside the partition's memory; "
		  "allowed: an address below the value of memory\n");
	set_fails("entry", "real",
		  "set: [partition web] load = 0xe00000: out of reach for real mode; allowed: with "
		  "entry = real: a multiple of 16 below 640K\n");
	set("load", "0");
	set("entry", "real");
	set("memory", "2M");
	assert_int_equal(partitions[0].load_address, 0);
	assert_int_equal(partitions[0].entry, CONFIG_ENTRY_REAL);
	read_again();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_left_out),
		cmocka_unit_test(all_written),
		cmocka_unit_test(quotes_written),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(times),
		cmocka_unit_test(random_files),
		cmocka_unit_test(changes),
		cmocka_unit_test(changes_of_claim),
		cmocka_unit_test(refused_changes),
		cmocka_unit_test(raw_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
