/* SPDX-License-Identifier: MIT */
/* Commands that make and change what the configuration file describes, and show it. */
#include "../config_value.h"
#include "command.h"
#include "internal.h"
#include "partition_cells.h"
#include "report.h"

#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define TEXT_BYTES 4096 /* of the longest section, or of one and a line of input */
#define ERRORS	   4

static void config_fault(const struct config_error *error)
{
	bool value = error->value[0];

	report_error("%s%s%s%s%s; allowed: %s", error->key, error->key[0] && value ? " = " : "",
		     error->value, error->key[0] || value ? ": " : "", error->reason,
		     error->allowed);
}

static bool after_names(const struct config_partition *config, const char *name)
{
	for (u32 i = 0; i < config->after_count; i++) {
		if (strcmp(config->after[i], name) == 0)
			return true;
	}
	return false;
}

/* Mark all that one of `config` or of those marked already starts after. Returns whether there was
 * any that was not marked before. */
static bool after_mark(const struct config_partition *config, bool *marks)
{
	bool grown = false;
	u32 place = 0;

	for (const struct partition *p = partition_first(); p; p = p->next, place++) {
		if (marks[place] || !after_names(config, p->config->name))
			continue;
		marks[place] = true;
		grown = true;
	}
	return grown;
}

/* Whether it would start after itself, by way of others. `marks`: one for each partition, false. */
static bool after_is_circular(const struct config_partition *config, bool *marks)
{
	bool grown = after_mark(config, marks);

	while (grown) {
		u32 place = 0;

		grown = false;
		for (const struct partition *p = partition_first(); p; p = p->next, place++) {
			if (!marks[place])
				continue;
			if (after_names(p->config, config->name))
				return true;
			grown |= after_mark(p->config, marks);
		}
	}
	return false;
}

static bool after_is_good(const struct config_partition *config)
{
	u32 count = 0;
	bool *marks, circular;

	if (!config->after_count)
		return true;
	for (u32 i = 0; i < config->after_count; i++) {
		if (!argument_partition(config->after[i]))
			return false;
	}
	for (const struct partition *p = partition_first(); p; p = p->next)
		count++;
	marks = memory_take(MEMORY_OTHER, count * sizeof(*marks));
	if (!marks) {
		report_error("no memory to see whether any would wait for itself");
		return false;
	}
	circular = after_is_circular(config, marks);
	memory_give(MEMORY_OTHER, marks, count * sizeof(*marks));
	if (circular)
		report_error("%s would start after itself, by way of those that it is to start "
			     "after",
			     config->name);
	return !circular;
}

/* The parser does not look up names of what is not in its text. */
static bool names_are_good(const struct config_partition *config)
{
	return (!config->group[0] || argument_group(config->group)) &&
	       (!config->after_count || after_is_good(config));
}

/* --- create --- */

/* The length of KEY in KEY=VALUE, or 0. */
static u32 setting_key(const char *word)
{
	u32 length = 0;

	while ((word[length] >= 'a' && word[length] <= 'z') || word[length] == '_' ||
	       (length && word[length] >= '0' && word[length] <= '9'))
		length++;
	return word[length] == '=' ? length : 0;
}

static bool settings_are_good(u32 count, char *const *settings)
{
	for (u32 i = 0; i < count; i++) {
		if (!setting_key(settings[i])) {
			report_error("\"%s\" is not KEY=VALUE, such as memory=256M", settings[i]);
			return false;
		}
	}
	return true;
}

/* Whether one of the settings is for the key that this line of a section is for. */
static bool line_is_replaced(const char *line, u32 count, char *const *settings)
{
	for (u32 i = 0; i < count; i++) {
		u32 length = setting_key(settings[i]);

		if (strncmp(line, settings[i], length) == 0 &&
		    (line[length] == ' ' || line[length] == '='))
			return true;
	}
	return false;
}

/* Append the section of `other` without its first line and what the settings replace. */
static void section_copy(char text[TEXT_BYTES], const struct config_partition *other, u32 count,
			 char *const *settings)
{
	static char section[TEXT_BYTES];
	const char *line, *end;

	config_partition_text(other, section, sizeof(section));
	for (line = strchr(section, '\n'); line && *++line; line = end) {
		end = strchr(line, '\n');
		if (end && !line_is_replaced(line, count, settings))
			format_append(text, TEXT_BYTES, "%.*s\n", (int)(end - line), line);
	}
}

/* Read as a section of the file. False, and the errors said, when there is one. */
static bool section_parse(const char *text, struct config_partition *partition)
{
	static struct config_error errors[ERRORS];
	struct config config = {
		.partial = true,
		.partitions = partition,
		.partition_room = 1,
		.errors = errors,
		.error_room = ERRORS,
	};

	if (!config_parse(&config, text, strlen(text)))
		return config.partition_count == 1;
	for (u32 i = 0; i < MIN(config.error_count, (u32)ERRORS); i++)
		config_fault(&errors[i]);
	if (config.error_count > ERRORS)
		report_error("and %u more", config.error_count - ERRORS);
	return false;
}

static bool name_is_free(const char *name, const char *what, bool taken)
{
	if (!config_name_is_good(slice_of(name)))
		report_error("\"%s\" is not a name: 1 to 31 of a-z, 0-9, '-' and '_', beginning "
			     "with a letter or digit, not \"none\"",
			     name);
	else if (taken)
		report_error("there is a %s \"%s\" already", what, name);
	else
		return true;
	return false;
}

void command_create(const struct command *command, u32 count, char *const *arguments)
{
	static char text[TEXT_BYTES];
	static struct config_partition config;
	char reason[LOAD_REASON_BYTES] = "";
	const char *name = arguments[0];
	const struct partition *like = NULL;
	struct partition *made;
	u32 skip = 1;
	int result;

	if (!name_is_free(name, "partition", partition_find(name)))
		return;
	if (strcmp(arguments[1], "like") == 0) {
		if (count < 3) {
			report_error("create: whom it is to be like is missing");
			report_note("usage: %s", command->usage);
			return;
		}
		like = argument_partition(arguments[2]);
		if (!like)
			return;
		skip = 3;
	}
	if (!settings_are_good(count - skip, arguments + skip))
		return;
	format_text(text, sizeof(text), "[partition %s]\n", name);
	if (like)
		section_copy(text, like->config, count - skip, arguments + skip);
	for (u32 i = skip; i < count; i++)
		format_append(text, sizeof(text), "%s\n", arguments[i]);
	if (!section_parse(text, &config) || !names_are_good(&config))
		return;
	result = partition_create(&config, &made, reason);
	if (result) {
		change_report("create", name, result, reason);
		return;
	}
	report_note("%s: created", name);
	record_begin("partition");
	record_field("name", NULL);
	cell_text("%s", name);
	record_field("number", NULL);
	cell_number(made->number);
	record_end();
}

/* --- set --- */

static bool key_is_changeable(const char *key)
{
	const char *name;

	for (u32 i = 0; (name = candidate(ARGUMENT_KEY, NULL, NULL, i)); i++) {
		if (strcmp(name, key) == 0)
			return true;
	}
	argument_unknown("key that can be set", key, ARGUMENT_KEY, NULL);
	return false;
}

void command_set(const struct command *command, u32 count, char *const *arguments)
{
	static struct config_partition config;
	static struct config_error error;
	static char value[LINE_BYTES];
	char reason[LOAD_REASON_BYTES] = "";
	struct partition *partition = argument_partition(arguments[0]);
	int result;

	if (!partition || !key_is_changeable(arguments[1]))
		return;
	value[0] = 0;
	for (u32 i = 2; i < count; i++)
		format_append(value, sizeof(value), "%s%s", i > 2 ? " " : "", arguments[i]);
	config = *partition->config;
	if (config_partition_set(&config, arguments[1], value, &error)) {
		config_fault(&error);
		return;
	}
	if (!names_are_good(&config))
		return;
	result = partition_change(partition, &config, reason);
	if (result) {
		change_report(command->name, arguments[0], result, reason);
		return;
	}
	report_note("%s: %s = %s", arguments[0], arguments[1], value);
	record_begin("partition");
	record_field("name", NULL);
	cell_text("%s", arguments[0]);
	record_field("key", NULL);
	cell_text("%s", arguments[1]);
	record_field("value", NULL);
	cell_text("%s", value);
	record_end();
}

/* --- group --- */

static void group_row(const struct group *group)
{
	struct names names = {.count = 0};

	cell_text("%s", group->config.name);
	cell_number(group->config.weight);
	cell_cap(group->config.cap);
	for (const struct partition *p = partition_first(); p; p = p->next) {
		if (strcmp(p->config->group, group->config.name) == 0)
			names_add(&names, p->config->name);
	}
	cell_names(&names);
}

/* `only` NULL: all of them. */
static void group_table(const struct group *only)
{
	static const struct column columns[] = {
		{"name", "NAME", false},
		{"weight", "WEIGHT", true},
		{"cap_percent", "CAP", true},
		{"members", "MEMBERS", false},
	};

	table_begin("groups", columns, ARRAY_SIZE(columns));
	for (const struct group *g = group_first(); g; g = g->next) {
		if (!only || g == only)
			group_row(g);
	}
	table_end();
	if (!group_first())
		report_note("there are no groups");
}

/* Pairs of "weight N" and "cap N%". */
static bool group_settings(const struct command *command, u32 count, char *const *arguments,
			   struct config_group *config)
{
	const struct config_target target = {.group = config};

	for (u32 i = 0; i < count; i += 2) {
		const struct config_key *key;
		const char *wrong;

		if (!argument_word(command, arguments[i]))
			return false;
		key = &config_keys[strcmp(arguments[i], "cap") == 0 ? CONFIG_KEY_GROUP_CAP
								    : CONFIG_KEY_GROUP_WEIGHT];
		if (i + 1 == count) {
			report_error("%s: a value is missing; allowed: %s", key->name,
				     key->allowed);
			return false;
		}
		wrong = key->read(slice_trim(slice_of(arguments[i + 1])), &target);
		if (wrong) {
			report_error("%s = %s: %s; allowed: %s", key->name, arguments[i + 1], wrong,
				     key->allowed);
			return false;
		}
	}
	return true;
}

void command_group(const struct command *command, u32 count, char *const *arguments)
{
	struct config_group config = {.weight = SCHEDULER_WEIGHT_DEFAULT};
	struct group *group = count ? group_find(arguments[0]) : NULL;
	char reason[LOAD_REASON_BYTES] = "";
	int result;

	if (!count || (count == 1 && group)) {
		command_only_looked();
		group_table(group);
		return;
	}
	if (group)
		config = group->config;
	else if (!name_is_free(arguments[0], "group", false))
		return;
	format_text(config.name, sizeof(config.name), "%s", arguments[0]);
	if (!group_settings(command, count - 1, arguments + 1, &config))
		return;
	result = group ? group_change(group, config.weight, config.cap, reason)
		       : group_create(&config, reason);
	if (result)
		change_report(group ? "change" : "create", arguments[0], result, reason);
	else
		group_table(group_find(arguments[0]));
}

/* --- config --- */

static char section_text[TEXT_BYTES];

static void section_print(size_t length, bool first)
{
	if (!first)
		report_text("\n", 1);
	report_text(section_text, MIN(length, sizeof(section_text) - 1));
}

static size_t partition_section(const struct partition *partition)
{
	return config_partition_text(partition->config, section_text, sizeof(section_text));
}

void command_config(const struct command *command unused, u32 count, char *const *arguments)
{
	const struct partition *partition = count ? argument_partition(arguments[0]) : NULL;

	if (count && !partition)
		return;
	report_text_begin("config");
	if (partition) {
		section_print(partition_section(partition), true);
	} else {
		section_print(config_host_text(console_host(), section_text, sizeof(section_text)),
			      true);
		for (const struct group *g = group_first(); g; g = g->next)
			section_print(
				config_group_text(&g->config, section_text, sizeof(section_text)),
				false);
		for (const struct partition *p = partition_first(); p; p = p->next)
			section_print(partition_section(p), false);
	}
	report_text_end();
}
