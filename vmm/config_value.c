/* SPDX-License-Identifier: MIT */
/* The values of the configuration file: slices of its text, the table of keys, and how each is
 * read. */
#include <bulkhead/format.h>
#include <bulkhead/load.h>
#include <bulkhead/log.h>
#include <bulkhead/string.h>

#include "config_value.h"

struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

struct slice slice_head(struct slice slice, size_t bytes)
{
	return (struct slice){slice.start, MIN(bytes, slice.bytes)};
}

struct slice slice_from(struct slice slice, size_t index)
{
	index = MIN(index, slice.bytes);
	return (struct slice){slice.start + index, slice.bytes - index};
}

static bool byte_is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

struct slice slice_trim(struct slice slice)
{
	while (slice.bytes && byte_is_blank(slice.start[0]))
		slice = slice_from(slice, 1);
	while (slice.bytes && byte_is_blank(slice.start[slice.bytes - 1]))
		slice.bytes--;
	return slice;
}

bool slice_is(struct slice slice, const char *word)
{
	size_t bytes = strlen(word);

	return slice.bytes == bytes && (!bytes || memcmp(slice.start, word, bytes) == 0);
}

size_t slice_find(struct slice slice, char byte)
{
	size_t index = 0;

	while (index < slice.bytes && slice.start[index] != byte)
		index++;
	return index;
}

struct slice slice_uncomment(struct slice slice)
{
	for (size_t i = 0; i < slice.bytes; i++) {
		if (slice.start[i] == '#' && (i == 0 || byte_is_blank(slice.start[i - 1])))
			return slice_trim(slice_head(slice, i));
	}
	return slice;
}

static bool byte_is_shown(char byte)
{
	return byte >= ' ' && byte <= '~';
}

static char byte_shown(char byte)
{
	if (byte == '\t')
		return ' ';
	return byte_is_shown(byte) ? byte : '?';
}

void slice_show(struct slice slice, char *buffer, size_t bytes)
{
	static const char more[] = "...";
	bool cut = slice.bytes >= bytes;
	size_t kept = cut ? bytes - sizeof(more) : slice.bytes;

	for (size_t i = 0; i < kept; i++)
		buffer[i] = byte_shown(slice.start[i]);
	buffer[kept] = '\0';
	if (cut)
		memcpy(buffer + kept, more, sizeof(more));
}

#define RESEMBLES_BYTES 16

static char byte_lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* Levenshtein's distance with one row of the matrix kept; upper and lower case count as the same.
 */
static u32 slice_distance(struct slice a, struct slice b)
{
	u32 row[RESEMBLES_BYTES + 1];

	for (u32 j = 0; j <= b.bytes; j++)
		row[j] = j;
	for (u32 i = 1; i <= a.bytes; i++) {
		u32 diagonal = row[0];

		row[0] = i;
		for (u32 j = 1; j <= b.bytes; j++) {
			bool same = byte_lower(a.start[i - 1]) == byte_lower(b.start[j - 1]);
			u32 replaced = diagonal + !same;

			diagonal = row[j];
			row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[b.bytes];
}

/* Whether they differ by nothing but two neighbours that changed places. */
static bool slice_is_swapped(struct slice a, struct slice b)
{
	size_t i = 0;

	if (a.bytes != b.bytes)
		return false;
	while (i < a.bytes && a.start[i] == b.start[i])
		i++;
	return i + 1 < a.bytes && a.start[i] == b.start[i + 1] && a.start[i + 1] == b.start[i] &&
	       memcmp(a.start + i + 2, b.start + i + 2, a.bytes - i - 2) == 0;
}

bool slice_resembles(struct slice slice, const char *word)
{
	struct slice right = slice_of(word);

	if (slice.bytes < 2 || slice.bytes > RESEMBLES_BYTES || right.bytes > RESEMBLES_BYTES)
		return false;
	if (slice.bytes >= 3 && slice.bytes < right.bytes &&
	    slice_distance(slice, slice_head(right, slice.bytes)) == 0)
		return true;
	return slice_is_swapped(slice, right) ||
	       slice_distance(slice, right) <= (right.bytes >= 6 ? 2 : 1);
}

static int byte_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = byte_lower(byte);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : INT_MAX;
}

static const char too_large[] = "too large";

/* Read digits at the beginning of `*value` and leave there what follows them. */
static const char *number_take(struct slice *value, u64 base, u64 *number)
{
	size_t i;

	*number = 0;
	for (i = 0; i < value->bytes; i++) {
		u64 digit = (u64)byte_digit(value->start[i]);

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, digit, number))
			return too_large;
	}
	*value = slice_from(*value, i);
	return i ? NULL : "not a number";
}

static const char *count_read(struct slice value, u64 *number)
{
	const char *wrong = number_take(&value, 10, number);

	return wrong || !value.bytes ? wrong : "not a number";
}

static const char size_units[] = "KMGT";

const char *config_size_read(struct slice value, u64 *bytes)
{
	static const char not_size[] = "not a size";
	const char *wrong = number_take(&value, 10, bytes);

	if (wrong == too_large)
		return wrong;
	if (wrong || value.bytes > 1)
		return not_size;
	if (!value.bytes)
		return NULL;
	for (u32 i = 0; size_units[i]; i++) {
		if (byte_lower(value.start[0]) != byte_lower(size_units[i]))
			continue;
		return __builtin_mul_overflow(*bytes, KIB << (10 * i), bytes) ? too_large : NULL;
	}
	return not_size;
}

void config_size_text(u64 bytes, char buffer[CONFIG_SIZE_BYTES])
{
	u32 unit = 0;

	while (unit < sizeof(size_units) - 1 && bytes && is_aligned(bytes, KIB)) {
		bytes /= KIB;
		unit++;
	}
	format_text(buffer, CONFIG_SIZE_BYTES, "%lu%.*s", bytes, unit ? 1 : 0,
		    size_units + (unit ? unit - 1 : 0));
}

/* The index of the word that `value` is, or `count`. */
static u32 word_find(struct slice value, const char *const words[], u32 count)
{
	u32 i = 0;

	while (i < count && !slice_is(value, words[i]))
		i++;
	return i;
}

static const char not_word[] = "not one of the allowed words";

const char *const config_console_names[] = {"com1", "com2", "com3", "com4", "none"};
const char *const config_boot_names[] = {"", "linux", "raw"};
const char *const config_entry_names[] = {"long", "protected", "real"};

static const char *console_read(struct slice value, const struct config_target *target)
{
	static const u32 rates[] = {9600, 19200, 38400, 57600, 115200};
	size_t comma = slice_find(value, ',');
	struct slice port = slice_trim(slice_head(value, comma));
	struct slice rate = slice_trim(slice_from(value, comma + 1));
	u32 console = word_find(port, config_console_names, ARRAY_SIZE(config_console_names));
	u64 baud;

	if (console > CONFIG_CONSOLE_NONE)
		return "unknown port";
	if (comma < value.bytes) {
		if (console == CONFIG_CONSOLE_NONE)
			return "no console has no baud rate";
		if (count_read(rate, &baud))
			return "the baud rate is not a number";
		for (u32 i = 0; i < ARRAY_SIZE(rates); i++) {
			if (rates[i] == baud) {
				target->host->console = console;
				target->host->console_baud = rates[i];
				return NULL;
			}
		}
		return "unknown baud rate";
	}
	target->host->console = console;
	return NULL;
}

static const char *cpus_read(struct slice value, const struct config_target *target)
{
	u64 count = 0;
	const char *wrong = slice_is(value, "all") ? NULL : count_read(value, &count);

	if (wrong)
		return wrong;
	if (count == 0 && !slice_is(value, "all"))
		return "too small";
	if (count > 4096)
		return too_large;
	target->host->cpus = (u32)count;
	return NULL;
}

static const char *loglevel_read(struct slice value, const struct config_target *target)
{
	static const char *const levels[] = {[LOG_ERROR] = "error",
					     [LOG_WARN] = "warn",
					     [LOG_INFO] = "info",
					     [LOG_DEBUG] = "debug"};
	u32 level = word_find(value, levels, ARRAY_SIZE(levels));

	if (level == ARRAY_SIZE(levels))
		return not_word;
	target->host->log_level = level;
	return NULL;
}

static const char *vcpus_read(struct slice value, const struct config_target *target)
{
	u64 count;
	const char *wrong = count_read(value, &count);

	if (wrong)
		return wrong;
	if (count == 0)
		return "too small";
	if (count > 1)
		return "more than one virtual CPU is not supported yet";
	target->partition->vcpus = (u32)count;
	return NULL;
}

static const char *memory_read(struct slice value, const struct config_target *target)
{
	u64 bytes;
	const char *wrong = config_size_read(value, &bytes);

	if (wrong)
		return wrong;
	if (bytes < CONFIG_MEMORY_MIN)
		return "too small";
	if (bytes > CONFIG_MEMORY_MAX)
		return too_large;
	if (!is_aligned(bytes, CONFIG_MEMORY_STEP))
		return "not a multiple of 2M";
	target->partition->memory_bytes = bytes;
	return NULL;
}

static const char *boot_read(struct slice value, const struct config_target *target)
{
	u32 boot = word_find(value, config_boot_names, ARRAY_SIZE(config_boot_names));

	if (boot == CONFIG_BOOT_NONE || boot == ARRAY_SIZE(config_boot_names))
		return not_word;
	target->partition->boot = boot;
	return NULL;
}

/* Characters that FAT long names exclude besides the separators (FAT specification 1.03, "Long
 * Directory Entries"). */
static bool byte_is_of_path(char byte)
{
	static const char excluded[] = "\"*:<>?|";

	return byte_is_shown(byte) && slice_find(slice_of(excluded), byte) == sizeof(excluded) - 1;
}

static const char *path_name_check(struct slice name)
{
	if (!name.bytes)
		return "a name in the path is empty";
	if (slice_is(name, ".") || slice_is(name, ".."))
		return "'.' and '..' are not names";
	return NULL;
}

static const char *path_check(struct slice path)
{
	const char *wrong = NULL;

	if (path.bytes >= CONFIG_PATH_BYTES)
		return "too long";
	if (slice_find(path, '/') < path.bytes)
		return "'/' in a path";
	if (path.start[0] != '\\')
		return "does not begin with '\\'";
	for (size_t i = 0; i < path.bytes; i++) {
		if (!byte_is_of_path(path.start[i]))
			return "a character that paths cannot have";
	}
	while (!wrong && path.bytes) {
		path = slice_from(path, 1);
		size_t end = slice_find(path, '\\');

		wrong = path_name_check(slice_head(path, end));
		path = slice_from(path, end);
	}
	return wrong;
}

static const char *path_read(struct slice path, char room[CONFIG_PATH_BYTES])
{
	const char *wrong = path_check(path);

	if (wrong)
		return wrong;
	memcpy(room, path.start, path.bytes);
	room[path.bytes] = '\0';
	return NULL;
}

static const char *kernel_read(struct slice value, const struct config_target *target)
{
	return path_read(value, target->partition->kernel);
}

static const char *initrd_read(struct slice value, const struct config_target *target)
{
	return path_read(value, target->partition->initrd);
}

static const char *cmdline_read(struct slice value, const struct config_target *target)
{
	char *room = target->partition->cmdline;

	if (value.bytes >= CONFIG_CMDLINE_BYTES)
		return "too long";
	memcpy(room, value.start, value.bytes);
	room[value.bytes] = '\0';
	return NULL;
}

static const char *autostart_read(struct slice value, const struct config_target *target)
{
	if (!slice_is(value, "yes") && !slice_is(value, "no"))
		return not_word;
	target->partition->autostart = slice_is(value, "yes");
	return NULL;
}

static const char *entry_read(struct slice value, const struct config_target *target)
{
	u32 entry = word_find(value, config_entry_names, ARRAY_SIZE(config_entry_names));

	if (entry == ARRAY_SIZE(config_entry_names))
		return not_word;
	target->partition->entry = entry;
	return NULL;
}

static const char *address_read(struct slice value, u64 *address)
{
	const char *wrong;

	if (value.bytes > 2 && value.start[0] == '0' && byte_lower(value.start[1]) == 'x') {
		value = slice_from(value, 2);
		wrong = number_take(&value, 16, address);
		if (!wrong && value.bytes)
			wrong = "not an address";
	} else {
		wrong = config_size_read(value, address);
	}
	return !wrong || wrong == too_large ? wrong : "not an address";
}

static const char *load_read(struct slice value, const struct config_target *target)
{
	u64 address;
	const char *wrong = address_read(value, &address);

	if (wrong)
		return wrong;
	if (address >= GUEST_LOW_MAX)
		return too_large;
	if (address >= GUEST_HOLE_BASE && address < GUEST_ACPI_END)
		return "not memory that is free for an image";
	target->partition->load_address = address;
	return NULL;
}

#define ANY_BOOT (BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_LINUX) | BIT(CONFIG_BOOT_RAW))

const struct config_key config_keys[CONFIG_KEYS] = {
	[CONFIG_KEY_CONSOLE] =
		{
			.name = "console",
			.of_host = true,
			.read = console_read,
			.allowed = "com1, com2, com3 or com4, then if need be a comma and 9600, "
				   "19200, 38400, 57600 or 115200; or none",
		},
	[CONFIG_KEY_CPUS] =
		{
			.name = "cpus",
			.of_host = true,
			.read = cpus_read,
			.allowed = "all, or a number from 1 to 4096",
		},
	[CONFIG_KEY_LOGLEVEL] =
		{
			.name = "loglevel",
			.of_host = true,
			.read = loglevel_read,
			.allowed = "error, warn, info or debug",
		},
	[CONFIG_KEY_VCPUS] =
		{
			.name = "vcpus",
			.read = vcpus_read,
			.goes_with = ANY_BOOT,
			.allowed = "1",
		},
	[CONFIG_KEY_MEMORY] =
		{
			.name = "memory",
			.read = memory_read,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "a number with K, M, G or T such as 512M, at least 16M, at most "
				   "1T, in steps of 2M",
		},
	[CONFIG_KEY_BOOT] =
		{
			.name = "boot",
			.read = boot_read,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "linux or raw",
		},
	[CONFIG_KEY_KERNEL] =
		{
			.name = "kernel",
			.read = kernel_read,
			.needed_by = ANY_BOOT,
			.goes_with = ANY_BOOT,
			.allowed = "a file of the boot volume such as \\bulkhead\\web\\vmlinuz, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_INITRD] =
		{
			.name = "initrd",
			.read = initrd_read,
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_LINUX),
			.allowed = "a file of the boot volume such as \\bulkhead\\web\\initrd.gz, "
				   "at most 127 characters",
		},
	[CONFIG_KEY_CMDLINE] =
		{
			.name = "cmdline",
			.read = cmdline_read,
			.verbatim = true,
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_LINUX),
			.allowed = "any text of at most 1023 bytes",
		},
	[CONFIG_KEY_AUTOSTART] =
		{
			.name = "autostart",
			.read = autostart_read,
			.goes_with = ANY_BOOT,
			.allowed = "yes or no",
		},
	[CONFIG_KEY_ENTRY] =
		{
			.name = "entry",
			.read = entry_read,
			.needed_by = BIT(CONFIG_BOOT_RAW),
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_RAW),
			.allowed = "long, protected or real",
		},
	[CONFIG_KEY_LOAD] =
		{
			.name = "load",
			.read = load_read,
			.needed_by = BIT(CONFIG_BOOT_RAW),
			.goes_with = BIT(CONFIG_BOOT_NONE) | BIT(CONFIG_BOOT_RAW),
			.allowed = "an address such as 1M or 0x100000, below 3G, not from 0xa0000 "
				   "to 0xfffff",
		},
};
