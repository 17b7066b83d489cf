/* SPDX-License-Identifier: MIT */
/* The configuration file: lines, sections and keys, and every error in them. */
#include <bulkhead/config.h>
#include <bulkhead/error.h>
#include <bulkhead/format.h>
#include <bulkhead/guest_memory.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "config_value.h"

enum parser_section {
	SECTION_NONE,	/* before the first one */
	SECTION_FAULTY, /* nobody knows what it was meant to be: its keys are not looked at */
	SECTION_HOST,
	SECTION_PARTITION,
};

struct parser_found {
	u32 line; /* 0: not in this section */
	bool good;
	struct slice value;
};

struct parser {
	struct config *config;
	u32 line;

	enum parser_section section;
	u32 section_line;
	char title[CONFIG_NAME_BYTES + 16];
	struct parser_found found[CONFIG_KEYS];

	u32 host_line; /* of the first [host], 0 for none */
	bool partition_seen;
	struct config_target target;
	struct config_partition spare; /* for a partition that is not kept but still checked */
};

struct fault {
	u32 line;
	struct slice key, value;
	const char *allowed;
};

static void printf_like(4, 5) error_add(struct config *config, const char *section,
					const struct fault *fault, const char *reason, ...)
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

	error_add(parser->config, parser->title, &fault, "%s", reason);
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

static void key_fault(struct parser *parser, const struct config_key *key, const char *reason,
		      const char *allowed)
{
	const struct parser_found *found = &parser->found[key - config_keys];
	struct fault fault = {found->line, slice_of(key->name), found->value, allowed};

	if (!found->line)
		fault.line = parser->section_line;
	error_add(parser->config, parser->title, &fault, "%s", reason);
}

static bool key_is_here(const struct parser *parser, const struct config_key *key)
{
	return key->of_host == (parser->section == SECTION_HOST);
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
	char allowed[160] = "";
	struct fault fault = {parser->line, name, value, allowed};

	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		if (key_is_here(parser, &config_keys[i]))
			format_append(allowed, sizeof(allowed), "%s%s", allowed[0] ? ", " : "",
				      config_keys[i].name);
	}
	if (nearest)
		error_add(parser->config, parser->title, &fault,
			  "unknown key (did you mean \"%s\"?)", nearest->name);
	else
		error_add(parser->config, parser->title, &fault, "unknown key");
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

	if (!wrong && !found->value.bytes && !key->verbatim)
		wrong = "no value given";
	if (!wrong)
		wrong = key->read(found->value, &parser->target);
	if (wrong)
		key_fault(parser, key, wrong, key->allowed);
	found->good = !wrong;
}

static void key_again(struct parser *parser, const struct config_key *key, struct slice value)
{
	struct fault fault = {parser->line, slice_of(key->name), value,
			      "each key once in a section"};

	error_add(parser->config, parser->title, &fault, "already set in line %u",
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

static void load_check(struct parser *parser)
{
	const struct config_partition *partition = parser->target.partition;
	const struct config_key *key = &config_keys[CONFIG_KEY_LOAD];
	bool real = parser->found[CONFIG_KEY_ENTRY].good && partition->entry == CONFIG_ENTRY_REAL;

	if (!parser->found[CONFIG_KEY_LOAD].good)
		return;
	if (parser->found[CONFIG_KEY_MEMORY].good &&
	    partition->load_address >= partition->memory_bytes)
		key_fault(parser, key, "not inside the partition's memory",
			  "an address below the value of memory");
	else if (real && (partition->load_address >= GUEST_HOLE_BASE ||
			  !is_aligned(partition->load_address, 16)))
		key_fault(parser, key, "out of reach for real mode",
			  "with entry = real: a multiple of 16 below 640K");
}

static void partition_check(struct parser *parser)
{
	enum config_boot boot = parser->target.partition->boot;
	char reason[48];

	for (u32 i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		bool there = parser->found[i].line != 0;

		if (key->of_host)
			continue;
		if (!there && key->needed_by & BIT(boot))
			key_fault(parser, key, "required key is missing", key->allowed);
		if (there && !(key->goes_with & BIT(boot))) {
			format_text(reason, sizeof(reason), "does not go with boot = %s",
				    config_boot_names[boot]);
			key_fault(parser, key, reason,
				  boot == CONFIG_BOOT_RAW ? "only with boot = linux"
							  : "only with boot = raw");
		}
	}
	if (boot == CONFIG_BOOT_RAW)
		load_check(parser);
}

static void section_close(struct parser *parser)
{
	if (parser->section == SECTION_PARTITION)
		partition_check(parser);
}

static bool name_is_good(struct slice name)
{
	if (!name.bytes || name.bytes >= CONFIG_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.bytes; i++) {
		char byte = name.start[i];
		bool joins = byte == '-' || byte == '_';

		if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') &&
		    !(joins && i > 0))
			return false;
	}
	return true;
}

static const struct config_partition *partition_find(const struct config *config, struct slice name)
{
	for (u32 i = 0; i < config->partition_count; i++) {
		if (slice_is(name, config->partitions[i].name))
			return &config->partitions[i];
	}
	return NULL;
}

/* Whether the section just begun is a partition to keep. */
static bool partition_admit(struct parser *parser, struct slice name)
{
	static const char named[] =
		"1 to 31 of a-z, 0-9, '-' and '_', beginning with a letter or digit";
	const struct config_partition *first = partition_find(parser->config, name);
	struct config *config = parser->config;
	struct fault fault = {.line = parser->line};

	if (!name.bytes) {
		fault.allowed = "[partition NAME]";
		error_add(config, parser->title, &fault, "a partition needs a name");
	} else if (!name_is_good(name)) {
		fault.allowed = named;
		error_add(config, parser->title, &fault, "not a name");
	} else if (first) {
		fault.allowed = "each name once";
		error_add(config, parser->title, &fault, "name already taken in line %u",
			  first->line);
	} else if (config->partition_count == config->partition_room) {
		char most[32];

		format_text(most, sizeof(most), "at most %u", config->partition_room);
		fault.allowed = most;
		error_add(config, parser->title, &fault, "too many partitions");
	} else {
		return true;
	}
	return false;
}

static void partition_open(struct parser *parser, struct slice name)
{
	bool kept = partition_admit(parser, name);
	struct config_partition *partition =
		kept ? &parser->config->partitions[parser->config->partition_count++]
		     : &parser->spare;

	memset(partition, 0, sizeof(*partition));
	memset(parser->found + CONFIG_KEY_VCPUS, 0,
	       (CONFIG_KEYS - CONFIG_KEY_VCPUS) * sizeof(parser->found[0]));
	slice_show(name, partition->name, sizeof(partition->name));
	partition->line = parser->line;
	partition->vcpus = 1;
	partition->autostart = true;
	parser->target.partition = partition;
	parser->section = SECTION_PARTITION;
}

static void host_open(struct parser *parser, struct slice name)
{
	struct fault fault = {.line = parser->line};

	if (name.bytes) {
		fault.allowed = "[host]";
		error_add(parser->config, parser->title, &fault, "the host has no name");
	} else if (parser->host_line) {
		fault.allowed = "[host] once";
		error_add(parser->config, parser->title, &fault, "already begun in line %u",
			  parser->host_line);
	}
	if (!parser->host_line)
		parser->host_line = parser->line;
	parser->section = SECTION_HOST;
}

static void section_unknown(struct parser *parser, struct slice kind)
{
	struct fault fault = {.line = parser->line, .allowed = "[host] or [partition NAME]"};
	const char *nearest = slice_resembles(kind, "host")	   ? "[host]"
			      : slice_resembles(kind, "partition") ? "[partition NAME]"
								   : NULL;

	parser->section = SECTION_FAULTY;
	if (nearest)
		error_add(parser->config, parser->title, &fault,
			  "unknown section (did you mean %s?)", nearest);
	else
		error_add(parser->config, parser->title, &fault, "unknown section");
}

/* What stands between the brackets. */
static struct slice section_title(struct parser *parser, struct slice line)
{
	struct slice title = slice_from(line, 1);
	size_t end = slice_find(title, ']');
	struct slice rest = slice_from(title, end + 1);

	parser->title[0] = '\0';
	if (end == title.bytes) {
		line_fault(parser, line, "']' is missing", "[host] or [partition NAME]");
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
		parser->section = SECTION_FAULTY;
		parser->partition_seen = true;
		return;
	}
	title = section_title(parser, line);
	slice_show(title, parser->title, sizeof(parser->title));
	kind = slice_head(title, MIN(slice_find(title, ' '), slice_find(title, '\t')));
	name = slice_trim(slice_from(title, kind.bytes));
	if (slice_is(kind, "host")) {
		host_open(parser, name);
		return;
	}
	/* A section that may have been meant as a partition shall not be said to be missing. */
	parser->partition_seen = true;
	if (slice_is(kind, "partition"))
		partition_open(parser, name);
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
			error_add(parser->config, parser->title, &fault,
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
	else if (parser->section == SECTION_NONE && readable)
		line_fault(parser, line, "text before the first section",
			   "a section first: [host] or [partition NAME]");
	else if (parser->section >= SECTION_HOST)
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
	if (!parser->partition_seen)
		error_add(parser->config, "", &fault, "the file has no partition");
	errors_sort(parser->config);
}

int config_parse(struct config *config, const char *text, size_t bytes)
{
	struct slice rest = bytes ? (struct slice){text, bytes} : SLICE_NONE;
	struct parser parser;

	parser_start(&parser, config);
	if (text_begins(rest, "\xff\xfe") || text_begins(rest, "\xfe\xff")) {
		struct fault fault = {.line = 1, .allowed = "plain text, saved as UTF-8"};

		error_add(config, "", &fault, "the file is UTF-16 text");
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

size_t config_error_text(const struct config_error *error, const char *file, char *buffer,
			 size_t bytes)
{
	size_t length;

	if (!bytes)
		return 0;
	format_text(buffer, bytes, "%s:%u: ", file, error->line);
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

static void memory_fault(struct config *config, const struct config_partition *partition, u64 left,
			 u64 available)
{
	char title[sizeof(((struct config_error *)0)->section)], size[CONFIG_SIZE_BYTES];
	char most[CONFIG_SIZE_BYTES], all[CONFIG_SIZE_BYTES], allowed[160];
	struct fault fault = {partition->line, slice_of("memory"), SLICE_NONE, allowed};

	format_text(title, sizeof(title), "partition %s", partition->name);
	config_size_text(partition->memory_bytes, size);
	fault.value = slice_of(size);
	config_size_text(left, most);
	if (left >= CONFIG_MEMORY_MIN)
		format_text(allowed, sizeof(allowed), "at most %s here", most);
	else
		format_text(allowed, sizeof(allowed), "less memory for the partitions before it");
	config_size_text(available, all);
	error_add(config, title, &fault, "does not fit: %s of the machine's %s are left", most,
		  all);
}

int config_check_memory(struct config *config, u64 available_bytes)
{
	u64 available = align_down(available_bytes, CONFIG_MEMORY_STEP), left = available;
	u32 errors = config->error_count;

	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *partition = &config->partitions[i];

		if (partition->memory_bytes > left)
			memory_fault(config, partition, left, available);
		else
			left -= partition->memory_bytes;
	}
	return config->error_count > errors ? -EINVAL : 0;
}
