/* SPDX-License-Identifier: MIT */
/*
 * Text formatting. A conversion that is not one of ours ends the conversions: from it on the format
 * is copied as it is, since the types of the arguments after it are unknown.
 */
#include <bulkhead/format.h>
#include <bulkhead/string.h>

/* Every character is counted; those beyond the buffer are not kept. The NUL takes the last place at
 * the end. */
struct output {
	char *buffer;
	size_t bytes;
	size_t length;
};

enum length { LENGTH_CHAR, LENGTH_SHORT, LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE };

struct conversion {
	bool left;
	bool zeros;
	size_t width;
	size_t precision; /* most characters of a string */
	enum length length;
};

struct list {
	va_list arguments; /* in a struct, as an array type cannot be passed on by address portably
			    */
};

static void put(struct output *out, char character)
{
	if (out->length < out->bytes)
		out->buffer[out->length] = character;
	out->length++;
}

static void put_repeated(struct output *out, char character, size_t count)
{
	while (count--)
		put(out, character);
}

static void put_bytes(struct output *out, const char *text, size_t count)
{
	while (count--)
		put(out, *text++);
}

static size_t padding(const struct conversion *conversion, size_t length)
{
	return conversion->width > length ? conversion->width - length : 0;
}

static void put_text(struct output *out, const struct conversion *conversion, const char *text,
		     size_t length)
{
	size_t fill = padding(conversion, length);

	if (!conversion->left)
		put_repeated(out, ' ', fill);
	put_bytes(out, text, length);
	if (conversion->left)
		put_repeated(out, ' ', fill);
}

/* Zeros go between the prefix (sign, 0x) and the digits, and never to the right of a number. */
static void put_number(struct output *out, const struct conversion *conversion, const char *prefix,
		       u64 value, unsigned base, const char *alphabet)
{
	char digits[20]; /* 2^64 - 1 has 20 decimal digits */
	size_t first = sizeof(digits), prefix_length = strlen(prefix), fill;

	do {
		digits[--first] = alphabet[value % base];
		value /= base;
	} while (value);

	fill = padding(conversion, prefix_length + sizeof(digits) - first);
	if (!conversion->left && !conversion->zeros)
		put_repeated(out, ' ', fill);
	put_bytes(out, prefix, prefix_length);
	if (!conversion->left && conversion->zeros)
		put_repeated(out, '0', fill);
	put_bytes(out, digits + first, sizeof(digits) - first);
	if (conversion->left)
		put_repeated(out, ' ', fill);
}

static u64 take_unsigned(struct list *list, enum length length)
{
	switch (length) {
	case LENGTH_CHAR:
		return (u8)va_arg(list->arguments, unsigned);
	case LENGTH_SHORT:
		return (u16)va_arg(list->arguments, unsigned);
	case LENGTH_INT:
		return va_arg(list->arguments, unsigned);
	case LENGTH_LONG:
		return va_arg(list->arguments, unsigned long);
	case LENGTH_LONG_LONG:
		return va_arg(list->arguments, unsigned long long);
	case LENGTH_SIZE:
		return va_arg(list->arguments, size_t);
	}
	return 0;
}

static s64 take_signed(struct list *list, enum length length)
{
	switch (length) {
	case LENGTH_CHAR:
		return (signed char)va_arg(list->arguments, int);
	case LENGTH_SHORT:
		return (short)va_arg(list->arguments, int);
	case LENGTH_INT:
		return va_arg(list->arguments, int);
	case LENGTH_LONG:
		return va_arg(list->arguments, long);
	case LENGTH_LONG_LONG:
		return va_arg(list->arguments, long long);
	case LENGTH_SIZE:
		return va_arg(list->arguments, ptrdiff_t);
	}
	return 0;
}

static void put_signed(struct output *out, const struct conversion *conversion, struct list *list)
{
	s64 value = take_signed(list, conversion->length);

	if (value < 0)
		put_number(out, conversion, "-", 0 - (u64)value, 10, "0123456789");
	else
		put_number(out, conversion, "", (u64)value, 10, "0123456789");
}

static void put_string(struct output *out, const struct conversion *conversion, const char *text)
{
	if (!text)
		text = "(null)";
	put_text(out, conversion, text, strnlen(text, conversion->precision));
}

static const char *parse_number(const char *at, size_t *value)
{
	/* Beyond any sense a width stops growing: it cannot wrap. */
	for (*value = 0; *at >= '0' && *at <= '9'; at++)
		*value = MIN(*value * 10 + (size_t)(*at - '0'), (size_t)INT_MAX);
	return at;
}

static const char *parse_flags(const char *at, struct conversion *conversion)
{
	for (; *at == '-' || *at == '0'; at++) {
		conversion->left |= *at == '-';
		conversion->zeros |= *at == '0';
	}
	return at;
}

static const char *parse_width(const char *at, struct conversion *conversion, struct list *list)
{
	int width;

	if (*at != '*')
		return parse_number(at, &conversion->width);
	width = va_arg(list->arguments, int);
	conversion->left |= width < 0; /* C17 7.21.6.1: a negative width is '-' and a width */
	conversion->width = width < 0 ? 0 - (size_t)width : (size_t)width;
	return at + 1;
}

static const char *parse_precision(const char *at, struct conversion *conversion, struct list *list)
{
	int precision;

	conversion->precision = SIZE_MAX;
	if (*at != '.')
		return at;
	if (*++at != '*')
		return parse_number(at, &conversion->precision);
	precision = va_arg(list->arguments, int);
	if (precision >= 0) /* C17 7.21.6.1: a negative one is none */
		conversion->precision = (size_t)precision;
	return at + 1;
}

static const char *parse_length(const char *at, struct conversion *conversion)
{
	conversion->length = LENGTH_INT;
	if (*at == 'z') {
		conversion->length = LENGTH_SIZE;
		return at + 1;
	}
	if (*at == 'h') {
		conversion->length = at[1] == 'h' ? LENGTH_CHAR : LENGTH_SHORT;
		return at + (at[1] == 'h' ? 2 : 1);
	}
	if (*at == 'l') {
		conversion->length = at[1] == 'l' ? LENGTH_LONG_LONG : LENGTH_LONG;
		return at + (at[1] == 'l' ? 2 : 1);
	}
	return at;
}

/* Returns whether `letter` is a conversion of ours. */
static bool convert(struct output *out, const struct conversion *conversion, char letter,
		    struct list *list)
{
	char character;

	switch (letter) {
	case 'd':
	case 'i':
		put_signed(out, conversion, list);
		return true;
	case 'u':
		put_number(out, conversion, "", take_unsigned(list, conversion->length), 10,
			   "0123456789");
		return true;
	case 'x':
		put_number(out, conversion, "", take_unsigned(list, conversion->length), 16,
			   "0123456789abcdef");
		return true;
	case 'X':
		put_number(out, conversion, "", take_unsigned(list, conversion->length), 16,
			   "0123456789ABCDEF");
		return true;
	case 'p':
		put_number(out, conversion, "0x", (uintptr_t)va_arg(list->arguments, void *), 16,
			   "0123456789abcdef");
		return true;
	case 'c':
		character = (char)va_arg(list->arguments, int);
		put_text(out, conversion, &character, 1);
		return true;
	case 's':
		put_string(out, conversion, va_arg(list->arguments, const char *));
		return true;
	case '%':
		put(out, '%');
		return true;
	}
	return false;
}

static void format_all(struct output *out, const char *format, struct list *list)
{
	while (*format) {
		struct conversion conversion = {0};
		const char *at = format + 1;

		if (*format != '%') {
			put(out, *format++);
			continue;
		}
		at = parse_flags(at, &conversion);
		at = parse_width(at, &conversion, list);
		at = parse_precision(at, &conversion, list);
		at = parse_length(at, &conversion);
		if (!convert(out, &conversion, *at, list)) {
			put_bytes(out, format, strlen(format));
			return;
		}
		format = at + 1;
	}
}

size_t format_list(char *buffer, size_t bytes, const char *format, va_list arguments)
{
	struct output out = {.buffer = buffer, .bytes = bytes};
	struct list list;

	va_copy(list.arguments, arguments);
	format_all(&out, format, &list);
	va_end(list.arguments);
	if (bytes)
		buffer[MIN(out.length, bytes - 1)] = 0;
	return out.length;
}

size_t format_text(char *buffer, size_t bytes, const char *format, ...)
{
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_list(buffer, bytes, format, arguments);
	va_end(arguments);
	return length;
}

size_t format_append(char *buffer, size_t bytes, const char *format, ...)
{
	va_list arguments;
	size_t used, length;

	if (!bytes)
		return 0;
	used = strnlen(buffer, bytes - 1);
	va_start(arguments, format);
	length = format_list(buffer + used, bytes - used, format, arguments);
	va_end(arguments);
	return used + MIN(length, bytes - used - 1);
}
