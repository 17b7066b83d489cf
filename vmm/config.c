/* SPDX-License-Identifier: MIT */
/* The configuration file: lines, sections and keys, and every error in them. */
#include <bulkhead/config.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "config_parser.h"

static const char sections[] = "[host], [partition NAME] or [group NAME]";

void config_error_add(struct config *config, const char *section, const struct fault *fault,
		      const char *reason, ...)
{
	struct config_error *error;
	va_list arguments;

	if (config->error_count++ >= config->error_room)
		return;
	error = &config->errors[config->error_count - 1];
	error->line = fault->line;
	slice_show(slice_of(section), error->section, sizeof(error->section));
	slice_show(fault->key, error->key, sizeof(error->key));
	slice_show(fault->value, error->value, sizeof(error->value));
	slice_show(slice_of(fault->allowed), error->allowed, sizeof(error->allowed));
	va_start(arguments, reason);
	format_list(error->reason, sizeof(error->reason), reason, arguments);
	va_end(arguments);
}

/* Something is wrong with the current line as a whole. */
static void line_fault(struct parser *parser, struct slice line, const char *reason,
		       const char *allowed)
{
	struct fault fault = {parser->line, SLICE_NONE, line, allowed};

	config_error_add(parser->config, parser->title, &fault, "%s", reason);
}

/* By line, in the order found within a line. They come nearly sorted: only what is noticed at the
 * end of a section is late. */
static void errors_sort(struct config *config)
{
	u32 count = MIN(config->error_count, config->error_room);

	for (u32 i = 1; i < count; i++) {
		struct config_error error = config->errors[i];
		u32 place = i;

		while (place > 0 && config->errors[place - 1].line > error.line) {
			config->errors[place] = config->errors[place - 1];
			place--;
		}
		config->errors[place] = error;
	}
}

/* Keys. */

static struct config_source source_of(const struct config_target *target)
{
	return (struct config_source){target->host, target->partition, target->group};
}

void config_key_fault(struct parser *parser, const struct config_key *key, const char *reason,
		      const char *allowed)
{
	const struct parser_found *found = &parser->found[key - config_keys];
	struct fault fault = {found->line, slice_of(key->name), found->value, allowed};
	struct config_source source = source_of(&parser->target);
	char value[sizeof(((struct config_error *)0)->value) + 1] = "";
	struct config_out out = {value, sizeof(value), 0};

	if (!found->line)
		fault.line = parser->section_line;
	else if (!found->value.start)
		key->write(&source, &out);
	if (!fault.value.start)
		fault.value = slice_of(value);
	config_error_add(parser->config, parser->title, &fault, "%s", reason);
}

static bool key_is_here(const struct parser *parser, const struct config_key *key)
{
	return key->section == parser->section;
}

static const struct config_key *key_find(const struct parser *parser, struct slice name)
{
	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		if (key_is_here(parser, &config_keys[i]) && slice_is(name, config_keys[i].name))
			return &config_keys[i];
	}
	return NULL;
}

static const struct config_key *key_nearest(const struct parser *parser, struct slice name)
{
	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		if (key_is_here(parser, &config_keys[i]) &&
		    slice_resembles(name, config_keys[i].name))
			return &config_keys[i];
	}
	return NULL;
}

static void key_unknown(struct parser *parser, struct slice name, struct slice value)
{
	const struct config_key *nearest = key_nearest(parser, name);
	char allowed[sizeof(((struct config_error *)0)->allowed)] = "";
	struct fault fault = {parser->line, name, value, allowed};

	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		if (key_is_here(parser, &config_keys[i]))
			config_list_add(allowed, sizeof(allowed), config_keys[i].name);
	}
	if (nearest)
		config_error_add(parser->config, parser->title, &fault,
				 "unknown key (did you mean \"%s\"?)", nearest->name);
	else
		config_error_add(parser->config, parser->title, &fault, "unknown key");
}

/* Take the quotes off a value that is in quotes, and a comment off one that is not. */
static const char *value_unwrap(const struct config_key *key, struct slice *value)
{
	struct slice inside, rest;
	size_t end;

	if (!value->bytes || value->start[0] != '"') {
		if (!key->verbatim)
			*value = slice_uncomment(*value);
		return NULL;
	}
	end = slice_find(slice_from(*value, 1), '"');
	if (end + 1 >= value->bytes)
		return "closing quote is missing";
	inside = slice_head(slice_from(*value, 1), end);
	rest = slice_from(*value, end + 2);
	if (key->verbatim && rest.bytes)
		return NULL;
	if (slice_uncomment(slice_trim(rest)).bytes || (rest.bytes && rest.start[0] == '#'))
		return "text after the closing quote";
	*value = inside;
	return NULL;
}

static void key_set(struct parser *parser, const struct config_key *key)
{
	struct parser_found *found = &parser->found[key - config_keys];
	const char *wrong = value_unwrap(key, &found->value);

	parser->target.line = parser->line;
	if (!wrong && !found->value.bytes && !key->verbatim)
		wrong = "no value given";
	if (!wrong)
		wrong = key->read(found->value, &parser->target);
	if (wrong)
		config_key_fault(parser, key, wrong, key->allowed);
	found->good = !wrong;
}

static void key_again(struct parser *parser, const struct config_key *key, struct slice value)
{
	struct fault fault = {parser->line, slice_of(key->name), value,
			      "each key once in a section"};

	config_error_add(parser->config, parser->title, &fault, "already set in line %u",
			 parser->found[key - config_keys].line);
}

/* `readable` is false when the line is known to be faulty already: then it only counts as there. */
static void key_parse(struct parser *parser, struct slice line, bool readable)
{
	size_t equals = slice_find(line, '=');
	struct slice name = slice_trim(slice_head(line, equals));
	struct slice value = slice_trim(slice_from(line, equals + 1));
	const struct config_key *key = key_find(parser, name);

	if (!readable && !key)
		return;
	if (equals == line.bytes)
		line_fault(parser, line, "'=' is missing", "key = value, [section] or # comment");
	else if (!name.bytes)
		line_fault(parser, line, "no key before '='", "key = value");
	else if (!key)
		key_unknown(parser, name, value);
	else if (parser->found[key - config_keys].line)
		key_again(parser, key, value);
	else {
		parser->found[key - config_keys] =
			(struct parser_found){.line = parser->line, .value = value};
		if (readable)
			key_set(parser, key);
	}
}

/* Sections. */

static void section_close(struct parser *parser)
{
	if (parser->section == CONFIG_SECTION_PARTITION)
		config_partition_check(parser);
}

/* Where the section before with the same name begins, 0 for none. */
static u32 name_taken(const struct parser *parser, struct slice name)
{
	const struct config *config = parser->config;

	if (parser->section == CONFIG_SECTION_PARTITION) {
		for (u32 i = 0; i < config->partition_count; i++) {
			if (slice_is(name, config->partitions[i].name))
				return config->partitions[i].line;
		}
		return 0;
	}
	for (u32 i = 0; i < config->group_count; i++) {
		if (slice_is(name, config->groups[i].name))
			return config->groups[i].line;
	}
	return 0;
}

/* Whether the section just begun, a partition or a group, is one to keep. There are `count` of them
 * and room for `room`. */
static bool name_admit(struct parser *parser, struct slice name, u32 count, u32 room)
{
	bool of_group = parser->section == CONFIG_SECTION_GROUP;
	u32 first = name_taken(parser, name);
	struct config *config = parser->config;
	struct fault fault = {.line = parser->line};
	char most[32];

	if (!name.bytes) {
		fault.allowed = of_group ? "[group NAME]" : "[partition NAME]";
		config_error_add(config, parser->title, &fault, "a %s needs a name",
				 of_group ? "group" : "partition");
	} else if (!config_name_is_good(name)) {
		fault.allowed = "1 to 31 of a-z, 0-9, '-' and '_', beginning with a letter or "
				"digit, but not \"none\"";
		config_error_add(config, parser->title, &fault, "not a name");
	} else if (first) {
		fault.allowed = "each name once";
		config_error_add(config, parser->title, &fault, "name already taken in line %u",
				 first);
	} else if (count == room) {
		format_text(most, sizeof(most), "at most %u", room);
		fault.allowed = most;
		config_error_add(config, parser->title, &fault, "too many %s",
				 of_group ? "groups" : "partitions");
	} else {
		return true;
	}
	return false;
}

/* Forget what the section before of the same kind had. */
static void found_clear(struct parser *parser)
{
	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		if (config_keys[i].section == parser->section)
			parser->found[i] = (struct parser_found){0};
	}
}

static void partition_open(struct parser *parser, struct slice name)
{
	struct config *config = parser->config;
	struct config_partition *partition = &parser->spare;

	parser->section = CONFIG_SECTION_PARTITION;
	parser->partition_seen = true;
	if (name_admit(parser, name, config->partition_count, config->partition_room))
		partition = &config->partitions[config->partition_count++];
	else
		parser->partitions_lost = true;
	found_clear(parser);
	memset(partition, 0, sizeof(*partition));
	slice_show(name, partition->name, sizeof(partition->name));
	partition->line = parser->line;
	partition->vcpus = 1;
	partition->autostart = true;
	partition->claim.weight = SCHEDULER_WEIGHT_DEFAULT;
	cpu_mask_fill(&partition->affinity);
	partition->on_poweroff = CONFIG_ACTION_STOP;
	partition->on_reset = CONFIG_ACTION_RESTART;
	partition->on_crash = CONFIG_ACTION_PRESERVE;
	parser->target.partition = partition;
}

static void group_open(struct parser *parser, struct slice name)
{
	struct config *config = parser->config;
	struct config_group *group = &parser->spare_group;

	parser->section = CONFIG_SECTION_GROUP;
	if (name_admit(parser, name, config->group_count, config->group_room))
		group = &config->groups[config->group_count++];
	else
		parser->groups_lost = true;
	found_clear(parser);
	memset(group, 0, sizeof(*group));
	slice_show(name, group->name, sizeof(group->name));
	group->line = parser->line;
	group->weight = SCHEDULER_WEIGHT_DEFAULT;
	parser->target.group = group;
}

static void host_open(struct parser *parser, struct slice name)
{
	struct fault fault = {.line = parser->line};

	if (name.bytes) {
		fault.allowed = "[host]";
		config_error_add(parser->config, parser->title, &fault, "the host has no name");
	} else if (parser->host_line) {
		fault.allowed = "[host] once";
		config_error_add(parser->config, parser->title, &fault, "already begun in line %u",
				 parser->host_line);
	}
	if (!parser->host_line)
		parser->host_line = parser->line;
	parser->section = CONFIG_SECTION_HOST;
}

/* A section that may have been meant as a partition shall not be said to be missing. */
static void section_lose(struct parser *parser)
{
	parser->section = CONFIG_SECTION_FAULTY;
	parser->partition_seen = true;
	parser->partitions_lost = true;
	parser->groups_lost = true;
}

static void section_unknown(struct parser *parser, struct slice kind)
{
	struct fault fault = {.line = parser->line, .allowed = sections};
	const char *nearest = slice_resembles(kind, "host")	   ? "[host]"
			      : slice_resembles(kind, "partition") ? "[partition NAME]"
			      : slice_resembles(kind, "group")	   ? "[group NAME]"
								   : NULL;

	section_lose(parser);
	if (nearest)
		config_error_add(parser->config, parser->title, &fault,
				 "unknown section (did you mean %s?)", nearest);
	else
		config_error_add(parser->config, parser->title, &fault, "unknown section");
}

/* What stands between the brackets. */
static struct slice section_title(struct parser *parser, struct slice line)
{
	struct slice title = slice_from(line, 1);
	size_t end = slice_find(title, ']');
	struct slice rest = slice_from(title, end + 1);

	parser->title[0] = '\0';
	if (end == title.bytes) {
		line_fault(parser, line, "']' is missing", sections);
		return slice_trim(slice_uncomment(title));
	}
	if (slice_uncomment(slice_trim(rest)).bytes)
		line_fault(parser, line, "text after ']'", "nothing, or # comment");
	return slice_trim(slice_head(title, end));
}

static void section_open(struct parser *parser, struct slice line, bool readable)
{
	struct slice title, kind, name;

	section_close(parser);
	parser->section_line = parser->line;
	if (!readable) {
		parser->title[0] = '\0';
		section_lose(parser);
		return;
	}
	title = section_title(parser, line);
	slice_show(title, parser->title, sizeof(parser->title));
	kind = slice_head(title, MIN(slice_find(title, ' '), slice_find(title, '\t')));
	name = slice_trim(slice_from(title, kind.bytes));
	if (slice_is(kind, "host"))
		host_open(parser, name);
	else if (slice_is(kind, "partition"))
		partition_open(parser, name);
	else if (slice_is(kind, "group"))
		group_open(parser, name);
	else
		section_unknown(parser, kind);
}

/* Lines. */

static bool line_check(struct parser *parser, struct slice line)
{
	struct fault fault = {.line = parser->line,
			      .key = SLICE_NONE,
			      .allowed = "printable text and tabs, saved as UTF-8"};

	for (size_t i = 0; i < line.bytes; i++) {
		unsigned char byte = (unsigned char)line.start[i];

		if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
			config_error_add(parser->config, parser->title, &fault,
					 "control character 0x%02x in column %zu", byte, i + 1);
			return false;
		}
	}
	return true;
}

static void line_parse(struct parser *parser, struct slice line)
{
	bool readable = line_check(parser, line);

	line = slice_trim(line);
	if (!line.bytes || line.start[0] == '#')
		return;
	if (line.start[0] == '[')
		section_open(parser, line, readable);
	else if (parser->section == CONFIG_SECTION_NONE && readable)
		line_fault(parser, line, "text before the first section",
			   "a section first: [host], [partition NAME] or [group NAME]");
	else if (parser->section >= CONFIG_SECTION_HOST)
		key_parse(parser, line, readable);
}

static struct slice line_take(struct slice *text)
{
	size_t end = slice_find(*text, '\n');
	struct slice line = slice_head(*text, end);

	*text = slice_from(*text, end + 1);
	if (line.bytes && line.start[line.bytes - 1] == '\r')
		line.bytes--;
	return line;
}

static bool text_begins(struct slice text, const char *mark)
{
	return slice_is(slice_head(text, strlen(mark)), mark);
}

static void parser_start(struct parser *parser, struct config *config)
{
	memset(parser, 0, sizeof(*parser));
	parser->config = config;
	parser->target.host = &config->host;
	config->partition_count = 0;
	config->group_count = 0;
	config->error_count = 0;
	config->host = (struct config_host){
		.console = CONFIG_CONSOLE_COM1,
		.console_baud = 115200,
		.cpus = 0,
		.log_level = LOG_INFO,
	};
}

static void parser_finish(struct parser *parser)
{
	struct fault fault = {.line = MAX(parser->line, 1U),
			      .allowed = "at least one section [partition NAME]"};

	section_close(parser);
	if (!parser->partition_seen && !parser->config->partial)
		config_error_add(parser->config, "", &fault, "the file has no partition");
	config_sections_check(parser);
	errors_sort(parser->config);
}

int config_parse(struct config *config, const char *text, size_t bytes)
{
	struct slice rest = bytes ? (struct slice){text, bytes} : SLICE_NONE;
	struct parser parser;

	parser_start(&parser, config);
	if (text_begins(rest, "\xff\xfe") || text_begins(rest, "\xfe\xff")) {
		struct fault fault = {.line = 1, .allowed = "plain text, saved as UTF-8"};

		config_error_add(config, "", &fault, "the file is UTF-16 text");
		return -EINVAL;
	}
	if (text_begins(rest, "\xef\xbb\xbf"))
		rest = slice_from(rest, 3);
	while (rest.bytes) {
		parser.line++;
		line_parse(&parser, line_take(&rest));
	}
	parser_finish(&parser);
	return config->error_count ? -EINVAL : 0;
}

/* The keys of the partition as if config_partition_text had been read. */
static void found_fill(struct parser *parser)
{
	struct config_source source = source_of(&parser->target);

	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		char byte;
		struct config_out out = {&byte, sizeof(byte), 0};

		if (config_keys[i].section != CONFIG_SECTION_PARTITION)
			continue;
		config_keys[i].write(&source, &out);
		if (out.length)
			parser->found[i] = (struct parser_found){.line = 1, .good = true};
	}
}

static void key_replace(struct parser *parser, struct slice name, struct slice value)
{
	const struct config_key *key = key_find(parser, name);

	if (!line_check(parser, value))
		return;
	if (!key) {
		key_unknown(parser, name, value);
		return;
	}
	parser->found[key - config_keys] = (struct parser_found){.line = 1, .value = value};
	key_set(parser, key);
}

int config_partition_set(struct config_partition *partition, const char *key, const char *value,
			 struct config_error *error)
{
	struct config config = {.partial = true, .errors = error, .error_room = 1};
	struct parser parser;

	memset(&parser, 0, sizeof(parser));
	parser.config = &config;
	parser.section = CONFIG_SECTION_PARTITION;
	parser.spare = *partition;
	parser.target.partition = &parser.spare;
	format_text(parser.title, sizeof(parser.title), "partition %s", partition->name);
	found_fill(&parser);
	key_replace(&parser, slice_trim(slice_of(key)), slice_trim(slice_of(value)));
	if (!config.error_count)
		config_partition_check(&parser);
	if (config.error_count) {
		error->line = 0;
		return -EINVAL;
	}
	*partition = parser.spare;
	return 0;
}

size_t config_error_text(const struct config_error *error, const char *file, char *buffer,
			 size_t bytes)
{
	size_t length;

	if (!bytes)
		return 0;
	if (error->line)
		format_text(buffer, bytes, "%s:%u: ", file, error->line);
	else
		format_text(buffer, bytes, "%s: ", file);
	if (error->section[0])
		format_append(buffer, bytes, "[%s]%s", error->section,
			      error->key[0] || error->value[0] ? " " : ": ");
	if (error->key[0])
		format_append(buffer, bytes, "%s%s%s: ", error->key, error->value[0] ? " = " : "",
			      error->value);
	else if (error->value[0])
		format_append(buffer, bytes, "\"%s\": ", error->value);
	format_append(buffer, bytes, "%s; allowed: %s\n", error->reason, error->allowed);
	length = strlen(buffer);
	if (length && buffer[length - 1] != '\n')
		buffer[length - 1] = '\n';
	return length;
}
