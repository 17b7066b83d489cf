/* SPDX-License-Identifier: MIT */
/* Tab: what words become, and what is listed. */
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

static struct line_editor editor;

static void editor_output(struct line_editor *from, const char *bytes, size_t count)
{
	(void)from, (void)bytes, (void)count;
}

/* `typed` with a Tab at its end, or where it has a '|', becomes `line`, and `printed` is said. */
static void expect_completion(const char *typed, const char *line, const char *printed)
{
	size_t behind = strchr(typed, '|') ? strlen(strchr(typed, '|')) - 1 : 0;

	output_clear();
	line_editor_init(&editor, "> ", editor_output, NULL);
	editor.complete = command_complete;
	line_editor_begin(&editor);
	for (const char *at = typed; *at; at++) {
		if (*at != '|')
			line_editor_input(&editor, (u8)*at);
	}
	while (behind--)
		line_editor_input(&editor, 'B' & 0x1f);
	assert_int_equal(line_editor_input(&editor, '\t'), LINE_MORE);
	assert_string_equal(editor.line, line);
	assert_string_equal(output, printed);
}

static void test_commands(void **state)
{
	(void)state;
	expect_completion("he", "help ", "");
	expect_completion("  po", "  poweroff ", "");
	expect_completion("sta", "sta", "start  stats\n");
	expect_completion("res", "res", "resume  reset\n");
	expect_completion("conf", "config ", "");
	expect_completion("con", "con", "console  config\n");
	expect_completion("y", "y", "\a");
	expect_completion("help ver", "help version ", "");
	expect_completion("help version v", "help version v", "\a");
	expect_completion("att| web", "attach  web", "");
	expect_completion("-", "--json ", "");
	expect_completion("list --j", "list --json ", "");
	expect_completion("--json li", "--json list ", "");
	expect_completion("--json stop w", "--json stop web ", "");
}

static void test_partitions(void **state)
{
	(void)state;
	expect_completion("attach d", "attach debian-12 ", "");
	expect_completion("stop ", "stop ", "web  debian-12\n");
	expect_completion("stop x", "stop x", "\a");
	expect_completion("start web", "start web ", "");
	expect_completion("start web d", "start web d", "\a");
	expect_completion("nothing w", "nothing w", "\a");
	expect_completion("log ", "log ", "\a");
	expect_completion("list ", "list ", "\a");
	first = NULL;
	expect_completion("stop ", "stop ", "\a");
}

static void test_words(void **state)
{
	(void)state;
	expect_completion("reboot ", "reboot now ", "");
	expect_completion("loglevel ", "loglevel ", "error  warn  info  debug\n");
	expect_completion("loglevel d", "loglevel debug ", "");
	expect_completion("trace o", "trace o", "on  off\n");
	expect_completion("inject web ", "inject web nmi ", "");
	expect_completion("inject web nmi ", "inject web nmi ", "\a");
}

static void test_group(void **state)
{
	(void)state;
	fake_group(0, "batch", 100, 0);
	expect_completion("group ", "group batch ", "");
	expect_completion("group batch ", "group batch ", "weight  cap\n");
	expect_completion("group batch weight ", "group batch weight ", "\a");
	expect_completion("group batch weight 3 c", "group batch weight 3 cap ", "");
	expect_completion("group batch weight 3 cap ", "group batch weight 3 cap ", "\a");
	expect_completion("group batch weight 3 cap 3 ", "group batch weight 3 cap 3 ", "\a");
}

static void test_set(void **state)
{
	(void)state;
	fake_group(0, "batch", 100, 0);
	expect_completion("set w", "set web ", "");
	expect_completion("set web ", "set web ",
			  "weight  cap  reservation  dedicated  affinity  group  after  "
			  "on_poweroff  on_reset  on_crash\n");
	expect_completion("set web on_", "set web on_", "on_poweroff  on_reset  on_crash\n");
	expect_completion("set web m", "set web m", "\a");
	expect_completion("set web dedicated ", "set web dedicated ", "yes  no\n");
	expect_completion("set web on_crash r", "set web on_crash restart ", "");
	expect_completion("set web group ", "set web group batch ", "");
	expect_completion("set web after d", "set web after debian-12 ", "");
	expect_completion("set web after debian-12, w", "set web after debian-12, web ", "");
	expect_completion("set web after debian-12,w", "set web after debian-12,web ", "");
	expect_completion("set web weight ", "set web weight ", "\a");
	expect_completion("set web nothing ", "set web nothing ", "\a");
}

static void test_create(void **state)
{
	(void)state;
	fake_group(0, "batch", 100, 0);
	expect_completion("create n", "create n", "\a");
	expect_completion("create new l", "create new l", "like  load=\n");
	expect_completion("create new lik", "create new like ", "");
	expect_completion("create new like w", "create new like web ", "");
	expect_completion("create new like web mem", "create new like web memory=", "");
	expect_completion(
		"create new boot=", "create new boot=", "linux  multiboot  pvh  raw  bios  uefi\n");
	expect_completion("create new boot=l", "create new boot=linux ", "");
	expect_completion("create new boot=linux k", "create new boot=linux kernel=", "");
	expect_completion("create new boot=linux lik", "create new boot=linux lik", "\a");
	expect_completion("create new group=b", "create new group=batch ", "");
	expect_completion("create new after=debian-12,w", "create new after=debian-12,web ", "");
	expect_completion("create new memory=1", "create new memory=1", "\a");
	expect_completion("create new a=1 b=2 c=3 d=4 e=5 f=6 entry=p",
			  "create new a=1 b=2 c=3 d=4 e=5 f=6 entry=protected ", "");
	expect_completion("create new nothing=", "create new nothing=", "\a");
	expect_completion("create new cmdline=\"a b\" boot=r",
			  "create new cmdline=\"a b\" boot=raw ", "");
}

/* Inside of quotation marks nobody knows what is meant. */
static void test_quotation_marks(void **state)
{
	(void)state;
	expect_completion("stop \"w", "stop \"w", "\a");
	expect_completion("create new cmdline=\"boot=", "create new cmdline=\"boot=", "\a");
	expect_completion("create new cmdline=\"a boot=", "create new cmdline=\"a boot=", "\a");
	expect_completion("\"stop\" w", "\"stop\" web ", "");
}

/* All that can be listed for create are keys that the parser knows. */
static void test_settings_are_known(void **state)
{
	struct config_partition config;
	struct config_error error;
	const char *name;

	(void)state;
	for (u32 i = 0; (name = candidate(ARGUMENT_KEY, NULL, NULL, i)); i++) {
		config = configs[0];
		memset(&error, 0, sizeof(error));
		(void)!config_partition_set(&config, name, "?", &error);
		assert_null(strstr(error.reason, "unknown key"));
	}
	for (u32 i = 0; (name = candidate(ARGUMENT_SETTING, NULL, NULL, i)); i++) {
		char key[CONFIG_NAME_BYTES];
		const char *value;

		assert_int_equal(name[strlen(name) - 1], '=');
		snprintf(key, sizeof(key), "%.*s", (int)strlen(name) - 1, name);
		for (u32 j = 0; (value = candidate(ARGUMENT_VALUE, NULL, key, j)); j++) {
			config = configs[0];
			memset(&error, 0, sizeof(error));
			if (config_partition_set(&config, key, value, &error) &&
			    !strstr(error.reason, "does not go with") &&
			    !strstr(error.reason, "the partition itself"))
				fail_msg("%s=%s: %s", key, value, error.reason);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(test_commands),
		FAKE_TEST(test_partitions),
		FAKE_TEST(test_words),
		FAKE_TEST(test_group),
		FAKE_TEST(test_set),
		FAKE_TEST(test_create),
		FAKE_TEST(test_quotation_marks),
		FAKE_TEST(test_settings_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
