/* SPDX-License-Identifier: MIT */
/*
 * Function names for backtraces. tools/symbols.py makes the table from the linked core, which is
 * then linked once more with it: addresses as offsets from the image's start, ascending.
 */
#include "panic.h"

struct symbol {
	u32 offset;
	u32 name; /* into symbol_names */
};

extern const struct symbol symbol_table[];
extern const u32 symbol_count;
extern const char symbol_names[];
extern char core_start[];

const char *symbol_name(u64 address, u64 *offset)
{
	u64 wanted = address - (u64)core_start;
	u32 low = 0, high = symbol_count;

	*offset = address;
	while (low < high) {
		u32 middle = (low + high) / 2;

		if (symbol_table[middle].offset <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || wanted >= 64 * MIB)
		return "?";
	*offset = wanted - symbol_table[low - 1].offset;
	return symbol_names + symbol_table[low - 1].name;
}
