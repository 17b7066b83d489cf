/* SPDX-License-Identifier: MIT */
/* x: a frozen guest's memory, as numbers or text. */
#include "command.h"
#include "look.h"
#include "report.h"

#include <bulkhead/format.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>

#define ROW_BYTES     16
#define BYTES_DEFAULT 64
#define BYTES_MAX     4096
#define STRINGS_MAX   64
#define STRING_BYTES  400 /* a longer one goes on in the next row */

struct unit {
	char letter;
	u32 bytes; /* 0: text up to its NUL */
};

static const struct unit units[] = {
	{'b', 1}, {'h', 2}, {'w', 4}, {'g', 8}, {'s', 0},
};

struct examination {
	struct vcpu *vcpu;
	struct look_address at;
	const struct unit *unit;
	u64 count;
};

/* --- reading the arguments --- */

static const struct unit *unit_find(const char *text)
{
	for (size_t i = 0; text[0] && !text[1] && i < ARRAY_SIZE(units); i++)
		if (units[i].letter == text[0])
			return &units[i];
	return NULL;
}

static bool is_number(const char *text)
{
	return text[0] >= '0' && text[0] <= '9';
}

static u64 count_max(const struct unit *unit)
{
	return unit->bytes ? BYTES_MAX / unit->bytes : STRINGS_MAX;
}

/* COUNT and a letter, in either order. */
static bool options_read(struct examination *examination, u32 count, char *const *arguments)
{
	const char *number = NULL;
	const struct unit *unit = NULL;

	for (u32 i = 0; i < count; i++) {
		const struct unit *found = unit_find(arguments[i]);

		if (found && !unit) {
			unit = found;
		} else if (is_number(arguments[i]) && !number) {
			number = arguments[i];
		} else {
			report_error("\"%s\" is neither a count nor one of b (bytes), h (16 bits), "
				     "w (32), g (64), s (text), or there is one already",
				     arguments[i]);
			return false;
		}
	}
	examination->unit = unit ? unit : &units[0];
	examination->count =
		examination->unit->bytes ? BYTES_DEFAULT / examination->unit->bytes : 1;
	return !number || argument_number(number, "count", 1, count_max(examination->unit),
					  &examination->count);
}

/* --- rows --- */

static void row(u64 address, const char *values, const char *text, bool readable)
{
	cell_text("%016lx", address);
	cell_text("%s", values);
	cell_text("%s", text);
	cell_flag(readable);
}

static void printable(char *text, const u8 *bytes, u64 count)
{
	for (u64 i = 0; i < count; i++)
		text[i] = bytes[i] < ' ' || bytes[i] > '~' ? '.' : (char)bytes[i];
	text[count] = 0;
}

static void values_row(u64 address, const u8 *bytes, u64 count, u32 unit)
{
	char values[3 * ROW_BYTES + 1] = "", text[ROW_BYTES + 1];

	for (u64 i = 0; i < count; i += unit) {
		u64 value = 0;

		memcpy(&value, bytes + i, unit);
		format_append(values, sizeof(values), "%s%0*lx", i ? " " : "", (int)(2 * unit),
			      value);
	}
	printable(text, bytes, count);
	row(address, values, text, true);
}

/* Says why there is nothing from `address` on; returns where it may go on: in the next page. */
static u64 fault_row(const struct examination *examination, u64 address,
		     const struct guest_walk *walk)
{
	char fault[128];

	look_fault_text(walk, fault, sizeof(fault));
	if (!fault[0] && examination->at.physical)
		format_text(fault, sizeof(fault), "not RAM");
	else if (!fault[0])
		format_text(fault, sizeof(fault), "guest-physical 0x%lx is not RAM", walk->gpa);
	row(address, fault, "", false);
	return align_down(address, PAGE_SIZE) + PAGE_SIZE;
}

static void values_show(const struct examination *examination)
{
	struct look_address at = examination->at;
	u32 unit = examination->unit->bytes;
	u64 left = examination->count * unit;

	while (left) {
		struct guest_walk walk;
		u8 bytes[ROW_BYTES];
		u64 wanted = MIN(left, (u64)ROW_BYTES);
		u64 count = look_bytes(examination->vcpu, &at, bytes, wanted, &walk);
		u64 done = align_down(count, unit);

		if (done)
			values_row(at.value, bytes, done, unit);
		/* Then with the first unit that begins in another page. */
		if (count != wanted)
			done = align_up(fault_row(examination, at.value + count, &walk) - at.value,
					unit);
		if (done >= left)
			return;
		left -= done;
		at.value += done;
	}
}

/* One text of at most `room` bytes, in as many rows as it takes: its length with its NUL, or 0 when
 * there is no memory for the rest of it or it is longer. */
static u64 string_show(const struct examination *examination, struct look_address at, u64 room)
{
	u64 done = 0;

	while (done < room) {
		struct guest_walk walk;
		char text[STRING_BYTES + 1];
		u8 bytes[STRING_BYTES];
		u64 wanted = MIN(room - done, (u64)STRING_BYTES);
		u64 count = look_bytes(examination->vcpu, &at, bytes, wanted, &walk);
		u64 length = strnlen((const char *)bytes, count);

		printable(text, bytes, length);
		if (count)
			row(at.value, "", text, true);
		if (length < count)
			return done + length + 1;
		if (count != wanted) {
			fault_row(examination, at.value + count, &walk);
			return 0;
		}
		done += count;
		at.value += count;
	}
	return 0;
}

static void strings_show(const struct examination *examination)
{
	struct look_address at = examination->at;
	u64 left = BYTES_MAX;

	for (u64 i = 0; i < examination->count && left; i++) {
		u64 length = string_show(examination, at, left);

		if (!length)
			return;
		left -= length;
		at.value += length;
	}
}

void command_x(const struct command *command unused, u32 count, char *const *arguments)
{
	static const struct column columns[] = {
		{"address", "ADDRESS", false},
		{"values", "VALUES", false},
		{"text", "TEXT", false},
		{"readable", NULL, false},
	};
	struct examination examination = {.vcpu = look_vcpu(arguments[0])};

	if (!examination.vcpu ||
	    !look_address_read(examination.vcpu, arguments[1], &examination.at) ||
	    !options_read(&examination, count - 2, arguments + 2))
		return;
	table_begin("memory", columns, ARRAY_SIZE(columns));
	if (examination.unit->bytes)
		values_show(&examination);
	else
		strings_show(&examination);
	table_end();
}
