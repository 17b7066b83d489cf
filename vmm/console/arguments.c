/* SPDX-License-Identifier: MIT */
/* What words mean: partitions, groups, numbers. Whatever is wrong is said with what would do. */
#include "command.h"
#include "report.h"

#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define MORE_BYTES sizeof(", and 4294967295 more")

void names_add(struct names *names, const char *name)
{
	size_t length = names->count ? strlen(names->text) : 0;

	if (!names->count++)
		names->text[0] = 0;
	if (names->left_out || length + 2 + strlen(name) + MORE_BYTES > sizeof(names->text))
		names->left_out++;
	else
		format_append(names->text, sizeof(names->text), "%s%s", length ? ", " : "", name);
}

const char *names_text(struct names *names)
{
	if (!names->count)
		names->text[0] = 0;
	if (names->left_out)
		format_append(names->text, sizeof(names->text), ", and %u more", names->left_out);
	names->left_out = 0;
	return names->text;
}

void argument_unknown(const char *what, const char *text, enum argument_kind kind,
		      const struct command *command)
{
	struct names names = {.count = 0};
	const char *name;

	for (u32 i = 0; (name = candidate(kind, command, NULL, i)); i++)
		names_add(&names, name);
	if (names.count)
		report_error("no %s \"%s\"; there are: %s", what, text, names_text(&names));
	else
		report_error("no %s \"%s\"; there are none", what, text);
}

struct partition *argument_partition(const char *text)
{
	struct partition *partition = partition_find(text);

	if (!partition)
		argument_unknown("partition", text, ARGUMENT_PARTITION, NULL);
	return partition;
}

struct group *argument_group(const char *text)
{
	struct group *group = group_find(text);

	if (!group)
		argument_unknown("group", text, ARGUMENT_GROUP, NULL);
	return group;
}

bool argument_word(const struct command *command, const char *text)
{
	const char *word;

	for (u32 i = 0; (word = candidate(ARGUMENT_WORD, command, NULL, i)); i++) {
		if (strcmp(text, word) == 0)
			return true;
	}
	argument_unknown("word", text, ARGUMENT_WORD, command);
	return false;
}

/* --- numbers --- */

/* Its value as a digit, or 16. */
static u32 digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return (u32)(digit - '0');
	if (digit >= 'a' && digit <= 'f')
		return (u32)(digit - 'a') + 10;
	return digit >= 'A' && digit <= 'F' ? (u32)(digit - 'A') + 10 : 16;
}

/* Whether it is a number at all, of at most 64 bits. */
static bool number_read(const char *text, u64 *value)
{
	u32 base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	*value = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		u32 digit = digit_value(*text);

		if (digit >= base || __builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit, value))
			return false;
	}
	return true;
}

bool argument_number(const char *text, const char *what, u64 least, u64 most, u64 *value)
{
	const char *article = strchr("aeiou", what[0]) ? "an" : "a";
	u64 found;

	if (number_read(text, &found) && found >= least && found <= most) {
		*value = found;
		return true;
	}
	if (!least && most == UINT64_MAX)
		report_error("\"%s\" is not %s %s: decimal, or hexadecimal after 0x", text, article,
			     what);
	else
		report_error("\"%s\" is not %s %s from %lu to %lu", text, article, what, least,
			     most);
	return false;
}

/* --- vCPUs --- */

struct vcpu *argument_vcpu(const char *text)
{
	const char *slash = strchr(text, '/');
	char name[CONFIG_NAME_BYTES];
	struct partition *partition;
	u64 id = 0;

	format_text(name, sizeof(name), "%.*s", slash ? (int)(slash - text) : INT_MAX, text);
	/* What was cut is the name of none. */
	partition = argument_partition(!slash || slash - text >= CONFIG_NAME_BYTES ? text : name);
	if (!partition)
		return NULL;
	if (slash && (!number_read(slash + 1, &id) || id >= partition->vcpu_count)) {
		report_error("no virtual CPU \"%s\"; %s has 0 to %u", text, name,
			     partition->vcpu_count - 1);
		return NULL;
	}
	return partition->vcpus[id];
}
