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
/* SPDX-License-Identifier: MIT */
/*
 * Lines that an operator or a program may send, with Tab in them: words, quotation marks,
 * completion, every command's arguments. Whatever comes, nothing but printable lines is said to
 * people, one JSON object on one line to programs, and a command that fails says why.
 */
#include "../unit/vmm/console/fake_commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- JSON, read strictly --- */

static const char *json_value(const char *at, u32 depth);

static const char *json_string(const char *at)
{
	require(*at++ == '"');
	for (; *at != '"'; at++) {
		require(*at >= ' ' && *at <= '~');
		if (*at != '\\')
			continue;
		at++;
		require(*at && strchr("\"\\nrtu", *at));
		if (*at == 'u') {
			require(strspn(at + 1, "0123456789abcdef") >= 4);
			at += 4;
		}
	}
	return at + 1;
}

/* Members or items up to `end`. */
static const char *json_list(const char *at, char end, u32 depth)
{
	require(depth < 4);
	if (*++at == end)
		return at + 1;
	for (;;) {
		if (end == '}') {
			at = json_string(at);
			require(*at++ == ':' && *at++ == ' ');
		}
		at = json_value(at, depth + 1);
		if (*at == end)
			return at + 1;
		require(*at++ == ',' && *at++ == ' ');
	}
}

static const char *json_value(const char *at, u32 depth)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t digits = strspn(at, "0123456789");

	if (*at == '{' || *at == '[')
		return json_list(at, *at == '{' ? '}' : ']', depth);
	if (*at == '"')
		return json_string(at);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(at, words[i], strlen(words[i])) == 0)
			return at + strlen(words[i]);
	}
	require(digits && (digits == 1 || *at != '0'));
	return at + digits;
}

/* --- lines --- */

/* These never come back. */
static bool goes_down(const char *line)
{
	char copy[LINE_BYTES];
	struct words words;

	strcpy(copy, line);
	if (words_split(copy, &words) || words.count < 2)
		return false;
	return strcmp(words.word[1], "now") == 0;
}

static void text_check(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		require(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
	require(!bytes || text[bytes - 1] == '\n');
}

static void line_check(const char *line)
{
	static char buffer[1 << 18];
	char json[LINE_BYTES + 16];
	u32 length;
	int result;

	if (goes_down(line))
		return;
	result = command_run_captured(line, buffer, sizeof(buffer) - 1, &length);
	require(result == 0 || result == -EINVAL);
	require(result == 0 || length);
	buffer[length] = 0;
	if (buffer[0] != '{')
		text_check(buffer, length);
	snprintf(json, sizeof(json), "--json %s", line);
	result = command_run_captured(json, buffer, sizeof(buffer) - 1, &length);
	if (strlen(json) >= LINE_BYTES)
		return;
	buffer[length] = 0;
	require(strcmp(json_value(buffer, 0), "\n") == 0);
	require(result == 0 || strstr(buffer, "\"error\": "));
}

static void editor_output(struct line_editor *editor, const char *bytes, size_t count)
{
	(void)editor;
	console_send(bytes, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_editor editor;

	fake_begin();
	fake_group(0, "batch", 100, 0);
	line_editor_init(&editor, "> ", editor_output, NULL);
	editor.complete = command_complete;
	line_editor_begin(&editor);
	for (size_t i = 0; i < size && i < 4096; i++) {
		output_clear();
		if (line_editor_input(&editor, data[i]) == LINE_MORE)
			continue;
		line_check(editor.line);
		line_editor_begin(&editor);
	}
	require(!fake_irqs_off && !capture);
	return 0;
}
