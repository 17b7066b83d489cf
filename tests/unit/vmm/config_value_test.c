/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_policy.c vmm/format.c */
/* links: vmm/config_machine.c */
/* links: vmm/config_net.c */
/* The values of the configuration: each key's limits, and the exact words for each wrong value. */
#include <bulkhead/log.h>

#include "config_expect.h"

static void host_values(void **state)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	char text[200];

	(void)state;
	for (u32 i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "[host]\nloglevel=%s\nconsole=com%u\n" WEB, levels[i],
			 i + 1);
		expect(text, "");
		assert_int_equal(config.host.log_level, i);
		assert_int_equal(config.host.console, i);
		assert_int_equal(config.host.console_baud, 115200);
	}
	expect("[host]\nconsole=none\ncpus=all\n" WEB, "");
	assert_int_equal(config.host.console, CONFIG_CONSOLE_NONE);
	assert_int_equal(config.host.cpus, 0);
	expect("[host]\nconsole=com4,57600\ncpus=4096\n" WEB, "");
	assert_int_equal(config.host.console_baud, 57600);
	assert_int_equal(config.host.cpus, 4096);
}

static void memory_expect(const char *value, u64 bytes)
{
	char text[200];

	snprintf(text, sizeof(text), "[partition a]\nmemory=%s\nboot=linux\nkernel=\\k\n", value);
	expect(text, "");
	assert_int_equal(partitions[0].memory_bytes, bytes);
}

static void sizes(void **state)
{
	(void)state;
	memory_expect("16M", 16777216);
	memory_expect("16777216", 16777216);
	memory_expect("16384K", 16777216);
	memory_expect("1g", 1073741824);
	memory_expect("0018m", 18874368);
	memory_expect("1T", 1099511627776);
	memory_expect("1024G", 1099511627776);
}

static void quotes(void **state)
{
	(void)state;
	expect("[partition a]\nmemory=\"16M\"\nboot=linux\nkernel = \"\\a #1\" # c\n"
	       "cmdline = \" a b \"\n",
	       "");
	assert_string_equal(partitions[0].kernel, "\\a #1");
	assert_string_equal(partitions[0].cmdline, " a b ");
	expect(WEB "cmdline=\"a b\"=c \"d\"\n", "");
	assert_string_equal(partitions[0].cmdline, "\"a b\"=c \"d\"");
	expect(WEB "cmdline=\"\"\n", "");
	assert_string_equal(partitions[0].cmdline, "");
	expect(WEB "cmdline=\n", "");
	assert_string_equal(partitions[0].cmdline, "");
	expect(WEB "cmdline=\"a\n", "f:5: [partition web] cmdline = \"a: closing quote is missing; "
				    "allowed: any text of at "
				    "most 1023 bytes\n");
	expect("[partition web]\nmemory=\"16M\" x\nboot=linux\nkernel=\"\\k\"#\n",
	       "f:2: [partition web] memory = \"16M\" x: text after the closing quote" SIZES
	       "f:4: [partition web] kernel = \"\\k\"#: text after the closing quote" KERNEL);
}

static void host_errors(void **state)
{
	static const char *const ports[][2] = {
		{"console = com5", "unknown port"},
		{"console = COM1", "unknown port"},
		{"console = com1 115200", "unknown port"},
		{"console = com1,", "the baud rate is not a number"},
		{"console = com1, 9600x", "the baud rate is not a number"},
		{"console = com1, 9601", "unknown baud rate"},
		{"console = com1, 4294976896", "unknown baud rate"}, /* 2^32 + 9600 */
		{"console = none, 9600", "no console has no baud rate"},
	};
	static const char *const counts[][2] = {
		{"cpus = 0", "too small"},	    {"cpus = 4097", "too large"},
		{"cpus = 4294967297", "too large"}, {"cpus = 18446744073709551617", "too large"},
		{"cpus = two", "not a number"},	    {"cpus = -1", "not a number"},
		{"cpus = 2 CPUs", "not a number"},  {"cpus = 50%", "not a number"},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(ports); i++)
		value_expect(WEB "[host]\n", "host", ports[i][0], ports[i][1], PORTS);
	for (u32 i = 0; i < ARRAY_SIZE(counts); i++)
		value_expect(WEB "[host]\n", "host", counts[i][0], counts[i][1],
			     "; allowed: all, or a number from 1 to 4096\n");
	expect(WEB "[host]\nloglevel=trace\ncpus= # none\n",
	       "f:6: [host] loglevel = trace: not one of the allowed words; allowed: error, warn, "
	       "info or debug\n"
	       "f:7: [host] cpus: no value given; allowed: all, or a number from 1 to 4096\n");
}

static void memory_errors(void **state)
{
	static const char *const cases[][2] = {
		{"memory = 10Q", "not a size"},
		{"memory = M", "not a size"},
		{"memory = 512MB", "not a size"},
		{"memory = -1", "not a size"},
		{"memory = 1.5G", "not a size"},
		{"memory = 0x1000000", "not a size"},
		{"memory = 512 M", "not a size"},
		{"memory = 0", "too small"},
		{"memory = 2097151", "too small"},
		{"memory = 16777215", "not a multiple of 2M"},
		{"memory = 17M", "not a multiple of 2M"},
		{"memory = 16777217", "not a multiple of 2M"},
		{"memory = 1026G", "too large"},
		{"memory = 16777216T", "too large"}, /* 2^64 */
		{"memory = 18446744073709551616", "too large"},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		value_expect("[partition web]\nboot=linux\nkernel=\\k\n", "partition web",
			     cases[i][0], cases[i][1], SIZES);
}

static void partition_errors(void **state)
{
	(void)state;
	value_expect(WEB, "partition web", "cpu = x86-64-v4", "not one of the allowed words",
		     "; allowed: host, x86-64-v1, x86-64-v2 or x86-64-v3\n");
	value_expect(WEB, "partition web", "hypervisor_leaves = no", "not one of the allowed words",
		     "; allowed: kvm or none\n");
	value_expect(WEB, "partition web", "clear_memory = later", "not one of the allowed words",
		     "; allowed: before-start or on-touch\n");
	value_expect(WEB, "partition web", "vcpus = 65", "too large", "; allowed: 1 to 64\n");
	value_expect(WEB, "partition web", "vcpus = 0", "too small", "; allowed: 1 to 64\n");
	value_expect(WEB, "partition web", "vcpus = all", "not a number", "; allowed: 1 to 64\n");
	value_expect(WEB, "partition web", "autostart = true", "not one of the allowed words",
		     "; allowed: yes or no\n");
	value_expect(WEB, "partition web", "rng = 1", "not one of the allowed words",
		     "; allowed: yes or no\n");
	value_expect(WEB, "partition web", "balloon = 64M", "not one of the allowed words",
		     "; allowed: yes or no\n");
	expect(WEB "initrd=\n", "f:5: [partition web] initrd: no value given; allowed: a file of "
				"the boot volume such "
				"as \\bulkhead\\web\\initrd.gz, at most 127 characters\n");
}

static void path_errors(void **state)
{
	static const char *const cases[][2] = {
		{"kernel = k", "does not begin with '\\'"},
		{"kernel = /k", "'/' in a path"},
		{"kernel = \\a/k", "'/' in a path"},
		{"kernel = \\a\\..\\k", "'.' and '..' are not names"},
		{"kernel = \\..", "'.' and '..' are not names"},
		{"kernel = \\.\\k", "'.' and '..' are not names"},
		{"kernel = \\", "a name in the path is empty"},
		{"kernel = \\\\k", "a name in the path is empty"},
		{"kernel = \\a\\", "a name in the path is empty"},
		{"kernel = \\a*", "a character that paths cannot have"},
		{"kernel = \\c:k", "a character that paths cannot have"},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		value_expect("[partition web]\nmemory=16M\nboot=linux\n", "partition web",
			     cases[i][0], cases[i][1], KERNEL);
	expect("[partition web]\nmemory=16M\nboot=linux\nkernel=\\\xc3\xa9\n",
	       "f:4: [partition web] kernel = \\??: a character that paths cannot have" KERNEL);
	expect("[partition web]\nmemory=16M\nboot=linux\nkernel=\\a..b\\...\n", "");
}

#define DISKS                                                                                      \
	"; allowed: a file of the boot volume such as \\bulkhead\\web\\disk.img, at most 127 "     \
	"characters without a comma, then if need be a comma and readonly\n"

static void disks(void **state)
{
	static const char *const cases[][2] = {
		{"disk = d.img", "does not begin with '\\'"},
		{"disk4 = \\d.img, rdonly", "what follows the comma is not \"readonly\""},
		{"disk2 = \\d.img,", "what follows the comma is not \"readonly\""},
		{"disk3 = , readonly", "no file given"},
		{"disk = \\d.img, readonly, readonly",
		 "what follows the comma is not \"readonly\""},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		value_expect(WEB, "partition web", cases[i][0], cases[i][1], DISKS);
	expect(WEB "disk = \"\\a #1.img ,readonly\" # no more\ndisk3=\\b\n", "");
	assert_string_equal(partitions[0].disks[0].path, "\\a #1.img");
	assert_true(partitions[0].disks[0].readonly);
	assert_string_equal(partitions[0].disks[1].path, "");
	assert_string_equal(partitions[0].disks[2].path, "\\b");
	assert_false(partitions[0].disks[2].readonly);
	assert_false(partitions[0].virtio_console);
}

#define CHANNELS                                                                                   \
	"; allowed: a name, a comma and a size that is a power of 2 from 4K to 16M, such as "      \
	"ring, 1M; or none\n"

static void channels(void **state)
{
	static const char *const cases[][2] = {
		{"channel = ring", "not a size"},
		{"channel = ring,", "not a size"},
		{"channel = ring, 1Q", "not a size"},
		{"channel = ring, 1M, 2M", "not a size"},
		{"channel = ring, 3M", "the size is not a power of 2"},
		{"channel = ring, 2K", "too small"},
		{"channel = ring, 32M", "too large"},
		{"channel = , 1M", "not a name"},
		{"channel = Ring, 1M", "not a name"},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		value_expect(WEB, "partition web", cases[i][0], cases[i][1], CHANNELS);
	expect(WEB "channel = ring,4K\n", "");
	assert_string_equal(partitions[0].channel.name, "ring");
	assert_int_equal(partitions[0].channel.bytes, 4 * KIB);
	expect(WEB "channel = ring , 16M\n", "");
	assert_int_equal(partitions[0].channel.bytes, 16 * MIB);
	expect(WEB "channel = none\n", "");
	assert_string_equal(partitions[0].channel.name, "");
}

static void raw_errors(void **state)
{
	static const char *const cases[][2] = {
		{"load = 0x", "not an address"},
		{"load = 0x10g", "not an address"},
		{"load = 1 M", "not an address"},
		{"load = 3G", "too large"},
		{"load = 0x10000000000000000", "too large"},
		{"load = 640K", "not memory that is free for an image"},
		{"load = 0xfffff", "not memory that is free for an image"},
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		value_expect(RAW "entry=long\n", "partition web", cases[i][0], cases[i][1], LOADS);
}

static void raw_reach(void **state)
{
	(void)state;
	expect(RAW "entry=16\nload=1M\n",
	       "f:5: [partition web] entry = 16: not one of the allowed words; allowed: long, "
	       "protected or real\n");
	expect(RAW "entry=long\nload=16M\n",
	       "f:6: [partition web] load = 16M: not inside the partition's memory; allowed: an "
	       "address below the value of memory\n");
	expect(RAW "entry=long\nload=0xffffff\n", "");
	expect(RAW "entry=real\nload=1M\n",
	       "f:6: [partition web] load = 1M: out of reach for real mode; allowed: with entry = "
	       "real: a multiple of 16 below 640K\n");
	expect(RAW "load=0x7c08\nentry=real\n", "f:5: [partition web] load = 0x7c08: out of reach "
						"for real mode; allowed: with entry "
						"= real: a multiple of 16 below 640K\n");
	expect(RAW "entry=real\nload=0x9fff0\n", "");
	assert_int_equal(partitions[0].load_address, 0x9fff0);
	assert_int_equal(partitions[0].entry, CONFIG_ENTRY_REAL);
}

static void lengths(void **state)
{
	char path[CONFIG_PATH_BYTES + 1], line[CONFIG_CMDLINE_BYTES + 1], text[2000], expected[400];

	(void)state;
	memset(path, 'p', sizeof(path));
	path[0] = '\\';
	path[127] = '\0';
	snprintf(text, sizeof(text), WEB "initrd=%s\n", path);
	expect(text, "");
	assert_string_equal(partitions[0].initrd, path);
	path[127] = 'p';
	path[128] = '\0';
	snprintf(text, sizeof(text), "[partition web]\nmemory=16M\nboot=linux\nkernel=%s\n", path);
	snprintf(expected, sizeof(expected),
		 "f:4: [partition web] kernel = %.60s...: too long" KERNEL, path);
	expect(text, expected);

	memset(line, 'c', sizeof(line));
	line[1023] = '\0';
	snprintf(text, sizeof(text), WEB "cmdline=%s\n", line);
	expect(text, "");
	assert_string_equal(partitions[0].cmdline, line);
	line[1023] = 'c';
	line[1024] = '\0';
	snprintf(text, sizeof(text), WEB "cmdline=%s\n", line);
	snprintf(expected, sizeof(expected),
		 "f:5: [partition web] cmdline = %.60s...: too long; allowed: any text of at most "
		 "1023 bytes\n",
		 line);
	expect(text, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_values),	 cmocka_unit_test(sizes),
		cmocka_unit_test(quotes),	 cmocka_unit_test(host_errors),
		cmocka_unit_test(memory_errors), cmocka_unit_test(partition_errors),
		cmocka_unit_test(path_errors),	 cmocka_unit_test(disks),
		cmocka_unit_test(channels),	 cmocka_unit_test(raw_errors),
		cmocka_unit_test(raw_reach),	 cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
