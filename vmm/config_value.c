/* SPDX-License-Identifier: MIT */
/* The values of the configuration file: slices of its text, and the numbers and words in them. */
#include <bulkhead/format.h>
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

struct slice slice_split(struct slice *rest, char byte)
{
	size_t end = slice_find(*rest, byte);
	struct slice part = slice_head(*rest, end);

	*rest = slice_from(*rest, end + 1);
	return part;
}

bool byte_is_shown(char byte)
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

const char config_too_small[] = "too small";
const char config_too_large[] = "too large";
const char config_not_word[] = "not one of the allowed words";

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
			return config_too_large;
	}
	*value = slice_from(*value, i);
	return i ? NULL : "not a number";
}

const char *config_count_read(struct slice value, u64 *number)
{
	const char *wrong = number_take(&value, 10, number);

	return wrong || !value.bytes ? wrong : "not a number";
}

static const char size_units[] = "KMGT";

const char *config_size_read(struct slice value, u64 *bytes)
{
	static const char not_size[] = "not a size";
	const char *wrong = number_take(&value, 10, bytes);

	if (wrong == config_too_large)
		return wrong;
	if (wrong || value.bytes > 1)
		return not_size;
	if (!value.bytes)
		return NULL;
	for (u32 i = 0; size_units[i]; i++) {
		if (byte_lower(value.start[0]) != byte_lower(size_units[i]))
			continue;
		return __builtin_mul_overflow(*bytes, KIB << (10 * i), bytes) ? config_too_large
									      : NULL;
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

const char *config_address_read(struct slice value, u64 *address)
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
	return !wrong || wrong == config_too_large ? wrong : "not an address";
}

static const struct {
	const char *name;
	u64 us;
} time_units[] = {{"s", 1000000}, {"ms", 1000}, {"us", 1}};

const char *config_time_read(struct slice value, u64 *us)
{
	const char *wrong = number_take(&value, 10, us);

	if (wrong == config_too_large)
		return wrong;
	for (u32 i = 0; !wrong && i < ARRAY_SIZE(time_units); i++) {
		if (slice_is(value, time_units[i].name))
			return __builtin_mul_overflow(*us, time_units[i].us, us) ? config_too_large
										 : NULL;
	}
	return "not a time with its unit";
}

void config_time_text(u64 us, char buffer[CONFIG_SIZE_BYTES])
{
	u32 unit = 0;

	while (us % time_units[unit].us)
		unit++;
	format_text(buffer, CONFIG_SIZE_BYTES, "%lu%s", us / time_units[unit].us,
		    time_units[unit].name);
}

const char *config_percent_read(struct slice value, u64 *percent)
{
	const char *wrong = number_take(&value, 10, percent);

	if (wrong == config_too_large)
		return wrong;
	return wrong || !slice_is(value, "%") ? "not a percentage" : NULL;
}

const char *config_word_read(struct slice value, const char *const words[], u32 count, u32 *index)
{
	for (u32 i = 0; i < count; i++) {
		if (slice_is(value, words[i])) {
			*index = i;
			return NULL;
		}
	}
	return config_not_word;
}

const char *config_yes_read(struct slice value, bool *yes)
{
	static const char *const words[] = {"no", "yes"};
	u32 word;
	const char *wrong = config_word_read(value, words, ARRAY_SIZE(words), &word);

	if (!wrong)
		*yes = word == 1;
	return wrong;
}

bool config_name_is_good(struct slice name)
{
	/* "none" is what stands where no name is meant. */
	if (!name.bytes || name.bytes >= CONFIG_NAME_BYTES || slice_is(name, "none"))
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

void config_out_add(struct config_out *out, const char *format, ...)
{
	size_t at = MIN(out->length, out->bytes);
	va_list arguments;

	va_start(arguments, format);
	out->length += format_list(out->buffer + at, out->bytes - at, format, arguments);
	va_end(arguments);
}

void config_out_cut(struct config_out *out, size_t length)
{
	out->length = length;
	if (length < out->bytes)
		out->buffer[length] = '\0';
}
