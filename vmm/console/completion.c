/* SPDX-License-Identifier: MIT */
/* What a word may be, and Tab, which completes it. */
#include "../config_value.h"
#include "command.h"
#include "internal.h"

#include <bulkhead/format.h>
#include <bulkhead/net_switch.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

/* Keys whose values are words. Those that a partition may have changed while it exists are marked:
 * partition_change takes them and no others. */
static const struct {
	enum config_key_id id;
	bool changeable;
	enum argument_kind kind;
	const char *words;
} settings[] = {
	{CONFIG_KEY_VCPUS, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_MEMORY, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_CLEAR_MEMORY, false, ARGUMENT_WORD, "before-start on-touch"},
	{CONFIG_KEY_BOOT, false, ARGUMENT_WORD, "linux multiboot pvh raw bios uefi"},
	{CONFIG_KEY_KERNEL, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_FIRMWARE, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_VARIABLES, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_BOOT_MENU, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_INITRD, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_MODULES, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_CMDLINE, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_AUTOSTART, false, ARGUMENT_WORD, "yes no"},
	{CONFIG_KEY_ENTRY, false, ARGUMENT_WORD, "long protected real"},
	{CONFIG_KEY_LOAD, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_RNG, false, ARGUMENT_WORD, "yes no"},
	{CONFIG_KEY_DISK, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_DISK2, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_DISK3, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_DISK4, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_VIRTIO_CONSOLE, false, ARGUMENT_WORD, "yes no"},
	{CONFIG_KEY_NET, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_NET2, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_NET3, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_NET4, false, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_WEIGHT, true, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_CAP, true, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_RESERVATION, true, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_DEDICATED, true, ARGUMENT_WORD, "yes no"},
	{CONFIG_KEY_AFFINITY, true, ARGUMENT_NONE, NULL},
	{CONFIG_KEY_GROUP, true, ARGUMENT_GROUP, NULL},
	{CONFIG_KEY_AFTER, true, ARGUMENT_PARTITION, NULL},
	{CONFIG_KEY_ON_POWEROFF, true, ARGUMENT_WORD, "stop restart preserve"},
	{CONFIG_KEY_ON_RESET, true, ARGUMENT_WORD, "stop restart preserve"},
	{CONFIG_KEY_ON_CRASH, true, ARGUMENT_WORD, "stop restart preserve"},
};

/* Word `index` of `words`; good until the next call. */
static const char *word_at(const char *words, u32 index)
{
	static char word[CONFIG_NAME_BYTES];
	u32 length = 0;

	if (!words)
		return NULL;
	while (*words && index) {
		if (*words++ == ' ')
			index--;
	}
	while (words[length] && words[length] != ' ')
		length++;
	format_text(word, sizeof(word), "%.*s", (int)length, words);
	return length ? word : NULL;
}

static const char *partition_at(u32 index)
{
	const struct partition *partition = partition_first();

	while (partition && index--)
		partition = partition->next;
	return partition ? partition->config->name : NULL;
}

static const char *group_at(u32 index)
{
	const struct group *group = group_first();

	while (group && index--)
		group = group->next;
	return group ? group->config.name : NULL;
}

static const char *network_at(u32 index)
{
	const struct net *net = net_first();

	while (net && index--)
		net = net_next(net);
	return net ? net_name(net) : NULL;
}

static const char *key_at(u32 index)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i].changeable && !index--)
			return config_keys[settings[i].id].name;
	}
	return NULL;
}

static const char *value_at(const char *key, u32 index)
{
	for (size_t i = 0; key && i < ARRAY_SIZE(settings); i++) {
		if (strcmp(config_keys[settings[i].id].name, key) != 0)
			continue;
		if (settings[i].kind == ARGUMENT_PARTITION)
			return partition_at(index);
		if (settings[i].kind == ARGUMENT_GROUP)
			return group_at(index);
		return word_at(settings[i].words, index);
	}
	return NULL;
}

/* "key=", good until the next call. */
static const char *setting_at(u32 index)
{
	static char setting[CONFIG_NAME_BYTES];

	if (index >= ARRAY_SIZE(settings))
		return NULL;
	format_text(setting, sizeof(setting), "%s=", config_keys[settings[index].id].name);
	return setting;
}

const char *candidate(enum argument_kind kind, const struct command *command, const char *key,
		      u32 index)
{
	const struct command *found;

	switch (kind) {
	case ARGUMENT_COMMAND:
		found = command_at(index);
		return found ? found->name : NULL;
	case ARGUMENT_PARTITION:
		return partition_at(index);
	case ARGUMENT_GROUP:
		return group_at(index);
	case ARGUMENT_NETWORK:
		return network_at(index);
	case ARGUMENT_WORD:
		return command ? word_at(command->words, index) : NULL;
	case ARGUMENT_KEY:
		return key_at(index);
	case ARGUMENT_VALUE:
		return value_at(key, index);
	case ARGUMENT_SETTING:
		return setting_at(index);
	case ARGUMENT_OPTION:
		return index ? NULL : "--json";
	case ARGUMENT_NONE:
		break;
	}
	return NULL;
}

/* --- Tab --- */

struct completion {
	const struct command *command;
	char key[CONFIG_NAME_BYTES];
	enum argument_kind kind;
	const char *word; /* what is typed of it */
	u32 length;
	u32 count;	  /* matches */
	char match[48];	  /* the first one */
	u32 common;	  /* length of what all matches have in common */
	const char *also; /* one more candidate, or NULL */
};

/* Match `index` counts all candidates; false after the last. */
static bool completion_candidate(const struct completion *completion, u32 index, const char **name)
{
	if (completion->also && !index--) {
		*name = completion->also;
		return true;
	}
	*name = candidate(completion->kind, completion->command, completion->key, index);
	return *name;
}

static bool completion_matches(const struct completion *completion, const char *name)
{
	return strncmp(name, completion->word, completion->length) == 0;
}

static void completion_search(struct completion *completion)
{
	const char *name;

	for (u32 i = 0; completion_candidate(completion, i, &name); i++) {
		u32 same = 0;

		if (!completion_matches(completion, name))
			continue;
		if (!completion->count++) {
			format_text(completion->match, sizeof(completion->match), "%s", name);
			completion->common = (u32)strlen(completion->match);
			continue;
		}
		while (same < completion->common && name[same] == completion->match[same])
			same++;
		completion->common = same;
	}
}

static void completion_list(const struct completion *completion)
{
	const char *name, *gap = "";

	for (u32 i = 0; completion_candidate(completion, i, &name); i++) {
		if (!completion_matches(completion, name))
			continue;
		console_print("%s%s", gap, name);
		gap = "  ";
	}
	console_print("\n");
}

/* Of a list with commas only the last name is completed. */
static void completion_skip(struct completion *completion, char separator)
{
	for (u32 i = completion->length; i; i--) {
		if (completion->word[i - 1] == separator) {
			completion->word += i;
			completion->length -= i;
			return;
		}
	}
}

/* A word KEY=VALUE, or what is typed of it. */
static void completion_setting(struct completion *completion, const struct words *words)
{
	u32 key = 0;

	while (key < completion->length && completion->word[key] != '=')
		key++;
	if (words->count == 3 && strcmp(words->word[2], "like") == 0) {
		completion->kind = ARGUMENT_PARTITION;
	} else if (key < completion->length) {
		completion->kind = ARGUMENT_VALUE;
		format_text(completion->key, sizeof(completion->key), "%.*s", (int)key,
			    completion->word);
		completion_skip(completion, '=');
		completion_skip(completion, ',');
	} else if (words->count == 2) {
		completion->also = "like";
	}
}

/* What the word may be, from those before it. */
static void completion_kind(struct completion *completion, const struct words *words)
{
	const struct command *command;

	if (completion->length && completion->word[0] == '-') {
		completion->kind = ARGUMENT_OPTION;
		return;
	}
	if (!words->count) {
		completion->kind = ARGUMENT_COMMAND;
		return;
	}
	command = command_find(words->word[0]);
	if (!command || words->count > command->most)
		return;
	completion->command = command;
	completion->kind = command->kinds[MIN(words->count, COMMAND_KINDS) - 1];
	if (completion->kind == ARGUMENT_VALUE) {
		format_text(completion->key, sizeof(completion->key), "%s", words->word[2]);
		completion_skip(completion, ',');
	} else if (completion->kind == ARGUMENT_SETTING) {
		completion_setting(completion, words);
	}
}

/* Returns false when there is nothing to look for: in a word with quotation marks. */
static bool completion_begin(struct completion *completion, const struct line_editor *editor)
{
	static char before[LINE_BYTES];
	static struct words words;
	u32 start = editor->cursor;

	while (start && editor->line[start - 1] != ' ')
		start--;
	memcpy(before, editor->line, start);
	before[start] = 0;
	if (words_split(before, &words))
		return false;
	completion->word = editor->line + start;
	completion->length = editor->cursor - start;
	completion_kind(completion, &words);
	return true;
}

void command_complete(struct line_editor *editor)
{
	struct completion completion = {.kind = ARGUMENT_NONE};
	char rest[sizeof(completion.match) + 1];
	bool ends;

	if (completion_begin(&completion, editor))
		completion_search(&completion);
	if (!completion.count) {
		console_print("\a");
	} else if (completion.count == 1 || completion.common > completion.length) {
		ends = completion.count == 1 && completion.match[completion.common - 1] != '=';
		format_text(rest, sizeof(rest), "%.*s%s",
			    (int)(completion.common - completion.length),
			    completion.match + completion.length, ends ? " " : "");
		line_editor_insert(editor, rest);
	} else {
		line_editor_hide(editor);
		completion_list(&completion);
		line_editor_show(editor);
	}
}
