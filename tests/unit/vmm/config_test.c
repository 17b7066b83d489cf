/* SPDX-License-Identifier: MIT */
/* links: vmm/config_check.c vmm/config_keys.c */
/* links: vmm/config_boot.c vmm/config_device.c vmm/config_machine.c vmm/config_policy.c */
/* links: vmm/config_net.c */
/* links: vmm/config_value.c vmm/format.c */
/* The configuration parser: what good files mean, and the exact words for each error. */
#include "cmocka_all.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/log.h>

#include "config_expect.h"

/* Good files. */

static void whole_file(void **state)
{
	(void)state;
	expect("# the machine\n[host]\nconsole  = com2, 9600\ncpus = 3\nloglevel = debug\n\n"
	       "[partition web]\nvcpus = 64\nmemory = 512M\nboot = linux\n"
	       "kernel = \\bulkhead\\web\\vmlinuz\ninitrd = \\bulkhead\\web\\initrd.gz\n"
	       "cmdline = console=ttyS0 a=\"b c\" # d\nautostart = no\n"
	       "[ partition\ttiny-2_x ] # comment\nmemory=16M\nboot=raw\nkernel=\\t.bin\n"
	       "entry=protected\nload=0x7C00\n",
	       "");
	assert_int_equal(config.host.console, CONFIG_CONSOLE_COM2);
	assert_int_equal(config.host.console_baud, 9600);
	assert_int_equal(config.host.cpus, 3);
	assert_int_equal(config.host.log_level, LOG_DEBUG);
	assert_int_equal(config.partition_count, 2);
	assert_string_equal(partitions[0].name, "web");
	assert_int_equal(partitions[0].line, 7);
	assert_int_equal(partitions[0].vcpus, 64);
	assert_int_equal(partitions[0].memory_bytes, 512 * MIB);
	assert_int_equal(partitions[0].boot, CONFIG_BOOT_LINUX);
	assert_string_equal(partitions[0].kernel, "\\bulkhead\\web\\vmlinuz");
	assert_string_equal(partitions[0].initrd, "\\bulkhead\\web\\initrd.gz");
	assert_string_equal(partitions[0].cmdline, "console=ttyS0 a=\"b c\" # d");
	assert_false(partitions[0].autostart);
	assert_string_equal(partitions[1].name, "tiny-2_x");
	assert_int_equal(partitions[1].line, 15);
	assert_int_equal(partitions[1].boot, CONFIG_BOOT_RAW);
	assert_int_equal(partitions[1].entry, CONFIG_ENTRY_PROTECTED);
	assert_int_equal(partitions[1].load_address, 0x7c00);
}

static void defaults(void **state)
{
	(void)state;
	expect(WEB, "");
	assert_int_equal(config.host.console, CONFIG_CONSOLE_COM1);
	assert_int_equal(config.host.console_baud, 115200);
	assert_int_equal(config.host.cpus, 0);
	assert_int_equal(config.host.log_level, LOG_INFO);
	assert_int_equal(partitions[0].vcpus, 1);
	assert_true(partitions[0].autostart);
	assert_string_equal(partitions[0].initrd, "");
	assert_string_equal(partitions[0].cmdline, "");
	assert_int_equal(partitions[0].load_address, 0);
}

static void line_ends(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf[host]\r\ncpus=2\r\n\r\n[partition a]\r\nmemory=16M\r\nboot=linux\r\n"
	       "kernel=\\k y\r\ncmdline=quiet\r",
	       "");
	assert_int_equal(config.host.cpus, 2);
	assert_string_equal(partitions[0].kernel, "\\k y");
	assert_string_equal(partitions[0].cmdline, "quiet");
	assert_int_equal(partitions[0].line, 4);
	expect("[partition a]\nmemory=16M\nboot=linux\nkernel=\\k", "");
	assert_string_equal(partitions[0].kernel, "\\k");
}

static void comments(void **state)
{
	(void)state;
	expect("#\n  # blank before\n\t\n[partition a]# x\nmemory = 16M\t# y = z\nboot=linux #\n"
	       "kernel=\\k#1\n#kernel=\\l\ncmdline=#a #b\n",
	       "");
	assert_string_equal(partitions[0].kernel, "\\k#1");
	assert_string_equal(partitions[0].cmdline, "#a #b");
	/* Comments may be in any language. */
	expect("# \xc3\xa9t\xc3\xa9\n" WEB, "");
}

/* Errors: lines and sections. */

static void no_partition(void **state)
{
	static const char none[] = "the file has no partition; allowed: at least one section "
				   "[partition NAME]\n";
	char expected[120];

	(void)state;
	snprintf(expected, sizeof(expected), "f:1: %s", none);
	expect("", expected);
	expect("\n", expected);
	assert_int_equal(config_parse(&config, NULL, 0), -EINVAL);
	errors_expect(expected);
	snprintf(expected, sizeof(expected), "f:3: %s", none);
	expect("[host]\n\n# end", expected);
}

static void text_before_section(void **state)
{
	(void)state;
	expect("memory = 1G\nhello\n" WEB,
	       "f:1: \"memory = 1G\": text before the first section; allowed: a section first: "
	       "[host], [partition NAME] or [group NAME]\n"
	       "f:2: \"hello\": text before the first section; allowed: a section first: [host], "
	       "[partition NAME] or [group NAME]\n");
}

static void broken_lines(void **state)
{
	(void)state;
	expect(WEB "\tmemory 1G\n = 5\n",
	       "f:5: [partition web] \"memory 1G\": '=' is missing; allowed: key = value, "
	       "[section] or # comment\n"
	       "f:6: [partition web] \"= 5\": no key before '='; allowed: key = value\n");
	expect("[partition web # x\n" GOOD "[host] x\n",
	       "f:1: \"[partition web # x\": ']' is missing" SECTIONS
	       "f:5: \"[host] x\": text after ']'; allowed: nothing, or # comment\n");
	assert_string_equal(partitions[0].name, "web");
}

static void control_characters(void **state)
{
	static const char text[] =
		"[host]\ncpus = 2\0\n# \x7f\n" WEB "initrd\r=\\x\n[partition\x1b]\n"
		"anything\n";

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1), -EINVAL);
	errors_expect(
		"f:2: [host]: control character 0x00 in column 9; allowed: printable text and "
		"tabs, saved as UTF-8\n"
		"f:3: [host]: control character 0x7f in column 3; allowed: printable text and "
		"tabs, saved as UTF-8\n"
		"f:8: [partition web]: control character 0x0d in column 7; allowed: printable "
		"text and tabs, saved as UTF-8\n"
		"f:9: [partition web]: control character 0x1b in column 11; allowed: printable "
		"text and tabs, saved as UTF-8\n");
	/* A required key in an unreadable line is not said to be missing as well. */
	expect("[partition web]\nmemory=512M\nboot=linux\nkernel=\\k\x01\n",
	       "f:4: [partition web]: control character 0x01 in column 10; allowed: printable text "
	       "and tabs, saved as UTF-8\n");
	expect("\xff\xfe[x", "f:1: the file is UTF-16 text; allowed: plain text, saved as UTF-8\n");
	expect("\xfe\xff", "f:1: the file is UTF-16 text; allowed: plain text, saved as UTF-8\n");
}

static void sections(void **state)
{
	(void)state;
	expect("[hots]\ncpus=2\n[partion web]\nmemory=3\n[x]\n[]\n",
	       "f:1: [hots]: unknown section (did you mean [host]?)" SECTIONS
	       "f:3: [partion web]: unknown section (did you mean [partition NAME]?)" SECTIONS
	       "f:5: [x]: unknown section" SECTIONS "f:6: unknown section" SECTIONS);
	expect("[Host]\n" WEB, "f:1: [Host]: unknown section (did you mean [host]?)" SECTIONS);
	expect("[host a]\ncpus=2\n" WEB "[host]\ncpus=3\n",
	       "f:1: [host a]: the host has no name; allowed: [host]\n"
	       "f:7: [host]: already begun in line 1; allowed: [host] once\n"
	       "f:8: [host] cpus = 3: already set in line 2; allowed: each key once in a "
	       "section\n");
	assert_int_equal(config.host.cpus, 2);
}

static void partition_names(void **state)
{
	(void)state;
	expect("[partition]\n" GOOD "[partition Web]\n" GOOD "[partition -a]\n" GOOD
	       "[partition a b]\n" GOOD,
	       "f:1: [partition]: a partition needs a name; allowed: [partition NAME]\n"
	       "f:5: [partition Web]: not a name" NAMES "f:9: [partition -a]: not a name" NAMES
	       "f:13: [partition a b]: not a name" NAMES);
	assert_int_equal(config.partition_count, 0);
	/* 31 characters are a name, 32 are not. */
	expect("[partition 0123456789012345678901234567890]\n" GOOD, "");
	assert_string_equal(partitions[0].name, "0123456789012345678901234567890");
	expect("[partition 01234567890123456789012345678901]\n" GOOD,
	       "f:1: [partition 01234567890123456789012345678901]: not a name" NAMES);
	expect(WEB "[partition db]\n" GOOD "[partition web]\nmemory=3\nboot=linux\nkernel=\\k\n",
	       "f:9: [partition web]: name already taken in line 1; allowed: each name once\n"
	       "f:10: [partition web] memory = 3: too small" SIZES);
	assert_int_equal(config.partition_count, 2);
}

static void partition_room(void **state)
{
	static const char text[] = WEB "[partition b]\n" GOOD "[partition c]\n" GOOD;

	(void)state;
	assert_int_equal(parse(""), -EINVAL);
	config.partition_room = 2;
	assert_int_equal(config_parse(&config, text, sizeof(text) - 1), -EINVAL);
	errors_expect("f:9: [partition c]: too many partitions; allowed: at most 2\n");
	assert_int_equal(config.partition_count, 2);
}

/* Errors: keys. */

static void missing_keys(void **state)
{
	(void)state;
	expect("[host]\n[partition web]\n[partition raw]\nboot=raw\n",
	       "f:2: [partition web] memory: required key is missing" SIZES
	       "f:2: [partition web] boot: required key is missing; allowed: linux, multiboot, "
	       "pvh, raw, bios or uefi\n"
	       "f:2: [partition web] kernel: required key is missing" KERNEL
	       "f:3: [partition raw] memory: required key is missing" SIZES
	       "f:3: [partition raw] kernel: required key is missing" KERNEL
	       "f:3: [partition raw] entry: required key is missing; allowed: long, protected or "
	       "real\n"
	       "f:3: [partition raw] load: required key is missing" LOADS);
}

static void unknown_keys(void **state)
{
	(void)state;
	expect("[host]\nlog=info\nzzz=1\ncups=1\n" WEB "Memory=1G\nvcpu=1\ncpus=1\nauto=yes\nx=y\n"
	       "a-key-of-a-length-that-is-not-reasonable-at-all = 1\n",
	       "f:2: [host] log = info: unknown key (did you mean \"loglevel\"?)" HOST_KEYS
	       "f:3: [host] zzz = 1: unknown key" HOST_KEYS
	       "f:4: [host] cups = 1: unknown key (did you mean \"cpus\"?)" HOST_KEYS
	       "f:9: [partition web] Memory = 1G: unknown key (did you mean \"memory\"?)" KEYS
	       "f:10: [partition web] vcpu = 1: unknown key (did you mean \"vcpus\"?)" KEYS
	       "f:11: [partition web] cpus = 1: unknown key (did you mean \"vcpus\"?)" KEYS
	       "f:12: [partition web] auto = yes: unknown key (did you mean \"autostart\"?)" KEYS
	       "f:13: [partition web] x = y: unknown key" KEYS
	       "f:14: [partition web] a-key-of-a-length-that-is-not-reason... = 1: unknown "
	       "key" KEYS);
}

static void duplicate_keys(void **state)
{
	(void)state;
	expect(WEB "memory = 1G # more\nmemory=2G\n",
	       "f:5: [partition web] memory = 1G # more: already set in line 2; allowed: each key "
	       "once in a section\n"
	       "f:6: [partition web] memory = 2G: already set in line 2; allowed: each key once in "
	       "a section\n");
	assert_int_equal(partitions[0].memory_bytes, 512 * MIB);
}

static void wrong_protocol(void **state)
{
	(void)state;
	expect(WEB "entry=long\nload=1M\n",
	       "f:5: [partition web] entry = long: does not go with boot = linux; allowed: only "
	       "with boot = raw\n"
	       "f:6: [partition web] load = 1M: does not go with boot = linux; allowed: only with "
	       "boot = raw\n");
	expect(RAW "initrd=\\i # x\ncmdline=a\nentry=long\nload=1M\n",
	       "f:5: [partition web] initrd = \\i: does not go with boot = raw; allowed: only with "
	       "boot = linux, pvh\n"
	       "f:6: [partition web] cmdline = a: does not go with boot = raw; allowed: only with "
	       "boot = linux, multiboot, pvh\n");
	/* With the protocol unknown nothing is said about the keys that would go with one. */
	expect("[partition web]\nmemory=16M\nboot=grub\nkernel=\\k\ninitrd=\\i\nentry=long\n",
	       "f:3: [partition web] boot = grub: not one of the allowed words; allowed: linux, "
	       "multiboot, pvh, raw, bios or uefi\n");
}

/* All of them. */

static void errors_by_line(void **state)
{
	(void)state;
	expect("[partition web]\nmemory=x\nload=y\nboot=linux\n",
	       "f:1: [partition web] kernel: required key is missing" KERNEL
	       "f:2: [partition web] memory = x: not a size" SIZES
	       "f:3: [partition web] load = y: not an address" LOADS
	       "f:3: [partition web] load = y: does not go with boot = linux; allowed: only with "
	       "boot = raw\n");
}

static void error_room(void **state)
{
	(void)state;
	assert_int_equal(parse(""), -EINVAL);
	config.error_room = 2;
	assert_int_equal(config_parse(&config, "a\nb\nc\n" WEB "x=1\n", 6 + strlen(WEB) + 4),
			 -EINVAL);
	assert_int_equal(config.error_count, 4);
	assert_int_equal(errors[1].line, 2);
	config.error_room = 0;
	config.errors = NULL;
	assert_int_equal(config_parse(&config, "a\nb\nc\n", 6), -EINVAL);
	assert_int_equal(config.error_count, 4);
	config.partition_room = 0;
	config.partitions = NULL;
	assert_int_equal(config_parse(&config, WEB, strlen(WEB)), -EINVAL);
	assert_int_equal(config.error_count, 1);
}

static void huge_file(void **state)
{
	static const char tail[] = "\n" WEB "memory=1G";
	size_t line = 4 * MIB, bytes = 2 * line + sizeof(tail) - 1;
	char *text = malloc(bytes);

	(void)state;
	memset(text, '\n', line);
	memset(text + line, '#', line);
	memcpy(text + 2 * line, tail, sizeof(tail) - 1);
	assert_int_equal(parse_bytes(text, bytes), -EINVAL);
	errors_expect(
		"f:4194310: [partition web] memory = 1G: already set in line 4194307; allowed: "
		"each key once in a section\n");
	assert_int_equal(partitions[0].line, 4194306);
	memset(text, 'x', bytes);
	assert_int_equal(parse_bytes(text, bytes), -EINVAL);
	assert_int_equal(config.error_count, 2);
	assert_int_equal(strlen(errors[0].value), 63);
	free(text);
}

static void error_text_cut(void **state)
{
	char small[12];

	(void)state;
	assert_int_equal(parse("x"), -EINVAL);
	memset(small, 'z', sizeof(small));
	assert_int_equal(config_error_text(&errors[0], "f", small, 10), 9);
	assert_string_equal(small, "f:1: \"x\"\n");
	assert_int_equal(small[10], 'z');
	assert_int_equal(config_error_text(&errors[0], "f", small, 1), 0);
	assert_string_equal(small, "");
	assert_int_equal(config_error_text(&errors[0], "f", NULL, 0), 0);
}

static void memory_fit(void **state)
{
	static const char text[] =
		"[partition a]\n" GOOD "[partition b]\n" GOOD "[partition c]\n" GOOD
		"[partition d]\nmemory=16M\nboot=linux\nkernel=\\k\n";

	(void)state;
	expect(text, "");
	assert_int_equal(config_check_memory(&config, 1552 * MIB), 0);
	assert_int_equal(config_check_memory(&config, 1552 * MIB - 1), -EINVAL);
	errors_expect(
		"f:13: [partition d] memory = 16M: does not fit: 14M of the machine's 1550M are "
		"left; allowed: less memory for the partitions before it\n");
	expect(text, "");
	assert_int_equal(config_check_memory(&config, 600 * MIB), -EINVAL);
	errors_expect(
		"f:5: [partition b] memory = 512M: does not fit: 88M of the machine's 600M are "
		"left; allowed: at most 88M here\n"
		"f:9: [partition c] memory = 512M: does not fit: 88M of the machine's 600M are "
		"left; allowed: at most 88M here\n");
	/* A channel counts once, where it is named first, in whole steps. */
	expect("[partition a]\n" GOOD "[partition b]\n" GOOD "channel=ring,4M\n[partition c]\n" GOOD
	       "channel=ring,4M\n[partition d]\n" GOOD "channel=small,4K\n",
	       "");
	assert_int_equal(config_check_memory(&config, 4 * 512 * MIB + 6 * MIB), 0);
	assert_int_equal(config_check_memory(&config, 4 * 512 * MIB + 4 * MIB), -EINVAL);
	errors_expect(
		"f:15: [partition d] memory = 512M: does not fit: 510M of the machine's 2052M "
		"are left; allowed: at most 510M here\n");
	expect(text, "");
	assert_int_equal(config_check_memory(&config, 0), -EINVAL);
	assert_int_equal(config.error_count, 4);
	assert_string_equal(errors[0].reason, "does not fit: 0 of the machine's 0 are left");
}

/* A machine that has all of level 2. */
static bool lacks_v3(void *context, enum config_cpu cpu, char *what, size_t bytes)
{
	assert_ptr_equal(context, &config);
	if (cpu <= CONFIG_CPU_V2)
		return false;
	assert_true(bytes > 10);
	strcpy(what, "AVX2, BMI1");
	return true;
}

static void cpus_fit(void **state)
{
	(void)state;
	expect("[partition a]\n" GOOD "cpu=x86-64-v2\n[partition b]\n" GOOD, "");
	assert_int_equal(config_check_cpus(&config, lacks_v3, &config), 0);
	expect("[partition a]\n" GOOD "cpu=x86-64-v3\n[partition b]\n" GOOD, "");
	assert_int_equal(config_check_cpus(&config, lacks_v3, &config), -EINVAL);
	errors_expect("f:1: [partition a] cpu = x86-64-v3: the machine lacks AVX2, BMI1; allowed: "
		      "host, or a level all of which each of this machine's CPUs has\n");
}

/* Each broken file of the system tests says in comments which errors it has. */

static char *file_text(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, 65536);

	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void broken_files(void **state)
{
	static const char mark[] = "# error: ";
	static char expected[ROOM * 600];
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/system/configs/*.conf", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= 19);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = file_text(files.gl_pathv[i]), *line = text;
		size_t length = 0;

		while ((line = strstr(line, mark))) {
			line += strlen(mark);
			length += (size_t)snprintf(expected + length, sizeof(expected) - length,
						   "f:%.*s\n", (int)strcspn(line, "\n"), line);
		}
		assert_true(length > 0);
		expect(text, expected);
		free(text);
	}
	globfree(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file),	  cmocka_unit_test(defaults),
		cmocka_unit_test(line_ends),	  cmocka_unit_test(comments),
		cmocka_unit_test(no_partition),	  cmocka_unit_test(text_before_section),
		cmocka_unit_test(broken_lines),	  cmocka_unit_test(control_characters),
		cmocka_unit_test(sections),	  cmocka_unit_test(partition_names),
		cmocka_unit_test(partition_room), cmocka_unit_test(missing_keys),
		cmocka_unit_test(unknown_keys),	  cmocka_unit_test(duplicate_keys),
		cmocka_unit_test(wrong_protocol), cmocka_unit_test(errors_by_line),
		cmocka_unit_test(error_room),	  cmocka_unit_test(huge_file),
		cmocka_unit_test(error_text_cut), cmocka_unit_test(memory_fit),
		cmocka_unit_test(cpus_fit),	  cmocka_unit_test(broken_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
