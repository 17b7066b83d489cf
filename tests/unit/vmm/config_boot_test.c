/* SPDX-License-Identifier: MIT */
/* links: vmm/config.c vmm/config_check.c vmm/config_keys.c vmm/config_policy.c */
/* links: vmm/config_device.c vmm/config_machine.c vmm/config_value.c vmm/format.c */
/* links: vmm/config_net.c */
/* The keys that say how a partition gets its first instruction: which go together, and modules. */
#include "config_expect.h"

#define MULTI "[partition web]\nmemory=16M\nboot=multiboot\nkernel=\\k\n"
#define PVH   "[partition web]\nmemory=16M\nboot=pvh\nkernel=\\k\n"
#define BIOS  "[partition web]\nmemory=16M\nboot=bios\n"
#define FIRMWARE                                                                                   \
	"; allowed: a file of the boot volume such as \\bulkhead\\bios-256k.bin, at most 127 "     \
	"characters\n"
#define MODULES                                                                                    \
	"; allowed: at most 16 files of the boot volume, each with text behind it if need be, "    \
	"such as \\a\\fs.bin --root; \\a\\init, together at most 1000 characters; or none\n"

static void each_protocol(void **state)
{
	(void)state;
	expect(MULTI "cmdline=a\nmodules=\\m\n", "");
	assert_int_equal(partitions[0].boot, CONFIG_BOOT_MULTIBOOT);
	expect(PVH "cmdline=a\ninitrd=\\i\nmodules=\\m\n", "");
	assert_int_equal(partitions[0].boot, CONFIG_BOOT_PVH);
	expect(BIOS "firmware=\\f\n", "");
	assert_int_equal(partitions[0].boot, CONFIG_BOOT_BIOS);
	assert_string_equal(partitions[0].firmware, "\\f");
	expect("[partition web]\nmemory=16M\nboot=uefi\nfirmware=\\f\n", "");
	assert_int_equal(partitions[0].boot, CONFIG_BOOT_UEFI);
	assert_string_equal(partitions[0].variables, "");
	expect("[partition web]\nmemory=16M\nboot=uefi\nfirmware=\\f\nvariables=\\v\n", "");
	assert_string_equal(partitions[0].variables, "\\v");
	expect(WEB "firmware=\\f\n", "");
	assert_int_equal(partitions[0].boot, CONFIG_BOOT_LINUX);
}

static void boot_menu(void **state)
{
	static const char allowed[] = "; allowed: a time such as 5s, in milliseconds, at most 60s; "
				      "0s is none\n";
	char words[300];

	(void)state;
	expect(BIOS "firmware=\\f\n", "");
	assert_int_equal(partitions[0].boot_menu_ms, 0);
	expect(BIOS "firmware=\\f\nboot_menu=2500ms\n", "");
	assert_int_equal(partitions[0].boot_menu_ms, 2500);
	expect(BIOS "firmware=\\f\nboot_menu=60s\n", "");
	assert_int_equal(partitions[0].boot_menu_ms, 60000);
	expect(BIOS "firmware=\\f\nboot_menu=0s\n", "");
	assert_int_equal(partitions[0].boot_menu_ms, 0);
	snprintf(words, sizeof(words), "f:5: [partition web] boot_menu = %s: %s%s", "61s",
		 "too large", allowed);
	expect(BIOS "firmware=\\f\nboot_menu=61s\n", words);
	snprintf(words, sizeof(words), "f:5: [partition web] boot_menu = %s: %s%s", "1500us",
		 "not in whole milliseconds", allowed);
	expect(BIOS "firmware=\\f\nboot_menu=1500us\n", words);
	expect(WEB "boot_menu=1s\n",
	       "f:5: [partition web] boot_menu = 1s: does not go with boot = linux; allowed: only "
	       "with boot = bios, uefi\n");
}

static void wrong_keys(void **state)
{
	(void)state;
	expect(MULTI "initrd=\\i\nfirmware=\\f\n",
	       "f:5: [partition web] initrd = \\i: does not go with boot = multiboot; allowed: "
	       "only with boot = linux, pvh\n"
	       "f:6: [partition web] firmware = \\f: does not go with boot = multiboot; allowed: "
	       "only with boot = linux, bios, uefi\n");
	expect(BIOS "kernel=\\k\nmodules=\\m\ncmdline=c\n",
	       "f:1: [partition web] firmware: required key is missing" FIRMWARE
	       "f:4: [partition web] kernel = \\k: does not go with boot = bios; allowed: only "
	       "with boot = linux, raw, multiboot, pvh\n"
	       "f:5: [partition web] modules = \\m: does not go with boot = bios; allowed: only "
	       "with boot = multiboot, pvh\n"
	       "f:6: [partition web] cmdline = c: does not go with boot = bios; allowed: only "
	       "with boot = linux, multiboot, pvh\n");
	expect(WEB "modules=\\m\n",
	       "f:5: [partition web] modules = \\m: does not go with boot = linux; allowed: only "
	       "with boot = multiboot, pvh\n");
	expect(BIOS "firmware=\\f\nvariables=\\v\n",
	       "f:5: [partition web] variables = \\v: does not go with boot = bios; allowed: "
	       "only with boot = uefi\n");
	expect(BIOS "firmware=f\n",
	       "f:4: [partition web] firmware = f: does not begin with '\\'" FIRMWARE);
}

static void expect_module(u32 index, const char *file, const char *text)
{
	assert_string_equal(config_module_file(&partitions[0].modules, index), file);
	assert_string_equal(config_module_text(&partitions[0].modules, index), text);
}

static void modules(void **state)
{
	(void)state;
	expect(MULTI "modules = \\a\\b.bin  --x  \"y z\" ;\\c; \\d\t1 # of no meaning\n", "");
	assert_int_equal(partitions[0].modules.count, 3);
	expect_module(0, "\\a\\b.bin", "--x  \"y z\"");
	expect_module(1, "\\c", "");
	expect_module(2, "\\d", "1");
	expect(MULTI "modules = \"\\a b # c\"\n", "");
	expect_module(0, "\\a", "b # c");
	expect(MULTI "modules = none\n", "");
	assert_int_equal(partitions[0].modules.count, 0);
	expect(MULTI, "");
	assert_int_equal(partitions[0].modules.count, 0);
}

static void wrong_modules(void **state)
{
	(void)state;
	expect(MULTI "modules=\n", "f:5: [partition web] modules: no value given" MODULES);
	expect(MULTI "modules=\\a;\n",
	       "f:5: [partition web] modules = \\a;: a module without a file" MODULES);
	expect(MULTI "modules=\\a; ;\\b\n",
	       "f:5: [partition web] modules = \\a; ;\\b: a module without a file" MODULES);
	expect(MULTI "modules=\\a; b\n",
	       "f:5: [partition web] modules = \\a; b: does not begin with '\\'" MODULES);
	assert_int_equal(partitions[0].modules.count, 0);
}

static void modules_at_their_limits(void **state)
{
	char text[3000], words[1100], expected[1600];

	(void)state;
	strcpy(words, "\\0");
	for (u32 i = 1; i < 16; i++)
		snprintf(words + strlen(words), 8, ";\\%u", i);
	snprintf(text, sizeof(text), MULTI "modules=%s\n", words);
	expect(text, "");
	assert_int_equal(partitions[0].modules.count, 16);
	expect_module(15, "\\15", "");
	snprintf(text, sizeof(text), MULTI "modules=%s;\\x\n", words);
	snprintf(expected, sizeof(expected),
		 "f:5: [partition web] modules = %s;\\x: too many modules" MODULES, words);
	expect(text, expected);
	memset(words + 2, 'm', 1021);
	words[0] = '\\', words[1] = 'm', words[2] = ' ', words[1023] = '\0';
	snprintf(text, sizeof(text), MULTI "modules=%s\n", words);
	expect(text, ""); /* one NUL more makes 1024 */
	assert_int_equal(strlen(config_module_text(&partitions[0].modules, 0)), 1020);
	strcpy(words + 1023, "m");
	snprintf(text, sizeof(text), MULTI "modules=%s\n", words);
	snprintf(expected, sizeof(expected),
		 "f:5: [partition web] modules = %.60s...: too long" MODULES, words);
	expect(text, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_protocol), cmocka_unit_test(boot_menu),
		cmocka_unit_test(wrong_keys),	 cmocka_unit_test(modules),
		cmocka_unit_test(wrong_modules), cmocka_unit_test(modules_at_their_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
